"""A blitted frame is the picture that a full redraw gives, shows all of the data, and costs a script nothing."""

import io
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from jupyter_client.session import json_packer
from PIL import Image

from cnnlib import Animator
from cnnlib.figures.chart import Chart, Panel
from cnnlib.training.loop import Trainer
from cnnlib.widgets.live import Controls
from cnnlib.widgets.run_chart import RunChart


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def curve(i):
    return [2.3 * 0.97**i + 0.1, 0.9 - 0.8 * 0.97**i, 0.85 - 0.8 * 0.97**i if i % 10 == 0 else None]


def one_panel(**options):
    return Chart([Panel(("train loss", "train acc", "test acc"))], "epoch", **options)


def two_panels(**options):
    panels = [Panel(("train loss",), "loss"), Panel(("train", "test"), "accuracy", ylim=(0, 1))]
    return Chart(panels, "epoch", **options)


@pytest.mark.parametrize("far", [2.0, 1e6, 1e30])
def test_a_band_out_of_view_has_no_name_there(far):
    chart, plain = two_panels(), two_panels()
    chart.band(1, far, 2 * far, "others")
    frame, before = pixels(chart.frame()), pixels(plain.frame())
    for one in (chart, plain):
        one.add(1, [2.0, 0.5, 3 * far])
    assert (pixels(chart.frame()) != pixels(plain.frame())).any(), "in view it is there"
    assert np.array_equal(frame, before)


# Frames


@pytest.mark.parametrize("build", [one_panel, two_panels])
@pytest.mark.parametrize("xlim", [None, (0, 100)])
def test_blitted_frame_equals_a_full_redraw(build, xlim):
    grown = build(xlim=xlim)
    for i in range(1, 100):
        grown.add(i, curve(i))
        if i % 9 == 0:
            blitted = grown.frame()
    grown.footer("the end")  # whatever lies behind the lines is drawn anew
    full = build(xlim=xlim)
    full.footer("the end")
    for axes, others in zip(full.axes, grown.axes, strict=True):
        axes.set(xlim=others.get_xlim(), ylim=others.get_ylim())
    for i in range(1, 100):
        full.add(i, curve(i))
    assert np.array_equal(pixels(grown.frame()), pixels(full.frame()))
    grown.footer("")
    assert np.array_equal(pixels(grown.frame()), pixels(blitted))


@pytest.mark.parametrize("build", [one_panel, two_panels])
def test_blitted_frame_is_what_matplotlib_draws(build):
    chart = build(xlim=(0, 110))
    for i in range(1, 100):
        chart.add(i, curve(i))
        frame = chart.frame()
    savefig = pixels(chart.picture().png(scale=1))
    assert np.abs(pixels(frame) - savefig).mean() < 0.02
    assert np.array_equal(pixels(chart.frame()), pixels(frame))  # a picture in between changes no frame


def test_frame_shows_what_was_added():
    chart = one_panel(xlim=(0, 10))
    empty = pixels(chart.frame())
    chart.add(1, [1, 1, 1])
    chart.add(9, [0, 2, 1])
    assert (pixels(chart.frame()) != empty).any(axis=2).sum() > 1_000


def test_marks_and_bands_appear():
    chart = two_panels(xlim=(0, 10))
    frames = [pixels(chart.frame())]
    chart.mark(5, "lr 0.1")
    frames.append(pixels(chart.frame()))
    chart.band(1, 0.75, 0.8, "others")
    frames.append(pixels(chart.frame()))
    assert all((a != b).any() for a, b in zip(frames, frames[1:], strict=False))


@pytest.mark.parametrize("yscale", ["linear", "log"])
@pytest.mark.parametrize("loss, high", [(2.3, True), (0.2, False), (1e30, True), (math.nan, False), (math.inf, False)])
def test_a_mark_says_its_name_where_the_curve_is_not(loss, high, yscale):
    chart = Chart([Panel(("loss",), "loss", ylim=(0.01, 2.5), yscale=yscale)], "epoch", (0, 1))
    for x in (0.1, 0.2, 0.3):
        chart.add(x, [loss])
    chart.frame()
    chart.mark(0.25, "lr 0.1")
    (label,) = [text for text in chart.axes[0].texts if text.get_text() == "lr 0.1"]
    high = high or (yscale == "log" and loss == 0.2)  # 0.2 is the upper half of 0.01 … 2.5 there
    assert (label.get_va(), label.get_position()[1] < 0.5) == (("bottom", True) if high else ("top", False))


def test_a_mark_before_the_first_point_and_on_a_chart_without_lines():
    for chart in (one_panel(), Chart([Panel(())])):
        chart.mark(0, "lr 0.1")
        assert chart.axes[0].texts[0].get_va() == "top"


def test_picture_is_twice_as_sharp_and_describes_itself():
    chart = one_panel(text="Loss against the epoch")
    bundle, metadata = chart.picture().bundle()
    height, width, _ = pixels(chart.frame()).shape
    assert pixels(bundle["image/png"]).shape == (2 * height, 2 * width, 3)
    assert bundle["text/plain"] == "Loss against the epoch"
    assert metadata == {"image/png": {"width": width, "height": height}}


def test_a_page_saved_while_a_run_is_live_holds_a_picture(noise, dense):
    """A message is sent as text only if its picture is `bytes`; a view of bytes becomes a list of numbers, and the
    notebook that JupyterLab saves meanwhile is one that nothing can read."""
    controls = Controls(Trainer(dense(), noise(), lr=0.1), RunChart(3, 1))
    data = json.loads(json_packer(controls.bundle()))
    controls.close()
    assert isinstance(data["image/png"], str) and data["image/png"].startswith("iVBORw0KGgo")


