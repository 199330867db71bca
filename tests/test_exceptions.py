"""Exceptions of the package reach another program, or a copy, with what they say and every field they hold."""

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

import cnnlib
from cnnlib import DivergenceError, History


def find_exceptions():
    """Return every exception class that the package defines, wherever it stands."""
    for module in pkgutil.walk_packages(cnnlib.__path__, "cnnlib."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds, found = [BaseException], set()
    while kinds:
        kind = kinds.pop()
        kinds += type.__subclasses__(kind)
        if kind.__module__.split(".")[0] == "cnnlib":
            found.add(kind)
    return sorted(found, key=lambda kind: kind.__qualname__)


KINDS = find_exceptions()
WAYS = {
    **{f"pickle {n}": lambda e, n=n: pickle.loads(pickle.dumps(e, n)) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def make(kind):
    """Return an exception with all its fields filled, whatever its class asks for."""
    fields = {"history": History(loss=[2.5], lr=[0.1], correct=[3], size=[8]), "step": 7, "lr": 0.01}
    try:
        error = kind("it failed: 7", *fields.values())
    except TypeError:
        try:
            error = kind("it failed: 7", fields["history"], fields["step"])
        except TypeError:
            error = kind("it failed: 7")
    if not vars(error):
        error.extra = fields
    error.add_note("a note")
    return error


def test_the_walk_finds_them():
    assert {"DivergenceError", "OutOfMemoryError", "DeviceError", "DataFileError"} <= {k.__name__ for k in KINDS}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_exception_survives(kind, way):
    error = make(kind)
    twin = way(error)
    assert type(twin) is kind and twin is not error
    assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


def pool(error):
    with multiprocessing.Pool(1) as workers:
        return workers.apply_async(raise_it, [error]).get(timeout=60)


def executor(error):
    with ProcessPoolExecutor(1) as workers:
        return workers.submit(raise_it, error).result(timeout=60)


def raise_it(error):
    raise error


@pytest.mark.parametrize("workers", [pool, executor])
def test_what_a_worker_raises_reaches_its_parent(workers):
    """A pool whose worker's exception cannot be rebuilt waits for ever."""
    for kind in KINDS:
        error = make(kind)
        with pytest.raises(kind, match="it failed") as caught:
            workers(error)
        assert vars(caught.value).keys() == vars(error).keys()


def test_a_run_that_diverged_travels_with_its_record(noise, dense):
    with pytest.raises(DivergenceError) as caught:
        cnnlib.train(dense(), noise(), None, 20, 1e30, "cpu")
    error, twin = caught.value, copy.deepcopy(caught.value)
    assert twin.history == error.history and twin.history.ended == "diverged"
    assert (twin.step, twin.lr) == (error.history.steps + 1, error.lr) and str(twin) == str(error)


def test_a_trainer_travels(noise, dense):
    trainer = cnnlib.Trainer(dense(), noise(), lr=0.1, device="cpu")
    trainer.lr = 0.2
    for twin in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        assert twin.fit(1).lr == [0.2] * 3 and twin.step == 3


def test_a_subclass_of_a_reader_travels():
    error = pickle.loads(pickle.dumps(Mine("no", 3)))
    assert isinstance(error, Mine) and (error.number, error.step) == (3, None) and torch.is_tensor(error.extra)


class Mine(cnnlib.DeviceError):
    def __init__(self, message, number):
        super().__init__(message)
        self.number, self.extra = number, torch.zeros(2)
