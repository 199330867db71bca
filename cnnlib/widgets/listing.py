"""Write down a playground's run as a few lines of Python that do the same again.

The lines come from the panel's own `build` and `data` functions, read from their source, with the values of the
settings put in; what is constant then is worked out (`a if True else b` becomes `a`). What cannot be read so is called
by its name, and a comment says that the notebook has it.
"""

import ast
import builtins
import copy
import importlib
import inspect
import textwrap
from functools import partial
from types import ModuleType, SimpleNamespace

import torch
from torch import nn

PLACES = (
    "cnnlib",
    "cnnlib.models",
    "cnnlib.datasets",
    "cnnlib.training.loop",
    "cnnlib.training.metrics",
)  # where a chapter imports from, in this order
TORCH = ((nn, "nn"), (nn.functional, "nn.functional"), (torch.optim, "torch.optim"), (torch, "torch"))
MODULES = {torch: "import torch", nn: "from torch import nn"}
TAKEN = {"train_iter", "test_iter", "trainer", "history", "steer", "torch", "nn", "partial", "Trainer"}  # names of ours


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
    listing.imports.add("from cnnlib import Trainer")
    extra = "".join(f", {name}={listing.value(value, name)}" for name, value in options.items())
    listing.lines += [
        f"torch.manual_seed({seed})",
        *listing.assign("train_iter, test_iter", data, base, role="data"),
        *listing.assign("net", build, base, role="build"),
        f"trainer = Trainer(net, train_iter, test_iter, lr={base.lr!r}{extra})",
    ]
    by_step = {}
    for step, name, value in events:
        done = f"trainer.lr = {value!r}"
        if name != "lr":
            done = listing.call(lives[name], Name("trainer"), value, role=f"change_{name}")
        by_step.setdefault(step, {})[name] = done
    epochs, rest = divmod(steps, num_batches)
    if rest:
        by_step.setdefault(steps, {})["stop"] = "trainer.stop()"
        epochs += 1
    if by_step:
        listing.lines += ["", "def steer(trainer):"]
        for step, actions in sorted(by_step.items()):
            listing.lines += [f"    if trainer.step == {step}:"] + [f"        {line}" for line in actions.values()]
        listing.lines += ["", "trainer.listeners.append(steer)"]
        if 0 in by_step:
            listing.lines.append("steer(trainer)")
    listing.lines.append(f"history = trainer.fit({max(epochs, 1)})" if steps else "# not a step yet: trainer.fit(1)")
    return listing.text()


class Name(str):
    """A name that stands for itself in a listing."""


