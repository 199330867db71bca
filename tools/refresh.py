"""Bring the notebooks up to date: `make notebooks`, or `python tools/refresh.py [NAME …]`.

A cell whose metadata say `"cnnlib": "cnnlib.models.lenet.lenet"` shows that definition from the library; it is
written anew from there. Then every notebook is run from top to bottom and stored with its outputs, without widget
state: a page without a kernel shows the pictures that the cells left.

They run on one thread, as `make test` runs them: sums in another order round otherwise, and after some hundred steps
of training that shows in the second digit.
"""

import ast
import importlib
import inspect
import os
import sys
import textwrap
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def library_source(dotted):
    """Return the source of a function or class of the library without its docstring."""
    module, _, name = dotted.rpartition(".")
    source = textwrap.dedent(inspect.getsource(getattr(importlib.import_module(module), name)))
    lines = source.splitlines()
    for node in reversed(list(ast.walk(ast.parse(source)))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            del lines[node.body[0].lineno - 1 : node.body[0].end_lineno]
    return "\n".join(line.replace("  # fmt: skip", "").rstrip() for line in lines).strip()


def refresh(path):
    """Rewrite the library's cells of one notebook, run it, and store it, laid out as slides."""
    from slides import lay_out  # beside this file, which a test reads from elsewhere

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "cnnlib" in cell.metadata:
            cell.source = library_source(cell.metadata["cnnlib"])
    for row in (NOTEBOOKS / "results").glob("chapter*.json"):
        if row.stem[7:] >= path.stem[:2]:  # the table that grows has come as far as the chapter before
            row.unlink()
    os.environ["OMP_NUM_THREADS"] = "1"
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", store_widget_state=False, record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )  # fmt: skip
    client.execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [merge_stream(outputs) for outputs in group_streams(cell.outputs)]
    nbformat.write(lay_out(notebook), path)


def group_streams(outputs):
    """Group the outputs of a cell so that neighbouring pieces of one stream stand together."""
    groups = []
    for output in outputs:
        last = groups[-1][-1] if groups else None
        if last and last.output_type == output.output_type == "stream" and last.name == output.name:
            groups[-1].append(output)
        else:
            groups.append([output])
    return groups


def merge_stream(group):
    """Join the pieces of a stream: how a kernel cuts its text into messages is chance."""
    if group[0].output_type == "stream":
        group[0].text = "".join(output.text for output in group)
    return group[0]


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        if not wanted or path.stem in wanted or path.name in wanted:
            print(f"running {path.name} …", flush=True)
            refresh(path)
