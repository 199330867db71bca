"""Draw a Chart with Matplotlib: as one picture that stays, or again and again, quickly, for Animator."""

import bisect
import math

import numpy as np

from cnnlib.figures.picture import Picture, encode_png
from cnnlib.figures.style import (
    BAND,
    COLOURS,
    DASHES,
    FAINT,
    FONT,
    INK,
    MARKERS,
    TINT,
    new_figure,
    series_number,
    style_axes,
    word_colour,
)  # fmt: skip

THIN = 1.4  # points: a line from before
WHOLE = 4  # epochs, layers or steps: an axis as long as this has no fractions


def chart_picture(chart):
    """Return a chart as it stands as a Picture."""
    figure, _ = draw_chart(chart)
    return Picture(figure, chart.text)


def draw_chart(chart, animated=False):
    """Draw a chart; `animated` leaves its series out, which are drawn on top of the rest.

    Returns
    -------
    figure : matplotlib.figure.Figure
    lines : list of matplotlib.lines.Line2D
        One a series.
    """
    chart.fit_limits()
    width, height = chart.size
    figure, lines = new_figure(width, height), []
    figure.subplots_adjust(0.85 / width, 0.85 / height, 1 - 0.25 / width, 1 - 0.42 / height, wspace=0.28)
    grid = figure.subplots(1, len(chart.panels), squeeze=False)[0]
    for number, (panel, axes) in enumerate(zip(chart.panels, grid, strict=True)):
        style_axes(axes, chart.xlabel, panel.ylabel)
        axes.set(xscale=chart.xscale, yscale=panel.yscale, xlim=chart.xview, ylim=chart.yviews[number])
        if chart.xscale == "linear" and chart.xview[1] - chart.xview[0] >= WHOLE:
            axes.locator_params(axis="x", integer=True)  # there is no layer 2.5
        axes.yaxis.get_offset_text().set(x=-0.01, ha="right")  # beside the legend, not below it
        axes.set_title(chart.off_scale[number], loc="right", fontsize=FONT - 3, color=INK)
        for name in panel.legend:
            lines.append(_draw_series(chart, axes, name, len(lines), bool(chart.off_scale[number]), animated))
        if axes.get_legend_handles_labels()[1]:
            axes.legend(
                loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=len(panel.legend), frameon=False,
                fontsize=FONT - 1, handlelength=2.2, columnspacing=1.2, labelcolor=INK,
            )  # fmt: skip
    for number, low, high, label in chart.bands:
        _draw_band(grid[number], low, high, label)
    named = [[] for _ in chart.panels]
    for kept in chart.kept:
        _draw_kept(chart, grid[kept.panel], kept, named[kept.panel])
    _draw_marks(chart, grid)
    figure.text(0.01, 0.02, chart.note, fontsize=FONT - 3, color=FAINT, parse_math=False)
    return figure, lines


def check_formats(formats):
    """Raise ValueError for a format string that Matplotlib does not know."""
    axes = new_figure(1, 1).subplots()
    for text in formats:
        axes.plot([], [], text)


def _draw_series(chart, axes, name, number, clipped, animated):
    points = chart.xs[number], chart.ys[number]
    label = name if animated or len(points[0]) else None  # nothing came of it: no name in the legend
    style = {"linewidth": 2.4, "markersize": 6, "label": label, "animated": animated, "clip_on": clipped}
    if number < len(chart.formats):
        return axes.plot(*points, chart.formats[number], **style)[0]
    i = series_number(name, number)
    return axes.plot(*points, color=COLOURS[i], linestyle=DASHES[i], marker=MARKERS[i], **style)[0]


def _draw_band(axes, low, high, label):
    axes.axhspan(low, high, color=BAND, alpha=0.25, linewidth=0, zorder=0)
    # above it at the left, where a run that has just begun is still far below
    style = {"ha": "left", "va": "bottom", "fontsize": FONT - 2, "color": INK, "annotation_clip": True}
    axes.annotate(label, (0.015, high), xycoords=axes.get_yaxis_transform(), parse_math=False, **style)


