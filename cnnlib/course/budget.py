"""Two sizes for every experiment: `laptop` (about a minute on two cores) and `full` (the settings of the book).

A budget changes sizes, never the code path.
"""

import os

from cnnlib.machine.device import try_gpu

VARIABLE = "CNNLIB_BUDGET"


def pick_budget(laptop, full):
    """Return `full` on a machine with a GPU and `laptop` elsewhere; CNNLIB_BUDGET=laptop or full decides otherwise.

    Parameters
    ----------
    laptop, full : any
        The two settings, of which one is returned as it is.

    Raises
    ------
    ValueError
        If CNNLIB_BUDGET is set to anything else.
    """
    default = "laptop" if try_gpu().type == "cpu" else "full"
    choice = os.environ.get(VARIABLE, "").strip().lower() or default
    if choice not in ("laptop", "full"):
        raise ValueError(
            f"the environment variable {VARIABLE} must be 'laptop' or 'full', got {choice!r}. Unset it to let the "
            "machine decide."
        )
    return full if choice == "full" else laptop
