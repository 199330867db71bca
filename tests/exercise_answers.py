"""Answers to the exercises written by hand: unusual RIGHT ones, and WRONG ones with words that the verdict must hold.

A lambda stands for what it returns, except where the exercise asks for a function. They were written without looking at
the mistakes that the exercises declare, so that a wrong diagnosis shows.
"""

import copy
import math
import statistics
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cnnlib.exercises.layers import exchanged
from cnnlib.models import (
    VGG11,
    VGG16,
    BatchNorm,
    PostActivation,
    PreActivation,
    Residual,
    alexnet,
    cifar_resnet,
    conv_bn_relu,
    lenet,
    narrower,
    vgg,
    vgg_block,
)  # fmt: skip


def no_return(*args):
    result = args[0]  # noqa: F841


# --- chapter 1 ---


class LeNet(nn.Module):
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


def conv(X, K):
    return (X.unfold(0, K.shape[0], 1).unfold(1, K.shape[1], 1) * K).sum(dim=(-2, -1))


def conv_numpy(X, K):
    windows = np.lib.stride_tricks.sliding_window_view(X.detach().numpy(), tuple(K.shape))
    return torch.from_numpy((windows * K.detach().numpy()).sum((2, 3)))


def pool_steps(X, size):
    H, W = X.shape[2] // size * size, X.shape[3] // size * size
    return sum(X[:, :, a:H:size, b:W:size] for a in range(size) for b in range(size)) / size**2


def confusion(y_hat, y, k):
    return F.one_hot(y, k).T.float() @ F.one_hot(y_hat.argmax(1), k).float()


# --- chapter 2 ---


def tanhs(layers):
    return exchanged(alexnet(nn.Tanh, shrink=8, side=112), layers)


def pooled(layers=()):
    right = {nn.MaxPool2d: nn.MaxPool2d(2), 14: nn.Linear(288, 512)}
    return exchanged(alexnet(shrink=8, side=112), {**right, **dict(layers)})


class ByHand(nn.Module):
    """A dropout by hand, with a mask that may have fewer random numbers than values."""

    def __init__(self, p=0.5, one_mask=False, always=False):
        super().__init__()
        self.p, self.one_mask, self.always = p, one_mask, always

    def forward(self, X):
        if not (self.training or self.always):
            return X
        kept = torch.rand(X.shape[1:] if self.one_mask else X.shape) > self.p
        return X * kept / (1 - self.p)


def drop(X, p, training):
    if training and p < 1:
        return X * torch.bernoulli(torch.full_like(X, 1 - p)) / (1 - p)
    return torch.zeros(X.shape) if training else X


def drop_exactly(X, p, training):
    order = torch.randperm(X.numel()).reshape(X.shape)
    return X * (order >= round(p * X.numel())) / max(1 - p, 1e-9) if training else X


def max_pool(X, size, stride):
    return X.unfold(2, size, stride).unfold(3, size, stride).flatten(4).max(dim=-1).values


def grouped(X, weight, groups):
    """Convolve once, with zeros where a kernel sees another group's channels."""
    out, C, h, w = weight.shape
    full = torch.zeros(out, X.shape[1], h, w, dtype=X.dtype)
    for i in range(out):
        first = i // (out // groups) * C
        full[i, first : first + C] = weight[i]
    return F.conv2d(X, full, None, 1, 0, 1, 1)


# --- chapter 3 ---

SMALL = narrower(VGG11, 8)


def small(**options):
    return vgg(SMALL, **{"side": 32, "units": 256, **options})


class Block(nn.Module):
    """A VGG block as a class, in which the layers sit in a ModuleList or, as a mistake, in a plain list."""

    def __init__(self, num_convs, in_channels, out_channels, container=nn.ModuleList, pool=F.max_pool2d):
        super().__init__()
        channels, self.pool = [in_channels] + [out_channels] * num_convs, pool
        self.convs = container(nn.Conv2d(channels[i], channels[i + 1], 3, padding=1) for i in range(num_convs))

    def forward(self, X):
        for layer in self.convs:
            X = F.relu(layer(X))
        return self.pool(X, 2)


def field(windows):
    return 1 + sum((k - 1) * math.prod(s for _, s in windows[:i]) for i, (k, _) in enumerate(windows))


def weights(arch, in_channels=1, count=lambda a, b: 9 * a * b + b):
    channels = [in_channels] + [c for n, c in arch for _ in range(n)]
    return sum(count(a, b) for a, b in zip(channels, channels[1:], strict=False))


# --- chapter 4 ---


def normed(norm=nn.BatchNorm2d, bias=True, activation=nn.ReLU):
    return nn.Sequential(nn.Conv2d(1, 6, 5, bias=bias), norm(6), activation(), nn.Flatten(), nn.Linear(3456, 10))


