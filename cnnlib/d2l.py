"""The names that listings written for the `d2l` package use, over this library: `from cnnlib import d2l`.

A listing that began with `from d2l import torch as d2l` runs with that one line changed. The calls look the same;
what happens inside is this library's: data in memory, a chart that does not slow the run, a learning rate to move.
"""

import copy

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.figures.animator import Animator
from cnnlib.machine.device import try_gpu
from cnnlib.models import xavier_
from cnnlib.training.loop import Trainer, evaluate_accuracy
from cnnlib.training.metrics import Accumulator, Timer, accuracy
from cnnlib.validation import check_count, check_lr
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


def evaluate_accuracy_gpu(net, data_iter, device=None):
    """Return the share of right predictions: `cnnlib.evaluate_accuracy` under the name the listings use."""
    return evaluate_accuracy(net, data_iter, device)


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device):
    """Draw Xavier weights, train with plain SGD under a live chart, and print how it ended.

    Parameters
    ----------
    net, train_iter, test_iter, num_epochs, lr, device
        As for `cnnlib.train`.

    Returns
    -------
    History
    """
    check_count(num_epochs, "num_epochs")
    check_lr(lr)
    Trainer(copy.deepcopy(net), train_iter, test_iter, lr, device=device)  # asks of all before a weight is drawn anew
    print("training on", device)
    history = fit(xavier_(net), train_iter, test_iter, num_epochs, lr, device)
    if history.train_loss:
        test_acc = f"{history.test_acc[-1]:.3f}"
        print(f"loss {history.train_loss[-1]:.3f}, train acc {history.train_acc[-1]:.3f}, test acc {test_acc}")
    print(f"{history.examples_per_second:.1f} examples/sec on {device}")
    return history
