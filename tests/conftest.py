"""Fixtures for all tests: one seed, small data, and quiet for those that hold a clock to something."""

import os
import signal
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from pace import Pace
from torch import nn

from cnnlib.datasets import Batches, load_data_fashion_mnist

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is in the background of a shell, and for all children
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seed():
    """Start every test from the same random numbers."""
    torch.manual_seed(0)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("alone") and not {"pace", "quiet"} & set(item.fixturenames):
            raise pytest.UsageError(f"{item.nodeid} is marked alone, but asks for neither `pace` nor `quiet`.")


@contextmanager
def asked_for_quiet():
    """Let nothing run beside what holds a clock to something: see `aside.py`; yield what its bars are worth."""
    place = os.environ.get("CNNLIB_QUIET")
    if place:
        Path(place).touch()
        time.sleep(0.3)  # until everybody has heard
    try:
        yield Pace()
    finally:
        if place:
            Path(place).unlink(missing_ok=True)


@pytest.fixture
def pace(request):
    """Return what bars in seconds are worth on this machine, which a test marked `alone` has to itself: `pace.py`."""
    with asked_for_quiet() if request.node.get_closest_marker("alone") else nullcontext(Pace()) as pace:
        yield pace


@pytest.fixture
def quiet():
    """Return a context in which the others stand still, for a test of which a part alone is timed."""
    return asked_for_quiet


@pytest.fixture
def noise():
    """Return a maker of shuffled `Batches` of random images in random classes."""

    def make(num=80, batch_size=32, *, size=28, shuffle=True, **options):
        generator = torch.Generator().manual_seed(1)
        images = torch.randint(256, (num, 1, size, size), dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (num,), generator=generator)
        return Batches(images, labels, batch_size, shuffle=shuffle, **options)

    return make


@pytest.fixture
def fashion():
    """Return a maker of small (train_iter, test_iter) pairs of real Fashion-MNIST images."""

    def make(batch_size=64, num_train=640, num_test=200, **options):
        return load_data_fashion_mnist(batch_size, num_train=num_train, num_test=num_test, **options)

    return make


@pytest.fixture
def dense():
    """Return a maker of small networks for 1×28×28 that train in a millisecond a step."""

    def make(dropout=0.0):
        layers = [nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 10)]
        return nn.Sequential(*layers)

    return make


@pytest.fixture
def weights():
    """Return a function that copies a network's weights and buffers into one flat tensor."""

    def copy(net):
        return torch.cat([value.detach().double().flatten().cpu() for value in net.state_dict().values()])

    return copy
