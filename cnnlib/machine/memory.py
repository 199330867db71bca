"""Memory that a training step need not wait for: freed blocks are kept for the next one, and lie in large pages.

A step frees its feature maps and allocates the same sizes again. The allocator of most Linux systems (glibc) returns
such blocks to the system in between; each page then comes back through a page fault, filled with zeros. For LeNet on
batches of 256 that can be 4,700 page faults per step and a third of its time: 30 ms against 21 ms on one thread. (Not
where the process has freed larger blocks before: glibc then keeps more by itself.)

Memory is kept during a run; a process that trains nothing returns it, so that a class can share a machine.

A block of more than 32 MB is mapped anew in every step all the same: glibc keeps none of that size. ResNet-18 at the
size of the book then takes at least 370,000 page faults of 4 kB per step, and 1.3 s of system time. With pages of 2 MB
it is 19,000 faults and 0.6 to 1.1 s.
"""

import ctypes
import functools
import os
import sys
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # the names of the two settings in glibc's malloc.h
KEEP_UP_TO = 512 * 2**20  # bytes that may be free before the allocator returns them
GLIBC_DEFAULT = 128 * 2**10  # bytes: glibc's own choice for the same
MAPPED_FROM = 32 * 2**20  # bytes: a larger block is mapped by itself; glibc allows no larger value

# PyTorch's switch for large pages for blocks of 2 MB or more, which it reads once: before its first tensor. Only Linux
# has them (transparent huge pages, unless its administrator has disabled them).
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
if sys.platform.startswith("linux"):
    os.environ.setdefault(LARGE_PAGES, "1")


@functools.cache
def keep_freed_memory():
    """Let this process keep up to 512 MiB of freed memory; return whether the allocator took the settings.

    Only glibc has them. Where the environment already tunes the allocator (`MALLOC_…`, `GLIBC_TUNABLES`) nothing
    changes.
    """
    tuned = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if not sys.platform.startswith("linux") or tuned:
        return False
    mallopt = _of_libc("mallopt")
    return (
        mallopt is not None and bool(mallopt(MMAP_THRESHOLD, MAPPED_FROM)) and bool(mallopt(TRIM_THRESHOLD, KEEP_UP_TO))
    )


@contextmanager
def returning_freed_memory():
    """Return what is freed inside to the system at once, and then all free memory; only glibc can.

    Each thread has a heap of its own, whose free end is trimmed only when something in it is freed while little may be
    kept. So memory that another thread has allocated is freed inside.
    """
    mallopt = _of_libc("mallopt") if _keeps() else lambda *setting: None
    mallopt(TRIM_THRESHOLD, GLIBC_DEFAULT)
    try:
        yield
    finally:
        mallopt(TRIM_THRESHOLD, KEEP_UP_TO)
        return_freed_memory()


def return_freed_memory():
    """Return all free memory to the system, while nothing is trained; only glibc can.

    It takes milliseconds, and the next run a few more to get the memory back.
    """
    trim = _of_libc("malloc_trim") if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def _keeps():
    """Return whether `keep_freed_memory` was called and the allocator took its settings."""
    return bool(keep_freed_memory.cache_info().currsize) and keep_freed_memory()


@functools.cache
def _of_libc(name):
    """Return a function of the C library, or None where it has none of this name (musl, for instance)."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
