"""What a reader sees of a run: no text over text, one name for one thing, a table that is not stale, a way back."""

import itertools
import math

import pytest
import torch
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from panels import chart_marks, go, move, pause, press, run, step_of, until
from panels import panel as panel
from torch import nn

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.figures.chart_picture import draw_chart
from cnnlib.figures.drawing import Words
from cnnlib.models import kaiming_, lenet
from cnnlib.training.history import History
from cnnlib.widgets import GradientSum, slider, switch
from cnnlib.widgets.run_chart import RunChart


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
    chart.chart.fit_limits()
    return chart.chart


def text_boxes(figure):
    """Return (text, box in pixels) of all that is written in a figure."""
    figure.canvas.draw()
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip():
            yield text.get_text(), text.get_window_extent()


@pytest.mark.parametrize("far", [30.0, 1e7, 1e30])
def test_a_loss_far_off_is_said_and_leaves_the_axis(far):
    usual = [2.3 - 0.03 * i for i in range(40)]
    chart = draw([*usual[:20], far, far, *usual[20:]], [(21, "lr 10")])
    assert chart.yviews == [(0, 2.5), (0, 1)]
    assert chart.off_scale == [f"off scale: above {10.0 ** math.floor(math.log10(far)):g}", ""]
    figure, lines = draw_chart(chart)
    found = list(text_boxes(figure))
    over = [(a, b) for (a, one), (b, other) in itertools.combinations(found, 2) if one.overlaps(other)]
    assert not over and chart.off_scale[0] in dict(found) and lines[0].get_clip_on()


def test_a_run_whose_losses_are_all_large_is_shown():
    chart = draw([500.0 - i for i in range(40)])
    assert chart.yviews[0] == (0, 500) and not chart.off_scale[0]
    assert draw_chart(chart)[1][0].get_clip_on() is False


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


def test_marks_of_one_step_are_said_together():
    marks = [(9, "dropout 0.1"), (9, "lr 0.3"), (10, "lr 0.2"), (25, "loss inf"), (25, "lr 0.02"), (40, "lr 0.01")]
    assert draw([1.0] * 50, marks).marks == [
        (0.8, "dropout 0.1, learning rate 0.2"), (2.4, "loss inf, learning rate 0.02"), (3.9, "learning rate 0.01")
    ]  # fmt: skip


CONTROLS = [
    switch("norm", True, label="batch norm", live=lambda trainer, on: None),
    slider("width", 4, 64, 16, label="channels of the first block"),
]


def test_mark_control_and_table_have_one_name_for_a_thing(panel):
    pg = panel(controls=CONTROLS)
    go(pg, 6)
    move(pg, lr=0.02, norm=False)
    go(pg, 6)
    named = {"learning rate": "0.02", "batch norm": "off", "channels of the first block": "16"}
    assert [widget.description for widget in pg.inputs.values()] == list(named)
    assert pg.book.current.settings == named
    assert pg.book.current.moments[-1].label == "learning rate 0.02, batch norm off"
    assert chart_marks(pg) == ["batch norm off, learning rate 0.02"]
    assert "learning rate 0.02, batch norm off" in pg.picture().figure.texts[-1].get_text()


def test_the_table_of_runs_follows_the_run(panel):
    pg = panel(controls=CONTROLS)
    run(pg, 3)
    pg.page.tabs.value = "Runs"
    until(lambda: ">0</td>" not in pg.book.table.value)
    pg.inputs["lr"].value = 0.05
    until(lambda: "learning rate 0.05" in pg.book.table.value)
    before = step_of(pg)
    until(lambda: any(f">{step:,}</td>" in pg.book.table.value for step in range(before + 1, step_of(pg) + 1)))
    pause(pg)
    assert f">{step_of(pg):,}</td>" in pg.book.table.value


def test_after_a_divergence_the_run_goes_on_from_before_it(panel):
    data = load_data_fashion_mnist(64, num_train=6_400)[0], None
    # without an activation no unit can die, which would end the rise at a finite loss
    pg = panel(lambda s: kaiming_(lenet(nn.Identity)), lambda s: data, lr=0.01)
    go(pg, 60)
    pg.set("lr", 100.0)
    press(pg, "start")
    history = pg.runner.trainer.history
    assert pg.runner.state == "diverged" and max(history.loss) > 1e6 and pg.runner.error.lr == pytest.approx(10)
    offer = pg.page.offer
    assert offer.layout.display is None and offer.description == "Go on with learning rate 0.01"
    assert "before the loss rose" in pg.status.value
    assert pg.chart.chart.yviews[0][1] < 3, "the axis is that of the losses before"
    steps = history.steps
    offer.click()
    until(lambda: step_of(pg) >= steps + 50, 60)
    pause(pg)
    assert pg.runner.state == "paused" and max(history.loss[steps:]) < 2 and history.lr[-1] == pytest.approx(0.01)
    assert torch.tensor(history.loss[-10:]).mean() < torch.tensor(history.loss[30:60]).mean()
    assert chart_marks(pg)[-1].endswith(", learning rate 0.01") and offer.layout.display == "none"
