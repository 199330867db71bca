"""Every exercise: each mistake gets its own message, the solution passes, right variants pass, nothing ever raises.

What the exercises declare makes the first table, so that a new exercise is tested by being there. A table that only
tests itself cannot notice a wrong diagnosis: `exercise_answers` holds answers written by hand.
"""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from exercise_answers import RIGHT, WRONG
from nets import unchanged
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib import models
from cnnlib.exercises import lenet
from cnnlib.exercises.core import TIERS, Exercise, exercise
from cnnlib.exercises.functions import Function, duplicate
from cnnlib.exercises.investigations import fewer_than, investigation, mean
from cnnlib.exercises.layers import built
from cnnlib.exercises.modules import Module
from cnnlib.exercises.progress import CHAPTERS
from cnnlib.models import lenet as build_lenet
from cnnlib.training.history import History

ALL = {
    f"{chapter}.{name}": value
    for chapter, _ in CHAPTERS.values()
    for name, value in vars(importlib.import_module(f"cnnlib.exercises.{chapter}")).items()
    if isinstance(value, Exercise)
}
every_exercise = pytest.mark.parametrize("e", ALL.values(), ids=list(ALL))


def solved(e):
    """Return what a reader who solves an exercise hands in."""
    return e.solve if e.tier == "build" else e.solve()


def mistaken(e, wrong):
    """Return what a reader who makes a known mistake hands in; where it is about a part, the rest is right."""
    run = e.checker.run
    right = run.reference(e.checker.reference, e.solve)

    def module(*args):
        return built(wrong, right, args)

    def function(*args):
        result = wrong(*args)
        if not isinstance(result, tuple) or ... not in result:
            return result
        return tuple(b if a is ... else a for a, b in zip(result, right(*duplicate(args)), strict=True))

    if isinstance(run, Module):
        return module if e.tier == "build" else module()
    if not isinstance(run, Function):
        return wrong
    return function if e.tier == "build" else lambda *args: wrong(*args)


def known():
    """Return each known mistake; of those of networks, which take time, the first three of an exercise every day."""
    for name, e in ALL.items():
        for i, (wrong, message) in enumerate(e.checker.known):
            slow = isinstance(e.checker.run, Module) and i >= 3
            yield pytest.param(e, wrong, message, marks=pytest.mark.thorough if slow else (), id=f"{name}-{i}")


@pytest.mark.parametrize(("e", "wrong", "message"), list(known()))
def test_each_mistake_gets_its_own_message(e, wrong, message):
    verdict = e.check(mistaken(e, wrong))
    assert verdict.passed is False and message in verdict.message, verdict


def answers(table):
    return [pytest.param(ALL[name], given, id=f"{name}-{i}") for name in table for i, given in enumerate(table[name])]


def handed_in(e, given):
    """Return an answer; where no function is asked for, a lambda stands for what it returns."""
    return given() if getattr(given, "__name__", "") == "<lambda>" and e.tier != "build" else given


@pytest.mark.parametrize(("e", "given"), answers(RIGHT))
def test_unusual_right_answers_pass(e, given):
    verdict = e.check(handed_in(e, given))
    assert verdict.passed is True, verdict


@pytest.mark.parametrize(("e", "given"), answers(WRONG))
def test_wrong_answers_are_told_what_is_wrong(e, given):
    given, telling = given
    verdict = e.check(handed_in(e, given))
    assert verdict.passed is False and telling in verdict.message, verdict
    assert_reads_well(verdict)


def assert_reads_well(verdict):
    assert "?" in verdict.message, "a wrong answer gets a question that leads on"
    assert "\n" not in repr(verdict) and " object at 0x" not in repr(verdict)


def test_the_tables_cover_every_exercise():
    assert set(RIGHT) <= set(WRONG) == set(ALL)
    for chapter, _ in CHAPTERS.values():
        mine = [e for name, e in ALL.items() if name.startswith(f"{chapter}.")]
        assert len(mine) >= 6 and {e.tier for e in mine} == set(TIERS)


class Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __repr__


class Failing(nn.Module):
    """A network that fails with an error without a text."""

    def forward(self, X):
        raise type("Unspeakable", (Exception,), {"__str__": Hostile.__repr__})


def endless(*args):
    return endless(*args)


def leaves(*args):
    raise SystemExit


HOSTILE = [
    object(), Hostile(), Failing(), endless, leaves, Hostile, "", "5", b"5", (), [], {}, set(), range(3), iter([1]),
    True, np.True_, 5 + 0j, 10**400, float("nan"), -float("inf"), np.array("5"), np.zeros((2, 0)), torch.zeros(0),
    torch.zeros(2, 3, 4), torch.tensor(True), nn.Linear(2, 2), nn.Sequential(), nn.ModuleList(), nn.LazyLinear(3), [[]],
    ((),), ("a", "b"), int, print, lambda *args: args, lambda *args: Hostile(), lambda *args: torch.zeros(2, 2),
]  # fmt: skip


@every_exercise
@pytest.mark.filterwarnings("ignore")
def test_hostile_values_never_raise(e):
    for answer in HOSTILE:
        verdict = e.check(answer)
        assert verdict.passed is False, verdict
        assert_reads_well(verdict)


def stub_of_dots(*args): ...


def stub_with_docstring(*args):
    """Cross-correlate."""
    pass


def stub_that_returns(*args):
    return ...


def stub_that_raises(*args):
    raise NotImplementedError


@every_exercise
def test_unanswered_is_gentle(e):
    stubs = [stub_of_dots, stub_with_docstring, stub_that_returns, stub_that_raises]
    for answer in (..., None, (..., 3), [None], *stubs):
        verdict = e.check(answer)
        assert verdict.passed is None and "Not answered yet" in repr(verdict)
    assert e.check().passed is None


