"""How far a layer sees: the receptive field of one of its outputs on the input picture."""

from dataclasses import dataclass

from torch import nn

from cnnlib.validation import check_net

WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class Field:
    """What one output of a layer sees: a square patch of `size` pixels; neighbours see patches `stride` pixels apart.

    `start` is where the patch of output 0 begins, counted from the picture's edge; it is negative where the patch
    reaches into the padding.
    """

    name: str
    kind: str
    size: int
    stride: int
    start: int


def receptive_fields(net):
    """Follow the receptive field through a network whose layers run one after the other.

    A window of k places, s apart, on a layer whose outputs see `size` pixels and lie `stride` pixels apart, sees
    size + (k - 1) · stride pixels, and its own outputs lie s · stride apart.

    Parameters
    ----------
    net : nn.Module
        Its convolutions and poolings run in the order in which they are registered, each on what the one before it
        gave. Shortcuts with a projection do not: for a network with branches use `walk_layers`.

    Returns
    -------
    list of Field
        One for each convolution and pooling, from the picture on.

    Raises
    ------
    TypeError
        If `net` is no nn.Module.
    """
    fields, size, stride, start = [], 1, 1, 0
    for name, layer in check_net(net).named_modules():
        if isinstance(layer, WINDOWS):
            window, step, padding, dilation = (
                _one(getattr(layer, key, 1)) for key in ("kernel_size", "stride", "padding", "dilation")
            )
            padding = {"same": (window - 1) * dilation // 2, "valid": 0}.get(padding, padding)
            size += (window - 1) * dilation * stride
            start -= padding * stride
            stride *= step
            fields.append(Field(name, type(layer).__name__, size, stride, start))
    return fields


def _one(value):
    return value[0] if isinstance(value, tuple) else value