class OwnNorm(nn.Module):
    """Batch normalisation with other names, statistics in plain attributes and mistakes to order."""

    def __init__(self, channels, momentum=0.1, correction=1, detach=False):
        super().__init__()
        self.shift, self.scale = nn.Parameter(torch.zeros(1, channels, 1, 1)), nn.Parameter(torch.ones(channels))
        self.m, self.v, self.momentum = torch.zeros(channels), torch.ones(channels), momentum
        self.correction, self.detach = correction, detach

    def forward(self, X):
        shape, axes, mean, var = (1, -1) + (1,) * (X.dim() - 2), [0, *range(2, X.dim())], self.m, self.v
        if self.training:
            mean, var = X.mean(axes), X.var(axes, correction=0)
            new = X.var(axes, correction=self.correction).detach()
            self.m = (1 - self.momentum) * self.m + self.momentum * mean.detach()
            self.v = (1 - self.momentum) * self.v + self.momentum * new
        mean, var = (mean.detach(), var.detach()) if self.detach else (mean, var)
        X_hat = (X - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt()
        return self.scale.view(shape) * X_hat + self.shift.view(shape)


def normed_lenet(norm=nn.BatchNorm2d, dense=nn.BatchNorm1d, bias=True, act=nn.Sigmoid, order=None):
    layers = [
        nn.Conv2d(1, 6, 5, padding=2, bias=bias), norm(6), act(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5, bias=bias),
        norm(16), act(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120, bias=bias), dense(120), act(),
        nn.Linear(120, 84, bias=bias), dense(84), act(), nn.Linear(84, 10)]  # fmt: skip
    return nn.Sequential(*(layers[i] for i in order or range(len(layers))))


def bn(X, gamma, beta, eps, correction=0, detach=False):
    axes, shape = (0, *range(2, X.dim())), (1, -1) + (1,) * (X.dim() - 2)
    mean, var = X.mean(axes, keepdim=True), X.var(axes, correction=correction, keepdim=True)
    if detach:
        mean, var = mean.detach(), var.detach()
    return (X - mean) * torch.rsqrt(var + eps) * gamma.view(shape) + beta.view(shape)


def bn_gradients(dY, X, gamma, eps, detach=False):
    X, gamma, beta = (t.clone().requires_grad_() for t in (X, gamma, torch.zeros_like(gamma)))
    return list(torch.autograd.grad(bn(X, gamma, beta, eps, detach=detach), [X, gamma, beta], dY))


def mix(old, new, momentum):
    return old + momentum * (new - old)


def fold(conv, bn, bias=None):
    s, b = bn.weight / (bn.running_var + bn.eps).sqrt(), 0 if conv.bias is None else conv.bias
    folded = copy.deepcopy(conv)
    folded.weight = nn.Parameter((s.view(-1, 1, 1, 1) * conv.weight).detach())
    folded.bias = nn.Parameter((bias(b, s, bn) if bias else (b - bn.running_mean) * s + bn.bias).detach())
    return folded


# --- chapter 5 ---


class Basic(nn.Module):
    """A residual block as a class, with mistakes to order."""

    def __init__(self, a, b, stride, norm=nn.BatchNorm2d, join="add relu", bias=False):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(a, b, 3, stride, 1, bias=bias), nn.Conv2d(b, b, 3, 1, 1, bias=bias)
        self.n1, self.n2, self.join = norm(b), norm(b), join
        around = [nn.Conv2d(a, b, 1, stride, bias=False), norm(b)] if (a, stride) != (b, 1) else []
        self.around = nn.Sequential(*around)

    def forward(self, X):
        Y, X = self.n2(self.c2(F.relu(self.n1(self.c1(X))))), self.around(X)
        for step in self.join.split():
            Y = Y + X if step == "add" else torch.relu(Y)
        return Y


def set_identity(block, convs=2):
    with torch.no_grad():
        for c in (block.conv1, block.conv2)[:convs]:
            c.weight.zero_()[range(len(c.weight)), range(len(c.weight)), 1, 1] = 1
        for n in (block.norm1, block.norm2):
            n.weight.copy_((n.running_var + n.eps).sqrt()), n.bias.copy_(n.running_mean)
    return block


def reset_identity(block):
    for n in (block.norm1, block.norm2):
        n.reset_running_stats()
        n.running_var.fill_(1 - n.eps)
        n.reset_parameters()
    return set_identity(block)


def around(net, number):
    return nn.Sequential(*(part.shortcut if i == number else part for i, part in enumerate(net)))


# --- chapter 6 ---

W1 = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
W2 = torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 1.0]])


def vjp(function, x, v):
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(function(x), x, v)[0]


def x_gradient(g, y, vjp):
    g = torch.where(y > 0, g, torch.zeros_like(g))
    return vjp(g) + g


def parts_stored(block, x, g):
    x = x.detach().clone().requires_grad_()
    block.residual(x).backward(g)
    return g, x.grad


