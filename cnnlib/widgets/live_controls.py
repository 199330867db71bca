"""The live view of a run in the cell that trains: a slider for the learning rate, Stop, a status line, the chart."""

import html
import math
import time

import ipywidgets

from cnnlib.machine.clock import Throttle
from cnnlib.page.frontend import NO_CHANNEL, subshell_is_open, way, why_static
from cnnlib.widgets.answering import answer_in_subshell
from cnnlib.widgets.controls import lr_slider
from cnnlib.widgets.display import close_tree
from cnnlib.widgets.live_chart import LiveChart

SHARE = 0.02  # the part of the time that frames take; the last picture, once a run, comes on top
FRAME_EVERY = 0.4  # seconds between two frames at least: sending one takes a core from the loop for a moment
STATUS_EVERY = 1.0  # seconds between two updates of the status line, if no frame comes in between
PATIENCE = 4.0  # seconds after which a page without a second channel is told so
LONG = 60.0  # seconds: who waits longer may load the page anew, and is told what happens then


class Controls:
    """The live view of a run: a slider for the learning rate, Stop, a status line, the chart.

    It listens to the trainer, in the thread of the loop. The slider and the button are answered in another thread;
    they set one value each.
    """

    def __init__(self, trainer, chart, keeper=None):
        self.trainer, self.chart, self.keeper = trainer, chart, keeper
        self.lr = lr_slider(trainer.lr)
        self.stop = ipywidgets.Button(
            description="Stop", icon="stop", button_style="warning", tooltip="End the run after this batch; keep all"
        )
        self.status = ipywidgets.HTML("starting …")
        self.picture = LiveChart(chart.chart)
        self.lr.add_class("cnnlib-lr")
        self.status.add_class("cnnlib-status")
        steering = ipywidgets.HBox([self.lr, self.stop], layout={"align_items": "flex-end"})
        self._above = [steering] * (way() != "chart") + [self.status]  # of the chart, while the run goes on
        self.box = ipywidgets.VBox([*self._above, self.picture])
        self.box.add_class("cnnlib-fit")
        self.lr.observe(self._set_lr, "value")
        self.stop.on_click(lambda button: trainer.stop())
        answer_in_subshell(self.box)
        self.warning = why_static() if way() == "chart" else ""
        self._shown_lr = trainer.lr
        self._opened = self._told = time.perf_counter()
        self.throttle = Throttle(SHARE, FRAME_EVERY)

    def _set_lr(self, change):
        if not math.isclose(change["new"], self.trainer.lr, rel_tol=1e-6):  # the page rounds what it is shown
            self.trainer.lr = change["new"]
            self.throttle.steered()

    def __call__(self, trainer):
        """Look after the page, between two batches."""
        now = time.perf_counter()
        drawn = self.throttle.due(self.chart.unseen(trainer.history))
        if drawn:
            with self.throttle.frame():
                self.chart.update(trainer.history)
                self.picture.update()
        if drawn or now - self._told > STATUS_EVERY or not trainer.running:
            self._tell(trainer, now)
            self._told = now

    def _tell(self, trainer, now):
        p = trainer.progress
        if self.lr.min <= math.log10(trainer.lr) <= self.lr.max and self._shown_lr != trainer.lr:
            self._shown_lr = self.lr.value = trainer.lr  # a listener may have set it
        if way() == "subshell" and now - self._opened > PATIENCE and not subshell_is_open():
            self.warning = NO_CHANNEL
        parts = [
            f"epoch {p.epoch:.1f} of {p.num_epochs}",
            f"step {p.step:,} of {p.total_steps:,}",
            f"{p.seconds:.0f} s",
            f"{p.examples_per_second:,.0f} examples/s",
            f"{p.seconds_left:.0f} s to go" if trainer.running else trainer.history.ended,
        ]
        line = " · ".join(parts)
        if self.warning:
            line += f"<br><b>{html.escape(self.warning)}</b>"
            self.lr.disabled = self.stop.disabled = True
        elif trainer.running and p.seconds + p.seconds_left > LONG:
            line += "<br>Should this page be loaded anew, the run goes on; afterwards <code>last_run()</code> shows it."
        if self.keeper is not None and self.keeper.failing:
            line += f"<br>{html.escape(self.keeper.note)}"
        self.status.value = line

    def rest(self):
        """Take the controls off the page, and leave the chart."""
        self.picture.update()
        self.box.children = [child for child in self.box.children if child not in self._above]
        close_tree(self.lr, self.stop, *self._above)
        self.trainer = self.chart = self.lr = self.stop = None

    def close(self):
        """Take everything off the page."""
        close_tree(self.box)
