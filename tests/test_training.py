"""The one training loop does what a plain loop does, and can be steered, stopped, resumed, rewound and forked.

Everything runs on the CPU, where results can be compared bit by bit.
"""

import copy
import signal
import threading
from functools import partial

import pytest
import torch
from nets import plain_loop, unchanged
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cnnlib
from cnnlib import evaluate_accuracy
from cnnlib.models import lenet, xavier_
from cnnlib.training import loop as training
from cnnlib.training.run import time_epoch

Trainer = partial(cnnlib.Trainer, device="cpu")
momentum = partial(torch.optim.SGD, momentum=0.9)


def at_step(step, action):
    """Return a listener that calls `action(trainer)` once, when `step` steps are done."""
    done = []

    def listen(trainer):
        if trainer.history.steps == step and not done:
            done.append(step)
            action(trainer)

    return listen


# The same result as a plain loop


def test_same_losses_and_weights_as_a_plain_loop(fashion, weights):
    batches = fashion(batch_size=64, num_train=500)[0]  # 8 batches, the last one ragged
    ours = xavier_(lenet())
    theirs = copy.deepcopy(ours)
    history = Trainer(ours, batches, lr=0.9).fit(3)
    expected = plain_loop(theirs, [batch for epoch in range(3) for batch in batches.epoch(epoch)], 0.9)
    assert history.steps == 24
    assert history.loss == pytest.approx(expected, abs=1e-6)
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-6)


def test_record_is_what_a_hand_would_count(noise, dense):
    batches, net = noise(num=80, batch_size=32), dense()
    other = copy.deepcopy(net)
    history = Trainer(net, batches, noise(shuffle=False), lr=0.0001).fit(1)
    with torch.no_grad():  # at this rate the weights as good as stand still
        scores = [(other(X), y) for X, y in batches.epoch(0)]
    right = [(s.argmax(1) == y).sum().item() for s, y in scores]
    assert (history.correct, history.size) == (right, [32, 32, 16])
    assert history.train_acc == [sum(right) / 80] and len(history.test_acc) == 1
    total = sum(nn.functional.cross_entropy(s, y, reduction="sum").item() for s, y in scores)
    assert history.train_loss == [pytest.approx(total / 80, abs=1e-3)]
    assert (history.epoch_ends, history.ended, history.lr) == ([3], "finished", [0.0001] * 3)


@pytest.mark.parametrize("size", [80, 81, 96])
def test_one_batch_and_ragged_batches(noise, dense, size):
    assert Trainer(dense(), noise(size, 100), lr=0.1).fit(2).size == [size, size]
    assert Trainer(dense(), noise(size, 32), lr=0.1).fit(1).size[-1] == size - 64


def test_any_iterable_with_a_length_will_do(noise, dense):
    batches = list(noise().epoch(0))
    X, y = (torch.cat(part) for part in zip(*batches, strict=True))
    losses = []
    for train_iter in (noise(), batches, DataLoader(TensorDataset(X, y), batch_size=32)):
        torch.manual_seed(0)
        losses.append(Trainer(dense(), train_iter, train_iter, lr=0.1).fit(1).loss)
    assert losses[0] == losses[1] == losses[2]


def test_loss_and_optimizer_may_be_others(noise, dense):
    history = Trainer(dense(), noise(), lr=0.001, optimizer=torch.optim.Adam, loss=nn.MultiMarginLoss()).fit(20)
    assert history.loss[-1] < history.loss[0] < 1.5 and history.settings["optimizer"] == "Adam"


# The learning rate


def test_new_lr_holds_from_the_next_batch(noise, dense, weights):
    net, seen = dense(), []
    trainer = Trainer(net, noise(), lr=0.1)
    before = [weights(net)]

    def listen(trainer):
        if trainer.batch:
            gradient = torch.cat([p.grad.flatten().double() for p in net.parameters()])
            now = weights(net)
            seen.append(((before[-1] - now).norm() / gradient.norm()).item())  # the rate this step really used
            before.append(now)

    trainer.listeners += [listen, at_step(2, lambda t: setattr(t, "lr", 0.5))]
    history = trainer.fit(1)
    assert history.lr == [0.1, 0.1, 0.5]
    assert seen == pytest.approx(history.lr, rel=1e-4)
    assert history.marks == [(3, "lr 0.5")]


