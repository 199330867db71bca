"""Answers to the exercises of chapter 5: RIGHT ones other than the solution, and WRONG ones with words that the
verdict must hold. A lambda stands for what it returns, except where the exercise asks for a function.
"""

import copy
import math
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from answers_batch_norm import Own, no_return
from torch import nn
from torch.nn import functional as F

from cnnlib.models import (
    BasicBlock,
    BatchNorm,
    PostActivation,
    PreActivation,
    Residual,
    cifar_resnet,
    resnet18,
    zero_gamma_,
)


def conv(a, b, stride=1, kernel=3, bias=False, padding=None):
    return nn.Conv2d(a, b, kernel, stride, padding=kernel // 2 if padding is None else padding, bias=bias)


class Fitting(nn.Module):
    """The mended `Residual`, in other words."""

    def __init__(self, norm=nn.BatchNorm2d, last=F.relu, bias=True):
        super().__init__()
        self.around = conv(16, 32, 2, 1, bias=True)
        self.main = nn.Sequential(conv(16, 32, 2, bias=bias), norm(32), nn.ReLU(), conv(32, 32, bias=bias), norm(32))
        self.last = last

    def forward(self, maps):
        return self.last(self.around(maps) + self.main(maps))


def used(net, shape=(4, 1, 28, 28)):
    """Return a network that has seen batches, as one that was tried out before it was handed in."""
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(shape) + 1)
    return net


def each_block(net, change):
    for block in net[1:-1]:
        change(block)
    return net


def no_shortcut(block):
    block.shortcut = None


def unrolled(n=3, width=8, norm=nn.BatchNorm2d, act=nn.ReLU, last=nn.Identity, pool=None):
    """Return a plain network as one long list of layers."""
    layers, channels = [conv(1, width), norm(width), act()], width
    for out in (width, 2 * width, 4 * width):
        for _ in range(2 * n):
            layers += [conv(channels, out, 2 if out != channels else 1), norm(out), act()]
            channels = out
    return nn.Sequential(*layers, pool or nn.AvgPool2d(7), nn.Flatten(), nn.Linear(channels, 10), last())


class Silent(nn.Module):
    """A shortcut that passes on nothing, and still has weights."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, X):
        return 0 * self.inner(X)


def silenced(block):
    block.shortcut = Silent(block.shortcut)


class Pre(nn.Module):
    """A pre-activation network in functional style, with shortcuts by hand."""

    def __init__(self, n=2, width=8, norm=nn.BatchNorm2d, pad="after", relu=F.relu, last=True, pick=None):
        super().__init__()
        self.head, self.stem = nn.Linear(4 * width, 10), conv(1, width)
        self.norms, self.convs, self.pad, self.relu, self.pick = nn.ModuleList(), nn.ModuleList(), pad, relu, pick
        channels = width
        for out in (width, 2 * width, 4 * width):
            for _ in range(n):
                self.norms.extend([norm(channels), norm(out)])
                self.convs.extend([conv(channels, out, 2 if channels != out else 1), conv(out, out)])
                channels = out
        self.norms.append(norm(channels) if last else nn.Identity())

    def around(self, X, Y):
        if X.shape == Y.shape:
            return X
        X = self.pick(X) if self.pick else X[..., ::2, ::2]
        extra = torch.zeros(len(X), Y.shape[1] - X.shape[1], *Y.shape[2:], dtype=X.dtype)
        before = {"after": 0, "half": extra.shape[1] // 2, "before": extra.shape[1]}[self.pad]
        return torch.cat([extra[:, :before], X, extra[:, before:]], dim=1)

    def forward(self, X):
        X = self.stem(X)
        for i in range(0, len(self.convs), 2):
            Y = self.convs[i](self.relu(self.norms[i](X)))
            Y = self.convs[i + 1](self.relu(self.norms[i + 1](Y)))
            X = Y + self.around(X, Y)
        return self.head(self.relu(self.norms[-1](X)).mean((2, 3)))


def free(depth=14, width=8, block=PreActivation, **options):
    return cifar_resnet(depth, width, shortcut="identity", block=block, **options)


def post_around(net):
    """Put the blocks of a network between the stem and the head of the first paper."""
    other = free(block=PostActivation)
    return nn.Sequential(other[0], *net[1:-1], other[-1])


class Block(nn.Module):
    """A residual block with other names than the solution's, and mistakes to order."""

    def __init__(self, a, b, s, join="add relu", middle=F.relu, norm=nn.BatchNorm2d, last=F.relu, around=None,
                 strides=None, bias=(False, False), norms=(True, True), padding=1, always=False, act_around=None,
                 container=list):  # fmt: skip
        super().__init__()
        first, second = strides(s) if strides else (s, 1)
        self.second = conv(b, b, second, bias=bias[1], padding=padding)
        self.first = conv(a, b, first, bias=bias[0], padding=padding)
        self.n1, self.n2 = (norm(b) if wanted else nn.Identity() for wanted in norms)
        self.middle, self.last, self.join, self.act_around = middle, last, join, act_around
        needed = s != 1 or a != b or always
        self.skip = (around or project)(a, b, s) if needed else nn.Identity()

    def forward(self, X):
        Y = self.n2(self.second(self.middle(self.n1(self.first(X)))))
        shortcut = self.skip(X)
        if self.act_around:
            shortcut = self.act_around(shortcut)
        for step in self.join.split():
            if step == "add":
                Y = Y + shortcut
            elif step == "cat":
                Y = torch.cat((Y, shortcut), dim=1)
            else:
                Y = self.last(Y)
        return Y


