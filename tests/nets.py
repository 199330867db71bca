"""Networks as tests like to have them."""

from torch import nn


def lively(net):
    """Give the normalisations statistics and weights of their own, so that no two layers are alike."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                nn.init.normal_(tensor, 0, 0.3)
            for tensor in (module.running_var, module.weight):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return net
