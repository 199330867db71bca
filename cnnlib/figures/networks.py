"""Networks drawn to scale from their own shapes, so that no picture disagrees with the code: one network with its maps
as stacks of squares, or several as rows of volumes.
"""

import math

from cnnlib.figures.drawing import Drawing, Rect, Words
from cnnlib.figures.picture import Picture
from cnnlib.figures.style import FAINT, FILL, FONT, INK, new_figure
from cnnlib.probes import layer_table
from cnnlib.validation import Count, Dict, Example, Network, Text, arguments, in_words

KINDS = {"Conv2d": "convolution", "MaxPool2d": "pooling", "AvgPool2d": "pooling", "Linear": "dense"}
INCHES = 10.0  # of the picture of one network
WIDTH = 1000  # pixels of the drawing of several
TALL, LOW = 150, 90  # pixels of the largest map, and in a drawing that is narrower
WIDE = 46  # pixels of the most channels, where the rows are not too long
GAP = 5  # pixels between two volumes at least
LEAST = 3  # pixels of the smallest, so that it is seen
CLOSE = 44  # pixels that a volume needs for a number of its own


@arguments(net=Network(), input_shape=Example(), text=Text())
def draw_network(net, input_shape, text="The layers of a network, drawn to scale"):
    """Draw what flows through a network: feature maps as stacks of squares, vectors as columns.

    The side of a square is in proportion to the map's height, the number of squares is the number of channels (at
    most 24 are drawn), and the height of a column to the square root of the vector's length.

    Parameters
    ----------
    net : nn.Module
    input_shape : tuple of int
        Shape of one example: (1, 28, 28).
    """
    layers = [layer for layer in layer_table(net, input_shape) if layer.kind in KINDS]
    stages = [("input", input_shape, "")]
    stages += [(KINDS[layer.kind], layer.output_shape, _size(net, layer)) for layer in layers]
    unit = 2.0 / input_shape[-1]
    figure = new_figure(INCHES, INCHES / 2)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    x, middle = 0.25, 1.75
    for kind, shape, size in stages:
        width = _draw_stage(axes, x, middle, kind, shape, unit)
        centre = x + width / 2
        label = "×".join(map(str, shape))
        axes.text(centre, 0.42, label, ha="center", va="top", fontsize=FONT - 1.5, color=INK)
        axes.text(centre, 3.5, f"{kind}\n{size}", ha="center", va="top", fontsize=FONT - 2, color=INK)
        x += max(width, 0.75) + 0.32
    axes.set_xlim(0, x)
    axes.set_ylim(0.1, 3.6)
    figure.set_size_inches(INCHES, 3.5 * INCHES / x)  # one unit is as long upwards as sideways: squares stay square
    return Picture(figure, text)


def _draw_stage(axes, x, middle, kind, shape, unit):
    from matplotlib.patches import Rectangle  # here: 0.4 s that `import cnnlib` need not cost

    if len(shape) == 3:
        channels, height, _ = shape
        side, drawn = height * unit, min(channels, 24)
        shift = min(0.07, 0.9 / drawn)
        for i in range(drawn):
            corner = (x + i * shift, middle - side / 2 + (drawn / 2 - i) * shift * 0.6)
            edge = "white" if kind == "convolution" else INK  # whichever is seen on the fill
            axes.add_patch(Rectangle(corner, side, side, facecolor=FILL[kind], edgecolor=edge, linewidth=0.8))
        return side + (drawn - 1) * shift
    height = 0.12 * math.sqrt(math.prod(shape))
    axes.add_patch(Rectangle((x + 0.2, middle - height / 2), 0.22, height, facecolor=FILL[kind], edgecolor=FAINT))
    return 0.6


def _size(net, layer):
    module = net.get_submodule(layer.name)
    kernel = getattr(module, "kernel_size", None)
    if kernel is None:
        return ""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return f"{height}×{width}"


