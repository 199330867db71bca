"""The networks that the benchmarks train, at two sizes: `laptop`, as the chapters train them on a CPU, and `seed`,
as the listings that this course grew from do. Everywhere Xavier weights and plain SGD, which is all `train_ch6` knows.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from cnnlib.datasets import Batches, load_data_fashion_mnist
from cnnlib.models import VGG11, alexnet, cifar_resnet, lenet, narrower, resnet18, vgg, xavier_

ROOM = 16 * 2**30  # bytes that the pictures may take as floats, for those who hold them all


@dataclass(frozen=True)
class Setting:
    """How one network is trained; `build()` returns it, `side` is the height and width of the pictures.

    `layout` is how a bare loop may lay the weights: a network that views its feature maps needs them as they are.
    """

    build: callable
    side: int
    batch: int
    lr: float
    layout: torch.memory_format = torch.channels_last


class Tutorial(nn.Module):
    """LeNet as most tutorials write it: it flattens by a view."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.pool = nn.AvgPool2d(2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(torch.sigmoid(self.conv1(x)))
        x = self.pool(torch.sigmoid(self.conv2(x)))
        x = x.view(x.size(0), -1)
        return self.fc3(torch.sigmoid(self.fc2(torch.sigmoid(self.fc1(x)))))


quarter = narrower(VGG11, 4)
LAPTOP = {
    "lenet": Setting(lenet, 28, 256, 0.9),
    "tutorial": Setting(Tutorial, 28, 256, 0.9, torch.contiguous_format),
    "alexnet": Setting(partial(alexnet, shrink=8, side=81), 81, 128, 0.02),
    "vgg": Setting(partial(vgg, quarter, 32, 256), 32, 128, 0.02),
    "resnet18": Setting(partial(resnet18, 16), 28, 128, 0.05),
    "resnet20": Setting(partial(cifar_resnet, 20, 8), 14, 64, 0.03),
}
SEED = {
    "lenet": Setting(lenet, 28, 256, 0.9),
    "alexnet": Setting(alexnet, 224, 128, 0.01),
    "vgg": Setting(partial(vgg, quarter), 224, 128, 0.05),
    "resnet18": Setting(resnet18, 96, 256, 0.05),
}
SIZES = {"laptop": LAPTOP, "seed": SEED}


class Task:
    """One piece of work that everybody does in the same way: network, weights, data, order, number of steps.

    Parameters
    ----------
    network : str
        A name in `LAPTOP` or `SEED`.
    size : str
        'laptop' or 'seed'.
    seed : int
        Of the weights and of the order of the batches.
    epochs : int
    steps : int, optional
        An epoch is so many batches, and the test set two batches; all 60,000 and 10,000 pictures if left out.
    device : str
    """

    def __init__(self, network, size="laptop", seed=0, epochs=1, steps=None, device="cpu"):
        self.setting, self.seed, self.epochs, self.device = SIZES[size][network], seed, epochs, device
        batch, side = self.setting.batch, self.setting.side
        few = {} if steps is None else {"num_train": min(steps * batch, 60_000), "num_test": 2 * batch}
        self.train_iter, self.test_iter = load_data_fashion_mnist(
            batch, resize=None if side == 28 else side, seed=seed, **few
        )

    @property
    def lr(self):
        return self.setting.lr

    @property
    def batch(self):
        return self.setting.batch

    def net(self):
        """Return the network with its first weights: PyTorch's random numbers stand right behind them afterwards."""
        torch.manual_seed(self.seed)
        return xavier_(self.setting.build())

    def tensors(self):
        """Return training and test pictures, in the order of the files, as two pairs (X, y), X float32 in [0, 1]."""
        sets = [self.train_iter, self.test_iter]
        if sum(len(s.images) for s in sets) * self.setting.side**2 * 4 > ROOM:
            raise ValueError("all pictures at once, as floats, are over 16 GiB. Give --steps, for part of an epoch.")
        pairs = []
        for s in sets:
            in_order = Batches(s.images, s.labels, 500, resize=s.resize)
            pairs.append((torch.cat([X for X, _ in in_order.epoch(0)]), s.labels))
        return pairs

    def orders(self):
        """Return the order of the pictures in each epoch, a list of int64 tensors."""
        return [self.train_iter.order(epoch) for epoch in range(self.epochs)]


class Order:
    """The same orders as a sampler for PyTorch's DataLoader: each pass is the next epoch."""

    def __init__(self, task):
        self._batches, self._passes = task.train_iter, 0

    def __len__(self):
        return len(self._batches.images)

    def __iter__(self):
        order = self._batches.order(self._passes).tolist()
        self._passes += 1
        return iter(order)
