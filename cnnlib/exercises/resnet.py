"""Exercises of chapter 5, ResNet. In a notebook: `from cnnlib.exercises import resnet as exercises`.

Every exercise is its solution under a decorator, see `cnnlib.exercises.core`. The checkers, and what they
say to the usual mistakes, are in `cnnlib.exercises.resnet_checks`.
"""

import torch
from torch import nn

from cnnlib.exercises import resnet_checks as checks
from cnnlib.exercises.core import exercise
from cnnlib.models import PreActivation, Residual, cifar_resnet


@exercise(
    "recall",
    question=(
        "A network of this chapter's `cifar_resnet` has nine residual blocks in each of its three stages. Which depth "
        "stands in its name? The depth counts layers with weights, without those of the shortcuts."
    ),
    hints=(
        "How many convolutions does one block have, and how many blocks are there?",
        "Three stages of nine blocks of two convolutions each. Which layer comes before them, and which after them?",
    ),
    check=checks.depth_of_nine,
)
def depth_of_nine():
    blocks = 3 * 9
    return 1 + 2 * blocks + 1  # the first convolution, the blocks, the dense layer


@exercise(
    "recall",
    question=(
        "A shortcut goes from 64 to 128 channels by a 1 × 1 convolution without bias, followed by batch "
        "normalisation. How many numbers does this shortcut learn?"
    ),
    hints=(
        "A 1 × 1 window has one weight for each pair of an input and an output channel. How many pairs are there?",
        "There are 64 · 128 pairs. Batch normalisation learns two numbers for each channel of its input.",
    ),
    check=checks.projection_parameters,
)
def projection_parameters():
    weights = 64 * 128 * 1 * 1
    gamma, beta = 128, 128
    return weights + gamma + beta


@exercise(
    "recall",
    question=(
        "Two plain networks, of 20 and of 56 layers, are trained in the same way. The deeper one makes more mistakes "
        "on the test images. Which further measurement shows that this is not overfitting? Answer with one letter.\n\n"
        "- `a`: The deeper network has more parameters.\n"
        "- `b`: The deeper network makes more mistakes on the test images than on the training images.\n"
        "- `c`: The deeper network's test loss rises towards the end, while its training loss still falls.\n"
        "- `d`: The deeper network's loss on the training images is the higher one, too.\n"
        "- `e`: The deeper network's gradients are smaller in its first layer than in its last."
    ),
    hints=(
        "A network that overfits has learnt something well, only the wrong thing. On which images would that show?",
        "Overfitting means: good on the images it learns from, bad on new ones. Which measurement contradicts the "
        "first half?",
    ),
    check=checks.not_overfitting,
)
def not_overfitting():
    return "d"


@exercise(
    "change one line",
    question=(
        "`Residual(16, 32)` should turn maps of shape (N, 16, 28, 28) into (N, 32, 14, 14), but its addition fails. "
        "Hand in a `Residual` that does it."
    ),
    hints=(
        "Two things differ between the input and the output. Which layer can change the shortcut in both?",
        "A 1 × 1 convolution on the shortcut changes the channels, a stride of 2 the height and width: `Residual` has "
        "an argument for each.",
    ),
    check=checks.fitting_shortcut,
)
def fitting_shortcut():
    return Residual(16, 32, use_1x1conv=True, strides=2)


@exercise(
    "change one line",
    question=(
        "Build the plain twin of `cifar_resnet(20, 8)`, for images of shape (1, 28, 28): the same network with nothing "
        "around its convolutions."
    ),
    hints=(
        "All layers stay, with their batch normalisation and their ReLUs. Which argument of `cifar_resnet` is about "
        "what goes around them?",
        "`shortcut` is one of four kinds, which `SHORTCUTS` lists.",
    ),
    check=checks.plain_twin,
)
def plain_twin():
    return cifar_resnet(20, 8, shortcut="none")


@exercise(
    "change one line",
    question=(
        "Build `cifar_resnet(14, 8)` for images of shape (1, 28, 28) with pre-activation blocks and with shortcuts "
        "that have no parameters at all."
    ),
    hints=(
        "Two arguments, one for the kind of block and one for the kind of shortcut.",
        "The class of the block is `PreActivation`. Which of the four `SHORTCUTS` passes the input on, with channels "
        "of zeros where the output has more?",
    ),
    check=checks.free_shortcuts,
)
def free_shortcuts():
    return cifar_resnet(14, 8, shortcut="identity", block=PreActivation)


@exercise(
    "build",
    question=(
        "Write `residual_block(in_channels, out_channels, stride)`, which returns the block of the first paper as an "
        "`nn.Module`: two 3 × 3 convolutions with batch normalisation and a shortcut around them. The first one has "
        "the stride; no convolution has a bias. Where the shapes of input and output differ, the shortcut is a 1 × 1 "
        "convolution with batch normalisation; where they agree, it is the input itself."
    ),
    hints=(
        "A block is a class with a `forward`, since a Sequential cannot add. Which ReLU comes before the addition, and "
        "which after it?",
        "Keep `body = nn.Sequential(conv, norm, relu, conv, norm)` and `shortcut`, either an `nn.Identity()` or "
        "`nn.Sequential(conv, norm)` with the stride. Then `forward` returns `torch.relu(body(X) + shortcut(X))`.",
    ),
    check=checks.residual_block,
)
def residual_block(in_channels, out_channels, stride):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
                nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            self.shortcut = nn.Identity()
            if stride != 1 or in_channels != out_channels:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                    nn.BatchNorm2d(out_channels),
                )

        def forward(self, X):
            return torch.relu(self.body(X) + self.shortcut(X))

    return Block()


@exercise(
    "build",
    question=(
        "Two plain layers could pass on what they get. Write `identity_(block)` for a `PostActivation(c, c, shortcut="
        '"none")` that has seen some batches. It sets weights and running statistics so that in evaluation mode the '
        "block returns every input without negative numbers as it is, and it returns the block."
    ),
    hints=(
        "Both convolutions and both normalisations have to pass on what they get; the ReLUs do so already. Which 3 × 3 "
        "window, for which pairs of channels, gives back its middle pixel?",
        "`nn.init.dirac_` sets such windows. A normalisation subtracts its running mean and divides by "
        "√(running_var + eps): which gamma and beta undo that? Work under `torch.no_grad()`.",
    ),
    check=checks.identity_,
)
def identity_(block):
    with torch.no_grad():
        for conv in (block.conv1, block.conv2):
            nn.init.dirac_(conv.weight)  # 1 in the middle of the window from each channel to itself
        for norm in (block.norm1, block.norm2):
            norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
            norm.bias.copy_(norm.running_mean)
    return block


@exercise(
    "build",
    question=(
        "Write `without_block(net, number)` for a residual network `net` from `cifar_resnet`, whose blocks are "
        "`net[1]`, `net[2]` and so on. It returns a network in which the block `net[number]` has given way to its "
        "shortcut alone. `net` itself stays as it is; the two may share their weights."
    ),
    hints=(
        "Every block has a `shortcut`, a module like any other. What stands before the block, and what after it?",
        "`net[:number]` and `net[number + 1:]` are the rest. A new `nn.Sequential` can run them with the shortcut "
        "in between.",
    ),
    check=checks.without_block,
)
def without_block(net, number):
    return nn.Sequential(*net[:number], net[number].shortcut, *net[number + 1 :])
