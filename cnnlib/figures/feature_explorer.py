"""A layer at work: a picture, its maps, the filter of one channel, and what excites that channel most."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from cnnlib.figures.drawing import Bitmap, Drawing, Line, Rect, Words, decimal, grey_of, outline
from cnnlib.figures.style import COLOURS, FAINT, GRID
from cnnlib.page.escape import one_line
from cnnlib.validation import Count, Kind, List, Tensor, Text, arguments, in_words

WIDTH, TOP = 1000, 62
PICTURE, LARGE = (8, 180), (215, 298)  # where it begins, and its side
MAPS, FILTER = (560, 432, 298), 80  # where the small maps begin, their width and height; the side of a filter
CELL, TILE = 110, 102  # of the nine places: from one to the next, and the side of a picture
FINEST = 56  # pixels of a small map: what is finer is averaged
LOW, HIGH, MARK = "#2166ac", "#b2182b", COLOURS[1]  # weights as `draw_filters` has them


@dataclass(frozen=True)
class Found:
    """A place in a picture that excites a channel.

    Attributes
    ----------
    image : Tensor of shape (H, W)
        Ink: 0 is empty, 1 is full.
    word : str
        The class of the picture, or "".
    value : float
    centre : tuple of float
        Row and column of the place, in pixels.
    box : tuple of int or None
        First row, first column and side of the patch that the place sees, which may reach beyond the picture; None
        where it is not known, or larger than the picture.
    """

    image: torch.Tensor
    word: str
    value: float
    centre: tuple
    box: tuple | None = None


@arguments(
    image=Tensor((2,), "(H, W)"), maps=Tensor((3,), "(C, H, W)"), title=Text(), name=Text(), scores=List(tuple, 0),
    filters=Tensor((3,), "(K, H, W)"), mark=Kind(Found), found=List(Found, 0), seen=Count(least=0), kind=Text(),
)  # fmt: skip
def draw_feature_explorer(
    image, maps, channel, *, title="", name="", scores=(), filters=None, mark=None, found=None, seen=0, kind="layer"
):
    """Draw a picture, the maps of a layer with one of them large, and the places that excite this channel most.

    Parameters
    ----------
    image : Tensor of shape (H, W)
        Ink: 0 is empty, 1 is full.
    maps : Tensor of shape (C, H, W)
    channel : int
        The map to draw large.
    title, name, kind : str
        Above everything; of the picture; of the layer.
    scores : sequence of (str, float)
        Classes and their probabilities, the highest first.
    filters : Tensor of shape (K, H, W), optional
        The weights that make this channel, for up to three channels of the input.
    mark : Found, optional
        Where in the picture the channel is largest.
    found : sequence of Found, optional
        What excites it most.
    seen : int
        Among how many pictures that was found.

    Returns
    -------
    Drawing
    """
    Count(least=0, most=len(maps) - 1)(channel, "channel")
    for pair in scores:
        if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], float | int):
            raise TypeError(f"scores must be pairs of a class and its probability, got {in_words(pair)}.")
    parts = [Words(8, 26, one_line(title, 90), 18, weight="bold", anchor="start")]
    x, side = PICTURE
    parts += [Words(x, TOP - 10, one_line(name, 22), anchor="start"), *_picture(image, x, TOP, side)]
    parts += _mark(mark, x, TOP, side) if mark is not None else []
    parts += _scores(scores, x, TOP + side + 26, side)
    one = maps[channel].float()
    finite = one[one.isfinite()]
    span = " to ".join(dict.fromkeys(map(decimal, finite.aminmax()))) if len(finite) else "no finite number in it"
    x, side = LARGE
    scaled = _scaled(maps)
    width, height = _fit(one.shape, side)
    parts.append(Words(x, TOP - 10, f"channel {channel}, dark is high: {span}", anchor="start"))
    parts += [Bitmap(x, TOP, width, height, grey_of(scaled[channel])), Rect(x, TOP, width, height, "none", FAINT)]
    x, width, height = MAPS
    if filters is not None:
        parts += _filters(filters, x, TOP + height - FILTER)
        height -= FILTER + 32
    scale = "one scale for all" if maps.shape[-2:] == (1, 1) else "each on a scale of its own"
    words = "the only map" if len(maps) == 1 else f"all {len(maps)} maps, {scale}"
    parts += [Words(x, TOP - 10, words, anchor="start"), *_grid(scaled, channel, x, TOP, width, height)]
    bottom = 372
    if found is not None:
        places, bottom = _places(found, channel, seen, bottom + 26)
        parts += places
    more = ", and the places in test pictures that excite it most" if found else ""
    return Drawing(parts, WIDTH, bottom, f"Feature maps of a layer ({kind}), one of them large{more}")


def _scores(scores, x, y, width):
    parts = []
    for number, (word, share) in enumerate(scores):
        top = y + 35 * number
        parts.append(Words(x, top, one_line(word, 16), anchor="start", weight="normal" if number else "bold"))
        parts.append(Words(x + width, top, f"{share:.0%}", anchor="end"))
        parts += [Rect(x, top + 6, width, 8, "none", GRID), Rect(x, top + 6, width * share, 8, COLOURS[0], COLOURS[0])]
    return parts


def _grid(scaled, channel, x, y, width, height):
    """Lay all maps out as one bitmap, as large as the room allows, with a frame around the chosen one."""
    if max(scaled.shape[-2:]) > FINEST:
        rows, columns = (math.ceil(s * FINEST / max(scaled.shape[-2:])) for s in scaled.shape[-2:])
        scaled = F.adaptive_avg_pool2d(scaled[None], (rows, columns))[0]
    times = math.ceil(24 / max(scaled.shape[-2:]))  # so that a gap of a pixel is narrow
    tiles = grey_of(scaled.repeat_interleave(times, 1).repeat_interleave(times, 2))
    count, tall, wide = tiles.shape
    gap = max(1, round(max(tall, wide) / 14))

    def scale(across):
        return min(width / (across * (wide + gap) + gap), height / (math.ceil(count / across) * (tall + gap) + gap))

    across = max(range(1, count + 1), key=scale)
    pixel = min(scale(across), LARGE[1] / max(tall, wide))
    sheet = np.full((math.ceil(count / across) * (tall + gap) + gap, across * (wide + gap) + gap), 255, np.uint8)
    corners = [(i // across * (tall + gap) + gap, i % across * (wide + gap) + gap) for i in range(count)]
    for row, column in corners:  # a grey gap around each, which separates white maps
        sheet[row - gap : row + tall + gap, column - gap : column + wide + gap] = 221
    for tile, (row, column) in zip(tiles, corners, strict=True):
        sheet[row : row + tall, column : column + wide] = tile
    row, column = corners[channel]
    frame = outline(x + column * pixel, y + row * pixel, wide * pixel, tall * pixel, MARK, 3)
    return [Bitmap(x, y, sheet.shape[1] * pixel, sheet.shape[0] * pixel, sheet), frame]


def _filters(filters, x, y):
    weights = filters.detach().float().cpu().nan_to_num(0.0)
    limit = weights.abs().max().item()
    words = f"its {'filter' if len(weights) == 1 else 'filters'}: blue −{limit:.2f}, white 0, red {limit:.2f}"
    parts = [Words(x, y - 10, words, anchor="start")]
    for number, weight in enumerate(weights):
        left, cell = x + number * (FILTER + 12), FILTER / max(weight.shape)
        for i, row in enumerate((weight / (limit or 1)).tolist()):
            parts += [
                Rect(left + j * cell, y + i * cell, cell, cell, *[_colour(value)] * 2) for j, value in enumerate(row)
            ]
        parts.append(Rect(left, y, cell * weight.shape[1], cell * weight.shape[0], "none", FAINT))
    return parts


def _places(found, channel, seen, y):
    """Draw where the places are, what they see and in which class; return the parts and how far down they reach."""
    if not found:
        return [], y
    nothing = "" if found[0].value > 0 else ", although none makes it positive"
    boxes = all(one.box is not None for one in found)
    note = "below: the patch that the place sees" if boxes else "the cross marks the place"
    text = f"What excites channel {channel} most in the first {seen} test pictures{nothing}"
    parts = [Words(8, y, text, weight="bold", anchor="start")]
    parts += [] if nothing else [Words(WIDTH - 8, y, note, anchor="end")]
    top = y + 12
    for number, one in enumerate(found):
        x = 8 + number * CELL
        parts += [*_picture(one.image, x, top, TILE), *_mark(one, x, top, TILE)]
        parts += _patch(one, x, top + TILE + 8) if boxes else []
        under = top + (2 * TILE + 8 if boxes else TILE)
        parts.append(Words(x + TILE / 2, under + 18, one_line(one.word, 12)))
        parts.append(Words(x + TILE / 2, under + 36, decimal(one.value)))
    return parts, under + 46


def _patch(one, x, y):
    """Draw the patch that a place sees; what lies outside the picture is grey."""
    row, column, side = one.box
    rows, columns = _inside(one)
    pixel = TILE / side
    parts = [Rect(x, y, TILE, TILE, GRID, GRID)]
    if rows and columns:
        seen = grey_of(one.image[rows.start : rows.stop, columns.start : columns.stop])
        place = x + (columns.start - column) * pixel, y + (rows.start - row) * pixel
        parts.append(Bitmap(*place, len(columns) * pixel, len(rows) * pixel, seen))
    return [*parts, Rect(x, y, TILE, TILE, "none", MARK)]


def _mark(one, x, y, side):
    """Mark a place in a picture: by the border of the patch that it sees, or by a cross."""
    pixel = side / max(one.image.shape)
    if one.box is not None:
        rows, columns = _inside(one)
        left, top = x + columns.start * pixel, y + rows.start * pixel
        return [outline(left, top, len(columns) * pixel, len(rows) * pixel, MARK, 3)]
    row, column = y + one.centre[0] * pixel, x + one.centre[1] * pixel
    return [
        Line([(column - 8, row), (column + 8, row)], MARK, 3),
        Line([(column, row - 8), (column, row + 8)], MARK, 3),
    ]


def _inside(one):
    """Return the rows and the columns of the patch that lie in the picture."""
    (row, column, side), (height, width) = one.box, one.image.shape
    return range(max(row, 0), min(row + side, height)), range(max(column, 0), min(column + side, width))


def _picture(image, x, y, side):
    width, height = _fit(image.shape, side)
    return [Bitmap(x, y, width, height, grey_of(image)), Rect(x, y, width, height, "none", FAINT)]


def _fit(shape, side):
    height, width = shape
    return side * width / max(height, width), side * height / max(height, width)


def _scaled(maps):
    """Bring maps to 0 … 1, each by itself; maps of one number each by all of them."""
    maps = maps.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    axes = (0, 1, 2) if maps.shape[-2:] == (1, 1) else (1, 2)
    low, high = maps.amin(axes, keepdim=True), maps.amax(axes, keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, torch.ones_like(high))


def _colour(value):
    """Return blue for −1, white for 0 and red for 1, and what lies between."""
    end = LOW if value < 0 else HIGH
    mixed = (255 + (int(end[i : i + 2], 16) - 255) * min(abs(value), 1) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part):02x}" for part in mixed)
