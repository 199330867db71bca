"""Figures that look the same whatever a reader's matplotlibrc or style sheet says: on white, and without LaTeX."""

from contextlib import nullcontext

from matplotlib import rc_context, rcParams, rcParamsDefault
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

KINDS = ("axes.", "grid.", "xtick.", "ytick.", "text.", "lines.", "legend.", "patch.")
OURS = [name for name in rcParamsDefault if name.startswith(KINDS)]


class HouseFigure(Figure):
    """A figure with a canvas to draw on and no window; Matplotlib's settings are its defaults within it."""

    def __init__(self, **options):
        self._latex = rcParams["text.usetex"]  # of the words that are written into it
        super().__init__(layout="none", **options)
        FigureCanvasAgg(self)

    def add_subplot(self, *args, **options):
        """Add axes to the figure."""
        with _defaults():
            return super().add_subplot(*args, **options)

    def draw(self, renderer):
        """Draw the figure, and make the ticks that it needs."""
        if self._latex or rcParams["text.usetex"]:
            for text in self.findobj(Text):
                text.set_usetex(False)
        with _defaults():
            super().draw(renderer)


def _defaults():
    """Return a context in which the settings of axes and words are Matplotlib's defaults."""
    other = {name: rcParamsDefault[name] for name in OURS if rcParams[name] != rcParamsDefault[name]}
    return rc_context(other) if other else nullcontext()
