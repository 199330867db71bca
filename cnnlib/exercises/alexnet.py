"""Exercises of chapter 2, AlexNet. In a notebook: `from cnnlib.exercises import alexnet as exercises`.

Every exercise is its solution under a decorator, see `cnnlib.exercises.core`. The checkers, and what they
say to the usual mistakes, are in `cnnlib.exercises.alexnet_checks`.
"""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises import alexnet_checks as checks
from cnnlib.exercises.core import exercise
from cnnlib.models import alexnet


@exercise(
    "recall",
    question=(
        "In the paper, images of 224 × 224 become maps of 55 × 55, under windows of 11 × 11 with stride 4. What"
        " is the smallest padding that gives 55? Give the whole number for each side, as PyTorch's `padding=` takes it."
    ),
    hints=(
        "The formula is ⌊(height + 2 · padding − kernel) / stride⌋ + 1. This chapter's network, with padding 1, gets"
        " 54.",
        "⌊(213 + 2 · padding) / 4⌋ must be 54, so 213 + 2 · padding must be at least 216.",
    ),
    check=checks.first_layer_padding,
)
def first_layer_padding():
    padding = 0
    while (224 + 2 * padding - 11) // 4 + 1 < 55:
        padding += 1
    return padding


@exercise(
    "recall",
    question=(
        "AlexNet's first dense layer has 6,400 inputs and 4,096 outputs. How many parameters does it have, weights and"
        " biases together?"
    ),
    hints=(
        "Each output is a sum over all inputs, each with a weight of its own.",
        "6,400 × 4,096 weights, and one bias for each output.",
    ),
    check=checks.first_dense_parameters,
)
def first_dense_parameters():
    weights = 6400 * 4096
    biases = 4096
    return weights + biases


@exercise(
    "recall",
    question=(
        "In training, a unit with the value 3 goes through `nn.Dropout(p=0.25)` and is kept. With which value does it"
        " leave the layer?"
    ),
    hints=(
        "p is the share that is dropped. A sum over many units should be as large, on average, as without dropout.",
        "Of four units three are kept. By which factor must each grow to make up for the fourth?",
    ),
    check=checks.kept_unit,
)
def kept_unit():
    value, p = 3, 0.25
    return value / (1 - p)


@exercise(
    "recall",
    question=(
        "A convolution with 5 × 5 windows has 96 input and 256 output channels, split into 2 groups as on the two GPUs"
        " of 2012: each group makes half of the output channels from half of the input channels. How many weights does"
        " it have, without the biases?"
    ),
    hints=(
        "How many input channels does one output channel see?",
        "Each of the 256 output channels has a 5 × 5 window for every one of 48 input channels.",
    ),
    check=checks.grouped_weights,
)
def grouped_weights():
    groups = 2
    weights_of_one = (256 // groups) * (96 // groups) * 5 * 5
    return groups * weights_of_one


@exercise(
    "change one line",
    question=(
        "Build an eighth of AlexNet, `alexnet(shrink=8, side=112)`, with a tanh in place of every ReLU. All else stays,"
        " dropout too."
    ),
    hints=(
        "How many ReLUs are there? One follows each convolution and each hidden dense layer.",
        "`alexnet` takes the class of the activation as its first argument.",
    ),
    check=checks.with_tanh,
)
def with_tanh():
    return alexnet(nn.Tanh, shrink=8, side=112)


@exercise(
    "change one line",
    question=(
        "Build an eighth of AlexNet, `alexnet(shrink=8, side=112)`, with a max pooling of 2 × 2 and stride 2 in place"
        " of every one of 3 × 3 and stride 2, so that windows no longer overlap. It is one line, three times, and its"
        " consequence for another layer."
    ),
    hints=(
        "The poolings are layers 2, 5 and 12. The maps get larger than before: which layer counts their entries?",
        "The height goes 26, 13, 6, 3. Layer 14, the first dense one, gets 32 channels of 3 × 3.",
    ),
    check=checks.pooling_without_overlap,
)
def pooling_without_overlap():
    net = alexnet(shrink=8, side=112)
    for index in (2, 5, 12):
        net[index] = nn.MaxPool2d(kernel_size=2, stride=2)
    net[14] = nn.Linear(32 * 3 * 3, 512)  # the maps are 3 × 3 now, not 2 × 2
    return net


@exercise(
    "build",
    question=(
        "Write `dropout(X, p, training)` for a tensor `X` of any shape, without PyTorch's own dropouts. In training,"
        " each value becomes 0 with probability p, whatever happens to the others, and is divided by 1 − p otherwise;"
        " p may be 0 or 1. With `training=False` the values stay as they are. `X` itself never changes."
    ),
    hints=(
        "Draw one random number between 0 and 1 for each value: with which probability is it below p?",
        "`torch.rand_like(X) >= p` tells what is kept. Times `X`, divided by 1 − p. What happens then if p is 1?",
    ),
    check=checks.dropout,
)
def dropout(X, p, training):
    if not training:
        return X
    if p == 1:
        return torch.zeros_like(X)  # 0 / 0 would be NaN
    kept = torch.rand_like(X) >= p
    return kept * X / (1 - p)


@exercise(
    "build",
    question=(
        "Write `max_pool2d(X, size, stride)` for a batch `X` of shape (N, C, H, W), without PyTorch's own poolings: the"
        " largest numbers of windows of size × size that begin `stride` apart, so that they may overlap. Windows that"
        " would stick out are left out."
    ),
    hints=(
        "The result has (H − size) // stride + 1 rows. Where does the window of entry (i, j) begin?",
        "It begins at a = i · stride, b = j · stride. Take the largest of `X[:, :, a:a + size, b:b + size]` over axes"
        " 2, 3: `amax`.",
    ),
    check=checks.max_pool2d,
)
def max_pool2d(X, size, stride):
    N, C, H, W = X.shape
    Y = torch.zeros(N, C, (H - size) // stride + 1, (W - size) // stride + 1)
    for i in range(Y.shape[2]):
        for j in range(Y.shape[3]):
            a, b = i * stride, j * stride
            Y[:, :, i, j] = X[:, :, a : a + size, b : b + size].amax(dim=(2, 3))
    return Y


@exercise(
    "build",
    question=(
        "Write `grouped_conv2d(X, weight, groups)` for `X` of shape (N, C, H, W) and a `weight` of shape"
        " (out, C / groups, h, w): no padding, stride 1, no bias. The first group makes the first out / groups output"
        " channels from the first C / groups input channels, and so on. Use `F.conv2d` on each group's own channels,"
        " and leave its argument `groups` alone."
    ),
    hints=(
        "Cut `X` into groups along its axis of channels, and `weight` along its axis of output channels.",
        "`X.chunk(groups, dim=1)` and `weight.chunk(groups, dim=0)` go together in pairs. Along which axis do you join"
        " what comes out?",
    ),
    check=checks.grouped_conv2d,
)
def grouped_conv2d(X, weight, groups):
    pairs = zip(X.chunk(groups, dim=1), weight.chunk(groups, dim=0), strict=True)
    return torch.cat([F.conv2d(channels, kernels) for channels, kernels in pairs], dim=1)
