"""A chart that the page draws: the kernel sends points, and of those only the new ones.

A frame costs the kernel less than a millisecond (a PNG: 12 to 16), and the page's text stays text: sharp at any zoom,
in the colours of the page's theme. The static picture beside it, for pages without a kernel, is Matplotlib's.
"""

import math

import anywidget
import traitlets

from cnnlib.figures.style import BAND, COLOURS, DASHES, MARKERS, TINT, series_number
from cnnlib.widgets.page_script import script_and_style

PATTERNS = {"-": "", "--": "8 5", "-.": "9 4 2 4", ":": "2 4"}  # Matplotlib's dashes as SVG has them


class LiveChart(anywidget.AnyWidget):
    """Show a Chart on the page.

    Parameters
    ----------
    chart : Chart
    on_mark : callable, optional
        `on_mark(number)` is called when the reader clicks on a mark, counted from 0.

    Attributes
    ----------
    look, view : dict
        What changes seldom: names, colours, bands, earlier lines, marks; and the limits of the axes.
    lines : list of [xs, ys]
        All points, for a page that asks for the whole; a page that is there is sent what is new.
    """

    _esm, _css = script_and_style(__file__)
    look = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    lines = traitlets.List().tag(sync=True, to_json=lambda lines, widget: [[*map(_brief, line)] for line in lines])

    def __init__(self, chart, on_mark=None):
        self._on_mark = on_mark
        super().__init__()
        self.add_class("cnnlib-chart")
        self.on_msg(lambda widget, content, buffers: self._clicked(content))
        self.begin(chart)

    def begin(self, chart):
        """Show another chart from now on."""
        self.chart = chart
        chart.fit_limits()
        with self.hold_sync():
            self.lines = [[xs, ys] for xs, ys in zip(chart.xs, chart.ys, strict=True)]
            self._describe()
        self._sent = [len(xs) for xs in chart.xs]

    def _looks(self):
        """Return all but the series that the chart shows now: while it is the same, nothing is described anew."""
        chart = self.chart
        limits = chart.xview, *chart.yviews, *chart.off_scale
        return chart.text, chart.note, limits, [*chart.marks], [*chart.kept], [*chart.bands], [*chart.panels]

    def update(self):
        """Send the page what is new in the chart; the last point that it was sent may have been replaced."""
        chart, news = self.chart, []
        chart.fit_limits()
        for number, (xs, ys) in enumerate(zip(chart.xs, chart.ys, strict=True)):
            start = max(0, min(self._sent[number], len(xs)) - 1)
            if len(xs) > start:
                news.append([number, start, _brief(xs[start:]), _brief(ys[start:])])
            self._sent[number] = len(xs)
        if news:
            self.send({"lines": news})
        if self._looks() != self._described:
            with self.hold_sync():
                self._describe()

    def _describe(self):
        chart, self._described = self.chart, self._looks()
        self.view = {"x": chart.xview, "y": list(chart.yviews), "off": list(chart.off_scale)}
        self.look = {
            "text": chart.text, "xlabel": chart.xlabel, "xscale": chart.xscale, "note": chart.note,
            "panels": [{"names": p.legend, "ylabel": p.ylabel, "yscale": p.yscale} for p in chart.panels],
            "series": [_style(series_number(name, number)) for number, name in enumerate(chart.names)],
            "bands": [list(band) for band in chart.bands], "band": BAND, "tints": TINT,
            "marks": [list(mark) for mark in chart.marks], "clickable": self._on_mark is not None,
            "kept": [[k.panel, _brief(k.xs), _brief(k.ys), k.colour, k.label, chart.in_view(k)] for k in chart.kept],
        }  # fmt: skip

    def _clicked(self, content):
        number = content.get("mark") if isinstance(content, dict) else None
        if self._on_mark is not None and isinstance(number, int) and 0 <= number < len(self.chart.marks):
            self._on_mark(number)


def _style(i):
    return {"colour": COLOURS[i], "dashes": PATTERNS[DASHES[i]], "dots": bool(MARKERS[i])}


def _brief(values):
    """Return numbers as JSON can hold them, to five digits: what is not finite becomes None."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]
