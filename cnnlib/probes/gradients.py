"""How much gradient reaches each layer, and what comes back along single paths of a residual network (Veit, Wilber &
Belongie 2016, arXiv:1605.06431, section 5).

A network of n residual blocks has 2ⁿ paths from its first block to the scores: each block is gone through or around.
The gradient at the input of the first block is the sum of what comes back along all of them.
"""

import torch
from torch import nn

from cnnlib.models.cifar_resnet import is_block
from cnnlib.models.copying import copy_network
from cnnlib.models.explain_forward import run_network
from cnnlib.models.hooks import device_of
from cnnlib.models.training_mode import in_mode
from cnnlib.probes.checks import BATCH, check_scored, check_scores
from cnnlib.probes.passes import random_kept, send_aside
from cnnlib.validation import Callable, Iterable, Network, Tensor, arguments, in_words


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


@arguments(net=Network(), X=BATCH, y=Tensor(), paths=Iterable())
def path_gradients(net, X, y, paths):
    """Return the gradient that comes back along each of some paths, to what enters the first block.

    The network is looked at in evaluation mode, and stays as it is.

    Parameters
    ----------
    net : nn.Module
        Its blocks are those of `cifar_resnet`, each with a shortcut.
    X : Tensor of shape (N, …)
    y : int64 Tensor of shape (N,)
    paths : iterable of collections of int
        For each path the blocks that it goes through, counted from 0; it goes around all others.

    Returns
    -------
    list of Tensor
        Of the shape of what enters the first block.

    Raises
    ------
    ValueError
        If the network has no block, one without a shortcut, or fewer than a path names.
    """
    check_scored(X, y)
    net = copy_network(net)
    blocks = [module for module in net.modules() if is_block(module)]
    if not blocks or any(getattr(block, "shortcut", None) is None for block in blocks):
        raise ValueError("net must have blocks with shortcuts, and no other: cifar_resnet(20), say.")
    paths = [frozenset(path) for path in paths]
    for path in paths:
        if not path <= set(range(len(blocks))):
            raise ValueError(f"a path must name blocks from 0 to {len(blocks) - 1}, got {in_words(sorted(path))}.")
    gates = [[1.0, 1.0] for _ in blocks]  # through and around: what the gradient is multiplied by there
    for block, gate in zip(blocks, gates, strict=True):
        _put_gates(block, gate)
    entered = []
    blocks[0].register_forward_pre_hook(lambda block, args: entered.append(args[0].detach().requires_grad_()))
    blocks[0].register_forward_pre_hook(lambda block, args: (entered[-1],))
    found = []
    with torch.inference_mode(False), torch.enable_grad(), random_kept(net), in_mode(net, training=False):
        scores = run_network(net, X.to(device_of(net)))
        check_scores(scores, y)
        loss = nn.functional.cross_entropy(scores, y.to(device_of(net)))
        for path in paths:
            for number, gate in enumerate(gates):
                gate[:] = (1.0, 0.0) if number in path else (0.0, 1.0)
            found += torch.autograd.grad(loss, entered[:1], retain_graph=True)
    return found


def _put_gates(block, gate):
    """Multiply the gradients of the two ways out of a block by the two numbers of a gate."""
    residual = block.residual

    def gated(tensor, way):
        tensor = tensor.view_as(tensor)  # an identity returns what it is given, which goes the other way as well
        tensor.register_hook(lambda gradient: gradient * gate[way])
        return tensor

    block.residual = lambda X: gated(residual(X), 0)
    block.shortcut.register_forward_hook(lambda module, args, output: gated(output, 1))
