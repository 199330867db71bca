"""A layer under the microscope: how its values are spread, and which statistics normalise them. Plain SVG, as live
pictures must be cheap.
"""

import torch

from cnnlib.figures.svg import line, rect, text
from cnnlib.picture import Drawing
from cnnlib.style import COLOURS, FAINT, GRID, INK

LOW, HIGH, BINS = -4.0, 4.0, 48
TRAINING, EVALUATION = COLOURS[0], COLOURS[1]
WIDTH, HEIGHT = 1000, 300


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
    parts = [text(8, 22, f"What enters this ReLU, {title}", size=17, weight="bold", anchor="start")]
    parts += _histograms(statistics, 60, 60, 420, 190)
    if statistics.running_mean is None:
        parts.append(text(760, 150, "no normalisation, no running statistics", size=17, fill=FAINT))
    else:
        means = statistics.batch_mean, statistics.running_mean
        deviations = statistics.batch_var.sqrt(), statistics.running_var.sqrt()
        parts += _against(*means, "mean", 570, 60, 180)
        parts += _against(*deviations, "standard deviation", 800, 60, 180)
    return Drawing("".join(parts), WIDTH, HEIGHT, "Values entering a ReLU, and the statistics that normalise them")


def _histograms(statistics, left, top, width, height):
    rows = [
        ("training mode", statistics.training, TRAINING, ""),
        ("evaluation mode", statistics.evaluation, EVALUATION, "7 4"),
    ]
    shares = [torch.histc(v.float().clamp(LOW, HIGH), BINS, LOW, HIGH) / v.numel() for _, v, _, _ in rows]
    most = max(0.12, max(share.max().item() for share in shares))
    parts = [line([(left, top + height), (left + width, top + height)], INK, 1.2)]
    for tick in range(int(LOW), int(HIGH) + 1, 2):
        x = left + width * (tick - LOW) / (HIGH - LOW)
        parts += [line([(x, top), (x, top + height)], GRID, 1), text(x, top + height + 18, str(tick), fill=FAINT)]
    for number, ((name, values, colour, dash), share) in enumerate(zip(rows, shares, strict=True)):
        points = []
        for i, y in enumerate(share.tolist()):
            level = top + height * (1 - y / most)
            points += [(left + width * i / BINS, level), (left + width * (i + 1) / BINS, level)]
        parts.append(line(points, colour, 2.4, dash))
        spread = f"{name}: mean {values.mean():.2f}, standard deviation {values.std():.2f}"
        parts.append(text(left, top - 18 + 17 * number, spread, size=14, fill=colour, anchor="start"))
    parts.append(text(left + width / 2, top + height + 38, "value (beyond ±4: in the last bins)", fill=INK))
    return parts


def _against(batch, running, name, left, top, side):
    low = min(0.0, batch.min().item(), running.min().item())
    high = max(0.1, batch.max().item(), running.max().item())
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)

    def place(value):
        return (value - low) / (high - low) * side

    parts = [rect(left, top, side, side, "none", GRID), line([(left, top + side), (left + side, top)], FAINT, 1, "4 4")]
    for x, y in zip(running.tolist(), batch.tolist(), strict=True):
        parts.append(f'<circle cx="{left + place(x):.1f}" cy="{top + side - place(y):.1f}" r="4.5" fill="{TRAINING}"/>')
    parts.append(text(left + side / 2, top - 12, name, size=15))
    parts.append(text(left + side / 2, top + side + 22, f"running, {low:.2g} … {high:.2g}"))
    parts.append(
        f'<g transform="translate({left - 10},{top + side / 2}) rotate(-90)">{text(0, 0, "of this batch")}</g>'
    )
    return parts
