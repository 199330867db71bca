"""Networks of one family and several depths: a row of boxes each, one box a block."""

from cnnlib.figures.drawing import Drawing, Rect, Words
from cnnlib.figures.style import FAINT, INK
from cnnlib.validation import Dict, Text, arguments

STAGES = ("#9ecae1", "#fdd0a2", "#a1d99b", "#dadaeb")
LEFT, RIGHT, ROW, WIDTH = 132, 790, 46, 1000


@arguments(rows=Dict(), text=Text())
def draw_depths(rows, text=None):
    """Draw a row for each network: its blocks by stage, and words beside them.

    Parameters
    ----------
    rows : dict of str to (tuple of int, int, str)
        For each name: how many blocks each of the four stages has, how many convolutions a block has, and what to
        write at the end of the row. A box is as wide as its block has convolutions.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If there is no row.
    """
    if not rows:
        raise ValueError("rows must hold at least one network, got {}.")
    longest = max(sum(blocks) * convolutions for blocks, convolutions, _ in rows.values())
    unit, parts = (RIGHT - LEFT) / longest, []
    for number, (name, (blocks, convolutions, words)) in enumerate(rows.items()):
        x, y = float(LEFT), 16 + ROW * number
        parts.append(Words(2, y + 20, name, 17, weight="bold", anchor="start"))
        for count, colour in zip(blocks, STAGES, strict=True):
            for _ in range(count):
                parts.append(Rect(x + 0.5, y, convolutions * unit - 1, 28, colour, INK))
                x += convolutions * unit
        parts.append(Words(min(x, RIGHT) + 12, y + 20, words, 16, anchor="start"))
    foot = "a box: one block, as wide as it has convolutions; a colour: one stage"
    parts.append(Words(LEFT, 16 + ROW * len(rows) + 10, foot, 15, FAINT, anchor="start"))
    return Drawing(parts, WIDTH, 40 + ROW * len(rows), text or f"The blocks of {', '.join(rows)}, stage by stage")
