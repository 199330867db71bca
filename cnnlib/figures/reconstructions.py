"""Pictures in rows under each other: what went into an autoencoder and what came out."""

import torch

from cnnlib.figures.drawing import Bitmap, Drawing, Words, grey_of
from cnnlib.validation import Dict, Number, Tensor, Text, arguments, in_words

SIDE, GAP, LEFT, TOP = 84, 8, 210, 44  # pixels


@arguments(rows=Dict(torch.Tensor), low=Number(), title=Text())
def draw_reconstructions(rows, low=0.0, title=""):
    """Draw rows of pictures, ink on white as everywhere in the book.

    Parameters
    ----------
    rows : dict of str to Tensor of shape (N, 1, H, W)
    low : float
        The value of an empty pixel, below 1; a full one is 1. What lies outside is drawn as the nearer of the two.
    title : str

    Returns
    -------
    Drawing
    """
    for name, pictures in rows.items():
        Tensor((4,), "(N, 1, H, W)")(pictures, f"the row {name!r}")
        if pictures.shape[1] != 1:
            raise ValueError(f"the row {name!r} must have one channel, got {in_words(pictures)}.")
    if low >= 1:
        raise ValueError(f"low must be below 1, which is a full pixel, got {low}.")
    parts = [Words(8, 26, f"Reconstructions{', ' + title if title else ''}", 18, weight="bold", anchor="start")]
    count = max(map(len, rows.values()))
    for number, (name, pictures) in enumerate(rows.items()):
        y = TOP + number * (SIDE + GAP)
        parts.append(Words(8, y + SIDE / 2 + 5, name, 16, anchor="start"))
        greys = grey_of((pictures[:, 0].float() - low) / (1 - low))
        parts += [Bitmap(LEFT + i * (SIDE + GAP), y, SIDE, SIDE, grey) for i, grey in enumerate(greys)]
    width, height = LEFT + count * (SIDE + GAP), TOP + len(rows) * (SIDE + GAP)
    return Drawing(parts, max(width, 1000), height, f"Pictures in rows: {', '.join(rows)}")
