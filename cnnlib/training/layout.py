"""Channels-last weights while a network trains, where nothing that runs meanwhile can notice.

PyTorch's convolutions are faster when the channels of a feature map lie side by side in memory: LeNet's step on two
cores takes 11 ms instead of 12 to 15, ResNet-20's a quarter less. A convolution gives its output the layout of its
weights, and code that asks how a tensor lies, as `x.view(x.size(0), -1)` does, then fails. So the code of everything
that a run calls is looked through first, and afterwards the weights lie where they lay before.
"""

import functools
import itertools
import operator
import sys
import types
from contextlib import contextmanager

import torch
from torch import nn

from cnnlib.training.objective import Objective

LANES = 8  # float32 numbers that an AVX2 processor computes at once
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
MANY = 2000  # functions and classes that are looked through at most

# names by which code asks how a tensor lies in memory, or relies on it
ASKING = frozenset(
    "view view_as view_as_complex view_as_real as_strided storage untyped_storage data_ptr is_contiguous resize_ "
    "resize_as_ set_ parameters_to_vector vector_to_parameters to_dlpack from_dlpack stride numpy __array__".split()
)
# names by which a listener keeps or copies what lies channels last only meanwhile
KEEPING = frozenset("deepcopy clone state_dict parameters named_parameters fork weight grad".split())
# packages whose code copes with either layout, or sees no tensor of a network
KNOWN = {"torch", "cnnlib", "numpy", "matplotlib", "IPython", "ipywidgets", "tqdm", "pandas", "PIL", "plotly"}
KNOWN |= sys.stdlib_module_names - {"__main__"}


@contextmanager
def channels_last(net, device, *called):
    """Lay the weights of convolutions channels last for a while, if that is faster and safe.

    Parameters
    ----------
    net : nn.Module
    device : torch.device
        Where it computes.
    *called
        What else runs meanwhile and may see a tensor of the network: the objective, the optimizer, listeners.
    """
    weights = find_weights(net, device, *called)
    before = [(weight, weight.data) for weight in weights]
    for weight, plain in before:
        weight.data = _laid(plain, torch.channels_last)
    _lay_memory(weights, called, torch.channels_last)
    try:
        yield
    finally:
        _lay_memory(weights, called, torch.contiguous_format)
        for weight, plain in before:
            if weight.shape == plain.shape and weight.dtype == plain.dtype:
                plain.copy_(weight.data)  # into the same memory: what else refers to it sees the trained weights
                weight.data = plain
                if weight.grad is not None:
                    weight.grad = _laid(weight.grad, torch.contiguous_format)


def _laid(tensor, layout):
    """Return a copy that lies so by its strides: with one channel `contiguous` takes either layout for the other."""
    return torch.empty_like(tensor, memory_format=layout).copy_(tensor)


def _lay_memory(weights, called, layout):
    """Let an optimizer's memory lie as the weights do that it belongs to."""
    for optimizer in (one for one in called if isinstance(one, torch.optim.Optimizer)):
        for weight in weights:
            memory = optimizer.state.get(weight, {})
            for name, value in memory.items():
                if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                    memory[name] = _laid(value, layout)


def find_weights(net, device, *called):
    """Return the weights of convolutions that may lie channels last while these things are called; [] where none may.

    On a CPU without AVX-512 the gradient of a 1 × 1 convolution with a stride writes beyond its memory when the
    channels lie last and those that come in fill no whole register (torch 2.15.0, oneDNN): the process dies sooner or
    later. Such a network keeps its channels first.
    """
    convolutions = [layer for layer in net.modules() if isinstance(layer, CONVOLUTIONS)]
    if device.type not in ("cpu", "cuda") or not convolutions:
        return []
    if device.type == "cpu" and any(map(_is_narrow_projection, convolutions)):
        return []
    if nn.modules.module._has_any_global_hook() or _Reader().asks_in(net, *called):
        return []
    if any(map(_Reader(ASKING | KEEPING).asks, (one for one in called if not isinstance(one, torch.optim.Optimizer)))):
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


