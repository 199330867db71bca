"""How far a layer sees: the receptive field of one of its outputs on the input picture."""

from dataclasses import dataclass

from torch import nn
from torch.nn.modules import conv, padding, pooling

from cnnlib.models.hooks import class_name
from cnnlib.probes.passes import innermost
from cnnlib.probes.trace import ADAPTIVE, trace_example
from cnnlib.probes.windows import Patch, axes_of, sides_of_pad, windows_of
from cnnlib.validation import Example, Network, arguments

PADS = (padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd)
UNKNOWN = (*ADAPTIVE, conv._ConvTransposeNd, pooling._MaxUnpoolNd, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d,
           nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.Fold, nn.Unfold)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """What one output of a layer sees: a patch of `size` pixels; neighbours see patches `stride` pixels apart.

    `start` is where the patch of output 0 begins, counted from the picture's edge; it is negative where the patch
    reaches into the padding. Each is a number, or a pair (height, width) where the two differ.
    """

    name: str
    kind: str
    size: int | tuple
    stride: int | tuple
    start: int | tuple

    @property
    def sizes(self):
        """Height and width of the patch."""
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    @classmethod
    def of(cls, name, kind, patch):
        """Return the field of a layer whose outputs have this patch."""
        return cls(name, kind, *(sides[0] if len(set(sides)) == 1 else sides for sides in patch.sides))


@arguments(net=Network(abstract=True), input_shape=Example())
def receptive_fields(net, input_shape=None):
    """Follow the receptive field through the convolutions and poolings of a network.

    A window of k places, s apart, on a layer whose outputs see `size` pixels and lie `stride` pixels apart, sees
    size + (k - 1) · stride pixels, and its own outputs lie s · stride apart.

    Parameters
    ----------
    net : nn.Module
    input_shape : tuple of int, optional
        Shape of one example, without the batch: (1, 28, 28). With it an example is sent through, and each field is
        that of a layer as it runs, behind shortcuts and adaptive poolings as well; a layer whose field is not known
        is left out. Without it the layers are taken in the order in which they are registered, each on what the one
        before it gave, up to the first that is no window of its own size (adaptive pooling, transposed convolution,
        upsampling).

    Returns
    -------
    list of Field
        One for each convolution and pooling, from the picture on.

    Raises
    ------
    ValueError
        If the network cannot take an example of that shape.
    """
    if input_shape is not None:
        calls = [call for call in trace_example(net, input_shape) if call.patch]
        return [Field.of(call.name, call.kind, call.patch) for call in calls if call.is_window]
    fields, patch = [], None
    for name, module in innermost(net).items():
        pad, axes = isinstance(module, PADS), axes_of(module)
        if isinstance(module, UNKNOWN):
            break
        if not pad and not axes:
            continue
        axes = axes or len(module.padding) // 2
        patch = patch or Patch.of_pixels((0,) * axes)
        if axes != len(patch.sizes):
            break
        if pad:
            patch = patch.padded(*sides_of_pad(module.padding))
        else:
            patch = patch.through(windows_of(module, (0,) * (axes + 1)))
            fields.append(Field.of(name, class_name(module), patch))
    return fields
