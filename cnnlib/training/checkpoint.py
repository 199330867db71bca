"""A run in a file: what a killed kernel, a full disk or a closed lid must not take away.

The file holds all that the rest of the run depends on: weights, the optimizer's memory, the place in the data's order,
the state of the random numbers, and the record. On a CPU a run that goes on from it, in this process or another, is
equal to the last bit to one that was never stopped (with as many threads; what a listener remembers by itself, and
random numbers that are not PyTorch's, are not in the file).

The file says whose it is: the network, the weights and the data that its run began with. A run with others is refused,
and so is a second run while the first one goes on, in this process or another.
"""

import os
import time
import warnings
import weakref
from contextlib import suppress

from cnnlib.machine.clock import Throttle
from cnnlib.page import storage
from cnnlib.page.escape import printable
from cnnlib.training.checkpoint_file import read_checkpoint
from cnnlib.training.identity import another_run, check_origin, digest_weights, run_origin
from cnnlib.validation import Bool, Count, Number, arguments, in_words

EVERY = 30.0  # seconds between two saves within an epoch
SHARE = 0.05  # the part of the time that they may take


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
        self.every, self.same_start = every, same_start
        self.saved, self.note = None, ""
        self.origin = {}  # what the run began with: `run_origin`
        self._epoch, self._throttle = 0, Throttle(SHARE, every, work=time.perf_counter)
        self._lock = self._trainer = None
        self._written = None  # the signature of the file as this run has left it
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
        self._acquire(trainer)
        self.saved, self.note, self.failing = None, "", False
        self._throttle = Throttle(SHARE, self.every, work=time.perf_counter)
        try:
            self._resume(trainer)
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
        others = [one for one in trainer.listeners if not (isinstance(one, Checkpoint) and one.keeps(self.path))]
        trainer.listeners[:] = [*others, self]  # the last: what other listeners changed after a step is in the file
        return max(0, left)

    def _resume(self, trainer):
        """Bring a trainer to where the file says its run was, if there is a file and it is of this run."""
        self.origin, lr = run_origin(trainer), trainer.history.settings["lr"]
        self.note_written()
        with suppress(FileNotFoundError):
            state, origin = read_checkpoint(self.path, trainer)
            before = state["history"]["settings"].get("lr")
            if before != lr:
                raise another_run(self.path, f"it was begun with the learning rate {before}, not {lr:g}")
            kept = digest_weights(trainer, state["net"]) if self.same_start else None
            check_origin(self.path, origin, self.origin, kept)
            trainer.load_state(state)
            self.origin |= origin
            self.saved = trainer.step
            self._throttle.drawn = time.perf_counter()

    def _acquire(self, trainer):
        """Lock the file for a trainer's run, until it ends.

        Raises
        ------
        ValueError
            If another run has it.
        """
        busy = self._trainer and self._trainer()
        if busy and busy.running and busy is not trainer:
            raise ValueError(f"{self!r} is keeping another run. Give this one a Checkpoint, and a file, of its own.")
        self.release()
        self._trainer = weakref.ref(trainer)
        if not trainer.writes_files:
            return
        try:
            self._lock = storage.hold(self.path, patience=0)
        except TimeoutError:
            raise ValueError(
                f"another run is being kept in {self.path}, in this program or another: a second notebook, say. Wait "
                "until it ends, or stop it; or give this run a file of its own."
            ) from None
        except OSError:  # a place that cannot be written to: the first save says so, and the run goes on
            pass

    @property
    def holds_lock(self):
        """Whether no other run can write to the file now."""
        return self._lock is not None

    def keeps(self, path):
        """Return whether this is its file."""
        return os.path.realpath(path) == os.path.realpath(self.path)

    def note_written(self):
        """Note that the file is as this run has left it."""
        self._written = _signature(self.path)

    def release(self):
        """Unlock the file for other runs. The end of the run does this by itself."""
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
        """Save if it is time to, between two batches or at the end of a run that can be continued."""
        whole = trainer.running or (trainer.history.ended in ("finished", "stopped", "interrupted") and trainer.whole)
        news = trainer.step != self.saved or trainer.epoch != self._epoch or not trainer.running
        due = not trainer.running or trainer.epoch != self._epoch or self._throttle.due()
        try:
            if whole and news and due:
                with self._throttle.frame():
                    self._save(trainer)
        finally:
            if not trainer.running:
                self.release()

    def _save(self, trainer):
        self._epoch = trainer.epoch
        try:
            if self._lock is None:  # the trainer was started again after its run had ended
                self._acquire(trainer)
            if _signature(self.path) not in (None, self._written):
                self.saved = None
                raise ValueError("another run has been kept there meanwhile")
            trainer.save(self.path)
        except Exception as error:  # whatever it is, the run is worth more than the file
            self._note_failure(error)
        else:
            self.saved, self.note = trainer.step, "" if self.failing else self.note
            self.failing = False

    def _note_failure(self, error):
        kept = "Nothing is saved of this run"
        if self.saved is not None:
            kept = f"What was saved at step {self.saved:,} is still whole"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        self.note = f"The run could not be saved to {self.path}: {reason}. {kept}; the run goes on."
        if self.warns and not self.failing:
            with suppress(Warning):  # even where a filter turns warnings into errors, it must not end the run
                warnings.warn(self.note, RuntimeWarning, stacklevel=2)
        self.failing = True

    def __repr__(self):
        saved = "nothing saved yet" if self.saved is None else f"saved at step {self.saved:,}"
        return printable(f"Checkpoint {str(self.path)!r}: {saved}")


def _signature(path):
    """Return what tells a file from those that take its place, or None if there is none."""
    with suppress(OSError):
        found = os.stat(path)
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None
