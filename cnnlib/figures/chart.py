"""A line chart that is cheap to redraw: axes, labels and legend are drawn once, each frame only the lines and the last
mark.

It draws into memory and knows nothing of notebooks; `Animator` and the live widgets show what it draws.
"""

import bisect
import math
import statistics
from dataclasses import dataclass, replace

import numpy as np

from cnnlib.figures.picture import Picture, encode_png
from cnnlib.figures.style import BAND, COLOURS, DASHES, FAINT, FONT, INK, MARKERS, new_figure, style_axes, word_colour
from cnnlib.page.escape import one_line

THIN = 1.4  # points: a line from before
FAR = 3  # times its height that a fixed axis grows either way; a value beyond is off the scale
USUAL = 10  # times the median that a value may be all the same


@dataclass(frozen=True)
class Panel:
    """One pair of axes: the names of its series, its label, and fixed limits if it has any.

    Fixed limits grow with the data, but with `robust` not for values that are far off: the panel says that there are.
    """

    legend: tuple
    ylabel: str = ""
    ylim: tuple | None = None
    yscale: str = "linear"
    robust: bool = False


class Chart:
    """Line charts side by side over one x-axis.

    Parameters
    ----------
    panels : sequence of Panel
    xlabel : str
    xlim : (float, float), optional
        Grows with the data if left out, and if the data leaves it.
    xscale : str
        'linear' or 'log'.
    size : (float, float), optional
        Width and height in inches; wider for more panels if left out.
    formats : sequence of str, optional
        Matplotlib's format strings, one a series, instead of the house's colours and dashes.
    text : str
        What the chart shows, for those who cannot see it.
    """

    def __init__(self, panels, xlabel="", xlim=None, xscale="linear", size=None, formats=None, text="line chart"):
        self.panels, self.text, self._formats = list(panels), text, formats or ()
        self.xlim = _widen(*xlim) if xlim is not None else None
        width, height = size or ((6.4, 3.6) if len(self.panels) == 1 else (10.0, 3.8))
        self.figure = new_figure(width, height)
        left, right = 0.85 / width, 1 - 0.25 / width
        self.figure.subplots_adjust(left, 0.85 / height, right, 1 - 0.42 / height, wspace=0.28)
        grid = self.figure.subplots(1, len(self.panels), squeeze=False)[0]
        self.lines, self.axes, number = [], [], 0
        for panel, axes in zip(self.panels, grid, strict=True):
            style_axes(axes, xlabel, panel.ylabel)
            axes.set_xscale(xscale)
            axes.set_yscale(panel.yscale)
            axes.yaxis.get_offset_text().set(x=-0.01, ha="right")  # beside the legend, not below it
            for name in panel.legend:
                self._add_line(axes, name, number)
                number += 1
            if any(panel.legend):
                axes.legend(
                    loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=len(panel.legend), frameon=False,
                    fontsize=FONT - 1, handlelength=2.2, columnspacing=1.2, labelcolor=INK,
                )  # fmt: skip
            self.axes.append(axes)
        self.xs = [[] for _ in self.lines]
        self.ys = [[] for _ in self.lines]
        self._footer = self.figure.text(0.01, 0.02, "", fontsize=FONT - 3, color=FAINT, parse_math=False)
        self._background, self._marks = None, []
        self._baked = 0  # marks in the background: all but the last, which the next one may replace
        self._fit_limits()

    def add_lines(self, count):
        """Add series without names to the first panel, which must be the only one."""
        panel = self.panels[0]
        for _ in range(count):
            self._add_line(self.axes[0], "", len(self.lines))
            self.xs.append([])
            self.ys.append([])
        self.panels[0] = replace(panel, legend=(*panel.legend, *[""] * count))
        self._background = None

    def _add_line(self, axes, name, number):
        style = {"linewidth": 2.4, "markersize": 6, "label": name, "animated": True, "clip_on": False}
        if number >= len(self._formats):
            i = number % len(COLOURS)
            style |= {"color": COLOURS[i], "linestyle": DASHES[i], "marker": MARKERS[i]}
            (line,) = axes.plot([], [], **style)
        else:
            (line,) = axes.plot([], [], self._formats[number], **style)
        self.lines.append(line)

    def add(self, x, ys):
        """Add a point to each series: `ys` has one value a series, None for no point."""
        if len(ys) != len(self.lines):
            raise ValueError(f"this chart has {len(self.lines)} series, got {len(ys)} values.")
        x, ys = float(x), [None if y is None else float(y) for y in ys]  # all or nothing
        for number, y in enumerate(ys):
            if y is not None:
                self.xs[number].append(x)
                self.ys[number].append(y)

    def drop(self, number):
        """Take the last point of a series away."""
        self.xs[number].pop()
        self.ys[number].pop()

    def band(self, panel, low, high, label):
        """Lay a band behind a panel: where somebody else's results lie."""
        axes = self.axes[panel]
        axes.axhspan(low, high, color=BAND, alpha=0.25, linewidth=0, zorder=0)
        # above it at the left, where a run that has just begun is still far below
        style = {"ha": "left", "va": "bottom", "fontsize": FONT - 2, "color": INK, "annotation_clip": True}
        axes.annotate(one_line(label), (0.015, high), xycoords=axes.get_yaxis_transform(), parse_math=False, **style)
        self._background = None

    def keep(self, panel, xs, ys, colour=FAINT, label=""):
        """Draw a thin line behind a panel, with its name at its end: something from before, to compare with.

        Where the end is out of view, as that of a run that diverged, the name is at the last point in view.
        """
        axes = self.axes[panel]
        axes.plot(xs, ys, color=colour, linewidth=THIN, zorder=1)
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        points = [(x, y) for x, y in zip(xs, ys, strict=True) if low <= x <= high and bottom <= y <= top]
        if label and points:
            x, y = points[-1]
            side = "left" if x < low + 0.8 * (high - low) else "right"  # where there is room
            style = {"color": word_colour(colour), "fontsize": FONT - 3, "va": "bottom", "ha": side, "clip_on": True}
            axes.text(x, y, f" {one_line(label)} ", parse_math=False, **style)
        self._background = None

    def mark(self, x, label):
        """Draw a labelled vertical line: what was changed there. One close to the last mark takes its place.

        The label stands at the top, or at the bottom where the curve is in the upper half.
        """
        low, high = self.axes[0].get_xlim()
        if self._marks and abs(self._marks[-1][0] - x) < 0.02 * (high - low):
            x, artists = self._marks.pop()
            for artist in artists:
                artist.remove()
        artists = [axes.axvline(x, color=FAINT, linestyle=":", linewidth=1.5) for axes in self.axes]
        side = "right" if x > high - 0.06 * (high - low) else "left"  # of the line, where there is room
        transform = self.axes[0].get_xaxis_transform()
        y, va = (0.03, "bottom") if self._is_high(x) else (0.97, "top")
        style = {"fontsize": FONT - 3, "color": INK, "rotation": 90, "va": va, "ha": side}
        artists.append(self.axes[0].text(x, y, one_line(label), transform=transform, parse_math=False, **style))
        self._marks.append((x, artists))

    def _is_high(self, x):
        """Whether the first curve is in the upper half at x."""
        number = bisect.bisect_right(self.xs[0], x) if self.xs else 0
        points = [y for y in self.ys[0][max(0, number - 1) : number + 1] if math.isfinite(y)] if number else []
        axes = self.axes[0]
        if not points or (axes.get_yscale() == "log" and max(points) <= 0):
            return False
        _, height = axes.transAxes.inverted().transform(axes.transData.transform((x, max(points))))
        return height > 0.5

    def footer(self, text):
        """Write a line below the chart."""
        self._footer.set_text(one_line(text))
        self._background = None

    def picture(self):
        """Return the chart as it stands as a Picture."""
        self._update_lines()
        self._animate(False)
        try:
            return Picture(self.figure, self.text)
        finally:
            self._background = None

    def frame(self):
        """Draw the chart as it stands and return it as PNG bytes, quickly."""
        canvas = self.figure.canvas
        if self._update_lines() or self._background is None:
            self._animate(True)
            canvas.draw()
            self._take_background()
        else:
            canvas.restore_region(self._background)
            if self._baked < len(self._marks[:-1]):
                self._draw_marks(self._baked, -1)
                self._take_background()
        self._draw_marks(-1, None)
        for line in self.lines:
            line.axes.draw_artist(line)
        return encode_png(np.asarray(canvas.buffer_rgba()))

    def _take_background(self):
        self._background, self._baked = self.figure.canvas.copy_from_bbox(self.figure.bbox), len(self._marks[:-1])

    def _draw_marks(self, start, stop):
        for _, artists in self._marks[start:stop]:
            for artist in artists:
                artist.axes.draw_artist(artist)

    def _animate(self, on):
        """Have the lines and the last mark left out of what is drawn once, or have all of it drawn."""
        for number, (_, artists) in enumerate(self._marks, 1):
            for artist in artists:
                artist.set_animated(on and number == len(self._marks))
        for line in self.lines:
            line.set_animated(on)

    def _update_lines(self):
        """Give the lines their points; return True if an axis had to change its limits."""
        for line, xs, ys in zip(self.lines, self.xs, self.ys, strict=True):
            line.set_data(xs, ys)
        return self._fit_limits()

    def _fit_limits(self):
        changed, first = False, 0
        for panel, axes in zip(self.panels, self.axes, strict=True):
            last = first + len(panel.legend)
            log = axes.get_xscale() == "log"
            x_low, x_high = _range([x for xs in self.xs for x in xs], log)
            changed |= _cover(axes.get_xlim, axes.set_xlim, self.xlim, x_low, x_high, log, one_sided=True)
            log = panel.yscale == "log"
            values = [y for ys in self.ys[first:last] for y in ys]
            y_low, y_high = _range(values, log)
            said = ""
            if panel.robust and y_low is not None:
                y_low, y_high, said = _robust(values, panel.ylim, y_low, y_high)
            if said != axes.get_title(loc="right"):
                axes.set_title(said, loc="right", fontsize=FONT - 3, color=INK)
                for line in self.lines[first:last]:
                    line.set_clip_on(bool(said))
                changed = True
            changed |= _cover(axes.get_ylim, axes.set_ylim, panel.ylim, y_low, y_high, log)
            first = last
        return changed


