"""The frame of a plot in a drawing: where a value lies, its ticks and its labels."""

from dataclasses import dataclass

from cnnlib.figures.drawing import Line, Words, decimal
from cnnlib.figures.style import GRID


@dataclass(frozen=True)
class Frame:
    """A box in pixels, and the values at its lower and upper edge; what lies beyond is drawn at the edge."""

    left: float
    top: float
    right: float
    bottom: float
    low: float = 0.0
    high: float = 1.0

    def y(self, value):
        """Return how far down a value lies."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.bottom - (self.bottom - self.top) * share

    def slots(self, count):
        """Return the left edge and the width of each of so many bars."""
        slot = (self.right - self.left) / max(count, 1)
        return [(self.left + slot * (i + 0.15), 0.7 * slot) for i in range(count)]

    def rule(self, value, colour=GRID, width=1, dash=()):
        """Return a line across the frame."""
        return Line([(self.left, self.y(value)), (self.right, self.y(value))], colour, width, dash)

    def ticks(self, values, words=lambda value: decimal(value, "g")):
        """Return a line and a word for each value."""
        for value in values:
            yield self.rule(value)
            yield Words(self.left - 8, self.y(value) + 5, words(value), anchor="end")

    def labels(self, below, beside=""):
        """Return what the axes show: below the ticks, and upwards at the left edge of the drawing."""
        yield Words((self.left + self.right) / 2, self.bottom + 46, below)
        if beside:
            yield Words(22, (self.top + self.bottom) / 2, beside, turned=True)
