"""The runs of a playground side by side: name them, hide them, go back to a mark, export them, load them again.

Files go to and come from the reader's browser, so this works on every server and needs no folder to write to.
"""

import base64
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import ipywidgets

from cnnlib.figures.style import COLOURS, EARLIER, FAINT
from cnnlib.page.announce import alert
from cnnlib.page.escape import html_text, one_line
from cnnlib.training.history import History
from cnnlib.widgets.controls import LABEL, button
from cnnlib.widgets.page_script import SPOKEN
from cnnlib.widgets.runner import ROOM
from cnnlib.widgets.versions import hint, take_files

SHOWN = 6  # of the runs that are over, so many of the latest are on the chart unless the reader says otherwise
MOST = 30  # runs that are kept; of more, the oldest are forgotten
LONGEST = 40  # characters of a run's name
CONTROLS = 60  # settings of a run that is loaded
LARGEST = 20 * 2**20  # bytes of a file to load
LAST = 50  # steps over which the last loss is a mean


@dataclass(eq=False)
class Run:
    """One run: its record, and what tells it from others.

    Attributes
    ----------
    settings : dict of str to str
        Each control's value, as the page says it.
    moments : list
        The points to go back to; none for a run that was loaded.
    """

    name: str
    history: History
    settings: dict
    colour: str
    moments: list = field(default_factory=list, repr=False)
    shown: bool = True

    def record(self):
        """Return the history with the run's name and settings noted in it, as it goes to a file."""
        names = ("loss", "lr", "correct", "size")
        steps = min(len(getattr(self.history, name)) for name in names)  # a run that goes on is just adding a step
        columns = {name: getattr(self.history, name)[:steps] for name in names}
        settings = {**self.history.settings, "run": self.name, "controls": self.settings}
        return replace(self.history, **columns, settings=settings)


