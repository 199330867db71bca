"""What a panel shows while it trains: whether anybody looks, each layer's gradient, the row of blocks, the sheet."""

import io
import math
import re
import time
from types import SimpleNamespace
from xml.etree import ElementTree

import ipywidgets
import numpy as np
import pytest
import torch
from panels import STEPS, fork, go, mark, rest, run, step_of, until
from panels import panel as panel
from panels import pictures as pictures
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from cnnlib.datasets import Batches
from cnnlib.figures import draw_blocks, draw_gradient_flow
from cnnlib.figures.chart import Chart
from cnnlib.figures.drawing import Drawing, Line, Rect, Words
from cnnlib.figures.picture import Picture, Sheet
from cnnlib.figures.style import new_figure
from cnnlib.models import (
    SHORTCUTS,
    BasicBlock,
    PostActivation,
    PreActivation,
    Residual,
    cifar_resnet,
    resnet18,
)
from cnnlib.probes import gradient_norms, present_gradients
from cnnlib.training.loop import Trainer
from cnnlib.widgets import GradientFlow, Shortcuts, choice, page_script, playground, slider, views
from cnnlib.widgets.page_script import LOST, PageScript
from cnnlib.widgets.playground import View
from cnnlib.widgets.views import main_path

# Whether anybody looks


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until `clock.now` is moved."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(page_script, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def answer(page):
    """Answer the last frame, as the page does."""
    page.set_state({"frames_shown": page.frames_sent})


def test_a_page_without_a_script_is_in_front_and_not_silent(clock):
    page = PageScript()
    assert page.in_front and not page.silent and page.layout.display == "none"
    for _ in range(3):
        page.announce_frame()
        clock.now += 1_000
        assert page.in_front and not page.silent, "some pages run no script"


def test_a_page_that_stops_answering_is_silent_until_it_answers(clock):
    page = PageScript()
    page.announce_frame()
    answer(page)
    clock.now += 1_000
    assert not page.silent, "there is nothing to answer"
    page.announce_frame()
    clock.now += 0.6 * LOST
    page.announce_frame()
    assert not page.silent
    clock.now += 0.6 * LOST
    assert page.silent
    answer(page)
    assert not page.silent


def test_a_page_far_away_that_answers_late_is_not_silent(clock):
    page = PageScript()
    for _ in range(5):
        page.announce_frame()
    for number in range(1, 20):  # always some frames behind
        clock.now += 0.9 * LOST
        page.set_state({"frames_shown": number})
        page.announce_frame()
        assert not page.silent


@pytest.fixture
def eager(monkeypatch):
    """Draw a frame after every step that somebody may see; return the list that grows with each."""
    drawn = []
    monkeypatch.setattr(playground, "FRAME_EVERY", 0)
    monkeypatch.setattr(playground, "STATUS_EVERY", 0)
    monkeypatch.setattr(playground, "SHARE", 1e9)
    monkeypatch.setattr(Chart, "frame", lambda chart: drawn.append(chart) or str(len(drawn)).encode())
    return drawn


class Looker(View):
    """Notes when it is asked to look."""

    def __init__(self):
        self.widget, self.steps = ipywidgets.HTML(), []

    def show(self, trainer):
        self.steps.append(trainer.step)


def steps_more(pg, number):
    """Wait until some more steps are done."""
    before = step_of(pg)
    until(lambda: step_of(pg) > before + number)


def test_a_panel_behind_others_draws_nothing_until_it_rests(panel, eager):
    looker = Looker()
    pg = panel(views=[looker])
    run(pg, 5)
    until(lambda: len(eager) > 5)
    pg.page.set_state({"in_front": False})
    steps_more(pg, 2)  # the step in which it was put behind may still be drawn
    frames, status, looks = len(eager), pg.status.value, len(looker.steps)
    steps_more(pg, 2 * STEPS)
    assert (len(eager), pg.status.value, len(looker.steps)) == (frames, status, looks)
    pg.page.set_state({"in_front": True})
    until(lambda: len(eager) > frames + 3)
    pg.page.set_state({"in_front": False})
    steps_more(pg, 2)
    frames = len(eager)
    pg.pause.click()
    rest(pg)
    assert len(eager) > frames and bytes(pg.image.value) == str(len(eager)).encode()
    assert "paused" in pg.status.value and looker.steps[-1] == step_of(pg)


