"""The book's reference: the public names of cnnlib with their docstrings, and which chapter uses which first."""

import importlib
import re

ROOMS = {
    "cnnlib": "What a notebook imports first: data, training, tables, claims.",
    "cnnlib.datasets": "Fashion-MNIST as tensors, and batches.",
    "cnnlib.models": "One architecture a file, and how its weights begin.",
    "cnnlib.probes": "Looking inside a network.",
    "cnnlib.figures": "Pictures of the book.",
    "cnnlib.widgets": "Live controls.",
}


def names():
    """Return the public names of each room, each name in the first room that has it."""
    found = {}
    for room in ROOMS:
        seen = {name for others in found.values() for name in others}
        found[room] = [name for name in sorted(importlib.import_module(room).__all__) if name not in seen]
    return found


def first_uses(notebooks):
    """Return from the name of each notebook the (room, name) that it is the first to import.

    Parameters
    ----------
    notebooks : dict of str to NotebookNode
        In the order of the chapters.
    """
    rooms, used, first = names(), set(), {}
    for stem, notebook in notebooks.items():
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        first[stem] = []
        for room, line in re.findall(r"^from (cnnlib[.\w]*) import (.+)$", code, re.MULTILINE):
            for name in re.split(r",\s*", line):
                name = name.partition(" as ")[0].strip()
                if name in rooms.get(room, ()) and name not in used:
                    used.add(name)
                    first[stem].append((room, name))
    return first


def links(first):
    """Return Markdown that links the names which a chapter uses first with their entries."""
    if not first:
        return ""
    return "**New here, in the reference:** " + ", ".join(f"{{py:obj}}`{name} <{room}.{name}>`" for room, name in first)


def reference_page(first):
    """Return the reference as reStructuredText; each entry says which chapter uses it first."""
    where = {pair: stem for stem, pairs in first.items() for pair in pairs}
    lines = ["Reference", "=========", "", "The public names of the library, from their docstrings.", ""]
    for room, own in names().items():
        lines += [room, "-" * len(room), "", ROOMS[room], ""]
        for name in own:
            kind = "data" if name.isupper() else "class" if name[0].isupper() else "function"
            lines += [f".. auto{kind}:: {room}.{name}", *["   :members:"] * (kind == "class"), ""]
            if (room, name) in where:
                stem = where[room, name]
                lines += [f"   First used in :doc:`chapter {int(stem[:2])} <{stem}>`.", ""]
    return "\n".join(lines)
