"""Exercises of chapter 0, the convolution. In a notebook: `from cnnlib.exercises import convolution as exercises`."""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import check, randn
from cnnlib.exercises.functions import Function
from cnnlib.exercises.investigations import fewer_than, investigation, mean
from cnnlib.exercises.modules import network
from cnnlib.exercises.reading import number


@exercise("recall", number({
    "That is the sum of the window. What does the kernel do to each number before they are summed?": 19,
    "The signs are exchanged. Which row of the kernel is negative?": 3,
    "The kernel lies on its side. Does it compare rows or columns?": 2,
    "That is a mean. Are the products divided by anything?": [-1, -1 / 3],
}, otherwise="Which three products are negative, which three are positive, and which are 0?"))  # fmt: skip
def one_output():
    """The window holds the rows 1 2 5, 0 3 3 and 5 0 0. The kernel's rows are -1 -1 -1, 0 0 0 and 1 1 1. What is the
    output?

    Hint: Multiply the numbers that stand at the same place: nine products, three of which are 0 because of the kernel.
    Hint: The bottom row of the window counts positive, the top row negative.
    """
    top, bottom = 1 + 2 + 5, 5 + 0 + 0
    return bottom - top


@exercise("recall", number({
    "These are the weights. What else does each output channel learn?": 1176,
    "That is one kernel with its bias. How many output channels are there?": 148,
    "Does a kernel reach through one colour or through all three?": 400,
    "Does a bias belong to an input channel or to an output channel?": 1179,
    "These are the kernels of one colour, without a bias. Through how many channels does each reach?": 392,
    "A bias for each pair of channels is too many: how many sums are there at one place?": 1200,
}, otherwise="How many kernels are there, how deep is each, and what is added to each sum?"))  # fmt: skip
def parameters_in_colour():
    """How many parameters does `nn.Conv2d(3, 8, kernel_size=7)` learn, which turns a colour picture into eight maps?

    Hint: Each of the eight output channels has a kernel with a 7 × 7 window for each colour.
    Hint: 8 kernels of 3 · 7 · 7 weights, and one bias for each.
    """
    weights = 8 * 3 * 7 * 7
    biases = 8
    return weights + biases


@exercise("change one line", network((1, 28, 28), {
    "It returns 13 × 13. What does the border have to get, so that the last window fits?":
        lambda: nn.Conv2d(1, 6, kernel_size=3, stride=2),
    "It returns 28 × 28. How far must the window jump?": lambda: nn.Conv2d(1, 6, kernel_size=3, padding=1),
    "It returns 26 × 26, as before. Which two settings does the formula offer?":
        lambda: nn.Conv2d(1, 6, kernel_size=3),
    "The pooling halves the maps, but the convolution should. Which setting makes a window jump?":
        lambda: nn.Sequential(nn.Conv2d(1, 6, kernel_size=3, padding=1), nn.MaxPool2d(2)),
}, otherwise="What do padding and stride have to be, so that (28 + 2p - 3) / s rounds down to 13?"))  # fmt: skip
def half_size():
    """`nn.Conv2d(1, 6, kernel_size=3)` turns 28 × 28 into 26 × 26. Change it so that it returns six maps of 14 × 14,
    each side half as long, without any pooling; its kernels stay 3 × 3.

    Hint: The formula is ⌊(n + 2p - k) / s⌋ + 1. What must s be at least?
    Hint: With a stride of 2 and no padding it is ⌊25 / 2⌋ + 1 = 13, one short.
    """
    return nn.Conv2d(1, 6, kernel_size=3, stride=2, padding=1)


