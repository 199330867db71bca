"""Write into each chapter its link to Colab and the cell that installs the course on a hosted kernel.

    python tools/hosted.py

Both name the repository of `[project.urls]` in pyproject.toml: a fork changes it there and runs this.
"""

import sys
import tomllib
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[1]
TAG = "hosted"
CELL = """# On Colab and Kaggle this installs the course, in a minute; elsewhere it does nothing.
from importlib.util import find_spec

if find_spec("cnnlib") is None:
    get_ipython().run_line_magic("pip", "install --quiet 'cnnlib @ git+{repository}'")
"""


def repository():
    """Return the address that pyproject.toml names."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def colab(name):
    """Return the Markdown link that opens a chapter in Colab."""
    place = repository().removeprefix("https://github.com/")
    return f"[Open in Colab](https://colab.research.google.com/github/{place}/blob/main/notebooks/{name}.ipynb)"


def hosted_cell():
    """Return the source of the cell."""
    return CELL.format(repository=repository()).strip()


def write(path):
    """Put the link and the cell into a chapter, in place of what was there."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    signpost = notebook.cells[1]
    ways = [part for part in signpost.source.split(" | ") if "colab.research.google.com" not in part]
    signpost.source = " | ".join([*ways, colab(path.stem)])
    metadata = {"tags": [TAG, "hide-input", "remove-cell", "nbval-ignore-output"], "jupyter": {"source_hidden": True}}
    metadata["slideshow"] = {"slide_type": "skip"}
    cell = new_code_cell(hosted_cell(), id=f"hosted-{path.stem[:2]}", metadata=metadata)
    notebook.cells.insert(1, cell)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for chapter in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        write(chapter)
        sys.stdout.write(f"{chapter.name}\n")
