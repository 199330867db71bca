"""Which values share a mean and a variance in batch, layer, instance and group normalisation (after figure 2 of Wu &
He 2018, arXiv:1803.08494, laid flat: a table of maps, one row a picture, one column a channel).
"""

from cnnlib.figures.drawing import Drawing, Rect, Words
from cnnlib.figures.style import FAINT, WHITE, colours_for

PICTURES, CHANNELS = 4, 6
CELL, GAP = 30, 4  # pixels of a map, and between two
LEFT, TOP, PANEL = 46, 66, 240  # pixels: the first panel's corner, and from one panel to the next
KINDS = {  # from the name to whether the map of picture n and channel c belongs to the set that is coloured
    "batch norm": lambda n, c: c == 1,
    "layer norm": lambda n, c: n == 1,
    "instance norm": lambda n, c: (n, c) == (1, 1),
    "group norm": lambda n, c: n == 1 and c < CHANNELS // 2,
}
BELOW = {
    "batch norm": "a channel, all pictures",
    "layer norm": "a picture, all channels",
    "instance norm": "a picture, a channel",
    "group norm": "a picture, some channels",
}


def draw_norm_axes():
    """Draw four tables of feature maps; the maps that share a mean and a variance are filled.

    Returns
    -------
    Drawing
    """
    parts = []
    for panel, (colour, (name, belongs)) in enumerate(zip(colours_for(KINDS), KINDS.items(), strict=True)):
        left = LEFT + panel * PANEL
        right = left + CHANNELS * (CELL + GAP) - GAP
        parts.append(Words(left, 22, name, 19, weight="bold", anchor="start"))
        parts.append(Words(left, TOP - 10, "channels →", fill=FAINT, anchor="start"))
        for n in range(PICTURES):
            for c in range(CHANNELS):
                x, y = left + c * (CELL + GAP), TOP + n * (CELL + GAP)
                parts.append(Rect(x, y, CELL, CELL, colour if belongs(n, c) else WHITE, FAINT))
        bottom = TOP + PICTURES * (CELL + GAP)
        parts.append(Words((left + right) / 2, bottom + 20, BELOW[name]))
    parts.append(Words(LEFT - 14, bottom - GAP, "pictures of the batch", fill=FAINT, anchor="start", turned=True))
    text = "Filled: the values that share a mean and a variance, of a batch with a map for each picture and channel"
    parts.append(Words(LEFT, bottom + 54, text, fill=FAINT, anchor="start"))
    return Drawing(parts, LEFT + 4 * PANEL - 10, bottom + 70, "; ".join(f"{k}: {v}" for k, v in BELOW.items()))
