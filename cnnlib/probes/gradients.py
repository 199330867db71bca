"""How much gradient reaches each layer."""

import torch
from torch import nn


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
    borrowed = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with torch.enable_grad(), borrowed:
        scores = torch.func.functional_call(net, buffers, (X.to(device),))
        value = (loss or nn.functional.cross_entropy)(scores, y.to(device))
        gradients = torch.autograd.grad(value, list(weights.values()))
    return {name: g.square().mean().sqrt().item() for name, g in zip(weights, gradients, strict=True)}


def present_gradients(net):
    """Return the root mean square of the gradient that each weight tensor holds: what the last step left there.

    Returns
    -------
    dict of str to float
        As `gradient_norms` does; empty if there has been no backward pass. One wait for the device in all.
    """
    named = [(name, p.grad) for name, p in net.named_parameters() if p.dim() > 1 and p.grad is not None]
    if not named:
        return {}
    norms = torch.stack(torch._foreach_norm([grad for _, grad in named])).tolist()
    return {name: norm / grad.numel() ** 0.5 for (name, grad), norm in zip(named, norms, strict=True)}
