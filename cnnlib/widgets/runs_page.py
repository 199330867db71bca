"""The part of the page where a reader names runs, hides them, goes back to a mark, exports them and loads them again.

Files go to and come from the reader's browser, so this works on every server and needs no folder to write to.
"""

import base64
import re
from contextlib import contextmanager
from itertools import count

import ipywidgets

from cnnlib.page.announce import alert
from cnnlib.page.escape import html_text
from cnnlib.widgets.controls import LABEL, button
from cnnlib.widgets.page_script import SPOKEN
from cnnlib.widgets.versions import hint, take_files

LAST = 50  # steps over which the last loss is a mean


class RunsPage:
    """The part of a RunBook that shows its runs, and does with them what the reader asks for."""

    def _build_page(self):
        self._quiet, self._last_current, marks = 0, None, count(1)  # `_quiet` while the widgets are being filled
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
        for name in ("pick", "name", "visible", "moment", "upload", "note"):
            getattr(self, name).add_class(f"cnnlib-run-{name}")
        self.note.add_class(SPOKEN)
        self.pick.observe(self._heard(lambda run: self._fill()), "value")
        self.name.observe(self._heard(lambda value: self.rename(self.pick.value, value)), "value")
        self.visible.observe(self._heard(lambda value: self.show(self.pick.value, value)), "value")
        self.upload.observe(self._heard(self._uploaded), "value")
        self.fork.on_click(lambda button: self._fork_here())
        self.mark.on_click(lambda button: self._mark(f"mark {next(marks)}"))
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

    def _fill(self):
        """Show the picked run in the controls beside it."""
        run = self.pick.value
        moments = [] if run is None else run.moments
        self.name.disabled = self.export.disabled = run is None
        self.visible.disabled = run is self.current or run is None
        self.fork.disabled = self.moment.disabled = not moments
        chosen, before = self.moment.value, self.moment.options
        latest = not before or chosen is before[-1][1]  # then it follows
        with self._filling():
            self.moment.options = [(f"step {m.step:,}: {m.label}", m) for m in moments]
            if moments:
                self.moment.value = next((m for m in moments if m is chosen and not latest), moments[-1])
            if run is not None:
                self.name.value, self.visible.value = run.name, run.shown

    def _change(self):
        self.refresh()
        self._changed()

    def _fork_here(self):
        if self.moment.value is not None:
            self._fork(self.pick.value, self.moment.value)

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
        heads = "".join(f"<th scope='col' style='padding:0 .8em'>{html_text(text)}</th>" for text in head)
        lines = [f"<tr><td></td>{heads}</tr>"]
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
        caption = f"<div class='cnnlib-quiet'>in all, at the end: {', '.join(same)}</div>" if same else ""
        return f"<table class='cnnlib-table'>{''.join(lines)}</table>{caption}"


def links(run):
    """Return two links that save a run as JSON and as CSV, in the reader's browser."""
    stem = re.sub(r"[^\w-]+", "_", run.name).strip("_") or "run"
    record, made = run.record(), []
    for ending, kind, text in (("json", "application/json", record.to_json()), ("csv", "text/csv", record.to_csv())):
        data = base64.b64encode(text.encode(errors="replace")).decode()  # a file may hold halves of characters
        made.append(f"<a download='{stem}.{ending}' href='data:{kind};base64,{data}'>{stem}.{ending}</a>")
    return made
