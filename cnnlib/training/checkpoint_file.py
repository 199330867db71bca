"""The file of a run: what `torch.save` writes, with the run's record as JSON, its set-up and its origin.

It is read with `weights_only=True`, so nothing in it is executed, and after the checksum of every part was compared,
which PyTorch itself does not do.
"""

import copy
import io
import json
import re
import zipfile
from dataclasses import asdict

import numpy as np
import torch

from cnnlib.page import storage
from cnnlib.training.history import FORMAT as HISTORY_FORMAT
from cnnlib.training.history import History
from cnnlib.training.identity import check_setup, run_setup
from cnnlib.validation import Count, Rate, in_words

NAME, FORMAT = "cnnlib checkpoint", 1
REMEDY = "Delete it, or give another file; the run then begins anew."
COPIES = 64  # how often the network's size a file may have; preconditioners of small layers are large
ROOM = 2**30  # bytes, for the record of a long run
KEPT = (torch.Tensor, torch.Size, torch.dtype, torch.device, bool, int, float, complex, str, type(None))


def write_checkpoint(path, state, trainer, origin):
    """Write a trainer's state so that the file is the old one or the new one at any moment.

    Parameters
    ----------
    path : Path
        Its folder is made if it is missing.
    state : dict
        What `Trainer.state` returns.
    trainer : Trainer
        Whose it is.
    origin : dict of str to str
        What `run_origin` returned before the run's first step; {} where no Checkpoint keeps the run.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is still there.
    TypeError
        If the state holds what `read_checkpoint` would refuse.
    """
    record = json.dumps({"cnnlib history": HISTORY_FORMAT, **_plain(state["history"], "the record")})
    parts = {name: _plain(part, name) for name, part in state.items()} | {"history": record}
    data = io.BytesIO()  # first into memory: a disk that is full halfway is then an OSError like any other
    torch.save({NAME: FORMAT, "setup": run_setup(trainer), "run": origin, **parts}, data)
    storage.replace(path, data.getbuffer())


def _plain(value, where):
    """Return a part of a state as `read_checkpoint` takes it: numbers of NumPy are Python's, tensors bare ones."""
    if isinstance(value, dict):
        plain = copy.copy(value)  # which keeps a state dict's metadata
        plain.update({key: _plain(part, f"{where}, {key!r}") for key, part in value.items()})
        return plain
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return type(value)(_plain(part, where) for part in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor):
        return value.detach().as_subclass(torch.Tensor)
    if not isinstance(value, KEPT):
        raise TypeError(f"a checkpoint keeps tensors and plain values, and {where} holds {in_words(value)}")
    return value


def read_checkpoint(path, trainer):
    """Read what `write_checkpoint` wrote, for a trainer; nothing in it is executed, the trainer stays as it is.

    Returns
    -------
    state : dict
        For `Trainer.load_state`.
    origin : dict of str to str
        What was written with it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or something else, or belongs to another set-up than the trainer's.
    """
    path = storage.file_path(path)
    with path.open("rb") as file:
        content = _read(path, file, trainer)
    setup, origin = content.pop("setup"), content.pop("run", {})
    check_setup(path, setup, trainer)
    try:
        return _parsed(content, path), {str(name): str(words) for name, words in origin.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {_first_line(error)}. {REMEDY}") from None


def _read(path, file, trainer):
    """Return what the file holds, a dict of this format, or raise a ValueError."""
    limit = ROOM + COPIES * sum(p.nbytes for p in trainer.net.parameters())
    try:
        with zipfile.ZipFile(file) as parts:
            size = sum(part.file_size for part in parts.infolist())
            packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist())
            if size > limit or packed:
                raise ValueError(
                    f"{path} is no checkpoint of this network: it would take {size:,} bytes, at most {limit:,} are "
                    f"expected. {REMEDY}"
                )
            damaged = parts.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of its part {damaged!r} is wrong")
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no checkpoint of cnnlib, or it is cut off or damaged: {error}. {REMEDY}") from None
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever PyTorch's reader meets in a file that was made to mislead it
        raise ValueError(
            f"{path} is no checkpoint of cnnlib, and nothing in it was executed: {_first_line(error)} {REMEDY}"
        ) from None
    if not isinstance(content, dict) or content.pop(NAME, None) != FORMAT or not isinstance(content.get("setup"), dict):
        raise ValueError(f"{path} is no checkpoint of cnnlib, format {FORMAT}. {REMEDY}")
    return content


def _first_line(error):
    said = re.sub(r"\x1b\[\d*m", "", str(error)).strip().partition(" This file can still be loaded")[0]
    return said.splitlines()[0][:200] if said else type(error).__name__


def _parsed(state, path):
    """Return a state with its record parsed; raise an error if its numbers do not fit each other."""
    history = History.from_json(state["history"], path)
    if history.ended == "running":  # and the process ended before it could write how
        history.ended = "interrupted"
    for name in ("epoch", "batch"):
        Count(least=0)(state[name], name)
    Rate()(state["lr"])
    ends = [0, *history.epoch_ends]  # an epoch may have had fewer batches than the data said
    if len(ends) != state["epoch"] + 1 or history.steps != ends[-1] + state["batch"]:
        raise ValueError(f"its record has {history.steps} steps, which is not where it says it stopped")
    return {**state, "history": asdict(history)}
