"""What kind of thing an argument is: a network, a tensor, a device, a text, a list. Each question is asked before any
work starts, and answered by an error that says what was expected, what came, and what to try; see `cnnlib.checks`.
"""

import functools
import inspect
import math

import numpy as np
import torch
from torch import nn

from cnnlib.checks import check_count, check_number, told

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
