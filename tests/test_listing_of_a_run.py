"""The code that a panel writes down is Python, and gives the losses of the run again, to the last bit."""

import ast
import inspect
import linecache
from functools import partial

import pytest
import torch
from panels import STEPS, fork, go, mark, move, press
from panels import panel as panel
from torch import nn

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import lenet, set_dropout
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


CONTROLS = [
    slider("dropout", 0.0, 0.9, 0.5, 0.1, live=set_share),
    slider("width", 4, 64, 16),
    choice("activation", {"ReLU": nn.ReLU, "S-shaped": nn.Sigmoid}),
]


@pytest.fixture
def written(panel):
    """Return a maker of panels whose code can be run by itself."""

    def make(build=build, controls=CONTROLS, **options):
        return panel(build, data, controls, **{"optimizer": SGD, "lr": 0.05, **options})

    return make


def assert_code_repeats(pg, **own):
    """Run a panel's code in a namespace of its own, with what only the notebook has, and compare the records."""
    namespace = dict(own)
    exec(pg.code(), namespace)
    again, mine = namespace["history"], pg.runner.trainer.history
    assert mine.steps and again.loss == mine.loss and again.lr == mine.lr
    assert again.test_acc == mine.test_acc


NOTEBOOK = "as defined in this notebook"  # what the code says of functions that it cannot write down

# Runs


def test_code_of_a_run_of_whole_epochs(written):
    pg = written(num_epochs=2, seed=3)
    for _ in range(2):
        assert ast.parse(pg.code()) and "width=16" in pg.code() and "not a step yet" in pg.code()
        press(pg, "reset")
    press(pg, "start")
    assert_code_repeats(pg)
    imports, library, *functions, lines = pg.code().split("\n\n")
    torchs = ["import torch", "from torch import nn"]
    assert imports.splitlines() == ["from functools import partial", "from types import SimpleNamespace", *torchs]
    assert library == "from cnnlib import Trainer\nfrom cnnlib import load_data_fashion_mnist"
    assert functions == [inspect.getsource(data).rstrip(), inspect.getsource(build).rstrip()]
    assert lines == (
        "settings = SimpleNamespace(lr=0.05, dropout=0.5, width=16, activation=torch.nn.ReLU)\n"
        "torch.manual_seed(3)\n"
        "batches = data(settings)\n"
        "net = build(settings)\n"
        "trainer = Trainer(net, *batches, lr=settings.lr, optimizer=partial(torch.optim.SGD, momentum=0.9))\n"
        "history = trainer.fit(2)\n"
    )


def test_code_without_an_optimizer(panel):
    pg = panel(build, data, CONTROLS)
    go(pg, 3)
    assert "lr=settings.lr)" in pg.code() and "partial" not in pg.code()
    assert_code_repeats(pg)


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


# Live controls

# fmt: off
OVER_LINES = [slider("dropout", 0.0, 0.9, 0.5, 0.1,
                     live=lambda trainer, p:
                     set_dropout(trainer.net, p)), *CONTROLS[1:]]
IN_BETWEEN = [CONTROLS[1],
              slider("dropout", 0.0, 0.9, 0.5, 0.1, live=lambda trainer, p: set_dropout(trainer.net, p)),
              CONTROLS[2]]
ONE_LINE = [slider("dropout", 0.0, 0.9, 0.5, live=lambda t, p: set_dropout(t.net[3:], p)), slider("other", 0.0, 0.9, 0.5, live=lambda t, p: set_dropout(t.net[4:], p))]  # noqa: E501
# fmt: on
BY_PARTIAL = [slider("dropout", 0.0, 0.9, 0.5, 0.1, live=partial(set_share)), *CONTROLS[1:]]

LIVE = {  # the controls, and the line of the change
    "a def": (CONTROLS, "set_share(trainer, 0.2)"),
    "a lambda over several lines": (OVER_LINES, "change_dropout(trainer, 0.2)"),
    "a lambda between others": (IN_BETWEEN, "change_dropout(trainer, 0.2)"),
    "a partial": (BY_PARTIAL, "change_dropout(trainer, 0.2)"),
}


@pytest.mark.parametrize("kind", LIVE)
def test_code_with_a_live_control(written, kind):
    controls, line = LIVE[kind]
    pg = written(controls=controls)
    go(pg, 6)
    move(pg, dropout=0.2)
    go(pg, 9)
    move(pg, dropout=0.8, lr=0.01)
    go(pg, 6)
    assert f"    if trainer.step == 6:\n        {line}\n" in pg.code()
    assert "    if trainer.step == 15:\n" in pg.code() and f"trainer.lr = {pg.settings.lr!r}" in pg.code()
    assert_code_repeats(pg)


def two_shares(s):
    layers = [nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 8), nn.Dropout(s.dropout), nn.Dropout(s.other)]
    return nn.Sequential(*layers, nn.Linear(8, 10))


