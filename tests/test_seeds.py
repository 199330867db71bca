"""Runs with several seeds: the same start for every set-up, and side by side what they are one after the other."""

import os
import signal
import threading
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from cnnlib.training import seeds
from cnnlib.training.seeds import train_over_seeds, unfinished_runs


@contextmanager
def cores(num):
    """Give the library and PyTorch so many cores for a while."""
    before, seeds.CORES = (torch.get_num_threads(), seeds.CORES), num
    torch.set_num_threads(num)
    try:
        yield
        assert torch.get_num_threads() == num, "the number of threads is put back"
    finally:
        threads, seeds.CORES = before
        torch.set_num_threads(threads)


@pytest.fixture(params=[1, 2, 4], ids="{} cores".format)
def threads(request):
    """Run a test on so many cores."""
    with cores(request.param):
        yield request.param


@pytest.fixture
def together(monkeypatch):
    """Return a list that gets the number of runs each time that some go side by side."""
    seen, real = [], seeds._side_by_side
    monkeypatch.setattr(seeds, "_side_by_side", lambda trainers, *n: seen.append(len(trainers)) or real(trainers, *n))
    return seen


@pytest.mark.parametrize("listeners", [(), (lambda trainer: None,)], ids=["none", "one"])
def test_for_a_check_the_first_run_stands_for_all(noise, weights, together, monkeypatch, listeners):
    (net,), (record,) = train_over_seeds(conv, noise(), None, 1, 0.1, seeds=(3,))
    monkeypatch.setenv("CNNLIB_BUDGET", "check")
    nets, records = train_over_seeds(conv, noise(), None, 1, 0.1, seeds=(3, 1, 2), listeners=listeners)
    assert len(nets) == len(records) == 3 and not together
    assert all(torch.equal(weights(one), weights(net)) for one in nets)
    assert all(one.loss == record.loss for one in records)


def conv():
    return nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(8), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 10)
    )


def test_every_setup_has_the_same_start_and_order(noise, dense):
    nets, first = train_over_seeds(dense, noise(), None, 1, 0.1, seeds=(0, 1, 2), device="cpu")
    _, again = train_over_seeds(dense, noise(seed=7), noise(), 2, 0.1, seeds=(2, 1), device="cpu")
    assert len(nets) == len(first) == 3 and len({h.loss[0] for h in first}) == 3
    assert [h.settings["seed"] for h in first] == [0, 1, 2]
    assert again[0].loss[:3] == first[2].loss and again[1].loss[:3] == first[1].loss


def one_after_the_other(*arguments, **options):
    with cores(1):
        return train_over_seeds(*arguments, **options)


def same(first, second, weights):
    nets, histories = first
    others, records = second
    return (
        [h.loss for h in histories] == [h.loss for h in records]
        and [h.test_acc for h in histories] == [h.test_acc for h in records]
        and all(torch.equal(weights(a), weights(b)) for a, b in zip(nets, others, strict=True))
    )


@pytest.mark.parametrize("num", [2, 3, 5])
def test_side_by_side_is_to_the_last_bit_what_it_is_alone(noise, weights, together, num):
    data, tests = noise(), noise(shuffle=False)
    expected = one_after_the_other(conv, data, tests, 2, 0.1, range(num))
    after = torch.get_rng_state()
    with cores(2):
        found = train_over_seeds(conv, data, tests, 2, 0.1, range(num))
    assert together == [num]
    assert same(expected, found, weights)
    assert torch.equal(torch.get_rng_state(), after), "the random numbers stand where they would"
    assert data.seed == num - 1, "the data is left with the order of the last seed"


def test_side_by_side_after_so_many_steps(noise, weights, together, threads):
    expected = one_after_the_other(conv, noise(), None, 3, 0.1, (3, 4, 5), steps=4)
    found = train_over_seeds(conv, noise(), None, 3, 0.1, (3, 4, 5), steps=4)
    assert [h.steps for h in found[1]] == [4, 4, 4] and together == ([3] if threads > 1 else [])
    if threads < 4:  # with four each run has one; with more a sum may be rounded otherwise
        assert same(expected, found, weights)


def flipped(images):
    return images.flip(-1) if torch.rand(()) < 0.5 else images


def noisy():
    class Noise(nn.Module):
        def forward(self, X):
            return X + 0.1 * torch.randn_like(X) if self.training else X

    return nn.Sequential(Noise(), *conv())


def watched():
    net = conv()
    net[0].register_forward_hook(lambda *_: None)
    return net


