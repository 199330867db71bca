"""Accuracy of a network after one part was taken out, part by part. Plain SVG, as it follows a slider."""

import math

from cnnlib.figures.drawing import Drawing, Line, Rect, Words
from cnnlib.figures.style import COLOURS, FAINT, GRID, INK, LIGHT, WHITE
from cnnlib.validation import Count, List, Number, Text, arguments

WIDTH, HEIGHT = 1000, 300
LEFT, TOP, RIGHT, BOTTOM = 70, 60, 880, 245
SHARE = Number(least=0, most=1)
TALL = 30  # pixels of a bar that has room for its value


@arguments(whole=SHARE, results=List(), title=Text(), chance=SHARE)
def draw_lesions(whole, results, number=None, title="", chance=0.1):
    """Draw a bar for each part that was tried: the accuracy without it.

    Parameters
    ----------
    whole : float
        The accuracy of the network as it is: a dashed line.
    results : list of float or None
        One a part, from the image to the scores; None for a part that was not tried yet.
    number : int, optional
        The part in question, counted from 0; its bar is dark and has its value on it.
    title : str
    chance : float
        The accuracy of guessing: a dotted line.

    Returns
    -------
    Drawing
    """
    for accuracy in results:
        if accuracy is not None:
            SHARE(accuracy, "each of results")
    if number is not None:
        Count(least=0, most=len(results) - 1)(number, "number")

    def height(accuracy):
        return BOTTOM - (BOTTOM - TOP) * accuracy

    parts = [Words(8, 24, title, 18, weight="bold", anchor="start")]
    for tick in (0, 0.5, 1):
        parts += [Line([(LEFT, height(tick)), (RIGHT, height(tick))], GRID, 1)]
        parts.append(Words(LEFT - 8, height(tick) + 5, f"{tick:g}", 14, anchor="end"))
    slot = (RIGHT - LEFT) / max(len(results), 1)
    for i, accuracy in enumerate(results):
        x, wide = LEFT + slot * (i + 0.15), 0.7 * slot
        parts.append(Words(x + wide / 2, BOTTOM + 20, str(i + 1), 14, INK if i == number else FAINT))
        if accuracy is None:
            parts.append(Rect(x, height(0.02), wide, BOTTOM - height(0.02), "none", FAINT))
            continue
        fill = COLOURS[0] if i == number else LIGHT
        parts.append(Rect(x, height(accuracy), wide, BOTTOM - height(accuracy), fill))
    apart = max(0, 18 - abs(height(whole) - height(chance))) / 2  # so that their words do not lie over each other
    apart = math.copysign(apart, chance - whole)
    for accuracy, dash, words, down in (
        (whole, (8, 5), f"whole: {whole:.2f}", apart), (chance, (2, 3), f"chance: {chance:g}", -apart),
    ):  # fmt: skip
        parts.append(Line([(LEFT, height(accuracy)), (RIGHT, height(accuracy))], INK, 1.6, dash))
        parts.append(Words(RIGHT + 8, height(accuracy) + 5 + down, words, 14, anchor="start"))
    if number is not None and results[number] is not None:
        x, top, lines = LEFT + slot * (number + 0.5), height(results[number]), (height(whole), height(chance))
        inside = [top + 20] if BOTTOM - top >= TALL else []
        y = next(y for y in (*inside, top - 6, *(line - 6 for line in sorted(lines)[::-1])) if _is_free(y, lines))
        parts.append(Words(x, y, f"{results[number]:.2f}", 17, WHITE if y > top else INK, "bold"))
    parts.append(Words((LEFT + RIGHT) / 2, BOTTOM + 44, "part, from the image to the scores", 14))
    parts.append(Words(22, (TOP + BOTTOM) / 2, "test accuracy", 14, turned=True))
    return Drawing(parts, WIDTH, HEIGHT, f"Test accuracy with one part of a network changed: {title}")


def _is_free(y, lines):
    """Whether a value whose base is at y is crossed by none of the lines."""
    return all(not y - 15 < line < y + 3 for line in lines)
