"""How much gradient reaches each layer."""

import copy

import torch
from torch import nn

from cnnlib.probes.given import check_scored, check_scores
from cnnlib.probes.hooks import batch_for, device_of, random_kept
from cnnlib.validation import (
    check_callable,
    check_computing,
    check_labels,
    check_net,
    check_tensor,
    explain_forward_error,
)


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
        last; 0 for a weight that the loss does not use. Biases are left out.

    Raises
    ------
    TypeError, ValueError
        If `net` is no network or has no weights to train, or it cannot take the batch.
    """
    check_computing(net)
    check_tensor(X, "X", shape="(N, …)")
    if loss is None:
        check_scored(X, y)
    else:
        check_callable(loss, "loss")
        check_tensor(y, "y")
    weights = {name: p for name, p in net.named_parameters() if p.dim() > 1 and p.requires_grad}
    if not weights:
        raise ValueError(f"net must have weights to train, got {type(net).__name__} without any.")
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with torch.enable_grad(), random_kept(net):
        try:
            scores = torch.func.functional_call(net, buffers, (batch_for(net, X),))
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
            raise explain_forward_error(copy.deepcopy(net), batch_for(net, X), error) from error
        if loss is None:
            check_scores(scores, X)
            check_labels(y.long(), scores.shape[1])
        value = (loss or nn.functional.cross_entropy)(scores, y.to(device_of(net)))
        gradients = torch.autograd.grad(value, list(weights.values()), allow_unused=True, materialize_grads=True)
    return {name: g.square().mean().sqrt().item() for name, g in zip(weights, gradients, strict=True)}


def present_gradients(net):
    """Return the root mean square of the gradient that each weight tensor holds: what the last step left there.

    Returns
    -------
    dict of str to float
        As `gradient_norms` does; empty if there has been no backward pass. One wait for the device in all.

    Raises
    ------
    TypeError
        If `net` is no nn.Module.
    """
    named = [(name, p.grad) for name, p in check_net(net).named_parameters() if p.dim() > 1 and p.grad is not None]
    if not named:
        return {}
    norms = torch.stack(torch._foreach_norm([grad for _, grad in named])).tolist()
    return {name: norm / grad.numel() ** 0.5 for (name, grad), norm in zip(named, norms, strict=True)}
