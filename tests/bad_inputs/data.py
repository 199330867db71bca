"""Wrong arguments for what holds the data, adds up and names a device."""

import torch

import cnnlib
from bad_inputs.values import (
    CALLED,
    DEVICES,
    HUGE,
    LARGE,
    NAN,
    NUMBERS,
    PLACES,
    POSITIVE,
    SEEDS,
    SIZES,
    SWITCHES,
    TENSORS,
    T,
    V,
    bad,
    rower,
    without_meta,
    without_none,
)
from cnnlib import Accumulator, datasets
from cnnlib.datasets import Batches, Copies


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    row("cnnlib.Accumulator", Accumulator, {"n": 2}, n=POSITIVE + LARGE)
    row(
        "cnnlib.Accumulator.add",
        lambda self, values: self.add(*values),
        {"self": t.accumulator, "values": (1, 2)},
        values=bad(T, ("3", 1), (1, None), (1, [2]), (1, 1j), (1, torch.tensor(1j)), words="numbers")
        + bad(V, (), (1,), (1, 2, 3), (1, torch.ones(2)), (1, torch.empty(0)), (1, torch.ones(1, device="meta"))),
    )
    row(
        "cnnlib.accuracy",
        cnnlib.accuracy,
        {"y_hat": torch.eye(10)[:8], "y": t.y},
        y_hat=TENSORS + bad(V, t.X, t.X[:, 0, 0, 0][:3], torch.empty(8, 0), torch.tensor(3.0)),
        y=TENSORS + bad(V, t.y[:3], t.y[:, None], torch.tensor(3), t.y.to("meta")),
    )
    row("cnnlib.describe_device", cnnlib.describe_device, {}, device=DEVICES)
    row("cnnlib.try_gpu", cnnlib.try_gpu, {}, i=PLACES)
    row(
        "cnnlib.time_contract",
        cnnlib.time_contract,
        {},
        chapter=bad(V, "07", "", None, 5, ["01"], NAN, words="chapter"),
    )
    row(
        "cnnlib.load_data_fashion_mnist",
        cnnlib.load_data_fashion_mnist,
        {"batch_size": 4},
        batch_size=POSITIVE,
        resize=SIZES + bad(V, (1, 2, 3), (0, 8), (8, HUGE)) + bad(T, (8, "8"), {}),
        num_train=without_none(POSITIVE) + bad(V, 60_001, HUGE),
        num_test=without_none(POSITIVE) + bad(V, 10_001),
        transform=CALLED,
        seed=SEEDS,
    )
    row(
        "cnnlib.datasets.load_arrays",
        datasets.load_arrays,
        {"prefix": "train"},
        prefix=bad(V, "test", "", None, 3, "../x", words="'train' or 't10k'"),
    )
    row(
        "cnnlib.datasets.Batches",
        Batches,
        {"images": t.images, "labels": t.labels, "batch_size": 4},
        images=without_meta(TENSORS) + bad(V, t.X, t.images[:, 0], t.images[:3]),
        labels=without_meta(TENSORS) + bad(V, t.labels[:3]) + bad(V, torch.tensor(3), told="8 and 1"),
        batch_size=POSITIVE,
        resize=SIZES,
        transform=CALLED,
        shuffle=SWITCHES,
        seed=SEEDS,
    )
    for name, one in (("Batches", t.batches), ("Copies", t.copies)):
        kind = type(one)
        row(f"cnnlib.datasets.{name}.reseed", kind.reseed, {"self": one}, seed=SEEDS)
        row(f"cnnlib.datasets.{name}.epoch", kind.epoch, {"self": one, "number": 0}, number=SEEDS, start=PLACES)
        row(f"cnnlib.datasets.{name}.to", kind.to, {"self": one}, device=without_meta(DEVICES))
    row("cnnlib.datasets.Batches.order", Batches.order, {"self": t.batches}, number=SEEDS)
    row(
        "cnnlib.datasets.Copies",
        Copies,
        {"batches": t.batches},
        batches=bad(T, None, 3, [1], t.X, Batches, words="Batches"),
        low=NUMBERS + bad(V, 1, 2),
    )
    return rows