class Listing:
    """Collects lines, the imports that they need, and the names that only the notebook has."""

    def __init__(self):
        self.lines, self.imports, self.own = [], {"import torch"}, set()

    def value(self, thing, name="value"):
        """Return an expression for a value; one that has none goes by `name`, which the notebook has to define."""
        if isinstance(thing, Name):
            return str(thing)
        if isinstance(thing, partial):
            self.imports.add("from functools import partial")
            given = [self.value(a) for a in thing.args] + [f"{k}={self.value(v)}" for k, v in thing.keywords.items()]
            return f"partial({', '.join([self.value(thing.func), *given])})"
        if isinstance(thing, SimpleNamespace):
            self.imports.add("from types import SimpleNamespace")
            return f"SimpleNamespace({', '.join(f'{k}={self.value(v, k)}' for k, v in vars(thing).items())})"
        if type(thing) in (list, tuple):
            items = ", ".join(self.value(item, name) for item in thing)
            return f"[{items}]" if isinstance(thing, list) else f"({items}{',' * (len(thing) == 1)})"
        if type(thing) is dict:
            return f"{{{', '.join(f'{self.value(k)}: {self.value(v, name)}' for k, v in thing.items())}}}"
        if isinstance(thing, bool | int | float | str | None) and type(thing).__module__ == "builtins":
            return repr(thing) if not isinstance(thing, float) or thing - thing == 0 else f"float('{thing}')"
        if (inspect.isfunction(thing) or inspect.isclass(thing) or inspect.isbuiltin(thing)) and _named(thing):
            return self.name(thing.__name__, thing)
        self.own.add(name)
        return name

    def name(self, name, thing):
        """Return the name by which the lines call a function, a class or a module, and note where it is from."""
        if isinstance(thing, ModuleType):
            renamed = "" if thing.__name__ == name else f" as {name}"
            self.imports.add(MODULES.get(thing, f"import {thing.__name__}{renamed}"))
            return name
        for module, prefix in TORCH:
            if getattr(module, thing.__name__, None) is thing:
                self.imports.add("from torch import nn" if prefix.startswith("nn") else "import torch")
                return f"{prefix}.{thing.__name__}"
        for place in PLACES:
            if _same(getattr(importlib.import_module(place), thing.__name__, None), thing):
                self.imports.add(f"from {place} import {thing.__name__}")
                return thing.__name__
        if getattr(thing, "__module__", "") == "builtins":
            return thing.__name__
        if (getattr(thing, "__module__", None) or "").startswith("cnnlib."):
            self.imports.add(f"from {thing.__module__} import {thing.__name__}")
        else:
            self.own.add(name)
        return name

    def assign(self, target, function, settings, role):
        """Return the lines that give `target` what a function returns for the settings."""
        body = _body(function)
        if body is None or any(name in TAKEN for name in body.local):
            return [f"{target} = {self.by_name(function, [settings], role)}"]
        fill = Fill(self, body.bind([settings]), body)
        made = [ast.unparse(ast.fix_missing_locations(fill.visit(statement))) for statement in body.statements]
        return [*made, f"{target} = {fill.text(body.expression)}"]

    def call(self, function, *values, role):
        """Return the expression that a function returns, with values in place of its parameters; or a call of it."""
        body = _body(function)
        if body is None or body.statements:
            return self.by_name(function, values, role)
        return Fill(self, body.bind(values), body).text(body.expression)

    def by_name(self, function, values, role):
        """Return a call of a function by its name, or by the part that it plays if it has none."""
        called = self.value(function, role)
        return f"{called}({', '.join(self.value(value) for value in values)})"

    def text(self):
        """Return the whole listing."""
        library = sorted(line for line in self.imports if line.startswith("from cnnlib"))
        others = self.imports - set(library)
        standard = sorted(line for line in others if "torch" not in line)
        torchs = sorted((line for line in others if "torch" in line), key=lambda line: (line.startswith("from"), line))
        own = [f"# {', '.join(sorted(self.own))}: as defined in this notebook"] if self.own else []
        blocks = [[*standard, *torchs], _join(library), own, self.lines]
        return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


class Body:
    """A function taken apart that returns an expression, perhaps after giving names to others."""

    def __init__(self, function, parameters, statements, expression):
        self.parameters, self.statements, self.expression = parameters, statements, expression
        self.defaults = {
            name: p.default for name, p in inspect.signature(function).parameters.items() if p.default is not p.empty
        }
        self.known = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        targets = [target for statement in statements for target in statement.targets]
        self.local = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}

    def bind(self, values):
        """Return each parameter's value."""
        return self.defaults | dict(zip(self.parameters, values, strict=False))


