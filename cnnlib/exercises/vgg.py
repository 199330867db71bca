"""Exercises of chapter 3, VGG. In a notebook: `from cnnlib.exercises import vgg as exercises`."""

from functools import partial
from itertools import pairwise
from math import prod
from statistics import stdev

import torch
from torch import nn

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import check
from cnnlib.exercises.functions import Function
from cnnlib.exercises.investigations import PREDICTED, fewer_than, investigation, mean
from cnnlib.exercises.layers import renewed
from cnnlib.exercises.modules import Module, network
from cnnlib.exercises.reading import number, number_returned
from cnnlib.models import VGG11, VGG13, VGG16, VGG19, kaiming_, narrower, vgg, vgg_block
from cnnlib.training.seeds import train_over_seeds


@exercise("recall", number({
    "That is one convolution. What does each of the numbers that it sees see in turn?": 3,
    "That is two convolutions. How many pixels does the third one add?": 5,
    "Each convolution adds 2. How many pixels are there before the first?": [6, 8],
    "The windows overlap. How many new pixels does each one add?": [9, 10],
    "These are the weights of three windows. How high is the patch?": 27,
    "That is how many pixels the patch has. How high is it?": 49,
}, otherwise="How many pixels does one convolution see, and how many does each further one add?"))  # fmt: skip
def three_small_windows():
    """Three 3 × 3 convolutions of stride 1 follow one another. How many pixels high is the patch of the input that one
    number of the output sees?

    Hint: One convolution sees 3 pixels. How many more does the second one add, above and below?
    Hint: Each convolution adds one pixel above and one below: start with 1 pixel and add 2 three times.
    """
    height = 1
    for window in (3, 3, 3):
        height += window - 1  # 3, 5, 7
    return height


@exercise("recall", number({
    "That is the saving for one pair of channels. How many pairs of an input and an output channel are there?": 7,
    "That is 64 times the saving of one window. Through how many input channels does each kernel reach?": 448,
    "That counts biases, and the two convolutions have more of them. What is left without biases?": 28608,
    "Which of the two has more weights?": -28672,
    "That is the saving of one 3 × 3 convolution. How many of them see as much as one of 5 × 5?": 65536,
    "These are the weights of the 5 × 5 convolution. How many do two of 3 × 3 have?": 102400,
    "These are the weights of the two 3 × 3 convolutions. How many does one of 5 × 5 have?": 73728,
    "These are the weights of one 3 × 3 convolution. How many do two of them save?": 36864,
    "That is a share of the weights. How many weights is it?": 0.28,
    "That is a share in per cent. How many weights is it?": 28,
}, otherwise="How many weights has a window of each size, and how many windows are there?"))  # fmt: skip
def weights_saved():
    """A 5 × 5 convolution with 64 channels in and 64 out is replaced by two 3 × 3 convolutions, again with 64 channels
    everywhere. How many weights does that save? Biases do not count.

    Hint: A window of h × w has h · w weights for each pair of an input and an output channel. How many pairs?
    Hint: There are 64 · 64 pairs; for each, 25 weights become 9 + 9.
    """
    pairs = 64 * 64  # of an input and an output channel
    return pairs * 5 * 5 - 2 * pairs * 3 * 3


@exercise("recall", number({
    "These are the convolutions. Which other layers have weights?": 9,
    "These are the blocks. How many convolutions stand in them?": 4,
    "A block counts once there. How many convolutions stand in them?": 7,
    "All convolutions and one dense layer: do the hidden ones have weights?": 10,
    "All convolutions and two dense layers: does the output layer have weights?": 11,
    "Convolutions and poolings: which of them have weights, and which layers are left out?": 13,
    "The poolings are among them. How many weights has a pooling?": 16,
}, otherwise="Which number of each pair counts layers, and what comes after the blocks?"))  # fmt: skip
def layers_with_weights():
    """A VGG has the architecture `((1, 32), (2, 64), (3, 128), (3, 256))` and three dense layers. Which number would
    stand in its name?

    Hint: The name counts the layers that have weights. Does a pooling have any?
    Hint: The first number of each pair counts convolutions. Add them up, then add the dense layers.
    """
    arch = ((1, 32), (2, 64), (3, 128), (3, 256))
    return sum(num_convs for num_convs, channels in arch) + 3


