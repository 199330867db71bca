"""Bars in a frame: the accuracy that is left without each part of a network, and the parts of a gradient."""

import math
from dataclasses import dataclass

from cnnlib.figures.drawing import Button, Drawing, Line, Rect, Words, decimal
from cnnlib.figures.style import COLOURS, FAINT, GRID, INK, LIGHT, RIGHT, WHITE, WRONG
from cnnlib.validation import Count, Like, List, Number, Text, arguments

WIDTH, HEIGHT = 1000, 420


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

    def ticks(self, values, label):
        """Return a line and a word for each value, and what they measure, upwards at the left edge of the drawing."""
        for value in values:
            yield self.rule(value)
            yield Words(self.left - 8, self.y(value) + 5, decimal(value, "g"), anchor="end")
        yield Words(22, (self.top + self.bottom) / 2, label, turned=True)


# A network after one part was taken out, part by part, with a block to press for each part

FRAME = Frame(70, 60, 860, 270)
SHARE = Number(least=0, most=1)
TALL = 32  # pixels of a bar that has room for its value
BLOCK = (282, 40)  # where the row of blocks begins, and its height
CHANCE = 0.1  # the accuracy of guessing among ten classes


@arguments(whole=SHARE, results=List(), title=Text())
def draw_lesions(whole, results, number=None, title=""):
    """Draw a bar for each part that was tried: the accuracy without it. Below each stands its block.

    A dotted line is the accuracy of guessing.

    Parameters
    ----------
    whole : float
        The accuracy of the network as it is: a dashed line.
    results : list of float or None
        One a part, from the image to the scores; None for a part that was not tried yet.
    number : int, optional
        The part in question, counted from 0; its bar is dark and has its value on it, its block is empty.
    title : str

    Returns
    -------
    Drawing
    """
    for accuracy in results:
        if accuracy is not None:
            SHARE(accuracy, "each of results")
    if number is not None:
        Count(least=0, most=len(results) - 1)(number, "number")
    parts = [Words(8, 24, title, 18, weight="bold", anchor="start"), *FRAME.ticks((0, 0.5, 1), "test accuracy")]
    top, tall = BLOCK
    for i, (accuracy, (x, wide)) in enumerate(zip(results, FRAME.slots(len(results)), strict=True)):
        if accuracy is not None:
            fill = COLOURS[0] if i == number else LIGHT
            parts.append(Rect(x, FRAME.y(accuracy), wide, FRAME.bottom - FRAME.y(accuracy), fill))
        parts.append(Rect(x, top, wide, tall, "none" if i == number else COLOURS[0], FAINT))
        if (i + 1) % math.ceil(28 * len(results) / (FRAME.right - FRAME.left)) == 0:
            parts.append(Words(x + wide / 2, top + 26, str(i + 1), fill=FAINT if i == number else WHITE))
        done = "put it back" if i == number else "take it out"
        left = "" if accuracy is None else f", {accuracy:.2f} without it"
        parts.append(Button(x, top, wide, tall, i, f"part {i + 1}: {done}{left}", i == number))
    apart = max(0, 20 - abs(FRAME.y(whole) - FRAME.y(CHANCE))) / 2  # so that their words do not lie over each other
    apart = math.copysign(apart, CHANCE - whole)
    for accuracy, dash, words, down in (
        (whole, (8, 5), f"whole: {whole:.2f}", apart), (CHANCE, (2, 3), f"chance: {CHANCE:g}", -apart),
    ):  # fmt: skip
        parts.append(FRAME.rule(accuracy, INK, 1.6, dash))
        parts.append(Words(FRAME.right + 8, FRAME.y(accuracy) + 5 + down, words, anchor="start"))
    if number is not None and results[number] is not None:
        x, wide = FRAME.slots(len(results))[number]
        top, lines = FRAME.y(results[number]), (FRAME.y(whole), FRAME.y(CHANCE))
        inside = [top + 20] if FRAME.bottom - top >= TALL else []
        y = next(y for y in (*inside, top - 6, *(line - 6 for line in sorted(lines)[::-1])) if _is_free(y, lines))
        parts.append(Words(x + wide / 2, y, f"{results[number]:.2f}", 18, WHITE if y > top else INK, "bold"))
    parts.append(Words((FRAME.left + FRAME.right) / 2, BLOCK[0] + 70, "part, from the image to the scores"))
    return Drawing(parts, WIDTH, 370, f"Test accuracy with one part of a network changed: {title}")


