"""Train one network by d2l's train_ch6, skorch, Lightning, fastai, cnnlib and a bare loop, in turn, and compare.

    python benchmarks/train.py --network lenet --repeats 5 --out results/lenet.json

Every run has a fresh kernel with a page, and within one repeat all have the same weights and the same batches in the
same order; the training losses are compared to prove it. The clock runs from the call that trains to its return: what
is imported and loaded before does not count, a loader's work during the epoch does.

With `--steps N` an epoch is cut to N batches and the test set to two: for networks of which a whole epoch takes too
long. Then compare the column of a step: it is free of what happens once a call, such as starting d2l's four worker
processes. (But d2l draws five times an epoch, so in a short one too often; look at its display's share.)
"""

import statistics

from kinds import MAKERS
from networks import LAPTOP, SIZES
from side import disturbed, machine, measure, parser, report, workplace

from cnnlib.page.table import Table

RUN = 3  # epochs of a run whose display is held to its bar: axes and the last picture are drawn once
CLOSE = 0.02  # of the loss: what rounding may change
KINDS = tuple(MAKERS)
OURS, BARE = ("cnnlib fit", "cnnlib train"), ("bare loop", "bare loop, untuned")


def main(arguments=None):
    options = _options()
    args = options.parse_args(arguments)
    if args.network not in SIZES[args.size]:
        options.error(f"there are no {args.size} settings of {args.network}, only of {', '.join(SIZES[args.size])}.")
    if "d2l train_ch6" in args.kinds and args.steps is not None and args.steps < 5:
        options.error("train_ch6 divides by a fifth of the number of batches: give at least --steps 5.")
    facts, runs = machine(), {kind: [] for kind in args.kinds}
    task = {"network": args.network, "size": args.size, "epochs": args.epochs, "steps": args.steps}
    task["device"] = args.device
    with workplace() as folder:
        for seed in range(args.repeats):
            for kind in args.kinds:
                settings = {"kind": kind, "seed": seed, **task}
                run = measure("kinds", "run", settings, args.place, folder, args.patience)
                runs[kind].append(run)
                print(
                    f"run {seed + 1}: {kind} {run['seconds']:.2f} s, training loss {run['loss']:.3f}, "
                    f"test accuracy {run['test_acc']:.3f}",
                    flush=True,
                )
    what = "seconds" if args.steps is None or args.device != "cpu" else "step"  # a GPU answers before it is done
    title = f"{args.network}, {args.size} settings, {args.epochs} epoch(s)"
    title += f" of {args.steps} steps" if args.steps else ""
    figures = {
        "task": {**task, "place": args.place},
        "compared": what,
        "ratios": ratios(runs, what, args),
        "display's share": {kind: share(done) for kind, done in runs.items() if share(done) is not None},
        "largest difference of the loss": difference(runs),
        "runs": runs,
    }
    report({f"{title}, {args.device}": table(runs, what)}, facts, figures, args.out)
    print(f"\nRatios of medians ({'whole calls' if what == 'seconds' else 'a step'}), and medians of pairs:")
    for name, ratio in figures["ratios"].items():
        bar = "" if ratio["bar"] is None else f"  bar {ratio['bar']}: {'met' if ratio['met'] else 'NOT met'}"
        print(f"  {name}: {ratio['of medians']:.3f} (pairs {ratio['of pairs']:.3f}){bar}")
    whole = args.steps is None and args.epochs >= RUN
    for kind, part in figures["display's share"].items():
        bar = f"  bar at most 3%: {'met' if part <= 0.03 else 'NOT met'}" if kind in OURS and whole else ""
        print(f"  {kind}: its display takes {part:.2%} of the run{bar}")
    for kind, away in figures["largest difference of the loss"].items():
        if not away <= CLOSE:
            print(f"The training loss of {kind} is {away:.1%} away from the bare loop's: perhaps not the same work.")
    return figures


