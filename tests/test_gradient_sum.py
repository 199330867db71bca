"""The gradient as a sum: its parts, branches that are scaled, the picture, the widget; and the loss along a line."""

import copy
import math
import re
import threading
from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import pytest
import torch
from drawings import parsed, words_of
from nets import lively, unchanged
from torch import nn

from cnnlib.figures import draw_parts
from cnnlib.figures.drawing import Line, Rect, Words
from cnnlib.models import (
    BasicBlock,
    PostActivation,
    PreActivation,
    cifar_resnet,
    default_,
    fixup_,
    kaiming_,
    lenet,
    resnet18,
    scale_branches_,
    tower,
    xavier_,
)
from cnnlib.models.training_mode import in_mode
from cnnlib.probes import GradientParts, gradient_parts, loss_along, random_direction
from cnnlib.widgets import GradientSum, gradient_sum
from cnnlib.widgets.background import random_lock

ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "GELU": nn.GELU}
y = torch.tensor([1, 2, 3])


@pytest.fixture
def X():
    return torch.rand(3, 1, 8, 8, dtype=torch.float64)


def deep(*args, **options):
    return lively(tower(*args, **options)).double()


def pre(num_blocks=4, width=3, **options):
    return deep(num_blocks, width, block=PreActivation, **options)


def by_hand(net, X, y, block, last):
    """Take the gradient apart with one graph for each part, from the definition."""
    net = copy.deepcopy(net)
    blocks = [layer for layer in net if hasattr(layer, "conv1")]
    first = list(net).index(blocks[0])
    layers = list(net)
    start = nn.Sequential(*layers[: first + block - 1])(X).detach()
    inputs = [start]
    for one in blocks[block - 1 : last]:
        inputs.append(one(inputs[-1]).detach())

    def gradient(function, at, along=None):
        at = at.clone().requires_grad_()
        return torch.autograd.grad(function(at), at, along)[0]

    def loss_from(layers):
        return lambda Z: nn.functional.cross_entropy(nn.Sequential(*layers)(Z), y)

    def branch(i):
        return lambda Z: blocks[i].residual(nn.Sequential(*blocks[block - 1 : i])(Z))

    total = gradient(loss_from(layers[first + block - 1 :]), start)
    end = gradient(loss_from(layers[first + last :]), inputs[-1])
    numbers = range(block - 1, last)
    residuals = [gradient(branch(i), start, end) for i in numbers]
    own = [gradient(blocks[i].residual, inputs[i - block + 1], end) for i in numbers]
    return GradientParts(total, end, residuals, own, [i + 1 for i in numbers])


def assert_same(parts, expected):
    assert parts.numbers == expected.numbers
    for name in ("residuals", "first_order"):
        assert len(getattr(parts, name)) == len(parts.numbers)
    mine, theirs = ([p.total, p.identity, *p.residuals, *p.first_order] for p in (parts, expected))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)
        assert not one.requires_grad


# The parts


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_every_part_at_every_block_of_a_tower(activation, norm, training, X):
    net = pre(norm=norm, activation=activation).train(training)
    for block in range(1, 5):
        for last in (None, *range(block, 5)):
            parts = gradient_parts(net, X, y, block, last)
            assert_same(parts, by_hand(net, X, y, block, last or 4))
            assert parts.error < 1e-12 and sum(parts.shares()) == pytest.approx(1, abs=1e-12)
            assert len(parts.shares()) == len(parts.numbers) + 1


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kind", ["identity", "projection"])
def test_every_part_in_each_stage_of_a_residual_network(kind, norm, X):
    net = lively(cifar_resnet(20, 2, kind, PreActivation, norm, nn.ReLU if norm else nn.Tanh)).double()
    for block, last in ((1, 3), (2, 3), (3, 3), (5, 6), (6, 6), (8, 9), (9, None)):
        parts = gradient_parts(net, X, y, block, last)
        assert_same(parts, by_hand(net, X, y, block, last or 9))
        assert parts.error < 1e-12
    for block, last, wrong in ((1, None, 4), (4, 4, 4), (5, None, 7), (3, 6, 4)):
        with pytest.raises(ValueError, match=f"block {wrong} has no identity shortcut"):
            gradient_parts(net, X, y, block, last)


