"""Copies of networks: of any network, parametrised, with hooks, or after a forward pass."""

import copy

import torch
from torch.overrides import TorchFunctionMode

from cnnlib.machine.faults import first_line, is_fault


def copy_network(net):
    """Return a copy of a network that shares nothing with it.

    `copy.deepcopy` refuses results of a computation that autograd still follows. `torch.nn.utils.weight_norm` keeps
    one as the layer's `weight`, and so does a module that remembers its last output. Their copies are plain values.

    Raises
    ------
    TypeError
        If something in the network cannot be copied, such as a lock or an open file; the message names it.
    """
    try:
        with _Results():
            return copy.deepcopy(net)
    except Exception as error:
        if is_fault(error):
            raise
        raise TypeError(
            f"this needs a copy of the network, and {_find_uncopyable(net)} cannot be copied ({first_line(error)}). "
            "Keep it outside the network, or give its class a __deepcopy__."
        ) from error


class _Results(TorchFunctionMode):
    """Let `copy.deepcopy` copy tensors that are not leaves of autograd's graph, as plain values."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return function(*args, **(kwargs or {}))


def _find_uncopyable(net):
    """Name the first attribute of a module that `copy.deepcopy` cannot copy."""
    part = net[0] if isinstance(net, tuple) else net  # with what belongs to it: an optimizer, say
    for name, module in part.named_modules() if isinstance(part, torch.nn.Module) else ():
        for attribute, value in vars(module).items():
            try:
                with _Results():
                    copy.deepcopy(value if attribute != "_modules" else None)
            except Exception:
                return f"its attribute {f'{name}.{attribute}'.lstrip('.')!r}, a {type(value).__name__},"
    return f"a {type(net).__name__}"
