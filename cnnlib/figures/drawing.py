"""Drawings made of rectangles, lines, dots, words and small pictures: as SVG for a page that moves, as PNG for a page
that is stored.

SVG costs a hundredth of a chart's time, is sharp at any size and has the colours of the page, light or dark; but pages
that are not trusted yet (a notebook that was just cloned) do not show it, so what stays in a notebook is a PNG of the
same drawing, on white.
"""

import base64
from dataclasses import dataclass

import numpy as np

from cnnlib.figures.picture import Picture, encode_png
from cnnlib.figures.style import COLOURS, DPI, FAINT, GRID, INK, RIGHT, WRONG, new_figure
from cnnlib.page.escape import html_text, one_line, printable

POINTS = 72 / DPI  # of a font size in pixels
FONTS = "DejaVu Sans, Arial, sans-serif"
PAGE = {  # what a page shows for a colour of ours that is made for white paper
    INK: "currentColor",
    COLOURS[6]: "currentColor",
    FAINT: f"var(--jp-content-font-color2, {FAINT})",
    GRID: f"var(--jp-border-color2, {GRID})",
    RIGHT: f"var(--cnnlib-right, {RIGHT})",
    WRONG: f"var(--cnnlib-wrong, {WRONG})",
}


def decimal(value, spec=".2f"):
    """Return the words for a number, with a minus sign for the hyphen, and none before a zero."""
    words = format(value, spec)
    return words.replace("-", "−" if words.strip("-0.") else "")


def grey_of(ink):
    """Turn ink, a tensor, into the grey of a Bitmap: 0 is white."""
    ink = ink.detach().float().cpu().nan_to_num(0.0).clamp(0, 1)
    return np.ascontiguousarray((255 - 255 * ink).round().numpy().astype(np.uint8))


def _element(name, content="", **attributes):
    """Return an SVG element; of its numbers one decimal is kept, and colours become those of the page."""
    words = ""
    for key, value in attributes.items():
        value = f"{value:.1f}" if isinstance(value, float) else PAGE.get(value, value)
        words += f' {key.replace("_", "-")}="{value}"'
    return f"<{name}{words}>{content}</{name}>"


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    def _place(self):
        return {key: float(getattr(self, key)) for key in ("x", "y", "width", "height")}


@dataclass(frozen=True)
class Rect(_Box):
    """A rectangle; `fill` may be "none"."""

    fill: str
    stroke: str = INK

    def svg(self):
        """Return the SVG element."""
        return _element("rect", **self._place(), fill=self.fill, stroke=self.stroke, stroke_width=0.8)

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        from matplotlib.patches import Rectangle

        style = {"facecolor": self.fill, "edgecolor": self.stroke, "linewidth": 0.8 * POINTS, "zorder": 2}
        axes.add_patch(Rectangle((self.x, self.y), self.width, self.height, **style))


@dataclass(frozen=True)
class Button(_Box):
    """A place that can be pressed, by mouse and by keyboard, where the drawing moves: it sends `value` to the kernel.

    `text` says what pressing it does, `pressed` whether it is in force now.
    """

    value: int
    text: str
    pressed: bool = False

    def svg(self):
        """Return the SVG element."""
        words = html_text(self.text)
        state = {"aria_label": words, "aria_pressed": str(self.pressed).lower(), "data_value": self.value}
        look = {"role": "button", "tabindex": 0, "fill": "transparent"}
        return _element("rect", f"<title>{words}</title>", **self._place(), **state, **look)

    def draw(self, axes):
        """Add nothing: a stored picture cannot be pressed."""


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
        dash = {"stroke_dasharray": " ".join(map(str, self.dash))} if self.dash else {}
        return _element("polyline", points=path, fill="none", stroke=self.colour, stroke_width=self.width, **dash)

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        width = self.width * POINTS
        dash = (0, [length / self.width for length in self.dash]) if self.dash else "-"
        axes.plot(*zip(*self.points, strict=True), color=self.colour, linewidth=width, linestyle=dash)


def outline(x, y, width, height, colour, thick):
    """Return the Line around a box."""
    right, bottom = x + width, y + height
    return Line([(x, y), (right, y), (right, bottom), (x, bottom), (x, y)], colour, thick)


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str

    def svg(self):
        """Return the SVG element."""
        return _element("circle", cx=float(self.x), cy=float(self.y), r=self.radius, fill=self.fill)

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        axes.plot([self.x], [self.y], "o", color=self.fill, markersize=2 * self.radius * POINTS, markeredgewidth=0)


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` is "start", "middle" or "end", and `turned` runs it upwards."""

    x: float
    y: float
    text: str
    size: float = 16
    fill: str = INK
    weight: str = "normal"
    anchor: str = "middle"
    turned: bool = False

    def svg(self):
        """Return the SVG element, its text escaped."""
        turn = {"transform": f"rotate(-90 {self.x:.1f} {self.y:.1f})"} if self.turned else {}
        return _element("text", html_text(self.text), x=float(self.x), y=float(self.y), font_size=self.size,
                        fill=self.fill, font_weight=self.weight, text_anchor=self.anchor, **turn)  # fmt: skip

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        side = {"start": "left", "middle": "center", "end": "right"}[self.anchor]
        style = {"fontsize": self.size * POINTS, "color": self.fill, "fontweight": self.weight, "parse_math": False}
        turn = {"rotation": 90, "rotation_mode": "anchor"} if self.turned else {}
        axes.text(self.x, self.y, one_line(self.text), ha=side, va="baseline", **style, **turn)


@dataclass(frozen=True)
class Bitmap(_Box):
    """A grey picture, drawn with sharp pixels: `grey` is a uint8 array of shape (H, W), 0 is black."""

    grey: np.ndarray

    def svg(self):
        """Return the SVG element with the picture in it."""
        png = encode_png(np.ascontiguousarray(np.repeat(self.grey[:, :, None], 3, axis=2)))
        data = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        return _element("image", **self._place(), style="image-rendering:pixelated", href=data)

    def draw(self, axes):
        """Add it to a matplotlib axes whose unit is a pixel."""
        extent = (self.x, self.x + self.width, self.y + self.height, self.y)
        axes.imshow(
            self.grey, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest", aspect="auto", zorder=2
        )


class Drawing:
    """Elements on a page.

    Parameters
    ----------
    elements : list of Rect, Button, Line, Dot, Words and Bitmap
    width, height : int
        In pixels; y runs downwards.
    text : str
        What the drawing shows, for those who cannot see it.
    """

    def __init__(self, elements, width, height, text):
        self.elements, self.width, self.height, self.text = elements, width, height, text

    def svg(self):
        """Return the drawing as an SVG document in the page's colours, with its text as the label."""
        role = "group" if any(isinstance(element, Button) for element in self.elements) else "img"
        return _element(
            "svg", "".join(element.svg() for element in self.elements), xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {self.width} {self.height}", width=self.width, font_family=FONTS, role=role,
            style="max-width:100%;color:var(--jp-content-font-color1, inherit)", aria_label=html_text(self.text),
        )  # fmt: skip

    def noted(self, text):
        """Return the drawing with a line below it."""
        line = Words(8, self.height + 18, text, 15, FAINT, anchor="start")
        return Drawing([*self.elements, line], self.width, self.height + 28, self.text)

    def picture(self):
        """Return the drawing as a Picture, on white."""
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
