"""The batches that a run trains on: of any iterable with a length, epoch by epoch, from any batch on.

An epoch ends after `len` batches or where the iterator ends, whichever comes first. Data of this library draws its
order from a seed and the epoch alone; for any other iterable the state of the random numbers at the beginning of the
epoch is kept, so that a run that goes on in the middle of an epoch sees the batches that it would have seen.
"""

import itertools
import warnings

import torch

from cnnlib.datasets import Batches, Copies
from cnnlib.machine.rng import random_state, set_random_state
from cnnlib.validation import check_batch

OWN = Batches | Copies  # their order depends on seed and epoch alone, and a copy of them on nothing else
METHODS = ("epoch", "to")  # what data with an order of its own has: epoch(number, start), to(device)


class Source:
    """The batches of a run.

    Parameters
    ----------
    data_iter : iterable of (X, y)
        It needs `len()`. Data of this library is moved to `device` once.
    device : torch.device
        Where the run draws its random numbers.

    Attributes
    ----------
    data : iterable of (X, y)
    order : list of Tensor or None
        The states of the random numbers when the present epoch began, if its order is drawn from them.

    Raises
    ------
    TypeError, ValueError
        If it has no length, or is empty.
    """

    def __init__(self, data_iter, device):
        self.length = count_batches(data_iter, "train_iter")
        self.data, self.device = on_device(data_iter, device), device
        self.order = None
        self._warned = False

    def __len__(self):
        return self.length

    def rest(self, epoch, done):
        """Yield the batches of epoch number `epoch` without the first `done` of them."""
        if not done:
            self.order = None if has_epochs(self.data) else self._random_states()
        batches, count = iter(self._all(epoch, done)), done
        for batch in itertools.islice(batches, len(self) - done):
            yield check_batch(batch)
            count += 1
        if not count:
            raise ValueError("train_iter gave no batch at all: an epoch needs at least one. Is the iterator used up?")
        if count < len(self):
            self._warn_once(f"gave {count}: an epoch ends there")
        elif next(batches, None) is not None:  # asked for as a `for` loop does, to learn that this was the last
            self._warn_once(f"gave more: an epoch ends after {len(self)}")

    def first(self, epoch, done):
        """Return the batch that comes next, or None at the end of an epoch, without drawing random numbers."""
        before = self._random_states()
        batch = next(iter(self._all(epoch, done)), None) if done < len(self) else None
        self.set_random(before)
        return batch

    def order_state(self, done):
        """Return the states of the random numbers when the epoch began of which `done` batches are done, or None."""
        if has_epochs(self.data):
            return None
        return self.order if done else self._random_states()

    def reseed(self, seed):
        """Draw the orders of another seed, where the data has one."""
        if seed is not None and hasattr(self.data, "reseed"):
            self.data.reseed(seed)

    def set_order(self, states):
        """Set the data's own random numbers, if it has any, to what `order_state` returned."""
        if len(states) > 1 and self._generator() is not None:
            self._generator().set_state(states[1])

    def set_random(self, states):
        """Set all random numbers that the run draws, its data's own among them."""
        set_random_state(self.device, states[0])
        self.set_order(states)

    def _all(self, epoch, done):
        """Return the batches that come after the first `done` of an epoch, as many as there are."""
        if has_epochs(self.data):
            return self.data.epoch(epoch, start=done)
        if done and self.order is not None:
            return self._replay(done)
        batches = iter(self.data)
        return batches if not done else itertools.islice(batches, done, None)

    def _replay(self, done):
        """Draw the order of the present epoch again, and yield the batches that are not done."""
        now = self._random_states()
        self.set_random(self.order)
        batches = iter(self.data)
        for _ in range(done):
            next(batches, None)
        self.set_random(now[:1])
        yield from batches

    def _random_states(self):
        """Return the states of the loop's random numbers and of the data's generator, if it has one."""
        own = [] if self._generator() is None else [self._generator().get_state()]
        return [random_state(self.device), *own]

    def _generator(self):
        generator = getattr(self.data, "generator", None)
        return generator if isinstance(generator, torch.Generator) else None

    def _warn_once(self, said):
        if not self._warned:
            self._warned = True
            warnings.warn(f"train_iter says it has {len(self)} batches, and {said}.", RuntimeWarning, stacklevel=2)


def has_epochs(data_iter):
    """Return whether data can return the batches of any epoch, from any batch on."""
    return all(callable(getattr(data_iter, name, None)) for name in METHODS)


def count_batches(data_iter, name):
    """Return how many batches an iterable has; raise unless it has a length, of at least 1."""
    try:
        if isinstance(data_iter, str | bytes | dict):  # which have a length, and no batches
            raise TypeError
        length = len(data_iter)
    except (TypeError, ValueError, NotImplementedError):
        if hasattr(data_iter, "__next__"):
            hint = "It can be gone through once, and each epoch needs all batches again: list(…) makes a list of them."
        elif (data := getattr(data_iter, "dataset", None)) is not None:
            hint = f"Its data set, {type(data).__name__}, has none: give that a __len__, or make a list of the batches."
        else:
            hint = "A list of batches has one, and so has a DataLoader of a data set that has."
        raise TypeError(
            f"{name} must have a length, the number of its batches, got {type(data_iter).__name__}. {hint}"
        ) from None
    if not length:
        raise ValueError(f"{name} is empty: an epoch needs at least one batch.")
    return length


def batch_size(data_iter):
    """Return how many examples a batch has, or None if that is unknown."""
    size = getattr(data_iter, "batch_size", None)
    if size is None and isinstance(data_iter, list | tuple) and isinstance(data_iter[0], list | tuple):
        size = next((len(part) for part in data_iter[0] if isinstance(part, torch.Tensor) and part.dim()), None)
    return size if isinstance(size, int) else None


def on_device(data_iter, device):
    """Move data that lies in memory to the device once; leave any other iterable as it is."""
    return data_iter.to(device) if has_epochs(data_iter) else data_iter
