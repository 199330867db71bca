"""Answers to the exercises of chapter 2: RIGHT ones other than the solution, and WRONG ones with words that
the verdict must hold. A lambda stands for what it returns, except where the exercise asks for a function.
"""

import math
import random
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models import alexnet


def features(activation=nn.ReLU, size=3, pool=nn.MaxPool2d, **options):
    """Return the convolutional part of the laptop's AlexNet, as layers."""
    return [
        nn.Conv2d(1, 12, 11, stride=4, padding=1), activation(), pool(size, stride=2, **options),
        nn.Conv2d(12, 32, 5, padding=2), activation(), pool(size, stride=2, **options),
        nn.Conv2d(32, 48, 3, padding=1), activation(), nn.Conv2d(48, 48, 3, padding=1), activation(),
        nn.Conv2d(48, 32, 3, padding=1), activation(), pool(size, stride=2, **options), nn.Flatten()]  # fmt: skip


def classifier(activation=nn.ReLU, num_inputs=128, dropout=nn.Dropout, **options):
    """Return its dense part, as layers."""
    return [nn.Linear(num_inputs, 512), activation(), dropout(), nn.Linear(512, 512), activation(), dropout(),
            nn.Linear(512, 10, **options)]  # fmt: skip


def changed(net, **layers):
    """Return a Sequential with layers exchanged: changed(net, _0=nn.Identity())."""
    for name, layer in layers.items():
        net[int(name[1:])] = layer
    return net


def tanh_net(**layers):
    return changed(nn.Sequential(*features(nn.Tanh), *classifier(nn.Tanh)), **layers)


def pool_net(**layers):
    return changed(nn.Sequential(*features(size=2), *classifier(num_inputs=288)), **layers)


def drop_by_rand(X, p, training):
    if not training:
        return X.clone()
    if p == 1:
        return X * 0
    return torch.where(torch.rand(X.shape) < p, 0.0, X / (1 - p)).to(X.dtype)


class ByHand(nn.Module):
    """A dropout by hand, with a mask that may have fewer random numbers than values."""

    def __init__(self, p=0.5, one_mask=False, scale=True, always=False):
        super().__init__()
        self.p, self.one_mask, self.scale, self.always = p, one_mask, scale, always

    def forward(self, X):
        if not (self.training or self.always):
            return X
        kept = torch.rand(X.shape[1:] if self.one_mask else X.shape) > self.p
        return X * kept / (1 - self.p if self.scale else 1)


class Named(nn.Module):
    """AlexNet as a class of its own, with other names, functional layers and a reshape for the Flatten."""

    def __init__(self, activation=torch.tanh, size=3, num_inputs=128, drop=F.dropout):
        super().__init__()
        self.act, self.size, self.drop = activation, size, drop
        self.out = nn.Linear(512, 10)  # registered in another order than they run
        self.f7, self.f6 = nn.Linear(512, 512), nn.Linear(num_inputs, 512)
        self.c1, self.c2 = nn.Conv2d(1, 12, 11, stride=4, padding=1), nn.Conv2d(12, 32, 5, padding="same")
        self.c3, self.c4 = nn.Conv2d(32, 48, 3, padding=1), nn.Conv2d(48, 48, 3, padding=1)
        self.c5 = nn.Conv2d(48, 32, 3, padding=1)

    def pool(self, X):
        return F.max_pool2d(X, self.size, 2)

    def forward(self, X):
        X = self.pool(self.act(self.c1(X)))
        X = self.pool(self.act(self.c2(X)))
        X = self.act(self.c4(self.act(self.c3(X))))
        X = self.pool(self.act(self.c5(X))).reshape(len(X), -1)
        X = self.drop(self.act(self.f6(X)), 0.5, self.training)
        return self.out(self.drop(self.act(self.f7(X)), 0.5, self.training))


def always_dropping(X, p, training):
    return F.dropout(X, p)  # its own default is training=True


class Pair(Named):
    """A network that returns more than its scores."""

    def forward(self, X):
        return super().forward(X), X


