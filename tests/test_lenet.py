"""LeNet is the network that the book prints: shapes, parameters, multiply-adds, variants, Xavier's bounds."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.models import lenet, xavier_
from cnnlib.probes import layer_table

SHAPES = [  # as the book prints them for one image
    ("Conv2d", (1, 6, 28, 28)),
    ("Sigmoid", (1, 6, 28, 28)),
    ("AvgPool2d", (1, 6, 14, 14)),
    ("Conv2d", (1, 16, 10, 10)),
    ("Sigmoid", (1, 16, 10, 10)),
    ("AvgPool2d", (1, 16, 5, 5)),
    ("Flatten", (1, 400)),
    ("Linear", (1, 120)),
    ("Sigmoid", (1, 120)),
    ("Linear", (1, 84)),
    ("Sigmoid", (1, 84)),
    ("Linear", (1, 10)),
]
PARAMETERS = {"0": 156, "3": 2_416, "7": 48_120, "9": 10_164, "11": 850}
MULTIPLY_ADDS = {"0": 117_600, "3": 240_000, "7": 48_000, "9": 10_080, "11": 840}


def test_shapes_are_those_of_the_book():
    X, seen = torch.rand(1, 1, 28, 28), []
    for layer in lenet():
        X = layer(X)
        seen.append((type(layer).__name__, tuple(X.shape)))
    assert seen == SHAPES


def test_parameters_of_each_layer():
    net = lenet()
    assert {name: sum(p.numel() for p in net[int(name)].parameters()) for name in PARAMETERS} == PARAMETERS
    assert sum(p.numel() for p in net.parameters()) == sum(PARAMETERS.values()) == 61_706


def test_layer_table_counts_parameters_and_multiply_adds():
    table = layer_table(lenet(), (1, 28, 28))
    assert [(row.kind, (1, *row.output_shape)) for row in table] == SHAPES
    assert {row.name: row.parameters for row in table if row.parameters} == PARAMETERS
    assert {row.name: row.multiply_adds for row in table if row.multiply_adds} == MULTIPLY_ADDS
    assert (table.parameters, table.multiply_adds) == (61_706, 416_520)


def test_multiply_adds_agree_with_pytorchs_counter():
    net = lenet()
    with FlopCounterMode(display=False) as counter:
        net(torch.rand(1, 1, 28, 28))
    assert counter.get_total_flops() == 2 * layer_table(net, (1, 28, 28)).multiply_adds


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("pool", [nn.AvgPool2d, nn.MaxPool2d])
def test_variants_change_the_kind_of_layer_and_nothing_else(activation, pool):
    net = lenet(activation, pool)
    kinds = [{"Sigmoid": activation.__name__, "AvgPool2d": pool.__name__}.get(kind, kind) for kind, _ in SHAPES]
    assert [type(layer).__name__ for layer in net] == kinds
    assert net(torch.rand(3, 1, 28, 28)).shape == (3, 10)
    assert layer_table(net, (1, 28, 28)).multiply_adds == 416_520


def test_xavier_fills_its_bounds_and_leaves_biases():
    net = lenet()
    biases = [layer.bias.clone() for layer in net if hasattr(layer, "bias")]
    assert xavier_(net) is net
    for layer in net:
        if hasattr(layer, "weight"):
            window = layer.weight[0, 0].numel() if layer.weight.dim() == 4 else 1
            bound = math.sqrt(6 / (window * (layer.weight.shape[0] + layer.weight.shape[1])))
            assert 0.9 * bound < layer.weight.abs().max() <= bound
            assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)
    after = [layer.bias for layer in net if hasattr(layer, "bias")]
    assert all(torch.equal(a, b) for a, b in zip(biases, after, strict=True))


def test_xavier_is_pytorchs_own_in_the_same_order():
    ours, theirs = lenet(), lenet()
    torch.manual_seed(3)
    xavier_(ours)
    torch.manual_seed(3)
    theirs.apply(lambda m: nn.init.xavier_uniform_(m.weight) if isinstance(m, nn.Conv2d | nn.Linear) else None)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(ours, theirs, strict=True) if hasattr(a, "weight"))
