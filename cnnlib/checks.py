"""Questions asked of an argument before any work starts, each answered by an error that says what to do.

A message has three parts: what was expected, what came, and what to try.
"""

import math
from numbers import Integral, Real

import numpy as np
import torch
from torch import nn


def told(value):
    """Say in a few words what a value is: its text and its type, and of a tensor its shape, dtype and device."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {str(value.dtype)[6:]}, on {value.device}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}, of type ndarray"
    if isinstance(value, nn.Module):
        return f"a module of type {type(value).__name__}"
    try:
        text = repr(value)
    except Exception:  # the value is somebody else's
        text = "something"
    text = text if len(text) <= 80 else f"{text[:79]}…"
    return f"{text} of type {type(value).__name__}"


def check_number(value, name, *, low=None, least=None, most=None, hint=""):
    """Return `value` as a finite float: greater than `low`, at least `least`, at most `most`, where they are given.

    Raises
    ------
    TypeError
        If it is no real number (a string, None, a bool).
    ValueError
        If it is NaN, infinite, or out of bounds.
    """
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_meta:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {told(value)}. {hint}".rstrip())
    try:
        value = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        value = math.copysign(math.inf, value)
    bounds = {f"greater than {low}": low is None or value > low, f"at least {least}": least is None or value >= least,
              f"at most {most}": most is None or value <= most}  # fmt: skip
    if not math.isfinite(value) or not all(bounds.values()):
        words = " and ".join(["finite", *(words for words in bounds if not words.endswith("None"))])
        raise ValueError(f"{name} must be {words}, got {value!r}. {hint}".rstrip())
    return value


def check_lr(value):
    """Return a learning rate as a float; it must be a finite number greater than zero."""
    return check_number(value, "the learning rate", low=0, hint="Try 0.1.")


def check_count(value, name, *, least=1, most=None, hint=""):
    """Return `value` as an int of at least `least` and, where it is given, at most `most`.

    Raises
    ------
    TypeError
        If it is no whole number (2.5, "3", True).
    ValueError
        If it is less than `least` or more than `most`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {told(value)}. {hint}".rstrip())
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}. {hint}".rstrip())
    if most is not None and value > most:
        raise ValueError(f"{name} must be at most {most:,}, got {told(value)}. {hint}".rstrip())
    return int(value)


def check_labels(y, num_classes):
    """Raise unless the labels `y` are whole numbers in 0 … `num_classes` - 1.

    Cross-entropy would skip a label of -100 in silence and, on a GPU, end the whole process on one that is too
    large; so the question is asked first.
    """
    if y.dtype not in (torch.int64, torch.uint8):
        raise TypeError(
            f"labels must be whole numbers (class indices, int64), got a tensor of {y.dtype}. Try y.long()."
        )
    if y.dim() != 1:
        raise ValueError(
            f"labels must be one number an example, of shape (N,), got {tuple(y.shape)}. Try y.flatten() for a column, "
            "y.argmax(1) for one-hot rows."
        )
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"labels must lie in 0 … {num_classes - 1}, because the network has {num_classes} outputs, got the "
            f"label {wrong}. Give the last layer as many outputs as there are classes, or mend the labels."
        )


def check_batch(batch):
    """Return the `X` and `y` of a batch; raise unless they are tensors of as many examples, at least one."""
    pair = isinstance(batch, list | tuple) and len(batch) == 2
    if not pair or not all(isinstance(part, torch.Tensor) for part in batch):
        parts = batch if isinstance(batch, list | tuple) and len(batch) < 5 else [batch]
        got = ", ".join(type(part).__name__ for part in parts)
        raise TypeError(
            f"a batch must be a pair of tensors (X, y), got ({got}). Turn images and labels into tensors first."
        )
    X, y = batch
    if X.dim() == 0 or y.dim() == 0 or len(X) != len(y) or len(X) == 0:
        raise ValueError(
            f"a batch needs as many labels as images, and at least one, got X of shape {tuple(X.shape)} and y of "
            f"shape {tuple(y.shape)}."
        )
    return X, y


def needs_of(layer):
    """Say in words which input a layer takes, or '' where the class tells nothing."""
    if isinstance(layer, nn.Linear):
        return f"(N, {layer.in_features})"
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return f"(N, {layer.in_channels}, height, width)"
    if isinstance(layer, nn.BatchNorm1d):
        return f"(N, {layer.num_features}) or (N, {layer.num_features}, length)"
    if isinstance(layer, nn.BatchNorm2d):
        return f"(N, {layer.num_features}, height, width)"
    return ""


def explain_forward_error(net, X, error):
    """Turn an error from `net(X)` into one that names the layer that could not take its input.

    Parameters
    ----------
    net : nn.Module
    X : Tensor of shape (N, …)
        The batch that failed.
    error : Exception
        What the forward pass raised.

    Returns
    -------
    Exception
        A ValueError that names the layer, the shape it got and the shape it needs; or `error` itself, if the
        forward pass does not fail again or fails outside any layer.
    """
    inside, seen = [], {}
    names = {module: name for name, module in net.named_modules()}

    def enter(module, args):
        inside.append(module)
        if args and isinstance(args[0], torch.Tensor):
            seen[module] = (tuple(args[0].shape), args[0].dtype)

    def leave(module, args, output):
        inside.pop()

    hooks = [h for m in names for h in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    try:
        with torch.no_grad():
            net(X)
        return error
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as again:
        layer = inside[-1] if inside else None
        if layer is None or layer not in seen:
            return error
        shape, dtype = seen[layer]
        where = f"layer {names[layer]!r}" if names[layer] else "the network"
        needs = needs_of(layer)
        needs = f", but needs {needs}" if needs else ""
        return ValueError(
            f"{where}, {layer.__class__.__name__}, got an input of shape {shape} ({str(dtype)[6:]}){needs}. "
            f"The whole batch has the shape {tuple(X.shape)}: give the network the image size and the number of "
            f"channels it was built for, or change this layer. PyTorch said: {str(again).splitlines()[0]}"
        )
    finally:
        for hook in hooks:
            hook.remove()


def send(net, X):
    """Return `net(X)`; where a layer cannot take its input, raise a ValueError that names the layer."""
    try:
        return net(X)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        explained = explain_forward_error(net, X, error)
        if explained is error:
            raise
        raise explained from error
