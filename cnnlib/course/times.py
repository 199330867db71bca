"""The time contract: how long the experiments of a chapter will take on this machine, measured before they start.

Training time is a number of steps times the time of a step, and only the second differs between machines. So
`course/times.json` holds what each section took where the book was made, beside the time of one step of its kind of
network there; `time_contract` measures the same step here and scales. A chapter with networks of two kinds has two
such steps: machines differ by one factor in how fast they multiply and by another in how fast they start the many
short operations of a small network. The number of threads is measured too: for small networks two are often slower
than one.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from cnnlib.machine.device import CORES, try_gpu
from cnnlib.machine.memory import keep_freed_memory
from cnnlib.machine.rng import forked_rng
from cnnlib.models import VGG11, alexnet, cifar_resnet, conv_bn_relu, lenet, narrower, resnet18, vgg
from cnnlib.page.escape import printable
from cnnlib.page.table import Table
from cnnlib.training.channels_last import ChannelsLast

FILE = Path(__file__).parent / "times.json"
SECONDS = 1.5  # that a calibration takes, however many thread counts it tries; building the network comes on top
SHORT = 1.0  # seconds: a section below that is not listed


@dataclass(frozen=True)
class Workload:
    """The training step that stands for sections of a chapter.

    Attributes
    ----------
    name : str
        How the contract names it.
    build : callable
        Returns the network.
    batch : tuple
        The shape of its batch, (N, channels, H, W).
    sections : tuple of str
        The numbers of the sections that it stands for; of a chapter's first workload, all that no other names.
    """

    name: str
    build: Callable
    batch: tuple
    sections: tuple = ()


_RESIDUAL = Workload("a residual network of 20 layers", partial(cifar_resnet, 20, 8, "projection"), (64, 1, 14, 14))
_TWELVE = Workload(
    "twelve convolutions with batch normalisation",
    partial(vgg, ((4, 8), (4, 16), (4, 16)), 16, 64, dropout=0, block=conv_bn_relu),
    (64, 1, 16, 16),
)
WORKLOADS = {
    "00_convolution": (Workload("LeNet", lenet, (256, 1, 28, 28)),),
    "01_lenet": (Workload("LeNet", lenet, (256, 1, 28, 28)),),
    "02_alexnet": (Workload("AlexNet", partial(alexnet, shrink=8, side=81), (64, 1, 81, 81)),),
    "03_vgg": (Workload("VGG-11", partial(vgg, narrower(VGG11, 4), 32, 256), (64, 1, 32, 32)),),
    "04_batch_norm": (
        _TWELVE,
        Workload("VGG-11", partial(vgg, narrower(VGG11, 4), 32, 256, block=conv_bn_relu), (64, 1, 32, 32), ("4.5",)),
    ),
    "05_resnet": (_RESIDUAL, Workload("ResNet-18", partial(resnet18, 16), (128, 1, 28, 28), ("5.6",))),
    "06_residual_gradients": (_RESIDUAL,),
}


@dataclass(frozen=True)
class Contract:
    """What a calibration found: shows itself as a table of the sections that take a second or more.

    Attributes
    ----------
    sections : dict of str to float
        Heading → seconds here.
    threads : int
        With how many threads the chapter is fastest here; PyTorch computes with so many now.
    steps : dict of str to dict
        Name of a workload → number of threads → seconds a step.
    device : str
        'cpu', or the GPU that the chapter will run on instead.
    """

    sections: dict
    threads: int
    steps: dict
    device: str = "cpu"

    @property
    def seconds(self):
        """How long the whole chapter takes here."""
        return sum(self.sections.values())

    def _verdict(self):
        if self.device != "cpu":
            return f"The networks are trained on a GPU ({self.device}), at the sizes of the book. No times are known."
        if not self.sections:
            return "It has not been measured yet how long this chapter takes: `make times` does so."
        steps = "; of ".join(f"{name}: {_in_words(times)}" for name, times in self.steps.items())
        several = any(len(times) > 1 for times in self.steps.values())
        choice = f" PyTorch computes with {self.threads} from here on." if several else ""
        return (
            f"About {_rounded(self.seconds)} on this machine, if nothing else keeps it busy (a training step of "
            f"{steps}; the rest is in proportion).{choice}"
        )

    def _table(self):
        rows = [[name, _rounded(seconds)] for name, seconds in self.sections.items() if seconds >= SHORT]
        return Table(["section", "takes about"], rows)

    def _repr_markdown_(self):
        return self._verdict() + (f"\n\n{table._repr_markdown_()}" if (table := self._table()).rows else "")

    def __repr__(self):
        return printable(self._verdict() + (f"\n\n{table!r}" if (table := self._table()).rows else ""))


def time_contract(chapter):
    """Measure this machine for at most two seconds, set the number of threads, and say how long a chapter takes.

    Parameters
    ----------
    chapter : str
        The name of its notebook, such as '05_resnet', or the number alone, '05'.

    Returns
    -------
    Contract

    Raises
    ------
    ValueError
        If there is no such chapter.
    """
    name = contract_name(chapter)
    device = try_gpu()
    if device.type != "cpu":
        return Contract({}, torch.get_num_threads(), {}, str(device))
    steps = calibrate(name)
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    there = stored.get(name, {}).get("1" if CORES == 1 else "2", {"steps": {}, "sections": {}})
    threads, sections = promise(name, there, steps)
    torch.set_num_threads(threads)
    return Contract(sections, threads, steps)


def promise(chapter, there, here):
    """Return with how many threads a chapter is fastest here, and how long each section then takes.

    Parameters
    ----------
    chapter : str
    there : dict
        What `cnnlib/course/times.json` holds for the chapter: the seconds of the 'steps' and of the 'sections'.
    here : dict of str to dict
        As `calibrate` returns it.

    Returns
    -------
    int, dict of str to float
        Heading → seconds; of a chapter whose workloads were not measured yet, none.
    """
    first, *others = WORKLOADS[chapter]
    if not set(here) <= set(there["steps"]):
        return min(here[first.name], key=here[first.name].get), {}
    stands = {number: workload.name for workload in others for number in workload.sections}
    promises = {}
    for n in (n for n in here[first.name] if all(n in times for times in here.values())):
        scale = {name: times[n] / there["steps"][name] for name, times in here.items()}
        promises[n] = {
            heading: scale[stands.get(heading.partition(" ")[0], first.name)] * seconds
            for heading, seconds in there["sections"].items()
        }
    return min(promises.items(), key=lambda promise: sum(promise[1].values()))


def contract_name(chapter):
    """Return the name of the notebook that a name or a number means."""
    found = [name for name in WORKLOADS if chapter in (name, name.partition("_")[0])]
    if not found:
        raise ValueError(f"there is no chapter {chapter!r}. The chapters are {', '.join(WORKLOADS)}.")
    return found[0]


def calibrate(chapter):
    """Return for each workload of a chapter the seconds of a training step for 1, 2, 4 … threads, up to the cores.

    The random numbers and the number of threads are left as they were.
    """
    keep_freed_memory()
    workloads, before = WORKLOADS[contract_name(chapter)], torch.get_num_threads()
    with forked_rng(torch.device("cpu"), seed=0):  # for weights and dropout
        try:
            return {workload.name: _time_step(workload, SECONDS / len(workloads)) for workload in workloads}
        finally:
            torch.set_num_threads(before)


def _time_step(workload, seconds):
    """Return the seconds of a step on a batch of random numbers, by number of threads; to find out takes `seconds`."""
    net, loss = workload.build(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    X, y = torch.rand(workload.batch), torch.randint(10, workload.batch[:1])

    def step(threads):
        torch.set_num_threads(threads)
        began = time.perf_counter()
        optimizer.zero_grad()
        loss(net(X), y).backward()
        optimizer.step()
        return time.perf_counter() - began

    times, ends = {}, time.perf_counter() + seconds
    with ChannelsLast(net, X.device):
        for n in [*(1 << i for i in range(CORES.bit_length()) if 1 << i < CORES), CORES]:
            if not times or time.perf_counter() < ends:  # on a machine that is busy, one number of threads is enough
                step(n)  # which prepares the kernels
                times[n] = [step(n)]
        while time.perf_counter() < ends:
            for n in times:  # in turn, so that a slow moment of the machine hits all of them
                times[n] += [step(n) for _ in range(3)][1:]
    return {n: statistics.median(found) for n, found in times.items()}


def _in_words(times):
    return ", ".join(f"{n} thread{'s' * (n > 1)} {1e3 * seconds:.0f} ms" for n, seconds in times.items())


def _rounded(seconds):
    """Return seconds in words, no finer than they are known."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60, 1 if seconds < 600 else None):g} minutes"
