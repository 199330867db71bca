"""A kernel to slide over a picture: every number that goes into an output, and the response that grows line by line."""

import numpy as np

from cnnlib.figures import draw_convolution
from cnnlib.validation import Dict, arguments, in_words
from cnnlib.widgets.columns import Settings
from cnnlib.widgets.controls import choice, slider

STRIDES, PADDINGS = (1, 2, 3), (0, 1, 2)


@arguments(kernels=Dict())
class Convolution(Settings):
    """Slide one of several kernels over a picture, step by step, with any stride and padding.

    Parameters
    ----------
    picture : array of shape (H, W)
        Small whole numbers can be read in the window.
    kernels : dict of str to array of shape (h, w)
        Each of at most five rows and columns.
    row, column : int
        The output to begin with.

    Raises
    ------
    ValueError
        If there is no kernel, one cannot be drawn, or there is no such output.
    """

    name = "convolution"

    def __init__(self, picture, kernels, row=0, column=0):
        if not kernels:
            raise ValueError(f"kernels must hold at least one, got {in_words(kernels)}.")
        self.picture = np.asarray(picture, float)
        self.kernels = {name: np.asarray(kernel, float) for name, kernel in kernels.items()}
        self.settings = {"kernel": next(iter(self.kernels)), "row": row, "column": column, "stride": 1, "padding": 0}
        for kernel in self.kernels.values():
            draw_convolution(self.picture, kernel, row, column)  # what cannot be drawn fails here, not on the page

    def draw(self):
        """Return the drawing for the settings as they stand."""
        s = self.settings
        kernel = self.kernels[s["kernel"]]
        return draw_convolution(self.picture, kernel, s["row"], s["column"], s["stride"], s["padding"])

    def _last(self):
        """Return the last row and column of the response."""
        s, kernel = self.settings, self.kernels[self.settings["kernel"]]
        return [(n + 2 * s["padding"] - k) // s["stride"]
                for n, k in zip(self.picture.shape, kernel.shape, strict=True)]  # fmt: skip

    def _build(self):
        last = self._last()
        self._lay_out_settings([
            slider("row", 0, max(last[0], 1), self.settings["row"]),
            slider("column", 0, max(last[1], 1), self.settings["column"]),
            choice("kernel", {name: name for name in self.kernels}),
            choice("stride", {str(n): n for n in STRIDES}),
            choice("padding", {str(n): n for n in PADDINGS}),
        ])  # fmt: skip

    def _set(self, name, value):
        self.settings[name] = value
        if name not in ("row", "column"):  # the response has another size now
            for axis, last in zip(("row", "column"), self._last(), strict=True):
                self.settings[axis] = min(self.settings[axis], last)
                self.inputs[axis].max = last  # which moves the slider, if it must
        self._show()

    def __repr__(self):
        s = self.settings
        return f"Convolution with the kernel {s['kernel']!r}, at row {s['row']}, column {s['column']}"
