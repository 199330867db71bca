"""How the weights of a network begin, where PyTorch's own default is not what the book wants."""

from torch import nn


def xavier_(net):
    """Draw the weights of every convolution and dense layer afresh from Xavier's uniform distribution.

    The bound of a layer is √(6 / (inputs + outputs)), chosen so that the variance of signals and of gradients is
    about the same on both sides of a layer (Glorot & Bengio 2010, eq. 16). Biases stay as they are.

    Returns
    -------
    nn.Module
        `net` itself, changed in place.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return net


def kaiming_(net):
    """Draw the weights of every convolution and dense layer afresh from He's normal distribution.

    The standard deviation of a layer is √(2 / inputs), chosen so that the variance of signals stays the same from
    ReLU to ReLU (He et al. 2015, arXiv:1502.01852, eq. 10). Biases stay as they are.

    Returns
    -------
    nn.Module
        `net` itself, changed in place.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net
