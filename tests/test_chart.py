"""What a chart holds, its picture, the frames of Animator, and what a page that draws a chart itself is sent."""

import json
import math
import random
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
from drawings import pixels
from jupyter_client.session import json_packer

from cnnlib import Animator, History
from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.chart_picture import Frames, draw_chart
from cnnlib.figures.picture import STORED
from cnnlib.widgets.live_chart import LiveChart
from cnnlib.widgets.run_chart import RunChart


def curve(i):
    return [2.3 * 0.97**i + 0.1, 0.9 - 0.8 * 0.97**i, 0.85 - 0.8 * 0.97**i if i % 10 == 0 else None]


def one_panel(**options):
    return Chart([Panel(("train loss", "train acc", "test acc"))], "epoch", **options)


def two_panels(**options):
    panels = [Panel(("train loss",), "loss"), Panel(("train", "test"), "accuracy", ylim=(0, 1))]
    return Chart(panels, "epoch", **options)


# Pictures and frames


@pytest.mark.parametrize("build", [one_panel, two_panels])
@pytest.mark.parametrize("xlim", [None, (0, 100)])
def test_a_blitted_frame_is_the_picture_that_matplotlib_draws(build, xlim):
    chart = build(xlim=xlim)
    frames = Frames(chart)
    for i in range(1, 100):
        chart.add(i, curve(i))
        if i % 33 == 0:
            blitted = pixels(frames.frame())
    picture = pixels(chart.picture().png(scale=1))
    assert np.abs(blitted - picture).mean() < 0.02
    assert np.array_equal(pixels(frames.frame()), blitted)  # a picture in between changes no frame
    chart.footer("the end")  # what lies behind the lines is drawn anew
    assert np.array_equal(pixels(frames.frame()), pixels(Frames(chart).frame()))
    chart.footer("")
    assert np.array_equal(pixels(frames.frame()), blitted)


def test_a_frame_shows_what_was_added():
    chart = two_panels(xlim=(0, 10))
    frames = Frames(chart)
    seen = [pixels(frames.frame())]
    for change in (
        lambda: [chart.add(x, [x, x / 10, 0.5]) for x in (1, 9)],
        lambda: chart.mark(5, "lr 0.1"),
        lambda: chart.band(1, 0.75, 0.8, "others"),
        lambda: chart.footer("done"),
    ):
        change()
        seen.append(pixels(frames.frame()))
        assert (seen[-1] != seen[-2]).any(axis=2).sum() > 100


@pytest.mark.parametrize("far", [2.0, 1e6, 1e30])
def test_a_band_out_of_view_has_no_name_there(far):
    chart, plain = two_panels(), two_panels()
    chart.band(1, far, 2 * far, "others")
    assert np.array_equal(pixels(chart.picture().png(1)), pixels(plain.picture().png(1)))
    for one in (chart, plain):
        one.add(1, [2.0, 0.5, 3 * far])
    assert (pixels(chart.picture().png(1)) != pixels(plain.picture().png(1))).any(), "in view it is there"


@pytest.mark.parametrize("yscale", ["linear", "log"])
@pytest.mark.parametrize("loss, high", [(2.3, True), (0.2, False), (1e30, True), (math.nan, False), (math.inf, False)])
def test_a_mark_says_its_name_where_the_curve_is_not(loss, high, yscale):
    chart = Chart([Panel(("loss",), "loss", ylim=(0.01, 2.5), yscale=yscale)], "epoch", (0, 1))
    for x in (0.1, 0.2, 0.3):
        chart.add(x, [loss])
    chart.mark(0.25, "lr 0.1")
    (label,) = [text for text in draw_chart(chart)[0].axes[0].texts if text.get_text() == "lr 0.1"]
    high = high or (yscale == "log" and loss == 0.2)  # 0.2 is the upper half of 0.01 … 2.5 there
    assert (label.get_va(), label.get_position()[1] < 0.5) == (("bottom", True) if high else ("top", False))


