"""A layer under the microscope: how its values are spread, and which statistics normalise them."""

import math

import torch

from cnnlib.figures.drawing import Dot, Drawing, Line, Rect, Words, decimal
from cnnlib.figures.style import COLOURS, FAINT, GRID, INK
from cnnlib.validation import Like, Tensor, Text, arguments

LOW, HIGH, BINS = -4.0, 4.0, 48
TRAINING, EVALUATION = COLOURS[0], COLOURS[1]
WIDTH, HEIGHT = 1000, 300


@arguments(
    statistics=Like(("training", "evaluation", "running_mean"), "Statistics, as relu_statistics returns them"),
    title=Text(),
)
def draw_statistics(statistics, title=""):
    """Draw the values that enter a ReLU, in training and in evaluation mode, and both pairs of statistics.

    On the left, two histograms over -4 … 4: solid blue in training mode, dashed orange in evaluation mode. On the
    right, a point a channel: the batch's mean (and standard deviation) against the running one; where both agree,
    the points lie on the diagonal.

    Parameters
    ----------
    statistics : Statistics
    title : str

    Returns
    -------
    Drawing
    """
    for name in ("training", "evaluation"):
        Tensor()(getattr(statistics, name), f"statistics.{name}")
    head = f"What enters this ReLU, {title}" if title else "What enters this ReLU"
    parts = [Words(8, 22, head, size=17, weight="bold", anchor="start")]
    parts += _histograms(statistics, 60, 74, 420, 176)
    if statistics.running_mean is None:
        parts.append(Words(760, 150, "no normalisation, no running statistics", size=17, fill=FAINT))
    else:
        means = statistics.batch_mean, statistics.running_mean
        deviations = statistics.batch_var.sqrt(), statistics.running_var.sqrt()
        parts += _against(*means, "mean", 570, 70, 170)
        parts += _against(*deviations, "standard deviation", 800, 70, 170)
    return Drawing(parts, WIDTH, HEIGHT, "Values entering a ReLU, and the statistics that normalise them")


def _histograms(statistics, left, top, width, height):
    rows = [
        ("training mode", statistics.training, TRAINING, ()),
        ("evaluation mode", statistics.evaluation, EVALUATION, (7, 4)),
    ]
    shares = [torch.histc(v.float().clamp(LOW, HIGH), BINS, LOW, HIGH) / v.numel() for _, v, _, _ in rows]
    most = max(0.12, max(share.max().item() for share in shares))
    parts = [Line([(left, top + height), (left + width, top + height)], INK, 1.2)]
    for tick in range(int(LOW), int(HIGH) + 1, 2):
        x = left + width * (tick - LOW) / (HIGH - LOW)
        parts.append(Line([(x, top), (x, top + height)], GRID, 1))
        parts.append(Words(x, top + height + 18, decimal(tick, "d"), fill=FAINT))
    for number, ((name, values, colour, dash), share) in enumerate(zip(rows, shares, strict=True)):
        points = []
        for i, y in enumerate(share.tolist()):
            level = top + height * (1 - y / most)
            points += [(left + width * i / BINS, level), (left + width * (i + 1) / BINS, level)]
        parts.append(Line(points, colour, 2.4, dash))
        spread = f"{name}: mean {decimal(values.mean())}, standard deviation {values.std():.2f}"
        y = top - 28 + 20 * number
        parts.append(Line([(left, y - 5), (left + 34, y - 5)], colour, 2.4, dash))
        parts.append(Words(left + 42, y, spread, anchor="start"))
    parts.append(Words(left + width / 2, top + height + 38, "value (beyond ±4: in the last bins)", fill=INK))
    return parts


def _against(batch, running, name, left, top, side):
    points = list(zip(running.tolist(), batch.tolist(), strict=True))
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]  # a run may have diverged
    values = [0.0, 0.1, *(value for point in points for value in point)]
    low, high = min(values), max(values)
    low, high = low - 0.05 * (high - low) * (low < 0), high + 0.05 * (high - low)

    def place(value):
        return (value - low) / (high - low) * side

    parts = [
        Rect(left, top, side, side, "none", GRID),
        Line([(left, top + side), (left + side, top)], FAINT, 1, (4, 4)),
    ]
    for x, y in points:
        parts.append(Dot(left + place(x), top + side - place(y), 4.5, TRAINING))
    parts.append(Words(left + side / 2, top - 12, name))
    parts.append(Words(left + side / 2, top + side + 22, f"running, {decimal(low, '.2g')} … {high:.2g}"))
    parts.append(Words(left - 10, top + side / 2, "of this batch", turned=True))
    return parts
