"""What a reader sees of a run: no text over text, one name for one thing, a table that is not stale, a way back."""

import io
import itertools
import math

import numpy as np
import pytest
import torch
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from panels import go, pictures, rest, run, step_of, until
from panels import panel as panel
from PIL import Image
from torch import nn

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.figures.drawing import Words
from cnnlib.models import kaiming_, lenet
from cnnlib.training.history import History
from cnnlib.widgets import GradientSum, slider, switch
from cnnlib.widgets.run_chart import RunChart

assert pictures  # a fixture


def boxes(drawing):
    """Return (text, left, top, right, bottom) of all words of a drawing."""
    for words in (part for part in drawing.elements if isinstance(part, Words) and part.text):
        outline = TextPath((0, 0), words.text, prop=FontProperties(size=words.size, weight=words.weight)).get_extents()
        shift = {"start": 0, "middle": -outline.width / 2, "end": -outline.width}[words.anchor]
        x, y = words.x, words.y
        if words.turned:
            yield words.text, x - words.size, y - outline.width / 2, x, y + outline.width / 2
        else:
            yield words.text, x + shift, y - outline.height, x + shift + outline.width, y


def overlaps(drawing):
    pairs = itertools.combinations(boxes(drawing), 2)
    return [
        (a, b)
        for (a, *one), (b, *other) in pairs
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]


@pytest.mark.parametrize("kind", ["pre-activation", "post-activation"])
def test_no_text_over_text_in_a_gradient_sum(kind):
    X, y = next(iter(load_data_fashion_mnist(8, resize=14)[0].epoch(0)))
    gradient_sum = GradientSum(X, y)
    gradient_sum.settings["kind"] = kind
    for scale, block in itertools.product((0.4, 0.95, 1.5), (1, 8)):
        gradient_sum.settings |= {"scale": scale, "block": block}
        assert not overlaps(gradient_sum.draw()), (scale, block)


def record(losses, marks=(), num_batches=10):
    count = len(losses)
    return History(loss=list(losses), correct=[16] * count, size=[32] * count, lr=[0.1] * count, marks=list(marks),
                   settings={"num_batches": num_batches})  # fmt: skip


def draw(losses, marks=(), num_epochs=5):
    chart, history = RunChart(10, num_epochs), record(losses, marks)
    chart.update(history)
    chart.chart.frame()
    return chart


def text_boxes(chart):
    """Return (text, box in pixels) of all that is written in a chart."""
    from matplotlib.text import Text

    chart.figure.canvas.draw()
    for text in chart.figure.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            yield text.get_text(), text.get_window_extent()


@pytest.mark.parametrize("far", [30.0, 1e7, 1e30])
def test_a_loss_far_off_is_said_and_leaves_the_axis(far):
    usual = [2.3 - 0.03 * i for i in range(40)]
    chart = draw([*usual[:20], far, far, *usual[20:]], [(21, "lr 10")]).chart
    assert chart.axes[0].get_ylim() == (0, 2.5)
    assert chart.axes[0].get_title(loc="right") == f"off scale: above {10.0 ** math.floor(math.log10(far)):g}"
    assert not chart.axes[1].get_title(loc="right") and chart.lines[0].get_clip_on()
    found = list(text_boxes(chart))
    over = [(a, b) for (a, one), (b, other) in itertools.combinations(found, 2) if one.overlaps(other)]
    assert not over


def test_a_run_whose_losses_are_all_large_is_shown():
    chart = draw([500.0 - i for i in range(40)]).chart
    assert chart.axes[0].get_ylim() == (0, 500) and not chart.axes[0].get_title(loc="right")
    assert chart.lines[0].get_clip_on() is False


def test_the_curve_ends_at_the_present_step():
    losses, chart = [2.0 - 0.001 * i for i in range(235)], RunChart(235, 3)
    history = record([], num_batches=235)
    for loss in losses:
        history.loss.append(loss)
        for column, value in ((history.correct, 100), (history.size, 256), (history.lr, 0.1)):
            column.append(value)
        assert chart.update(history)
        assert chart.chart.xs[0][-1] == history.steps / 235 == chart.chart.xs[1][-1]
    whole = RunChart(235, 3)
    whole.update(history)
    assert chart.chart.xs == whole.chart.xs and chart.chart.ys == whole.chart.ys and len(whole.chart.xs[0]) == 10