def test_a_panel_whose_page_fell_silent_draws_rarely(panel, clock, eager, monkeypatch):
    monkeypatch.setattr(playground, "RARELY", 0.05)
    pg = panel()
    run(pg, 3)
    answer(pg.page)
    steps_more(pg, 2)
    clock.now += 2 * LOST
    steps_more(pg, 2)
    frames, before, began = len(eager), step_of(pg), time.monotonic()
    until(lambda: len(eager) >= frames + 4)
    assert time.monotonic() - began > 0.14 and "training" in pg.status.value
    monkeypatch.setattr(playground, "RARELY", 60)
    steps_more(pg, 2)
    frames = len(eager)
    steps_more(pg, STEPS)
    assert len(eager) == frames and step_of(pg) > before
    answer(pg.page)
    until(lambda: len(eager) > frames + 3)


# How much gradient reaches each layer


@pytest.fixture
def flow(monkeypatch):
    """Return a view whose drawings are noted, as (start, now, title)."""
    drawn, draw = [], views.draw_gradient_flow

    def note(start, now=None, title=""):
        drawn.append((list(start), list(now or []), title))
        return draw(start, now, title)

    monkeypatch.setattr(views, "draw_gradient_flow", note)
    view = GradientFlow()
    view.drawn = drawn
    return view


def small(s):
    depth = getattr(s, "depth", 8)
    return cifar_resnet(depth, width=2, shortcut=getattr(s, "shortcut", "projection"))


@pytest.fixture
def little():
    """Return data of pictures so small that a residual network takes a step in a few milliseconds."""
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(256, (8 * STEPS, 1, 8, 8), dtype=torch.uint8, generator=generator)
    batches = Batches(images, torch.randint(10, (8 * STEPS,), generator=generator), 8, shuffle=True)
    return lambda s: (batches, None)


def rms(net):
    """Return the gradient of each layer's weights, by hand."""
    return [p.grad.square().mean().sqrt().item() for p in net.parameters() if p.dim() > 1]


def test_the_curve_before_the_first_step_is_that_of_the_first_batch(panel, flow, dense, noise):
    pg = panel(lambda s: dense(), views=[flow])
    pg.reset.click()
    rest(pg)
    torch.manual_seed(0)
    X, y = next(noise(32 * STEPS).epoch(0))
    expected = list(gradient_norms(dense(), X, y).values())
    start, now, title = flow.drawn[-1]
    assert start == pytest.approx(expected, rel=1e-4) and now == [] and title == "at the start"
    assert "at the start" in flow.widget.value and flow.widget.value == flow.static().svg()
    go(pg, 3)
    assert flow.drawn[-1][0] == start


def test_after_a_step_it_is_what_the_step_left(panel, flow, little, noise):
    pg = panel(small, little, views=[flow])
    for steps in (1, 2, 4):
        go(pg, steps)
        trainer = pg.runner.trainer
        start, now, title = flow.drawn[-1]
        named = [name for name, p in trainer.net.named_parameters() if p.dim() > 1]
        expected = [value for name, value in zip(named, rms(trainer.net), strict=True) if "shortcut" not in name]
        assert now == pytest.approx(expected, rel=1e-5) and title == f"after {step_of(pg)} steps"
        assert len(now) == len(start) == 8 and len(named) == 10
        coming = main_path(gradient_norms(trainer.net, *trainer.next_batch(), trainer.objective.loss))
        go(pg, 1)
        assert flow.drawn[-1][1] == pytest.approx(coming, rel=1e-4), "the next batch is the one that comes next"


@pytest.mark.parametrize(
    "net, layers",
    [
        (cifar_resnet(8, 2, "all projections"), 8),
        (cifar_resnet(14, 2, "none"), 14),
        (cifar_resnet(20, 2, "projection", PreActivation), 20),
        (resnet18(2), 18),
        (resnet18(2, BasicBlock), 18),
    ],
    ids=["all projections", "plain", "pre-activation", "resnet18", "resnet18 as in the paper"],
)
def test_projections_are_left_out(net, layers):
    X, y = torch.rand(2, 1, 32, 32), torch.tensor([1, 2])
    assert len(main_path(gradient_norms(net, X, y))) == layers


