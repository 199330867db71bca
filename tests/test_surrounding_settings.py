"""A reader's matplotlibrc, style sheet or terminal changes nothing in a picture and breaks no output."""

import io
import sys
from contextlib import redirect_stdout

import matplotlib
import matplotlib.style
import numpy as np
import pytest
import torch
from PIL import Image

import cnnlib
from cnnlib import Checkpoint, History, compare, d2l, load_data_fashion_mnist
from cnnlib.exercises import lenet as chapter
from cnnlib.exercises import progress
from cnnlib.figures import draw_bars, draw_confusions, draw_lines, draw_network, show_images
from cnnlib.models import lenet
from cnnlib.probes import layer_table
from cnnlib.widgets import guess

STYLES = {
    "usetex": {"text.usetex": True},
    "autolayout": {"figure.autolayout": True},
    "constrained layout": {"figure.constrained_layout.use": True},
    "dark": "dark_background",
    "grid in front": {"axes.grid": True, "axes.axisbelow": False, "axes.linewidth": 5, "lines.linewidth": 9},
}


def chart(log=False):
    animator = cnnlib.Animator(xlabel="epoch_1", legend=["loss $", "accuracy"], yscale="log" if log else "linear")
    for x in (1, 2):
        animator.add(x, (x * 0.5, x * 70))
    animator.mark(1.5, "lr 0.1 %")
    animator.band(0.8, 0.9, "others & more")
    return animator


PICTURES = {
    "chart": lambda: chart().picture(),
    "logarithmic chart": lambda: chart(log=True).picture(),
    "lines": lambda: draw_lines({"a_b": ([1, 2], [3, 4])}, "x", "y"),
    "bars": lambda: draw_bars({"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}, "y"),
    "confusions": lambda: draw_confusions(torch.tensor([[3, 1], [0, 4]]), ["a_", "b^"]),
    "network": lambda: draw_network(lenet(), (1, 28, 28)),
    "images": lambda: show_images(torch.zeros(2, 1, 4, 4), ["a_b", "c"]),
}


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_pictures_are_the_house_s_whatever_the_reader_s_settings_are(draw):
    def pixels(picture):
        return np.asarray(Image.open(io.BytesIO(picture.png())), float)

    expected = pixels(draw())
    for style in STYLES.values():
        with matplotlib.style.context(style):
            picture = draw()
            inside = pixels(picture)
        for found in (inside, pixels(picture)):  # shown later, when the settings are others again
            assert np.abs(found - expected).mean() < (1 if style == STYLES["usetex"] else 1e-9), style


def test_live_frames_need_no_latex():
    with matplotlib.style.context({"text.usetex": True}):
        animator = chart()
        first = animator._frames.frame()
        animator.add(3, (9.0, 900.0))
        assert first != animator._frames.frame() and matplotlib.rcParams["text.usetex"], (
            "the reader's own charts keep it"
        )


def objects():
    """Return what a reader prints in a terminal."""
    history = History(loss=[1.0], lr=[0.1], correct=[1], size=[4], train_loss=[1.0], train_acc=[0.2], test_acc=[0.3])
    exercise, net = chapter.output_size, lenet()
    yield from (
        compare({"été → 1": [history, history]}),
        compare({"none": History(settings={"network": "×"})}),
        history,
    )
    yield from (exercise, exercise.check(54), exercise.check(55), exercise.check(...), exercise.hint())
    yield from (exercise.solution(), progress(), layer_table(net, (1, 28, 28)))
    yield from (chart(), chart().picture(), load_data_fashion_mnist(64, num_train=64, num_test=64)[0])
    yield from (cnnlib.time_contract("01_lenet"), guess("Is −1 ≤ 0?", ["yes ✔", "no"]), Checkpoint("été−1.pt"))


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-8"])
def test_what_a_reader_prints_needs_no_stream_of_unicode(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)  # strict, as a terminal's is
    found = list(objects())
    with redirect_stdout(stream):
        for one in found:
            print(one)
            print([one])
        X, y = torch.rand(8, 1, 28, 28), torch.arange(8)
        print(d2l.train_ch6(lenet(), [(X, y)], None, 1, 0.1, torch.device("cpu")))
        stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    assert ("✔ Right." in text) == (encoding == "utf-8") and ("[x] Right." in text) == (encoding != "utf-8")
    assert ("±" in text) == (encoding not in ("ascii",)) and "?" not in text.splitlines()[0]


def test_a_stream_that_says_no_encoding_takes_everything(monkeypatch):
    verdict = chapter.output_size.check(55)
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        assert repr(verdict).startswith("✔ Right.")