def _range(values, log):
    finite = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    return (min(finite), max(finite)) if finite else (None, None)


def _robust(values, fixed, low, high):
    """Leave what is far off a fixed axis out of the range that it is to show; return the range, and what to say."""
    room = FAR * (fixed[1] - fixed[0])
    if fixed[0] - room <= low and high <= fixed[1] + room:
        return low, high, ""
    finite = [value for value in values if math.isfinite(value)]
    usual = USUAL * statistics.median(map(abs, finite))
    bottom, top = min(fixed[0] - room, -usual), max(fixed[1] + room, usual)
    inside = [value for value in finite if bottom <= value <= top]
    far = max(map(abs, (low if low < bottom else 0.0, high if high > top else 0.0)))
    said = f"off scale: {'below −' if low < bottom else 'above '}{10.0 ** math.floor(math.log10(far)):g}" if far else ""
    return min(inside), max(inside), said


def _cover(get, put, fixed, low, high, log, one_sided=False):
    """Make an axis show `low` … `high`, with room to grow so that it seldom has to change; return whether it did."""
    start, end = get()
    if fixed is not None and not (log and fixed[0] <= 0):  # a logarithmic axis has no zero
        want = fixed if low is None else (min(fixed[0], low), max(fixed[1], high))
        if want != (start, end):
            put(*want)
            return True
        return False
    if low is None:
        return False
    fresh = (start, end) == (0.0, 1.0) or (log and (start, end) == (0.1, 10.0))
    if not fresh and start <= low and high <= end:
        return False
    if log:
        put(low / 2, high * 2)
        return True
    room = 0.35 * (high - low) or 0.1 * abs(high) or 0.1
    below = 0.0 if one_sided else min(room, low) if low >= 0 else room  # a loss or a share needs no room below zero
    put(start if not fresh and start <= low else low - below, end if not fresh and high <= end else high + room)
    return True


def _widen(low, high):
    return (low, high) if low != high else (low - 0.5, high + 0.5)
