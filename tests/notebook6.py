"""Classic Notebook 6 in a browser: the nearest to Colab's and Kaggle's kernels that runs without them.

The versions are those that Colab publishes (`tools/versions.py colab`): ipykernel 6, which has no subshells, and
ipywidgets 7.
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

from lab import chromium, serving

OPTIONS = ("--no-browser", "--allow-root", "--NotebookApp.token=", "--NotebookApp.port_retries=0")


@contextmanager
def notebook6(folder, **environment):
    """Start classic Notebook on `folder`, and a browser; yield a page that knows the server by `page.address`."""
    home = Path(folder, ".home")
    places = {f"JUPYTER_{name}": str(home / name) for name in ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR")}
    command = [sys.executable, "-m", "notebook", f"--notebook-dir={folder}"]
    home.mkdir(exist_ok=True)
    with serving(command, os.environ | places | environment, home, options=OPTIONS) as address, chromium() as page:
        page.address = address
        yield page


def open_notebook6(page, name):
    """Open a notebook and wait until its kernel is ready."""
    page.goto(f"{page.address}/notebooks/{name}")
    page.wait_for_function("window.Jupyter?.notebook?.kernel?.info_reply?.status === 'ok'", timeout=90_000)


def run_cell6(page, index):
    """Run a cell, without waiting for it."""
    page.evaluate("i => Jupyter.notebook.get_cell(i).execute()", index)


def output6(page, index):
    """Return the text that a cell has printed."""
    return page.evaluate(
        "i => Jupyter.notebook.get_cell(i).output_area.outputs.map(o => o.text || o.evalue || '').join('')", index
    )
