"""Memory that runs out, a GPU that fails, and a training that diverges: the run is kept, and goes on.

There is no GPU here: its errors are raised where it would raise them, with the words that PyTorch has for them.
"""

import gc
import math
import warnings
import weakref
from functools import partial
from types import SimpleNamespace

import ipywidgets
import pytest
import torch
from panels import go, marks, rest, step_of, threads, until
from panels import panel as panel
from torch import nn

import cnnlib
from cnnlib import DeviceError, DivergenceError, OutOfMemoryError, evaluate_accuracy, train
from cnnlib.machine import device, faults
from cnnlib.widgets import fit
from cnnlib.widgets.view import View

Trainer = partial(cnnlib.Trainer, device="cpu")
momentum = partial(torch.optim.SGD, momentum=0.9)

FULL = {
    "a GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 0 bytes free."),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "Apple's GPU": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB). Use PYTORCH_MPS_HIGH_WATERMARK_…"),
    "the CPU": RuntimeError("[enforce fail at alloc_cpu.cpp:116] . DefaultCPUAllocator: can't allocate memory: 64 B"),
    "Windows": RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory"),
    "Python": MemoryError(),
}
OLD_CARD = RuntimeError("CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors …")
BROKEN = {
    "an old card": OLD_CARD,
    "an accelerator": torch.AcceleratorError("CUDA error: device-side assert triggered"),
    "cuDNN": RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    "Apple's GPU": NotImplementedError("The operator 'aten::x' is not currently implemented for the MPS device."),
}
PLACES = ["data", "forward", "loss", "backward", "optimizer", "listener", "evaluation"]


@pytest.fixture(autouse=True)
def no_collector(monkeypatch):
    """What is freed is freed without the garbage collector, which takes its time in a large process."""
    monkeypatch.setattr(faults, "gc", SimpleNamespace(collect=lambda: None))


class Weak(nn.Module):
    """A network that does, where and when it is told to, something else than to compute."""

    def __init__(self, net, where, at, act):
        super().__init__()
        self.net, self.where, self.at, self.act, self.seen = net, where, at, act, {}
        first = next(net.parameters())  # its gradient comes last, when the other layers have theirs
        first.register_hook(lambda gradient: self.reach("backward"))

    def reach(self, where):
        self.seen[where] = self.seen.get(where, 0) + 1
        if where == self.where and self.seen[where] == self.at:
            self.act(self)

    def forward(self, X):
        self.reach("forward" if self.training else "evaluation")
        return self.net(X)


def weak_trainer(net, noise, optimizer=momentum):
    """Return a trainer that reaches each of PLACES once a step, or once an epoch."""

    class Data(list):
        batch_size = 32

        def epoch(self, number, start=0):
            for batch in noise().epoch(number, start):
                net.reach("data")
                yield batch

        def to(self, device):
            return self

    class Optimizer(torch.optim.Optimizer):
        def __init__(self, parameters, lr):
            self.inner = optimizer(list(parameters), lr=lr)
            super().__init__(self.inner.param_groups, {})
            self.state, self.param_groups = self.inner.state, self.inner.param_groups

        def step(self):
            self.inner.step()
            net.reach("optimizer")  # half done

    def loss(scores, y):
        net.reach("loss")
        return nn.functional.cross_entropy(scores, y)

    trainer = Trainer(net, Data([0] * 3), noise(shuffle=False), lr=0.1, optimizer=Optimizer, loss=loss)
    trainer.listeners.append(lambda trainer: trainer.running and trainer.batch and net.reach("listener"))
    return trainer


def raising(error):
    def act(net):
        raise error

    return act


# Memory that runs out


