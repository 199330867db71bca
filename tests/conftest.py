"""Fixtures for all tests: one seed, small data, and what bars in seconds are worth on this machine."""

import os
import signal

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let CNNLIB_BUDGET say how the chapters are run; tests, and what they start, have the size that they ask for."""
    size = None if item.path.suffix == ".ipynb" else os.environ.pop("CNNLIB_BUDGET", None)
    try:
        return (yield)
    finally:
        if size is not None:
            os.environ["CNNLIB_BUDGET"] = size


@pytest.fixture
def pace(request):
    """Return what bars in seconds are worth on this machine: `pace.py`. What else runs must not count."""
    if not request.node.get_closest_marker("thorough"):
        raise pytest.UsageError("what is held against a clock must run by itself: mark it thorough.")
    return Pace()


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
