"""A checker for functions that return one whole number."""

from copy import deepcopy

from cnnlib.exercises.answers import as_number, call
from cnnlib.exercises.core import Wrong


def counting(cases, reference, mistakes=(), otherwise=""):
    """Make a checker for functions that return one whole number.

    Parameters
    ----------
    cases : sequence of tuple
        The arguments of each call; the first ones should be short, for they are shown.
    reference : callable
        What the function should return, by other means than the solution.
    mistakes : sequence of (callable, str)
        Functions that are wrong in a usual way, and what to say to an answer that agrees with one on all cases.
    otherwise : str
        The question for a wrong answer that matches no mistake.
    """

    def check(answer, solve):
        name = solve.__name__
        if not callable(answer) or isinstance(answer, type):
            kind = type(answer).__name__
            raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({name})`?")
        shown = [f"`{name}({', '.join(map(repr, args))})`" for args in cases]
        results = [number_from(answer, args, on) for args, on in zip(cases, shown, strict=True)]
        expected = [reference(*args) for args in cases]
        off = next((i for i, value in enumerate(results) if abs(value - expected[i]) > 1e-6), None)
        if off is None:
            return f"On {len(cases)} inputs: exactly equal."
        hint = next((message for mistake, message in mistakes if results == [mistake(*a) for a in cases]), otherwise)
        raise Wrong(f"{shown[off]} returns {results[off]:,.10g}, expected {expected[off]:,}. {hint}")

    return check


def number_from(function, args, on):
    """Call a reader's function and return its result as a number, or raise Wrong."""
    given = deepcopy(args)
    result = call(function, *given, on=f"For {on}")
    if given != args:
        raise Wrong(f"{on} changes its own input. Which line writes into it?")
    try:
        return as_number(result)
    except Wrong:
        kind = f"`{result!r}`" if isinstance(result, str | bool | float) else f"a `{type(result).__name__}`"
        raise Wrong(f"{on} returns {kind}, expected one whole number. What does your `return` give back?") from None
