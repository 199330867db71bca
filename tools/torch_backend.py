"""Name the build of PyTorch that this machine can use, for uv's UV_TORCH_BACKEND; say how large it is.

On Linux the package index serves a build with CUDA, which takes some 5 GB that a machine without an NVIDIA GPU never
uses. PyTorch's own index has a build without, and uv's `auto` picks what fits the driver. Where that index cannot be
reached, nothing is named, and the usual one serves.
"""

import os
import platform
import shutil
import sys
import urllib.request

INDEX = "https://download.pytorch.org/whl/cpu/torch/"
PATIENCE = 5  # seconds to wait for the index


def reachable(address=INDEX):
    """Return whether PyTorch's own index answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE):
            return True
    except (OSError, ValueError):
        return False


def choose(system, chosen, has_gpu, reach):
    """Return what UV_TORCH_BACKEND should be, '' for nothing, and what to tell the reader."""
    if chosen:
        return chosen, f"PyTorch's build is {chosen}, as UV_TORCH_BACKEND says."
    if system not in ("Linux", "Windows"):
        return "", "The first time this downloads some 0.5 GB, and takes 1.5 GB of disk."
    if has_gpu:
        return "auto" if reach() else "", "The first time this downloads some 3 GB, with CUDA, and takes 6 GB of disk."
    if system == "Windows" or reach():  # Windows gets a build for CPUs from the usual index
        return "auto" if system == "Linux" else "", (
            "No NVIDIA GPU is found: PyTorch comes without CUDA. The first time this downloads some 0.5 GB, and takes "
            "1.5 GB of disk."
        )
    return "", (
        "PyTorch's own index cannot be reached, so its build with CUDA comes from the usual one: the first time this "
        "downloads some 3 GB, and takes 6 GB of disk."
    )


if __name__ == "__main__":
    found = bool(shutil.which("nvidia-smi")) or os.path.exists("/proc/driver/nvidia/version")
    backend, told = choose(platform.system(), os.environ.get("UV_TORCH_BACKEND", ""), found, reachable)
    print(told, file=sys.stderr)
    print(backend)
