"""The code that a panel writes down is Python, and gives the losses of the run again, to the last bit."""

import ast
import inspect
import linecache
from functools import partial

import pytest
import torch
from panels import STEPS, fork, go, mark, rest
from panels import panel as panel
from torch import nn

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import lenet, set_dropout, xavier_
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


# Runs


def test_code_of_a_run_of_whole_epochs(written):
    pg = written(num_epochs=2, seed=3)
    pg.start.click()
    rest(pg)
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


@pytest.mark.parametrize("steps", [1, STEPS - 1, STEPS, STEPS + 7])
def test_code_of_a_run_that_was_paused(written, steps):
    pg = written()
    go(pg, 1)
    if steps > 1:
        go(pg, steps - 1)
    assert_code_repeats(pg)
    assert ("trainer.stop()" in pg.code()) == (steps % STEPS > 0)


def test_code_before_the_first_step(written):
    pg = written()
    for _ in range(2):
        text = pg.code()
        ast.parse(text)
        assert "width=16" in text and "not a step yet" in text and "lr=0.05" in text
        pg.reset.click()
        rest(pg)


def test_code_with_changes_of_the_learning_rate(written):
    pg = written()
    go(pg, 6)
    pg.inputs["lr"].value = 0.1
    go(pg, STEPS)
    pg.inputs["lr"].value = 0.02
    go(pg, 9)
    assert pg.code().count("trainer.lr = ") == 2 and "lr=0.05" in pg.code()
    assert_code_repeats(pg)


def test_code_with_changes_at_the_end_of_an_epoch_and_before_the_start(written):
    pg = written()
    pg.reset.click()
    rest(pg)
    pg.inputs["lr"].value = 0.02
    pg.inputs["dropout"].value = 0.3
    go(pg, STEPS)
    pg.inputs["lr"].value = 0.1
    go(pg, STEPS)
    assert_code_repeats(pg)
    assert "steer(trainer)\nhistory = trainer.fit(2)" in pg.code()


def test_code_after_a_fork(written):
    pg = written()
    go(pg, 6)
    pg.inputs["dropout"].value = 0.2
    go(pg, 9)
    moment = mark(pg)
    go(pg, 6)
    pg.inputs["lr"].value = 0.2
    go(pg, 9)
    original = pg.book.current
    fork(pg, moment)
    assert "trainer.lr = " not in pg.code() and "if trainer.step == 6:" in pg.code()
    go(pg, 3)
    pg.inputs["lr"].value = 0.01
    go(pg, 12)
    assert_code_repeats(pg)
    assert pg.runner.trainer.history.loss[:18] == original.history.loss[:18]
    fork(pg, original.moments[0], original)
    go(pg, 4)
    assert "set_share" not in pg.code() and "trainer.lr = " not in pg.code()
    assert_code_repeats(pg)


def test_code_of_another_network_after_a_fork(written):
    pg = written()
    go(pg, 6)
    moment = mark(pg)
    go(pg, 6)
    pg.inputs["dropout"].value = 0.2
    go(pg, 6)
    fork(pg, moment)
    go(pg, 6)
    pg.inputs["width"].value = 8
    pg.inputs["activation"].value = nn.Sigmoid
    rest(pg)
    go(pg, 6)
    assert "dropout=0.5, width=8, activation=torch.nn.Sigmoid" in pg.code()
    assert_code_repeats(pg)


def test_code_after_a_stop_and_a_reset(written):
    pg = written()
    go(pg, 6)
    pg.inputs["lr"].value = 0.02
    go(pg, 6)
    pg.stop.click()
    rest(pg)
    assert_code_repeats(pg)
    go(pg, 6)
    assert f"lr={pg.settings.lr!r}" in pg.code() and "trainer.lr" not in pg.code()
    assert_code_repeats(pg)


# Live controls


BY_LAMBDA = slider("dropout", 0.0, 0.9, 0.5, 0.1, live=lambda trainer, p: set_dropout(trainer.net, p))
OVER_LINES = slider(
    "dropout",
    0.0,
    0.9,
    0.5,
    0.1,
    live=lambda trainer, p: set_dropout(trainer.net, p),
)
# fmt: off
IN_FRONT = [slider("dropout", 0.0, 0.9, 0.5, 0.1, live=lambda trainer, p: set_dropout(trainer.net, p)),
            *CONTROLS[1:]]
IN_BETWEEN = [CONTROLS[1],
              slider("dropout", 0.0, 0.9, 0.5, 0.1, live=lambda trainer, p: set_dropout(trainer.net, p)),
              CONTROLS[2]]