def test_the_third_convolution_of_a_plain_network_is_no_projection():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 10, 4)

        def forward(self, X):
            return self.conv3(self.conv2(self.conv1(X))).flatten(1)

    norms = gradient_norms(Plain(), torch.rand(2, 1, 8, 8), torch.tensor([1, 2]))
    assert len(norms) == len(main_path(norms)) == 3


def test_the_view_takes_no_random_numbers(panel, dense, flow, weights):
    plain, pg = panel(name="plain"), panel(lambda s: dense(0.5), views=[flow])
    go(plain, STEPS + 5)
    before = torch.get_rng_state()
    for steps in (1, 4, STEPS):
        go(pg, steps)
    assert torch.equal(torch.get_rng_state(), before)
    one, other = plain.runner.trainer, pg.runner.trainer
    assert one.history.loss == other.history.loss and one.history.test_acc == other.history.test_acc
    assert torch.equal(weights(one.net), weights(other.net)) and len(flow.drawn) >= 4


def test_the_view_takes_no_random_numbers_of_transformed_pictures(panel, flow, noise):
    data = (noise(32 * STEPS, transform=v2.RandomHorizontalFlip()), None)
    plain, pg = panel(data=lambda s: data, name="plain"), panel(data=lambda s: data, views=[flow])
    go(plain, 5)
    before = torch.get_rng_state()
    go(pg, 5)
    assert pg.runner.trainer.history.loss == plain.runner.trainer.history.loss
    assert torch.equal(torch.get_rng_state(), before), "somebody else's random numbers were taken"


