"""What a training run recorded, step by step and epoch by epoch: to read, to plot, to save, to compare."""

import csv
import io
import json
import math
import statistics
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields

from cnnlib.page.escape import printable
from cnnlib.page.storage import file_path, replace
from cnnlib.page.table import Table
from cnnlib.validation import Count, Kind, Like, Number, Text, arguments, in_words

FORMAT = 1
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is a formula to a spreadsheet
LARGEST = 1e100  # a number in a record: sums of its products still fit into a float


@dataclass
class History:
    """The record of one run. It grows while the run goes on and is whole at any moment.

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

        Both count from 0 as slices do: -20 is 20 steps before the end.
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
        """Write the record as JSON; the file is whole or not there at all, even if the disk fills up."""
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
        """Read a record that `to_json` returned, as text or as bytes; `name` stands in messages.

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
        names = {f.name for f in fields(cls)}
        if not isinstance(record, dict) or record.pop("cnnlib history", None) != FORMAT or set(record) != names:
            raise ValueError(f"{name} is no history of cnnlib, format {FORMAT}. Save the run again.")
        if any(type(record[key]) is not type(value) for key, value in asdict(cls()).items()):
            raise ValueError(f"{name} is damaged: a column is of the wrong kind. Save the run again.")
        history = cls(**record)
        numbers = (*history.loss, *history.lr, *history.correct, *history.size, *history.train_loss, *history.train_acc)
        numbers += (*history.test_acc, *history.epoch_ends)
        lengths = {len(history.loss), len(history.lr), len(history.correct), len(history.size)}
        marks = all(isinstance(m, list) and len(m) == 2 and isinstance(m[1], str) for m in history.marks)
        if len(lengths) != 1 or len(history.train_loss) != len(history.train_acc) or not marks:
            raise ValueError(f"{name} is damaged: its columns do not fit each other. Save the run again.")
        numbers += (history.seconds, history.train_seconds)
        if not all(map(_is_number, (*numbers, *(step for step, _ in history.marks)))):
            raise ValueError(f"{name} is damaged: there is something else among its numbers. Save the run again.")
        history.marks = [tuple(mark) for mark in history.marks]
        return history

    def summary(self):
        """Return one line on how the run stands."""
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


@arguments(below=Number())
def compare(runs, *, below=None):
    """Put runs side by side.

    Parameters
    ----------
    runs : dict of str to History or list of History
        A name for each row; several histories in a row are the same set-up with several seeds.
    below : float, optional
        Adds a column: after how many steps the batch loss was first below this value.

    Returns
    -------
    Table
        Mean ± standard deviation over the seeds. "Last" means over the last 50 steps.

    Raises
    ------
    ValueError
        If there is nothing to compare.
    """
    if runs and not isinstance(runs, dict):
        raise TypeError(f"compare needs a dict from names to histories, got {in_words(runs)}.")
    if not runs or any(not _as_list(histories) for histories in runs.values()):
        raise ValueError(
            f"compare needs at least one named run, and at least one history under each name, got {in_words(runs)}."
        )
    columns = ["", "runs", "last train loss", "last train accuracy", "test accuracy"]
    if below is not None:
        columns.append(f"steps until loss < {below:g}")
    rows = []
    for name, histories in runs.items():
        histories = _as_list(histories)
        last = [h.window(max(0, h.steps - 50)) for h in histories]
        row = [name, str(len(histories)), spread([loss for loss, _ in last]), spread([acc for _, acc in last])]
        row.append(spread([h.test_acc[-1] for h in histories if h.test_acc]))
        if below is not None:
            row.append(", ".join("never" if s is None else str(s) for s in (h.steps_until(below) for h in histories)))
        rows.append(row)
    return Table(columns, rows)


def _is_number(value):
    """Return whether a value is a number that can be computed with: no bool, nothing infinite, nothing too large."""
    return type(value) in (int, float) and abs(value) < LARGEST


def _as_list(histories):
    histories = histories if isinstance(histories, list | tuple) else [histories]
    return [HISTORY(history, "a history") for history in histories]


HISTORY = Kind(History, "`train` returns one.")


def spread(values):
    """Return numbers as text: mean ± standard deviation; a single one as it is, and a dash for none."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


@arguments(
    chapter=Count(most=99), name=Text(), cost=Like(("multiply_adds",), "a LayerTable, as `layer_table` returns it"),
    history=HISTORY,
)  # fmt: skip
def growth_table(chapter, name, cost, history, folder="results"):
    """Note what a chapter's network costs and what it reached, and return the table of all chapters run here so far.

    Parameters
    ----------
    chapter : int
        Its row takes the place of an earlier one of the same chapter.
    name : str
    cost : LayerTable
    history : History
    folder : path
        Where the rows are kept, one small JSON file a chapter. Where it cannot be written to, the table holds the
        rows that can be read and this one.

    Returns
    -------
    Table
    """
    here = f"chapter{chapter:02d}.json"
    last = history.test_acc[-3:]
    row = {
        "network": name,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "epochs": len(history.epoch_ends),
        "seconds": round(history.seconds, 1),
        "low": min(last, default=None),
        "high": max(last, default=None),
    }
    folder = file_path(folder, "folder")
    rows = {path.name: _read_row(path) for path in sorted(folder.glob("chapter[0-9][0-9].json"))}
    rows[here] = row
    with suppress(OSError):  # a read-only folder costs the reader the other chapters' rows, not this one
        replace(folder / here, json.dumps(row).encode())
    head = ["network", "parameters", "multiply-adds", "epochs", "time", "test accuracy, last epochs"]
    return Table(head, [_growth_row(rows[key]) for key in sorted(rows) if rows[key]])


def _read_row(path):
    """Return a row that `growth_table` wrote, or None if the file is damaged or something else."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        row = json.loads(path.read_text(encoding="utf-8"))
        _growth_row(row)
        return row


def _growth_row(row):
    reached = "–" if row["low"] is None else f"{row['low']:.3f}"
    if row["low"] != row["high"]:
        reached += f" … {row['high']:.3f}"
    cost = [f"{row['parameters']:,}", f"{row['multiply_adds']:,}"]
    return [str(row["network"]), *cost, str(row["epochs"]), f"{row['seconds']:.0f} s", reached]
