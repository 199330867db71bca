"""How much gradient reaches each layer."""

import torch
from torch import nn


def gradient_norms(net, X, y, loss=None):
    """Return the root mean square of the loss's gradient with respect to each weight tensor.

    The root mean square, not the sum, so that layers with many weights and layers with few can be compared. The
    parameters' own `.grad` and the running statistics are left as they were, and the network stays in the mode that
    it is in.

    Parameters
    ----------
    net : nn.Module
        (N, …) → scores (N, classes).
    X : Tensor of shape (N, …)
    y : int64 Tensor of shape (N,)
    loss : callable, optional
        Cross-entropy unless told.

    Returns
    -------
    dict of str to float
        Name of the weight ('0.weight', …) to the root mean square of its gradient, from the first layer to the
        last; biases are left out.
    """
    weights = {name: p for name, p in net.named_parameters() if p.dim() > 1 and p.requires_grad}
    device = next(iter(weights.values())).device
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with torch.enable_grad():
        scores = torch.func.functional_call(net, buffers, (X.to(device),))
        value = (loss or nn.functional.cross_entropy)(scores, y.to(device))
        gradients = torch.autograd.grad(value, list(weights.values()))
    return {name: g.square().mean().sqrt().item() for name, g in zip(weights, gradients, strict=True)}
