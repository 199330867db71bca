"""Investigations: a reader predicts, runs an experiment of their own, and hands in what they measured.

There is no key. The checker asks of the measurement what a careful colleague would: enough seeds, equal conditions, the
sign and the size of the effect, a spread that is smaller than it. Each such question is a fault, a test of the
measurement beside an answer that has it.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

from cnnlib.exercises.engine import AnswerRun, Unanswered, Wrong, call, check, is_blank, quoted
from cnnlib.exercises.reading import UNREADABLE, number_from
from cnnlib.training.history import History

PREDICTED = "predicted"  # the key under which a reader's guess stands


@dataclass
class Measured(AnswerRun):
    """A table of a reader's own: a dict from what was tried to one number, or one a seed."""

    form: str  # what is expected, in words
    faults: Mapping = field(repr=False)  # from a question to whether a table {key: list of float} gives rise to it
    of: Callable | None = None  # the number that a History stands for

    def subject(self, answer, solve):
        if callable(answer) and not isinstance(answer, type | nn.Module):
            answer = call(answer)
        if not isinstance(answer, Mapping) or not answer:
            raise Wrong(f"You answer {quoted(answer)}, expected {self.form}. What did you measure, and under what?")
        if any(is_blank(value) for value in answer.values()):
            raise Unanswered
        return {key: self._numbers(value, key) for key, value in answer.items()}

    def _numbers(self, value, key):
        several = hasattr(value, "__iter__") and getattr(value, "ndim", 1) and not isinstance(value, UNREADABLE)
        try:
            numbers = [self._number(v) for v in (value if several else [value])]
        except Wrong as wrong:
            raise Wrong(f"Under {key!r}: {wrong}") from None
        if not numbers:
            raise Wrong(f"There is no number under {key!r}, expected {self.form}. How often did you run it?")
        return numbers

    def _number(self, value):
        return number_from(self.of(value) if self.of and isinstance(value, History) else value)

    def reference(self, reference, solve):
        return None  # an experiment is not run again at each check

    def compare(self, table, right, case, solve):
        for question, has in self.faults.items():
            try:
                found = has(table)
            except KeyError as missing:
                raise Wrong(
                    f"Nothing stands under {missing}, expected {self.form}. Did you measure that too?"
                ) from None
            if found:
                raise Wrong(question)
        return 0.0

    def conclude(self, table, right, cases, solve):
        shown = "; ".join(f"{key}: {in_short(numbers)}" for key, numbers in table.items())
        return f"You measured {shown}."


def investigation(form, faults, remark, of=None):
    """Return the checker of an investigation.

    Parameters
    ----------
    form : str
        What is handed in: "a dict from batch size to test accuracies, one a seed". Where it has the key 'predicted',
        that is the reader's guess.
    faults : dict of str to (callable, answer)
        From a question that leads on to whether a table, a dict from each key to a list of numbers, gives rise to it,
        and an answer that does. They are asked in this order.
    remark : str
        What goes with a sound measurement, before its numbers: what it shows, and why.
    of : callable, optional
        The number that a History stands for, where readers may hand in those.
    """
    run = Measured(form, {question: has for question, (has, _) in faults.items()}, of)
    examples = {question: example for question, (_, example) in faults.items()}
    return check(run, mistakes=examples, remark=remark.replace("{", "{{").replace("}", "}}"))


def mean(numbers):
    return statistics.mean(numbers)


def fewer_than(count, *keys):
    """Return a fault: fewer than `count` numbers under one of these keys, by default under any but "predicted"."""
    return lambda table: any(len(table[key]) < count for key in keys or set(table) - {PREDICTED})


def in_short(numbers):
    """Write a number, or mean ± standard deviation of several."""
    if len(numbers) == 1:
        return f"{numbers[0]:.3g}"
    return f"{mean(numbers):.3g} ± {statistics.stdev(numbers):.2g} (n = {len(numbers)})"
