"""AlexNet is the network that the book prints: shapes, parameters, multiply-adds, the laptop's version, other sizes."""

import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.models import alexnet
from cnnlib.probes import layer_table

SHAPES = [  # as the book prints them for one image
    ("Conv2d", (1, 96, 54, 54)),
    ("ReLU", (1, 96, 54, 54)),
    ("MaxPool2d", (1, 96, 26, 26)),
    ("Conv2d", (1, 256, 26, 26)),
    ("ReLU", (1, 256, 26, 26)),
    ("MaxPool2d", (1, 256, 12, 12)),
    ("Conv2d", (1, 384, 12, 12)),
    ("ReLU", (1, 384, 12, 12)),
    ("Conv2d", (1, 384, 12, 12)),
    ("ReLU", (1, 384, 12, 12)),
    ("Conv2d", (1, 256, 12, 12)),
    ("ReLU", (1, 256, 12, 12)),
    ("MaxPool2d", (1, 256, 5, 5)),
    ("Flatten", (1, 6400)),
    ("Linear", (1, 4096)),
    ("ReLU", (1, 4096)),
    ("Dropout", (1, 4096)),
    ("Linear", (1, 4096)),
    ("ReLU", (1, 4096)),
    ("Dropout", (1, 4096)),
    ("Linear", (1, 10)),
]
PARAMETERS = {
    "0": 11_712, "3": 614_656, "6": 885_120, "8": 1_327_488, "10": 884_992,
    "14": 26_218_496, "17": 16_781_312, "20": 40_970,
}  # fmt: skip
MULTIPLY_ADDS = {
    "0": 33_872_256, "3": 415_334_400, "6": 127_401_984, "8": 191_102_976, "10": 127_401_984,
    "14": 26_214_400, "17": 16_777_216, "20": 40_960,
}  # fmt: skip