def parts_evaluation(block, x, g):
    return g, vjp(block.eval().residual, x, g)


def terms(branches, x):
    made = []
    for branch in branches:
        made.append(branch(x).clone())
        x = x + made[-1]
    return tuple(made)


def probe(net, X, y, norm=torch.linalg.vector_norm, remove=True, store=False):
    outputs, handles = {}, []
    for name, child in net.named_children():
        handles.append(child.register_forward_hook(lambda m, i, o, name=name: outputs.__setitem__(name, o)))
    loss = F.cross_entropy(net(X), y)
    for handle in handles if remove else []:
        handle.remove()
    if store:
        for output in outputs.values():
            output.retain_grad()
        loss.backward()
        return {name: output.grad.norm().item() for name, output in outputs.items()}
    return {n: norm(g).item() for n, g in zip(outputs, torch.autograd.grad(loss, outputs.values()), strict=True)}


RIGHT = {
    "convolution.one_output": [-3.0, (-3,), torch.tensor(-3)],
    "convolution.half_size": [
        lambda: nn.Conv2d(1, 6, 3, 2, 1), lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(1, 6, 3, stride=2)),
    ],
    "convolution.conv_channels": [
        lambda X, K: torch.stack([sum(conv(X[c], k[c]) for c in range(len(X))) for k in K]),
    ],
    "convolution.edge_strength": [
        lambda X: torch.hypot(conv(X, torch.tensor([[-1.0, 0, 1]] * 3)), conv(X, torch.tensor([[1.0, 0, -1]] * 3).T)),
    ],
    "convolution.tolerance": [lambda: {1: [1.1, 0.9, 1.2], 2: [0.6, 0.7, 0.6], 4: [0.3, 0.2, 0.4], "predicted": 0.5}],
    "lenet.output_size": [
        55.0, (55,), [55], np.array(55), Fraction(55), torch.tensor([55]), lambda: 55, torch.tensor(55.0).half(),
    ],
    "lenet.shape_at_flatten": [
        [8, 16, 9, 6], torch.Size((8, 16, 9, 6)), np.array([8, 16, 9, 6]), torch.tensor([8, 16, 9, 6]),
        ((8, 16, 9, 6),), lambda: (torch.tensor(8), 16, 9, np.int32(6)),
    ],
    "lenet.without_padding": [
        lambda: LeNet(padding="valid").double().eval(), lambda: exchanged(lenet(), {0: nn.LazyConv2d(6, 5)}),
        lambda: (lambda: LeNet(padding=0)), lambda: (LeNet(padding=0),), lambda: LeNet(padding=0).half(),
    ],
    "lenet.scaled_tanh": [
        lambda: LeNet(activation=lambda X: 1.7159 * (X * 2 / 3).tanh()),
        lambda: (lambda: LeNet(activation=lambda X: 1.7159 * (2 * torch.sigmoid(4 / 3 * X) - 1))),
    ],
    "lenet.deadly_rate": [lambda: {"lives": [0.4, 0.4, 0.8], "dies": [0.8, 0.8, 1.6], "predicted": 1}],
    "lenet.colours_and_classes": [lambda: LeNet(3, 100, "same")],
    "lenet.conv2d": [conv, conv_numpy, lambda X, K: conv(X, K).double()],
    "lenet.avg_pool2d": [pool_steps],
    "lenet.confusion_matrix": [confusion],
    "alexnet.with_tanh": [lambda: tanhs({16: ByHand(), 19: ByHand()})],
    "alexnet.pooling_without_overlap": [
        lambda: pooled({16: ByHand()}), lambda: pooled({2: nn.MaxPool2d((2, 2)), 12: nn.AdaptiveMaxPool2d(3)}),
        lambda: pooled({15: nn.Dropout(), 16: nn.ReLU()}),  # for a ReLU the order is the same
    ],
    "alexnet.dropout": [
        drop, lambda X, p, t: drop(X.double(), p, t),
        lambda X, p, t: X.masked_fill(torch.rand(X.shape) < p, 0) * (1 / (1 - p) if p < 1 else 0) if t else X,
    ],
    "alexnet.max_pool2d": [max_pool],
    "alexnet.grouped_conv2d": [grouped, lambda X, w, g: grouped(X.double(), w.double(), g).float()],
    "vgg.for_small_pictures": [
        lambda: exchanged(small(), {8: ByHand(), 11: ByHand()}), lambda: small(block=Block),
        lambda: exchanged(small(), {7: nn.Dropout(), 8: nn.ReLU()}),  # dropout before the ReLU is the same
        lambda: exchanged(small(), {5: nn.Identity(), 6: nn.Sequential(nn.Conv2d(64, 256, 1), nn.Flatten())}),
    ],
    "vgg.average_pooling": [
        lambda: Block(2, 8, 16, pool=F.avg_pool2d),
        lambda: exchanged(vgg_block(2, 8, 16), {4: nn.AdaptiveAvgPool2d(6)}),
    ],
    "vgg.block": [
        Block, lambda n, a, b: vgg_block(n, a, b).eval().double(), lambda n, a, b: nn.Sequential(*[
            layer for _ in range(n) for layer in (nn.LazyConv2d(b, 3, padding=1), nn.Threshold(0, 0))],
            nn.MaxPool2d(2)),
    ],
    "vgg.receptive_field": [field, lambda windows: torch.tensor(field(windows)), lambda windows: float(field(windows))],
    "vgg.convolution_weights": [lambda arch, in_channels=1: np.int64(weights(arch, in_channels))],
    "batch_norm.normalised_value": [3.68, torch.tensor(3.6833), np.float32(3.683)],
    "batch_norm.right_kind": [
        lambda: normed(BatchNorm), lambda: normed(bias=False).double().eval(), lambda: normed(OwnNorm),
        lambda: normed(lambda C: nn.LazyBatchNorm2d()),
    ],
    "batch_norm.lenet_with_batch_norm": [
        lambda: normed_lenet(bias=False), lambda: normed_lenet(BatchNorm, OwnNorm), lambda: (lambda: normed_lenet()),
    ],
    "batch_norm.batch_norm_train": [bn, lambda X, g, b, e: bn(X.double(), g, b, e)],
    "batch_norm.update_running_var": [lambda old, X, m: mix(old, X.transpose(0, 1).flatten(1).var(1), m)],
    "batch_norm.fold": [fold, fuse_conv_bn_eval],
    "batch_norm.batch_norm_backward": [bn_gradients],
    "batch_norm.momentum_in_evaluation": [
        {0.001: [0.1, 0.2, 0.1], 0.1: (0.7, 0.65, 0.7), 1: torch.tensor([0.6, 0.7, 0.5]), "predicted": 1},
        lambda: {"predicted": 0.01, 0.01: np.array([0.5, 0.4, 0.6]), 0.3: [0.72, 0.7, 0.7], 1: [0.6, 0.7, 0.6]},
    ],
    "resnet.not_overfitting": ["D", "(d)", ("d",), "`d`."],
    "resnet.fitting_shortcut": [lambda: nn.Sequential(Residual(16, 32, True, 2).double().eval())],
    "resnet.plain_twin": [
        lambda: cifar_resnet(20, 8, shortcut="none", block=PreActivation),  # without shortcuts it is the same
        lambda: exchanged(cifar_resnet(20, 8), {tuple(f"{i}.shortcut" for i in range(1, 10)): lambda shortcut: None}),
    ],
    "resnet.free_shortcuts": [
        lambda: cifar_resnet(14, 8, "identity", PreActivation, activation=partial(nn.Threshold, 0, 0)).double(),
    ],
    "resnet.residual_block": [Basic, PostActivation, partial(Basic, norm=OwnNorm), partial(Basic, norm=BatchNorm)],
    "resnet.identity_": [set_identity, reset_identity],
    "resnet.without_block": [around, lambda net, k: around(copy.deepcopy(net), k).eval()],
    "gradients.y_of_the_block": [[6.0, -4.0], torch.tensor([[6], [-4]]), np.array([6, -4]), ((6, -4),)],
    "gradients.slope_of_fifty": [11.5, 11.4, Fraction(23, 2)],
    "gradients.jacobian_of_the_block": [
        lambda: torch.func.jacrev(lambda x: x + W2 @ (W1 @ x)), [[-1, 1], [5, 5]], np.array([[-1, 1], [5, 5]]),
        list(torch.tensor([[-1, 1], [5, 5]])), (torch.tensor([[-1, 1], [5, 5]]).half(),),
    ],
    "gradients.masked": [x_gradient, lambda: x_gradient],
    "gradients.paired_ratio": [
        lambda: (lambda p, s: statistics.median(b / a for a, b in zip(p, s, strict=True))),
        lambda: (lambda p, s: np.median(np.array(s) / np.array(p))),
    ],
    "gradients.input_gradient": [
        lambda block, x, g: [g.clone(), vjp(lambda x: x + block.residual(x), x, g) - g],
        lambda block, x, g: torch.stack([g, vjp(block.residual, x, g)]),
    ],
    "gradients.unrolled": [terms, lambda branches, x: torch.stack(terms(branches, x))],
    "gradients.gradient_probe": [probe, lambda net, X, y: dict(reversed(list(probe(net, X, y).items())))],
}  # fmt: skip

