"""One step of the walk through a network: the shapes, the formulas, the costs, and what one output sees."""

import math

import numpy as np

from cnnlib.figures.drawing import Bitmap, Drawing, Line, Rect, Words, outline
from cnnlib.figures.style import COLOURS, FAINT, FILL, GRID, INK
from cnnlib.validation import Bool, Count, Like, arguments, in_words

WIDTH, HEIGHT = 1000, 500
LEFT, PANEL, RIGHT = 8, 280, 992  # the picture stands to the left of PANEL
OTHER = "#cfcfcf"  # the fill of what is neither convolution, pooling nor dense
SIGHT = COLOURS[1]  # what one output sees
SIDE = 250  # pixels of the picture, with what reaches beyond it
TALL = 104  # pixels of the larger map of a step
NUMBER = 4  # bytes of a float32


@arguments(walk=Like(("outputs",), "a Walk, as walk_layers returns it"), hidden=Bool())
def draw_step(walk, number, grey=None, hidden=False):
    """Draw one step: what comes in, what goes out, why, what it costs, and how far one output sees.

    Parameters
    ----------
    walk : Walk
    number : int
        Which step, counted from 1.
    grey : uint8 array of shape (H, W), optional
        The picture to show the patch on; without it the patch is described in words.
    hidden : bool
        Leave out the output shape and everything that gives it away.

    Returns
    -------
    Drawing
    """
    Count(most=len(walk))(number, "number")
    if grey is not None and (not isinstance(grey, np.ndarray) or grey.dtype != np.uint8 or grey.ndim != 2):
        raise TypeError(f"grey must be a uint8 array of shape (H, W), got {in_words(grey)}.")
    step = walk[number - 1]
    head = f"Step {number} of {len(walk)}: layer {step.name!r}, {step.kind}" if step.name else f"The layer: {step.kind}"
    setting = "two paths are added, number by number" if step.kind == "addition" else str(step.module)
    setting = (setting.splitlines() or [""])[0]
    setting = setting if len(setting) <= 100 else f"{setting[:99]}…"
    parts = [Words(LEFT, 24, head, 19, weight="bold", anchor="start"), Words(LEFT, 48, setting, 16, anchor="start")]
    parts += _strip(walk, number) + _sight(step, grey) + _volumes(step, hidden) + _formulas(step, hidden)
    parts += _costs(walk, step, hidden)
    outgoing = "?" if hidden else shape_words(step.output_shape)
    return Drawing(parts, WIDTH, HEIGHT, f"{head}: {shape_words(step.input_shape)} → {outgoing}")


def shape_words(shape):
    """Return '16 × 10 × 10'."""
    return " × ".join(f"{side:,}" for side in shape) or "one number"


