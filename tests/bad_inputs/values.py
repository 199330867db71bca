"""What a row of the table is, and the wrong values that follow from a rule."""

import inspect
import math
from dataclasses import dataclass, field
from functools import singledispatch
from operator import attrgetter

import numpy as np
import torch
from torch import nn

from cnnlib import validation as v
from cnnlib.models import lenet
from cnnlib.models.limits import Arch
from cnnlib.probes.given import Names
from cnnlib.widgets.controls import Name
from cnnlib.widgets.run_chart import Band

T, V, EITHER = TypeError, ValueError, (TypeError, ValueError)
HUGE, NAN, INF = 10**12, float("nan"), float("inf")


@dataclass
class Bad:
    """A wrong value, the error, and what must stand in its message besides the value or its type."""

    value: object
    error: object
    words: str = ""
    told: str = ""  # how the message says what came, where that is neither its text nor its type


@dataclass
class Row:
    """A function with right arguments, and the wrong ones for each parameter."""

    name: str
    function: object
    right: dict
    wrong: dict = field(default_factory=dict)


def bad(error, *values, words="", told=""):
    return [Bad(value, error, words, told) for value in values]


def no_net():
    """Return everything that is no network: also the class and the function that build one."""
    return bad(T, None, "lenet", lenet, nn.ReLU, [nn.Flatten()], 3, torch.ones(2), {}, words="nn.Module")


COUNTS = bad(T, 2.5, "3", None, True, [1], NAN, 1j, np.array([1, 2]), torch.ones(2), words="whole number")
POSITIVE = COUNTS + bad(V, 0, -1)
PLACES = COUNTS + bad(V, -1)  # counted from 0
LARGE = bad(V, HUGE, words="at most")
SEEDS = PLACES + bad(V, 10**20, words="at most")
NUMBERS = bad(T, "0.1", None, True, [0.1], 1j, torch.ones(2), words="number") + bad(V, NAN, INF, -INF, words="finite")
RATES = NUMBERS + bad(V, 0, -1, words="greater than 0")
SHARES = NUMBERS + bad(V, -0.1, 1.5)
SWITCHES = bad(T, "no", 1, None, [], words="True or False")
TEXTS = bad(T, 3, None, ["a"], b"a", True, words="a text")
TITLES = bad(T, 3, ["a"], b"a", True, words="a text")  # None stands for none
CALLED = bad(T, 3, "relu", [len], words="callable")
MAKERS = CALLED + bad(T, None, nn.ReLU(), words="callable")
NETS = no_net()
TENSORS = bad(T, None, "X", 3.0, [[1.0]], np.ones((2, 2)), words="tensor") + bad(
    V, torch.ones(2, 1, 28, 28, device="meta"), words="tensor"
)
DEVICES = bad(T, 3, 0.5, ["cpu"], words="device") + bad(
    V, "gpu", "cuda:99", "", "meta", torch.device("meta"), words="device"
)
SHAPES = bad(T, None, 28, "28", {1: 28}, (), (1, 28.0, 28), (1, "28", 28), words="input_shape") + bad(
    V, (0, 28, 28), (1, -28, 28), (1, 10**6, 10**6), (HUGE,), words="input_shape"
)
ITERABLES = bad(T, None, 3, "abc", {}, words="iterable")
LISTS = bad(T, None, 3, "abc", {}, words="list")
DICTS = bad(T, None, 3, "abc", [1], words="dict") + bad(V, {}) + bad(T, {3: 4})
SIZES = bad(T, 2.5, "28", True, words="whole number") + bad(V, 0, -1, HUGE)
CHOICES = bad(V, "other", 3, None, [])


def without_none(cases):
    """Return the wrong values where None is a right one."""
    return [case for case in cases if case.value is not None]


def without_meta(cases):
    """Return the wrong values where the device 'meta' is right: what only moves or counts may lie there."""
    return [case for case in cases if not (str(case.value) == "meta" or getattr(case.value, "is_meta", False))]


def tolerant(cases):
    """Return the wrong pictures for what puts them into the network's own dtype first."""
    return [case for case in cases if getattr(case.value, "dtype", None) is not torch.uint8]


# What is wrong by a rule


@singledispatch
def wrong_by(rule):
    """Return the wrong values for an argument with this rule."""
    raise NotImplementedError(f"wrong values for {type(rule).__name__}")