def _is_free(y, lines):
    """Return whether a value whose base is at y is crossed by none of the lines."""
    return all(not y - 16 < line < y + 3 for line in lines)


# A gradient and the parts that it is made of

EXACT = 1e-9  # relative error, in float64, up to which a sum counts as equal
LONGEST = 3.0  # shares of the gradient: a part that is larger runs out of the picture


@arguments(parts=Like(("first_order",), "GradientParts, as gradient_parts returns them"), title=Text())
def draw_parts(parts, title=""):
    """Draw how much each part contributes to the gradient at the input of a block, and whether they add up to it.

    Parameters
    ----------
    parts : GradientParts
    title : str

    Returns
    -------
    Drawing
    """
    shares = parts.shares()
    heights = [h if math.isfinite(h) else 0.0 for h in (*shares, sum(shares), parts.error)]
    simple = [h if math.isfinite(h) else 0.0 for h in parts.shares(parts.first_order)]
    low, high = max(min(0.0, *heights, *simple), -LONGEST), min(max(1.05, *heights, *simple), LONGEST)
    frame = Frame(84, 62, 905, 310, low, high)
    step = next(s for s in (0.25, 0.5, 1.0) if (high - low) / s <= 6.5)
    ticks = [tick * step for tick in range(round(low / step), round(high / step) + 1)]
    drawn = [Words(8, 24, title, 18, weight="bold", anchor="start")]
    drawn += frame.ticks([tick for tick in ticks if low <= tick <= high], "share of the gradient")
    names = ["identity", *map(str, parts.numbers), "sum", "off by"]
    colours = [COLOURS[1], *[COLOURS[0]] * len(parts.numbers), LIGHT, WRONG]
    every = math.ceil(28 / (frame.slots(len(names))[0][1] / 0.7))  # of the numbers that have room
    rows = zip(names, heights, colours, frame.slots(len(names)), strict=True)
    for i, (name, height, colour, (x, wide)) in enumerate(rows):
        top, bottom = sorted((frame.y(height), frame.y(0)))
        drawn.append(Rect(x, top, wide, bottom - top, colour))
        if i < len(simple):
            y = frame.y(simple[i])
            drawn.append(Line([(x - 4, y), (x + wide + 4, y)], INK, 2, (3, 3)))
        if not name.isdigit() or int(name) % every == 0:
            drawn.append(Words(x + wide / 2, frame.bottom + 22, name, 16 if wide > 40 else 13))
        if abs(height) >= 0.005 and wide > 30:
            y = frame.y(1) if top - 20 < frame.y(1) < top else top  # above the line, not on it
            drawn.append(Words(x + wide / 2, y - 6, decimal(height), weight="bold"))
    drawn += [frame.rule(0, INK, 1.2), frame.rule(1, INK, 2)]
    drawn.append(Words(frame.right + 6, frame.y(1) + 5, "autograd", anchor="start"))  # beside the bars, however high
    middle = frame.left + (frame.right - frame.left) * (1 + len(parts.numbers) / 2) / len(names)
    drawn.append(Words(middle, frame.bottom + 46, "residual part of block"))
    equal = parts.error < EXACT
    verdict = f"✗ the sum misses autograd by {parts.error:.1%}"
    if equal:
        verdict = f"✓ the sum equals autograd (relative error {parts.error:.0e})"
    drawn.append(Words(8, HEIGHT - 14, verdict, 17, RIGHT if equal else WRONG, weight="bold", anchor="start"))
    simply = f"dotted: each slope on its own, misses by {parts.first_order_error:.1%}"
    drawn.append(Words(WIDTH - 15, HEIGHT - 14, simply, anchor="end"))
    return Drawing(drawn, WIDTH, HEIGHT, f"{title}: the sum {'equals' if equal else 'misses'} autograd")
