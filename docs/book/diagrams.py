"""Draw the chapters' Mermaid diagrams as pictures, with JupyterLab's own Mermaid: `python docs/book/diagrams.py`.

Needed only where a diagram has changed. It takes the test extra and a Chromium.
"""

import sys
import tempfile
import urllib.parse
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook
from offline import DIAGRAMS, diagrams_of, name_of

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT / "tools")]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def draw(texts):
    """Draw diagrams; return one SVG a text."""
    from lab import chromium, jupyterlab, open_notebook

    with tempfile.TemporaryDirectory() as folder, jupyterlab(folder) as address, chromium() as page:
        cells = [new_markdown_cell(f"```mermaid\n{text}```") for text in texts]
        nbformat.write(new_notebook(cells=cells, metadata=KERNEL), Path(folder, "diagrams.ipynb"))
        open_notebook(page, address, "diagrams.ipynb")
        pictures = page.locator(".jp-RenderedMermaid img")
        pictures.nth(len(texts) - 1).wait_for()
        sources = [pictures.nth(i).get_attribute("src") for i in range(len(texts))]
    pictures = [urllib.parse.unquote(source) for source in sources]
    return [picture[picture.index("<svg") :] for picture in pictures]  # without 10 kB of names of letters


if __name__ == "__main__":
    from slides import chapters

    texts = [text for path in chapters() for text in diagrams_of(nbformat.read(path, as_version=4))]
    for old in DIAGRAMS.glob("*.svg"):
        old.unlink()
    for text, picture in zip(texts, draw(texts) if texts else [], strict=True):
        (DIAGRAMS / name_of(text)).write_text(picture + "\n", encoding="utf-8")
        print(f"drew {DIAGRAMS / name_of(text)}")