def test_a_mark_before_the_first_point_and_on_a_chart_without_lines():
    for chart in (one_panel(), Chart([Panel(())])):
        chart.mark(0, "lr 0.1")
        assert draw_chart(chart)[0].axes[0].texts[0].get_va() == "top"


def test_picture_is_sharper_than_the_screen_and_describes_itself():
    chart = one_panel(text="Loss against the epoch")
    bundle, metadata = chart.picture().bundle()
    height, width, _ = pixels(chart.picture().png(1)).shape
    assert type(bundle["image/png"]) is bytes, "of a view of bytes a message makes a list of numbers"
    assert pixels(bundle["image/png"]).shape == (round(STORED * height), round(STORED * width), 3)
    assert bundle["text/plain"] == "Loss against the epoch"
    assert metadata == {"image/png": {"width": width, "height": height}}


# Limits


def covered(chart):
    """Return whether every finite point (on a logarithmic axis, every positive one) lies within the limits."""
    for xs, ys in zip(chart.xs, chart.ys, strict=True):
        for values, (low, high), scale in (
            (xs, chart.xview, chart.xscale),
            (ys, chart.yviews[0], chart.panels[0].yscale),
        ):
            seen = [v for v in values if math.isfinite(v) and (scale == "linear" or v > 0)]
            if not all(low <= v <= high for v in seen):
                return False
    return True


WALKS = {
    "rising": [10.0**i for i in range(-3, 6)],
    "falling": [10.0**-i for i in range(-3, 6)],
    "negative": [-1.0, -5.0, -0.1, -100.0],
    "both signs": [0.1, -0.1, 3.0, -40.0],
    "level": [0.3] * 5,
    "zero": [0.0] * 5,
    "from zero": [0.0, 0.0, 2.0, 5.0],
    "at a limit": [0.0, 1.0, 0.5],
    "with gaps": [math.nan, 1.0, math.inf, 8.0, -math.inf, -2.0, math.nan],
    "nothing finite": [math.nan, math.inf],
}


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("ylim", [None, (0.1, 1)])
def test_limits_always_cover_the_data(walk, scale, ylim):
    chart = Chart([Panel(("a", "b"), ylim=ylim, yscale=scale)], xscale=scale)
    for i, y in enumerate(WALKS[walk], 1):
        chart.add(10 * i if i % 2 else i / 10, [y, None])
        chart.add(3, [None, 0.5])
        chart.fit_limits()
        assert covered(chart)
    if ylim is None:
        assert chart.picture().png(1)


def test_fixed_limits_stay_until_the_data_leaves_them():
    chart = one_panel(xlim=(0, 10))
    for x, end in ((2, 10), (12, 12)):
        chart.add(x, [1, 1, 1])
        chart.fit_limits()
        assert chart.xview == (0, end)
    assert one_panel(xlim=(1, 1)).xview == (0.5, 1.5), "one epoch has room, too"


def test_limits_change_seldom():
    chart, changes = one_panel(), 0
    for i in range(1_000):
        chart.add(i, curve(i))
        if i % 10 == 0:
            changes += chart.fit_limits()
    assert changes < 25


# What a page is sent


class Page:
    """A page that holds a LiveChart's points as its script does, and notes what it was sent."""

    def __init__(self):
        self.state, self.points = {}, 0

    def receive(self, message):
        message = json.loads(json.dumps(message, allow_nan=False))
        self.state |= message.get("state", {})
        for number, start, xs, ys in message.get("content", {}).get("lines", ()):
            for column, values in zip(self.state["lines"][number], (xs, ys), strict=True):
                column[start:] = values
            self.points += len(xs)


@pytest.fixture
def page(monkeypatch):
    page = Page()
    monkeypatch.setattr(LiveChart, "_send", lambda live, message, buffers=None: page.receive(message))
    return page


def ask_for_all(live):
    """Ask as a page does that is opened later."""
    live._handle_msg({"content": {"data": {"method": "request_state"}}})


