"""What each choice for a CPU is worth, where a step's time goes, and how close it is to what the machine can multiply.

    python benchmarks/cpu.py --out results/cpu.json

Choices: a training step as cnnlib computes it, and with one thing done otherwise; all take turns in one process (those
that change the whole process have one of their own). Evaluation: the test set in batches of different sizes. Parts:
the operations of a step, by PyTorch's profiler, and the time that its multiply-adds would take at the rate of a product
of two matrices of 1,024 × 1,024, measured in between. Compiling is tried with `--compile` alone: it takes minutes and a
C++ compiler.
"""

import itertools
import os
import statistics
import time
from contextlib import nullcontext

import torch
from networks import LAPTOP, SIZES, Task
from side import disturbed, machine, measure, parser, report
from torch import nn

from cnnlib.machine.memory import LARGE_PAGES, keep_freed_memory
from cnnlib.page.table import Table
from cnnlib.probes import layer_table
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.training.optimizer import update_together_

USUAL = "as cnnlib does"
CHOICES = {
    USUAL: {},
    "one thread": {"threads": 1},
    "channels first": {"layout": torch.contiguous_format},
    "optimizer: a parameter at a time": {"sgd": {"foreach": False}},
    "optimizer: fused": {"sgd": {"fused": True}},
    "gradients set to zero": {"to_none": False},
    "loss read in every step": {"read": True},
    "pictures ready as floats": {"ready": True},
    "bf16": {"bf16": True},
}
APART = {"freed memory given back": {"keep": False}, "pages of 4 kB": {"large": False}, "compiled": {"compile": True}}
WHOLE = ("keep", "large")  # what changes the whole process
SIDE = 1024  # of the matrices
TURNS = 3  # steps of each choice before the next has its turn
WARM = 2  # turns that do not count
PICTURES, SIZES_TRIED = 2_000, (32, 64, 128, 256, 500, 1_000, 2_000)
PARTS = {  # what the profiler's names stand for; the rest is "other"
    "convolutions": ("convolution", "conv2d"), "pooling": ("pool",), "normalisation": ("batch_norm",),
    "activations": ("sigmoid", "threshold_backward", "clamp_min", "relu"), "dense": ("addmm", "aten::mm"),
    "dropout": ("bernoulli", "dropout"), "optimizer": ("Optimizer",),
}  # fmt: skip


