"""What ends a run reaches another process, or a copy, with what it says and every field it holds; so does a trainer."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

import cnnlib
from cnnlib import DivergenceError, History
from cnnlib.datasets import DataFileError

HISTORY = History(loss=[2.5], lr=[0.1], correct=[3], size=[8])
ERRORS = [
    DivergenceError("it failed: 7", HISTORY, 7, 0.01),
    cnnlib.OutOfMemoryError("it failed: 7", HISTORY, 7),
    cnnlib.DeviceError("it failed: 7", HISTORY, 7),
    DataFileError("it failed: 7"),
]


@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_exception_survives(error, way):
    twin = way(error)
    assert type(twin) is type(error) and twin is not error
    assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


def raise_it(error):
    raise error


def test_what_a_worker_raises_reaches_its_parent():
    """A pool whose worker's exception cannot be rebuilt waits for ever."""
    with multiprocessing.Pool(1) as pool, ProcessPoolExecutor(1) as executor:
        for error in ERRORS:
            for answer in (pool.apply_async(raise_it, [error]).get, executor.submit(raise_it, error).result):
                with pytest.raises(type(error), match="it failed") as caught:
                    answer(timeout=60)
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