def brief(values):
    return [pytest.approx(value, rel=1e-4, abs=1e-12) if math.isfinite(value) else None for value in values]


def lengthen(history, steps, loss=lambda step: 2 / (1 + step)):
    """Let a run go some steps further, with a test after each epoch."""
    for step in range(history.steps, history.steps + steps):
        history.loss.append(loss(step))
        for column, value in ((history.correct, step % 10), (history.size, 10), (history.lr, 0.1)):
            column.append(value)
        if (step + 1) % 235 == 0:
            history.epoch_ends.append(step + 1)
            history.test_acc.append(0.5)


def test_a_page_has_all_points_and_is_sent_the_new_ones_alone(page):
    dice, history, run = random.Random(0), History(), RunChart(235, 3)
    live = LiveChart(run.chart)
    page.state["lines"] = [[[], []] for _ in run.chart.xs]
    for frame in range(1, 80):
        lengthen(history, dice.randint(0, 30), lambda step: math.nan if step % 97 == 5 else 1 / (step + 1))
        if frame % 20 == 0:
            history.marks.append((history.steps, f"lr {frame}"))
        run.update(history)
        live.update()
        expected = [[brief(xs), brief(ys)] for xs, ys in zip(run.chart.xs, run.chart.ys, strict=True)]
        assert page.state["lines"] == expected
        assert page.state["view"]["x"] == list(run.chart.xview)
    assert [label for _, label in page.state["look"]["marks"]] == [f"learning rate {n}" for n in (20, 40, 60)]
    assert page.points < sum(map(len, run.chart.xs)) + 2 * 3 * 80, "the points of before were sent again"
    page.state.clear()
    ask_for_all(live)
    assert page.state["lines"] == expected and None in page.state["lines"][0][1]
    live.begin(Chart([Panel(("a",))]))
    assert page.state["lines"] == [[[], []]] and page.state["look"]["panels"][0]["names"] == ["a"]


def test_numbers_that_are_not_finite_are_null_on_the_page(page):
    chart = Chart([Panel(("a",), yscale="log")])
    for x, y in ((1, math.nan), (2, math.inf), (3, -math.inf), (4, 123456.789)):
        chart.add(x, [y])
    chart.keep(0, [1, 2], [math.nan, 0.5], label="before")
    ask_for_all(LiveChart(chart))
    assert page.state["lines"] == [[[1, 2, 3, 4], [None, None, None, 123460]]]
    assert page.state["look"]["kept"][0][1:3] == [[1, 2], [None, 0.5]]


@pytest.mark.parametrize("end", [0.02, 0.5, 0.98])
def test_names_of_earlier_runs_stand_clear_of_each_other_inside_the_axes(end):
    chart = Chart([Panel((), ylim=(0, 1))], "epoch", xlim=(0, 10))
    for number in range(5):
        chart.keep(0, [1, 10], [0.5, end], label=f"run {number}")
    figure, _ = draw_chart(chart)
    axes = figure.axes[0]
    heights = sorted(name.get_window_extent().y0 for name in axes.texts)
    assert len(heights) == 5 and min(b - a for a, b in zip(heights, heights[1:], strict=False)) > 12
    assert axes.bbox.y0 <= heights[0] and heights[-1] < axes.bbox.y1


def test_a_click_on_a_mark_is_heard(page):
    clicked, chart = [], one_panel()
    for x in (0.2, 0.8):
        chart.mark(x, "here")
    live, deaf = LiveChart(chart, clicked.append), LiveChart(chart)
    for content in ({"mark": 1}, {"mark": 2}, {"mark": -1}, {"mark": "0"}, {}, None):
        for one in (live, deaf):
            one._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
    assert clicked == [1] and live.look["clickable"] and not deaf.look["clickable"]


