"""fit: train in the cell that calls it, with a learning rate to move and a Stop button while it runs.

The cell blocks, so the lines below it see the trained network; the controls work all the same: their messages arrive on
a second thread, or are let through between two batches (see `cnnlib.page.frontend`). They only set `trainer.lr` or the
stop flag; the loop reads them between two batches. Where neither can be, the chart moves and there are no controls.
When the run ends, the controls go and one picture of the chart stays.
"""

import html
import math
import signal
import threading
import time
from contextlib import contextmanager

import ipywidgets
from IPython.display import display

from cnnlib.machine.clock import Throttle
from cnnlib.machine.device import describe_device
from cnnlib.machine.memory import return_freed_memory
from cnnlib.page.escape import printable
from cnnlib.page.frontend import NO_CHANNEL, is_live, kernel, subshell_is_open, way, why_static
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.loop import Trainer
from cnnlib.training.run import call_to_go_on
from cnnlib.validation import Count, Device, Network, Rate, arguments
from cnnlib.widgets.current_run import set_current_run
from cnnlib.widgets.display import close_tree, widget_bundle
from cnnlib.widgets.live_chart import LiveChart
from cnnlib.widgets.polling import answering
from cnnlib.widgets.run_chart import Band, RunChart
from cnnlib.widgets.runner import pause_all
from cnnlib.widgets.series import show_series
from cnnlib.widgets.subshells import answer_in_subshell, open_subshell
from cnnlib.widgets.versions import allow_scripts, hint

SHARE = 0.02  # the part of the time that frames take; the last picture, once a run, comes on top
FRAME_EVERY = 0.4  # seconds between two frames at least: sending one takes a core from the loop for a moment
STATUS_EVERY = 1.0  # seconds between two updates of the status line, if no frame comes in between
LR = "learning rate"  # what the page calls it
STEP = 0.02  # of the slider, in powers of ten: 5 %
PATIENCE = 4.0  # seconds after which a page without a second channel is told so
LONG = 60.0  # seconds: who waits longer may load the page anew, and is told what happens then

if kernel() is not None:
    open_subshell()
    show_series()
    allow_scripts()


@arguments(net=Network(), num_epochs=Count(), lr=Rate(), device=Device(), band=Band())
def fit(net, train_iter, test_iter, num_epochs, lr, device=None, *, band=None, checkpoint=None, **options):
    """Train a network in this cell; in JupyterLab, steer it meanwhile.

    Parameters
    ----------
    net, train_iter, test_iter, num_epochs, lr, device, **options
        As for `cnnlib.train`.
    band : (low, high, str), optional
        Laid behind the accuracy: what others reached, and who.
    checkpoint : path or Checkpoint, optional
        A file that keeps the run: written every half minute, after each epoch and at the end. If it is there already,
        the run goes on from it, up to `num_epochs` in all, and the page says so.

    Returns
    -------
    History
        Also after Stop or an interrupt of the kernel; `history.ended` tells which. Every move of the learning rate
        is in `history.marks`.

    Raises
    ------
    DivergenceError, OutOfMemoryError, DeviceError, TypeError, ValueError
        As `cnnlib.train` does. The chart up to there stays in the page.
    """
    pause_all()
    trainer = Trainer(net, train_iter, test_iter, lr, device=device, **options)
    trainer.go_on = call_to_go_on("fit", device is not None or band or options)
    chart = RunChart(trainer.num_batches, num_epochs, band)
    keeper, left = None, num_epochs
    if checkpoint is not None:
        keeper = Checkpoint.of(checkpoint)
        left = keeper.begin(trainer, num_epochs)
        keeper.warns = kernel() is None
    run = Fit(trainer, chart, keeper)
    set_current_run(run)
    try:
        run.train(left)
    finally:
        if keeper is not None:
            keeper.release()
    return trainer.history