class _Reader:
    """Look through the code of functions, classes and objects, and of what they call, for names such as ASKING."""

    def __init__(self, names=ASKING):
        self.seen, self.names = {}, names

    def asks_in(self, net, *called):
        """Return whether the code of a network's layers or of `called` may ask, or a hook keep what it is given."""
        if any(self.asks(type(module)) or self.asks_among(_own(module)) for module in net.modules()):
            return True
        hooks = [getattr(module, name, {}) for module in net.modules() for name in _HOOKS]
        hooks += [getattr(p, name, None) or {} for p in net.parameters() for name in _GRADIENT_HOOKS]
        hooks = [hook for group in hooks for hook in group.values()]
        return not all(map(_is_known, map(_function_of, hooks))) or any(map(self.asks, called))

    def asks_among(self, values):
        """Return whether one of some values may ask, or something in a list or dict among them."""
        for value in values:
            if isinstance(value, dict | list | tuple | set | frozenset):
                inside = value.values() if isinstance(value, dict) else value
                if id(value) not in self.seen and self.asks_among(self._once(value, itertools.islice(inside, MANY))):
                    return True
            elif (callable(value) or not _is_known(type(value))) and self.asks(value):
                return True
        return False

    def _once(self, thing, inside):
        self.seen[id(thing)] = thing  # which keeps it alive: another may get its id
        return list(inside)

    def asks(self, thing):
        """Return whether something that can be called may ask; yes where its code cannot be read."""
        if isinstance(thing, functools.partial):
            parts = (thing.func, *thing.args, *thing.keywords.values())
            return any(self.asks(part) for part in parts if callable(part))
        thing = getattr(thing, "__func__", thing)
        if id(thing) in self.seen:
            return False
        self._once(thing, ())
        if len(self.seen) > MANY:
            return True
        if isinstance(thing, type):
            return any(self.asks(function) for kind in thing.__mro__ for function in _functions(kind))
        if isinstance(thing, types.FunctionType):
            return not _is_known(thing) and self._asks_code(thing)
        if isinstance(thing, torch.jit.ScriptModule | torch.jit.ScriptFunction | operator.methodcaller):
            return True
        if isinstance(thing, types.BuiltinFunctionType | types.MethodDescriptorType | types.WrapperDescriptorType):
            return getattr(thing, "__name__", "") in self.names
        if isinstance(thing, nn.Module):
            return self.asks_in(thing)
        if isinstance(thing, torch.optim.Optimizer):
            hooks = (*thing._optimizer_step_pre_hooks.values(), *thing._optimizer_step_post_hooks.values())
            return self.asks(type(thing)) or any(map(self.asks, hooks))
        if isinstance(thing, Objective):
            return self.asks(thing.loss) or self.asks(thing.correct)
        return self.asks(type(thing)) or self.asks_among(_own(thing))

    def _asks_code(self, function):
        names = _names(function.__code__)
        if names & self.names:
            return True
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        there = [function.__globals__[name] for name in names if name in function.__globals__]
        modules = [value for value in there if isinstance(value, types.ModuleType) and not _is_known(value)]
        inside = [getattr(module, name) for module in modules for name in names if hasattr(module, name)]
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        return self.asks_among((*cells, *defaults, *there, *inside))


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_GRADIENT_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def _is_known(thing):
    module = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None)
    return str(module).partition(".")[0] in KNOWN


def _function_of(thing):
    while isinstance(thing, functools.partial):
        thing = thing.func
    return thing


def _functions(kind):
    """Return the functions that a class of the reader's defines; of PyTorch's and this library's, none."""
    for name, value in () if _is_known(kind) else vars(kind).items():
        if name == "__init__":  # a run builds nothing
            continue
        value = getattr(value, "__func__", value)  # a static or class method
        value = getattr(value, "fget", value)  # a property
        if isinstance(value, types.FunctionType | functools.partial):
            yield value


def _own(thing):
    """Return the values of an object's attributes, but of a class of PyTorch's or this library's that are no layer."""
    if _is_known(type(thing)) and not isinstance(thing, nn.Module):
        return ()
    return tuple(getattr(thing, "__dict__", {}).values())


def _names(code):
    """Return all names that code uses, as texts too (`getattr(x, "view")`), also in the functions that it defines."""
    inner = [_names(value) for value in code.co_consts if isinstance(value, types.CodeType)]
    return set(code.co_names).union((value for value in code.co_consts if isinstance(value, str)), *inner)


def _is_filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that has no value yet
        return False