def test_the_first_orders_are_exact_for_one_block_only(X):
    net = pre(norm=False)
    for block in range(1, 5):
        parts = gradient_parts(net, X, y, block, block)
        assert parts.first_order_error < 1e-12
        torch.testing.assert_close(parts.residuals, parts.first_order)
        torch.testing.assert_close(parts.shares(), parts.shares(parts.first_order))
    parts = gradient_parts(net, X, y)
    assert parts.first_order_error > 1e-3 and abs(sum(parts.shares(parts.first_order)) - 1) > 1e-4


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_behind_an_activation_the_sum_is_off(activation, norm, X):
    net = deep(4, 3, norm=norm, activation=activation)
    parts = gradient_parts(net, X, y)
    assert parts.error > 0.01
    assert_same(parts, by_hand(net, X, y, 1, 4))


def test_without_an_activation_behind_the_addition_it_holds(X):
    """It is the activation that breaks it, not the order of the rest."""
    net = deep(4, 3, norm=False)
    for block in list(net)[1:-1]:
        block.activation2 = nn.Identity()
    assert gradient_parts(net, X, y).error < 1e-12


def test_errors_and_shares_are_what_they_are_called():
    generator = torch.Generator().manual_seed(0)
    total, identity, a, b, c, d = torch.randn(6, 2, 3, generator=generator)
    parts = GradientParts(total, identity, [a, b], [c, d], [3, 4])
    assert parts.error == pytest.approx(((identity + a + b - total).norm() / total.norm()).item())
    assert parts.first_order_error == pytest.approx(((identity + c + d - total).norm() / total.norm()).item())
    for rows, own in ((None, (a, b)), ([c, d], (c, d))):
        expected = [((part * total).sum() / (total * total).sum()).item() for part in (identity, *own)]
        assert parts.shares(rows) == pytest.approx(expected)


# Once: where the whole gradient is zero (behind dead ReLUs, at fixup_'s start), its parts are zero too and add up to
# it, but the error and all shares are NaN, and the picture says that the sum misses autograd.
def test_a_gradient_of_zero_is_the_sum_of_nothing(X):
    net = fixup_(tower(3, 2, block=PreActivation, norm=False)).double()
    parts = gradient_parts(net, X, y)
    assert not parts.total.any() and not parts.identity.any()
    assert parts.error == 0 == parts.first_order_error
    assert all(math.isfinite(share) for share in parts.shares())


def test_networks_that_cannot_be_taken_apart(X):
    for net in (lenet(), nn.Sequential(), resnet18(2, BasicBlock)):
        with pytest.raises(ValueError, match="from 1 to 0"):
            gradient_parts(net, X, y)
    for net in (tower(3, 2, "none"), tower(3, 2, "all projections"), cifar_resnet(8, 2, "none")):
        with pytest.raises(ValueError, match="block 1 has no identity shortcut"):
            gradient_parts(net, X.float(), y)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_nothing_is_changed(training, X):
    net = pre().train(training)
    net[2].eval()
    net[0].weight.grad = torch.full_like(net[0].weight, 7.0)
    X.requires_grad_()
    with unchanged(net, X):
        first = gradient_parts(net, X, y)
        with torch.no_grad():
            assert_same(gradient_parts(net, X, y), first)
            assert not torch.is_grad_enabled()
        for wrong in ((X, y, 9), (X[:, :, :, :1].float(), y)):
            with pytest.raises(ValueError):
                gradient_parts(net, *wrong)


def test_frozen_networks_too(X):
    net = pre()
    expected = gradient_parts(net, X, y)
    assert_same(gradient_parts(net.requires_grad_(False), X, y), expected)
    assert not any(p.requires_grad for p in net.parameters())


# Towers, and branches that are scaled

BLOCKS, KINDS = (PostActivation, PreActivation), ("identity", "all projections")
SETTINGS = list(product(BLOCKS, KINDS, (True, False), (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity)))


def settings(values=SETTINGS):
    ids = ["-".join(getattr(v, "__name__", str(v)) for v in row) for row in values]
    return pytest.mark.parametrize("block, kind, norm, activation", values, ids=ids)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kind", ["none", "identity", "projection", "all projections"])
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("num_blocks, width", [(1, 1), (3, 4), (7, 2)])
def test_parameters_and_shapes_of_a_tower(num_blocks, width, block, kind, norm):
    net = tower(num_blocks, width, kind, block, norm)
    each = 2 * (9 * width**2 + (2 * width if norm else width))
    if kind == "all projections":
        each += width**2 + (2 * width if norm and block is PostActivation else 0)
    assert sum(p.numel() for p in net.parameters()) == 10 * width + num_blocks * each + 10 * width + 10
    assert len(net) == num_blocks + 2 and all(type(one) is block for one in net[1:-1])
    Z = torch.rand(2, 1, 7, 9)
    for layer in net[:-1]:
        Z = layer(Z)
        assert Z.shape == (2, width, 7, 9)
    assert net[-1](Z).shape == (2, 10)
    kinds = {type(one.shortcut) for one in net[1:-1]}
    assert kind not in ("identity", "projection") or kinds == {nn.Identity}