@every_exercise
def test_hints_come_one_by_one_and_run_out(e):
    e._hints_given = 0
    for i, hint in enumerate(e.hints, 1):
        assert repr(e.hint()) == f"Hint {i} of {len(e.hints)}. {hint}"
    assert len(e.hints) >= 2
    assert "no more hints" in repr(e.hint()) and "no more hints" in e.hint()._repr_markdown_()
    e._hints_given = 0


@every_exercise
def test_the_solution_shows_code_that_solves(e):
    code = repr(e.solution())
    assert code.startswith(f"def {e.name}(") and "return" in code and "@exercise" not in code and "Hint" not in code
    assert e.solution()._repr_markdown_() == f"```python\n{code}\n```"
    namespace = {"torch": torch, "nn": nn, "F": F, **vars(models), **vars(cnnlib)}  # what a chapter may import
    exec(code, namespace)
    solve = namespace[e.name]
    verdict = e.check(solve if e.tier == "build" else solve())
    assert verdict.passed is True, verdict
    assert e.tier in ("recall", "investigate") or "exactly equal" in verdict.message or "close" in verdict.message


@every_exercise
def test_texts(e):
    """What a reader may paste back into code has no typographic minus, no times sign and no dots for an operator."""
    assert e.question in repr(e) and e.question in e._repr_markdown_() and e.tier in repr(e)
    for text in (e.question, *e.hints, *(message for _, message in e.checker.known)):
        assert not re.search(r"−\d", text), text
        for code in re.findall(r"`([^`]+)`", text):
            assert not set(code) & set("−×·≤≥"), code
    assert repr(e.solution()).isascii() or not re.search("−", re.sub("#.*", "", repr(e.solution())))


@every_exercise
def test_a_verdict_is_the_same_every_time(e):
    given, _ = WRONG[f"{e.solve.__module__.rpartition('.')[2]}.{e.name}"][0]
    torch.manual_seed(1)
    first = repr(e.check(handed_in(e, given)))
    torch.manual_seed(2)
    assert repr(e.check(handed_in(e, given))) == first


@pytest.mark.parametrize("mode", [True, False])
def test_a_check_leaves_the_network_and_the_random_numbers_alone(mode):
    net = lenet.without_padding.solve().train(mode)
    net[3].register_forward_hook(lambda *args: None)
    with unchanged(net):
        assert lenet.without_padding.check(net).passed


def test_an_investigation():
    faults = {
        "One seed a side. Would another one agree?": (fewer_than(3), {"plain": 0.8, "batch norm": 0.9}),
        "It is no higher. Which rate has each?": (
            lambda table: mean(table["batch norm"]) <= mean(table["plain"]),
            {"plain": [0.8] * 3, "batch norm": [0.7] * 3},
        ),
    }
    form = "a dict from network to test accuracies, one a seed"
    check = investigation(form, faults, "Higher.", of=lambda history: history.last_test_acc)
    judged = exercise("investigate", check, question="?", hints=("a", "b"))(lambda: 0).check
    run = History(test_acc=[0.5, 0.9])
    right = judged({"plain": torch.tensor([0.7, 0.8, 0.75]), "batch norm": [run, 0.9, 0.95], "predicted": 0.9})
    assert right.passed and right.message == (
        "Higher. You measured plain: 0.75 ± 0.05 (n = 3); batch norm: 0.917 ± 0.029 (n = 3); predicted: 0.9."
    )
    for question, (_, example) in faults.items():
        assert judged(example).message == question
    assert "Nothing stands under 'batch norm'" in judged({"plain": [1, 2, 3]}).message
    assert "Under 'plain': You answer `True`" in judged({"plain": True}).message
    assert judged({"plain": [0.8] * 3, "batch norm": ...}).passed is None
    for answer in HOSTILE:
        assert judged(answer).passed is False and "?" in judged(answer).message


def test_gradients_are_reported():
    solve = lenet.conv2d.solve
    assert "gradients agree" in lenet.conv2d.check(solve).message
    assert "Gradients do not flow" in lenet.conv2d.check(lambda X, K: solve(X.detach(), K.detach())).message


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_everything_works_in_another_precision(dtype):
    torch.set_default_dtype(dtype)
    try:
        for name, e in ALL.items():
            verdict = e.check(solved(e)) if e.tier != "investigate" else None
            assert verdict is None or verdict.passed is True, (name, verdict)
        flipped = lenet.conv2d.check(lambda X, K: F.conv2d(X[None, None], K.flip(0, 1)[None, None])[0, 0])
        assert "is flipped" in flipped.message
        assert "plain tanh" in lenet.scaled_tanh.check(build_lenet(nn.Tanh)).message
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_exercise_needs_a_tier_and_hints():
    with pytest.raises(ValueError, match="tier"):
        exercise("hard", question="?", hints=("a", "b"), check=None)(lambda: 0)
    with pytest.raises(ValueError, match="two hints"):
        exercise("recall", question="?", hints=("a",), check=None)(lambda: 0)
    with pytest.raises(ValueError, match="Hint: "):
        exercise("recall", None)(lambda: 0)


def test_the_page_shows_how_to_make_an_exercise():
    """The exercise of `docs/exercises.md`, as a stranger would copy it, passes the tests that every exercise gets."""
    page = (Path(__file__).parent.parent / "docs" / "exercises.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "@exercise" in block]
    assert len(blocks) == 2
    for block in blocks:
        assert len(block.splitlines()) <= 25
        names = {}
        exec(compile(block, "page", "exec"), names)
        (e,) = [value for value in names.values() if isinstance(value, Exercise)]
        assert e.check(solved(e)).passed is True and len(e.hints) >= 2
        for wrong, message in e.checker.known:
            assert message in e.check(mistaken(e, wrong)).message
