"""Animator: a chart that grows while a cell runs and stays in the notebook as one picture."""

import threading

from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.chart_picture import Frames, check_formats
from cnnlib.machine.clock import Throttle
from cnnlib.page.escape import printable
from cnnlib.page.frontend import is_live, kernel
from cnnlib.validation import Choice, Count, List, Number, Pair, Text, arguments

SHARE = 0.03  # the part of a run's time that drawing takes
SCALE = Choice(("linear", "log"))
INCHES = 100  # the longest side of a figure, 10,000 pixels


@arguments(xlabel=Text(), xscale=SCALE, xlim=Pair(), fmts=List(str, 0))
class Animator:
    """Plot numbers as they come.

    In a notebook the chart appears with the first `add` and is drawn again as points come in, but never for more
    than 5 % of the time; the last frame is drawn when the cell ends and stays in the saved page. In a script
    nothing is shown: `picture()` gives the chart.

    Parameters
    ----------
    xlabel, ylabel : str, optional
    legend : list of str, optional
        The names of the series. A list of lists draws one panel beside the other: [['loss'], ['train', 'test']];
        `ylabel`, `ylim` and `yscale` may then be lists too, one entry a panel. Without names, the first `add` decides
        how many series there are.
    xlim, ylim : (low, high), optional
        Limits of the axes; they follow the data if left out.
    xscale, yscale : str
        'linear' or 'log'.
    fmts : list of str, optional
        Matplotlib's format strings, one a series.
    figsize : (width, height), optional
        In inches.

    Raises
    ------
    ValueError
        If a list has not one entry for each panel, or each series.
    """

    def __init__(
        self, xlabel="", ylabel="", legend=(), xlim=None, ylim=None, xscale="linear", yscale="linear", fmts=None,
        figsize=None,
    ):  # fmt: skip
        legend = [legend] if isinstance(legend, str) else List(least=0)(() if legend is None else legend, "legend")
        nested = bool(legend) and not isinstance(legend[0], str)
        names = [tuple(group) for group in legend] if nested else [tuple(legend) or ("",)]
        for group in names:
            List(str)(group, "legend")
        several = {"ylabel": ylabel or "", "ylim": ylim, "yscale": yscale}
        for option, value in several.items():
            per_panel = nested and isinstance(value, list)
            if per_panel and len(value) != len(names):
                raise ValueError(f"{option} needs one entry for each of {len(names)} panels, got {len(value)}.")
            several[option] = value if per_panel else [tuple(value) if isinstance(value, list) else value] * len(names)
        for label, limits, scale in zip(*several.values(), strict=True):
            Text()(label or "", "ylabel")
            SCALE(scale, "yscale")
            if limits is not None:
                Pair()(limits, "ylim")
        for side in () if figsize is None else List(least=2)(figsize, "figsize"):
            Number(least=1, most=INCHES)(side, "each side of figsize")
        panels = [Panel(*row) for row in zip(names, *several.values(), strict=True)]
        count = sum(map(len, names))
        if fmts is not None and 0 < len(fmts) < count:
            raise ValueError(f"fmts needs one entry for each of {count} series, got {len(fmts)}.")
        if fmts:
            check_formats(fmts)
        labels = [name for group in names for name in group if name]
        self._unnamed = not legend  # until the first point: then there are as many series as it has values
        text = f"Chart of {', '.join(labels) or 'one series'} against {xlabel or 'x'}"
        self.chart = Chart(panels, xlabel or "", xlim, xscale, figsize, fmts, text)
        self._frames = Frames(self.chart)
        self._lock = threading.RLock()
        self._handle, self._waiting = None, False
        self._throttle = Throttle(SHARE)

    def add(self, x, y):
        """Add points and show them.

        Parameters
        ----------
        x : float, or a list of one x for each series
        y : float, or a list of one y for each series
            None leaves a series as it is.

        Raises
        ------
        ValueError
            If there is not one value for each series.
        """
        ys = list(y) if _is_row(y) else [y]
        xs = list(x) if _is_row(x) else [x] * len(ys)
        if len(xs) != len(ys):
            raise ValueError(f"as many x as y are needed, got {len(xs)} and {len(ys)}.")
        xs, ys = [_point(one, "x") for one in xs], [None if one is None else _point(one, "y") for one in ys]
        with self._lock:
            if self._unnamed and len(ys) > 1:
                self.chart.add_lines(len(ys) - 1)
                self.chart.text = self.chart.text.replace("one series", f"{len(ys)} series")
            self._unnamed = False
            if len(ys) != len(self.chart.xs):
                raise ValueError(f"this chart has {len(self.chart.xs)} series, got {len(ys)} values.")
            if len(set(xs)) <= 1:
                self.chart.add(xs[0] if xs else 0, ys)
            else:
                for number, (one, value) in enumerate(zip(xs, ys, strict=True)):
                    self.chart.add(one, [value if i == number else None for i in range(len(ys))])
            self._show()

    @arguments(x=Number(), label=Text())
    def mark(self, x, label):
        """Draw a labelled vertical line at `x`."""
        with self._lock:
            self.chart.mark(x, label)

    @arguments(label=Text())
    def band(self, low, high, label, panel=0):
        """Lay a band behind a panel, for results to compare with."""
        Pair()((low, high), "the band")
        Count(least=0, most=len(self.chart.panels) - 1)(panel, "panel")
        with self._lock:
            self.chart.band(panel, low, high, label)

    def picture(self):
        """Return the chart as it stands as a Picture."""
        with self._lock:
            return self.chart.picture()

    def _show(self):
        if kernel() is None:
            return
        if self._handle is None or (is_live() and self._throttle.due()):
            with self._throttle.frame():
                self._draw(self._frames.frame())
        if not self._waiting:
            self._waiting = True
            kernel().shell.events.register("post_run_cell", self._finish)

    def _draw(self, png, metadata=None):
        from IPython.display import display

        bundle = {"image/png": png, "text/plain": self.chart.text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, metadata=metadata, display_id=True)
        else:
            self._handle.update(bundle, raw=True, metadata=metadata)

    def _finish(self, result=None):
        """Leave the last frame in the page, sharp, when the cell ends."""
        kernel().shell.events.unregister("post_run_cell", self._finish)
        with self._lock:
            self._waiting = False
            bundle, metadata = self.chart.picture().bundle()
            self._draw(bundle["image/png"], metadata)

    def __repr__(self):
        return printable(self.chart.text)


def _is_row(value):
    return hasattr(value, "__len__") and getattr(value, "ndim", 1) and not isinstance(value, str | dict)


def _point(value, name):
    """Return a coordinate as a float; NaN and infinity are no places, and leave a gap."""
    try:
        return Number()(value, name)
    except ValueError:
        return float(value)
