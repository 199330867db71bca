"""A run in a file: what a killed kernel, a full disk or a closed lid must not take away.

The file holds all that the rest of the run depends on: weights, the optimizer's memory, the place in the data's order,
where the random numbers stand, and the record. On a CPU a run that goes on from it, in this process or another, is
equal to the last bit to one that was never stopped (with as many threads; what a listener remembers by itself, and
random numbers that are not PyTorch's, are not in the file).

The file says whose it is: the network, the weights and the data that its run began with. A run with others is refused,
and so is a second run while the first one goes on, in this process or another.

It is what `torch.save` writes. It is read with `weights_only=True`, so nothing in it is executed, and after every
part's checksum was compared, which PyTorch itself does not do.
"""

import copy
import io
import json
import os
import re
import time
import warnings
import weakref
import zipfile
from contextlib import nullcontext, suppress
from dataclasses import asdict

import numpy as np
import torch

from cnnlib.machine.clock import Throttle
from cnnlib.page import storage
from cnnlib.page.escape import printable
from cnnlib.training.history import FORMAT as HISTORY_FORMAT
from cnnlib.training.history import History
from cnnlib.training.identity import another_run, check_same, describe, digest_weights
from cnnlib.validation import Bool, Count, Number, Rate, arguments, in_words

NAME, FORMAT = "cnnlib checkpoint", 1
EVERY = 30.0  # seconds between two saves within an epoch
SHARE = 0.05  # the part of the time that they may take
COPIES = 64  # how often the network's size a file may have; preconditioners of small layers are large
ROOM = 2**30  # bytes, for the record of a long run
KEPT = (torch.Tensor, torch.Size, torch.dtype, torch.device, bool, int, float, complex, str, type(None))


def write(path, state, trainer):
    """Write a trainer's state so that the file is the old one or the new one at any moment.

    Parameters
    ----------
    path : path
        Its folder is made if it is missing.
    state : dict
        What `Trainer.state` returns.
    trainer : Trainer
        Whose it is.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is still there.
    TypeError
        If the state holds what `read` would refuse.
    """
    path = storage.file_path(path)
    storage.check_place(path)
    keeper = next((k for k in trainer.listeners if isinstance(k, Checkpoint) and k.is_for(path)), None)
    record = json.dumps({"cnnlib history": HISTORY_FORMAT, **_plain(state["history"], "the record")})
    parts = {name: _plain(part, name) for name, part in state.items()} | {"history": record}
    data = io.BytesIO()  # first into memory: a disk that is full halfway is then an OSError like any other
    torch.save({NAME: FORMAT, "setup": trainer.setup, "run": keeper.run if keeper else {}, **parts}, data)
    with nullcontext() if keeper and keeper.is_holding else storage.locked(path):
        storage.replace(path, data.getbuffer())
        if keeper:
            keeper.stamp = _stamp(path)
    return path


def _plain(value, where):
    """Return a part of a state as `read` takes it: numbers of NumPy are Python's, tensors bare ones."""
    if isinstance(value, dict):
        plain = copy.copy(value)  # a state dict's metadata go along
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


def read(path, trainer):
    """Read a state that `write` wrote, for a trainer; nothing in the file is executed, the trainer stays as it is.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or something else, or belongs to another set-up than the trainer's.
    """
    return _read(storage.file_path(path), trainer)[0]


def _read(path, trainer):
    """Return the state in a file, and what its run began with."""
    with path.open("rb") as file:
        content = _open(path, file, trainer)
    setup, run = content.pop("setup"), content.pop("run", {})
    for name, here in trainer.setup.items():
        if setup.get(name, here) != here:
            raise another_run(path, f"{name} is {setup[name]} there and {here} here")
    try:
        return _sound(content, path, trainer), {str(name): str(words) for name, words in run.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"{path} is damaged: {_first_line(error)}. {REMEDY}") from None


REMEDY = "Delete it, or give another file; the run then begins anew."


def _open(path, file, trainer):
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
    said = re.sub(r"\x1b\[\d*m", "", str(error)).strip().partition(" This file can still be loaded")[0]
    return said.splitlines()[0][:200] if said else type(error).__name__


