"""Rules for networks, tensors and devices, and what a batch must be."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from cnnlib.validation.rules import Count, Rule
from cnnlib.validation.words import in_words

LARGEST = 2**28  # numbers that one example may have: a gibibyte


@dataclass(frozen=True)
class Network(Rule):
    """An nn.Module whose weights exist; an `abstract` one may have lazy layers or lie on the device 'meta'."""

    abstract: bool = False
    words = "an nn.Module"
    hint = "Build it first: lenet(), say."

    def __call__(self, net, name="net"):
        if not isinstance(net, nn.Module):
            self.refuse(net, name)
        for weight in () if self.abstract else net.parameters():
            if nn.parameter.is_lazy(weight):
                raise ValueError(f"{name} has lazy layers, which have no weights yet. Send a batch through it first.")
            if weight.is_meta:
                raise ValueError(f"{name} lies on the device 'meta', which has no numbers. Build it on the CPU.")
        return net


@dataclass(frozen=True)
class Tensor(Rule):
    """A tensor that holds numbers, with as many axes as `dims` allows (any, if it is empty).

    `shape` says what the axes are: "(N, C, H, W)". An `empty` one may hold no number at all, a `meta` one may lie on
    the device 'meta', where there are shapes and no numbers.
    """

    dims: tuple = ()
    shape: str = ""
    empty: bool = False
    meta: bool = False
    hint = "Try torch.as_tensor."

    def __call__(self, value, name):
        if not isinstance(value, torch.Tensor):
            self.refuse(value, name)
        wrong = self.dims and value.dim() not in self.dims
        if wrong or (value.is_meta and not self.meta) or not (self.empty or value.numel()):
            what = self.words.replace("a tensor", "a tensor with numbers in it", 1)
            raise ValueError(f"{name} must be {what}, got {in_words(value)}.")
        return value

    @property
    def words(self):
        return f"a tensor of shape {self.shape}" if self.shape else "a tensor"


@dataclass(frozen=True)
class Device(Rule):
    """A device that this machine can compute on, or its name; with `meta`, 'meta' as well. Returns a torch.device."""

    meta: bool = False
    words = "a device that this machine can compute on"
    hint = "Try 'cpu', or try_gpu()."

    def __call__(self, device, name="device"):
        if not isinstance(device, torch.device | str):
            self.refuse(device, "a device", "a torch.device or a text")
        try:
            found = torch.device(device)
            if self.meta or found.type != "meta":
                torch.empty(0, device=found)
                return found
        except (RuntimeError, AssertionError, NotImplementedError):
            pass
        self.refuse(device, "a device", "one that this machine can compute on", ValueError)


@dataclass(frozen=True)
class Example(Rule):
    """The shape of one example, without the batch; what is returned is a tuple of int."""

    words = "a tuple of whole numbers, of at most 2^28 numbers in all"
    hint = "Try (1, 28, 28)."

    def __call__(self, shape, name="input_shape"):
        if not isinstance(shape, tuple | list) or not shape:
            self.refuse(shape, name, "a tuple of whole numbers")
        sides = tuple(Count(hint=self.hint)(side, f"each side of {name}") for side in shape)
        if math.prod(sides) > LARGEST:
            self.refuse(shape, name, f"at most {LARGEST:,} numbers in all", ValueError)
        return sides


# Batches

ONE_LOGIT = (
    " One output for two classes needs a loss of its own: loss=lambda scores, y: "
    "F.binary_cross_entropy_with_logits(scores.flatten(), y.float())."
)


def check_labels(y, num_classes):
    """Raise unless the labels `y` are whole numbers in 0 … `num_classes` - 1.

    Cross-entropy would skip a label of -100 in silence and, on a GPU, end the whole process on one that is too
    large; so it is checked first.
    """
    if y.dtype not in (torch.int64, torch.uint8) and y.dim() != 2:
        numbers = y.is_floating_point() and bool((y != y.round()).any())
        hint = "For numbers as targets give a `loss` and a `correct` of your own." if numbers else "Try y.long()."
        raise TypeError(f"labels must be whole numbers (class indices, int64), got a tensor of {y.dtype}. {hint}")
    if y.dim() != 1:
        raise ValueError(
            f"labels must be one number an example, of shape (N,), got {tuple(y.shape)}. Try y.flatten() for a column, "
            "y.argmax(1) for one-hot rows."
        )
    if not y.numel():  # all are ignored
        return
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"labels must lie in 0 … {num_classes - 1}, because the network has {num_classes} outputs, got the "
            f"label {wrong}. Give the last layer as many outputs as there are classes, or correct the labels."
            f"{ONE_LOGIT if num_classes == 1 else ''}"
        )


EXAMPLES = "A data set gives one example at a time: DataLoader(data, batch_size=64) makes batches of tensors."


def check_batch(batch):
    """Return the `X` and `y` of a batch; raise unless they are tensors of as many examples each, at least one."""
    pair = isinstance(batch, list | tuple) and len(batch) == 2
    if not pair or not all(isinstance(part, torch.Tensor) for part in batch):
        parts = batch if isinstance(batch, list | tuple) and len(batch) < 5 else [batch]
        got = ", ".join(type(part).__name__ for part in parts)
        hint = "Turn images and labels into tensors first."
        if pair and isinstance(batch[1], int):
            hint = EXAMPLES
        elif isinstance(batch, torch.Tensor):
            hint = "Are these all images and all labels? DataLoader(TensorDataset(X, y), batch_size=64) makes batches."
        elif isinstance(batch, list | tuple) and len(batch) > 2 and isinstance(batch[0], torch.Tensor):
            hint = "Give pairs: [(X, y) for X, y, *_ in data]."
        elif isinstance(batch, dict):
            hint = f"Its keys are {', '.join(map(repr, batch))}: give pairs, [(batch[…], batch[…]) for batch in data]."
        raise TypeError(f"a batch must be a pair of tensors (X, y), got ({got}). {hint}")
    X, y = batch
    if X.dim() == 0 or y.dim() == 0 or len(X) != len(y) or len(X) == 0:
        single = X.dim() and len(X) and (y.dim() == 0 or len(y) == 1)
        hint = " Is it one example without a batch axis? Give it one: X[None], y.reshape(1)." if single else ""
        hint += f" {EXAMPLES}" if single and y.dim() == 0 else ""
        raise ValueError(
            f"a batch needs as many labels as images, and at least one, got X of shape {tuple(X.shape)} and y of "
            f"shape {tuple(y.shape)}.{hint}"
        )
    return X, y
