"""Every exercise: right answers pass, and a wrong one is told what is wrong with it."""

import importlib
from pathlib import Path

import pytest
import torch
from answers_lenet import Named, conv_items, conv_unfold
from torch import nn
from torch.nn import functional as F

from cnnlib import models
from cnnlib.exercises import lenet as exercises
from cnnlib.exercises.core import Exercise, exercise
from cnnlib.exercises.progress import CHAPTERS as PAGES

HERE = Path(__file__).parent
CHAPTERS = sorted(path.stem.removeprefix("answers_") for path in HERE.glob("answers_*.py"))

# (chapter, exercise) → the exercise, and the answers to it
ALL, RIGHT, WRONG = {}, {}, {}
for chapter in CHAPTERS:
    module = importlib.import_module(f"cnnlib.exercises.{chapter}")
    answers = importlib.import_module(f"answers_{chapter}")
    ALL |= {(chapter, name): e for name, e in vars(module).items() if isinstance(e, Exercise)}
    RIGHT |= {(chapter, name): given for name, given in answers.RIGHT.items()}
    WRONG |= {(chapter, name): given for name, given in answers.WRONG.items()}


def label(value):
    """Name a test after the chapter and the exercise."""
    return "-".join(value) if isinstance(value, tuple) else str(value)


def each(table):
    """Return one (exercise, number) for each answer of a table; the first five are enough for every day."""
    more = pytest.mark.thorough
    return [pytest.param(name, i, marks=more if i >= 5 else ()) for name in table for i in range(len(table[name]))]


every_exercise = pytest.mark.parametrize("name", ALL, ids=label)


def answer_of(name, given):
    """Return an answer; where no function is asked for, a lambda stands for what it returns."""
    deferred = getattr(given, "__name__", "") == "<lambda>"
    return given() if deferred and ALL[name].tier != "build" else given


def test_the_tables_cover_every_exercise():
    assert set(RIGHT) == set(WRONG) == set(ALL)
    assert sorted(module for module, _ in PAGES.values()) == CHAPTERS
    for chapter in CHAPTERS:
        mine = [e for name, e in ALL.items() if name[0] == chapter]
        assert len(mine) >= 6 and {e.tier for e in mine} == {"recall", "change one line", "build"}
    assert all(len(wrong) >= 5 for wrong in WRONG.values())
    assert all(len(right) >= 4 for right in RIGHT.values())


@every_exercise
def test_the_solution_passes(name):
    e = ALL[name]
    verdict = e.check(e.solve if e.tier == "build" else e.solve())
    assert verdict.passed is True, verdict
    if e.tier != "recall":
        assert "exactly equal" in verdict.message or "close" in verdict.message


@pytest.mark.parametrize(("name", "i"), each(RIGHT), ids=label)
def test_other_right_answers_pass(name, i):
    verdict = ALL[name].check(answer_of(name, RIGHT[name][i]))
    assert verdict.passed is True, verdict


@pytest.mark.parametrize(("name", "i"), each(WRONG), ids=label)
def test_wrong_answers_are_told_what_is_wrong(name, i):
    given, telling = WRONG[name][i]
    verdict = ALL[name].check(answer_of(name, given))
    assert verdict.passed is False, verdict
    assert telling in verdict.message, verdict
    assert "?" in verdict.message, "a wrong answer gets a question that leads on"
    assert "\n" not in repr(verdict) and " object at 0x" not in repr(verdict)


@every_exercise
def test_unanswered_is_gentle(name):
    e = ALL[name]
    for answer in (..., None, (..., 3), [None]):
        verdict = e.check(answer)
        assert verdict.passed is None and "Not answered yet" in repr(verdict)
    assert e.check().passed is None


def stub_of_dots(X, K): ...


def stub_with_docstring(X, K):
    """Cross-correlate."""
    pass


def stub_that_returns(X, K):
    Y = ...
    return Y


def stub_that_raises(X, K):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [stub_of_dots, stub_with_docstring, stub_that_returns, stub_that_raises])
def test_a_stub_counts_as_unanswered(stub):
    assert exercises.conv2d.check(stub).passed is None


def test_a_stub_of_a_builder_counts_as_unanswered():
    assert exercises.without_padding.check(lambda: ...).passed is None


@every_exercise
def test_hints_come_one_by_one_and_run_out(name):
    e = ALL[name]
    e._hints_given = 0
    for i, hint in enumerate(e.hints, 1):
        assert repr(e.hint()) == f"Hint {i} of {len(e.hints)}. {hint}"
    assert len(e.hints) >= 2
    assert "no more hints" in repr(e.hint()) and "no more hints" in e.hint()._repr_markdown_()
    e._hints_given = 0


@every_exercise
def test_the_solution_shows_code_that_solves(name):
    e = ALL[name]
    code = repr(e.solution())
    assert code.startswith(f"def {name[1]}(") and "return" in code and "@exercise" not in code
    assert e.solution()._repr_markdown_() == f"```python\n{code}\n```"
    namespace = {"torch": torch, "nn": nn, "F": F, **vars(models)}  # what a chapter may import
    exec(code, namespace)
    solve = namespace[name[1]]
    assert e.check(solve if e.tier == "build" else solve()).passed is True


@every_exercise
def test_an_exercise_shows_its_question(name):
    e = ALL[name]
    assert e.question in repr(e) and e.question in e._repr_markdown_()
    assert e.tier in repr(e) and e.name == name[1]


@every_exercise
def test_a_verdict_is_the_same_every_time(name):
    given, _ = WRONG[name][0]
    torch.manual_seed(1)
    first = repr(ALL[name].check(answer_of(name, given)))
    torch.manual_seed(2)
    assert repr(ALL[name].check(answer_of(name, given))) == first


def test_a_check_leaves_the_network_and_the_random_numbers_alone():
    net = Named(padding=0)
    weights = [p.clone() for p in net.parameters()]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert exercises.without_padding.check(net.eval()).passed
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
    assert not net.training and all(p.grad is None for p in net.parameters())


def test_gradients_are_reported():
    assert "gradients agree" in exercises.conv2d.check(conv_unfold).message
    assert "Gradients do not flow" in exercises.conv2d.check(conv_items).message


def test_an_answer_that_cannot_even_be_looked_at_is_explained():
    class Hostile:
        @property
        def ndim(self):
            raise RuntimeError("no")

    verdict = exercises.output_size.check(Hostile())
    assert verdict.passed is False and "`Hostile`" in verdict.message and "RuntimeError: no" in verdict.message


def test_an_exercise_needs_a_tier_and_hints():
    with pytest.raises(ValueError, match="tier"):
        exercise("hard", question="?", hints=("a", "b"), check=None)(lambda: 0)
    with pytest.raises(ValueError, match="two hints"):
        exercise("recall", question="?", hints=("a",), check=None)(lambda: 0)
