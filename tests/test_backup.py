"""The copy that a diverging run goes back to: of each tensor once, wherever it lies now."""

import math

import pytest
import torch
from torch import nn

from cnnlib.training.guard import Backup


class Average(nn.Module):
    """Puts another tensor into its buffer in every step instead of changing the one that is there."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("later", None)

    def forward(self, X):
        self.mean = 0.9 * self.mean + 0.1 * X.detach().mean(0)
        return X - self.mean


def backup(net):
    return Backup(net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))


def step(safe):
    loss = safe.net(torch.randn(8, 3)).square().mean()
    safe.optimizer.zero_grad()
    loss.backward()
    safe.optimizer.step()


def test_a_buffer_that_is_replaced_goes_back_too():
    safe = backup(nn.Sequential(nn.Linear(3, 3), Average()))
    step(safe)
    assert safe.take()
    kept = {name: value.clone() for name, value in safe.net.state_dict().items()}
    step(safe)
    assert not torch.equal(safe.net[1].mean, kept["1.mean"])
    safe.restore()
    for name, value in safe.net.state_dict().items():
        assert torch.equal(value, kept[name]), name


@pytest.mark.parametrize("place", ["weight", "mean"])
def test_what_is_not_finite_is_found_where_it_lies_now(place):
    safe = backup(nn.Sequential(nn.Linear(3, 3), Average()))
    assert safe.take() and safe.is_finite()
    if place == "mean":
        safe.net[1].mean = torch.tensor([0.0, math.inf, 0.0])
    else:
        safe.net[0].weight = nn.Parameter(torch.full((3, 3), math.nan))
    assert not safe.take() and not safe.is_finite()


def test_each_tensor_is_copied_once():
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(3, 3))
    net[3].weight = layer.weight
    safe = backup(net)
    assert safe.take() and len(safe._copies) == len(list(net.parameters())) == 3


def test_a_layer_that_is_added_is_copied_too():
    safe = backup(nn.Sequential(nn.Linear(3, 3)))
    assert safe.take()
    safe.net.append(nn.Linear(3, 3))
    assert safe.take() and len(safe._copies) == 4
    before = safe.net[1].weight.detach().clone()
    nn.init.constant_(safe.net[1].weight, math.inf)
    assert not safe.take()
    safe.restore()
    assert torch.equal(safe.net[1].weight, before)


def test_a_buffer_that_is_taken_away_is_left_out():
    safe = backup(nn.Sequential(nn.Linear(3, 3), Average()))
    assert safe.take()
    safe.net[1].mean = None
    assert safe.take() and len(safe._copies) == 2
