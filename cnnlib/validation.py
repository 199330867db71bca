"""Questions asked of an argument before any work starts, each answered by an error that says what to do.

A message has three parts: what was expected, what came, and what to try.
"""

import functools
import inspect
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


ONE_LOGIT = (
    " One output for two classes needs a loss of its own: loss=lambda scores, y: "
    "F.binary_cross_entropy_with_logits(scores.flatten(), y.float())."
)


def check_labels(y, num_classes):
    """Raise unless the labels `y` are whole numbers in 0 … `num_classes` - 1.

    Cross-entropy would skip a label of -100 in silence and, on a GPU, end the whole process on one that is too
    large; so the question is asked first.
    """
    if y.dtype not in (torch.int64, torch.uint8) and y.dim() != 2:
        numbers = y.is_floating_point() and bool((y != y.round()).any())
        hint = "For numbers as targets give a `loss` and a `correct` of your own." if numbers else "Try y.long()."
        raise TypeError(f"labels must be whole numbers (class indices, int64), got a tensor of {y.dtype}. {hint}")
    if y.dim() != 1:
        raise ValueError(
            f"labels must be one number an example, of shape (N,), got {tuple(y.shape)}. Try y.flatten() for a column, "
            "y.argmax(1) for one-hot rows."
        )
    if not y.numel():  # all are ignored
        return
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"labels must lie in 0 … {num_classes - 1}, because the network has {num_classes} outputs, got the "
            f"label {wrong}. Give the last layer as many outputs as there are classes, or mend the labels."
            f"{ONE_LOGIT if num_classes == 1 else ''}"
        )


def check_batch(batch):
    """Return the `X` and `y` of a batch; raise unless they are tensors of as many examples, at least one."""
    pair = isinstance(batch, list | tuple) and len(batch) == 2
    if not pair or not all(isinstance(part, torch.Tensor) for part in batch):
        parts = batch if isinstance(batch, list | tuple) and len(batch) < 5 else [batch]
        got = ", ".join(type(part).__name__ for part in parts)
        hint = "Turn images and labels into tensors first."
        if pair and isinstance(batch[1], int):
            hint = "A data set gives one example at a time: DataLoader(data, batch_size=64) makes batches of tensors."
        elif isinstance(batch, dict):
            hint = f"Its keys are {', '.join(map(repr, batch))}: give pairs, [(batch[…], batch[…]) for batch in data]."
        raise TypeError(f"a batch must be a pair of tensors (X, y), got ({got}). {hint}")
    X, y = batch
    if X.dim() == 0 or y.dim() == 0 or len(X) != len(y) or len(X) == 0:
        single = X.dim() and len(X) and (y.dim() == 0 or len(y) == 1)
        hint = " Is it one example without a batch axis? Give it one: X[None], y.reshape(1)." if single else ""
        raise ValueError(
            f"a batch needs as many labels as images, and at least one, got X of shape {tuple(X.shape)} and y of "
            f"shape {tuple(y.shape)}.{hint}"
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


LARGEST = 2**28  # numbers that one example may have: a gibibyte


def check_net(net, name="net"):
    """Return `net`; raise a TypeError unless it is an nn.Module, as a class or a function that builds one is not."""
    if not isinstance(net, nn.Module):
        raise TypeError(f"{name} must be an nn.Module, got {_kind(net)}. Build it first: lenet(), say.")
    return net


def check_computing(net, name="net"):
    """Return a network that can compute; raise unless it is an nn.Module whose weights exist.

    Raises
    ------
    TypeError
        If it is no nn.Module.
    ValueError
        If it has lazy layers, or lies on the device 'meta', where there are shapes and no numbers.
    """
    for weight in check_net(net, name).parameters():
        if nn.parameter.is_lazy(weight):
            raise ValueError(f"{name} has lazy layers, which have no weights yet. Send a batch through it first.")
        if weight.is_meta:
            raise ValueError(f"{name} lies on the device 'meta', which has no numbers. Build it on the CPU.")
    return net


def check_tensor(value, name, dims=(), shape="", *, empty=False, meta=False):
    """Return a tensor that holds numbers, with as many axes as `dims` allows (any, if it is left out).

    Parameters
    ----------
    dims : tuple of int
    shape : str
        What the axes are, for the message: "(N, C, H, W)".
    empty : bool
        Whether it may hold no number at all.
    meta : bool
        Whether it may lie on the device 'meta', where there are shapes and no numbers.

    Raises
    ------
    TypeError
        If it is no tensor.
    ValueError
        If it has other axes, is empty, or lies on the device 'meta'.
    """
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} must be a tensor{_of(shape)}, got {told(value)}. Try torch.as_tensor.")
    wrong = dims and value.dim() not in dims
    if wrong or (value.is_meta and not meta) or not (empty or value.numel()):
        raise ValueError(f"{name} must be a tensor with numbers in it{_of(shape)}, got {told(value)}.")
    return value


def check_example(shape, name="input_shape"):
    """Return the shape of one example as a tuple of int: at least one axis, and no more than 2^28 numbers (1 GiB).

    Raises
    ------
    TypeError
        If it is no tuple or list of whole numbers.
    ValueError
        If a side is less than 1, or the example is too large.
    """
    hint = "Try (1, 28, 28)."
    if not isinstance(shape, tuple | list) or not shape:
        raise TypeError(f"{name} must be a tuple of whole numbers, got {told(shape)}. {hint}")
    sides = tuple(check_count(side, f"each side of {name}", hint=hint) for side in shape)
    if math.prod(sides) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:,} numbers in all, got {told(shape)}. {hint}")
    return sides


def check_device(device, *, meta=False):
    """Return a torch.device on which this machine can compute; with `meta`, 'meta' passes as well.

    Raises
    ------
    TypeError
        If it is neither a torch.device nor a text.
    ValueError
        If there is no such device here, or it is 'meta', which computes nothing.
    """
    if not isinstance(device, torch.device | str):
        raise TypeError(f"a device must be a torch.device or a text, got {told(device)}. Try 'cpu', or try_gpu().")
    try:
        found = torch.device(device)
        if meta or found.type != "meta":
            torch.empty(0, device=found)
            return found
    except (RuntimeError, AssertionError, NotImplementedError):
        pass
    raise ValueError(f"a device must be one that this machine can compute on, got {device!r}. Try 'cpu', or try_gpu().")


def check_callable(value, name, hint=""):
    """Return `value`; raise a TypeError unless it can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be callable, got {told(value)}. {hint}".rstrip())
    return value


def check_maker(value, name):
    """Return what builds modules: nn.ReLU, say; raise a TypeError for a module that is built already, nn.ReLU()."""
    if isinstance(value, nn.Module):
        raise TypeError(f"{name} must be callable and build a module, got {told(value)}, which is one. Give the class.")
    return check_callable(value, name, "Give a class such as nn.ReLU.")


def check_choice(value, name, options):
    """Return `value`; raise a ValueError unless it is one of some texts."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {told(value)}.")
    return value


def check_iterable(value, name):
    """Return `value`; raise a TypeError unless it can be iterated over, and is no text and no dict."""
    if isinstance(value, str | bytes | dict) or not (hasattr(value, "__iter__") or hasattr(value, "__getitem__")):
        raise TypeError(f"{name} must be an iterable, got {told(value)}.")
    return value


def check_text(value, name):
    """Return `value`; raise a TypeError unless it is a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {told(value)}.")
    return value


def check_switch(value, name):
    """Return `value` as a bool; raise a TypeError unless it is True or False: the text "no" counts as true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {told(value)}.")
    return bool(value)


def check_list(value, name, kind=object, least=1):
    """Return a sequence of things of one kind, as a list, at least `least` of them.

    Raises
    ------
    TypeError
        If it is no sequence (a single text is none), or something in it is of another kind.
    ValueError
        If there are too few.
    """
    if isinstance(value, str | bytes | dict) or not (hasattr(value, "__len__") and hasattr(value, "__iter__")):
        raise TypeError(f"{name} must be a list, got {told(value)}.")
    things = list(value) if getattr(value, "ndim", 1) else []
    for thing in things:
        if not isinstance(thing, kind):
            raise TypeError(f"{name} must be a list of {_words(kind)}, got {told(thing)} among them.")
    if len(things) < least:
        raise ValueError(f"{name} must be a list of at least {least}, got {told(value)}.")
    return things


def check_named(value, name, kind=object):
    """Return a dict from names to things of one kind, with at least one in it.

    Raises
    ------
    TypeError
        If it is no dict, a name is no text, or a thing is of another kind.
    ValueError
        If it is empty.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict with a name for each, got {told(value)}.")
    if not value:
        raise ValueError(f"{name} must be a dict with at least one entry, got {value!r}.")
    for key, thing in value.items():
        check_text(key, f"each name in {name}")
        if not isinstance(thing, kind):
            raise TypeError(f"{name} must be a dict of {_words(kind)}, got {told(thing)} under {key!r}.")
    return value


def check_pair(value, name, hint="Try (0, 1)."):
    """Return (low, high) as two finite numbers, the first smaller than the second."""
    if isinstance(value, str | dict) or not hasattr(value, "__len__") or not getattr(value, "ndim", 1):
        raise TypeError(f"{name} must be a pair of numbers, got {told(value)}. {hint}")
    if len(value) != 2:
        raise ValueError(f"{name} must be a pair of numbers, got {told(value)}. {hint}")
    low, high = (check_number(end, f"each end of {name}", hint=hint) for end in value)
    if low > high:
        raise ValueError(f"{name} must be a pair of numbers, the smaller one first, got {told(value)}. {hint}")
    return low, high


def checked(together=None, **rules):
    """Return a decorator that asks `rule(argument, name)` of arguments before a function runs; defaults are let pass.

    `together(**arguments)` is asked after them, of what has to fit one another.

    A chapter shows the source of some functions without their checks. Those are decorated behind their definition:
    `lenet = checked(activation=check_maker)(lenet)`.
    """

    def decorate(function):
        signature = inspect.signature(function)

        @functools.wraps(function)
        def ask(*args, **kwargs):
            arguments = signature.bind(*args, **kwargs).arguments
            for name, value in arguments.items():
                if name in rules and value is not signature.parameters[name].default:
                    rules[name](value, name)
            if together is not None:
                together(**arguments)
            return function(*args, **kwargs)

        return ask

    return decorate


def _kind(value):
    """Say what came in place of a network: the type alone of a value, a class or a function by its name."""
    named = isinstance(value, type) or callable(value)
    return f"{type(value).__name__} {getattr(value, '__name__', '')}".rstrip() if named else type(value).__name__


def _of(shape):
    return f" of shape {shape}" if shape else ""


def _words(kind):
    return " or ".join(one.__name__ for one in getattr(kind, "__args__", kind if isinstance(kind, tuple) else (kind,)))
