"""One frame of a live chart, three series of 200 points: cnnlib's Animator against d2l's.

Both charts get 200 points one at a time in a kernel with somebody looking at the page; every point is a frame (the
limit on how much of a run cnnlib may spend on drawing is lifted). The last 50 frames are timed, from the call of
`add` to its return: drawing, encoding, sending.
"""

import statistics

from side import arguments, machine, report, run_undisturbed, workplace

IMPORTS = {
    "d2l Animator": "%matplotlib inline\nfrom d2l import torch as d2l\nAnimator = d2l.Animator",
    "cnnlib Animator": "import cnnlib.animator\ncnnlib.animator.SHARE = 1e9\nAnimator = cnnlib.animator.Animator",
}

CELL = """
import random, time
random.seed({seed})
animator = Animator(xlabel="epoch", xlim=[1, 20], legend=["train loss", "train acc", "test acc"])
seconds = []
for i in range(200):
    loss = 2.3 * 0.98 ** i + 0.05 * random.random()
    acc = 0.9 - 0.8 * 0.98 ** i + 0.05 * random.random()
    started = time.perf_counter()
    animator.add(1 + i * 19 / 199, (loss, acc, acc - 0.02))
    seconds.append(time.perf_counter() - started)
result = {{"milliseconds": [1000 * s for s in seconds[150:]]}}
"""


def main():
    args = arguments(__doc__, repeats=3)
    facts, runs = machine(), {name: [] for name in IMPORTS}
    with workplace() as folder:
        for seed in range(args.repeats):
            for name, imports in IMPORTS.items():
                runs[name].append(run_undisturbed([imports, CELL.format(seed=seed)], folder))
    times = {name: [t for run in done for t in run["milliseconds"]] for name, done in runs.items()}
    median = {name: statistics.median(values) for name, values in times.items()}
    ours = median["cnnlib Animator"]
    rows = [
        [name, f"{median[name]:.1f}", f"{statistics.mean(values):.1f}", f"{max(values):.1f}",
         f"{median[name] / ours:.1f}", str(runs[name][0]["shown"])]
        for name, values in times.items()
    ]  # fmt: skip
    ratio = {"d2l / cnnlib": median["d2l Animator"] / ours}
    report(
        ["", "median ms", "mean ms", "longest ms", "of cnnlib's", "pictures"],
        rows, facts, {"median milliseconds": median, "ratios": ratio, "milliseconds": times}, args.out,
    )  # fmt: skip


if __name__ == "__main__":
    main()
