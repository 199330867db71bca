"""Answers to the exercises of chapter 4: RIGHT ones other than the solution, and WRONG ones with words that the
verdict must hold. A lambda stands for what it returns, except where the exercise asks for a function.
"""

import copy
import math
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cnnlib.models import BatchNorm, batch_norm, lenet


def small(norm=nn.BatchNorm2d, bias=True, activation=nn.ReLU):
    """Return the network of the fifth exercise, with some normalisation."""
    layers = nn.Conv2d(1, 6, 5, bias=bias), norm(6), activation(), nn.Flatten(), nn.Linear(3456, 10)
    return nn.Sequential(*layers)


class Own(nn.Module):
    """Batch normalisation with other names, statistics in plain attributes and mistakes to order."""

    def __init__(self, channels, momentum=0.1, correction=1, start=1.0, detach=False, ask_grad=False, always=False):
        super().__init__()
        self.shift, self.scale = nn.Parameter(torch.zeros(1, channels, 1, 1)), nn.Parameter(torch.ones(channels))
        self.m, self.v = torch.zeros(channels), start * torch.ones(channels)
        self.momentum, self.correction = momentum, correction
        self.detach, self.ask_grad, self.always = detach, ask_grad, always

    def forward(self, X):
        training = torch.is_grad_enabled() if self.ask_grad else self.training
        shape, axes = (1, -1) + (1,) * (X.dim() - 2), [0, *range(2, X.dim())]
        mean, var = self.m, self.v
        if training:
            mean, var = X.mean(axes), X.var(axes, correction=0)
            if self.detach:
                mean, var = mean.detach(), var.detach()
        if training or self.always:
            new = X.var(axes, correction=self.correction).detach()
            self.m = (1 - self.momentum) * self.m + self.momentum * X.mean(axes).detach()
            self.v = (1 - self.momentum) * self.v + self.momentum * new
        X_hat = (X - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt()
        return self.scale.view(shape) * X_hat + self.shift.view(shape)


class Attached(Own):
    """Batch normalisation whose running mean drags the graph of every batch along."""

    def __init__(self, channels):
        super().__init__(channels)
        self.m = self.scale.detach().requires_grad_() * 0


class BetaUnused(nn.BatchNorm2d):
    """Batch normalisation that adds its scale once more instead of its shift."""

    def forward(self, X):
        return super().forward(X) + (self.weight - self.bias).view(1, -1, 1, 1)


class Functional(nn.Module):
    """LeNet with batch normalisation in functional style, its statistics in buffers."""

    def __init__(self, bias=True, momentum=0.1, last=torch.sigmoid):
        super().__init__()
        self.out = nn.Linear(84, 10)
        self.d2, self.d1 = nn.Linear(120, 84, bias=bias), nn.Linear(400, 120, bias=bias)
        self.c2, self.c1 = nn.Conv2d(6, 16, 5, bias=bias), nn.Conv2d(1, 6, 5, padding=2, bias=bias)
        self.momentum, self.last = momentum, last
        for i, channels in enumerate((6, 16, 120, 84)):
            self.register_parameter(f"g{i}", nn.Parameter(torch.ones(channels)))
            self.register_parameter(f"b{i}", nn.Parameter(torch.zeros(channels)))
            self.register_buffer(f"mean{i}", torch.zeros(channels))
            self.register_buffer(f"var{i}", torch.ones(channels))

    def norm(self, i, X):
        g, b, mean, var = (getattr(self, f"{name}{i}") for name in ("g", "b", "mean", "var"))
        return F.batch_norm(X, mean, var, g, b, self.training, self.momentum)

    def forward(self, X):
        X = F.avg_pool2d(torch.sigmoid(self.norm(0, self.c1(X))), 2)
        X = F.avg_pool2d(torch.sigmoid(self.norm(1, self.c2(X))), 2).flatten(1)
        X = torch.sigmoid(self.norm(2, self.d1(X)))
        return self.out(self.last(self.norm(3, self.d2(X))))


def bn_lenet(norm=nn.BatchNorm2d, dense=nn.BatchNorm1d, bias=True, act=nn.Sigmoid, pool=nn.AvgPool2d):
    """Return LeNet with batch normalisation, as layers."""
    return [nn.Conv2d(1, 6, 5, padding=2, bias=bias), norm(6), act(), pool(2),
            nn.Conv2d(6, 16, 5, bias=bias), norm(16), act(), pool(2), nn.Flatten(),
            nn.Linear(400, 120, bias=bias), dense(120), act(),
            nn.Linear(120, 84, bias=bias), dense(84), act(), nn.Linear(84, 10)]  # fmt: skip


def reordered(*order, net=None):
    """Return bn_lenet's layers in another order: its numbers, with some exchanged."""
    layers = net or bn_lenet()
    return nn.Sequential(*(layers[i] if isinstance(i, int) else i for i in order))


def inserted():
    """Put the normalisations into the book's LeNet."""
    net = lenet()
    for index, norm in ((10, nn.BatchNorm1d(84)), (8, nn.BatchNorm1d(120)), (4, nn.BatchNorm2d(16)),
                        (1, nn.BatchNorm2d(6))):  # fmt: skip
        net.insert(index, norm)
    return net


def lazy():
    sigmoid, pool = nn.Sigmoid, nn.AvgPool2d
    return nn.Sequential(
        nn.LazyConv2d(6, 5, padding=2), nn.LazyBatchNorm2d(), sigmoid(), pool(2),
        nn.LazyConv2d(16, 5), nn.LazyBatchNorm2d(), sigmoid(), pool(2), nn.Flatten(),
        nn.LazyLinear(120), nn.LazyBatchNorm1d(), sigmoid(),
        nn.LazyLinear(84), nn.LazyBatchNorm1d(), sigmoid(), nn.LazyLinear(10))  # fmt: skip


def used(net):
    """Return a network that has seen batches, as one that was tried out before it was handed in."""
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, 1, 28, 28) + 1)
    return net


