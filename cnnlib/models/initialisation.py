"""Initial weights, where PyTorch's default is not what the book wants. All functions work in place."""

import torch
from torch import nn

from cnnlib.models.cifar_resnet import PreActivation, is_block
from cnnlib.validation import Network, Number, arguments

INITIALISES = arguments(net=Network(abstract=True))


@INITIALISES
def default_(net):
    """Return `net` as PyTorch drew its weights: from a uniform distribution of variance 1 / (3 · inputs)."""
    return net


@INITIALISES
def xavier_(net):
    """Draw the weights of every convolution and dense layer afresh from Xavier's uniform distribution; return `net`.

    The bound of a layer is √(6 / (inputs + outputs)), chosen so that the variance of signals and of gradients is
    about the same on both sides of a layer (Glorot & Bengio 2010, eq. 16). Biases stay as they are.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return net


@INITIALISES
def kaiming_(net):
    """Draw the weights of every convolution and dense layer afresh from He's normal distribution; return `net`.

    The standard deviation of a layer is √(2 / inputs), chosen so that the variance of signals stays the same from
    ReLU to ReLU (He et al. 2015, arXiv:1502.01852, eq. 10). Biases stay as they are.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net


@INITIALISES
@torch.no_grad()
def zero_gamma_(net):
    """Make every residual block begin as its shortcut: set γ of its last normalisation to zero; return `net`.

    Goyal and others 2017 (arXiv:1706.02677, section 5.1). A pre-activation block has no normalisation behind its
    last convolution; there the convolution itself begins at zero. Blocks without a shortcut, which would pass
    nothing on, stay as they are.

    Raises
    ------
    ValueError
        If the network has no block with a shortcut, or one whose residual ends in neither.
    """
    posts = [block for block in _residual_blocks(net) if not isinstance(block, PreActivation)]
    if any(isinstance(block.norm2, nn.Identity) for block in posts):
        raise ValueError("zero γ needs blocks with batch normalisation. Without it, use fixup_.")
    return scale_branches_(net, 0)


@arguments(net=Network(abstract=True), factor=Number())
@torch.no_grad()
def scale_branches_(net, factor):
    """Turn the y = x + F(x) of every block into y = x + factor · F(x), in place; return `net`.

    The factor multiplies the last weights of each branch.
    In a post-activation block with batch normalisation those are γ and β of the last normalisation; elsewhere they
    are the last convolution's.

    Parameters
    ----------
    net : nn.Module
        Built of blocks of `cifar_resnet` with shortcuts.
    factor : float

    Raises
    ------
    ValueError
        If the network has no block with a shortcut.
    """
    for block in _residual_blocks(net):
        normed = not isinstance(block, PreActivation) and not isinstance(block.norm2, nn.Identity)
        for weight in (block.norm2 if normed else block.conv2).parameters():
            weight.mul_(factor)
    return net


@INITIALISES
@torch.no_grad()
def fixup_(net):
    """Initialise a residual network so that it can be trained without normalisation; return `net`.

    Zhang, Dauphin & Ma 2019 (arXiv:1901.09321): He's weights, of which the first convolution of each of the L
    residual branches is scaled by L^(-1/2); the second convolution of each and the final dense layer begin at
    zero. The paper's scalar biases and multipliers, which begin at 0 and 1, are left out: at the start they change
    nothing.

    Raises
    ------
    ValueError
        If the network has no block with a shortcut.
    """
    blocks = _residual_blocks(net)
    kaiming_(net)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            layer.bias.zero_()
        if isinstance(layer, nn.Linear):
            layer.weight.zero_()
    for block in blocks:
        block.conv1.weight.mul_(len(blocks) ** -0.5)
        block.conv2.weight.zero_()
    return net


def _residual_blocks(net):
    blocks = [m for m in net.modules() if is_block(m) and hasattr(m, "norm2") and m.shortcut is not None]
    if not blocks:
        raise ValueError("the network has no residual block of cifar_resnet: build it by that, with a shortcut.")
    return blocks
