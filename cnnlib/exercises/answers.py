"""Checkers for three kinds of answer: a number, a shape, a function that computes.

Each maker returns `check(answer, solve)` for an Exercise. Functions are judged by what they compute on
random inputs, never by how they are written. `mistakes` pair what a usual mistake leads to with the
question that helps; a wrong answer that matches one gets that question.
"""

import dis
import inspect
import math
import traceback

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlib.exercises.core import Unanswered, Wrong, describe, is_blank


def number(mistakes=None, otherwise="Which step of the calculation would you like to go through again?"):
    """Check one number, of any numeric type; `mistakes` maps wrong numbers to messages."""

    def check(answer, solve):
        value, expected = as_number(answer), solve()
        if abs(value - expected) < 1e-6:
            return
        for wrong, message in (mistakes or {}).items():
            if abs(value - wrong) < 1e-6:
                raise Wrong(f"You answer {value:,.12g}. {message}")
        raise Wrong(f"{value:,.12g} is too {'small' if value < expected else 'large'}. {otherwise}")

    return check


def as_number(answer):
    """Return an answer as a float, or raise Wrong if it is not one number."""
    if isinstance(answer, bool | str | complex):
        raise Wrong(f"You answer `{answer!r}`, expected a number. Which number is it?")
    if getattr(answer, "ndim", 0) > 0 and len(answer) == 1:
        return as_number(answer[0])
    if isinstance(answer, tuple | list) or getattr(answer, "ndim", 0) > 0:
        raise Wrong("You answer with several numbers, expected one. Which of them does the question ask for?")
    try:
        value = float(answer)
    except (TypeError, ValueError):
        kind = type(answer).__name__
        raise Wrong(f"You answer with a `{kind}` object, expected a number. Which number is it?") from None
    if value != value or abs(value) == float("inf"):
        raise Wrong(f"You answer {value}, expected a finite number. What did you divide by?")
    return value


def shape(mistakes=None, otherwise="What does each layer before it do to this size?"):
    """Check a shape, given as tuple, list, torch.Size or tensor; `mistakes` maps wrong shapes to messages."""

    def check(answer, solve):
        if isinstance(answer, torch.Tensor) and answer.dim() != 1:
            raise Wrong("You answer with a tensor, expected its shape. Which attribute holds that?")
        if isinstance(answer, str) or not hasattr(answer, "__iter__"):
            raise Wrong(f"You answer `{answer!r}`, expected a shape, a tuple of numbers. How many axes are there?")
        sizes, expected = tuple(as_number(size) for size in answer), tuple(solve())
        if sizes == expected:
            return
        shown = f"({', '.join(f'{size:g}' for size in sizes)})"
        if sizes in (mistakes or {}):
            raise Wrong(f"You answer {shown}. {mistakes[sizes]}")
        if len(sizes) != len(expected):
            raise Wrong(f"{shown} has {len(sizes)} axes, expected {len(expected)}. What does each axis count?")
        axis = next(i for i, (size, right) in enumerate(zip(sizes, expected, strict=True)) if size != right)
        raise Wrong(f"In {shown} the {sizes[axis]:g} on axis {axis} is not right. {otherwise}")

    return check


def call(function, *args, on=""):
    """Call a reader's function, and turn whatever goes wrong in there into Wrong or Unanswered."""
    try:
        result = function(*args)
    except NotImplementedError as error:
        if not str(error):
            raise Unanswered from None
        raise Wrong(f"{on} your code stops: {describe(error)} What is missing?".strip()) from error
    except (Exception, SystemExit) as error:
        where = line_of(function, error)
        ask = "What did that line get to work on?" if where else "Does it take what the question says?"
        raise Wrong(f"{on} your code stops{where}: {describe(error)} {ask}".strip()) from error
    if is_blank(result):
        if result is None and not is_stub(function):
            raise Wrong("Your function returns None. Does every path through it end in `return`?")
        raise Unanswered
    return result


