"""Sets of functions that networks of growing depth can represent: nested, or not (after Zhang and others, "Dive into
Deep Learning", section 8.6.1)."""

from math import cos, pi, sin

from cnnlib.figures.drawing import Dot, Drawing, Line, Words
from cnnlib.figures.style import COLOURS, INK, word_colour

WIDTH, HEIGHT = 1000, 390
WORDS = word_colour(COLOURS[1])


def draw_function_classes():
    """Draw the sets of functions of three depths, twice: each apart from the one before, and each around it.

    On the right the best function of the smallest set is in the largest as well, where training from random weights
    does not find it: what the chapter builds, and what it sees.
    """
    parts = [Words(250, 24, "not nested: a larger set may lie further off", 17, weight="bold")]
    parts += [Words(750, 24, "nested: a larger set holds the smaller", 17, weight="bold")]
    apart = ((212, 265, 62, 44, 0.5), (175, 190, 104, 70, -0.5), (148, 240, 140, 96, 1.05))
    for place, name, at in zip(apart, "123", ((314, 296), (268, 108), (54, 356)), strict=True):
        parts += [_ellipse(*place), Words(*at, f"depth {name}", 16)]
    inside = ((700, 226, 62, 44, 0), (706, 222, 128, 88, 0), (716, 214, 206, 136, 0))
    for place, name in zip(inside, "123", strict=True):
        x, y, _, tall, _ = place
        parts += [_ellipse(*place), Words(x, y + tall - 10, f"depth {name}", 16)]
    parts += _target(372, 92) + _target(890, 66)
    parts += [Dot(730, 208, 7, INK), Words(692, 214, "built", 16)]
    parts += [Dot(618, 138, 7, COLOURS[1]), Words(632, 121, "found by SGD", 16, WORDS, anchor="start")]
    parts.append(Words(500, 380, "★ the function that is wanted", 16))
    text = "Function classes that grow with depth: on the left not nested, on the right nested"
    return Drawing(parts, WIDTH, HEIGHT, text)


def _ellipse(x, y, wide, tall, turn):
    corners = []
    for i in range(61):
        a, b = wide * cos(2 * pi * i / 60), tall * sin(2 * pi * i / 60)
        corners.append((x + a * cos(turn) - b * sin(turn), y + a * sin(turn) + b * cos(turn)))
    return Line(corners, COLOURS[0], 3.2)


def _target(x, y):
    return [Words(x, y + 10, "★", 30, WORDS)]
