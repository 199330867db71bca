"""How large maps are: the arithmetic that a network needs to know before its first dense layer."""

from torch import nn

from cnnlib.validation import Count, Kind, arguments


@arguments(layers=Kind(nn.Sequential), side=Count())
def side_after(layers, side):
    """Return the height of the maps that leave a row of layers, for square pictures of height `side`.

    Each convolution and each pooling of the row makes ⌊(side + 2 · padding − window) / stride⌋ + 1 of it; the other
    layers keep it.

    Parameters
    ----------
    layers : nn.Sequential
        Convolutions and poolings with square windows, and layers that act on each number by itself.
    side : int

    Raises
    ------
    ValueError
        If nothing is left.
    """
    left = side
    for layer in layers:
        if hasattr(layer, "kernel_size"):
            window, padding, stride = (
                value[0] if isinstance(value, tuple) else value
                for value in (layer.kernel_size, layer.padding, layer.stride)
            )
            left = (left + 2 * padding - window) // stride + 1
            if left < 1:
                raise ValueError(f"side must be larger: of {side} pixels {type(layer).__name__} leaves nothing.")
    return left