AT_THE_END = [*CONTROLS[1:],
              slider("dropout", 0.0, 0.9, 0.5, 0.1, live=lambda trainer, p: set_dropout(trainer.net, p))]
ONE_LINE = [slider("dropout", 0.0, 0.9, 0.5, live=lambda t, p: set_dropout(t.net[3:], p)), slider("other", 0.0, 0.9, 0.5, live=lambda t, p: set_dropout(t.net[4:], p))]  # noqa: E501
# fmt: on
BY_PARTIAL = slider("dropout", 0.0, 0.9, 0.5, 0.1, live=partial(set_share))

LIVE = {  # the controls, and the line of the change
    "a def": (CONTROLS, "set_share(trainer, 0.2)"),
    "a lambda": ([BY_LAMBDA, *CONTROLS[1:]], "change_dropout(trainer, 0.2)"),
    "a lambda over several lines": ([OVER_LINES, *CONTROLS[1:]], "change_dropout(trainer, 0.2)"),
    "a lambda in front of a list": (IN_FRONT, "change_dropout(trainer, 0.2)"),
    "a lambda between others": (IN_BETWEEN, "change_dropout(trainer, 0.2)"),
    "a lambda at the end of a list": (AT_THE_END, "change_dropout(trainer, 0.2)"),
    "a partial": ([BY_PARTIAL, *CONTROLS[1:]], "change_dropout(trainer, 0.2)"),
}


@pytest.mark.parametrize("kind", LIVE)
def test_code_with_a_live_control(written, kind):
    controls, line = LIVE[kind]
    pg = written(controls=controls)
    go(pg, 6)
    pg.inputs["dropout"].value = 0.2
    go(pg, 9)
    pg.inputs["dropout"].value = 0.8
    pg.inputs["lr"].value = 0.01
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
    pg.inputs["other"].value = 0.1
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


def conditional(s):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 8 if s.kind == "narrow" else 24),
        nn.Tanh() if not s.deep else nn.ReLU(),
        nn.Dropout(0.5 if s.deep and s.width != 16 else 0.1),
        nn.Linear(8 if s.kind == "narrow" else 24, s.width if s.width > 99 else 10),
    )


def comprehension(s):
    return nn.Sequential(
        nn.Flatten(),
        *[nn.Linear(784, 784 - 700 * i) if i == 1 else nn.ReLU() for i in range(2)],
        *(nn.Linear(a, b) for a, b in [(84, s.width), (s.width, 10)]),
    )


UNITS = 12
From = partial(nn.Linear, 784)


def with_globals(s):
    return nn.Sequential(nn.Flatten(), From(UNITS), nn.ReLU(), nn.Linear(UNITS, 10))


def layers_of(s):
    return [nn.Flatten(), nn.Linear(784, s.width), s.activation(), nn.Linear(s.width, 10)]


def passed_on(s):
    return nn.Sequential(*layers_of(s))


def with_default(s, units=14):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, units), nn.ReLU(), nn.Linear(units, 10))


def enclosed(units, activation=nn.Tanh):
    def build(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, units), activation(), nn.Linear(units, 10))

    return build


def enclosed_number(units):
    def build(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, units), nn.ReLU(), nn.Linear(units, 10))

    return build


def with_statements(units):
    def build_here(s):
        if s.deep:
            return nn.Sequential(nn.Flatten(), nn.Linear(784, units), nn.ReLU(), nn.Linear(units, 10))
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    return build_here


def with_names(s):
    """Give a name to a part or two."""
    units = s.width
    units = 2 * units
    first = nn.Linear(784, units)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(units, 10))


def last_first(s):
    last = nn.Linear(s.width, 10)
    first = nn.Linear(784, s.width)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)


def twice(s):
    flat, first = nn.Flatten(), nn.Linear(784, s.width)
    layer = nn.Linear(s.width, s.width)
    return nn.Sequential(flat, first, layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(s.width, 10))


def shared(s):
    layer = nn.Linear(784, 784)
    return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(784, 10))


def in_place(s):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.ReLU(), nn.Linear(s.width, 10))
    kept = xavier_(net)  # noqa: F841
    return net


class Net(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.ReLU(), nn.Linear(s.width, 10))

    def forward(self, X):
        return self.net(X)


CALLS, BUILDS = (lambda s: hidden(s)), (lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.Linear(9, 10)))
IN_A_DICT = {"calls": (lambda s: hidden(s), "in a place of which a line alone is no Python")}
CLOSURE = with_statements(10)
KINDS = [
    slider("width", 4, 64, 16),
    switch("deep"),
    choice("kind", {"slim": "narrow", "fat": "wide"}),
    choice("activation", {"ReLU": nn.ReLU}),
]


