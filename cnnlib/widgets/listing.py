"""Write down a playground's run as a few lines of Python that do the same again.

The lines come from the panel's own `build` and `data` functions, read from their source, with the values of the
settings put in; what is constant then is worked out (`a if True else b` becomes `a`).
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
    "cnnlib.training",
)  # where a chapter imports from, in this order
MODULES = {torch: "import torch", nn: "from torch import nn"}


class Listing:
    """Collects lines, the imports that they need, and the names that only the notebook has."""

    def __init__(self):
        self.lines, self.imports, self.own = [], {"import torch"}, set()

    def value(self, thing):
        """Return an expression for a value: a number, a word, a function by its name, a partial call."""
        if isinstance(thing, partial):
            self.imports.add("from functools import partial")
            given = [self.value(a) for a in thing.args] + [f"{k}={self.value(v)}" for k, v in thing.keywords.items()]
            return f"partial({', '.join([self.value(thing.func), *given])})"
        if isinstance(thing, list | tuple):
            items = ", ".join(map(self.value, thing))
            return f"[{items}]" if isinstance(thing, list) else f"({items}{',' * (len(thing) == 1)})"
        if not callable(thing):
            return repr(thing)
        name = getattr(thing, "__name__", None)
        if name is None or name == "<lambda>":
            return repr(thing)
        return self.name(name, thing)

    def name(self, name, thing):
        """Return the name by which the lines call a function, a class or a module, and note where it is from."""
        if isinstance(thing, ModuleType):
            renamed = "" if thing.__name__ == name else f" as {name}"
            self.imports.add(MODULES.get(thing, f"import {thing.__name__}{renamed}"))
            return name
        for module, prefix in ((nn, "nn"), (torch.optim, "torch.optim"), (torch, "torch")):
            if getattr(module, getattr(thing, "__name__", name), None) is thing:
                self.imports.add("from torch import nn" if prefix == "nn" else "import torch")
                return f"{prefix}.{thing.__name__}"
        for place in PLACES:
            if _same(getattr(importlib.import_module(place), name, None), thing):
                self.imports.add(f"from {place} import {name}")
                return name
        home = getattr(thing, "__module__", None) or "__main__"
        if home == "__main__" or home.startswith("test"):
            self.own.add(name)
        else:
            self.imports.add(f"from {home} import {name}")
        return name

    def call(self, function, *values):
        """Return the expression that a function returns, with values in place of its parameters; or a call of it."""
        body = _body(function)
        if body is None:
            return f"{self.value(function)}({', '.join(map(self._settings, values))})"
        names, local, expression = body
        fill = _Fill(self, dict(zip(names, values, strict=False)), _names_of(function))
        for name, value in local:
            fill.values[name] = fill.visit(value)
        return ast.unparse(ast.fix_missing_locations(fill.visit(expression)))

    def _settings(self, value):
        if isinstance(value, _Name):
            return value
        if not isinstance(value, SimpleNamespace):
            return self.value(value)
        self.imports.add("from types import SimpleNamespace")
        return f"SimpleNamespace({', '.join(f'{k}={self.value(v)}' for k, v in vars(value).items())})"

    def text(self):
        """Return the whole listing."""
        plain = sorted(line for line in self.imports if line.startswith("import"))
        from_library = sorted(line for line in self.imports if line.startswith("from cnnlib"))
        others = sorted(self.imports - set(plain) - set(from_library))
        own = [f"# {', '.join(sorted(self.own))}: as defined in this notebook"] if self.own else []
        blocks = [[*others, *plain], _join(from_library), own, self.lines]
        return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


class _Name(str):
    """A name that stands for itself in a listing."""


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
    extra = "".join(f", {name}={listing.value(value)}" for name, value in options.items())
    listing.lines += [
        f"torch.manual_seed({seed})",
        f"train_iter, test_iter = {listing.call(data, base)}",
        f"net = {listing.call(build, base)}",
        f"trainer = Trainer(net, train_iter, test_iter, lr={base.lr!r}{extra})",
    ]
    by_step = {}
    for step, name, value in events:
        done = f"trainer.lr = {value!r}" if name == "lr" else listing.call(lives[name], _Name("trainer"), value)
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


def _body(function):
    """Take a function apart that returns an expression, perhaps after giving names to others.

    Returns
    -------
    (list of str, list of (str, expression), expression) or None
        Its parameters, what it gives names to, what it returns; None if it does anything else.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source if function.__name__ != "<lambda>" else _around(source))
    except (OSError, TypeError, SyntaxError, AttributeError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            *first, last = node.body[1:] if ast.get_docstring(node) else node.body
            plain = all(isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name) for s in first)
            if not plain or any(len(s.targets) > 1 for s in first) or not isinstance(last, ast.Return):
                return None
            return [a.arg for a in node.args.args], [(s.targets[0].id, s.value) for s in first], last.value
        if isinstance(node, ast.Lambda) and function.__name__ == "<lambda>" and _is(node, function):
            return [a.arg for a in node.args.args], [], node.body
    return None


