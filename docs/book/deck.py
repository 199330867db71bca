"""Build the deck, every chapter as slides in a static page: `make deck`, or `python docs/book/deck.py [FOLDER]`.

nbconvert writes the slides, from the stored outputs; reveal.js comes from the package sphinx-revealjs and is copied
beside them. Where a live presentation has to show a cell as it is, here its paragraphs are laid out one by one,
pictures are as large as the slide allows, and code that leaves something to see stays folded until C is pressed. A
slide with a picture has as its title what the picture shows: a sentence of the chapter, chosen in deck/titles.md.
Others have the title of their section.
"""

import re
import shutil
import sys
from itertools import takewhile
from pathlib import Path

import nbformat
import sphinx_revealjs
from nbconvert.exporters import SlidesExporter
from nbformat.v4 import new_markdown_cell
from offline import offline

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REVEAL = Path(sphinx_revealjs.__file__).parent / "_static" / "revealjs"
TITLES = (HERE / "deck" / "titles.md").read_text(encoding="utf-8").splitlines()
WIDE, HIGH, MOST = 1800, 800, 2.4  # pixels that a picture fills of 1920 × 1080, and how much it is enlarged at most
READING = 3000  # letters of a table that is for reading, not for showing
TITLE = 110  # pixels that a title takes, which no cell has
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


def enlarge(cells):
    """Let every picture fill a slide; fold the code that leaves something to see."""
    from slides import ZOOM

    for cell in cells:
        for output in cell.get("outputs", ()):
            cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
            size = output.get("metadata", {}).get("image/png")
            if size:
                scale = min(WIDE / size["width"], HIGH / size["height"], MOST) / ZOOM
                size["width"], size["height"] = round(scale * size["width"]), round(scale * size["height"])


def claim_after(cells):
    """Return the title in deck/titles.md that stands in the prose up to the next picture or heading, or None."""
    from slides import headings, picture_height

    prose = takewhile(lambda cell: not headings(cell) and not picture_height(cell), cells)
    text = " ".join(" ".join(cell.source.split()) for cell in prose if cell.cell_type == "markdown")
    return next((title for title in TITLES if title in text), None)


def with_titles(cells):
    """Return cells that are laid out as slides, with a title for each slide that begins without a heading."""
    from slides import headings, picture_height

    made, section = [], ""
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells]
    starts = [i for i, kind in enumerate(kinds) if kind in ("slide", "subslide")]
    for i, (cell, kind) in enumerate(zip(cells, kinds, strict=True)):
        section = next((text for level, text in headings(cell) if level <= 2), section)
        if i in starts and not headings(cell):
            end = min((start for start in starts if start > i), default=len(cells))
            last = max((k for k in range(i, end) if picture_height(cells[k]) and kinds[k] != "skip"), default=None)
            claim = None if last is None else claim_after(cells[last + 1 :])
            source = (
                f"<p class='section'>{section}</p>\n\n## {claim[0].upper()}{claim[1:]}" if claim else f"## {section}"
            )
            made.append(new_markdown_cell(source, id=f"{cell.id}-title", metadata={"slideshow": {"slide_type": kind}}))
            del cell.metadata["slideshow"]
        made.append(cell)
    return made


def slides_of(notebook):
    """Return the page of one chapter's slides; its notebook is changed on the way."""
    from slides import SCREEN, is_import, lay_out

    notebook.cells = in_pieces(notebook.cells)
    enlarge(notebook.cells)
    for cell in lay_out(notebook, SCREEN - TITLE).cells:
        tables = [output.get("data", {}).get("text/markdown", "") for output in cell.get("outputs", ())]
        if is_import(cell) or max(map(len, tables), default=0) > READING:  # nothing runs here, and nothing is cut
            cell.metadata["slideshow"] = {"slide_type": "skip"}
    title = notebook.cells[0].source.lstrip("# ")
    notebook.cells = with_titles(notebook.cells)
    exporter = SlidesExporter(
        template_name="deck", extra_template_basedirs=[str(HERE)], reveal_url_prefix="reveal", reveal_theme="course",
        exclude_anchor_links=True,
    )  # fmt: skip
    page = exporter.from_notebook_node(offline(notebook), {"metadata": {"name": title}})[0]
    page = re.sub(r'<a href="\.\./docs/[^>]*>(.*?)</a>', r"\1", page)  # what is in the book is not beside the deck
    return re.sub(r'href="(\d\d_\w+)\.ipynb[^"]*"', r'href="\1.slides.html"', page)


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