@pytest.mark.parametrize("optimizer", [momentum, torch.optim.Adam], ids=["momentum", "Adam"])
@pytest.mark.parametrize(
    "where, at", [(where, at) for where in PLACES for at in (1, 2) if (where, at) != ("optimizer", 2)]
)
def test_a_run_that_ran_out_of_memory_goes_on_as_if_it_had_not(noise, dense, weights, where, at, optimizer):
    ends = []
    for never in (True, False):
        torch.manual_seed(0)
        net = Weak(dense(), where, math.inf if never else at, raising(FULL["a GPU"]))
        trainer = weak_trainer(net, noise, optimizer)
        if not never:
            with pytest.raises(OutOfMemoryError, match="Try batches of 16 examples instead of 32") as caught:
                trainer.fit(2)
            history = trainer.history
            assert history.ended == "out of memory" and "(CUDA out of memory" in str(caught.value)
            assert caught.value.history is history and caught.value.step == history.steps + 1
            assert not trainer.running and history.marks == [(history.steps + 1, "out of memory")]
            assert weights(net).isfinite().all() and len(set(map(len, (history.loss, history.size, history.lr)))) == 1
        trainer.fit(2 - trainer.epoch)
        ends.append((trainer.history.loss, trainer.history.train_loss, trainer.history.test_acc, weights(net).tolist()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("where", FULL)
def test_every_way_to_say_that_the_memory_is_full(noise, dense, where):
    net = Weak(dense(), "forward", 2, raising(FULL[where]))
    with pytest.raises(OutOfMemoryError, match=r"the memory ran out at step 2 \(.+\)\. Try batches of 16 examples"):
        Trainer(net, noise(), lr=0.1).fit(1)
    net.where, net.at = "evaluation", 1
    with pytest.raises(
        OutOfMemoryError, match=r"ran out while evaluating \(.*Try batches of 16 examples instead of 32"
    ):
        evaluate_accuracy(net, noise())
    assert net.training
    assert "one example already" in str(faults.explain_fault(MemoryError(), batch_size=1))


def test_memory_that_really_runs_out(noise):
    class Greedy(nn.Sequential):
        def forward(self, X):
            return super().forward(X) + torch.empty(2**46).sum()  # 256 TiB

    with pytest.raises(OutOfMemoryError, match="at step 1 .*allocate memory.*16 examples instead of 32"):
        Trainer(Greedy(nn.Flatten(), nn.Linear(784, 10)), noise(), lr=0.1).fit(1)


@pytest.mark.parametrize("where", ["forward", "loss", "backward", "evaluation"])
def test_what_filled_the_memory_is_given_back(noise, dense, where):
    alive = []

    class Layer(nn.Module):
        def forward(self, X):
            X = X * 1.0
            alive.append(weakref.ref(X))
            return X

    net = Weak(nn.Sequential(Layer(), *dense()), where, 1, raising(FULL["a GPU"]))
    trainer = weak_trainer(net, noise)
    gc.collect()
    gc.disable()  # or it may help by chance
    try:
        with pytest.raises(OutOfMemoryError) as caught:
            trainer.fit(1)
        assert caught.value.__traceback__ is not None and all(one() is None for one in alive)
    finally:
        gc.enable()
    assert where == "evaluation" or all(p.grad is None for p in net.parameters())


# A GPU that fails


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("where", ["forward", "backward", "evaluation"])
def test_a_gpu_that_fails_is_not_taken_for_a_wrong_layer(noise, dense, kind, where):
    net = Weak(dense(), where, 1, raising(BROKEN[kind]))
    trainer = weak_trainer(net, noise)
    with pytest.raises(
        DeviceError, match="the GPU failed .*(CUDA|cuDNN|aten).* Restart the kernel.*device='cpu'"
    ) as caught:
        trainer.fit(1)
    assert trainer.history.ended == "failed" and caught.value.history is trainer.history
    assert trainer.fit(1).ended == "finished"


@pytest.mark.parametrize(
    "error", [ValueError("cuda error"), RuntimeError("shapes cannot be multiplied"), KeyError("x")]
)
def test_other_errors_are_left_alone(error):
    assert not faults.is_fault(error)


@pytest.fixture
def card(monkeypatch):
    """A machine that says it has one NVIDIA card; returns a function that sets what its first computation does."""
    monkeypatch.setattr(device, "_tried", {})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def first(compute):
        monkeypatch.setattr(device, "compute", compute)

    return first


def test_a_card_that_cannot_compute_is_not_used_and_said_once(card, noise, dense):
    tries = []

    def compute(device):
        tries.append(device)
        raise OLD_CARD

    card(compute)
    with pytest.warns(
        RuntimeWarning, match=r"the GPU \(cuda:0\) is not used.*no kernel image.*on the CPU instead"
    ) as told:
        assert cnnlib.try_gpu().type == "cpu"
    assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cnnlib.try_gpu().type == "cpu" and len(tries) == 1
        assert cnnlib.Trainer(dense(), noise(), lr=0.1).fit(1).ended == "finished"


def test_a_card_that_computes_is_used_and_tried_once(card):
    tries = []
    card(tries.append)
    assert cnnlib.try_gpu() == cnnlib.try_gpu() == torch.device("cuda", 0) and len(tries) == 1
    assert cnnlib.try_gpu(5).type != "cuda"


# In the panel


@pytest.mark.parametrize("where", ["forward", "backward", "evaluation"])
def test_a_panel_out_of_memory_says_so_and_start_goes_on(panel, dense, where):
    pg = panel(
        lambda s: Weak(dense(), where, 1 if where == "evaluation" else 4, raising(FULL["the CPU"])), num_epochs=1
    )
    go(pg, 2)
    trainer = pg.runner.trainer
    pg.page.start.click()
    rest(pg)
    assert pg.runner.state == "out of memory" and isinstance(pg.runner.error, OutOfMemoryError)
    assert "role='alert'" in pg.status.value and "Try batches of 16 examples" in pg.status.value
    assert "Start tries its next step again" in pg.status.value and pg.page.offer.layout.display == "none"
    assert marks(pg) == ["out of memory"] and trainer.history.steps == (20 if where == "evaluation" else 3)
    pg.page.start.click()
    rest(pg)
    assert pg.runner.trainer is trainer and pg.runner.state == "finished" and pg.runner.error is None
    assert trainer.history.epoch_ends == [20] and len(trainer.history.test_acc) == 1


def test_a_view_that_runs_out_of_memory_costs_no_run(panel, dense):
    class Hungry(View):
        widget, error = ipywidgets.HTML(), None

        def show(self, trainer):
            if self.error:
                raise self.error

    view = Hungry()
    pg = panel(lambda s: dense(), views=[view])
    go(pg, 3)
    trainer, view.error = pg.runner.trainer, FULL["a GPU"]
    go(pg, 3)
    assert pg.runner.state == "out of memory" and "CUDA out of memory" in pg.status.value
    assert pg.runner.trainer is trainer and pg.runner.error.__traceback__ is None
    view.error = None
    go(pg, 3)
    assert pg.runner.trainer is trainer and pg.runner.state == "paused" and step_of(pg) == 9


def failing(error):
    def build(s):
        raise error

    return build


@pytest.mark.parametrize("build, words", [
    (failing(FULL["a GPU"]), ("CUDA out of memory", "OutOfMemoryError")),
    (lambda s: Weak(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "forward", 2, raising(OLD_CARD)),
     ("DeviceError", "no kernel image")),
], ids=["no room for the network", "the GPU fails"])  # fmt: skip
def test_a_panel_whose_machine_fails(panel, build, words):
    pg = panel(build)
    pg.page.start.click()
    rest(pg)
    assert pg.runner.state == "failed" and pg.runner.error.__traceback__ is None
    assert all(one in pg.status.value for one in words)


# A training that diverges


def normed():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))


