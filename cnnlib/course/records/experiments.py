"""What an experiment is: a network, its data and how it is trained, as plain values and one function."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.datasets import Batches, Copies, load_arrays, load_data_fashion_mnist
from cnnlib.training.metrics import count_correct, count_near
from cnnlib.training.schedule import clipped, falling_rate

SIDE = 28  # pixels of the pictures as they are
HELD_OUT = 10_000  # the last training pictures, on which a rate is chosen
SIZES = ("laptop", "full")


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
    rates : tuple of float
        The learning rate; of several, the best of a short trial with each, and with further ones if it is at an end.
    size : str
        'laptop', or 'full' for the settings of the listings.
    momentum, adam
        Plain SGD with momentum, or Adam, which takes no momentum here.
    falling : bool
        Whether the rate falls to 0 along a half cosine, after rising for `warm_up` steps.
    clip : float or None
        The largest norm of the gradient of all weights.
    trial_epochs : int
    chosen_by : str
        What decides between the trials: 'validation accuracy', measured on the last 10,000 training pictures, which a
        trial does not train on, or 'training loss', in the trial's last epoch.
    seeds : tuple of int
        Of the weights, of dropout and of the data's order. Trials take the first.
    side : int
        Height and width that the pictures are resized to.
    low : float or None
        Where the pictures are their own targets: the value of black.
    small : bool
        Whether a GPU would mostly wait for its next command.
    num_train, num_test : int or None
        Only so many pictures; all if None.
    augmented : bool
        Whether training pictures are flipped, moved, and made lighter or darker at random, as in chapter 2.
    """

    name: str
    chapter: str
    title: str
    build: Callable = field(repr=False)
    batch_size: int
    epochs: int
    rates: tuple
    size: str = "full"
    momentum: float = 0.0
    adam: bool = False
    falling: bool = False
    warm_up: int = 0
    clip: float | None = None
    trial_epochs: int = 3
    chosen_by: str = "validation accuracy"
    seeds: tuple = (0, 1, 2)
    side: int = SIDE
    low: float | None = None
    small: bool = False
    num_train: int | None = None
    num_test: int | None = None
    augmented: bool = False

    def settings(self):
        """Return the settings that determine a run with a given network, seed and rate, as plain values."""
        aside = ("build", "seeds", "chapter", "title", "small")
        aside += ("augmented",) * (not self.augmented)
        plain = {name: value for name, value in asdict(self).items() if name not in aside}
        return plain | {"rates": list(self.rates)}

    def data(self, seed):
        """Return train_iter and test_iter."""
        sizes = {"num_train": self.num_train, "num_test": self.num_test, "seed": seed}
        pair = load_data_fashion_mnist(self.batch_size, resize=self._resize(), transform=self._transform(), **sizes)
        return pair if self.low is None else tuple(Copies(batches, self.low) for batches in pair)

    def trial_data(self, seed):
        """Return train_iter without the last training pictures, and those: no test picture helps to choose a rate."""
        images, labels = (part[: self.num_train] for part in load_arrays("train"))
        held_out = min(HELD_OUT, len(images) // 2)
        parts = [(slice(None, -held_out), True), (slice(-held_out, None), False)]
        options = {"resize": self._resize(), "seed": seed}
        train_iter, held_out = (
            Batches(images[s], labels[s], self.batch_size, shuffle=mix, **options) for s, mix in parts
        )
        train_iter.transform = self._transform()
        return train_iter, held_out

    def shifted(self, test_iter, pixels):
        """Return test_iter with each picture moved to the right by so many of its 28 pixels; black comes in."""
        images = F.pad(test_iter.images, (pixels, 0))[..., : test_iter.images.shape[-1]]
        return Batches(images, test_iter.labels, test_iter.batch_size, resize=self._resize())

    def large_batches(self, train_iter):
        """Return the pictures of train_iter in batches of 1,024, whose statistics hardly differ."""
        return Batches(train_iter.images, train_iter.labels, 1_024, resize=self._resize(), shuffle=True)

    def _resize(self):
        return None if self.side == SIDE else self.side

    def _transform(self):
        if not self.augmented:
            return None
        from torchvision.transforms import v2  # takes a second to load, and few experiments need it

        jitter = v2.ColorJitter(brightness=0.3, contrast=0.3)
        return v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(SIDE, padding=2), jitter])

    def options(self):
        """Return the arguments of a Trainer that depend on the experiment."""
        kind = torch.optim.Adam if self.adam else partial(torch.optim.SGD, momentum=self.momentum)
        optimizer = kind if self.clip is None else clipped(kind, self.clip)
        copies = self.low is not None
        loss, correct = (nn.MSELoss(), count_near) if copies else (nn.CrossEntropyLoss(), count_correct)
        return {"optimizer": optimizer, "loss": loss, "correct": correct}

    def rate(self, peak, step, steps):
        """Return the learning rate of step number `step` from 0 of `steps`."""
        return falling_rate(peak, step, steps, self.warm_up) if self.falling else peak

    def toy(self):
        """Return the same with three small batches of pictures: to see that all of it runs."""
        return replace(self, batch_size=8, epochs=1, trial_epochs=1, num_train=20, num_test=10)
