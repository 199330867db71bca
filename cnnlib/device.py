"""Which device to compute on: an NVIDIA GPU, then Apple's, then the CPU."""

import platform

import torch

from cnnlib.checks import check_count

# What PyTorch chose when it was loaded: the cores of this machine, or fewer where OMP_NUM_THREADS says so.
CORES = torch.get_num_threads()


def try_gpu(i=0):
    """Return GPU number `i` if this machine has it, else the best device that it does have.

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
    """
    i = check_count(i, "the GPU's number", least=0)
    if torch.cuda.device_count() > i:
        return torch.device("cuda", i)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def describe_device(device=None):
    """Describe a device in one phrase, such as 'CPU (x86_64), 2 threads'."""
    device = try_gpu() if device is None else torch.device(device)
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}), {threads} thread{'s' if threads > 1 else ''}"