WRONG = {
    "convolution.one_output": [(3, "signs are exchanged"), (19, "sum of the window"), (2, "lies on its side")],
    "convolution.parameters_in_colour": [(1176, "weights"), (400, "one colour"), (5000, "too large")],
    "convolution.half_size": [
        (lambda: nn.Conv2d(1, 6, 3), "as before"), (lambda: nn.Conv2d(1, 6, 3, padding=1), "must the window jump"),
        (lambda: nn.Conv2d(1, 6, 3, 2), "last window"), (lambda: nn.Conv2d(1, 6, 5, 2, 2), "(6, 1, 5, 5)"),
    ],
    "convolution.one_kernel_a_map": [(lambda: nn.Conv2d(6, 6, 3), "all six maps"),
                                     (lambda: nn.Conv2d(6, 6, 3, groups=3), "three groups")],
    "convolution.conv_channels": [
        (lambda X, K: F.conv2d(X[None], K)[0], "`conv2d`"), (no_return, "returns None"),
        (lambda X, K: torch.stack([conv(X[0], k[0]) for k in K]), "first channel"),
    ],
    "convolution.edge_strength": [
        (lambda X: conv(X, torch.tensor([[-1.0, 0, 1]] * 3)), "vertical edges alone"),
        (lambda X: sum(conv(X, k) for k in (torch.tensor([[-1.0, 0, 1]] * 3), torch.tensor([[-1.0, 0, 1]] * 3).T)),
         "added as they are"),
    ],
    "convolution.tolerance": [
        ({1: 0.9, 2: 0.6, 4: 0.3}, "One picture"), ({1: [0.2] * 3, 2: [0.4] * 3, 4: [0.6] * 3}, "no smaller"),
        ({1: [1.0] * 3, 2: [0.5] * 3}, "under 4"), (lambda: 0.5, "expected a dict"),
    ],
    "lenet.output_size": [
        (56, "up or down"), (54.9, "too small"), ("55", "the text `'55'`, expected a number. What is left without the"),
        ("55 pixels", "without the quotation marks and the words"), ((55, 55), "several numbers"),
        (True, "expected a number"), (lambda: nn.Dropout(0.25), "`Dropout`"),
    ],
    "lenet.shape_at_flatten": [
        ((8, 16, 6, 9), "height or width"), ((8, 16, 9, 7), "the 7 on axis 3"), ((1, 2), "2 axes, expected 4"),
        (lambda: torch.zeros(8, 16, 9, 6), "expected its shape"),
    ],
    "lenet.first_dense_parameters": [(48_120, "with the padding"), (30_720, "weights"), (30_841, "too large")],
    "lenet.twice_as_wide": [(2, "How deep"), (16, "height and width"), (3, "too small")],
    "lenet.without_padding": [
        (lambda: lenet(), "layer '7', Linear, got an input of shape (4, 576)"), (lambda: LeNet(padding=1), "padding=1"),
        (lambda: exchanged(lenet(), {0: nn.Conv2d(1, 6, 7, padding=1)}), "(6, 1, 7, 7), expected (6, 1, 5, 5)"),
        (lambda: nn.Sequential(LeNet(padding=0), nn.Softmax(1)), "softmax"), (lambda: no_return, "your code stops"),
        (lambda: nn.Sequential(LeNet(padding=0), nn.Dropout()), "training mode"),
    ],
    "lenet.scaled_tanh": [
        (lambda: LeNet(), "unchanged LeNet"), (lambda: LeNet(activation=torch.tanh), "plain tanh"),
        (lambda: LeNet(activation=lambda X: 1.7159 * torch.tanh(X)), "its input is not"),
        (lambda: lenet(nn.ReLU), "four"),
    ],
    "lenet.deadly_rate": [
        ({"lives": 0.4, "dies": 0.8}, "One seed"), ({"lives": [0.1] * 3, "dies": [1.0] * 3}, "factor of two"),
        ({"dies": [0.8] * 3}, "'lives'"), ({"lives": [0.8] * 3, "dies": [0.8] * 3}, "also lived"),
    ],
    "lenet.colours_and_classes": [
        (lambda: LeNet(3, 99), "(4, 99), expected (4, 100)"), (lambda: LeNet(3, 100, 0), "do not get through"),
        (lambda: LeNet(3, 100, activation=F.relu), "become ReLUs"),
    ],
    "lenet.conv2d": [
        (lambda X, K: conv(X, K.flip(0, 1)), "kernel is flipped"), (lambda X, K: conv(X.mul_(2), K), "its own input"),
        (lambda X, K: F.conv2d(X[None, None], K[None, None])[0, 0], "`conv2d`"), (no_return, "returns None"),
        (lambda X, K: conv(X, K[:, : len(K)]), "X of shape (9, 4) and K of shape (2, 3)"),
        (lambda X, K: conv(X, K).long(), "whole numbers"), (lambda X, K: conv(X, K).half(), "torch.float16, too few"),
        (lambda X, K: conv(X, K).detach() + (X.sum() + K.sum()) * 0, "gradient of X is off"),
    ],
    "lenet.avg_pool2d": [
        (F.max_pool2d, "You take the maximum"), (F.avg_pool2d, "`avg_pool2d`"), (lambda X: X, "TypeError"),
        (lambda X, size: pool_steps(X, size).mean(1, keepdim=True).expand(-1, X.shape[1], -1, -1), "channels stay"),
    ],
    "lenet.confusion_matrix": [
        (lambda s, y, k: torch.zeros(k, k).index_put((y, s.argmax(1)), torch.tensor(1.0)), "comes twice"),
        (lambda *args: confusion(*args).T, "true class"),
    ],
    "alexnet.first_layer_padding": [(1, "54 places")],
    "alexnet.first_dense_parameters": [(37_748_736, "These are the weights"), (26_218_496, "maps of 5 × 5")],
    "alexnet.kept_unit": [(2.25, "3 · (1 − p)")],
    "alexnet.grouped_weights": [(110_592, "That is one group"), ([6_912] * 4, "several numbers")],
    "alexnet.more_pictures": [
        ({"training, on 40": 1.0, "test, on 40": 0.5, "training, on 160": 1.0, "test, on 160": 0.6}, "a third"),
        ({"training, on 40": [1.0] * 3, "test, on 40": [0.5] * 3, "predicted": 0.2}, "'training, on 160'"),
        (0.3, "a dict from"),
    ],
    "alexnet.with_tanh": [
        (lambda: tanhs({15: nn.ReLU(), 18: nn.ReLU()}), "dense layers still"),
        (lambda: tanhs({16: ByHand(one_mask=True), 19: ByHand(one_mask=True)}), "in training mode they are off"),
        (lambda: tanhs({16: ByHand(always=True)}), "`self.training`"), (lambda: nn.Tanh, "expected (4, 10)"),
    ],
    "alexnet.pooling_without_overlap": [
        (lambda: alexnet(shrink=8, side=112), "(512, 128), expected (512, 288)"), (lambda: [pooled()], "`list`"),
        (lambda: pooled({16: nn.Identity(), 19: nn.Identity()}), "nothing is dropped"),
        (lambda: pooled({19: ByHand(0.3)}), "in training mode they are off"),
    ],
    "alexnet.dropout": [
        (lambda X, p, t: drop(X, 1 - p, t), "to drop or to keep"), (drop_exactly, "the same number"),
        (lambda X, p, t: drop(X, p, True), "drops values, too"),
        (lambda X, p, t: drop(X, p, t) * (1 - p), "as they were"), (F.dropout, "PyTorch's `dropout`"),
        (lambda X, p, t: drop(torch.ones(X.shape[1:]), p, t) * X if t else X, "One mask serves all images"),
        (lambda X, p, t: drop(X, min(p, 0.99), t), "For p = 1"),
        (lambda X, p, t: X * (torch.rand(X.shape) >= p) / (1 - p) if t else X, "NaN or infinity"),
    ],
    "alexnet.max_pool2d": [
        (lambda *args: max_pool(*args).clamp(min=0), "is below 0"), (nn.MaxPool2d, "the function itself"),
        (lambda X, size, stride: max_pool(X, stride, size), "Size and stride are exchanged"),
    ],
    "alexnet.grouped_conv2d": [
        (lambda X, w, g: F.conv2d(X, w, groups=g), "PyTorch's `conv2d` split"),
        (lambda X, w, g: F.conv2d(X, w), "Which channels of X does one group see"),
        (lambda X, w, g: grouped(X, w, g).flip(1), "in which order"),
    ],
    "vgg.three_small_windows": [(9, "overlap")],
    "vgg.weights_saved": [(7, "one pair of channels")],
    "vgg.layers_with_weights": [(9, "These are the convolutions"), (VGG16, "several numbers")],
    "vgg.eighth_width_saving": [(8, "whose one input channel stays"), (16, "at a quarter")],
    "vgg.equal_cost": [
        ({"wide": [0.8] * 2, "deep": [0.7] * 2, "predicted": 0.1}, "a third"),
        ({"wide": [0.8, 0.7, 0.8], "deep": [0.7] * 3, "predicted": 0.1}, "'wide, multiply-adds'"),
        ([0.8, 0.7], "a dict from"),
    ],
    "vgg.for_small_pictures": [
        (lambda: vgg(SMALL), "waits for images of side 224 and has 4,096"), (lambda: small(dropout=0.3), "2.04 times"),
        (lambda: small(dropout=0), "drops nothing"),
        (lambda: small(units=128), "`6.weight` has the shape (128, 64), expected (256, 64)"),
        (lambda: exchanged(small(), {8: ByHand(one_mask=True), 11: ByHand(one_mask=True)}), "the dropout is not"),
    ],
    "vgg.average_pooling": [
        (lambda: vgg_block(2, 8, 16)[:-1], "no pooling"),
        (lambda: nn.Sequential(Block(2, 8, 16, pool=F.avg_pool2d), nn.Dropout()), "in training mode only"),
    ],
    "vgg.block": [
        (partial(Block, container=list), "plain Python list"),
        (lambda n, a, b: nn.Sequential(*list(vgg_block(1, a, b)[:-1]) * n, nn.MaxPool2d(2)), "again and again"),
        (lambda n, a, b: list(vgg_block(n, a, b)), "you return a `list`"),
        (conv_bn_relu, "In your block"), (vgg_block(2, 4, 8), "the function itself"),
    ],
    "vgg.receptive_field": [
        (lambda windows: 1 + sum(k - 1 for k, s in windows), "strides play no part"),
        (lambda windows: field(windows) + 0 * windows.pop()[0], "its own input"),
        (lambda windows: 7, "returns 7, expected 9. What does one layer add"),
    ],
    "vgg.convolution_weights": [
        (partial(weights, count=lambda a, b: 9 * a * b), "These are the weights"),
        (lambda arch: weights(arch), "TypeError"),
        (partial(weights, count=lambda a, b: 25 * a * b + b), "what is added to each sum"),
    ],
    "batch_norm.normalised_value": [(3.32, "unbiased variance"), (3.7, "a little too large")],
    "batch_norm.running_mean_after_two": [(4.95, "Keras")],
    "batch_norm.numbers_kept": [(256, "running mean and variance")],
    "batch_norm.kerass_momentum": [(0.99, "forget nearly all")],
    "batch_norm.right_kind": [
        (lambda: normed(nn.BatchNorm1d), "which for maps"), (lambda: normed(partial(nn.GroupNorm, 1)), "Each image"),
        (lambda: normed(partial(OwnNorm, detach=True)), "in training the gradient of `0.weight` is off. Does it"),
        (lambda: normed(partial(OwnNorm, momentum=0.9)), "Keras"),
        (lambda: normed(partial(OwnNorm, correction=0)), "goes into the running mean"),
    ],
    "batch_norm.lenet_with_batch_norm": [
        (lambda: lenet(), "no gamma and beta of 6"), (lambda: normed_lenet(act=nn.ReLU), "become ReLUs"),
        (lambda: normed_lenet(order=[*range(10), 11, 10, 12, 14, 13, 15]), "After the dense layers"),
    ],
    "batch_norm.batch_norm_train": [
        (partial(bn, correction=1), "n − 1"), (lambda X, g, b, e: bn(X, b, g, e), "changed places"),
        (partial(bn, detach=True), "gradient of X is off"),
        (lambda X, g, b, e: F.batch_norm(X, None, None, g, b, True, eps=e), "`batch_norm`"),
    ],
    "batch_norm.update_running_var": [
        (lambda old, X, m: mix(old, X.var((0, 2, 3), correction=0), m), "You divide by n."),
        (lambda old, X, m: mix(old, X.var((0, 2, 3)), 0.25), "momentum = 0.1"),
    ],
    "batch_norm.fold": [
        (partial(fold, bias=lambda b, s, bn: b * s + bn.bias), "running mean is forgotten"),
        (lambda conv, bn: (fold(conv, bn), conv.weight.data.mul_(2))[0], "changes the given `conv`"),
        (lambda conv, bn: nn.Sequential(conv, bn), "`Sequential`"),
    ],
    "batch_norm.batch_norm_backward": [
        (partial(bn_gradients, detach=True), "taken as constants"),
        (lambda dY, X, gamma, eps: bn_gradients(dY, X, gamma, eps)[::2], "2 tensors, expected 3"),
        (lambda dY, X, gamma, eps: bn_gradients(X, dY, gamma, eps), "three ways"),
    ],
    "batch_norm.momentum_in_evaluation": [
        ({0.001: 0.1, 0.1: 0.7, 1: 0.6, "predicted": 0.1}, "One or two runs"),
        ({0.001: [0.1] * 3, 0.1: [0.7] * 3, 1: [0.6] * 3}, "predicted"),
        ({0.1: [0.7] * 3, 0.2: [0.7] * 3, "predicted": 0.1}, "close together"),
    ],
    "resnet.depth_of_nine": [(54, "before and after")],
    "resnet.projection_parameters": [(8576, "biases")],
    "resnet.dead_taps": [(393_216, "last three"), (434_304, "biases")],
    "resnet.fair_comparison": [
        ({"predicted": 0.1, "plain": [0.9, 0.8, 0.85], "residual": [0.7, 0.6, 0.65]}, "Nothing stands under 'plain'"),
        ({"predicted": 0.1, ("plain", 0.1): [0.9], ("residual", 0.1): [0.7]}, "Fewer than three seeds"),
        ({"predicted": 0.1, ("plain", 0.1): [0.9, 0.8, 0.7], ("residual", 0.1): [0.7, 0.6, 0.5]}, "three rates"),
    ],
    "resnet.not_overfitting": [("a", "every deeper network"), ("f", "expected one letter"), (3, "`int`")],
    "resnet.fitting_shortcut": [
        (lambda: Residual(16, 32, use_1x1conv=True), "The channels are right."), (lambda: Residual, "your code stops"),
    ],
    "resnet.plain_twin": [(lambda: cifar_resnet(20, 8, "identity"), "but they are there")],
    "resnet.free_shortcuts": [
        (lambda: cifar_resnet(14, 8, "identity"), "first paper"),
        (lambda: cifar_resnet(14, 8, "none"), "no shortcuts at all"),
    ],
    "resnet.residual_block": [
        (partial(Basic, join="relu add"), "before the addition, so"), (partial(Basic, bias=True), "There are biases"),
        (partial(Basic, join="add"), "No ReLU follows"), (PreActivation, "pre-activation"),
        (partial(Basic, norm=partial(nn.BatchNorm2d, momentum=0.9)), "running statistics"),
        (partial(Basic, norm=partial(OwnNorm, detach=True)), "in training the gradient of"),
    ],
    "resnet.identity_": [
        (partial(set_identity, convs=1), "second convolution still"), (lambda block: block, "numbers it came with"),
        (lambda block: set_identity(copy.deepcopy(block)), "another module"),
    ],
    "resnet.without_block": [
        (lambda net, k: setattr(net, str(k), net[k].shortcut) or net, "changes the given network"),
        (lambda net, k: around(net, k + 1), "block after it"),
    ],
    "gradients.y_of_the_block": [
        ((5, -3), "What does the shortcut add"), ((6, 4), "first number is right"), (6, "two"),
        ((6, -4, 1), "3 numbers"),
    ],
    "gradients.slope_of_fifty": [(3.5, "first order"), (9, "too small"), ("11.5", "text")],
    "gradients.when_it_vanishes": [(0, "the shortcut everything"), ("never", "work against its shortcut")],
    "gradients.jacobian_of_the_block": [
        (lambda: W2 @ W1, "the branch alone"), (lambda: W1 @ W2, "h to h"),
        ("[[-1, 1], [5, 5]]", "You answer `'[[-1, 1], [5, 5]]'`, expected a tensor"),
        ([[-1, 1], [5]], "How many numbers are in each?"), (lambda: torch.eye(4), "(4, 4), expected (2, 2)"),
    ],
    "gradients.masked": [
        (lambda: (lambda g, y, vjp: (g + vjp(g)) * (y > 0)), "You mask the sum"),
        (lambda: torch.zeros(2), "function itself"),
    ],
    "gradients.paired_ratio": [
        (lambda: (lambda p, s: statistics.median(s) / statistics.median(p)), "ratio of the medians"),
        (lambda: (lambda p, s: 5.0), "Which ratio has"),
    ],
    "gradients.input_gradient": [
        (parts_stored, "was None and holds a tensor now"), (parts_evaluation, "mode has changed"),
        (lambda block, x, g: (2 * g, vjp(block.residual, x, g)), "What does the chain rule give"),
        (lambda block, x, g: (g, torch.func.vjp(block.residual, x)[1](g)[0]), "counts its batches"),
        (lambda block, x, g: (g, x.grad), "the second part is None"),
    ],
    "gradients.unrolled": [
        (lambda branches, x: terms(branches, x.add_(1)), "changes `x`"),
        (lambda branches, x: [branch(x) for branch in branches], "Every branch sees x itself"),
    ],
    "gradients.gradient_probe": [
        (partial(probe, remove=False), "a forward hook is left behind on module `0`"),
        (partial(probe, store=True), "was None and holds a tensor now"), (partial(probe, norm=torch.std), "spread"),
        (lambda net, X, y: dict(list(probe(net, X, y).items())[1:]), "lacks `0`. When does its hook run"),
        (lambda net, X, y: dict(zip(net, probe(net, X, y).values(), strict=True)), "Which method gives both"),
        (lambda net, X, y: {**probe(net, X, y), "0.weight": 1.0}, "your dict has `0.weight`. That is a weight."),
    ],
    "gradients.smaller_branches": [
        (lambda: {1.0: [1.36, 1.33, 1.39], 0.5: [1.1, 1.08, 1.12], "predicted": 1.2}, "Nothing stands under 0.25"),
        (lambda: {1.0: [2e3, 3e3, 9e3], 0.5: [9.0, 8.0, 7.0], 0.25: [2.0, 2.1, 1.9], "predicted": 30}, "Which root"),
        (lambda: {1.0: 1.36, 0.5: 1.1, 0.25: 1.02, "predicted": 1.2}, "fewer than three seeds"),
        (lambda: [1.36, 1.1, 1.02], "expected a dict from each scale"),
    ],
}  # fmt: skip
