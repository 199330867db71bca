"""Everybody who does the work: the d2l package, skorch, Lightning and fastai with their usual displays, cnnlib with
and without one, and the bare loop.

Each maker takes a Task, imports and prepares what it needs, and returns a function that trains. Only that is timed.
All begin with the same weights and see the same batches in the same order.
"""

import importlib
import os
import time

import torch
from networks import Task
from peers import d2l_train_ch6, fastai, lightning, skorch
from watch import Watch

from cnnlib import train, try_gpu
from cnnlib.machine.memory import LARGE_PAGES, keep_freed_memory

WARM = 1  # steps before those that count as a typical step


def run(kind, **task):
    """Do the work once.

    Returns
    -------
    dict
        'seconds' of the call that trains; 'step' and 'loss', seconds of a later step and the mean training loss of
        the last epoch; 'test_acc'; 'display', the seconds within that went to the display, where that is known.
    """
    os.environ[LARGE_PAGES] = "1" if kind.startswith("cnnlib") or kind == "bare loop" else "0"  # no tensor is there yet
    importlib.import_module(
        "torch._dynamo"
    )  # the first optimizer of a process loads it: a second that no benchmark is about
    task = Task(**task)
    started, build = [], task.net

    def watched():
        net = build()
        net.register_forward_pre_hook(note)
        return net

    def note(net, args):
        if net.training:
            started.append(time.perf_counter())

    note.__module__ = "cnnlib"  # beside a hook that is not its own the library leaves the weights channels first

    task.net = watched
    go = MAKERS[kind](task)
    cuda = torch.device(task.device).type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    begun = time.perf_counter()
    result = go()
    if cuda:
        torch.cuda.synchronize()
    result["seconds"] = time.perf_counter() - begun
    first = started[: len(task.train_iter)]  # of the first epoch: between two epochs lies an evaluation
    steps = len(first) - 1 - WARM
    result["step"] = (first[-1] - first[WARM]) / steps if steps > 0 else None
    return result


def _of(history):
    return {"loss": history.train_loss[-1], "test_acc": history.test_acc[-1]}


def cnnlib_train(task):
    """`cnnlib.train`: no display."""
    net = task.net()
    return lambda: _of(train(net, task.train_iter, task.test_iter, task.epochs, task.lr, task.device))


def _load_matplotlib():
    """Import what the first figure of a process needs, as d2l does when it is imported."""
    importlib.import_module("matplotlib.backends.backend_agg")
    importlib.import_module("matplotlib.figure")


def cnnlib_fit(task):
    """`cnnlib.widgets.fit`: slider, Stop, status line and chart alive where there is a page."""
    _load_matplotlib()
    live = importlib.import_module("cnnlib.widgets.live")
    net = task.net()

    def go():
        watch = Watch().over(live.RunChart, "__init__").over(live.Controls, "__init__", "__call__")
        with watch.over(live.Fit, "_show", "_end"):
            history = live.fit(net, task.train_iter, task.test_iter, task.epochs, task.lr, task.device)
        return {**_of(history), "display": watch.seconds}

    return go


def cnnlib_playground(task):
    """A playground without views beside its chart: it trains in a thread of its own."""
    _load_matplotlib()
    from cnnlib.widgets import playground

    if torch.device(task.device).type != try_gpu().type:
        raise ValueError(f"a playground trains on {try_gpu()}, so it cannot be timed on {task.device}.")

    def data(s):
        return task.train_iter.to(task.device), task.test_iter

    panel = playground.Playground(
        "benchmark", lambda s: task.net(), data, lr=task.lr, num_epochs=task.epochs, seed=task.seed
    )

    def go():
        with Watch().over(playground.Playground, "_show") as watch:
            panel.runner.start()
            panel.runner.wait()
        result = {**_of(panel.history), "display": watch.seconds}
        panel.close()
        return result

    return go


def bare(task, tuned=True):
    """Do nothing but train and evaluate, on float tensors that lie in memory.

    `tuned` with what the library does to be fast: channels-last convolutions, freed memory kept, large pages. The limit
    is the faster of the two.
    """
    (X, y), (test_X, test_y) = [[part.to(task.device) for part in pair] for pair in task.tensors()]
    orders = [order.to(task.device).split(task.batch) for order in task.orders()]
    net = task.net().to(task.device)
    if tuned and task.device == "cpu":
        keep_freed_memory()
        net = net.to(memory_format=task.setting.layout)
    loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=task.lr)

    def go():
        for order in orders:
            losses = []
            net.train()
            for index in order:
                optimizer.zero_grad()
                value = loss(net(X[index]), y[index])
                value.backward()
                optimizer.step()
                losses.append(value.detach() * len(index))
            net.eval()
            right = 0
            with torch.no_grad():
                for few, labels in zip(test_X.split(task.batch), test_y.split(task.batch), strict=True):
                    right += (net(few).argmax(1) == labels).sum()
        return {"loss": torch.stack(losses).sum().item() / len(y), "test_acc": right.item() / len(test_y)}

    return go


MAKERS = {
    "d2l train_ch6": d2l_train_ch6,
    "skorch": skorch,
    "lightning": lightning,
    "fastai": fastai,
    "cnnlib playground": cnnlib_playground,
    "cnnlib fit": cnnlib_fit,
    "cnnlib train": cnnlib_train,
    "bare loop": bare,
    "bare loop, untuned": lambda task: bare(task, tuned=False),
}
