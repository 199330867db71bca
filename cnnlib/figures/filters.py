"""Rows of filters, each on a scale of its own, so that their forms can be compared."""

from cnnlib.figures.picture import Picture
from cnnlib.figures.style import FONT, INK, new_figure
from cnnlib.validation import Dict, Tensor, Text, arguments

MOST = 16  # filters in a row
SIDE = 0.82  # inches
FILTERS = Tensor((4,), "(C, 1 or 3, H, W)")


@arguments(rows=Dict(), text=Text())
def draw_filter_rows(rows, text=None):
    """Draw named rows of filters, each divided by its own largest weight: what is compared is form, not size.

    A filter with one channel is drawn as `draw_filters` does: red is positive, blue is negative, white is zero. One
    with three is drawn in its colours: grey is zero.

    Parameters
    ----------
    rows : dict of str to Tensor of shape (C, 1, H, W) or (C, 3, H, W)
        Weights of a first layer. At most sixteen filters of a row are drawn.

    Raises
    ------
    ValueError
        If a filter has neither one channel nor three.
    """
    rows = {name: FILTERS(weights, f"the filters of {name!r}").detach().cpu()[:MOST] for name, weights in rows.items()}
    for name, weights in rows.items():
        if weights.shape[1] not in (1, 3):
            raise ValueError(f"filters must have one or three channels, got {weights.shape[1]} in {name!r}.")
    columns = max(map(len, rows.values()))
    width, height = 0.2 + SIDE * columns, sum(0.32 + SIDE for _ in rows) + 0.1
    figure = new_figure(width, height)
    for number, (name, weights) in enumerate(rows.items()):
        top = height - 0.05 - number * (0.32 + SIDE)
        figure.text(0.12 / width, (top - 0.12) / height, name, fontsize=FONT, color=INK, va="center")
        for place, weight in enumerate(weights):
            box = (0.1 + SIDE * place, top - 0.28 - SIDE * 0.94, SIDE * 0.92, SIDE * 0.92)
            axes = figure.add_axes([box[0] / width, box[1] / height, box[2] / width, box[3] / height])
            axes.set_xticks([])
            axes.set_yticks([])
            limit = weight.abs().max().clamp(min=1e-12)
            if len(weight) == 1:
                axes.imshow(weight[0], cmap="RdBu_r", vmin=-limit, vmax=limit)
            else:
                axes.imshow((weight / limit + 1).permute(1, 2, 0) / 2)
    return Picture(figure, text or f"Filters, each on a scale of its own: {', '.join(rows)}")