def _options():
    options = parser(__doc__, repeats=5, place="kernel")
    options.add_argument("--network", default="lenet", choices=list(LAPTOP))
    options.add_argument("--size", default="laptop", choices=list(SIZES), help="settings (default laptop)")
    options.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, metavar="KIND", help=f"of {KINDS}")
    options.add_argument("--epochs", type=int, default=1)
    options.add_argument("--steps", type=int, help="batches of an epoch; d2l needs at least 5 (default: all)")
    options.add_argument("--device", default="cpu")
    return options


def times(runs, kind, what):
    """Return the times of all runs of a kind; a step's only where there were enough steps."""
    return [run[what] if run[what] is not None else run["seconds"] for run in runs[kind]]


def table(runs, what):
    """Return one row a kind: times, and what proves that it did the same work."""
    median = {kind: statistics.median(times(runs, kind, what)) for kind in runs}
    limit = min((median[kind] for kind in BARE if kind in median), default=None)
    away, rows = difference(runs), []
    for kind, done in runs.items():
        seconds, first = times(runs, kind, "seconds"), done[0]
        step = statistics.median(times(runs, kind, "step"))
        part = share(done)
        rows.append([
            kind, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}–{max(seconds):.2f}", f"{1000 * step:.1f}",
            "" if limit is None else f"{median[kind] / limit:.2f}",
            "" if part is None else f"{part:.1%}",
            f"{first['loss']:.3f}", f"{away[kind]:.2%}" if kind in away else "", f"{first['test_acc']:.3f}",
            str(first.get("shown", "")), disturbed(done),
        ])  # fmt: skip
    head = ["", "median s", "range s", "ms a step", "of the limit", "display", "loss, seed 0", "away", "test accuracy",
            "pictures", "others used"]  # fmt: skip
    return Table(head, rows)


def share(done):
    """Return the part of a run that its display takes, a median; None where that is not known."""
    shares = [run["display"] / run["seconds"] for run in done if "display" in run]
    return statistics.median(shares) if shares else None


def difference(runs):
    """Return how far each kind's training loss is at most from the bare loop's (or the last kind's), as a part."""
    base = next((runs[kind] for kind in BARE if kind in runs), list(runs.values())[-1])
    return {
        kind: max(abs(run["loss"] - other["loss"]) / other["loss"] for run, other in zip(done, base, strict=True))
        for kind, done in runs.items()
    }


def ratios(runs, what, args):
    """Return the ratios that matter, with the bar that each is held to."""
    found = {}

    def compare(name, above, below, bar=None, least=True):
        pairs = [a / b for a, b in zip(times(runs, above, what), times(runs, below, what), strict=True)]
        ratio = statistics.median(times(runs, above, what)) / statistics.median(times(runs, below, what))
        met = None if bar is None else bool(ratio >= bar if least else ratio <= bar)
        found[name] = {
            "of medians": ratio, "of pairs": statistics.median(pairs), "met": met,
            "bar": None if bar is None else f"{'at least' if least else 'at most'} {bar:g}",
        }  # fmt: skip

    limit = min((k for k in BARE if k in runs), key=lambda k: statistics.median(times(runs, k, what)), default=None)
    for kind in runs:
        for ours in (ours for ours in OURS if ours in runs):
            if kind == "d2l train_ch6":
                compare(f"{kind} / {ours}", kind, ours, d2l_bar(args))
            elif kind in ("skorch", "lightning", "fastai"):
                compare(f"{kind} / {ours}", kind, ours, 1)
        if kind in OURS and limit is not None:
            compare(f"{kind} / {limit}", kind, limit, 1.05, least=False)
    return found


def d2l_bar(args):
    """Return how many times faster than train_ch6 this work should be; None where nothing was set."""
    if args.device != "cpu":
        return 10 if args.network == "lenet" else 5
    if args.network == "lenet":
        return 4
    return 1.25 if args.size == "seed" else None


if __name__ == "__main__":
    main()
