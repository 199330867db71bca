"""Which device to compute on: an NVIDIA GPU, then Apple's, then the CPU."""

import platform
import threading
import warnings

import torch

from cnnlib.machine.faults import first_line
from cnnlib.validation import Choice, Count, Device, arguments

# What PyTorch chose when it was loaded: the cores of this machine, or fewer where OMP_NUM_THREADS says so.
CORES = torch.get_num_threads()

_tried = {}  # device: whether it computes, tried once
_trying = threading.Lock()


def try_gpu(i=0):
    """Return GPU number `i` if this machine has it and it computes, else the best device that does.

    Parameters
    ----------
    i : int
        Which CUDA device to ask for.

    Returns
    -------
    torch.device
        `cuda:i`, or else Apple's `mps`, or else `cpu`.

    Raises
    ------
    TypeError, ValueError
        If `i` is not a whole number of at least 0.

    Warns
    -----
    RuntimeWarning
        Once, if a GPU is there but cannot compute: a card too old for this PyTorch, a driver too old, no free memory.
    """
    i = Count(least=0)(i, "the GPU's number")
    found = [torch.device("cuda", i)] if torch.cuda.device_count() > i else []
    found += [torch.device("mps")] if torch.backends.mps.is_available() else []
    return next(filter(_computes, found), torch.device("cpu"))


def _computes(device):
    """Return whether a GPU can do a small convolution forward and backward; if not, warn why, the first time."""
    with _trying:
        if device in _tried:
            return _tried[device]
        try:
            compute(device)
            _tried[device] = True
        except Exception as error:  # of many kinds: every library below PyTorch has its own
            _tried[device], why = False, first_line(error)
    if not _tried[device]:
        warnings.warn(
            f"the GPU ({device}) is not used, because it cannot compute: {why}. Everything runs on the CPU instead.",
            RuntimeWarning,
            stacklevel=3,
        )
    return _tried[device]


def compute(device):
    """Do a convolution and a matrix product, forward and backward; raise if that fails or the result is wrong."""
    with torch.enable_grad():
        X = torch.ones(1, 1, 4, 4, device=device)
        w = torch.ones(1, 1, 3, 3, device=device, requires_grad=True)
        scores = torch.nn.functional.conv2d(X, w).flatten(1) @ torch.ones(4, 1, device=device)  # (1, 4) @ (4, 1)
        total = torch.autograd.grad(scores.sum(), w)[0].sum().item()  # nine weights, four places each
    if total != 36:
        raise RuntimeError(f"a sum that should be 36 is {total:g}")


@arguments(device=Device())
def describe_device(device=None):
    """Describe a device in one phrase, such as 'CPU (x86_64), 2 threads'."""
    device = device or try_gpu()
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}), {threads} thread{'s' if threads > 1 else ''}"


PRECISIONS = ("float32", "bf16")


def check_precision(precision, device):
    """Return `precision`, one of PRECISIONS; raise a ValueError if it is none, or the device does not support it."""
    Choice(PRECISIONS)(precision, "precision")
    if precision == "bf16" and not has_bf16(device):
        raise ValueError(f"{device} does not support bf16, got precision='bf16'. Use 'float32'.")
    return precision


def has_bf16(device):
    """Return whether a device can compute with 16-bit numbers of float32's range."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)  # older cards have it only slowly
    return torch.amp.is_autocast_available(device.type)
