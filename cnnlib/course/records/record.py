"""What is kept of a run: what it was, where and when it ran, and what came of it; as plain values in a JSON file."""

import datetime
import json
import platform
import re
from pathlib import Path

import torch

from cnnlib.machine.device import describe_device
from cnnlib.probes import layer_table

NAME, FORMAT = "cnnlib record", 1
MEAN = 20  # steps whose losses are kept as one number
SHIFTS = (1, 2, 3, 4)  # pixels of a picture of 28, by which test pictures are moved after training
COMMANDS = {"laptop": "make records", "full": "make full"}


def make_record(experiment, seed, device, history, net):
    """Return the record of a run that has ended, a dict; but for its rate and how that was chosen."""
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if device.type == "cuda":
        versions |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    curve = [history.window(i, i + MEAN)[0] for i in range(0, history.steps, MEAN)]
    seconds = {"seconds": history.seconds, "train_seconds": history.train_seconds}
    seconds["cpu_seconds"] = history.settings["cpu_seconds"]
    return {
        NAME: FORMAT,
        "settings": experiment.settings(),
        "seed": seed,
        "hardware": hardware(device),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
        "command": f"{COMMANDS[experiment.size]} NAMES={experiment.name}",
        **{key: history.settings[key] for key in ("precision", "compiled", "processes", "parameters")},
        "multiply_adds": layer_table(net.cpu(), (1, experiment.side, experiment.side)).multiply_adds,
        "loss": _rounded(curve),
        **{key: _rounded(getattr(history, key)) for key in ("train_loss", "train_acc", "test_acc")},
        **{key: round(value, 1) for key, value in seconds.items()},
        "steps": history.steps,
        "ended": history.ended,
    }


def _rounded(values):
    """Return numbers with five digits: a curve shows no more."""
    return [float(f"{value:.5g}") for value in values]


def hardware(device):
    """Describe a device in one phrase, with the processor's name where the system gives it."""
    described, info = describe_device(device), Path("/proc/cpuinfo")
    if device.type != "cpu" or not info.exists():
        return described
    name = re.search(r"^model name\s*: (.+)$", info.read_text(encoding="utf-8"), re.MULTILINE)
    return f"{described}, {name[1].strip()}" if name else described


def read(path):
    """Read a record that `run` wrote.

    Raises
    ------
    ValueError
        If the file is damaged or something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record[NAME] == FORMAT and record["settings"]:
            return record
    except (ValueError, TypeError, KeyError):
        pass
    raise ValueError(f"{path} is no record of a run, format {FORMAT}, or is damaged. Delete it, and run it again.")
