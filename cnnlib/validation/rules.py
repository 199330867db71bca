"""Rules for arguments. A rule is called as `rule(value, name)`: it returns the value, or raises an error that says what
was expected, what came, and what to try. Its `words` are for the documentation, and tests take wrong values from it.
"""

import math
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import torch
from torch import nn

from cnnlib.validation.words import in_words, nouns


@dataclass(frozen=True)
class Rule:
    """What an argument must be. A subclass returns the value from `rule(value, name)`, or raises a TypeError where it
    is of another kind and a ValueError where it is out of bounds. The plain ones say only what `fits`.
    """

    words = ""
    hint = ""
    error = TypeError

    def __call__(self, value, name):
        return value if self.fits(value) else self.refuse(value, name)

    def refuse(self, value, name, must="", error=None):
        """Raise an error that says what was expected and what came."""
        raise (error or self.error)(f"{name} must be {must or self.words}, got {in_words(value)}. {self.hint}".rstrip())


# Plain kinds


@dataclass(frozen=True)
class Callable(Rule):
    """Something that can be called."""

    hint: str = ""
    words = "callable"
    fits = staticmethod(callable)


@dataclass(frozen=True)
class Factory(Rule):
    """What builds modules: nn.ReLU, and not nn.ReLU(), which is built already."""

    words = "a class or function that builds a module"
    hint = "Give a class such as nn.ReLU."

    def __call__(self, value, name):
        if isinstance(value, nn.Module) or not callable(value):
            self.refuse(value, name, "callable and build a module")
        return value


@dataclass(frozen=True)
class Kind(Rule):
    """An instance of a class."""

    kind: type
    hint: str = ""

    def fits(self, value):
        return isinstance(value, self.kind)

    @property
    def words(self):
        noun = nouns(self.kind)
        return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


@dataclass(frozen=True)
class Like(Rule):
    """Something with some attributes, whatever its class."""

    attributes: tuple
    words: str
    hint: str = ""

    def fits(self, value):
        return not isinstance(value, type) and all(hasattr(value, attribute) for attribute in self.attributes)


@dataclass(frozen=True)
class Text(Rule):
    """A text."""

    words = "a text"

    def fits(self, value):
        return isinstance(value, str)


@dataclass(frozen=True)
class Bool(Rule):
    """True or False: the text "no" counts as true, and is neither."""

    words = "True or False"

    def __call__(self, value, name):
        return bool(value) if isinstance(value, bool | np.bool_) else self.refuse(value, name)


@dataclass(frozen=True)
class Choice(Rule):
    """One of some texts."""

    options: tuple
    error = ValueError

    def fits(self, value):
        return isinstance(value, str) and value in self.options

    @property
    def words(self):
        return f"one of {', '.join(map(repr, self.options))}"


# Numbers


@dataclass(frozen=True)
class Number(Rule):
    """A finite number: greater than `low`, at least `least`, at most `most`, where they are given.

    A tensor of one number passes as well; what is returned is a plain number.
    """

    low: float | None = None
    least: float | None = None
    most: float | None = None
    hint: str = ""

    def __call__(self, value, name):
        if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_meta:
            value = value.item()
        if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real)):
            self.refuse(value, name, "a number")
        low, least, most = self.low, self.least, self.most
        above = (low is None or value > low) and (least is None or value >= least)
        if not (math.isfinite(value) and above and (most is None or value <= most)):
            must = " and ".join(["finite", *_bounds(self)])
            raise ValueError(f"{name} must be {must}, got {float(value)!r}. {self.hint}".rstrip())
        return value if type(value) is int else float(value)

    @property
    def words(self):
        bounds = " and ".join(_bounds(self))
        return f"a finite number{' of' * bounds.startswith('at')} {bounds}".rstrip()


@dataclass(frozen=True)
class Rate(Number):
    """A learning rate."""

    low: float = 0
    hint: str = "Try 0.1."

    def __call__(self, value, name="lr"):
        return float(super().__call__(value, "the learning rate"))


@dataclass(frozen=True)
class Count(Rule):
    """A whole number of at least `least` and, where it is given, at most `most`; what is returned is an int."""

    least: float = 1
    most: float | None = None
    hint: str = ""

    def __call__(self, value, name):
        if type(value) is not int and (isinstance(value, bool) or not isinstance(value, Integral)):
            self.refuse(value, name, "a whole number")
        if value < self.least:
            raise ValueError(f"{name} must be at least {self.least}, got {value}. {self.hint}".rstrip())
        if self.most is not None and value > self.most:
            self.refuse(value, name, f"at most {self.most:,}", ValueError)
        return int(value)

    @property
    def words(self):
        return " of ".join(filter(None, ["a whole number", " and ".join(_bounds(self))]))


def _bounds(rule):
    """Return the bounds of a Number or a Count in words."""
    bounds = {"greater than": getattr(rule, "low", None), "at least": rule.least, "at most": rule.most}
    return [f"{words} {bound:,}" for words, bound in bounds.items() if bound is not None and math.isfinite(bound)]
