"""The worker threads that OpenMP keeps for each thread that has computed: released before another thread trains.

PyTorch splits an operation over the cores. On Linux GNU's OpenMP does that, and every thread that has ever computed
keeps its own workers. They stay awake for a moment after an operation, because the next one may follow; but once there
are more such threads and workers than cores, each worker goes to sleep at once and has to be woken for the next
operation. On two cores a step of LeNet in a thread beside an idle one that has computed takes 28 to 44 ms instead of 20
to 25.
"""

import ctypes
import functools
import re
import sys
from contextlib import suppress
from pathlib import Path

HARD = 2  # OpenMP's omp_pause_hard: none of the thread's workers is kept


def release_openmp_threads():
    """End the workers of the calling thread; its next operation starts new ones, in less than a millisecond.

    Only GNU's OpenMP, PyTorch's choice on Linux, needs it, and has it from version 9 on.
    """
    for pause in _pause_functions():
        pause(HARD)


@functools.cache
def _pause_functions():
    """Return `omp_pause_resource_all` of each GNU OpenMP library in this process."""
    if not sys.platform.startswith("linux"):
        return []
    maps, found = "", []
    with suppress(OSError):  # the system does not list a process's libraries
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    for path in sorted(set(re.findall(r"/.*libgomp.*", maps))):
        with suppress(OSError, AttributeError):  # deleted meanwhile; an older version
            found.append(ctypes.CDLL(path).omp_pause_resource_all)
    return found
