"""What `cnnlib doctor` looks at: what the course needs, what is live here, and what to change where it is not."""

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from cnnlib.datasets import load_arrays
from cnnlib.machine.device import describe_device, try_gpu
from cnnlib.page import progress_file
from cnnlib.page.frontend import SWITCH_ON

LAB = {"jupyterlab": (4, 4), "ipykernel": (7, 1), "ipywidgets": (8, 1)}
SETTING = "@jupyterlab/apputils-extension:kernels-settings"


def examine(out):
    """Write what was found, one line each, and return how many things keep the course from working whole."""
    findings = [*_machine(), *_packages(), _channel(), _data(), _progress()]
    for good, text in findings:
        out.write(f"{'ok ' if good else 'TO DO'}  {text}\n")
    return sum(not good for good, _ in findings)


def _machine():
    device = try_gpu()
    yield True, f"Python {sys.version.split()[0]}, PyTorch {torch.__version__}, {describe_device(device)}"
    wanted = os.environ.get("CNNLIB_BUDGET") or ("laptop" if device.type == "cpu" else "full")
    yield True, f"experiments of the size {wanted!r} (CNNLIB_BUDGET=laptop, full or check chooses another)"


def _packages():
    for name, least in LAB.items():
        needed = ".".join(map(str, least))
        try:
            have = version(name)
        except PackageNotFoundError:
            yield False, f"{name} is missing: pip install 'cnnlib[lab]'"
            continue
        good = tuple(int(part) for part in have.split(".")[:2]) >= least
        yield good, f"{name} {have}" + ("" if good else f", and {needed} is needed: pip install 'cnnlib[lab]'")


def _channel():
    """Look into JupyterLab's settings: does a slider reach a cell that runs?"""
    try:
        from jupyterlab.commands import get_user_settings_dir
    except ImportError:
        return True, "no JupyterLab, whose settings could keep a slider from a running cell"
    plugin, _, name = SETTING.partition(":")
    path = Path(get_user_settings_dir(), plugin, f"{name}.jupyterlab-settings")
    try:
        chosen = json.loads(path.read_text(encoding="utf-8")).get("commsOverSubshells", "")
    except (OSError, ValueError, AttributeError):  # none, or with comments in it
        chosen = ""
    if chosen == "disabled":
        return False, f"your JupyterLab keeps a slider from a running cell: {SWITCH_ON}"
    return True, "JupyterLab lets a slider reach a running cell"


def _data():
    try:
        images, _ = load_arrays("train")
        return True, f"{len(images):,} training pictures of Fashion-MNIST, as they should be"
    except (OSError, ValueError, RuntimeError) as error:
        return False, f"the pictures cannot be read: {error}"


def _progress():
    place = progress_file.place()
    folder = next((parent for parent in (place, *place.parents) if parent.exists()), place)
    if os.access(folder, os.W_OK):
        return True, f"progress is kept in {place}"
    return False, f"progress cannot be kept in {place}: set CNNLIB_PROGRESS to a file that can be written"