def test_lr_that_is_moved_back_before_a_batch_leaves_no_mark(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.1)
    trainer.lr = 0.5
    trainer.lr = 0.1
    assert trainer.fit(1).marks == []


# Stop and interrupt


def interrupt(trainer=None):
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("end, ended", [(lambda t: t.stop(), "stopped"), (interrupt, "interrupted")])
def test_a_run_ends_after_the_present_batch_and_fit_goes_on(noise, dense, weights, end, ended):
    runs, handler = [], signal.getsignal(signal.SIGINT)
    for step in (None, 2, 3, 4):
        torch.manual_seed(0)
        net = dense(dropout=0.5)
        trainer = Trainer(net, noise(), noise(shuffle=False), lr=0.1, optimizer=momentum)
        if step:
            trainer.listeners.append(at_step(step, end))
            history = trainer.fit(2)
            assert (history.steps, history.ended, trainer.running) == (step, ended, False)
            assert trainer.epoch * 3 + trainer.batch == step and signal.getsignal(signal.SIGINT) is handler
        history = trainer.fit(2 - trainer.epoch)
        assert history.ended == "finished" and history.epoch_ends == [3, 6]
        runs.append((history.loss, history.train_loss, history.test_acc, weights(net).tolist()))
    assert all(run == runs[0] for run in runs)


def test_stop_may_be_asked_from_another_thread(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.1)
    trainer.listeners.append(at_step(1, lambda t: threading.Timer(0.05, t.stop).start()))
    assert trainer.fit(100_000).ended == "stopped"


def test_interrupt_of_an_evaluation_leaves_it_to_the_next_run(noise, dense):
    class Interrupted(list):
        times = 1

        def __iter__(self):
            if self.times:
                self.times -= 1
                interrupt()
            return super().__iter__()

    histories = []
    for test_iter in (list(noise(shuffle=False)), Interrupted(noise(shuffle=False))):
        torch.manual_seed(0)
        net = dense(dropout=0.5)
        trainer = Trainer(net, noise(), test_iter, lr=0.1)
        if isinstance(test_iter, Interrupted):
            history = trainer.fit(2)
            assert (history.ended, history.steps, history.test_acc) == ("interrupted", 3, []) and net.training
        histories.append(trainer.fit(2))
    assert histories[0].loss == histories[1].loss and histories[0].test_acc == histories[1].test_acc


# Evaluation


@pytest.mark.parametrize("mode", [True, False])
def test_evaluation_changes_nothing_and_counts_like_a_hand(noise, dense, mode):
    net, batches = nn.Sequential(nn.BatchNorm2d(1), *dense(dropout=0.9)).train(mode), noise(num=81, shuffle=False)
    with unchanged(net):
        share = evaluate_accuracy(net, batches)
        with pytest.raises(ValueError):
            evaluate_accuracy(net, noise(size=32))
    net.eval()
    with torch.no_grad():
        right = sum((net(X).argmax(1) == y).sum().item() for X, y in batches)
    assert share == right / 81


# Going back and branching off


@pytest.mark.parametrize("batch", [2, 3, 4])  # within an epoch, before an evaluation, after it
def test_fork_goes_on_bit_for_bit_and_leaves_the_original_alone(noise, dense, weights, batch):
    torch.manual_seed(0)
    net = dense(dropout=0.5)
    straight = Trainer(net, noise(), noise(shuffle=False), lr=0.1, optimizer=momentum).fit(3)

    torch.manual_seed(0)
    forks = []
    trainer = Trainer(dense(dropout=0.5), noise(), noise(shuffle=False), lr=0.1, optimizer=momentum)
    trainer.listeners.append(at_step(batch, lambda t: [forks.extend([t.fork(), t.fork()]), t.stop()]))
    trainer.fit(3)
    wild, tame = forks
    wild.lr = 0.9
    torch.rand(7)  # somebody else draws random numbers
    assert wild.fit(3 - wild.epoch).loss[: batch + 1] == straight.loss[: batch + 1]
    assert wild.history.loss[batch + 1 :] != straight.loss[batch + 1 :]
    for one in (tame, trainer):
        assert one.history.steps == batch
        one.fit(3 - one.epoch)
        assert (one.history.loss, one.history.test_acc) == (straight.loss, straight.test_acc)
        assert torch.equal(weights(one.net), weights(net))


