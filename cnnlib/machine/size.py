"""Three sizes for every experiment, chosen by the environment variable CNNLIB_BUDGET.

`laptop` ends within about a minute on two cores, `full` has the settings of the book, and `check` is laptop with one
seed: what daily tests run. A size changes numbers, never the code path.
"""

import os

from cnnlib.machine.device import try_gpu

BUDGET = "CNNLIB_BUDGET"
SIZES = ("laptop", "full", "check")


def chosen_size():
    """Return the size that CNNLIB_BUDGET names; without it `full` on a machine with a GPU and `laptop` elsewhere."""
    choice = os.environ.get(BUDGET, "").strip().lower()
    if choice and choice not in SIZES:
        raise ValueError(
            f"the environment variable {BUDGET} must be 'laptop', 'full' or 'check', got {choice!r}. Unset it to let "
            "the machine decide."
        )
    return choice or ("laptop" if try_gpu().type == "cpu" else "full")
