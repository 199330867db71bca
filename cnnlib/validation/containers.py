"""Rules for what holds other values: iterables, lists, dicts, pairs."""

from dataclasses import dataclass

from cnnlib.validation.rules import Number, Rule, Text
from cnnlib.validation.words import in_words, nouns


@dataclass(frozen=True)
class Iterable(Rule):
    """Something to iterate over that is no text and no dict."""

    words = "an iterable"

    def fits(self, value):
        iterates = hasattr(value, "__iter__") or hasattr(value, "__getitem__")
        return iterates and not isinstance(value, str | bytes | dict)


@dataclass(frozen=True)
class List(Rule):
    """A sequence of at least `least` things of one kind, and no text; what is returned is a list."""

    kind: type = object
    least: int = 1

    def __call__(self, value, name):
        if isinstance(value, str | bytes | dict) or not (hasattr(value, "__len__") and hasattr(value, "__iter__")):
            self.refuse(value, name, "a list")
        things = list(value) if getattr(value, "ndim", 1) else []
        for thing in things:
            if not isinstance(thing, self.kind):
                raise TypeError(f"{name} must be {self.words}, got {in_words(thing)} among them.")
        return (
            things
            if len(things) >= self.least
            else self.refuse(value, name, f"a list of at least {self.least}", ValueError)
        )

    @property
    def words(self):
        return "a list" if self.kind is object else f"a list of {nouns(self.kind)}"


@dataclass(frozen=True)
class Dict(Rule):
    """A dict from names to things of one kind, with at least one entry."""

    kind: type = object

    def __call__(self, value, name):
        if not isinstance(value, dict):
            self.refuse(value, name, "a dict with a name for each")
        if not value:
            self.refuse(value, name, "a dict with at least one entry", ValueError)
        for key, thing in value.items():
            Text()(key, f"each name in {name}")
            if not isinstance(thing, self.kind):
                raise TypeError(f"{name} must be a dict of {nouns(self.kind)}, got {in_words(thing)} under {key!r}.")
        return value

    @property
    def words(self):
        return "a dict with names" if self.kind is object else f"a dict from names to {nouns(self.kind)}"


@dataclass(frozen=True)
class Pair(Rule):
    """(low, high): two finite numbers, the smaller one first; what is returned are plain numbers."""

    hint: str = "Try (0, 1)."
    words = "a pair of numbers, the smaller one first"

    def __call__(self, value, name):
        if isinstance(value, str | dict) or not hasattr(value, "__len__") or not getattr(value, "ndim", 1):
            self.refuse(value, name, "a pair of numbers")
        if len(value) != 2:
            self.refuse(value, name, "a pair of numbers", ValueError)
        low, high = (Number(hint=self.hint)(end, f"each end of {name}") for end in value)
        return (low, high) if low <= high else self.refuse(value, name, error=ValueError)
