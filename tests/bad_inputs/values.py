"""The wrong values that follow from a rule."""

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from torch import nn

from cnnlib import validation as v
from cnnlib.models import lenet
from cnnlib.models.limits import Arch
from cnnlib.probes.checks import Names
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


def bad(error, *values, words="", told=""):
    return [Bad(value, error, words, told) for value in values]


def without_none(cases):
    """Return the wrong values where None is a right one."""
    return [case for case in cases if case.value is not None]


def without_meta(cases):
    """Return the wrong values where the device 'meta' is right: what only moves or counts may lie there."""
    return [case for case in cases if not (str(case.value) == "meta" or getattr(case.value, "is_meta", False))]


COUNTS = bad(T, 2.5, "3", None, True, [1], NAN, 1j, np.array([1, 2]), torch.ones(2), words="whole number")
POSITIVE = COUNTS + bad(V, 0, -1)
PLACES = COUNTS + bad(V, -1)  # counted from 0
SIZES = bad(T, 2.5, "28", True, words="whole number") + bad(V, 0, -1, HUGE)
NUMBERS = bad(T, "0.1", None, True, [0.1], 1j, torch.ones(2), words="number") + bad(V, NAN, INF, -INF, words="finite")
RATES = NUMBERS + bad(V, 0, -1, words="greater than 0")
SWITCHES = bad(T, "no", 1, None, [], words="True or False")
TEXTS = bad(T, 3, None, ["a"], b"a", True, words="a text")
CALLED = bad(T, 3, "relu", [len], words="callable")
NETS = bad(T, None, "lenet", lenet, nn.ReLU, [nn.Flatten()], 3, torch.ones(2), {}, words="nn.Module")
TENSORS = bad(T, None, "X", 3.0, [[1.0]], np.ones((2, 2)), words="tensor")
TENSORS += bad(V, torch.ones(2, 1, 28, 28, device="meta"), words="tensor")
DEVICES = bad(T, 3, 0.5, ["cpu"], words="device")
DEVICES += bad(V, "gpu", "cuda:99", "", "meta", torch.device("meta"), words="device")
SHAPES = bad(T, None, 28, "28", {1: 28}, (), (1, 28.0, 28), (1, "28", 28), words="input_shape")
SHAPES += bad(V, (0, 28, 28), (1, -28, 28), (1, 10**6, 10**6), (HUGE,), words="input_shape")
ITERABLES = bad(T, None, 3, "abc", {}, words="iterable")
CHOICES = bad(V, "other", 3, None, [])

# What is wrong whatever the rule's own numbers are

WRONG = {
    v.Rate: RATES,
    v.Example: SHAPES,
    v.Callable: CALLED,
    v.Factory: CALLED + bad(T, None, nn.ReLU(), words="callable"),
    v.Text: TEXTS,
    v.Bool: SWITCHES,
    v.Iterable: ITERABLES,
    v.Pair: bad(T, 3, None, "ab", (0, "1")) + bad(V, (1,), (1, 2, 3), (2, 1), (0, NAN), (0, INF)),
    Name: TEXTS + bad(V, "", "two words", "lr"),
    Names: bad(T, None, 3, "0", words="iterable"),
    Band: bad(T, 3, "abc", (1, 2), (0, "1", "a"), (0, 1, 3)) + bad(V, (1, 0, "a"), (0, NAN, "a")),
    Arch: bad(T, None, 3, "11", [3], [(1, 2, 3)], [(1, "64")], [(1.0, 64)]) + bad(V, [], [(0, 64)], [(1, HUGE)]),
}


@singledispatch
def wrong_by(rule):
    """Return the wrong values for an argument with this rule."""
    return WRONG[type(rule)]


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
    if type(rule) is not v.Number:
        return WRONG[type(rule)]
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
    others = bad(T, [None], [3j], words="list of") if rule.kind is not object else []
    return bad(T, None, 3, "abc", {}, words="list") + few + others


@wrong_by.register
def _(rule: v.Dict):
    others = bad(T, {"a": None}, {"a": 3j}, words="dict of") if rule.kind is not object else []
    return bad(T, None, 3, "abc", [1], words="dict") + bad(V, {}) + bad(T, {3: 4}) + others