@settings()
def test_scaled_branches_are_multiplied_exactly(block, kind, norm, activation):
    for factor in (0, 0.35, 1, 2.0, -1.5):
        check_scaled(deep(2, 3, kind, block, norm, activation), factor, block, norm)


def check_scaled(net, factor, block, norm):
    Z = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    before = copy.deepcopy(net)
    assert scale_branches_(net, factor) is net
    for one, twin in zip(net[1:-1], before[1:-1], strict=True):
        for training in (False, True):
            with in_mode(one, training), in_mode(twin, training):
                F = twin.residual(Z)
                torch.testing.assert_close(one.residual(Z), factor * F, rtol=1e-10, atol=1e-12)
                total = twin.shortcut(Z) + factor * F
                expected = twin.activation2(total) if block is PostActivation else total
                torch.testing.assert_close(one(Z), expected, rtol=1e-10, atol=1e-12)
                assert F.abs().max() > 1e-3, "there is nothing to scale"
    changed = {k for k, v in net.state_dict().items() if "running" not in k and "num_" not in k
               and not torch.equal(v, before.state_dict()[k])}  # fmt: skip
    last = "norm2" if norm and block is PostActivation else "conv2"
    assert all(f".{last}." in name for name in changed) and (factor == 1) == (not changed)


# The picture


def random_parts(count=4, scale=0.3, *, exact=True, first=1):
    """Return parts that add up, or do not."""
    generator = torch.Generator().manual_seed(count)
    rows = scale * torch.randn(count + 1, 2, 3, 4, 4, generator=generator, dtype=torch.float64)
    own = list(rows[1:] * 0.9)
    total = rows.sum(0) if exact else rows.sum(0) + 1
    return GradientParts(total, rows[0], list(rows[1:]), own, list(range(first, first + count)))


@pytest.mark.parametrize("count", [1, 2, 8, 27, 54])
def test_bars_are_the_shares(count):
    parts = random_parts(count, first=3)
    drawing = draw_parts(parts, "the title")
    words, bars = words_of(drawing), [e for e in drawing.elements if isinstance(e, Rect)]
    shown = parts.numbers if count < 9 else parts.numbers[1::2]
    assert {"the title", "identity", "sum", "off by", "autograd", *map(str, shown)} <= set(words)
    assert len(bars) == count + 3
    zero = next(e.points[0][1] for e in drawing.elements if isinstance(e, Line) and e.width == 1.2)
    one = [e.points[0][1] for e in drawing.elements if isinstance(e, Line) and e.width == 2 and not e.dash][-1]
    unit = zero - one
    heights = [*parts.shares(), sum(parts.shares()), 0]
    for bar, height in zip(bars, heights, strict=True):
        assert bar.height == pytest.approx(abs(height) * unit, abs=1e-6)
        assert bar.y == pytest.approx(zero - max(height, 0) * unit, abs=1e-6)
    dotted = [e.points[0][1] for e in drawing.elements if isinstance(e, Line) and e.dash == (3, 3)]
    assert dotted == pytest.approx([zero - share * unit for share in parts.shares(parts.first_order)])
    xs = [x for e in drawing.elements if isinstance(e, Rect) for x in (e.x, e.x + e.width)]
    assert xs == sorted(xs) and 0 < xs[0] and xs[-1] < drawing.width


@pytest.mark.parametrize("share", [-0.2, 0.0, 0.3, 0.9, 0.95, 0.97, 0.99, 1.0, 1.05, 1.6])
def test_the_line_of_autograd_runs_through_no_value(share):
    row = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    rows = [(1 - share) * row, share * row]
    drawing = draw_parts(GradientParts(row, rows[0], rows[1:], rows[1:], [1]), "the title")
    one = [e.points[0][1] for e in drawing.elements if isinstance(e, Line) and e.width == 2 and not e.dash][-1]
    values = [e for e in drawing.elements if isinstance(e, Words) and re.fullmatch(r"−?\d\.\d\d", e.text) and e.x > 100]
    assert len(values) == 1 + 2 * (share not in (0.0, 1.0)) + (share in (0.0, 1.0)), "parts that are not zero, the sum"
    assert not any(e.y - 0.73 * e.size < one < e.y for e in values)


