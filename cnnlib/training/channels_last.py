"""Channels-last weights while a network trains, where nothing that runs meanwhile can notice.

PyTorch's convolutions are faster when the channels of a feature map lie side by side in memory: LeNet's step on two
cores takes 11 ms instead of 12 to 15, ResNet-20's a quarter less. A convolution gives its output the layout of its
weights, and code that depends on how a tensor lies, as `x.view(x.size(0), -1)` does, then fails. So a run tries: its
first step and its first evaluation are watched, and where one fails or asks for the layout, the weights are laid back
and it is computed again. Listeners that are not of this library see the weights as they lay before the run.
"""

from contextlib import nullcontext

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cnnlib.machine.faults import is_fault
from cnnlib.machine.rng import random_state, set_random_state

LANES = 8  # float32 numbers that an AVX2 processor computes at once
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
OURS = ("torch", "cnnlib")  # packages whose hooks and listeners cope with either layout

# what fails where a tensor does not lie as it must
VIEWS = {torch.Tensor.view, torch.Tensor.view_as, torch.view_as_real, torch.view_as_complex}
# what returns how a tensor lies, or relies on it without an error
ASKING = {torch.as_strided, *(getattr(torch.Tensor, name) for name in (
    "as_strided", "as_strided_", "data_ptr", "is_contiguous", "numpy", "resize_", "set_", "storage", "stride",
    "untyped_storage", "__array__", "__dlpack__",
))}  # fmt: skip


class LayoutAsked(BaseException):
    """Code asked how a tensor lies in memory. Not an Exception: nothing between the code and the run handles it."""


class _Watch(TorchFunctionMode):
    """Raise LayoutAsked where Python code calls something of ASKING, or something of VIEWS that fails."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in ASKING:
            raise LayoutAsked
        try:
            return function(*args, **(kwargs or {}))
        except RuntimeError as error:
            if function in VIEWS:
                raise LayoutAsked from error
            raise


class ChannelsLast:
    """Lay the weights of convolutions channels last for a while, if that is faster: `with ChannelsLast(net, device):`.

    Parameters
    ----------
    net : nn.Module
    device : torch.device
        Where it computes.
    optimizer : torch.optim.Optimizer, optional
        Its memory is laid as the weights are.

    Attributes
    ----------
    watches : bool
        Whether the first call of each function that is attempted is watched.
    """

    def __init__(self, net, device, optimizer=None):
        self.net, self.device, self.optimizer = net, device, optimizer
        self.watches = True
        self._weights, self._laid = [], []  # while it lasts; those laid channels last now, with their own data
        self._given_up, self._watched = False, set()

    def __enter__(self):
        self._weights = [] if self._given_up else find_weights(self.net, self.device)
        self._watched = set()
        self.lay()
        return self

    def __exit__(self, *error):
        self.lay_back()
        self._weights = []

    def lay(self):
        """Lay the weights channels last, if they do not lie so already."""
        if self._weights and not self._laid:
            self._laid = [(weight, weight.data) for weight in self._weights]
            for weight, own in self._laid:
                weight.data = _copied(own, torch.channels_last)
            self._lay_memory(torch.channels_last)

    def lay_back(self):
        """Let the weights lie as they lay before."""
        laid, self._laid = self._laid, []
        if laid:
            self._lay_memory(torch.contiguous_format)
        for weight, own in laid:
            if weight.shape == own.shape and weight.dtype == own.dtype:
                own.copy_(weight.data)  # into the same memory: what else refers to it sees the trained weights
                weight.data = own
                if weight.grad is not None:
                    weight.grad = _copied(weight.grad, torch.contiguous_format)

    def prepare_for(self, listener):
        """Lay the weights back before a listener is called that is not of this library."""
        if self._laid and not _is_ours(listener):
            self.lay_back()

    def attempt(self, function, *args):
        """Return `function(*args)`; where it fails and the layout may be why, lay the weights back and call it again.

        The first call of each function is watched: its code may ask how a tensor lies. Buffers and random numbers are
        put back before it is called again.
        """
        if not self._laid:
            return function(*args)
        name = getattr(function, "__name__", "")
        watch = self.watches and name not in self._watched
        start = (random_state(self.device), [(b, b.clone()) for b in self.net.buffers()]) if watch else None
        try:
            with _Watch() if watch else nullcontext():
                found = function(*args)
            self._watched.add(name)
            return found
        except BaseException as error:
            if not _may_be_due_to_layout(error):
                raise
        self._given_up = True
        self.__exit__()
        if start is not None:
            set_random_state(self.device, start[0])
            for buffer, value in start[1]:
                buffer.data.copy_(value)
        return function(*args)

    def _lay_memory(self, layout):
        for weight in self._weights if self.optimizer is not None else ():
            memory = self.optimizer.state.get(weight, {})
            for name, value in memory.items():
                if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                    memory[name] = _copied(value, layout)


def _may_be_due_to_layout(error):
    if isinstance(error, LayoutAsked):
        return True
    failed = isinstance(error, Exception) and isinstance(error.__cause__ or error, RuntimeError)
    return failed and not is_fault(error)


def _copied(tensor, layout):
    """Return a copy that lies so by its strides: with one channel `contiguous` takes either layout for the other."""
    return torch.empty_like(tensor, memory_format=layout).copy_(tensor)


def find_weights(net, device):
    """Return the weights of convolutions that may lie channels last; [] where none may.

    On a CPU without AVX-512 the gradient of a 1 × 1 convolution with a stride writes beyond its memory when the
    channels lie last and those that come in fill no whole register (torch 2.15.0, oneDNN): the process dies sooner or
    later. Such a network keeps its channels first, and so does one whose hooks may keep a feature map.
    """
    convolutions = [layer for layer in net.modules() if isinstance(layer, CONVOLUTIONS)]
    if device.type not in ("cpu", "cuda") or not convolutions:
        return []
    if device.type == "cpu" and any(map(_is_narrow_projection, convolutions)):
        return []
    compiled = (torch.jit.ScriptModule, torch._dynamo.OptimizedModule)  # whose code cannot be watched
    if any(isinstance(module, compiled) for module in net.modules()):
        return []
    if nn.modules.module._has_any_global_hook() or not all(map(_is_ours, _hooks(net))):
        return []
    found = {id(w): w for w in (layer._parameters.get("weight") for layer in convolutions) if w is not None}
    weights = [w for w in found.values() if w.is_contiguous()]
    return [] if _share_memory(net, weights) else weights


def _is_narrow_projection(layer):
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (1, 1) or max(layer.stride) == 1:
        return False
    return layer.in_channels // layer.groups % LANES > 0


def _share_memory(net, weights):
    """Return whether one of the weights is a part of a larger tensor, or shares its memory with another."""
    places = [t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())]
    return any(
        places.count(w.untyped_storage().data_ptr()) > 1 or w.untyped_storage().nbytes() != w.nbytes for w in weights
    )


def _hooks(net):
    """Return the hooks of a network's modules and parameters."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [getattr(module, kind, {}) for module in net.modules() for kind in kinds]
    kinds = ("_backward_hooks", "_post_accumulate_grad_hooks")
    hooks += [getattr(parameter, kind, None) or {} for parameter in net.parameters() for kind in kinds]
    return [hook for group in hooks for hook in group.values()]


def _is_ours(called):
    """Return whether a hook or a listener is defined in one of the packages OURS."""
    called = getattr(called, "func", called)  # a partial's function
    return str(getattr(called, "__module__", None)).partition(".")[0] in OURS
