"""Pictures as their own targets, for autoencoders."""

import copy

from cnnlib.datasets.batches import PLACE
from cnnlib.validation import Count, Device, Like, Number, arguments


@arguments(
    batches=Like(("epoch", "reseed", "to"), "Batches", "Try load_data_fashion_mnist(64)[0]."),
    low=Number(hint="Use 0, or -1 for pictures in [-1, 1]."),
)
class Copies:
    """The pictures of some batches, `(X, X)` in place of `(X, y)`; orders, seeds and devices are those of the batches.

    Parameters
    ----------
    batches : Batches
    low : float
        The value of black: 0, or −1 for pictures in [−1, 1]. White stays 1.

    Raises
    ------
    ValueError
        If `low` is not below 1.
    """

    def __init__(self, batches, low=0.0):
        if low >= 1:
            raise ValueError(f"low must be a finite number below 1, got {low!r}. Use 0, or -1 for pictures in [-1, 1].")
        self.batches, self.low = batches, low

    @property
    def batch_size(self):
        return self.batches.batch_size

    @property
    def seed(self):
        return self.batches.seed

    @arguments(seed=PLACE)
    def reseed(self, seed):
        """Draw other orders from now on; return the object itself."""
        self.batches.reseed(seed)
        return self

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return map(self._copy, self.batches)

    @arguments(number=PLACE, start=Count(least=0))
    def epoch(self, number, start=0):
        """Yield the batches of epoch `number`, leaving out the first `start` of them."""
        return map(self._copy, self.batches.epoch(number, start))

    @arguments(device=Device(meta=True))
    def to(self, device):
        """Return the same batches with the pictures on `device`: the object itself if they are there already."""
        there = self.batches.to(device)
        return self if there is self.batches else Copies(there, self.low)

    def _copy(self, batch):
        X = batch[0] * (1 - self.low) + self.low
        return X, X.clone()  # a network that begins in place must not change its target

    def __copy__(self):
        return Copies(copy.copy(self.batches), self.low)  # otherwise a reseeded copy would reseed the original

    def __repr__(self):
        return f"Copies in [{self.low:g}, 1] of {self.batches!r}"