def project(a, b, s, kernel=1, bias=False, norm=nn.BatchNorm2d):
    return nn.Sequential(conv(a, b, s, kernel, bias), norm(b))


class Mixing(nn.Module):
    """A projection that takes every s-th pixel and then mixes channels by a dense layer."""

    def __init__(self, a, b, s):
        super().__init__()
        self.s, self.mix, self.norm = s, nn.Linear(a, b, bias=False), nn.BatchNorm2d(b)

    def forward(self, X):
        return self.norm(self.mix(X[:, :, :: self.s, :: self.s].movedim(1, -1)).movedim(-1, 1))


class InPlace(Block):
    """A block that writes into its own results."""

    def forward(self, X):
        Y = self.n2(self.second(self.n1(self.first(X)).relu_()))
        Y += self.skip(X)
        return Y.relu_()


class Sum(nn.ModuleList):
    """The sum of what several modules make of an input."""

    def forward(self, X):
        return sum(module(X) for module in self)


def block_of_a_sum(a, b, s):
    body = [conv(a, b, s), nn.BatchNorm2d(b), nn.ReLU(inplace=True), conv(b, b), nn.BatchNorm2d(b)]
    around = nn.Identity() if (a, s) == (b, 1) else project(a, b, s)
    return nn.Sequential(Sum([nn.Sequential(*body), around]), nn.ReLU())