def _same(kind, cases):
    wrong_by.register(kind)(lambda rule: cases)


_same(v.Rate, RATES)
_same(v.Example, SHAPES)
_same(v.Callable, CALLED)
_same(v.Factory, MAKERS)
_same(v.Text, TEXTS)
_same(v.Bool, SWITCHES)
_same(v.Iterable, ITERABLES)
_same(Name, TEXTS + bad(V, "", "two words", "lr"))
_same(Band, bad(T, 3, "abc", (1, 2), (0, "1", "a"), (0, 1, 3)) + bad(V, (1, 0, "a"), (0, NAN, "a")))
_same(Names, bad(T, None, 3, "0", words="iterable"))
_same(v.Pair, bad(T, 3, None, "ab", (0, "1")) + bad(V, (1,), (1, 2, 3), (2, 1), (0, NAN), (0, INF)))
_same(
    Arch, bad(T, None, 3, "11", [3], [(1, 2, 3)], [(1, "64")], [(1.0, 64)]) + bad(V, [], [(0, 64)], [(1, HUGE)])
)  # fmt: skip


@wrong_by.register
def _(rule: v.Network):
    with torch.device("meta"):
        meta = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    computing = bad(V, meta, told="the device 'meta'") + bad(V, nn.LazyLinear(2), told="lazy layers")
    return NETS + ([] if rule.abstract else computing)


@wrong_by.register
def _(rule: v.Tensor):
    axes = [n for n in range(1, 6) if rule.dims and n not in rule.dims]
    empty = [] if rule.empty else bad(V, torch.ones((0,) * (rule.dims or (1,))[0]))
    cases = TENSORS + bad(V, *(torch.ones((1,) * n) for n in axes)) + empty
    return without_meta(cases) if rule.meta else cases


@wrong_by.register
def _(rule: v.Number):
    low = [] if rule.low is None else [rule.low, rule.low - 1]
    least = [] if rule.least is None else [rule.least - 0.1]
    return NUMBERS + bad(V, *low, *least, *([] if rule.most is None else [rule.most + 0.5]))


@wrong_by.register
def _(rule: v.Count):
    low = bad(V, *(rule.least - 1, rule.least - 2)) if math.isfinite(rule.least) else []
    return COUNTS + low + (bad(V, rule.most + 1, 10**20, words="at most") if rule.most is not None else [])


@wrong_by.register
def _(rule: v.Device):
    return without_meta(DEVICES) if rule.meta else DEVICES


@wrong_by.register
def _(rule: v.Choice):
    return bad(V, "other", "", 3, None, [], words=", ".join(map(repr, rule.options)))


@wrong_by.register(v.Kind)
@wrong_by.register(v.Like)
def _(rule):
    kind = getattr(rule, "kind", nn.Module)
    wrong = [value for value in (None, 3, "a", [1], torch.ones(2)) if not isinstance(value, kind)]
    return bad(T, *wrong, kind, words=rule.words)


@wrong_by.register
def _(rule: v.List):
    few = bad(V, *([object()] * n for n in range(rule.least))) if rule.kind is object else bad(V, *[[]][: rule.least])
    return LISTS + few + (bad(T, [None], [3j], words="list of") if rule.kind is not object else [])


@wrong_by.register
def _(rule: v.Dict):
    return DICTS + (bad(T, {"a": None}, {"a": 3j}, words="dict of") if rule.kind is not object else [])


def rower(rows, module=None):
    """Return a function that adds a Row to a list: what is wrong by the function's rules, and what is wrong besides.

    Parameters
    ----------
    module : module
        Where `name` is looked up, unless the row brings a function of its own.
    """

    def row(name, /, *given, **wrong):
        right = next(one for one in given if isinstance(one, dict))
        function = next((one for one in given if one is not right), None) or attrgetter(name)(module)
        name = name if module is None else f"{module.__name__}.{name}"
        rules = getattr(function.__init__ if inspect.isclass(function) else function, "rules", {})
        defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()}
        by_rule = {p: [case for case in wrong_by(rule) if case.value is not defaults[p]] for p, rule in rules.items()}
        rows.append(Row(name, function, right, {p: by_rule.get(p, []) + wrong.get(p, []) for p in by_rule | wrong}))

    return row
