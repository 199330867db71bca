"""The shape and cost walk: every formula against PyTorch, the patches against pixels, the drawing, the quiz."""

import math
import re
from fractions import Fraction
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.figures import draw_step
from cnnlib.figures.drawing import Words
from cnnlib.figures.shape_walk import byte_words
from cnnlib.models import (
    BasicBlock,
    BatchNorm,
    ConvAutoencoder,
    PreActivation,
    ResidualConvAutoencoder,
    alexnet,
    cifar_resnet,
    conv_bn_relu,
    lenet,
    resnet18,
    resnet_v1,
    tower,
    vgg,
    vgg11,
)
from cnnlib.models.training_mode import evaluating
from cnnlib.probes import walk_layers
from cnnlib.widgets import explore_shapes
from cnnlib.widgets.shape_quiz import judge, read_shape

NETS = {
    "lenet": (lenet, (1, 28, 28)),
    "alexnet": (alexnet, (1, 224, 224)),
    "alexnet, small": (lambda: alexnet(shrink=8, side=96), (1, 96, 96)),
    "vgg11": (vgg11, (1, 224, 224)),
    "vgg, normalised": (lambda: vgg(((1, 4), (2, 8)), side=28, units=16, block=conv_bn_relu), (1, 28, 28)),
    "resnet18": (resnet18, (1, 96, 96)),
    "resnet18 of the paper": (lambda: resnet18(8, BasicBlock), (1, 64, 64)),
    "resnet_v1": (resnet_v1, (1, 28, 28)),
    "cifar_resnet": (lambda: cifar_resnet(20), (1, 28, 28)),
    "identity": (lambda: cifar_resnet(14, 4, "identity", PreActivation), (1, 28, 28)),
    "plain": (lambda: cifar_resnet(14, 4, "none"), (1, 28, 28)),
    "tower": (lambda: tower(3, norm=False), (1, 14, 14)),
    "autoencoder": (ConvAutoencoder, (1, 28, 28)),
    "residual autoencoder": (ResidualConvAutoencoder, (1, 28, 28)),
}
every_net = pytest.mark.parametrize("name", NETS)


@cache
def walked(name):
    make, shape = NETS[name]
    net = make()
    return net, shape, walk_layers(net, shape)


def evaluate(formula):
    """Work out both sides of a formula as the page prints it; return the value."""
    left, right = formula.replace("·", "*").replace("−", "-").split(" = ")
    left = re.sub(r"[\d,]+", lambda number: f"Fraction({number[0].replace(',', '')})", left)
    for marks, function in (("⌊⌋", "math.floor"), ("⌈⌉", "math.ceil")):
        left = left.replace(marks[0], f"{function}(").replace(marks[1], ")")
    value = eval(left, {"Fraction": Fraction, "math": math})
    assert value == int(right.replace(",", "")), formula
    return int(value)


def sides_of(step):
    """Return the sides that a step's formulas give, one an axis."""
    sides = {}
    for label, text in step.sizes.items():
        if "=" in text:
            sides |= {axis: evaluate(text) for axis in re.split(" and |, ", label)}
    return tuple(sides.values())


# Formulas

axes = st.tuples(st.integers(1, 5), st.integers(1, 5))
SETTINGS = settings(max_examples=120, deadline=None)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@SETTINGS
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)), axes, axes, axes, st.integers(1, 3), st.booleans(),
    st.one_of(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.just("same"), st.just("valid")), st.integers(1, 3),
)  # fmt: skip
def test_convolutions(sides, kernel, stride, dilation, groups, bias, padding, width):
    stride = (1, 1) if padding == "same" else stride
    conv = nn.Conv2d(2 * groups, groups * width, kernel, stride, padding, dilation, groups, bias)
    check_convolution(conv, sides)


@SETTINGS
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)), axes, axes, axes, st.integers(1, 3), st.booleans(),
    st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(0, 4),
)  # fmt: skip
def test_transposed_convolutions(sides, kernel, stride, dilation, groups, bias, padding, extra):
    assume(extra < max(*stride, *dilation) and extra < min(max(pair) for pair in zip(stride, dilation, strict=True)))
    conv = nn.ConvTranspose2d(2 * groups, 3 * groups, kernel, stride, padding, extra, groups, bias, dilation)
    check_convolution(conv, sides)


