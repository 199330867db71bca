"""What a line chart holds: series, marks, lines from before, and the limits of its axes.

It draws nothing. The page draws a chart that moves (`cnnlib.widgets.live_chart`), Matplotlib one that stays
(`cnnlib.figures.chart_picture`); both show the same limits, marks and lines.
"""

import math
import statistics
from dataclasses import dataclass, replace

from cnnlib.figures.style import FAINT
from cnnlib.page.escape import one_line

FAR = 3  # times its height that a fixed axis grows either way; a value beyond is off the scale
USUAL = 10  # times the median that a value may be all the same
CLOSE = 0.02  # of the width: of two marks as close as this, the later one stays


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


@dataclass(frozen=True)
class Kept:
    """A thin line behind a panel, with its name at its end: something from before, to compare with."""

    panel: int
    xs: list
    ys: list
    colour: str = FAINT
    label: str = ""


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
        Width and height of its picture in inches; wider for more panels if left out.
    formats : sequence of str, optional
        Matplotlib's format strings, one a series, instead of the house's colours and dashes.
    text : str
        What the chart shows, for those who cannot see it.

    Attributes
    ----------
    xs, ys : list of list of float
        The points of each series.
    marks : list of (x, label)
    kept : list of Kept
    bands : list of (panel, low, high, label)
    note : str
        A line below the chart.
    xview, yviews : (float, float), list of (float, float)
        What the axes show, as `fit_limits` left it.
    off_scale : list of str
        For each panel, what its axis leaves out: 'off scale: above 1e+06', or ''.
    """

    def __init__(self, panels, xlabel="", xlim=None, xscale="linear", size=None, formats=None, text="line chart"):
        self.panels, self.text, self.formats = list(panels), text, formats or ()
        self.xlabel, self.xlim, self.xscale = xlabel, None if xlim is None else _widen(*xlim), xscale
        self.size = size or ((6.4, 3.6) if len(self.panels) == 1 else (10.0, 3.8))
        self.xs = [[] for _ in self.names]
        self.ys = [[] for _ in self.names]
        self.marks, self.kept, self.bands, self.note = [], [], [], ""
        self.xview, self.yviews, self.off_scale = None, [None] * len(self.panels), [""] * len(self.panels)
        self.fit_limits()

    @property
    def names(self):
        """The names of all series, panel after panel."""
        return [name for panel in self.panels for name in panel.legend]

    def add_lines(self, count):
        """Add series without names to the first panel, which must be the only one."""
        self.panels[0] = replace(self.panels[0], legend=(*self.panels[0].legend, *[""] * count))
        self.xs += [[] for _ in range(count)]
        self.ys += [[] for _ in range(count)]

    def add(self, x, ys):
        """Add a point to each series: `ys` has one value a series, None for no point."""
        if len(ys) != len(self.xs):
            raise ValueError(f"this chart has {len(self.xs)} series, got {len(ys)} values.")
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
        self.bands.append((panel, low, high, one_line(label)))

    def keep(self, panel, xs, ys, colour=FAINT, label=""):
        """Leave a thin line behind a panel, with its name at its end."""
        self.kept.append(Kept(panel, list(xs), list(ys), colour, one_line(label)))

    def mark(self, x, label):
        """Mark a place on the x-axis: what was changed there. One close to the last mark takes its label's place."""
        low, high = self.xview
        if self.marks and abs(self.marks[-1][0] - x) < CLOSE * (high - low):
            x, _ = self.marks.pop()
        self.marks.append((x, one_line(label)))

    def footer(self, text):
        """Write a line below the chart."""
        self.note = one_line(text)

    def frame(self, number, ylim):
        """Give a panel other fixed limits."""
        self.panels[number], self.yviews[number] = replace(self.panels[number], ylim=ylim), ylim

    def fit_limits(self):
        """Make the axes show all points; return whether any of their limits changed."""
        before = self.xview, list(self.yviews), list(self.off_scale)
        log = self.xscale == "log"
        self.xview = _cover(self.xview, self.xlim, _range([x for xs in self.xs for x in xs], log), log, one_sided=True)
        first = 0
        for number, panel in enumerate(self.panels):
            last = first + len(panel.legend)
            log = panel.yscale == "log"
            values = [y for ys in self.ys[first:last] for y in ys]
            span = _range(values, log)
            if panel.robust and span is not None:
                span, self.off_scale[number] = _robust(values, panel.ylim, *span)
            self.yviews[number] = _cover(self.yviews[number], panel.ylim, span, log)
            first = last
        return before != (self.xview, self.yviews, self.off_scale)

    def in_view(self, kept):
        """Return the last point of a kept line that the axes show, where its name stands; None if there is none."""
        (low, high), (bottom, top) = self.xview, self.yviews[kept.panel]
        points = zip(kept.xs, kept.ys, strict=True)
        return next(((x, y) for x, y in reversed([*points]) if low <= x <= high and bottom <= y <= top), None)

    def picture(self):
        """Return the chart as it stands as a Picture."""
        from cnnlib.figures.chart_picture import chart_picture  # here: Matplotlib is loaded with the first picture

        return chart_picture(self)


def _range(values, log):
    finite = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    return (min(finite), max(finite)) if finite else None


def _robust(values, fixed, low, high):
    """Leave what is far off a fixed axis out of the range that it is to show; return the range, and what to say."""
    room = FAR * (fixed[1] - fixed[0])
    if fixed[0] - room <= low and high <= fixed[1] + room:
        return (low, high), ""
    finite = [value for value in values if math.isfinite(value)]
    usual = USUAL * statistics.median(map(abs, finite))
    bottom, top = min(fixed[0] - room, -usual), max(fixed[1] + room, usual)
    inside = [value for value in finite if bottom <= value <= top]
    far = max(map(abs, (low if low < bottom else 0.0, high if high > top else 0.0)))
    said = f"off scale: {'below −' if low < bottom else 'above '}{10.0 ** math.floor(math.log10(far)):g}" if far else ""
    return (min(inside), max(inside)), said


def _cover(view, fixed, span, log, one_sided=False):
    """Return limits that show `span`, with room to grow so that they seldom have to change."""
    if fixed is not None and not (log and fixed[0] <= 0):  # a logarithmic axis has no zero
        return fixed if span is None else (min(fixed[0], span[0]), max(fixed[1], span[1]))
    if span is None:
        return view or ((0.1, 10.0) if log else (0.0, 1.0))
    low, high = span
    fresh = view is None or view == ((0.1, 10.0) if log else (0.0, 1.0))
    if not fresh and view[0] <= low and high <= view[1]:
        return view
    if log:
        return low / 2, high * 2
    room = 0.35 * (high - low) or 0.1 * abs(high) or 0.1
    below = 0.0 if one_sided else min(room, low) if low >= 0 else room  # a loss or a share needs no room below zero
    start = view[0] if not fresh and view[0] <= low else low - below
    return start, view[1] if not fresh and high <= view[1] else high + room


def _widen(low, high):
    return (low, high) if low != high else (low - 0.5, high + 0.5)
