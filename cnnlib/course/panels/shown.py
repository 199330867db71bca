"""A recorded panel as a page shows it: a chart with controls where the page can draw one, a picture everywhere else."""

import json
from functools import cache
from itertools import cycle
from pathlib import Path

from cnnlib.course.panels.grids import GRIDS
from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.style import COLOURS, EARLIER
from cnnlib.figures.vega import LABELS, MIME, panel_specification
from cnnlib.page.escape import printable
from cnnlib.validation import Choice, arguments

ROOM = 1.5  # times the length of the runs that the picture is wide: their names stand behind them
TINY = 1e-9  # the smallest gradient in a picture
FOLDER = Path(__file__).parent


@arguments(chapter=Choice(tuple(GRIDS)))
def recorded_panel(chapter):
    """Return the recorded twin of a chapter's panel: runs over a grid of its controls, which no kernel need train.

    Parameters
    ----------
    chapter : str
        '01_lenet', '04_batch_norm', '05_resnet' or '06_residual_gradients'.

    Returns
    -------
    RecordedPanel
        At the end of a cell it shows itself: with controls in JupyterLab and in the book, as a picture on GitHub.
    """
    return RecordedPanel(chapter)


@cache
def _stored(chapter):
    return json.loads((FOLDER / f"{chapter}.json").read_text(encoding="utf-8"))


class RecordedPanel:
    """Recorded runs over a grid of controls.

    Attributes
    ----------
    rows : list of dict
        One a run: the values of its controls, and lists: steps, loss, tested, test, looks, gradients.
    provenance : str
        What was run, when, on what, and the command that runs it anew.
    """

    def __init__(self, chapter):
        self.grid, self._about = GRIDS[chapter], _stored(chapter)
        self.rows = self._about["rows"]
        about = self._about
        self.provenance = (
            f"A recording: {about['what']}; seed {about['seed']}, {about['hardware']}, PyTorch {about['torch']}, "
            f"{about['date']}. Made by {about['command']}."
        )

    def specification(self, wide=True):
        """Return the chart with its controls in Vega-Lite; not `wide`, its parts stand below each other."""
        return panel_specification(self.grid.title, self.grid.controls, self.rows, self.provenance, wide)

    def picture(self):
        """Return the run with the controls as they are at first, before some of the others, as a Picture."""
        first = {name: values[0] for name, values in self.grid.controls.items()}
        apart = [[name for name, value in first.items() if row[name] != value] for row in self.rows]
        chosen = self.rows[apart.index([])]
        others = [(_said(names, row), row) for names, row in zip(apart, self.rows, strict=True) if len(names) == 1]
        said = _said(first, first)
        if "loss" in chosen:
            panels = [Panel(("train loss",), "loss", ylim=(0, 2.5), robust=True), Panel(("test accuracy",), "", (0, 1))]
            end = max(row["steps"][-1] for row in self.rows)
            chart, series = Chart(panels, "step", (0, ROOM * end)), [("steps", "loss"), ("tested", "test")]
        else:
            sizes = [size for _, row in [*others, ("", chosen)] for size in row["gradients"][0] if size]
            panel = Panel(("gradient",), "gradient (RMS)", (max(TINY, min(sizes)), max(sizes)), "log")
            chart = Chart([panel], "block", (0, ROOM * (len(chosen["gradients"][0]) - 1)), size=(10.0, 3.6))
            series = [(None, "gradients")]
        colours = [*EARLIER, COLOURS[4], COLOURS[6]]  # quiet ones, and two that no series here has
        for number, (x, y) in enumerate(series):
            for (label, row), colour in zip([*others, ("", chosen)], cycle(colours), strict=False):
                values = row.get(y, [])
                values = values[0] if x is None and values else values
                points = row.get(x) if x else list(range(len(values)))
                pairs = [(a, b) for a, b in zip(points or [], values, strict=False) if b is not None]
                if row is not chosen:
                    chart.keep(number, [a for a, _ in pairs], [b for _, b in pairs], colour, label)
                    continue
                for a, b in pairs:
                    chart.add(a, [b if i == number else None for i in range(len(series))])
        chart.text = f"Recorded panel of {self.grid.title}: {said}"
        chart.footer(f"{said}; thin: one of them changed. The book has its controls.")
        return chart.picture()

    def _repr_mimebundle_(self, include=None, exclude=None):
        static, metadata = self.picture().bundle()
        metadata[MIME] = {"embed_options": {"renderer": "svg", "actions": False}}
        return {MIME: self.specification(), **static}, metadata

    def __repr__(self):
        return printable(f"RecordedPanel of {self.grid.title}: {len(self.rows)} runs")


def _said(names, values):
    """Return controls and their values in words."""
    return ", ".join(f"{LABELS.get(name, name)} {values[name]}" for name in names)
