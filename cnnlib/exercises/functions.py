"""Answers that are read, such as numbers and shapes, and answers that are functions, which are called."""

import copy
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlib.exercises.engine import Difference, Stopped, Wrong, call, check, counted, gap, quoted, same


@dataclass
class Value:
    """An answer that is read: a number, a shape, a matrix, a letter, or a function that returns one."""

    read: Callable  # turns an answer into what is compared, or raises Wrong
    same: Callable  # same(found, right): whether two of these agree
    show: Callable = str  # writes one in a message
    vague: Callable | None = None  # vague(found, right): the fact about a wrong one that agrees with no mistake
    given: tuple = ()  # arguments for an answer that is a function and takes some
    remark, compares_cases = "", False

    def subject(self, answer, solve):
        if callable(answer) and not isinstance(answer, type | nn.Module | torch.Tensor):
            answer = call(answer, *self.given[: len(arguments(answer) or ())])
        return self.read(answer)

    def reference(self, reference, solve):
        return self.read((reference or solve)())

    def compare(self, found, right, case, solve):
        if self.same(found, right):
            return gap(found, right) if isinstance(right, torch.Tensor) else 0.0
        vague = self.vague(found, right) if self.vague else ""
        fact = f"You answer {self.show(found)}."
        return Difference(fact, lambda wrong: self.same(found, self.read(wrong)), "", vague)

    def conclude(self, *_):
        return ""


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


UNREADABLE = str, Mapping, set, nn.Module  # have a length, and no number in a place


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
        ask = "What is left without the quotation marks?" if reads_as_number(answer) else "Which number is it?"
        raise Wrong(f"You answer with the text {quoted(str(answer))}, expected a number. {ask}")
    if isinstance(answer, bool | complex) or type(answer).__name__ == "bool_":
        raise Wrong(f"You answer {quoted(answer)}, expected a number. Which number is it?")
    try:
        value = float(answer)
    except OverflowError:
        value = math.inf
    except (TypeError, ValueError):
        raise Wrong(f"You answer {quoted(answer)}, expected a number. Which number is it?") from None
    if not math.isfinite(value):
        raise Wrong(f"You answer {value}, expected a finite number. What did you divide by?")
    return value


def reads_as_number(text):
    try:
        return math.isfinite(float(text.replace(",", ".")))
    except ValueError:
        return False


def shape(mistakes=None, otherwise="What does each layer before it do to this size?"):
    """Check a shape, given as a tuple, list, torch.Size, array or tensor."""

    def read(answer):
        if getattr(answer, "ndim", 1) != 1:
            raise Wrong("You answer with a tensor, expected its shape. Which attribute holds that?")
        if isinstance(answer, str | dict) or not hasattr(answer, "__iter__"):
            raise Wrong(f"You answer {quoted(answer)}, expected a shape, a tuple of numbers. How many axes are there?")
        return tuple(number_from(size) for size in answer)

    def show(sizes):
        return f"({', '.join(f'{size:g}' for size in sizes)})"

    def vague(sizes, right):
        if len(sizes) != len(right):
            return f"{show(sizes)} has {len(sizes)} axes, expected {len(right)}: what does each axis count?"
        axis = next(i for i, size in enumerate(sizes) if size != right[i])
        return f"In {show(sizes)} the {sizes[axis]:g} on axis {axis} is not right."

    return check(Value(read, lambda a, b: a == b, show, vague), mistakes=mistakes, otherwise=otherwise)


def tensor_from(result, case=None):
    """Return what a function returned if it is a tensor, or raise Wrong."""
    if not isinstance(result, torch.Tensor):
        kind = type(result).__name__
        raise Wrong(f"your function returns a `{kind}`, expected a tensor. Which tensor could you fill?")
    return result.detach().cpu().clone()


def tensors_from(result, case=None):
    """Return a list of tensors, or the one tensor, that a function returned, or raise Wrong."""
    if isinstance(result, torch.Tensor):
        return tensor_from(result)
    if not isinstance(result, tuple | list):
        kind = type(result).__name__
        raise Wrong(f"your function returns a `{kind}`, expected a list of tensors. What stands after `return`?")
    for i, part in enumerate(result):
        if isinstance(part, tuple) and len(part) == 1:
            raise Wrong(f"part {i} is a tuple of one tensor. How do you take the tensor out of it?")
        if not isinstance(part, torch.Tensor) and part is not ...:
            raise Wrong(f"part {i} is of type `{type(part).__name__}`, expected a tensor. What did you put there?")
    return [part if part is ... else tensor_from(part) for part in result]