class WrongInTraining(Named):
    """A network that returns probabilities in training only."""

    def forward(self, X):
        scores = super().forward(X)
        return scores.softmax(dim=1) if self.training else scores


def pool_before_activation(activation, size=3, num_inputs=128):
    layers = features(activation, size)
    for i in (1, 4, 11):
        layers[i], layers[i + 1] = layers[i + 1], layers[i]
    return nn.Sequential(*layers, *classifier(activation, num_inputs))


def lazy(activation=nn.ReLU, size=3):
    layers = [nn.LazyConv2d(12, 11, stride=4, padding=1), *features(activation, size)[1:]]
    return nn.Sequential(*layers, nn.LazyLinear(512), *classifier(activation)[1:])


def fully_convolutional(activation=nn.ReLU, size=3, last=2):
    """Return AlexNet with convolutions in place of its dense layers."""
    return nn.Sequential(
        *features(activation, size)[:-1],
        nn.Conv2d(32, 512, last), activation(), nn.Dropout(),
        nn.Conv2d(512, 512, 1), activation(), nn.Dropout(), nn.Conv2d(512, 10, 1), nn.Flatten())  # fmt: skip


def drop_first(activation):
    """Return dense layers with each dropout before the activation, the same thing for a ReLU only."""
    return [nn.Linear(288, 512), nn.Dropout(), activation(), nn.Linear(512, 512), nn.Dropout(), activation(),
            nn.Linear(512, 10)]  # fmt: skip


def drop_inputs(activation, num_inputs=128):
    """Return dense layers with dropout before the hidden ones, as torchvision has it."""
    return [nn.Dropout(), nn.Linear(num_inputs, 512), activation(), nn.Dropout(), nn.Linear(512, 512), activation(),
            nn.Linear(512, 10)]  # fmt: skip


def drop_bernoulli(X, p, training):
    if training and p < 1:
        return X * torch.bernoulli(torch.full_like(X, 1 - p)) / (1 - p)
    return torch.zeros(X.shape) if training else X


def drop_in_place(X, p, training):
    Y = X.clone()
    if training:
        Y[torch.rand(Y.shape) < p] = 0
        Y = Y / max(1 - p, 1e-9)
    return Y


def drop_numpy(X, p, training):
    if not training or p == 0:
        return X
    kept = np.random.default_rng().random(tuple(X.shape)) >= p
    return torch.from_numpy(np.where(kept, X.detach().numpy() / (1 - p) if p < 1 else 0, 0))


def drop_python(tensor, share, train):
    if not train:
        return tensor
    values = [0.0 if random.random() < share else x / (1 - share) for x in tensor.flatten().tolist()]
    return torch.tensor(values).reshape(tensor.shape)


def drop_masked(X, p, training):
    if not training:
        return X
    return X.masked_fill(torch.empty_like(X).uniform_() < p, 0) * (1 / (1 - p) if p < 1 else 0)


def drop_with(mask, scale=lambda X, p: X / (1 - p)):
    """Return a dropout with a mask of its own, right at p = 1 and in evaluation mode."""

    def dropout(X, p, training):
        if not training:
            return X
        return torch.zeros_like(X) if p == 1 else scale(X, p) * mask(X, p)

    return dropout


def uniform(X, p):
    return torch.rand(X.shape) >= p


def exact_share(X, p):
    order = torch.randperm(X.numel()).reshape(X.shape)
    return order >= round(p * X.numel())


def only_returns_training(X, p, training):
    return drop_by_rand(X, p, True) if training else X * (1 - p)


def nan_at_one(X, p, training):
    return X * uniform(X, p) / (1 - p) if training else X


def into_its_input(X, p, training):
    if training:
        X *= uniform(X, p) / (1 - p)
    return X


def zero_left_out(X, p, training):
    return drop_by_rand(X, max(p, 0.01), training)


def one_left_out(X, p, training):
    return drop_by_rand(X, min(p, 0.99), training)


def seeded(X, p, training):
    generator = torch.Generator().manual_seed(42)
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (1 - p) if training else X


