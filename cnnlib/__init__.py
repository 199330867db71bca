"""cnnlib: the small library behind the notebooks of an interactive course on classic convolutional networks.

Floors, bottom to top; each imports only from those before it:

    checks, arguments, modes, plain, shared_file, table, claims    small things that everything may use
    faults, device, memory, openmp, clock, budget, datasets, metrics    where and on what to compute, what to add up
    randomness, distributed, execution    whose random numbers, how many processes, and in which number format
    models                                              one architecture a file
    history, snapshot, checkpoint, training, seeds, contract    the loop, its record, a run in a file, seeds, how long
    full                                                the networks at the size of the book
    probes                                              looking inside a network by hooks
    style, picture, drawing, chart, figures             charts and pictures
    frontend, reader, progress_file, animator           the page they go to, who reads it, and what is kept
    widgets, exercises                                  live controls, questions and their checkers
    d2l                                                 the names that listings written for the d2l package use
"""

from cnnlib.animator import Animator
from cnnlib.budget import pick_budget
from cnnlib.checkpoint import Checkpoint
from cnnlib.contract import time_contract
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.device import describe_device, try_gpu
from cnnlib.faults import DeviceError, OutOfMemoryError
from cnnlib.full import full_results
from cnnlib.history import History, compare, growth_table
from cnnlib.metrics import Accumulator, Timer, accuracy
from cnnlib.seeds import train_over_seeds, unfinished_runs
from cnnlib.training import DivergenceError, Trainer, evaluate_accuracy, time_epoch, train

__all__ = [
    "Accumulator",
    "Animator",
    "Checkpoint",
    "DeviceError",
    "DivergenceError",
    "History",
    "OutOfMemoryError",
    "Timer",
    "Trainer",
    "accuracy",
    "compare",
    "describe_device",
    "evaluate_accuracy",
    "full_results",
    "growth_table",
    "load_data_fashion_mnist",
    "pick_budget",
    "time_contract",
    "time_epoch",
    "train",
    "train_over_seeds",
    "try_gpu",
    "unfinished_runs",
]
