"""Wrong arguments for what holds the data, adds up and names a device."""

import torch

import cnnlib
from bad_inputs.values import HUGE, NAN, PLACES, SIZES, T, V, bad, rower
from cnnlib import datasets


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, cnnlib)
    row("Accumulator", {"n": 2})
    row(
        "Accumulator.add",
        {"self": t.accumulator, "values": (1, 2)},
        lambda self, values: self.add(*values),
        values=bad(T, ("3", 1), (1, None), (1, [2]), (1, 1j), (1, torch.tensor(1j)), words="numbers")
        + bad(V, (), (1,), (1, 2, 3), (1, torch.ones(2)), (1, torch.empty(0)), (1, torch.ones(1, device="meta"))),
    )
    row(
        "accuracy",
        {"y_hat": torch.eye(10)[:8], "y": t.y},
        y_hat=bad(V, t.X[:, 0, 0, 0][:3], torch.empty(8, 0)),
        y=bad(V, t.y[:3], t.y.to("meta")),
    )
    row("describe_device", {})
    row("try_gpu", {}, i=PLACES)
    row("time_contract", {}, chapter=bad(V, "07", "", None, 5, ["01"], NAN, words="chapter"))
    row(
        "load_data_fashion_mnist",
        {"batch_size": 4},
        resize=SIZES + bad(V, (1, 2, 3), (0, 8), (8, HUGE)) + bad(T, (8, "8"), {}),
        num_train=bad(V, 60_001),
        num_test=bad(V, 10_001),
    )
    row = rower(rows, datasets)
    row("load_arrays", {"prefix": "train"})
    row(
        "Batches",
        {"images": t.images, "labels": t.labels, "batch_size": 4},
        images=bad(V, t.X, t.images[:, 0], t.images[:3]),
        labels=bad(V, t.labels[:3]) + bad(V, torch.tensor(3), told="8 and 1"),
        resize=SIZES,
    )
    for name, one in (("Batches", t.batches), ("Copies", t.copies)):
        row(f"{name}.reseed", {"self": one})
        row(f"{name}.epoch", {"self": one, "number": 0})
        row(f"{name}.to", {"self": one})
    row("Batches.order", {"self": t.batches})
    row("Copies", {"batches": t.batches}, low=bad(V, 1, 2))
    return rows
