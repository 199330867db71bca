"""The command behind `make records`, `make full` and `make collect`.

python -m cnnlib.course.records [NAMES] --jobs 2 --out results/records
torchrun --standalone --nproc-per-node=2 -m cnnlib.course.records --size full alexnet
python -m cnnlib.course.records --collect
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import torch

from cnnlib.course.records.catalogue import EXPERIMENTS, find_experiments
from cnnlib.course.records.experiments import SIZES
from cnnlib.course.records.run import run_named, say
from cnnlib.course.records.stored import collect, summary
from cnnlib.course.records.team import num_processes, team
from cnnlib.machine.device import PRECISIONS, has_bf16
from cnnlib.machine.faults import DeviceError, OutOfMemoryError


def parse_arguments(given=None):
    """Return what a command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m cnnlib.course.records", description="Train what is to be recorded."
    )
    parser.add_argument("names", nargs="*", help="experiments, or chapters such as 02_alexnet; all unless given")
    parser.add_argument("--size", choices=SIZES, default=SIZES[0], help="laptop; full, for a GPU: as the listings say")
    parser.add_argument("--seeds", type=int, default=3, help="how many of each experiment's, from the first on (3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once, each with one thread of the CPU (1)")
    parser.add_argument("--out", type=Path, help="folder of the runs (results/records; results/toy with --toy)")
    parser.add_argument("--toy", action="store_true", help="20 pictures and one epoch: to see that all of it runs")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, help="float32, and on a GPU bf16 beside it")
    parser.add_argument("--compile", action="store_true", help="CUDA graphs for the small networks, on a GPU")
    parser.add_argument("--collect", action="store_true", help="store what ended, of both sizes, in the library")
    wanted = parser.parse_args(given)
    try:
        if min(wanted.seeds, wanted.jobs) < 1:
            raise ValueError("--seeds and --jobs must be at least 1")
        there = [e for e in EXPERIMENTS if wanted.collect or e.size == wanted.size]
        wanted.experiments = find_experiments(wanted.names, there)
    except ValueError as error:
        parser.error(str(error))
    wanted.out = wanted.out or Path("results", "toy" if wanted.toy else "records")
    return wanted


def main(given=None):
    """Do what a command line asks for; return the exit status."""
    wanted = parse_arguments(given)
    if wanted.collect:
        say(summary(collect(wanted.out, wanted.experiments)))
        return 0
    with team() as device:
        if wanted.size == "laptop":
            device = torch.device("cpu")
            if num_processes() > 1:  # only the first would follow the falling rate
                raise ValueError("torchrun shares batches at --size full alone. Give --jobs instead.")
        precisions = wanted.precision
        if precisions is None:  # both on a GPU, so that their accuracies stand side by side
            precisions = PRECISIONS if device.type == "cuda" and has_bf16(device) else PRECISIONS[:1]
        tasks = [
            (e.size, e.name, seed, str(device), wanted.out, wanted.toy, precision, wanted.compile)
            for e in wanted.experiments
            for precision in precisions
            for seed in e.seeds[: wanted.seeds]
        ]
        try:
            if wanted.jobs == 1:
                records = [run_named(*task) for task in tasks]
            else:
                with ProcessPoolExecutor(wanted.jobs, get_context("spawn")) as pool:
                    records = list(pool.map(run_named, *zip(*tasks, strict=True)))
        except (KeyboardInterrupt, BrokenProcessPool):  # the latter where the other processes were
            say("Interrupted. The same command goes on from here.")
            return 130
        say(f"\n{summary(records)}\n\nThe runs are in {wanted.out}.")
    return 0


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(19)  # hours of work: whoever uses the machine meanwhile comes first
    try:
        sys.exit(main())
    except (OutOfMemoryError, DeviceError, OSError, ValueError) as error:
        sys.exit(f"{error}\nRuns that have ended are kept; the same command goes on from there.")
