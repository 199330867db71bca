"""VGG: a network as a list of blocks (Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale
image recognition", arXiv:1409.1556). Here for grey pictures and ten classes; the paper has three channels and 1,000.
"""

from torch import nn

from cnnlib.models.limits import CHANNELS, DEPTH, SHARE, SIDE, UNITS, Arch
from cnnlib.validation import Count, Factory, arguments

# blocks from the image on, as (number of convolutions, channels): table 1 of the paper, columns A, B, D and E
VGG11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
VGG13 = ((2, 64), (2, 128), (2, 256), (2, 512), (2, 512))
VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
VGG19 = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def vgg_block(num_convs, in_channels, out_channels):
    """Build a block: 3×3 convolutions that keep the size, each with a ReLU, then a pooling that halves it.

    (N, in_channels, H, W) → (N, out_channels, H // 2, W // 2).
    """
    layers = []
    for _ in range(num_convs):
        layers += [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


vgg_block = arguments(num_convs=DEPTH, in_channels=CHANNELS, out_channels=CHANNELS)(vgg_block)


def vgg(arch, side=224, units=4096, dropout=0.5, block=vgg_block):
    """Build a VGG for images of shape (N, 1, side, side); it returns scores of shape (N, 10).

    Parameters
    ----------
    arch : sequence of (int, int)
        One pair per block: number of convolutions, output channels. `VGG11`, `VGG13`, `VGG16` and `VGG19` are the
        paper's.
    side : int
        Height and width of the images; each block halves it.
    units : int
        The size of the two hidden dense layers.
    dropout : float
        The share of a hidden dense layer's outputs that training sets to zero.
    block : callable
        Called as `block(num_convs, in_channels, out_channels)`; it must halve the size.

    Raises
    ------
    ValueError
        If the images are too small to be halved by every block.
    """
    blocks, in_channels = [], 1
    for num_convs, out_channels in arch:
        blocks.append(block(num_convs, in_channels, out_channels))
        in_channels, side = out_channels, side // 2
    return nn.Sequential(
        *blocks, nn.Flatten(),
        nn.Linear(in_channels * side * side, units), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(units, units), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(units, 10))  # fmt: skip


def _check_halvings(arch, side=224, **others):
    least = 2 ** len(arch)
    if side < least:
        raise ValueError(f"side must be at least {least}: {len(arch)} blocks halve {side!r} pixels to nothing.")


vgg = arguments(_check_halvings, arch=Arch(), side=SIDE, units=UNITS, dropout=SHARE, block=Factory())(vgg)


@arguments(arch=Arch(), ratio=Count())
def narrower(arch, ratio):
    """Return an architecture with every number of channels divided by `ratio`.

    Raises
    ------
    ValueError
        If the ratio leaves a block without channels.
    """
    least = min(channels for _, channels in arch)
    if ratio > least:
        raise ValueError(f"ratio must be at most {least}, the channels of the narrowest block, got {ratio}.")
    return tuple((num_convs, channels // ratio) for num_convs, channels in arch)


def vgg11():
    """Build VGG-11 for images of shape (N, 1, 224, 224)."""
    return vgg(VGG11)
