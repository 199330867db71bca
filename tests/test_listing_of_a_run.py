"""The code that a panel writes down gives the losses of the run again, to the last bit, in the panel's notebook."""

import inspect
from functools import partial

import pytest
import torch
from panels import STEPS, fork, go, mark, move, press
from panels import panel as panel
from torch import nn

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.widgets import choice, slider, switch

SGD = partial(torch.optim.SGD, momentum=0.9)


def data(s):
    return load_data_fashion_mnist(32, num_train=640, num_test=64)


def build(s):
    """Return a network of one hidden layer."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, s.width), s.activation(), nn.Dropout(s.dropout), nn.Linear(s.width, 10)
    )


def set_share(trainer, value):
    trainer.net[3].p = value


class Relu(nn.ReLU):
    """A class of the notebook's own."""


CONTROLS = [
    slider("dropout", 0.0, 0.9, 0.5, 0.1, live=set_share),
    slider("width", 4, 64, 16),
    choice("activation", {"ReLU": nn.ReLU, "S-shaped": nn.Sigmoid, "ours": Relu}),
]
BY_LAMBDA = [slider("dropout", 0.0, 0.9, 0.5, 0.1, live=lambda trainer, p: set_share(trainer, p)), *CONTROLS[1:]]


@pytest.fixture
def written(panel):
    """Return a maker of panels of this notebook: this file."""

    def make(controls=CONTROLS, **options):
        return panel(build, data, controls, **{"optimizer": SGD, "lr": 0.05, **options})

    return make


def assert_code_repeats(pg):
    """Run a panel's code below the cells of its notebook, and compare the records."""
    namespace = dict(globals())
    exec(pg.code(), namespace)
    again, mine = namespace["history"], pg.runner.trainer.history
    assert mine.steps and again.loss == mine.loss and again.lr == mine.lr
    assert again.test_acc == mine.test_acc


def test_code_of_a_run_of_whole_epochs(written):
    pg = written(num_epochs=2, seed=3)
    for _ in range(2):
        assert "width=16" in pg.code() and "not a step yet" in pg.code()
        press(pg, "reset")
    press(pg, "start")
    assert_code_repeats(pg)
    assert pg.code() == (
        "import torch\nfrom types import SimpleNamespace\nfrom cnnlib import Trainer\n\n"
        f"{inspect.getsource(data)}\n{inspect.getsource(build)}\n{inspect.getsource(set_share)}\n"
        "settings = SimpleNamespace(lr=0.05, dropout=0.5, width=16, activation=torch.nn.ReLU)\n"
        "torch.manual_seed(3)\n"
        "batches = data(settings)\n"
        "net = build(settings)\n"
        "trainer = Trainer(net, *batches, lr=settings.lr, optimizer=SGD)\n"
        "history = trainer.fit(2)\n"
    )


def test_values_go_by_the_names_that_the_notebook_has(panel):
    pg = panel(
        build, data, [*CONTROLS[:2], choice("activation", {"ours": Relu}), switch("more")], loss=nn.CrossEntropyLoss()
    )
    go(pg, 3)
    assert "activation=Relu, more=False)" in pg.code() and "lr=settings.lr, loss=loss)" in pg.code()
    assert "# loss: as this panel was given it\n" in pg.code(), "what has no name is said"


