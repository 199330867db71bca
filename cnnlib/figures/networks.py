"""Networks drawn to scale from their own shapes: the picture cannot disagree with the code."""

import math

from cnnlib.figures.picture import Picture
from cnnlib.figures.style import FAINT, FILL, FONT, INK, new_figure
from cnnlib.probes import layer_table
from cnnlib.validation import Example, Network, Text, arguments

KINDS = {"Conv2d": "convolution", "AvgPool2d": "pooling", "MaxPool2d": "pooling", "Linear": "dense"}
WIDTH = 10.0  # inches


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
    figure = new_figure(WIDTH, WIDTH / 2)
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
    figure.set_size_inches(WIDTH, 3.5 * WIDTH / x)  # one unit is as long upwards as sideways: squares stay square
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
