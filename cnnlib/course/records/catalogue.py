"""What is trained: one entry a network, at full size and at laptop size.

At full size, on a GPU, the settings are those of the listings that the course began with, to the last number. Of the
networks that those only show, LeNet with batch norm and ResNet-18 have the settings of "Dive into Deep Learning", and
`vgg11_he`, `vgg11_bn` and the plain and residual networks those of their chapters.

At laptop size, all 60,000 pictures are trained on, with a falling rate, until the curves are flat. Both sides of a
comparison see the same pictures, batches and number of epochs, and each has the best of its own rates (see
`Experiment.chosen_by`).
"""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.course.records.experiments import Experiment
from cnnlib.models import (
    VGG11,
    ConvAutoencoder,
    ResidualConvAutoencoder,
    alexnet,
    cifar_resnet,
    conv_bn_relu,
    default_,
    kaiming_,
    lenet,
    narrower,
    resnet18,
    small_resnet18,
    vgg,
    vgg_block,
    xavier_,
    zero_gamma_,
)


def begun(start, build, *args, **options):
    """Return a function that builds a network and draws its weights by `start`."""
    return lambda: start(build(*args, **options))


def lenet_bn():
    """Build LeNet with a batch normalisation before every sigmoid."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): it maps ±1 to ±1, with the largest curvature there (LeCun and others 1998, "Efficient
    BackProp", section 4.4)."""

    def forward(self, X):
        return 1.7159 * torch.tanh(2 / 3 * X)


class EdgeHistograms(nn.Module):
    """Histograms of edge directions in cells of 4×4 pixels: (N, 1, 28, 28) → (N, 392), as chapter 2 builds them."""

    def forward(self, X):
        X = F.pad(X, (1, 1, 1, 1))
        dx = X[:, 0, 1:-1, 2:] - X[:, 0, 1:-1, :-2]
        dy = X[:, 0, 2:, 1:-1] - X[:, 0, :-2, 1:-1]
        direction = (torch.atan2(dy, dx) % torch.pi / torch.pi * 8).floor()  # 0 … 7, (N, 28, 28)
        strength = torch.sqrt(dx**2 + dy**2)
        votes = strength[:, None] * (
            direction[:, None] == torch.arange(8, device=X.device).view(8, 1, 1)
        )  # (N, 8, 28, 28)
        cells = F.avg_pool2d(votes, 4).flatten(1)
        return 10 * F.normalize(cells, dim=1)


def mlp():
    """Build chapter 1's dense network with one hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def block_5x5(num_convs, in_channels, out_channels):
    """Build a VGG block with one 5×5 convolution in place of two of 3×3, as chapter 3 does."""
    if num_convs == 1:
        return vgg_block(1, in_channels, out_channels)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=5, padding=2)
    return nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2))


def contestant(block, width):
    """Build chapter 3's network of three blocks for the contest of windows, on pictures of 16×16."""
    return kaiming_(vgg(((1, width), (2, width), (2, width)), side=16, units=64, dropout=0, block=block))


def hand_made():
    """Build chapter 2's hand-made features with one dense layer on top."""
    return nn.Sequential(EdgeHistograms(), nn.Linear(392, 10))


QUARTER = narrower(VGG11, 4)
ONE, TWO, THREE, FOUR, FIVE, SIX = (
    "01_lenet", "02_alexnet", "03_vgg", "04_batch_norm", "05_resnet", "06_residual_gradients"
)  # fmt: skip
PLAIN_RESIDUAL = (("plain", "none"), ("residual", "projection"))
_LENET = {"batch_size": 256, "epochs": 10, "small": True}
_VGG = {"batch_size": 128, "epochs": 10, "side": 224, "rates": (0.05,)}
_DEPTHS = {"batch_size": 64, "epochs": 10, "rates": (0.03,), "momentum": 0.9, "small": True}
_COPIES = {"batch_size": 64, "epochs": 1, "rates": (0.001,), "adam": True, "low": -1.0, "small": True}
_VGG_BN = {"dropout": 0, "block": conv_bn_relu}

FULL = (
    Experiment("lenet", ONE, "LeNet", begun(xavier_, lenet), rates=(0.9,), **_LENET),
    Experiment("alexnet", TWO, "AlexNet", begun(xavier_, alexnet), 128, 5, (0.01,), side=224),
    Experiment("vgg11", THREE, "VGG-11, quarter width", begun(xavier_, vgg, QUARTER), **_VGG),
    Experiment("vgg11_he", THREE, "VGG-11, quarter width, He's weights", begun(kaiming_, vgg, QUARTER), **_VGG),
    Experiment("lenet_bn", FOUR, "LeNet, batch norm", begun(xavier_, lenet_bn), rates=(1.0,), **_LENET),
    Experiment("vgg11_bn", FOUR, "VGG-11, quarter width, batch norm", begun(kaiming_, vgg, QUARTER, **_VGG_BN), **_VGG,
               momentum=0.9),
    Experiment("resnet18", FIVE, "ResNet-18", begun(xavier_, resnet18), 256, 10, (0.05,), side=96),
    *(Experiment(f"{kind}{depth}", FIVE, f"{kind}, {depth} layers", begun(default_, cifar_resnet, depth, 16, shortcut),
                 **_DEPTHS)
      for kind, shortcut in PLAIN_RESIDUAL for depth in (20, 56)),
    Experiment("autoencoder", SIX, "autoencoder", ConvAutoencoder, **_COPIES),
    Experiment("residual_autoencoder", SIX, "autoencoder with a shortcut", ResidualConvAutoencoder, **_COPIES),
)  # fmt: skip