def check_convolution(conv, sides):
    X = torch.zeros(1, conv.in_channels, *sides)
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            shape = tuple(conv(X).shape[1:])
    except RuntimeError:
        with pytest.raises(ValueError, match="cannot take an example"):
            walk_layers(conv, X.shape[1:])
        return
    (step,) = walk_layers(conv, tuple(X.shape[1:]))
    assert step.output_shape == shape and sides_of(step) == shape[1:] and len(sides_of(step)) == 2
    assert evaluate(step.parameter_formula) == sum(p.numel() for p in conv.parameters()) == step.parameters
    assert evaluate(step.multiply_add_formula) == step.multiply_adds == counter.get_total_flops() / 2


@SETTINGS
@given(
    st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]), st.tuples(st.integers(1, 30), st.integers(1, 30)), axes,
    st.one_of(st.none(), axes), axes, st.booleans(), st.data(),
)  # fmt: skip
def test_poolings(kind, sides, kernel, stride, dilation, ceil_mode, data):
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    options = {"dilation": dilation} if kind is nn.MaxPool2d else {}
    pool = kind(kernel, stride, padding, ceil_mode=ceil_mode, **options)
    X = torch.zeros(1, 3, *sides)
    try:
        shape = tuple(pool(X).shape[1:])
    except RuntimeError:
        assume(False)
    (step,) = walk_layers(pool, tuple(X.shape[1:]))
    assert step.output_shape == shape and sides_of(step) == shape[1:] and len(sides_of(step)) == 2
    assert step.parameters == step.multiply_adds == 0 and not step.parameter_formula


# PyTorch's own word on how it pads, said once a process, in whichever test comes first
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (nn.Conv2d(1, 6, 5, padding=2), (1, 28, 28), "(28 + 2·2 − 5) / 1 + 1 = 28"),
        (nn.Conv2d(1, 6, 11, 4, 1), (1, 224, 224), "⌊(224 + 2·1 − 11) / 4⌋ + 1 = 54"),
        (nn.Conv2d(1, 6, 4, padding="same"), (1, 9, 9), "(9 + (1 + 2) − 4) / 1 + 1 = 9"),
        (nn.Conv2d(1, 6, 3, dilation=2), (1, 9, 9), "(9 + 2·0 − (2·(3 − 1) + 1)) / 1 + 1 = 5"),
        (nn.MaxPool2d(3, 2, ceil_mode=True), (1, 8, 8), "⌈(8 + 2·0 − 3) / 2⌉ + 1 = 4"),
        (nn.MaxPool2d(2, 2, 1, ceil_mode=True), (1, 7, 7), "⌈(7 + 2·1 − 2) / 2⌉ + 1 − 1 = 4"),
        (nn.ConvTranspose2d(1, 2, 3, 2, 1, 1), (1, 7, 7), "(7 − 1)·2 − 2·1 + 3 + 1 = 14"),
        (nn.Flatten(), (16, 5, 5), "16 · 5 · 5 = 400"),
        (nn.Conv1d(2, 3, 3), (2, 9), "(9 + 2·0 − 3) / 1 + 1 = 7"),
        (nn.AvgPool3d(2), (2, 4, 4, 4), "(4 + 2·0 − 2) / 2 + 1 = 2"),
    ],
)
def test_formulas_read_like_the_book(layer, shape, expected):
    (step,) = walk_layers(layer, shape)
    assert expected in step.sizes.values()