def all_of(trainer):
    """Return weights, buffers and the optimizer's memory, as copies."""
    memory = [v for s in trainer.optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    return [t.detach().clone() for t in (*trainer.net.parameters(), *trainer.net.buffers(), *memory)]


def assert_sound(trainer, batch):
    assert all(tensor.isfinite().all() for tensor in all_of(trainer))
    with torch.no_grad():
        assert nn.functional.cross_entropy(trainer.net.eval()(batch[0]), batch[1]).isfinite()


def at_step(step, action):
    return lambda trainer: trainer.running and trainer.batch and trainer.step == step and action(trainer)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, momentum, torch.optim.Adam], ids=["SGD", "momentum", "Adam"])
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_after_a_divergence_everything_is_sound_and_a_tenth_goes_on(noise, optimizer, step):
    trainer = Trainer(normed(), noise(), noise(shuffle=False), lr=0.01, optimizer=optimizer)
    trainer.listeners.append(at_step(step - 1, lambda t: setattr(t, "lr", 1e36)))
    if step == 1:
        trainer.lr = 1e36
    with pytest.raises(DivergenceError, match="Try a learning rate of 1e\\+35") as caught:
        trainer.fit(3)
    history = trainer.history
    assert history.ended == "diverged" and caught.value.lr == pytest.approx(1e35) and history.marks[-1][0] > step - 1
    assert_sound(trainer, next(iter(noise())))
    trainer.lr = 0.001
    assert trainer.fit(3 - trainer.epoch).ended == "finished" and history.epoch_ends == [3, 6, 9]


