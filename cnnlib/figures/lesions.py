"""Accuracy of a network after one part was taken out, part by part, with a block to press for each part."""

import math

from cnnlib.figures.drawing import Button, Drawing, Rect, Words
from cnnlib.figures.frame import Frame
from cnnlib.figures.style import COLOURS, FAINT, INK, LIGHT, WHITE
from cnnlib.validation import Count, List, Number, Text, arguments

WIDTH, HEIGHT = 1000, 400
FRAME = Frame(70, 60, 860, 270)
SHARE = Number(least=0, most=1)
TALL = 32  # pixels of a bar that has room for its value
BLOCK = (282, 40)  # where the row of blocks begins, and its height


@arguments(whole=SHARE, results=List(), title=Text(), chance=SHARE)
def draw_lesions(whole, results, number=None, title="", chance=0.1):
    """Draw a bar for each part that was tried: the accuracy without it. Below each stands its block.

    Parameters
    ----------
    whole : float
        The accuracy of the network as it is: a dashed line.
    results : list of float or None
        One a part, from the image to the scores; None for a part that was not tried yet.
    number : int, optional
        The part in question, counted from 0; its bar is dark and has its value on it, its block is empty.
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
    parts = [Words(8, 24, title, 18, weight="bold", anchor="start"), *FRAME.ticks((0, 0.5, 1))]
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
    apart = max(0, 20 - abs(FRAME.y(whole) - FRAME.y(chance))) / 2  # so that their words do not lie over each other
    apart = math.copysign(apart, chance - whole)
    for accuracy, dash, words, down in (
        (whole, (8, 5), f"whole: {whole:.2f}", apart), (chance, (2, 3), f"chance: {chance:g}", -apart),
    ):  # fmt: skip
        parts.append(FRAME.rule(accuracy, INK, 1.6, dash))
        parts.append(Words(FRAME.right + 8, FRAME.y(accuracy) + 5 + down, words, anchor="start"))
    if number is not None and results[number] is not None:
        x, wide = FRAME.slots(len(results))[number]
        top, lines = FRAME.y(results[number]), (FRAME.y(whole), FRAME.y(chance))
        inside = [top + 20] if FRAME.bottom - top >= TALL else []
        y = next(y for y in (*inside, top - 6, *(line - 6 for line in sorted(lines)[::-1])) if _is_free(y, lines))
        parts.append(Words(x + wide / 2, y, f"{results[number]:.2f}", 18, WHITE if y > top else INK, "bold"))
    parts += [
        Words((FRAME.left + FRAME.right) / 2, BLOCK[0] + 70, "part, from the image to the scores"),
        Words(22, (FRAME.top + FRAME.bottom) / 2, "test accuracy", turned=True),
    ]
    return Drawing(parts, WIDTH, HEIGHT - 30, f"Test accuracy with one part of a network changed: {title}")


def _is_free(y, lines):
    """Return whether a value whose base is at y is crossed by none of the lines."""
    return all(not y - 16 < line < y + 3 for line in lines)
