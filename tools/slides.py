"""Lay the chapters out as slides: `python tools/slides.py [NAME …]` sets every cell's slide type in place.

The types are those of Jupyter (slide, subslide, fragment, skip), so `make slides` and `make deck` both read them; a
cell without one stays on the slide of the cell before. The rule: a heading of the first or second level starts a slide;
below it, cells share a slide as long as their estimated height fits on a screen of 1920 × 1080 with letters of 24
pixels, prose stays with the code that it leads up to, a question to the class has a slide of its own, and its answer
comes when asked for. The imports stand below the title, folded to a line, because they have to run; exercises are
skipped, because they are for working alone.
"""

import re
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

SCREEN = 1040  # pixels that a slide may fill of the 1080
ZOOM = 1.44  # how much larger pictures are shown than on the page: their smallest common letters then have 24 pixels
TALLEST = 850  # pixels that the highest picture takes
PROSE, CODE, GAP = 42, 34, 28  # height of a line of text, of a line of code, and of what lies between two blocks
COLUMNS = 108  # letters in a line of text
LARGE = 400  # a picture so high leaves no room for a paragraph of more than LONG lines
LONG = 4

HEADING = re.compile(r"^(#+) +(.*)")
FENCES = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)


def headings(cell):
    """Return (level, text) of every heading of a Markdown cell."""
    if cell.cell_type != "markdown":
        return []
    lines = FENCES.sub("", cell.source).splitlines()
    return [(len(found[1]), found[2]) for found in map(HEADING.match, lines) if found]


def prose_height(source):
    """Estimate the height of a Markdown text in pixels."""
    height = 0
    for block in re.split(r"\n\s*\n", FENCES.sub(lambda found: found[0].replace("\n\n", "\n"), source.strip())):
        lines = block.splitlines()
        heading = HEADING.match(block)
        if heading:
            height += {1: 140, 2: 90}.get(len(heading[1]), 70)
        elif block.startswith("```"):
            height += CODE * (len(lines) - 2) + GAP
        elif block.startswith("$$"):
            height += 90 + GAP
        elif block.startswith("|"):
            height += 46 * (len(lines) - 1) + GAP
        else:
            joined = re.split(r"\n(?=[-*] |\d+\. )", block)  # a list has its items on lines of their own
            height += PROSE * sum(-(-len(part) // COLUMNS) for part in joined) + GAP
    return height


def picture_height(cell):
    """Return the height of the largest picture that a code cell leaves on a slide; 0 without one."""
    sizes = [output.get("metadata", {}).get("image/png", {}) for output in cell.get("outputs", ())]
    return min(TALLEST, ZOOM * max((size.get("height", 0) for size in sizes), default=0))


def output_height(output):
    """Estimate the height of one output in pixels."""
    data = output.get("data", {})
    if "image/png" in data:
        return min(TALLEST, ZOOM * output.metadata.get("image/png", {}).get("height", 380)) + GAP
    if "text/markdown" in data:
        return prose_height("".join(data["text/markdown"])) + GAP
    text = output.get("text") or data.get("text/plain", "")
    return CODE * len(text.splitlines()) + GAP


def height(cell):
    """Estimate the height of a cell on a slide in pixels."""
    if cell.cell_type == "markdown":
        return prose_height(cell.source)
    if is_import(cell):
        return CODE + GAP
    if cell.metadata.get("jupyter", {}).get("source_hidden"):
        return CODE + sum(map(output_height, cell.get("outputs", ())))
    return CODE * len(cell.source.splitlines()) + GAP + sum(map(output_height, cell.get("outputs", ())))


def is_question(cell):
    return cell.cell_type == "code" and re.search(r"= guess\(", cell.source) is not None


def is_import(cell):
    return cell.cell_type == "code" and re.search(r"^(from|import) ", cell.source, re.MULTILINE) is not None


def is_signpost(cell):
    """Return whether a cell only leads to the chapters before and after."""
    return cell.cell_type == "markdown" and re.match(r"(‹ )?\[[^\]]*\]\(\d", cell.source) is not None


def is_hosted(cell):
    """Return whether a cell only installs the course on a hosted kernel."""
    return "hosted" in cell.metadata.get("tags", [])


def is_long(cell):
    return cell.cell_type == "markdown" and prose_height(cell.source) > LONG * PROSE + GAP


def is_too_long(cell):
    """Return whether a cell is for reading only: a table of two screens and more."""
    return height(cell) > 2 * SCREEN


def slide_types(cells, screen=SCREEN):
    """Return the slide type of every cell, in their order.

    Parameters
    ----------
    cells : sequence of NotebookNode
        The cells of one chapter, with their stored outputs.
    screen : int
        Pixels that a slide may fill.

    Returns
    -------
    list of str
        "slide", "subslide", "fragment", "skip", or "-" for a cell that stays on the slide of the one before.
    """
    types, exercising, asked = [], False, False
    used, long, large = screen, False, False  # of the present slide: its height, and whether it holds such a part
    for cell, follower in zip(cells, [*cells[1:], None], strict=True):
        tops = [text for level, text in headings(cell) if level <= 2]
        if tops:
            exercising = tops[-1].endswith("Exercises")
        leads_on = cell.cell_type == "markdown" and follower is not None and follower.cell_type == "code"
        leads_nowhere = leads_on and is_too_long(follower) and cell.source.endswith(":")
        if (exercising and len(tops) < 2) or is_signpost(cell) or is_hosted(cell) or is_too_long(cell) or leads_nowhere:
            types.append("skip")
            continue
        here = needed = height(cell)
        if leads_on and not is_question(follower) and not (is_long(cell) and picture_height(follower) > LARGE):
            both = here + height(follower)  # prose stays with what it leads up to, where one slide holds both
            needed = both if both <= screen else here
        apart = (long and picture_height(cell) > LARGE) or (large and is_long(cell))
        if tops or not types:
            kind = "slide"
        elif is_question(cell) or asked or apart or used + needed > screen:
            kind = "subslide"
        else:
            kind = "fragment" if ".reveal(" in cell.source else "-"
        if kind in ("slide", "subslide"):
            used, long, large = 0, False, False
        used, long, large = used + here, long or is_long(cell), large or picture_height(cell) > LARGE
        asked = is_question(cell)
        types.append(kind)
    return types


def lay_out(notebook, screen=SCREEN):
    """Set the slide type of every cell of a notebook; leave everything else alone."""
    for cell, kind in zip(notebook.cells, slide_types(notebook.cells, screen), strict=True):
        cell.metadata.pop("slideshow", None)
        if kind != "-":  # jupyterlab-slideshow shows nothing at all for a type of "-"
            cell.metadata["slideshow"] = {"slide_type": kind}
    return notebook


def chapters(names=()):
    """Return the paths of the chapters, or of those named ("01_lenet", with or without ".ipynb")."""
    paths = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    unknown = set(names) - {path.stem for path in paths} - {path.name for path in paths}
    if unknown:
        known = ", ".join(path.stem for path in paths)
        raise ValueError(f"there is no chapter {', '.join(sorted(unknown))}; there are {known}.")
    return [path for path in paths if not names or path.stem in names or path.name in names]


if __name__ == "__main__":
    for path in chapters(sys.argv[1:]):
        nbformat.write(lay_out(nbformat.read(path, as_version=4)), path)