_LAPTOP = {"size": "laptop", "falling": True}
_LONG = _LAPTOP | {"batch_size": 256, "epochs": 30, "trial_epochs": 6}
_LARGE = _LAPTOP | {"batch_size": 128, "epochs": 10, "momentum": 0.9, "trial_epochs": 2}
_RACE = _LAPTOP | {"batch_size": 64, "epochs": 10, "rates": (0.03, 0.1, 0.3), "momentum": 0.9, "side": 8}
_RACE |= {"warm_up": 100, "clip": 1.0, "trial_epochs": 2, "chosen_by": "training loss"}
_FEW = _LAPTOP | {"batch_size": 32, "epochs": 60, "rates": (0.005, 0.01, 0.02, 0.04), "momentum": 0.9, "side": 65}
_FEW |= {"trial_epochs": 20, "num_train": 2_000, "num_test": 5_000}
_VGG_32 = {"side": 32, "units": 256}


def _race(kind, depth, shortcut, start=default_):
    """Return the experiment of a plain or residual network of one depth, width 8, on pictures of 8×8."""
    name, build = kind.replace(", ", "_").replace(" γ", "_gamma"), begun(start, cifar_resnet, depth, 8, shortcut)
    return Experiment(f"{name}{depth}", FIVE, f"{kind}, {depth} layers", build, **_RACE)


LAPTOP = (
    Experiment("lenet_sigmoid", ONE, "LeNet, sigmoid", begun(xavier_, lenet), rates=(0.3, 0.9, 1.8, 3.6), **_LONG),
    Experiment("lenet_tanh", ONE, "LeNet, scaled tanh", begun(xavier_, lenet, ScaledTanh),
               rates=(0.05, 0.1, 0.2, 0.4), **_LONG),
    Experiment("lenet_relu", ONE, "LeNet, ReLU", begun(xavier_, lenet, nn.ReLU), rates=(0.05, 0.1, 0.2, 0.4), **_LONG),
    Experiment("lenet_relu_max", ONE, "LeNet, ReLU, max pooling", begun(xavier_, lenet, nn.ReLU, nn.MaxPool2d),
               rates=(0.05, 0.1, 0.2, 0.4), **_LONG),
    Experiment("mlp", ONE, "dense network, 256 hidden units", begun(xavier_, mlp),
               rates=(0.1, 0.2, 0.4, 0.8), **_LONG),
    *(_race(kind, depth, shortcut) for kind, shortcut in PLAIN_RESIDUAL for depth in (20, 56)),
    Experiment("hand_made", TWO, "hand-made features, one dense layer", hand_made,
               rates=(0.3, 1.0, 3.0, 9.0), **_LONG),
    Experiment("alexnet_eighth", TWO, "AlexNet, an eighth, 81×81", begun(xavier_, alexnet, shrink=8, side=81), side=81,
               rates=(0.01, 0.02, 0.04, 0.08), **_LARGE),
    *(Experiment(f"few_{name}", TWO, f"2,000 pictures, {title}",
                 begun(kaiming_, alexnet, dropout=dropout, shrink=8, side=65), **_FEW, augmented=augmented)
      for name, title, dropout, augmented in (("neither", "neither", 0, False), ("dropout", "dropout ½", 0.5, False),
                                              ("augmented", "augmentation", 0, True), ("both", "both", 0.5, True))),
    Experiment("vgg11_quarter", THREE, "VGG-11, quarter width, 32×32", begun(kaiming_, vgg, QUARTER, **_VGG_32),
               side=32, rates=(0.01, 0.02, 0.04, 0.08), **_LARGE),
    *(Experiment(f"windows_{name}", THREE, title, partial(contestant, block, width), side=16, seeds=tuple(range(5)),
                 rates=(0.01, 0.02, 0.04, 0.08), **_LARGE)
      for name, title, block, width in (("5x5", "one 5×5", block_5x5, 16), ("3x3", "two 3×3", vgg_block, 16),
                                        ("3x3_equal", "two 3×3, equal cost", vgg_block, 19))),
    Experiment("vgg11_quarter_bn", FOUR, "VGG-11, quarter width, batch norm, 32×32",
               begun(kaiming_, vgg, QUARTER, block=conv_bn_relu, **_VGG_32), side=32, rates=(0.02, 0.04, 0.08, 0.16),
               **_LARGE),
    Experiment("resnet18_eighth", FIVE, "ResNet-18, an eighth, 3×3 stem", begun(kaiming_, small_resnet18),
               rates=(0.02, 0.05, 0.1, 0.2), **_LARGE),
    *(_race("residual, zero γ", depth, "projection", zero_gamma_) for depth in (20, 56)),
    *(_race(kind, depth, shortcut) for depth in (8, 32) for kind, shortcut in PLAIN_RESIDUAL),
)  # fmt: skip

EXPERIMENTS = (*LAPTOP, *FULL)
NAMED = {(e.size, e.name): e for e in EXPERIMENTS}


def find_experiments(names, experiments):
    """Return the experiments with these names, or of these chapters, in the order named; all if none is named.

    Raises
    ------
    ValueError
        If a name belongs to no experiment and no chapter.
    """
    known = {e.name for e in experiments} | {e.chapter for e in experiments}
    for name in names:
        if name not in known:
            raise ValueError(
                f"names must be experiments or chapters, got {name!r}. There are {', '.join(sorted(known))}."
            )
    found = [e for name in names for e in experiments if name in (e.name, e.chapter)]
    return list(dict.fromkeys(found)) if names else list(experiments)
