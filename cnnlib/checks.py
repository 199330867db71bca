"""Questions asked of an argument before any work starts, each answered by an error that says what to do.

A message has three parts: what was expected, what came, and what to try.
"""

import math
from numbers import Integral, Real

import torch
from torch import nn


def check_number(value, name, *, low=None, hint=""):
    """Return `value` as a finite float greater than `low`.

    Raises
    ------
    TypeError
        If it is no real number (a string, None, a bool).
    ValueError
        If it is NaN, infinite, or not greater than `low`.
    """
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}. {hint}".rstrip())
    value = float(value)
    if not math.isfinite(value) or (low is not None and value <= low):
        bound = "finite" if low is None else f"finite and greater than {low:g}"
        raise ValueError(f"{name} must be {bound}, got {value!r}. {hint}".rstrip())
    return value


def check_lr(value):
    """Return a learning rate as a float; it must be a finite number greater than zero."""
    return check_number(value, "the learning rate", low=0, hint="Try 0.1.")


def check_count(value, name, *, least=1, hint=""):
    """Return `value` as an int of at least `least`.

    Raises
    ------
    TypeError
        If it is no whole number (2.5, "3", True).
    ValueError
        If it is less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}. {hint}".rstrip())
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}. {hint}".rstrip())
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
