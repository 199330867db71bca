"""Answers that are read: a number, a shape, a row or a matrix of numbers, whatever form they come in."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from cnnlib.exercises.engine import AnswerRun, Difference, Wrong, call, check, gap, parameter_names, quoted

UNREADABLE = str, bytes, Mapping, set, nn.Module  # have a length, and no number in a place


@dataclass
class Value(AnswerRun):
    """An answer that is read, or a function that returns one."""

    read: Callable  # turns an answer into what is compared, or raises Wrong
    same: Callable  # same(found, right): whether two of these agree
    show: Callable = str  # writes one in a message
    vague: Callable | None = None  # vague(found, right): the fact about a wrong one that agrees with no mistake
    given: tuple = ()  # arguments for an answer that is a function and takes some

    def subject(self, answer, solve):
        if callable(answer) and not isinstance(answer, type | nn.Module | torch.Tensor):
            answer = call(answer, *self.given[: len(parameter_names(answer) or ())])
        return self.read(answer)

    def reference(self, reference, solve):
        return self.read(solve())

    def compare(self, found, right, case, solve):
        if self.same(found, right):
            return gap(found, right) if isinstance(right, torch.Tensor) else 0.0
        vague = self.vague(found, right) if self.vague else ""
        fact = f"You answer {self.show(found)}."
        return Difference(fact, lambda wrong: self.same(found, self.read(wrong)), "", vague)


def number(mistakes=None, otherwise="Which step of the calculation would you like to go through again?", *,
           within=1e-6, share=0.0, nearly=0.0, read=None, remark=None):  # fmt: skip
    """Check one number, of any numeric type: right within `within`, or within a `share` of it.

    One that is right within `nearly` is asked how it was rounded.
    """

    def agrees(found, right):
        return abs(found - right) <= max(within, share * abs(right))

    def vague(found, right):
        size = "small" if found < right else "large"
        if abs(found - right) <= nearly:
            return f"{found:,.12g} is a little too {size}. Did you round on the way, or to fewer decimals?"
        return f"{found:,.12g} is too {size}."

    run = Value(read or number_from, agrees, lambda value: f"{value:,.12g}", vague)
    return check(run, mistakes=mistakes, otherwise=otherwise, remark=remark)


def number_from(answer):
    """Return an answer as a float, or raise Wrong if it is not one number."""
    answer = answer.detach() if isinstance(answer, torch.Tensor) else answer
    while (hasattr(answer, "ndim") or hasattr(answer, "__len__")) and not isinstance(answer, UNREADABLE):
        if getattr(answer, "ndim", 1) == 0:
            answer = answer.item()
        elif len(answer) == 1:
            answer = answer[0]
        else:
            raise Wrong("You answer with several numbers, expected one. Which of them does the question ask for?")
    if isinstance(answer, str):
        number_in_it = re.match(r"\s*[-+]?\d[\d.,]*(?P<words>.*)", answer)  # "55", "55 pixels"
        words = " and the words" if number_in_it and number_in_it["words"].strip() else ""
        ask = f"What is left without the quotation marks{words}?" if number_in_it else "Which number is it?"
        raise Wrong(f"You answer with the text {quoted(str(answer))}, expected a number. {ask}")
    try:
        value = None if isinstance(answer, bool | complex) or type(answer).__name__ == "bool_" else float(answer)
    except OverflowError:
        value = math.inf
    except (TypeError, ValueError):
        value = None
    if value is None:
        raise Wrong(f"You answer {quoted(answer)}, expected a number. Which number is it?")
    if not math.isfinite(value):
        raise Wrong(f"You answer {value}, expected a finite number. What did you divide by?")
    return value


def number_returned(result, case=None, expected="one number"):
    """Return what a function returned as a number, or raise Wrong."""
    try:
        return number_from(result)
    except Wrong as wrong:
        kind = f"`{result!r}`" if isinstance(result, str | bool | float) else f"a `{type(result).__name__}`"
        several = "several" in str(wrong)
        ask = "There are several numbers in it: which is meant?" if several else "What does your `return` give back?"
        raise Wrong(f"your function returns {kind}, expected {expected}. {ask}") from None


def numbers_from(answer, expected, ask):
    """Return a tuple of numbers, given in a sequence, array or tensor, or raise Wrong with what is expected."""
    if isinstance(answer, UNREADABLE) or not hasattr(answer, "__iter__"):
        raise Wrong(f"You answer {quoted(answer)}, expected {expected}. {ask}")
    return tuple(map(number_from, answer))


def shape(mistakes=None, otherwise="What does each layer before it do to this size?"):
    """Check a shape, given as a tuple, list, torch.Size, array or tensor."""

    def read(answer):
        if getattr(answer, "ndim", 1) != 1:
            raise Wrong("You answer with a tensor, expected its shape. Which attribute holds that?")
        return numbers_from(answer, "a shape, a tuple of numbers", "How many axes are there?")

    def show(sizes):
        return f"({', '.join(f'{size:g}' for size in sizes)})"

    def vague(sizes, right):
        if len(sizes) != len(right):
            return f"{show(sizes)} has {len(sizes)} axes, expected {len(right)}: what does each axis count?"
        axis = next(i for i, size in enumerate(sizes) if size != right[i])
        return f"In {show(sizes)} the {sizes[axis]:g} on axis {axis} is not right."

    return check(Value(read, tuple.__eq__, show, vague), mistakes=mistakes, otherwise=otherwise)


def matrix_from(answer):
    """Return a matrix, given as a tensor, an array or rows of numbers."""
    answer = answer.detach() if isinstance(answer, torch.Tensor) else answer
    if isinstance(answer, UNREADABLE) or not hasattr(answer, "__iter__"):
        raise Wrong(f"You answer {quoted(answer)}, expected a tensor. Which variable holds it?")
    try:
        rows = [numbers_from(row, "a matrix", "How many rows and columns are there?") for row in answer]
        return torch.tensor(rows, dtype=torch.float64)
    except ValueError:
        raise Wrong("Your rows have several lengths. How many numbers are in each?") from None