def test_the_view_leaves_modes_statistics_and_gradients(panel, flow, little, weights):
    pg = panel(small, little, views=[flow])
    pg.reset.click()
    rest(pg)
    net = pg.runner.trainer.net
    assert all(p.grad is None for p in net.parameters()) and all(m.training for m in net.modules())
    assert all(m.num_batches_tracked == 0 for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    go(pg, 3)
    before, grads = weights(net), [p.grad.clone() for p in net.parameters()]
    flow.show(pg.runner.trainer)
    assert torch.equal(weights(net), before)
    assert all(torch.equal(p.grad, grad) for p, grad in zip(net.parameters(), grads, strict=True))


def test_a_fork_keeps_the_curve_of_its_start(panel, flow, little, weights):
    pg = panel(small, little, views=[flow])
    go(pg, 6)
    start = flow.drawn[-1][0]
    moment = mark(pg)
    go(pg, 6)
    now, net = flow.drawn[-1][1], weights(pg.runner.trainer.net)
    fork(pg, moment)
    rest(pg)
    assert flow.drawn[-1] == (start, [], "at the start")
    go(pg, 6)
    assert flow.drawn[-1] == (start, now, "after 12 steps") and torch.equal(weights(pg.runner.trainer.net), net)
    fork(pg, pg.runner.moments[0])
    go(pg, 1)
    assert flow.drawn[-1][0] == start


def test_another_network_has_another_start(panel, flow, little):
    pg = panel(small, little, [slider("depth", 8, 20, 8, 6)], views=[flow])
    go(pg, 3)
    pg.inputs["depth"].value = 20
    rest(pg)
    assert len(flow.drawn[-1][0]) == 20
    go(pg, 3)
    assert [len(row) for row in flow.drawn[-1][:2]] == [20, 20]


def test_a_fork_of_an_earlier_network_has_the_curve_of_that_networks_start(panel, flow, little):
    pg = panel(small, little, [slider("depth", 8, 20, 8, 6)], views=[flow])
    go(pg, 6)
    start = flow.drawn[-1][0]
    first, moment = pg.book.current, mark(pg)
    pg.inputs["depth"].value = 20
    rest(pg)
    go(pg, 3)
    fork(pg, moment, first)
    go(pg, 3)
    assert flow.drawn[-1][0] == start


def test_next_batch_takes_nothing_and_ends_with_the_epoch(noise, dense):
    batches, seen = noise(80), []
    trainer = Trainer(dense(), batches, lr=0.1, listeners=[lambda t: seen.append((t.batch, t.next_batch() is None))])
    first = next(batches.epoch(0))
    for _ in range(2):
        X, y = trainer.next_batch()
        assert torch.equal(X, first[0]) and torch.equal(y, first[1])
    trainer.fit(1)
    assert seen == [(1, False), (2, False), (3, True), (0, False), (0, False)]
    assert torch.equal(trainer.next_batch()[1], next(batches.epoch(1))[1])
    listed = Trainer(dense(), list(batches.epoch(0)), lr=0.1)
    assert torch.equal(listed.next_batch()[0], first[0])
    plain = Trainer(dense(), batches, lr=0.1)
    torch.manual_seed(0)
    plain.net.load_state_dict(dense().state_dict())
    torch.manual_seed(0)
    listed.net.load_state_dict(dense().state_dict())
    assert plain.fit(1).loss == listed.fit(1).loss


def test_present_gradients_are_those_of_the_last_backward_pass(dense):
    net = dense()
    assert present_gradients(net) == {}
    X, y = torch.rand(8, 1, 28, 28), torch.randint(10, (8,))
    expected = gradient_norms(net, X, y)
    assert present_gradients(net) == {}
    nn.functional.cross_entropy(net(X), y).backward()
    assert present_gradients(net) == pytest.approx(expected, rel=1e-5) and list(expected) == ["1.weight", "4.weight"]
    net[1].weight.grad = None
    assert list(present_gradients(net)) == ["4.weight"], "a layer that got none is left out"
    net[4].weight.grad.zero_()
    assert present_gradients(net) == {"4.weight": 0}


# The drawing of it


def lines_of(drawing, dashed):
    """Return the curves of a drawing: the thick lines of the plot, not those of the legend."""
    thick = [e for e in drawing.elements if isinstance(e, Line) and e.width == 2.6 and bool(e.dash) == dashed]
    return [line for line in thick if line.points[0][1] > 40]  # below the legend


def words_of(drawing):
    root = ElementTree.fromstring(drawing.svg())
    assert all(math.isfinite(float(n)) for n in re.findall(r' (?:x|y)="([-\d.]+)"', drawing.svg()))
    assert "nan" not in re.sub(r"<text.*?</text>", "", drawing.svg()) and drawing.picture().png(1)[:4] == b"\x89PNG"
    return [element.text for element in root.iter() if element.tag.endswith("}text")]


def test_the_flow_is_drawn_on_a_logarithmic_scale():
    drawing = draw_gradient_flow([1e-1, 1e-2, 1e-3, 1e-4], [1e-4, 1e-3, 1e-2, 1e-1], "after 3 steps")
    (start,), (now,) = lines_of(drawing, dashed=True), lines_of(drawing, dashed=False)
    xs, ys = zip(*start.points, strict=True)
    assert np.diff(xs) == pytest.approx([xs[1] - xs[0]] * 3) and np.diff(ys) == pytest.approx([ys[1] - ys[0]] * 3)
    assert xs[1] > xs[0] and ys[1] > ys[0], "less gradient is further down"
    assert [y for _, y in now.points] == pytest.approx(ys[::-1]) and [x for x, _ in now.points] == list(xs)
    words = words_of(drawing)
    assert {"Gradient of each layer, after 3 steps", "before the first step", "now", "0.1", "0.0001"} <= set(words)
    assert {"1", "2", "3", "4", "layer, from the image to the scores"} <= set(words)
    marks = {e.text: e.y for e in drawing.elements if isinstance(e, Words) and e.text in ("0.1", "0.0001")}
    assert marks["0.1"] == pytest.approx(ys[0] + 5) and marks["0.0001"] == pytest.approx(ys[-1] + 5)


def test_the_flow_before_the_first_step_has_one_curve():
    drawing = draw_gradient_flow([0.1, 0.02])
    assert "now" not in words_of(drawing) and len(lines_of(drawing, dashed=True)) == 1
    assert lines_of(drawing, dashed=False) == [] and "Gradient of each layer" in words_of(drawing)


@pytest.mark.parametrize("values", [[], [0.0], [0.0] * 8, [float("nan")] * 3, [float("inf"), 0.0, -1.0]])
def test_a_flow_of_nothing(values):
    for now in (None, [], values):
        words = words_of(draw_gradient_flow(values, now))
        assert "no gradient yet" in words and len(words) == 2


@pytest.mark.parametrize("odd", [0.0, float("nan"), float("inf")])
def test_a_flow_with_a_layer_that_has_no_number(odd):
    drawing = draw_gradient_flow([0.1, odd, 0.01, 0.02], [odd, 0.1, 0.1, odd])
    words_of(drawing)
    (start,), (now,) = lines_of(drawing, dashed=True), lines_of(drawing, dashed=False)
    xs = [x for x, _ in start.points]
    assert len(xs) == 3 and xs[1] - xs[0] == pytest.approx(2 * (xs[2] - xs[1])), "the others stay where they are"
    assert [x for x, _ in now.points] == pytest.approx([xs[0] + (xs[2] - xs[0]) / 3, xs[1]])


def test_a_flow_of_one_layer_and_of_many():
    words_of(draw_gradient_flow([0.5], [0.25]))
    values = [10.0 ** -(i / 4) for i in range(110)]
    drawing = draw_gradient_flow(values, values[::-1])
    words = words_of(drawing)
    assert len([w for w in words if w.isdigit()]) <= 20 and {"1", "9"} <= set(words)
    for line in (*lines_of(drawing, True), *lines_of(drawing, False)):
        assert len(line.points) == 110 and all(0 <= x <= 1000 and 40 <= y <= 260 for x, y in line.points)


def test_a_flow_of_equal_gradients_has_room():
    for value in (1.0, 0.1, 3e-7, 5e4):
        drawing = draw_gradient_flow([value] * 4)
        (line,) = lines_of(drawing, dashed=True)
        assert all(55 < y < 240 for _, y in line.points) and len(words_of(drawing)) >= 7


def test_a_flow_whose_start_is_not_known():
    drawing = draw_gradient_flow([], [0.1, 0.2, 0.4])
    words_of(drawing)
    (now,) = lines_of(drawing, dashed=False)
    assert all(0 <= x <= 1000 for x, _ in now.points)


def test_a_flow_of_more_layers_than_at_the_start_stays_on_the_page():
    (now,) = lines_of(draw_gradient_flow([0.1] * 4, [0.1] * 8), dashed=False)
    assert all(0 <= x <= 1000 for x, _ in now.points)


def test_what_the_flow_says_in_words_is_the_same_on_each_run():
    assert not re.search(r"\d", draw_gradient_flow([0.123, 0.456], [0.1, 0.2], "after 3 steps").text)


# The row of blocks


def boxes(drawing):
    return [e for e in drawing.elements if isinstance(e, Rect)]


def arcs(drawing, dash=None):
    """Return the lines of six points: what goes around a block."""
    found = [e for e in drawing.elements if isinstance(e, Line) and len(e.points) == 6]
    return [e for e in found if dash is None or e.dash == dash]


IDENTITY, PADDED, PROJECTED = (), (2, 3), (6, 3)


@pytest.mark.parametrize("block", [PostActivation, PreActivation])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_every_shortcut_is_an_arc_of_its_kind(shortcut, block):
    drawing = draw_blocks(cifar_resnet(14, 2, shortcut, block), (1, 8, 8), "The network")
    expected = {"none": (0, 0, 0), "identity": (4, 2, 0), "projection": (4, 0, 2), "all projections": (0, 0, 6)}
    assert len(boxes(drawing)) == 6
    assert tuple(len(arcs(drawing, dash)) for dash in (IDENTITY, PADDED, PROJECTED)) == expected[shortcut]
    words = words_of(drawing)
    kinds = ("identity", "zero-padded", "1×1 projection")
    named = [kind for kind, number in zip(kinds, expected[shortcut], strict=True) if number]
    assert [w for w in words if w in kinds] == named and ("no shortcut: a plain network" in words) == (not named)
    assert drawing.text == f"6 blocks, {', '.join(named) or 'no'} shortcuts"
    assert {"The network", "image", "scores", "2 × 8²", "4 × 4²", "8 × 2²"} <= set(words)


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 56, 110])
def test_depth_is_the_number_of_blocks(depth):
    net = cifar_resnet(depth, 1, norm=False)
    drawing = draw_blocks(net, (1, 8, 8))
    number = (depth - 2) // 2
    assert len(boxes(drawing)) == number == len(arcs(drawing))
    assert f"{number} blocks of two 3×3 convolutions" in words_of(drawing)
    xs = [x for e in drawing.elements if isinstance(e, Line) for x, _ in e.points]
    assert min(xs) >= 0 and max(xs) <= 950 and drawing.height == 260
    edges = [(e.x, e.x + e.width) for e in boxes(drawing)]
    assert all(a[1] < b[0] for a, b in zip(edges, edges[1:], strict=False)), "boxes lie on each other"
    for arc, (left, right) in zip(arcs(drawing), edges, strict=True):
        assert arc.points[0][0] < left and right < arc.points[-1][0]


def test_boxes_are_as_high_as_their_maps():
    drawing = draw_blocks(cifar_resnet(14, 2), (1, 16, 16))
    heights = [e.height for e in boxes(drawing)]
    assert heights[0] == heights[1] == 2 * heights[2] == 4 * heights[4] == 84
    assert len({e.fill for e in boxes(drawing)}) == 3 and heights[2] == heights[3]


@pytest.mark.parametrize(
    "block, kinds", [(Residual, ["identity", "1×1 projection"]), (BasicBlock, ["identity", "1×1 projection"])]
)
def test_blocks_of_resnet18(block, kinds):
    drawing = draw_blocks(resnet18(2, block), (1, 64, 64))
    assert len(boxes(drawing)) == 8 and len(arcs(drawing, IDENTITY)) == 5 and len(arcs(drawing, PROJECTED)) == 3
    words = words_of(drawing)
    assert [w for w in words if w in ("identity", "1×1 projection", "zero-padded")] == kinds
    assert [w for w in words if "²" in w] == ["2 × 16²", "4 × 8²", "8 × 4²", "16 × 2²"]


def test_drawing_leaves_the_network_as_it_is(weights):
    net = cifar_resnet(8, 2)
    net[1].eval()
    modes, before, state = [m.training for m in net.modules()], weights(net), torch.get_rng_state()
    first = draw_blocks(net, (1, 8, 8)).svg()
    assert [m.training for m in net.modules()] == modes and torch.equal(weights(net), before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert torch.equal(torch.get_rng_state(), state) and all(p.grad is None for p in net.parameters())
    assert draw_blocks(net, (1, 8, 8)).svg() == first
    with pytest.raises(ValueError):
        draw_blocks(net, (3, 8, 8))
    assert [m.training for m in net.modules()] == modes
    assert not any(m._forward_hooks for m in net.modules())


@pytest.mark.parametrize("net", [nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), nn.Flatten()], ids=["dense", "none"])
def test_a_network_without_blocks_is_told_so(net):
    with pytest.raises(ValueError, match="no residual or plain block"):
        draw_blocks(net, (1, 8, 8))