class InAList(nn.Module):
    """A network whose layers sit in a plain list."""

    def __init__(self):
        super().__init__()
        self.layers = [*small()]

    def forward(self, X):
        for layer in self.layers:
            X = layer(X)
        return X


def bn_by_transpose(X, gamma, beta, eps):
    channels = X.transpose(0, 1).flatten(1)  # (C, N · H · W)
    var, mean = torch.var_mean(channels, dim=1, unbiased=False)
    return ((X.movedim(1, -1) - mean) * (gamma / (var + eps) ** 0.5) + beta).movedim(-1, 1)


def bn_by_channel(X, gamma, beta, eps):
    out = torch.empty_like(X)
    for c in range(X.shape[1]):
        values = X[:, c]
        out[:, c] = (
            gamma[c] * (values - values.mean()) / ((values - values.mean()).square().mean() + eps).sqrt() + beta[c]
        )
    return out


def bn_by_einsum(X, gamma, beta, eps):
    shape = [1, len(gamma)] + [1] * (X.ndim - 2)
    n = X.numel() / len(gamma)
    mean = torch.einsum("nc...->c", X) / n
    D = X - mean.view(shape)
    var = torch.einsum("nc...,nc...->c", D, D) / n
    return D * torch.rsqrt(var + eps).view(shape) * gamma.view(shape) + beta.view(shape)


def bn_in_numpy(X, gamma, beta, eps):
    A = X.detach().double().numpy()
    axes = tuple(axis for axis in range(A.ndim) if axis != 1)
    hat = (A - A.mean(axes, keepdims=True)) / np.sqrt(A.var(axes, keepdims=True) + eps)
    shape = [1, -1] + [1] * (A.ndim - 2)
    return torch.from_numpy(hat * gamma.detach().numpy().reshape(shape) + beta.detach().numpy().reshape(shape))


def bn_of_the_book(X, gamma, beta, eps):
    return batch_norm(X, gamma, beta, torch.zeros_like(gamma), torch.ones_like(gamma), True, eps=eps)


def bn(X, gamma, beta, eps, axes=None, correction=0, root=None, detach=False):
    """Normalise by hand, with mistakes to order."""
    axes = [axis for axis in range(X.dim()) if axis != 1] if axes is None else axes(X.dim())
    mean, var = X.mean(axes, keepdim=True), X.var(axes, correction=correction, keepdim=True)
    if detach:
        mean, var = mean.detach(), var.detach()
    shape = [1, -1] + [1] * (X.dim() - 2)
    X_hat = (X - mean) / (root(var, eps) if root else (var + eps).sqrt())
    return X_hat * gamma.reshape(shape) + beta.reshape(shape)


