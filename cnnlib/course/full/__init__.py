"""The networks of the book at its own size: what to train, the series that does it, and what came out.

make full                          every experiment, three seeds each
make full NAMES=02_alexnet GPUS=2  one chapter's, on two GPUs
"""

from cnnlib.course.full.experiments import EXPERIMENTS, Experiment, find_experiments
from cnnlib.course.full.series import run, run_series, summary
from cnnlib.course.full.stored import collect, full_results

__all__ = ["EXPERIMENTS", "Experiment", "collect", "find_experiments", "full_results", "run", "run_series", "summary"]