def byte_words(count):
    """Return a number of bytes as '624 bytes', '18.8 KB' or '2.4 MB'; 1 KB is 1,000 bytes."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= 0.99995 * size:  # which is written 1.0
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"


def _fill(step):
    if "Pool" in step.kind:
        return FILL["pooling"]
    return {"window": FILL["convolution"], "dense": FILL["dense"]}.get(step.rule, OTHER)


def _strip(walk, number):
    """The whole network as a row of small boxes, the present one framed."""
    slot = (RIGHT - LEFT) / len(walk)
    gap = min(2, slot / 4)
    boxes = [Rect(LEFT + slot * i, 60, slot - gap, 12, _fill(step), "none") for i, step in enumerate(walk)]
    return [*boxes, outline(LEFT + slot * (number - 1) - 2, 58, slot - gap + 4, 16, INK, 2.5)]


def _sight(step, grey):
    patch = step.patch
    words = ["What one output sees of", "the picture is not known here."]
    if patch:
        words = [f"One output sees {patch.sizes[0]} × {patch.sizes[1]} pixels."]
        if patch.joined:
            words = [f"One output sees {patch.sizes[0]} × {patch.sizes[1]}", "pixels, by way of the longest path:"]
            words += ["shortcuts join here or before."]
    if grey is None:
        words = words if patch else []
        return [Words(LEFT, 120 + 22 * i, line, 16, anchor="start") for i, line in enumerate(words)]
    height, width = grey.shape
    boxes = [(0, 0, height, width)]  # top, left, bottom, right in pixels of the picture
    if patch:
        top, left = patch.middle_start()
        boxes.append((top, left, top + patch.sizes[0], left + patch.sizes[1]))
    low, high = [min(axis) for axis in zip(*boxes, strict=True)][:2], [max(a) for a in zip(*boxes, strict=True)][2:]
    scale = SIDE / max(high[0] - low[0], high[1] - low[1])

    def place(y, x):
        return LEFT + 2 + (x - low[1]) * scale, 92 + (y - low[0]) * scale

    x, y = place(0, 0)
    parts = [Bitmap(x, y, width * scale, height * scale, grey), Rect(x, y, width * scale, height * scale, "none", GRID)]
    if patch:
        parts.append(outline(*place(top, left), patch.sizes[1] * scale, patch.sizes[0] * scale, SIGHT, 3))
        if high[0] - low[0] > height or high[1] - low[1] > width:
            words.append("Beyond the picture lies padding.")
    foot = 92 + (high[0] - low[0]) * scale + 26
    return parts + [Words(LEFT, foot + 22 * i, line, 16, anchor="start") for i, line in enumerate(words)]


def _volumes(step, hidden):
    """What comes in and what goes out, on one scale."""
    shapes = [step.input_shape] if hidden else [step.input_shape, step.output_shape]
    unit = TALL / max((max(shape[-2:]) for shape in shapes if shape[1:]), default=1)
    unit_long = TALL / math.sqrt(max((shape[0] for shape in shapes if len(shape) == 1), default=1))
    parts, middle = [], 150
    for centre, shape, what in ((430, step.input_shape, "in"), (830, step.output_shape, "out")):
        if hidden and what == "out":
            parts.append(Words(centre, middle + 20, "?", 56, FAINT, "bold"))
            parts.append(Words(centre, 232, "which shape?", 22, weight="bold"))
            continue
        parts += _volume(shape, centre, middle, unit, unit_long, _fill(step) if what == "out" else OTHER)
        parts.append(Words(centre, 232, shape_words(shape), 22, weight="bold"))
        if step.patch and len(shape) == 3:
            parts += _look(step, shape, what, centre, middle, unit)
    parts.append(Line([(560, middle), (690, middle)], INK, 3))
    parts.append(Line([(676, middle - 9), (690, middle), (676, middle + 9)], INK, 3))
    parts.append(Words(625, middle - 14, step.kind, 16))
    return parts


def _volume(shape, centre, middle, unit, unit_long, fill):
    if len(shape) < 2:
        height = max(3, math.sqrt(math.prod(shape)) * unit_long)
        return [Rect(centre - 8, middle - height / 2, 16, height, fill)]
    height, width = (max(3, side * unit) for side in (shape[-2:] if len(shape) > 2 else (shape[0], shape[1])))
    drawn = min(shape[0], 6) if len(shape) > 2 else 1
    boxes = [(centre - width / 2 + 4 * i, middle - height / 2 - 3 * i) for i in reversed(range(drawn))]
    return [Rect(x, y, width, height, fill, "white" if drawn > 1 else INK) for x, y in boxes]


def _look(step, shape, what, centre, middle, unit):
    """The middle output, and what the window sees of the map that comes in."""
    if what == "out":
        sides = shape[1:]
        boxes = [(side // 2, side // 2 + 1) for side in sides]
    elif step.windows and not step.windows[0].transposed:
        sides = [w.size for w in step.windows]
        boxes = [(w.output // 2 * w.stride - w.padding[0], w) for w in step.windows]
        boxes = [(start, start + w.span) for start, w in boxes]
    else:
        return []
    (top, bottom), (left, right) = (
        [place + (edge - side / 2) * unit for edge in box]
        for place, side, box in zip((middle, centre), sides, boxes, strict=True)
    )
    return [outline(left, top, max(right - left, 2), max(bottom - top, 2), SIGHT, 2)]


def _formulas(step, hidden):
    lines = list(step.sizes.items()) or [("shape", "no formula here")]
    if hidden:
        lines = [("output shape", "work it out and type it")]
    parts = []
    for i, (label, text) in enumerate(lines[:4]):
        y = 270 + 23 * i
        parts.append(Words(PANEL + 10, y, label, 16, FAINT, anchor="start"))
        parts.append(Words(PANEL + 165, y, text, 17, weight="bold" if "=" in text else "normal", anchor="start"))
    return parts


def _costs(walk, step, hidden):
    """Four rows: the cost, its formula, and its share of the whole network as a bar."""
    numbers = math.prod(step.output_shape)
    again = f" (counted at step {step.first})" if step.first != step.number else ""
    rows = [
        ("parameters", (step.parameter_formula or f"{step.parameters:,}") + again, step.parameters, walk.parameters),
        ("multiply-adds", step.multiply_add_formula or f"{step.multiply_adds:,}", step.multiply_adds,
         walk.multiply_adds),
        ("output, float32", f"{numbers:,} · 4 bytes = {byte_words(NUMBER * numbers)}", numbers, walk.outputs),
        ("weights, float32", f"{step.parameters:,} · 4 bytes = {byte_words(NUMBER * step.parameters)}",
         step.parameters, walk.parameters),
    ]  # fmt: skip
    parts = [
        Line([(PANEL + 10, 364), (RIGHT, 364)], GRID, 1),
        Words(RIGHT, 384, "share of network", fill=FAINT, anchor="end"),
    ]
    for i, (label, text, value, whole) in enumerate(rows):
        y = 408 + 26 * i
        parts.append(Words(PANEL + 10, y, label, 16, FAINT, anchor="start"))
        if hidden and label in ("multiply-adds", "output, float32"):
            parts.append(Words(PANEL + 150, y, "?", 16, anchor="start"))
            continue
        parts.append(Words(PANEL + 150, y, text, 16 if len(text) < 46 else 14, anchor="start"))
        share = value / whole if whole else 0
        parts.append(Rect(845, y - 12, 70, 13, "none", FAINT))
        if share:
            parts.append(Rect(845, y - 12, max(1, 70 * min(share, 1)), 13, COLOURS[0], COLOURS[0]))
        text = "0 %" if not share else "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
        parts.append(Words(RIGHT, y, text, anchor="end"))
    return parts