LAPTOP_SHAPES = [  # an eighth of the channels, half the side
    (1, 12, 26, 26), (1, 12, 26, 26), (1, 12, 12, 12),
    (1, 32, 12, 12), (1, 32, 12, 12), (1, 32, 5, 5),
    (1, 48, 5, 5), (1, 48, 5, 5), (1, 48, 5, 5), (1, 48, 5, 5), (1, 32, 5, 5), (1, 32, 5, 5), (1, 32, 2, 2),
    (1, 128),
    (1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (1, 10),
]  # fmt: skip
LAPTOP_PARAMETERS = {
    "0": 1_464, "3": 9_632, "6": 13_872, "8": 20_784, "10": 13_856, "14": 66_048, "17": 262_656, "20": 5_130,
}  # fmt: skip


@pytest.fixture(scope="module")
def net():
    """AlexNet in its full size; tests only look at it."""
    return alexnet()


@pytest.fixture(scope="module")
def table(net):
    return layer_table(net, (1, 224, 224))


def sketch(*args, **options):
    """Build AlexNet with shapes but no numbers, in no time."""
    with torch.device("meta"):
        return alexnet(*args, **options)


def walk(net, side):
    """Return the kind and the output shape of every layer for one image."""
    X, seen = torch.rand(1, 1, side, side, device=next(net.parameters()).device), []
    for layer in net:
        X = layer(X)
        seen.append((type(layer).__name__, tuple(X.shape)))
    return seen


def test_shapes_are_those_of_the_book(net):
    assert walk(net, 224) == SHAPES


def test_parameters_of_each_layer(net):
    assert {name: sum(p.numel() for p in net[int(name)].parameters()) for name in PARAMETERS} == PARAMETERS
    assert sum(p.numel() for p in net.parameters()) == sum(PARAMETERS.values()) == 46_764_746


def test_layer_table_counts_parameters_and_multiply_adds(table):
    assert [(row.kind, (1, *row.output_shape)) for row in table] == SHAPES
    assert {row.name: row.parameters for row in table if row.parameters} == PARAMETERS
    assert {row.name: row.multiply_adds for row in table if row.multiply_adds} == MULTIPLY_ADDS
    assert (table.parameters, table.multiply_adds) == (46_764_746, 938_146_176)


@pytest.mark.parametrize("shrink, side", [(1, 224), (8, 112), (8, 224), (5, 99)])
def test_multiply_adds_agree_with_pytorchs_counter(shrink, side):
    net = sketch(shrink=shrink, side=side)
    with FlopCounterMode(display=False) as counter:
        net(torch.rand(1, 1, side, side, device="meta"))
    assert counter.get_total_flops() == 2 * layer_table(net, (1, side, side)).multiply_adds


def test_laptops_version():
    net = alexnet(shrink=8, side=112)
    assert walk(net, 112) == [(kind, shape) for (kind, _), shape in zip(SHAPES, LAPTOP_SHAPES, strict=True)]
    table = layer_table(net, (1, 112, 112))
    assert {row.name: row.parameters for row in table if row.parameters} == LAPTOP_PARAMETERS
    assert (table.parameters, table.multiply_adds) == (393_442, 3_906_352)


def test_shrinking_divides_channels_and_units():
    for layer, small in zip(sketch(), sketch(shrink=8), strict=True):
        assert type(layer) is type(small)
        if hasattr(layer, "weight"):
            outputs, inputs = layer.weight.shape[:2]
            last, first = outputs == 10, inputs == 1
            assert small.weight.shape[0] == (outputs if last else outputs // 8)
            assert small.weight.shape[1] == (inputs if first else inputs // 8)
            assert small.weight.shape[2:] == layer.weight.shape[2:]


def test_every_side_from_the_smallest_on():
    for side in range(65, 257):
        net = sketch(shrink=32, side=side)
        assert net(torch.rand(2, 1, side, side, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("side, last", [(65, 1), (112, 2), (224, 5), (227, 6)])
def test_scores_for_other_sides(side, last):
    net = alexnet(shrink=8, side=side)
    assert net[14].in_features == 32 * last * last
    scores = net(torch.rand(3, 1, side, side))
    assert scores.shape == (3, 10) and scores.isfinite().all()


@pytest.mark.parametrize("side", [64, 63, 28, 1, 0, -224])
def test_side_that_is_too_small(side):
    with pytest.raises(ValueError, match=f"side must be a whole number of at least 65, got {side}:"):
        alexnet(side=side)


def test_the_smallest_side_is_where_the_windows_end():
    convolutions_and_poolings = sketch(shrink=8)[:13]
    with pytest.raises(RuntimeError):
        convolutions_and_poolings(torch.rand(1, 1, 64, 64, device="meta"))
    assert convolutions_and_poolings(torch.rand(1, 1, 65, 65, device="meta")).shape == (1, 32, 1, 1)


def test_images_of_another_side_than_it_was_built_for():
    with pytest.raises(ValueError, match=r"cannot take an example of shape \(1, 28, 28\)"):
        layer_table(sketch(shrink=8), (1, 28, 28))
    with pytest.raises(ValueError, match="14 layers went well"):  # the first dense layer cannot
        layer_table(sketch(shrink=8), (1, 112, 112))


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh, partial(nn.LeakyReLU, 0.1)])
def test_activation_changes_the_kind_of_layer_and_nothing_else(activation):
    net = sketch(activation)
    name = type(activation()).__name__
    assert walk(net, 224) == [(name if kind == "ReLU" else kind, shape) for kind, shape in SHAPES]
    assert layer_table(net, (1, 224, 224)).multiply_adds == 938_146_176
    assert len({id(layer) for layer in net}) == 21  # each place has a module of its own


def test_dropout_passes_through():
    assert [layer.p for layer in sketch() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert [layer.p for layer in sketch(dropout=0.2) if isinstance(layer, nn.Dropout)] == [0.2, 0.2]


def test_dropout_acts_in_training_alone():
    X = torch.rand(2, 1, 65, 65)
    net = alexnet(shrink=8, side=65)
    assert not torch.equal(net(X), net(X))
    net.eval()
    assert torch.equal(net(X), net(X))
    net = alexnet(shrink=8, side=65, dropout=0)
    assert torch.equal(net.train()(X), net.eval()(X))


def test_gradients_reach_every_parameter():
    net = alexnet(shrink=8, side=112, dropout=0)
    nn.functional.cross_entropy(net(torch.rand(4, 1, 112, 112)), torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", ["shrink", "side"])
@pytest.mark.parametrize("value", [2.5, 224.0, float("nan"), "8", None, (224, 224), [8]], ids=repr)
def test_sizes_that_are_no_whole_numbers(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a whole number, got {re.escape(repr(value))}"):
        alexnet(**{name: value})


@pytest.mark.parametrize("shrink", [0, -1])
def test_shrink_that_is_too_small(shrink):
    with pytest.raises(ValueError, match=f"shrink must be a whole number from 1 to 96, got {shrink}"):
        alexnet(shrink=shrink)


def test_the_largest_shrink_leaves_one_channel():
    net = sketch(shrink=96)
    assert net[0].out_channels == 1 and net(torch.rand(2, 1, 224, 224, device="meta")).shape == (2, 10)


def test_shrink_that_leaves_no_channel():
    with pytest.raises(ValueError, match="shrink must be a whole number from 1 to 96, got 97"):
        sketch(shrink=97)


@pytest.mark.parametrize("dropout", [-0.1, 1.5])
def test_dropout_that_is_no_share(dropout):
    with pytest.raises(ValueError, match="dropout must be finite and at least 0 and at most 1"):
        sketch(dropout=dropout)
