"""Wrong arguments for every public function, class and widget, and the error that each must be answered by.

The functions are those of the package's `__all__`; what is right for a parameter follows from its name (`right`), what
is wrong from the function's rules (`values`). Only what neither can know is written by hand (`besides`).
"""

import functools
import inspect
from dataclasses import dataclass
from operator import attrgetter

import torch

import cnnlib
from bad_inputs import besides, right
from bad_inputs.values import Bad, wrong_by
from cnnlib import d2l, datasets, exercises, figures, models, probes, widgets

__all__ = ["EXEMPT", "Bad", "Row", "public", "table"]

MODULES = (cnnlib, datasets, d2l, models, probes, figures, widgets, exercises)
EXEMPT = {
    "DivergenceError": "the library raises it",
    "DeviceError": "the library raises it",
    "OutOfMemoryError": "the library raises it",
    "datasets.DataFileError": "the library raises it",
    "History": "a plain record; `from_json` checks what comes from a file",
    "pick_budget": "takes anything, and returns one of the two",
    "models.vgg11": "takes no argument",
    "figures.draw_function_classes": "takes no argument",
    "figures.draw_norm_axes": "takes no argument",
    "datasets.load_face_filters": "takes no argument",
    "Timer": "takes no argument",
    "unfinished_runs": "takes no argument",
    "widgets.GradientFlow": "takes no argument",
    "widgets.last_run": "takes no argument",
} | {
    name: "a plain record that the library makes"
    for name in (
        "probes.GradientParts probes.LayerTable probes.MapLayer probes.Places probes.Site probes.Statistics "
        "probes.Step probes.Walk figures.Found"
    ).split()
}
FORWARD = ("forward", "residual")  # PyTorch calls it; Trainer and the probes say which layer could not take its input
CALLED_BY_A_PANEL = ("begin", "show", "settle", "static")  # with its own trainer, in its thread


@dataclass
class Row:
    """A function with right arguments, and the wrong ones for each parameter."""

    name: str
    function: object
    right: dict
    wrong: dict


def public():
    """Yield the names of all public functions and classes, and of the methods of the classes that take an argument."""
    for module in MODULES:
        for name in module.__all__:
            thing = getattr(module, name)
            if not callable(thing):
                continue
            home = next(m for m in MODULES if name in m.__all__ and getattr(m, name) is thing)
            full = f"{home.__name__}.{name}".removeprefix("cnnlib.")
            yield full
            for method, function in vars(thing).items() if inspect.isclass(thing) else ():
                function = getattr(function, "__func__", function)
                if method.startswith("_") or method in (*FORWARD, *CALLED_BY_A_PANEL):
                    continue
                if inspect.isfunction(function) and len(inspect.signature(function).parameters) > 1:
                    yield f"{full}.{method}"


@functools.cache
def table():
    """Return all rows. The arguments are built once, since no wrong call may change them; no random number is drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        t = right.build()
        own, rows = besides.rows(t), {}
        for name in [*public(), *own]:
            if name not in rows and name not in EXEMPT:
                rows[name] = _row(name, right.by_name(t), *own.get(name, (None, {}, {})))
        return list(rows.values())


def _row(name, known, function, given, besides):
    function = function or attrgetter(name)(cnnlib)
    rules = getattr(function.__init__ if inspect.isclass(function) else function, "rules", {})
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters}
    needed = {p.name: known[p.name] for p in parameters if p.default is p.empty and p.name in known}
    if "self" in defaults and "self" not in given:
        needed["self"] = known[name.split(".")[-2]]
    by_rule = {p: [case for case in wrong_by(rule) if case.value is not defaults[p]] for p, rule in rules.items()}
    return Row(name, function, needed | given, {p: by_rule.get(p, []) + besides.get(p, []) for p in by_rule | besides})
