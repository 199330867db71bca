"""What arguments must be: rules that stand as data beside a function, checked before any work starts.

    @arguments(net=Network(), num=Count(most=4096))
    def probe(net, num=9): ...

A rule is called as `rule(value, name)`: it returns the value, or raises an error that says what was expected, what
came, and what to try. The decorator writes its rules into the docstring, and tests take wrong values from them.
"""

import functools
import inspect
import math
import re
import textwrap
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import torch
from torch import nn

LARGEST = 2**28  # numbers that one example may have: a gibibyte


def in_words(value):
    """Say in a few words what a value is: its text and its type, and of a tensor its shape, dtype and device."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {str(value.dtype)[6:]}, on {value.device}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {value.dtype}, of type ndarray"
    if isinstance(value, nn.Module):
        return f"a module of type {type(value).__name__}"
    try:
        text = repr(value)
    except Exception:  # the value is somebody else's
        text = "something"
    text = text if len(text) <= 80 else f"{text[:79]}…"
    return f"{text} of type {type(value).__name__}"


@dataclass(frozen=True)
class Rule:
    """What an argument must be. A subclass returns the value from `rule(value, name)`, or raises a TypeError where it
    is of another kind and a ValueError where it is out of bounds; `words` are for the documentation.
    """

    words = ""


@dataclass(frozen=True)
class Network(Rule):
    """An nn.Module whose weights exist; an `abstract` one may have lazy layers or lie on the device 'meta'."""

    abstract: bool = False
    words = "an nn.Module"

    def __call__(self, net, name="net"):
        if not isinstance(net, nn.Module):
            raise TypeError(f"{name} must be an nn.Module, got {_kind(net)}. Build it first: lenet(), say.")
        for weight in () if self.abstract else net.parameters():
            if nn.parameter.is_lazy(weight):
                raise ValueError(f"{name} has lazy layers, which have no weights yet. Send a batch through it first.")
            if weight.is_meta:
                raise ValueError(f"{name} lies on the device 'meta', which has no numbers. Build it on the CPU.")
        return net


@dataclass(frozen=True)
class Tensor(Rule):
    """A tensor that holds numbers, with as many axes as `dims` allows (any, if it is empty).

    `shape` says what the axes are: "(N, C, H, W)". An `empty` one may hold no number at all, a `meta` one may lie on
    the device 'meta', where there are shapes and no numbers.
    """

    dims: tuple = ()
    shape: str = ""
    empty: bool = False
    meta: bool = False

    def __call__(self, value, name):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be {self.words}, got {in_words(value)}. Try torch.as_tensor.")
        wrong = self.dims and value.dim() not in self.dims
        if wrong or (value.is_meta and not self.meta) or not (self.empty or value.numel()):
            raise ValueError(f"{name} must be a tensor with numbers in it{_of(self.shape)}, got {in_words(value)}.")
        return value

    @property
    def words(self):
        return f"a tensor{_of(self.shape)}"


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
            raise TypeError(f"{name} must be a number, got {in_words(value)}. {self.hint}".rstrip())
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = math.copysign(math.inf, value)
        low, least, most = self.low, self.least, self.most
        inside = (
            (low is None or number > low) and (least is None or number >= least) and (most is None or number <= most)
        )
        if not math.isfinite(number) or not inside:
            bounds = " and ".join(["finite", *self._bounds()])
            raise ValueError(f"{name} must be {bounds}, got {number!r}. {self.hint}".rstrip())
        return value if type(value) is int else number

    def _bounds(self):
        bounds = {"greater than": self.low, "at least": self.least, "at most": self.most}
        return [f"{words} {bound}" for words, bound in bounds.items() if bound is not None]

    @property
    def words(self):
        bounds = " and ".join(self._bounds())
        return f"a finite number{' of' * bounds.startswith('at')}{f' {bounds}' if bounds else ''}"


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
            raise TypeError(f"{name} must be a whole number, got {in_words(value)}. {self.hint}".rstrip())
        if value < self.least:
            raise ValueError(f"{name} must be at least {self.least}, got {value}. {self.hint}".rstrip())
        if self.most is not None and value > self.most:
            raise ValueError(f"{name} must be at most {self.most:,}, got {in_words(value)}. {self.hint}".rstrip())
        return int(value)

    @property
    def words(self):
        bounds = {"at least": self.least, "at most": self.most}
        said = [f"{words} {bound:,}" for words, bound in bounds.items() if bound is not None and math.isfinite(bound)]
        return " of ".join(["a whole number", " and ".join(said)][: 1 + bool(said)])


@dataclass(frozen=True)
class Example(Rule):
    """The shape of one example, without the batch; what is returned is a tuple of int."""

    words = "a tuple of whole numbers, of at most 2^28 numbers in all"

    def __call__(self, shape, name="input_shape"):
        hint = "Try (1, 28, 28)."
        if not isinstance(shape, tuple | list) or not shape:
            raise TypeError(f"{name} must be a tuple of whole numbers, got {in_words(shape)}. {hint}")
        sides = tuple(Count(hint=hint)(side, f"each side of {name}") for side in shape)
        if math.prod(sides) > LARGEST:
            raise ValueError(f"{name} must be at most {LARGEST:,} numbers in all, got {in_words(shape)}. {hint}")
        return sides


@dataclass(frozen=True)
class Device(Rule):
    """A device that this machine can compute on, or its name; with `meta`, 'meta' as well. Returns a torch.device."""

    meta: bool = False
    words = "a device that this machine can compute on"

    def __call__(self, device, name="device"):
        if not isinstance(device, torch.device | str):
            raise TypeError(
                f"a device must be a torch.device or a text, got {in_words(device)}. Try 'cpu', or try_gpu()."
            )
        try:
            found = torch.device(device)
            if self.meta or found.type != "meta":
                torch.empty(0, device=found)
                return found
        except (RuntimeError, AssertionError, NotImplementedError):
            pass
        raise ValueError(
            f"a device must be one that this machine can compute on, got {device!r}. Try 'cpu', or try_gpu()."
        )


@dataclass(frozen=True)
class Callable(Rule):
    """Something that can be called."""

    hint: str = ""
    words = "callable"

    def __call__(self, value, name):
        if not callable(value):
            raise TypeError(f"{name} must be callable, got {in_words(value)}. {self.hint}".rstrip())
        return value


@dataclass(frozen=True)
class Factory(Rule):
    """What builds modules: nn.ReLU, and not nn.ReLU(), which is built already."""

    words = "a class or function that builds a module"

    def __call__(self, value, name):
        if isinstance(value, nn.Module):
            raise TypeError(
                f"{name} must be callable and build a module, got {in_words(value)}, which is one. Give the class."
            )
        return Callable("Give a class such as nn.ReLU.")(value, name)


@dataclass(frozen=True)
class Choice(Rule):
    """One of some texts."""

    options: tuple

    def __call__(self, value, name):
        if not isinstance(value, str) or value not in self.options:
            raise ValueError(f"{name} must be {self.words}, got {in_words(value)}.")
        return value

    @property
    def words(self):
        return f"one of {', '.join(map(repr, self.options))}"


@dataclass(frozen=True)
class Kind(Rule):
    """An instance of a class."""

    kind: type
    hint: str = ""

    def __call__(self, value, name):
        if not isinstance(value, self.kind):
            raise TypeError(f"{name} must be {self.words}, got {in_words(value)}. {self.hint}".rstrip())
        return value

    @property
    def words(self):
        noun = _nouns(self.kind)
        return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


@dataclass(frozen=True)
class Like(Rule):
    """Something with some attributes, whatever its class."""

    attributes: tuple
    words: str
    hint: str = ""

    def __call__(self, value, name):
        if isinstance(value, type) or not all(hasattr(value, attribute) for attribute in self.attributes):
            raise TypeError(f"{name} must be {self.words}, got {in_words(value)}. {self.hint}".rstrip())
        return value


@dataclass(frozen=True)
class Text(Rule):
    """A text."""

    words = "a text"

    def __call__(self, value, name):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a text, got {in_words(value)}.")
        return value


@dataclass(frozen=True)
class Bool(Rule):
    """True or False: the text "no" counts as true, and is neither."""

    words = "True or False"

    def __call__(self, value, name):
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} must be True or False, got {in_words(value)}.")
        return bool(value)


@dataclass(frozen=True)
class Iterable(Rule):
    """Something to iterate over that is no text and no dict."""

    words = "an iterable"

    def __call__(self, value, name):
        if isinstance(value, str | bytes | dict) or not (hasattr(value, "__iter__") or hasattr(value, "__getitem__")):
            raise TypeError(f"{name} must be an iterable, got {in_words(value)}.")
        return value


@dataclass(frozen=True)
class List(Rule):
    """A sequence of at least `least` things of one kind, and no text; what is returned is a list."""

    kind: type = object
    least: int = 1

    def __call__(self, value, name):
        if isinstance(value, str | bytes | dict) or not (hasattr(value, "__len__") and hasattr(value, "__iter__")):
            raise TypeError(f"{name} must be a list, got {in_words(value)}.")
        things = list(value) if getattr(value, "ndim", 1) else []
        for thing in things:
            if not isinstance(thing, self.kind):
                raise TypeError(f"{name} must be a list of {_nouns(self.kind)}, got {in_words(thing)} among them.")
        if len(things) < self.least:
            raise ValueError(f"{name} must be a list of at least {self.least}, got {in_words(value)}.")
        return things

    @property
    def words(self):
        return "a list" if self.kind is object else f"a list of {_nouns(self.kind)}"


@dataclass(frozen=True)
class Dict(Rule):
    """A dict from names to things of one kind, with at least one entry."""

    kind: type = object

    def __call__(self, value, name):
        if not isinstance(value, dict):
            raise TypeError(f"{name} must be a dict with a name for each, got {in_words(value)}.")
        if not value:
            raise ValueError(f"{name} must be a dict with at least one entry, got {value!r}.")
        for key, thing in value.items():
            Text()(key, f"each name in {name}")
            if not isinstance(thing, self.kind):
                raise TypeError(f"{name} must be a dict of {_nouns(self.kind)}, got {in_words(thing)} under {key!r}.")
        return value

    @property
    def words(self):
        return "a dict with names" if self.kind is object else f"a dict from names to {_nouns(self.kind)}"


@dataclass(frozen=True)
class Pair(Rule):
    """(low, high): two finite numbers, the smaller one first; what is returned are plain numbers."""

    hint: str = "Try (0, 1)."
    words = "a pair of numbers, the smaller one first"

    def __call__(self, value, name):
        if isinstance(value, str | dict) or not hasattr(value, "__len__") or not getattr(value, "ndim", 1):
            raise TypeError(f"{name} must be a pair of numbers, got {in_words(value)}. {self.hint}")
        if len(value) != 2:
            raise ValueError(f"{name} must be a pair of numbers, got {in_words(value)}. {self.hint}")
        low, high = (Number(hint=self.hint)(end, f"each end of {name}") for end in value)
        if low > high:
            raise ValueError(f"{name} must be {self.words}, got {in_words(value)}. {self.hint}")
        return low, high


def arguments(together=None, **rules):
    """Return a decorator that checks arguments by rules before a function runs; defaults are not validated.

    Parameters
    ----------
    together : callable, optional
        Called as `together(**arguments)` after the rules, of what has to fit one another.
    **rules : Rule
        By the names of the parameters. Each is called as `rule(value, name)`; what it returns is passed on.

    Notes
    -----
    On a class it is `__init__` that is checked. A chapter shows the source of some functions without their rules: those
    are decorated behind their definition, `lenet = arguments(activation=Factory())(lenet)`.
    """

    def decorate(function):
        if isinstance(function, type):
            function.__init__ = decorate(function.__init__)
            function.__doc__ = _with_raises(function.__doc__, rules)
            return function
        signature = inspect.signature(function)
        if unknown := rules.keys() - signature.parameters.keys():
            raise TypeError(f"{function.__qualname__} has no parameter {', '.join(sorted(unknown))}.")
        asked = [
            (i if p.kind is p.POSITIONAL_OR_KEYWORD else math.inf, p.name, rules[p.name], p.default)
            for i, p in enumerate(signature.parameters.values())
            if p.name in rules
        ]

        @functools.wraps(function)
        def ask(*args, **kwargs):
            args = list(args)
            for i, name, rule, default in asked:
                if i < len(args):
                    if args[i] is not default:
                        args[i] = rule(args[i], name)
                elif name in kwargs and kwargs[name] is not default:
                    kwargs[name] = rule(kwargs[name], name)
            if together is not None:
                together(**signature.bind(*args, **kwargs).arguments)
            return function(*args, **kwargs)

        ask.rules = rules
        ask.__doc__ = _with_raises(function.__doc__, rules)
        return ask

    return decorate


def _with_raises(doc, rules):
    """Return a docstring whose section Raises says what the rules say, before what stands there already."""
    if not doc:
        return doc
    doc = inspect.cleandoc(doc)
    names = {}
    for name, rule in rules.items():
        names.setdefault(rule.words, []).append(f"`{name}`")
    said = "; ".join(
        f"{each[0]} is {words}" if len(each) == 1 else f"{', '.join(each[:-1])} and {each[-1]} are each {words}"
        for words, each in names.items()
    )
    entry = f"TypeError, ValueError\n{textwrap.indent(textwrap.fill(f'Unless {said}.', 100), '    ')}\n"
    heading = "Raises\n------\n"
    if heading in doc:
        return doc.replace(heading, heading + entry, 1)
    later = re.search(r"^(Warns|See Also|Notes|References|Examples)\n-+\n", doc, re.MULTILINE)
    if later is None:
        return f"{doc}\n\n{heading}{entry}"
    return f"{doc[: later.start()]}{heading}{entry}\n{doc[later.start() :]}"


# Batches


ONE_LOGIT = (
    " One output for two classes needs a loss of its own: loss=lambda scores, y: "
    "F.binary_cross_entropy_with_logits(scores.flatten(), y.float())."
)


def check_labels(y, num_classes):
    """Raise unless the labels `y` are whole numbers in 0 … `num_classes` - 1.

    Cross-entropy would skip a label of -100 in silence and, on a GPU, end the whole process on one that is too
    large; so the question is asked first.
    """
    if y.dtype not in (torch.int64, torch.uint8) and y.dim() != 2:
        numbers = y.is_floating_point() and bool((y != y.round()).any())
        hint = "For numbers as targets give a `loss` and a `correct` of your own." if numbers else "Try y.long()."
        raise TypeError(f"labels must be whole numbers (class indices, int64), got a tensor of {y.dtype}. {hint}")
    if y.dim() != 1:
        raise ValueError(
            f"labels must be one number an example, of shape (N,), got {tuple(y.shape)}. Try y.flatten() for a column, "
            "y.argmax(1) for one-hot rows."
        )
    if not y.numel():  # all are ignored
        return
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"labels must lie in 0 … {num_classes - 1}, because the network has {num_classes} outputs, got the "
            f"label {wrong}. Give the last layer as many outputs as there are classes, or mend the labels."
            f"{ONE_LOGIT if num_classes == 1 else ''}"
        )


EXAMPLES = "A data set gives one example at a time: DataLoader(data, batch_size=64) makes batches of tensors."


def check_batch(batch):
    """Return the `X` and `y` of a batch; raise unless they are tensors of as many examples, at least one."""
    pair = isinstance(batch, list | tuple) and len(batch) == 2
    if not pair or not all(isinstance(part, torch.Tensor) for part in batch):
        parts = batch if isinstance(batch, list | tuple) and len(batch) < 5 else [batch]
        got = ", ".join(type(part).__name__ for part in parts)
        hint = "Turn images and labels into tensors first."
        if pair and isinstance(batch[1], int):
            hint = EXAMPLES
        elif isinstance(batch, torch.Tensor):
            hint = "Are these all images and all labels? DataLoader(TensorDataset(X, y), batch_size=64) makes batches."
        elif isinstance(batch, list | tuple) and len(batch) > 2 and isinstance(batch[0], torch.Tensor):
            hint = "Give pairs: [(X, y) for X, y, *_ in data]."
        elif isinstance(batch, dict):
            hint = f"Its keys are {', '.join(map(repr, batch))}: give pairs, [(batch[…], batch[…]) for batch in data]."
        raise TypeError(f"a batch must be a pair of tensors (X, y), got ({got}). {hint}")
    X, y = batch
    if X.dim() == 0 or y.dim() == 0 or len(X) != len(y) or len(X) == 0:
        single = X.dim() and len(X) and (y.dim() == 0 or len(y) == 1)
        hint = " Is it one example without a batch axis? Give it one: X[None], y.reshape(1)." if single else ""
        hint += f" {EXAMPLES}" if single and y.dim() == 0 else ""
        raise ValueError(
            f"a batch needs as many labels as images, and at least one, got X of shape {tuple(X.shape)} and y of "
            f"shape {tuple(y.shape)}.{hint}"
        )
    return X, y


def _kind(value):
    """Say what came in place of a network: the type alone of a value, a class or a function by its name."""
    named = isinstance(value, type) or callable(value)
    return f"{type(value).__name__} {getattr(value, '__name__', '')}".rstrip() if named else type(value).__name__


def _of(shape):
    return f" of shape {shape}" if shape else ""


def _nouns(kind):
    return " or ".join(one.__name__ for one in getattr(kind, "__args__", kind if isinstance(kind, tuple) else (kind,)))
