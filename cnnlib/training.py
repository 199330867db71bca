"""One training loop for the whole book. It knows no network in particular and no display: it trains, keeps a
record, and tells whoever listens.

The loop follows four rules that make it fast without changing a result. Losses and counts stay on the device until
somebody looks at them, so a GPU is not made to wait after every batch. Convolution weights lie in channels-last
order on the CPU (LeNet's step on two cores: 12 to 15 → 11 ms), and the memory of a step is kept for the next. Data that
lies in memory is cut into batches on the spot.
"""

import copy
import math
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from torch import nn

from cnnlib.checks import check_batch, check_count, check_labels, check_lr, explain_forward_error
from cnnlib.device import describe_device, try_gpu
from cnnlib.history import History
from cnnlib.memory import keep_freed_memory
from cnnlib.metrics import Accumulator, count_correct
from cnnlib.modes import evaluating

LOOK_EVERY = 0.1  # seconds between two looks at the losses on a GPU; each makes it wait for the device

STATE = {"net", "optimizer", "history", "epoch", "batch", "lr", "seed", "random"}  # what a saved state holds


class DivergenceError(FloatingPointError):
    """The loss became NaN or infinite. `history` holds the run so far, `step` the step that failed."""

    def __init__(self, message, history, step):
        super().__init__(message)
        self.history, self.step = history, step


@dataclass(frozen=True)
class Progress:
    """How far a run is: all a display needs for its status line."""

    step: int
    total_steps: int
    epoch: float
    num_epochs: int
    seconds: float
    examples_per_second: float
    seconds_left: float


