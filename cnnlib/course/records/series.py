"""Many runs, in turn or in several processes."""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from cnnlib.course.records import distributed
from cnnlib.course.records.run import run
from cnnlib.course.records.stored import NAMED
from cnnlib.page.escape import printable


def say(text):
    """Write a line on standard output, from the first process only."""
    if distributed.process_number() == 0:
        sys.stdout.write(printable(f"{text}\n"))
        sys.stdout.flush()


def run_series(experiments, num_seeds, device, folder, jobs=1, *, precisions=("float32",), toy=False, **options):
    """Run experiments with their first seeds, in every precision, or read what the folder has of them already.

    Parameters
    ----------
    experiments : list of Experiment
    num_seeds : int
    device : torch.device
    folder : Path
    jobs : int
        Processes at once.
    precisions : sequence of str
    toy : bool
        Whether to train on a few pictures.
    **options
        As for `run`.

    Returns
    -------
    list of dict
        What `run` returns for each.
    """
    tasks = [
        (e.size, e.name, seed, str(device), folder, toy, {"precision": precision, **options})
        for e in experiments
        for precision in precisions
        for seed in e.seeds[:num_seeds]
    ]
    if jobs == 1:
        threads = torch.get_num_threads()
        try:
            return [_run_task(*task) for task in tasks]
        finally:
            torch.set_num_threads(threads)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        return list(pool.map(_run_task, *zip(*tasks, strict=True)))


def _run_task(size, name, seed, device, folder, toy, options):
    """Do one run; what it is comes by name, since a function that builds a network goes to no other process."""
    experiment = NAMED[size, name]
    if device == "cpu":
        torch.set_num_threads(1)  # sums then come out alike however many cores there are
    return run(experiment.toy() if toy else experiment, seed, torch.device(device), folder, **options)
