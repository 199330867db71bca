"""All that the rest of a run depends on: to capture, to go back to, and to branch off from."""

import copy
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import asdict

from cnnlib.machine.rng import random_state, set_random_state
from cnnlib.models.copying import copy_network
from cnnlib.page import storage
from cnnlib.training.channels_last import ChannelsLast
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.checkpoint_file import read_checkpoint, write_checkpoint
from cnnlib.training.history import History
from cnnlib.training.identity import SCHEDULED, seed_of
from cnnlib.training.record import Recorder
from cnnlib.training.source import Source
from cnnlib.validation import in_words

# what a saved state holds
STATE = {"net", "optimizer", "history", "epoch", "batch", "lr", "seed", "random", "order"}


class Saved:
    """The part of a Trainer that goes back, branches off, and keeps a run in a file."""

    writes_files = True  # where several processes share a run, in one of them

    @contextmanager
    def _own_random(self):
        """Go on from the random numbers at the end of the last run; restore those of everybody else afterwards."""
        others = None if self._random is None else random_state(self.device)
        if others is not None:
            set_random_state(self.device, self._random)
        try:
            yield
        finally:
            self._random = random_state(self.device)
            if others is not None:
                set_random_state(self.device, others)

    def _capture(self):
        """Return the state; its tensors are the trainer's own and change with the next step."""
        self.read_losses()
        own = self._random is not None and not self.running
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": asdict(self.history) | {"seconds": self.seconds},
            "epoch": self.epoch,
            "batch": self.batch,
            "lr": self.lr,
            "seed": seed_of(self.train_iter),
            "random": self._random if own else random_state(self.device),
            "order": self.source.order_state(self.batch),
        }

    def state(self):
        """Return all that the rest of the run depends on, as a dict of tensors and plain values, copied.

        Weights, optimizer, place in the data order, record, learning rate and the random state (for dropout).
        """
        return copy.deepcopy(self._capture())

    def load_state(self, state):
        """Go back to a state that `state()` returned: training then goes on exactly as it went on from there.

        Raises
        ------
        ValueError
            If the state belongs to another network or optimizer; nothing is changed then.
        RuntimeError
            If the trainer is running.
        """
        if not isinstance(state, dict) or set(state) != STATE:
            keys = ", ".join(sorted(STATE))
            raise ValueError(
                f"a state must be what trainer.state() returned, a dict with {keys}, got {in_words(state)}."
            )
        if self.running:
            raise RuntimeError("the run is still going on. Stop it first: trainer.stop().")
        _check_network(self.net.state_dict(), state["net"])
        _check_optimizer(self.optimizer, state["optimizer"])
        state = copy.deepcopy(state)
        history = History(**state["history"])
        self.optimizer.load_state_dict(state["optimizer"])  # which refuses before it changes anything
        self.net.load_state_dict(state["net"])
        self.recorder = Recorder(history)
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.rates.restart()
        if self.rates.lr != state["lr"]:
            self.rates.request(state["lr"])
        self.source.reseed(state["seed"])
        self.source.order = state["order"]
        if state["order"] is not None and not state["batch"]:
            self.source.set_order(state["order"])
        self._random, self._broken_off = state["random"], False
        self._guard()
        self._backup_step = history.steps

    def fork(self):
        """Return a second trainer at the same point, with a network of its own: change one, keep the other.

        It has no listeners.
        """
        state = self.state()
        twin = copy.copy(self)
        twin.net, twin.optimizer = copy_network((self.net, self.optimizer))  # whose parameters are the copy's
        twin.rates = self.rates.for_optimizer(twin.optimizer)
        twin.objective = copy.copy(self.objective)
        twin.source = Source(copy.copy(self.train_iter), self.device)
        twin.train_iter = twin.source.data
        twin.listeners, twin.running = [], False
        twin._layout = ChannelsLast(twin.net, twin.device, twin.optimizer)
        twin.load_state(state)
        return twin

    def save(self, path):
        """Write all that the rest of the run depends on to a file; the old file stays whole until the new one is.

        May be called between two runs, and by a listener during one.

        Returns
        -------
        Path

        Raises
        ------
        OSError
            If the file cannot be written: the disk is full, say. What was there before is still there.
        RuntimeError
            If the trainer is in the middle of a step, in another thread.
        """
        if self.running and threading.get_ident() != self._thread:
            raise RuntimeError("the run is going on in another thread. Save in a listener, or stop it: trainer.stop().")
        path = storage.file_path(path)
        storage.check_replaceable(path)
        keeper = next((one for one in self.listeners if isinstance(one, Checkpoint) and one.keeps(path)), None)
        with nullcontext() if keeper and keeper.holds_lock else storage.locked(path):
            write_checkpoint(path, self._capture(), self, keeper.origin if keeper else {})
        if keeper:
            keeper.note_written()
        return path

    def load(self, path):
        """Go on from a file that `save` wrote, in this process or another: on a CPU bit for bit as if never stopped.

        Nothing in the file is executed, and if it does not fit, nothing of the trainer is changed.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, cut off or something else, or if the network, the optimizer or the data's order is not
            the one that it was saved with.
        """
        self.load_state(read_checkpoint(path, self)[0])

    @property
    def seconds(self):
        """How long the trainer has trained and evaluated, in seconds."""
        return self._spent_before + self._clock() if self.running else self.history.seconds

    @property
    def whole(self):
        """Whether the network is between two steps; a second interrupt may break off one in the middle."""
        return not self._broken_off


def _check_network(here, there):
    here, there = ({name: tuple(getattr(value, "shape", ())) for name, value in d.items()} for d in (here, there))
    if here != there:
        name = next(name for name in (*here, *there) if here.get(name) != there.get(name))
        raise ValueError(
            f"this state belongs to another network: {name!r} is {there.get(name, 'missing')} there and "
            f"{here.get(name, 'missing')} here. Build the network as it was built then."
        )


def _check_optimizer(optimizer, there):
    here, there = optimizer.state_dict()["param_groups"], there["param_groups"]
    if [len(group["params"]) for group in here] != [len(group["params"]) for group in there]:
        differ = f"parameter groups: {len(there)} there and {len(here)} here, or of other sizes"
    else:
        names = set().union(*(set(a) ^ set(b) for a, b in zip(here, there, strict=True))) - SCHEDULED
        differ = ", ".join(sorted(names))
    if differ:
        raise ValueError(
            f"this state belongs to another optimizer than {type(optimizer).__name__}: their settings differ in "
            f"{differ}. Build the trainer as it was built then."
        )