class RunBook:
    """The list of runs, and the part of the page that shows it.

    The latest 30 runs are kept. All earlier runs together may keep 256 MB of states to go back to; then the oldest of
    them can only be looked at.

    Parameters
    ----------
    changed : callable
        `changed()` is called when the chart is to be drawn anew.
    fork : callable
        `fork(run, moment)`: the reader wants to go on from there.
    mark : callable
        `mark(label)`: the reader wants to be able to come back to the present point.
    """

    def __init__(self, changed, fork, mark):
        self._changed, self._fork, self._mark = changed, fork, mark
        self.runs, self.current = [], None
        self._count = self._marks = 0
        self._quiet = 0  # while the widgets are being filled
        self._build_page()

    def begin(self, history, settings, moments):
        """Begin a new run, which is the current one from now on."""
        self._count += 1
        self.current = Run(f"run {self._count}", history, settings, COLOURS[0], moments)
        self.runs.append(self.current)
        self._forget()
        self.refresh()

    def archive(self, keep):
        """Let the current run become one of the earlier ones, or forget it."""
        run, self.current = self.current, None
        if run is None:
            return
        if not keep:
            self.runs.remove(run)
            self._count -= 1
            return
        self._paint(run)

    def take_over(self, before, moment):
        """Keep the runs of another book, off the chart; `moment` is where its current one can be gone on from.

        Returns
        -------
        bool
            Whether there were any.
        """
        for run in before.runs:
            if run is before.current and moment is None:
                continue
            run.moments = [moment] if run is before.current else []  # states take room
            run.shown, run.colour = False, self._free_colour(self.runs)
            self.runs.append(run)
        self._forget()
        self._count = before._count - (before.current is not None and moment is None)
        self.refresh()
        return bool(self.runs)

    def _forget(self):
        """Forget the oldest runs, and the states of old ones, beyond what may be kept."""
        surplus = self.earlier[: max(0, len(self.runs) - MOST)]
        self.runs = [run for run in self.runs if run not in surplus]
        taken = 0
        for run in reversed(self.earlier):
            taken += sum(moment.bytes for moment in run.moments)
            if taken > ROOM:
                run.moments = [moment for moment in run.moments if moment.state is None]

    def _paint(self, run):
        """Give an earlier run a colour that the chart does not show yet, if there is one; hide the oldest."""
        others = [other for other in self.earlier if other is not run]
        run.colour = self._free_colour(others)
        for other in [other for other in others if other.shown][: -(SHOWN - 1)]:
            other.shown = False

    def _free_colour(self, others):
        used = [other.colour for other in others if other.shown]
        return min(EARLIER, key=lambda colour: (used.count(colour), EARLIER.index(colour)))

    @property
    def earlier(self):
        """The runs beside the current one, oldest first."""
        return [run for run in self.runs if run is not self.current]

    def rename(self, run, name):
        """Give a run another name."""
        name = one_line(name)[:LONGEST]
        if name:
            run.name = name
        self._change()

    def show(self, run, shown):
        """Show a run on the chart, or hide it."""
        if shown and not run.shown and run is not self.current:
            if run.colour in [other.colour for other in self.earlier if other.shown]:
                run.colour = self._free_colour(self.earlier)
        run.shown = bool(shown)
        self._change()

    def load(self, text, name="this file"):
        """Add a run from a file that the page exported, its JSON as text or bytes.

        Raises
        ------
        ValueError
            If it is no such file, is damaged, too large, or holds no step.
        """
        if len(text) > LARGEST:
            raise ValueError(f"{name} has {len(text):,} bytes; a run has at most {LARGEST:,}. Is it the right file?")
        history = History.from_json(text, name)
        if not history.steps:
            raise ValueError(f"{name} holds a run without a single step: there is nothing to show.")
        batches = history.settings.get("num_batches", 1)
        sound = type(batches) is int and batches > 0 and min(history.size) > 0 and all(map(math.isfinite, history.loss))
        if not sound or len(history.test_acc) > len(history.epoch_ends):
            raise ValueError(f"{name} is damaged: its numbers do not fit each other. Save the run again.")
        controls = history.settings.get("controls")
        controls = controls if isinstance(controls, dict) else {}
        if len(controls) > CONTROLS:
            raise ValueError(f"{name} has {len(controls):,} settings; a run has at most {CONTROLS}. Save it again.")
        controls = {one_line(k, LONGEST): one_line(v, LONGEST) for k, v in controls.items()}
        self._count += 1
        label = one_line(history.settings.get("run") or "")[:LONGEST] or f"run {self._count}"
        run = Run(label, history, controls, FAINT)
        self.runs.append(run)
        self._forget()
        self._paint(run)
        self._change()
        return run

    # The page

    def _build_page(self):
        wide = {"width": "max-content"}
        self.table = ipywidgets.HTML()
        self.table.add_class("cnnlib-runs")
        self.pick = ipywidgets.Dropdown(description="run", style=LABEL, layout=wide)
        self.name = ipywidgets.Text(
            description="its name", continuous_update=False, style=LABEL, layout={"width": "18em"}
        )
        self.visible = ipywidgets.Checkbox(description="on the chart", indent=False, layout=wide)
        self.moment = ipywidgets.Dropdown(description="go back to", style=LABEL, layout=wide)
        self.fork = button("Fork here", "code-fork", "Go back to this mark and go on from there, as a new run")
        self.mark = button("Mark", "bookmark", "Remember the present step, to come back to it")
        self.export = button("Export", "download", "Make files of this run: JSON to load again, CSV for a spreadsheet")
        self.upload = ipywidgets.FileUpload(accept=".json", description="Load a run", layout=wide)
        hint(self.upload, "Show a run from a file that Export made")
        self.note = ipywidgets.HTML()
        for part, name in (
            (self.pick, "pick"), (self.name, "name"), (self.visible, "visible"), (self.moment, "moment"),
            (self.upload, "upload"), (self.note, "note"),
        ):  # fmt: skip
            part.add_class(f"cnnlib-run-{name}")
        self.note.add_class(SPOKEN)
        self.pick.observe(lambda change: self._picked(), "value")
        self.name.observe(self._heard(lambda value: self.rename(self.pick.value, value)), "value")
        self.visible.observe(self._heard(lambda value: self.show(self.pick.value, value)), "value")
        self.upload.observe(self._heard(self._uploaded), "value")
        self.fork.on_click(lambda button: self._fork_here())
        self.mark.on_click(lambda button: self._mark_here())
        self.export.on_click(lambda button: self._export())
        row = {"layout": {"flex_flow": "row wrap", "grid_gap": "4px 12px"}}
        self.widget = ipywidgets.VBox([
            self.table,
            ipywidgets.HBox([self.pick, self.name, self.visible], **row),
            ipywidgets.HBox([self.moment, self.fork, self.mark], **row),
            ipywidgets.HBox([self.export, self.upload], **row),
            self.note,
        ])  # fmt: skip
        self.refresh()

    def _heard(self, act):
        """Return an observer that acts on what the reader does, and not on what `refresh` writes."""

        def observer(change):
            if not self._quiet:
                act(change["new"])

        return observer

    @contextmanager
    def _filling(self):
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def refresh(self):
        """Write the table and the choices anew."""
        with self._filling():
            self.write_table()
            runs = list(reversed(self.runs))  # the current one first
            picked = self.pick.value if any(self.pick.value is run for run in runs) else next(iter(runs), None)
            if self._last_current is not self.current:
                picked, self._last_current = self.current or picked, self.current
            options = [(f"{i}: {run.name}", run) for i, run in zip(range(len(runs), 0, -1), runs, strict=True)]
            self.pick.options = options
            self.pick.value = picked
            self._fill()

    def write_table(self):
        """Write the table anew, and leave the choices below it as they are: one of them may be open."""
        self.table.value = self._table()

    _last_current = None

    def _picked(self):
        if not self._quiet:
            with self._filling():
                self._fill()

    def _fill(self):
        """Show the picked run in the controls beside it."""
        run = self.pick.value
        for part in (self.name, self.visible, self.export, self.moment, self.fork):
            part.disabled = run is None
        moments = [] if run is None else run.moments
        self.fork.disabled = self.moment.disabled = not moments
        chosen, before = self.moment.value, self.moment.options
        latest = not before or chosen is before[-1][1]  # then it follows
        self.moment.options = [(f"step {m.step:,}: {m.label}", m) for m in moments]
        if moments:
            self.moment.value = next((m for m in moments if m is chosen and not latest), moments[-1])
        if run is not None:
            self.name.value, self.visible.value = run.name, run.shown
            self.visible.disabled = run is self.current

    def _change(self):
        self.refresh()
        self._changed()

    def _fork_here(self):
        if self.moment.value is not None:
            self._fork(self.pick.value, self.moment.value)

    def _mark_here(self):
        self._marks += 1
        self._mark(f"mark {self._marks}")

    def _export(self):
        run = self.pick.value
        if run is not None:
            self.note.value = "Save: " + " · ".join(links(run))

    def _uploaded(self, value):
        with self._filling():
            files = take_files(self.upload)
        self._take(files)

    def _take(self, files):
        for file in files:
            try:
                run = self.load(file["content"], file["name"])
                self.note.value = f"Loaded <b>{html_text(run.name)}</b>."
            except ValueError as error:
                self.note.value = alert(str(error))

    def _table(self):
        if not self.runs:
            return "<i>No run yet.</i>"
        names = list(dict.fromkeys(name for run in self.runs for name in run.settings))
        values = {name: {run.settings.get(name, "–") for run in self.runs} for name in names}
        differ = [name for name in names if len(values[name]) > 1]
        head = ["run", *differ, "steps", f"train loss, last {LAST}", "test accuracy"]
        lines = [
            "<tr>"
            + "<td></td>"
            + "".join(f"<th scope='col' style='padding:0 .8em'>{html_text(text)}</th>" for text in head)
            + "</tr>"
        ]
        for run in self.runs:
            history, colour = run.history, run.colour if run.shown else "transparent"
            swatch = f"background:{colour};display:inline-block;width:2em;height:4px"
            cells = [f"<span style='{swatch}' aria-hidden='true'></span>"]
            cells.append(html_text(run.name) + ("" if run.shown else " <i>(hidden)</i>"))
            cells += [html_text(run.settings.get(name, "–")) for name in differ]
            cells.append(f"{history.steps:,}")
            cells.append(f"{history.window(max(0, history.steps - LAST))[0]:.3f}" if history.steps else "–")
            cells.append(f"{history.test_acc[-1]:.3f}" if history.test_acc else "–")
            weight = "bold" if run is self.current else "normal"
            body = "".join(f"<td style='padding:0 .8em;font-weight:{weight}'>{cell}</td>" for cell in cells)
            lines.append(f"<tr>{body}</tr>")
        same = [html_text(f"{name} {next(iter(values[name]))}") for name in names if name not in differ]
        caption = f"<div class='cnnlib-quiet'>in all: {', '.join(same)}</div>" if same else ""
        return f"<table class='cnnlib-table'>{''.join(lines)}</table>{caption}"

    def let_go(self):
        """Forget all runs, once the panel is closed."""
        self.runs, self.current = [], None
        self.refresh()


def links(run):
    """Return two links that save a run as JSON and as CSV, in the reader's browser."""
    stem = re.sub(r"[^\w-]+", "_", run.name).strip("_") or "run"
    record, made = run.record(), []
    for ending, kind, text in (("json", "application/json", record.to_json()), ("csv", "text/csv", record.to_csv())):
        data = base64.b64encode(text.encode(errors="replace")).decode()  # a file may hold halves of characters
        made.append(f"<a download='{stem}.{ending}' href='data:{kind};base64,{data}'>{stem}.{ending}</a>")
    return made