class Fit:
    """A run that `fit` began, and every place on the page that shows it."""

    def __init__(self, trainer, chart, keeper=None):
        self.trainer, self.chart, self.keeper = trainer, chart, keeper
        self.history = trainer.history
        self._controls = self._final = None
        self._handles = []

    def stop(self):
        """Ask the run to end after the present batch. Safe to call from any thread."""
        if self.trainer is not None:
            self.trainer.stop()

    def train(self, num_epochs):
        """Train so many epochs, perhaps none, and leave one picture in the page."""
        if self.keeper is not None and self.keeper.note:
            _say(self.keeper.note)
        if is_live() and num_epochs:
            self._controls = Controls(self.trainer, self.chart, self.keeper)
            self.trainer.listeners.append(self._controls)
            self._show()
        try:
            if num_epochs:
                with answering(self.trainer):
                    self.trainer.fit(num_epochs)
        finally:
            with _undisturbed():
                self._end()

    def _end(self):
        remark = why_static() if self._controls is None else self._controls.warning
        if kernel() is not None:
            self._final = self._final_picture(remark)
            if self._controls is None:
                self._show()
            else:
                self._controls.rest()
                self._update(widget_bundle(self._controls.box, self._final[0]))
        if self.keeper is not None and self.keeper.failing:
            _say(self.keeper.note)
        self.trainer = self.chart = None  # the chart is enough to show; the network is the reader's to keep
        return_freed_memory()

    def _update(self, bundle):
        for handle in self._handles:
            handle.update(bundle, raw=True, metadata=self._final[1])

    def _final_picture(self, remark):
        history = self.history
        self.chart.update(history, all=True)
        line = f"{history.ended}: {history.seconds:.1f} s, {history.examples_per_second:,.0f} examples/s on "
        self.chart.chart.footer(f"{line}{describe_device(self.trainer.device)}. {remark}")
        return self.chart.chart.picture().bundle(palette=self._controls is None)

    def _show(self):
        if self._controls is not None:
            static, metadata = self._final or ({"text/plain": "training …"}, {})
            bundle = widget_bundle(self._controls.box, static)
            self._handles.append(display(bundle, raw=True, metadata=metadata, display_id=True))
        elif self._final is not None:
            bundle, metadata = self._final
            display(bundle, raw=True, metadata=metadata)
        else:
            _say(f"{self!r}.")

    _ipython_display_ = _show

    def let_go(self):
        """Leave the picture alone on the page: another run is the last one now."""
        if self._controls is not None and self._final is not None:
            self._update(self._final[0])
            self._controls.close()
            self._controls = None

    def __repr__(self):
        return printable(f"Fit: {self.history.summary()}")


@contextmanager
def _undisturbed():
    """Let no interrupt tear the last picture, which takes a moment: the run has ended already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(text):
    """Put a line of text on the page."""
    if kernel() is not None:
        display({"text/html": f"<div role='status'>{html.escape(text)}</div>", "text/plain": text}, raw=True)


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
        self.box = ipywidgets.VBox([steering] * (way() != "chart") + [self.status, self.picture])
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
        *above, picture = self.box.children
        self.box.children = (picture,)
        close_tree(self.lr, self.stop, *above)
        self.trainer = self.chart = self.lr = self.stop = None

    def close(self):
        """Take everything off the page."""
        close_tree(self.box)


def lr_slider(lr):
    """Return a slider for the learning rate, logarithmic, with `lr` on one of its steps."""
    low, high = slider_range(lr)
    slider = ipywidgets.FloatLogSlider(
        value=lr, min=low, max=high, step=STEP, description=LR, readout_format=".3g",
        style={"description_width": "initial"}, layout={"width": "auto"},
    )  # fmt: skip
    return hint(slider, "The learning rate, from the next batch on")


def slider_range(lr):
    """Return the ends of the slider, as powers of ten: at least 0.001 … 10, and `lr` on one of its steps.

    A page moves a value that lies between two steps to the nearest one, and a run whose learning rate changes
    because it is looked at is not the run that was asked for.
    """
    middle = math.log10(lr)
    return middle - STEP * max(0, math.ceil((middle + 3) / STEP)), middle + STEP * max(
        0, math.ceil((1 - middle) / STEP)
    )