# What the reader does: steps, controls that are moved, buttons, marks, and forks at the latest mark or the start; and
# how often the code then says something.
STORIES = {
    "paused after a step": ([1], {"trainer.stop()": 1}),
    "paused twice": ([1, STEPS - 2], {"trainer.stop()": 1}),
    "paused at the end of an epoch": ([1, STEPS - 1], {"trainer.stop()": 0}),
    "paused in the next epoch": ([STEPS + 7], {"trainer.stop()": 1}),
    "another rate, twice": ([6, {"lr": 0.1}, STEPS, {"lr": 0.02}, 9], {"trainer.lr = ": 2, "lr=0.05": 1}),
    "changed before the start and at the end of an epoch": (
        ["reset", {"lr": 0.02, "dropout": 0.3}, STEPS, {"lr": 0.1}, STEPS],
        {"steer(trainer)\nhistory = trainer.fit(2)": 1},
    ),
    "stopped": ([6, {"lr": 0.02}, 6, "stop"], {"trainer.lr = ": 1}),
    "stopped and begun again": ([6, {"lr": 0.02}, 6, "stop", 6], {"trainer.lr": 0, "lr=0.02": 1}),
    "a fork after a change": (
        [6, {"dropout": 0.2}, 9, "mark", 6, {"lr": 0.2}, 9, "fork", 3, {"lr": 0.01}, 12],
        {"trainer.lr = ": 1, "if trainer.step == 6:": 1},
    ),
    "a fork at the start": ([6, {"dropout": 0.2, "lr": 0.2}, 9, "start", 4], {"(trainer, 0.2)": 0, "trainer.lr = ": 0}),
    "another network after a fork": (
        [6, "mark", 6, {"dropout": 0.2}, 6, "fork", 6, {"width": 8, "activation": nn.Sigmoid}, 6],
        {"dropout=0.5, width=8, activation=torch.nn.Sigmoid": 1},
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_code_repeats_what_the_reader_did(written, story):
    acts, said = STORIES[story]
    pg = written()
    for act in acts:
        if isinstance(act, int):
            go(pg, act)
        elif isinstance(act, dict):
            move(pg, **act)
        elif act == "mark":
            moment = mark(pg)
        elif act in ("fork", "start"):
            fork(pg, moment if act == "fork" else pg.runner.moments[0])
        else:
            press(pg, act)
    assert_code_repeats(pg)
    assert {text: pg.code().count(text) for text in said} == said


@pytest.mark.parametrize("controls, line", [(CONTROLS, "set_share"), (BY_LAMBDA, "BY_LAMBDA[0].live")])
def test_code_with_a_live_control(written, controls, line):
    pg = written(controls)
    go(pg, 6)
    move(pg, dropout=0.2)
    go(pg, 9)
    move(pg, dropout=0.8, lr=0.01)
    go(pg, 6)
    assert f"    if trainer.step == 6:\n        {line}(trainer, 0.2)\n" in pg.code()
    assert "    if trainer.step == 15:\n" in pg.code() and f"trainer.lr = {pg.settings.lr!r}" in pg.code()
    assert_code_repeats(pg)


def test_functions_without_a_source_or_a_name(panel):
    pg = panel(lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), data, lr=0.05)
    go(pg, 3)
    assert "net = build(settings)" in pg.code() and "lambda" not in pg.code()
    made = {"load": load_data_fashion_mnist, "nn": nn, "net": nn.Sequential, "__name__": "__main__"}
    for line in ("data(s): return load(32, num_train=64)", "build(s): return net(nn.Flatten(), nn.Linear(784, 10))"):
        exec(f"def {line}", made)
    pg = panel(made["build"], made["data"], lr=0.05)
    go(pg, 2)
    assert "batches = data(settings)\nnet = build(settings)" in pg.code() and "def build" not in pg.code()


def test_the_code_on_the_page_is_that_of_the_network_on_the_page(written):
    pg = written()
    assert pg.listing.value == ""
    pg.page.tabs.value = "Code"
    assert "not a step yet" in pg.listing.value and "def build(s)" in pg.listing.value
    for steps in (3, 6):
        go(pg, 3)
        assert f"if trainer.step == {steps}:" in pg.listing.value
    pg.page.tabs.value = "Runs"
    go(pg, 3)
    assert "if trainer.step == 6:" in pg.listing.value, "nobody looks"
    pg.page.tabs.value = "Code"
    assert "if trainer.step == 9:" in pg.listing.value
    move(pg, width=8)
    assert "width=8" in pg.listing.value and "not a step yet" in pg.listing.value