def test_code_tells_two_lambdas_on_one_line_apart(written):
    pg = written(two_shares, ONE_LINE)
    go(pg, 6)
    move(pg, other=0.1)
    go(pg, 6)
    assert "change_other = lambda t, p: set_dropout(t.net[4:], p)\n" in pg.code()
    assert_code_repeats(pg)


# Build functions


def hidden(s):
    units = s.width
    layers = [nn.Flatten(), nn.Linear(784, units), nn.ReLU()]
    if s.deep:
        layers += [nn.Linear(units, units), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(units, 10))


UNITS = 12
From = partial(nn.Linear, 784)


def with_globals(s):
    return nn.Sequential(nn.Flatten(), From(UNITS), nn.ReLU(), nn.Linear(UNITS, 10))


def layers_of(s):
    pairs = [(784, s.width), (s.width, s.width)]  # whose names are none of the notebook's
    return [nn.Flatten(), *(nn.Linear(a, b) for a, b in pairs), *map(lambda units: nn.Linear(units, 10), [s.width])]


def passed_on(s):
    return nn.Sequential(*layers_of(s))


def with_default(s, units=14):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, units), nn.ReLU(), nn.Linear(units, 10))


def enclosed(units, activation=nn.Tanh):
    def build(s):
        if s.deep:
            return nn.Sequential(nn.Flatten(), nn.Linear(784, units), activation(), nn.Linear(units, 10))
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    return build


def enclosed_lambda(units):
    return lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, units), nn.ReLU(), nn.Linear(units, 10))


class Net(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.ReLU(), nn.Linear(s.width, 10))

    def forward(self, X):
        return self.net(X)


IN_A_DICT = {"calls": (lambda s: hidden(s), "in a place of which a line alone is no Python")}
KINDS = [
    slider("width", 4, 64, 16),
    switch("deep"),
    choice("activation", {"ReLU": nn.ReLU}),
]


def kept(function):
    return function


@kept
def with_default_of_the_notebook(s, units=UNITS):
    return with_default(s, units) if units > 1 else with_default_of_the_notebook(s, 2)


net = settings = UNITS  # names of the listing's own


def with_names_of_the_listing(s):
    return with_default(s, units=settings + net)


FORMS = {  # the function, and what the listing holds
    "several statements": (hidden, "net = hidden(settings)"),
    "settings passed on": (passed_on, "def layers_of(s):"),
    "globals": (with_globals, "From = partial(torch.nn.Linear, 784)\n\nUNITS = 12\n\ndef with_globals(s):"),
    "decorator, default and itself": (with_default_of_the_notebook, "@kept\ndef with_default_of_the_notebook(s, units"),
    "closure over a number": (enclosed(20), "units = 20\n\ndef build(s):"),
    "closure over a class": (enclosed(20), "from torch.nn import Tanh as activation\n"),
    "lambda with a closure": (enclosed_lambda(11), "units = 11\n\nbuild = lambda s: nn.Sequential("),
    "lambda in a dict": (IN_A_DICT["calls"][0], "build = lambda s: hidden(s)\n"),
    "lambda over the library": (lambda s: lenet(s.activation), "from cnnlib.models import lenet\n"),
    "class": (Net, "net = Net(settings)"),
    "partial": (partial(with_default, units=9), "build = partial(with_default, units=9)\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_code_of_every_form_of_build_function(written, form):
    make, expected = FORMS[form]
    pg = written(make, KINDS)
    move(pg, deep=True)
    go(pg, 4)
    assert_code_repeats(pg)
    assert expected in pg.code() and NOTEBOOK not in pg.code()


def test_code_of_functions_that_mean_different_things_by_one_name(panel):
    batches = load_data_fashion_mnist(32, num_train=640, num_test=64)
    units, data = 320, batches
    pg = panel(enclosed(20), lambda s: data if units == 320 else None, KINDS)
    go(pg, 4)
    text = pg.code()
    assert f"# build, data: {NOTEBOOK}" in text and "batches = data_(settings)" in text
    assert_code_repeats(pg, data=batches, build=enclosed(20))
    pg = panel(with_names_of_the_listing, lambda s: data, KINDS)
    go(pg, 4)
    assert f"# data, with_names_of_the_listing: {NOTEBOOK}" in pg.code()
    assert_code_repeats(pg, data=batches, with_names_of_the_listing=with_names_of_the_listing)


# Values of settings


def with_settings(s):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, s.sizes[0]),
        s.activation(),
        nn.Linear(*s.sizes, bias=s.bias),
        nn.Dropout(0.1 if s.name == 'say "no"\\' else 0.9),
        nn.Identity() if s.nothing is None else nn.ReLU(),
        nn.Linear(s.sizes[-1], *s.outputs),
        s.last(),
        s.end(),
    )


def leaky():
    return nn.LeakyReLU(0.2)


