"""Gradients from the first layer to the last, on a logarithmic scale."""

import math

from cnnlib.figures.drawing import Drawing, Line, Words
from cnnlib.figures.frame import Frame
from cnnlib.figures.style import COLOURS, FAINT, INK
from cnnlib.validation import List, Text, arguments

START, NOW = COLOURS[1], COLOURS[0]
WIDTH, HEIGHT = 1000, 300


@arguments(start=List(float | int, 0), now=List(float | int, 0), title=Text())
def draw_gradient_flow(start, now=None, title=""):
    """Draw the gradient that reaches each layer: dashed orange before the first step, solid blue now.

    Parameters
    ----------
    start, now : list of float
        One number a layer, from the first to the last: the root mean square of the gradient of its weights.
    title : str

    Returns
    -------
    Drawing
    """
    parts = [Words(8, 22, f"Gradient of each layer{', ' + title if title else ''}", 17, weight="bold", anchor="start")]
    rows = [("before the first step", start, START, (7, 4)), ("now", now or [], NOW, ())]
    values = [v for _, row, _, _ in rows for v in row if math.isfinite(v) and v > 0]
    if not values:
        return Drawing([*parts, Words(500, 150, "no gradient yet", 17, FAINT)], WIDTH, HEIGHT, "No gradient yet")
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    low, high = (low - 1, high + 1) if high - low < 2 else (low, high)
    frame = Frame(100, 50, 980, 245, low, high)  # in powers of ten
    layers = max(len(start), len(now or []), 2)
    xs = [frame.left + (frame.right - frame.left) * number / (layers - 1) for number in range(layers)]
    parts += frame.ticks(range(low, high + 1, max(1, math.ceil((high - low) / 6))), lambda power: f"{10.0**power:g}")
    parts.append(frame.rule(low, INK, 1.2))
    for number in range(0, layers, max(1, math.ceil(layers / 14))):
        parts.append(Words(xs[number], frame.bottom + 20, str(number + 1), fill=FAINT))
    parts += frame.labels("layer, from the image to the scores")
    x = 500
    for name, row, colour, dash in rows:
        points = [(xs[i], frame.y(math.log10(v))) for i, v in enumerate(row) if math.isfinite(v) and v > 0]
        if len(points) > 1:
            parts.append(Line(points, colour, 2.6, dash))
        if row:
            parts += [Line([(x, 17), (x + 40, 17)], colour, 2.6, dash), Words(x + 48, 22, name, anchor="start")]
            x += 250
    return Drawing(parts, WIDTH, HEIGHT, "Gradient of each layer")
