"""Colours hold for colour-blind readers, in grey, and from the back row, on a light page and on a dark one.

Colour vision deficiencies are simulated with the matrices of G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, *A
physiologically-based model for simulation of color vision deficiency*, IEEE TVCG 15 (2009), severity 1.0, applied to
linear RGB. Differences are CIE ΔE2000, after G. Sharma, W. Wu, E. N. Dalal, Color Research & Application 30 (2005).
Contrasts are those of WCAG 2.2: 4.5 for words (1.4.3), 3 for lines (1.4.11).
"""

import itertools
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

import cnnlib
from cnnlib.figures import (
    blocks,
    draw_bars,
    draw_block_kinds,
    draw_blocks,
    draw_confusions,
    draw_depths,
    draw_filters,
    draw_function_classes,
    draw_lesions,
    draw_lines,
    draw_network,
    draw_parts,
    draw_statistics,
    draw_volumes,
)
from cnnlib.figures import statistics as statistics_figure
from cnnlib.figures.block_kinds import KINDS
from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.drawing import Bitmap, Line, Rect, Words
from cnnlib.figures.style import (
    COLOURS,
    DASHES,
    EARLIER,
    FAINT,
    FILL,
    GRID,
    HATCHES,
    INK,
    LIGHT,
    MARKERS,
    NETWORK_COLOURS,
    RIGHT,
    WRONG,
    contrast,
    word_colour,
)
from cnnlib.models import cifar_resnet, kaiming_, lenet, tower
from cnnlib.page.announce import ALERT
from cnnlib.probes import gradient_parts, relu_statistics

