"""Networks as tests like to have them, and what is not to happen to them."""

from contextlib import contextmanager

import torch
from torch import nn


class With(nn.Module):
    """A module of some parts whose forward is a function of itself and of X."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.call = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, X):
        return self.call(self, X)


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


def condition(thing):
    """Return all of a network or a tensor that a look must leave: values, modes, hooks, what has a gradient."""
    if isinstance(thing, torch.Tensor):
        return [thing.requires_grad], [thing.detach(), thing.grad]
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    marks = [(m.training, *(len(getattr(m, kind)) for kind in kinds)) for m in thing.modules()]
    marks += [(p.requires_grad, p.is_leaf) for p in thing.parameters()]
    return marks, [*thing.state_dict().values(), *(p.grad for p in thing.parameters())]


@contextmanager
def unchanged(*things):
    """Hold that networks and tensors leave this block as they came, and that nobody's random numbers moved."""

    def look():
        marks, tensors = zip(*map(condition, things), strict=True) if things else ((), ())
        return [*marks, torch.is_grad_enabled()], [*sum(tensors, []), torch.get_rng_state()]

    marks, tensors = look()
    tensors = [None if tensor is None else tensor.clone() for tensor in tensors]
    yield
    marks_now, now = look()
    assert marks_now == marks and len(now) == len(tensors)
    for one, other in zip(now, tensors, strict=True):
        assert (one is None) == (other is None) and (one is None or torch.equal(one, other))


def plain_loop(net, batches, lr):
    """The loop that every textbook prints."""
    loss, optimizer, losses = nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=lr), []
    net.train()
    for X, y in batches:
        optimizer.zero_grad()
        value = loss(net(X), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses
