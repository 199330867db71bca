"""What a panel shows while it trains: whether anybody looks, each layer's gradient, the row of blocks, the sheet."""

import ipywidgets
import numpy as np
import pytest
import torch
from drawings import pixels, words_of
from nets import unchanged
from panels import STEPS, fork, go, mark, move, pause, press, rest, run, step_of, until
from panels import panel as panel
from torch import nn
from torchvision.transforms import v2

from cnnlib.datasets import Batches
from cnnlib.figures import draw_blocks, gradient_flow_chart
from cnnlib.figures.drawing import Drawing, Line, Rect
from cnnlib.figures.picture import STORED, Picture, Sheet
from cnnlib.figures.style import new_figure
from cnnlib.models import SHORTCUTS, BasicBlock, PostActivation, PreActivation, Residual, cifar_resnet, resnet18
from cnnlib.probes import gradient_norms, present_gradients
from cnnlib.probes.gradients import main_path
from cnnlib.training.loop import Trainer
from cnnlib.widgets import GradientFlow, Shortcuts, choice, panel_display, playground, slider
from cnnlib.widgets.live_chart import LiveChart
from cnnlib.widgets.view import View

# Whether anybody looks


@pytest.fixture
def eager(monkeypatch):
    """Draw a frame after every step that somebody may see; return the list that grows with each."""
    drawn, update = [], LiveChart.update
    monkeypatch.setattr(playground, "FRAME_EVERY", 0)
    monkeypatch.setattr(panel_display, "STATUS_EVERY", 0)
    monkeypatch.setattr(playground, "SHARE", 1e9)
    monkeypatch.setattr(LiveChart, "update", lambda chart: drawn.append(chart) or update(chart))
    return drawn


class Looker(View):
    """Notes when it is asked to look."""

    def __init__(self, title="View"):
        self.title, self.widget, self.steps = title, ipywidgets.HTML(), []

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
    pg.page.script.set_state({"in_front": False})
    steps_more(pg, 2)  # the step in which it was put behind may still be drawn
    frames, status, looks = len(eager), pg.status.value, len(looker.steps)
    steps_more(pg, 2 * STEPS)
    assert (len(eager), pg.status.value, len(looker.steps)) == (frames, status, looks)
    pg.page.script.set_state({"in_front": True})
    until(lambda: len(eager) > frames + 3)
    pg.page.script.set_state({"in_front": False})
    steps_more(pg, 2)
    frames = len(eager)
    pause(pg)
    assert len(eager) > frames and "paused" in pg.status.value and looker.steps[-1] == step_of(pg)


def test_a_view_behind_its_tab_is_not_computed_until_the_panel_rests(panel, eager):
    one, other = Looker("One"), Looker("Other")
    pg = panel(views=[one, other])
    widgets = {name: pg.page.views[name] for name in ("One", "Other", "Runs", "Code")}
    assert list(pg.page.views) == list(widgets) and pg.page.turned_to == "One"
    run(pg, 5)
    until(lambda: len(one.steps) > 3)
    assert set(other.steps) <= {0}, "before the first step all may look"
    for tab, idle, busy in (("Other", one, other), ("Runs", one, None), ("One", other, one)):
        pg.page.tabs.value = tab
        assert [name for name, widget in widgets.items() if widget.layout.display != "none"] == [tab]
        steps_more(pg, 2)
        looks = {view: len(view.steps) for view in (one, other)}
        if busy is None:
            steps_more(pg, 5)
            assert looks == {view: len(view.steps) for view in (one, other)}
        else:
            until(lambda busy=busy, looks=looks: len(busy.steps) > looks[busy] + 2)
            assert len(idle.steps) == looks[idle]
    pause(pg)
    assert one.steps[-1] == other.steps[-1] == step_of(pg)
    looks = len(other.steps)
    pg.page.tabs.value = "Other"
    rest(pg)
    assert len(other.steps) > looks and pg.runner.state == "paused", "who turns to it at rest sees it as it is"


# How much gradient reaches each layer


def curves(view):
    """Return a view's curves, before the first step and now, and what stands below them."""
    now, start = view.static().ys
    return start, now, view.static().note


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


def test_the_curve_before_the_first_step_is_that_of_the_first_batch(panel, dense, noise):
    flow = GradientFlow()
    pg = panel(lambda s: dense(), views=[flow])
    press(pg, "reset")
    torch.manual_seed(0)
    X, y = next(noise(32 * STEPS).epoch(0))
    start, now, note = curves(flow)
    assert start == pytest.approx(list(gradient_norms(dense(), X, y).values()), rel=1e-4)
    assert now == [] and note == "at the start" and flow.widget.chart is flow.static()
    go(pg, 3)
    assert curves(flow)[0] == start and flow.widget.chart is flow.static()


def test_after_a_step_it_is_what_the_step_left(panel, little):
    flow = GradientFlow()
    pg = panel(small, little, views=[flow])
    for steps in (1, 2, 4):
        go(pg, steps)
        trainer = pg.runner.trainer
        start, now, note = curves(flow)
        named = {
            name: p.grad.square().mean().sqrt().item() for name, p in trainer.net.named_parameters() if p.dim() > 1
        }
        expected = [value for name, value in named.items() if "shortcut" not in name]
        assert now == pytest.approx(expected, rel=1e-5) and note == f"after {step_of(pg)} steps"
        assert len(now) == len(start) == 8 and len(named) == 10
        coming = main_path(gradient_norms(trainer.net, *trainer.next_batch(), trainer.objective.loss))
        go(pg, 1)
        assert curves(flow)[1] == pytest.approx(coming, rel=1e-4), "the next batch is the one that comes next"


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


@pytest.mark.parametrize("transform", [None, v2.RandomHorizontalFlip()], ids=["plain", "flipped"])
def test_the_view_takes_no_random_numbers(panel, dense, noise, weights, transform):
    data = (noise(32 * STEPS, **({"transform": transform} if transform else {})), noise(64, shuffle=False))
    plain, pg = (panel(data=lambda s: data, name=name, views=views) for name, views in
                 (("plain", []), ("viewed", [GradientFlow()])))  # fmt: skip
    go(plain, STEPS + 5)
    before = torch.get_rng_state()
    for steps in (1, 4, STEPS):
        go(pg, steps)
    assert torch.equal(torch.get_rng_state(), before), "somebody else's random numbers were taken"
    one, other = plain.runner.trainer, pg.runner.trainer
    assert one.history.loss == other.history.loss and one.history.test_acc == other.history.test_acc
    assert torch.equal(weights(one.net), weights(other.net))


def test_the_view_leaves_modes_statistics_and_gradients(panel, little):
    flow = GradientFlow()
    pg = panel(small, little, views=[flow])
    press(pg, "reset")
    net = pg.runner.trainer.net
    assert all(p.grad is None for p in net.parameters()) and all(m.training for m in net.modules())
    assert all(m.num_batches_tracked == 0 for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    go(pg, 3)
    with unchanged(net):
        flow.show(pg.runner.trainer)


def test_each_network_has_its_start_and_a_fork_that_of_its_run(panel, little, weights):
    flow = GradientFlow()
    pg = panel(small, little, [slider("depth", 8, 20, 8, 6)], views=[flow])
    go(pg, 6)
    start = curves(flow)[0]
    first, moment = pg.book.current, mark(pg)
    go(pg, 6)
    now, net = curves(flow)[1], weights(pg.runner.trainer.net)
    fork(pg, moment)
    rest(pg)
    assert curves(flow) == (start, [], "at the start")
    go(pg, 6)
    assert curves(flow) == (start, now, "after 12 steps") and torch.equal(weights(pg.runner.trainer.net), net)
    move(pg, depth=20)
    go(pg, 3)
    assert [len(row) for row in curves(flow)[:2]] == [20, 20]
    fork(pg, moment, first)
    go(pg, 3)
    assert curves(flow)[0] == start


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
    plain.net.load_state_dict(listed.net.state_dict())
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


ODD, DEEP = [float("nan"), float("inf"), 0.0, -1.0], [10.0 ** -(i / 4) for i in range(110)]


@pytest.mark.parametrize(
    "start, now", [([], None), ([0.5], []), ([], [0.1] * 8), (ODD, ODD[::-1]), ([0.1, 0.02], ODD), (DEEP, DEEP[::-1])]
)
def test_the_chart_of_the_flow_shows_every_layer_on_a_logarithmic_scale(start, now):
    chart = gradient_flow_chart(start, now, "after 3 steps")
    for xs, ys, row in zip(chart.xs, chart.ys, (now or [], start), strict=True):
        assert ys == pytest.approx(row, nan_ok=True) and xs == list(range(1, len(row) + 1))
    assert chart.panels[0].yscale == "log" and chart.xview == (1, max(2, len(start), len(now or [])))
    assert chart.note == "after 3 steps" and not any(letter.isdigit() for letter in chart.text)
    assert chart.picture().png(1)


# The row of blocks


def boxes(drawing):
    return [e for e in drawing.elements if isinstance(e, Rect)]


def arcs(drawing, dash=None):
    """Return the lines of six points: what goes around a block."""
    found = [e for e in drawing.elements if isinstance(e, Line) and len(e.points) == 6]
    return [e for e in found if dash is None or e.dash == dash]


KINDS = {"identity": (), "zero-padded": (2, 3), "1×1 projection": (6, 3)}  # the words for a shortcut, and its dashes


def assert_shortcuts(drawing, numbers):
    """Hold that so many arcs of each kind are there, and that each kind, and no other, has its name."""
    assert [len(arcs(drawing, dash)) for dash in KINDS.values()] == list(numbers)
    named = [kind for kind, number in zip(KINDS, numbers, strict=True) if number]
    words = words_of(drawing)
    assert [word for word in words if word in KINDS] == named
    assert ("no shortcut: a plain network" in words) == (not named)
    assert drawing.text == f"{len(boxes(drawing))} blocks, {', '.join(named) or 'no'} shortcuts"


@pytest.mark.parametrize("block", [PostActivation, PreActivation])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_every_shortcut_is_an_arc_of_its_kind(shortcut, block):
    drawing = draw_blocks(cifar_resnet(14, 2, shortcut, block), (1, 8, 8), "The network")
    numbers = {"none": (0, 0, 0), "identity": (4, 2, 0), "projection": (4, 0, 2), "all projections": (0, 0, 6)}
    assert_shortcuts(drawing, numbers[shortcut])
    assert {"The network", "image", "scores", "2 × 8²", "4 × 4²", "8 × 2²"} <= set(words_of(drawing))
    heights = [e.height for e in boxes(draw_blocks(cifar_resnet(14, 2, shortcut, block), (1, 16, 16)))]
    assert [h / heights[0] for h in heights] == [1, 1, 0.5, 0.5, 0.25, 0.25], "boxes are as high as their maps"


@pytest.mark.parametrize("block", [Residual, BasicBlock])
def test_blocks_of_resnet18(block):
    drawing = draw_blocks(resnet18(2, block), (1, 64, 64))
    assert_shortcuts(drawing, (5, 0, 3))
    assert [w for w in words_of(drawing) if "²" in w] == ["2 × 16²", "4 × 8²", "8 × 4²", "16 × 2²"]


@pytest.mark.parametrize("depth", [8, 20, 56, 110])
def test_depth_is_the_number_of_blocks(depth):
    drawing = draw_blocks(cifar_resnet(depth, 1, norm=False), (1, 8, 8))
    number = (depth - 2) // 2
    assert len(boxes(drawing)) == number == len(arcs(drawing))
    assert f"{number} blocks of two convolutions" in words_of(drawing)
    xs = [x for e in drawing.elements if isinstance(e, Line) for x, _ in e.points]
    assert min(xs) >= 0 and max(xs) <= 950 and drawing.height == 200
    edges = [(e.x, e.x + e.width) for e in boxes(drawing)]
    assert all(a[1] < b[0] for a, b in zip(edges, edges[1:], strict=False)), "boxes lie on each other"
    for arc, (left, right) in zip(arcs(drawing), edges, strict=True):
        assert arc.points[0][0] < left and right < arc.points[-1][0]


def test_drawing_leaves_the_network_as_it_is():
    net = cifar_resnet(8, 2)
    net[1].eval()
    with unchanged(net):
        first = draw_blocks(net, (1, 8, 8)).svg()
    with unchanged(net), pytest.raises(ValueError):
        draw_blocks(net, (3, 8, 8))
    assert draw_blocks(net, (1, 8, 8)).svg() == first


def test_shortcuts_follow_the_settings(panel, little):
    view = Shortcuts((1, 8, 8))
    controls = [slider("depth", 8, 26, 8, 6), choice("shortcut", {kind: kind for kind in (*SHORTCUTS, "wrong")})]
    pg = panel(small, little, controls, views=[view])
    assert "3 blocks of two" in view.widget.value and "a plain network" in view.widget.value
    assert view.widget.value == view.static().svg()
    move(pg, depth=20, shortcut="identity")
    assert "zero-padded" in view.widget.value and len(boxes(view.static())) == 9
    move(pg, shortcut="wrong")
    assert "shortcut must be one of" in view.widget.value and "<svg" not in view.widget.value
    assert "role='alert'" in view.widget.value and view.static() is None
    move(pg, shortcut="projection")
    assert "1×1 projection" in view.widget.value and pg.runner.state == "ready"
    go(pg, 6)
    moment = mark(pg)
    move(pg, depth=8)
    assert "3 blocks of two" in view.widget.value
    fork(pg, moment, pg.book.runs[0])
    assert "9 blocks of two" in view.widget.value


def test_a_network_without_blocks_is_told_so_and_trains(panel):
    for net in (nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), nn.Flatten()):
        with pytest.raises(ValueError, match="no residual or plain block"):
            draw_blocks(net, (1, 8, 8))
    view = Shortcuts((1, 28, 28))
    pg = panel(views=[view])
    assert "no residual or plain block to draw" in view.widget.value and view.static() is None
    go(pg, 2)
    assert pg.runner.state == "paused"


# Pictures below each other


def coloured(width, height, colour):
    return Drawing([Rect(0, 0, width, height, colour, colour)], width, height, "one").picture()


def test_a_sheet_is_its_pictures_below_each_other(tmp_path):
    parts = [coloured(200, 60, "#ff0000"), coloured(120, 40, "#0000ff"), coloured(160, 50, "#00ff00")]
    sheet = Sheet(parts, "three pictures")
    bundle, metadata = sheet.bundle()
    assert metadata == {"image/png": {"width": 200, "height": 150}}
    assert bundle["text/plain"] == repr(sheet) == "three pictures" and isinstance(sheet, Picture)
    array = pixels(bundle["image/png"])
    assert array.shape == (pytest.approx(STORED * 150, abs=3), STORED * 200, 3)
    top, height = 0, 0
    for part in parts:
        own, top = pixels(part.png(STORED)), top + height
        height, width, _ = own.shape
        assert np.abs(array[top : top + height, :width] - own).max() <= 1
        assert (array[top : top + height, width:] == 255).all(), "beside a narrow picture the page is white"
    sheet.save(tmp_path / "sheet.png")
    assert pixels((tmp_path / "sheet.png").read_bytes()).shape == (300, 400, 3), "a file has twice the screen's"


def test_a_sheet_of_one_and_of_odd_sizes():
    alone = coloured(200, 61, "#ff0000")
    assert np.array_equal(pixels(Sheet([alone], "").png(1)), pixels(alone.png(1)))
    assert Sheet([Picture(new_figure(1, 0.5), "a")] * 2, "twice").bundle()[1]["image/png"] == {
        "width": 100,
        "height": 100,
    }
    for height in (29, 57, 58, 101, 143, 181):  # which are no round numbers of inches
        sheet = Sheet([coloured(100, height, "#ff0000"), coloured(100, 50, "#0000ff")], "")
        for scale in (1, 2):
            array = pixels(sheet.png(scale))
            assert array.shape[1] == 100 * scale and abs(array.shape[0] - (height + 50) * scale) <= 1
            middle = 50 * scale
            assert tuple(array[-25 * scale, middle]) == (0, 0, 255) and tuple(array[10, middle]) == (255, 0, 0)


def test_the_picture_of_a_panel_holds_its_views(panel, little):
    shortcuts, flow = Shortcuts((1, 8, 8)), GradientFlow()
    pg = panel(small, little, views=[shortcuts, flow, Looker()])
    go(pg, 3)
    sheet = pg.picture()
    assert isinstance(sheet, Sheet) and len(sheet.pictures) == 3 and sheet.text == pg.chart.chart.text
    height = 380 + shortcuts.static().height + 320
    bundle, metadata = pg._bundle()
    assert metadata["image/png"] == {"width": 1000, "height": height}
    assert pixels(bundle["image/png"]).shape == (pytest.approx(STORED * height, abs=3), STORED * 1000, 3)
    assert not any(letter.isdigit() for letter in bundle["text/plain"])
    plain = panel(name="plain")
    go(plain, 2)
    assert not isinstance(plain.picture(), Sheet)
