"""What a FlowProbe costs: a step of a 56-layer residual network without it, read every 10 steps, and every step.

The three kinds take turns, 20 steps each, on the same batch; medians are reported, and how many tensors are alive
after the first turn and after the last.
"""

import gc
import statistics
import time
from contextlib import nullcontext

import torch
from side import arguments, machine, report

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import cifar_resnet
from cnnlib.probes import FlowProbe

STEPS = 20
KINDS = {"without": None, "every 10 steps": 10, "every step": 1}


def turn(net, optimizer, X, y, every):
    """Return the seconds of a step, the mean over a turn."""
    started = time.perf_counter()
    with FlowProbe(net, every=every) if every else nullcontext() as probe:
        for _ in range(STEPS):
            loss = torch.nn.functional.cross_entropy(net(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if probe:
            assert len(probe.gradients) == len(net)
    return (time.perf_counter() - started) / STEPS


def alive():
    gc.collect()
    return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())


def main():
    args = arguments(__doc__, repeats=7)
    torch.manual_seed(0)
    net = cifar_resnet(56, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    X, y = next(iter(load_data_fashion_mnist(128, resize=14)[0].epoch(0)))
    turn(net, optimizer, X, y, 1)
    times, tensors = {name: [] for name in KINDS}, []
    for _ in range(args.repeats):
        for name, every in KINDS.items():
            times[name].append(turn(net, optimizer, X, y, every))
        tensors.append(alive())
    median = {name: statistics.median(values) for name, values in times.items()}
    rows = [[name, f"{1000 * m:.1f}", f"{m / median['without']:.3f}"] for name, m in median.items()]
    extra = {"milliseconds": times, "tensors alive": [tensors[0], tensors[-1]]}
    report(["probe", "ms a step", "of the step without"], rows, machine(), extra, args.out)
    print(f"tensors alive after the first turns and after the last: {tensors[0]}, {tensors[-1]}")


if __name__ == "__main__":
    main()
