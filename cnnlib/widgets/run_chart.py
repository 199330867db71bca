"""The chart of a training run, drawn from its history: the same picture live, static and from a loaded record."""

import math
import re
from dataclasses import dataclass

from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.style import FAINT
from cnnlib.validation import Pair, Rule, Text, in_words

LR = re.compile(r"^lr (?=[\d.])")  # as the record and code have it; the control beside the chart says it in full
POINTS = 10  # points of the training curves in an epoch


@dataclass(frozen=True)
class Band(Rule):
    """(low, high, label): two accuracies and a text."""

    words = "(low, high, label)"

    def __call__(self, band, name="band"):
        if not isinstance(band, tuple | list) or len(band) != 3:
            raise TypeError(f"{name} must be {self.words}, got {in_words(band)}. Try (0.8, 0.9, 'others').")
        return *Pair()(band[:2], name), Text()(band[2], "the label of the band")


class RunChart:
    """Loss on the left, accuracy on the right, in epochs.

    A point of the training curves is the mean over a tenth of an epoch, so the curve does not depend on how fast the
    machine is or how often it is drawn. A mark within a tenth splits it, so that the curve turns at the mark and not
    before. While the next tenth is under way, the curves end in the mean over the last tenth's worth of steps.

    Parameters
    ----------
    num_batches : int
        Steps of an epoch.
    num_epochs : int
    band : (low, high, str), optional
        Laid behind the accuracy: what others reached, and who.
    """

    def __init__(self, num_batches, num_epochs, band=None):
        panels = [
            Panel(("train loss",), "loss", ylim=(0, 2.5), robust=True),
            Panel(("train accuracy", "test accuracy"), "accuracy", ylim=(0, 1)),
        ]
        text = "Chart of a training run: loss and accuracy against the epoch"
        self.chart = Chart(panels, "epoch", (0, num_epochs), text=text)
        if band is not None:
            self.chart.band(1, *Band()(band))
        self.num_batches = num_batches
        self._points = 0  # of the training curves, drawn so far
        self._last_mark = -math.inf, []  # step, labels
        self._tail = False  # whether the curves end in a point that the next one replaces
        self._steps = self._epochs = self._marks = self._end = 0

    def update(self, history, all=False):
        """Take over what is new in the history; return whether there was anything.

        With `all`, also the steps since the last full tenth of an epoch.
        """
        before = (self._end, self._epochs, self._marks)
        if not self._end and history.loss and history.loss[0] < 1:  # no guess among ten classes, which costs 2.3
            self.chart.frame(0, (0, 1.2 * history.loss[0]))
        if self._tail:
            self.chart.drop(0)
            self.chart.drop(1)
        while (stop := self._next_stop(history)) <= history.steps:
            self._points += stop == self._due()
            self._add(history, stop)
        if all and self._steps < history.steps:
            self._add(history, history.steps)
        self._tail = self._steps < history.steps
        if self._tail:
            self._add_mean(history, max(0, history.steps - max(1, self.num_batches // POINTS)), history.steps)
        self._end = history.steps
        for end, acc in zip(history.epoch_ends[self._epochs :], history.test_acc[self._epochs :], strict=False):
            self.chart.add(end / self.num_batches, [None, None, acc])
            self._epochs += 1
        for step, label in history.marks[self._marks :]:
            self._mark(step, LR.sub("learning rate ", label))
            self._marks += 1
        return before != (self._end, self._epochs, self._marks)

    def _mark(self, step, label):
        """Mark a step; what came before it at the same step is said with it, unless it is about the same thing."""
        last, labels = self._last_mark
        if step - last > 1:
            labels = []
        elif labels[-1].rsplit(" ", 1)[0] == label.rsplit(" ", 1)[0]:
            labels = labels[:-1]
        self._last_mark = step, [*labels, label]
        self.chart.mark((step - 1) / self.num_batches, ", ".join(self._last_mark[1]))

    def unseen(self, history):
        """Return whether the history has marks that the chart has not."""
        return len(history.marks) > self._marks

    def keep(self, history, colour=FAINT, label=""):
        """Leave another run on the chart, as thin lines behind the others, with its name at their ends."""
        num_batches = history.settings.get("num_batches", self.num_batches)
        own = RunChart(num_batches, 1)
        own.update(history, all=True)
        ends = [end / num_batches for end in history.epoch_ends[: len(history.test_acc)]]
        self.chart.keep(0, own.chart.xs[0], own.chart.ys[0], colour, label)
        if ends:
            self.chart.keep(1, ends, history.test_acc, colour, label)

    def _due(self):
        """Return the step at which the present tenth of an epoch ends."""
        return (self._points + 1) * self.num_batches // min(POINTS, self.num_batches)

    def _next_stop(self, history):
        """Return the step at which the next point of the training curves is due, at most a tenth of an epoch on.

        It is that of a mark, if on both sides of it there are steps enough for a mean, a hundredth of an epoch.
        """
        due, enough = self._due(), max(2, self.num_batches / (10 * POINTS))
        marks = [step - 1 for step, _ in history.marks if self._steps + enough <= step - 1 <= due - enough]
        return min(marks, default=due)

    def _add(self, history, stop):
        self._add_mean(history, self._steps, stop)
        self._steps = stop

    def _add_mean(self, history, start, stop):
        loss, acc = history.window(start, stop)
        self.chart.add(stop / self.num_batches, [loss, acc, None])