@arguments(networks=Dict(), caption=Text(), width=Count(least=500))
def draw_volumes(networks, caption=None, width=WIDTH):
    """Draw networks below each other, layer by layer, on one scale.

    A volume is as high as its feature maps and as wide as they are many; a dense layer is as high as the square root
    of its number of units. Above each stands the number of channels or units, below it the side of the maps; where they
    lie close, a number stands only where it changes.

    Parameters
    ----------
    networks : dict of str to (LayerTable or nn.Module, input_shape)
        `input_shape` is that of one example: (1, 28, 28).
    caption : str, optional
    width : int
        Pixels of the drawing: on a page that has so many, its letters have the page's size.

    Returns
    -------
    Drawing
    """
    for name, pair in networks.items():
        _check_row(name, pair)
    rows = {name: _stages(net, shape) for name, (net, shape) in networks.items()}
    stages = [stage for row in rows.values() for stage in row]
    tallest = TALL if width == WIDTH else LOW
    tall = tallest / max(side for _, _, side in stages if side)
    wide = WIDE / max(channels for _, channels, side in stages if side)
    for row in rows.values():  # on one scale for all, and in the longest row none lies over its neighbour
        wide = min(wide, (_slot(row, width) - GAP) / max(channels for _, channels, side in row if side))
    high = tallest / max([channels**0.5 for _, channels, side in stages if not side], default=1)
    parts, top = [], 8
    for name, row in rows.items():
        height = max(side * tall if side else channels**0.5 * high for _, channels, side in row)
        for line in name.split("\n"):
            parts.append(Words(4, top + 16, line, size=19 if width == WIDTH else 16, weight="bold", anchor="start"))
            top += 22
        middle = top + 28 + height / 2
        parts += _row(row, middle, height, tall, wide, high, _slot(row, width))
        top = middle + height / 2 + 34
    parts += _legend(top, width)
    caption = caption or f"Drawn to one scale, layer by layer: {', '.join(networks)}"
    return Drawing(parts, width, round(top + (26 if width == WIDTH else 50)), caption)


def _check_row(name, pair):
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"each network must be a pair (net, input_shape), got {in_words(pair)} for {name!r}.")
    net, shape = pair
    if not hasattr(net, "multiply_adds"):  # a LayerTable has them
        Network(abstract=True)(net)
    if len(Example()(shape)) != 3:
        raise ValueError(f"input_shape must be (channels, height, width), got {in_words(shape)} for {name!r}.")


def _stages(net, shape):
    table = net if isinstance(net, list) else layer_table(net, shape)
    stages = [("input", shape[0], shape[1])]
    for layer in table:
        if layer.kind in KINDS:
            channels, *sides = layer.output_shape
            stages.append((KINDS[layer.kind], channels, sides[0] if sides else 0))
    return stages


def _slot(row, width):
    """Return how many pixels each volume of a row has for itself."""
    return min(76.0, (width - 10) / len(row))


def _row(row, middle, height, tall, wide, high, slot):
    sizes = []
    for _, channels, side in row:
        if side:
            sizes.append((max(LEAST, channels * wide), max(LEAST, side * tall)))
        else:
            sizes.append((10, max(LEAST, channels**0.5 * high)))
    size = 16 if slot >= 56 else 14
    parts, before = [], (None, None)
    for number, ((kind, channels, side), (width, tallness)) in enumerate(zip(row, sizes, strict=True)):
        centre = 5 + slot * (number + 0.5)
        x, y = centre - width / 2, middle - tallness / 2
        parts.append(Rect(x, y, width, tallness, FILL[kind]))
        if slot >= CLOSE or channels != before[0]:
            parts.append(Words(centre, middle - height / 2 - 7, f"{channels:,}", size=size))
        if side and (slot >= CLOSE or side != before[1]):
            parts.append(Words(centre, middle + height / 2 + 18, f"{side}²", size=size, fill=FAINT))
        before = channels, side
    return parts


def _legend(top, width):
    parts, x = [], 5
    for kind, fill in FILL.items():
        parts.append(Rect(x, top + 2, 14, 14, fill))
        parts.append(Words(x + 20, top + 15, kind, anchor="start"))
        x += 40 + 9 * len(kind)
    note = "above: channels or units · below: side of the maps · dense layers: as high as the root of their units"
    if width == WIDTH:
        return [*parts, Words(WIDTH - 4, top + 15, note, fill=FAINT, anchor="end")]
    return [*parts, Words(5, top + 39, note, fill=FAINT, anchor="start")]