def test_the_verdict_is_right():
    whole, off = draw_parts(random_parts()), draw_parts(random_parts(exact=False))
    assert any("✓ the sum equals autograd" in word for word in words_of(whole))
    assert any("✗ the sum misses autograd by" in word for word in words_of(off))
    assert "equals" in whole.text and "misses" in off.text
    assert not re.search(r"\d", whole.text + off.text), "what remains of a picture is compared: no rounding in it"
    single = gradient_parts(pre().float(), torch.rand(3, 1, 8, 8), y)
    assert "misses" in draw_parts(single).text, "rounding of float32 is not within 1e-9"


@pytest.mark.parametrize("factor", [5.0, 1e3, 1e9, 1e300])
def test_bars_that_are_too_long_end_with_the_picture(factor):
    """Parts far larger than their sum, as they cancel."""
    parts = random_parts(4)
    parts.residuals[0] = parts.residuals[0] + factor * parts.total
    parts.residuals[1] = parts.residuals[1] - factor * parts.total
    parts.first_order[2] = -factor * parts.total
    drawing = draw_parts(parts)
    root = parsed(drawing)
    for rect in [e for e in root.iter() if e.tag.endswith("}rect")]:
        assert 0 <= float(rect.get("y")) and float(rect.get("y")) + float(rect.get("height")) <= 311
    assert all(40 <= yy <= 311 for e in drawing.elements if isinstance(e, Line) for _, yy in e.points)


# Once: shares that are NaN (from NaN, from infinity, from a total of zero) become 'nan' in the SVG's coordinates.
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0])
@pytest.mark.parametrize("where", ["total", "identity", "residuals", "first_order"])
def test_gradients_that_are_no_numbers_are_drawn_all_the_same(where, bad):
    parts = random_parts()
    wrong = torch.full_like(parts.total, bad)
    wrong = [wrong, *getattr(parts, where)[1:]] if where in ("residuals", "first_order") else wrong
    drawing = draw_parts(replace(parts, **{where: wrong}), "odd")
    assert "odd" in words_of(drawing)


# The widget


@pytest.fixture
def widget():
    made = GradientSum(torch.rand(3, 1, 8, 8), y, num_blocks=3)
    made._build()
    return made


MOVES = {"block": 2, "scale": 0.5, "kind": "post-activation", "norm": False, "start": "He", "activation": "tanh"}


STARTS = {"default": default_, "He": kaiming_, "Xavier": xavier_}
BLOCK_TYPES = ("pre-activation", "post-activation")


@pytest.mark.parametrize("kind, norm, start", list(product(BLOCK_TYPES, [True, False], STARTS)))
def test_it_shows_the_network_that_it_says(widget, kind, norm, start):
    moves = {"kind": kind, "norm": norm, "start": start, "scale": 1.6, "block": 2, "activation": "tanh"}
    assert set(widget.inputs) == set(moves) == set(widget.settings)
    for name, value in moves.items():
        widget.inputs[name].value = value
    torch.manual_seed(0)
    block = PreActivation if kind == "pre-activation" else PostActivation
    net = scale_branches_(STARTS[start](tower(3, 8, "identity", block, norm, nn.Tanh)), 1.6).double()
    assert_same(widget.parts(), by_hand(net, widget.X, y, 2, 3))
    assert ("✓" in widget.image.value) == (kind == "pre-activation") == ("✗" not in widget.image.value)
    assert widget.image.value == widget.draw().svg()
    title = f"block 2: {kind}, {'batch norm' if norm else 'no batch norm'}, branches × 1.6"
    assert title in widget.image.value


def test_at_scale_zero_only_the_shortcut_is_left(widget):
    widget.inputs["scale"].value = 0
    parts = widget.parts()
    assert parts.shares() == [1, 0, 0, 0] and parts.error == 0 == parts.first_order_error
    assert "✓" in widget.image.value and ElementTree.fromstring(widget.image.value) is not None