def test_costs_read_like_the_book():
    _, _, walk = walked("lenet")
    costs = {step.name: (step.parameter_formula, step.multiply_add_formula) for step in walk}
    assert costs["0"] == ("6 · 1 · 5 · 5 + 6 = 156", "6 · 28 · 28 · (1 · 5 · 5) = 117,600")
    assert costs["3"] == ("16 · 6 · 5 · 5 + 16 = 2,416", "16 · 10 · 10 · (6 · 5 · 5) = 240,000")
    assert costs["7"] == ("400 · 120 + 120 = 48,120", "400 · 120 = 48,000")
    assert costs["1"] == costs["2"] == ("", "")
    (norm,) = walk_layers(nn.BatchNorm2d(16), (16, 4, 4))
    (own,) = walk_layers(BatchNorm(16), (16, 4, 4))
    (grouped,) = walk_layers(nn.Conv2d(6, 4, 3, groups=2), (6, 9, 9))
    (turned,) = walk_layers(nn.ConvTranspose2d(6, 4, 3, groups=2), (6, 9, 9))
    assert norm.parameter_formula == own.parameter_formula == "2 · 16 = 32"
    assert grouped.parameter_formula == "4 · (6 / 2) · 3 · 3 + 4 = 112"
    assert turned.parameter_formula == "6 · (4 / 2) · 3 · 3 + 4 = 112"


@pytest.mark.parametrize(
    "layer, shape",
    [(nn.LayerNorm(8), (4, 8)), (nn.GroupNorm(2, 8), (8, 3, 3)), (nn.InstanceNorm2d(8, affine=True), (8, 3, 3)),
     (nn.LayerNorm((4, 8)), (4, 8)), (nn.BatchNorm1d(8), (8,)), (nn.Linear(8, 3, bias=False), (8,)),
     (nn.Linear(8, 3), (5, 8))],
)  # fmt: skip
def test_parameters_of_other_layers(layer, shape):
    (step,) = walk_layers(layer, shape)
    assert evaluate(step.parameter_formula) == step.parameters == sum(p.numel() for p in layer.parameters())


def test_what_has_no_formula_shows_its_shapes():
    walk = walk_layers(nn.Sequential(nn.PixelShuffle(2), nn.PReLU(), nn.Upsample(scale_factor=2)), (4, 3, 3))
    assert [step.output_shape for step in walk] == [(1, 6, 6), (1, 6, 6), (1, 12, 12)]
    assert [step.rule for step in walk] == ["", "keep", ""] and walk[1].parameters == 1
    for number in (1, 2, 3):
        ElementTree.fromstring(draw_step(walk, number).svg())


# Once: a subclass that changes what forward returns had the formula of its parent, which gave another shape.
def test_a_formula_that_does_not_hold_is_not_shown():
    class Cut(nn.Conv2d):
        def forward(self, X):
            return super().forward(X)[:, :, 1:]

    (step,) = walk_layers(Cut(1, 2, 3), (1, 9, 9))
    assert step.output_shape == (2, 6, 7) and step.rule == "" and not step.sizes and not step.windows


# Networks


@every_net
def test_every_formula_of_every_network_holds(name):
    net, shape, walk = walked(name)
    with FlopCounterMode(display=False) as counter, evaluating(net), torch.no_grad():
        net(torch.zeros(1, *shape))
    assert walk.multiply_adds == counter.get_total_flops() / 2
    assert walk.parameters == sum(p.numel() for p in net.parameters())
    assert walk.outputs == sum(math.prod(step.output_shape) for step in walk)
    for step in walk:
        if step.rule in ("window", "flatten"):
            assert sides_of(step) == step.output_shape[1 if step.rule == "window" else 0 :]
        assert step.rule or step.kind in ("Add", "ZeroPad")
        if step.parameters:
            assert evaluate(step.parameter_formula) == step.parameters
        if step.multiply_adds:
            assert evaluate(step.multiply_add_formula) == step.multiply_adds


