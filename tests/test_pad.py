"""The drawing pad: what the page may send, and what the feature explorer makes of it. Drawing is in test_explorers."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import unchanged
from panels import go
from panels import panel as panel
from torch import nn
from uploads import explorer as explorer
from uploads import hand_in, picture_file
from uploads import patient as patient

from cnnlib.datasets import Batches
from cnnlib.figures.drawing import Bitmap
from cnnlib.models import lenet
from cnnlib.probes import maps_and_output
from cnnlib.widgets import explore_features, pad
from cnnlib.widgets.feature_explorer import EMPTY
from cnnlib.widgets.pad import MOST, DrawingPad
from cnnlib.widgets.pictures import grey_picture, ink_picture

RAMP = [i % 256 for i in range(784)]


def send(pad, values):
    """Hand a pad what a page sends."""
    pad.set_state({"ink": values})


def shown(explorer):
    """Return the picture that the explorer shows, as ink, (H, W)."""
    picture = next(e for e in explorer.static().elements if isinstance(e, Bitmap))
    return 1 - torch.from_numpy(picture.grey / 255)


# The pad


def test_a_new_pad_is_empty():
    picture = DrawingPad().picture()
    assert picture.shape == (28, 28) and picture.dtype == torch.float32 and not picture.any()


def test_values_are_ink_row_by_row():
    pad = DrawingPad()
    send(pad, RAMP)
    expected = torch.tensor(RAMP, dtype=torch.float32).reshape(28, 28) / 255
    assert torch.equal(pad.picture(), expected) and torch.equal(pad.picture(28, 28), expected)
    pad.clear()
    assert not pad.picture().any() and pad.ink == [0] * 784


@pytest.mark.parametrize("height, width", [(28, 14), (7, 7), (96, 96), (40, 100), (1, 1)])
def test_a_drawing_is_scaled_like_a_file(height, width):
    picture = ink_picture(RAMP, 28, height, width)
    assert picture.shape == (height, width) and picture.is_contiguous() and 0 <= picture.min() <= picture.max() <= 1
    same = grey_picture(picture_file(np.array(RAMP, np.uint8).reshape(28, 28)), "a.png", height, width)
    assert torch.equal(picture, same)
    assert (ink_picture([255] * 784, 28, height, width) == 1).all()


BAD = {
    "too few": ([0] * 783, "28 × 28 values, got 783 values"),
    "too many": ([0] * 100_000, "got 100,000 values"),
    "none": ([], "got 0 values"),
    "text": ("0" * 784, "got str"),
    "nothing": (None, "got NoneType"),
    "a number": (784, "got int"),
    "a table": ({str(i): 0 for i in range(784)}, "got dict"),
    "bytes": (memoryview(bytes(784)), "got memoryview"),
    "words": (["<b>0</b>"] * 784, "whole numbers from 0 to 255, got '<b>0</b>'"),
    "a hole": ([0] * 783 + [None], "got None"),
    "a fraction": ([0.5] * 784, "got 0.5"),
    "no number": ([0] * 10 + [float("nan")] + [0] * 773, "got nan"),
    "infinity": ([float("inf")] * 784, "got inf"),
    "truth": ([True] * 784, "got True"),
    "negative": ([0] * 783 + [-1], "got -1"),
    "too much": ([256] * 784, "got 256"),
    "far too much": ([10**400] * 784, "got 1000"),
    "lists": ([[0] * 28] * 784, r"got \[0, 0"),
}


@pytest.mark.parametrize("values, words", BAD.values(), ids=BAD)
def test_what_is_no_drawing_is_told_so(values, words):
    pad = DrawingPad()
    send(pad, values)
    with pytest.raises(ValueError, match=words) as error:
        pad.picture()
    assert "Press Clear, and draw again." in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize(
    "side, error, words",
    [
        (0, ValueError, "side must be at least 1"),
        (65, ValueError, "side must be at most 64, got 65"),
        (2.5, TypeError, "side must be a whole number"),
        (True, TypeError, "side must be a whole number"),
    ],
)
def test_a_pad_of_no_such_size(side, error, words):
    with pytest.raises(error, match=words):
        DrawingPad(side)


def test_a_page_cannot_change_the_size():
    pad = DrawingPad(5)
    pad.set_state({"side": 100_000, "ink": [255] * 25})
    assert pad.picture().shape == (5, 5) and pad.picture().all()


def test_the_page_asks_no_network_and_says_what_the_keys_do():
    script, look = (Path(pad.__file__).with_suffix(end).read_text(encoding="utf-8") for end in (".js", ".css"))
    assert "http" not in script + look and "import" not in script + look and "eval" not in script
    for word in ("tabindex", "aria-label", 'role="status"', "Arrow keys", "Space", "Delete", "stopPropagation"):
        assert word in script
    for size in re.findall(r"font-size: (\d+)px", look):
        assert int(size) >= 14


# The explorer


def test_the_pad_unfolds_with_its_switch(explorer):
    pad, drawer = explorer.pad, explorer.drawer
    left, right = explorer.widget.children[:2]
    assert left.children[1:3] == (drawer, pad) and right.children == (explorer.image,)
    assert pad.layout.display == "none" and not drawer.value
    assert drawer.description == "draw one" and drawer.tooltip
    assert "cnnlib-features-draw" in drawer._dom_classes and "cnnlib-drawing" in pad._dom_classes
    before = explorer.image.value
    drawer.value = True
    assert not pad.layout.display and "your drawing" in explorer.image.value and not shown(explorer).any()
    drawer.value = False
    assert pad.layout.display == "none" and explorer.image.value == before


def test_the_explorer_looks_at_the_drawing(explorer):
    explorer.drawer.value = True
    pages, values = [explorer.image.value], RAMP
    for _ in range(3):
        values = values[100:] + values[:100]
        send(explorer.pad, values)
        expected = torch.tensor(values, dtype=torch.float32).reshape(28, 28) / 255
        assert (shown(explorer) - expected).abs().max() < 0.01
        for layer in ("0", "3"):
            explorer.inputs["layer"].value = layer
            maps, output = maps_and_output(explorer.net, expected[None, None], layer)
            torch.testing.assert_close(explorer._look(), (maps[0], output))
        shares = output[0].softmax(0).topk(3).values
        assert all(f">{share:.0%}<" in explorer.image.value for share in shares), "ink is light to the network"
        pages.append(explorer.image.value)
    assert len(set(pages)) == 4 and all("What excites" in page and "alert" not in page for page in pages)
    assert explorer.inputs["invert"].disabled, "a drawing needs no turning"
    explorer.inputs["invert"].value = False
    assert explorer.image.value == pages[-1]


def test_a_folded_pad_is_not_looked_at(explorer):
    before = explorer.image.value
    send(explorer.pad, RAMP)
    assert explorer.image.value == before
    explorer.drawer.value = True
    drawn = explorer.image.value
    assert shown(explorer).any() and drawn != before
    explorer.drawer.value = False
    assert explorer.image.value == before
    explorer.drawer.value = True
    assert explorer.image.value == drawn, "the drawing stays on the pad"


def test_what_was_chosen_last_is_shown(explorer):
    send(explorer.pad, RAMP)
    explorer.drawer.value = True
    explorer.inputs["picture"].value = 5
    assert "picture 5" in explorer.image.value and not explorer.drawer.value
    assert explorer.pad.layout.display == "none"
    explorer.drawer.value = True
    hand_in(explorer, b"hello")
    assert "no PNG or JPEG" in explorer.image.value and explorer.drawer.value
    explorer.inputs["channel"].value = 1
    assert "your drawing" in explorer.image.value, "the drawing stays"
    hand_in(explorer, picture_file(np.zeros((5, 5), np.uint8)))
    assert "mine.png" in explorer.image.value and not explorer.drawer.value and shown(explorer).all()
    assert not explorer.inputs["invert"].disabled and explorer._picture()[0].all(), "dark is turned into light"
    explorer.drawer.value = True
    assert "your drawing" in explorer.image.value and not explorer._picture()[0].all()
    explorer.drawer.value = False
    assert "picture 5" in explorer.image.value


@pytest.mark.parametrize("values, words", BAD.values(), ids=BAD)
def test_a_page_that_sends_no_drawing_is_told_and_the_next_stroke_recovers(explorer, values, words):
    explorer.drawer.value = True
    send(explorer.pad, RAMP)
    good = explorer.image.value
    send(explorer.pad, values)
    assert explorer.image.value.startswith("<div role='alert'") and "<b>" not in explorer.image.value
    assert "Press Clear, and draw again." in explorer.image.value
    send(explorer.pad, RAMP)
    assert explorer.image.value == good
    send(explorer.pad, values)
    explorer.drawer.value = False
    explorer.drawer.value = True
    assert "alert" in explorer.image.value
    explorer.drawer.value = False
    assert "picture 3" in explorer.image.value


@pytest.mark.parametrize("side, cells", [(96, MOST), (7, 7), (28, 28)])
def test_the_pad_has_the_cells_of_the_picture(side, cells):
    batches = Batches(torch.randint(256, (4, 1, side, side), dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), 4)
    explorer = explore_features(nn.Sequential(nn.Conv2d(1, 2, 3)), batches)
    assert explorer.widget and explorer.pad.side == cells
    send(explorer.pad, [255] * cells**2)
    explorer.drawer.value = True
    assert shown(explorer).shape == (side, side) and shown(explorer).all()


def test_drawing_changes_nothing_else(noise):
    net = lenet()
    net[0].eval()
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    with unchanged(net):
        explorer = explore_features(net, noise(30, shuffle=False))
        static = explorer._repr_mimebundle_()
        assert explorer.widget
        explorer.drawer.value = True
        for values in (RAMP, None, [255] * 784):
            send(explorer.pad, values)
        assert "your drawing" in explorer.image.value
        assert explorer._repr_mimebundle_()[0].keys() == static[0].keys()
        explorer.drawer.value = False
        assert explorer._repr_mimebundle_() == static, "a page without a kernel shows the test picture"


def test_a_drawing_stays_while_a_network_trains(panel, noise):
    view = explore_features(None, noise(40, shuffle=False))
    assert view.widget
    view.drawer.value = True
    send(view.pad, RAMP)
    assert view.image.value == EMPTY
    pg = panel(lambda s: lenet(nn.ReLU), views=[view])
    go(pg, 1)
    pages = [view.image.value]
    go(pg, 2)
    pages.append(view.image.value)
    send(view.pad, [255] * 784)
    pages.append(view.image.value)
    assert len(set(pages)) == 3 and all("your drawing" in page and "alert" not in page for page in pages)
    view.drawer.value = False
    assert "picture 0" in view.image.value
