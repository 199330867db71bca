"""Answers to the exercises of chapter 1: RIGHT ones other than the solution, and WRONG ones with words that
the verdict must hold. A lambda stands for what it returns, except where the exercise asks for a function.
"""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models import lenet


def features(channels=1, padding=2, activation=nn.Sigmoid, pool=nn.AvgPool2d, **options):
    """Return LeNet's convolutional part, as layers."""
    return [nn.Conv2d(channels, 6, 5, padding=padding, **options), activation(), pool(2),
            nn.Conv2d(6, 16, 5, **options), activation(), pool(2), nn.Flatten()]  # fmt: skip


def classifier(num_inputs=400, num_classes=10, activation=nn.Sigmoid, hidden=(120, 84), **options):
    """Return LeNet's dense part, as layers."""
    first, second = hidden
    return [nn.Linear(num_inputs, first, **options), activation(), nn.Linear(first, second, **options),
            activation(), nn.Linear(second, num_classes, **options)]  # fmt: skip


def changed(net, **layers):
    """Return a Sequential with layers exchanged: changed(net, _0=nn.Identity())."""
    for name, layer in layers.items():
        net[int(name[1:])] = layer
    return net


class Named(nn.Module):
    """LeNet as a class of its own, with other names, functional activations and a view for the Flatten."""

    def __init__(self, channels=1, num_classes=10, padding=2, activation=torch.sigmoid, pool=F.avg_pool2d):
        super().__init__()
        self.act, self.pool = activation, pool
        self.out = nn.Linear(84, num_classes)  # registered in another order than they run
        self.f5, self.f6 = nn.Linear(400, 120), nn.Linear(120, 84)
        self.c3, self.c1 = nn.Conv2d(6, 16, 5), nn.Conv2d(channels, 6, 5, padding=padding)

    def forward(self, X):
        X = self.pool(self.act(self.c1(X)), 2)
        X = self.pool(self.act(self.c3(X)), 2)
        return self.out(self.act(self.f6(self.act(self.f5(X.view(len(X), -1))))))


class Unregistered(nn.Module):
    """A network whose layers sit in a plain list."""

    def __init__(self):
        super().__init__()
        self.layers = [*features(padding=0), *classifier()]

    def forward(self, X):
        for layer in self.layers:
            X = layer(X)
        return X


class FirstOnly(Named):
    """A network that forgets the batch."""

    def forward(self, X):
        return super().forward(X[:1]).expand(len(X), -1) if len(X) > 1 else super().forward(X)


class Pair(Named):
    """A network that returns more than its scores."""

    def forward(self, X):
        return super().forward(X), X


class Broken(Named):
    """A network with a name that does not exist."""

    def forward(self, X):
        return self.missing(X)


def lazy_lenet(channels_out=10, padding=2, activation=nn.Sigmoid, pool=nn.AvgPool2d):
    return nn.Sequential(
        nn.LazyConv2d(6, 5, padding=padding), activation(), pool(2),
        nn.LazyConv2d(16, 5), activation(), pool(2), nn.Flatten(),
        nn.LazyLinear(120), activation(), nn.LazyLinear(84), activation(),
        nn.LazyLinear(channels_out))  # fmt: skip


def fully_convolutional(padding=2, activation=nn.Sigmoid, pool=nn.AvgPool2d):
    """Return LeNet as the paper drew it, with C5 a convolution."""
    layers = features(padding=padding, activation=activation, pool=pool)[:-1]
    return nn.Sequential(*layers, nn.Conv2d(16, 120, 5), activation(), nn.Flatten(), *classifier()[2:3],
                         activation(), nn.Linear(84, 10))  # fmt: skip


def relu_max(**layers):
    return changed(lenet(nn.ReLU, nn.MaxPool2d), **layers)


def pool_first(pool):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), pool(2), nn.ReLU(),
        nn.Conv2d(6, 16, 5), pool(2), nn.ReLU(), nn.Flatten(),
        *classifier(activation=nn.ReLU))  # fmt: skip


def conv_unfold(X, K):
    return (X.unfold(0, K.shape[0], 1).unfold(1, K.shape[1], 1) * K).sum(dim=(-2, -1))


def conv_items(X, K):
    rows, columns = X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1
    products = [[sum((X[i + a, j + b] * K[a, b]).item() for a in range(K.shape[0]) for b in range(K.shape[1]))
                 for j in range(columns)] for i in range(rows)]  # fmt: skip
    return torch.tensor(products)


def conv_kernel_loop(image, kernel):
    h, w = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    return sum(kernel[a, b] * image[a : a + h, b : b + w] for a in range(len(kernel)) for b in range(kernel.shape[1]))


