"""What all probes share: hooks that go again, copies of what passes them, and a network that is left as it was.

A hook is handed the network's own tensors, and a later layer may write into them: `nn.ReLU(inplace=True)`,
`out += identity`. What is to be kept is copied inside the hook; on a CPU `.detach().cpu()` copies nothing.
"""

from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import fields, is_dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from cnnlib.machine.rng import borrowed_random
from cnnlib.models.failures import run_network
from cnnlib.models.modes import in_mode

PLAIN = (int, float, str, torch.Size, torch.dtype, torch.device, type(None))  # what holds no tensor, asked for first
_left_alone = ContextVar("whether the generators are left as a pass leaves them", default=False)


def device_of(net):
    """Return the device of a network's first weight; the CPU for a network without weights."""
    return next((weight.device for weight in net.parameters()), torch.device("cpu"))


def batch_for(net, X, dtype=None):
    """Return a copy of a batch on the network's device: a layer that works in place would write into the caller's."""
    return X.detach().to(device_of(net), dtype, copy=True)


def send_aside(net, X):
    """Return what a network makes of a copy of a batch; what a pass in training mode updates stays as it is.

    Raises
    ------
    ValueError
        If a layer cannot take its input; it names the layer.
    """
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    return run_network(net, batch_for(net, X), lambda X: torch.func.functional_call(net, buffers, (X,)))


def dtype_of(net):
    """Return the type of a network's first weight; the default one for a network without weights."""
    return next((weight.dtype for weight in net.parameters()), torch.get_default_dtype())


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


def copy_of(tensor):
    """Return a copy on the CPU without gradients, whatever is written into the tensor later."""
    return tensor.detach().to("cpu", copy=True)


def call_name(name, calls):
    """Count a call of a layer in `calls`, a Counter; return its name, of a further call 'name (2)'."""
    calls[name] += 1
    return name if calls[name] == 1 else f"{name} ({calls[name]})"


def innermost(net):
    """Return by name the modules that are made of no others.

    A layer with parametrizations (weight_norm) is one, and so is nn.MultiheadAttention, which uses the weights of its
    part without calling it.
    """
    if isinstance(net, torch.jit.ScriptModule):
        raise TypeError(f"net is a {type(net).__name__}, whose layers take no hooks. Give what was scripted or traced.")
    found, inside = {}, ()
    for name, module in net.named_modules():
        if ".parametrizations." in f".{name}." or (inside and name.startswith(inside)):
            continue
        if isinstance(module, nn.MultiheadAttention):
            inside = (*inside, f"{name}." if name else "")
        elif any(part != "parametrizations" for part, _ in module.named_children()):
            continue
        found[name] = module
    return found


def kind_of(module):
    """Return the name of a module's class, of that before it was given parametrizations."""
    return parametrize.type_before_parametrizations(module).__name__


@contextmanager
def watching(modules, after=None, before=None):
    """Call functions whenever one of some modules runs, for a while.

    Parameters
    ----------
    modules : dict of str to nn.Module
    after : callable, optional
        `after(name, module, inputs, output)` when it has run: the tensors that it was given, by position or by
        keyword, and what it returned.
    before : callable, optional
        `before(name, module, inputs)`, before any other hook of the module: what is given, before a layer in place
        writes into it.
    """
    names, hooks = {module: name for name, module in modules.items()}, []

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


@contextmanager
def looking(net, training=False):
    """Put a network into a mode for a while, without gradients; the modes and the random numbers are put back."""
    with torch.no_grad(), in_mode(net, training), random_kept(net):
        yield


def random_kept(net):
    """Return a context after which the generators of random numbers that a network may use are as before."""
    return nullcontext() if _left_alone.get() else borrowed_random(device_of(net))


@contextmanager
def random_left_alone():
    """Let probes leave the generators as a pass leaves them: to set them back would rewind a run in another thread."""
    token = _left_alone.set(True)
    try:
        yield
    finally:
        _left_alone.reset(token)
