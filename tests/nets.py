"""Networks as tests like to have them."""

import torch
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


def sketch(build, *args, **options):
    """Build a network with shapes but no numbers, in no time."""
    with torch.device("meta"):
        return build(*args, **options)


def walk(net, side, in_channels=1):
    """Return the kind and the output shape of every layer for one image."""
    X, seen = torch.rand(1, in_channels, side, side, device=next(net.parameters()).device), []
    for layer in net:
        X = layer(X)
        seen.append((type(layer).__name__, tuple(X.shape)))
    return seen


def count(net):
    """Return the number of parameters."""
    return sum(p.numel() for p in net.parameters())


def weighted(net):
    """Return the convolutions and dense layers, in order."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