MACHADO = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
EYES = ("all colours", *MACHADO, "grey")
# Two large patches side by side are just told apart at 2.3 in the older ΔE*ab (M. Mahy and others, Color Research &
# Application 19, 1994), at about 1 in ΔE2000. A line is thin, and compared with its legend across the chart: ten times.
APART = 10
WHITE = "#ffffff"
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def seen(colour, eye):
    """Return what an eye sees of a colour, in CIE Lab for D65."""
    rgb = linear(colour)
    if eye == "grey":
        rgb = np.full(3, rgb @ LUMINANCE)
    elif eye in MACHADO:
        rgb = (np.array(MACHADO[eye]) @ rgb).clip(0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ rgb / (0.95047, 1, 1.08883)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one, other):
    """Return ΔE2000 of two colours in Lab."""
    (L1, a1, b1), (L2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25**7))
    C1, C2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, stretch * a1)) % 360, np.degrees(np.arctan2(b2, stretch * a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180 if C1 * C2 else 0.0
    h = (h1 + h2 if not C1 * C2 else (h1 + h2) / 2 if abs(h1 - h2) <= 180 else (h1 + h2 + 360) / 2) % 360
    L, C, dH = (L1 + L2) / 2, (C1 + C2) / 2, 2 * np.sqrt(C1 * C2) * np.sin(np.radians(turn) / 2)
    waves = [(-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63)]
    T = 1 + sum(size * np.cos(np.radians(times * h + shift)) for size, times, shift in waves)
    dL = (L2 - L1) / (1 + 0.015 * (L - 50) ** 2 / np.sqrt(20 + (L - 50) ** 2))
    dC, dH = (C2 - C1) / (1 + 0.045 * C), dH / (1 + 0.015 * C * T)
    turned = -2 * np.sqrt(C**7 / (C**7 + 25**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return float(np.sqrt(dL**2 + dC**2 + dH**2 + turned * dC * dH))


def apart(one, other, eyes=EYES):
    """Return the smallest difference that any eye sees between two colours."""
    return min(difference(seen(one, eye), seen(other, eye)) for eye in eyes)


@pytest.mark.parametrize(
    "one, other, expected",
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_ruler_itself(one, other, expected):
    """Test data of Sharma, Wu and Dalal, table 1."""
    assert difference(one, other) == pytest.approx(expected, abs=1e-4)
    assert difference(other, one) == pytest.approx(expected, abs=1e-4)


def test_the_eyes_themselves():
    """Whites stay white; red and green come close for those who lack a cone; contrasts are WCAG's."""
    for eye in EYES:
        assert difference(seen(WHITE, eye), (100, 0, 0)) < 0.1
    assert apart("#8a7000", "#6b7f00", ["all colours"]) > 2 * apart("#8a7000", "#6b7f00", ["deuteranopia"])
    assert apart("#ff0000", "#7f7f7f", ["grey"]) < 2 < apart("#ff0000", "#7f7f7f", ["all colours"])
    assert contrast("#000000", WHITE) == pytest.approx(21) and contrast("#777777", WHITE) == pytest.approx(
        4.48, abs=0.01
    )


# --- the palettes ---


@pytest.mark.parametrize("i, j", list(itertools.combinations(range(len(COLOURS)), 2)))
def test_two_lines_of_a_chart(i, j):
    """Every two differ in colour for every eye that sees any, and by dash or marker, or by lightness, in grey."""
    assert apart(COLOURS[i], COLOURS[j], EYES[:-1]) >= APART
    drawn_alike = (DASHES[i], MARKERS[i]) == (DASHES[j], MARKERS[j])
    assert not drawn_alike or apart(COLOURS[i], COLOURS[j], ["grey"]) >= APART


@pytest.mark.parametrize("i, j", list(itertools.combinations(range(len(HATCHES)), 2)))
def test_two_bars_of_a_cluster(i, j):
    assert HATCHES[i] != HATCHES[j] and apart(COLOURS[i], COLOURS[j], EYES[:-1]) >= APART


def test_squares_of_receptive_fields():
    """They have no marker: what is dashed alike must differ in grey."""
    for i, j in itertools.combinations(range(4), 2):
        assert DASHES[i] != DASHES[j] or apart(COLOURS[i], COLOURS[j]) >= APART


@pytest.mark.parametrize("pair", list(itertools.combinations(FILL.values(), 2)))
def test_two_kinds_of_layer(pair):
    assert apart(*pair) >= APART


@pytest.mark.parametrize("colour", [*COLOURS, *NETWORK_COLOURS.values(), *EARLIER, INK, FAINT, RIGHT, WRONG])
def test_lines_stand_out_and_words_can_be_read(colour):
    assert contrast(colour, WHITE) >= 3
    assert contrast(word_colour(colour), WHITE) >= 4.5
    assert apart(colour, word_colour(colour), ["all colours"]) < 20, "still the same colour"


@pytest.mark.parametrize("colour", [INK, FAINT, RIGHT, WRONG])
def test_words_as_they_are(colour):
    assert word_colour(colour) == colour


def test_one_bar_is_told_from_the_others():
    assert apart(COLOURS[0], LIGHT) >= APART


def test_pairs_that_one_drawing_sets_side_by_side():
    kinds = list(blocks.KINDS.values())
    assert len({dash for _, dash in kinds}) == len(kinds)
    assert apart(COLOURS[1], COLOURS[0], EYES[:-1]) >= APART, "gradients before the first step, and now"
    assert apart(statistics_figure.TRAINING, statistics_figure.EVALUATION, EYES[:-1]) >= APART


def test_a_weight_says_its_sign_without_colour():
    weights = torch.tensor([[[-1.0, 0.5], [0.0, -0.2]]])
    strokes = draw_filters(weights).figure.axes[0].collections[0]
    assert strokes.get_offsets().tolist() == [[0, 0], [1, 1]]
    pale = draw_filters(torch.tensor([[[1.0, -0.01]]])).figure.axes[0].collections[0]
    assert not len(pale.get_offsets()), "it looks white, as zero does"
    colours = [matplotlib.colormaps["RdBu_r"](0.0), matplotlib.colormaps["RdBu_r"](0.4)]
    for stroke, fill in zip(strokes.get_edgecolors(), colours, strict=True):
        assert contrast(to_hex(stroke), to_hex(fill)) >= 3


@pytest.mark.parametrize("limit", np.linspace(0.03, 1, 51))
def test_strokes_on_every_blue(limit):
    strokes = draw_filters(-torch.tensor([[[1.0, limit]]])).figure.axes[0].collections[0]
    fill = matplotlib.colormaps["RdBu_r"](0.5 - 0.5 * limit)
    assert contrast(to_hex(strokes.get_edgecolors()[1]), to_hex(fill)) >= 3


def test_numbers_of_a_confusion_matrix_can_be_read_on_every_grey():
    counts = torch.tensor([[share, 1000 - share] for share in range(5, 996, 5)])
    counts = torch.nn.functional.pad(counts, (0, len(counts) - 2))
    axes = draw_confusions(counts, [str(i) for i in range(len(counts))]).figure.axes[0]
    greys = matplotlib.colormaps["Greys"]
    low = min(
        contrast(to_hex(text.get_color()), to_hex(greys(float(axes.images[0].get_array()[row, column]) / 100)))
        for text in axes.texts
        for column, row in [map(int, text.get_position())]
    )
    assert low >= 4.5


# --- whole drawings: words and lines on what lies under them ---


def drawings():
    net = tower(3, 4)
    X, y = torch.rand(4, 1, 14, 14), torch.arange(4)
    yield draw_parts(gradient_parts(net.double(), X.double(), y, 1), "title")
    yield draw_lesions(0.9, [0.8, None, 0.3], 0, "title")
    yield draw_statistics(relu_statistics(kaiming_(cifar_resnet(8, 4)), X, 1), "title")
    yield draw_volumes({"LeNet": (lenet(), (1, 28, 28))})
    for shortcut in ("none", "identity", "projection"):
        yield draw_blocks(cifar_resnet(8, 4, shortcut), (1, 14, 14), "title")
    yield draw_block_kinds({kind: kind for kind in KINDS})
    yield draw_depths({"ResNet-50": ((3, 4, 6, 3), 3, "50 layers"), "ResNet-18": ((2, 2, 2, 2), 2, "18 layers")})
    yield draw_function_classes()


def under(drawing, x, y, before):
    """Return the colour that lies under a point when an element is drawn."""
    colour = WHITE
    for element in drawing.elements[:before]:
        if isinstance(element, Rect) and element.fill != "none":
            if element.x <= x <= element.x + element.width and element.y <= y <= element.y + element.height:
                colour = element.fill
        if isinstance(element, Bitmap) and element.x <= x <= element.x + element.width:
            assert not element.y <= y <= element.y + element.height, "words on a picture"
    return colour


@pytest.mark.parametrize("drawing", list(drawings()), ids=lambda drawing: drawing.text[:30])
def test_a_drawing_can_be_read(drawing):
    for number, element in enumerate(drawing.elements):
        if isinstance(element, Words):
            below = under(drawing, element.x, element.y - element.size / 3, number)
            assert contrast(element.fill, below) >= 4.5, element
        elif isinstance(element, Line) and element.colour != GRID:
            assert contrast(element.colour, WHITE) >= 3, element
        elif isinstance(element, Rect) and element.stroke != GRID:
            assert max(contrast(c, WHITE) for c in (element.stroke, element.fill) if c != "none") >= 3, element


def charts():
    runs = {str(i): ([0, 1], [i, i + 1]) for i in range(7)}
    chart = Chart([Panel(("a", "b", "c"), "loss")], "epoch")
    chart.add(0, [1, 2, 3])
    chart.add(1, [1, 2, 3])
    for colour in EARLIER:
        chart.keep(0, [0, 1], [1, 2], colour, "a run")
    chart.band(0, 0.5, 0.8, "others")
    chart.mark(0.5, "lr 1")
    chart.footer("footer")
    yield chart.picture()
    yield draw_lines(runs, "x", "y")
    yield draw_bars({str(i): {"a": 1, "b": 2} for i in range(5)}, "y")
    yield draw_network(lenet(), (1, 28, 28))


@pytest.mark.parametrize("picture", list(charts()), ids=lambda picture: picture.text[:30])
def test_a_chart_can_be_read(picture):
    figure = picture.figure
    assert to_hex(figure.get_facecolor()) == WHITE, "so that a dark page changes nothing"
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text().strip() and text.get_visible():
            assert contrast(to_hex(text.get_color()), WHITE) >= 4.5, text.get_text()
    for axes in figure.axes:
        for line in axes.lines:
            assert contrast(to_hex(line.get_color()), WHITE) >= 3


def test_a_drawing_has_the_colours_of_the_page_and_its_picture_is_on_white():
    """Ink that is black on paper follows the page's text: JupyterLab's dark theme has white on #111111."""
    for drawing in drawings():
        svg = drawing.svg()
        assert "currentColor" in svg and not re.search(r'"(#222222|#000000|#6b6b6b|#dddddd|white)"', svg)
        for colour in set(re.findall(r'(?:stroke|fill)="(#[0-9a-fA-F]{6})"', svg)) - {WHITE}:
            assert contrast(colour, "#111111") >= 2.9, colour
        assert to_hex(drawing.picture().figure.get_facecolor()) == WHITE


# --- words in HTML, and colours that nobody has looked at ---


def test_alarms_bring_their_own_background():
    assert "background:white" in ALERT and contrast(ALERT.split("color:")[1][:7], WHITE) >= 4.5


LOOKED_AT = {
    *COLOURS, *NETWORK_COLOURS.values(), *FILL.values(), *blocks.STAGES, *EARLIER, INK, FAINT, GRID, LIGHT, RIGHT,
    WRONG,
    "#E69F00",  # the band, which has its words above it
    "#e7c3d6", "#e4e4e4",  # batch norm and ReLU in the drawing of a block, pale under dark words
    "#cfcfcf",  # a layer of any other kind, under its name, inside a dark edge
    "#2166ac", "#b2182b",  # weights of -1 and 1 in the explorer: what Matplotlib's RdBu shows, with the sign in words
    "#1b6e2e", "#595959",  # of verdicts on exercises, under white words
}  # fmt: skip


def test_no_colour_goes_unseen():
    """A colour that is new in the library has to be added to a palette above, or here with its reason."""
    found = {}
    for path in Path(cnnlib.__file__).parent.rglob("*.py"):
        for colour in re.findall(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b", path.read_text(encoding="utf-8")):
            found.setdefault(colour, path.name)
    assert {c: name for c, name in found.items() if c not in LOOKED_AT} == {}
