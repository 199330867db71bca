"""What is recorded for each chapter's panel: its controls, and how a run with one choice of them goes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import (
    PostActivation,
    PreActivation,
    cifar_resnet,
    conv_bn_relu,
    default_,
    kaiming_,
    lenet,
    tower,
    vgg,
    vgg_block,
    xavier_,
)  # fmt: skip
from cnnlib.probes import FlowProbe, gradient_norms, present_gradients
from cnnlib.probes.gradients import main_path
from cnnlib.training.loop import Trainer

MOMENTUM = partial(torch.optim.SGD, momentum=0.9)
SEED = 0
POINTS = 50  # of a loss curve
LOOKS = 6  # times that the gradients are read


@dataclass(frozen=True)
class Grid:
    """One recorded panel.

    Attributes
    ----------
    chapter, title : str
    controls : dict of str to sequence
        The values of each control, as the page shows them; the first is the default.
    run : callable
        `run(s)` returns one record for the settings `s`: a dict of lists.
    what : str
        What was trained, in words.
    """

    chapter: str
    title: str
    controls: dict
    run: Callable
    what: str


def trained(net, batches, lr, steps, optimizer=MOMENTUM):
    """Train a network and return its losses, test accuracies and the gradient of each layer over time."""
    trainer = Trainer(net, *batches, lr, optimizer=optimizer)
    looks = sorted({round(steps * i / (LOOKS - 1)) for i in range(LOOKS)})
    gradients = [main_path(gradient_norms(net, *trainer.next_batch(), F.cross_entropy))]

    def look(trainer):
        if trainer.step in looks[len(gradients) : len(gradients) + 1]:
            gradients.append(main_path(present_gradients(trainer.net)))
        if trainer.step == steps:
            trainer.stop()

    trainer.listeners.append(look)
    history = trainer.fit(-(-steps // trainer.num_batches))
    ends = [steps * (i + 1) // POINTS for i in range(POINTS)]
    losses = [history.window(start, end)[0] for start, end in zip([0, *ends], ends, strict=False)]
    return {
        "steps": ends, "loss": losses, "tested": history.epoch_ends[: len(history.test_acc)], "test": history.test_acc,
        "looks": looks[: len(gradients)], "gradients": gradients,
    }  # fmt: skip


def _chapter_1(s):
    activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}[s.activation]
    net = {"Xavier": xavier_, "default": default_}[s.weights](lenet(activation))
    return trained(net, load_data_fashion_mnist(256), s.rate, 470, torch.optim.SGD)


def _chapter_4(s):
    block = conv_bn_relu if s.norm == "on" else vgg_block
    net = kaiming_(vgg(((4, 8), (4, 16), (4, 16)), side=16, units=64, dropout=0, block=block))
    data = load_data_fashion_mnist(s.batch, resize=16, num_train=150 * s.batch, num_test=1_000)
    return trained(net, data, s.rate, 300, torch.optim.SGD)


def _chapter_5(s):
    net = cifar_resnet(s.depth, 8, "identity" if s.residual == "on" else "none", norm=s.norm == "on")
    data = load_data_fashion_mnist(128, resize=14, num_train=12_800, num_test=1_000)
    return trained(kaiming_(net) if s.norm == "off" else net, data, s.rate, 300)


def _chapter_6(s):
    """Measure, untrained, the gradient behind each of fifty blocks: the middle one of three seeds."""
    start = {"default": default_, "He": kaiming_, "Xavier": xavier_}[s.weights]
    block = {"post-activation": PostActivation, "pre-activation": PreActivation}[s.block]
    X, y = next(iter(load_data_fashion_mnist(32, resize=8)[0].epoch(0)))
    rows = []
    for seed in range(3):
        torch.manual_seed(seed)
        net = start(tower(50, shortcut=s.shortcut, block=block, norm=s.norm == "on")).double()
        with FlowProbe(net) as probe:
            F.cross_entropy(net(X.double()), y).backward()
        rows.append(list(probe.gradients.values())[:-1])
    rows.sort(key=lambda row: row[0] / row[-1] if row[-1] else 0.0)
    return {"gradients": [rows[1]], "looks": [0]}


ON = ("off", "on")
GRIDS = {
    grid.chapter: grid
    for grid in (
        Grid(
            "01_lenet", "LeNet", {"activation": ("sigmoid", "tanh", "ReLU"), "weights": ("Xavier", "default"),
                                  "rate": (0.9, 0.3, 0.1, 0.03)},
            _chapter_1, "LeNet on all 60,000 pictures, two epochs of batches of 256",
        ),
        Grid(
            "04_batch_norm", "Batch normalisation", {"norm": ON, "rate": (0.1, 0.01, 0.03, 0.3), "batch": (64, 16, 4)},
            _chapter_4, "twelve convolutions with He's weights at 16 × 16 pixels, 300 steps",
        ),
        Grid(
            "05_resnet", "Depth and shortcuts",
            {"residual": ON, "depth": (20, 8, 56), "norm": ("on", "off"), "rate": (0.03, 0.01, 0.1)},
            _chapter_5, "residual networks of width 8 at 14 × 14 pixels, 300 steps of 128 pictures; He's weights where "
            "there is no batch norm",
        ),
        Grid(
            "06_residual_gradients", "Gradient behind each block",
            {"shortcut": ("identity", "none", "all projections"), "block": ("post-activation", "pre-activation"),
             "weights": ("He", "default", "Xavier"), "norm": ON},
            _chapter_6, "fifty blocks, nothing trained, float64; the middle one of three seeds",
        ),
    )
}  # fmt: skip


def settings_of(grid):
    """Return every choice of a grid's controls, as SimpleNamespaces."""
    choices = [{}]
    for name, values in grid.controls.items():
        choices = [{**choice, name: value} for choice in choices for value in values]
    return [SimpleNamespace(**choice) for choice in choices]