def _sound(state, path, trainer):
    """Return a state that was read, or raise an error if its parts do not fit each other or the trainer."""
    history = History.from_json(state["history"], path)
    if history.ended == "running":
        history.ended = "interrupted"  # and whoever did that could not write it down
    for name in ("epoch", "batch"):
        Count(least=0)(state[name], name)
    Rate()(state["lr"])
    ends = [0, *history.epoch_ends]  # an epoch may have had fewer batches than the data said
    if len(ends) != state["epoch"] + 1 or history.steps != ends[-1] + state["batch"]:
        raise ValueError(f"its record has {history.steps} steps, which is not where it says it stopped")
    if not all(
        isinstance(value, torch.Tensor) or name.endswith("_extra_state") for name, value in state["net"].items()
    ):
        raise ValueError("there is something else among its weights")
    parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    ours = type(trainer.optimizer).__module__.startswith("torch.optim")  # another's memory may be of any shape
    for number, memory in state["optimizer"]["state"].items() if ours else ():
        for name, value in memory.items():
            if isinstance(value, torch.Tensor) and value.dim() and not _spreads(value, parameters[number]):
                raise ValueError(f"the optimizer's {name} of parameter {number} is of shape {tuple(value.shape)}")
    order = state["order"]
    for numbers in (state["random"], *([] if order is None else [order[0]])):
        torch.Generator().set_state(numbers[0])
    return {**state, "history": asdict(history)}


def _spreads(value, parameter):
    """Return whether a tensor has a parameter's shape, or 1 in place of some sides, as Adafactor's rows have."""
    return value.dim() == parameter.dim() and all(
        a in (1, b) for a, b in zip(value.shape, parameter.shape, strict=True)
    )