@exercise("recall", number({
    "That is right for the first convolution, whose one input channel stays. How many has the second?": 8,
    "That is right at a quarter of the width. By which factor do the channels shrink here?": 16,
    "The channels shrink. Which factors of the multiply-adds are numbers of channels?": 1,
    "Is that the sum of two factors? How do input and output channels enter?": 128,
    "Maps and windows keep their size. Which numbers of channels change?": 512,
    "That is the share that is left. How many times less is it?": [1 / 64, 1 / 8],
}, otherwise="Which of the factors input channels, output channels, window and places change?"))  # fmt: skip
def eighth_width_saving():
    """`narrower(VGG11, 8)` is VGG-11 at an eighth of its width. The images stay the same. By which factor do the
    multiply-adds of its second convolution shrink?

    Hint: The multiply-adds are input channels × output channels × 3 × 3 × places. Which of these factors change?
    Hint: The second convolution has 64 input and 128 output channels, and then 8 and 16.
    """
    before, after = 64 * 128, 8 * 16  # input × output channels; windows and places stay
    return before // after


class Unscaled(nn.Module):
    """A dropout that leaves what it keeps as it is."""

    def forward(self, X):
        return X * (torch.rand(X.shape) < 0.5).to(X) if self.training else X


SMALL = narrower(VGG11, 8)


@exercise("change one line", network((1, 32, 32), {
    "It waits for images of side 224 and has 4,096 hidden units. Which arguments set the two?": partial(vgg, SMALL),
    "Its dense part waits for images of side 224. Which argument says how large?": partial(vgg, SMALL, 224, 256),
    "It has the paper's 4,096 hidden units. Which argument sets them?": partial(vgg, SMALL, 32),
    "You divide the hidden units by 8 as well. How many does the question ask for?": partial(vgg, SMALL, 32, 512),
    "It is built for images of side 64. How large are these?": partial(vgg, SMALL, 64, 256),
    "Its channels are those of the full VGG-11. Which function divides them?":
        [partial(vgg, VGG11, side, units) for side in (224, 32) for units in (4096, 256)],
    **{f"Its channels are divided by {ratio}. By how much for an eighth of the width?":
       partial(vgg, narrower(VGG11, ratio), 32, 256) for ratio in (2, 4, 16)},
    **{f"It has {n} convolutions. Which architecture has 8, and with the three dense layers 11?":
       partial(vgg, narrower(arch, 8), 32, 256) for n, arch in ((10, VGG13), (13, VGG16), (16, VGG19))},
    "It takes averages. Which pooling does VGG use?": {nn.MaxPool2d: nn.AvgPool2d(2)},
    "Its convolutions have no ReLUs. What follows each convolution of a block?":
        {nn.ReLU: nn.Identity(), (7, 10): nn.ReLU()},
    "Its dense layers have no ReLUs. What do three dense layers in a row amount to?": {(7, 10): nn.Identity()},
    "A ReLU follows the last layer. May a score be negative?": {12: lambda last: nn.Sequential(last, nn.ReLU())},
    "One half is dropped instead of two. After which layers does the dropout stand?":
        [{8: nn.Identity()}, {11: nn.Identity()}],
    "What both hidden layers keep comes out up to 1 times as large, expected 4 times. What makes up for the rest?":
        {(8, 11): Unscaled()},
    **{f"What both hidden layers keep comes out up to {(1 - p) ** -2:.3g} times as large, expected 4 times. How large "
       "is the share that is dropped?": {(8, 11): nn.Dropout(p)} for p in [n / 20 for n in range(2, 19) if n != 10]},
}, otherwise="What should architecture, side and hidden units be?"))  # fmt: skip
def for_small_pictures():
    """Build VGG-11 at an eighth of its width for images of shape (1, 32, 32), with 256 units in each hidden dense
    layer. The dropout stays at 0.5.

    Hint: `narrower` divides the channels of an architecture. Which arguments of `vgg` speak of images and of units?
    Hint: It is `vgg(…, side=…, units=…)`, and the architecture is `narrower(VGG11, 8)`.
    """
    return vgg(narrower(VGG11, 8), side=32, units=256)


def convolutions(*channels, pool):
    """Return a block of a convolution from each number of channels to the next one, each with its ReLU, and a pool."""
    convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(channels)]
    return nn.Sequential(*[layer for conv in convs for layer in (conv, nn.ReLU())], pool)


