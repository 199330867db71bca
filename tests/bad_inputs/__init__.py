"""Wrong arguments for every public function, class and widget: what each parameter is given, and the error that it
must be answered by.

A Row is a name, the function, arguments that are right, and for some of them what is wrong. The arguments are built
once: no wrong call may change them, and `test_bad_inputs` compares.
"""

import functools

import torch

from bad_inputs import data, figures, models, probes, records, things, training, widgets
from bad_inputs.values import Bad, Row

__all__ = ["Bad", "Row", "table"]


@functools.cache
def table():
    """Return all rows; nobody's random numbers are changed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        t = things.build()
        return [row for part in (data, records, training, models, probes, figures, widgets) for row in part.rows(t)]
