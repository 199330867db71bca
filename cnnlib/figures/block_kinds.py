"""Kinds of blocks side by side, layer by layer, and networks of several depths as rows of such blocks."""

from math import cos, pi, sin

from cnnlib.figures.drawing import Drawing, Line, Rect, Words
from cnnlib.figures.style import FAINT, FILL, INK, WHITE
from cnnlib.validation import Choice, Dict, arguments

# for each kind: the layers of the branch, those after the addition, and whether there is a shortcut
KINDS = {
    "plain": (("3×3 convolution", "BN", "ReLU", "3×3 convolution", "BN"), ("ReLU",), False),
    "residual": (("3×3 convolution", "BN", "ReLU", "3×3 convolution", "BN"), ("ReLU",), True),
    "ReLU before": (("3×3 convolution", "BN", "ReLU", "3×3 convolution", "BN", "ReLU"), (), True),
    "BN after": (("3×3 convolution", "BN", "ReLU", "3×3 convolution"), ("BN", "ReLU"), True),
    "both first": (("BN", "ReLU", "3×3 convolution", "BN", "ReLU", "3×3 convolution"), (), True),
    "basic": (("3×3, 256 → 256", "BN", "ReLU", "3×3, 256 → 256", "BN"), ("ReLU",), True),
    "bottleneck": (
        ("1×1, 256 → 64", "BN", "ReLU", "3×3, 64 → 64", "BN", "ReLU", "1×1, 64 → 256", "BN"), ("ReLU",), True
    ),
}  # fmt: skip
MARGIN, COLUMN, BOX, GAP, TOP = 60, 240, 150, 9, 56  # pixels
LOW, HIGH = 24, 32  # pixels of a normalisation, and of a convolution
COLOURS = {"BN": "#e7c3d6", "ReLU": "#e4e4e4"}

# of the rows of blocks
STAGES = ("#9ecae1", "#fdd0a2", "#a1d99b", "#dadaeb")
LEFT, RIGHT, ROW, WIDTH = 132, 790, 46, 1000


@arguments(blocks=Dict())
def draw_block_kinds(blocks):
    """Draw blocks side by side.

    Parameters
    ----------
    blocks : dict of str to str
        What to write over a block, and its kind, one of KINDS.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there is no block, or a kind is none of those.
    """
    if not blocks:
        raise ValueError("blocks must hold at least one name with its kind, got {}.")
    for kind in blocks.values():
        Choice(tuple(KINDS))(kind, "each kind of block")
    parts, deepest = [], 0.0
    for number, (title, kind) in enumerate(blocks.items()):
        column, foot = _column(title, KINDS[kind], MARGIN + number * COLUMN)
        parts += column
        deepest = max(deepest, foot)
    text = f"Blocks side by side: {', '.join(blocks)}"
    return Drawing(parts, MARGIN + len(blocks) * COLUMN, int(deepest + 26), text)


def _column(title, kind, left):
    """Return the elements of one block, and where it ends."""
    branch, after, shortcut = kind
    middle, y = left + BOX / 2, float(TOP)
    parts = [Words(middle, 22, title, 17, weight="bold"), Words(middle - 14, TOP - 6, "x", 17)]
    parts.append(Line([(middle, 34), (middle, TOP + GAP)], INK, 1.8))
    fork = y
    for layer in branch:
        y, boxes = _layer(layer, left, y + GAP)
        parts += boxes
    if shortcut:
        join, right = y + GAP + 13, left + BOX + 34
        parts.append(Line([(middle, fork), (right, fork), (right, join), (middle + 13, join)], INK, 3.4))
        parts += _plus(middle, join)
        parts.append(Words(left - 6, (fork + join) / 2, "F(x)", 17, anchor="end"))
        y = join + 13
        parts.append(Line([(middle, join - 13 - GAP), (middle, join - 13)], INK, 1.8))
    for layer in after:
        parts.append(Line([(middle, y), (middle, y + GAP)], INK, 1.8))
        y, boxes = _layer(layer, left, y + GAP)
        parts += boxes
    parts.append(Line([(middle, y), (middle, y + 20)], INK, 1.8))
    parts.append(Line([(middle - 6, y + 13), (middle, y + 20), (middle + 6, y + 13)], INK, 1.8))
    return parts, y + 20


def _layer(name, left, top):
    small = name in COLOURS
    height = LOW if small else HIGH
    fill, ink = COLOURS.get(name, FILL["convolution"]), INK if small else WHITE
    line = Line([(left + BOX / 2, top - GAP), (left + BOX / 2, top)], INK, 1.8)
    box = Rect(left, top, BOX, height, fill, INK)
    return top + height, [line, box, Words(left + BOX / 2, top + height / 2 + 5.5, name, 16, ink)]


def _plus(x, y):
    """A circle with a plus in it."""
    turns = [2 * pi * i / 24 for i in range(25)]
    ring = [(x + 13 * cos(turn), y + 13 * sin(turn)) for turn in turns]
    return [Line(ring, INK, 2), Line([(x - 8, y), (x + 8, y)], INK, 2.4), Line([(x, y - 8), (x, y + 8)], INK, 2.4)]


@arguments(rows=Dict())
def draw_depths(rows):
    """Draw a row for each network: its blocks by stage, and words beside them.

    Parameters
    ----------
    rows : dict of str to (tuple of int, int, str)
        For each name: how many blocks each of the four stages has, how many convolutions a block has, and what to
        write at the end of the row. A box is as wide as its block has convolutions.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there is no row.
    """
    if not rows:
        raise ValueError("rows must hold at least one network, got {}.")
    longest = max(sum(blocks) * convolutions for blocks, convolutions, _ in rows.values())
    unit, parts = (RIGHT - LEFT) / longest, []
    for number, (name, (blocks, convolutions, words)) in enumerate(rows.items()):
        x, y = float(LEFT), 16 + ROW * number
        parts.append(Words(2, y + 20, name, 17, weight="bold", anchor="start"))
        for count, colour in zip(blocks, STAGES, strict=True):
            for _ in range(count):
                parts.append(Rect(x + 0.5, y, convolutions * unit - 1, 28, colour, INK))
                x += convolutions * unit
        parts.append(Words(min(x, RIGHT) + 12, y + 20, words, 16, anchor="start"))
    foot = "a box: one block, as wide as it has convolutions; a colour: one stage"
    parts.append(Words(LEFT, 16 + ROW * len(rows) + 10, foot, 15, FAINT, anchor="start"))
    return Drawing(parts, WIDTH, 40 + ROW * len(rows), f"The blocks of {', '.join(rows)}, stage by stage")
