"""The house keeps its floors: nothing in cnnlib imports upward, draws with pyplot, or prints."""

import ast
import re
from pathlib import Path

import pytest

import cnnlib

ROOT = Path(cnnlib.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def floors():
    """Read the floors from the package's docstring: module → number, counted from the ground."""
    rows = re.findall(r"^    (\w+(?:, \w+)*)  ", cnnlib.__doc__, re.MULTILINE)
    return {name: number for number, row in enumerate(rows) for name in row.split(", ")}


def module_of(path):
    """Return the module or folder of cnnlib that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports_of(path):
    """Return the full names of all that a file imports, inside functions too."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} line {node.lineno}: a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def calls_of(path, name):
    """Return the lines on which a file calls `name`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == name]


def test_every_module_has_a_floor():
    assert {module_of(path) for path in FILES} == set(floors())


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_nothing_from_above(path):
    level, here = floors(), module_of(path)
    for name in imports_of(path):
        package, _, rest = name.partition(".")
        if package == "cnnlib":
            there = rest.split(".")[0]
            assert there in level, f"{name}: import from the module, not from the package as a whole"
            assert level[there] <= level[here], f"cnnlib.{here} must not import cnnlib.{there}, which stands above it"


def test_no_circle_within_a_floor():
    edges = {(module_of(p), n.split(".")[1]) for p in FILES for n in imports_of(p) if n.startswith("cnnlib.")}
    left = {name for edge in edges for name in edge}
    while leaves := {a for a in left if not any(x == a and y != a and y in left for x, y in edges)}:
        left -= leaves
    assert not left, f"these import each other: {sorted(left)}"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_pyplot_and_no_wildcards(path):
    names = imports_of(path)
    assert not any("pyplot" in name or "pylab" in name or name.endswith(".*") for name in names)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nothing_prints_or_runs_text(path):
    if path != ROOT / "d2l.py":  # its listings print
        assert not calls_of(path, "print")
    assert not calls_of(path, "exec") and not calls_of(path, "eval")


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_training_knows_no_display():
    above = [f"cnnlib.{name}" for name in ("figures", "page.frontend", "widgets")]
    for path in (*(ROOT / "validation").glob("*.py"), *(ROOT / "training").glob("*.py")):
        names = imports_of(path)
        assert not any(name.startswith(("matplotlib", "IPython", "ipywidgets", *above)) for name in names)
