"""A pad to draw on: a square of cells, for the mouse, a finger, a pen or the keyboard.

ipywidgets has nothing to draw on, so the page gets a script of ours. anywidget hands it over, with what JupyterLab and
Voilà need for that in its wheel, so that no network is asked. The script keeps the drawing and answers at once; the
kernel hears of it at the end of each stroke, and ten times a second while one goes on.

The paper is white and the ink is dark, like every picture in the book.
"""

import anywidget
import traitlets

from cnnlib.validation import Count
from cnnlib.widgets.page_script import script_and_style
from cnnlib.widgets.pictures import ink_picture

SIDE, MOST = 28, 64  # cells of a row: as many as a picture of Fashion-MNIST has, and at most


class DrawingPad(anywidget.AnyWidget):
    """A square of cells to draw in.

    Attributes
    ----------
    ink : list of int
        What the page sent last, row by row: 0 for an empty cell, 255 for a full one. A page can send anything, so ask
        `picture`, which rejects anything else.

    Parameters
    ----------
    side : int
        Cells of a row and of a column, at most 64.

    Raises
    ------
    TypeError, ValueError
        If `side` is not such a number.
    """

    _esm, _css = script_and_style(__file__)
    side = traitlets.Int().tag(sync=True)
    ink = traitlets.Any().tag(sync=True)

    def __init__(self, side=SIDE, **options):
        if Count()(side, "side") > MOST:
            raise ValueError(f"side must be at most {MOST}, got {side}. Scale the drawing instead: picture(96, 96).")
        self._cells = int(side)  # what the page says of `side` counts for nothing
        super().__init__(side=self._cells, ink=[0] * side**2, **options)
        self.add_class("cnnlib-drawing")

    def picture(self, height=None, width=None):
        """Return the drawing as ink, (height, width), as large as the pad if left out: 0 is empty, 1 is full.

        Raises
        ------
        ValueError
            If the page sent something else than a drawing.
        """
        return ink_picture(self.ink, self._cells, height or self._cells, width or self._cells)

    def clear(self):
        """Empty the pad, on the page as well."""
        self.ink = [0] * self._cells**2