def test_shortcuts_follow_the_settings(panel, little):
    view = Shortcuts((1, 8, 8))
    controls = [slider("depth", 8, 26, 8, 6), choice("shortcut", {kind: kind for kind in (*SHORTCUTS, "wrong")})]
    pg = panel(small, little, controls, views=[view])
    assert "3 blocks of two" in view.widget.value and "a plain network" in view.widget.value
    assert view.widget in pg.box.children and view.widget.value == view.static().svg()
    pg.inputs["depth"].value = 20
    assert "9 blocks of two" in view.widget.value and len(boxes(view.static())) == 9
    pg.inputs["shortcut"].value = "identity"
    assert "zero-padded" in view.widget.value
    pg.inputs["shortcut"].value = "wrong"
    assert "shortcut must be one of" in view.widget.value and "<svg" not in view.widget.value
    assert "role='alert'" in view.widget.value and view.static() is None
    rest(pg)
    pg.inputs["shortcut"].value = "projection"
    rest(pg)
    assert "1×1 projection" in view.widget.value and pg.runner.state == "ready"
    go(pg, 6)
    moment = mark(pg)
    pg.inputs["depth"].value = 8
    rest(pg)
    assert "3 blocks of two" in view.widget.value
    fork(pg, moment, pg.book.runs[0])
    assert "9 blocks of two" in view.widget.value


