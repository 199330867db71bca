"""Residual blocks with the usual mistakes in them, and what to say to each."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models import BasicBlock, PostActivation, PreActivation, Residual


def conv(in_channels, out_channels, stride=1, kernel=3, bias=False):
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=bias)


class Variant(BasicBlock):
    """A block with other parts, or put together in another way, as usual mistakes have it."""

    def __init__(self, channels, run=BasicBlock.forward, **parts):
        in_channels, out_channels, stride = channels
        super().__init__(in_channels, out_channels, strides=stride)
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, X):
        return self.run(self, X)


def body(block, X):
    return block.bn2(block.conv2(F.relu(block.bn1(block.conv1(X)))))


BIAS = "There are biases. The normalisation behind them subtracts the mean: what is left of a bias then?"

# blocks with the right parts, put together in a wrong way
PUT_TOGETHER = [
    (lambda m, X: F.relu(body(m, X)) + m.shortcut(X),
     "The last ReLU stands before the addition, so the block can only add to its input. Where should it stand?"),
    (lambda m, X: F.relu(F.relu(body(m, X)) + m.shortcut(X)),
     "A ReLU stands before the addition, and one after it. Which numbers can the first one no longer add?"),
    (lambda m, X: body(m, X) + m.shortcut(X), "No ReLU follows the addition. How many ReLUs has the block?"),
    (lambda m, X: F.relu(m.bn2(m.conv2(m.bn1(m.conv1(X)))) + m.shortcut(X)),
     "No ReLU stands between the two convolutions. What do two of them in a row amount to?"),
    (lambda m, X: m.bn2(m.conv2(m.bn1(m.conv1(X)))) + m.shortcut(X), "There is no ReLU. Where do the two stand?"),
    (lambda m, X: F.relu(body(m, X)), "Nothing is added to what the convolutions return. Where does the shortcut end?"),
    (lambda m, X: F.relu(m.shortcut(X)), "Only the shortcut counts. To what should it be added?"),
    (lambda m, X: F.relu(body(m, X) + F.relu(m.shortcut(X))),
     "A ReLU stands on the shortcut. What should reach the addition unchanged?"),
    (lambda m, X: F.relu(m.bn2(m.conv2(F.relu(m.bn1(m.conv1(X)))) + m.shortcut(X))),
     "The second normalisation comes after the addition. What happens to the shortcut there?"),
    (lambda m, X: F.relu(torch.cat([body(m, X), m.shortcut(X)], 1)),
     "You put the two one behind the other, which doubles the channels. What does a residual block do with them?"),
    (lambda m, X: F.relu(body(m, X) * m.shortcut(X)), "You multiply by the shortcut. What should become of the two?"),
]  # fmt: skip


def block_mistakes(in_channels, out_channels, stride):
    """Return the usual mistakes in a residual block, with what to say to each."""
    a, b, channels = in_channels, out_channels, (in_channels, out_channels, stride)
    projects = stride != 1 or a != b

    def project(stride=stride, kernel=1, bias=False, norm=True):
        layers = [conv(a, b, stride, kernel, bias)] + [nn.BatchNorm2d(b)] * norm
        return nn.Sequential(*layers) if projects else nn.Identity()

    return [
        *((partial(Variant, channels, run), message) for run, message in PUT_TOGETHER),
        (partial(Variant, channels, lambda m, X: F.relu(body(m, X)), shortcut=None),
         "Nothing goes around the convolutions. What does a shortcut add to what they return?"),
        (partial(Variant, channels, conv1=conv(a, b), conv2=conv(b, b, stride)),
         "The stride stands at the second convolution. At which one should it?"),
        (partial(Variant, channels, conv2=conv(b, b, stride)),
         "Both convolutions have the stride. By how much do they shrink the maps, and by how much does the shortcut?"),
        (partial(Variant, channels, conv1=conv(a, b), shortcut=project(stride=1)),
         "The stride plays no part. Which two convolutions need it?"),
        (partial(Variant, channels, conv1=conv(a, b)),
         "The stride stands on one side of the addition only. Which two convolutions need it?"),
        (partial(Variant, channels, shortcut=project(stride=1)),
         "The stride stands on one side of the addition only. Which two convolutions need it?"),
        (partial(Variant, channels, shortcut=nn.Identity()),
         "The shortcut passes on maps of another shape than the convolutions return. Which layer can change it?"),
        (partial(Variant, channels, shortcut=project(norm=False)),
         "The projection is not normalised. What follows its convolution?"),
        (partial(Residual, a, b, projects, stride),
         "That is `Residual`: biases everywhere, and no normalisation in its projection. What does the question ask?"),
        (partial(Variant, channels, shortcut=project(bias=True, norm=False)),
         "The projection has a bias and no normalisation. Which of the two does the question ask for?"),
        (partial(Variant, channels, conv1=conv(a, b, stride, bias=True), conv2=conv(b, b, bias=True)), BIAS),
        (partial(Variant, channels, conv1=conv(a, b, stride, bias=True), conv2=conv(b, b, bias=True),
                 shortcut=project(bias=True)), BIAS),
        (partial(Variant, channels, conv1=conv(a, b, stride, bias=True)), BIAS),
        (partial(Variant, channels, shortcut=project(bias=True)), BIAS),
        (partial(Variant, channels, bn1=nn.Identity()),
         "The first convolution has no normalisation. What stands between it and its ReLU?"),
        (partial(Variant, channels, bn2=nn.Identity()),
         "The second convolution has no normalisation. What stands between it and the addition?"),
        (partial(Variant, channels, bn1=nn.Identity(), bn2=nn.Identity()),
         "Neither 3 × 3 convolution is normalised. What follows each of them?"),
        (partial(Variant, channels, bn1=nn.Identity(), bn2=nn.Identity(), shortcut=project(norm=False)),
         "Nothing is normalised. What follows each convolution?"),
        (partial(Variant, channels, lambda m, X: F.relu(m.bn1(m.conv2(F.relu(m.bn1(m.conv1(X))))) + m.shortcut(X)),
                 bn2=nn.Identity()),
         "One normalisation serves both convolutions. How many gammas and running means do they need?"),
        (partial(Variant, channels, shortcut=nn.Sequential(conv(a, b, stride, 1), nn.BatchNorm2d(b))),
         "The shortcut is a projection although the shapes agree. What would cost nothing?"),
        (partial(Variant, channels, shortcut=project(kernel=3)),
         "The projection has windows of 3 × 3. How large a window changes the channels only?"),
        (partial(Variant, channels, shortcut=nn.Sequential(nn.BatchNorm2d(a), conv(a, b, stride, 1))),
         "On the shortcut the normalisation comes first. Which of the two should?"),
        (partial(PostActivation, a, b, stride, "identity"),
         "The shortcut has no parameters. Which one does the question ask for where the shapes differ?"),
        (partial(PreActivation, a, b, stride),
         "That is the pre-activation block. What comes first in the first paper?"),
        (partial(Variant, channels, conv1=nn.Conv2d(a, b, 3, stride, bias=False),
                 conv2=nn.Conv2d(b, b, 3, bias=False)),
         "Nothing is padded, and the addition fails. Which padding keeps the size under a 3 × 3 window?"),
        (partial(Variant, channels, conv1=conv(a, a, stride), bn1=nn.BatchNorm2d(a), conv2=conv(a, b)),
         "The second convolution changes the channels. Which one should?"),
    ]  # fmt: skip
