"""The helpers that OpenMP keeps for each thread that has computed: sent away before another thread trains.

PyTorch splits an operation over the cores. On Linux GNU's OpenMP does that, and every thread that has ever computed
keeps its own helpers. They stay awake for a moment after an operation, because the next one may come; but once such
threads and helpers together are more than the cores, each helper goes to sleep at once and has to be woken for the next
operation. On two cores a step of LeNet in a thread beside an idle one that has computed takes 28 to 44 ms instead of 20
to 25.
"""

import ctypes
import functools
import re
import sys
from contextlib import suppress
from pathlib import Path

HARD = 2  # OpenMP's omp_pause_hard: nothing of the thread's helpers is kept


def release_openmp_threads():
    """End the helpers of the thread that calls this; its next operation makes new ones, in less than a millisecond.

    Only GNU's OpenMP needs it, from version 9 on has it, and is PyTorch's choice on Linux.
    """
    for pause in _pauses():
        pause(HARD)


@functools.cache
def _pauses():
    """Return the function that does so, of each such library in this process."""
    if not sys.platform.startswith("linux"):
        return []
    maps, found = "", []
    with suppress(OSError):  # a system that tells nothing about a process
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    for path in sorted(set(re.findall(r"/.*libgomp.*", maps))):
        with suppress(OSError, AttributeError):  # deleted meanwhile; older
            found.append(ctypes.CDLL(path).omp_pause_resource_all)
    return found
