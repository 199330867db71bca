"""Answers to the exercises of chapter 3: RIGHT ones other than the solution, and WRONG ones with words that
the verdict must hold. A lambda stands for what it returns, except where the exercise asks for a function.
"""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models import VGG11, VGG13, VGG16, conv_bn_relu, narrower, vgg, vgg_block

SMALL = narrower(VGG11, 8)


def conv(in_channels, out_channels):
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def small(**options):
    return vgg(SMALL, **{"side": 32, "units": 256, **options})


def changed(net, **layers):
    """Return a Sequential with layers exchanged: changed(net, _1=nn.Identity())."""
    for name, layer in layers.items():
        net[int(name[1:])] = layer
    return net


def on_meta(*args, **options):
    """Return a VGG without numbers in its weights."""
    with torch.device("meta"):
        return vgg(*args, **options)


def by_hand(X, training, share=0.5, scale=2):
    """Drop a share of the numbers of X, with other random numbers than PyTorch's dropout draws."""
    return X * (torch.rand(X.shape) < 1 - share).to(X) * scale if training else X


def one_mask(X, training):
    """Drop the same numbers for every image."""
    return X * (torch.rand(X.shape[1]) < 0.5).to(X) * 2 if training else X


class Small(nn.Module):
    """The small VGG-11 as a class of its own, whose dropout is a function of X and of the mode."""

    def __init__(self, drop=F.dropout, features=lambda X: X, scores=lambda X: X, always=False):
        super().__init__()
        self.drop, self.on_features, self.on_scores, self.always = drop, features, scores, always
        self.out = nn.Linear(256, 10)  # registered in another order than they run
        self.first, self.second = nn.Linear(64, 256), nn.Linear(256, 256)
        self.convs = nn.ModuleList(conv(a, b) for a, b in ((1, 8), (8, 16), (16, 32), (32, 32), (32, 64)))
        self.last = nn.ModuleList(conv(64, 64) for _ in range(3))

    def forward(self, X):
        training = self.training or self.always
        for i, layer in enumerate([*self.convs, *self.last]):
            X = F.relu(layer(X))
            X = F.max_pool2d(X, 2) if i in (0, 1, 3, 5, 7) else X
        X = self.on_features(X.flatten(1))
        X = self.drop(F.relu(self.first(X)), training=training)
        return self.on_scores(self.out(self.drop(F.relu(self.second(X)), training=training)))


def dropout_twice_at_the_end():
    return changed(small(), _7=nn.Sequential(nn.ReLU(), nn.Identity()), _8=nn.Identity(),
                   _11=nn.Sequential(nn.Dropout(), nn.Dropout()))  # fmt: skip


def dropout_in_the_blocks():
    return vgg(SMALL, 32, 256, block=lambda *args: nn.Sequential(vgg_block(*args), nn.Dropout(0.1)))


def average_block(*args):
    return nn.Sequential(*vgg_block(*args)[:-1], nn.AvgPool2d(2))


class Averaging(nn.Module):
    """A VGG block as a class, with average pooling as a function."""

    def __init__(self, pool=F.avg_pool2d):
        super().__init__()
        self.b, self.a, self.pool = conv(16, 16), conv(8, 16), pool

    def forward(self, X):
        return self.pool(self.b(self.a(X).relu()).relu(), 2)


class Block(nn.Module):
    """A VGG block as a class, in which the layers sit in a ModuleList or, as a mistake, in a plain list."""

    def __init__(self, num_convs, in_channels, out_channels, container=nn.ModuleList):
        super().__init__()
        channels = [in_channels] + [out_channels] * num_convs
        self.convs = container(conv(channels[i], channels[i + 1]) for i in range(num_convs))

    def forward(self, X):
        for layer in self.convs:
            X = F.relu(layer(X))
        return F.max_pool2d(X, 2)


class Tupled(Block):
    """A block that returns more than its feature maps."""

    def forward(self, X):
        return super().forward(X), X


