"""VGG is the network that the book prints and the family of the paper; its convolutions do what torchvision's do."""

import math
import re

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.models import (
    VGG11,
    VGG13,
    VGG16,
    VGG19,
    conv_bn_relu,
    conv_relu_bn,
    kaiming_,
    narrower,
    vgg,
    vgg11,
    vgg_block,
)
from cnnlib.probes import layer_table

SHAPES = [  # as the book prints them for one image
    ("Sequential", (1, 64, 112, 112)),
    ("Sequential", (1, 128, 56, 56)),
    ("Sequential", (1, 256, 28, 28)),
    ("Sequential", (1, 512, 14, 14)),
    ("Sequential", (1, 512, 7, 7)),
    ("Flatten", (1, 25088)),
    ("Linear", (1, 4096)),
    ("ReLU", (1, 4096)),
    ("Dropout", (1, 4096)),
    ("Linear", (1, 4096)),
    ("ReLU", (1, 4096)),
    ("Dropout", (1, 4096)),
    ("Linear", (1, 10)),
]
PARAMETERS = {
    "0.0": 640, "1.0": 73_856, "2.0": 295_168, "2.2": 590_080, "3.0": 1_180_160, "3.2": 2_359_808,
    "4.0": 2_359_808, "4.2": 2_359_808, "6": 102_764_544, "9": 16_781_312, "12": 40_970,
}  # fmt: skip
MULTIPLY_ADDS = {
    "0.0": 28_901_376, "1.0": 924_844_032, "2.0": 924_844_032, "2.2": 1_849_688_064, "3.0": 924_844_032,
    "3.2": 1_849_688_064, "4.0": 462_422_016, "4.2": 462_422_016, "6": 102_760_448, "9": 16_777_216, "12": 40_960,
}  # fmt: skip

FAMILY = {  # name: (blocks, torchvision's, parameters there, millions in table 2 of the paper)
    11: (VGG11, torchvision.models.vgg11, 132_863_336, 133),
    13: (VGG13, torchvision.models.vgg13, 133_047_848, 133),
    16: (VGG16, torchvision.models.vgg16, 138_357_544, 138),
    19: (VGG19, torchvision.models.vgg19, 143_667_240, 144),
}


def sketch(build, *args, **options):
    """Build a network with shapes but no numbers, in no time."""
    with torch.device("meta"):
        return build(*args, **options)


def walk(net, side=224):
    """Return the kind and the output shape of every layer for one image."""
    X, seen = torch.rand(1, 1, side, side, device=next(net.parameters()).device), []
    for layer in net:
        X = layer(X)
        seen.append((type(layer).__name__, tuple(X.shape)))
    return seen


def count(net):
    return sum(p.numel() for p in net.parameters())


def weighted(net):
    """Return the convolutions and dense layers, in order."""
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


# The network of the book


def test_shapes_are_those_of_the_book():
    assert walk(sketch(vgg11)) == SHAPES