@pytest.mark.thorough
@pytest.mark.parametrize("epochs", [5, 50])
def test_a_frame_costs_the_kernel_less_than_a_millisecond(monkeypatch, pace, epochs):
    """Beside six earlier runs and a dozen marks, with all that it takes to write the message down."""
    monkeypatch.setattr(LiveChart, "_send", lambda live, message, buffers=None: json_packer(message))
    history, run, taken = History(settings={"num_batches": 235}), RunChart(235, epochs), []
    lengthen(history, 235 * epochs // 2)
    for number in range(6):
        run.keep(history, label=f"run {number}")
    history.marks += [(step, f"lr {step}") for step in range(1, history.steps, history.steps // 12)]
    run.update(history)
    live = LiveChart(run.chart)
    for _ in range(200):
        lengthen(history, 20)
        start = time.perf_counter()
        run.update(history)
        live.update()
        taken.append(time.perf_counter() - start)
    median = statistics.median(taken)
    print(f"{epochs} epochs: median {1e3 * median:.2f} ms, slowest {1e3 * max(taken):.1f} ms")
    assert median <= pace.bar(0.001)


# Animator


def test_wrong_values():
    chart = one_panel()
    for values, error in (([1, 2], "3 series, got 2 values"), ([1, "much", 2], "much")):
        with pytest.raises(ValueError, match=error):
            chart.add(1, values)
    assert chart.xs == chart.ys == [[], [], []]
    chart.add(1, [1, 2, 3])
    animator = Animator(legend=["a", "b", "c"])
    for x, y in ((1, (1, 2)), (1, 5), (1, (1, 2, 3, 4)), ([1, 2], (1, 2)), ([1, 2], (1, 2, 3)), (1, ())):
        with pytest.raises(ValueError, match="series|as many x as y"):
            animator.add(x, y)
    assert animator.chart.xs == animator.chart.ys == [[], [], []]
    with pytest.raises(ValueError, match="ylabel needs one entry for each of 2 panels, got 3"):
        Animator(legend=[["loss"], ["train", "test"]], ylabel=["a", "b", "c"])
    with pytest.raises(ValueError, match="fmts needs one entry for each of 2 series, got 1"):
        Animator(legend=["a", "b"], fmts=["-"])
    with pytest.raises(ValueError, match="not a valid format string"):
        Animator(fmts=["q!"])


def test_animator_takes_points_as_d2ls_does():
    animator = Animator(xlabel="epoch", xlim=[1, 10], ylim=[0, 1], legend=["a", "b"], fmts=["-", "m--"], figsize=(4, 3))
    animator.add(1, (0.5, None))
    animator.add([2, 3], [0.1, 0.2])
    assert (animator.chart.xs, animator.chart.ys) == ([[1, 2], [3]], [[0.5, 0.1], [0.2]])
    assert repr(animator) == "Chart of a, b against epoch"


@pytest.mark.parametrize("legend", [[], (), None, "loss"])
def test_animator_with_one_name_or_none(legend):
    animator = Animator(legend=legend)
    animator.add(1, 0.5)
    assert animator.chart.ys == [[0.5]] and animator.picture().png()
    assert repr(animator) == f"Chart of {legend or 'one series'} against x"


def test_animator_with_two_panels():
    animator = Animator(legend=[["loss"], ["train", "test"]], ylabel=["loss", "accuracy"], ylim=[(0, 3), (0, 1)])
    animator.add(1, (2.3, 0.1, None))
    axes = draw_chart(animator.chart)[0].axes
    assert [(one.get_ylabel(), one.get_ylim()) for one in axes] == [("loss", (0, 3)), ("accuracy", (0, 1))]


# In a script


@pytest.mark.thorough
def test_import_is_light(pace):
    code = """
import sys, time
import torch, torchvision, torchvision.transforms.v2
start = time.perf_counter()
import cnnlib
print(time.perf_counter() - start, "matplotlib" in sys.modules, "ipywidgets" in sys.modules)
"""
    for _ in range(3):  # the machine may be busy
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, *heavy = done.stdout.split()
        assert heavy == ["False", "False"]
        if float(seconds) <= pace.bar(0.5):
            return
    pytest.fail(f"import cnnlib took {seconds} s")