def _around(source):
    """Return a piece of source that holds a lambda so that it can be parsed: a line of a longer call, say."""
    piece = source.strip().rstrip(",")
    for text in (source, f"f({piece})", f"f({piece}", f"[{piece}", piece.rstrip("),]")):
        try:
            ast.parse(text)
            return text
        except SyntaxError:
            continue
    return source


def _is(node, function):
    code = compile(ast.Expression(ast.fix_missing_locations(node)), "", "eval").co_consts[0]
    mine = function.__code__
    return (code.co_code, code.co_names, code.co_varnames) == (mine.co_code, mine.co_names, mine.co_varnames)


def _names_of(function):
    cells = inspect.getclosurevars(function)
    return {**function.__globals__, **cells.nonlocals}


class _Fill(ast.NodeTransformer):
    """Put values in place of parameters and of their attributes; work out what is constant then."""

    def __init__(self, listing, values, known):
        self.listing, self.values, self.known = listing, values, known
        self.bound = set()  # names that the expression itself defines

    def _expression(self, value):
        if isinstance(value, ast.AST):
            return copy.deepcopy(value)
        text = value if isinstance(value, _Name) else self.listing.value(value)
        return ast.parse(text, mode="eval").body

    def visit_Attribute(self, node):
        base = node.value
        if isinstance(base, ast.Name) and base.id in self.values and isinstance(self.values[base.id], SimpleNamespace):
            return self._expression(getattr(self.values[base.id], node.attr))
        return self.generic_visit(node)

    def visit_comprehension(self, node):
        self.bound |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        return self.generic_visit(node)

    def visit_ListComp(self, node):
        node.generators = [self.visit(generator) for generator in node.generators]
        node.elt = self.visit(node.elt)
        return node

    visit_GeneratorExp = visit_ListComp

    def visit_Name(self, node):
        if node.id in self.bound:
            return node
        if node.id in self.values:
            return self._expression(self.values[node.id])
        if node.id in self.known:
            thing = self.known[node.id]
            if isinstance(thing, partial | int | float | str):
                return self._expression(thing)
            name = getattr(thing, "__name__", None)
            if isinstance(thing, ModuleType) or name == node.id:
                return ast.parse(self.listing.name(node.id, thing), mode="eval").body
            self.listing.own.add(node.id)
        elif not hasattr(builtins, node.id):
            self.listing.own.add(node.id)
        return node

    def visit_IfExp(self, node):
        try:
            test = constant(self.visit(node.test))
        except ValueError:
            return self.generic_visit(node)
        return self.visit(node.body if test else node.orelse)


def constant(node):
    """Return the value of an expression of constants; ValueError if it is none."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.NotEq):
        same = constant(node.left) == constant(node.comparators[0])
        return same is isinstance(node.ops[0], ast.Eq)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not constant(node.operand)
    if isinstance(node, ast.BoolOp):
        values = [constant(value) for value in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    return ast.literal_eval(ast.fix_missing_locations(node))


def _same(theirs, mine):
    """Tell whether a definition of the library is the notebook's: the same thing, or the same source."""
    if theirs is None or theirs is mine:
        return theirs is mine and mine is not None
    try:
        if inspect.isclass(mine) and inspect.isclass(theirs):  # a notebook's classes have no source, their methods do
            one, other = _methods(theirs), _methods(mine)
            return one.keys() == other.keys() and all(_plain(one[name]) == _plain(other[name]) for name in one)
        return inspect.isfunction(mine) and _plain(theirs) == _plain(mine)
    except (OSError, TypeError, SyntaxError):
        return False


def _methods(thing):
    return {name: value for name, value in vars(thing).items() if inspect.isfunction(value)}


def _plain(thing):
    """Return the source of a function without its docstring, as a text that layout and comments do not change."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    for node in ast.walk(tree):
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
