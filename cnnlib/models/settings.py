"""Change one setting in every layer of a kind, also while the network trains."""

from torch import nn

from cnnlib.models.batch_norm import BatchNorm
from cnnlib.validation import check_net, check_number


def set_dropout(net, share):
    """Give every dropout layer another share of outputs that training sets to zero, in 0 … 1; return the network.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, of another shape, or out of range.
    """
    share = check_number(share, "the share of dropout")
    if not 0 <= share <= 1:
        raise ValueError(f"the share of dropout must lie in 0 … 1, got {share}.")
    for layer in check_net(net).modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.p = share
    return net


def set_momentum(net, momentum):
    """Give every batch normalisation another momentum, the weight of a new batch in 0 … 1; return the network.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, of another shape, or out of range.
    """
    momentum = check_number(momentum, "the momentum")
    if not 0 <= momentum <= 1:
        raise ValueError(f"the momentum must lie in 0 … 1, got {momentum}.")
    for layer in check_net(net).modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm | BatchNorm):
            layer.momentum = momentum
    return net
