"""Any loader with a length: an epoch ends there or where the iterator ends, and the difference is said once."""

import itertools
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import cnnlib
from cnnlib import evaluate_accuracy

Trainer = partial(cnnlib.Trainer, device="cpu")


class Says(list):
    """A loader that says it has 4 batches, and has others."""

    def __init__(self, batches, count):
        super().__init__(batches)
        self.count = count

    def __len__(self):
        return 4

    def __iter__(self):
        batches = list.__iter__(self)
        return (
            itertools.cycle(batches) if self.count is None else itertools.islice(itertools.cycle(batches), self.count)
        )


@pytest.fixture
def says(noise):
    return lambda count: Says(noise(32 * 7, shuffle=False), count)


@pytest.mark.parametrize("count, words", [(3, "gave 3: an epoch ends there"), (6, "gave more: an epoch ends after 4"),
                                          (None, "gave more: an epoch ends after 4"), (4, None)])  # fmt: skip
def test_an_epoch_ends_at_its_length_or_its_last_batch(says, dense, count, words, tmp_path):
    steps = min(4, count or 4)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        straight = Trainer(dense(), says(count), lr=0.1).fit(2).loss
    torch.manual_seed(0)
    trainer = Trainer(dense(), says(count), says(count), lr=0.1, listeners=[lambda t: t.step == 1 and t.stop()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert trainer.fit(2).ended == "stopped"  # and goes on with the batches that it has not seen
        assert trainer.fit(2).loss == straight
        trainer.save(tmp_path / "run.pt")
        history = trainer.fit(1)
    assert [str(w.message).split("and ")[1] for w in caught] == ([] if words is None else [f"{words}."])
    assert history.epoch_ends == [steps, 2 * steps, 3 * steps] and history.ended == "finished"
    assert len(history.test_acc) == 3 and history.test_acc[-1] == evaluate_accuracy(trainer.net, list(says(4))[:steps])
    again = Trainer(dense(), says(count), says(count), lr=0.1)
    again.load(tmp_path / "run.pt")  # a sound file
    assert (again.epoch, again.batch, again.step) == (2, 0, 2 * steps)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_data_has_the_type_of_new_networks(noise, dtype):
    torch.set_default_dtype(dtype)
    try:
        assert next(iter(noise()))[0].dtype == dtype
        net = nn.Sequential(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(1152, 10))
        assert cnnlib.train(net, noise(), noise(), 1, 0.1, "cpu").ended == "finished"
        assert 0 <= evaluate_accuracy(net, noise()) <= 1
    finally:
        torch.set_default_dtype(torch.float32)


class Odd:
    """A loader whose attributes have the names of this library's, and mean something else."""

    epoch, seed, batch_size, generator, to, images, resize = 3, "seven", "many", "none", None, "folder", False

    def __init__(self, batches):
        self.batches = list(batches)

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def test_names_of_a_loader_are_its_own(noise, dense, tmp_path):
    train = partial(cnnlib.train, lr=0.1, device="cpu", checkpoint=tmp_path / "run.pt")
    torch.manual_seed(0)
    assert train(dense(), Odd(noise()), Odd(noise()), 1).steps == 3
    torch.manual_seed(0)
    assert train(dense(), Odd(noise()), Odd(noise()), 2).steps == 6
    assert Trainer(dense(), Odd(noise()), lr=0.1).fork().fit(1).steps == 3


class Stream(IterableDataset):
    def __len__(self):
        return 96

    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        for _ in range(80):  # fewer than it says
            yield torch.rand(1, 28, 28, generator=generator), torch.randint(10, (), generator=generator)


@pytest.mark.filterwarnings("ignore:train_iter says", "ignore:Length of IterableDataset")
def test_data_loaders_of_every_kind(noise, dense):
    X, y = (torch.cat(part) for part in zip(*noise(), strict=True))
    data = TensorDataset(X, y)
    kinds = {
        "plain": DataLoader(data, 32), "shuffled": DataLoader(data, 32, shuffle=True),
        "own generator": DataLoader(data, 32, shuffle=True, generator=torch.Generator().manual_seed(1)),
        "lists": DataLoader(list(zip(X, y.tolist(), strict=True)), 32),
        "last dropped": DataLoader(data, 32, drop_last=True),
        "batch sampler": DataLoader(data, batch_sampler=[[0, 1, 2], [3, 4]]), "a stream": DataLoader(Stream(), 32),
        "a pair of lists": [[X, y], (X, y)], "a tuple": ((X, y),),
    }  # fmt: skip
    for name, loader in kinds.items():
        history = Trainer(dense(), loader, loader, lr=0.1).fit(2)
        assert history.ended == "finished" and len(history.test_acc) == 2, name
