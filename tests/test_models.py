"""LeNet, AlexNet and VGG are the networks that the book prints, the family of the paper, and do what torchvision's do;
their weights begin by the rules of Xavier and He.
"""

import math
from functools import partial
from typing import NamedTuple

import pytest
import torch
import torchvision
from nets import count, sketch, walk, weighted
from torch import nn

from cnnlib.models import (
    VGG11,
    VGG13,
    VGG16,
    VGG19,
    alexnet,
    conv_bn_relu,
    conv_relu_bn,
    kaiming_,
    lenet,
    narrower,
    vgg,
    vgg11,
    vgg_block,
    xavier_,
)
from cnnlib.probes import layer_table


class Printed(NamedTuple):
    """A network as the book prints it for one image, and what its layers cost."""

    build: object
    side: int
    shapes: list  # (kind, shape) of each layer
    parameters: dict  # of each layer that has some
    multiply_adds: dict
    totals: tuple  # parameters, multiply-adds


def printed(*rows):
    """Return (kind, shape) of each layer, from the kinds of some layers in a row and the shape of their output."""
    return [(kind, shape) for kinds, shape in rows for kind in kinds.split()]


CLASSIFIER = ("Linear ReLU Dropout Linear ReLU Dropout", (1, 4096)), ("Linear", (1, 10))
LENET = Printed(
    lenet, 28,
    printed(
        ("Conv2d Sigmoid", (1, 6, 28, 28)),
        ("AvgPool2d", (1, 6, 14, 14)),
        ("Conv2d Sigmoid", (1, 16, 10, 10)),
        ("AvgPool2d", (1, 16, 5, 5)),
        ("Flatten", (1, 400)),
        ("Linear Sigmoid", (1, 120)),
        ("Linear Sigmoid", (1, 84)),
        ("Linear", (1, 10)),
    ),
    {"0": 156, "3": 2_416, "7": 48_120, "9": 10_164, "11": 850},
    {"0": 117_600, "3": 240_000, "7": 48_000, "9": 10_080, "11": 840},
    (61_706, 416_520),
)  # fmt: skip
ALEXNET = Printed(
    alexnet, 224,
    printed(
        ("Conv2d ReLU", (1, 96, 54, 54)),
        ("MaxPool2d", (1, 96, 26, 26)),
        ("Conv2d ReLU", (1, 256, 26, 26)),
        ("MaxPool2d", (1, 256, 12, 12)),
        ("Conv2d ReLU Conv2d ReLU", (1, 384, 12, 12)),
        ("Conv2d ReLU", (1, 256, 12, 12)),
        ("MaxPool2d", (1, 256, 5, 5)),
        ("Flatten", (1, 6400)),
        *CLASSIFIER,
    ),
    {"0": 11_712, "3": 614_656, "6": 885_120, "8": 1_327_488, "10": 884_992, "14": 26_218_496, "17": 16_781_312,
     "20": 40_970},
    {"0": 33_872_256, "3": 415_334_400, "6": 127_401_984, "8": 191_102_976, "10": 127_401_984, "14": 26_214_400,
     "17": 16_777_216, "20": 40_960},
    (46_764_746, 938_146_176),
)  # fmt: skip
LAPTOP = Printed(
    partial(alexnet, shrink=8, side=112), 112,
    printed(  # an eighth of the channels, half the side
        ("Conv2d ReLU", (1, 12, 26, 26)),
        ("MaxPool2d", (1, 12, 12, 12)),
        ("Conv2d ReLU", (1, 32, 12, 12)),
        ("MaxPool2d", (1, 32, 5, 5)),
        ("Conv2d ReLU Conv2d ReLU", (1, 48, 5, 5)),
        ("Conv2d ReLU", (1, 32, 5, 5)),
        ("MaxPool2d", (1, 32, 2, 2)),
        ("Flatten", (1, 128)),
        ("Linear ReLU Dropout Linear ReLU Dropout", (1, 512)),
        ("Linear", (1, 10)),
    ),
    {"0": 1_464, "3": 9_632, "6": 13_872, "8": 20_784, "10": 13_856, "14": 66_048, "17": 262_656, "20": 5_130},
    None,
    (393_442, 3_906_352),
)  # fmt: skip
VGG = Printed(
    vgg11, 224,
    printed(
        *(("Sequential", (1, c, side, side)) for c, side in ((64, 112), (128, 56), (256, 28), (512, 14), (512, 7))),
        ("Flatten", (1, 25088)),
        *CLASSIFIER,
    ),
    {"0.0": 640, "1.0": 73_856, "2.0": 295_168, "2.2": 590_080, "3.0": 1_180_160, "3.2": 2_359_808,
     "4.0": 2_359_808, "4.2": 2_359_808, "6": 102_764_544, "9": 16_781_312, "12": 40_970},
    {"0.0": 28_901_376, "1.0": 924_844_032, "2.0": 924_844_032, "2.2": 1_849_688_064, "3.0": 924_844_032,
     "3.2": 1_849_688_064, "4.0": 462_422_016, "4.2": 462_422_016, "6": 102_760_448, "9": 16_777_216, "12": 40_960},
    (128_806_154, 7_547_232_256),
)  # fmt: skip