def number_returned(result, case=None, expected="one number"):
    """Return what a function returned as a number, or raise Wrong."""
    try:
        return number_from(result)
    except Wrong as wrong:
        kind = f"`{result!r}`" if isinstance(result, str | bool | float) else f"a `{type(result).__name__}`"
        several = "several" in str(wrong)
        ask = "There are several numbers in it: which is meant?" if several else "What does your `return` give back?"
        raise Wrong(f"your function returns {kind}, expected {expected}. {ask}") from None


@dataclass
class Function:
    """An answer that is a function, called with copies of the arguments of each case.

    `read(result, case)` turns what it returns into what is compared: a tensor, a number, the output of a module that it
    returns, or a list or dict of these, where `...` in what a mistake returns agrees with everything. `case.args` are
    the very arguments of that call. For what cannot be compared it raises Wrong, with a text that goes on where "For …"
    ends. A solution without arguments makes the function that the question asks for.
    """

    read: Callable = tensor_from
    off: str = "your function's numbers are off"  # the fact about a tensor that differs
    part: Callable = "number {}".format  # what to call a part of a list or dict, by its index or key
    things: str = "tensor"  # and what it is
    explain: Callable | None = None  # explain(found, right, case): a question where no mistake agrees, or ""
    refuse: tuple = (type,)  # types that can be called and are no functions here
    nouns: dict = field(default_factory=dict)  # what to call an argument that is a module, if not by its name
    in_place: bool = False  # whether it may change the modules that it is given
    by_hand: tuple = ()  # parts of names of PyTorch's operations that the answer must not lean on
    gradients: bool | Callable = False  # whether gradients are compared; or gradients(weights, result, *args)
    agree: Callable = same  # agree(found, right): whether two results do
    everywhere: bool = False  # whether a mistake must agree with the answer in every case, not only where it is wrong
    remark, compares_cases = "On {count} inputs: {agreement}.", True

    def subject(self, answer, solve):
        if not callable(answer) or isinstance(answer, self.refuse):
            kind, name = type(answer).__name__, solve.__name__
            raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({name})`?")
        return answer if arguments(solve) or arguments(answer) != [] else call(answer)

    def reference(self, reference, solve):
        return reference or asked(solve)

    def compare(self, subject, right, case, solve):
        names, given = arguments(asked(solve)), duplicate(case.args)
        on = case.on or shown(asked(solve).__name__, names, case.args)
        watched = [Snapshot(arg, self.nouns.get(name, f"`{name}`")) for name, arg in zip(names, given, strict=False)]
        try:
            results = [call(subject, *given, on=on) for _ in range(case.calls)]
        except Stopped as stop:
            error = stop.error
            return Difference(stop.fact, lambda wrong: stops_alike(wrong, duplicate(case.args), error), stop.ask)
        for name, before, after in zip(names, case.args, given, strict=False):
            if not isinstance(before, nn.Module) and not same(before, after, 0, 0):
                raise Wrong(f"{on} your function changes `{name}`, its own input. Which line writes into it?")
        try:
            found = self.result(results, replace(case, args=given))
        except Wrong as wrong:
            raise Wrong(f"{on} {wrong}") from wrong
        expected = self.outcome(right, case)
        if self.agree(found, expected):
            for snapshot in sorted(watched, key=lambda snapshot: snapshot.module) if not self.in_place else ():
                snapshot.compare(on)
            return self.gap(found, expected)
        ask = self.explain(found, expected, case) if self.explain else whole_numbers(found, expected)

        def agrees(wrong):
            outcome = self.outcome(wrong, case)
            return self.agree(found, outcome) and not self.agree(expected, outcome)  # which may be no mistake here

        return Difference(f"{on} {self.difference(found, expected)}.", agrees, ask)

    def outcome(self, function, case):
        """Return what is compared of a function that is not the reader's."""
        given = duplicate(case.args)
        return self.result([function(*given) for _ in range(case.calls)], replace(case, args=given))

    def result(self, results, case):
        return self.read(results if case.calls > 1 else results[0], case)

    def alike(self, a, b, case):
        return self.agree(self.outcome(a, case), self.outcome(b, case))

    gap = staticmethod(gap)

    def difference(self, found, right):
        """Say where two results differ."""
        off = self.off
        if isinstance(right, Mapping) and found.keys() != right.keys():
            lacking = ", ".join(f"`{key}`" for key in right if key not in found)
            more = ", ".join(f"`{key}`" for key in found if key not in right)
            return f"your dict lacks {lacking}" if lacking and not more else f"your dict has {more}"
        if isinstance(right, list) and isinstance(found, torch.Tensor):
            return f"your function returns one tensor of shape {tuple(found.shape)}, expected a list of {len(right)}"
        if isinstance(right, list) and len(found) != len(right):
            return f"your function returns {counted(len(found), self.things)}, expected {len(right)}"
        if isinstance(right, Mapping | list):
            keys = right if isinstance(right, Mapping) else range(len(right))
            key = next(key for key in keys if not self.agree(found[key], right[key]))
            found, right, off = found[key], right[key], f"{self.part(key)} is off"
            if isinstance(right, Real):
                return f"{self.part(key)} is {written(found)}, expected {written(right)}"
        elif isinstance(right, Real):
            return f"your function returns {written(found)}, expected {written(right)}"
        elif found.shape != right.shape:
            return f"your function returns {tuple(found.shape)}, expected {tuple(right.shape)}"
        if found.shape != right.shape:
            return f"{off}: it has the shape {tuple(found.shape)}, expected {tuple(right.shape)}"
        if right.numel() > 9:
            return f"{off}, max difference {gap(found, right):.3g}"
        most = f", max difference {gap(found, right):.3g}" if off == self.off else ""
        verb = "returns" if off == self.off else "is"
        return f"{off}{most}: it {verb} {listing(found)}, expected {listing(right)}"

    def conclude(self, subject, right, cases, solve):
        names = used(subject, *duplicate(cases[0].args)) if self.by_hand else []
        for name in names:
            if any(part in name for part in self.by_hand):
                raise Wrong(f"The numbers are right, but PyTorch's `{name}` made them. How do you do it by hand?")
        return self.judge_gradients(subject, right, cases[-1].args, arguments(asked(solve))) if self.gradients else ""

    def judge_gradients(self, subject, right, args, names):
        """Say whether gradients flow through a right answer; raise Wrong if they flow and are wrong."""
        floats = [i for i, arg in enumerate(args) if isinstance(arg, torch.Tensor) and arg.is_floating_point()]

        def gradients(function):
            leaves = duplicate(args)
            tensors = [leaves[i].requires_grad_() for i in floats]
            result = function(*leaves)
            weights = torch.linspace(-1, 1, result.numel()).reshape(result.shape)
            return weights, result, torch.autograd.grad((result * weights).sum(), tensors)

        try:
            weights, result, own = gradients(subject)
        except Exception:
            return "Gradients do not flow through it, which the question did not ask for: what cuts them off?"
        expected = self.gradients(weights, result, *args) if callable(self.gradients) else gradients(right)[2]
        for i, mine, right_one in zip(floats, own, expected, strict=True):
            if not same(mine, right_one):
                off = f"the gradient of {names[i]} is off, max difference {gap(mine, right_one):.3g}"
                raise Wrong(f"The values are right, but {off}. Which step hides something from autograd?")
        return "Its gradients agree with PyTorch's too."


def arguments(function):
    """Return the names of a function's arguments, or None if they cannot be told."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def asked(solve):
    """Return the function to write: the solution or, if that takes no arguments, what it makes."""
    return solve if arguments(solve) else solve()


def stops_alike(function, args, error):
    """Return whether a function stops with the same error as another one did, whatever numbers its text holds."""
    try:
        function(*args)
    except Exception as own:
        return type(own) is type(error) and re.sub(r"\d+", "", str(own)) == re.sub(r"\d+", "", str(error))
    return False


def duplicate(args):
    """Copy arguments: tensors, lists and modules; pass everything else on."""
    if isinstance(args, torch.Tensor):
        return args.detach().clone()
    if isinstance(args, list | tuple):
        return type(args)(map(duplicate, args))
    if not isinstance(args, nn.Module):
        return args
    module = copy.deepcopy(args)
    for p, old in zip(module.parameters(), args.parameters(), strict=True):
        p.grad = old.grad if old.grad is None else old.grad.clone()  # which is not copied
    return module


def used(function, *args):
    """Return the names of PyTorch's operations and functions that a function uses."""
    with Called() as called, Dispatched() as dispatched:
        function(*args)
    return dispatched.names + [name for name, _, _ in called.calls]


class Dispatched(TorchDispatchMode):
    """Note which of PyTorch's operations run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.append(operation.overloadpacket.__name__)
        return operation(*args, **(kwargs or {}))


class Called(TorchFunctionMode):
    """Note which of PyTorch's functions are called, and with which arguments."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.calls.append((getattr(function, "__name__", ""), args, kwargs or {}))
        return function(*args, **(kwargs or {}))


def whole_numbers(found, right):
    """Return a question for a tensor of whole numbers where fractions are expected, or ''."""
    tensors = isinstance(found, torch.Tensor) and isinstance(right, torch.Tensor) and found.shape == right.shape
    if not tensors or found.is_floating_point() or not right.is_floating_point():
        return ""
    return f"It holds whole numbers ({found.dtype}): which dtype should the result have?"


def shown(function, names, args):
    """Say how a function is called: "For `f([1, 2])`" or "For X = [1, 2] and K of shape (9, 9)"."""
    call_ = f"`{function}({', '.join(map(repr, args))})`"
    if not any(isinstance(arg, torch.Tensor | nn.Module) for arg in args) and len(call_) <= 100:
        return f"For {call_}"
    *first, last = [f"{name} {sketch(arg)}" for name, arg in zip(names, args, strict=False)]
    return f"For {', '.join(first)} and {last}" if first else f"For {last}"


def sketch(value):
    """Describe an argument: a small tensor of whole numbers by its entries, any other by its shape."""
    if isinstance(value, list | tuple) and len(repr(value)) > 80:
        return f"of length {len(value)}"
    if not isinstance(value, torch.Tensor):
        return f"= {value}"
    readable = value.numel() <= 16 and torch.equal(value, value.round())
    return f"= {listing(value)}" if readable else f"of shape {tuple(value.shape)}"


def listing(tensor):
    """Write the entries of a small tensor, rounded, as nested lists."""
    entries = [f"{entry:.4g}" for entry in tensor.double().flatten().tolist()]
    for size in reversed(tensor.shape):
        entries = [f"[{', '.join(entries[i : i + size])}]" for i in range(0, len(entries), size)]
    return entries[0]


def written(value):
    return f"{value:,.10g}" if float(value).is_integer() else f"{value:.4g}"


class Snapshot:
    """What a function must leave as it was in an argument: of a module its weights, every `.grad`, modes and hooks."""

    HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")

    def __init__(self, given, noun):
        self.given, self.noun, self.module = given, noun, isinstance(given, nn.Module)
        if self.module:
            self.before, self.text, self.hooks = copy.deepcopy(given), repr(given), self.hooks_now()
            self.grads = {name: p.grad if p.grad is None else p.grad.clone() for name, p in given.named_parameters()}

    def hooks_now(self):
        modules = self.given.named_modules()
        return {(name, kind): set(getattr(module, kind)) for name, module in modules for kind in self.HOOKS}

    def compare(self, on):
        """Raise Wrong if anything has changed."""
        given = self.given
        if isinstance(given, torch.Tensor) and (given.requires_grad or given.grad is not None):
            ask = "What does `.detach()` return, on which you could set it?"
            raise Wrong(f"{on} the numbers are right, but the caller's {self.noun} requires a gradient now. {ask}")
        if self.module and (change := self.hooks_changed() or self.weights_changed() or self.state_changed()):
            raise Wrong(f"{on} your function changes the given {self.noun}: {change}")

    def hooks_changed(self):
        for (name, kind), now in self.hooks_now().items():
            where = f"module `{name}`" if name else "the module itself"
            what, before = kind.strip("_").removesuffix("s").replace("_", " "), self.hooks.get((name, kind), now)
            if now - before:
                ask = "Which method of the handle that `register_…_hook` returns takes it away?"
                return f"a {what} is left behind on {where}. {ask}"
            if before - now:
                ask = "Which method of a handle takes away that one hook only?"
                return f"a {what} that was there before is gone from {where}. {ask}"
        return ""

    def weights_changed(self):
        own, ask = dict(self.given.named_parameters()), "Which function returns gradients and stores none?"
        for name, before in self.before.named_parameters():
            p, grad = own.get(name), self.grads[name]
            if p is None or not same(p, before, 0, 0):
                return f"`{name}`, a weight of it, is another one now. Which line does that?"
            if p.requires_grad != before.requires_grad:
                return f"`{name}` is left with requires_grad={p.requires_grad}. Could the caller still train it?"
            if grad is None and p.grad is not None:
                return f"the `.grad` of `{name}` was None and holds a tensor now. {ask}"
            if grad is not None and (p.grad is None or not torch.equal(p.grad, grad)):
                fate = "gone" if p.grad is None else "another one now"
                return f"the `.grad` of `{name}`, which was there before, is {fate}. {ask}"
        return ""

    def state_changed(self):
        pairs = list(zip(self.given.modules(), self.before.modules(), strict=False))
        if any(now.training != before.training for now, before in pairs):
            return "its mode has changed. Which line switches it?"
        for now, before in pairs:  # in training mode every forward pass moves running statistics
            if not before.training and not same(dict(now.named_buffers()), dict(before.named_buffers()), 0, 0):
                return "its running statistics are other ones now. Which line writes into them?"
        return "" if repr(self.given) == self.text else "its layers are other ones now. Which line exchanges them?"
