"""A network as a row of blocks with what goes around them."""

import torch
from torch import nn

from cnnlib.figures.drawing import Drawing, Line, Rect, Words
from cnnlib.figures.style import COLOURS, FAINT, INK
from cnnlib.models.cifar_resnet import ZeroPad, is_block
from cnnlib.models.explain_forward import run_network
from cnnlib.models.hooks import device_of, watching
from cnnlib.probes.passes import dtype_of, looking
from cnnlib.validation import Count, Example, Network, Text, arguments

WIDTH, MIDDLE, TALL = 1000, 106, 70  # pixels
WIDTHS = Count(least=500)
STAGES = ("#9ecae1", "#fdd0a2", "#a1d99b", "#dadaeb", "#d9d9d9")  # light enough for what is drawn over them
KINDS = {  # of a shortcut: colour and dash
    "identity": (COLOURS[6], ()),
    "zero-padded": (COLOURS[6], (2, 3)),
    "1×1 projection": (COLOURS[1], (6, 3)),
}


@arguments(net=Network(), input_shape=Example(), title=Text(), width=WIDTHS)
def draw_blocks(net, input_shape, title="", width=WIDTH):
    """Draw a residual or plain network: a box for each block, an arc for each shortcut.

    A box is as high as its maps in proportion to the picture; its colour and the number over it tell the channels.

    Parameters
    ----------
    net : nn.Module
        Its blocks are those of `cifar_resnet` or of `resnet18`.
    input_shape : tuple of int
        Shape of one example.
    title : str
    width : int
        Pixels of the drawing: on a page that has so many, its letters have the page's size.

    Returns
    -------
    Drawing

    Raises
    ------
    ValueError
        If the network has no such block, or cannot take such an example.
    """
    blocks = _blocks(net, input_shape)
    if not blocks:
        raise ValueError("the network has no residual or plain block to draw: build it by cifar_resnet or resnet18.")
    slot = min(64.0, (width - 150) / len(blocks))
    wide = max(3.0, 0.55 * slot)
    parts = [Words(8, 22, title, 17, weight="bold", anchor="start")] if title else []
    x = 60.0
    parts.append(Line([(10, MIDDLE), (x, MIDDLE)], INK, 1.5))
    parts.append(Words(34, MIDDLE - 8, "image"))
    used, sizes, before = {}, {}, None
    for block, (channels, side) in blocks:
        colour = sizes.setdefault(channels, STAGES[len(sizes) % len(STAGES)])
        height = max(10.0, TALL * side / input_shape[-1])
        left = x + (slot - wide) / 2
        parts.append(Line([(x, MIDDLE), (x + slot, MIDDLE)], INK, 1.5))
        parts.append(Rect(left, MIDDLE - height / 2, wide, height, colour))
        kind = _kind(block)
        if kind:
            used[kind] = True
            parts.append(_arc(x + 0.04 * slot, x + 0.96 * slot, MIDDLE - TALL / 2 - 8, slot, *KINDS[kind]))
        if channels != before:
            parts.append(Words(left, MIDDLE + TALL / 2 + 22, f"{channels} × {side}²", anchor="start"))
            before = channels
        x += slot
    parts.append(Line([(x, MIDDLE), (x + 30, MIDDLE)], INK, 1.5))
    parts.append(Words(x + 34, MIDDLE + 5, "scores", anchor="start"))
    parts += _legend(used, len(blocks))
    text = f"{len(blocks)} blocks, {', '.join(used) or 'no'} shortcuts"
    return Drawing(parts, width, MIDDLE + 94, text)


def _blocks(net, input_shape):
    """Yield each block with the channels and the side of its output, in the order of their calls."""
    found, blocks = [], {name: module for name, module in net.named_modules() if is_block(module)}

    def note(name, module, inputs, output):
        found.append((module, tuple(output.shape[1:3])))

    with watching(blocks, note), looking(net):
        run_network(net, torch.zeros(1, *input_shape, device=device_of(net), dtype=dtype_of(net)))
    return found


def _kind(block):
    if not hasattr(block, "shortcut"):
        return "identity" if block.conv3 is None else "1×1 projection"
    if block.shortcut is None:
        return None
    if isinstance(block.shortcut, nn.Identity):
        return "identity"
    return "zero-padded" if isinstance(block.shortcut, ZeroPad) else "1×1 projection"


def _arc(left, right, top, slot, colour, dash):
    high = min(34.0, 8 + 0.5 * slot)
    bend = 0.18 * (right - left)
    points = [(left, MIDDLE), (left, top - high + 6), (left + bend, top - high), (right - bend, top - high)]
    return Line([*points, (right, top - high + 6), (right, MIDDLE)], colour, 1.6 if slot > 24 else 1.1, dash)


def _legend(used, number):
    y, x = MIDDLE + 84, 8
    parts = [Words(x, y, f"{number} blocks of two convolutions", fill=FAINT, anchor="start")]
    x += 250
    for kind in used:
        parts += [Line([(x, y - 5), (x + 40, y - 5)], KINDS[kind][0], 2, KINDS[kind][1])]
        parts.append(Words(x + 48, y, kind, anchor="start"))
        x += 60 + 9 * len(kind)
    if not used:
        parts.append(Words(x, y, "no shortcut: a plain network", anchor="start"))
    return parts