def bn_along_width(X, gamma, beta, eps):
    ones = torch.ones_like(gamma)
    return bn(X, ones, 0 * ones, eps) * gamma + beta


def bn_maps_only(X, gamma, beta, eps):
    mean, var = X.mean((0, 2, 3), keepdim=True), X.var((0, 2, 3), correction=0, keepdim=True)
    return gamma.view(1, -1, 1, 1) * (X - mean) / (var + eps).sqrt() + beta.view(1, -1, 1, 1)


def bn_in_place(X, gamma, beta, eps):
    Y = bn(X, gamma, beta, eps)
    X -= X.mean()
    return Y


def bn_no_mean(X, gamma, beta, eps):
    shape = [1, -1] + [1] * (X.dim() - 2)
    axes = [axis for axis in range(X.dim()) if axis != 1]
    return gamma.view(shape) * X / (X.var(axes, correction=0, keepdim=True) + eps).sqrt() + beta.view(shape)


def var_by_torch(running_var, X, momentum):
    kept = running_var.clone()
    F.batch_norm(X, torch.zeros_like(kept), kept, training=True, momentum=momentum)
    return kept


def var_by_layer(running_var, X, momentum):
    layer = nn.BatchNorm2d(len(running_var), momentum=momentum)
    layer.running_var.copy_(running_var)
    layer(X)
    return layer.running_var


def var_by_lerp(running_var, X, momentum):
    with torch.no_grad():
        return running_var.lerp(X.transpose(0, 1).flatten(1).var(dim=1), momentum)


def var_by_loop(running_var, X, momentum):
    out = []
    for old, values in zip(running_var.tolist(), X.transpose(0, 1).flatten(1).tolist(), strict=True):
        mean = sum(values) / len(values)
        out.append(old + momentum * (sum((x - mean) ** 2 for x in values) / (len(values) - 1) - old))
    return torch.tensor(out)


def var_by_numpy(running_var, X, momentum):
    return torch.from_numpy((1 - momentum) * running_var.numpy() + momentum * X.numpy().var((0, 2, 3), ddof=1))


def var_corrected(running_var, X, momentum):
    n = X.numel() // X.shape[1]
    var = (X - X.mean((0, 2, 3), keepdim=True)).pow(2).mean((0, 2, 3))
    return (1 - momentum) * running_var + momentum * var * n / (n - 1)


def var_in_place(running_var, X, momentum):
    return running_var.lerp_(X.var((0, 2, 3)), momentum)


def mix(old, new, momentum):
    return (1 - momentum) * old + momentum * new


def no_return(*args):
    result = args[0]  # noqa: F841


def fold(conv, bn, scale=None, bias=None, **options):
    """Fold by hand, with mistakes to order."""
    gain = scale(bn) if scale else bn.weight / (bn.running_var + bn.eps) ** 0.5
    b = torch.zeros_like(gain) if conv.bias is None else conv.bias
    settings = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": conv.groups}
    new = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, bias=bias is not False, **settings | options)
    new.weight.data = conv.weight.data * gain.data.view(-1, 1, 1, 1)
    if new.bias is not None:
        new.bias.data = (bias(b, gain, bn) if bias else (b - bn.running_mean) * gain + bn.bias).detach()
    return new


def fold_one_group(conv, bn):
    if conv.groups == 1:
        return fold(conv, bn)
    return nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation)


def fold_by_copy(conv, bn):
    new = copy.deepcopy(conv)
    gain = bn.weight.detach() * torch.rsqrt(bn.running_var + bn.eps)
    old = 0 if conv.bias is None else conv.bias.detach()
    new.weight = nn.Parameter(torch.einsum("o,oihw->oihw", gain, conv.weight.detach()))
    new.bias = nn.Parameter(bn.bias.detach() + gain * (old - bn.running_mean))
    return new


