"""fit: train in the cell that calls it, with a learning rate to move and a Stop button while it runs.

The cell blocks, so the lines below it see the trained network; the controls work all the same, because their
messages arrive on a second thread (see `routing`). That thread only sets `trainer.lr` or the stop flag; the loop
reads them between two batches. When the run ends, the controls go and one picture of the chart stays.
"""

import html
import math
import time

import ipywidgets
from IPython.display import display

from cnnlib.checks import check_count
from cnnlib.device import describe_device
from cnnlib.frontend import is_live, kernel, subshell_is_open, why_static
from cnnlib.training import Trainer
from cnnlib.widgets.bundle import widget_bundle
from cnnlib.widgets.naming import NamedImage
from cnnlib.widgets.routing import open_channel, route
from cnnlib.widgets.run_chart import RunChart
from cnnlib.widgets.runner import pause_all

SHARE = 0.04  # the part of the time that drawing may take
FRAME_EVERY = 0.4  # seconds between two frames at least: sending one takes a core from the loop for a moment
STATUS_EVERY = 1.0  # seconds between two updates of the status line, if no frame comes in between
STEP = 0.02  # of the slider, in powers of ten: 5 %
PATIENCE = 4.0  # seconds after which a page without a second channel is told so

if kernel() is not None:
    open_channel()


def fit(net, train_iter, test_iter, num_epochs, lr, device=None, *, band=None, **options):
    """Train a network in this cell; in JupyterLab, steer it meanwhile.

    Parameters
    ----------
    net, train_iter, test_iter, num_epochs, lr, device, **options
        As for `cnnlib.train`.
    band : (low, high, str), optional
        Laid behind the accuracy: what others reached, and who.

    Returns
    -------
    History
        Also after Stop or an interrupt of the kernel; `history.ended` tells which. Every move of the learning rate
        is in `history.marks`.

    Raises
    ------
    DivergenceError, TypeError, ValueError
        As `cnnlib.train` does. The chart up to there stays in the page.
    """
    num_epochs = check_count(num_epochs, "num_epochs")
    pause_all()
    trainer = Trainer(net, train_iter, test_iter, lr, device=device, **options)
    chart = RunChart(trainer.num_batches, num_epochs, band)
    if is_live():
        _fit_live(trainer, chart, num_epochs)
    else:
        try:
            trainer.fit(num_epochs)
        finally:
            if kernel() is not None:
                bundle, metadata = _final_picture(trainer, chart, why_static())
                display(bundle, raw=True, metadata=metadata)
    return trainer.history


def _fit_live(trainer, chart, num_epochs):
    controls = Controls(trainer, chart)
    handle = display(controls.bundle(), raw=True, display_id=True)
    trainer.listeners.append(controls)
    try:
        trainer.fit(num_epochs)
    finally:
        bundle, metadata = _final_picture(trainer, chart, controls.warning)
        handle.update(bundle, raw=True, metadata=metadata)
        controls.close()


def _final_picture(trainer, chart, remark):
    chart.update(trainer.history, all=True)
    history = trainer.history
    line = f"{history.ended}: {history.seconds:.1f} s, {history.examples_per_second:,.0f} examples/s on "
    chart.chart.footer(f"{line}{describe_device(trainer.device)}. {remark}")
    return chart.chart.picture().bundle()


class Controls:
    """The live view of a run: a slider for the learning rate, Stop, a status line, the chart.

    It listens to the trainer, in the thread of the loop. The slider and the button are answered in another thread;
    they set one value each.
    """

    def __init__(self, trainer, chart):
        self.trainer, self.chart = trainer, chart
        self.lr = lr_slider(trainer.lr, "min(34em, 60%)")
        self.stop = ipywidgets.Button(
            description="Stop", icon="stop", button_style="warning", tooltip="End the run after this batch; keep all"
        )
        self.status = ipywidgets.HTML("starting …")
        frame, text = chart.chart.frame(), chart.chart.text
        self.image = NamedImage(value=frame, format="png", width=_width(chart), tooltip=text)
        self.image.add_class("cnnlib-chart")
        self.lr.add_class("cnnlib-lr")
        self.status.add_class("cnnlib-status")
        self.box = ipywidgets.VBox([ipywidgets.HBox([self.lr, self.stop]), self.status, self.image])
        self.lr.observe(self._set_lr, "value")
        self.stop.on_click(lambda button: trainer.stop())
        route(self.box)
        self.warning = ""
        self._shown_lr = trainer.lr
        self._opened = self._drawn = self._told = time.perf_counter()
        self._cost = 0.0

    def bundle(self):
        """Return what the page is given: the controls, and the empty chart where they are not alive."""
        png, text = self.image.value, "training …"
        return widget_bundle(self.box, {"image/png": png, "text/plain": text})

    def _set_lr(self, change):
        if not math.isclose(change["new"], self.trainer.lr, rel_tol=1e-6):  # the page rounds what it is shown
            self.trainer.lr = change["new"]

    def __call__(self, trainer):
        """Look after the page, between two batches."""
        now = time.perf_counter()
        drawn = now - self._drawn > max(FRAME_EVERY, self._cost / SHARE) and self.chart.update(trainer.history)
        if drawn:
            self.image.value = self.chart.chart.frame()
        if drawn or now - self._told > STATUS_EVERY or not trainer.running:
            self._tell(trainer, now)
            self._told = now
        if drawn:
            self._drawn = time.perf_counter()
            self._cost = self._drawn - now

    def _tell(self, trainer, now):
        p = trainer.progress
        if self.lr.min <= math.log10(trainer.lr) <= self.lr.max and self._shown_lr != trainer.lr:
            self._shown_lr = self.lr.value = trainer.lr  # a listener may have set it
        if not self.warning and now - self._opened > PATIENCE and not subshell_is_open():
            self.warning = "This page cannot reach a running cell: to steer, open it in JupyterLab 4.4 or later."
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
        self.status.value = f"<span style='font-size:1.1em'>{line}</span>"

    def close(self):
        """Take the controls off the page."""
        self.box.close()
        for part in (self.lr, self.stop, self.status, self.image):
            part.close()


def lr_slider(lr, width):
    """Return a slider for the learning rate, logarithmic, with `lr` on one of its steps."""
    low, high = slider_range(lr)
    return ipywidgets.FloatLogSlider(
        value=lr, min=low, max=high, step=STEP, description="learning rate", readout_format=".3g",
        tooltip="The learning rate, from the next batch on", style={"description_width": "initial"},
        layout={"width": width},
    )  # fmt: skip


def slider_range(lr):
    """Return the ends of the slider, as powers of ten: at least 0.001 … 10, and `lr` on one of its steps.

    A page moves a value that lies between two steps to the nearest one, and a run whose learning rate changes
    because it is looked at is not the run that was asked for.
    """
    middle = math.log10(lr)
    return middle - STEP * max(0, math.ceil((middle + 3) / STEP)), middle + STEP * max(
        0, math.ceil((1 - middle) / STEP)
    )


def _width(chart):
    return str(int(chart.chart.figure.get_size_inches()[0] * chart.chart.figure.dpi))