def conv_numpy(X, K):
    windows = np.lib.stride_tricks.sliding_window_view(X.detach().numpy(), tuple(K.shape))
    return torch.from_numpy((windows * K.detach().numpy()).sum((2, 3)))


def conv_torch(X, K):
    return F.conv2d(X[None, None], K[None, None])[0, 0]


def conv_square(X, K):
    size = K.shape[0]
    rows, columns = X.shape[0] - size + 1, X.shape[1] - size + 1
    sums = [(X[i : i + size, j : j + size] * K).sum() for i in range(rows) for j in range(columns)]
    return torch.stack(sums).reshape(rows, columns)


def conv_last_position(X, K):
    return conv_unfold(X, K)[:-1, :-1]


def conv_integers(X, K):
    return conv_unfold(X, K).long()


def conv_in_place(X, K):
    Y = conv_unfold(X, K)
    X *= 2
    return Y


def conv_wrong_backward(X, K):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, X, K):
            ctx.shapes = X.shape, K.shape
            return conv_unfold(X, K)

        @staticmethod
        def backward(ctx, gradient):
            return torch.ones(ctx.shapes[0]), torch.ones(ctx.shapes[1])

    return Wrong.apply(X, K)


def conv_index_error(X, K):
    Y = torch.zeros(X.shape[0] - K.shape[0] + 1, X.shape[1] - K.shape[1] + 1)
    Y[X.shape[0], 0] = 1
    return Y


def no_return(*args):
    result = args[0] * 2  # noqa: F841


