"""How a step is computed: in 16 bits, as a CUDA graph, without waiting for a GPU; and whose random numbers it draws.

There is no GPU here: what a GPU would be asked is counted on the CPU, and its own functions are stood in for.
"""

import subprocess
import sys
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import cnnlib
from cnnlib.course.records import team
from cnnlib.course.records.team import TeamTrainer
from cnnlib.machine import rng as randomness
from cnnlib.models import cifar_resnet, kaiming_, lenet
from cnnlib.training import loop as training
from cnnlib.training.identity import run_setup

Trainer = partial(cnnlib.Trainer, device="cpu")


class Reads(TorchDispatchMode):
    """Counts how often a number is read from a tensor: each time, a GPU is waited for."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.fixture
def reads(monkeypatch):
    """Count what is read from tensors, also as lists, which no operation shows."""
    mode = Reads()
    for name in ("tolist", "numpy", "cpu"):
        real = getattr(torch.Tensor, name)

        def counted(tensor, *args, real=real):
            mode.count += 1
            return real(tensor, *args)

        monkeypatch.setattr(torch.Tensor, name, counted)
    return mode


def test_a_gpu_is_waited_for_only_when_a_frame_is_due(noise, dense, reads, monkeypatch):
    """30 steps between two looks read nothing; a look reads a handful, however many steps it covers."""
    now, seen = [0.0], []
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    trainer = Trainer(dense(), noise(31 * 8, 8), lr=0.01)
    trainer._looks_always = False

    def listen(trainer):
        seen.append(reads.count)
        now[0] += 0.2 if trainer.step == 20 else 0.0

    trainer.listeners.append(listen)
    with reads:
        trainer.fit(1)
    between = [b - a for a, b in zip(seen[:-3], seen[1:-2], strict=True)]
    assert [step for step, count in enumerate(between, 2) if count] == [21], between
    assert 0 < between[19] <= 6 and trainer.history.steps == 31


def test_looking_seldom_changes_nothing(noise, dense, weights):
    ends = []
    for always in (True, False):
        torch.manual_seed(0)
        trainer = Trainer(dense(), noise(), noise(), lr=0.1)
        trainer._looks_always = always
        ends.append((trainer.fit(2).loss, trainer.history.test_acc, weights(trainer.net).tolist()))
    assert ends[0] == ends[1]


def test_16_bits_compute_the_step_and_leave_the_weights(fashion, weights):
    runs, kinds = {}, set()
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        net = kaiming_(lenet(nn.ReLU, nn.MaxPool2d))
        net[3].register_forward_hook(lambda module, args, output: kinds.add((module.training, output.dtype)))
        trainer = Trainer(net, *fashion(), lr=0.05, precision=precision)
        runs[precision] = trainer.fit(2)
        assert all(p.dtype == p.grad.dtype == torch.float32 for p in net.parameters())
    assert kinds == {(True, torch.float32), (True, torch.bfloat16), (False, torch.float32)}, "evaluation in float32"
    first, second = runs["float32"].loss[:5], runs["bf16"].loss[:5]  # later a small difference has grown
    assert second == pytest.approx(first, rel=0.02) and second != first
    assert [run.settings["precision"] for run in runs.values()] == ["float32", "bf16"]


def test_wrong_precision_is_named(noise, dense, monkeypatch):
    with pytest.raises(ValueError, match="precision must be one of 'float32', 'bf16', got 'fp16'"):
        Trainer(dense(), noise(), precision="fp16")
    monkeypatch.setattr("cnnlib.machine.device.has_bf16", lambda device: False)
    with pytest.raises(ValueError, match="cpu does not support bf16, got precision='bf16'. Use 'float32'"):
        Trainer(dense(), noise(), precision="bf16")


def test_nothing_is_compiled_without_a_gpu(noise, dense, monkeypatch):
    monkeypatch.setattr(torch, "compile", None)
    assert TeamTrainer(dense(), noise(), lr=0.1, device="cpu", compile=True).fit(1).settings["compiled"] is False


def test_graphs_are_recorded_once_for_training_alone(noise, dense, weights, monkeypatch):
    """Each step says that the last one's memory may be written over, and nothing that is kept lies there."""
    calls, steps, static = [], [], []

    def record(net, **options):
        calls.append(options)

        def replay(X):
            assert net.training
            scores = net(X)
            static.append(scores)
            return scores

        return replay

    def mark():
        steps.append(len(static))
        for scores in static:
            with torch.no_grad():
                scores.data.fill_(torch.nan)  # as the next replay may do

    expected = Trainer(dense(), noise(), noise(), lr=0.1)
    twin = expected.fork()
    expected.fit(2)
    monkeypatch.setattr(team, "has_graphs", lambda device: True)
    monkeypatch.setattr(torch, "compile", record)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", mark)
    trainer = TeamTrainer(twin.net, noise(), noise(), lr=0.1, device="cpu", compile=True)
    trainer._looks_always = False
    trainer.fit(1)
    trainer.fit(1)
    assert calls == [{"mode": "reduce-overhead", "dynamic": False}] and steps == list(range(6))
    assert trainer.history.loss == expected.history.loss and torch.equal(weights(trainer.net), weights(expected.net))