def labels(chart):
    return [artists[-1].get_text() for _, artists in chart.chart._marks]


def test_marks_of_one_step_are_said_together():
    marks = [(9, "dropout 0.1"), (9, "lr 0.3"), (10, "lr 0.2"), (25, "loss inf"), (25, "lr 0.02"), (40, "lr 0.01")]
    assert labels(draw([1.0] * 50, marks)) == [
        "dropout 0.1, learning rate 0.2", "loss inf, learning rate 0.02", "learning rate 0.01"
    ]  # fmt: skip


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)


def test_a_mark_is_drawn_without_the_axes_and_stays(monkeypatch):
    chart, history = RunChart(10, 50), record([1.0] * 50)
    chart.update(history)
    chart.chart.frame()
    canvas = chart.chart.figure.canvas
    with monkeypatch.context() as patch:
        patch.setattr(canvas, "draw", lambda: pytest.fail("all of it was drawn anew"))
        for step in (11, 12, 30):  # the second takes the place of the first
            history.marks.append((step, f"lr 0.{step}"))
            chart.update(history)
            quick = chart.chart.frame()
    chart.chart._background = None
    assert np.abs(pixels(chart.chart.frame()) - pixels(quick)).mean() < 0.05  # of 255: which line lies over which
    assert labels(chart) == ["learning rate 0.12", "learning rate 0.30"]


CONTROLS = [
    switch("norm", True, label="batch norm", live=lambda trainer, on: None),
    slider("width", 4, 64, 16, label="channels of the first block"),
]


def test_mark_control_and_table_have_one_name_for_a_thing(panel):
    pg = panel(controls=CONTROLS)
    go(pg, 6)
    pg.inputs["lr"].value = 0.02
    pg.inputs["norm"].value = False
    go(pg, 6)
    named = {"learning rate": "0.02", "batch norm": "off", "channels of the first block": "16"}
    assert [widget.description for widget in pg.inputs.values()] == list(named)
    assert pg.book.current.settings == named
    assert pg.book.current.moments[-1].label == "learning rate 0.02, batch norm off"
    assert labels(pg.chart) == ["batch norm off, learning rate 0.02"]
    assert pg.picture() and "learning rate 0.02, batch norm off" in pg.chart.chart._footer.get_text()


def test_the_table_of_runs_follows_the_run(panel, monkeypatch):
    pg = panel(controls=CONTROLS)
    run(pg, 3)
    next(fold for fold in pg.folds if fold.description == "Runs").value = True
    until(lambda: ">0</td>" not in pg.book.table.value)
    pg.inputs["lr"].value = 0.05
    until(lambda: "learning rate 0.05" in pg.book.table.value)
    before = step_of(pg)
    until(lambda: any(f">{step:,}</td>" in pg.book.table.value for step in range(before + 1, step_of(pg) + 1)))
    pg.pause.click()
    rest(pg)
    assert f">{step_of(pg):,}</td>" in pg.book.table.value


def test_after_a_divergence_the_run_goes_on_from_before_it(panel, pictures):
    data = load_data_fashion_mnist(64, num_train=6_400)[0], None
    # without an activation no unit can die, which would end the rise at a finite loss
    pg = panel(lambda s: kaiming_(lenet(nn.Identity)), lambda s: data, lr=0.01)
    go(pg, 60)
    pg.set("lr", 100.0)
    pg.start.click()
    rest(pg)
    history = pg.runner.trainer.history
    assert pg.runner.state == "diverged" and max(history.loss) > 1e6 and pg.runner.error.lr == pytest.approx(10)
    assert pg.slower.description == "Go on with learning rate 0.01" and "before the loss rose" in pg.status.value
    assert pg.chart.chart.axes[0].get_ylim()[1] < 3, "the axis is that of the losses before"
    steps = history.steps
    pg.slower.click()
    until(lambda: step_of(pg) >= steps + 50, 60)
    pg.pause.click()
    rest(pg)
    assert pg.runner.state == "paused" and max(history.loss[steps:]) < 2 and history.lr[-1] == pytest.approx(0.01)
    assert torch.tensor(history.loss[-10:]).mean() < torch.tensor(history.loss[30:60]).mean()
    assert labels(pg.chart)[-1].endswith(", learning rate 0.01")