def wrong_backward(X, p, training):
    Y = drop_by_rand(X, p, training)
    return Y.detach() + X - X.detach()


def no_return(*args):
    result = args[0] * 2  # noqa: F841


def windows(X, size, stride):
    return X.unfold(2, size, stride).unfold(3, size, stride)


def pool_unfold(images, k, step):
    return windows(images, k, step).amax(dim=(-2, -1))


def pool_flat(X, size, stride):
    return windows(X, size, stride).flatten(4).max(dim=-1).values


def pool_steps(X, size, stride):
    Y = None
    H, W = X.shape[2] - size + 1, X.shape[3] - size + 1
    for a in range(size):
        for b in range(size):
            part = X[:, :, a : a + H : stride, b : b + W : stride]
            Y = part if Y is None else torch.maximum(Y, part)
    return Y


def pool_numpy(X, size, stride):
    views = np.lib.stride_tricks.sliding_window_view(X.detach().numpy(), (size, size), axis=(2, 3))
    return torch.from_numpy(views[:, :, ::stride, ::stride].max(axis=(-2, -1)))


def pool_columns(X, size, stride):
    N, C, H, W = X.shape
    columns = F.unfold(X, size, stride=stride).reshape(N, C, size * size, -1)
    return columns.amax(dim=2).reshape(N, C, (H - size) // stride + 1, -1)


def pool_from_zero(X, size, stride):
    return pool_unfold(X, size, stride).clamp(min=0)


def pool_wrong_rows(X, size, stride):
    H, W = (X.shape[2] - size) // stride + 1, (X.shape[3] - size) // stride + 1
    return windows(X, size, 1).amax((-2, -1))[:, :, :H, :W]


def pool_detached_gradient(X, size, stride):
    Y = pool_unfold(X, size, stride)
    return Y.detach() + X.mean() - X.mean().detach()


def per_group(X, weight, groups):
    C, out = X.shape[1] // groups, weight.shape[0] // groups
    for g in range(groups):
        yield X[:, g * C : (g + 1) * C], weight[g * out : (g + 1) * out]


def group_slices(X, weight, groups):
    return torch.cat([F.conv2d(x, w) for x, w in per_group(X, weight, groups)], 1)


def group_modules(images, kernels, g):
    made = []
    for x, w in per_group(images, kernels, g):
        conv = nn.Conv2d(x.shape[1], len(w), w.shape[2:], bias=False)
        with torch.no_grad():
            conv.weight.copy_(w)
        made.append(conv(x))
    return torch.cat(made, dim=1)


def group_filled(X, weight, groups):
    h, w = X.shape[2] - weight.shape[2] + 1, X.shape[3] - weight.shape[3] + 1
    Y = torch.zeros(len(X), len(weight), h, w)
    out = len(weight) // groups
    for g, (x, k) in enumerate(per_group(X, weight, groups)):
        Y[:, g * out : (g + 1) * out] = F.conv2d(x, k, groups=1)
    return Y


def group_blocks(X, weight, groups):
    """Convolve once, with zeros where a kernel sees another group's channels."""
    out, C, h, w = weight.shape
    full = torch.zeros(out, X.shape[1], h, w)
    for i in range(out):
        first = i // (out // groups) * C
        full[i, first : first + C] = weight[i]
    return F.conv2d(X, full, None, 1, 0, 1, 1)


def group_einsum(X, weight, groups):
    N, C, H, W = X.shape
    views = X.reshape(N, groups, C // groups, H, W).unfold(3, weight.shape[2], 1).unfold(4, weight.shape[3], 1)
    kernels = weight.reshape(groups, -1, *weight.shape[1:])
    return torch.einsum("ngchwab,gocab->ngohw", views, kernels).flatten(1, 2)


def group_vmap(X, weight, groups):
    images = X.reshape(len(X), groups, -1, *X.shape[2:])
    kernels = weight.reshape(groups, -1, *weight.shape[1:])
    return torch.vmap(F.conv2d, in_dims=(1, 0), out_dims=1)(images, kernels).flatten(1, 2)


def group_first_axis(X, weight, groups):
    return torch.cat([F.conv2d(x, w) for x, w in per_group(X, weight, groups)])


def group_every(X, weight, groups):
    made = [F.conv2d(X[:, g::groups], w) for g, w in enumerate(weight.chunk(groups))]
    return torch.cat(made, dim=1)


def group_every_kernel(X, weight, groups):
    return torch.cat([F.conv2d(x, weight[g::groups]) for g, x in enumerate(X.chunk(groups, 1))], dim=1)


def group_every_both(X, weight, groups):
    return torch.cat([F.conv2d(X[:, g::groups], weight[g::groups]) for g in range(groups)], dim=1)


def group_alternating(X, weight, groups):
    Y = torch.empty_like(group_slices(X, weight, groups))
    for g, (x, w) in enumerate(per_group(X, weight, groups)):
        Y[:, g::groups] = F.conv2d(x, w)
    return Y


def group_module(X, weight, groups):
    conv = nn.Conv2d(X.shape[1], len(weight), weight.shape[2:], groups=groups, bias=False)
    conv.weight.data = weight
    return conv(X)


def group_split(X, weight, groups):
    """Split takes the size of a part, not the number of parts."""
    return torch.cat([F.conv2d(x, w) for x, w in zip(X.split(groups, 1), weight.split(groups), strict=False)], 1)


RIGHT = {
    "first_layer_padding": [
        2, 2.0, torch.tensor(2), np.int64(2), Fraction(2), torch.tensor([2.0]),
    ],
    "first_dense_parameters": [
        26_218_496, 26_218_496.0, torch.tensor(26_218_496), np.float32(26_218_496), np.int64(26_218_496),
        lambda: sum(p.numel() for p in nn.Linear(6400, 4096, device="meta").parameters()),
    ],
    "kept_unit": [
        4, 4.0, torch.tensor(4.0), np.float32(4), Fraction(4), 3 / 0.75,
    ],
    "grouped_weights": [
        307_200, 307_200.0, torch.tensor(307_200), np.int32(307_200),
        lambda: nn.Conv2d(96, 256, 5, groups=2).weight.numel(),
    ],
    "with_tanh": [
        lambda: tanh_net(), lambda: Named(), lambda: (lambda: Named()), lambda: lazy(nn.Tanh),
        lambda: nn.Sequential(nn.Sequential(*features(nn.Tanh)), nn.Sequential(*classifier(nn.Tanh))),
        lambda: pool_before_activation(nn.Tanh), lambda: fully_convolutional(nn.Tanh),
        lambda: Named().double().eval(), lambda: tanh_net(_16=ByHand(), _19=ByHand()),
        lambda: Named(drop=drop_by_rand), lambda: Named(drop=drop_numpy),
        lambda: Named(activation=lambda X: 2 * torch.sigmoid(2 * X) - 1),
    ],
    "pooling_without_overlap": [
        lambda: pool_net(), lambda: Named(F.relu, 2, 288), lambda: (lambda: Named(torch.relu, 2, 288)),
        lambda: lazy(size=2), lambda: pool_before_activation(nn.ReLU, 2, 288),
        lambda: fully_convolutional(nn.ReLU, 2, 3), lambda: pool_net(_16=ByHand()),
        lambda: nn.Sequential(*features(size=2), *drop_first(nn.ReLU)),
        lambda: nn.Sequential(*features(size=2), *drop_first(nn.ReLU)).double(),
        lambda: Named(lambda X: X.clamp(min=0), 2, 288, drop_bernoulli).eval(),
        lambda: pool_net(_2=nn.MaxPool2d(2), _5=nn.MaxPool2d((2, 2)), _12=nn.AdaptiveMaxPool2d(3)),
    ],
    "dropout": [
        drop_by_rand, drop_bernoulli, drop_in_place, drop_numpy, drop_python, drop_masked, drop_with(uniform),
        lambda X, p, training: drop_by_rand(X.double(), p, training),
    ],
    "max_pool2d": [
        pool_unfold, pool_flat, pool_steps, pool_numpy, pool_columns,
        lambda X, size, stride: pool_unfold(X.double(), size, stride),
    ],
    "grouped_conv2d": [
        group_slices, group_modules, group_filled, group_blocks, group_einsum, group_vmap,
        lambda X, weight, groups: group_slices(X.double(), weight.double(), groups),
    ],
}  # fmt: skip


WRONG = {
    "first_layer_padding": [
        (1, "54 places"), (0, "54 places"), (3, "a smaller one"), (4, "both sides together"),
        (1.5, "whole rows"), (5, "Half a kernel"), (55, "size of the maps"), (2.5, "too large"),
        (-1, "too small"), ("same", "expected a number"), ((2, 2), "several numbers"),
        (math.inf, "finite"), (True, "expected a number"),
    ],
    "first_dense_parameters": [
        (26_214_400, "You answer 26,214,400. These are the weights"), (26_220_800, "input or to an output"),
        (26_214_401, "one bias for all"), (26_224_896, "bias for each input"), (10_496, "a pair"),
        (16_781_312, "second dense layer"), (40_970, "last dense layer"), (37_752_832, "6 × 6"),
        (26_218_495, "26,218,495 is too small"), (10**9, "too large"), ("26M", "expected a number"),
        (lambda: nn.Linear(2, 2), "`Linear`"),
    ],
    "kept_unit": [
        (3, "evaluation mode"), (2.25, "3 · (1 − p)"), (12, "3 / p"), (0, "a dropped unit"), (0.75, "3 · p"),
        (3.75, "3 · (1 + p)"), (6, "p = 0.5"), (5, "too large"), (3.9, "too small"),
        ((0, 4), "several numbers"), (math.nan, "finite"), (lambda: nn.Dropout(0.25), "`Dropout`"),
    ],
    "grouped_weights": [
        (614_400, "That is one group"), (153_600, "one of the groups"), (307_456, "counts the biases"),
        (614_656, "with its biases"), (1_228_800, "take some away"), (12_288, "pairs of channels"),
        (61_440, "5 × 5 has how many"), (6_400, "How many input channels"), (307_201, "too large"),
        (1, "too small"), ([153_600, 153_600], "several numbers"),
        (lambda: nn.Conv2d(96, 256, 5, groups=2).weight, "several numbers"),
    ],
    "with_tanh": [
        (lambda: alexnet(shrink=8, side=112), "unchanged AlexNet"),
        (lambda: tanh_net(_15=nn.ReLU(), _18=nn.ReLU()), "dense layers still"),
        (lambda: nn.Sequential(*features(nn.ReLU), *classifier(nn.Tanh)), "convolutions still"),
        (lambda: tanh_net(_18=nn.ReLU()), "behind the second dense layer"),
        (lambda: tanh_net(_9=nn.ReLU()), "behind the fourth convolution"),
        (lambda: tanh_net(_15=nn.Identity(), _18=nn.Identity()), "lost their activations"),
        (lambda: nn.Sequential(*tanh_net(), nn.Tanh()), "follows the last layer"),
        (lambda: alexnet(nn.Sigmoid, shrink=8, side=112), "a sigmoid"),
        (lambda: alexnet(nn.Hardtanh, shrink=8, side=112), "cut off at"),
        (lambda: alexnet(nn.Softsign, shrink=8, side=112), "softsign"),
        (lambda: alexnet(nn.GELU, shrink=8, side=112), "seven tanhs"),
        (lambda: alexnet(nn.Tanh, shrink=8), "layer '14', Linear, got an input of shape (4, 128)"),
        (lambda: alexnet(nn.Tanh, shrink=4, side=112), "expected (12, 1, 11, 11)"),
        (lambda: alexnet(nn.Tanh, dropout=0, shrink=8, side=112), "nothing is dropped"),
        (lambda: alexnet(nn.Tanh, dropout=0.2, shrink=8, side=112), "a share of 0.2"),
        (lambda: tanh_net(_16=nn.Identity()), "first hidden dense layer has lost"),
        (lambda: tanh_net(_19=nn.Identity()), "second hidden dense layer has lost"),
        (lambda: nn.Sequential(*features(nn.Tanh), *drop_inputs(nn.Tanh)), "before each hidden dense layer"),
        (lambda: tanh_net(_15=nn.Dropout(), _16=nn.Tanh(), _18=nn.Dropout(), _19=nn.Tanh()),
         "before the activation"),
        (lambda: tanh_net(_11=nn.Sequential(nn.Tanh(), nn.Dropout())), "in training mode they are off"),
        (lambda: tanh_net(_19=nn.Dropout(0.1)), "in training mode they are off"),
        (lambda: tanh_net(_16=nn.AlphaDropout()), "in training mode they are off"),
        (lambda: tanh_net(_16=ByHand(0.4), _19=ByHand(0.4)), "in training mode they are off"),
        (lambda: tanh_net(_16=ByHand(scale=False)), "in training mode they are off"),
        (lambda: tanh_net(_16=ByHand(one_mask=True), _19=ByHand(one_mask=True)), "in training mode they are off"),
        (lambda: tanh_net(_13=nn.Sequential(nn.Flatten(), nn.BatchNorm1d(128, affine=False))), "training mode"),
        (lambda: WrongInTraining(), "in training mode they are off"),
        (lambda: Named(drop=always_dropping), "`self.training`"),
        (lambda: tanh_net(_16=ByHand(always=True)), "`self.training`"),
        (lambda: tanh_net(_20=nn.Linear(512, 10, bias=False)), "of 10 numbers"),
        (lambda: nn.Sequential(*tanh_net(), nn.Softmax(1)), "softmax"),
        (lambda: Pair(), "returns a `tuple`"), (lambda: nn.Tanh(), "Your network returns"),
        (lambda: no_return, "your code stops"), (lambda: nn.Tanh, "expected (4, 10)"), (lambda: "tanh", "`str`"),
    ],
    "pooling_without_overlap": [
        (lambda: alexnet(shrink=8, side=112), "(512, 128), expected (512, 288)"),
        (lambda: nn.Sequential(*features(size=2), *classifier()),
         "layer '14', Linear, got an input of shape (4, 288)"),
        (lambda: nn.Sequential(*features(size=2), *classifier(num_inputs=4 * 288)), "do not get through"),
        (lambda: pool_net(_2=nn.MaxPool2d(3, 2)), "first pooling still overlaps"),
        (lambda: pool_net(_5=nn.MaxPool2d(3, 2)), "second pooling still overlaps"),
        (lambda: pool_net(_12=nn.MaxPool2d(3, 2)), "got an input of shape (4, 128)"),
        (lambda: pool_net(_12=nn.MaxPool2d(3, 2), _14=nn.Linear(128, 512)), "Are all three poolings"),
        (lambda: nn.Sequential(*features(ceil_mode=True), *classifier(num_inputs=288)), "some that stick out"),
        (lambda: nn.Sequential(*features(padding=1), *classifier(num_inputs=512)), "(512, 512), expected (512, 288)"),
        (lambda: nn.Sequential(*features(size=2, pool=nn.AvgPool2d), *classifier(num_inputs=288)), "averages"),
        (lambda: pool_net(_2=nn.MaxPool2d(2, 1)), "do not get through"),
        (lambda: pool_net(_2=nn.MaxPool2d(1, 2)), "one number in four"),
        (lambda: nn.Sequential(*features(nn.Tanh, 2), *classifier(nn.Tanh, 288)), "become tanhs"),
        (lambda: nn.Sequential(*features(nn.ReLU6, 2), *classifier(nn.ReLU6, 288)), "scores are off"),
        (lambda: pool_net(_14=nn.LazyLinear(256), _17=nn.Linear(256, 512)), "expected (512"),
        (lambda: pool_net(_16=nn.Identity(), _19=nn.Identity()), "nothing is dropped"),
        (lambda: pool_net(_16=nn.Dropout(0.9), _19=nn.Dropout(0.9)), "a share of 0.9"),
        (lambda: nn.Sequential(*features(size=2), *drop_inputs(nn.ReLU, 288)), "before each hidden dense layer"),
        (lambda: pool_net(_19=ByHand(0.3)), "in training mode they are off"),
        (lambda: Named(F.relu, 2, 288, always_dropping), "`self.training`"),
        (lambda: nn.Sequential(*pool_net(), nn.LogSoftmax(1)), "softmax"), (lambda: [pool_net()], "`list`"),
        (lambda: nn.MaxPool2d(2), "Your network returns"),
    ],
    "dropout": [
        (drop_with(uniform, lambda X, p: X), "as they were"),
        (drop_with(uniform, lambda X, p: X / p if p else X), "divided by p"),
        (drop_with(uniform, lambda X, p: X * (1 - p)), "multiplied by 1 − p"),
        (drop_with(uniform, lambda X, p: X * p), "multiplied by p"),
        (drop_with(uniform, lambda X, p: 1.0), "the mask"), (drop_with(uniform, lambda X, p: 1 / (1 - p)), "the mask"),
        (drop_with(uniform, lambda X, p: 2 * X), "kept values are off"),
        (drop_with(lambda X, p: torch.rand(X.shape) < p), "to drop or to keep"),
        (drop_with(lambda X, p: torch.randn(X.shape) > p), "`torch.randn`"),
        (drop_with(lambda X, p: torch.rand(X.shape) > 0.5), "a share of 0.5"),
        (drop_with(lambda X, p: 1.0), "none of 10,000"), (drop_with(lambda X, p: 0.0), "every one of 10,000"),
        (drop_with(lambda X, p: torch.rand(()) > p), "of 10,000"),
        (drop_with(lambda X, p: torch.rand(X.shape[1:]) > p), "One mask serves all images"),
        (drop_with(lambda X, p: (torch.rand(len(X)) > p).reshape(-1, *[1] * (X.dim() - 1))), "as a whole"),
        (drop_with(lambda X, p: torch.rand(*X.shape[:2], 1, 1) > p), "Channels are dropped as a whole"),
        (drop_with(lambda X, p: torch.rand(X.shape[-1]) > p), "along axis 0"), (seeded, "two calls drop the same"),
        (drop_with(exact_share), "the same number in each call"), (only_returns_training, "as the paper did"),
        (lambda X, p, training: drop_by_rand(X, p, True), "drops values, too"),
        (lambda X, p, training: drop_by_rand(X, p, False), "none of 10,000"),
        (lambda X, p, training: drop_by_rand(X, p, not training), "none of 10,000"),
        (lambda X, p, training: drop_by_rand(X, p, training) if training else X / (1 - p), "do not stay"),
        (nan_at_one, "NaN or infinity"),
        (lambda X, p, training: uniform(X, p) * X * (1 / (1 - p)) if training else X, "`ZeroDivisionError"),
        (into_its_input, "its own input"), (zero_left_out, "For p = 0"), (one_left_out, "For p = 1"),
        (wrong_backward, "gradient of X is off"), (F.dropout, "PyTorch's `dropout`"),
        (lambda X, p, training: nn.Dropout(p)(X) if training else X, "PyTorch's `dropout`"),
        (lambda X, p, training: F.alpha_dropout(X, p, training), "of 10,000"),
        (lambda X, p, training: drop_by_rand(X.flatten(), p, training), "keep its place"),
        (lambda X, p, training: drop_by_rand(X, p, training).tolist(), "`list`"),
        (lambda X, p: X, "TypeError"), (no_return, "returns None"), (nn.Dropout, "the function itself"),
        (torch.zeros(3), "the function itself"),
    ],
    "max_pool2d": [
        (lambda X, size, stride: F.avg_pool2d(X, size, stride), "You take the mean"),
        (lambda X, size, stride: windows(X, size, stride).amin((-2, -1)), "the smallest number"),
        (lambda X, size, stride: pool_unfold(X, size, size), "begin size apart"),
        (lambda X, size, stride: pool_unfold(X, size, 1), "begin 1 apart"),
        (lambda X, size, stride: pool_unfold(X, stride, size), "Size and stride are exchanged"),
        (lambda X, size, stride: F.max_pool2d(X, size, stride, ceil_mode=True), "stick out"),
        (lambda X, size, stride: pool_unfold(X, size, stride)[:, :, :-1, :-1], "last row and column"),
        (pool_from_zero, "is below 0"), (lambda *args: pool_unfold(*args).mT, "Rows and columns"),
        (lambda *args: pool_unfold(*args).amax(1, keepdim=True), "over the channels"),
        (pool_wrong_rows, "where does the next one begin"),
        (lambda X, size, stride: pool_unfold(F.pad(X, (1, 1, 1, 1)), size, stride), "(1, 1, 5, 5)"),
        (lambda *args: pool_unfold(*args).squeeze(), "returns (3, 3)"), (pool_detached_gradient, "gradient of X"),
        (F.max_pool2d, "max_pool2d"), (lambda X, size, stride: nn.MaxPool2d(size, stride)(X), "max_pool2d"),
        (lambda X, size, stride: F.adaptive_max_pool2d(X, [(n - size) // stride + 1 for n in X.shape[2:]]), "?"),
        (lambda X, size: X, "TypeError"), (no_return, "returns None"),
        (lambda *args: pool_unfold(*args).tolist(), "`list`"), (nn.MaxPool2d(2), "your code stops"),
        (nn.MaxPool2d, "the function itself"), (lambda X, size, stride: X.relu_()[:, :, :3, :3], "?"),
    ],
    "grouped_conv2d": [
        (group_first_axis, "joined along the batch"),
        (lambda *args: torch.cat(group_slices(*args).chunk(args[2], 1), dim=2), "along the height"),
        (lambda *args: torch.cat(group_slices(*args).chunk(args[2], 1), dim=-1), "along the width"),
        (lambda *args: torch.stack(group_slices(*args).chunk(args[2], 1)), "an axis more"),
        (lambda *args: sum(group_slices(*args).chunk(args[2], 1)), "added up"),
        (lambda X, w, groups: F.conv2d(X, w), "Which channels of X does one group see"),
        (lambda X, w, groups: torch.cat([F.conv2d(X, k) for k in w.chunk(groups)], 1), "Which channels of X"),
        (lambda X, w, groups: F.conv2d(X, w.repeat(1, groups, 1, 1)), "sees all input channels"),
        (lambda X, w, groups: F.conv2d(X[:, : X.shape[1] // groups], w), "sees the first channels"),
        (lambda X, w, groups: torch.cat([F.conv2d(x, w) for x in X.chunk(groups, 1)], 1), "uses all kernels"),
        (lambda X, w, groups: torch.cat([F.conv2d(x, w.chunk(groups)[0]) for x in X.chunk(groups, 1)], 1),
         "uses the first kernels"),
        (lambda X, w, groups: torch.cat([F.conv2d(x, k) for x, k in zip(X.chunk(groups, 1)[::-1], w.chunk(groups),
                                                                        strict=True)], 1), "each other's kernels"),
        (group_every, "input channels are dealt"), (group_every_kernel, "kernels are dealt"),
        (group_every_both, "Channels and kernels"), (group_alternating, "alternate"),
        (group_split, "Which channels of X"), (F.conv2d, "your code stops"),
        (lambda X, weight, groups: F.conv2d(X, weight, groups=groups), "PyTorch's `conv2d` split"),
        (lambda X, weight, groups: torch.conv2d(X, weight, None, 1, 0, 1, groups), "PyTorch's `conv2d` split"),
        (lambda X, w, groups: torch.convolution(X, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], groups),
         "PyTorch's `convolution` split"),
        (group_module, "PyTorch's `conv2d` split"),
        (lambda X, weight, groups: group_slices(X, weight.flip(-1, -2), groups), "numbers are off"),
        (lambda X, weight, groups: group_slices(X, weight, 2), "?"), (lambda X, weight: X, "TypeError"),
        (no_return, "returns None"), (nn.Conv2d, "the function itself"),
        (lambda *args: group_slices(*args).tolist(), "`list`"),
    ],
}  # fmt: skip