class Gpus:
    """The random numbers of two GPUs: what torch.cuda would keep."""

    def __init__(self):
        self.states, self.current = [torch.tensor([0]), torch.tensor([0])], 0

    def get_rng_state(self, device):
        return self.states[device.index].clone()

    def set_rng_state(self, state, device):
        self.states[device.index] = state.clone()

    def manual_seed(self, seed):
        self.states[self.current] = torch.tensor([seed])

    def device(self, device):
        self.current = device.index
        return nullcontext()

    def manual_seed_all(self, seed):
        self.states = [torch.tensor([seed]), torch.tensor([seed])]


def test_borrowing_random_numbers_leaves_every_gpu_as_it_was(monkeypatch):
    gpus, device = Gpus(), torch.device("cuda", 1)
    for name in ("get_rng_state", "set_rng_state", "manual_seed", "manual_seed_all", "device"):
        monkeypatch.setattr(torch.cuda, name, getattr(gpus, name))
    torch.manual_seed(3)
    gpus.states = [torch.tensor([5]), torch.tensor([6])]
    before = torch.get_rng_state()
    with randomness.forked_rng(device, 7):
        assert torch.initial_seed() == 7 and [s.item() for s in gpus.states] == [5, 7]
        torch.rand(3), gpus.manual_seed(9)
    assert [s.item() for s in gpus.states] == [5, 6] and torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ZeroDivisionError), randomness.forked_rng(torch.device("cpu"), 7):
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


def test_a_panel_reseeds_nobody(noise, dense, monkeypatch):
    from cnnlib.widgets import Playground

    monkeypatch.setattr(torch, "manual_seed", None)  # which seeds every GPU
    before = torch.get_rng_state()
    panel = Playground("seeds", lambda s: dense(), lambda s: (noise(), noise()), [], lr=0.1)
    panel.build()
    panel.runner._rebuild()
    panel.close()
    assert torch.equal(torch.get_rng_state(), before)


NARROW = """
import torch
from cnnlib import train
from cnnlib.datasets import Batches
from cnnlib.models import cifar_resnet
generator = torch.Generator().manual_seed(0)
images = torch.randint(256, (320, 1, 8, 8), dtype=torch.uint8, generator=generator)
data = Batches(images, torch.randint(10, (320,), generator=generator), 8)
for width in (2, 3, 4, 5):
    net = cifar_resnet(8, width, "projection").to(memory_format=torch.channels_last)
    print(train(net, data, None, 2, 0.01, "cpu").ended)
"""


@pytest.mark.thorough
def test_a_narrow_network_with_projections_survives():
    """With its channels last it overran its memory on a CPU without AVX-512: in each of several runs it died."""
    done = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, 4 * ["finished"]), done.stderr


# How the optimizer takes its step


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}])
def test_sgd_in_a_few_calls_gives_the_same_bits(options, noise):
    """Twelve steps by the trainer, and twelve by an optimizer that takes one parameter after the other."""
    nets = []
    for foreach in (None, False):
        torch.manual_seed(0)
        trainer = Trainer(
            kaiming_(cifar_resnet(8, width=8)), noise(12 * 8, 8), lr=0.05,
            optimizer=partial(torch.optim.SGD, foreach=foreach, **options),
        )  # fmt: skip
        assert [group["foreach"] for group in trainer.optimizer.param_groups] == [foreach is None]
        trainer.fit(1)
        nets.append(trainer.net.state_dict())
    assert all(torch.equal(value, nets[1][name]) for name, value in nets[0].items())


@pytest.mark.parametrize("optimizer", [
    partial(torch.optim.SGD, fused=True), partial(torch.optim.SGD, differentiable=True), torch.optim.Adam,
])  # fmt: skip
def test_an_optimizer_that_the_reader_chose_is_left_as_it_is(optimizer, noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.01, optimizer=optimizer)
    assert not trainer.optimizer.param_groups[0]["foreach"]
    assert "foreach" not in run_setup(trainer), "a file from another device must fit"
