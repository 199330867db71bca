"""The command behind `make full`: train the networks at the size of the book, and keep what came out.

python -m cnnlib.course.full [NAMES] --seeds 3 --out results/full
torchrun --standalone --nproc-per-node=2 -m cnnlib.course.full alexnet
python -m cnnlib.course.full --collect
"""

import argparse
import os
import sys

from cnnlib.course.full import distributed
from cnnlib.course.full.experiments import EXPERIMENTS, find_experiments
from cnnlib.course.full.series import run_series, summary
from cnnlib.course.full.stored import FILE, collect
from cnnlib.machine.device import PRECISIONS, has_bf16
from cnnlib.machine.faults import DeviceError, OutOfMemoryError
from cnnlib.page.escape import printable


def say(text):
    """Write a line on standard output, from the first process only."""
    if distributed.process_number() == 0:
        sys.stdout.write(printable(f"{text}\n"))
        sys.stdout.flush()


def arguments(given=None):
    """Return what a command line asks for."""
    known = ", ".join(experiment.name for experiment in EXPERIMENTS)
    parser = argparse.ArgumentParser(
        prog="python -m cnnlib.course.full",
        description="Train the networks at the size of the book.",
        epilog=f"Names: {known}.",
    )
    parser.add_argument("names", nargs="*", help="experiments, or chapters such as 02_alexnet; all unless given")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on (3)")
    parser.add_argument("--out", help="folder of the runs (results/full; results/toy with --toy)")
    parser.add_argument("--toy", action="store_true", help="20 pictures and one epoch: to see that all of it runs")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, help="float32, and on a GPU bf16 beside it")
    parser.add_argument("--compile", action="store_true", help="CUDA graphs for the small networks, on a GPU")
    parser.add_argument("--collect", action="store_true", help=f"store the runs of the folder in {FILE.name}")
    wanted = parser.parse_args(given)
    if wanted.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {wanted.seeds}")
    try:
        wanted.experiments = find_experiments(wanted.names)
    except ValueError as error:
        parser.error(str(error))
    if wanted.toy:
        wanted.experiments = [experiment.toy() for experiment in wanted.experiments]
    wanted.out = wanted.out or os.path.join("results", "toy" if wanted.toy else "full")
    return wanted


def main(given=None):
    """Do what a command line asks for; return the exit status."""
    wanted = arguments(given)
    if wanted.collect:
        say(summary(collect(wanted.out)))
        return 0
    with distributed.team() as device:
        precisions = wanted.precision
        if precisions is None:  # both, so that their accuracies stand side by side
            precisions = PRECISIONS if device.type == "cuda" and has_bf16(device) else PRECISIONS[:1]
        seeds, options = range(wanted.seeds), {"precisions": precisions, "compile": wanted.compile, "say": say}
        try:
            records = run_series(wanted.experiments, seeds, device, wanted.out, **options)
        except KeyboardInterrupt:
            say("Interrupted. The same command goes on from here.")
            return 130
        say(f"\n{summary(records)}\n\nThe runs are in {wanted.out}.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OutOfMemoryError, DeviceError, OSError, ValueError) as error:
        sys.exit(f"{error}\nRuns that have ended are kept; the same command goes on from there.")
