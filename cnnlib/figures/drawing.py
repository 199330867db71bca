"""Drawings made of rectangles, lines, dots, words and small pictures: as SVG for a page that moves, as PNG for a page
that is stored.

SVG costs a hundredth of a chart's time and is sharp at any size; but pages that are not trusted yet (a notebook that
was just cloned) do not show it, so what stays in a notebook is a PNG of the same drawing.
"""

import base64
from dataclasses import dataclass

import numpy as np

from cnnlib.figures.picture import Picture, encode_png
from cnnlib.figures.style import DPI, INK, new_figure
from cnnlib.page.escape import html_text, one_line, printable

POINTS = 72 / DPI  # of a font size in pixels


def decimal(value, spec=".2f"):
    """Return the words for a number, with a minus sign for the hyphen, and none before a zero."""
    words = format(value, spec)
    return words.replace("-", "−" if words.strip("-0.") else "")


@dataclass(frozen=True)
class Rect:
    """A rectangle; `fill` may be "none"."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = INK

    def svg(self):
        """Return the SVG element."""
        return (
            f'<rect x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'fill="{self.fill}" stroke="{self.stroke}" stroke-width="0.8"/>'
        )

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        from matplotlib.patches import Rectangle

        style = {"facecolor": self.fill, "edgecolor": self.stroke, "linewidth": 0.8 * POINTS, "zorder": 2}
        axes.add_patch(Rectangle((self.x, self.y), self.width, self.height, **style))


@dataclass(frozen=True)
class Line:
    """A line through points (x, y); `dash` is the length of dashes and gaps in pixels."""

    points: list
    colour: str
    width: float
    dash: tuple = ()

    def svg(self):
        """Return the SVG element."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)
        dash = f' stroke-dasharray="{" ".join(map(str, self.dash))}"' if self.dash else ""
        return f'<polyline points="{path}" fill="none" stroke="{self.colour}" stroke-width="{self.width}"{dash}/>'

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        width = self.width * POINTS
        dash = (0, [length / self.width for length in self.dash]) if self.dash else "-"
        axes.plot(*zip(*self.points, strict=True), color=self.colour, linewidth=width, linestyle=dash)


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str

    def svg(self):
        """Return the SVG element."""
        return f'<circle cx="{self.x:.1f}" cy="{self.y:.1f}" r="{self.radius}" fill="{self.fill}"/>'

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        axes.plot([self.x], [self.y], "o", color=self.fill, markersize=2 * self.radius * POINTS, markeredgewidth=0)


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` is "start", "middle" or "end", and `turned` runs it upwards."""

    x: float
    y: float
    text: str
    size: float = 14
    fill: str = INK
    weight: str = "normal"
    anchor: str = "middle"
    turned: bool = False

    def svg(self):
        """Return the SVG element, its text escaped."""
        turn = f' transform="rotate(-90 {self.x:.1f} {self.y:.1f})"' if self.turned else ""
        return (
            f'<text x="{self.x:.1f}" y="{self.y:.1f}" font-size="{self.size}" fill="{self.fill}" '
            f'font-weight="{self.weight}" text-anchor="{self.anchor}"{turn}>{html_text(self.text)}</text>'
        )

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        side = {"start": "left", "middle": "center", "end": "right"}[self.anchor]
        style = {"fontsize": self.size * POINTS, "color": self.fill, "fontweight": self.weight, "parse_math": False}
        turn = {"rotation": 90, "rotation_mode": "anchor"} if self.turned else {}
        axes.text(self.x, self.y, one_line(self.text), ha=side, va="baseline", **style, **turn)


@dataclass(frozen=True)
class Bitmap:
    """A grey picture, drawn with sharp pixels: `grey` is a uint8 array of shape (H, W), 0 is black."""

    x: float
    y: float
    width: float
    height: float
    grey: np.ndarray

    def svg(self):
        """Return the SVG element with the picture in it."""
        png = encode_png(np.ascontiguousarray(np.repeat(self.grey[:, :, None], 3, axis=2)))
        return (
            f'<image x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{base64.b64encode(png).decode()}"/>'
        )

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        extent = (self.x, self.x + self.width, self.y + self.height, self.y)
        axes.imshow(
            self.grey, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest", aspect="auto", zorder=2
        )


class Drawing:
    """Elements on a white page.

    Parameters
    ----------
    elements : list of Rect, Line, Dot, Words and Bitmap
    width, height : int
        In pixels; y runs downwards.
    text : str
        What the drawing shows, for those who cannot see it.
    """

    def __init__(self, elements, width, height, text):
        self.elements, self.width, self.height, self.text = elements, width, height, text

    def svg(self):
        """Return the drawing as an SVG document, white behind, with its text as the label."""
        body = "".join(element.svg() for element in self.elements)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" style="max-width:100%" font-family="DejaVu Sans, Arial, sans-serif" role="img" '
            f'aria-label="{html_text(self.text)}">'
            f'<rect width="{self.width}" height="{self.height}" fill="white"/>{body}</svg>'
        )

    def picture(self):
        """Return the drawing as a Picture."""
        figure = new_figure(self.width / DPI, self.height / DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for element in self.elements:
            element.draw(axes)
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        return Picture(figure, self.text)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.picture().bundle()

    def __repr__(self):
        return printable(self.text)
