"""Every public function and widget answers wrong arguments at the call: the right kind of error, what was expected,
what came, and nothing changed. The table of wrong arguments is in `bad_inputs`.
"""

import inspect
import random
import re

import numpy as np
import pytest
import torch
from bad_inputs import EXEMPT, Bad, Row, public, table
from torch import nn

from cnnlib import Trainer, widgets
from cnnlib.datasets import Batches
from cnnlib.figures.animator import Animator
from cnnlib.models.copying import copy_network
from cnnlib.training.history import History
from cnnlib.validation import Count

CASES = [(row, name) for row in table() for name in row.wrong]


@pytest.mark.parametrize("row, name", CASES, ids=[f"{row.name}-{name}" for row, name in CASES])
def test_wrong_arguments(row, name):
    answers = [(case, trouble_with(row, name, case)) for case in row.wrong[name]]
    troubles = [f"{name}={str(case.value)[:60]!r}: {trouble}" for case, trouble in answers if trouble]
    assert not troubles, "\n".join(troubles)


def trouble_with(row, name, case):
    """Call a function with a wrong argument; say what is not right about its answer, or nothing."""
    before = fingerprint(row.right), everybodys()
    try:
        row.function(**{**row.right, name: case.value})
        return "no error"
    except Exception as error:
        message, kind = str(error), type(error)
        if kind not in (TypeError, ValueError) or not issubclass(kind, case.error):
            return f"an error of another kind: {kind.__name__}: {message}"
    if not re.search(case.words, message):
        return f"the message does not say {case.words!r}: {message}"
    if not any(text and text in message for text in ([case.told] if case.told else what_came(case.value))):
        return f"the message does not say what came: {message}"
    return "" if (fingerprint(row.right), everybodys()) == before else "something was changed"


def what_came(value):
    """Yield what may stand in a message for a wrong value: its text, its type, its shape; or a part of it."""
    yield repr(value)[:60]
    yield type(value).__name__
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (f"{value:,}", str(float(value)))
    if isinstance(value, type) or inspect.isfunction(value):
        yield value.__name__
    if isinstance(value, nn.Module):
        yield from ("network", "net ", "layer '")
    if isinstance(value, torch.Tensor | np.ndarray):
        yield from (
            str(tuple(value.shape)),
            str(value.dtype).removeprefix("torch."),
            ", ".join(map(str, value.shape[-2:])),
        )
        yield from (f" {len(value)}" if value.ndim else "()", f"{len(value) + 1:,}" if value.ndim else "()")
        if isinstance(value, torch.Tensor) and value.numel() and not (value.is_meta or value.is_complex()):
            yield from (
                f"label {int(value.max())}",
                f"label {int(value.min())}",
                f"{len(value):,}" if value.ndim else "()",
            )
    if isinstance(value, list | tuple | dict | set):
        yield f"got {len(value)}"
        for part in [*value.values(), *value] if isinstance(value, dict) else value:
            yield from what_came(part)


def fingerprint(value):
    """Return all of a value that a call might change, as something to compare."""
    if isinstance(value, nn.Module):
        tensors = [(name, fingerprint(tensor)) for name, tensor in value.state_dict().items()]
        settings = ("training", "_forward_hooks", "_forward_pre_hooks", "momentum", "p")
        modes = [[str(vars(m).get(name)) for name in settings] for m in value.modules()]
        return tensors, modes, [(p.requires_grad, fingerprint(p.grad)) for p in value.parameters()]
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), str(value.device), b"" if value.is_meta else value.detach().numpy().tobytes()
    if isinstance(value, Trainer):
        return fingerprint(value.net), fingerprint(value.history), value.epoch, value.batch, value.lr, value.running
    if isinstance(value, Animator):
        return repr(vars(value.chart))
    if isinstance(value, dict):
        return [(key, fingerprint(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [fingerprint(part) for part in value]
    if isinstance(value, History | Batches) or type(value).__module__.startswith("cnnlib"):
        return fingerprint({key: part for key, part in vars(value).items() if _is_plain(part)})
    return repr(value)


def _is_plain(value):
    if isinstance(value, dict | list | tuple | set):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def everybodys():
    """Return what belongs to the whole process: random numbers, modes of PyTorch, open panels, files."""
    return (
        torch.get_rng_state().numpy().tobytes(), random.getstate()[1], np.random.get_state()[1].tobytes(),
        torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype(),
        {name: (id(panel), panel.box.comm is None) for name, panel in widgets.playground._open.items()},
    )  # fmt: skip


@pytest.mark.parametrize("row", table(), ids=lambda row: row.name)
def test_every_parameter_is_known(row):
    """The table names parameters that exist, and tries something for each."""
    parameters = inspect.signature(row.function).parameters
    options = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    assert row.wrong and (options or set(row.wrong) <= set(parameters))
    asked = set(row.wrong) | ANY.get(row.name, set()) | {"self"}
    missing = {name for name, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)} - asked
    assert not missing, f"nothing is tried for {missing}"


# parameters that take anything, or that are asked of in the row of another name
ANY = {"History.from_json": {"name"}, "slider.set": {"name"}, "widgets.Playground.fork": {"run"}}


def test_every_public_name_is_known():
    names = set(public())
    assert not sorted(set(EXEMPT) - names), "exemptions for nothing"
    assert len(names) > 120 and sum(len(row.wrong[name]) for row, name in CASES) > 3000


def test_right_arguments_are_right():
    """What the wrong calls differ from would pass: else a row might test something else than it says."""
    slow = ("Playground", "widgets.Playground", "time_contract", "History", "growth_table")
    for row in table():
        parameters = inspect.signature(row.function).parameters.values()
        needed = {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
        if needed - set(row.right) or row.name.startswith(slow) or "self" in row.right:
            continue
        right = {name: copy_network(v) if isinstance(v, nn.Module) else v for name, v in row.right.items()}
        random_state = torch.get_rng_state()
        row.function(**right)
        torch.set_rng_state(random_state)


@pytest.mark.parametrize(
    "function, trouble",
    [
        (lambda n: n, "no error"),
        (lambda n: [][n], "another kind: IndexError"),
        (lambda n: float("x"), "does not say what came"),
        (lambda n: Count()(n, "m"), "does not say 'n must be'"),
        (lambda n: torch.rand(1) and Count()(n, "n"), "something was changed"),
        (lambda n: Count()(n, "n"), ""),
    ],
)
def test_every_trouble_is_found(function, trouble):
    """The questions that the table asks can fail, each of them."""
    words = "n must be" if "must" in trouble else ""
    case, row = Bad(0, ValueError, words), Row("", function, {"n": 1}, {})
    said = trouble_with(row, "n", case)
    assert trouble in said and bool(trouble) == bool(said)
