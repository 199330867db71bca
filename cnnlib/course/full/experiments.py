"""What is trained at full size: one entry a network, with the settings of the listings that the course began with.

Where those train a network, the settings are theirs to the last number. Where they only show it, the settings are
those of "Dive into Deep Learning", whose code they use, or of the chapter itself; `source` says which.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import torch
from torch import nn

from cnnlib.datasets import Copies, load_data_fashion_mnist
from cnnlib.models import (
    VGG11,
    ConvAutoencoder,
    ResidualConvAutoencoder,
    alexnet,
    cifar_resnet,
    conv_bn_relu,
    kaiming_,
    lenet,
    narrower,
    resnet18,
    vgg,
    xavier_,
)
from cnnlib.training.metrics import count_correct, count_near
from cnnlib.validation import List, arguments

SIDE = 28  # pixels of the pictures as they are


@dataclass(frozen=True)
class Experiment:
    """A network, its data and how it is trained.

    Attributes
    ----------
    name, chapter, title : str
        What to call it on a command line, whose notebook shows it, and what stands in a table.
    build : callable
        Returns a new network.
    batch_size, epochs : int
    lr, momentum : float
        Plain SGD with momentum, or with `adam` Adam, which takes no momentum here.
    side : int
        Height and width that the pictures are resized to.
    low : float or None
        Where the pictures are their own targets: the value of black.
    small : bool
        Whether a GPU would mostly wait for its next command.
    source : str
        Where the settings are from.
    num_train, num_test : int or None
        Only so many pictures; all if None.
    """

    name: str
    chapter: str
    title: str
    build: Callable = field(repr=False)
    batch_size: int
    epochs: int
    lr: float
    momentum: float = 0.0
    adam: bool = False
    side: int = SIDE
    low: float | None = None
    small: bool = False
    source: str = "the listing"
    num_train: int | None = None
    num_test: int | None = None

    def settings(self):
        """Return everything but the function, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "build"}

    def data(self, seed):
        """Return train_iter and test_iter."""
        sizes = {"num_train": self.num_train, "num_test": self.num_test, "seed": seed}
        resize = None if self.side == SIDE else self.side
        pair = load_data_fashion_mnist(self.batch_size, resize=resize, **sizes)
        return pair if self.low is None else tuple(Copies(batches, self.low) for batches in pair)

    def options(self):
        """Return the arguments of a Trainer that depend on the experiment."""
        sgd = partial(torch.optim.SGD, momentum=self.momentum)
        optimizer = torch.optim.Adam if self.adam else sgd
        copies = self.low is not None
        loss, correct = (nn.MSELoss(), count_near) if copies else (nn.CrossEntropyLoss(), count_correct)
        return {"optimizer": optimizer, "loss": loss, "correct": correct}

    def toy(self):
        """Return the same with three small batches of pictures: to see that all of it runs."""
        return replace(self, batch_size=8, epochs=1, num_train=20, num_test=10)


def _lenet_bn():
    """Build LeNet with a batch normalisation before every sigmoid."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


def _xavier(build, *args, **options):
    return lambda: xavier_(build(*args, **options))


def _kaiming(build, *args, **options):
    return lambda: kaiming_(build(*args, **options))


QUARTER = narrower(VGG11, 4)
D2L, CHAPTER = "Dive into Deep Learning", "the chapter"
ONE, TWO, THREE, FOUR, FIVE, SIX = (
    "01_lenet", "02_alexnet", "03_vgg", "04_batch_norm", "05_resnet", "06_residual_gradients"
)  # fmt: skip
_SGD9 = {"lr": 0.03, "momentum": 0.9, "small": True, "source": CHAPTER}
_ADAM = {"lr": 0.001, "adam": True, "low": -1.0, "small": True}

EXPERIMENTS = (
    Experiment("lenet", ONE, "LeNet", _xavier(lenet), 256, 10, 0.9, small=True),
    Experiment("alexnet", TWO, "AlexNet", _xavier(alexnet), 128, 5, 0.01, side=224),
    Experiment("vgg11", THREE, "VGG-11, quarter width", _xavier(vgg, QUARTER), 128, 10, 0.05, side=224),
    Experiment(
        "vgg11_he", THREE, "VGG-11, quarter width, He's weights", _kaiming(vgg, QUARTER), 128, 10, 0.05, side=224,
        source=CHAPTER,
    ),
    Experiment("lenet_bn", FOUR, "LeNet, batch norm", _xavier(_lenet_bn), 256, 10, 1.0, small=True, source=D2L),
    Experiment(
        "vgg11_bn", FOUR, "VGG-11, quarter width, batch norm", _kaiming(vgg, QUARTER, dropout=0, block=conv_bn_relu),
        128, 10, 0.05, momentum=0.9, side=224, source=CHAPTER,
    ),
    Experiment("resnet18", FIVE, "ResNet-18", _xavier(resnet18), 256, 10, 0.05, side=96, source=D2L),
    Experiment("plain20", FIVE, "plain, 20 layers", partial(cifar_resnet, 20, 16, "none"), 64, 10, **_SGD9),
    Experiment("plain56", FIVE, "plain, 56 layers", partial(cifar_resnet, 56, 16, "none"), 64, 10, **_SGD9),
    Experiment("residual20", FIVE, "residual, 20 layers", partial(cifar_resnet, 20, 16), 64, 10, **_SGD9),
    Experiment("residual56", FIVE, "residual, 56 layers", partial(cifar_resnet, 56, 16), 64, 10, **_SGD9),
    Experiment("autoencoder", SIX, "autoencoder", ConvAutoencoder, 64, 1, **_ADAM),
    Experiment("residual_autoencoder", SIX, "autoencoder with a shortcut", ResidualConvAutoencoder, 64, 1, **_ADAM),
)  # fmt: skip


@arguments(names=List(str, 0))
def find_experiments(names=()):
    """Return the experiments with these names, or of these chapters; all if none is named.

    Raises
    ------
    ValueError
        If a name belongs to no experiment and no chapter.
    """
    known = {experiment.name for experiment in EXPERIMENTS} | {experiment.chapter for experiment in EXPERIMENTS}
    for name in names:
        if name not in known:
            raise ValueError(
                f"names must be experiments or chapters, got {name!r}. There are {', '.join(sorted(known))}."
            )
    return [e for e in EXPERIMENTS if not names or e.name in names or e.chapter in names]
