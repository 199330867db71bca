"""Answers that are functions: they are called on cases, and what they return is read and compared."""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from cnnlib.exercises.engine import (
    AnswerRun,
    Difference,
    Stopped,
    Wrong,
    call,
    counted,
    expect,
    gap,
    parameter_names,
    same,
)
from cnnlib.exercises.untouched import what_changed, what_is_kept


def tensor_from(result, case=None):
    """Return what a function returned if it is a tensor, or raise Wrong."""
    expect(result, torch.Tensor, "a tensor", "Which tensor could you fill?")
    if result.dtype in (torch.float16, torch.bfloat16):
        raise Wrong(f"your function returns numbers of the dtype {result.dtype}, too few digits to be compared. Where "
                    "do you leave the dtype of what you get?")  # fmt: skip
    return result.detach().cpu().clone()


def tensors_from(result, case=None):
    """Return a list of tensors, or the one tensor, that a function returned, or raise Wrong."""
    if isinstance(result, torch.Tensor):
        return tensor_from(result)
    expect(result, tuple | list, "a list of tensors", "What stands after `return`?")
    for i, part in enumerate(result):
        if isinstance(part, tuple) and len(part) == 1:
            raise Wrong(f"part {i} is a tuple of one tensor. How do you take the tensor out of it?")
        if not isinstance(part, torch.Tensor) and part is not ...:
            raise Wrong(f"part {i} is of type `{type(part).__name__}`, expected a tensor. What did you put there?")
    return [part if part is ... else tensor_from(part) for part in result]


@dataclass
class Function(AnswerRun):
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
    tell: Callable | None = None  # tell(found, right, case): the fact about a difference, or "" for what is usually
    # said, and a question, or ""
    refuse: tuple = (type,)  # types that can be called and are no functions here
    nouns: dict = field(default_factory=dict)  # what to call an argument that is a module, if not by its name
    in_place: bool = False  # whether it may change the modules that it is given
    by_hand: Callable | tuple = ()  # parts of names of PyTorch's functions that the answer must not lean on, or
    # by_hand(name, args, kwargs): the fact about a call that it must not make, and a question, or ""
    gradients: bool | Callable = False  # whether gradients are compared; or gradients(weights, result, *args)
    agree: Callable = same  # agree(found, right): whether two results do
    gap: Callable = gap  # and by how much two that do differ
    everywhere: bool = False  # whether a mistake must agree with the answer in every case, not only where it is wrong
    remark, compares_cases = "On {count} inputs: {agreement}.", True

    def subject(self, answer, solve):
        answer = super().subject(answer, solve)
        return answer if parameter_names(solve) or parameter_names(answer) != [] else call(answer)

    def reference(self, reference, solve):
        return reference or asked(solve)

    def compare(self, subject, right, case, solve):
        names, given = parameter_names(asked(solve)), duplicate(case.args)
        on = case.on or call_shown(asked(solve).__name__, names, case.args)
        before = [what_is_kept(arg) for arg in given]
        try:
            results = [call(subject, *given, on=on) for _ in range(case.calls)]
        except Stopped as stop:
            error = stop.error
            return Difference(stop.fact, lambda wrong: stops_alike(wrong, duplicate(case.args), error), stop.ask)
        for name, old, new in zip(names, case.args, given, strict=False):
            if not isinstance(old, nn.Module) and not same(old, new, 0, 0):
                raise Wrong(f"{on} your function changes `{name}`, its own input. Which line writes into it?")
        try:
            found = self.result(results, replace(case, args=given))
        except Wrong as wrong:
            raise Wrong(f"{on} {wrong}") from wrong
        expected = self.outcome(right, case)
        if self.agree(found, expected):
            for name, arg, kept in () if self.in_place else zip(names, given, before, strict=False):
                if change := what_changed(kept, arg, self.nouns.get(name, f"`{name}`")):
                    raise Wrong(f"{on} {change}")
            return self.gap(found, expected)
        told, ask = self.tell(found, expected, case) if self.tell else ("", whole_numbers(found, expected))

        def agrees(wrong):
            outcome = self.outcome(wrong, case)
            return self.agree(found, outcome) and not self.agree(expected, outcome)  # which may be no mistake here

        return Difference(f"{on} {told or self.difference(found, expected)}.", agrees, ask)

    def outcome(self, function, case):
        """Return what is compared of a function that is not the reader's."""
        given = duplicate(case.args)
        return self.result([function(*given) for _ in range(case.calls)], replace(case, args=given))

    def result(self, results, case):
        return self.read(results if case.calls > 1 else results[0], case)

    def alike(self, a, b, case):
        return self.agree(self.outcome(a, case), self.outcome(b, case))

    def difference(self, found, right):
        """Say where two results differ."""
        if isinstance(right, Mapping) and found.keys() != right.keys():
            lacking = ", ".join(f"`{key}`" for key in right if key not in found)
            more = ", ".join(f"`{key}`" for key in found if key not in right)
            return f"your dict lacks {lacking}" if lacking and not more else f"your dict has {more}"
        if isinstance(right, list) and isinstance(found, torch.Tensor):
            return f"your function returns one tensor of shape {tuple(found.shape)}, expected a list of {len(right)}"
        if isinstance(right, list) and len(found) != len(right):
            return f"your function returns {counted(len(found), self.things)}, expected {len(right)}"
        subject, off, verb = "your function returns", self.off, "it returns"
        if isinstance(right, Mapping | list):
            keys = right if isinstance(right, Mapping) else range(len(right))
            key = next(key for key in keys if not self.agree(found[key], right[key]))
            found, right, subject = found[key], right[key], f"{self.part(key)} is"
            off, verb = f"{subject} off", "it is"
        if isinstance(right, Real):
            return f"{subject} {written(found)}, expected {written(right)}"
        if found.shape != right.shape:
            shapes = f"{tuple(found.shape)}, expected {tuple(right.shape)}"
            return f"{subject} {shapes}" if off == Function.off else f"{off}: it has the shape {shapes}"
        most = f"{off}, max difference {gap(found, right):.3g}"
        return f"{most}: {verb} {listing(found)}, expected {listing(right)}" if right.numel() <= 9 else most

    def conclude(self, subject, right, cases, solve):
        for name, args, kwargs in calls_in(subject, *duplicate(cases[0].args)) if self.by_hand else ():
            if callable(self.by_hand):
                said = self.by_hand(name, args, kwargs)
            else:
                made = any(part in name for part in self.by_hand)
                said = made and f"PyTorch's `{name}` made them. How do you do it by hand?"
            if said:
                raise Wrong(f"The numbers are right, but {said}")
        if not self.gradients:
            return ""
        return self.judge_gradients(subject, right, cases[-1].args, parameter_names(asked(solve)))

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


def calls_in(function, *args):
    """Return which of PyTorch's functions a function calls: name, arguments and keyword arguments of each call."""
    calls = []

    class Noted(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            calls.append((getattr(function, "__name__", ""), args, kwargs or {}))
            return function(*args, **(kwargs or {}))

    with Noted():
        function(*args)
    return calls


def asked(solve):
    """Return the function to write: the solution or, if that takes no arguments, what it makes."""
    return solve if parameter_names(solve) else solve()


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


def whole_numbers(found, right):
    """Return a question for a tensor of whole numbers where fractions are expected, or ''."""
    tensors = isinstance(found, torch.Tensor) and isinstance(right, torch.Tensor) and found.shape == right.shape
    if not tensors or found.is_floating_point() or not right.is_floating_point():
        return ""
    return f"It holds whole numbers ({found.dtype}): which dtype should the result have?"


def call_shown(function, names, args):
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
