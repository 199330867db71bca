"""How long it takes until all of Fashion-MNIST is ready to train, and how much memory, beyond `import torch`.

    python benchmarks/loading.py --out results/loading.json

Every run is a fresh Python that has imported torch, nothing else. The clock then runs through the import of the
library, loading, and the first batch; a second one through some more batches. Time and memory are measured in
different runs, because looking at memory takes time. Memory is the proportional set size of the process and of its
workers, sampled every ten milliseconds: what is left when the batch is there, and the most on the way.
"""

import gc
import importlib
import statistics
import threading
import time

from side import disturbed, machine, measure, parser, report, workplace

BATCH, EVERY = 128, 0.01
MB = 1e6
WHOLE = ("cnnlib", "torchvision, one tensor", "d2l")


def cnnlib(side):
    from cnnlib.datasets import load_data_fashion_mnist

    return load_data_fashion_mnist(BATCH, resize=None if side == 28 else side)[0]


def torchvision(side):
    """All pictures as one float tensor, resized all at once: what many a notebook does without a loader."""
    import torch
    import torchvision
    from torch.nn import functional as F
    from torch.utils.data import DataLoader, TensorDataset

    X, y = [], []
    for train in (True, False):
        data = torchvision.datasets.FashionMNIST("../data", train=train)
        pictures = data.data[:, None].float() / 255
        X.append(pictures if side == 28 else F.interpolate(pictures, (side, side), mode="bilinear", antialias=True))
        y.append(torch.as_tensor(data.targets))
    return DataLoader(TensorDataset(X[0], y[0]), BATCH, shuffle=True)


def d2l(side):
    d2l = importlib.import_module("d2l.torch")
    return d2l.load_data_fashion_mnist(BATCH, None if side == 28 else side)[0]


LOADERS = {"cnnlib": cnnlib, "torchvision, one tensor": torchvision, "d2l": d2l}
IMPORTS = {"cnnlib": ("cnnlib",), "torchvision, one tensor": ("torchvision",), "d2l": ("d2l.torch",)}


def load(kind, side, batches, what):
    """Load, take the first batch, then so many more.

    Returns
    -------
    dict
        'importing', 'loading' and 'batch' in seconds if `what` is 'time'; 'imported' (after the imports), 'settled'
        (with the first batch there) and 'most' in bytes if 'memory'.
    """
    import torch

    torch.ones(64, 64) @ torch.ones(64, 64)  # what a first product loads is torch's own
    with Sampler() if what == "memory" else Clock() as meter:
        for name in IMPORTS[kind]:
            importlib.import_module(name)
        meter.lap("importing")
        loader = LOADERS[kind](side)
        rest = iter(loader)
        X, y = next(rest)
        meter.lap("loading")
        assert X.dtype == torch.float32 and tuple(X.shape[1:]) == (1, side, side) and len(X) == len(y)
        for _ in range(batches):
            X, y = next(rest)
        meter.lap("batches")
        gc.collect()
    found = meter.found()
    if what == "time":
        found["batch"] = found.pop("batches") / batches if batches else None
    return found


class Clock:
    """Seconds from lap to lap."""

    def __enter__(self):
        self._laps, self._last = {}, time.perf_counter()
        return self

    def lap(self, name):
        now = time.perf_counter()
        self._laps[name], self._last = now - self._last, now

    def found(self):
        return self._laps

    def __exit__(self, *error):
        pass


class Sampler:
    """Memory of this process and its children, sampled in a thread."""

    def __enter__(self):
        import psutil

        self._me = psutil.Process()
        self._base, self._ended = self._now(), threading.Event()
        self._most = self._settled = self._imported = self._base
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _now(self):
        import psutil

        total = 0
        for process in (self._me, *self._me.children(recursive=True)):
            try:
                memory = process.memory_full_info()
            except psutil.Error:  # it has ended meanwhile
                continue
            total += getattr(memory, "pss", None) or memory.uss
        return total

    def _watch(self):
        while not self._ended.wait(EVERY):
            self._most = max(self._most, self._now())

    def lap(self, name):
        if name == "importing":
            self._imported = self._now()
        if name == "loading":
            self._settled = self._now()

    def __exit__(self, *error):
        self._ended.set()
        self._thread.join()
        self._most = max(self._most, self._now(), self._settled)

    def found(self):
        sizes = {"imported": self._imported, "settled": self._settled, "most": self._most}
        return {name: size - self._base for name, size in sizes.items()}


def main(arguments=None):
    from cnnlib.page.table import Table  # not above: a run is to find nothing of the library imported

    options = parser(__doc__, repeats=5, place="process")
    options.add_argument("--kinds", nargs="+", default=list(WHOLE), choices=WHOLE, metavar="KIND")
    options.add_argument("--sides", nargs="+", type=int, default=[28, 224], help="pixels (default 28 224)")
    options.add_argument("--batches", type=int, default=20, help="how many more to time (default 20)")
    args = options.parse_args(arguments)
    facts, runs, left_out = machine(), {}, []
    with workplace() as folder:
        for repeat in range(args.repeats):
            for side in args.sides:
                for kind in args.kinds:
                    if kind == "torchvision, one tensor" and side > 64:
                        left_out.append(f"{kind} at {side}×{side}: {70_000 * side**2 * 4 / 1e9:.0f} GB")
                        continue
                    for what in ("time", "memory"):
                        settings = {"kind": kind, "side": side, "batches": args.batches, "what": what}
                        run = measure("loading", "load", settings, args.place, folder, args.patience)
                        runs.setdefault(f"{kind}, {side}×{side}", {}).setdefault(what, []).append(run)
            print(f"repeat {repeat + 1} of {args.repeats} done", flush=True)
    rows, median = [], {}
    for name, done in runs.items():
        middle = {key: statistics.median(run[key] for run in done["time"]) for key in ("importing", "loading")}
        middle["ready"] = statistics.median(run["importing"] + run["loading"] for run in done["time"])
        middle["batch"] = statistics.median(run["batch"] or 0 for run in done["time"])
        middle |= {
            key: statistics.median(run[key] for run in done["memory"]) for key in ("imported", "settled", "most")
        }
        median[name] = middle
        rows.append([
            name, f"{middle['importing']:.2f}", f"{middle['loading']:.2f}", f"{middle['ready']:.2f}",
            f"{1000 * middle['batch']:.1f}", f"{middle['imported'] / MB:.0f}", f"{middle['settled'] / MB:.0f}",
            f"{middle['most'] / MB:.0f}",
            disturbed(done["time"]),
        ])  # fmt: skip
    head = ["", "import s", "load, first batch s", "ready s", "ms a batch", "MB import", "MB ready", "MB at most",
            "others used"]  # fmt: skip
    title = f"All of Fashion-MNIST ready to train, beyond torch; batches of {BATCH}"
    report({title: Table(head, rows)}, facts, {"medians": median, "runs": runs}, args.out)
    for line in dict.fromkeys(left_out):
        print(f"left out: {line} at once")
    ours = median.get("cnnlib, 28×28")
    if ours:
        for what, value, bar in (
            ("loading", ours["loading"], 0.3),
            ("import and loading", ours["ready"], 0.3),
            ("megabytes at most", ours["most"] / MB, 120),
            ("megabytes at most, without the import", (ours["most"] - ours["imported"]) / MB, 120),
        ):
            print(f"cnnlib, {what}: {value:.3g}, bar at most {bar:g}: {'met' if value <= bar else 'NOT met'}")
    return median


if __name__ == "__main__":
    main()
