"""What the chapters say: their cells by section, and the names that a piece of code makes and uses."""

import re
import symtable
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


@cache
def cells_of(number):
    """Return a chapter's cells as (section, cell); what stands before the first section has the section ''."""
    section, cells = "", []
    for cell in nbformat.read(CHAPTERS[number], as_version=4).cells:
        if cell.cell_type == "markdown":
            for piece in re.split(r"^(?=## \d+\.\d+ )", cell.source, flags=re.MULTILINE):
                section = (re.findall(r"^## (\d+\.\d+) ", piece) or [section])[0]
                cells.append((section, nbformat.v4.new_markdown_cell(piece)))
        else:
            cells.append((section, cell))
    return cells


def names_in(source):
    """Return the names that a piece of code makes at its top, and those that it uses from there or from elsewhere."""
    top = symtable.symtable(source, "source", "exec")
    made = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    used, tables = set(), [top]
    while tables:
        table = tables.pop()
        used |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is top or s.is_global())}
        tables += table.get_children()
    return made, used
