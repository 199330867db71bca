"""What a row of the table is, and the wrong values that many parameters share."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from cnnlib.models import lenet

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


def rower(rows):
    """Return a function that adds a Row to a list."""
    return lambda name, function, right, /, **wrong: rows.append(Row(name, function, right, wrong))
