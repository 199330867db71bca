"""How time and memory grow: 1,000 to 70,000 pictures, 28 to 224 pixels, depth 8 to 110, one to four networks at once.

    python benchmarks/scale.py --out results/scale.json

Every setting is trained in a fresh process for a few seconds and its epoch is reckoned from there. Memory is the most
that the process used, beyond what it used before the data was loaded. The last column says which settings end an epoch
within the laptop's budget of a minute; the largest of them is what a chapter can afford.
"""

import statistics
import sys
import time
from pathlib import Path

import torch
from side import disturbed, machine, measure, parser, report

from cnnlib import Trainer, train_over_seeds
from cnnlib.datasets import Batches, load_arrays
from cnnlib.models import cifar_resnet, lenet, resnet18, xavier_
from cnnlib.page.table import Table

MB = 1e6
WARM = 1  # steps before those that are timed
AXES = {
    "pictures": (1_000, 3_000, 10_000, 30_000, 60_000, 70_000),
    "pixels": (28, 56, 96, 160, 224),
    "depth": (8, 20, 32, 56, 110),
    "networks": (1, 2, 3, 4),
}
SAID = {
    "pictures": "LeNet, 28×28, batch 256, by the number of pictures",
    "pixels": "ResNet-18 of width 16, batch 128, 60,000 pictures, by their side in pixels",
    "depth": "CIFAR-style ResNet of width 8, 14×14, batch 64, 60,000 pictures, by depth",
    "networks": "LeNets side by side, 28×28, batch 256, 60,000 pictures each, by how many",
}


def memory():
    """Return the bytes that this process uses 'now' and the 'most' that it ever did; None where unknown."""
    status = Path("/proc/self/status")
    if status.exists():
        sizes = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return {name: int(sizes[key].split()[0]) * 1024 for name, key in (("now", "VmRSS"), ("most", "VmHWM"))}
    try:
        import resource
    except ImportError:  # Windows
        return {"now": None, "most": None}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"now": most, "most": most}


def forget_the_most():
    """Let the most that this process used begin anew; Linux alone can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def pictures(number, batch, side=28):
    """Return so many pictures of Fashion-MNIST, up to all 70,000, as shuffled batches."""
    pairs = [load_arrays(prefix) for prefix in (("train", "t10k") if number > 60_000 else ("train",))]
    X, y = (torch.cat(parts)[:number] for parts in zip(*pairs, strict=True))
    return Batches(X, y, batch, resize=None if side == 28 else side, shuffle=True)


def setting(axis, value):
    """Return (build, batches) of one point of an axis; `networks` is all one setting."""
    if axis == "pictures":
        return lambda: xavier_(lenet()), pictures(value, 256)
    if axis == "pixels":
        return lambda: resnet18(16), pictures(60_000, 128, value)
    if axis == "depth":
        return lambda: cifar_resnet(value, 8), pictures(60_000, 64, 14)
    return lambda: xavier_(lenet()), pictures(60_000, 256)


def point(axis, value, seconds, steps=None, device="cpu"):
    """Train one setting for some seconds, or an epoch if that is shorter.

    Returns
    -------
    dict
        'step' and 'epoch' in seconds (for all networks together), 'memory' in bytes, 'steps' timed.
    """
    torch.manual_seed(0)
    forget_the_most()
    before = memory()["now"]
    build, batches = setting(axis, value)
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    if axis == "networks":
        step, done = _side_by_side(build, batches, value, seconds, steps, device)
    else:
        step, done = _alone(build(), batches, seconds, steps, device)
    used = torch.cuda.max_memory_allocated() if torch.device(device).type == "cuda" else None
    if used is None and before is not None:
        used = memory()["most"] - before
    return {"step": step, "epoch": step * len(batches), "memory": used, "steps": done}


def _alone(net, batches, seconds, steps, device):
    stamps, steps = [], min(steps or len(batches), len(batches))

    def note(trainer):
        if trainer.step > len(stamps):
            _wait(device)
            stamps.append(time.perf_counter())
            late = len(stamps) > WARM + 1 and stamps[-1] - stamps[WARM] > seconds
            if late or len(stamps) == steps:
                trainer.stop()

    started = time.perf_counter()
    Trainer(net, batches, lr=0.01, device=device, listeners=[note]).fit(1)
    counted = stamps[WARM:] if len(stamps) > WARM + 1 else [started, *stamps]
    return (counted[-1] - counted[0]) / (len(counted) - 1), len(stamps)


def _side_by_side(build, batches, number, seconds, steps, device):
    """Time a few steps, then as many as fit into the time: runs that go side by side take no listeners."""

    def run(steps):
        started = time.perf_counter()
        train_over_seeds(build, batches, None, 1, 0.01, range(number), steps=steps, device=device)
        _wait(device)
        return time.perf_counter() - started

    few = min(3, len(batches))
    run(few)
    many = min(steps or max(few, int(seconds / (run(few) / few))), len(batches))
    return run(many) / many, many


def _wait(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def main(arguments=None):
    options = parser(__doc__, repeats=3, place="process")
    options.add_argument("--axes", nargs="+", default=list(AXES), choices=list(AXES), metavar="AXIS")
    options.add_argument("--values", nargs="+", type=int, help="for a single axis: these instead of the usual ones")
    options.add_argument("--seconds", type=float, default=3, help="to train each setting for (default 3)")
    options.add_argument("--steps", type=int, help="at most so many steps of each setting")
    options.add_argument("--budget", type=float, default=60, help="seconds an epoch may take (default 60)")
    options.add_argument("--device", default="cpu")
    args = options.parse_args(arguments)
    if args.values and len(args.axes) > 1:
        options.error("--values needs one axis: give --axes with one name.")
    facts, tables, figures = machine(), {}, {}
    for axis in args.axes:
        rows, fit = [], []
        for value in args.values or AXES[axis]:
            settings = {"axis": axis, "value": value, "seconds": args.seconds, "steps": args.steps}
            settings["device"] = args.device
            runs = [
                measure("scale", "point", settings, args.place, patience=args.patience) for _ in range(args.repeats)
            ]
            step, epoch = (statistics.median(run[name] for run in runs) for name in ("step", "epoch"))
            used = [run["memory"] for run in runs if run["memory"] is not None]
            fit += [value] if epoch <= args.budget else []
            figures.setdefault(axis, {})[value] = runs
            megabytes = f"{statistics.median(used) / MB:.0f}" if used else "?"
            within = "yes" if epoch <= args.budget else "no"
            rows.append([f"{value:,}", f"{1000 * step:.1f}", f"{epoch:.1f}", megabytes, within, disturbed(runs)])
            print(f"{axis} {value:,}: an epoch takes {epoch:.1f} s", flush=True)
        head = [axis, "ms a step", "s an epoch", "MB", f"within {args.budget:g} s", "others used"]
        tables[SAID[axis]] = Table(head, rows)
        figures[axis]["largest within the budget"] = max(fit, default=None)
    report(tables, facts, {"budget": args.budget, "device": args.device, "axes": figures}, args.out)
    for axis in args.axes:
        print(f"{axis}: the largest within {args.budget:g} s an epoch is {figures[axis]['largest within the budget']}")
    return figures


if __name__ == "__main__":
    main()
