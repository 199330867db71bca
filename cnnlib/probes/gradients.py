"""How much gradient reaches each layer."""

import torch
from torch import nn

from cnnlib.models.hooks import device_of
from cnnlib.probes.checks import BATCH, check_scored, check_scores
from cnnlib.probes.passes import random_kept, send_aside
from cnnlib.validation import Callable, Network, Tensor, arguments


@arguments(net=Network(), X=BATCH, y=Tensor(), loss=Callable())
def gradient_norms(net, X, y, loss=None):
    """Return the root mean square of the loss's gradient with respect to each weight tensor.

    The root mean square, not the sum, so that layers with many weights and layers with few can be compared. The
    parameters' own `.grad`, the running statistics and the random numbers are left as they were, and the network
    stays in the mode that it is in.

    Parameters
    ----------
    net : nn.Module
        (N, …) → scores (N, classes).
    X : Tensor of shape (N, …)
    y : int64 Tensor of shape (N,)
    loss : callable, optional
        Cross-entropy unless given.

    Returns
    -------
    dict of str to float
        Name of the weight ('0.weight', …) to the root mean square of its gradient, from the first layer to the
        last; 0 for a weight that the loss does not use. Biases are left out.

    Raises
    ------
    TypeError, ValueError
        If the network has no weights to train or cannot take the batch, or the labels do not fit it.
    """
    if loss is None:
        check_scored(X, y)
    weights = {name: p for name, p in net.named_parameters() if p.dim() > 1 and p.requires_grad}
    if not weights:
        raise ValueError(f"net must have weights to train, got {type(net).__name__} without any.")
    with torch.inference_mode(False), torch.enable_grad(), random_kept(net):
        scores = send_aside(net, X)
        if loss is None:
            check_scores(scores, y)
        value = (loss or nn.functional.cross_entropy)(scores, y.to(device_of(net), copy=True))
        gradients = torch.autograd.grad(value, list(weights.values()), allow_unused=True, materialize_grads=True)
    return {name: g.square().mean().sqrt().item() for name, g in zip(weights, gradients, strict=True)}


@arguments(net=Network(abstract=True))
def present_gradients(net):
    """Return the root mean square of the gradient that each weight tensor holds: what the last step left there.

    Returns
    -------
    dict of str to float
        As `gradient_norms` does; empty if there has been no backward pass. The device is synchronised once.
    """
    named = [(name, p.grad) for name, p in net.named_parameters() if p.dim() > 1 and p.grad is not None]
    if not named:
        return {}
    norms = torch.stack(torch._foreach_norm([grad for _, grad in named])).tolist()
    return {name: norm / grad.numel() ** 0.5 for (name, grad), norm in zip(named, norms, strict=True)}


def main_path(norms):
    """Return the norms of the layers on the main path, in order: without those of projections."""
    side = [name for name in norms if ".shortcut." in f".{name}" or name.endswith(".conv3.weight")]
    return [value for name, value in norms.items() if name not in side]