@pytest.mark.parametrize(
    "count, words",
    [(0, "0 bytes"), (624, "624 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (18_816, "18.8 KB"),
     (104_873_984, "104.9 MB"), (3 * 10**9, "3.0 GB"), (999_999, "1.0 MB")],
)  # fmt: skip
def test_bytes_in_words(count, words):
    assert byte_words(count) == words


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.act = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(True)

    def forward(self, X):
        X = self.stem(X)
        return self.act(self.conv(self.act(self.conv(X))))


def test_a_module_called_twice_gives_two_steps_and_counts_once():
    walk = walk_layers(Twice(), (1, 8, 8))
    assert [step.name for step in walk] == ["stem", "conv", "act", "conv", "act"]
    assert [step.first for step in walk] == [1, 2, 3, 2, 3]
    assert walk.parameters == 40 + 148 and walk[1].parameters == walk[3].parameters == 148
    assert "counted at step 2" in draw_step(walk, 4).svg() and "counted" not in draw_step(walk, 2).svg()
    assert walk[4].patch.sizes == (7, 7)


def test_nested_networks_of_a_reader():
    inner = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    walk = walk_layers(nn.Sequential(inner, nn.ModuleDict({"a": nn.Flatten()})["a"], nn.LazyLinear(3).eval())[:2],
                       (2, 9, 9))  # fmt: skip
    assert [step.name for step in walk] == ["0.0", "0.1.0", "0.1.1", "1"]


def test_other_ways_to_call_a_layer():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool, self.conv = nn.MaxPool2d(2, return_indices=True), nn.Conv2d(1, 2, 1)
            self.unused = nn.Linear(3, 3)

        def forward(self, X):
            return self.conv(input=self.pool(X)[0])

    walk = walk_layers(Odd(), (1, 8, 8))
    assert [(step.name, step.output_shape) for step in walk] == [("pool", (1, 4, 4)), ("conv", (2, 4, 4))]
    assert walk.parameters == 4 + 12


# Patches


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(1, 3, (1, 5), padding=(0, 2))
        self.three = nn.Conv2d(6, 2, 3, stride=2)
        self.last = nn.Linear(2, 2)

    def forward(self, X):
        X = torch.cat([torch.relu(self.one(X)), 1 - 2 * self.two(X)], 1)
        X = self.three(X)
        X += 1
        return self.last(X.mean((2, 3)))


PATCHED = {
    "lenet": (lenet(nn.ReLU), 14 * 2),
    "max": (lenet(nn.ReLU, nn.MaxPool2d), 28),
    "vgg": (vgg(((1, 2), (2, 3)), side=16, units=4), 16),
    **{kind: (cifar_resnet(14, 2, kind), 20) for kind in ("none", "identity", "projection", "all projections")},
    "pre": (cifar_resnet(8, 2, "projection", PreActivation), 17),
    "resnet18": (resnet18(2), 24),
    "resnet_v1": (resnet_v1(side=12), 12),
    "functional": (Functional(), 13),
    "windows": (nn.Sequential(nn.Conv2d(1, 2, (3, 2), dilation=(2, 3), padding="same"), nn.MaxPool2d((2, 3), (2, 1), 1,
                ceil_mode=True), nn.AdaptiveAvgPool2d((2, None)), nn.Conv2d(2, 1, 1, stride=2)), 15),
}  # fmt: skip


@pytest.mark.parametrize("name", PATCHED)
def test_a_patch_holds_the_pixels_that_matter(name):
    """A pixel that is not a number spoils the outputs that see it, and no others."""
    net, side = PATCHED[name]
    walk = walk_layers(net, (1, side, side))
    X = torch.rand(1, 1, side, side).repeat(side * side, 1, 1, 1)
    X.view(side * side, -1).fill_diagonal_(torch.nan)
    spoilt = []
    leaves = [module for module in net.modules() if not any(module.children())]
    hooks = [m.register_forward_hook(lambda m, args, out: spoilt.append(out.isnan().clone())) for m in leaves]
    with evaluating(net), torch.no_grad():
        net(X)
    [hook.remove() for hook in hooks]
    assert len(spoilt) == len(walk)
    for step, seen in zip(walk, spoilt, strict=True):
        assert step.patch is not None, step.name
        if seen.dim() == 4:
            at = [count // 2 for count in step.patch.counts]
            assert step.patch.counts == step.output_shape[1:]
            seen = seen[:, :, at[0], at[1]].any(1)
        elif step.kind == "Flatten":
            continue
        else:
            seen = seen.any(1)
        rows, columns = np.nonzero(seen.reshape(side, side).numpy())
        starts = step.patch.middle_start() if step.patch.counts != (1, 1) else step.patch.starts
        for start, size, places in zip(starts, step.patch.sizes, (rows, columns), strict=True):
            assert max(start, 0) == places.min() and min(start + size, side) - 1 == places.max(), step


@pytest.mark.parametrize("name, count", [
    ("resnet18", 8), ("resnet18 of the paper", 8), ("cifar_resnet", 9), ("identity", 6), ("plain", 0), ("lenet", 0),
    ("resnet_v1", 0),  # whose additions are modules, and so steps anyway
])  # fmt: skip
def test_additions_are_steps_if_wanted(name, count):
    net, shape, walk = walked(name)
    more = walk_layers(net, shape, additions=True)
    sums = [step for step in more if step.kind == "addition"]
    assert len(sums) == count and len(more) == len(walk) + count
    assert more.parameters == walk.parameters and more.multiply_adds == walk.multiply_adds
    for step in sums:
        before = more[step.number - 2]
        assert step.input_shape == step.output_shape == before.output_shape and step.first == step.number
        assert step.patch.joined and "addition" in draw_step(more, step.number).svg()


def test_the_stored_page_shows_an_addition():
    assert "addition" in explore_shapes(resnet18(2), (1, 64, 64))._static()[0]["text/plain"]


def test_shortcuts_are_told():
    _, _, walk = walked("cifar_resnet")
    assert not walk[3].patch.joined and walk[10].patch.joined
    assert "longest path" in draw_step(walk, 12).svg() and "longest path" not in draw_step(walk, 2).svg()


def test_where_no_patch_is_known_the_drawing_says_so():
    _, shape, walk = walked("autoencoder")
    assert walk[3].patch and walk[4].patch is None
    assert "not known here" in draw_step(walk, 5, np.zeros((28, 28), np.uint8)).svg()
    assert walk_layers(nn.Linear(3, 4), (3,))[0].patch is None
    assert len(walk_layers(Noisy().double(), (4,))) == 1


# What does not fit


class Noisy(nn.Module):
    def forward(self, X):
        return X + torch.randn_like(X)


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, X):
        return X


@pytest.mark.parametrize(
    "net, shape, error, words",
    [
        (lenet(), (3, 28, 28), ValueError, r"layer '0', Conv2d.*needs \(N, 1, height, width\)"),
        (lenet(), (1, 32, 32), ValueError, r"7 layers went well.*layer '7', Linear.*needs \(N, 400\)"),
        (lenet(), (1, 1, 28, 28), ValueError, "without the batch"),
        (lenet(), (28, 28), ValueError, "needs channels and 2 more axes"),
        (nn.Sequential(nn.LazyLinear(3)), (4,), ValueError, "lazy layers"),
        (Idle(), (4,), ValueError, "calls no module"),
    ],
)
def test_a_shape_that_does_not_fit_is_told_by_what_the_layer_needs(net, shape, error, words):
    with pytest.raises(error, match=words):
        explore_shapes(net, shape)


@pytest.mark.parametrize(
    "picture", [np.arange(80).reshape(8, 10), torch.rand(3, 40, 40), torch.zeros(28, 28), torch.full((1, 2, 2), 7)]
)
def test_any_picture_is_resized(picture):
    grey = explore_shapes(lenet(), (1, 28, 28), picture).grey
    assert grey.shape == (28, 28) and grey.dtype == np.uint8


# The drawing


@cache
def width_of(text, size, weight):
    return TextPath((0, 0), text, size=size, prop=FontProperties(weight=weight)).get_extents().x1


@every_net
def test_every_step_is_a_drawing_that_fits(name):
    _, shape, walk = walked(name)
    grey = np.zeros(shape[1:], np.uint8)
    for step in walk:
        for hidden in (False, True):
            drawing = draw_step(walk, step.number, grey, hidden)
            ElementTree.fromstring(drawing.svg())
            for words in drawing.elements:
                if isinstance(words, Words):
                    assert words.size >= 14 and 0 < words.y < drawing.height
                    limit = 295 if words.x < 20 and words.y > 80 else 846 if words.y > 390 else 996
                    close = words.x + 0.5 * words.size * len(words.text) > 0.8 * limit
                    if words.anchor == "start" and close:
                        assert words.x + width_of(words.text, words.size, words.weight) < limit, words.text


@every_net
def test_a_hidden_shape_is_hidden(name):
    _, shape, walk = walked(name)
    for step in walk:
        open_, hidden = (draw_step(walk, step.number, None, hide) for hide in (False, True))
        told = [w.text for w in hidden.elements if isinstance(w, Words)]
        assert hidden.text.endswith("→ ?") and not open_.text.endswith("?")
        if step.output_shape != step.input_shape:
            assert " × ".join(f"{side:,}" for side in step.output_shape) not in told
        assert not any(text in told for text in step.sizes.values())
        assert not step.multiply_add_formula or step.multiply_add_formula not in told


# The quiz

CONV, SAME, STRIDED, POOL = (
    walk_layers(layer, shape)[0]
    for layer, shape in (
        (nn.Conv2d(6, 16, 5), (6, 14, 14)),
        (nn.Conv2d(1, 6, 5, padding=2), (1, 28, 28)),
        (nn.Conv2d(1, 96, 11, stride=4, padding=1), (1, 224, 224)),
        (nn.MaxPool2d(3, 2), (96, 54, 54)),
    )
)
FLATTEN, DENSE, RELU, ADAPTIVE, NORM, DILATED, OBLONG, CEIL, TURNED, CUSTOM = (
    walk_layers(layer, shape)[0]
    for layer, shape in (
        (nn.Flatten(), (16, 5, 5)),
        (nn.Linear(400, 120), (400,)),
        (nn.ReLU(), (6, 28, 28)),
        (nn.AdaptiveAvgPool2d(2), (512, 7, 7)),
        (nn.BatchNorm2d(16), (16, 10, 10)),
        (nn.Conv2d(2, 4, 3, dilation=2), (2, 12, 12)),
        (nn.Conv2d(2, 4, (3, 5), (1, 2), padding=(1, 0)), (2, 12, 15)),
        (nn.MaxPool2d(2, 2, ceil_mode=True), (3, 7, 7)),
        (nn.ConvTranspose2d(4, 16, 3, 2, 1, 1), (4, 7, 7)),
        (nn.PixelShuffle(2), (4, 3, 3)),
    )
)

RIGHT = [
    (CONV, "16, 10, 10"), (CONV, "(16, 10, 10)"), (CONV, "16x10x10"), (CONV, "16 × 10 × 10"), (CONV, "[16 10 10]"),
    (CONV, "torch.Size([16, 10, 10])"), (CONV, "16*10*10"), (CONV, "16 · 10 · 10"), (CONV, "16@10x10"),
    (CONV, "C=16, H=10, W=10"), (CONV, "16 channels of 10 by 10"), (CONV, "16 × 10²"), (CONV, "16 x 10^2"),
    (CONV, "16X10X10"), (CONV, "  16;10;10  "), (CONV, "１６，１０，１０"), (CONV, "shape = (16, 10, 10)"),
    (CONV, "16.0, 10.0, 10"), (CONV, "channels: 16, height: 10, width: 10"), (CONV, "(16, 10, 10,)"),
    (FLATTEN, "400"), (FLATTEN, "(400,)"), (FLATTEN, "16*5*5 = 400"), (FLATTEN, "16 · 5 · 5 = 400"),
    (FLATTEN, "400 features"), (DENSE, "120 units"), (OBLONG, "4, 12, 6"), (CEIL, "3 4 4"), (TURNED, "16/14/14"),
    (RELU, "6,28,28"), (ADAPTIVE, "512|2|2"), (CUSTOM, "1 x 6 x 6"),
]  # fmt: skip
BATCHES = [
    (CONV, "1, 16, 10, 10"), (CONV, "(N, 16, 10, 10)"), (CONV, "64 × 16 × 10 × 10"), (CONV, "None, 16, 10, 10"),
    (CONV, "-1, 16, 10, 10"), (CONV, "N x 16 x 10 x 10"), (CONV, "torch.Size([1, 16, 10, 10])"), (FLATTEN, "1, 400"),
    (FLATTEN, "1,400"), (DENSE, "(N, 120)"), (DENSE, "B,120"),
]  # fmt: skip
WRONG = [
    (CONV, "6, 10, 10", "take the input's"),
    (CONV, "96, 10, 10", "adds up over all channels"),
    (CONV, "5, 10, 10", "number of filters"),
    (CONV, "10, 10", "channels are missing"),
    (CONV, "10, 10, 16", "channels first"),
    (CONV, "10, 16, 10", "not their order"),
    (CONV, "16", "3 axes"),
    (CONV, "16, 9, 9", "too small"),
    (CONV, "16, 11, 11", "too large"),
    (CONV, "16, 14, 14", "size that came in"),
    (CONV, "16, 12, 12", "(size + 2 · padding − window)"),
    (CONV, "16, 10, 14", "The width is not right"),
    (CONV, "16, 14, 10", "The height is not right"),
    (CONV, "6, 14, 14", "channels as well"),
    (CONV, "N, 16, 9, 9", "too small"),
    (CONV, "sixteen", "cannot read 'sixteen'"),
    (CONV, "<b>16</b>", "cannot read"),
    (CONV, "", "no number"),
    (CONV, "16, 0, 10", "at least 1"),
    (CONV, "N", "at least 1"),
    (SAME, "6, 24, 24", "forget the padding"),
    (SAME, "6, 26, 26", "padding once"),
    (STRIDED, "96, 216, 216", "forget the stride"),
    (STRIDED, "96, 214, 214", "both the padding and the stride"),
    (STRIDED, "96, 53.75, 53.75", "rounded down"),
    (POOL, "1, 26, 26", "each map by itself"),
    (POOL, "96, 27, 27", "round the other way"),
    (DILATED, "4, 10, 10", "forget the dilation"),
    (OBLONG, "4, 12, 11", "The width is not right, the other side is. Did you forget the stride"),
    (OBLONG, "4, 10, 6", "The height is not right, the other side is. Did you forget the padding"),
    (TURNED, "16, 13, 13", "output_padding"),
    (TURNED, "16, 4, 4", "transposed convolution backwards"),
    (TURNED, "16, 20, 20", "(size − 1) · stride"),
    (FLATTEN, "16, 5, 5", "not multiplied yet"),
    (FLATTEN, "16, 25", "not multiplied yet"),
    (FLATTEN, "26", "the sum"),
    (FLATTEN, "25", "one channel"),
    (FLATTEN, "16", "number of channels"),
    (FLATTEN, "390", "How many numbers are 16 × 5 × 5"),
    (DENSE, "400", "what comes in"),
    (DENSE, "48,000", "how many weights"),
    (DENSE, "120, 400", "table of weights"),
    (DENSE, "84", "out_features"),
    (RELU, "6, 14, 14", "leaves their places"),
    (NORM, "32, 10, 10", "does not change the number"),
    (ADAPTIVE, "512, 3, 3", "set to"),
    (ADAPTIVE, "7, 2, 2", "each map by itself"),
    (CUSTOM, "4, 6, 6", "not what comes out"),
]


@pytest.mark.parametrize("step, text", RIGHT)
def test_right_answers(step, text):
    right, said = judge(step, text)
    assert right and "batch" not in said, said


@pytest.mark.parametrize("step, text", BATCHES)
def test_a_batch_is_taken_and_told(step, text):
    right, said = judge(step, text)
    assert right and "batch" in said


@pytest.mark.parametrize("step, text, words", WRONG)
def test_wrong_answers_are_told_what_went_wrong(step, text, words):
    right, said = judge(step, text)
    assert not right and words in said and "?" in said, said
    assert "incorrect" not in said.lower() and said[0] == said[0].upper()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([CONV, SAME, POOL, FLATTEN, DENSE, RELU, ADAPTIVE, TURNED, CUSTOM]),
       st.lists(st.integers(-2, 500), min_size=1, max_size=5))  # fmt: skip