@exercise("change one line", network((6, 14, 14), {
    "Each output sees all six maps. Which argument divides the channels?": lambda: nn.Conv2d(6, 6, kernel_size=3),
    "It has three groups of two maps. How many groups are there, if each map is on its own?":
        lambda: nn.Conv2d(6, 6, kernel_size=3, groups=3),
    "It has two groups of three maps. How many groups are there, if each map is on its own?":
        lambda: nn.Conv2d(6, 6, kernel_size=3, groups=2),
}, otherwise="How many groups are there, if each map is on its own?"))  # fmt: skip
def one_kernel_a_map():
    """`nn.Conv2d(6, 6, kernel_size=3)` sums over all six input maps for each output. Build the convolution that does
    not: each of the six maps gets one 3 × 3 kernel of its own and becomes one output map.

    Hint: The weights then have the shape (6, 1, 3, 3): 54 in place of 324.
    Hint: `nn.Conv2d` has an argument `groups`; channels of different groups never meet.
    """
    return nn.Conv2d(6, 6, kernel_size=3, groups=6)


def torch_channels(X, K):
    return F.conv2d(X[None], K)[0]


@exercise("build", check(Function(by_hand=("conv",), gradients=True), [
    (torch.arange(18.0).reshape(2, 3, 3), torch.arange(16.0).reshape(2, 2, 2, 2)), (randn(3, 6, 8), randn(4, 3, 3, 2)),
    (randn(1, 5, 5), randn(2, 1, 2, 3)), (randn(2, 4, 4), randn(1, 2, 4, 4)), (randn(3, 4, 5), randn(2, 3, 1, 1)),
], torch_channels, {
    "Your kernels are flipped. Do networks flip theirs?": lambda X, K: torch_channels(X, K.flip(2, 3)),
    "Only the first channel of the picture counts. What is summed over the channels?":
        lambda X, K: torch_channels(X[:1], K[:, :1]),
    "That is a mean over the channels. What makes a sum of it?": lambda X, K: torch_channels(X, K) / len(X),
    "Every kernel uses its first slice for all channels. Which slice meets channel c?":
        lambda X, K: torch_channels(X, K[:, :1].expand(-1, len(X), -1, -1)),
    "All kernels add up in one map. How many maps does the layer return?":
        lambda X, K: torch_channels(X, K).sum(dim=0, keepdim=True),
}, otherwise="Which slice of which kernel meets which channel, and what is summed?"))  # fmt: skip
def conv_channels(X, K):
    """Write `conv_channels(X, K)`, a convolution of a picture `X` of shape (C, H, W) with kernels `K` of shape
    (O, C, h, w): stride 1, no padding, no bias, and without PyTorch's own convolutions. It returns (O, H - h + 1,
    W - w + 1).

    Hint: At (i, j) all channels share one window, `X[:, i:i + h, j:j + w]`. What has the shape (C, h, w) as well?
    Hint: Output o is the sum of `X[:, i:i + h, j:j + w] * K[o]` over all three axes.
    """
    num_kernels, _, h, w = K.shape
    Y = torch.zeros(num_kernels, X.shape[1] - h + 1, X.shape[2] - w + 1)
    for o in range(num_kernels):
        for i in range(Y.shape[1]):
            for j in range(Y.shape[2]):
                Y[o, i, j] = (X[:, i : i + h, j : j + w] * K[o]).sum()
    return Y


def torch_edges(X):
    rows, columns = X[2:] - X[:-2], X[:, 2:] - X[:, :-2]
    down = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    right = columns[:-2] + columns[1:-1] + columns[2:]
    return down, right