ONE = conv()
STANDS_AGAINST_IT = {
    "dropout": (lambda: nn.Sequential(nn.Dropout(0.5), *conv()), {}, {}),
    "a layer of the reader's that draws": (noisy, {}, {}),
    "augmentation": (conv, {"transform": flipped}, {}),
    "a hook": (watched, {}, {}),
    "a listener": (conv, {}, {"listeners": [lambda trainer: None]}),
    "one network for all": (lambda: ONE, {}, {}),
    "data of the reader's own": (conv, None, {}),
}


@pytest.mark.parametrize("name", STANDS_AGAINST_IT)
def test_one_after_the_other_where_it_must_be(name, noise, weights, together, threads):
    build, data, options = STANDS_AGAINST_IT[name]
    start = {key: value.clone() for key, value in ONE.state_dict().items()}
    data = list(noise().epoch(0)) if data is None else noise(**data)
    expected = [h.loss for h in one_after_the_other(build, data, None, 1, 0.001, **options)[1]]
    ONE.load_state_dict(start)
    found = [h.loss for h in train_over_seeds(build, data, None, 1, 0.001, **options)[1]]
    ONE.load_state_dict(start)
    assert together == []
    assert torch.allclose(torch.tensor(found), torch.tensor(expected), atol=1e-4 if threads > 1 else 0, rtol=0)


def test_a_run_that_diverges_leaves_the_others(noise, together, threads):
    def build():
        net = conv()
        if torch.initial_seed() == 1:
            net[-1].weight.data.fill_(1e38)
        return net

    _, histories = train_over_seeds(build, noise(), None, 2, 0.1, (0, 1, 2))
    assert [h.ended for h in histories] == ["finished", "diverged", "finished"]
    assert [h.steps for h in histories][::2] == [6, 6]


class Fails(nn.Module):
    """Passes ten batches on and fails at the next one, counted over all networks with the same list."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def forward(self, X):
        self.calls.append(len(X))
        if len(self.calls) > 10:
            raise ZeroDivisionError("mine")
        return X


def test_what_was_trained_before_an_error_is_kept_until_the_next_call(noise, threads):
    running, calls = threading.active_count(), []
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        train_over_seeds(lambda: nn.Sequential(Fails(calls), *conv()), noise(96), None, 2, 0.1, (5, 6, 7))
    assert threading.active_count() == running, "it ended the others"
    nets, histories = unfinished_runs()
    assert 1 <= sum(h.steps for h in histories) <= 10 and all(h.steps == len(h.loss) > 0 for h in histories)
    assert len(nets) == len(histories) and all(isinstance(net[0], Fails) for net in nets)
    (note,) = caught.value.__notes__
    assert all(f" ({h.ended} after {h.steps} steps)" in note for h in histories) and note.count("seed ") == len(nets)
    with pytest.raises(ValueError, match="seeds must hold"):
        train_over_seeds(conv, noise(), None, 1, 0.1, ())
    assert unfinished_runs() == (nets, histories), "a call that trains nothing takes nothing away"
    train_over_seeds(conv, noise(), None, 1, 0.1)
    assert unfinished_runs() == ([], [])


def test_bad_input_is_named_as_ever(noise, threads):
    with pytest.raises(ValueError, match="expected"):
        train_over_seeds(lambda: nn.Sequential(nn.Conv2d(3, 4, 5)), noise(), None, 1, 0.1)
    assert unfinished_runs() == ([], [])


class Interrupts(nn.Module):
    """Sends Ctrl-C to this process once three networks that hold the same dict have had three batches each."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def forward(self, X):
        before = sorted(self.calls.values())
        self.calls[id(self)] = self.calls.get(id(self), 0) + 1
        if len(before) == 3 and before[0] < 3 <= min(self.calls.values()):
            os.kill(os.getpid(), signal.SIGINT)
        return X


@pytest.mark.skipif(os.name == "nt", reason="sends a signal to itself")
def test_an_interrupt_ends_all(noise, together):
    running, calls = threading.active_count(), {}
    with cores(2), pytest.raises(KeyboardInterrupt) as caught:
        train_over_seeds(lambda: nn.Sequential(Interrupts(calls), *conv()), noise(2_000), None, 1_000, 0.1)
    nets, histories = unfinished_runs()
    assert len(nets) == 3 and all(h.steps > 1 and h.ended == "stopped" for h in histories)
    assert f"seed 2 (stopped after {histories[2].steps:,} steps)" in caught.value.__notes__[0]
    assert together == [3] and threading.active_count() == running