def repeated(num_convs, a, b, pool, apart=0):
    """Return a block that runs one and the same convolution again and again, after `apart` others."""
    layers = list(vgg_block(apart + 1, a, b)[:-1])
    return nn.Sequential(*layers, *layers[-2:] * (num_convs - apart - 1), pool)


def slips(pool):
    """Return mistakes in a block that ends in `pool`."""
    return {
        "Every convolution of yours takes in_channels. How many channels does the second one get?":
            lambda n, a, b: nn.Sequential(*[m for _ in range(n) for m in convolutions(a, b, pool=pool)[:2]], pool),
        "One convolution runs again and again. How many does the block need, each with weights of its own?":
            partial(repeated, pool=pool),
        "After the first, one convolution runs again and again. How many does the block need?":
            lambda n, a, b: repeated(n, a, b, pool, apart=min(1, n - 1)),
        "Only your last convolution changes the channels. Which one does it in a VGG block?":
            lambda n, a, b: convolutions(*[a] * n, b, pool=pool),
        **{f"Your block has as many convolutions as one with num_convs = {other}. What does num_convs count?":
           lambda n, a, b, other=other: convolutions(a, *[b] * other, pool=pool) for other in (1, 2, 3)},
        "No ReLU follows your last convolution. How many ReLUs has the block?": {-2: nn.Identity()},
        "A ReLU follows your last convolution only. What do two convolutions with nothing between amount to?":
            {nn.ReLU: nn.Identity(), -2: nn.ReLU()},
        "Your block has no ReLU. What follows each convolution?": {nn.ReLU: nn.Identity()},
        "Your block has sigmoids. Which activation does VGG use?": {nn.ReLU: nn.Sigmoid()},
        "Nothing is padded. Which padding keeps the size?": {nn.Conv2d: renewed(padding=0)},
        "A pooling follows every convolution of yours. How many times does a block halve the size?":
            {-1: nn.Identity(), nn.ReLU: nn.Sequential(nn.ReLU(), pool)},
        "Your pooling stands first. Where does it stand in a VGG block?":
            {0: lambda first: nn.Sequential(pool, first), -1: nn.Identity()},
        "Your block has no pooling. What halves the size?": {-1: nn.Identity()},
        "Your pooling has stride 1. How far apart do its windows begin if they do not overlap?":
            {-1: nn.MaxPool2d(2, stride=1)},
        "You pool over 3 × 3, as AlexNet does. How large are VGG's poolings?": {-1: nn.MaxPool2d(3, stride=2)},
        "You pool over 3 × 3. How large are VGG's poolings?": {-1: nn.MaxPool2d(3, stride=2, padding=1)},
        "A row that is left over gets a window of its own. What is 9 // 2?": {-1: nn.MaxPool2d(2, ceil_mode=True)},
        "Your block takes averages. Which pooling does VGG use?": {-1: nn.AvgPool2d(2)},
        "Your windows are 5 × 5. How large are VGG's?": {nn.Conv2d: renewed(kernel_size=5, padding=2)},
    }  # fmt: skip


# in a block of two convolutions, or of averages, these are right or told before
NOT_WITH_AVERAGES = "After the first", "No ReLU follows", "A row that", "Your block takes averages", "num_convs = 2"