@pytest.mark.parametrize("step", [1, 3])
def test_bad_data_is_named_and_leaves_no_trace(noise, step):
    batches = list(noise())
    X, y = batches[step - 1]
    batches[step - 1] = (X.index_fill(0, torch.tensor([5]), torch.nan), y)
    trainer = Trainer(normed(), batches, lr=0.01, optimizer=momentum)
    states = [all_of(trainer)]
    trainer.listeners.append(at_step(step - 1, lambda t: states.append(all_of(t))))
    with pytest.raises(DivergenceError, match=f"became nan at step {step} .* the batch itself holds such values"):
        trainer.fit(1)
    assert_sound(trainer, next(iter(noise())))
    if step == 1:  # nothing came before
        assert all(map(torch.equal, all_of(trainer), states[0]))
    assert (trainer.history.steps, trainer.batch) == (step - 1, step - 1)


def overflow_statistics(net):
    net.net[2].running_var.fill_(math.inf)


def overflow_memory(net):
    for state in net.optimizer.state.values():
        state["exp_avg_sq"].fill_(math.inf)


@pytest.mark.parametrize("spoil", [overflow_statistics, overflow_memory])
def test_a_finite_loss_over_infinite_numbers_is_noticed(noise, spoil):
    net = Weak(normed(), "forward", 3, spoil)
    trainer = Trainer(net, noise(), lr=0.001, optimizer=torch.optim.Adam)
    net.optimizer = trainer.optimizer
    with pytest.raises(DivergenceError, match="statistic or the optimizer's memory became infinite or NaN at step 3"):
        trainer.fit(1)
    assert trainer.history.steps == 3 and all(map(math.isfinite, trainer.history.loss))
    assert_sound(trainer, next(iter(noise())))
    assert trainer.fit(1).ended == "finished"


def test_a_mask_that_is_infinite_by_design_is_no_divergence(noise, dense):
    net = dense()
    net.register_buffer("mask", torch.full((4,), -math.inf))
    assert Trainer(net, noise(), lr=0.1).fit(2).ended == "finished"


SPOILT = [  # the value of all weights, what is said, whether the run was stopped, which ends it without an evaluation
    (math.nan, "a weight, .* became", False),
    (math.nan, "a weight, .* became", True),
    (1e38, "on the test data the scores became", False),
]


@pytest.mark.parametrize("value, words, stop", SPOILT)
def test_the_last_step_of_a_run_is_not_believed_either(noise, dense, weights, value, words, stop):
    """Its weights have given no loss yet, so nothing but a look at them, and at the evaluation, can tell."""
    net = Weak(dense(), "optimizer", 2 if stop else 3, lambda net: [p.data.fill_(value) for p in net.parameters()])
    trainer = weak_trainer(net, noise)
    good = [weights(net)]  # the copy is of the run's beginning
    if stop:
        trainer.listeners.append(at_step(2, lambda t: t.stop()))
    with pytest.raises(DivergenceError, match=words) as caught:
        trainer.fit(1)
    assert torch.equal(weights(net), good[0]) and caught.value.step == trainer.history.steps
    assert trainer.history.ended == "diverged" and trainer.history.marks[-1][1].endswith("not finite")
    assert trainer.fit(1).ended == "finished"


