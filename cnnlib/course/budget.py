"""A setting for each size of an experiment: see `cnnlib.machine.size`."""

from cnnlib.machine.size import chosen_size


def pick_budget(laptop, full):
    """Return `full` on a machine with a GPU and `laptop` elsewhere; the variable CNNLIB_BUDGET decides otherwise.

    Parameters
    ----------
    laptop, full : any
        The two settings, of which one is returned as it is. CNNLIB_BUDGET=check takes `laptop`, and `train_over_seeds`
        then trains with one seed.

    Raises
    ------
    ValueError
        If CNNLIB_BUDGET is neither 'laptop' nor 'full' nor 'check'.
    """
    return full if chosen_size() == "full" else laptop