@exercise("change one line", check(Module([(4, 8, 12, 12), (1, 8, 12, 12)], noun="block"), mistakes={
    "It still takes the largest number of a window. Which layer does that?": {4: nn.MaxPool2d(2)},
    "The max pooling is still there, before the average. How often is the size halved?":
        {4: nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2))},
    "The average took the place of the last ReLU, and the max pooling is still there. Which place is the last?":
        {3: nn.AvgPool2d(2), 4: nn.MaxPool2d(2)},
    "The average stands before the last ReLU, which is another thing here. Which place had the max pooling?":
        {3: nn.AvgPool2d(2), 4: nn.ReLU()},
    "The last ReLU has gone with the max pooling. Which layer should the average take the place of?":
        {3: nn.Identity()},
    "You average over 3 × 3. How large is a window of 2 × 2 average pooling?":
        [{4: nn.AvgPool2d(3, 2, padding=1)}, {4: nn.AvgPool2d(3, 2)}],
    "Your average has stride 1. How far apart do its windows begin if they do not overlap?":
        {4: nn.AvgPool2d(2, stride=1)},
    "Your pooling takes sums. What makes averages of them?": {4: nn.LPPool2d(1, 2)},
    **{message: slip if isinstance(slip, dict) else partial(slip, 2, 8, 16)
       for message, slip in slips(nn.AvgPool2d(2)).items() if not any(told in message for told in NOT_WITH_AVERAGES)},
}, otherwise="Which layer of the block takes the largest number, and is all else as it was?"))  # fmt: skip
def average_pooling():
    """Build a block like `vgg_block(2, 8, 16)` that ends in 2 × 2 average pooling instead of max pooling. Feature maps
    of shape (N, 8, 12, 12) go in, (N, 16, 6, 6) come out.

    Hint: `vgg_block` returns an `nn.Sequential`. At which place does its pooling stand?
    Hint: The last layer of a Sequential is at place -1, and `block[-1] = …` exchanges it for an `nn.AvgPool2d`.
    """
    block = vgg_block(2, 8, 16)
    block[-1] = nn.AvgPool2d(kernel_size=2, stride=2)
    return block


@exercise("build", check(
    Module(lambda num_convs, a, b: [(4, a, 8, 12), (1, a, 9, 7)], noun="block"), [(2, 4, 8), (1, 1, 4), (3, 8, 8)],
    vgg_block, slips(nn.MaxPool2d(2)),
    otherwise="What stands in the block, in which order, and with how many channels each?",
    remark="Your blocks, {count} of them, return what the solution's return: {agreement}."))  # fmt: skip
def block(num_convs, in_channels, out_channels):
    """Write `block(num_convs, in_channels, out_channels)`, which returns a VGG block as an `nn.Module`: `num_convs`
    convolutions of 3 × 3 that keep the size, each followed by a ReLU, then one max pooling that halves it.
    (N, in_channels, H, W) becomes (N, out_channels, H // 2, W // 2).

    Hint: Only the first convolution sees in_channels. How many channels arrive at the second one?
    Hint: Collect the layers in a list, with `in_channels = out_channels` at the end of each round of the loop, and
    return `nn.Sequential(*layers, nn.MaxPool2d(2))`.
    """
    layers = []
    for _ in range(num_convs):
        layers += [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


counting = Function(partial(number_returned, expected="one whole number"), everywhere=True)


def backwards(windows):
    """Return the receptive field, counted from the output to the image."""
    pixels = 1
    for window, stride in reversed(windows):
        pixels = (pixels - 1) * stride + window
    return pixels


def patch(windows, start=1, less=1, own=False, previous=False):
    """Return the receptive field with something wrong in it: where it starts, k, or which strides count."""
    pixels, step = start, 1
    for window, stride in windows:
        step *= stride if own else 1
        pixels += (window - less) * step
        step = step if own else stride if previous else step * stride
    return pixels


ADDS_K = "You add k for each layer. How many steps lie between the first and the last place of a window?"


@exercise("build", check(counting, [
    ([(3, 1), (3, 2), (3, 1)],),
    ([(3, 1)],),
    ([(2, 2), (3, 3), (2, 1), (4, 2)],),
    ([(5, 1), (2, 2), (5, 1), (2, 2)],),  # LeNet
    ([(1, 2), (1, 3), (3, 1)],),
    ([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)],),  # AlexNet
    ([pair for n, _ in VGG16 for pair in [(3, 1)] * n + [(2, 2)]],),
    ([],),
], backwards, {
    "Your strides play no part. How many pixels apart are two neighbouring places after a stride of 2?":
        lambda windows: patch([(k, 1) for k, s in windows]),
    "You multiply by a layer's own stride before you add. Which strides lie before a layer's input?":
        partial(patch, own=True),
    ADDS_K: [partial(patch, less=0), partial(patch, start=0, less=0)],
    "You add up the windows. By how much do neighbouring windows overlap, and what do strides change?":
        lambda windows: sum(k for k, s in windows),
    "That is one short. How much does an output see with no layer?": partial(patch, start=0),
    "Only the stride of the layer just before counts. What about those before it?": partial(patch, previous=True),
    "You walk from the last layer to the first. Whose strides lie between a layer and the image?":
        lambda windows: patch(windows[::-1]),
    "That is how far apart the patches of two neighbouring outputs are. How large is one of them?":
        lambda windows: prod(s for k, s in windows),
    "These are the pixels of the whole patch. How wide is it?": lambda windows: backwards(windows) ** 2,
}, otherwise="What does one layer add, and how many pixels is one step of its input worth?"))  # fmt: skip
def receptive_field(windows):
    """Write `receptive_field(windows)`. `windows` is a list of pairs (window, stride), one for each convolution and
    each pooling, from the image on. It returns how many pixels of the image, in width, one number of the last output
    sees. For an empty list that is 1.

    Hint: A window of k has k − 1 steps between its first and its last place. How many pixels apart are two neighbouring
    places there?
    Hint: As many as the product of all strides before that layer. Start at 1, add (k − 1) · product for each layer, and
    multiply the product by its stride afterwards.
    """
    pixels, step = 1, 1  # step: how many pixels lie between two neighbouring places
    for window, stride in windows:
        pixels += (window - 1) * step
        step *= stride
    return pixels