def test_an_accuracy_that_means_nothing_is_said_so(noise, dense):
    net = dense()
    with torch.no_grad():
        net[1].weight.fill_(math.nan)
    with pytest.warns(RuntimeWarning, match="scores are infinite or NaN: this accuracy means nothing"):
        evaluate_accuracy(net, noise())


@pytest.mark.parametrize("bad", [4, 6, 7, 9, 11])
def test_where_losses_are_looked_at_only_now_and_then(noise, dense, bad):
    """As on a GPU: a bad loss is found some steps later, and the run goes on where the record ends."""
    trainer = Trainer(dense(), noise(32 * 6), noise(shuffle=False), lr=0.01)
    calls = []
    trainer._is_due = lambda: calls.append(1) or len(calls) % 4 == 1
    trainer.listeners.append(at_step(bad - 2, lambda t: setattr(t, "lr", 1e38)))
    with pytest.raises(DivergenceError):
        trainer.fit(3)
    history = trainer.history
    assert trainer.epoch * 6 + trainer.batch == history.steps == bad - 1
    trainer.lr = 0.01
    trainer.fit(3 - trainer.epoch)
    assert history.epoch_ends == [6, 12, 18] and all(map(math.isfinite, history.train_loss))
    assert history.train_loss[0] == pytest.approx(history.window(0, 6)[0])


# The offer to go on


@pytest.mark.parametrize("start", ["trainer", train, fit], ids=["Trainer.fit", "train", "fit"])
def test_the_message_holds_the_call_that_goes_on(noise, dense, start, weights):
    names = {"net": dense(), "train_iter": noise(), "test_iter": noise(shuffle=False), "train": train, "fit": fit}
    turn = [lambda t: t.running and t.step == 4 and setattr(t, "lr", 1e38)]
    with pytest.raises(DivergenceError) as caught:
        if start == "trainer":
            names["trainer"] = Trainer(names["net"], names["train_iter"], lr=0.5, listeners=turn)
            names["trainer"].fit(3)
        else:
            start(names["net"], names["train_iter"], names["test_iter"], 3, 0.5, listeners=turn)
    call = str(caught.value).partition("To go on from there: ")[2]
    if start == "trainer":
        assert call == "trainer.lr = 1e+37, then trainer.fit(2)"
        call = call.replace("1e+37, then ", "0.05; ")
    else:
        assert call == f"{start.__name__}(net, train_iter, test_iter, num_epochs=2, lr=1e+37, …)"
        call = "history = " + call.replace(", …", "").replace("1e+37", "0.05")
    exec(call, names)
    history = names["trainer"].history if start == "trainer" else names["history"]
    assert history.ended == "finished" and weights(names["net"]).isfinite().all()


def test_the_panel_offers_the_rate_that_went_well(panel):
    pg = panel(lambda s: normed(), optimizer=momentum, num_epochs=2)
    assert pg.page.offer.layout.display == "none" and "Go on" not in pg.page.offer.description
    go(pg, 3)
    pg._go_on_slower()  # nothing to go on from: nothing happens
    assert threads() == 0
    pg.set("lr", 1e30)
    pg.page.start.click()
    rest(pg)
    trainer, steps = pg.runner.trainer, step_of(pg)
    assert pg.runner.state == "diverged" and pg.page.offer.layout.display is None
    assert marks(pg)[-1].startswith(("loss", "weights")) and pg.chart._marks == len(marks(pg)), "the chart shows where"
    assert pg.page.offer.description == "Go on with learning rate 0.1", "a tenth of 1e30 diverges at once"
    pg.runner.error.lr = 0.0002  # below the slider's end
    pg.page.offer.click()
    until(lambda: step_of(pg) > steps)
    pg.page.offer.click()
    rest(pg)
    assert pg.runner.trainer is trainer and pg.runner.state == "finished" and pg.page.offer.layout.display == "none"
    assert trainer.lr == pytest.approx(0.0002) and pg.inputs["lr"].value == pytest.approx(0.0002)
    assert trainer.history.lr[-1] == pytest.approx(0.0002) and trainer.history.steps > steps
