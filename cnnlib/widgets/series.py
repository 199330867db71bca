"""While an experiment over seeds runs: which seed is at work, how long it will take, and its loss as it falls.

It shows itself where somebody looks, and goes when the series has ended; what a page stores is as it is without it.
"""

import time

import ipywidgets
from IPython.display import display

from cnnlib.figures.chart import Chart, Panel
from cnnlib.page.frontend import is_live
from cnnlib.training import seeds
from cnnlib.widgets.display import close_tree, widget_bundle
from cnnlib.widgets.live_chart import LiveChart

PATIENCE = 1.0  # seconds: what takes no longer needs no display
EVERY = 0.25  # seconds between two frames
POINTS = 60  # of each line
TEXT = "Chart of the training loss of each seed against the epoch"


class SeriesDisplay:
    """The display of one series: a status line over a chart with a thin line for each seed."""

    def __init__(self):
        self.trainers = None
        self._box = None

    def __call__(self, trainers, num_seeds, length):
        """Look at the runs, each of `length` epochs, as `train_over_seeds` asks; without any, the series has ended."""
        now = time.perf_counter()
        if not trainers:
            self.close()
            return
        if trainers is not self.trainers:  # another series has begun
            self.close()
            self.trainers, self._began, self._drawn = trainers, now, now
        if now - self._began < PATIENCE or now - self._drawn < EVERY or not is_live():
            return
        self._drawn = now
        if self._box is None:
            self._open(length)
        total = round(length * trainers[0].num_batches)
        done = [trainer.history.steps for trainer in trainers]
        running = [i for i, steps in enumerate(done, 1) if 0 < steps < total and trainers[i - 1].running]
        share = sum(done) / (total * num_seeds)
        left = (now - self._began) * (1 - share) / share if share else 0.0
        said = f"seed {running[-1]}" if len(running) == 1 else f"{len(running)} seeds at once,"
        self._status.value = f"{said} of {num_seeds} · {left:.0f} s left"
        self._draw()

    def _open(self, length):
        self._chart = Chart([Panel(("",), "train loss")], "epoch", (0, length), text=TEXT)
        self._lines, self._status = LiveChart(self._chart), ipywidgets.HTML()
        self._box = ipywidgets.VBox([self._status, self._lines])
        self._box.add_class("cnnlib-series")
        display(widget_bundle(self._box, {"text/plain": ""}), raw=True)

    def _draw(self):
        """Draw each run as a line of means, so that it costs the same however long it has become."""
        self._chart.kept.clear()
        for trainer in self.trainers:
            history, stops = trainer.history, _stops(trainer.history.steps)
            losses = [history.window(a, b)[0] for a, b in zip(stops, stops[1:], strict=False)]
            self._chart.keep(0, [stop / trainer.num_batches for stop in stops[1:]], losses)
        values = [value for kept in self._chart.kept for value in kept.ys]
        self._chart.yviews[0] = (0, 1.1 * max(values, default=1.0))
        self._lines.update()

    def close(self):
        """Take the display off the page."""
        if self._box is not None:
            close_tree(self._box)
        self.trainers = self._box = None


def _stops(steps):
    """Return the ends of at most 60 stretches of a run."""
    count = min(POINTS, steps)
    return [steps * i // count for i in range(count + 1)] if count else []


def show_series():
    """Have every series of this kernel show itself from now on."""
    if not any(isinstance(watcher, SeriesDisplay) for watcher in seeds.watchers):
        seeds.watchers.append(SeriesDisplay())
