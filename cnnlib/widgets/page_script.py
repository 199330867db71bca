"""The page's own script: names for screen readers, keys, and whether anybody looks.

ipywidgets 8 draws the label of a slider beside it, but the handle that takes the keyboard does not know it, and no
trait can tell it; and JupyterLab takes the arrow keys for its cells before a list or a group of radio buttons gets
them. So every box of ours has one invisible child, which looks after the box on the page: each control gets the name
of its label and the value that is shown beside it, keeps its keys, notes are spoken when they change, and a status
line says so when its kernel is gone. It also tells the kernel whether the page is in front.
"""

from pathlib import Path

import anywidget
import traitlets

SPOKEN = "cnnlib-spoken"  # the class of a widget whose text is spoken whenever it changes


def script_and_style(module):
    """Return the texts of the files `.js` and `.css` beside the file of a widget's module, as anywidget takes them.

    Of a path it would keep every widget alive, to send it what changes in the file.
    """
    return tuple(Path(module).with_suffix(ending).read_text(encoding="utf-8") for ending in (".js", ".css"))


class PageScript(anywidget.AnyWidget):
    """The script of one box. Where a page does not run it, all is as ipywidgets made it, and the page is in front.

    Attributes
    ----------
    in_front : bool
        Whether the page can be seen, as it said last.
    """

    _esm, _css = script_and_style(__file__)
    in_front = traitlets.Bool(True).tag(sync=True)

    def __init__(self):
        super().__init__(layout={"display": "none"})


def add_page_script(box):
    """Return the PageScript of a box, which is added to its children if there is none."""
    for child in box.children:
        if isinstance(child, PageScript):
            return child
    box.children = (*box.children, PageScript())
    return box.children[-1]
