"""One engine judges every answer: it runs the answer and the reference on cases.

Where they differ, it runs what is known to be wrong, and the mistake that agrees with the answer names the message; an
answer that agrees with none is told `otherwise`. What "run" means depends on the kind of answer: a number or shape is
read and a function is called (`cnnlib.exercises.functions`), a network gets weights and inputs
(`cnnlib.exercises.modules`). Answers are judged by what they do, never by how they are written or what their parts are
called. `docs/exercises.md` shows how to make an exercise.
"""

import dis
import inspect
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Number, Real

import torch
from torch import nn


class Wrong(Exception):
    """Raised by a checker. Its text says what is wrong with the answer and asks a question that leads on."""


class Unanswered(Exception):
    """Raised by a checker that finds a stub where an answer should be."""


class Stopped(Wrong):
    """An error in a reader's code: `fact` names it, `ask` is a question, `error` is what was raised."""

    def __init__(self, fact, ask, error):
        super().__init__(f"{fact} {ask}")
        self.fact, self.ask, self.error = fact, ask, error


@dataclass
class Case:
    """What an answer is run on: the arguments of a function, and what a module that it returns is run on."""

    args: tuple = ()
    on: str = ""  # how a message begins, "For …,"; by default it shows the arguments
    X: torch.Tensor | None = None
    calls: int = 1  # how often a function is called; what several calls return stands in a list


def randn(*shape):
    """Stand for a random tensor in the arguments of a case: each check draws another one."""
    return partial(torch.randn, shape)


def draw(case):
    """Return a Case, with the random tensors of its arguments drawn."""
    return case if isinstance(case, Case) else Case(tuple(a() if isinstance(a, partial) else a for a in case))