# Limits


def covered(chart):
    """Tell whether every finite point (on a logarithmic axis, every positive one) lies within the limits."""
    for line, xs, ys in zip(chart.lines, chart.xs, chart.ys, strict=True):
        axes = line.axes
        for values, (low, high), scale in (
            (xs, axes.get_xlim(), axes.get_xscale()),
            (ys, axes.get_ylim(), axes.get_yscale()),
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
@pytest.mark.parametrize("scales", [("linear", "linear"), ("log", "log")], ids="-".join)
@pytest.mark.parametrize("ylim", [None, (0.1, 1)])
def test_limits_always_cover_the_data(walk, scales, ylim):
    chart = Chart([Panel(("a", "b"), ylim=ylim, yscale=scales[1])], xscale=scales[0])
    for i, y in enumerate(WALKS[walk], 1):
        chart.add(10 * i if i % 2 else i / 10, [y, None])
        chart.add(3, [None, 0.5])
        chart.frame()
        assert covered(chart)


def test_fixed_limits_stay_until_the_data_leaves_them():
    chart = one_panel(xlim=(0, 10))
    chart.add(2, [1, 1, 1])
    chart.frame()
    assert chart.axes[0].get_xlim() == (0, 10)
    chart.add(12, [1, 1, 1])
    chart.frame()
    assert chart.axes[0].get_xlim() == (0, 12)


def test_limits_of_one_epoch():
    assert one_panel(xlim=(1, 1)).axes[0].get_xlim() == (0.5, 1.5)


def test_limits_change_seldom():
    chart, changes = one_panel(), 0
    for i in range(1_000):
        chart.add(i, curve(i))
        before = chart.axes[0].get_xlim(), chart.axes[0].get_ylim()
        if i % 10 == 0:
            chart.frame()
            changes += before != (chart.axes[0].get_xlim(), chart.axes[0].get_ylim())
    assert changes < 25


# Wrong values


def test_wrong_number_of_values():
    with pytest.raises(ValueError, match="3 series, got 2 values"):
        one_panel().add(1, [1, 2])
    animator = Animator(legend=["a", "b", "c"])
    for x, y in ((1, (1, 2)), (1, 5), (1, (1, 2, 3, 4)), ([1, 2], (1, 2)), ([1, 2], (1, 2, 3)), (1, ())):
        with pytest.raises(ValueError, match="series|as many x as y"):
            animator.add(x, y)
    assert animator.chart.xs == animator.chart.ys == [[], [], []]


def test_value_that_is_no_number_adds_nothing():
    chart = one_panel()
    with pytest.raises((TypeError, ValueError)):
        chart.add(1, [1, "much", 2])
    assert chart.xs == chart.ys == [[], [], []]
    chart.add(1, [1, 2, 3])
    chart.frame()


def test_panels_need_an_entry_each():
    with pytest.raises(ValueError, match="ylabel needs one entry for each of 2 panels, got 3"):
        Animator(legend=[["loss"], ["train", "test"]], ylabel=["a", "b", "c"])
    with pytest.raises(ValueError, match="fmts needs one entry for each of 2 series, got 1"):
        Animator(legend=["a", "b"], fmts=["-"])


# Animator


def test_animator_takes_points_as_d2ls_does():
    animator = Animator(xlabel="epoch", xlim=[1, 10], ylim=[0, 1], legend=["a", "b"], fmts=["-", "m--"], figsize=(4, 3))
    animator.add(1, (0.5, None))
    animator.add([2, 3], [0.1, 0.2])
    assert (animator.chart.xs, animator.chart.ys) == ([[1, 2], [3]], [[0.5, 0.1], [0.2]])
    assert repr(animator) == "Chart of a, b against epoch"


def test_animator_without_a_legend():
    for legend in ([], (), None):
        animator = Animator(legend=legend)
        animator.add(1, 0.5)
        assert animator.chart.ys == [[0.5]] and pixels(animator.picture().png()).any()


def test_animator_with_one_name():
    animator = Animator(legend="loss")
    animator.add(1, 0.5)
    assert repr(animator) == "Chart of loss against x"


def test_animator_with_two_panels():
    animator = Animator(legend=[["loss"], ["train", "test"]], ylabel=["loss", "accuracy"], ylim=[(0, 3), (0, 1)])
    animator.add(1, (2.3, 0.1, None))
    assert [axes.get_ylabel() for axes in animator.chart.axes] == ["loss", "accuracy"]
    assert [axes.get_ylim() for axes in animator.chart.axes] == [(0, 3), (0, 1)]


# In a script


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_script_prints_nothing_and_never_meets_pyplot():
    code = """
import sys
from cnnlib import Animator
import cnnlib.d2l, cnnlib.figures, cnnlib.widgets
animator = Animator(xlabel="epoch", xlim=[1, 10], legend=["train loss", "test acc"])
for i in range(20):
    animator.add(i, (1 / (i + 1), None))
animator.picture().png()
assert "matplotlib.pyplot" not in sys.modules
"""
    assert run(code) == ""


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
        seconds, *heavy = run(code).split()
        assert heavy == ["False", "False"]
        if float(seconds) <= pace.bar(0.5):
            return
    pytest.fail(f"import cnnlib took {seconds} s")