def test_foreign_state_is_rejected_whole(noise, dense, weights):
    trainer = Trainer(dense(), noise(), lr=0.1)
    before = weights(trainer.net)
    other = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Linear(16, 20)), noise(), lr=0.5)
    for state, words in [
        (other.state(), "belongs to another network"),
        ({"net": {}}, "must be what trainer.state"),
        (None, "must be what trainer.state"),
        (Trainer(dense(), noise(), lr=0.5, optimizer=torch.optim.Adam).state(), "another optimizer"),
    ]:
        with pytest.raises(ValueError, match=words):
            trainer.load_state(state)
        assert torch.equal(weights(trainer.net), before) and trainer.lr == 0.1


def test_a_running_trainer_cannot_go_back(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.1)
    state = trainer.state()
    trainer.listeners.append(at_step(1, lambda t: t.load_state(state)))
    with pytest.raises(RuntimeError, match="trainer.stop()"):
        trainer.fit(1)


# Runs that end badly


def test_listener_that_raises_fails_the_run_and_keeps_its_record(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.1)
    handler = signal.getsignal(signal.SIGINT)
    trainer.listeners.append(at_step(2, lambda t: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        trainer.fit(1)
    assert (trainer.history.ended, trainer.history.steps, trainer.running) == ("failed", 2, False)
    assert signal.getsignal(signal.SIGINT) is handler
    assert trainer.fit(1).ended == "finished" and trainer.history.steps == 3


# Progress, time


def test_progress_counts_to_the_end(noise, dense):
    trainer, seen = Trainer(dense(), noise(), noise(), lr=0.1), []
    assert trainer.progress.step == 0
    trainer.listeners.append(lambda t: seen.append(t.progress))
    trainer.fit(2)
    assert [p.step for p in seen] == [1, 2, 3, 3, 4, 5, 6, 6, 6]  # three batches, an evaluation, …, the end
    assert all((p.total_steps, p.num_epochs, p.epoch) == (6, 2, p.step / 3) for p in seen)
    assert all(p.seconds_left >= 0 and p.examples_per_second > 0 for p in seen)
    assert seen[0].seconds_left > 0 == seen[-1].seconds_left
    assert [p.seconds for p in seen] == sorted(p.seconds for p in seen)
    assert seen[-1].seconds == trainer.history.seconds >= trainer.history.train_seconds > 0
    trainer.fit(1)
    again = seen[9]  # the first of a second run, which has a clock of its own
    assert (again.step, again.total_steps, again.num_epochs) == (7, 9, 3)


def test_time_left_is_that_of_as_many_steps_as_before(noise, dense, monkeypatch):
    now, guesses = [0.0], []

    class Clock:
        def __init__(self):
            self.began = now[0]

        def __call__(self):
            return now[0] - self.began

    def tick(trainer):
        now[0] = 0.01 * trainer.step

    monkeypatch.setattr(training, "WorkClock", Clock)  # a machine's own may be held up by others
    trainer = Trainer(dense(), noise(), lr=0.1)
    trainer.listeners += [tick, at_step(15, lambda t: guesses.append(t.progress))]
    trainer.fit(10)
    (guess,) = guesses
    assert (guess.seconds, guess.seconds_left) == pytest.approx((0.15, 0.15))


@pytest.mark.parametrize("num", [32, 64, 640])  # 1, 2 and 20 batches
def test_time_of_an_epoch_is_measured_and_nothing_is_changed(noise, dense, weights, monkeypatch, num):
    now = [0.0]

    class Slow(list):
        def __iter__(self):
            for batch in super().__iter__():
                now[0] += 0.02
                yield batch

    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    net, batches = dense(dropout=0.5), Slow(noise(num).epoch(0))
    with unchanged(net):
        assert time_epoch(net, batches, "cpu") == pytest.approx(0.02 * len(batches))