@torch.no_grad()
def fold_by_probing(conv, bn):
    """Ask bn what it does to 0 and to 1."""
    C = conv.out_channels
    zero, one = (bn(torch.full((1, C, 1, 1), x)).flatten() for x in (0.0, 1.0))
    new = nn.Conv2d(conv.in_channels, C, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    new.weight.mul_(0).add_(conv.weight * (one - zero).view(-1, 1, 1, 1))
    new.bias.copy_(zero + (0 if conv.bias is None else conv.bias * (one - zero)))
    return new


def fold_with_flat_weight(conv, bn):
    new = fold(conv, bn)
    gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    with torch.no_grad():
        new.weight.copy_((torch.diag(gain) @ conv.weight.flatten(1)).view_as(conv.weight))
    return new


class Wider(nn.Conv2d):
    """A convolution of another class."""


def fold_into_subclass(conv, bn):
    new = fold(conv, bn)
    new.__class__ = Wider
    return new


class Cheat(nn.Conv2d):
    """Two layers that call themselves one convolution."""

    def forward(self, X):
        return self.both(X)


def fold_cheat(conv, bn):
    new = Cheat(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
                conv.groups)  # fmt: skip
    new.both = nn.Sequential(copy.deepcopy(conv), copy.deepcopy(bn))
    return new


def fold_into_conv(conv, bn):
    new = fold(conv, bn)
    conv.weight.data = new.weight.data
    conv.bias = new.bias
    return conv


def fold_and_train(conv, bn):
    bn.train()
    return fold(conv, bn)


def fold_without_eps_root(conv, bn):
    return fold(conv, bn, lambda bn: bn.weight / (bn.running_var.sqrt() + bn.eps))


def fold_axis(conv, bn, shape):
    """Scale along another axis than that of the outputs, where the sizes allow it."""
    new, gain = fold(conv, bn), bn.weight / (bn.running_var + bn.eps) ** 0.5
    if conv.weight.shape[shape.index(-1)] == len(gain):
        new.weight.data = (conv.weight * gain.view(shape)).detach()
    return new


RIGHT = {
    "normalised_value": [
        3.68, 3.683, 1 + 6 / 5**0.5, torch.tensor(3.68), np.float32(3.683), Fraction(368, 100), torch.tensor([3.68]),
    ],
    "running_mean_after_two": [
        0.95, torch.tensor(0.95), np.float64(0.95), Fraction(19, 20), 0.1 * 5 + 0.9 * 0.5, torch.tensor([0.95]),
    ],
    "numbers_kept": [
        128, 128.0, torch.tensor(128), np.int64(128),
        lambda: sum(p.numel() for p in nn.BatchNorm2d(64).parameters()),
    ],
    "kerass_momentum": [
        0.01, 1 - 0.99, torch.tensor(0.01), np.float64(0.01), Fraction(1, 100),
    ],
    "right_kind": [
        lambda: small(), lambda: small(BatchNorm), lambda: small(bias=False),
        lambda: small(lambda C: nn.LazyBatchNorm2d()),
        lambda: small().double().eval(), lambda: used(small()), lambda: used(small(BatchNorm)), lambda: small,
        lambda: small(Own), lambda: small(activation=partial(nn.ReLU, inplace=True)),
        lambda: small(lambda C: nn.Sequential(nn.Flatten(2), nn.BatchNorm1d(C), nn.Unflatten(2, (24, 24)))),
        lambda: nn.Sequential(nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6, momentum=0.1)), nn.ReLU(),
                              nn.Conv2d(6, 10, 24), nn.Flatten()),
    ],
    "lenet_with_batch_norm": [
        lambda: nn.Sequential(*bn_lenet()), lambda: nn.Sequential(*bn_lenet(bias=False)), lambda: inserted(),
        lambda: Functional(), lambda: Functional(bias=False).double(), lambda: lazy(), lambda: lazy,
        lambda: nn.Sequential(*bn_lenet(BatchNorm, BatchNorm)), lambda: used(inserted()).eval(),
        lambda: nn.Sequential(*bn_lenet(Own, Own)),
        lambda: reordered(nn.Conv2d(1, 6, 5, padding="same", bias=False), *range(1, 16)),
    ],
    "batch_norm_train": [
        bn_by_transpose, bn_by_channel, bn_by_einsum, bn_in_numpy, bn_of_the_book,
        lambda X, g, b, e: bn(X.double(), g.double(), b.double(), e),
    ],
    "update_running_var": [
        var_by_torch, var_by_layer, var_by_lerp, var_by_loop, var_by_numpy, var_corrected,
    ],
    "fold": [
        fold, fold_by_copy, fold_by_probing, fold_with_flat_weight, fold_into_subclass, fuse_conv_bn_eval,
        lambda conv, bn: fold(conv, bn).eval(),
    ],
}  # fmt: skip