class FirstOnly(Block):
    """A block that forgets the batch."""

    def forward(self, X):
        return super().forward(X[:1]).expand(len(X), -1, -1, -1)


class Unsuper(nn.Module):
    """A block that does not call its parent's constructor."""

    def __init__(self, num_convs, in_channels, out_channels):
        self.conv = conv(in_channels, out_channels)


def block_named(num_convs, in_channels, out_channels):
    net = nn.Sequential()
    for i in range(num_convs):
        net.add_module(f"conv{i}", conv(out_channels if i else in_channels, out_channels))
        net.add_module(f"relu{i}", nn.ReLU(inplace=True))
    net.add_module("pool", nn.MaxPool2d(2))
    return net


def block_lazy(num_convs, in_channels, out_channels):
    layers = [l for _ in range(num_convs) for l in (nn.LazyConv2d(out_channels, 3, padding=1), nn.ReLU())]  # noqa: E741
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def block_recursive(n, a, b):
    first = [conv(a, b), nn.ReLU()]
    return nn.Sequential(*first, nn.MaxPool2d(2)) if n == 1 else nn.Sequential(*first, block_recursive(n - 1, b, b))


def block_pools_before_the_last_relu(n, a, b):
    layers = [conv(a if i == 0 else b, b) if j == 0 else nn.ReLU() for i in range(n) for j in range(2)]
    return nn.Sequential(*layers[:-1], nn.MaxPool2d(2), nn.ReLU())


