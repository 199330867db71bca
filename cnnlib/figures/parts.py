"""A gradient and the parts that it is made of, as bars."""

import math

from cnnlib.figures.drawing import Drawing, Line, Rect, Words, decimal
from cnnlib.figures.frame import Frame
from cnnlib.figures.style import COLOURS, INK, LIGHT, WRONG
from cnnlib.figures.style import RIGHT as RIGHT_GREEN
from cnnlib.validation import Like, Text, arguments

WIDTH, HEIGHT = 1000, 420
EXACT = 1e-9  # relative error, in float64, up to which a sum counts as equal
LONGEST = 3.0  # shares of the gradient: a part that is larger runs out of the picture


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
    shares = parts.shares()
    heights = [h if math.isfinite(h) else 0.0 for h in (*shares, sum(shares), parts.error)]
    simple = [h if math.isfinite(h) else 0.0 for h in parts.shares(parts.first_order)]
    low, high = max(min(0.0, *heights, *simple), -LONGEST), min(max(1.05, *heights, *simple), LONGEST)
    frame = Frame(84, 62, 905, 310, low, high)
    step = next(s for s in (0.25, 0.5, 1.0) if (high - low) / s <= 6.5)
    ticks = [tick * step for tick in range(round(low / step), round(high / step) + 1)]
    drawn = [Words(8, 24, title, 18, weight="bold", anchor="start")]
    drawn += frame.ticks(tick for tick in ticks if low <= tick <= high)
    names = ["identity", *map(str, parts.numbers), "sum", "off by"]
    colours = [COLOURS[1], *[COLOURS[0]] * len(parts.numbers), LIGHT, WRONG]
    every = math.ceil(28 / (frame.slots(len(names))[0][1] / 0.7))  # of the numbers that have room
    rows = zip(names, heights, colours, frame.slots(len(names)), strict=True)
    for i, (name, height, colour, (x, wide)) in enumerate(rows):
        top, bottom = sorted((frame.y(height), frame.y(0)))
        drawn.append(Rect(x, top, wide, bottom - top, colour))
        if i < len(simple):
            y = frame.y(simple[i])
            drawn.append(Line([(x - 4, y), (x + wide + 4, y)], INK, 2, (3, 3)))
        if not name.isdigit() or int(name) % every == 0:
            drawn.append(Words(x + wide / 2, frame.bottom + 22, name, 16 if wide > 40 else 13))
        if abs(height) >= 0.005 and wide > 30:
            y = frame.y(1) if top - 20 < frame.y(1) < top else top  # above the line, not on it
            drawn.append(Words(x + wide / 2, y - 6, decimal(height), weight="bold"))
    drawn += [frame.rule(0, INK, 1.2), frame.rule(1, INK, 2), *frame.labels("", "share of the gradient")]
    drawn.append(Words(frame.right + 6, frame.y(1) + 5, "autograd", anchor="start"))  # beside the bars, however high
    middle = frame.left + (frame.right - frame.left) * (1 + len(parts.numbers) / 2) / len(names)
    drawn.append(Words(middle, frame.bottom + 46, "residual part of block"))
    equal = parts.error < EXACT
    verdict = f"✗ the sum misses autograd by {parts.error:.1%}"
    if equal:
        verdict = f"✓ the sum equals autograd (relative error {parts.error:.0e})"
    drawn.append(Words(8, HEIGHT - 14, verdict, 17, RIGHT_GREEN if equal else WRONG, weight="bold", anchor="start"))
    simply = f"dotted: each slope on its own, misses by {parts.first_order_error:.1%}"
    drawn.append(Words(WIDTH - 15, HEIGHT - 14, simply, anchor="end"))
    return Drawing(drawn, WIDTH, HEIGHT, f"{title}: the sum {'equals' if equal else 'misses'} autograd")