@arguments(every=Number(low=0, hint="Try 30, for a save every half minute."), same_start=Bool())
class Checkpoint:
    """Keep a run in a file, and go on from it if it is there: `train(…, checkpoint="results/run.pt")`.

    What goes on is the same run: a network with the same layers, the same weights at the start (or as the file has
    them), the same data, optimizer and learning rate. Anything else is refused, and the message says what differs.

    The file is written after the first step, then every half minute, after each epoch, and when the run ends, is
    stopped or is interrupted. A save that fails does not end the run; `note` says why it failed.

    Parameters
    ----------
    path : path
    every : float
        Seconds between two saves within an epoch; never more than 5 % of the time is spent on them.
    same_start : bool
        Whether to refuse a file whose network began with other weights. With False, any network of the same layers goes
        on from the file: for one that is built without a seed.

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
    TypeError
        If `path` is no path.
    """

    def __init__(self, path, every=EVERY, *, same_start=True):
        self.path = storage.file_path(path)
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path} is a folder. Name a file in it: {str(self.path / 'run.pt')!r}, say.")
        self.every = every
        self.saved, self.note = None, ""
        self.same_start = same_start
        self.run = {}  # what it began with
        self._epoch, self._throttle = 0, Throttle(SHARE, self.every, work=time.perf_counter)
        self._lock = self._trainer = None
        self.stamp = None  # of the file as this run has left it
        self._has_run = False
        self.warns = self.failing = False

    @classmethod
    def of(cls, value):
        """Return `value` if it is a Checkpoint, or one for this path."""
        return value if isinstance(value, cls) else cls(value)

    @arguments(num_epochs=Count())
    def begin(self, trainer, num_epochs):
        """Bring a trainer to where the file says its run was, if there is a file; save in it from now on.

        Returns
        -------
        int
            How many epochs are left of `num_epochs`; the one that was stopped half-way is the first of them.

        Raises
        ------
        ValueError
            If the file is damaged or something else, belongs to another run, or another run is being kept in it; it is
            left as it is.
        """
        if isinstance(trainer, type) or not hasattr(trainer, "load_state"):
            raise TypeError(f"trainer must be a Trainer, got {in_words(trainer)}.")
        self._take(trainer)
        self.saved, self.note, self.failing = None, "", False
        self._throttle = Throttle(SHARE, self.every, work=time.perf_counter)
        try:
            self._go_on(trainer)
        except BaseException:
            self.release()
            raise
        left = num_epochs - trainer.epoch
        if self.saved is not None:
            self.note = f"Going on from {self.path}, step {self.saved:,}."
        if left <= 0:
            self.note = (
                f"{self.path} holds this run up to epoch {trainer.epoch}: nothing was left to train. To train anew, "
                "delete the file or give another."
            )
            self.release()
        self._epoch = trainer.epoch
        others = [k for k in trainer.listeners if not (isinstance(k, Checkpoint) and k.is_for(self.path))]
        trainer.listeners[:] = [*others, self]  # the last: what other listeners changed after a step is in the file
        return max(0, left)

    def _go_on(self, trainer):
        """Bring a trainer to where the file says its run was, if there is a file and it is of this run."""
        self.run, lr = describe(trainer), trainer.history.settings["lr"]
        self.stamp = _stamp(self.path)
        with suppress(FileNotFoundError):
            state, run = _read(self.path, trainer)
            before = state["history"]["settings"].get("lr")
            if before != lr:
                raise another_run(self.path, f"it was begun with the learning rate {before}, not {lr:g}")
            check_same(self.path, run, self.run, digest_weights(trainer, state["net"]) if self.same_start else None)
            trainer.load_state(state)
            self.run |= run
            self.saved = trainer.step
            self._throttle.drawn = time.perf_counter()

    def _take(self, trainer):
        """Take the file for a trainer's run, until it ends.

        Raises
        ------
        ValueError
            If another run has it.
        """
        if self._is_busy() and self._trainer() is not trainer:
            raise ValueError(f"{self!r} is keeping another run. Give this one a Checkpoint, and a file, of its own.")
        self.release()
        for other in list(_keepers):  # what broke off without a word
            if other.is_for(self.path) and other._has_run and not other._is_busy():
                other.release()
        self._trainer, self._has_run = weakref.ref(trainer), False
        if not trainer.writes_files:
            return
        try:
            self._lock = storage.hold(self.path, patience=0)
            _keepers.add(self)
        except TimeoutError:
            raise ValueError(
                f"another run is being kept in {self.path}, in this program or another: a second notebook, say. Wait "
                "until it ends, or stop it; or give this run a file of its own."
            ) from None
        except OSError:  # a place that cannot be written to: the first save says so, and the run goes on
            pass

    def _is_busy(self):
        trainer = self._trainer and self._trainer()
        return trainer is not None and trainer.running

    @property
    def is_holding(self):
        """Whether nobody else can write to the file now."""
        return self._lock is not None

    def is_for(self, path):
        """Return whether this is its file."""
        return os.path.realpath(path) == os.path.realpath(self.path)

    def release(self):
        """Let other runs have the file. The end of the run does this by itself."""
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    @arguments(num_epochs=Count())
    def fit(self, trainer, num_epochs):
        """Train up to `num_epochs` epochs in all, without a display; a save that fails is a warning.

        Returns
        -------
        History
        """
        left, self.warns = self.begin(trainer, num_epochs), True
        return trainer.fit(left) if left else trainer.history

    def __call__(self, trainer):
        """Save if it is time to, between two batches or at the end of a run that can be gone on with."""
        self._has_run = True
        whole = trainer.running or (trainer.history.ended in ("finished", "stopped", "interrupted") and trainer.whole)
        news = trainer.step != self.saved or trainer.epoch != self._epoch or not trainer.running
        due = not trainer.running or trainer.epoch != self._epoch or self._throttle.due()
        if whole and news and due:
            with self._throttle.frame():
                self._save(trainer)
        if not trainer.running:
            self.release()

    def _save(self, trainer):
        self._epoch = trainer.epoch
        try:
            if self._lock is None:  # the trainer was told to go on after its run had ended
                self._take(trainer)
            if _stamp(self.path) not in (None, self.stamp):
                self.saved = None
                raise ValueError("another run has been kept there meanwhile")
            trainer.save(self.path)
        except Exception as error:  # whatever it is, the run is worth more than the file
            self._failed(error)
        else:
            self.saved, self.note = trainer.step, "" if self.failing else self.note
            self.failing = False

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
        return printable(f"Checkpoint {str(self.path)!r}: {saved}")


_keepers = weakref.WeakSet()  # those that hold the lock of a file


def _stamp(path):
    """Return what tells a file from those that take its place, or None if there is none."""
    with suppress(OSError):
        found = os.stat(path)
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None
