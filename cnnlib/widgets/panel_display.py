"""What a panel shows: its status, chart and views while the thread trains, and a picture where no kernel answers."""

import html
import time

import ipywidgets
from IPython.display import display

from cnnlib.figures.picture import Sheet
from cnnlib.machine.device import describe_device
from cnnlib.page.announce import ALERT, alert
from cnnlib.page.escape import html_text
from cnnlib.page.frontend import is_live, kernel
from cnnlib.widgets.background import random_lock
from cnnlib.widgets.current_run import set_current_run
from cnnlib.widgets.display import widget_bundle
from cnnlib.widgets.live_controls import STATUS_EVERY
from cnnlib.widgets.panel_page import FIRST
from cnnlib.widgets.run_chart import RunChart
from cnnlib.widgets.versions import hint

RUNS = "Runs"  # a tab that every panel has


class PanelDisplay:
    """The part of a Playground that shows its run; most of it is called in the thread that trains."""

    def _listen(self, runner):
        with self._pen:
            if not self._closed:
                self._show(runner)

    def _show(self, runner):
        trainer, now = runner.trainer, time.perf_counter()
        resting = runner.state != "training"
        if not resting:
            set_current_run(self)
        in_front = self.page.script.in_front
        due = (in_front or self.throttle.watched) and self.throttle.due(self._has_news(trainer))
        if due or resting or (now - self._told > STATUS_EVERY and in_front):
            self._told = now
            self.status.value = self._line(runner)  # before anything is drawn: if that fails, this says so
            self.page.say_running(runner.training)
            self._offer_slower(runner)
        if trainer is not self._run and trainer is not None:
            self._begin(trainer)
            due = False
        if (due or resting) and trainer is not None:
            with self.throttle.frame():
                self.chart.update(trainer.history, all=resting)
                self.page.chart.update()
                if runner.state not in ("failed", "out of memory"):  # perhaps because of a view
                    self._show_views(trainer, all=resting)
        if resting or now - self._followed > STATUS_EVERY:
            self._followed = now
            self._follow_run(trainer)
        if trainer is not None and self.book.current and self.book.current.moments is not runner.moments:
            self.book.current.moments = runner.moments
            self._follow_run(trainer)
            self.book.refresh()
        if resting and runner.state != self._rest:
            self._rest = runner.state
            if runner.state != "ready":
                self.book.refresh()
                self._write_code()
                self._leave_picture()
        elif not resting:
            self._rest = "training"

    def _has_news(self, trainer):
        """Return whether the chart lacks something that a control did."""
        return trainer is self._run is not None and self.chart.unseen(trainer.history)

    def _show_views(self, trainer, all):
        """Have the view whose tab is in front look at the network, or all of them."""
        with random_lock:
            for title, view in self._titled.items():
                if all or title == self.page.turned_to:
                    view.show(trainer)

    def _follow_run(self, trainer):
        """Have the table of runs say how the present one stands: its steps, and its settings as they are now."""
        if trainer is self._run is not None and self.book.current is not None:
            self.book.current.settings = self._settings_in_words()
            if self.page.turned_to == RUNS:
                self.book.write_table()

    def _begin(self, trainer):
        """Put an empty chart in place for a new network; earlier runs stay as thin lines."""
        before = self._run
        self.book.archive(before is not None and before.history.steps > before.num_batches // 10)
        self._run = trainer
        self.book.begin(trainer.history, self._settings_in_words(), self.runner.moments)
        self._new_chart()
        self.throttle.drawn = time.perf_counter()  # but not paid for: it happens once
        self._write_code()
        with random_lock:
            for view in self.views:
                view.begin(trainer)

    def _settings_in_words(self):
        now, words = self.runner.settings, {}
        for control in self.controls:
            label = control.label if control.label and control.label not in words else control.name
            words[label] = control.label_of(now[control.name])
        return words

    def _new_chart(self):
        """Draw the axes and the earlier runs; the frames that follow are cheap."""
        self.chart = RunChart(self._run.num_batches if self._run else 1, self.runner.num_epochs)
        for run in self.book.earlier:
            if run.shown:
                self.chart.keep(run.history, run.colour, run.name)
        if self._run is not None:
            self.chart.update(self._run.history, all=self.runner.state != "training")
        self.page.chart.begin(self.chart.chart)

    def _redraw(self):
        """Follow what the reader did in the list of runs."""
        with self._pen:
            self._new_chart()
            if self.runner.state not in ("ready", "training"):
                self._leave_picture()

    def _line(self, runner):
        trainer = runner.trainer
        if runner.state == "failed":
            name, text = map(html_text, (type(runner.error).__name__, runner.error))
            return (
                f"<div role='alert' style='{ALERT}'><b>{name}</b>: {text}<br>Change a control "
                "and press Start; the cell's own code may have to be mended.</div>"
            )
        parameters = sum(p.numel() for p in trainer.net.parameters())
        history, p = trainer.history, trainer.progress
        parts = [runner.state, f"epoch {p.epoch:.1f}", f"step {p.step:,}"]
        if history.steps:
            parts.append(f"{history.examples_per_second:,.0f} examples/s")
        if trainer.running:
            parts.append(f"{p.seconds_left:.0f} s to go")
        parts += [f"{parameters:,} parameters", describe_device(trainer.device)]
        line = html.escape(" · ".join(parts))
        if runner.state == "diverged":
            said = str(runner.error).partition(" at step ")[0]
            line += (
                f"<br><b>{html_text(said[:1].upper() + said[1:])} at step {runner.error.step:,}. The weights are back "
                f"to those from before the loss rose: try a learning rate of {self._slower_rate:.2g}, then Start, or "
                "Reset.</b>"
            )
        if runner.state == "out of memory":
            line += alert(f"{runner.error} The run is kept: Start tries its next step again.")
        if trainer.objective.remark:
            line += alert(trainer.objective.remark)
        # what changes every second is not spoken; that it rests, and how it stands then, is
        role = "" if runner.state == "training" else " role='status'"
        return f"<div{role}>{line}</div>"

    # Static pictures

    def picture(self):
        """Return the chart and the views below it, as they stand, as a Picture."""
        self._check_open()
        runner = self.runner
        if runner.trainer is not None:
            now = runner.settings
            told = [c for i, c in enumerate(self.controls) if i <= FIRST or now[c.name] != c.default]
            settings = ", ".join(control.say(now[control.name]) for control in told)
            self.chart.chart.footer(f"{settings}. Run this cell in JupyterLab to train and change it.")
        chart = self.chart.chart.picture()
        self.chart.chart.footer("")  # of the picture alone: a live chart stands beside its controls
        drawings = [drawing for drawing in (view.static() for view in self.views) if drawing is not None]
        return Sheet([chart, *[drawing.picture() for drawing in drawings]], chart.text) if drawings else chart

    def _bundle(self):
        with self._pen:
            static, metadata = self.picture().bundle(palette=not is_live())
        return widget_bundle(self._cover or self.box, static), metadata

    def _leave_picture(self):
        for handle in self._handles:
            bundle, metadata = self._bundle()
            handle.update(bundle, raw=True, metadata=metadata)

    def _show_apart(self):
        """Show the panel in an output of its own, which is never updated: the picture gets another, with no panel.

        With each update of an output JupyterLab draws its widget anew. The drawing before it loses the reader's focus,
        and stays in the page's memory, out of sight.
        """
        display(widget_bundle(self.box, {"text/plain": ""}), raw=True)
        if self._cover is None:
            self._cover = hint(ipywidgets.HTML(layout={"display": "none"}), "")

    def _ipython_display_(self):
        if self._closed:
            text = f"{self!r}. Run its cell again, or last_run() for the panel that took its place."
            display({"text/plain": text}, raw=True)
            return
        if not is_live() and self.preview and self.runner.trainer is None:
            self.runner.start(steps=self.preview)
            self.runner.wait()
            if self.runner.state in ("failed", "out of memory"):
                raise self.runner.error
        if is_live():
            self._show_apart()
        bundle, metadata = self._bundle()
        handle = display(bundle, raw=True, metadata=metadata, display_id=True)
        if kernel() is not None:
            self._handles.append(handle)