def block_in_channels(num_convs, in_channels, out_channels):
    layers = []
    for _ in range(num_convs):
        layers += [conv(in_channels, out_channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def block_repeated(num_convs, in_channels, out_channels):
    return nn.Sequential(*[conv(in_channels, out_channels), nn.ReLU()] * num_convs, nn.MaxPool2d(2))


def block_repeats_the_rest(num_convs, in_channels, out_channels):
    rest = [conv(out_channels, out_channels), nn.ReLU()] * (num_convs - 1)
    return nn.Sequential(conv(in_channels, out_channels), nn.ReLU(), *rest, nn.MaxPool2d(2))


def block_last_changes(n, a, b):
    return nn.Sequential(*vgg_block(n - 1, a, a)[:-1], conv(a, b), nn.ReLU(), nn.MaxPool2d(2))


def block_unpadded(n, a, b):
    return nn.Sequential(*[nn.Conv2d(m.in_channels, b, 3) if isinstance(m, nn.Conv2d) else m
                           for m in vgg_block(n, a, b)])  # fmt: skip


def block_pools_each(n, a, b):
    return nn.Sequential(*[m for i in range(n) for m in vgg_block(1, b if i else a, b)])


def block_exchanged(exchange):
    """Return a function that builds blocks and then exchanges layers: exchange(layer, is_last) returns another."""

    def build(n, a, b):
        layers = list(vgg_block(n, a, b))
        return nn.Sequential(*[exchange(layer, i >= len(layers) - 2) for i, layer in enumerate(layers)])

    return build


def without_relu(last, others):
    """Return a function that builds blocks without the last ReLU, or without the others."""
    gone = {True: last, False: others}
    return block_exchanged(lambda m, is_last: nn.Identity() if isinstance(m, nn.ReLU) and gone[is_last] else m)


def with_pool(pool):
    return block_exchanged(lambda m, is_last: pool if isinstance(m, nn.MaxPool2d) else m)


def with_activation(activation):
    return block_exchanged(lambda m, is_last: activation if isinstance(m, nn.ReLU) else m)


def block_fails(num_convs, in_channels, out_channels):
    return nn.Sequential(*[conv(in_channels, out_chanels) for _ in range(num_convs)])  # noqa: F821


def field_backwards(windows):
    r = 1
    for k, s in windows[::-1]:
        r = (r - 1) * s + k
    return r


def field_products(windows):
    return 1 + sum((k - 1) * math.prod(s for _, s in windows[:i]) for i, (k, _) in enumerate(windows))


def field_numpy(windows):
    k, s = np.array(windows, dtype=int).reshape(-1, 2).T
    return 1 + ((k - 1) * np.cumprod(np.concatenate([[1], s]))[:-1]).sum()


def field_recursive(layers):
    return 1 if not layers else layers[0][0] + layers[0][1] * (field_recursive(layers[1:]) - 1)


def field_tensor(windows):
    r, step = torch.tensor(1), torch.tensor(1)
    for k, s in windows:
        r, step = r + (k - 1) * step, step * s
    return r


def field_own_stride(windows):
    r, step = 1, 1
    for k, s in windows:
        step *= s
        r += (k - 1) * step
    return r


def field_last_stride(windows):
    r, step = 1, 1
    for k, s in windows:
        r += (k - 1) * step
        step = s
    return r


def field_adds_k(windows, r=1):
    return r + field_products([(k + 1, s) for k, s in windows]) - 1


def field_pops(windows):
    r = 1
    while windows:
        k, s = windows.pop()
        r = (r - 1) * s + k
    return r


def field_without_empty(windows):
    last = windows[-1]
    return field_products(windows[:-1]) + (last[0] - 1) * math.prod(s for _, s in windows[:-1])


def field_stops_early(windows):
    return field_products(windows[:-1]) if windows else 1


def no_return(*args):
    result = args[0]  # noqa: F841


def weights_of_modules(arch, in_channels=1):
    total = 0
    with torch.device("meta"):
        for num_convs, channels in arch:
            total += sum(p.numel() for p in vgg_block(num_convs, in_channels, channels).parameters())
            in_channels = channels
    return total


def weights_by_block(arch, in_channels=1):
    total, before = 0, in_channels
    for n, c in arch:
        total += (9 * before + 1) * c + (n - 1) * (9 * c + 1) * c
        before = c
    return total


def weights_flat(arch, in_channels=1):
    channels = [in_channels] + [c for n, c in arch for _ in range(n)]
    return sum(9 * a * b + b for a, b in zip(channels, channels[1:], strict=False))


def weights_numpy(arch, in_channels=1):
    channels = np.concatenate([[in_channels], *[np.full(n, c) for n, c in arch]])
    return (9 * channels[:-1] * channels[1:] + channels[1:]).sum()


def weights_recursive(arch, image_channels=1):
    if not arch:
        return 0
    (n, c), *rest = arch
    left = [(n - 1, c), *rest] if n > 1 else rest
    return c * (9 * image_channels + 1) + weights_recursive(left, c)


def weights_with(count, carry=True):
    """Return a wrong `convolution_weights`: count(a, b) for each convolution; the channels carried over or not."""

    def convolution_weights(arch, in_channels=1):
        total = 0
        for num_convs, channels in arch:
            for _ in range(num_convs):
                total += count(in_channels, channels)
                in_channels = channels if carry else in_channels
        return total

    return convolution_weights


def weights_of_block_inputs(arch, in_channels=1):
    total = 0
    for n, c in arch:
        total += n * (9 * in_channels * c + c)
        in_channels = c
    return total


def weights_once_a_block(arch, in_channels=1):
    return weights_flat([(1, c) for n, c in arch], in_channels)


def weights_of_outputs(arch, in_channels=1):
    return sum(n * (9 * c * c + c) for n, c in arch)


def weights_without_first(arch, in_channels=1):
    (n, c), *rest = arch
    return weights_flat([(n - 1, c), *rest], c)


def weights_needs_both(arch, in_channels):
    return weights_flat(arch, in_channels)


RIGHT = {
    "three_small_windows": [7, 7.0, torch.tensor(7), np.int64(7), Fraction(7), lambda: field_products([(3, 1)] * 3)],
    "weights_saved": [
        28672, 28672.0, torch.tensor(28672), np.float32(28672), 7 * 64**2,
        lambda: nn.Conv2d(64, 64, 5).weight.numel() - 2 * nn.Conv2d(64, 64, 3).weight.numel(),
    ],
    "layers_with_weights": [
        16, 16.0, torch.tensor([16]), np.int32(16), lambda: sum(n for n, _ in VGG16) + 3,
    ],
    "quarter_width_saving": [
        4, 4.0, torch.tensor(4.0), np.int64(4), Fraction(16, 4),
        lambda: conv(1, 64).weight.numel() / conv(1, 16).weight.numel(),
    ],
    "for_small_pictures": [
        lambda: small(), lambda: small().eval(), lambda: small().double(), lambda: (lambda: small()), lambda: Small(),
        lambda: Small, lambda: Small(by_hand), lambda: Small(by_hand).double(),
        lambda: vgg([[1, 8], [1, 16], [2, 32], [2, 64], [2, 64]], 32, 256, block=Block),
        lambda: small(block=block_lazy),
        lambda: small(block=block_pools_before_the_last_relu),
        lambda: changed(small(), _7=nn.Dropout(), _8=nn.ReLU()),  # dropout before the ReLU is the same
        lambda: changed(small(), _5=nn.Identity(), _6=nn.Sequential(nn.Conv2d(64, 256, 1), nn.Flatten())),
    ],
    "average_pooling": [
        lambda: average_block(2, 8, 16), lambda: Averaging(), lambda: Averaging().double(), lambda: Averaging,
        lambda: nn.Sequential(conv(8, 16), nn.ReLU(), conv(16, 16), nn.ReLU(), nn.AdaptiveAvgPool2d(6)),
        lambda: nn.Sequential(vgg_block(2, 8, 16)[:4], nn.AvgPool2d((2, 2))),
        lambda: nn.Sequential(*block_lazy(2, 8, 16)[:-1], nn.AvgPool2d(2)),
        lambda: changed(vgg_block(2, 8, 16), _4=nn.AvgPool2d(2)).eval(), lambda: (lambda: average_block(2, 8, 16)),
    ],
    "block": [
        vgg_block, Block, block_named, block_lazy, block_recursive, block_pools_before_the_last_relu,
        lambda n, a, b: vgg_block(n, a, b).double(), lambda n, a, b: vgg_block(n, a, b).eval(),
        block_exchanged(lambda m, is_last: nn.Conv2d(m.in_channels, m.out_channels, 3, padding="same")
                        if isinstance(m, nn.Conv2d) else m),
        with_activation(nn.Threshold(0, 0)),
    ],
    "receptive_field": [
        field_backwards, field_products, field_numpy, field_recursive, field_tensor,
        lambda windows: float(field_products(windows)),
    ],
    "convolution_weights": [
        weights_of_modules, weights_by_block, weights_flat, weights_numpy, weights_recursive,
        lambda arch, in_channels=1: torch.tensor(weights_flat(arch, in_channels)),
    ],
}  # fmt: skip

WRONG = {
    "three_small_windows": [
        (9, "overlap"), (5, "two convolutions"), (3, "one convolution"), (49, "How high is it"), (27, "weights"),
        (6, "before the first"), (4, "too small"), (11, "too large"), ((7, 7), "several numbers"),
        ("7", "expected a number"), (lambda: conv(1, 1), "`Conv2d`"),
    ],
    "weights_saved": [
        (7, "one pair of channels"), (448, "each kernel reach"), (28608, "biases"),
        (65536, "one 3 × 3 convolution"), (102400, "5 × 5 convolution"), (73728, "two 3 × 3"), (36864, "one 3 × 3"),
        (0.28, "share"), (28, "per cent"), (-28672, "Which of the two"), (1, "too small"), (30000, "too large"),
        (math.nan, "finite"),
    ],
    "layers_with_weights": [
        (13, "These are the convolutions"), (5, "blocks"), (8, "counts once"), (14, "hidden ones"),
        (15, "output layer"), (18, "poolings"), (21, "poolings"), (11, "VGG-11"), (19, "VGG-19"), (2, "too small"),
        (1475, "too large"), ("VGG-16", "expected a number"), (VGG16, "several numbers"),
    ],
    "quarter_width_saving": [
        (16, "How many input channels"), (1, "64 output channels"), (0.25, "share"), (0.0625, "share"),
        (2, "by how much"), (64, "keep their size"), (3, "too small"), (5, "too large"), (True, "expected a number"),
    ],
    "for_small_pictures": [
        (lambda: on_meta(VGG11), "the full VGG-11"), (lambda: on_meta(VGG11, side=32), "the full VGG-11"),
        (lambda: on_meta(VGG11, side=32, units=256), "the full VGG-11"),
        (lambda: vgg(SMALL), "waits for images of side 224 and has 4,096"),
        (lambda: vgg(SMALL, units=256), "waits for images of side 224"), (lambda: small(units=4096), "paper's 4,096"),
        (lambda: small(units=512), "hidden units by 8"), (lambda: small(side=64), "images of side 64"),
        (lambda: vgg(narrower(VGG11, 4), 32, 256), "divided by 4"),
        (lambda: vgg(narrower(VGG13, 8), 32, 256), "It has 10 convolutions"),
        (lambda: vgg(narrower(VGG16, 8), 32, 256), "It has 13 convolutions"),
        (lambda: small(units=128), "In your network `6.weight` has the shape (128, 64), expected (256, 64)"),
        (lambda: small(dropout=0), "drops nothing"), (lambda: small(dropout=0.3), "2.04 times"),
        (lambda: small(dropout=0.45), "times as large, expected 4"),
        (lambda: changed(small(), _8=nn.Identity()), "One half is dropped instead of two"),
        (lambda: changed(small(), _11=nn.Identity()), "One half is dropped instead of two"),
        (lambda: Small(lambda X, training: by_hand(X, training, share=0.45)), "the dropout is not"),
        (lambda: changed(small(), _8=nn.Identity(), _11=nn.Identity()), "drops nothing"),
        (lambda: dropout_twice_at_the_end(), "after which layers"),
        (lambda: dropout_in_the_blocks(), "after which layers"),
        (lambda: Small(features=nn.Dropout()), "after which layers"),
        (lambda: Small(scores=nn.Dropout()), "after which layers"), (lambda: Small(one_mask), "the dropout is not"),
        (lambda: Small(lambda X, training: by_hand(X, training, scale=1)), "up to 1 times as large"),
        (lambda: Small(lambda X, training: by_hand(X, training, share=0.3, scale=2)), "the dropout is not"),
        (lambda: Small(always=True), "from run to run"), (lambda: small(block=average_block), "takes averages"),
        (lambda: small(block=without_relu(True, True)), "convolutions have no ReLUs"),
        (lambda: changed(small(), _7=nn.Identity(), _10=nn.Identity()), "dense layers have no ReLUs"),
        (lambda: Small(scores=nn.ReLU()), "follows the last layer"),
        (lambda: Small(scores=nn.Softmax(1)), "softmax stands"),
        (lambda: small(block=with_activation(nn.ReLU6())), "scores are off"),
        (lambda: small(block=conv_bn_relu), "In your network"), (lambda: nn.Sequential(*small(), nn.Linear(10, 5)),
         "returns (4, 5), expected (4, 10)"),
        (lambda: nn.Sequential(nn.BatchNorm2d(1, affine=False), *small()), "in training mode they are off"),
        (lambda: nn.Sequential(*small()[:5], *small()[6:]), "do not get through"),
        (lambda: SMALL, "`tuple`"), (lambda: no_return, "your code stops"),
    ],
    "average_pooling": [
        (lambda: vgg_block(2, 8, 16), "still takes the largest"),
        (lambda: nn.Sequential(vgg_block(2, 8, 16), nn.AvgPool2d(2)), "max pooling is still there"),
        (lambda: nn.Sequential(*vgg_block(2, 8, 16)[:3], nn.AvgPool2d(2), nn.ReLU()), "before the last ReLU"),
        (lambda: changed(vgg_block(2, 8, 16), _3=nn.AvgPool2d(2)), "place of the last ReLU"),
        (lambda: nn.Sequential(*vgg_block(2, 8, 16)[:3], nn.AvgPool2d(2)), "last ReLU has gone"),
        (lambda: changed(vgg_block(2, 8, 16), _4=nn.AvgPool2d(3, 2, padding=1)), "average over 3 × 3"),
        (lambda: changed(vgg_block(2, 8, 16), _4=nn.AvgPool2d(2, 1)), "stride 1"),
        (lambda: changed(vgg_block(2, 8, 16), _4=nn.LPPool2d(1, 2)), "takes sums"),
        (lambda: vgg_block(2, 8, 16)[:-1], "no pooling"), (lambda: average_block(1, 8, 16), "num_convs = 1"),
        (lambda: changed(average_block(2, 8, 16), _1=nn.Identity()), "follows your last convolution only"),
        (lambda: nn.Sequential(*block_unpadded(2, 8, 16)[:-1], nn.AvgPool2d(2)), "Nothing is padded"),
        (lambda: average_block(2, 8, 8), "(4, 8, 6, 6), expected (4, 16, 6, 6)"),
        (lambda: average_block(2, 1, 16), "do not get through"),
        (lambda: nn.Sequential(average_block(2, 8, 16), nn.Dropout()), "in training mode only"),
        (lambda: Averaging(lambda X, size: F.adaptive_avg_pool2d(X, 1).expand(-1, -1, 6, 6)), "numbers are off"),
        (lambda: nn.AvgPool2d(2), "(4, 8, 6, 6), expected (4, 16, 6, 6)"), (lambda: vgg_block, "your code stops"),
        (lambda: [average_block(2, 8, 16)], "`list`"), (lambda: torch.zeros(4, 16, 6, 6), "`Tensor`"),
    ],
    "block": [
        (block_in_channels, "takes in_channels"), (without_relu(True, False), "No ReLU follows your last"),
        (block_unpadded, "Nothing is padded"), (block_pools_each, "follows every convolution"),
        (lambda n, a, b: Block(n, a, b, container=list), "plain Python list"),
        (lambda n, a, b: list(vgg_block(n, a, b)), "you return a `list`"),
        (lambda n, a, b: nn.ModuleList(vgg_block(n, a, b)), "ModuleList holds layers"),
        (block_repeated, "again and again"), (block_repeats_the_rest, "After the first, one convolution"),
        (block_last_changes, "Only your last convolution"), (lambda n, a, b: vgg_block(1, a, b), "num_convs = 1"),
        (lambda n, a, b: vgg_block(2, a, b), "num_convs = 2"), (lambda n, a, b: vgg_block(3, a, b), "num_convs = 3"),
        (without_relu(False, True), "last convolution only"), (without_relu(True, True), "Your block has no ReLU"),
        (with_activation(nn.Sigmoid()), "has sigmoids"), (with_activation(nn.LeakyReLU()), "in which order"),
        (with_activation(nn.ReLU6()), "in which order"), (with_pool(nn.AvgPool2d(2)), "takes averages"),
        (with_pool(nn.Identity()), "no pooling"), (with_pool(nn.MaxPool2d(2, 1)), "stride 1"),
        (with_pool(nn.MaxPool2d(3, 2)), "AlexNet"),
        (with_pool(nn.MaxPool2d(3, 2, padding=1)), "You pool over 3 × 3. How"),
        (with_pool(nn.MaxPool2d(2, ceil_mode=True)), "9 // 2"),
        (lambda n, a, b: nn.Sequential(nn.MaxPool2d(2), *vgg_block(n, a, b)[:-1]), "pooling stands first"),
        (conv_bn_relu, "In your block"), (lambda n, a, b: nn.Sequential(vgg_block(n, a, b), nn.Dropout()),
         "in training mode only"), (Tupled, "returns a `tuple`"), (FirstOnly, "numbers are off"),
        (Unsuper, "AttributeError"), (block_fails, "`NameError"), (no_return, "returns None"),
        (lambda num_convs: vgg_block(num_convs, 4, 8), "TypeError"), (vgg_block(2, 4, 8), "the function itself"),
        (block_exchanged(lambda m, last: nn.Conv2d(m.in_channels, m.out_channels, 5, padding=2)
                         if isinstance(m, nn.Conv2d) else m), "windows are 5 × 5"),
        (block_exchanged(lambda m, last: nn.Conv2d(m.in_channels, m.out_channels, 3, padding=1, bias=False)
                         if isinstance(m, nn.Conv2d) else m), "Biases are missing"),
    ],
    "receptive_field": [
        (lambda windows: 1 + sum(k - 1 for k, s in windows), "strides play no part"),
        (field_own_stride, "own stride"), (field_adds_k, "You add k"),
        (lambda windows: field_adds_k(windows, r=0), "You add k"),
        (lambda windows: sum(k for k, s in windows), "add up"),
        (lambda windows: field_products(windows) - 1, "one short"), (field_last_stride, "just before"),
        (lambda windows: field_products(windows[::-1]), "from the last layer"),
        (lambda windows: math.prod(s for k, s in windows), "how far apart"),
        (lambda windows: field_products(windows) ** 2, "How wide is it"), (field_pops, "its own input"),
        (field_without_empty, "For `receptive_field([])` your code stops"),
        (field_stops_early, "What does one layer add"),
        (lambda windows: 7, "returns 7, expected 9"), (lambda windows: str(field_products(windows)), "returns `'9'`"),
        (lambda windows: (field_products(windows),) * 2, "returns a `tuple`"), (lambda windows: math.nan, "`nan`"),
        (lambda k, s: k, "TypeError"), (no_return, "returns None"), (9, "the function itself"),
    ],
    "convolution_weights": [
        (weights_with(lambda a, b: 9 * a * b), "These are the weights"),
        (weights_with(lambda a, b: 9 * a * b + b, carry=False), "takes the channels of the image"),
        (weights_of_block_inputs, "enter its block"), (weights_once_a_block, "counts as one convolution"),
        (lambda arch, in_channels=1: weights_flat(arch), "in_channels play no part"),
        (weights_with(lambda a, b: 3 * a * b + b), "3 weights"), (weights_with(lambda a, b: a * b + b), "one weight"),
        (weights_with(lambda a, b: 9 * a * b + a), "for each input channel"),
        (weights_with(lambda a, b: 10 * a * b), "each pair of channels"),
        (weights_with(lambda a, b: 9 * a * b + 1), "one bias for each convolution"),
        (weights_without_first, "first convolution is missing"), (weights_of_outputs, "as it returns"),
        (weights_with(lambda a, b: 25 * a * b + b), "what is added to each sum"),
        (weights_needs_both, "TypeError"), (lambda arch: weights_flat(arch), "TypeError"),
        (lambda arch, in_channels=1: weights_flat(arch, 3), "returns 664, expected 592"),
        (lambda arch, in_channels=1: len(arch), "returns 2, expected 592"),
        (lambda arch, in_channels=1: [weights_flat(arch, in_channels)] * 2, "returns a `list`"),
        (lambda arch, in_channels=1: True, "`True`"), (no_return, "returns None"), (14714688, "the function itself"),
    ],
}  # fmt: skip
