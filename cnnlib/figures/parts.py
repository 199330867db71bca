"""A gradient and the parts that it is made of, as bars. Plain SVG, as it follows a slider."""

import math

from cnnlib.figures.drawing import Drawing, Line, Rect, Words, decimal
from cnnlib.figures.style import COLOURS, GRID, INK, LIGHT, WRONG
from cnnlib.figures.style import RIGHT as RIGHT_GREEN
from cnnlib.validation import Like, Text, arguments

WIDTH, HEIGHT = 1000, 360
LEFT, TOP, RIGHT, BOTTOM = 80, 62, 920, 268
EXACT = 1e-9  # relative error, in float64, up to which a sum counts as equal


@arguments(parts=Like(("first_order",), "GradientParts, as gradient_parts returns them"), title=Text())
def draw_parts(parts, title=""):
    """Draw how much each part contributes to the gradient at the input of a block, and whether they add up to it.

    Parameters
    ----------
    parts : GradientParts
    title : str

    Returns
    -------
    Drawing
    """
    shares, simple = parts.shares(), parts.shares(parts.first_order)
    heights = [h if math.isfinite(h) else 0.0 for h in (*shares, sum(shares), parts.error)]
    simple = [h if math.isfinite(h) else 0.0 for h in simple]
    low, high = min(0.0, *heights, *simple), max(1.05, *heights, *simple)
    low, high = max(low, -3.0), min(high, 3.0)  # a part that is larger runs out of the picture
    step = next(s for s in (0.25, 0.5, 1.0) if (high - low) / s <= 6.5)

    def place(value):
        return BOTTOM - (BOTTOM - TOP) * (min(max(value, low), high) - low) / (high - low)

    drawn = [Words(8, 24, title, 18, weight="bold", anchor="start")]
    for tick in range(round(low / step), round(high / step) + 1):
        if low <= tick * step <= high:
            y = place(tick * step)
            drawn += [
                Line([(LEFT, y), (RIGHT, y)], GRID, 1),
                Words(LEFT - 8, y + 5, decimal(tick * step, "g"), 14, anchor="end"),
            ]
    names = ["identity", *map(str, parts.numbers), "sum", "off by"]
    colours = [COLOURS[1], *[COLOURS[0]] * len(parts.numbers), LIGHT, WRONG]
    slot = (RIGHT - LEFT) / len(names)
    for i, (name, height, colour) in enumerate(zip(names, heights, colours, strict=True)):
        x, wide = LEFT + slot * (i + 0.15), 0.7 * slot
        top, bottom = sorted((place(height), place(0)))
        drawn.append(Rect(x, top, wide, bottom - top, colour))
        if i < len(simple):
            y = place(simple[i])
            drawn.append(Line([(x - 4, y), (x + wide + 4, y)], INK, 2, (3, 3)))
        drawn.append(Words(x + wide / 2, BOTTOM + 22, name, 15 if wide > 40 else 13, INK))
        if abs(height) >= 0.005 and wide > 30:
            y = place(1) if top - 20 < place(1) < top else top  # above the line, not on it
            drawn.append(Words(x + wide / 2, y - 6, decimal(height), 14, weight="bold"))
    drawn += [
        Line([(LEFT, place(0)), (RIGHT, place(0))], INK, 1.2),
        Line([(LEFT, place(1)), (RIGHT, place(1))], INK, 2),
    ]
    drawn.append(
        Words(RIGHT + 6, place(1) + 5, "autograd", 14, anchor="start")
    )  # beside the bars, whatever their height
    drawn.append(Words(LEFT + slot * (1 + len(parts.numbers) / 2), BOTTOM + 44, "residual part of block", 14))
    drawn.append(Words(22, (TOP + BOTTOM) / 2, "share of the gradient", 14, turned=True))
    equal = parts.error < EXACT
    verdict = (
        f"✓ the sum equals autograd (relative error {parts.error:.0e})"
        if equal
        else (f"✗ the sum misses autograd by {parts.error:.1%}")
    )
    drawn.append(Words(8, 348, verdict, 17, RIGHT_GREEN if equal else WRONG, weight="bold", anchor="start"))
    simply = f"dotted: each slope on its own, misses by {parts.first_order_error:.1%}"
    drawn.append(Words(WIDTH - 15, 348, simply, 15, anchor="end"))
    return Drawing(drawn, WIDTH, HEIGHT, f"{title}: the sum {'equals' if equal else 'misses'} autograd")
