"""From the losses of a run on the device to its record, without synchronising with a GPU after every batch."""

import math
import statistics

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
