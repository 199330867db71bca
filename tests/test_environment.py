"""One list of dependencies serves pip, conda and Binder; the README's commands exist."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_installs_what_pyproject_lists():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    entries = re.findall(r"^\s*- (.+?)\s*$", text.split("dependencies:")[1], flags=re.MULTILINE)
    assert entries == [f"python{PROJECT['requires-python']}", "pip", "pip:", "-e .[lab]"]
    assert "lab" in PROJECT["optional-dependencies"]


# what a listed package needs itself
BROUGHT = {"numpy": "matplotlib", "PIL": "matplotlib", "IPython": "ipywidgets", "traitlets": "ipywidgets"}


def test_every_package_the_library_imports_is_listed():
    listed = {re.split(r"[><=\[ ]", entry)[0] for entry in PROJECT["dependencies"]}
    imported = set()
    for path in (ROOT / "cnnlib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    imported -= {*sys.stdlib_module_names, "cnnlib"}
    assert "jupyter_ui_poll" in imported
    imported -= {"jupyter_ui_poll", "jupyterlab"}  # the one by another name; the other only where it is there
    assert {BROUGHT.get(name, name) for name in imported} <= listed
    cells = [c.source for path in (ROOT / "notebooks").glob("*.ipynb") for c in nbformat.read(path, as_version=4).cells]
    shown = set(re.findall(r"^(?:from|import) (\w+)", "\n".join(cells), flags=re.MULTILINE))
    assert listed <= imported | shown | {"jupyter-ui-poll"}, "listed, and used by nothing"


def test_dependencies_have_lower_bounds_only():
    extras = [entry for group in PROJECT["optional-dependencies"].values() for entry in group]
    for entry in PROJECT["dependencies"] + extras:
        assert not re.search(r"==|<|~=", entry), f"{entry} would break on a newer Python"


def test_the_commands_of_the_readme_are_targets():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^make (\w+)", readme, flags=re.MULTILINE):
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE), command
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_chapters_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\((notebooks/[^)]+\.ipynb)\)", readme)
    assert named and all((ROOT / name).exists() for name in named)
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} == {Path(name).name for name in named}
