"""Faults of the machine rather than of the program: memory that runs out, and a GPU that fails.

PyTorch has several exceptions for each, one per kind of device, and most of them are plain RuntimeErrors that only
their messages distinguish. Here they become two kinds of error that say what to do. The original one loses its
traceback, which refers to the tensors that filled the memory.
"""

import gc
from contextlib import suppress

import torch

from cnnlib.machine.memory import return_freed_memory

# parts of the messages of PyTorch and of the libraries below it, in lower case
MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed")
DEVICE = (
    "cuda error", "cuda driver", "nvidia driver", "cudnn", "cublas", "cufft", "cusolver", "hip error", "miopen",
    "mpsgraph", "mps backend", "implemented for the mps", "command buffer",
)  # fmt: skip


class EndsRun(Exception):
    """What ends a run. `history` holds the run so far, `step` the step that failed; both None outside a run."""

    def __init__(self, message, history=None, step=None):
        super().__init__(message)  # the message alone: pickle rebuilds an exception from that and its attributes
        self.history, self.step = history, step


class OutOfMemoryError(EndsRun, MemoryError):
    """The memory ran out. `history` and `step` as for `EndsRun`."""


class DeviceError(EndsRun, RuntimeError):
    """The GPU failed. `history` and `step` as for `EndsRun`."""


def is_out_of_memory(error):
    """Return whether an exception means that the memory of a device, or of the computer, ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    plain = type(error) in (RuntimeError, torch.AcceleratorError)
    return plain and any(words in str(error).lower() for words in MEMORY)


def is_device_failure(error):
    """Return whether an exception means that a GPU cannot do what it was asked, whatever the network is."""
    if isinstance(error, DeviceError | torch.AcceleratorError):
        return True
    kinds = (RuntimeError, NotImplementedError)  # the second: an operation that Apple's GPUs do not have yet
    return type(error) in kinds and any(words in str(error).lower() for words in DEVICE)


def is_fault(error):
    """Return whether an exception means that the machine, not the program, failed."""
    return is_out_of_memory(error) or is_device_failure(error)


def explain_fault(error, where="", batch_size=None, history=None, step=None):
    """Return an exception that says what went wrong in the machine and what to do; `error` loses its traceback.

    Parameters
    ----------
    error : Exception
        One for which `is_fault` holds.
    where : str
        Where it happened: 'at step 3', say.
    batch_size : int, optional
        How many examples were computed at once; half of that is what the message suggests.
    history, step
        Of the run, for the new exception.
    """
    without_traceback(error)
    if isinstance(error, OutOfMemoryError | DeviceError):  # it says enough
        return type(error)(str(error), history, step)
    happened = f"{where} ({first_line(error)})".lstrip()
    if is_out_of_memory(error):
        return OutOfMemoryError(f"the memory ran out {happened}. {_smaller(batch_size)}", history, step)
    said = (
        f"the GPU failed {happened}. Restart the kernel; if it fails again, compute on the CPU: give device='cpu', or "
        "set CUDA_VISIBLE_DEVICES=-1 before the kernel starts."
    )
    return DeviceError(said, history, step)


def without_traceback(error):
    """Return an exception without its traceback, whose frames refer to the batch and all that was computed from it."""
    return error.with_traceback(None)


def _smaller(batch_size):
    """Return advice on the batch size to try instead."""
    if batch_size is None:
        return "Take smaller batches, smaller pictures or fewer channels."
    if batch_size < 2:
        return "A batch is one example already: take smaller pictures or fewer channels."
    return f"Try batches of {batch_size // 2} examples instead of {batch_size}, smaller pictures or fewer channels."


def first_line(error):
    """Return the first line of an exception's message, or its class where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__


def release_memory(device):
    """Free unused memory, and return a GPU's cache to other programs."""
    gc.collect()
    return_freed_memory()
    if torch.device(device).type != "cpu":
        with suppress(RuntimeError):  # the device may have failed
            torch.get_device_module(device).empty_cache()
