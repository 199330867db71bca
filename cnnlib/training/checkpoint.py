"""A run in a file: what a killed kernel, a full disk or a closed lid must not take away.

The file holds all that the rest of the run depends on: weights, the optimizer's memory, the place in the data's order,
where the random numbers stand, and the record. On a CPU a run that goes on from it, in this process or another, is
equal to the last bit to one that was never stopped (with as many threads; what a listener remembers by itself, and
random numbers that are not PyTorch's, are not in the file).

It is what `torch.save` writes. It is read with `weights_only=True`, so nothing in it is executed, and after every
part's checksum was compared, which PyTorch itself does not do.
"""

import io
import json
import time
import warnings
import zipfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch

from cnnlib.page import storage
from cnnlib.training.history import FORMAT as HISTORY_FORMAT
from cnnlib.training.history import History
from cnnlib.validation import check_count, check_lr, check_number, told

NAME, FORMAT = "cnnlib checkpoint", 1
EVERY = 30.0  # seconds between two saves within an epoch
SHARE = 0.05  # the part of the time that they may take
COPIES = 8  # how often the network's size a file may have: no optimizer remembers more than three numbers a weight
ROOM = 64 * 2**20  # bytes, for the record of a long run


def write(path, state, setup):
    """Write a trainer's state so that the file is the old one or the new one at any moment.

    Parameters
    ----------
    path : path
        Its folder is made if it is missing.
    state : dict
        What `Trainer.state` returns.
    setup : dict of str to str
        What a run must have in common with the file to go on from it.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is still there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.check_place(path)
    record = json.dumps({"cnnlib history": HISTORY_FORMAT, **state["history"]})
    data = io.BytesIO()  # first into memory: a disk that is full halfway is then an OSError like any other
    torch.save({NAME: FORMAT, "setup": dict(setup), **state, "history": record}, data)
    with storage.locked(path):
        storage.replace(path, data.getbuffer())
    return path


def read(path, trainer):
    """Read a state that `write` wrote, for a trainer; nothing in the file is executed, the trainer stays as it is.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or something else, or belongs to another set-up than the trainer's.
    """
    with Path(path).open("rb") as file:  # a number would be one of the process's own open files
        content = _open(path, file, trainer)
    setup = content.pop("setup")
    for name, here in trainer.setup.items():
        if setup.get(name) != here:
            raise ValueError(
                f"{path} belongs to another run: {name} is {setup.get(name, 'not known')} there and {here} here. "
                "Go on with what the run was begun with; to begin a new one, give another file, or delete this one."
            )
    try:
        return _sound(content, path, trainer)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"{path} is damaged: {_first_line(error)}. {REMEDY}") from None


REMEDY = "Delete it, or give another file; the run then begins anew."


def _open(path, file, trainer):
    """Return what the file holds, a dict of this format, or raise a ValueError."""
    limit = ROOM + COPIES * sum(value.nbytes for value in trainer.net.state_dict().values())
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
    except ValueError:
        raise
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no checkpoint of cnnlib, or it is cut off or damaged: {error}. {REMEDY}") from None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever PyTorch's reader meets in a file that was made to mislead it
        raise ValueError(
            f"{path} is no checkpoint of cnnlib, and nothing in it was executed: {_first_line(error)} {REMEDY}"
        ) from None
    if not isinstance(content, dict) or content.pop(NAME, None) != FORMAT or not isinstance(content.get("setup"), dict):
        raise ValueError(f"{path} is no checkpoint of cnnlib, format {FORMAT}. {REMEDY}")
    return content


def _first_line(error):
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _sound(state, path, trainer):
    """Return a state that was read, or raise an error if its parts do not fit each other or the trainer."""
    history = History.from_json(state["history"], path)
    if history.ended == "running":
        history.ended = "interrupted"  # and whoever did that could not write it down
    for name in ("epoch", "batch"):
        check_count(state[name], name, least=0)
    check_lr(state["lr"])
    if state["batch"] > trainer.num_batches or history.steps != state["epoch"] * trainer.num_batches + state["batch"]:
        raise ValueError(f"its record has {history.steps} steps, which is not where it says it stopped")
    if not all(isinstance(value, torch.Tensor) for value in state["net"].values()):
        raise ValueError("there is something else among its weights")
    parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    for number, memory in state["optimizer"]["state"].items():
        for name, value in memory.items():
            if isinstance(value, torch.Tensor) and value.dim() and value.shape != parameters[number].shape:
                raise ValueError(f"the optimizer's {name} of parameter {number} is of shape {tuple(value.shape)}")
    order = state["order"]
    for numbers in (state["random"], *([] if order is None else [order[0]])):
        torch.Generator().set_state(numbers[0])
    return {**state, "history": asdict(history)}


class Checkpoint:
    """Keep a run in a file, and go on from it if it is there: `train(…, checkpoint="results/run.pt")`.

    The file is written after the first step, then every half minute, after each epoch, and when the run ends, is
    stopped or is interrupted. A save that fails does not end the run; `note` says why it failed.

    Parameters
    ----------
    path : path
    every : float
        Seconds between two saves within an epoch; never more than 5 % of the time is spent on them.

    Attributes
    ----------
    note : str
        What the reader should know: where the run went on from, or why the last save failed.
    saved : int or None
        The step at which the file was last written.
    failing : bool
        Whether the last save failed.
    warns : bool
        Whether the first save that fails is a warning as well, for programs without a page.

    Raises
    ------
    TypeError, ValueError
        If `path` is no path, or `every` is no number above zero.
    """

    def __init__(self, path, every=EVERY):
        self.path = Path(path)
        self.every = check_number(every, "every", low=0, hint="Try 30, for a save every half minute.")
        self.saved, self.note = None, ""
        self._due = self._epoch = 0
        self.warns = self.failing = False

    @classmethod
    def of(cls, value):
        """Return `value` if it is a Checkpoint, or one for this path."""
        return value if isinstance(value, cls) else cls(value)

    def begin(self, trainer, num_epochs):
        """Bring a trainer to where the file says its run was, if there is a file; save in it from now on.

        Returns
        -------
        int
            How many epochs are left of `num_epochs`; the one that was stopped half-way is the first of them.

        Raises
        ------
        ValueError
            If the file is damaged or something else, or belongs to another run; it is left as it is.
        """
        check_count(num_epochs, "num_epochs")
        if isinstance(trainer, type) or not hasattr(trainer, "load_state"):
            raise TypeError(f"trainer must be a Trainer, got {told(trainer)}.")
        self.saved, self.note, self.failing, self._due = None, "", False, 0.0
        started_with = trainer.history.settings["lr"]
        with suppress(FileNotFoundError):
            state = read(self.path, trainer)
            before = state["history"]["settings"].get("lr")
            if before != started_with:
                raise ValueError(
                    f"{self.path} belongs to another run: it was begun with the learning rate {before}, not "
                    f"{started_with:g}. Go on with what it was begun with; to begin a new one, give another file, or "
                    "delete this one."
                )
            trainer.load_state(state)
            self.saved = trainer.step
            self._due = time.monotonic() + self.every
        left = num_epochs - trainer.epoch
        if self.saved is not None:
            self.note = f"Going on from {self.path}, step {self.saved:,}."
        if left <= 0:
            self.note = (
                f"{self.path} holds this run up to epoch {trainer.epoch}: nothing was left to train. To train anew, "
                "delete the file or give another."
            )
        self._epoch = trainer.epoch
        trainer.listeners.append(self)  # the last: what other listeners changed after a step is in the file
        return max(0, left)

    def fit(self, trainer, num_epochs):
        """Train up to `num_epochs` epochs in all, without a display; a save that fails is a warning.

        Returns
        -------
        History
        """
        left, self.warns = self.begin(trainer, check_count(num_epochs, "num_epochs")), True
        return trainer.fit(left) if left else trainer.history

    def __call__(self, trainer):
        """Save if it is time to, between two batches or at the end of a run that can be gone on with."""
        whole = trainer.running or (trainer.history.ended in ("finished", "stopped", "interrupted") and trainer.whole)
        news = trainer.step != self.saved or trainer.epoch != self._epoch or not trainer.running
        due = not trainer.running or trainer.epoch != self._epoch or time.monotonic() >= self._due
        if whole and news and due:
            self._save(trainer)

    def _save(self, trainer):
        began = time.monotonic()
        self._epoch = trainer.epoch
        try:
            trainer.save(self.path)
        except Exception as error:  # whatever it is, the run is worth more than the file
            self._failed(error)
        else:
            self.saved, self.note = trainer.step, "" if self.failing else self.note
            self.failing = False
        now = time.monotonic()
        self._due = now + max(self.every, (now - began) / SHARE)

    def _failed(self, error):
        kept = "Nothing is saved of this run"
        if self.saved is not None:
            kept = f"What was saved at step {self.saved:,} is still whole"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        self.note = f"The run could not be saved to {self.path}: {reason}. {kept}; the run goes on."
        if self.warns and not self.failing:
            with suppress(Warning):  # made an error by somebody's filter, it must not end the run either
                warnings.warn(self.note, RuntimeWarning, stacklevel=2)
        self.failing = True

    def __repr__(self):
        saved = "nothing saved yet" if self.saved is None else f"saved at step {self.saved:,}"
        return f"Checkpoint {str(self.path)!r}: {saved}"
