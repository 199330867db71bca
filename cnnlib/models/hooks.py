"""Hooks around the modules of a network, which are removed again, and the tensors that they are handed."""

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import torch
from torch.nn.utils import parametrize

PLAIN = (int, float, str, torch.Size, torch.dtype, torch.device, type(None))  # what holds no tensor, checked first


def device_of(net):
    """Return the device of a network's first weight; the CPU for a network without weights."""
    return next((weight.device for weight in net.parameters()), torch.device("cpu"))


def class_name(module):
    """Return the name of a module's class: the one that it had before it was scripted or given parametrizations."""
    return getattr(module, "original_name", parametrize.type_before_parametrizations(module).__name__)


def tensors_in(value):
    """Yield the tensors in what a module took or gave: itself, or those in its tuples, lists, dicts, dataclasses."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, PLAIN):
        return
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, Mapping):
        yield from tensors_in(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_in([getattr(value, field.name) for field in fields(value)])


def first_tensor(value):
    """Return the first tensor in what a module gave, or None."""
    return next(tensors_in(value), None)


@contextmanager
def watching(modules, after=None, before=None):
    """Call functions whenever one of some modules runs, until the block ends.

    Parameters
    ----------
    modules : dict of str to nn.Module
        Modules that TorchScript made take no hooks and are left out.
    after : callable, optional
        `after(name, module, inputs, output)` when it has run: the tensors that it was given, by position or by
        keyword, and what it returned.
    before : callable, optional
        `before(name, module, inputs)`, before any other hook of the module, and so before a layer that works in place
        writes into its inputs.
    """
    names = {module: name for name, module in modules.items() if not isinstance(module, torch.jit.ScriptModule)}
    hooks = []

    def enter(module, args, kwargs):
        if module in names:  # not in a copy of the network, which has copies of its hooks
            before(names[module], module, list(tensors_in([args, kwargs])))

    def leave(module, args, kwargs, output):
        if module in names:
            after(names[module], module, list(tensors_in([args, kwargs])), output)

    try:
        for module in names:
            if before:
                hooks.append(module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True))
            if after:
                hooks.append(module.register_forward_hook(leave, with_kwargs=True))
        yield
    finally:
        for hook in hooks:
            hook.remove()
