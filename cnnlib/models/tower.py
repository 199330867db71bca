"""Equal blocks in a row: the simplest network in which depth can be measured. No block changes the shape,
so every shortcut is the identity.
"""

from torch import nn

from cnnlib.models.cifar_resnet import SHORTCUTS, PostActivation
from cnnlib.models.limits import CHANNELS, DEPTH
from cnnlib.validation import Bool, Choice, Factory, arguments


@arguments(
    num_blocks=DEPTH, width=CHANNELS, shortcut=Choice(SHORTCUTS), block=Factory(), norm=Bool(), activation=Factory()
)
def tower(num_blocks, width=8, shortcut="identity", block=PostActivation, norm=True, activation=nn.ReLU):
    """Build a convolution, `num_blocks` equal blocks and a head, for images of shape (N, 1, H, W).

    Parameters
    ----------
    num_blocks : int
        Each has two convolutions.
    width : int
        Channels of every layer.
    shortcut, norm, activation
        As for `PostActivation`; `shortcut="none"` builds a plain network.
    block : callable
        `PostActivation` or `PreActivation`, or called like them.

    Returns
    -------
    nn.Sequential
        The stem, the blocks one by one, and the head, which returns scores of shape (N, 10).
    """
    blocks = [block(width, width, 1, shortcut, norm, activation) for _ in range(num_blocks)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    return nn.Sequential(nn.Conv2d(1, width, kernel_size=3, padding=1), *blocks, head)