class AnswerRun:
    """How an answer is run: what is common to values, functions and modules."""

    remark = ""  # goes with a right answer
    compares_cases = False  # whether `alike` can compare a mistake with the answer in each case

    def subject(self, answer, solve):
        """Return what is compared of an answer, or raise Wrong."""
        if not callable(answer) or isinstance(answer, self.refuse):
            kind, name = type(answer).__name__, solve.__name__
            raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({name})`?")
        return answer

    def reference(self, reference, solve):
        return reference or solve

    def compare(self, subject, right, case, solve):
        """Return the largest difference of an answer and the reference in a case, or a Difference."""
        raise NotImplementedError

    def conclude(self, subject, right, cases, solve):
        """Return what else there is to say of a right answer, or raise Wrong."""
        return ""


@dataclass
class Difference:
    """Where an answer and the reference differ, and whether what is known to be wrong leads to the same."""

    fact: str
    agrees: Callable
    ask: str = ""  # a question that fits better than `otherwise`
    vague: str = ""  # the fact where no mistake agrees, if it is another one


def check(run, cases=((),), reference=None, mistakes=None, otherwise="", remark=None):
    """Return a checker, `checker(answer, solve)`, for an Exercise.

    Parameters
    ----------
    run : Value, Function or Module
        How an answer is run.
    cases : sequence, or callable that returns one
        Of Cases or of tuples of arguments, random (`randn(2, 3)`) but for the first, small enough to be shown.
    reference : callable, optional
        What a right answer does, if possible by other means than the solution; by default the solution.
    mistakes : dict
        From a message to the answer that should get it, or to a list of such answers.
    otherwise : str
        The question for a wrong answer that agrees with no mistake.
    remark : str, optional
        What goes with a right answer; `{count}` is the number of cases, `{agreement}` says how well it agrees.
    """
    known = [
        (wrong, message)
        for message, several in (mistakes or {}).items()
        for wrong in (several if isinstance(several, list) else [several])
    ]

    def checker(answer, solve):
        if type(answer) is tuple and len(answer) == 1:  # what `answer = 55,` hands in
            answer = answer[0]
        subject, right = run.subject(answer, solve), run.reference(reference, solve)
        drawn = list(map(draw, cases() if callable(cases) else cases))
        most = 0.0
        for case in drawn:
            found = run.compare(subject, right, case, solve)
            if isinstance(found, Difference):
                message = the_mistake(known, found, run, subject, drawn)
                fact = found.fact if message else found.vague or found.fact
                raise Wrong(f"{fact} {message or found.ask or otherwise}".strip())
            most = max(most, found)
        said = (run.remark if remark is None else remark).format(count=len(drawn), agreement=agreement(most))
        return f"{said} {run.conclude(subject, right, drawn, solve)}".strip()

    checker.run, checker.cases, checker.reference, checker.known = run, cases, reference, known
    return checker


def the_mistake(known, found, run, subject, cases):
    """Return the message of the known mistake that leads to what was found, or ''.

    Where several do, it is the one that agrees with the answer in most cases; if a run says `everywhere`, in all.
    """
    fitting = [(wrong, message) for wrong, message in known if leads_to(wrong, found.agrees)]
    if not fitting or not run.compares_cases:
        return fitting[0][1] if fitting else ""

    def agreeing(pair):
        return sum(leads_to(pair[0], lambda wrong, case=case: run.alike(subject, wrong, case)) for case in cases)

    best = max(fitting, key=agreeing)
    return "" if run.everywhere and agreeing(best) < len(cases) else best[1]


def leads_to(wrong, agrees):
    """Return whether a mistake leads to what was found; one that cannot be made in a case leads to nothing."""
    try:
        return agrees(wrong)
    except Exception:
        return False


def agreement(most):
    """Say how well results agree whose largest difference is `most`, in words that hold on every machine."""
    if most == 0:
        return "exactly equal"
    return f"close (max difference below {10.0 ** math.ceil(math.log10(most)):.0e})"


def same(a, b, rtol=1e-4, atol=1e-5):
    """Return whether two results agree but for rounding; `...` agrees with everything."""
    if a is ... or b is ...:
        return True
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.allclose(a.detach().double(), b.detach().double(), rtol, atol)
    if isinstance(b, list) and isinstance(a, torch.Tensor) and a.dim():
        a = list(a)  # stacked
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key], rtol, atol) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
    if isinstance(a, Real) and isinstance(b, Real):
        return abs(a - b) <= max(atol, rtol * abs(b))
    return a is b or (type(a) is type(b) and (isinstance(a, nn.Module) or a == b))


def gap(found, right):
    """Return the largest difference of two results of one form, nan if their shapes differ."""
    if isinstance(right, Mapping):
        return max((gap(found[key], value) for key, value in right.items()), default=0.0)
    if isinstance(right, list | tuple):
        return max((gap(a, b) for a, b in zip(found, right, strict=True)), default=0.0)
    if isinstance(right, Real):
        return abs(found - right)
    if found.shape != right.shape:
        return math.nan
    return (found.double() - right.double()).abs().max().item() if right.numel() else 0.0


def call(function, *args, on=""):
    """Call a reader's function, and turn whatever goes wrong in there into Stopped, Wrong or Unanswered."""
    try:
        result = function(*args)
    except NotImplementedError as error:
        if not str(error):
            raise Unanswered from None
        raise Stopped(f"{on} your code stops: {describe(error)}".strip(), "What is missing?", error) from error
    except (Exception, SystemExit) as error:
        where = line_of(function, error)
        ask = "What did that line get to work on?" if where else "Does it take what the question says?"
        raise Stopped(f"{on} your code stops{where}: {describe(error)}".strip(), ask, error) from error
    if is_blank(result):
        if result is None and not is_stub(function):
            raise Wrong("Your function returns None. Does every path through it end in `return`?")
        if isinstance(result, tuple | list) and ... not in result and not is_stub(function):
            which = ("first", "second", "third", "next")[min(result.index(None), 3)]
            ask = "Which line should have made it, and what does that line return?"
            raise Wrong(f"{on} the {which} part is None. {ask}".strip())
        raise Unanswered
    return result


def parameter_names(function):
    """Return the names of a function's arguments, or None if they cannot be told."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def expect(result, kinds, expected, ask):
    """Raise Wrong if what a function returned is of another type."""
    if not isinstance(result, kinds):
        raise Wrong(f"your function returns a `{type(result).__name__}`, expected {expected}. {ask}")


def is_blank(answer):
    """Return whether an answer, or a part of it, is still `...` or None."""
    if isinstance(answer, tuple | list):
        return any(part is None or part is ... for part in answer)
    return answer is None or answer is ...


def describe(error):
    """Name an error in one line of Markdown: its class and the first line of its text."""
    try:
        lines = str(error).strip().splitlines() or [""]
    except Exception:  # the error is somebody else's
        lines = [""]
    return f"`{type(error).__name__}: {lines[0]}`." if lines[0] else f"`{type(error).__name__}`."


def quoted(answer):
    """Show an answer in a message: what it is, or what kind of object."""
    plain = isinstance(answer, str | bytes | bool | Number)
    return f"`{answer!r}`" if plain else f"with a `{type(answer).__name__}` object"


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


def counted(count, noun):
    return f"{count} {noun}{'s' * (count != 1)}"