class Work:
    """One network in training, with everything as cnnlib does it but what the options say."""

    def __init__(
        self, network, size="laptop", *, layout=None, sgd=None, to_none=True, read=False, ready=False,
        bf16=False, threads=None, compile=False,
    ):  # fmt: skip
        task = Task(network, size, steps=8)
        self.net = task.net().to(memory_format=layout or task.setting.layout).train()
        self.call = torch.compile(self.net) if compile else self.net
        self.optimizer = update_together_(torch.optim.SGD(self.net.parameters(), lr=1e-3, **(sgd or {})))
        self.to_none, self.read, self.bf16 = to_none, read, bf16
        self.threads = threads or torch.get_num_threads()
        kept = list(task.train_iter) if ready else None
        self.batches = itertools.chain.from_iterable(kept or task.train_iter for _ in itertools.count())
        self.loss = nn.CrossEntropyLoss()

    def step(self):
        X, y = next(self.batches)
        self.optimizer.zero_grad(set_to_none=self.to_none)
        with torch.autocast("cpu", torch.bfloat16) if self.bf16 else nullcontext():
            value = self.loss(self.call(X).float(), y)
        value.backward()
        self.optimizer.step()
        if self.read:
            value.item()

    def timed(self, steps=TURNS):
        """Return the seconds of some steps."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return [_seconds(self.step) for _ in range(steps)]
        finally:
            torch.set_num_threads(before)


def _seconds(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def choices(network, size, names, turns, keep=True, large=True):
    """Return {'seconds': name to the seconds of its steps, 'first': name to those of its first}."""
    os.environ[LARGE_PAGES] = str(int(large))  # before the first tensor
    if keep:
        keep_freed_memory()
    options = {**CHOICES, **APART}
    work = {
        name: Work(network, size, **{k: v for k, v in options[name].items() if k not in ("keep", "large")})
        for name in names
    }
    first, seconds = {}, {name: [] for name in names}
    for turn in range(WARM + turns):
        for name, one in work.items():
            if not turn:
                first[name] = one.timed(1)[0]
            seconds[name] += one.timed() if turn >= WARM else one.timed()[:0]
    return {"seconds": seconds, "first": first}


def evaluation(network, size, turns):
    """Return {'seconds': batch size to the seconds that 2,000 test pictures take, one a turn}."""
    keep_freed_memory()
    task = Task(network, size, steps=8)
    net, test = task.net().to(memory_format=task.setting.layout), task.test_iter
    few = type(test)(test.images, test.labels, 1, resize=test.resize)
    few.images, few.labels = (part.repeat(-(-PICTURES // len(part)), *(1,) * (part.dim() - 1))[:PICTURES]
                              for part in (few.images, few.labels))  # fmt: skip
    seconds = {number: [] for number in SIZES_TRIED}
    for turn in range(1 + turns):
        for number, taken in seconds.items():
            few.batch_size = number
            spent = _seconds(lambda: evaluate_accuracy(net, few))
            taken += [spent] if turn else []
    return {"seconds": seconds}


def parts(network, size, turns):
    """Return {'parts': name to its part of a step, 'step' and 'at most': seconds measured and reckoned, 'rate'}."""
    keep_freed_memory()
    work = Work(network, size)
    work.timed()
    a, b = torch.randn(2, SIDE, SIDE)
    steps, products = [], []
    for _ in range(turns):
        steps += work.timed()
        products += [_seconds(lambda: a @ b) for _ in range(TURNS)]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        work.timed(5)
    events = [(event.key, event.self_cpu_time_total) for event in profile.key_averages()]
    whole, found = sum(time for _, time in events), {}
    for key, spent in events:
        part = next((part for part, words in PARTS.items() if any(word in key for word in words)), "other")
        found[part] = found.get(part, 0) + spent / whole
    X, _ = next(work.batches)
    table = layer_table(work.net, tuple(X.shape[1:]))
    forward, first = table.multiply_adds, next(layer.multiply_adds for layer in table if layer.multiply_adds)
    rate = 2 * SIDE**3 / statistics.median(products)
    # backward twice as many: for the weights and for the layer's input, which the first layer does not need
    reckoned = 2 * len(X) * (3 * forward - first) / rate
    return {"parts": found, "step": statistics.median(steps), "reckoned": reckoned, "rate": rate}


def main(arguments=None):
    options = parser(__doc__, repeats=5, place="process")
    options.add_argument("--networks", nargs="+", default=list(LAPTOP), choices=list(LAPTOP), metavar="NETWORK")
    options.add_argument("--size", default="laptop", choices=list(SIZES), help="settings (default laptop)")
    options.add_argument("--turns", type=int, default=5, help=f"in each run, {TURNS} steps each (default 5)")
    options.add_argument("--compile", action="store_true", help="try torch.compile as well")
    args = options.parse_args(arguments)
    apart = list(APART) if args.compile else [name for name in APART if name != "compiled"]
    facts, runs = machine(), {network: {"parts": [], "evaluation": [], "choices": []} for network in args.networks}
    for repeat in range(args.repeats):
        for network, done in runs.items():

            def ask(function, network=network, **settings):
                settings |= {"network": network, "size": args.size, "turns": args.turns}
                return measure("cpu", function, settings, args.place, None, args.patience)

            done["parts"].append(ask("parts"))
            done["evaluation"].append(ask("evaluation"))
            found = ask("choices", names=list(CHOICES))
            for name in apart:
                whole = {key: value for key, value in APART[name].items() if key in WHOLE}
                more = ask("choices", names=[name], **whole)
                found["seconds"] |= more["seconds"]
                found["first"] |= more["first"]
            done["choices"].append(found)
            print(f"{network}: {repeat + 1} of {args.repeats}", flush=True)
    tables = {
        "A training step, ms (and beside cnnlib's own)": chosen(runs, [*CHOICES, *apart]),
        f"{PICTURES:,} test pictures, ms, by the size of their batches": evaluated(runs),
        "Where a step goes, and its multiply-adds at the rate of a matrix product": divided(runs),
    }
    report(tables, facts, {"size": args.size, "runs": runs}, args.out)
    if args.compile:
        for network, done in runs.items():
            first = statistics.median(run["first"]["compiled"] for run in done["choices"])
            print(f"{network}: compiled, the first step takes {first:.1f} s")
    return {"runs": runs}


def chosen(runs, names):
    """Return the table of choices: medians of steps, and the median of the ratios within a run."""
    rows = []
    for name in names:
        row = [name]
        for done in runs.values():
            each = [{key: statistics.median(taken) for key, taken in run["seconds"].items()} for run in done["choices"]]
            ratio = statistics.median(run[name] / run[USUAL] for run in each)
            row.append(f"{1000 * statistics.median(run[name] for run in each):.1f} ({ratio:.2f})")
        rows.append(row)
    return Table(["", *runs], rows)


def evaluated(runs):
    """Return the table of evaluation, by batch size; JSON has made the sizes text."""
    rows = []
    for number in SIZES_TRIED:
        row = [f"{number:,}"]
        for done in runs.values():
            each = [statistics.median({int(k): v for k, v in run["seconds"].items()}[number])
                    for run in done["evaluation"]]  # fmt: skip
            row.append(f"{1000 * statistics.median(each):.0f}")
        rows.append(row)
    return Table(["batch", *runs], rows)


def divided(runs):
    """Return the table of the parts of a step."""
    middle = {
        network: {key: statistics.median(run[key] for run in done["parts"]) for key in ("step", "reckoned", "rate")}
        for network, done in runs.items()
    }
    rows = [
        [
            part,
            *(f"{statistics.median(run['parts'].get(part, 0) for run in done['parts']):.0%}" for done in runs.values()),
        ]
        for part in [*PARTS, "other"]
    ]
    rows += [
        ["a step, ms", *(f"{1000 * found['step']:.1f}" for found in middle.values())],
        ["its multiply-adds, ms", *(f"{1000 * found['reckoned']:.1f}" for found in middle.values())],
        ["matrix product, GFLOP/s", *(f"{found['rate'] / 1e9:.0f}" for found in middle.values())],
        ["others used", *(disturbed(done["parts"] + done["choices"]) for done in runs.values())],
    ]
    return Table(["", *runs], rows)


if __name__ == "__main__":
    main()