FAMILY = {  # name: (blocks, torchvision's, parameters there, millions in table 2 of the paper)
    11: (VGG11, torchvision.models.vgg11, 132_863_336, 133),
    13: (VGG13, torchvision.models.vgg13, 133_047_848, 133),
    16: (VGG16, torchvision.models.vgg16, 138_357_544, 138),
    19: (VGG19, torchvision.models.vgg19, 143_667_240, 144),
}


@pytest.mark.parametrize("book", [LENET, ALEXNET, LAPTOP, VGG], ids=["lenet", "alexnet", "laptop's", "vgg11"])
def test_shapes_and_costs_are_those_of_the_book(book):
    net, side = sketch(book.build), book.side
    assert walk(net, side) == book.shapes
    table = layer_table(net, (1, side, side))
    leaves = [row for row in table if "." not in row.name]
    assert [(row.kind, (1, *row.output_shape)) for row in leaves] == [
        pair for pair in book.shapes if pair[0] != "Sequential"
    ]
    parameters = {row.name: row.parameters for row in table if row.parameters}
    assert parameters == book.parameters == {name: count(net.get_submodule(name)) for name in parameters}
    multiply_adds = {row.name: row.multiply_adds for row in table if row.multiply_adds}
    assert multiply_adds == (book.multiply_adds or multiply_adds)
    assert (table.parameters, table.multiply_adds) == book.totals and count(net) == table.parameters


# What can be chosen


@pytest.mark.parametrize("book, activation, pool", [
    *((LENET, activation, pool) for activation in (nn.ReLU, nn.Tanh) for pool in (nn.AvgPool2d, nn.MaxPool2d)),
    *((ALEXNET, activation, None) for activation in (nn.Sigmoid, nn.Tanh, partial(nn.LeakyReLU, 0.1))),
])  # fmt: skip
def test_variants_change_the_kind_of_layer_and_nothing_else(book, activation, pool):
    net = sketch(book.build, activation, *([pool] if pool else []))
    kinds = {"Sigmoid" if pool else "ReLU": type(activation()).__name__}
    kinds |= {"AvgPool2d": pool.__name__} if pool else {}
    assert walk(net, book.side) == [(kinds.get(kind, kind), shape) for kind, shape in book.shapes]
    assert layer_table(net, (1, book.side, book.side)).multiply_adds == book.totals[1]
    assert len({id(layer) for layer in net}) == len(net), "each place has a module of its own"