def block_lazy(a, b, s):
    def lazy(stride, kernel=3):
        layer = nn.LazyConv2d(b, kernel, stride, padding=kernel // 2, bias=False)
        return nn.Sequential(layer, nn.LazyBatchNorm2d())

    around = nn.Identity() if (a, s) == (b, 1) else lazy(s, 1)
    return nn.Sequential(Sum([nn.Sequential(lazy(s), nn.ReLU(), lazy(1)), around]), nn.ReLU())


class Functional(nn.Module):
    """A residual block of bare tensors."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.stride, self.skip = stride, stride > 1 or channels_in != channels_out
        for i, size in enumerate([(channels_in, 3, 3), (channels_out, 3, 3), (channels_in, 1, 1)][: 2 + self.skip]):
            self.register_parameter(f"w{i}", nn.Parameter(torch.randn(channels_out, *size) / 9))
            self.register_parameter(f"g{i}", nn.Parameter(torch.ones(channels_out)))
            self.register_parameter(f"b{i}", nn.Parameter(torch.zeros(channels_out)))
            self.register_buffer(f"m{i}", torch.zeros(channels_out))
            self.register_buffer(f"v{i}", torch.ones(channels_out))

    def step(self, i, X, stride):
        w, g, b, m, v = (getattr(self, f"{name}{i}") for name in "wgbmv")
        return F.batch_norm(F.conv2d(X, w, None, stride, w.shape[-1] // 2), m, v, g, b, self.training)

    def forward(self, X):
        shortcut = self.step(2, X, self.stride) if self.skip else X
        return (shortcut + self.step(1, self.step(0, X, self.stride).relu(), 1)).clamp(min=0)


class Tupled(Block):
    """A block that returns more than its feature maps."""

    def forward(self, X):
        return super().forward(X), X


class Unsuper(nn.Module):
    """A block that does not call its parent's constructor."""

    def __init__(self, a, b, s):
        self.conv = conv(a, b, s)


class InAList(nn.Module):
    """A block whose layers sit in a plain list."""

    def __init__(self, a, b, s):
        super().__init__()
        self.layers = [BasicBlock(a, b, strides=s)]

    def forward(self, X):
        return self.layers[0](X)


class OneNorm(Block):
    """A block whose two convolutions share a normalisation."""

    def __init__(self, a, b, s):
        super().__init__(a, b, s)
        self.n2 = self.n1


class LastNorm(Block):
    """A block whose second normalisation comes after the addition."""

    def forward(self, X):
        Y = self.second(F.relu(self.n1(self.first(X))))
        return F.relu(self.n2(Y + self.skip(X)))


def block_late(a, b, s):
    net = Block(a, b, s)
    net.first, net.n1, net.second = conv(a, a, s), nn.BatchNorm2d(a), conv(a, b)
    return net


def block_fails(a, b, s):
    return nn.Sequential(conv(a, out_channels, s), nn.ReLU())  # noqa: F821


def parts(block):
    return (block.conv1, block.norm1), (block.conv2, block.norm2)


@torch.no_grad()
def numbers(block, window=nn.init.dirac_, gamma=None, beta=None, mean=None, var=None, convs=2, norms=2):
    """Set the numbers of a plain block, with mistakes to order."""
    for layer, _ in parts(block)[:convs]:
        window(layer.weight)
    for _, norm in parts(block)[:norms]:
        kept = norm.weight, norm.bias, norm.running_mean, norm.running_var
        new = [set_(norm) if set_ else old for set_, old in zip((gamma, beta, mean, var), kept, strict=True)]
        for old, value in zip(kept, new, strict=True):
            old.copy_(value)
    return block


def root(norm):
    return (norm.running_var + norm.eps).sqrt()


def mean_of(norm):
    return norm.running_mean.clone()


def zero(norm):
    return torch.zeros(norm.num_features)


def one(norm):
    return torch.ones(norm.num_features)


exact = partial(numbers, gamma=root, beta=mean_of)


def identity_reset(block):
    for layer, norm in parts(block):
        norm.reset_parameters()  # statistics, gamma and beta
        window = torch.zeros_like(layer.weight)
        window[:, :, 1, 1] = torch.eye(len(window))
        layer.weight = nn.Parameter(window)
    return block


def identity_scaled(block):
    exact(block)
    block.conv1.weight.data *= 4
    block.conv2.weight.data /= 4
    return block.train()


def identity_rolled(block):
    exact(block)
    block.conv1.weight.data = block.conv1.weight.data.roll(1, 0)
    block.conv2.weight.data = block.conv2.weight.data.roll(-1, 0)
    return block


def identity_lifted(block):
    exact(block)
    block.norm1.bias.data += 3
    block.norm2.bias.data -= 3
    return block


def identity_by_state(block):
    state = block.state_dict()
    for i in (1, 2):
        state[f"conv{i}.weight"] = nn.init.dirac_(torch.empty_like(state[f"conv{i}.weight"]))
        state[f"norm{i}.running_var"] = 1 - 1e-5 + 0 * state[f"norm{i}.running_var"]
        for name, value in (("running_mean", 0), ("bias", 0), ("weight", 1)):
            state[f"norm{i}.{name}"] = torch.full_like(state[f"norm{i}.{name}"], value)
    block.load_state_dict(state)
    return block


@torch.no_grad()
def identity_in_the_windows(block):
    """Let the windows make up for gamma and the spread, whatever gamma's sign, and beta for the mean."""
    for layer, norm in parts(block):
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        layer.weight.zero_()
        for c in range(len(gain)):
            layer.weight[c, c, 1, 1] = 1 / gain[c]
        norm.bias[:] = gain * norm.running_mean
    return block


def identity_with_grad(block):
    block.conv1.weight.zero_()
    return block


def identity_of_bias(block):
    with torch.no_grad():
        block.conv1.bias.zero_()
    return block


def identity_forward(block):
    block.forward = lambda X: X
    return block


def identity_without_norm(block):
    block.norm1, block.norm2 = nn.Identity(), nn.Identity()
    return numbers(block, norms=0)


def identity_with_shortcut(block):
    block.shortcut = nn.Identity()
    nn.init.zeros_(block.norm2.weight)
    return block


def window(*places, every=False, value=1.0):
    """Return what sets such places of a window, from each channel to itself or from every one."""

    def set_(weight):
        weight.zero_()
        for i, j in places:
            weight[:, :, i, j] = value * (1 if every else torch.eye(len(weight)))

    return set_


ALL_NINE = [(i, j) for i in range(3) for j in range(3)]


def lesion(net, k, what=lambda block: block.shortcut):
    """Return a copy of a network with something else in the place of a block."""
    net = copy.deepcopy(net)
    net[k] = what(net[k])
    return net


class OnlyResidual(nn.Module):
    """The residual part of a block, as a module."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, X):
        return self.block.residual(X)


def plain_layers(block):
    no_shortcut(block)
    return block


class Without(nn.Module):
    """A network that skips one of its blocks."""

    def __init__(self, net, number):
        super().__init__()
        self.net, self.number = net, number

    def forward(self, X):
        for i, part in enumerate(self.net):
            X = part.shortcut(X) if i == self.number else part(X)
        return X


def lesion_appended(net, number):
    short = nn.Sequential()
    for i, part in enumerate(net):
        short.append(net[number].shortcut if i == number else part)
    return short


def lesion_hooked(net, number):
    net = copy.deepcopy(net)
    net[number].register_forward_hook(lambda block, args, out: block.shortcut(*args))
    return net.train()


def lesion_silenced(net, number):
    net = copy.deepcopy(net)
    net[number].residual = lambda X: 0
    return net


def lesion_in_place(net, number):
    net[number] = net[number].shortcut
    return net


def lesion_hooked_in_place(net, number):
    net[number].register_forward_hook(lambda block, args, out: block.shortcut(*args))
    return copy.deepcopy(net)


def lesion_zero_gamma(net, number):
    net = copy.deepcopy(net)
    nn.init.zeros_((net[number].norm2).weight)
    return net


def lesion_zero_gamma_and_beta(net, number):
    net = copy.deepcopy(net)
    if isinstance(net[number], PreActivation):
        return lesion(net, number)
    zero_gamma_(net[number])
    return net


def lesion_zero_conv(net, number):
    net = copy.deepcopy(net)
    nn.init.zeros_(net[number].conv2.weight)
    return net


def lesion_deleted(net, number):
    return nn.Sequential(*[part for i, part in enumerate(net) if i != number])


def lesion_anew(net, number):
    return lesion(cifar_resnet(14, 4), number)


RIGHT = {
    "depth_of_nine": [
        56, 56.0, torch.tensor(56), np.int64(56), Fraction(56), 6 * 9 + 2,
        lambda: sum(isinstance(m, nn.Conv2d | nn.Linear) for m in cifar_resnet(56, 2, "identity").modules()),
    ],
    "projection_parameters": [
        8448, 8448.0, torch.tensor([8448]), np.float64(8448), 66 * 128,
        lambda: sum(p.numel() for p in project(64, 128, 2).parameters()),
    ],
    "not_overfitting": ["d", "D", " d ", "(d)", "d)", "`d`", "d."],
    "fitting_shortcut": [
        lambda: Residual(16, 32, True, 2), lambda: Residual(16, 32, True, 2).double().eval(), lambda: Fitting(),
        lambda: used(Residual(16, 32, True, 2), (4, 16, 28, 28)), lambda: (lambda: Residual(16, 32, True, 2)),
        lambda: Fitting, lambda: Fitting(BatchNorm), lambda: Fitting(Own), lambda: nn.Sequential(Fitting()),
    ],
    "plain_twin": [
        lambda: each_block(cifar_resnet(20, 8), no_shortcut), lambda: unrolled(), lambda: unrolled().double(),
        lambda: unrolled(norm=BatchNorm, act=partial(nn.ReLU, inplace=True)), lambda: unrolled,
        lambda: cifar_resnet(20, 8, shortcut="none", block=PreActivation),  # without shortcuts it is the same
        lambda: used(cifar_resnet(20, 8, "none")).eval(), lambda: unrolled(pool=nn.AdaptiveAvgPool2d(1)),
    ],
    "free_shortcuts": [
        lambda: Pre(), lambda: Pre().double(), lambda: Pre, lambda: Pre(norm=BatchNorm), lambda: used(free()).eval(),
        lambda: free(activation=partial(nn.Threshold, 0, 0)), lambda: (lambda: free()),
        lambda: Pre(pick=partial(F.max_pool2d, kernel_size=1, stride=2)), lambda: free(block=partial(PreActivation)),
    ],
    "residual_block": [
        Block, lambda a, b, s: BasicBlock(a, b, strides=s), PostActivation, block_of_a_sum, block_lazy, Functional,
        InPlace, partial(Block, around=Mixing), partial(Block, norm=Own), partial(Block, norm=BatchNorm),
        lambda n, m, stride: Block(n, m, stride).double(), lambda a, b, s: used(Block(a, b, s), (4, a, 8, 8)).eval(),
    ],
    "identity_": [
        exact, identity_reset, identity_scaled, identity_rolled, identity_lifted, identity_by_state,
        identity_in_the_windows, partial(numbers, gamma=one, beta=zero, mean=zero, var=one),
        partial(exact, window=window((1, 1))), lambda block: exact(block).double(),
    ],
    "without_block": [
        lesion, Without, lesion_appended, lesion_hooked, lambda net, k: Without(copy.deepcopy(net), k).eval(),
        lambda net, k: lesion(net, k, lambda block: nn.Sequential(block.shortcut)),
    ],
}  # fmt: skip

WRONG = {
    "depth_of_nine": [
        (54, "before and after"), (55, "One layer is missing"), (57, "one too many"), (58, "projections"),
        (27, "These are the blocks"), (29, "counts as one layer"), (18, "one stage"), (20, "one stage"),
        (9, "That is n"),
        (83, "three convolutions"), (110, "n = 18"), (53, "too small"), (60, "too large"), ("56", "expected a number"),
        ((1, 54, 1), "several numbers"),
    ],
    "projection_parameters": [
        (8192, "weights of the convolution"), (8320, "128 more"), (8576, "biases"), (8704, "running mean"),
        (8705, "all that the normalisation keeps"), (256, "That is the batch normalisation"),
        (73984, "3 × 3"), (73728, "3 × 3"), (192, "add the channels"), (448, "add the channels"),
        (16640, "128 input channels"), (4224, "64 output channels"), (1, "too small"), (8449, "too large"),
        (math.inf, "finite"), (lambda: conv(64, 128, kernel=1), "`Conv2d`"),
    ],
    "not_overfitting": [
        ("a", "every deeper network"), ("b", "shallow network does so"), ("c", "what overfitting looks like"),
        ("(E)", "Smaller gradients"), ("f", "'f', expected one letter"), ("", "one letter"), ("a, d", "one letter"),
        (3, "type `int`"), (("d", "e"), "type `tuple`"),
    ],
    "fitting_shortcut": [
        (lambda: Residual(16, 32), "the shortcut passes on 16"),
        (lambda: Residual(16, 32, strides=2), "(N, 16, 28, 28). Which layer is missing"),
        (lambda: Residual(16, 32, use_1x1conv=True),
         "Your block turns (4, 16, 28, 28) into (4, 32, 28, 28), expected (4, 32, 14, 14). The channels are right."),
        (lambda: Residual(16, 32, True, 4), "shrink 28"), (lambda: Residual(16, 16, True, 2), "should leave the block"),
        (lambda: Residual(16, 16), "changes nothing"), (lambda: Residual(32, 32), "How many arrive"),
        (lambda: Residual(32, 32, True, 2), "How many arrive"), (lambda: Residual(32, 16, True, 2), "changed places"),
        (lambda: BasicBlock(16, 32, strides=2), "That is a `BasicBlock`"),
        (lambda: nn.Sequential(Residual(16, 32, True), nn.MaxPool2d(2)), "You pool"),
        (lambda: nn.Sequential(nn.AvgPool2d(2), Residual(16, 32, True)), "is all else"),
        (lambda: Residual(16, 64, True, 2), "into (4, 64, 14, 14), expected (4, 32, 14, 14)"),
        (lambda: PreActivation(16, 32, 2), "learns 2 vectors of 16"),
        (lambda: Fitting(last=F.leaky_relu), "numbers are off"),
        (lambda: Fitting(last=F.relu6), "numbers are off"), (lambda: Fitting(bias=False), "learns 5 vectors of 32"),
        (lambda: conv(16, 32, 2), "In your block a weight"), (lambda: nn.Conv2d(16, 32, 1, 2), "is missing"),
        (lambda: [Residual(16, 32, True, 2)], "`list`"), (lambda: Residual, "your code stops"),
    ],
    "plain_twin": [
        (lambda: cifar_resnet(20, 8), "itself"), (lambda: cifar_resnet(20, 8, "identity"), "but they are there"),
        (lambda: cifar_resnet(20, 8, "all projections"), "projection everywhere"),
        (lambda: each_block(cifar_resnet(20, 8), lambda m: isinstance(m.shortcut, nn.Identity) and no_shortcut(m)),
         "Only the shortcuts without parameters"),
        (lambda: each_block(cifar_resnet(20, 8), silenced), "which is one weight too many"),
        (lambda: cifar_resnet(20, 8, "none", norm=False), "batch normalisation is gone"),
        (lambda: unrolled(norm=nn.Identity), "In what else"), (lambda: cifar_resnet(20, 16, "none"), "paper's 16"),
        (lambda: cifar_resnet(20, 8, "none", in_channels=3), "colour"), (lambda: unrolled(act=nn.Sigmoid), "sigmoids"),
        (lambda: cifar_resnet(20, 8, "none", activation=nn.LeakyReLU), "In what else"),
        (lambda: unrolled(act=nn.ReLU6), "In what else"), (lambda: unrolled(n=2), "has 14 layers"),
        (lambda: cifar_resnet(26, 8, "none"), "has 26 layers"), (lambda: cifar_resnet(44, 8, "none"), "too many"),
        (lambda: each_block(cifar_resnet(20, 8, "none"), lambda m: setattr(m, "activation2", nn.Identity())),
         "One ReLU of each block"),
        (lambda: unrolled(norm=partial(nn.BatchNorm2d, momentum=0.9)), "running statistics"),
        (lambda: unrolled(last=partial(nn.Dropout, 0.5)), "from call to call. Is there dropout"),
        (lambda: unrolled(last=lambda: nn.Linear(10, 5)), "into (4, 5), expected (4, 10)"),
        (lambda: resnet18(8), "In your network"), (lambda: cifar_resnet, "your code stops"), (lambda: "none", "`str`"),
    ],
    "free_shortcuts": [
        (lambda: cifar_resnet(14, 8), "Which two arguments"), (lambda: free(block=PostActivation), "first paper"),
        (lambda: cifar_resnet(14, 8, block=PreActivation), "two shortcuts are projections"),
        (lambda: cifar_resnet(14, 8, "all projections", PreActivation), "Every shortcut"),
        (lambda: cifar_resnet(14, 8, "none", PreActivation), "no shortcuts at all"),
        (lambda: cifar_resnet(14, 8, "none"), "no shortcuts at all"),
        (lambda: post_around(free()), "stem still ends"),
        (lambda: Pre(pad="before"), "numbers are off"),
        (lambda: Pre(pad="half"), "Half of the zero channels"),
        (lambda: Pre(pick=lambda X: F.avg_pool2d(X, 2)), "means of 2 × 2"),
        (lambda: Pre(pick=lambda X: F.max_pool2d(X, 2)), "numbers are off"),
        (lambda: Pre(pick=lambda X: X[..., 1::2, 1::2]), "numbers are off"),
        (lambda: Pre(relu=F.relu6), "numbers are off"), (lambda: Pre(last=False), "learns 6 vectors of 32"),
        (lambda: free(norm=False), "batch normalisation is gone"), (lambda: free(width=16), "paper's 16"),
        (lambda: free(20), "has 20 layers"), (lambda: free(8), "has 8 layers"), (lambda: free(in_channels=3), "colour"),
        (lambda: nn.Sequential(*[nn.Sequential(p, nn.ReLU()) if isinstance(p, PreActivation) else p for p in free()]),
         "A ReLU follows the addition"),
        (lambda: nn.Sequential(*free()[:7], *free()[7][:-1]), "into (4, 32)"),
        (lambda: PreActivation, "your code stops"),
    ],
    "residual_block": [
        (partial(Block, join="relu add"), "before the addition, so"),
        (partial(Block, join="relu add relu"), "and one after it"), (partial(Block, join="add"), "No ReLU follows"),
        (partial(Block, middle=nn.Identity()), "No ReLU stands between"),
        (partial(Block, middle=nn.Identity(), join="add"), "There is no ReLU"),
        (partial(Block, join="relu"), "Nothing is added"), (partial(Block, join="cat relu"), "one behind the other"),
        (lambda a, b, s: PostActivation(a, b, s, "none"), "Nothing goes around"), (LastNorm, "after the addition"),
        (partial(Block, strides=lambda s: (1, s)), "at the second convolution"),
        (partial(Block, strides=lambda s: (s, s)), "Both convolutions"),
        (lambda a, b, s: BasicBlock(a, b), "The stride plays no part"),
        (partial(Block, strides=lambda s: (1, 1)), "one side of the addition"),
        (partial(Block, around=lambda a, b, s: project(a, b, 1)), "one side of the addition"),
        (partial(Block, around=lambda a, b, s: nn.Identity()), "another shape"),
        (partial(Block, around=lambda a, b, s: project(a, b, s) if a != b else nn.Identity()), "another shape"),
        (partial(Block, around=lambda a, b, s: conv(a, b, s, 1)), "projection is not normalised"),
        (partial(Block, around=lambda a, b, s: conv(a, b, s, 1, bias=True)), "a bias and no normalisation"),
        (partial(Block, around=partial(project, bias=True)), "There are biases"),
        (partial(Block, bias=(True, True)), "There are biases"), (partial(Block, bias=(True, False)), "There are"),
        (partial(Block, bias=(True, True), around=partial(project, bias=True)), "There are biases"),
        (lambda a, b, s: Residual(a, b, (a, s) != (b, 1), s), "That is `Residual`"),
        (partial(Block, norms=(False, True)), "first convolution has no normalisation"),
        (partial(Block, norms=(True, False)), "second convolution has no normalisation"),
        (partial(Block, norms=(False, False)), "Neither 3 × 3"), (OneNorm, "One normalisation serves both"),
        (partial(Block, norms=(False, False), around=lambda a, b, s: conv(a, b, s, 1)), "Nothing is normalised"),
        (partial(Block, always=True), "although the shapes agree"),
        (partial(Block, act_around=F.relu), "on the shortcut"),
        (partial(Block, around=partial(project, kernel=3)), "windows of 3 × 3. How"),
        (partial(Block, around=lambda a, b, s: nn.Sequential(nn.BatchNorm2d(a), conv(a, b, s, 1))), "comes first"),
        (lambda a, b, s: PostActivation(a, b, s, "identity"), "shortcut has no parameters"),
        (block_late, "changes the channels"),
        (PreActivation, "pre-activation"), (partial(Block, padding=0), "Nothing is padded"),
        (partial(Block, middle=torch.sigmoid), "numbers are off"), (partial(Block, last=F.relu6), "numbers are off"),
        (partial(Block, middle=F.leaky_relu), "Which parts"), (partial(Block, middle=nn.Dropout(0.1)), "numbers are"),
        (partial(Block, norm=partial(nn.BatchNorm2d, track_running_stats=False)), "in evaluation mode the numbers"),
        (partial(Block, norm=partial(nn.BatchNorm2d, momentum=0.9)), "running statistics"),
        (partial(Block, norm=partial(Own, detach=True)), "The numbers are right, but in training the gradient of"),
        (partial(Block, norm=partial(nn.InstanceNorm2d, affine=True)), "numbers are off"),
        (partial(Block, norm=partial(nn.GroupNorm, 1)), "numbers are off"), (Tupled, "returns a `tuple`"),
        (InAList, "plain Python list"), (Unsuper, "AttributeError"), (block_fails, "NameError"), (no_return, "None"),
        (lambda a, b, s: [conv(a, b, s)], "you return a `list`"), (lambda a, b: BasicBlock(a, b), "TypeError"),
        (lambda a, b, s: Block(b, a, s), "do not get through"), (lambda a, b, s: conv(a, b, s), "is missing"),
        (BasicBlock(4, 8), "the function itself"),
    ],
    "identity_": [
        (partial(numbers, norms=0), "What do the normalisations"),
        (partial(exact, convs=0), "What do the convolutions"),
        (partial(exact, convs=1), "second convolution still"), (partial(exact, norms=1), "second normalisation still"),
        (partial(numbers, gamma=one, beta=zero), "enough for a new block"),
        (partial(numbers, mean=zero, var=one), "What do gamma and beta"),
        (partial(exact, beta=zero), "the mean that is"),
        (partial(exact, beta=lambda norm: -norm.running_mean), "Which sign"),
        (partial(exact, gamma=lambda norm: norm.running_var), "multiply by the variance"),
        (partial(exact, gamma=lambda norm: norm.running_var + norm.eps), "multiply by the variance"),
        (partial(exact, gamma=one), "division by the spread"),
        (partial(exact, gamma=lambda n: 1 / root(n)), "once more"),
        (partial(exact, window=window((1, 1), every=True)), "sum of all channels"),
        (partial(exact, window=window((0, 0))), "shifted"), (partial(exact, window=window(*ALL_NINE)), "sum of its"),
        (partial(exact, window=window(*ALL_NINE, value=1 / 9)), "mean of its"),
        (partial(exact, window=nn.init.ones_), "does not come back"),
        (partial(numbers, window=nn.init.zeros_, gamma=one, beta=zero, mean=zero), "returns zeros"),
        (lambda block: exact(block, window=window((1, 1), value=-1)), "returns zeros"),
        (lambda block: block, "numbers it came with"), (identity_forward, "numbers it came with"),
        (identity_with_grad, "RuntimeError"), (identity_of_bias, "AttributeError"),
        (identity_without_norm, "changes the layers"), (identity_with_shortcut, "has a shortcut now"),
        (lambda block: nn.Identity(), "another module"), (lambda block: exact(copy.deepcopy(block)), "another module"),
        (lambda block: exact(block).state_dict(), "`OrderedDict`"), (no_return, "returns None"),
        (lambda: nn.Identity(), "TypeError"), (nn.Identity, "another module"),
        (nn.Identity(), "the function itself"),
    ],
    "without_block": [
        (lesion_in_place, "changes the given network"), (lesion_hooked_in_place, "changes the given network"),
        (lambda net, k: copy.deepcopy(net), "what it did before"),
        (lambda net, k: lesion(net, k, lambda block: nn.Sequential(block.shortcut, nn.ReLU())), "A ReLU follows"),
        (lesion_silenced, "A ReLU follows"), (lesion_zero_gamma_and_beta, "A ReLU follows"),
        (lesion_zero_gamma, "last gamma"), (lesion_zero_conv, "returns zeros"),
        (lambda net, k: Without(net, k + 1), "block after it"), (lambda net, k: Without(net, k - 1), "block before it"),
        (lambda net, k: lesion(net, k, lambda block: block.residual), "your code stops"),
        (lambda net, k: lesion(net, k, OnlyResidual), "You keep the residual part"),
        (lambda net, k: lesion(net, k, plain_layers), "take the shortcut away"),
        (lambda net, k: lesion(net, k, lambda block: PostActivation(4, 4, shortcut="none")), "Which part stands"),
        (lambda net, k: nn.Sequential(*[getattr(part, "shortcut", part) for part in net]), "All blocks have given way"),
        (lambda net, k: nn.Sequential(*[getattr(p, "shortcut", p) if i >= k else p for i, p in enumerate(net)]),
         "from that one on"),
        (lambda net, k: Without(net, len(net) - 1 - k), "from the end"), (lesion_deleted, "do not get through"),
        (lambda net, k: lesion(net, k, lambda block: nn.Identity()), "do not get through"),
        (lambda net, k: nn.Sequential(*net[:k], net[k].shortcut), "returns (4, 4, 12, 12), expected (4, 10)"),
        (lesion_anew, "with their weights"), (lambda net, k: list(lesion(net, k)), "returns a `list`"),
        (lambda net, k: net[k].shortcut, "your network returns"), (lambda net: net, "TypeError"),
        (lambda net, k: lesion(net, k + 9), "IndexError"), (no_return, "returns None"),
        (Without(cifar_resnet(8, 4), 1), "the function itself"),
    ],
}  # fmt: skip
