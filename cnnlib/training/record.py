"""From the losses of a run on the device to its record, without synchronising with a GPU after every batch; and how far
a run is.
"""

import math
import statistics
from dataclasses import dataclass

import torch

RECENT = 50  # steps: a new loss is compared with theirs
JUMP = 3.0  # times their median: weights with such a loss are useless, even if finite


class Recorder:
    """Hold the losses of the latest steps on the device, and write them into a History when it is read.

    Parameters
    ----------
    history : History
    """

    def __init__(self, history):
        self.history = history
        self.pending = []  # (loss, correct, size, lr), the first two 0-d tensors

    @property
    def steps(self):
        """How many steps were taken; the history may lag behind."""
        return self.history.steps + len(self.pending)

    def add(self, *row):
        """Add a step: loss and correct, 0-d tensors on the device, size and learning rate."""
        self.pending.append(row)

    def forget_step(self):
        """Remove the last step from the record."""
        history = self.history
        for column in (self.pending,) if self.pending else (history.loss, history.correct, history.size, history.lr):
            column.pop()

    def write(self):
        """Move what is pending into the history, up to the first loss that is not finite.

        Returns
        -------
        (float, float) or None
            That loss, and the learning rate of its step; None if all are finite.
        """
        pending, self.pending = self.pending, []
        if not pending:
            return None
        losses = torch.stack([row[0] for row in pending]).tolist()
        correct = torch.stack([row[1] for row in pending]).tolist()
        history = self.history
        for loss, right, (_, _, size, lr) in zip(losses, correct, pending, strict=True):
            if not math.isfinite(loss):
                return loss, lr
            history.loss.append(loss)
            history.correct.append(right)
            history.size.append(size)
            history.lr.append(lr)
        return None

    def has_jumped(self):
        """Return whether the latest loss is far above those before it."""
        before, last = self.history.loss[-RECENT - 1 : -1], self.history.loss[-1:]
        return bool(before) and last[0] > JUMP * abs(statistics.median(before))


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: all a display needs for its status line."""

    step: int
    total_steps: int
    epoch: float
    num_epochs: int
    seconds: float
    examples_per_second: float
    seconds_left: float


def progress_of(trainer, began, seconds, num_epochs):
    """Return the RunProgress of a trainer that began this run at step `began`, so many seconds ago."""
    total, step = num_epochs * trainer.num_batches, trainer.epoch * trainer.num_batches + trainer.batch
    left = (total - step) * seconds / (step - began) if seconds and step > began else 0.0
    speed = trainer.history.examples_per_second
    return RunProgress(step, total, step / trainer.num_batches, num_epochs, trainer.seconds, speed, left)
