"""Passes of a batch through a network that leave both as they were, for all probes.

A hook is handed the network's own tensors, and a later layer may write into them: `nn.ReLU(inplace=True)`,
`out += identity`. What is to be kept is copied inside the hook; on a CPU `.detach().cpu()` copies nothing.
"""

from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import nn

from cnnlib.machine.rng import forked_rng
from cnnlib.models.explain_forward import run_network
from cnnlib.models.hooks import device_of
from cnnlib.models.training_mode import in_mode

_left_alone = ContextVar("whether the generators are left as a pass leaves them", default=False)


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


@contextmanager
def looking(net, training=False):
    """Put a network into a mode inside a `with` block, without gradients; then restore modes and random numbers."""
    with torch.no_grad(), in_mode(net, training), random_kept(net):
        yield


def random_kept(net):
    """Return a context after which the random numbers that a network may draw are as before."""
    return nullcontext() if _left_alone.get() else forked_rng(device_of(net))


@contextmanager
def random_left_alone():
    """Keep probes from restoring random numbers, which would rewind a run in another thread."""
    token = _left_alone.set(True)
    try:
        yield
    finally:
        _left_alone.reset(token)
