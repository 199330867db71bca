"""Write down a panel's run as lines that do the same again, in the notebook that the panel stands in.

The notebook's own functions are shown as their source stands; values and functions go by the names that they have
there, or that PyTorch has for them.
"""

import ast
import inspect
import textwrap
from contextlib import suppress

import torch

TORCH = {"torch.nn": torch.nn, "torch.nn.functional": torch.nn.functional, "torch.optim": torch.optim, "torch": torch}
HEAD = """import torch
from types import SimpleNamespace
from cnnlib import Trainer
"""


def write_listing(build, data, base, events, lives, *, steps, num_batches, seed, options):
    """Return the lines that repeat a run below the cells that define `build` and `data`.

    Parameters
    ----------
    build, data : callable
        As for Playground.
    base : SimpleNamespace
        The settings that the network was built with.
    events : sequence of (step, name, value)
        What was changed while it trained.
    lives : dict of str to callable
        `live(trainer, value)` of each control that has one.
    steps, num_batches, seed : int
    options : dict
        Keyword arguments of Trainer.
    """
    around, missing = {}, {}
    for function in (data, build):
        around |= getattr(inspect.unwrap(function), "__globals__", {})

    def word(value, role):
        text = expression(value, role, around)
        if text == role and around.get(role) is not value:
            missing[role] = f"# {role}: as this panel was given it"
        return text

    settings = ", ".join(f"{name}={word(value, name)}" for name, value in vars(base).items())
    extra = "".join(f", {name}={word(value, name)}" for name, value in options.items())
    lines = [
        f"settings = SimpleNamespace({settings})",
        f"torch.manual_seed({seed})",
        f"batches = {word(data, 'data')}(settings)",
        f"net = {word(build, 'build')}(settings)",
        f"trainer = Trainer(net, *batches, lr=settings.lr{extra})",
    ]
    changes = {}
    for step, name, value in events:
        change = f"trainer.lr = {value!r}"
        if name != "lr":
            change = f"{word(lives[name], f'change_{name}')}(trainer, {word(value, name)})"
        changes.setdefault(step, {})[name] = change
    epochs, rest = divmod(steps, num_batches)
    if rest:
        changes.setdefault(steps, {})["stop"] = "trainer.stop()"
    if changes:
        lines += ["", "def steer(trainer):"]
        for step, by_name in sorted(changes.items()):
            lines += [f"    if trainer.step == {step}:", *(f"        {line}" for line in by_name.values())]
        lines += ["", "trainer.listeners.append(steer)"]
        if 0 in changes:
            lines.append("steer(trainer)")
    lines.append(f"history = trainer.fit({epochs + (rest > 0)})" if steps else "# not a step yet: trainer.fit(1)")
    own = [source(function) for function in (data, build, *lives.values())]
    return "\n".join([HEAD, *dict.fromkeys(text for text in own if text), *missing.values(), *lines]) + "\n"


def expression(value, role, around):
    """Return how the notebook says a value; one that it has no name for goes by `role`."""
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        if ast.literal_eval(repr(value)) == value:
            return repr(value)
    for name, thing in around.items():
        if name.startswith("_"):
            continue
        if thing is value:
            return name
        if isinstance(thing, list | tuple):  # of controls, one of which has it for its change
            found = [number for number, one in enumerate(thing) if getattr(one, "live", None) is value is not None]
            if found:
                return f"{name}[{found[0]}].live"
    name = getattr(value, "__name__", "")
    return next((f"{place}.{name}" for place, module in TORCH.items() if getattr(module, name, 0) is value), role)


def source(function):
    """Return the source of a function that the notebook defines by name, with an empty line behind it; else None."""
    named = getattr(function, "__name__", "").isidentifier()
    if not named or function.__module__.startswith("cnnlib."):
        return None
    with suppress(OSError, TypeError):
        return textwrap.dedent(inspect.getsource(function)).rstrip() + "\n"
    return None
