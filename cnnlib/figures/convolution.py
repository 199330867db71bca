"""One step of a convolution: the window, its numbers times the kernel's, and the response as far as it has come."""

import numpy as np

from cnnlib.figures.drawing import Bitmap, Drawing, Rect, Words, decimal, outline
from cnnlib.figures.style import COLOURS, FAINT, GRID, INK
from cnnlib.validation import Count, arguments, in_words

WIDTH, HEIGHT = 1000, 470
SIDE, TOP = 330, 64  # pixels of the picture and of the response, and where they begin
LEFT, RIGHT = 8, 662
MIDDLE = 500
WINDOW = COLOURS[1]
MOST = 5  # rows of a kernel whose numbers can be read


@arguments(row=Count(least=0), column=Count(least=0), stride=Count(), padding=Count(least=0))
def draw_convolution(picture, kernel, row=0, column=0, stride=1, padding=0):
    """Draw the step of a convolution that computes the output at (row, column), and all outputs before it.

    Parameters
    ----------
    picture : array of shape (H, W)
        Its numbers stand in the window as they are: whole ones can be read.
    kernel : array of shape (h, w)
        Of at most five rows and columns.
    row, column : int
        The output's place, counted from 0.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If picture or kernel is no matrix, the kernel does not fit, or there is no such output.
    """
    picture, kernel = np.asarray(picture, float), np.asarray(kernel, float)
    if picture.ndim != 2 or kernel.ndim != 2 or max(kernel.shape) > MOST or not kernel.size:
        raise ValueError(
            f"picture must be of shape (H, W) and kernel of at most ({MOST}, {MOST}), got {in_words(picture)} and "
            f"{in_words(kernel)}."
        )
    padded = np.pad(picture, padding)
    if any(whole < part for whole, part in zip(padded.shape, kernel.shape, strict=True)):
        raise ValueError(f"the kernel must fit into the padded picture, got {kernel.shape} and {padded.shape}.")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)[::stride, ::stride]
    response = (windows * kernel).sum(axis=(2, 3))
    if row >= response.shape[0] or column >= response.shape[1]:
        raise ValueError(
            f"row and column must be below {response.shape[0]} and {response.shape[1]}, got {row} and {column}."
        )
    parts = _picture(padded, kernel.shape, row * stride, column * stride, padding, picture.shape)
    parts += _sums(windows[row, column], kernel, response[row, column]) + _response(response, row, column)
    sizes = [f"({n} + 2 · {padding} − {k}) / {stride}" for n, k in zip(picture.shape, kernel.shape, strict=True)]
    floor = (
        f"⌊{sizes[0]}⌋ + 1 = {response.shape[0]} rows"
        if stride > 1
        else f"{sizes[0][1:-5]} + 1 = {response.shape[0]} rows"
    )
    parts.append(Words(RIGHT, TOP + SIDE + 52, floor, 15, FAINT, anchor="start"))
    text = f"The output at row {row}, column {column} is {decimal(response[row, column], 'g')}"
    return Drawing(parts, WIDTH, HEIGHT, text)


def _picture(padded, window, top, left, padding, inner):
    """The picture with its border of zeros, and a frame around the window."""
    high = padded.max() or 1.0
    unit = SIDE / max(padded.shape)
    grey = (255 * np.clip(padded / high, 0, 1)).astype(np.uint8)
    parts = [
        Words(LEFT, TOP - 34, "the picture", 18, weight="bold", anchor="start"),
        Words(LEFT, TOP - 12, f"rows {top} to {top + window[0] - 1}, columns {left} to {left + window[1] - 1}"
              + " with the border" * bool(padding), 15, FAINT, anchor="start"),
        Bitmap(LEFT, TOP, padded.shape[1] * unit, padded.shape[0] * unit, grey),
    ]  # fmt: skip
    if padding:
        parts.append(_frame(LEFT, TOP, unit, padding, padding, inner, FAINT, 1.5))
    return [*parts, _frame(LEFT, TOP, unit, top, left, window, WINDOW, 3.5)]


def _frame(x, y, unit, row, column, sizes, colour, thick):
    return outline(x + column * unit, y + row * unit, sizes[1] * unit, sizes[0] * unit, colour, thick)


def _sums(window, kernel, output):
    """Three small tables, the window's numbers, the kernel's and their products, and the sum of the last."""
    rows = kernel.shape[0]
    cell = min(34, 102 / rows)
    parts, y = [], TOP - 16
    for title, numbers in (("window", window), ("× kernel", kernel), ("= products", window * kernel)):
        parts.append(Words(MIDDLE - 150, y + 14 + rows * cell / 2, title, 16, anchor="start"))
        parts += _table(numbers, MIDDLE - 40, y + 8, cell, WINDOW if title == "window" else INK)
        y += rows * cell + 22
    parts.append(Words(MIDDLE - 150, y + 22, "their sum", 16, anchor="start"))
    return [*parts, Words(MIDDLE + 11, y + 24, decimal(output, "g"), 26, WINDOW, "bold")]


def _table(numbers, x, y, cell, colour):
    parts = []
    for i, line in enumerate(numbers):
        for j, number in enumerate(line):
            parts.append(Rect(x + j * cell, y + i * cell, cell, cell, "none", colour))
            words = Words(x + (j + 0.5) * cell, y + (i + 0.68) * cell, decimal(number, ".3g"), 0.45 * cell + 1)
            parts.append(words)
    return parts


def _response(response, row, column):
    """The outputs so far, in reading order: grey is zero, white positive, black negative."""
    unit = SIDE / max(response.shape)
    limit = np.abs(response).max() or 1.0
    grey = np.clip(128 + 127 * response / limit, 0, 255).astype(np.uint8)
    width, height = response.shape[1] * unit, response.shape[0] * unit
    parts = [
        Words(RIGHT, TOP - 34, "the response so far", 18, weight="bold", anchor="start"),
        Words(RIGHT, TOP - 12, f"row {row}, column {column} of {response.shape[0]} × {response.shape[1]}", 15, FAINT,
              anchor="start"),
        Rect(RIGHT, TOP, width, height, "none", GRID),
    ]  # fmt: skip
    if row:
        parts.append(Bitmap(RIGHT, TOP, width, row * unit, grey[:row]))
    parts.append(Bitmap(RIGHT, TOP + row * unit, (column + 1) * unit, unit, grey[row : row + 1, : column + 1]))
    parts.append(_frame(RIGHT, TOP, unit, row, column, (1, 1), WINDOW, 3))
    key = f"white: {decimal(limit, 'g')}; grey: 0; black: {decimal(-limit, 'g')}"
    return [*parts, Words(RIGHT, TOP + SIDE + 26, key, 15, FAINT, anchor="start")]