class Fill(ast.NodeTransformer):
    """Put values in place of parameters and of their attributes; work out what is constant then."""

    def __init__(self, listing, values, body):
        self.listing, self.values, self.known = listing, values, body.known
        self.bound = set(body.local)  # names that the lines themselves define

    def text(self, node):
        """Return the source of an expression with its values put in."""
        return ast.unparse(ast.fix_missing_locations(self.visit(copy.deepcopy(node))))

    def _expression(self, value, name):
        return ast.parse(self.listing.value(value, name), mode="eval").body

    def visit_Attribute(self, node):
        base = node.value
        if isinstance(base, ast.Name) and isinstance(self.values.get(base.id), SimpleNamespace):
            return self._expression(getattr(self.values[base.id], node.attr), node.attr)
        return self.generic_visit(node)

    def visit_Lambda(self, node):
        arguments = node.args
        self.bound |= {a.arg for a in (*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg) if a}
        return self.generic_visit(node)

    def visit_ListComp(self, node):
        for generator in node.generators:
            self.bound |= {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
        return self.generic_visit(node)

    visit_GeneratorExp = visit_SetComp = visit_DictComp = visit_ListComp

    def visit_Name(self, node):
        if node.id in self.bound or isinstance(node.ctx, ast.Store):
            return node
        if node.id in self.values:
            return self._expression(self.values[node.id], node.id)
        if node.id in self.known:
            thing = self.known[node.id]
            if isinstance(thing, ModuleType):
                self.listing.name(node.id, thing)
                return node
            return self._expression(thing, node.id)
        if not hasattr(builtins, node.id):
            self.listing.own.add(node.id)
        return node

    def visit_IfExp(self, node):
        try:
            test = constant(self.visit(copy.deepcopy(node.test)))
        except ValueError:
            return self.generic_visit(node)
        return self.visit(node.body if test else node.orelse)


def constant(node):
    """Return the value of an expression of constants; ValueError if it is none."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        one, other = constant(node.left), constant(node.comparators[0])
        if isinstance(node.ops[0], ast.Eq | ast.NotEq):
            return (one == other) is isinstance(node.ops[0], ast.Eq)
        if isinstance(node.ops[0], ast.Lt | ast.GtE):
            return (one < other) is isinstance(node.ops[0], ast.Lt)
        if isinstance(node.ops[0], ast.Gt | ast.LtE):
            return (one > other) is isinstance(node.ops[0], ast.Gt)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not constant(node.operand)
    if isinstance(node, ast.BoolOp):
        values = [constant(value) for value in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    try:
        return ast.literal_eval(ast.fix_missing_locations(node))
    except (TypeError, SyntaxError, MemoryError) as error:
        raise ValueError("no constant") from error


def _body(function):
    """Take a function apart: a Body, or None if it does more than give names and return an expression."""
    if not inspect.isfunction(function):
        return None
    try:
        lines, _ = inspect.findsource(function)
        tree = ast.parse("".join(lines))
    except (OSError, SyntaxError, ValueError):
        return None
    line = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__ and node.lineno == line:
            *first, last = node.body[1:] if ast.get_docstring(node) else node.body
            if all(isinstance(s, ast.Assign) and _only_names(s.targets) for s in first) and isinstance(
                last, ast.Return
            ):
                return Body(function, [a.arg for a in node.args.args], first, last.value)
            return None
        if isinstance(node, ast.Lambda) and function.__name__ == "<lambda>" and _place(node.body) in _places(function):
            return Body(function, [a.arg for a in node.args.args], [], node.body)
    return None


def _only_names(targets):
    flat = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return len(targets) == 1 and all(isinstance(part, ast.Name) for part in flat)


def _place(node):
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _places(function):
    """Return where in the source the instructions of a function come from; for a lambda, its whole expression too."""
    return set(function.__code__.co_positions())


def _named(thing):
    return thing.__name__.isidentifier()


def _same(theirs, mine):
    """Return whether a definition of the library is the notebook's: the same thing, or the same source."""
    if theirs is None or theirs is mine:
        return theirs is mine and mine is not None
    try:
        if inspect.isclass(mine) and inspect.isclass(theirs):  # a notebook's classes have no source, their methods do
            one, other = _methods(theirs), _methods(mine)
            return one.keys() == other.keys() and all(_plain(one[name]) == _plain(other[name]) for name in one)
        return inspect.isfunction(mine) and inspect.isfunction(theirs) and _plain(theirs) == _plain(mine)
    except (OSError, TypeError, SyntaxError):
        return False


def _methods(thing):
    return {name: value for name, value in vars(thing).items() if inspect.isfunction(value)}


def _plain(thing):
    """Return the source of a function without docstring and checks, as a text that no layout and comment changes."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):  # what a chapter shows has no rules above it
            node.decorator_list = [d for d in node.decorator_list if not ast.unparse(d).startswith("arguments(")]
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


def _join(lines):
    """Join imports from one module into one line."""
    names = {}
    for line in lines:
        module, _, name = line.removeprefix("from ").partition(" import ")
        names.setdefault(module, []).append(name)
    return [f"from {module} import {', '.join(sorted(given))}" for module, given in names.items()]
