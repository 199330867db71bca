"""What a live display costs: one frame of several charts, and the share of a run that goes to the display.

    python benchmarks/display.py --out results/display.json

A frame: three series of 200 points, given one point at a time in a kernel with a page; every point is a frame (where a
display limits how much it draws, the limit is lifted). The last 50 are timed, from the call to its return: drawing,
encoding, sending. A share: a run of LeNet, the seconds spent in the display's own methods over those of the run. Axes
and the last, sharp picture are drawn once a run, so one epoch has a larger share and chapter 1's ten a smaller one.
"""

import importlib
import random
import statistics
import time

import torch
from side import disturbed, machine, measure, parser, report, workplace
from watch import inline

from cnnlib.page.table import Table

POINTS, TIMED = 200, 50
NAMES = ["train loss", "train acc", "test acc"]
SHARES = ("d2l train_ch6", "cnnlib fit", "cnnlib playground")


def points(seed, number):
    """Yield (epoch, loss, training accuracy, test accuracy) of a run that was never run."""
    draw = random.Random(seed)
    for i in range(number):
        loss = 2.3 * 0.98**i + 0.05 * draw.random()
        acc = 0.9 - 0.8 * 0.98**i + 0.05 * draw.random()
        yield 1 + i * 19 / (number - 1), loss, acc, acc - 0.02


def frames(kind, seed=0, number=POINTS):
    """Return {'milliseconds': of the last frames} of one display."""
    seconds = DISPLAYS[kind](list(points(seed, number)))
    return {"milliseconds": [1000 * s for s in seconds[-TIMED:]]}


def timed(add, rows):
    seconds = []
    for row in rows:
        started = time.perf_counter()
        add(*row)
        seconds.append(time.perf_counter() - started)
    return seconds


def cnnlib_animator(rows):
    animator = importlib.import_module("cnnlib.figures.animator")
    share, animator.SHARE = animator.SHARE, 1e9
    try:
        chart = animator.Animator(xlabel="epoch", xlim=[1, 20], legend=NAMES)
        return timed(lambda x, *ys: chart.add(x, ys), rows)
    finally:
        animator.SHARE = share


def cnnlib_playground(rows):
    """Train a network of one layer in a playground, so that each step is a point of the curves and a frame."""
    from cnnlib.datasets import load_data_fashion_mnist
    from cnnlib.widgets import playground

    kept = {name: getattr(playground, name) for name in ("FRAME_EVERY", "SHARE")}
    playground.FRAME_EVERY, playground.SHARE = 0, 1e9
    show, seconds = playground.Playground._show, []

    def note(panel, runner):
        drawn, started = panel.throttle.drawn, time.perf_counter()
        show(panel, runner)
        if panel.throttle.drawn != drawn and runner.state == "training":
            seconds.append(time.perf_counter() - started)

    playground.Playground._show = note
    try:
        panel = playground.Playground(
            "frames",
            lambda s: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)),
            lambda s: load_data_fashion_mnist(8, num_train=80, num_test=8),  # ten steps an epoch: each is a point
            lr=0.01,
            num_epochs=max(1, len(rows) // 10),
        )
        panel.runner.start(steps=len(rows))
        panel.runner.wait()
        panel.close()
    finally:
        playground.Playground._show = show
        for name, value in kept.items():
            setattr(playground, name, value)
    return seconds


def d2l_animator(rows):
    inline()
    d2l = importlib.import_module("d2l.torch")
    chart = d2l.Animator(xlabel="epoch", xlim=[1, 20], legend=NAMES)
    return timed(lambda x, *ys: chart.add(x, ys), rows)


def livelossplot(rows):
    """Its names put loss and accuracies into two panels, as cnnlib's playground does."""
    inline()
    from livelossplot import PlotLosses

    chart = PlotLosses()

    def add(x, loss, acc, test_acc):
        chart.update({"loss": loss, "acc": acc, "val_acc": test_acc})
        chart.send()

    return timed(add, rows)


def fastprogress(rows):
    inline()
    from fastprogress.fastprogress import master_bar

    seconds, columns = [], [[], [], [], []]
    bar = master_bar(rows)
    bar.names = NAMES
    for row in bar:
        started = time.perf_counter()
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        bar.update_graph([[columns[0], ys] for ys in columns[1:]], [1, 20], [0, 2.5])
        seconds.append(time.perf_counter() - started)
    return seconds


DISPLAYS = {
    "d2l Animator": d2l_animator,
    "livelossplot": livelossplot,
    "fastprogress": fastprogress,
    "cnnlib playground": cnnlib_playground,
    "cnnlib Animator": cnnlib_animator,
}


def main(arguments=None):
    options = parser(__doc__, repeats=5, place="kernel")
    options.add_argument("--displays", nargs="*", default=list(DISPLAYS), choices=list(DISPLAYS), metavar="KIND")
    options.add_argument("--shares", nargs="*", default=list(SHARES), choices=SHARES, metavar="KIND")
    options.add_argument("--points", type=int, default=POINTS)
    options.add_argument("--epochs", type=int, default=3, help="of LeNet (default 3)")
    options.add_argument("--steps", type=int, help="batches of LeNet's epoch (default: all)")
    args = options.parse_args(arguments)
    facts, drawn, trained = machine(), {name: [] for name in args.displays}, {name: [] for name in args.shares}
    with workplace() as folder:
        for seed in range(args.repeats):
            for kind in args.displays:
                settings = {"kind": kind, "seed": seed, "number": args.points}
                drawn[kind].append(measure("display", "frames", settings, args.place, folder, args.patience))
            for kind in args.shares:
                settings = {"kind": kind, "seed": seed, "network": "lenet", "epochs": args.epochs, "steps": args.steps}
                trained[kind].append(measure("kinds", "run", settings, args.place, folder, args.patience))
            print(f"repeat {seed + 1} of {args.repeats} done", flush=True)
    median = {name: statistics.median(ms for run in done for ms in run["milliseconds"]) for name, done in drawn.items()}
    share = {name: statistics.median(run["display"] / run["seconds"] for run in done) for name, done in trained.items()}
    tables = {}
    if drawn:
        best = min(median.values())
        rows = []
        for name, done in drawn.items():
            times = [ms for run in done for ms in run["milliseconds"]]
            shown = str(done[0].get("shown", ""))
            rows.append([name, f"{median[name]:.1f}", f"{statistics.mean(times):.1f}", f"{max(times):.1f}",
                         f"{median[name] / best:.1f}", shown, disturbed(done)])  # fmt: skip
        head = ["", "median ms", "mean ms", "longest ms", "of the quickest", "pictures", "others used"]
        tables[f"One frame, 3 series of {args.points} points"] = Table(head, rows)
    if trained:
        rows = []
        for name, done in trained.items():
            each = [run["display"] / run["seconds"] for run in done]
            seconds = statistics.median(run["seconds"] for run in done)
            rows.append([name, f"{seconds:.2f}", f"{share[name]:.2%}", f"{max(each):.2%}", disturbed(done)])
        tables[f"Display's share of a run of LeNet, {args.epochs} epoch(s)"] = Table(
            ["", "median s", "share", "largest share", "others used"], rows
        )
    figures = {"median milliseconds": median, "shares": share, "frames": drawn, "runs": trained}
    report(tables, facts, figures, args.out)
    for name in (name for name in share if name.startswith("cnnlib")):
        print(f"{name}: {share[name]:.2%} of the run, bar at most 3%: {'met' if share[name] <= 0.03 else 'NOT met'}")
    return figures


if __name__ == "__main__":
    main()