def test_only_the_shape_is_right(step, numbers):
    expected = list(step.output_shape)
    right, said = judge(step, ", ".join(map(str, numbers)))
    batch = numbers[1:] == expected and numbers[0] not in (0, -2)
    assert right == (numbers == expected or batch) and (right or "?" in said)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30))
def test_any_text_gets_an_answer(text):
    right, said = judge(CONV, text)
    assert said and (right or "?" in said)
    numbers, complaint = read_shape(text)
    assert (numbers is None) == bool(complaint)


# The widget


@pytest.fixture
def widget():
    walk = explore_shapes(lenet(), (1, 28, 28), quiz=True)
    walk._build()
    return walk


def test_the_buttons_and_the_slider_walk(widget):
    widget.switch.value = False
    pictures = [widget.image.value]
    for move in (widget.next.click, widget.next.click, lambda: setattr(widget.slider, "value", 12), widget.back.click):
        move()
        pictures.append(widget.image.value)
        assert widget.number == widget.slider.value and f"Step {widget.number} of 12" in widget.image.value
    assert len(set(pictures)) == 5 and widget.number == 11
    widget.slider.value = 12
    assert widget.next.disabled and not widget.back.disabled
    widget.next.click()
    assert widget.number == 12
    widget.slider.value = 1
    assert widget.back.disabled and not widget.next.disabled