def test_quarter_width():
    assert narrower(VGG11, 4) == ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))
    seen = walk(vgg(narrower(VGG11, 4)))
    blocks = [(kind, (1, shape[1] // 4, *shape[2:])) for kind, shape in SHAPES[:6]]
    assert seen == blocks + SHAPES[6:]


def test_layer_table_counts_parameters_and_multiply_adds():
    table = layer_table(sketch(vgg11), (1, 224, 224))
    assert {row.name: row.parameters for row in table if row.parameters} == PARAMETERS
    assert {row.name: row.multiply_adds for row in table if row.multiply_adds} == MULTIPLY_ADDS
    assert (table.parameters, table.multiply_adds) == (128_806_154, 7_547_232_256)


def test_quarter_width_costs_a_sixteenth_of_the_convolutions():
    wide = layer_table(sketch(vgg11), (1, 224, 224))
    narrow = layer_table(sketch(vgg, narrower(VGG11, 4)), (1, 224, 224))
    for a, b in zip(wide, narrow, strict=True):
        less = {"0.0": 4, "6": 4, "9": 1, "12": 1}.get(a.name, 16)  # one picture goes in, 4,096 units stay
        assert a.multiply_adds == less * b.multiply_adds, a.name
    assert (narrow.parameters, narrow.multiply_adds) == (43_093_322, 512_155_648)


@pytest.mark.parametrize("name", FAMILY)
def test_multiply_adds_agree_with_pytorchs_counter(name):
    net = sketch(vgg, FAMILY[name][0], side=64)
    with FlopCounterMode(display=False) as counter:
        net(torch.rand(1, 1, 64, 64, device="meta"))
    assert counter.get_total_flops() == 2 * layer_table(net, (1, 64, 64)).multiply_adds


# The family of the paper


@pytest.mark.parametrize("name", FAMILY)
def test_the_name_counts_the_layers_with_weights(name):
    net = sketch(vgg, FAMILY[name][0])
    assert len(weighted(net)) == name
    assert all(layer.kernel_size == (3, 3) and layer.padding == (1, 1) for layer in weighted(net)[:-3])


@pytest.mark.parametrize("name", FAMILY)
def test_parameters_are_those_of_torchvision_and_of_the_paper(name):
    arch, build, total, millions = FAMILY[name]
    ours, theirs = sketch(vgg, arch), sketch(build, weights=None)
    grey, classes = 2 * 9 * 64, 990 * 4097  # what two more colours and 990 more classes cost
    assert count(theirs) == total and round(total / 1e6) == millions
    assert count(ours[:5]) + grey == count(theirs.features)
    assert count(ours) + grey + classes == total
    first, *others = [layer.weight.shape for layer in weighted(ours)]
    assert first == (64, 1, 3, 3)
    assert others[:-1] == [layer.weight.shape for layer in weighted(theirs)[1:-1]]


@pytest.mark.parametrize(
    "name, dtype, side, tolerance",
    [(11, torch.float32, 64, 1e-4), (11, torch.float64, 64, 1e-10)]
    + [(name, torch.float64, 32, 1e-10) for name in (13, 16, 19)],
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


# What can be chosen


def test_vgg11_is_vgg_of_its_blocks():
    a, b = sketch(vgg11).state_dict(), sketch(vgg, VGG11).state_dict()
    assert {name: value.shape for name, value in a.items()} == {name: value.shape for name, value in b.items()}


@pytest.mark.parametrize("num_convs", [1, 2, 4])
@pytest.mark.parametrize("size, half", [((8, 8), (4, 4)), ((9, 7), (4, 3)), ((2, 3), (1, 1))])
def test_block(num_convs, size, half):
    block = vgg_block(num_convs, 3, 5)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.ReLU] * num_convs + [nn.MaxPool2d]
    assert [layer.in_channels for layer in weighted(block)] == [3] + [5] * (num_convs - 1)
    assert block[:-1](torch.rand(2, 3, *size)).shape == (2, 5, *size)
    assert block(torch.rand(2, 3, *size)).shape == (2, 5, *half)


@pytest.mark.parametrize("ratio", [1, 2, 4, 8, 64])
def test_narrower_divides_the_channels_and_keeps_the_rest(ratio):
    for arch, _, _, _ in FAMILY.values():
        small = narrower(arch, ratio)
        assert [pair[0] for pair in small] == [pair[0] for pair in arch]
        assert [pair[1] * ratio for pair in small] == [pair[1] for pair in arch]
        assert sketch(vgg, small)(torch.rand(1, 1, 224, 224, device="meta")).shape == (1, 10)


def test_narrower_takes_lists_and_leaves_its_argument():
    arch = [[1, 64], [2, 128]]
    assert narrower(arch, 4) == ((1, 16), (2, 32)) and arch == [[1, 64], [2, 128]]


def test_every_side_from_the_smallest_on():
    arch = narrower(VGG11, 16)
    for side in range(32, 257, 3):
        net = sketch(vgg, arch, side=side, units=16)
        assert net[6].in_features == 32 * (side // 32) ** 2
        assert net(torch.rand(2, 1, side, side, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("side", [31, 28, 1, 0])
def test_side_that_is_too_small(side):
    with pytest.raises(ValueError, match=f"side must be at least 32: 5 blocks halve {side} pixels to nothing"):
        vgg(VGG11, side=side)


def test_fewer_blocks_take_smaller_images():
    net = vgg(((1, 4), (1, 8)), side=4, units=16)
    assert net(torch.rand(3, 1, 4, 4)).shape == (3, 10)
    with pytest.raises(ValueError, match="side must be at least 4: 2 blocks halve 3 pixels"):
        vgg(((1, 4), (1, 8)), side=3)


@pytest.mark.parametrize("side", [-1, -224], ids=repr)
def test_side_below_zero(side):
    with pytest.raises(ValueError, match=f"side must be at least 32: .* {side} pixels"):
        sketch(vgg, VGG11, side=side)


@pytest.mark.parametrize("side", [224.0, float("nan"), "224", None, (224, 224), [224]], ids=repr)
def test_side_that_is_no_size(side):
    with pytest.raises(TypeError, match=f"side must be a whole number, got {re.escape(repr(side))}"):
        sketch(vgg, VGG11, side=side)


@pytest.mark.parametrize("ratio", [0, -4, 1.5, 128])
def test_ratio_that_leaves_no_channels(ratio):
    with pytest.raises((TypeError, ValueError), match="ratio"):
        narrower(VGG11, ratio)


@pytest.mark.parametrize("units", [16, 512])
def test_units_are_the_hidden_dense_layers(units):
    net = sketch(vgg, VGG11, units=units)
    sizes = [(layer.in_features, layer.out_features) for layer in weighted(net)[-3:]]
    assert sizes == [(25_088, units), (units, units), (units, 10)]
    assert count(net[:5]) == count(sketch(vgg11)[:5])


def test_dropout_passes_through():
    assert [layer.p for layer in sketch(vgg11) if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert [layer.p for layer in sketch(vgg, VGG11, dropout=0.2) if isinstance(layer, nn.Dropout)] == [0.2, 0.2]
    with pytest.raises(ValueError, match="dropout must be finite and at least 0 and at most 1"):
        sketch(vgg, VGG11, dropout=1.5)


def test_dropout_acts_in_training_alone():
    X = torch.rand(2, 1, 32, 32)
    for dropout in (0.5, 0):
        net = kaiming_(vgg(narrower(VGG11, 16), side=32, units=64, dropout=dropout))
        assert torch.equal(net.train()(X), net.train()(X)) is (dropout == 0)
        assert torch.equal(net.eval()(X), net.eval()(X))


def test_block_is_called_as_promised():
    calls = []

    def block(num_convs, in_channels, out_channels):
        calls.append((num_convs, in_channels, out_channels))
        return vgg_block(num_convs, in_channels, out_channels)

    net = sketch(vgg, VGG16, block=block)
    assert calls == [(2, 1, 64), (2, 64, 128), (3, 128, 256), (3, 256, 512), (3, 512, 512)]
    assert net(torch.rand(1, 1, 224, 224, device="meta")).shape == (1, 10)


def test_block_may_be_another():
    def dilated(num_convs, in_channels, out_channels):
        return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=2, dilation=2), nn.MaxPool2d(2))

    net = vgg(narrower(VGG11, 16), side=32, units=8, block=dilated)
    assert len(weighted(net)) == 5 + 3 and net(torch.rand(2, 1, 32, 32)).shape == (2, 10)


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


# How its weights begin


def test_kaiming_has_its_spread_and_leaves_biases():
    net = vgg(narrower(VGG11, 4), side=32, units=512)
    biases = [layer.bias.clone() for layer in weighted(net)]
    assert kaiming_(net) is net
    for layer, bias in zip(weighted(net), biases, strict=True):
        inputs = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.15)
        assert torch.equal(layer.bias, bias)


def test_kaiming_is_pytorchs_own_in_the_same_order():
    ours, theirs = (vgg(narrower(VGG11, 16), side=32, units=16) for _ in range(2))
    torch.manual_seed(3)
    kaiming_(ours)
    torch.manual_seed(3)
    for layer in weighted(theirs):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(weighted(ours), weighted(theirs), strict=True))


def test_kaiming_keeps_the_signal_through_the_blocks():
    X = torch.randn(8, 1, 32, 32)
    mean_squares = []
    for start in (kaiming_, lambda net: net):
        net = start(vgg(narrower(VGG16, 4), side=32)[:5])
        for module in weighted(net):
            nn.init.zeros_(module.bias)
        mean_squares.append(net(X).square().mean().item())
    assert mean_squares[0] > 0.1 and mean_squares[1] < 1e-3 * mean_squares[0]
