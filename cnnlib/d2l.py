"""The names that listings written for the `d2l` package use, over this library: `from cnnlib import d2l`.

A listing that began with `from d2l import torch as d2l` runs with that one line changed. The calls look the same;
what happens inside is this library's: data in memory, a chart that does not slow the run, a learning rate to move.
"""

import dis
import sys

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.figures.animator import Animator
from cnnlib.machine.device import try_gpu
from cnnlib.models import xavier_
from cnnlib.models.copying import copy_network
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.training.loop import Trainer
from cnnlib.training.metrics import Accumulator, Timer, accuracy
from cnnlib.validation import Count, Device, Iterable, Network, Rate, arguments
from cnnlib.widgets import fit

__all__ = [
    "Accumulator",
    "Animator",
    "Timer",
    "accuracy",
    "evaluate_accuracy_gpu",
    "load_data_fashion_mnist",
    "train_ch6",
    "try_gpu",
]


@arguments(net=Network(), data_iter=Iterable(), device=Device())
def evaluate_accuracy_gpu(net, data_iter, device=None):
    """Return the share of right predictions: `cnnlib.evaluate_accuracy` under the name the listings use."""
    return evaluate_accuracy(net, data_iter, device)


@arguments(net=Network(), num_epochs=Count(), lr=Rate(), device=Device())
def train_ch6(net, train_iter, test_iter, num_epochs, lr, device=None):
    """Draw Xavier weights, train with plain SGD under a live chart, and print how it ended.

    Parameters
    ----------
    net, train_iter, test_iter, num_epochs, lr, device
        As for `cnnlib.train`; without a test set (None) no test accuracy is printed.

    Returns
    -------
    History
    """
    device = try_gpu() if device is None else device
    Trainer(copy_network(net), train_iter, test_iter, lr, device=device)  # asks of all before a weight is drawn anew
    print("training on", device)
    history = fit(xavier_(net), train_iter, test_iter, num_epochs, lr, device)
    if history.train_loss:
        test_acc = f", test acc {history.test_acc[-1]:.3f}" if history.test_acc else ""
        print(f"loss {history.train_loss[-1]:.3f}, train acc {history.train_acc[-1]:.3f}{test_acc}")
    print(f"{history.examples_per_second:.1f} examples/sec on {device}")
    return history


def __getattr__(name):
    """Raise an error that lists the names there are, for `d2l.x` and for `from cnnlib.d2l import x`."""
    caller = sys._getframe(1)  # an import drops the words of an AttributeError, but not those of an ImportError
    imported = dis.opname[caller.f_code.co_code[caller.f_lasti]] == "IMPORT_FROM"
    raise (ImportError if imported else AttributeError)(
        f"cnnlib.d2l has no {name!r}{'; write from cnnlib import d2l' * (name == 'torch')}. It has what the listings "
        f"of these chapters use: {', '.join(__all__)}. For other names of the book, copy their listing into a cell, or "
        "install the d2l package itself.",
        name=name,
    )
