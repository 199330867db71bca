"""Blocks side by side, layer by layer from top to bottom, with the shortcut around them or without."""

from math import cos, pi, sin

from cnnlib.figures.drawing import Drawing, Line, Rect, Words
from cnnlib.figures.style import FILL, INK, WHITE
from cnnlib.validation import Choice, Dict, Text, arguments

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
MARGIN, COLUMN, BOX, LOW, HIGH, GAP, TOP = (
    60,
    240,
    150,
    24,
    32,
    9,
    56,
)  # pixels; a normalisation is lower than a convolution
COLOURS = {"BN": "#e7c3d6", "ReLU": "#e4e4e4"}


@arguments(blocks=Dict(), text=Text())
def draw_block_kinds(blocks, text=None):
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
    words = text or f"Blocks side by side: {', '.join(blocks)}"
    return Drawing(parts, MARGIN + len(blocks) * COLUMN, int(deepest + 26), words)


def _column(title, kind, left):
    """Return the elements of one block, and where it ends."""
    branch, after, shortcut = kind
    middle, y = left + BOX / 2, float(TOP)
    parts = [Words(middle, 22, title, 17, weight="bold"), Words(middle + 14, TOP - 2, "x", 17)]
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
    ring = [(x + 13 * c, y + 13 * s) for c, s in CIRCLE]
    return [Line(ring, INK, 2), Line([(x - 8, y), (x + 8, y)], INK, 2.4), Line([(x, y - 8), (x, y + 8)], INK, 2.4)]


def _circle(corners=24):
    return [(cos(2 * pi * i / corners), sin(2 * pi * i / corners)) for i in range(corners + 1)]


CIRCLE = _circle()
