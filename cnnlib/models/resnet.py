"""ResNet (He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition", arXiv:1512.03385), for grey
pictures and ten classes. `Residual` is the block as the Chinese and English editions of *Dive into Deep Learning*
print it: its convolutions have biases, which the normalisation behind them takes away again, and its projection has
no normalisation. `BasicBlock` is the block of the paper, and of torchvision.
"""

import torch
from torch import nn

from cnnlib.models.limits import CHANNELS, DEPTH
from cnnlib.validation import Bool, Count, Factory, arguments


class Residual(nn.Module):
    """Two 3×3 convolutions with batch normalisation, and a shortcut around them.

    (N, input_channels, H, W) → (N, num_channels, H / strides, W / strides), rounded up.

    Parameters
    ----------
    input_channels, num_channels : int
    use_1x1conv : bool
        Project the shortcut by a 1×1 convolution. Without it, input and output must have one shape.
    strides : int
        Of the first convolution and of the projection.
    """

    def __init__(self, input_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = torch.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        shortcut = X if self.conv3 is None else self.conv3(X)
        return torch.relu(Y + shortcut)


class BasicBlock(nn.Module):
    """The same block without biases and with batch normalisation in the projection, as in the paper.

    Parameters
    ----------
    input_channels, num_channels, use_1x1conv, strides
        As for `Residual`; where the shapes differ, the shortcut is a projection even if not asked for.
    """

    def __init__(self, input_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1, stride=strides, bias=False)
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_channels)
        self.shortcut = nn.Identity()
        if use_1x1conv or strides != 1 or input_channels != num_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides, bias=False),
                nn.BatchNorm2d(num_channels),
            )

    def forward(self, X):
        Y = torch.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        return torch.relu(Y + self.shortcut(X))


def resnet_block(input_channels, num_channels, num_residuals, first_block=False, block=Residual):
    """Return a list of blocks; the first halves height and width and changes the channels, unless `first_block`.

    (N, input_channels, H, W) → (N, num_channels, H / 2, W / 2).
    """
    blocks = []
    for i in range(num_residuals):
        if i == 0 and not first_block:
            blocks.append(block(input_channels, num_channels, use_1x1conv=True, strides=2))
        else:
            blocks.append(block(num_channels, num_channels))
    return blocks


def resnet18(width=64, block=Residual):
    """Build ResNet-18 for images of shape (N, 1, H, W); it returns scores of shape (N, 10).

    Parameters
    ----------
    width : int
        Channels of the first stage; each further stage doubles them.
    block : callable
        `Residual` or `BasicBlock`, or called like them.
    """
    stem = nn.Sequential(
        nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3), nn.BatchNorm2d(width), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1))  # fmt: skip
    return nn.Sequential(
        stem,                                                                          # (N, 64, 56, 56) for 224 × 224
        nn.Sequential(*resnet_block(width, width, 2, first_block=True, block=block)),  # (N, 64, 56, 56)
        nn.Sequential(*resnet_block(width, 2 * width, 2, block=block)),                # (N, 128, 28, 28)
        nn.Sequential(*resnet_block(2 * width, 4 * width, 2, block=block)),            # (N, 256, 14, 14)
        nn.Sequential(*resnet_block(4 * width, 8 * width, 2, block=block)),            # (N, 512, 7, 7)
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(8 * width, 10))  # fmt: skip


def small_resnet18(width=8, block=Residual):
    """Build ResNet-18 for images of shape (N, 1, 28, 28): every weight of its windows sees pixels.

    The stem is a 3×3 convolution of stride 2 without pooling, so the stages have 14, 7, 4 and 2 pixels a side. With
    `resnet18`, made for 224 × 224, the last stage would have one pixel, and eight of nine taps of its windows padding.
    """
    net = resnet18(width, block)
    net[0] = nn.Sequential(nn.Conv2d(1, width, kernel_size=3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU())
    return net


for _block in (Residual, BasicBlock):
    arguments(input_channels=CHANNELS, num_channels=CHANNELS, use_1x1conv=Bool(), strides=DEPTH)(_block)
resnet_block = arguments(
    input_channels=CHANNELS, num_channels=CHANNELS, num_residuals=DEPTH, first_block=Bool(), block=Factory()
)(resnet_block)
resnet18, small_resnet18 = map(arguments(width=Count(most=512), block=Factory()), (resnet18, small_resnet18))
