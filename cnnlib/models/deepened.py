"""A deep plain network that computes what a shallow one does, built by hand because training does not find it."""

import torch
from torch import nn

from cnnlib.models.cifar_resnet import cifar_resnet
from cnnlib.models.explain_forward import run_network
from cnnlib.models.training_mode import evaluating
from cnnlib.validation import Network, Tensor, arguments


@arguments(shallow=Network(), X=Tensor((4,), "(N, 1, H, W)"))
@torch.no_grad()
def deepened(shallow, depth, X):
    """Return a plain network of `depth` layers that computes exactly what a shallow plain one does.

    The first block of each stage, the stem and the head are the shallow network's. Every other block is made the
    identity: its convolutions copy each channel, its normalisations undo what they do to X, and a ReLU changes
    nothing that came out of a ReLU.

    Parameters
    ----------
    shallow : nn.Module
        `cifar_resnet(8, width, "none")`, trained.
    depth : int
        6n + 2.
    X : Tensor of shape (N, 1, H, W)
        Whose statistics the normalisations take. In evaluation mode the two networks then agree to rounding for
        any input; in training mode as far as a batch has the statistics of X.

    Returns
    -------
    nn.Module

    Raises
    ------
    ValueError
        If `shallow` is no plain network of depth 8.
    """
    if (
        not isinstance(shallow, nn.Sequential)
        or len(shallow) != 5
        or any(getattr(block, "shortcut", 0) is not None for block in shallow[1:-1])
    ):
        raise ValueError('shallow must be a plain network of depth 8: cifar_resnet(8, width, "none").')
    with evaluating(shallow):
        run_network(shallow, X)  # fails where X does not fit, before random numbers are drawn
    deep = cifar_resnet(depth, shallow[1].conv1.in_channels, "none").to(X.device)
    deep[0].load_state_dict(shallow[0].state_dict())
    deep[-1].load_state_dict(shallow[-1].state_dict())
    n, hooks = (depth - 2) // 6, []
    for stage in range(3):
        first, *others = deep[1 + stage * n : 1 + (stage + 1) * n]
        first.load_state_dict(shallow[1 + stage].state_dict())
        for block in others:
            for conv, norm in ((block.conv1, block.norm1), (block.conv2, block.norm2)):
                nn.init.dirac_(conv.weight)
                hooks.append(norm.register_forward_pre_hook(_undo))
    with evaluating(deep):
        run_network(deep, X)
    for hook in hooks:
        hook.remove()
    return deep


def _undo(norm, args):
    """Make a normalisation the identity for its input: γ and β are the deviation and the mean that it removes."""
    mean, var = args[0].mean((0, 2, 3)), args[0].var((0, 2, 3), correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)
    norm.bias.copy_(mean)
    norm.weight.copy_((var + norm.eps).sqrt())
