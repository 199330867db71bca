"""What the command does in each of its processes."""

import sys

import torch

from cnnlib.course.records.run import run
from cnnlib.course.records.stored import NAMED
from cnnlib.course.records.team import process_number
from cnnlib.page.escape import printable


def say(text):
    """Write a line on standard output, from the first process only."""
    if process_number() == 0:
        sys.stdout.write(printable(f"{text}\n"))
        sys.stdout.flush()


def run_named(size, name, seed, device, folder, toy, precision, compile):
    """Do one run and return its record. The experiment comes by name: what builds a network goes to no other process.

    The number of threads stays as it was.
    """
    experiment, threads = NAMED[size, name], torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)  # sums then come out alike however many cores there are
    try:
        options = {"precision": precision, "compile": compile, "say": say}
        return run(experiment.toy() if toy else experiment, seed, torch.device(device), folder, **options)
    finally:
        torch.set_num_threads(threads)
