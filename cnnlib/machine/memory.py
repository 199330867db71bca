"""Memory that a training step need not wait for: freed blocks are kept for the next one, and lie in large pages.

A step frees its feature maps and asks for the same sizes again. The allocator of most Linux systems (glibc) hands such
blocks back to the system in between; then each page comes back through a page fault, filled with zeros. For LeNet on
batches of 256 that can be 4,700 page faults a step and a third of its time: 30 ms against 21 ms on one thread. (It is
not so where the process has freed larger blocks before: glibc then keeps more by itself.)

Kept is memory for the time of a run: one that rests gives it back, so that a class can share a machine.

A block of more than 32 MB comes and goes with every step all the same: glibc keeps none of that size. ResNet-18 at the
size of the book then takes 370,000 page faults of 4 kB a step or more, and 1.3 s of the system's time. With pages of
2 MB it is 19,000 faults and 0.6 to 1.1 s.
"""

import ctypes
import functools
import os
import sys
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # the names of the two settings in glibc's malloc.h
KEPT = 512 * 2**20  # bytes: what may lie free before the allocator gives it back
LITTLE = 128 * 2**10  # bytes: glibc's own choice for the same
SINGLE = 32 * 2**20  # bytes: a larger block is mapped by itself, as always; glibc allows no larger value


LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # PyTorch's switch, which it looks at once: before its first tensor


def ask_for_large_pages():
    """Let PyTorch ask the system for large pages for all that takes 2 MB or more, if it has not made a tensor yet.

    Linux alone has them (transparent huge pages, where its administrator has not forbidden them). What the environment
    says already holds.
    """
    if sys.platform.startswith("linux"):
        os.environ.setdefault(LARGE_PAGES, "1")


ask_for_large_pages()


@functools.cache
def keep_freed_memory():
    """Let this process keep up to 512 MiB of freed memory; return whether the allocator took the settings.

    Only glibc has them. Where the environment already tunes the allocator (`MALLOC_…`, `GLIBC_TUNABLES`) nothing is
    changed.
    """
    tuned = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if not sys.platform.startswith("linux") or tuned:
        return False
    mallopt = _of_libc("mallopt")
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, SINGLE)) and bool(mallopt(TRIM_THRESHOLD, KEPT))


@contextmanager
def returning_freed_memory():
    """Give what is freed within back to the system at once, and then all that lies free; only glibc can.

    Each thread has a heap of its own, and the free end of that is trimmed only when something in it is freed while
    little may be kept. So whoever frees what another thread has made, frees it within.
    """
    mallopt = _of_libc("mallopt") if _keeps() else lambda *setting: None
    mallopt(TRIM_THRESHOLD, LITTLE)
    try:
        yield
    finally:
        mallopt(TRIM_THRESHOLD, KEPT)
        return_freed_memory()


def return_freed_memory():
    """Give all that lies free back to the system, for the time in which nothing is trained; only glibc can.

    It takes milliseconds, and the next run a few more to fetch the memory anew.
    """
    trim = _of_libc("malloc_trim") if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def _keeps():
    """Whether `keep_freed_memory` was called and the allocator took its settings."""
    return bool(keep_freed_memory.cache_info().currsize) and keep_freed_memory()


@functools.cache
def _of_libc(name):
    """Return a function of the C library, or None where it has none of this name (musl, for instance)."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
