"""How far layers see, drawn on the picture that they look at."""

from cnnlib.figures.picture import Picture
from cnnlib.figures.style import COLOURS, DASHES, FAINT, FONT, INK, new_figure
from cnnlib.validation import Dict, Tensor, arguments, in_words


@arguments(image=Tensor((2, 3), "(1, H, W) or (H, W)"), networks=Dict(dict))
def draw_receptive_fields(image, networks):
    """Draw an image once for each network, with a square for each named layer: what one of its outputs sees.

    Parameters
    ----------
    image : Tensor of shape (1, H, W) or (H, W)
    networks : dict of str to (dict of str to Field)
        The network's name, then a label and what `receptive_fields` found for the layer.
    """
    from matplotlib.patches import Rectangle  # here: 0.4 s that `import cnnlib` need not cost

    for name, fields in networks.items():
        for field in Dict()(fields, f"the layers of {name!r}").values():
            if not hasattr(field, "sizes"):
                raise TypeError(f"each layer must be a Field that receptive_fields found, got {in_words(field)}.")
        if len(fields) > len(COLOURS):
            raise ValueError(f"at most {len(COLOURS)} layers can be distinguished, got {len(fields)} for {name!r}.")
    if image.shape[:-2].numel() != 1:
        raise ValueError(f"image must have one channel, got the shape {tuple(image.shape)}. Take one: X[:1].")
    image = image.reshape(image.shape[-2:]).detach().cpu().numpy()
    side = image.shape[-1]
    figure = new_figure(5.0 * len(networks), 5.6)
    grid = figure.subplots(1, len(networks), squeeze=False)[0]
    for axes, (name, fields) in zip(grid, networks.items(), strict=True):
        axes.imshow(image, cmap="gray_r", alpha=0.55, interpolation="nearest")
        first, last = -0.5, side - 0.5
        axes.plot([first, last, last, first, first], [first, first, last, last, first], color=FAINT, linewidth=1)
        for number, (label, field) in enumerate(fields.items()):
            height, width = field.sizes
            corner = ((side - width) / 2 - 0.5, (side - height) / 2 - 0.5)
            style = {"color": COLOURS[number], "linestyle": DASHES[number], "linewidth": 3, "fill": False}
            words = f"{height}" if height == width else f"{height} × {width}"
            square = Rectangle(corner, width, height, label=f"{label}: {words}", **style)
            axes.add_patch(square)
        most = max([side, *(size for field in fields.values() for size in field.sizes)])
        axes.set_xlim(side / 2 - most / 2 - 1.5, side / 2 + most / 2 + 0.5)
        axes.set_ylim(side / 2 + most / 2 + 0.5, side / 2 - most / 2 - 1.5)
        axes.set_axis_off()
        axes.set_title(name, fontsize=FONT, color=INK)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, frameon=False, fontsize=FONT - 1, labelcolor=INK,
            title=f"pixels wide; the picture: {side}", title_fontsize=FONT - 1,
        )  # fmt: skip
    figure.subplots_adjust(0.01, 0.25, 0.99, 0.93, wspace=0.1)
    return Picture(figure, "What the middle output of some layers sees of a picture")