def test_random_numbers_and_data_stay(widget, monkeypatch):
    with unchanged(widget.X):
        for name, value in MOVES.items():
            widget.inputs[name].value = value
        monkeypatch.setattr(gradient_sum, "tower", lambda *_: 1 / 0)
        widget.inputs["block"].value = 3
        assert "role='alert'" in widget.image.value


# Once: a playground that builds its network in its own thread has PyTorch's random numbers on loan (`random_lock`);
# a move of this slider in between seeds them anew, so that the playground's weights are not those of its seed.
def test_random_numbers_are_not_borrowed_twice(widget):
    with random_lock:
        thread = threading.Thread(target=widget.parts, daemon=True)
        thread.start()
        thread.join(1.0)
        waited = thread.is_alive()
    thread.join(5)
    assert waited and not thread.is_alive()


def test_the_seed_is_what_makes_it_another_network():
    X = torch.rand(2, 1, 8, 8)
    one, same, other = (GradientSum(X, y[:2], 2, seed) for seed in (0, 0, 1))
    torch.rand(1)
    assert one.draw().svg() == same.draw().svg() != other.draw().svg()
    one.settings["norm"] = False
    assert same.settings["norm"], "each has settings of its own"


def test_a_network_of_one_block():
    one = GradientSum(torch.rand(2, 1, 8, 8), y[:2], 1)
    one._build()
    assert "✓" in one.image.value and one.inputs["block"].max == 1


# The loss along a line


@pytest.mark.parametrize("make", [lenet, lambda: lively(tower(2, 3)), lambda: tower(2, 3, norm=False)])
def test_each_filter_of_a_direction_has_its_filters_length(make, weights):
    net = make()
    before = weights(net)
    direction = random_direction(net)
    assert list(direction) == [name for name, _ in net.named_parameters()] and torch.equal(weights(net), before)
    for name, weight in net.named_parameters():
        step = direction[name]
        assert step.shape == weight.shape and step.dtype == weight.dtype and not step.requires_grad
        if weight.dim() == 1:
            assert not step.any()
        else:
            torch.testing.assert_close(step.flatten(1).norm(dim=1), weight.detach().flatten(1).norm(dim=1))
    other, parallel = random_direction(net), nn.functional.cosine_similarity
    long = [name for name, weight in net.named_parameters() if weight.dim() > 1 and weight[0].numel() > 20]
    assert all(parallel(direction[n].flatten(), other[n].flatten(), dim=0).abs() < 0.9 for n in long)
    torch.manual_seed(3)
    one = random_direction(net)
    torch.manual_seed(3)
    assert all(map(torch.equal, one.values(), random_direction(net).values()))


def test_at_distance_zero_the_loss_is_the_loss(X):
    net = lively(tower(2, 3))
    net(X.float())
    direction = random_direction(net)
    with in_mode(copy.deepcopy(net), training=True) as twin:
        expected = nn.functional.cross_entropy(twin(X.float()), y).item()
    losses = loss_along(net, direction, [0, 1.0, 0, torch.tensor(0.0), -1], X.float(), y)
    assert losses[0] == losses[2] == losses[3] == expected and all(type(loss) is float for loss in losses)
    assert len({losses[0], losses[1], losses[4]}) == 3
    assert loss_along(net, direction, iter(()), X.float(), y) == []


def test_the_loss_along_a_line_that_is_known():
    """Two scores a and b of the input 1: the loss is log(1 + exp(b − a))."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False)).double()
    (a, b), step = net[0].weight.flatten().tolist(), torch.tensor([[0.3], [-1.1]], dtype=torch.float64)
    distances = [i / 4 for i in range(-8, 9)]
    X, label = torch.ones(1, 1, dtype=torch.float64), torch.tensor([0])
    losses = loss_along(net, {"0.weight": step}, distances, X, label)
    assert losses == pytest.approx([math.log1p(math.exp(b - a - 1.4 * d)) for d in distances], rel=1e-12)


# Once: 'as in training' holds for dropout too, so each distance, zero included, has other units left out: what is
# drawn is noise, and the random numbers of the caller move.
def test_dropout_does_not_make_a_line_of_noise():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    X = torch.rand(3, 1, 8, 8)
    direction = {name: torch.zeros_like(weight) for name, weight in net.named_parameters()}
    with unchanged(net):
        losses = loss_along(net, direction, [0, 0, 0], X, y)
    assert len(set(losses)) == 1
