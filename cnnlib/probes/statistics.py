"""What enters a ReLU, and the statistics by which batch normalisation made it so."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

from cnnlib.models.batch_norm import BatchNorm
from cnnlib.models.modes import in_mode
from cnnlib.probes.given import device_of
from cnnlib.validation import check_computing, check_count, check_tensor, explain_forward_error

NORMS = (nn.modules.batchnorm._BatchNorm, BatchNorm)


@dataclass(frozen=True)
class Statistics:
    """What enters one ReLU for a batch of pictures.

    Attributes
    ----------
    training, evaluation : Tensor of shape (M,)
        The values, with the network in training mode and in evaluation mode.
    batch_mean, batch_var, running_mean, running_var : Tensor of shape (C,), or None
        The two pairs of statistics that the normalisation before this ReLU has to choose from; None without one.
    """

    training: torch.Tensor
    evaluation: torch.Tensor
    batch_mean: torch.Tensor | None = None
    batch_var: torch.Tensor | None = None
    running_mean: torch.Tensor | None = None
    running_var: torch.Tensor | None = None


def relu_statistics(net, X, number):
    """Look at the input of ReLU number `number` (counted from 0) for a batch, in both modes.

    The network, its running statistics and the random numbers stay as they are.

    Parameters
    ----------
    net : nn.Module
    X : Tensor of shape (N, …)
    number : int

    Returns
    -------
    Statistics

    Raises
    ------
    TypeError, ValueError
        If `net` is no network, has no ReLU of that number, or cannot take X.
    """
    check_tensor(X, "X", shape="(N, …)")
    number = check_count(number, "number", least=-math.inf)
    relus, norm = [], None  # each ReLU with the normalisation between the ReLU before it and itself, if there is one
    for module in check_computing(net).modules():
        if isinstance(module, NORMS):
            norm = module
        elif isinstance(module, nn.ReLU):
            relus.append((module, norm))
            norm = None
    if not 0 <= number < len(relus):
        raise ValueError(f"the network has {len(relus)} ReLUs, number 0 to {len(relus) - 1}, got number {number}.")
    relu, norm = relus[number]
    training, entered = _look(net, X, relu, norm, True)
    evaluation, _ = _look(net, X, relu, norm, False)
    if norm is None:
        return Statistics(training, evaluation)
    axes = [0, *range(2, entered.dim())]  # all but the channels
    batch = entered.mean(axes), entered.var(axes)
    return Statistics(training, evaluation, *batch, norm.running_mean.cpu().clone(), norm.running_var.cpu().clone())


def _look(net, X, relu, norm, training):
    """Return what enters `relu`, flat, and what enters `norm`, with the network in the given mode."""
    seen, device = {}, device_of(net)

    def keep(module, args):
        seen[module] = args[0].clone()  # a ReLU may work in place

    hooks = [module.register_forward_pre_hook(keep) for module in (relu, norm) if module]
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}  # a pass in training mode updates these
    try:
        borrowed = torch.random.fork_rng([device] if device.type == "cuda" else [])
        with torch.no_grad(), borrowed, in_mode(net, training):
            torch.func.functional_call(net, buffers, (X.to(device),))
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise explain_forward_error(copy.deepcopy(net), X.to(device), error) from error
    finally:
        for hook in hooks:
            hook.remove()
    return seen[relu].flatten().cpu(), seen[norm].cpu() if norm else None
