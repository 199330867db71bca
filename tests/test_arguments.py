"""Rules for arguments: checked before a function runs, written into its docstring, and in nobody's way."""

import inspect
import pydoc
import re
import timeit

import numpy as np
import pytest
import torch
from bad_inputs.values import wrong_by
from torch import nn

from cnnlib import pick_budget, try_gpu, validation
from cnnlib.models import BatchNorm, PreActivation, lenet, tower
from cnnlib.validation import Bool, Count, Network, Number, Rate, Rule, Text, arguments


@arguments(n=Count(most=9), share=Number(least=0, most=1), title=Text())
def function(n, share=0.5, *, title=None, other=None):
    """Do it.

    Parameters
    ----------
    n : int

    Returns
    -------
    tuple

    Raises
    ------
    RuntimeError
        If the moon is full.

    Notes
    -----
    None.
    """
    return n, share, title, other


@arguments(n=Count())
class Thing:
    """A thing.

    Notes
    -----
    None.
    """

    def __init__(self, n=1):
        self.n = n

    @arguments(low=Number(), high=Number())
    def between(self, low, high):
        return low < self.n < high


def test_what_is_given_is_checked_wherever_it_stands():
    assert function(np.int64(3), torch.tensor(0.25)) == (3, 0.25, None, None)
    assert [type(value) for value in function(np.int64(3), torch.tensor(0.25))[:2]] == [int, float]
    for call in (lambda: function(10), lambda: function(n=10), lambda: function(share=0.1, n=10)):
        with pytest.raises(ValueError, match="n must be at most 9, got 10"):
            call()
    with pytest.raises(TypeError, match="title must be a text, got 3"):
        function(1, title=3)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        Thing(0)
    with pytest.raises(TypeError, match="high must be a number, got 'x'"):
        Thing(2).between(1, "x")


def test_defaults_are_not_validated():
    assert function(1, title=None) == (1, 0.5, None, None)


def test_python_answers_calls_that_do_not_fit_the_signature():
    for call in (lambda: function(), lambda: function(1, 0.5, "title"), lambda: function(1, more=2)):
        with pytest.raises(TypeError, match=r"function\(\) (missing|takes|got)"):
            call()


def test_rules_for_no_parameter_are_refused():
    with pytest.raises(TypeError, match="function has no parameter m"):
        arguments(m=Count())(function)


@pytest.mark.parametrize("thing", [function, Thing, lenet, tower, BatchNorm, PreActivation])
def test_signature_and_source_are_the_functions_own(thing):
    plain = inspect.unwrap(thing.__init__ if inspect.isclass(thing) else thing)
    names = [name for name in inspect.signature(plain).parameters if name != "self"]
    assert list(inspect.signature(thing).parameters) == names
    assert f"def {plain.__name__}(" in inspect.getsource(thing)
    assert "args" not in pydoc.plain(pydoc.render_doc(thing)).split("\n\n")[1].split("\n")[0]


def test_the_docstring_says_what_the_rules_say():
    doc = " ".join(function.__doc__.split())
    said = (
        "Unless `n` is a whole number of at least 1 and at most 9; `share` is a finite number of at least 0 and at "
        "most 1; `title` is a text."
    )
    assert f"Raises ------ TypeError, ValueError {said} RuntimeError If the moon is full. Notes" in doc
    assert re.search(r"Raises\n------\nTypeError, ValueError\n    Unless `n` .*\n\nNotes\n", Thing.__doc__)
    assert "`activation` and `pool` are each" in lenet.__doc__


def test_every_rule_has_words_and_wrong_values():
    for kind in validation.__dict__.values():
        if isinstance(kind, type) and issubclass(kind, Rule) and kind is not Rule and not kind.__name__.startswith("_"):
            options = {"options": ("a",), "kind": int, "attributes": ("no_such_attribute",), "words": "a thing"}
            rule = kind(**{name: value for name, value in options.items() if name in kind.__dataclass_fields__})
            assert rule.words and wrong_by(rule), kind
            for case in wrong_by(rule):
                with pytest.raises(case.error):
                    rule(case.value, "it")


def test_budget(monkeypatch):
    monkeypatch.delenv("CNNLIB_BUDGET", raising=False)
    default = "small" if try_gpu().type == "cpu" else "large"
    assert pick_budget("small", "large") == default
    sizes = {"laptop": "small", "check": "small", "full": "large", " FULL ": "large", "": default}
    for text, choice in sizes.items():
        monkeypatch.setenv("CNNLIB_BUDGET", text)
        assert pick_budget("small", "large") == choice
    monkeypatch.setenv("CNNLIB_BUDGET", "huge")
    with pytest.raises(ValueError, match="CNNLIB_BUDGET must be 'laptop', 'full' or 'check', got 'huge'"):
        pick_budget("small", "large")


@pytest.mark.thorough
def test_a_call_costs_a_few_microseconds(pace):
    @arguments(net=Network(abstract=True), n=Count(), lr=Rate(), log=Bool())
    def asked(net, n, lr, log=False):
        pass

    net = nn.Linear(1, 1)
    cost = min(timeit.repeat(lambda: asked(net, 3, 0.1, log=True), number=1000, repeat=20)) / 1000
    assert cost < pace.bar(20e-6)