def test_code_with_every_kind_of_value(written):
    values = {
        "name": 'say "no"\\', "activation": nn.ELU, "end": leaky, "sizes": (7, 4), "outputs": [10], "nothing": None,
        "last": partial(nn.LeakyReLU, negative_slope=0.3),
    }  # fmt: skip
    pg = written(with_settings, [switch("bias"), *(choice(name, {"only": value}) for name, value in values.items())])
    go(pg, 4)
    assert_code_repeats(pg)
    assert "def leaky():" in pg.code() and NOTEBOOK not in pg.code()


class Maker:
    def __call__(self, s):
        return hidden(s)

    def make(self, s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.Linear(s.width, 10))


def with_an_activation(s):
    unused = s.activation  # noqa: F841
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


@pytest.mark.parametrize(
    "make, value",
    [(Maker(), nn.ReLU), (Maker().make, nn.ReLU), *((with_an_activation, value) for value in (
        lambda: nn.LeakyReLU(0.2), nn.LeakyReLU(0.2), {"slope": nn.ReLU}))],
    ids=["object", "bound method", "nameless function", "module", "dict"],
)  # fmt: skip
def test_code_of_what_cannot_be_written_down(written, make, value):
    """It may name what only the notebook has, but it stays Python, and the panel goes on."""
    pg = written(make, [*KINDS[:2], choice("activation", {"ours": value})])
    pg.page.tabs.value = "Code"
    go(pg, 4)
    assert pg.runner.state == "paused", repr(pg.runner.error)
    assert ast.parse(pg.code()) and (f"# build: {NOTEBOOK}" in pg.code()) == (make is not with_an_activation)


# Notebooks


CELL = '''
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import set_dropout, xavier_
from cnnlib.widgets import choice, slider

SGD = partial(torch.optim.SGD, momentum=0.9)

def hidden(units):
    return nn.Linear(784, units)

class Relu(nn.Module):
    def forward(self, X):
        return F.relu(X)

def set_dropout(net, share):
    """Not the library's."""
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = share / 2
    return net

def narrower(arch, ratio):
    """The library's, with another text."""
    least = min(channels for _, channels in arch)
    if ratio > least:
        raise ValueError(f"ratio must be at most {least}, the channels of the narrowest block, got {ratio}.")
    return tuple((num_convs, channels // ratio) for num_convs, channels in arch)

def build(s):
    return xavier_(nn.Sequential(nn.Flatten(), hidden(s.width), s.activation(), nn.Dropout(s.dropout),
                                 nn.Linear(s.width, 10 * len(narrower([(1, 4)], 2)))))

def data(s):
    return load_data_fashion_mnist(32, num_train=640, num_test=64)

dropout = slider("dropout", 0.0, 0.95, 0.5, 0.05, live=lambda trainer, p: set_dropout(trainer.net, p))
controls = [dropout, slider("width", 4, 64, 16), choice("activation", {"ours": Relu, "tanh": nn.Tanh})]
'''


@pytest.fixture
def cell(request):
    """Run a cell as a notebook does; a kernel keeps its lines where Python finds them, other programs do not."""
    name, notebook = f"<cell of {request.node.name}>", {"__name__": "__main__"}
    if getattr(request, "param", "with its source") == "with its source":
        linecache.cache[name] = (len(CELL), None, CELL.splitlines(keepends=True), name)
    exec(compile(CELL, name, "exec"), notebook)
    yield notebook
    linecache.cache.pop(name, None)


@pytest.fixture
def notebook(panel, cell):
    """Return a panel of that cell."""
    return panel(cell["build"], cell["data"], cell["controls"], lr=0.05, optimizer=cell["SGD"])


def test_code_of_a_notebook(notebook):
    go(notebook, 6)
    move(notebook, dropout=0.1)
    go(notebook, 6)
    text = notebook.code()
    for part in ("class Relu(nn.Module):", "def hidden(units):", "layer.p = share / 2", "def narrower(arch, ratio):"):
        assert part in text
    assert NOTEBOOK not in text
    assert_code_repeats(notebook)
    others, library = (block.splitlines() for block in text.split("\n\n")[:2])
    assert all(line.startswith(("from ", "import ")) and "cnnlib" not in line for line in others)
    imported = ("Trainer", "load_data_fashion_mnist", "models import xavier_")
    assert all(name in line for name, line in zip(imported, library, strict=True)) and len(set(others)) == len(others)


@pytest.mark.parametrize("cell", ["without a source"], indirect=True)
def test_code_of_functions_without_a_source(notebook, cell):
    notebook.page.tabs.value = "Code"
    go(notebook, 6)
    assert_code_repeats(notebook, **cell)
    assert f"# Relu, build, data: {NOTEBOOK}\n" in notebook.code()
    assert "settings = SimpleNamespace(lr=0.05, dropout=0.5, width=16, activation=Relu)" in notebook.code()
    move(notebook, dropout=0.1)
    go(notebook, 6)
    assert notebook.runner.state == "paused", repr(notebook.runner.error)
    assert ast.parse(notebook.code())


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
