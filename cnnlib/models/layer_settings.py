"""Change one setting in every layer of a kind, also while the network trains."""

from torch import nn

from cnnlib.models.batch_norm import BATCH_NORMS
from cnnlib.models.limits import SHARE
from cnnlib.validation import Network, arguments


@arguments(net=Network(abstract=True), share=SHARE)
def set_dropout(net, share):
    """Give every dropout layer another share of outputs that training sets to zero, in 0 … 1; return the network."""
    for layer in net.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.p = share
    return net


@arguments(net=Network(abstract=True), momentum=SHARE)
def set_momentum(net, momentum):
    """Give every batch normalisation another momentum, the weight of a new batch in 0 … 1; return the network."""
    for layer in net.modules():
        if isinstance(layer, BATCH_NORMS):
            layer.momentum = momentum
    return net
