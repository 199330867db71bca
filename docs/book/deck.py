"""Build the deck, every chapter as slides in a static page: `make deck`, or `python docs/book/deck.py [FOLDER]`.

nbconvert writes the slides, from the stored outputs; reveal.js comes from the package sphinx-revealjs and is copied
beside them. Where a live presentation has to show a cell as it is, here its paragraphs are laid out one by one.
"""

import shutil
import sys
from pathlib import Path

import nbformat
import sphinx_revealjs
from nbconvert.exporters import SlidesExporter
from nbformat.v4 import new_markdown_cell
from offline import offline
from traitlets.config import Config

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"
sys.path.insert(0, str(ROOT / "tools"))


def paragraphs(source):
    """Return the paragraphs of a Markdown text; a fenced block stays whole."""
    pieces, fenced = [[]], False
    for line in source.splitlines():
        fenced ^= line.startswith("```")
        if line.strip() or fenced:
            pieces[-1].append(line)
        else:
            pieces.append([])
    return ["\n".join(piece) for piece in pieces if piece]


def in_pieces(cells):
    """Return cells with every Markdown cell cut between its paragraphs."""
    pieces = []
    for cell in cells:
        if cell.cell_type == "markdown":
            texts = enumerate(paragraphs(cell.source))
            pieces += [new_markdown_cell(text, id=f"{cell.id}-{number}") for number, text in texts]
        else:
            pieces.append(cell)
    return pieces


def slides_of(notebook):
    """Return the page of one chapter's slides; its notebook is changed on the way."""
    from slides import is_import, lay_out

    notebook.cells = in_pieces(notebook.cells)
    for cell in lay_out(notebook).cells:
        if is_import(cell):  # nothing runs here
            cell.metadata["slideshow"] = {"slide_type": "skip"}
    exporter = SlidesExporter(
        template_name="deck", extra_template_basedirs=[str(HERE)], reveal_url_prefix="reveal", reveal_theme="course",
        exclude_anchor_links=True,
        config=Config(TagRemovePreprocessor={"enabled": True, "remove_input_tags": ("hide-input",)}),
    )  # fmt: skip
    title = notebook.cells[0].source.lstrip("# ")
    return exporter.from_notebook_node(offline(notebook), {"metadata": {"name": title}})[0]


def build(folder):
    """Write the slides of all chapters into a folder, in place of what was there."""
    from slides import chapters

    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in chapters():
        page = slides_of(nbformat.read(path, as_version=4))
        (folder / f"{path.stem}.slides.html").write_text(page, encoding="utf-8")
    for name in ("LICENSE", "dist/reveal.js", "dist/reveal.css"):
        (folder / "reveal" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REVEAL / name, folder / "reveal" / name)
    (folder / "reveal" / "dist" / "theme").mkdir()
    shutil.copy(HERE / "deck" / "theme.css", folder / "reveal" / "dist" / "theme" / "course.css")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "deck"
    build(target)
    print("\n".join(map(str, sorted(target.glob("*.html")))))
