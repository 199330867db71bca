"""fit: train in the cell that calls it, with a learning rate to move and a Stop button while it runs.

The cell blocks, so the lines below it see the trained network; the controls work all the same: their messages arrive on
a second thread, or are let through between two batches (see `cnnlib.page.frontend`). They only set `trainer.lr` or the
stop flag; the loop reads them between two batches. Where neither can be, the chart moves and there are no controls.
When the run ends, the controls go and one picture of the chart stays.
"""

import html
import signal

from IPython.display import display

from cnnlib.machine.device import describe_device
from cnnlib.machine.memory import return_freed_memory
from cnnlib.page.escape import printable
from cnnlib.page.frontend import is_live, kernel, why_static
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.interrupt import handling
from cnnlib.training.loop import Trainer
from cnnlib.training.run import call_to_go_on
from cnnlib.validation import Count, Device, Network, Rate, arguments
from cnnlib.widgets.answering import answering, open_subshell
from cnnlib.widgets.background import pause_all
from cnnlib.widgets.current_run import set_current_run
from cnnlib.widgets.display import widget_bundle
from cnnlib.widgets.live_controls import Controls
from cnnlib.widgets.run_chart import Band, RunChart
from cnnlib.widgets.series import show_series
from cnnlib.widgets.versions import allow_scripts

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
            with handling(signal.SIG_IGN):  # which might tear the last picture; the run has ended already
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


def _say(text):
    """Put a line of text on the page."""
    if kernel() is not None:
        display({"text/html": f"<div role='status'>{html.escape(text)}</div>", "text/plain": text}, raw=True)