class Trainer:
    """Train a network by mini-batch gradient descent, with a learning rate that may be changed at any time.

    Parameters
    ----------
    net : nn.Module
        Any classifier: (N, …) → scores (N, classes); with a `correct` of your own, any network. It is moved to
        `device` and trained in place.
    train_iter : iterable of (X, y)
        Iterated once an epoch; it needs `len()`. Data from `load_data_fashion_mnist` is moved to the device once.
    test_iter : iterable of (X, y), optional
        Evaluated after every epoch.
    lr : float
        The learning rate. Set `trainer.lr` to change it: it holds from the next batch on.
    optimizer : callable
        Called as `optimizer(parameters, lr=lr)`; `torch.optim.SGD` unless told.
    loss : callable
        Called as `loss(scores, labels)`, a mean over the batch; cross-entropy unless told.
    correct : callable
        Called as `correct(scores, labels)`: how much of a batch is right, from 0 to N, a 0-d tensor. The number of
        right predictions unless told.
    device : torch.device or str, optional
        Where to train; `try_gpu()` unless told.
    listeners : iterable of callable
        Each is called as `listener(trainer)` after every batch, after every evaluation, and at the end of the run.

    Attributes
    ----------
    history : History
    epoch, batch : int
        How many epochs are done, and how many batches of the next one.
    running : bool

    Raises
    ------
    TypeError, ValueError
        If the learning rate is no finite number above zero, the network has nothing to train, or `train_iter` is
        empty or has no length.
    """

    def __init__(
        self,
        net,
        train_iter,
        test_iter=None,
        lr=0.1,
        *,
        optimizer=torch.optim.SGD,
        loss=None,
        correct=count_correct,
        device=None,
        listeners=(),
    ):
        self._lr = check_lr(lr)
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be an nn.Module, got {type(net).__name__}. Build it first: lenet(), say.")
        if not any(p.requires_grad for p in net.parameters()):
            raise ValueError("the network has no parameter to train.")
        self.device = try_gpu() if device is None else torch.device(device)
        self.num_batches = _length(train_iter, "train_iter")
        if test_iter is not None:
            _length(test_iter, "test_iter")
        self.net = net.to(self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
            self.net.to(memory_format=torch.channels_last)
        self.train_iter, self.test_iter = _on(self.device, train_iter), _on(self.device, test_iter)
        self.loss, self.correct = nn.CrossEntropyLoss() if loss is None else loss, correct
        self.optimizer = optimizer([p for p in net.parameters() if p.requires_grad], lr=self._lr)
        self.listeners = list(listeners)
        self.history = History(settings=self._settings())
        self.epoch = self.batch = 0
        self.running = False
        self._stop = False
        self._num_epochs = 0
        self._pending = []  # (loss, correct) of steps that nobody has looked at yet, still on the device
        self._looked = 0.0
        self._safe = _Snapshot(self.net, self.optimizer)
        self._random = None  # where its random numbers stand, once it has run, was forked, or went back to a state

    # What others may set or ask while the loop runs

    @property
    def lr(self):
        """The learning rate of the next batch."""
        return self._lr

    @lr.setter
    def lr(self, value):
        self._lr = check_lr(value)

    @property
    def step(self):
        """How many steps the trainer has taken; on a GPU the history may be a few behind."""
        return self.history.steps + len(self._pending)

    def stop(self):
        """Ask the run to end after the present batch. Safe to call from any thread."""
        self._stop = True

    @property
    def progress(self):
        """How far the present run is, a Progress."""
        history, total = self.history, self._num_epochs * self.num_batches
        step = self.epoch * self.num_batches + self.batch
        seconds = self._seconds()
        done = step - self._first_step if self.running else step
        left = (total - step) * (time.perf_counter() - self._started) / done if self.running and done else 0.0
        return Progress(
            step, total, step / self.num_batches, self._num_epochs, seconds, history.examples_per_second, left
        )

    def next_batch(self):
        """Return the batch (X, y) that the next step will train on, on the device; None at the end of an epoch."""
        batch = next(iter(self._batches()), None)
        return None if batch is None else tuple(part.to(self.device) for part in batch)

    # The loop

    def fit(self, num_epochs):
        """Train for `num_epochs` more epochs; an epoch that was stopped half-way counts as the first of them.

        Returns
        -------
        History
            The same object as `self.history`. `history.ended` tells 'finished' from 'stopped' (by `stop()`) and
            'interrupted' (by Ctrl-C or the kernel's interrupt).

        Raises
        ------
        DivergenceError
            If the loss becomes NaN or infinite. The network then holds its last weights with a finite loss.
        TypeError, ValueError
            If `num_epochs` is not a whole number of at least 1, the network cannot take the batch, or a label is
            out of range.
        """
        self._num_epochs = self.epoch + check_count(num_epochs, "num_epochs")
        self._first_step = self.epoch * self.num_batches + self.batch
        self._spent_before, self._started = self.history.seconds, time.perf_counter()
        self._stop, self.running, self.history.ended = False, True, "running"
        ended = "failed"
        try:
            with self._own_random(), self._interrupt_stops() as interrupted:
                while self.epoch < self._num_epochs and not self._stop:
                    self._run_epoch()
            ended = "finished" if self.epoch == self._num_epochs else "interrupted" if interrupted else "stopped"
        except KeyboardInterrupt:
            ended = "interrupted"
        except DivergenceError:
            ended = "diverged"
            raise
        finally:
            self.history.seconds, self.history.ended = self._seconds(), ended
            self.running = False
            self._tell()
        return self.history

    @contextmanager
    def _interrupt_stops(self):
        """Let the first Ctrl-C, or interrupt of the kernel, end the run between two batches; a second one at once.

        Yields a list that is no longer empty after an interrupt. Where signals cannot be caught (in a thread), the
        interrupt keeps its usual meaning.
        """
        interrupts = []

        def interrupt(number, frame):
            interrupts.append(number)
            if len(interrupts) > 1 or self.batch == self.num_batches:  # being evaluated: nothing half-done to finish
                raise KeyboardInterrupt
            self._stop = True

        mine = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, interrupt) if mine else None
        try:
            yield interrupts
        finally:
            if mine:
                signal.signal(signal.SIGINT, before)

    @contextmanager
    def _own_random(self):
        """Go on from the random numbers where the last run ended; leave those of everybody else as they are."""
        others = None if self._random is None else _random_state(self.device)
        if others is not None:
            _set_random_state(self.device, self._random)
        try:
            yield
        finally:
            self._random = _random_state(self.device)
            if others is not None:
                _set_random_state(self.device, others)

    def _run_epoch(self):
        self.net.train()
        lap = time.perf_counter()
        for batch in self._batches():
            self._step(*check_batch(batch))
            self.batch += 1
            now = time.perf_counter()
            self.history.train_seconds += now - lap
            self._tell()
            lap = time.perf_counter()
            if self._stop:
                break
        if not self.batch:
            raise ValueError("train_iter gave no batch at all: an epoch needs at least one. Is the iterator used up?")
        self._look()
        self.history.train_seconds += time.perf_counter() - lap
        if self._stop and self.batch < self.num_batches:
            return
        test_acc = None
        if self.test_iter is not None:
            test_acc = evaluate_accuracy(self.net, self.test_iter, self.device, self.correct)
        self.history.end_epoch(self.history.steps - self.batch, test_acc)
        self.epoch, self.batch = self.epoch + 1, 0
        self._tell()

    def _batches(self):
        """Return the batches of the present epoch that are still to come."""
        if hasattr(self.train_iter, "epoch"):
            return self.train_iter.epoch(self.epoch, start=self.batch)
        return _skip(self.train_iter, self.batch)

    def _step(self, X, y):
        X, y = X.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
        lr = self._lr
        if lr != self.optimizer.param_groups[0]["lr"]:
            self.history.marks.append((self.step + 1, f"lr {lr:.3g}"))
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        classes = self.correct is count_correct
        scores = forward(self.net, X, classes)
        if classes and (self.device.type == "cpu" or self.batch == 0):  # on a GPU asking costs a wait: once an epoch
            check_labels(y, scores.shape[1])
        loss = self.loss(scores, y)
        if loss.dim():
            raise ValueError(f"the loss must be one number a batch, got shape {tuple(loss.shape)}. Take its mean.")
        self._pending.append((loss.detach(), self.correct(scores.detach(), y), len(y), lr))
        if self.device.type == "cpu" or time.perf_counter() - self._looked > LOOK_EVERY:
            self._look()
            self._safe.take()  # these weights gave a finite loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _look(self):
        """Move the losses of the last steps from the device into the history; stop if one of them is not finite."""
        pending, self._pending = self._pending, []
        self._looked = time.perf_counter()
        if not pending:
            return
        losses = torch.stack([row[0] for row in pending]).tolist()
        correct = torch.stack([row[1] for row in pending]).tolist()
        history = self.history
        for loss, right, (_, _, size, lr) in zip(losses, correct, pending, strict=True):
            if not math.isfinite(loss):
                self._diverged(loss, lr)
            history.loss.append(loss)
            history.correct.append(right)
            history.size.append(size)
            history.lr.append(lr)

    def _diverged(self, loss, lr):
        step = self.history.steps + 1
        self._safe.restore()
        self.history.marks.append((step, f"loss {loss}"))
        raise DivergenceError(
            f"the loss became {loss} at step {step} with the learning rate {lr:g}. The run stopped there; the history "
            f"and the last weights with a finite loss are kept. Try a learning rate of {lr / 10:g}, or smaller "
            "initial weights.",
            self.history,
            step,
        )

    def _tell(self):
        for listener in self.listeners:
            listener(self)

    def _seconds(self):
        return self._spent_before + time.perf_counter() - self._started if self.running else self.history.seconds

    def _settings(self):
        return {
            "network": type(self.net).__name__,
            "parameters": sum(p.numel() for p in self.net.parameters()),
            "lr": self._lr,
            "optimizer": type(self.optimizer).__name__,
            "batch_size": getattr(self.train_iter, "batch_size", None),
            "seed": getattr(self.train_iter, "seed", None),
            "num_batches": self.num_batches,
            "device": describe_device(self.device),
            "torch": str(torch.__version__),  # plain, so that torch.load takes a saved state
        }

    # Going back and branching off

    def state(self):
        """Return all that the rest of the run depends on, as a dict of tensors and plain values, copied.

        Weights, optimizer, place in the data order, record, learning rate and the random state (for dropout).
        """
        self._look()
        own = self._random is not None and not self.running
        return copy.deepcopy(
            {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "history": asdict(self.history),
                "epoch": self.epoch,
                "batch": self.batch,
                "lr": self._lr,
                "seed": getattr(self.train_iter, "seed", None),
                "random": self._random if own else _random_state(self.device),
            }
        )

    def load_state(self, state):
        """Go back to a state that `state()` returned: training then goes on exactly as it went on from there.

        Raises
        ------
        ValueError
            If the state belongs to another network or optimizer; nothing is changed then.
        """
        if not isinstance(state, dict) or set(state) != STATE:
            raise ValueError(f"a state must be what trainer.state() returned, a dict with {', '.join(sorted(STATE))}.")
        if self.running:
            raise RuntimeError("the run is still going on. Stop it first: trainer.stop().")
        mine = {name: tuple(value.shape) for name, value in self.net.state_dict().items()}
        given = {name: tuple(value.shape) for name, value in state["net"].items()}
        if mine != given:
            name = next(iter(set(mine.items()) ^ set(given.items())))[0]
            raise ValueError(
                f"this state belongs to another network: {name!r} is {given.get(name, 'missing')} there and "
                f"{mine.get(name, 'missing')} here. Build the network as it was built then."
            )
        mine, given = (set(o["param_groups"][0]) for o in (self.optimizer.state_dict(), state["optimizer"]))
        if mine != given:
            raise ValueError(
                f"this state belongs to another optimizer than {type(self.optimizer).__name__}: their settings differ "
                f"in {', '.join(sorted(mine ^ given))}. Build the trainer as it was built then."
            )
        state = copy.deepcopy(state)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = History(**state["history"])
        self.epoch, self.batch, self._lr = state["epoch"], state["batch"], state["lr"]
        if state["seed"] is not None and hasattr(self.train_iter, "reseed"):
            self.train_iter.reseed(state["seed"])
        self._random = state["random"]
        self._pending = []
        self._safe = _Snapshot(self.net, self.optimizer)

    def fork(self):
        """Return a second trainer at the same point, with a network of its own: change one, keep the other."""
        twin = copy.copy(self)
        twin.net = copy.deepcopy(self.net)
        twin.optimizer = type(self.optimizer)([p for p in twin.net.parameters() if p.requires_grad], lr=self._lr)
        twin.train_iter = copy.copy(self.train_iter)
        twin.listeners = []
        twin.running = False
        twin.load_state(self.state())
        return twin