def _draw_kept(chart, axes, kept, named):
    """Draw a line from before; its name stands at its end, or where it leaves the view, clear of other names.

    `named` holds the heights at which names stand in these axes, in points.
    """
    axes.plot(kept.xs, kept.ys, color=kept.colour, linewidth=THIN, zorder=1)
    place, (low, high) = chart.in_view(kept), chart.xview
    if kept.label and place:
        at = height = 72 * axes.transData.transform(place)[1] / axes.figure.dpi
        aside = -1 if axes.transAxes.inverted().transform(axes.transData.transform(place))[1] > 0.5 else 1
        while any(abs(other - height) < FONT - 1 for other in named):
            height += aside
        named.append(height)
        side = "left" if place[0] < low + 0.8 * (high - low) else "right"  # where there is room
        style = {"color": word_colour(kept.colour), "fontsize": FONT - 3, "va": "bottom", "ha": side}
        shifted = {"xytext": (0, height - at), "textcoords": "offset points", "annotation_clip": True}
        axes.annotate(f" {kept.label} ", place, parse_math=False, **style, **shifted)


def _draw_marks(chart, grid):
    """Draw a labelled vertical line at each mark, and tint what comes after it.

    The label stands at the top, or at the bottom where the curve is in the upper half.
    """
    low, high = chart.xview
    ends = [x for x, _ in chart.marks[1:]] + [max([x for xs in chart.xs for x in xs[-1:]], default=low)]
    for number, ((x, label), end) in enumerate(zip(chart.marks, ends, strict=False)):
        for axes in grid:
            axes.axvline(x, color=FAINT, linestyle=":", linewidth=1.5)
            axes.axvspan(x, max(x, end), color=TINT[number % len(TINT)], alpha=0.1, linewidth=0, zorder=0)
        side = "right" if x > high - 0.06 * (high - low) else "left"  # of the line, where there is room
        y, va = (0.03, "bottom") if _is_high(chart, grid[0], x) else (0.97, "top")
        paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}  # where the curve crosses it
        style = {"fontsize": FONT - 3, "color": INK, "rotation": 90, "va": va, "ha": side, "bbox": paper}
        grid[0].text(x, y, label, transform=grid[0].get_xaxis_transform(), parse_math=False, **style)


def _is_high(chart, axes, x):
    """Return whether the first curve is in the upper half at x."""
    number = bisect.bisect_right(chart.xs[0], x) if chart.xs else 0
    points = [y for y in chart.ys[0][max(0, number - 1) : number + 1] if math.isfinite(y)] if number else []
    if not points or (axes.get_yscale() == "log" and max(points) <= 0):
        return False
    _, height = axes.transAxes.inverted().transform(axes.transData.transform((x, max(points))))
    return height > 0.5


class Frames:
    """Draw a chart again and again: axes and labels once, and with each frame only the series.

    Parameters
    ----------
    chart : Chart
    """

    def __init__(self, chart):
        self.chart = chart
        self._figure = self._background = self._drawn = None

    def frame(self):
        """Return the chart as it stands as the bytes of a PNG file."""
        chart = self.chart
        chart.fit_limits()
        now = (chart.xview, *chart.yviews, *chart.off_scale, len(chart.xs), *chart.marks, *chart.bands, chart.note)
        if now != self._drawn:
            self._drawn = now
            self._figure, self._lines = draw_chart(chart, animated=True)
            self._figure.canvas.draw()
            self._background = self._figure.canvas.copy_from_bbox(self._figure.bbox)
        canvas = self._figure.canvas
        canvas.restore_region(self._background)
        for line, xs, ys in zip(self._lines, chart.xs, chart.ys, strict=True):
            line.set_data(xs, ys)
            line.axes.draw_artist(line)
        return encode_png(np.asarray(canvas.buffer_rgba()))