def line_of(function, error):
    """Say in which line of the file that holds `function` an error arose, or '' if that cannot be told."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if not frames:
        return ""
    return f" in line {frames[-1].lineno}" + (f", `{frames[-1].line}`" if frames[-1].line else "")


def is_stub(function):
    """Return whether a function has nothing in its body but `...`, `pass` or a docstring."""
    idle = {"RESUME", "NOP", "CACHE", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    code = getattr(function, "__code__", None)
    return code is not None and all(step.opname in idle for step in dis.get_instructions(code))


def function(cases, reference, mistakes=(), by_hand=(), otherwise=""):
    """Check a function by calling it.

    Parameters
    ----------
    cases : callable
        Returns a list of argument tuples, random but for the first, which is small enough to be shown.
    reference : callable
        What the function should compute, by other means than the solution.
    mistakes : sequence of (callable, str)
    by_hand : sequence of str
        Parts of names of PyTorch's operations that the answer must not lean on.
    otherwise : str
        The question for a wrong answer that matches no mistake.
    """

    def check(answer, solve):
        if not callable(answer) or isinstance(answer, type):
            kind, name = type(answer).__name__, solve.__name__
            raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({name})`?")
        names, drawn = list(inspect.signature(solve).parameters), cases()
        differences = [judge(answer, reference, args, names, mistakes, otherwise) for args in drawn]
        with Watch(by_hand) as watch:
            call(answer, *map(copy_of, drawn[0]))
        if watch.seen:
            raise Wrong(f"The numbers are right, but PyTorch's `{watch.seen}` made them. How do you do it by hand?")
        gradients = judge_gradients(answer, reference, drawn[-1], names)
        return f"On {len(drawn)} inputs: {agreement(max(differences))}. {gradients}".strip()

    return check


def judge(answer, reference, args, names, mistakes, otherwise):
    """Compare one call with the reference; return the largest difference, or raise Wrong."""
    *first, last = [f"{name} {sketch(arg)}" for name, arg in zip(names, args, strict=True)]
    shown = f"{', '.join(first)} and {last}"
    given = [copy_of(arg) for arg in args]
    result, expected = call(answer, *given, on=f"For {shown}"), reference(*args)
    if not isinstance(result, torch.Tensor):
        kind = type(result).__name__
        raise Wrong(f"Your function returns a `{kind}`, expected a tensor. Which tensor could you fill?")
    result = result.detach().cpu()
    if any(isinstance(a, torch.Tensor) and not torch.equal(a, b) for a, b in zip(args, given, strict=True)):
        raise Wrong(f"For {shown} your function changes its own input. Which line writes into it?")
    if result.shape == expected.shape and near(result, expected):
        return (result.double() - expected.double()).abs().max().item()
    if result.shape != expected.shape:
        found = f"your function returns {tuple(result.shape)}, expected {tuple(expected.shape)}"
    else:
        most = (result.double() - expected.double()).abs().max().item()
        found = f"your function's numbers are off, max difference {most:.3g}"
        if expected.numel() <= 9:
            found += f": it returns {listing(result)}, expected {listing(expected)}"
    for mistake, message in mistakes:
        usual = mistake(*args)
        if usual.shape == result.shape and near(result, usual):
            raise Wrong(f"For {shown} {found}. {message}")
    if not result.is_floating_point() and expected.is_floating_point() and result.shape == expected.shape:
        otherwise = f"It holds whole numbers ({result.dtype}): which dtype should the result have?"
    raise Wrong(f"For {shown} {found}. {otherwise}".strip())


def judge_gradients(answer, reference, args, names):
    """Say whether gradients flow through a right answer; raise Wrong if they flow and are wrong."""
    floats = [i for i, arg in enumerate(args) if isinstance(arg, torch.Tensor) and arg.is_floating_point()]
    expected = reference(*args)
    if not expected.is_floating_point() or not floats:
        return ""

    def gradients(compute):
        leaves = [copy_of(arg) for arg in args]
        tensors = [leaves[i].requires_grad_() for i in floats]
        weights = torch.linspace(-1, 1, expected.numel()).reshape(expected.shape)
        return torch.autograd.grad((compute(*leaves) * weights).sum(), tensors)

    try:
        own = gradients(answer)
    except Exception:
        return "Gradients do not flow through it, which the question did not ask for: what cuts them off?"
    for i, mine, right in zip(floats, own, gradients(reference), strict=True):
        if not near(mine, right):
            most = (mine - right).abs().max().item()
            raise Wrong(
                f"The values are right, but the gradient of {names[i]} is off, max difference {most:.3g}. "
                "Which step hides something from autograd?"
            )
    return "Its gradients agree with PyTorch's too."


class Watch(TorchDispatchMode):
    """Note the first of PyTorch's operations whose name contains one of `parts`."""

    def __init__(self, parts):
        super().__init__()
        self.parts, self.seen = parts, None

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if self.seen is None and any(part in name for part in self.parts):
            self.seen = name
        return operation(*args, **(kwargs or {}))


def agreement(most):
    """Say how well results agree whose largest difference is `most`, in words that hold on every machine."""
    if most == 0:
        return "exactly equal"
    return f"close (max difference below {10.0 ** math.ceil(math.log10(most)):.0e})"


def near(a, b):
    """Return whether two tensors of one shape agree but for rounding."""
    return torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5)


def copy_of(value):
    """Copy a tensor; pass everything else on."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def sketch(value):
    """Describe an argument: a small tensor of whole numbers by its entries, any other by its shape."""
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