def pool_reshape(X, size):
    N, C, H, W = X.shape
    whole = X[:, :, : H // size * size, : W // size * size]
    return whole.reshape(N, C, H // size, size, W // size, size).mean(dim=(3, 5))


def pool_unfold(images, k):
    return images.unfold(2, k, k).unfold(3, k, k).mean(dim=(-2, -1))


def pool_steps(X, size):
    H, W = X.shape[2] // size * size, X.shape[3] // size * size
    return sum(X[:, :, a:H:size, b:W:size] for a in range(size) for b in range(size)) / size**2


def pool_scrambled(X, size):
    N, C, H, W = X.shape
    whole = X[:, :, : H // size * size, : W // size * size]
    return whole.reshape(N, C, size, H // size, size, W // size).mean(dim=(2, 4))


def pool_mixed_channels(X, size):
    return pool_unfold(X, size).mean(dim=1, keepdim=True).expand(-1, X.shape[1], -1, -1)


def confusion_bincount(y_hat, y, num_classes):
    return torch.bincount(num_classes * y + y_hat.argmax(1), minlength=num_classes**2).view(num_classes, -1)


def confusion_one_hot(scores, labels, k):
    return F.one_hot(labels, k).T.float() @ F.one_hot(scores.argmax(1), k).float()


def confusion_python(y_hat, y, num_classes):
    M = [[0] * num_classes for _ in range(num_classes)]
    for scores, label in zip(y_hat.tolist(), y.tolist(), strict=True):
        M[label][scores.index(max(scores))] += 1
    return torch.tensor(M)


def confusion_put(y_hat, y, num_classes):
    M = torch.zeros(num_classes, num_classes)
    return M.index_put_((y, y_hat.argmax(dim=1)), torch.ones(len(y)), accumulate=True)


def confusion_fancy(y_hat, y, num_classes):
    M = torch.zeros(num_classes, num_classes)
    M[y, y_hat.argmax(dim=1)] += 1
    return M


def confusion_present(y_hat, y, num_classes):
    present = int(max(y.max(), y_hat.argmax(1).max())) + 1
    return confusion_bincount(y_hat, y, num_classes)[:present, :present]


def confusion_diagonal(y_hat, y, num_classes):
    return confusion_bincount(y_hat, y, num_classes).diag().diag()


RIGHT = {
    "output_size": [
        55, 55.0, torch.tensor(55), torch.tensor(55.0), np.int64(55), Fraction(55), torch.tensor([55]),
    ],
    "shape_at_flatten": [
        [8, 16, 9, 6], torch.Size((8, 16, 9, 6)), (8.0, 16.0, 9.0, 6.0), np.array([8, 16, 9, 6]),
        torch.tensor([8, 16, 9, 6]), (torch.tensor(8), 16, 9, np.int32(6)),
    ],
    "second_convolution_parameters": [
        2416, 2416.0, torch.tensor(2416), np.float32(2416),
        lambda: sum(p.numel() for p in lenet()[3].parameters()),
    ],
    "most_multiply_adds": [
        3, 3.0, torch.tensor(3.0), "3", np.int64(3),
    ],
    "without_padding": [
        lambda: nn.Sequential(*features(padding=0), *classifier()), lambda: Named(padding=0),
        lambda: lazy_lenet(padding=0), lambda: fully_convolutional(padding=0),
        lambda: nn.Sequential(nn.Sequential(*features(padding=0)), nn.Sequential(*classifier())),
        lambda: Named(padding="valid").double(), lambda: (lambda: Named(padding=0)),
    ],
    "relu_and_max_pooling": [
        lambda: relu_max(), lambda: pool_first(nn.MaxPool2d),
        lambda: Named(activation=F.relu, pool=F.max_pool2d),
        lambda: lazy_lenet(activation=nn.ReLU, pool=nn.MaxPool2d),
        lambda: fully_convolutional(activation=nn.ReLU, pool=nn.MaxPool2d),
        lambda: Named(activation=lambda X: X.clamp(min=0), pool=F.max_pool2d).eval(),
        lambda: relu_max(_8=nn.Sequential(nn.ReLU(), nn.ReLU())),
        lambda: relu_max(_8=nn.ReLU(inplace=True), _1=nn.ReLU(inplace=True)),
    ],
    "colours_and_classes": [
        lambda: nn.Sequential(*features(3), *classifier(num_classes=100)), lambda: Named(3, 100),
        lambda: lazy_lenet(100), lambda: Named(3, 100).double(), lambda: Named(3, 100, padding="same"),
        lambda: (lambda: Named(3, 100)),
    ],
    "conv2d": [
        conv_unfold, conv_items, conv_kernel_loop, conv_numpy, lambda X, K: conv_unfold(X, K).double(),
    ],
    "avg_pool2d": [
        pool_reshape, pool_unfold, pool_steps, lambda X, size: pool_unfold(X.double(), size),
    ],
    "confusion_matrix": [
        confusion_bincount, confusion_one_hot, confusion_python, confusion_put,
    ],
}  # fmt: skip


def no_return_network():
    lenet()


WRONG = {
    "output_size": [
        (55.25, "fraction"), (56, "up or down"), (54, "one short"), (57, "height of the kernel"),
        (218, "stride of 4"), (12, "too small"), (1000, "too large"), ("55", "expected a number"),
        ((55, 55), "several numbers"), (math.nan, "finite"), (True, "expected a number"), (nn.ReLU(), "ReLU"),
        (54.9, "too small"), ([], "several"),
    ],
    "shape_at_flatten": [
        ((16, 9, 6), "batch"), ((8, 864), "leaves the Flatten"), ((8, 16, 6, 9), "height or width"),
        ((8, 9, 6, 16), "channels"), ([8, 16, 11, 8], "second convolution pad"),
        ((8, 16, 8, 5), "first convolution pad"), ((8, 16, 10, 7), "no partner"),
        ((8, 16, 9.5, 6.5), "no partner"), ((8, 16, 5, 5), "28 × 28"), ((8, 6, 9, 6), "How many kernels"),
        ((8, 16, 9, 7), "the 7 on axis 3"), ((1, 16, 9, 6), "the 1 on axis 0"),
        ((1, 2), "2 axes, expected 4"),
        (864, "tuple of numbers"), ("8, 16, 9, 6", "tuple of numbers"),
        (lambda: torch.zeros(8, 16, 9, 6), "expected its shape"), ((8, "16", 9, 6), "expected a number"),
    ],
    "second_convolution_parameters": [
        (2400, "weights"), (400, "How deep"), (416, "input channels"), (150, "one kernel"),
        (151, "one kernel"), (166, "every output channel"), (156, "first convolution"), (2406, "bias belong"),
        (240000, "multiply-adds"), (2417, "too large"), (0, "too small"), ("many", "expected a number"),
    ],
    "most_multiply_adds": [
        (7, "48,000 multiply-adds"), (0, "117,600 multiply-adds"), (5, "0 multiply-adds"),
        (11, "840 multiply-adds"), (99, "no layer 99"), ((3, 7), "several numbers"),
        (12, "no layer 12"), (7.5, "no layer 7.5"), (-1, "no layer -1"), ("dense", "expected a number"),
        (lambda: lenet()[3], "the layer itself"),
    ],
    "without_padding": [
        (lambda: lenet(), "layer '7', Linear, got an input of shape (4, 576)"),
        (lambda: nn.Sequential(*features(), *classifier(576)), "shape (120, 576), expected (120, 400)"),
        (lambda: nn.Sequential(*features(padding=1), *classifier()), "padding=1"),
        (lambda: nn.Sequential(nn.ZeroPad2d(-2), lenet()), "cut to"),
        (lambda: changed(lenet(), _0=nn.Conv2d(1, 6, 7, padding=1)), "(6, 1, 7, 7), expected (6, 1, 5, 5)"),
        (lambda: nn.Sequential(*features(padding=0), *classifier(), nn.Softmax(1)), "softmax"),
        (lambda: nn.Sequential(*features(padding=0, bias=False), *classifier()), "of 6, 16 numbers"),
        (lambda: nn.Sequential(*features(padding=0), *classifier(num_classes=11)),
         "(4, 11), expected (4, 10)"),
        (lambda: nn.Sequential(*features(padding=0), nn.Dropout(), *classifier()), "training mode"),
        (lambda: nn.Sequential(*features(padding=0), nn.BatchNorm1d(400, affine=False), *classifier()),
         "training mode"),
        (lambda: nn.Sequential(*features(padding=0), nn.BatchNorm1d(400), *classifier()), "too many"),
        (lambda: nn.Sequential(*features(padding=0, activation=nn.ReLU), *classifier()), "scores are off"),
        (lambda: FirstOnly(padding=0), "scores are off"), (lambda: Pair(padding=0), "returns a `tuple`"),
        (lambda: Broken(padding=0), "do not get through: `AttributeError"),
        (lambda: Unregistered(), "plain Python list"),
        (lambda: Unregistered, "plain Python list"), (lambda: 5, "`int`"),
        (lambda: no_return_network, "returns None"),
    ],
    "relu_and_max_pooling": [
        (lambda: lenet(), "unchanged LeNet"), (lambda: lenet(nn.ReLU), "still takes averages"),
        (lambda: lenet(pool=nn.MaxPool2d), "still uses sigmoids"),
        (lambda: pool_first(nn.AvgPool2d), "before the ReLU"),
        (lambda: relu_max(_8=nn.Sigmoid(), _10=nn.Sigmoid()), "dense layers still use sigmoids"),
        (lambda: relu_max(_8=nn.Identity(), _10=nn.Identity()), "dense layers have lost"),
        (lambda: relu_max(_1=nn.Identity(), _4=nn.Identity()), "convolutions have lost"),
        (lambda: nn.Sequential(*relu_max(), nn.ReLU()), "follows the last layer"),
        (lambda: relu_max(_2=nn.AvgPool2d(2)), "first pooling"),
        (lambda: relu_max(_5=nn.AvgPool2d(2)), "second pooling"),
        (lambda: lenet(nn.Tanh, nn.MaxPool2d), "tanh"), (lambda: lenet(nn.LeakyReLU, nn.MaxPool2d), "leaks"),
        (lambda: lenet(nn.ReLU6, nn.MaxPool2d), "four ReLUs"),
        (lambda: lenet(nn.GELU, nn.MaxPool2d), "four ReLUs"),
        (lambda: relu_max(_10=nn.Identity()), "four ReLUs"),
        (lambda: nn.Sequential(*relu_max(), nn.Softmax(1)), "softmax"),
        (lambda: nn.Sequential(*relu_max(), nn.LogSoftmax(1)), "softmax"),
        (lambda: relu_max(_2=nn.MaxPool2d(3, 2, padding=1)), "four ReLUs"),
        (lambda: lenet(nn.ReLU, lambda **options: nn.MaxPool2d(2, stride=1)), "do not get through"),
        (lambda: relu_max(_11=nn.Linear(84, 10, bias=False)), "of 10 numbers"),
        (lambda: Named, "unchanged LeNet"), (lambda: torch.zeros(4, 10), "`Tensor`"),
    ],
    "colours_and_classes": [
        (lambda: lenet(), "layer '0', Conv2d, got an input of shape (4, 3, 28, 28)"),
        (lambda: changed(lenet(), _0=nn.Conv2d(3, 6, 5, padding=2)), "(4, 10), expected (4, 100)"),
        (lambda: Named(3, 99), "(4, 99), expected (4, 100)"),
        (lambda: Named(3, 100, padding=0), "do not get through"),
        (lambda: nn.Sequential(*features(3), *classifier(num_classes=100, hidden=(120, 100))), "expected"),
        (lambda: Named(3, 100, activation=F.relu), "become ReLUs"),
        (lambda: Named(3, 100, pool=F.max_pool2d), "max pooling"),
        (lambda: Named(3, 100, activation=F.relu, pool=F.max_pool2d), "other ones"),
        (lambda: nn.Sequential(nn.Conv2d(3, 1, 1), *lenet()[:-1], nn.Linear(84, 100)),
         "expected (6, 3, 5, 5)"),
        (lambda: nn.Sequential(*features(3), *classifier(num_classes=100, bias=False)),
         "of 120, 84, 100 numbers"),
        (lambda: nn.Sequential(*features(3), *classifier(), nn.Linear(10, 100)), "expected"),
        (lambda: nn.Sequential(*Named(3, 100).children()), "do not get through"),
        (lambda: [lenet()], "`list`"),
    ],
    "conv2d": [
        (lambda X, K: conv_unfold(X, K.flip(0, 1)), "kernel is flipped"),
        (lambda X, K: conv_unfold(X, K.flip(0)), "upside"),
        (lambda X, K: conv_unfold(X, K) / K.numel(), "mean"),
        (conv_last_position, "last row and column are missing"),
        (lambda X, K: conv_unfold(F.pad(X, (1, 1, 1, 1)), K), "expected (2, 2)"),
        (lambda X, K: conv_unfold(X, K).T, "Rows and columns"),
        (lambda X, K: conv_unfold(X, K)[None], "(1, 2, 2)"), (conv_torch, "`convolution`"),
        (lambda X, K: nn.functional.conv_transpose2d(X, K), "your code stops"),
        (conv_square, "X of shape (6, 8) and K of shape (3, 2)"), (conv_integers, "whole numbers"),
        (conv_in_place, "its own input"), (conv_wrong_backward, "gradient of X is off"),
        (conv_index_error, "`Y[X.shape[0], 0] = 1`: `IndexError"), (lambda X: X, "TypeError"),
        (no_return, "returns None"), (lambda X, K: conv_unfold(X, K).tolist(), "`list`"),
        (lambda X, K: X * K, "your code stops"), (lambda X, K: (X[:2, :2] * K).sum(), "expected (2, 2)"),
        (torch.zeros(2, 2), "the function itself"),
        (lambda X, K: conv_unfold(X, K) + math.nan, "max difference nan"),
        (lambda X, K: exit(), "SystemExit"), (nn.Conv2d, "the function itself"),
        (lambda X, K: torch.tensor([[19.0, 25.0], [37.0, 43.0]]), "expected (4, 7)"),
    ],
    "avg_pool2d": [
        (F.max_pool2d, "You take the maximum"),
        (lambda X, size: pool_unfold(X, size) * size**2, "You take the sum"),
        (lambda X, size: pool_unfold(X, size) * size, "divide by size"),
        (lambda X, size: X.unfold(2, size, 1).unfold(3, size, 1).mean((-2, -1)), "windows overlap"),
        (lambda X, size: pool_unfold(X, size).mT, "Rows and columns"),
        (lambda X, size: F.interpolate(X, scale_factor=1 / size), "max difference"),
        (lambda X, size: pool_unfold(F.pad(X, (0, -X.shape[3] % size, 0, -X.shape[2] % size)), size),
         "(2, 1, 4, 3)"), (lambda X, size: F.avg_pool2d(X, size, ceil_mode=True), "left over have windows"),
        (pool_scrambled, "go into each"), (pool_mixed_channels, "images and channels"),
        (F.avg_pool2d, "`avg_pool2d`"),
        (lambda X, size: F.adaptive_avg_pool2d(X, (X.shape[2] // size, X.shape[3] // size)),
         "numbers are off"),
        (lambda X, size: pool_unfold(X, 2), "size = 3"),
        (lambda X, size: pool_unfold(X, size).squeeze(), "(2, 2)"), (no_return, "returns None"),
        (lambda X: X, "TypeError"), (3, "the function itself"),
    ],
    "confusion_matrix": [
        (lambda *args: confusion_bincount(*args).T, "Which is the true class"),
        (confusion_fancy, "comes twice"), (confusion_diagonal, "Only right predictions"),
        (confusion_present, "absent from a batch"),
        (lambda *args: confusion_bincount(*args) / len(args[1]), "shares"),
        (lambda *args: F.normalize(confusion_put(*args), p=1, dim=1), "Each row is divided"),
        (lambda y_hat, y, k: (y_hat.argmax(1) == y).sum(), "returns ()"),
        (lambda y_hat, y, k: confusion_bincount(y_hat.T, y, k), "your code stops"),
        (lambda y_hat, y, k: confusion_bincount(-y_hat, y, k), "max difference"),
        (lambda y_hat, y, k: confusion_bincount(y_hat, y.clamp_(max=1), k), "y_hat of shape (200, 3)"),
        (lambda y_hat, y, k: confusion_bincount(y_hat, y, 10), "(10, 10), expected (3, 3)"),
        (lambda y_hat, y: 0, "TypeError"),
        (confusion_bincount(torch.eye(3), torch.arange(3), 3), "the function itself"),
    ],
}  # fmt: skip