def channel_pairs(arch, in_channels=1, carried="each"):
    """Return (input, output) channels of each convolution; `carried`: after 'each' one, each 'block', or 'never'."""
    pairs = []
    for num_convs, out_channels in arch:
        for _ in range(num_convs):
            pairs.append((in_channels, out_channels))
            in_channels = out_channels if carried == "each" else in_channels
        in_channels = in_channels if carried == "never" else out_channels
    return pairs


def count_arch(arch, in_channels=1):
    """Return the parameters of a VGG's convolutions, as PyTorch counts them."""
    with torch.device("meta"):
        convs = [nn.Conv2d(a, b, kernel_size=3) for a, b in channel_pairs(arch, in_channels)]
    return sum(p.numel() for conv in convs for p in conv.parameters())


def summed(count, first=0, **options):
    """Return a count of weights: `count(a, b)` for each convolution from number `first` on."""
    return lambda *args: sum(count(a, b) for a, b in channel_pairs(*args, **options)[first:])


@exercise("build", check(counting, [
    (((1, 4), (2, 6)),), (((3, 2),),), (((2, 3),), 2), (((3, 2), (1, 5)), 4),
    (VGG11,), (VGG13,), (VGG16,), (VGG19,), (VGG16, 3),
], count_arch, {
    "These are the weights. What else does each output channel learn?": summed(lambda a, b: 9 * a * b),
    "Every convolution of yours takes the channels of the image. How many does the second one get?":
        summed(lambda a, b: 9 * a * b + b, carried="never"),
    "Every convolution takes the channels that enter its block. How many does the second of a block get?":
        summed(lambda a, b: 9 * a * b + b, carried="block"),
    "Each block counts as one convolution. Which number of a pair says how many it has?":
        lambda arch, *args: count_arch([(1, channels) for _, channels in arch], *args),
    "Your in_channels play no part. Which convolution sees the image?": lambda arch, *args: count_arch(arch),
    "Your windows have 3 weights. How many has one of 3 × 3?": summed(lambda a, b: 3 * a * b + b),
    "Your windows have one weight. How many has one of 3 × 3?": summed(lambda a, b: a * b + b),
    "You count a bias for each input channel. Does a bias belong to an input or to an output channel?":
        summed(lambda a, b: 9 * a * b + a),
    "You count a bias for each pair of channels. How many sums does a bias join at one place?":
        summed(lambda a, b: 10 * a * b),
    "You count one bias for each convolution. How many output channels has it?": summed(lambda a, b: 9 * a * b + 1),
    "The first convolution is missing. What sees the image?": summed(lambda a, b: 9 * a * b + b, first=1),
    "Every convolution of yours takes as many channels as it returns. How many does the first of a block get?":
        summed(lambda a, b: 9 * b * b + b),
}, otherwise="How many input and output channels has each convolution, and what is added to each sum?"))  # fmt: skip
def convolution_weights(arch, in_channels=1):
    """Write `convolution_weights(arch, in_channels=1)`: how many weights and biases the convolutions of a VGG have.
    `arch` holds a pair (num_convs, out_channels) for each block, as `VGG11` does; `in_channels` are the channels of the
    image.

    Hint: A convolution has in · out · 3 · 3 weights and one bias for each output channel. What is `in` for each?
    Hint: Two loops, over the blocks and over the convolutions of a block. After each convolution, its output channels
    are the input channels of the next one.
    """
    total = 0
    for num_convs, out_channels in arch:
        for _ in range(num_convs):
            total += in_channels * out_channels * 3 * 3 + out_channels
            in_channels = out_channels
    return total