def test_shortcuts_of_a_network_without_blocks(panel):
    view = Shortcuts((1, 28, 28))
    pg = panel(views=[view])
    assert "no residual or plain block to draw" in view.widget.value and view.static() is None
    go(pg, 2)
    assert pg.runner.state == "paused"


# Pictures below each other


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def coloured(width, height, colour):
    return Drawing([Rect(0, 0, width, height, colour, colour)], width, height, "one").picture()


def test_a_sheet_is_its_pictures_below_each_other():
    parts = [coloured(200, 60, "#ff0000"), coloured(120, 40, "#0000ff"), coloured(160, 50, "#00ff00")]
    sheet = Sheet(parts, "three pictures")
    bundle, metadata = sheet.bundle()
    assert metadata == {"image/png": {"width": 200, "height": 150}}
    assert bundle["text/plain"] == repr(sheet) == "three pictures" and isinstance(sheet, Picture)
    array = pixels(bundle["image/png"])
    assert array.shape == (300, 400, 3)
    for part, top in zip(parts, (0, 120, 200), strict=True):
        own = pixels(part.png())
        height, width, _ = own.shape
        assert np.abs(array[top : top + height, :width] - own).max() <= 1
        assert (array[top : top + height, width:] == 255).all(), "beside a narrow picture the page is white"
    assert pixels(sheet.png(1)).shape == (150, 200, 3)


def test_a_sheet_of_one_and_of_odd_sizes():
    alone = coloured(200, 61, "#ff0000")
    assert np.array_equal(pixels(Sheet([alone], "").png(1)), pixels(alone.png(1)))
    for height in (29, 57, 58, 101, 143, 181):  # which are no round numbers of inches
        sheet = Sheet([coloured(100, height, "#ff0000"), coloured(100, 50, "#0000ff")], "")
        for scale in (1, 2):
            array = pixels(sheet.png(scale))
            assert array.shape[1] == 100 * scale and abs(array.shape[0] - (height + 50) * scale) <= 1
            middle = 50 * scale
            assert tuple(array[-25 * scale, middle]) == (0, 0, 255) and tuple(array[10, middle]) == (255, 0, 0)


def test_a_sheet_is_saved(tmp_path):
    figure = new_figure(1, 0.5)
    Sheet([Picture(figure, "a"), Picture(figure, "a")], "twice").save(tmp_path / "sheet.png")
    assert pixels((tmp_path / "sheet.png").read_bytes()).shape == (200, 200, 3)


def test_the_picture_of_a_panel_holds_its_views(panel, pictures, little):
    shortcuts, flow = Shortcuts((1, 8, 8)), GradientFlow()
    pg = panel(small, little, views=[shortcuts, flow, Looker()])
    assert len(pg.picture().pictures) == 2, "there is no gradient to show yet"
    go(pg, 3)
    sheet = pg.picture()
    assert isinstance(sheet, Sheet) and len(sheet.pictures) == 3 and sheet.text == pg.chart.chart.text
    height = 380 + shortcuts.static().height + flow.static().height
    bundle, metadata = pg._bundle()
    assert metadata["image/png"] == {"width": 1000, "height": height}
    assert pixels(bundle["image/png"]).shape == (2 * height, 2000, 3)
    assert not any(letter.isdigit() for letter in bundle["text/plain"])
    plain = panel(name="plain")
    go(plain, 2)
    assert not isinstance(plain.picture(), Sheet)
    assert pixels(bytes(pg.image.value)).shape == (380, 1000, 3)