def test_a_quiz_from_the_first_guess_to_the_count(widget):
    assert "which shape?" in widget.image.value and "6 × 28 × 28" not in widget.image.value
    widget.typed.value = "6, 24, 24"
    assert "forget the padding" in widget.said.value and "Right so far: 0 of 12" in widget.said.value
    assert "which shape?" in widget.image.value
    widget.typed.value = "6, 28, 28"
    assert "✓" in widget.said.value and "Right so far: 1 of 12" in widget.said.value
    assert "(28 + 2·2 − 5) / 1 + 1 = 28" in widget.image.value
    widget.check.click()
    assert "Right so far: 1 of 12" in widget.said.value
    widget.next.click()
    assert widget.typed.value == "" and "✓" not in widget.said.value and "which shape?" in widget.image.value
    widget.back.click()
    assert "6 × 28 × 28" in widget.image.value and widget.solved == {1}


def test_a_shape_that_was_shown_does_not_count(widget):
    widget.reveal.click()
    assert "6 × 28 × 28" in widget.image.value
    widget.typed.value = "6, 28, 28"
    assert "✓" in widget.said.value and widget.solved == set()


def test_the_switch_opens_and_hides(widget):
    assert widget.typed.layout.display is None
    widget.switch.value = False
    assert "6 × 28 × 28" in widget.image.value and widget.typed.layout.display == "none"
    assert "Right so far" not in widget.said.value
    widget.switch.value = True
    assert "which shape?" in widget.image.value


def test_what_a_reader_types_is_escaped(widget):
    widget.typed.value = "<img src=a onerror=b>"
    assert "<img" not in widget.said.value and "cannot read" in widget.said.value
    widget.typed.value = ""
    widget.check.click()
    assert "no number" in widget.said.value


def test_a_network_of_one_layer():
    walk = explore_shapes(nn.Linear(3, 4), (3,))
    walk._build()
    assert walk.next.disabled and walk.back.disabled and "Step" not in walk.image.value and walk.grey is None
    assert walk.slider.layout.display == "none"


def test_the_stored_page_is_open_and_stable(widget):
    static, metadata = widget._repr_mimebundle_()
    again, _ = explore_shapes(lenet(), (1, 28, 28))._repr_mimebundle_()
    assert set(static) == {"image/png", "text/plain"} and static == again and metadata["image/png"]
    assert static["text/plain"] == "Step 1 of 12: layer '0', Conv2d: 1 × 28 × 28 → 6 × 28 × 28"
    later, _ = explore_shapes(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), (1, 4, 4))._repr_mimebundle_()
    assert later["text/plain"].startswith("Step 2 of 2"), "the first layer with weights"
    assert repr(widget) == "ShapeWalk of 12 steps"
