"""What enters a ReLU, and the statistics by which batch normalisation made it so."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from cnnlib.models.batch_norm import BATCH_NORMS
from cnnlib.models.hooks import watching
from cnnlib.probes.checks import BATCH
from cnnlib.probes.passes import copy_of, looking, send_aside
from cnnlib.validation import Count, Network, arguments


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


@arguments(net=Network(), X=BATCH, number=Count(least=-math.inf))
def relu_statistics(net, X, number):
    """Look at the input of ReLU number `number` (counted from 0 in the order in which they run), in both modes.

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
    ValueError
        If the network has no ReLU of that number, or cannot take X.
    """
    training, norm, entered = _relu_input(net, X, number, True)
    evaluation, _, _ = _relu_input(net, X, number, False)
    if norm is None:
        return Statistics(training, evaluation)
    axes = [0, *range(2, entered.dim())]  # all but the channels
    running = [None if moments is None else copy_of(moments) for moments in (norm.running_mean, norm.running_var)]
    return Statistics(training, evaluation, entered.mean(axes), entered.var(axes), *running)


def _relu_input(net, X, number, training):
    """Return what enters a ReLU, flat, in the given mode; the normalisation before it or None; what enters that."""
    found, waiting, count = [], (None, None), 0

    def enter(name, module, inputs):
        nonlocal waiting, count
        if isinstance(module, BATCH_NORMS):
            waiting = module, copy_of(inputs[0]) if count == number else None
        else:
            if count == number:
                found.extend([copy_of(inputs[0]).flatten(), *waiting])
            waiting, count = (None, None), count + 1

    modules = {name: module for name, module in net.named_modules() if isinstance(module, (nn.ReLU, *BATCH_NORMS))}
    with looking(net, training), watching(modules, before=enter):
        send_aside(net, X)
    if not found:
        raise ValueError(f"the network has {count} ReLUs, number 0 to {count - 1}, got number {number}.")
    return found
