"""cnnlib: the small library behind the notebooks of an interactive course on classic convolutional networks.

Floors, bottom to top; each imports only from those before it:

    validation, page                the rules for arguments; what is in front of the reader
    machine, datasets, models       the computer, the pictures, one architecture a file
    training, probes                the loop and what surrounds it; looking inside a network by hooks
    figures, exercises, course      charts and drawings; questions and their checkers; time, budget, claims, records
    widgets                         live controls
    d2l                             the names that listings written for the d2l package use
"""

from cnnlib.course.budget import pick_budget
from cnnlib.course.claims import claim
from cnnlib.course.records import full_results, recorded
from cnnlib.course.times import time_contract
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.figures.animator import Animator
from cnnlib.machine.device import describe_device, try_gpu
from cnnlib.machine.faults import DeviceError, OutOfMemoryError
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.training.guard import DivergenceError
from cnnlib.training.history import History
from cnnlib.training.loop import Trainer
from cnnlib.training.metrics import Accumulator, Timer, accuracy
from cnnlib.training.run import time_epoch, train
from cnnlib.training.seeds import train_over_seeds, unfinished_runs
from cnnlib.training.tables import compare, growth_table

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
    "claim",
    "compare",
    "describe_device",
    "evaluate_accuracy",
    "full_results",
    "growth_table",
    "load_data_fashion_mnist",
    "pick_budget",
    "recorded",
    "time_contract",
    "time_epoch",
    "train",
    "train_over_seeds",
    "try_gpu",
    "unfinished_runs",
]
