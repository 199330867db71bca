"""Learning rates belong to the optimizer: groups keep their ratios, schedulers work, and every change is marked."""

from functools import partial

import pytest
import torch
from torch.optim import SGD, Adam, lr_scheduler

import cnnlib
from cnnlib.training.schedule import falling_rate, scheduled

Trainer = partial(cnnlib.Trainer, device="cpu")
STEPS = 3  # of an epoch of `noise()`
pytestmark = pytest.mark.filterwarnings(
    "ignore:Detected call of `lr_scheduler"
)  # of the schedule that is compared with


def groups(net, rates, kind=SGD):
    """Return a maker of an optimizer with a group for each dense layer; a rate of None is the run's own."""

    def make(parameters, lr):
        pairs = zip((net[1], net[4]), rates, strict=True)
        return kind(
            [{"params": layer.parameters()} | ({} if rate is None else {"lr": rate}) for layer, rate in pairs], lr=lr
        )

    return make


def rates_of(trainer):
    return [float(group["lr"]) for group in trainer.optimizer.param_groups]


def at_epoch_end(action):
    return lambda trainer: trainer.running and not trainer.batch and action()


@pytest.mark.parametrize("rates, lead", [((0.001, 0.1), 1), ((0.1, 0.001), 0), ((0.02, None), 1), ((0.3, 0.002), 0)])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_groups_keep_their_ratio(noise, dense, rates, lead, kind):
    net = dense()
    trainer = Trainer(net, noise(), lr=0.1, optimizer=groups(net, rates, kind))
    before = rates_of(trainer)
    trainer.fit(1)
    assert rates_of(trainer) == before and trainer.lr == before[lead] and trainer.history.marks == []
    trainer.lr = trainer.lr / 2
    trainer.fit(1)
    assert rates_of(trainer) == pytest.approx([rate / 2 for rate in before])
    assert trainer.history.lr == [before[lead]] * STEPS + [before[lead] / 2] * STEPS
    assert trainer.history.marks == [(STEPS + 1, f"lr {before[lead] / 2:.3g}")]


def test_a_fork_a_state_and_a_file_have_the_groups(noise, dense, weights, tmp_path):
    nets = [dense(), dense()]
    make = [groups(net, (0.001, 0.1), partial(SGD, momentum=0.9)) for net in nets]
    trainer, other = (Trainer(net, noise(), lr=0.1, optimizer=one) for net, one in zip(nets, make, strict=True))
    trainer.lr = 0.05
    trainer.fit(1)
    state, twin = trainer.state(), trainer.fork()
    other.load(trainer.save(tmp_path / "run.pt"))
    assert rates_of(twin) == rates_of(other) == pytest.approx([0.0005, 0.05]) and twin.lr == 0.05
    trainer.lr = 0.2
    assert trainer.fit(1).loss[: STEPS + 1] == twin.fit(1).loss[: STEPS + 1] and twin.history.loss == other.fit(1).loss
    assert rates_of(trainer) == pytest.approx([0.002, 0.2]) and rates_of(twin) == pytest.approx([0.0005, 0.05])
    trainer.load_state(state)
    assert trainer.lr == 0.05 and trainer.fit(1).loss == twin.history.loss
    assert torch.equal(weights(trainer.net), weights(twin.net))


# Schedulers

SCHEDULERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 1, gamma=0.1),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.5, total_steps=20, cycle_momentum=False),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.9)], [2]
    ),
    "a warm-up from zero": lambda o: lr_scheduler.LambdaLR(o, lambda step: step / 5),
}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("each", ["epoch", "batch"])
def test_schedulers_work_as_in_a_plain_loop(noise, dense, name, each):
    trainer = Trainer(dense(), noise(), lr=0.1)
    scheduler = SCHEDULERS[name](trainer.optimizer)
    plain = SCHEDULERS[name](SGD(dense().parameters(), lr=0.1))
    expected = []
    for _ in range(3):
        for _ in range(STEPS):
            expected.append(plain.optimizer.param_groups[0]["lr"])
            if each == "batch":
                plain.step()
        if each == "epoch":
            plain.step()
    if each == "epoch":
        trainer.listeners.append(at_epoch_end(scheduler.step))
    else:
        trainer.listeners.append(lambda t: t.running and t.batch and scheduler.step())
    history = trainer.fit(3)
    assert history.lr == pytest.approx(expected)
    changes = [(i, rate) for i, rate in enumerate(expected, 1) if rate != ([0.1, *expected])[i - 1]]
    assert bool(history.marks) is bool(changes)
    if each == "epoch":
        assert history.marks == [(step, f"lr {rate:.3g}") for step, rate in changes]
    else:
        assert len(history.marks) <= 2, "a schedule of every step is marked where it begins"


def test_a_move_of_the_reader_scales_what_a_scheduler_goes_on_with(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.8)
    scheduler = lr_scheduler.StepLR(trainer.optimizer, 1, gamma=0.5)
    trainer.listeners.append(at_epoch_end(scheduler.step))
    trainer.listeners.append(lambda t: t.step == 1 and setattr(t, "lr", 0.2))
    assert trainer.fit(2).lr == [0.8, 0.2, 0.2, 0.1, 0.1, 0.1]
    assert trainer.history.marks == [(2, "lr 0.2"), (4, "lr 0.1")]


def test_reduce_on_plateau(noise, dense):
    trainer = Trainer(dense(), noise(), lr=1e-6)
    scheduler = lr_scheduler.ReduceLROnPlateau(trainer.optimizer, patience=0, threshold=0.5)
    trainer.listeners.append(at_epoch_end(lambda: scheduler.step(trainer.history.train_loss[-1])))
    assert trainer.fit(3).lr[-1] == pytest.approx(1e-7)


def test_from_a_rate_of_zero_groups_have_the_ratio_they_began_with(noise, dense):
    net = dense()
    trainer = Trainer(net, noise(), lr=0.1, optimizer=groups(net, (0.01, 0.1)))
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    trainer.lr = 0.5
    trainer.fit(1)
    assert rates_of(trainer) == pytest.approx([0.05, 0.5])


def test_a_rate_that_is_a_tensor_stays_one(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.1, optimizer=lambda p, lr: Adam(p, lr=torch.tensor(lr)))
    trainer.lr = 0.05
    assert trainer.fit(1).lr == pytest.approx([0.05] * STEPS)
    assert isinstance(trainer.optimizer.param_groups[0]["lr"], torch.Tensor)


# A rate that rises and falls, and gradients that are clipped


def test_a_scheduled_rate_rises_and_falls(noise, dense):
    net, rates = dense(), []
    make = scheduled(partial(SGD, momentum=0.9), steps=2 * STEPS, warm_up=2)
    trainer = Trainer(net, noise(), lr=0.5, optimizer=make)
    trainer.fit(2)
    rates = [falling_rate(0.5, step, 2 * STEPS, 2) for step in range(2 * STEPS)]
    assert trainer.history.lr == pytest.approx(rates) and rates[0] == 0.25 and rates[1] > rates[-1] > 0


def test_a_clipped_gradient_is_no_longer_than_its_limit():
    weights = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(4))]
    for gradient, length in ((100.0, 0.5), (0.01, 0.01 * 7**0.5)):
        optimizer = scheduled(SGD, 10, clip=0.5)(weights, lr=1.0)
        for p in weights:
            p.data.zero_()
            p.grad = torch.full_like(p, gradient)
        optimizer.step()
        assert torch.cat(list(weights)).norm().item() == pytest.approx(length, rel=1e-4)