COSTS = ("wide, multiply-adds", "deep, multiply-adds")
TABLE = (
    "a dict from 'wide' and 'deep' to test accuracies, one a seed, from 'wide, multiply-adds' and 'deep, "
    "multiply-adds' to a number each, and from 'predicted' to your guess of deep minus wide"
)


def measured(wide, deep, wide_cost=574_592, deep_cost=575_984, **guess):
    return dict(zip(("wide", "deep", *COSTS), (wide, deep, wide_cost, deep_cost), strict=True)) | guess


@exercise("investigate", investigation(TABLE, {
    "That is one seed or two. Would a third agree? Take at least three.": (
        fewer_than(3, "wide", "deep"), measured([0.8], [0.7], predicted=0.1)),
    "An accuracy is a share, between 0 and 1. Have you handed in something else, or per cent?": (
        lambda table: any(not 0 <= v <= 1 for key in ("wide", "deep") for v in table[key]),
        measured([80.0] * 3, [79.0] * 3, predicted=0.1)),
    "A guess is missing. How far ahead did you expect the deep one to be, before you measured?": (
        lambda table: PREDICTED not in table, measured([0.8, 0.79, 0.8], [0.7, 0.75, 0.72])),
    "The costs differ by more than a tenth. Which width makes them equal?": (
        lambda table: not 0.9 < mean(table[COSTS[0]]) / max(1.0, mean(table[COSTS[1]])) < 1.11,
        measured([0.8, 0.79, 0.8], [0.7, 0.75, 0.72], 574_592, 1_010_048, predicted=0.1)),
    "One of them has hardly learnt anything. Has each its own best rate, out of a few that you tried?": (
        lambda table: min(mean(table["wide"]), mean(table["deep"])) < 0.3,
        measured([0.8, 0.79, 0.8], [0.1, 0.1, 0.1], predicted=0.1)),
    "All seeds of one side agree to the last digit. Did the seeds reach the weights?": (
        lambda table: min(stdev(table["wide"]), stdev(table["deep"])) == 0,
        measured([0.8] * 3, [0.7, 0.75, 0.72], predicted=0.1)),
}, "Equal cost, several seeds, and both learn. What is left is the shape; whether the difference counts, tell by the "
   "spread."))  # fmt: skip
def equal_cost():
    """Which of two networks of equal cost learns more in 200 steps, a wide or a deep one? Build two VGGs for
    pictures of 16 × 16 with three blocks, one with more convolutions in each block and fewer channels, so that
    their multiply-adds differ by less than a tenth. Guess first. Give each its own best rate, and train with three
    seeds or more. Hand in a dict: under `'wide'` and `'deep'` the test accuracies, one a seed, under `'wide,
    multiply-adds'` and `'deep, multiply-adds'` the costs, and under `'predicted'` by how much you expect the deep
    one to be ahead.

    Hint: `layer_table(net, (1, 16, 16)).multiply_adds` is the cost. Two convolutions per block with 12 channels cost
    about as much as three with 9.
    Hint: `train_over_seeds(..., steps=200)` ends each run. Try the rates 0.03 and 0.1 on one seed, and then the better
    one on others.
    """
    from functools import partial

    from cnnlib.probes import layer_table

    train_iter, test_iter = load_data_fashion_mnist(64, resize=16, num_train=12_800, num_test=1_000)
    table = {"predicted": -0.05}
    for name, num_convs, width, lr in (("wide", 2, 12, 0.1), ("deep", 3, 9, 0.05)):
        build = partial(vgg, [(num_convs, width)] * 3, side=16, units=64, dropout=0)
        _, runs = train_over_seeds(lambda build=build: kaiming_(build()), train_iter, test_iter, 1, lr)
        table[name] = [run.last_test_acc for run in runs]
        table[f"{name}, multiply-adds"] = layer_table(build(), (1, 16, 16)).multiply_adds
    return table
