"""Exercises of chapter 3, VGG. In a notebook: `from cnnlib.exercises import vgg as exercises`.

Every exercise is its solution under a decorator, see `cnnlib.exercises.core`. The checkers, and what they
say to the usual mistakes, are in `cnnlib.exercises.vgg_checks`.
"""

from torch import nn

from cnnlib.exercises import vgg_checks as checks
from cnnlib.exercises.core import exercise
from cnnlib.models import VGG11, narrower, vgg, vgg_block


@exercise(
    "recall",
    question=(
        "Three 3 × 3 convolutions of stride 1 follow one another. How many pixels high is the patch of the input that"
        " one number of the output sees?"
    ),
    hints=(
        "One convolution sees 3 pixels. How many more does the second one add, above and below?",
        "Each convolution adds one pixel above and one below: start with 1 pixel and add 2 three times.",
    ),
    check=checks.three_small_windows,
)
def three_small_windows():
    height = 1
    for window in (3, 3, 3):
        height += window - 1  # 3, 5, 7
    return height


@exercise(
    "recall",
    question=(
        "A 5 × 5 convolution with 64 channels in and 64 out is replaced by two 3 × 3 convolutions, again with 64"
        " channels everywhere. How many weights does that save? Biases do not count."
    ),
    hints=(
        "A window of h × w has h · w weights for each pair of an input and an output channel. How many pairs?",
        "There are 64 · 64 pairs; for each, 25 weights become 9 + 9.",
    ),
    check=checks.weights_saved,
)
def weights_saved():
    pairs = 64 * 64  # of an input and an output channel
    return pairs * 5 * 5 - 2 * pairs * 3 * 3


@exercise(
    "recall",
    question=(
        "A VGG has the architecture `((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))` and three dense layers."
        " Which number stands in its name?"
    ),
    hints=(
        "The name counts the layers that have weights. Does a pooling have any?",
        "The first number of each pair counts convolutions. Add them up, then add the dense layers.",
    ),
    check=checks.layers_with_weights,
)
def layers_with_weights():
    arch = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
    return sum(num_convs for num_convs, channels in arch) + 3


@exercise(
    "recall",
    question=(
        "`narrower(VGG11, 4)` is VGG-11 at a quarter of its width. The images stay the same. By which factor do the"
        " multiply-adds of its first convolution shrink?"
    ),
    hints=(
        "The multiply-adds are input channels × output channels × 3 × 3 × places. Which of these factors change?",
        "The first convolution has 64 output channels and then 16. How many input channels has it, before and after?",
    ),
    check=checks.quarter_width_saving,
)
def quarter_width_saving():
    before, after = 1 * 64, 1 * 16  # input × output channels; windows and places stay
    return before // after


@exercise(
    "change one line",
    question=(
        "Build VGG-11 at an eighth of its width for images of shape (1, 32, 32), with 256 units in each hidden dense"
        " layer. The dropout stays at 0.5."
    ),
    hints=(
        "`narrower` divides the channels of an architecture. Which arguments of `vgg` speak of images and of units?",
        "It is `vgg(…, side=…, units=…)`, and the architecture is `narrower(VGG11, 8)`.",
    ),
    check=checks.for_small_pictures,
)
def for_small_pictures():
    return vgg(narrower(VGG11, 8), side=32, units=256)


@exercise(
    "change one line",
    question=(
        "Build a block like `vgg_block(2, 8, 16)` that ends in 2 × 2 average pooling instead of max pooling. Feature"
        " maps of shape (N, 8, 12, 12) go in, (N, 16, 6, 6) come out."
    ),
    hints=(
        "`vgg_block` returns an `nn.Sequential`. At which place does its pooling stand?",
        "The last layer of a Sequential is at place −1, and `block[-1] = …` exchanges it for an `nn.AvgPool2d`.",
    ),
    check=checks.average_pooling,
)
def average_pooling():
    block = vgg_block(2, 8, 16)
    block[-1] = nn.AvgPool2d(kernel_size=2, stride=2)
    return block


@exercise(
    "build",
    question=(
        "Write `block(num_convs, in_channels, out_channels)`, which returns a VGG block as an `nn.Module`: `num_convs`"
        " convolutions of 3 × 3 that keep the size, each followed by a ReLU, then one max pooling that halves it."
        " (N, in_channels, H, W) becomes (N, out_channels, H // 2, W // 2)."
    ),
    hints=(
        "Only the first convolution sees in_channels. How many channels arrive at the second one?",
        "Collect the layers in a list, with `in_channels = out_channels` at the end of each round of the loop, and"
        " return `nn.Sequential(*layers, nn.MaxPool2d(2))`.",
    ),
    check=checks.block,
)
def block(num_convs, in_channels, out_channels):
    layers = []
    for _ in range(num_convs):
        layers += [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


@exercise(
    "build",
    question=(
        "Write `receptive_field(windows)`. `windows` is a list of pairs (window, stride), one for each convolution and"
        " each pooling, from the image on. It returns how many pixels of the image, in width, one number of the last"
        " output sees. For an empty list that is 1."
    ),
    hints=(
        "A window of k has k − 1 steps between its first and its last place. How many pixels apart are two"
        " neighbouring places there?",
        "As many as the product of all strides before that layer. Start at 1, add (k − 1) · product for each layer,"
        " and multiply the product by its stride afterwards.",
    ),
    check=checks.receptive_field,
)
def receptive_field(windows):
    pixels, step = 1, 1  # step: how many pixels lie between two neighbouring places
    for window, stride in windows:
        pixels += (window - 1) * step
        step *= stride
    return pixels


@exercise(
    "build",
    question=(
        "Write `convolution_weights(arch, in_channels=1)`: how many weights and biases the convolutions of a VGG have."
        " `arch` holds a pair (num_convs, out_channels) for each block, as `VGG11` does; `in_channels` are the channels"
        " of the image."
    ),
    hints=(
        "A convolution has in · out · 3 · 3 weights and one bias for each output channel. What is `in` for each?",
        "Two loops, over the blocks and over the convolutions of a block. After each convolution, its output channels"
        " are the input channels of the next one.",
    ),
    check=checks.convolution_weights,
)
def convolution_weights(arch, in_channels=1):
    total = 0
    for num_convs, out_channels in arch:
        for _ in range(num_convs):
            total += in_channels * out_channels * 3 * 3 + out_channels
            in_channels = out_channels
    return total
