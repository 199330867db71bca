"""Write down a playground's run as Python that does the same again.

The listing holds the notebook's own functions as their source stands, what they use, the settings, and the calls that
build, train, and change the network at the same steps. What has no source, and values that no expression gives, go by
their names, and a comment says that the notebook has them.
"""

import ast
import inspect
import symtable
import sys
import textwrap
from contextlib import suppress
from functools import partial
from types import ModuleType, SimpleNamespace

import torch

from cnnlib.training.loop import Trainer

PLACES = ("cnnlib", "cnnlib.models", "cnnlib.datasets")  # where a chapter imports from, in this order
TORCH = ("torch.nn", "torch.nn.functional", "torch.optim", "torch")
OURS = {"torch": torch, "SimpleNamespace": SimpleNamespace, "partial": partial, "Trainer": Trainer}
OURS |= {name: object() for name in ("settings", "batches", "net", "trainer", "steer", "history")}
LONGEST = 1000  # characters of a value that is written out


def write_listing(build, data, base, events, lives, *, steps, num_batches, seed, options):
    """Return the lines that repeat a run.

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
    listing = Listing()
    data, build = listing.function(data, "data"), listing.function(build, "build")
    extra = "".join(f", {name}={listing.value(value, name)}" for name, value in options.items())
    lines = [
        f"settings = {listing.value(base)}",
        f"torch.manual_seed({seed})",
        f"batches = {data}(settings)",
        f"net = {build}(settings)",
        f"trainer = Trainer(net, *batches, lr=settings.lr{extra})",
    ]
    changes = {}
    for step, name, value in events:
        value = listing.value(value, name)
        change = f"trainer.lr = {value}"
        if name != "lr":
            change = f"{listing.function(lives[name], f'change_{name}')}(trainer, {value})"
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
    return listing.text(lines)


class Listing:
    """Collects definitions, the imports that they need, and the names that only the notebook has."""

    def __init__(self):
        self.imports = {"import torch", "from types import SimpleNamespace", "from cnnlib import Trainer"}
        self.known = dict(OURS)  # what each name stands for
        self.definitions, self.missing, self.own = [], set(), {"__main__"}

    def function(self, function, role):
        """Return the name under which the listing calls a function that the notebook handed in: its own, or `role`."""
        module = getattr(function, "__module__", "")
        self.own |= {module} - {name for name in [module] if name.startswith("cnnlib.")}
        name = function.__name__ if _is_named(function) else role
        source = _source(function)
        used = _used(source, function) if source else {}
        while used.get(name, function) is not function or not self.define(name, function):
            name += "_"
        return name

    def define(self, name, thing):
        """Let a name stand for a thing; return whether it does, because one name cannot stand for two."""
        if name in self.known:
            return self.known[name] is thing
        self.known[name] = thing
        source, imported = _source(thing), self._import(name, thing)
        if imported:
            self.imports.add(imported)
        elif source is None:
            value = self.value(thing, name, named=False)
            if value != name:
                self.definitions.append(f"{name} = {value}")
        elif not all([self.define(*pair) for pair in _used(source, thing).items()]):
            self.missing.add(name)
        else:
            named = _is_named(thing)
            self.definitions += [source] if named else []
            self.definitions += [f"{name} = {thing.__name__ if named else source}"] if thing.__name__ != name else []
        return True

    def value(self, thing, name="value", named=True):
        """Return an expression for a value; one that has none goes by `name`, which the notebook has to define."""
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            if len(text := repr(thing)) <= LONGEST and ast.literal_eval(text) == thing:
                return text
        if type(thing) is partial:
            self.imports.add("from functools import partial")
            parts = [*map(self.value, (thing.func, *thing.args)), *self._keywords(thing.keywords)]
            return f"partial({', '.join(parts)})"
        if type(thing) is SimpleNamespace:
            return f"SimpleNamespace({', '.join(self._keywords(vars(thing)))})"
        if named and (inspect.isroutine(thing) or inspect.isclass(thing)) and not inspect.ismethod(thing):
            for place in ("builtins", *TORCH):
                if getattr(sys.modules[place], thing.__name__, None) is thing:
                    return thing.__name__ if place == "builtins" else f"{place}.{thing.__name__}"
            own = thing.__name__ if _is_named(thing) else name
            if self.define(own, thing):
                return own
        self.missing.add(name)
        return name

    def _keywords(self, values):
        return [f"{name}={self.value(value, name)}" for name, value in values.items()]

    def _import(self, name, thing):
        """Return the line that imports a module, or what a module other than the notebook holds; None if none does."""
        if isinstance(thing, ModuleType):
            package, _, last = thing.__name__.rpartition(".")
            renamed = "" if name == last else f" as {name}"
            return f"from {package} import {last}{renamed}" if package else f"import {last}{renamed}"
        module = getattr(thing, "__module__", None)
        if not hasattr(thing, "__name__") or module in self.own:
            return None
        for place in (*PLACES, *TORCH, module):
            if getattr(sys.modules.get(place), thing.__name__, None) is thing:
                return f"from {place} import {thing.__name__}" + (f" as {name}" if name != thing.__name__ else "")
        return None

    def text(self, lines):
        """Return the whole listing: imports, what the notebook has to define, definitions, and `lines`."""
        library = sorted(line for line in self.imports if line.startswith("from cnnlib"))
        others = sorted(
            self.imports.difference(library), key=lambda line: ("torch" in line, line.startswith("from"), line)
        )
        missing = [f"# {', '.join(sorted(self.missing))}: as defined in this notebook"] if self.missing else []
        blocks = ["\n".join(block) for block in (others, library, missing, lines) if block]
        return "\n\n".join([*blocks[:-1], *self.definitions, blocks[-1]]) + "\n"


def _is_named(thing):
    return getattr(thing, "__name__", "").isidentifier() and (inspect.isfunction(thing) or inspect.isclass(thing))


def _functions(thing):
    """Return the functions whose code a function, or a class, consists of."""
    if inspect.isfunction(thing):
        return [inspect.unwrap(thing)]
    return [value for value in vars(thing).values() if inspect.isfunction(value)] if inspect.isclass(thing) else []


def _source(thing):
    """Return the source of a function, a lambda or a class as it stands in a file or a cell; None if there is none."""
    for function in _functions(thing):
        try:
            lines, _ = inspect.findsource(function)
            tree = ast.parse(text := "".join(lines))
        except (OSError, SyntaxError, ValueError):
            continue
        line, found = function.__code__.co_firstlineno, None
        for node in ast.walk(tree):
            if thing.__name__ == "<lambda>":
                if isinstance(node, ast.Lambda) and node.lineno == line and _is_within(function, node.body):
                    found = ast.get_source_segment(text, node)  # the innermost comes last
            elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == thing.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first == line or (inspect.isclass(thing) and first < line <= node.end_lineno):
                    return textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip()
        return f"({found})" if found and "\n" in found else found
    return None


def _is_within(function, node):
    """Return whether all instructions of a function come from a part of its source."""
    first, last = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    spots = [((a, c), (b, d)) for a, b, c, d in function.__code__.co_positions() if None not in (a, b, c, d)]
    return all(first <= start and end <= last for start, end in spots if start != end)


def _used(source, thing):
    """Return what a definition uses from around it: name to thing."""
    around = {}
    for function in _functions(thing):
        around |= function.__globals__
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with suppress(ValueError):  # a name that has no value yet
                around[name] = cell.cell_contents
    names = _free_names(symtable.symtable(source, "listing", "exec"))
    return {name: around[name] for name in sorted(names) if name in around}


def _free_names(table):
    """Return the names that some source reads and does not define itself."""
    inside = table.get_type() != "module"
    names = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (s.is_global() or not inside)}
    return names.union(*map(_free_names, table.get_children()))
