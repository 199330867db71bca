"""All that the rest of a run depends on: to take down, to go back to, and to branch off from."""

import copy
import threading
from contextlib import contextmanager
from dataclasses import asdict

import torch

from cnnlib.machine.device import describe_device
from cnnlib.machine.rng import random_state, set_random_state
from cnnlib.models.copying import copy_network
from cnnlib.training import checkpoint as files
from cnnlib.training.history import History
from cnnlib.training.record import Recorder
from cnnlib.training.source import Source, batch_size
from cnnlib.validation import in_words

# what a saved state holds
STATE = {"net", "optimizer", "history", "epoch", "batch", "lr", "seed", "random", "order"}
# what PyTorch's schedulers write into a parameter group
SCHEDULED = {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr"}


class Saved:
    """The part of a Trainer that goes back, branches off, and keeps a run in a file."""

    @contextmanager
    def _own_random(self):
        """Go on from the random numbers where the last run ended; leave those of everybody else as they are."""
        others = None if self._random is None else random_state(self.device)
        if others is not None:
            set_random_state(self.device, self._random)
        try:
            yield
        finally:
            self._random = random_state(self.device)
            if others is not None:
                set_random_state(self.device, others)

    writes_files = True  # where several processes share a run, in one of them

    def state(self):
        """Return all that the rest of the run depends on, as a dict of tensors and plain values, copied.

        Weights, optimizer, place in the data order, record, learning rate and the random state (for dropout).
        """
        return copy.deepcopy(capture(self))

    def load_state(self, state):
        """Go back to a state that `state()` returned: training then goes on exactly as it went on from there.

        Raises
        ------
        ValueError
            If the state belongs to another network or optimizer; nothing is changed then.
        """
        restore(self, state)

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
        return files.write(path, capture(self), self)

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
        self.load_state(files.read(path, self))

    @property
    def seconds(self):
        """How long the trainer has trained and evaluated, in seconds."""
        return self._spent_before + self._clock() if self.running else self.history.seconds

    @property
    def setup(self):
        """What a run must have in common with a file that it goes on from, in words."""
        return setup(self)

    @property
    def whole(self):
        """Whether the network stands between two steps; a second interrupt may tear one apart."""
        return not self._torn

    def fork(self):
        """Return a second trainer at the same point, with a network of its own: change one, keep the other."""
        return fork(self)


def capture(trainer):
    """Return a trainer's state; its tensors are the trainer's own and change with the next step."""
    trainer.look()
    own = trainer._random is not None and not trainer.running
    return {
        "net": trainer.net.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "history": asdict(trainer.history) | {"seconds": trainer.seconds},
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "lr": trainer.lr,
        "seed": seed_of(trainer.train_iter),
        "random": trainer._random if own else random_state(trainer.device),
        "order": trainer.source.place(trainer.batch),
    }


def restore(trainer, state):
    """Put a trainer into a state that `capture` returned; if the two do not fit, nothing is changed.

    Raises
    ------
    ValueError
        If the state belongs to another network or optimizer.
    RuntimeError
        If the trainer is running.
    """
    if not isinstance(state, dict) or set(state) != STATE:
        keys = ", ".join(sorted(STATE))
        raise ValueError(f"a state must be what trainer.state() returned, a dict with {keys}, got {in_words(state)}.")
    if trainer.running:
        raise RuntimeError("the run is still going on. Stop it first: trainer.stop().")
    _check_network(trainer.net.state_dict(), state["net"])
    _check_optimizer(trainer.optimizer, state["optimizer"])
    state = copy.deepcopy(state)
    history = History(**state["history"])
    trainer.optimizer.load_state_dict(state["optimizer"])  # which refuses before it changes anything
    trainer.net.load_state_dict(state["net"])
    trainer.recorder = Recorder(history)
    trainer.epoch, trainer.batch = state["epoch"], state["batch"]
    trainer.rates.restart()
    if trainer.rates.lr != state["lr"]:
        trainer.rates.ask(state["lr"])
    trainer.source.reseed(state["seed"])
    trainer.source.order = state["order"]
    if state["order"] is not None and not state["batch"]:
        trainer.source.set_order(state["order"])
    trainer._random, trainer._torn = state["random"], False
    trainer._guard()
    trainer._safe_step = history.steps


def fork(trainer):
    """Return a second trainer at the same point, with a network of its own and no listeners."""
    state = copy.deepcopy(capture(trainer))
    twin = copy.copy(trainer)
    twin.net, twin.optimizer = copy_network((trainer.net, trainer.optimizer))  # whose parameters are the copy's
    twin.rates = trainer.rates.of(twin.optimizer)
    twin.objective = copy.copy(trainer.objective)
    twin.source = Source(copy.copy(trainer.train_iter), trainer.device)
    twin.train_iter = twin.source.data
    twin.listeners, twin.running = [], False
    restore(twin, state)
    return twin


def setup(trainer):
    """Return what a run must have in common with a file that it goes on from, in words: a dict of str to str."""
    data = getattr(trainer.train_iter, "batches", trainer.train_iter)
    images = getattr(data, "images", None)
    images = images if isinstance(images, torch.Tensor) else None
    found = {
        "batches in an epoch": trainer.num_batches,
        "batch size": batch_size(data),
        "seed of the data": seed_of(data),
        "examples": None if images is None else len(images),
        "picture size": list(getattr(data, "resize", None) or (() if images is None else images.shape[-2:])),
        "shuffled": getattr(data, "shuffle", None),
        "optimizer": type(trainer.optimizer).__name__,
        "precision": trainer.precision,
    }
    left_out = SCHEDULED | {"lr", "foreach"}
    for number, group in enumerate(trainer.optimizer.param_groups):
        where = f" of parameter group {number}" if number else ""
        plain = {name: value for name, value in group.items() if isinstance(value, int | float | str | tuple)}
        cycled = {"momentum", "betas"} if "base_momentum" in group else set()
        found |= {f"{name}{where}": value for name, value in plain.items() if name not in left_out | cycled}
    return {name: str(value) for name, value in found.items()}


def settings(trainer):
    """Return what the record of a run says about how it was begun."""
    return {
        "network": type(trainer.net).__name__,
        "parameters": sum(p.numel() for p in trainer.net.parameters()),
        "lr": trainer.lr,
        "optimizer": type(trainer.optimizer).__name__,
        "batch_size": batch_size(trainer.train_iter),
        "seed": seed_of(trainer.train_iter),
        "num_batches": trainer.num_batches,
        "device": describe_device(trainer.device),
        "torch": str(torch.__version__),  # plain, so that torch.load takes a saved state
        "precision": trainer.precision,
    }


def seed_of(data_iter):
    """Return the seed that data draws its order from, or None."""
    seed = getattr(data_iter, "seed", None)
    return seed if isinstance(seed, int) else None


def _check_network(mine, given):
    mine, given = ({name: tuple(getattr(value, "shape", ())) for name, value in part.items()} for part in (mine, given))
    if mine != given:
        name = next(name for name in (*mine, *given) if mine.get(name) != given.get(name))
        raise ValueError(
            f"this state belongs to another network: {name!r} is {given.get(name, 'missing')} there and "
            f"{mine.get(name, 'missing')} here. Build the network as it was built then."
        )


def _check_optimizer(optimizer, given):
    mine, given = optimizer.state_dict()["param_groups"], given["param_groups"]
    if [len(group["params"]) for group in mine] != [len(group["params"]) for group in given]:
        differ = f"parameter groups: {len(given)} there and {len(mine)} here, or of other sizes"
    else:
        names = set().union(*(set(a) ^ set(b) for a, b in zip(mine, given, strict=True))) - SCHEDULED
        differ = ", ".join(sorted(names))
    if differ:
        raise ValueError(
            f"this state belongs to another optimizer than {type(optimizer).__name__}: their settings differ in "
            f"{differ}. Build the trainer as it was built then."
        )