def enclosed_lambda(units):
    return lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, units), nn.ReLU(), nn.Linear(units, 10))


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
    "names": (with_names, "    units = 2 * units\n"),
    "names in another order": (last_first, "net = last_first(settings)"),
    "a name used twice": (shared, "def shared(s):"),
    "names of a pair": (twice, "def twice(s):"),
    "a name that is not used": (in_place, "from cnnlib.models import xavier_\n"),
    "conditional": (conditional, '    nn.Linear(784, 8 if s.kind == "narrow" else 24),'),
    "comprehension": (comprehension, "in [(84, s.width), (s.width, 10)]"),
    "settings passed on": (passed_on, "def layers_of(s):"),
    "globals": (with_globals, "From = partial(torch.nn.Linear, 784)\n\nUNITS = 12\n\ndef with_globals(s):"),
    "default": (with_default, "def with_default(s, units=14):"),
    "decorator, default and itself": (with_default_of_the_notebook, "@kept\ndef with_default_of_the_notebook(s, units"),
    "closure over a number": (enclosed_number(20), "units = 20\n\ndef build(s):"),
    "closure over a class": (enclosed(20), "from torch.nn import Tanh as activation\n"),
    "closure of several statements": (CLOSURE, "net = build_here(settings)"),
    "lambda that calls": (CALLS, "build = lambda s: hidden(s)\n"),
    "lambda that builds": (BUILDS, "build = lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, 9)"),
    "lambda with a closure": (enclosed_lambda(11), "units = 11\n\nbuild = lambda s: nn.Sequential("),
    "lambda in a dict": (IN_A_DICT["calls"][0], "build = lambda s: hidden(s)\n"),
    "class": (Net, "net = Net(settings)"),
    "partial": (partial(with_default, units=9), "build = partial(with_default, units=9)\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_code_of_every_form_of_build_function(written, form):
    make, expected = FORMS[form]
    pg = written(make, KINDS)
    pg.inputs["deep"].value = True
    go(pg, 4)
    assert_code_repeats(pg)
    assert expected in pg.code() and "as defined in this notebook" not in pg.code()


def test_code_of_functions_that_mean_different_things_by_one_name(panel):
    batches = load_data_fashion_mnist(32, num_train=640, num_test=64)
    units, data = 320, batches
    pg = panel(enclosed_number(20), lambda s: data if units == 320 else None, KINDS)
    go(pg, 4)
    text = pg.code()
    assert "# build, data: as defined in this notebook" in text and "batches = data_(settings)" in text
    assert_code_repeats(pg, data=batches, build=enclosed_number(20))
    pg = panel(with_names_of_the_listing, lambda s: data, KINDS)
    go(pg, 4)
    assert "# data, with_names_of_the_listing: as defined" in pg.code()
    assert_code_repeats(pg, data=batches, with_names_of_the_listing=with_names_of_the_listing)


class Maker:
    def __call__(self, s):
        return hidden(s)

    def make(self, s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.Linear(s.width, 10))


UNREADABLE = {"object": Maker(), "bound method": Maker().make}


@pytest.mark.parametrize("form", UNREADABLE)
def test_code_of_what_cannot_be_written_down(written, form):
    """It may name what only the notebook has, but it stays Python, and the panel goes on."""
    pg = written(UNREADABLE[form], KINDS)
    pg.folds[-1].value = True
    go(pg, 4)
    assert pg.runner.state == "paused", repr(pg.runner.error)
    ast.parse(pg.code())
    assert "# build: as defined in this notebook" in pg.code()


def test_names_that_an_expression_binds_are_none_of_the_notebook(written):
    def make(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), *map(lambda units: nn.Linear(units, 10), [s.width]))

    pg = written(make, KINDS)
    go(pg, 4)
    assert_code_repeats(pg)
    assert "as defined in this notebook" not in pg.code()


# Values of settings


def with_settings(s):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, s.sizes[0]),
        s.activation(),
        nn.Linear(*s.sizes, bias=s.bias),
        nn.Dropout(0.1 if s.name == "it's" else 0.9),
        nn.Identity() if s.nothing == None else nn.ReLU(),  # noqa: E711
        nn.Linear(s.sizes[-1], *s.outputs),
    )


def leaky():
    return nn.LeakyReLU(0.2)


