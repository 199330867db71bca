"""What a training run recorded, step by step and epoch by epoch: to read, to plot, to save."""

import csv
import io
import itertools
import json
import math
from dataclasses import asdict, dataclass, field

from cnnlib.page.escape import printable
from cnnlib.page.storage import file_path, replace
from cnnlib.validation import Count, Number, arguments, in_words

FORMAT = 1
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is a formula to a spreadsheet
LARGEST = 1e100  # a number in a record: sums of its products still fit into a float


@dataclass
class History:
    """The record of one run. It grows during the run and is consistent at any moment.

    Attributes
    ----------
    loss, lr : list of float
        One entry a step: the batch's mean loss, and the learning rate of that step.
    correct, size : list of int
        One entry a step: how many predictions were right, and of how many.
    train_loss, train_acc, test_acc : list of float
        One entry an epoch: mean loss and accuracy over the epoch's batches while the weights were moving, and the
        accuracy on the test set after it (none where there was no test set).
    epoch_ends : list of int
        The number of steps done at the end of each epoch.
    marks : list of (int, str)
        What was changed during the run: before which step, and what.
    seconds : float
        Time spent in training and evaluating.
    train_seconds : float
        The part of it spent in training steps.
    ended : str
        'running', 'finished', 'stopped', 'interrupted', 'diverged', 'out of memory' or 'failed'.
    settings : dict
        What the run was started with: network, lr, batch size, device, seed, versions.
    """

    loss: list = field(default_factory=list)
    lr: list = field(default_factory=list)
    correct: list = field(default_factory=list)
    size: list = field(default_factory=list)
    train_loss: list = field(default_factory=list)
    train_acc: list = field(default_factory=list)
    test_acc: list = field(default_factory=list)
    epoch_ends: list = field(default_factory=list)
    marks: list = field(default_factory=list)
    seconds: float = 0.0
    train_seconds: float = 0.0
    ended: str = "running"
    settings: dict = field(default_factory=dict)

    @property
    def steps(self):
        """How many batches the run has trained on."""
        return len(self.loss)

    @property
    def examples_per_second(self):
        """How many training examples were handled in a second of training steps."""
        return sum(self.size) / self.train_seconds if self.train_seconds else 0.0

    @property
    def last_test_acc(self):
        """The test accuracy after the last epoch; NaN, which is above and below nothing, if none has ended."""
        return self.test_acc[-1] if self.test_acc else math.nan

    @arguments(start=Count(least=-math.inf), stop=Count(least=-math.inf))
    def window(self, start, stop=None):
        """Return the mean loss and the accuracy over the steps `start` … `stop`, each example counted once.

        Both count from 0, as in slices: -20 is 20 steps before the end.
        """
        size = self.size[start:stop]
        if not size:
            return math.nan, math.nan
        loss = sum(a * b for a, b in zip(self.loss[start:stop], size, strict=True))
        return loss / sum(size), sum(self.correct[start:stop]) / sum(size)

    @arguments(first_step=Count(least=0), test_acc=Number())
    def end_epoch(self, first_step, test_acc=None):
        """Close an epoch that began at step `first_step` (counted from 0).

        Raises
        ------
        ValueError
            If there is no such step; the record is then as it was.
        """
        if first_step >= self.steps:
            raise ValueError(f"an epoch needs a step: first_step must be less than {self.steps}, got {first_step}.")
        loss, acc = self.window(first_step)
        self.train_loss.append(loss)
        self.train_acc.append(acc)
        self.epoch_ends.append(self.steps)
        if test_acc is not None:
            self.test_acc.append(test_acc)

    @arguments(loss=Number())
    def steps_until(self, loss):
        """Return after how many steps the batch loss was first below `loss`, or None if it never was."""
        return next((step for step, value in enumerate(self.loss, 1) if value < loss), None)

    def to_json(self):
        """Return the record as JSON, all of it."""
        return json.dumps({"cnnlib history": FORMAT, **asdict(self)}, allow_nan=False)

    def to_csv(self):
        """Return the steps as a table for spreadsheets: one row a step, its test accuracy where an epoch ended."""
        marks, tests = {}, dict(zip(self.epoch_ends, self.test_acc, strict=False))
        for step, label in self.marks:
            label = f"'{label}" if label.startswith(FORMULAS) else label
            marks[step] = f"{marks[step]}; {label}" if step in marks else label
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["step", "loss", "train accuracy", "learning rate", "examples", "test accuracy", "changed before"]
        )
        rows = zip(self.loss, self.correct, self.size, self.lr, strict=True)
        for step, (loss, correct, size, lr) in enumerate(rows, 1):
            writer.writerow([step, loss, correct / size, lr, size, tests.get(step, ""), marks.get(step, "")])
        return text.getvalue()

    def save(self, path):
        """Write the record as JSON; the file is complete or unchanged, even if the disk fills up."""
        path = file_path(path)
        replace(path, self.to_json().encode())
        return path

    @classmethod
    def load(cls, path):
        """Read a record that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or is something else.
        """
        return cls.from_json(file_path(path).read_bytes(), path)

    @classmethod
    def from_json(cls, text, name="this text"):
        """Read a record that `to_json` returned, as text or as bytes; `name` is for messages.

        Raises
        ------
        TypeError
            If it is neither text nor bytes.
        ValueError
            If the text is damaged or is something else.
        """
        if not isinstance(text, str | bytes | bytearray | memoryview):
            raise TypeError(f"a history is read from a text or from bytes, got {in_words(text)}.")
        try:
            record = json.loads(text if isinstance(text, str) else bytes(text).decode("utf-8"))
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError, too
            raise ValueError(f"{name} is no history of cnnlib, or is damaged: {error}. Save the run again.") from None
        if (
            not isinstance(record, dict)
            or record.pop("cnnlib history", None) != FORMAT
            or record.keys() != _KINDS.keys()
        ):
            raise ValueError(f"{name} is no history of cnnlib, format {FORMAT}. Save the run again.")
        if any(type(record[key]) is not kind for key, kind in _KINDS.items()):
            raise ValueError(f"{name} is damaged: a column is of the wrong kind. Save the run again.")
        history = cls(**record)
        steps = (history.loss, history.lr, history.correct, history.size)
        epochs = (history.train_loss, history.train_acc)
        marks = all(isinstance(m, list) and len(m) == 2 and isinstance(m[1], str) for m in history.marks)
        if len(set(map(len, steps))) != 1 or len(set(map(len, epochs))) != 1 or not marks:
            raise ValueError(f"{name} is damaged: its columns do not fit each other. Save the run again.")
        numbers = [*steps, *epochs, history.test_acc, history.epoch_ends, [step for step, _ in history.marks]]
        if not all(map(_is_number, (*itertools.chain(*numbers), history.seconds, history.train_seconds))):
            raise ValueError(f"{name} is damaged: there is something else among its numbers. Save the run again.")
        history.marks = [tuple(mark) for mark in history.marks]
        return history

    def summary(self):
        """Return one line on the state of the run."""
        parts = [f"{self.ended} after {len(self.epoch_ends)} epochs ({self.steps} steps)"]
        if self.train_loss:
            parts.append(f"loss {self.train_loss[-1]:.3f}, train acc {self.train_acc[-1]:.3f}")
        if self.test_acc:
            parts.append(f"test acc {self.test_acc[-1]:.3f}")
        if self.train_seconds:
            parts.append(f"{self.examples_per_second:,.0f} examples/s")
        return ", ".join(parts)

    def __repr__(self):
        return printable(f"History: {self.summary()}")


_KINDS = {name: type(value) for name, value in asdict(History()).items()}


def _is_number(value):
    """Return whether a value is a number to compute with: not a bool, not infinite, not too large."""
    return type(value) in (int, float) and abs(value) < LARGEST
