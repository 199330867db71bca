"""Images, filters and feature maps in rows."""

import math

from cnnlib.figures.picture import Picture
from cnnlib.figures.style import FONT, INK, new_figure
from cnnlib.validation import Count, Dict, List, Tensor, Text, arguments

MOST = 1024  # pictures in one figure
ROW = 16  # filters in a row
SIDE = 0.82  # inches
PALE = 0.02  # of the largest weight: a smaller one looks like zero
FILTERS = Tensor((4,), "(C, 1 or 3, H, W)")


@arguments(images=Tensor((3, 4), "(N, 1, H, W) or (N, H, W)"), titles=List(str, 0), columns=Count(), text=Text())
def show_images(images, titles=(), columns=10, text="Pictures from the data set"):
    """Show grey images in rows.

    Parameters
    ----------
    images : Tensor of shape (N, 1, H, W) or (N, H, W)
    titles : sequence of str
        One an image, above it.
    columns : int
    """
    if images.dim() == 4:
        check_grey(images, "images")
    images = images.reshape(len(images), *images.shape[-2:])
    return _tiles([(image, "gray_r", None) for image in images], titles, columns, text)


@arguments(weights=Tensor((3,), "(C, H, W)"), text=Text(), titles=List(str, 0))
def draw_filters(weights, text="Filters of a convolutional layer", titles=()):
    """Draw the filters of a layer: blue is negative, red is positive, white is zero, on one scale for all.

    A stroke on a weight says that it is negative, for those who see no colours.

    Parameters
    ----------
    weights : Tensor of shape (C, H, W)
    titles : sequence of str
        One a filter, above it; "filter 0" and so on if left out.
    """
    weights = weights.detach().cpu()
    limit = weights.abs().max().item()
    titles = list(titles) or [f"filter {i}" for i in range(len(weights))]
    picture = _tiles([(w, "RdBu_r", (-limit, limit)) for w in weights], titles, len(weights), text, frame=True)
    for axes, w in zip(picture.figure.axes, weights, strict=False):
        rows, columns = (w < -PALE * limit).nonzero(as_tuple=True)
        cell = 72 * axes.get_position().width * picture.figure.get_figwidth() / w.shape[-1]  # points
        colours = ["white" if abs(v) > 0.6 * limit else INK for v in w[rows, columns].tolist()]
        size = (0.5 * cell) ** 2
        axes.scatter(columns.tolist(), rows.tolist(), size, colours, marker="_", linewidths=min(0.9, cell / 8))
    return picture


@arguments(rows=Dict())
def draw_filter_rows(rows):
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
    rows = {name: FILTERS(weights, f"the filters of {name!r}").detach().cpu()[:ROW] for name, weights in rows.items()}
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
    return Picture(figure, f"Filters, each on a scale of its own: {', '.join(rows)}")


@arguments(
    image=Tensor((2, 3), "(1, H, W) or (H, W)"), maps=Tensor((3,), "(C, H, W)"), text=Text(), titles=List(str, 0)
)  # fmt: skip
def draw_feature_maps(image, maps, text="An image and its feature maps", titles=()):
    """Draw an image and, beside it, what a layer made of it; dark is high, each map on a scale of its own.

    Parameters
    ----------
    image : Tensor of shape (1, H, W) or (H, W)
    maps : Tensor of shape (C, H, W)
    titles : sequence of str
        One a map, above it; "map 0" and so on if left out.
    """
    if image.dim() == 3:
        check_grey(image[None], "image")
    tiles = [(image.reshape(image.shape[-2:]), "gray_r", None)] + [(m, "gray_r", None) for m in maps]
    titles = ["input", *(titles or [f"map {i}" for i in range(len(maps))])]
    return _tiles(tiles, titles, min(len(tiles), 9), text, frame=True)


def check_grey(images, name):
    """Raise a ValueError unless images of shape (N, C, H, W) have one channel."""
    if images.shape[1] != 1:
        raise ValueError(f"{name} must have one channel, got the shape {tuple(images.shape)}. Take one: X[:, :1].")


def _tiles(tiles, titles, columns, text, frame=False):
    if len(tiles) > MOST:
        raise ValueError(f"at most {MOST:,} pictures can be drawn beside each other, got {len(tiles):,}. Take a few.")
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    lines = 1 + max((title.count("\n") for title in titles), default=-1)
    side = 10 / max(columns, 6)
    figure = new_figure(columns * side, rows * (side + 0.21 * lines))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, (tile, colours, limits) in enumerate(tiles):
        axes = grid.flat[number]
        low, high = limits or (None, None)
        axes.imshow(tile, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        if number < len(titles):
            axes.set_title(titles[number], fontsize=FONT - 2, color=INK, pad=4)
        if frame:
            axes.set_axis_on()
            axes.set_xticks([])
            axes.set_yticks([])
    top = 1 - 0.23 * lines / figure.get_figheight()
    figure.subplots_adjust(0.01, 0.02, 0.99, top, wspace=0.08, hspace=0.08 + 0.3 * lines / side)
    return Picture(figure, text)
