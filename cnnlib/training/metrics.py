"""Sums, times and accuracies: what a training loop adds up."""

import time
from numbers import Real

import torch

from cnnlib.validation import Count, Tensor, arguments, in_words


@arguments(n=Count(most=2**20, hint="An Accumulator adds up at least one quantity."))
class Accumulator:
    """Add up `n` quantities over many batches.

    Tensors are added up on their device, in float64 where it has that, so that adding does not synchronise with a GPU;
    reading an entry does.

    Examples
    --------
    >>> metric = Accumulator(2)
    >>> metric.add(3, 10)
    >>> metric.add(4, 10)
    >>> metric[0] / metric[1]
    0.35
    """

    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *values):
        """Add one number, or tensor of one element, to each quantity.

        Raises
        ------
        TypeError
            If a value is no number.
        ValueError
            If the number of values is not `n`, or a tensor has more than one element; nothing is added then.
        """
        if len(values) != len(self.data):
            raise ValueError(
                f"this Accumulator adds up {len(self.data)} quantities, got {len(values)} values: {in_words(values)}."
            )
        self.data = [total + _number(value) for total, value in zip(self.data, values, strict=True)]

    def reset(self):
        """Set every sum back to zero."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index):
        return float(self.data[index])

    def __len__(self):
        return len(self.data)

    def __repr__(self):
        return f"Accumulator({[self[i] for i in range(len(self))]})"


def _number(value):
    if not isinstance(value, torch.Tensor):
        if not isinstance(value, Real):
            raise TypeError(f"an Accumulator adds numbers, got {in_words(value)}.")
        return float(value)
    if value.is_complex():
        raise TypeError(f"an Accumulator adds real numbers, got {in_words(value)}.")
    if value.is_meta:
        raise ValueError(f"an Accumulator adds numbers, got {in_words(value)}, where there are none.")
    if value.numel() != 1:
        raise ValueError(f"an Accumulator adds single numbers, got a tensor of shape {tuple(value.shape)}.")
    value = value.detach().reshape(())
    return value.float() if value.device.type == "mps" else value.double()


class Timer:
    """A stopwatch that is started on creation and remembers every lap, in seconds."""

    def __init__(self):
        self.times = []
        self.start()

    def start(self):
        """Start a lap."""
        self._started = time.perf_counter()

    def stop(self):
        """End the lap and return its length."""
        self.times.append(time.perf_counter() - self._started)
        return self.times[-1]

    def sum(self):
        """Return the time of all laps together."""
        return sum(self.times)

    def avg(self):
        """Return the mean lap, or 0 before the first one has ended."""
        return self.sum() / len(self.times) if self.times else 0.0

    def cumsum(self):
        """Return the running total after each lap."""
        total, totals = 0.0, []
        for lap in self.times:
            total += lap
            totals.append(total)
        return totals


def count_correct(y_hat, y):
    """Count the right predictions and leave the count, a 0-d tensor, on its device, without synchronising."""
    predicted = y_hat.argmax(dim=1) if y_hat.dim() > 1 else y_hat
    return (predicted.to(y.dtype) == y).sum()


def count_near(y_hat, y):
    """Count, for targets that are pictures, how much of a batch is reproduced: a 0-d tensor from 0 to N.

    Each picture counts by the share of its pixels that are within 0.1 of the target.

    Raises
    ------
    ValueError
        If the two differ in shape.
    """
    if y_hat.shape != y.shape:
        raise ValueError(f"output and target must have one shape, got {tuple(y_hat.shape)} and {tuple(y.shape)}.")
    return ((y_hat - y).abs() <= 0.1).flatten(1).float().mean(dim=1).sum()


@arguments(y_hat=Tensor((1, 2), "(N, classes) or (N,)", empty=True), y=Tensor((1,), "(N,)", empty=True))
def accuracy(y_hat, y):
    """Count the right predictions of a batch (divide by `len(y)` for a share).

    Parameters
    ----------
    y_hat : Tensor of shape (N, classes), or (N,)
        Scores, of which the largest wins; or the predicted labels themselves.
    y : Tensor of shape (N,)
        The true labels.

    Returns
    -------
    float
        The number of right predictions, 0 … N.

    Raises
    ------
    ValueError
        If the two hold different numbers of examples.
    """
    if len(y_hat) != len(y):
        raise ValueError(f"as many predictions as labels are needed, got {len(y_hat)} and {len(y)}.")
    if not y_hat[:1].numel() and len(y):
        raise ValueError(f"y_hat must have a score for each class, got {in_words(y_hat)}.")
    if y_hat.device != y.device:
        raise ValueError(f"y_hat and y must lie on one device, got {y_hat.device} and {y.device}. Try y.to(device).")
    return float(count_correct(y_hat, y))