@exercise("build", check(Function(), [
    (torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9], [0, 9, 9, 9], [9, 9, 9, 9]]),), (randn(6, 8),), (randn(3, 3),),
    (randn(9, 4),),
], lambda X: torch.hypot(*torch_edges(X)), {
    "That is the response to vertical edges alone. Where is the other one?": lambda X: torch_edges(X)[1],
    "That is the response to horizontal edges alone. Where does the other one come in?":
        lambda X: torch_edges(X)[0],
    "The two are added as they are. May a fall cancel a rise?": lambda X: sum(torch_edges(X)),
    "That is the sum of the squares. What is missing?": lambda X: sum(e**2 for e in torch_edges(X)),
    "That is the sum of the sizes. How long is the arrow with these two sides?":
        lambda X: sum(e.abs() for e in torch_edges(X)),
}, otherwise="Are there two responses of shape (H - 2, W - 2), and is each squared before the sum?"))  # fmt: skip
def edge_strength(X):
    """Write `edge_strength(X)` for a picture `X` of shape (H, W): how strong the edge is at each place, whatever its
    direction. That is the root of a² + b², where a and b are the responses, without padding, to this chapter's two edge
    kernels: the one with the rows -1 0 1, and the same with rows and columns exchanged.

    Hint: `F.conv2d` wants (1, 1, H, W) and (1, 1, 3, 3): `X[None, None]` has two more axes.
    Hint: An edge that falls has a negative response. Squares have no sign; the root comes last.
    """
    vertical = torch.tensor([[-1.0, 0, 1]] * 3).to(X)
    a, b = (F.conv2d(X[None, None], K[None, None])[0, 0] for K in (vertical, vertical.T))
    return (a**2 + b**2).sqrt()


@exercise("investigate", investigation(
    "a dict from the pooling's size, 1, 2 and 4, to relative changes, one for each of three or more pictures", {
        "One picture. Would another one agree?": (fewer_than(3, 1, 2, 4), {1: 0.7, 2: 0.5, 4: 0.3}),
        "A change is no smaller than nothing. Did you take the absolute difference?": (
            lambda t: any(value < 0 for size in (1, 2, 4) for value in t[size]),
            {1: [0.7, 0.6, 0.8], 2: [-0.5, 0.4, 0.5], 4: [0.3, 0.2, 0.3]},
        ),
        "Nothing changes at all. Was the picture shifted, and filled with zeros?": (
            lambda t: mean(t[1]) < 0.01, {1: [0.0] * 3, 2: [0.0] * 3, 4: [0.0] * 3},
        ),
        "Pooling makes the change no smaller. Did you divide by the size of the pooled map itself?": (
            lambda t: not mean(t[1]) > mean(t[2]) > mean(t[4]), {1: [0.3] * 3, 2: [0.5] * 3, 4: [0.7] * 3},
        ),
    },
    "The larger the window, the less a small shift changes; it never changes nothing. So pooling buys tolerance, not "
    "invariance, and pays for it with the place.",
))  # fmt: skip
def tolerance():
    """Predict, measure, explain: how much does max pooling hide a shift of one pixel? Take three or more test pictures
    and the response of each to `vertical`, after a ReLU. Shift the picture by one pixel to the right, filled up with
    zeros, and measure by how much the pooled response changes: mean absolute difference divided by the mean of the
    pooled response. Do so for pooling of size 1 (none), 2 and 4. Hand in a dict from the size to the changes, one a
    picture.

    Hint: `F.pad(pictures, (1, 0))[..., :-1]` is the picture shifted to the right by one pixel.
    Hint: For one size: `P, Q = F.max_pool2d(Y, size), F.max_pool2d(Y_shifted, size)`, then the mean of `(P - Q).abs()`.
    """
    from cnnlib.datasets import load_data_fashion_mnist

    test_iter = load_data_fashion_mnist(256, num_train=256, num_test=20)[1]
    pictures = test_iter.images / 255
    kernel = torch.tensor([[-1.0, 0, 1]] * 3)[None, None]
    Y, Z = (F.conv2d(X, kernel).relu() for X in (pictures, F.pad(pictures, (1, 0))[..., :-1]))
    changes = {}
    for size in (1, 2, 4):
        P, Q = F.max_pool2d(Y, size), F.max_pool2d(Z, size)
        changes[size] = ((P - Q).abs().mean(dim=(1, 2, 3)) / P.mean(dim=(1, 2, 3))).tolist()
    return changes