DEFAULTS = {"bias": True, "name": "it's", "activation": nn.ReLU, "sizes": (7, 4), "outputs": [10], "nothing": 0}
SETTINGS = {
    "bool": switch("bias"),
    "str": choice("name", {"a": 'say "no"\\', "b": "it's"}),
    "class": choice("activation", {"ELU": nn.ELU}),
    "function": choice("activation", {"leaky": leaky}),
    "partial": choice("activation", {"leaky": partial(nn.LeakyReLU, negative_slope=0.3)}),
    "tuple": choice("sizes", {"small": (6, 5)}),
    "tuple of one": choice("outputs", {"ten": (10,)}),
    "list": choice("sizes", {"small": [6, 5]}),
    "None": choice("nothing", {"none": None}),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_code_with_every_kind_of_value(written, kind):
    control = SETTINGS[kind]
    others = [choice(name, {"only": value}) for name, value in DEFAULTS.items() if name != control.name]
    pg = written(with_settings, [control, *others])
    go(pg, 4)
    assert_code_repeats(pg)
    assert ("def leaky():" in pg.code()) == (kind == "function") and "as defined in" not in pg.code()


@pytest.mark.parametrize("value", [lambda: nn.LeakyReLU(0.2), nn.LeakyReLU(0.2), {"slope": nn.ReLU}], ids=type)
def test_code_with_a_value_that_has_no_name(written, value):
    def make(s):
        unused = s.activation  # noqa: F841
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    for function in (make, lambda s: hidden_with(s.activation)):
        pg = written(function, [choice("activation", {"ours": value})])
        pg.folds[-1].value = True
        go(pg, 4)
        assert pg.runner.state == "paused", repr(pg.runner.error)
        ast.parse(pg.code())


def hidden_with(activation):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


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


def test_code_of_a_notebook(notebook, cell):
    pg = notebook
    go(pg, 6)
    pg.inputs["dropout"].value = 0.1
    go(pg, 6)
    for part in ("class Relu(nn.Module):", "def hidden(units):", "layer.p = share / 2", "def narrower(arch, ratio):"):
        assert part in pg.code()
    assert "as defined in this notebook" not in pg.code()
    assert_code_repeats(pg)


@pytest.mark.parametrize("cell", ["without a source"], indirect=True)
def test_code_of_functions_without_a_source(notebook, cell):
    pg = notebook
    pg.folds[-1].value = True
    go(pg, 6)
    assert_code_repeats(pg, **cell)
    assert "# Relu, build, data: as defined in this notebook\n" in pg.code()
    assert "settings = SimpleNamespace(lr=0.05, dropout=0.5, width=16, activation=Relu)" in pg.code()


@pytest.mark.parametrize("cell", ["without a source"], indirect=True)
def test_code_of_a_live_lambda_without_a_source(notebook):
    pg = notebook
    pg.folds[-1].value = True
    go(pg, 6)
    pg.inputs["dropout"].value = 0.1
    go(pg, 6)
    assert pg.runner.state == "paused", repr(pg.runner.error)
    ast.parse(pg.code())


def test_imports_stand_in_blocks(notebook):
    go(notebook, 3)
    others, library, *_ = notebook.code().split("\n\n")
    assert all(line.startswith(("from ", "import ")) and "cnnlib" not in line for line in others.splitlines())
    imported = ("Trainer", "load_data_fashion_mnist", "models import xavier_")
    assert all(name in line for name, line in zip(imported, library.splitlines(), strict=True))
    assert len(set(others.splitlines())) == len(others.splitlines())


def test_code_of_a_network_of_the_library(written):
    pg = written(lambda s: lenet(s.activation), CONTROLS[1:])
    go(pg, 2)
    assert "build = lambda s: lenet(s.activation)\n" in pg.code() and "from cnnlib.models import lenet\n" in pg.code()
    assert "notebook" not in pg.code()
    assert_code_repeats(pg)


def test_show_the_code(written):
    pg = written(lambda s: lenet(s.activation if s.width < 99 else None), CONTROLS)
    assert pg.listing.value == ""
    pg.folds[-1].value = True
    assert "not a step yet" in pg.listing.value and "lenet(s.activation" in pg.listing.value
    go(pg, 3)
    assert "if trainer.step == 3:" in pg.listing.value
    go(pg, 3)
    assert "if trainer.step == 6:" in pg.listing.value
    pg.folds[-1].value = False
    go(pg, 3)
    assert "if trainer.step == 6:" in pg.listing.value, "nobody looks"
    pg.folds[-1].value = True
    assert "if trainer.step == 9:" in pg.listing.value


def test_the_code_on_the_page_is_that_of_the_network_on_the_page(written):
    pg = written()
    pg.folds[-1].value = True
    go(pg, 3)
    pg.inputs["width"].value = 8
    rest(pg)
    assert "width=8" in pg.listing.value and "not a step yet" in pg.listing.value