@pytest.mark.parametrize("build, sides, at, inputs", [
    (partial(alexnet, shrink=32), range(65, 257), 14, {65: 8, 112: 8 * 4, 224: 8 * 25, 227: 8 * 36}),
    (partial(vgg, narrower(VGG11, 16), units=16), range(32, 257, 3), 6, {n: 32 * (n // 32) ** 2 for n in range(257)}),
], ids=["alexnet", "vgg"])  # fmt: skip
def test_every_side_from_the_smallest_on(build, sides, at, inputs):
    for side in sides:
        net = sketch(build, side=side)
        assert net(torch.rand(2, 1, side, side, device="meta")).shape == (2, 10)
        assert net[at].in_features == inputs.get(side, net[at].in_features)


def test_the_smallest_side_is_where_the_windows_end():
    convolutions_and_poolings = sketch(alexnet, shrink=8)[:13]
    with pytest.raises(RuntimeError):
        convolutions_and_poolings(torch.rand(1, 1, 64, 64, device="meta"))
    assert convolutions_and_poolings(torch.rand(1, 1, 65, 65, device="meta")).shape == (1, 32, 1, 1)


@pytest.mark.parametrize("build", [
    partial(alexnet, shrink=8, side=65), partial(vgg, narrower(VGG11, 16), side=65, units=64),
], ids=["alexnet", "vgg"])  # fmt: skip
def test_dropout_acts_in_training_alone(build):
    for options, shares in (({}, [0.5, 0.5]), ({"dropout": 0.2}, [0.2, 0.2])):
        assert [layer.p for layer in sketch(build, **options) if isinstance(layer, nn.Dropout)] == shares
    X = torch.rand(2, 1, 65, 65)
    for dropout in (0.5, 0):
        net = kaiming_(build(dropout=dropout))
        assert torch.equal(net.train()(X), net.train()(X)) is (dropout == 0)
        assert torch.equal(net.eval()(X), net.eval()(X)) and net(X).isfinite().all()
        assert torch.equal(net.train()(X), net.eval()(X)) is (dropout == 0)


# VGG: a quarter of the width, the family of the paper, other blocks


def test_quarter_width_costs_a_sixteenth_of_the_convolutions():
    assert narrower(VGG11, 4) == ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))
    small = sketch(vgg, narrower(VGG11, 4))
    blocks = [(kind, (1, shape[1] // 4, *shape[2:])) for kind, shape in VGG.shapes[:6]]
    assert walk(small, 224) == blocks + VGG.shapes[6:]
    wide, narrow = layer_table(sketch(vgg11), (1, 224, 224)), layer_table(small, (1, 224, 224))
    for a, b in zip(wide, narrow, strict=True):
        less = {"0.0": 4, "6": 4, "9": 1, "12": 1}.get(a.name, 16)  # one picture goes in, 4,096 units stay
        assert a.multiply_adds == less * b.multiply_adds, a.name
    assert (narrow.parameters, narrow.multiply_adds) == (43_093_322, 512_155_648)


@pytest.mark.parametrize("name", FAMILY)
def test_parameters_are_those_of_torchvision_and_of_the_paper(name):
    arch, build, total, millions = FAMILY[name]
    ours, theirs = sketch(vgg, arch), sketch(build, weights=None)
    assert len(weighted(ours)) == name, "the name counts the layers with weights"
    assert all(layer.kernel_size == (3, 3) and layer.padding == (1, 1) for layer in weighted(ours)[:-3])
    grey, classes = 2 * 9 * 64, 990 * 4097  # what two more colours and 990 more classes cost
    assert count(theirs) == total and round(total / 1e6) == millions
    assert count(ours[:5]) + grey == count(theirs.features)
    assert count(ours) + grey + classes == total
    first, *others = [layer.weight.shape for layer in weighted(ours)]
    assert first == (64, 1, 3, 3)
    assert others[:-1] == [layer.weight.shape for layer in weighted(theirs)[1:-1]]


@pytest.mark.parametrize(
    "name, dtype, side, tolerance",
    [(11, torch.float32, 64, 1e-4), (11, torch.float64, 64, 1e-10), (16, torch.float64, 32, 1e-10)],
)
def test_blocks_do_what_torchvisions_do(name, dtype, side, tolerance):
    def same(a, b):
        top = b.abs().max().item()
        return top > 0 and torch.allclose(a, b, rtol=tolerance, atol=tolerance * top)

    arch, build, _, _ = FAMILY[name]
    theirs = kaiming_(sketch(build, weights=None).features.to_empty(device="cpu")).to(dtype)
    ours = sketch(vgg, arch)[:5].to_empty(device="cpu").to(dtype)
    with torch.no_grad():
        for mine, other in zip(weighted(ours), weighted(theirs), strict=True):
            other.bias.normal_(std=0.1)
            first = other.in_channels == 3  # a grey picture three times over meets the sum of three windows
            mine.weight.copy_(other.weight.sum(1, keepdim=True) if first else other.weight)
            mine.bias.copy_(other.bias)
    X = torch.rand(2, 1, side, side, dtype=dtype, requires_grad=True)
    Z = X.detach().clone().requires_grad_()
    Y, Y_hat = ours(X), theirs(Z.expand(-1, 3, -1, -1))
    assert Y.shape == (2, 512, side // 32, side // 32) and same(Y, Y_hat)
    if dtype is torch.float32:  # where two values nearly tie, rounding sends the gradient another way
        return
    dY = torch.randn_like(Y)
    Y.backward(dY)
    Y_hat.backward(dY)
    assert same(X.grad, Z.grad)
    for mine, other in zip(weighted(ours), weighted(theirs), strict=True):
        assert same(mine.weight.grad.expand_as(other.weight), other.weight.grad)
        assert same(mine.bias.grad, other.bias.grad)


BLOCKS = {
    vgg_block: [nn.Conv2d, nn.ReLU],
    conv_bn_relu: [nn.Conv2d, nn.BatchNorm2d, nn.ReLU],
    conv_relu_bn: [nn.Conv2d, nn.ReLU, nn.BatchNorm2d],
}


@pytest.mark.parametrize("build", BLOCKS)
@pytest.mark.parametrize("num_convs", [1, 2, 4])
@pytest.mark.parametrize("size, half", [((8, 8), (4, 4)), ((9, 7), (4, 3)), ((2, 3), (1, 1))])
def test_block(build, num_convs, size, half):
    block = build(num_convs, 3, 5)
    assert [type(layer) for layer in block] == BLOCKS[build] * num_convs + [nn.MaxPool2d]
    sides = [(layer.in_channels, layer.out_channels) for layer in weighted(block)]
    assert sides == [(3, 5)] + [(5, 5)] * (num_convs - 1)
    assert all(layer.num_features == 5 for layer in block if isinstance(layer, nn.BatchNorm2d))
    assert block[:-1](torch.rand(2, 3, *size)).shape == (2, 5, *size)
    assert block(torch.rand(2, 3, *size)).shape == (2, 5, *half)


@pytest.mark.parametrize("ratio", [1, 2, 4, 8, 64])
def test_narrower_divides_the_channels_and_keeps_the_rest(ratio):
    for arch, _, _, _ in FAMILY.values():
        given = [list(pair) for pair in arch]
        small = narrower(given, ratio)
        assert small == tuple((n, channels // ratio) for n, channels in arch) and given == [list(pair) for pair in arch]
        assert sketch(vgg, small)(torch.rand(1, 1, 224, 224, device="meta")).shape == (1, 10)


@pytest.mark.parametrize("units", [16, 512])
def test_units_are_the_hidden_dense_layers(units):
    net = sketch(vgg, VGG11, units=units)
    sizes = [(layer.in_features, layer.out_features) for layer in weighted(net)[-3:]]
    assert sizes == [(25_088, units), (units, units), (units, 10)]
    assert count(net[:5]) == count(sketch(vgg11)[:5])


def test_block_is_called_as_promised_and_may_be_another():
    calls = []

    def dilated(num_convs, in_channels, out_channels):
        calls.append((num_convs, in_channels, out_channels))
        return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=2, dilation=2), nn.MaxPool2d(2))

    net = sketch(vgg, VGG16, block=dilated)
    assert calls == [(2, 1, 64), (2, 64, 128), (3, 128, 256), (3, 256, 512), (3, 512, 512)]
    assert len(weighted(net)) == 5 + 3 and net(torch.rand(1, 1, 224, 224, device="meta")).shape == (1, 10)


@pytest.mark.parametrize("name", FAMILY)
def test_batch_norm_as_a_block(name):
    arch = FAMILY[name][0]
    theirs = sketch(getattr(torchvision.models, f"vgg{name}_bn"), weights=None).features
    after, before = (sketch(vgg, arch, block=block) for block in (conv_relu_bn, conv_bn_relu))
    channels = sum(num_convs * channels for num_convs, channels in arch)
    assert count(after[:5]) + 2 * 9 * 64 == count(theirs)
    assert count(before) + channels == count(after)  # a bias for each channel of each convolution
    assert sum(isinstance(module, nn.BatchNorm2d) for module in before.modules()) == name - 3
    plain, *others = (layer_table(net, (1, 224, 224)).multiply_adds for net in (sketch(vgg, arch), after, before))
    assert others == [plain, plain]


# How the weights begin


def fan(weight):
    window = weight[0, 0].numel() if weight.dim() == 4 else 1
    return window * (weight.shape[0] + weight.shape[1])


STARTS = {  # the standard deviation, the bound, PyTorch's own
    "xavier": (xavier_, lambda W: math.sqrt(2 / fan(W)), lambda W: math.sqrt(6 / fan(W)), nn.init.xavier_uniform_),
    "kaiming": (kaiming_, lambda W: math.sqrt(2 / W[0].numel()), lambda W: math.inf,
                partial(nn.init.kaiming_normal_, nonlinearity="relu")),
}  # fmt: skip


@pytest.mark.parametrize("build", [lenet, partial(vgg, narrower(VGG11, 4), side=32, units=512)], ids=["lenet", "vgg"])
@pytest.mark.parametrize("start, std, bound, pytorchs", STARTS.values(), ids=STARTS)
def test_weights_begin_as_pytorchs_do_and_biases_stay(start, std, bound, pytorchs, build):
    ours, theirs = build(), build()
    biases = [layer.bias.clone() for layer in weighted(ours)]
    torch.manual_seed(3)
    assert start(ours) is ours
    torch.manual_seed(3)
    for layer in weighted(theirs):
        pytorchs(layer.weight)
    for layer, other, bias in zip(weighted(ours), weighted(theirs), biases, strict=True):
        W = layer.weight
        assert torch.equal(W, other.weight) and torch.equal(layer.bias, bias)
        assert W.abs().max() <= bound(W) and (bound(W) == math.inf or 0.9 * bound(W) < W.abs().max())
        assert W.numel() < 150 or W.std().item() == pytest.approx(std(W), rel=0.15)
