"""Mistakes in networks as data: which layers of a right network are exchanged, and for what."""

import copy
import inspect

from torch import nn


def built(make, right, args=()):
    """Return the module that a mistake makes; a dict of layers, or what returns one, exchanges them in a right one."""
    made = make if isinstance(make, dict) else make(*args)
    return exchanged(right(*args), made) if isinstance(made, dict) else made


def exchanged(net, layers):
    """Return a network with layers exchanged: by number, {8: nn.ReLU()}, name, or kind, {nn.Sigmoid: nn.ReLU()}.

    A tuple stands for several. A layer is copied for each place; a function is called with the layer that goes.
    """
    for keys, new in layers.items():
        if isinstance(keys, type):
            keys = tuple(name for name, old in net.named_modules() if isinstance(old, keys))
        for key in keys if isinstance(keys, tuple) else (keys,):
            parent, _, last = str(key if isinstance(key, str) else range(len(net))[key]).rpartition(".")
            parent = net.get_submodule(parent)
            setattr(parent, last, copy.deepcopy(new) if isinstance(new, nn.Module) else new(getattr(parent, last)))
    return net


def renewed(kind=None, **options):
    """Return what puts a layer with other options, or of another class, in the place of one: renewed(padding=0)."""

    def make(old):
        new = kind or type(old)
        same = {name: getattr(old, name) for name in inspect.signature(new).parameters if hasattr(old, name)}
        same |= {"bias": old.bias is not None} if "bias" in same else {}
        return new(**{**same, **options})

    return make