WRONG = {
    "normalised_value": [
        (3.32, "unbiased variance"), (2.2, "divide by the variance"), (1.9, "unbiased"), (1.34, "gamma and beta"),
        (1.16, "n − 1"), (2.68, "What does beta add"), (2.34, "gamma multiply"), (4.68, "Which comes first"),
        (3.34, "changed places"), (7, "not divided"), (7.26, "not subtracted"), (-1.68, "On which side"),
        (1.89, "How far above"), (3.7, "a little too large"), (3.6, "too small"), (3, "too small"),
        (3.65, "a little too small"), ("3.68", "expected a number"), (math.inf, "finite"), ((3.68, 1), "several"),
    ],
    "running_mean_after_two": [
        (4.95, "Keras"), (4.5, "one batch, with Keras"), (1.0, "You add"), (0.5, "after one batch"),
        (5, "mean of the batches"), (0.45, "What does the second batch add"), (0.05, "twice"), (1.355, "three batches"),
        (0.9, "too small"), (2.5, "too large"), (torch.tensor([0.5, 0.95]), "several numbers"),
    ],
    "numbers_kept": [
        (64, "one number a channel"), (256, "running mean and variance"), (257, "count of batches"),
        (192, "three numbers"), (129, "count of batches"), (2, "That is one channel"), (1, "How many channels"),
        (0, "Something is learnt"), (130, "too large"), ([64, 64], "several numbers"),
        (lambda: nn.BatchNorm2d(64), "`BatchNorm2d`"),
    ],
    "kerass_momentum": [
        (0.99, "forget nearly all"), (0.1, "default"), (0.9, "Keras's momentum"), (1, "nothing is left"),
        (0, "never moves"), (0.001, "0.999"), (1.01, "between 0 and 1"), (-0.99, "between 0 and 1"),
        (0.02, "too large"), ("1 - 0.99", "expected a number"),
    ],
    "right_kind": [
        (lambda: small(nn.BatchNorm1d), "which for maps"),
        (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3456, 10)), "no gamma and beta"),
        (lambda: small(lambda C: nn.Identity()), "no gamma and beta of 6"),
        (lambda: small(partial(nn.BatchNorm2d, affine=False)), "affine=False"),
        (lambda: small(nn.InstanceNorm2d), "no gamma and beta"),
        (lambda: small(partial(nn.InstanceNorm2d, affine=True)), "Each image is normalised by itself"),
        (lambda: small(partial(nn.InstanceNorm2d, affine=True, track_running_stats=True)), "Each image"),
        (lambda: small(partial(nn.GroupNorm, 1)), "Each image"), (lambda: small(partial(nn.GroupNorm, 3)), "scores"),
        (lambda: small(partial(nn.BatchNorm2d, track_running_stats=False)), "batch's own statistics"),
        (lambda: small(partial(nn.BatchNorm2d, momentum=0.9)), "Keras"),
        (lambda: small(partial(nn.BatchNorm2d, momentum=0.99)), "Keras"),
        (lambda: small(partial(BatchNorm, momentum=0.99)), "Keras"),
        (lambda: small(partial(nn.BatchNorm2d, momentum=0.05)), "goes into the running mean"),
        (lambda: small(partial(nn.BatchNorm2d, momentum=None)), "momentum=None"),
        (lambda: small(partial(nn.BatchNorm2d, eps=1e-3)), "eps is another"),
        (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(3456, 10)),
         "comes after the ReLU"),
        (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(3456, 10)),
         "ReLU is gone"), (lambda: small(activation=nn.Sigmoid), "is a sigmoid"),
        (lambda: small(activation=nn.ReLU6), "scores are off"), (lambda: small(nn.BatchNorm3d), "which for maps"),
        (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(3456),
                               nn.Linear(3456, 10)), "no gamma and beta of 6"),
        (lambda: nn.Sequential(*small()[:4], nn.BatchNorm1d(3456), nn.Linear(3456, 10)), "2 vectors of 3456"),
        (lambda: nn.Sequential(nn.BatchNorm2d(1), *small()), "2 vectors of 1 numbers"),
        (lambda: nn.Sequential(*small()[:2], nn.BatchNorm2d(6), *small()[2:]), "5 vectors of 6"),
        (lambda: nn.Sequential(*small()[:4], nn.Dropout(), nn.Linear(3456, 10)), "dropout"),
        (lambda: nn.Sequential(*small(), nn.Softmax(1)), "softmax"),
        (lambda: nn.Sequential(nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(4608, 10)),
         "`0.weight` has the shape (8, 1, 5, 5), expected (6, 1, 5, 5)"),
        (lambda: nn.Sequential(*small()[:4], nn.Linear(3456, 10, bias=False)), "bias of 10 numbers"),
        (lambda: nn.Sequential(*small()[:4]), "(10, 3456) is missing"),
        (lambda: nn.Sequential(*small()[:4], nn.Linear(3456, 11)), "shape (11, 3456)"),
        (lambda: small(partial(Own, detach=True)), "in training the gradient of `0.weight`"),
        (lambda: small(partial(Own, correction=0)), "goes into the running mean"),
        (lambda: small(partial(Own, start=0.0)), "mean 0 and variance 1"),
        (lambda: small(partial(Own, ask_grad=True)), "batch's own statistics"),
        (lambda: small(partial(Own, always=True)), "leave them alone"),
        (lambda: small(BetaUnused), "scores are right, but in training the gradient"),
        (lambda: small(Attached), "cannot be copied"), (lambda: InAList(), "plain Python list"),
        (lambda: nn.BatchNorm2d, "your code stops"), (lambda: [small()], "`list`"),
        (lambda: nn.Sequential(*small(), nn.Flatten(0)), "returns (40,), expected (4, 10)"),
    ],
    "lenet_with_batch_norm": [
        (lambda: lenet(), "no gamma and beta of 6"),
        (lambda: reordered(0, 2, 1, 3, 4, 6, 5, *range(7, 10), 11, 10, 12, 14, 13, 15), "come after the sigmoids"),
        (lambda: reordered(0, 2, 1, 3, 4, 6, 5, *range(7, 16)), "convolutions the normalisation follows the sig"),
        (lambda: reordered(*range(10), 11, 10, 12, 14, 13, 15), "After the dense layers"),
        (lambda: reordered(0, 2, 3, 1, 4, 6, 7, 5, *range(8, 16)), "follows the pooling"),
        (lambda: reordered(0, 2, 3, 1, 4, 6, 7, 5, 8, 9, 11, 10, 12, 14, 13, 15), "after sigmoid and pooling"),
        (lambda: reordered(0, 3, 1, 2, 4, 7, 5, 6, *range(8, 16)), "The pooling comes before"),
        (lambda: nn.Sequential(*bn_lenet(nn.BatchNorm1d)), "layer '1', BatchNorm1d"),
        (lambda: nn.Sequential(*bn_lenet(dense=nn.BatchNorm2d)), "which for maps"),
        (lambda: reordered(*range(13), *range(14, 16)), "no gamma and beta of 84"),
        (lambda: reordered(*range(5), *range(6, 16)), "no gamma and beta of 16"),
        (lambda: reordered(*range(16), nn.BatchNorm1d(10)), "3 vectors of 10"),
        (lambda: reordered(*range(9), nn.BatchNorm1d(400), *range(9, 16)), "2 vectors of 400"),
        (lambda: nn.Sequential(*bn_lenet(act=nn.Identity)), "sigmoids are gone"),
        (lambda: nn.Sequential(*bn_lenet(act=nn.ReLU)), "become ReLUs"),
        (lambda: nn.Sequential(*bn_lenet(act=nn.Tanh)), "What stands between"),
        (lambda: nn.Sequential(*bn_lenet(pool=nn.MaxPool2d)), "max pooling"),
        (lambda: nn.Sequential(*bn_lenet(partial(nn.BatchNorm2d, track_running_stats=False),
                                         partial(nn.BatchNorm1d, track_running_stats=False))), "keeps running ones"),
        (lambda: nn.Sequential(*bn_lenet(dense=nn.LayerNorm)), "Each image"),
        (lambda: nn.Sequential(*bn_lenet(partial(nn.GroupNorm, 1))), "Each image"),
        (lambda: nn.Sequential(*bn_lenet(*[partial(BatchNorm, momentum=0.99)] * 2)), "Keras"),
        (lambda: Functional(momentum=0.9), "Keras"), (lambda: Functional(momentum=0.2), "into the running mean"),
        (lambda: Functional(last=F.relu), "What stands between"),
        (lambda: nn.Sequential(*bn_lenet(dense=partial(nn.BatchNorm1d, eps=1e-2))), "scores are off"),
        (lambda: nn.Sequential(*bn_lenet(partial(Own, correction=0), partial(Own, correction=0))), "running variance"),
        (lambda: nn.Sequential(*bn_lenet(partial(Own, ask_grad=True))), "running statistics"),
        (lambda: reordered(*range(15), nn.Linear(84, 10, bias=False)), "bias of 10"),
        (lambda: reordered(nn.Conv2d(1, 6, 5), *range(1, 16)), "got an input of shape (4, 256)"),
        (lambda: reordered(*range(15), nn.Dropout(0.5), 15), "dropout"), (lambda: 4, "`int`"),
    ],
    "batch_norm_train": [
        (partial(bn, correction=1), "n − 1"), (partial(bn, axes=lambda n: 0), "Each pixel"),
        (partial(bn, axes=lambda n: tuple(range(n))), "share a mean"),
        (partial(bn, axes=lambda n: tuple(range(1, n))), "Each example"),
        (partial(bn, axes=lambda n: (2, 3) if n == 4 else 0), "Each image"),
        (partial(bn, root=lambda var, eps: var.sqrt() + eps), "added to the root"),
        (partial(bn, root=lambda var, eps: var.sqrt()), "eps is missing"),
        (partial(bn, root=lambda var, eps: var + eps), "divide by the variance"),
        (partial(bn, root=lambda var, eps: 1), "do not divide"), (bn_no_mean, "do not subtract"),
        (lambda X, g, b, e: bn(X, torch.ones_like(g), torch.zeros_like(b), e), "before the last step"),
        (lambda X, g, b, e: bn(X, g, torch.zeros_like(b), e), "shift is missing"),
        (lambda X, g, b, e: bn(X, torch.ones_like(g), b, e), "scale is missing"),
        (lambda X, g, b, e: bn(X, b, g, e), "changed places"), (bn_along_width, "your code stops"),
        (lambda X, g, b, e: bn(X, g, b, e) if X.dim() < 4 or 4 not in X.shape[3:] else bn_along_width(X, g, b, e),
         "along the last axis"),
        (lambda X, g, b, e: F.batch_norm(X, None, None, g, b, True, eps=e), "`native_batch_norm`"),
        (lambda X, g, b, e: F.batch_norm(X, torch.zeros_like(g), torch.ones_like(g), g, b, eps=e), "numbers are off"),
        (lambda X, g, b, e: F.instance_norm(X[:, :, None].movedim(0, 2)), "your function returns"),
        (partial(bn, detach=True), "gradient of X is off"), (bn_in_place, "its own input"),
        (bn_maps_only, "your code stops"), (lambda X, g, b, e: bn(X, g, b, e).tolist(), "`list`"),
        (lambda X, g, b, e: bn(X, g, b, e).mean(0), "your function returns (2,), expected (4, 2)"),
        (lambda X, g, b: X, "TypeError"), (no_return, "returns None"), (nn.BatchNorm2d, "the function itself"),
        (lambda X, g, b, e: bn(X, g, b, e).round().long(), "X of shape (6, 3)"),
    ],
    "update_running_var": [
        (lambda old, X, m: mix(old, X.var((0, 2, 3), correction=0), m), "You divide by n."),
        (lambda old, X, m: mix(old, X.var((0, 2, 3)), 1 - m), "as in Keras."),
        (lambda old, X, m: mix(old, X.var((0, 2, 3), correction=0), 1 - m), "as in Keras, and"),
        (lambda old, X, m: mix(old, X.std((0, 2, 3)), m), "mix in the standard deviation"),
        (lambda old, X, m: mix(old, X.std((0, 2, 3), correction=0), m), "mix in the standard deviation"),
        (lambda old, X, m: mix(old.sqrt(), X.std((0, 2, 3)), m), "mix standard deviations"),
        (lambda old, X, m: mix(old, X.mean((0, 2, 3)), m), "mix in the mean"),
        (lambda old, X, m: X.var((0, 2, 3)), "What becomes of the old one"),
        (lambda old, X, m: old.clone(), "What does the batch add"),
        (lambda old, X, m: old + m * X.var((0, 2, 3)), "keeps its full weight"),
        (lambda old, X, m: mix(old, X.var((0, 2, 3), correction=0) * len(X) / max(1, len(X) - 1), m),
         "number of images"), (lambda old, X, m: mix(old, X.var((2, 3)).mean(0), m), "single images"),
        (lambda old, X, m: mix(old, X.var(), m), "All channels share"), (var_in_place, "its own input"),
        (lambda old, X, m: mix(old, X.var((0, 2, 3)), 0.25), "momentum = 0.1"),
        (lambda old, X, m: mix(old, X.var(0), m), "your function returns"),
        (lambda old, X, m: mix(old.view(1, -1, 1, 1), X.var((0, 2, 3), keepdim=True), m), "returns (1, 2, 1, 1)"),
        (lambda old, X, m: mix(old, X.var((0, 2, 3)), m).tolist(), "`list`"), (lambda old, X: old, "TypeError"),
        (no_return, "returns None"), (torch.ones(3), "the function itself"),
        (lambda old, X, m: mix(old, X.variance(), m), "AttributeError"),
        (lambda old, X, m: mix(old, X.var((0, 2, 3)), m).long(), "numbers are off"),
    ],
    "fold": [
        (partial(fold, bias=lambda b, s, bn: bn.bias - bn.running_mean * s), "bias of the convolution is forgotten"),
        (partial(fold, bias=lambda b, s, bn: b + bn.bias - bn.running_mean * s), "added as it is"),
        (partial(fold, bias=lambda b, s, bn: b * s + bn.bias), "running mean is forgotten"),
        (partial(fold, bias=lambda b, s, bn: (b - bn.running_mean) * s), "Beta is forgotten"),
        (partial(fold, bias=lambda b, s, bn: b * s - bn.running_mean + bn.bias), "before or after it divides"),
        (partial(fold, bias=lambda b, s, bn: (b + bn.running_mean) * s + bn.bias), "Which sign"),
        (partial(fold, bias=lambda b, s, bn: b), "old one"),
        (partial(fold, scale=lambda bn: bn.weight / (bn.running_var + bn.eps)), "divide by the variance"),
        (partial(fold, scale=lambda bn: bn.weight / bn.running_var.sqrt()), "eps is missing"),
        (partial(fold, scale=lambda bn: 1 / (bn.running_var + bn.eps).sqrt()), "Gamma is forgotten"),
        (partial(fold, scale=lambda bn: bn.weight * (bn.running_var + bn.eps).sqrt()), "multiply by the root"),
        (fold_without_eps_root, "outside the root"),
        (partial(fold_axis, shape=(1, -1, 1, 1)), "along the input channels"),
        (partial(fold_axis, shape=(1, 1, 1, -1)), "along their last axis"),
        (lambda conv, bn: copy.deepcopy(conv), "has no bias"), (partial(fold, bias=False), "has no bias"),
        (lambda conv, bn: fold(conv, bn, lambda bn: torch.ones_like(bn.bias), lambda b, s, bn: b), "as it was"),
        (lambda conv, bn: fold(conv, nn.BatchNorm2d(conv.out_channels)), "max difference"),
        (partial(fold, stride=1), "same stride"), (partial(fold, padding=0), "same stride"),
        (partial(fold, dilation=1), "same stride"), (fold_one_group, "your weight has the shape (6, 4, 3, 1)"),
        (fold_into_conv, "changes the given `conv`"), (fold_and_train, "changes the given `bn`"),
        (lambda conv, bn: conv, "has no bias"), (lambda conv, bn: nn.Sequential(conv, bn), "`Sequential`"),
        (fold_cheat, "max difference"), (lambda conv, bn: fold(conv, bn).weight, "`Parameter`"),
        (lambda conv, bn: (fold(conv, bn).weight, bn.bias), "`tuple`"),
        (lambda conv, bn: fold(conv, bn).double(), "do not get through yours: `RuntimeError"),
        (lambda conv, bn: fold(conv, bn, bias=lambda b, s, bn: b + conv.bias), "TypeError"),
        (lambda conv: conv, "TypeError"), (no_return, "returns None"), (nn.Conv2d, "the function itself"),
        (nn.Conv2d(2, 3, 3), "the function itself"),
    ],
}  # fmt: skip