class _Snapshot:
    """A copy of weights, buffers and optimizer memory that is refreshed in place."""

    def __init__(self, net, optimizer):
        self.net, self.optimizer, self.copies = net, optimizer, []

    def _live(self):
        memory = [v for s in self.optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
        return [*self.net.parameters(), *self.net.buffers(), *memory]

    @torch.no_grad()
    def take(self):
        live = self._live()
        if len(live) != len(self.copies):
            self.copies = [tensor.detach().clone() for tensor in live]
            return
        for kept, tensor in zip(self.copies, live, strict=True):
            kept.copy_(tensor)

    @torch.no_grad()
    def restore(self):
        memory = len(self._live()) - len(self.copies)
        if memory:  # the optimizer had no memory yet when the copy was taken
            self.optimizer.state.clear()
        for kept, tensor in zip(self.copies, self._live(), strict=False):
            tensor.copy_(kept)


def _random_state(device):
    """Return the state of the random numbers that a training on `device` draws from."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state())
    return states


def _set_random_state(device, states):
    torch.set_rng_state(states[0])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[1])


def forward(net, X, classes=True):
    """Return `net(X)`; where a layer cannot take its input, raise a ValueError that names the layer.

    Raises
    ------
    ValueError
        Which layer, what it got, what it needs; or, with `classes`, that the scores are not of shape (N, classes).
    """
    try:
        scores = net(X)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        explained = explain_forward_error(net, X, error)
        if explained is error:
            raise
        raise explained from error
    if classes and (not isinstance(scores, torch.Tensor) or scores.dim() != 2 or len(scores) != len(X)):
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ValueError(
            f"a classifier must return scores of shape (N, classes), here ({len(X)}, classes), got {shape}. Is an "
            "nn.Flatten() missing before the dense layers?"
        )
    return scores


def evaluate_accuracy(net, data_iter, device=None, correct=count_correct):
    """Return the share of right predictions over a whole data set, with the network in evaluation mode.

    Parameters
    ----------
    net : nn.Module
        (N, …) → scores (N, classes). Its modules' training or evaluation modes are put back afterwards.
    data_iter : iterable of (X, y)
    device : torch.device or str, optional
        Where to compute; the device of the network's parameters unless told.
    correct : callable
        As for `Trainer`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError
        If `net` is no nn.Module.
    ValueError
        If the iterable is empty, a label is out of range, or the network cannot take the batch.
    """
    metric = Accumulator(2)  # right predictions, predictions
    with evaluating(net), torch.no_grad():
        if device is None:
            device = next((p.device for p in net.parameters()), torch.device("cpu"))
        for batch in _on(device, data_iter):
            X, y = check_batch(batch)
            X, y = X.to(device), y.to(device)
            classes = correct is count_correct
            scores = forward(net, X, classes)
            if classes and torch.device(device).type == "cpu":
                check_labels(y, scores.shape[1])
            metric.add(correct(scores, y), len(y))
    if not metric[1]:
        raise ValueError("the data to evaluate on gave no batch at all. Is the iterator used up?")
    return metric[0] / metric[1]


def train(net, train_iter, test_iter, num_epochs, lr, device=None, **options):
    """Train a network and return the record of the run, without any display.

    Parameters
    ----------
    net, train_iter, test_iter, lr, device, **options
        As for `Trainer`.
    num_epochs : int
        How many times to go through `train_iter`.

    Returns
    -------
    History

    Raises
    ------
    DivergenceError, TypeError, ValueError
        As `Trainer` and `Trainer.fit` do.
    """
    num_epochs = check_count(num_epochs, "num_epochs")
    return Trainer(net, train_iter, test_iter, lr, device=device, **options).fit(num_epochs)


def time_epoch(net, train_iter, device=None, steps=10):
    """Measure how many seconds one epoch of training takes on this machine; the network stays as it is.

    Parameters
    ----------
    net, train_iter, device
        As for `train`.
    steps : int
        How many batches to try it on, after two to warm up.
    """
    trainer = Trainer(copy.deepcopy(net), train_iter, lr=1e-6, device=device)
    times = []

    def note(trainer):
        if trainer.batch > len(times):  # a batch is done, not the epoch or the run
            times.append(time.perf_counter())
        if len(times) == steps + 2:
            trainer.stop()

    trainer.listeners.append(note)
    random = torch.get_rng_state()
    trainer.fit(1)
    torch.set_rng_state(random)
    done = times[1 : steps + 2]
    seconds = (done[-1] - done[0]) / (len(done) - 1) if len(done) > 1 else times[0] - trainer._started
    return seconds * trainer.num_batches


def _length(data_iter, name):
    try:
        length = len(data_iter)
    except TypeError:
        raise TypeError(
            f"{name} must have a length, the number of its batches, got {type(data_iter).__name__}. A list of "
            "batches has one, and a DataLoader; a generator has none."
        ) from None
    if not length:
        raise ValueError(f"{name} is empty: an epoch needs at least one batch.")
    return length


def _on(device, data_iter):
    """Move data that lies in memory to the device once; leave any other iterable as it is."""
    return data_iter.to(device) if hasattr(data_iter, "epoch") else data_iter


def _skip(batches, start):
    for number, batch in enumerate(batches):
        if number >= start:
            yield batch
