"""What it costs to watch the gradients: a training step without a FlowProbe, read every 10 steps, and every step.

    python benchmarks/probes.py --out results/probes.json

Residual networks of depth 8 to 110. Time: the three kinds take turns on the same batch, in one fresh process a depth.
Memory: a fresh process for each kind, the most that it ever used. Growth with steps: how many tensors are alive, and
how much memory is in use, after a tenth of the steps and after all.
"""

import gc
import statistics
import time
from contextlib import nullcontext

import torch
from scale import forget_the_most, memory
from side import disturbed, machine, measure, parser, report

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import cifar_resnet
from cnnlib.page.table import Table
from cnnlib.probes import FlowProbe

KINDS = {"without": None, "every 10 steps": 10, "every step": 1}
DEPTHS = (8, 20, 56, 110)
MB = 1e6


def _set_up(depth):
    torch.manual_seed(0)
    net = cifar_resnet(depth, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return net, optimizer, *next(iter(load_data_fashion_mnist(64, resize=14)[0].epoch(0)))


def _train(net, optimizer, X, y, steps):
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def step(depth, turns, steps):
    """Return {'seconds': kind to the seconds of a step, one mean a turn}."""
    net, optimizer, X, y = _set_up(depth)
    seconds = {name: [] for name in KINDS}
    _train(net, optimizer, X, y, 2)
    for _ in range(turns):
        for name, every in KINDS.items():
            started = time.perf_counter()
            with FlowProbe(net, every=every) if every else nullcontext() as probe:
                _train(net, optimizer, X, y, steps)
                if probe and len(probe.gradients) != len(net):
                    raise RuntimeError(f"the probe read {len(probe.gradients)} of {len(net)} layers.")
            seconds[name].append((time.perf_counter() - started) / steps)
    return {"seconds": seconds}


def room(depth, kind, steps):
    """Return 'most', bytes, and 'growth': (steps, tensors alive, bytes in use) after a tenth of the steps and all.

    The most is beyond what the process used before the network was built.
    """
    forget_the_most()
    before = memory()["now"] or 0
    net, optimizer, X, y = _set_up(depth)
    every, growth, done = KINDS[kind], [], 0
    with FlowProbe(net, every=every) if every else nullcontext() as probe:
        for upto in (max(1, steps // 10), steps):
            _train(net, optimizer, X, y, upto - done)
            done = upto
            if probe and not probe.gradients:  # asked for as a reader would
                raise RuntimeError("the probe read nothing.")
            gc.collect()
            alive = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
            growth.append([done, alive, memory()["now"] or 0])
    return {"most": (memory()["most"] or 0) - before, "growth": growth}


def main(arguments=None):
    options = parser(__doc__, repeats=7, place="process")
    options.add_argument("--depths", nargs="+", type=int, default=DEPTHS, help="6n + 2 each (default 8 20 56 110)")
    options.add_argument("--steps", type=int, default=10, help="of a turn (default 10)")
    options.add_argument("--long", type=int, default=100, help="steps over which memory may grow (default 100)")
    args = options.parse_args(arguments)
    facts, turns, rooms = machine(), {}, {}
    for depth in args.depths:
        settings = {"depth": depth, "turns": args.repeats, "steps": args.steps}
        turns[depth] = measure("probes", "step", settings, args.place, patience=args.patience)
        for kind in ("without", "every step"):
            settings = {"depth": depth, "kind": kind, "steps": args.long}
            rooms[depth, kind] = measure("probes", "room", settings, args.place, patience=args.patience)
        print(f"depth {depth} done", flush=True)
    rows, medians = [], {}
    for depth, run in turns.items():
        median = medians[depth] = {name: statistics.median(seconds) for name, seconds in run["seconds"].items()}
        without = median["without"]
        extra = rooms[depth, "every step"]["most"] - rooms[depth, "without"]["most"]
        (early, tensors, used), (late, tensors_late, used_late) = rooms[depth, "every step"]["growth"]
        rows.append([
            str(depth), *(f"{1000 * seconds:.1f}" for seconds in median.values()),
            f"{median['every 10 steps'] / without:.3f}", f"{median['every step'] / without:.3f}",
            f"{rooms[depth, 'without']['most'] / MB:.0f}", f"{extra / MB:+.0f}", f"{tensors_late - tensors:+d}",
            f"{(used_late - used) / MB:+.1f}", disturbed([run]),
        ])  # fmt: skip
    head = ["depth", "ms without", "ms every 10", "ms every step", "of without", "of without", "MB without",
            "MB with it", "tensors", "MB", "others used"]  # fmt: skip
    first, last = max(1, args.long // 10), args.long
    title = f"A step with a FlowProbe; the last tensors and MB are what step {last} has more than step {first}"
    kept = {f"{depth}, {kind}": run for (depth, kind), run in rooms.items()}
    figures = {"median seconds": medians, "time": turns, "memory": kept}
    report({title: Table(head, rows)}, facts, figures, args.out)
    return figures


if __name__ == "__main__":
    main()
