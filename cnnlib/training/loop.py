"""One training loop for the whole book. It knows no network in particular and no display: it trains, keeps a
record, and tells whoever listens.

The loop follows four rules that make it fast without changing a result. Losses and counts stay on the device until
somebody looks at them, so a GPU is not made to wait after every batch. Convolution weights lie in channels-last
order (LeNet's step on two cores: 12 to 15 → 11 ms), and the memory of a step is kept for the next. Data that lies in
memory is cut into batches on the spot.

How a step is computed, `cnnlib.training.execution` knows; what several processes share, `cnnlib.training.distributed`.
"""

import copy
import math
import signal
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch._dynamo  # noqa: F401  the first optimizer would load it: 1.4 s in the middle of the first run
from torch import nn

from cnnlib.machine.clock import WorkClock
from cnnlib.machine.device import describe_device, try_gpu
from cnnlib.machine.faults import Picklable, explain_fault, give_memory_back, is_fault, is_out_of_memory, without_frames
from cnnlib.machine.memory import keep_freed_memory
from cnnlib.machine.rng import random_state, set_random_state
from cnnlib.models.copying import copy_network
from cnnlib.models.modes import evaluating
from cnnlib.training import checkpoint as files
from cnnlib.training import distributed
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.execution import Execution, memory_format, update_together_
from cnnlib.training.history import History
from cnnlib.training.metrics import Accumulator, count_correct
from cnnlib.training.snapshot import Snapshot
from cnnlib.validation import (
    check_batch,
    check_callable,
    check_computing,
    check_count,
    check_device,
    check_iterable,
    check_labels,
    check_lr,
    explain_forward_error,
    told,
)

LOOK_EVERY = 0.1  # seconds between two looks at the losses on a GPU; each makes it wait for the device

# what a saved state holds
STATE = {"net", "optimizer", "history", "epoch", "batch", "lr", "seed", "random", "order"}


class DivergenceError(Picklable, FloatingPointError):
    """The loss or the weights became NaN or infinite, and the network is back to its last sound weights.

    `history` holds the run so far, `step` the step that failed, `lr` the learning rate to go on with: a tenth.
    """

    def __init__(self, message, history, step, lr):
        super().__init__(message)
        self.history, self.step, self.lr = history, step, lr


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
        Each is called as `listener(trainer)` after every batch, after every evaluation, and at the end of the run;
        where several processes train together, in the first of them.
    precision : str
        'float32', or 'bf16': layers that can then compute with 16 bits in training. Weights and evaluation stay in
        float32.
    compile : bool
        Whether to play each step back as a CUDA graph; it takes up to a minute to begin. Without an NVIDIA GPU, or
        with several processes, nothing is compiled.

    Attributes
    ----------
    history : History
    epoch, batch : int
        How many epochs are done, and how many batches of the next one.
    running : bool

    Raises
    ------
    TypeError, ValueError
        If the learning rate is no finite number above zero, the network has nothing to train, `train_iter` is empty
        or has no length, or the device does not have the precision.
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
        precision="float32",
        compile=False,
    ):
        self._lr = check_lr(lr)
        check_computing(net)
        listeners = list(check_iterable(listeners, "listeners"))
        _check_callables(optimizer=optimizer, loss=loss, correct=correct, listener=listeners)
        if not any(p.requires_grad for p in net.parameters()):
            raise ValueError("the network has no parameter to train.")
        self.device = try_gpu() if device is None else check_device(device)
        self.num_batches = count_batches(train_iter, "train_iter")
        if test_iter is not None:
            count_batches(test_iter, "test_iter")
        self._execution = Execution(net, self.device, precision, compile)
        self.net = net.to(self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.net.to(memory_format=memory_format(self.net, self.device))
        self._looks_always = self.device.type == "cpu"  # where it costs no wait
        self.train_iter, self.test_iter = _on(self.device, train_iter), _on(self.device, test_iter)
        self.loss, self.correct = nn.CrossEntropyLoss() if loss is None else loss, correct
        self.optimizer = update_together_(optimizer([p for p in net.parameters() if p.requires_grad], lr=self._lr))
        self.listeners = list(listeners)
        self.history = History(settings=self._settings())
        self.epoch = self.batch = 0
        self.running = False
        self._stop = False
        self._num_epochs = 0
        self._pending = []  # (loss, correct) of steps that nobody has looked at yet, still on the device
        self._looked = 0.0
        self._safe = Snapshot(self.net, self.optimizer)
        self.go_on = "trainer.lr = {lr:g}, then trainer.fit({epochs})"  # what the reader is to call after a divergence
        self._random = None  # where its random numbers stand, once it has run, was forked, or went back to a state
        self._order = None  # where they stood when the present epoch began, if its order is drawn from them
        self._torn = False  # whether an interrupt tore a step apart

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
        left = (total - step) * self._clock() / done if self.running and done else 0.0
        return Progress(
            step, total, step / self.num_batches, self._num_epochs, seconds, history.examples_per_second, left
        )

    def next_batch(self):
        """Return the batch (X, y) that the next step will train on, on the device; None at the end of an epoch."""
        before = self._draws()
        batch = next(iter(self._batches()), None)
        self._redraw(before)
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
            If the loss, the weights or the scores of the evaluation become NaN or infinite. The network then holds
            its last weights with a finite loss.
        OutOfMemoryError, DeviceError
            If the memory runs out, or a GPU fails. The record and the weights are kept, and another `fit` goes on.
        TypeError, ValueError
            If `num_epochs` is not a whole number of at least 1, the network cannot take the batch, or a label is
            out of range.
        """
        self._num_epochs = self.epoch + check_count(num_epochs, "num_epochs")
        self._first_step = self.epoch * self.num_batches + self.batch
        self._spent_before, self._started, self._clock = self.history.seconds, time.perf_counter(), WorkClock()
        self._thread, self._torn = threading.get_ident(), False
        self._stop, self.running, self.history.ended = False, True, "running"
        ended = "failed"
        try:
            self._execution.begin()
            if self._safe.empty:
                self._safe.take(distributed.all_of)
            with self._own_random(), self._interrupt_stops() as interrupted:
                while self.epoch < self._num_epochs and not self._asked_to_stop():
                    self._run_epoch()
            distributed.same_buffers(self.net)
            ended = "finished" if self.epoch == self._num_epochs else "interrupted" if interrupted else "stopped"
        except KeyboardInterrupt:
            ended, self._torn = "interrupted", self.batch < self.num_batches
        except DivergenceError as error:
            ended = "diverged"
            raise without_frames(error) from None
        except Exception as error:
            if not is_fault(error):
                raise
            ended = "out of memory" if is_out_of_memory(error) else "failed"
            raise self._explain(error) from None
        finally:
            if ended == "out of memory":
                give_memory_back(self.device)
            self.history.seconds, self.history.ended = self._seconds(), ended
            self.running = False
            self._execution.end()
            self._tell()
        return self.history

    def _explain(self, error):
        """Mark a fault of the machine on the chart, and return an exception that says what to do."""
        step = self.step + 1
        self.history.marks.append((step, "out of memory" if is_out_of_memory(error) else "GPU failed"))
        return explain_fault(error, f"at step {step}", _batch_size(self.train_iter), self.history, step)

    @contextmanager
    def _interrupt_stops(self):
        """Let the first Ctrl-C, or interrupt of the kernel, end the run between two batches; a second one at once.

        Yields a list that is no longer empty after an interrupt. Where signals cannot be caught (in a thread), the
        interrupt keeps its usual meaning.
        """
        interrupts = []

        def interrupt(number, frame):
            interrupts.append(number)
            evaluates = self.batch == self.num_batches  # nothing half-done to finish; but others may wait for this one
            if len(interrupts) > 1 or (evaluates and distributed.num_processes() == 1):
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
        others = None if self._random is None else random_state(self.device)
        if others is not None:
            set_random_state(self.device, self._random)
        try:
            yield
        finally:
            self._random = random_state(self.device)
            if others is not None:
                set_random_state(self.device, others)

    def _run_epoch(self):
        self.net.train()
        self._safe.look_up()
        lap, stopped = self._clock(), False
        if not self.batch and not hasattr(self.train_iter, "epoch"):
            self._order = self._draws()
        for batch in self._batches():
            self._step(*check_batch(batch))
            self.batch += 1
            self.history.train_seconds += self._clock() - lap
            self._tell()
            lap = self._clock()
            if self.batch != self.num_batches and self._asked_to_stop():  # an epoch that is done is read to its end
                stopped = True
                break
        if not self.batch:
            raise ValueError("train_iter gave no batch at all: an epoch needs at least one. Is the iterator used up?")
        self._look()
        if not distributed.all_of(self._safe.sound()):
            self._diverged("a weight became infinite or NaN", "weights not finite", self.history.steps, self._lr)
        self.history.train_seconds += self._clock() - lap
        if stopped:
            return
        test_acc, finite = None, True
        if self.test_iter is not None:
            test_acc, finite = self._evaluate()
        self.history.end_epoch(self.history.steps - self.batch, test_acc)
        self.epoch, self.batch = self.epoch + 1, 0
        if not finite:
            said = "on the test data the scores became infinite or NaN"
            self._diverged(said, "scores not finite", self.history.steps, self._lr)
        self._tell()

    def _evaluate(self):
        """Evaluate on the test set; if that is interrupted, it is as if it had not been begun."""
        before = random_state(self.device)
        distributed.same_buffers(self.net)
        try:
            return _evaluate(self.net, self.test_iter, self.device, self.correct, together=True)
        except BaseException:
            set_random_state(self.device, before)
            raise

    def _asked_to_stop(self):
        return distributed.any_of(self._stop)

    def _batches(self):
        """Return the batches of the present epoch that are still to come."""
        if hasattr(self.train_iter, "epoch"):
            return self.train_iter.epoch(self.epoch, start=self.batch)
        return self._again() if self.batch and self._order is not None else _skip(self.train_iter, self.batch)

    def _again(self):
        """Draw the order of the present epoch once more, leave out the batches that are done, and go on."""
        now = self._draws()
        self._redraw(self._order)
        batches = iter(self.train_iter)
        for _ in range(self.batch):
            next(batches, None)
        self._redraw(now[:1])
        yield from batches

    def _draws(self):
        """Return where the random numbers stand that the loop and, if it has its own, the data's order come from."""
        generator = getattr(self.train_iter, "generator", None)
        own = [generator.get_state()] if isinstance(generator, torch.Generator) else []
        return [random_state(self.device), *own]

    def _redraw(self, draws):
        """Set the random numbers to where `_draws` found them."""
        set_random_state(self.device, draws[0])
        self._redraw_order(draws)

    def _redraw_order(self, draws):
        if len(draws) > 1 and hasattr(self.train_iter, "generator"):
            self.train_iter.generator.set_state(draws[1])

    def _step(self, X, y):
        mine = distributed.share(X, y)
        X, labels = mine.X.to(self.device, non_blocking=True), mine.y.to(self.device, non_blocking=True)
        lr = self._lr
        if lr != self.optimizer.param_groups[0]["lr"]:
            self.history.marks.append((self.step + 1, f"lr {lr:.3g}"))
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        classes = self.correct is count_correct
        with self._execution.numbers():
            scores = forward(self.net, X, classes, self._execution)
            if classes and (self._looks_always or self.batch == 0):  # on a GPU asking costs a wait: once an epoch
                check_labels(y, scores.shape[1])  # of the whole batch: each process finds the same
            loss = self.loss(scores, labels)
        if loss.dim():
            raise ValueError(f"the loss must be one number a batch, got shape {tuple(loss.shape)}. Take its mean.")
        found = mine.whole(loss.detach(), self.correct(scores.detach(), labels))
        self._pending.append((*found, len(y), lr))
        looked = self._is_due()
        if looked:
            self._look(X)
            if not self._safe.take(distributed.all_of):  # these weights gave a finite loss
                self._forget_step()
                said = "a weight, a running statistic or the optimizer's memory became infinite or NaN"
                self._diverged(said, "weights not finite", self.step + 1, lr)
        self._update(mine.for_gradient(loss), looked)

    def _update(self, loss, looked):
        """Take the step; if it fails half-way, be where it began: the batch comes again when the run goes on."""
        moved = False
        try:
            self.optimizer.zero_grad()
            loss.backward()
            moved = True
            self.optimizer.step()
        except BaseException:
            if moved and looked:  # the copy is of this very step
                self._safe.restore()
            self.optimizer.zero_grad()
            self._forget_step()
            raise

    def _forget_step(self):
        """Take the last step out of the record."""
        history = self.history
        columns = (history.loss, history.correct, history.size, history.lr)
        for column in (self._pending,) if self._pending else columns:
            column.pop()

    def _is_due(self):
        return self._looks_always or distributed.any_of(time.perf_counter() - self._looked > LOOK_EVERY)

    def _look(self, X=None):
        """Move the losses of the last steps from the device into the history; stop if one of them is not finite.

        `X` is the batch of the last of them.
        """
        pending, self._pending = self._pending, []
        self._looked = time.perf_counter()
        if not pending:
            return
        losses = torch.stack([row[0] for row in pending]).tolist()
        correct = torch.stack([row[1] for row in pending]).tolist()
        history = self.history
        for loss, right, (_, _, size, lr) in zip(losses, correct, pending, strict=True):
            if not math.isfinite(loss):
                bad = X is not None and not X.isfinite().all()
                why = ", because the batch itself holds such values: mend the data" if bad else ""
                self._diverged(f"the loss became {loss}", f"loss {loss}", history.steps + 1, lr, why)
            history.loss.append(loss)
            history.correct.append(right)
            history.size.append(size)
            history.lr.append(lr)

    def _diverged(self, said, label, step, lr, why=""):
        self._safe.restore()
        distributed.same_buffers(self.net)
        ends = self.history.epoch_ends
        self.batch = self.history.steps - (ends[-1] if ends else 0)  # on a GPU some steps more may have been taken
        self.history.marks.append((step, label))
        call = self.go_on.format(lr=lr / 10, epochs=max(1, self._num_epochs - self.epoch))
        raise DivergenceError(
            f"{said} at step {step} with the learning rate {lr:g}{why}. The run stopped there; the history "
            f"and the last weights with a finite loss are kept. Try a learning rate of {lr / 10:g}, or smaller "
            f"initial weights. To go on from there: {call}",
            self.history,
            step,
            lr / 10,
        )

    def _tell(self):
        if distributed.process_number() == 0:
            for listener in self.listeners:
                listener(self)

    def _seconds(self):
        return self._spent_before + self._clock() if self.running else self.history.seconds

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
            **self._execution.describe(),
        }

    # Going back and branching off

    def state(self):
        """Return all that the rest of the run depends on, as a dict of tensors and plain values, copied.

        Weights, optimizer, place in the data order, record, learning rate and the random state (for dropout).
        """
        return copy.deepcopy(self._state())

    def _state(self):
        """Return what `state` does, not copied: it changes with the next step."""
        self._look()
        own = self._random is not None and not self.running
        order = None
        if not hasattr(self.train_iter, "epoch"):
            order = self._order if self.batch else self._draws()
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": asdict(self.history) | {"seconds": self._seconds()},
            "epoch": self.epoch,
            "batch": self.batch,
            "lr": self._lr,
            "seed": getattr(self.train_iter, "seed", None),
            "random": self._random if own else random_state(self.device),
            "order": order,
        }

    def load_state(self, state):
        """Go back to a state that `state()` returned: training then goes on exactly as it went on from there.

        Raises
        ------
        ValueError
            If the state belongs to another network or optimizer; nothing is changed then.
        """
        if not isinstance(state, dict) or set(state) != STATE:
            keys = ", ".join(sorted(STATE))
            raise ValueError(f"a state must be what trainer.state() returned, a dict with {keys}, got {told(state)}.")
        if self.running:
            raise RuntimeError("the run is still going on. Stop it first: trainer.stop().")
        mine = {name: tuple(value.shape) for name, value in self.net.state_dict().items()}
        given = {name: tuple(value.shape) for name, value in state["net"].items()}
        if mine != given:
            name = next(name for name in (*mine, *given) if mine.get(name) != given.get(name))
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
        history = History(**state["history"])
        self.optimizer.load_state_dict(state["optimizer"])  # which refuses before it changes anything
        self.net.load_state_dict(state["net"])
        self.history = history
        self.epoch, self.batch, self._lr = state["epoch"], state["batch"], state["lr"]
        if state["seed"] is not None and hasattr(self.train_iter, "reseed"):
            self.train_iter.reseed(state["seed"])
        self._random, self._order, self._torn = state["random"], state["order"], False
        if state["order"] is not None and not self.batch:
            self._redraw_order(state["order"])
        self._pending = []
        self._safe = Snapshot(self.net, self.optimizer)

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
        if distributed.process_number():  # the first writes, for all
            return Path(path)
        return files.write(path, self._state(), self.setup)

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
    def setup(self):
        """What a run must have in common with a file that it goes on from, in words."""
        data = getattr(self.train_iter, "batches", self.train_iter)
        images = getattr(data, "images", None)
        images = images if isinstance(images, torch.Tensor) else None
        setup = {
            "batches in an epoch": self.num_batches,
            "batch size": getattr(data, "batch_size", None),
            "seed of the data": getattr(data, "seed", None),
            "examples": None if images is None else len(images),
            "picture size": list(getattr(data, "resize", None) or (() if images is None else images.shape[-2:])),
            "shuffled": getattr(data, "shuffle", None),
            "optimizer": type(self.optimizer).__name__,
            "precision": self._execution.precision,
        }
        for number, group in enumerate(self.optimizer.param_groups):
            where = f" of parameter group {number}" if number else ""
            plain = {name: value for name, value in group.items() if isinstance(value, int | float | str | tuple)}
            setup |= {f"{name}{where}": value for name, value in plain.items() if name not in ("lr", "foreach")}
        return {name: str(value) for name, value in setup.items()}

    @property
    def whole(self):
        """Whether the network stands between two steps; a second interrupt may tear one apart."""
        return not self._torn

    def fork(self):
        """Return a second trainer at the same point, with a network of its own: change one, keep the other."""
        twin = copy.copy(self)
        twin.net = copy_network(self.net)
        twin._execution = self._execution.of(twin.net)
        twin.optimizer = type(self.optimizer)([p for p in twin.net.parameters() if p.requires_grad], lr=self._lr)
        twin.train_iter = copy.copy(self.train_iter)
        twin.listeners = []
        twin.running = False
        twin.load_state(self.state())
        return twin


def forward(net, X, classes=True, call=None):
    """Return `net(X)`; where a layer cannot take its input, raise a ValueError that names the layer.

    Parameters
    ----------
    call : callable, optional
        Another way to compute the same, called as `call(X)`.

    Raises
    ------
    ValueError
        Which layer, what it got, what it needs; or, with `classes`, that the scores are not of shape (N, classes).
    """
    try:
        scores = net(X) if call is None else call(X)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        if is_fault(error):  # no layer's
            raise
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
    OutOfMemoryError, DeviceError
        If the memory runs out, or a GPU fails.
    TypeError
        If `net` is no nn.Module.
    ValueError
        If the iterable is empty, a label is out of range, or the network cannot take the batch.

    Warns
    -----
    RuntimeWarning
        If scores are infinite or NaN: what is counted then means nothing.
    """
    _check_callables(correct=correct)
    device = None if device is None else check_device(device)
    share, finite = _evaluate(check_computing(net), check_iterable(data_iter, "data_iter"), device, correct)
    if not finite:
        warnings.warn(
            "the network's scores are infinite or NaN: this accuracy means nothing. Train it anew, at a tenth of the "
            "learning rate.",
            RuntimeWarning,
            stacklevel=2,
        )
    return share


def _evaluate(net, data_iter, device, correct, together=False):
    """Return the accuracy, and whether all scores were finite; `together` if other processes compute their share."""
    with evaluating(net), torch.no_grad():
        if device is None:
            device = next((p.device for p in net.parameters()), torch.device("cpu"))
        try:
            metric = _add_up(net, _on(device, data_iter), device, correct, together)
        except Exception as error:
            if not is_fault(error):
                raise
            raise explain_fault(error, "while evaluating", _batch_size(data_iter)) from None
    right, size, odd = distributed.total(*metric.data) if together else [metric[i] for i in range(3)]
    if not size:
        raise ValueError("the data to evaluate on gave no batch at all. Is the iterator used up?")
    return right / size, not odd


def _add_up(net, batches, device, correct, together):
    """Return the sums of what is right, of what there is, and of batches with scores that are not finite."""
    metric = Accumulator(3)
    for batch in batches:
        X, y = check_batch(batch)
        mine = distributed.share(X, y) if together else distributed.Share(X, y)
        X, labels = mine.X.to(device, non_blocking=True), mine.y.to(device, non_blocking=True)
        classes = correct is count_correct
        scores = forward(net, X, classes)
        if classes and torch.device(device).type == "cpu":
            check_labels(y, scores.shape[1])
        if mine.part:
            odd = ~scores.isfinite().all() if isinstance(scores, torch.Tensor) else 0
            metric.add(correct(scores, labels), len(labels), odd)
    return metric


def train(net, train_iter, test_iter, num_epochs, lr, device=None, *, checkpoint=None, **options):
    """Train a network and return the record of the run, without any display.

    Parameters
    ----------
    net, train_iter, test_iter, lr, device, **options
        As for `Trainer`.
    num_epochs : int
        How many times to go through `train_iter`.
    checkpoint : path or Checkpoint, optional
        A file that keeps the run: written every half minute, after each epoch and at the end. If it is there already,
        the run goes on from it, up to `num_epochs` in all.

    Returns
    -------
    History

    Raises
    ------
    DivergenceError, OutOfMemoryError, DeviceError, TypeError, ValueError
        As `Trainer` and `Trainer.fit` do.
    """
    num_epochs = check_count(num_epochs, "num_epochs")
    trainer = Trainer(net, train_iter, test_iter, lr, device=device, **options)
    trainer.go_on = again("train", device is not None or checkpoint or options)
    if checkpoint is None:
        return trainer.fit(num_epochs)
    return Checkpoint.of(checkpoint).fit(trainer, num_epochs)


def again(name, more):
    """Return the call that goes on after a divergence, to be filled in; `more` if it had further arguments."""
    return f"{name}(net, train_iter, test_iter, num_epochs={{epochs}}, lr={{lr:g}}{', …' if more else ''})"


def time_epoch(net, train_iter, device=None, steps=10):
    """Measure how many seconds one epoch of training takes on this machine; the network stays as it is.

    Parameters
    ----------
    net, train_iter, device
        As for `train`.
    steps : int
        How many batches to try it on, after two to warm up.
    """
    check_count(steps, "steps")
    trainer = Trainer(copy_network(check_computing(net)), train_iter, lr=1e-6, device=device)
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


def _check_callables(listener=(), **functions):
    """Raise a TypeError unless each function that is given, and each listener, can be called."""
    for name, function in functions.items():
        if function is not None:
            check_callable(function, name)
    for one in check_iterable(listener, "listeners"):
        check_callable(one, "a listener")


def count_batches(data_iter, name):
    """Return how many batches an iterable has; raise unless it has a length, of at least 1."""
    try:
        if isinstance(data_iter, str | bytes | dict):  # which have a length, and no batches
            raise TypeError
        length = len(data_iter)
    except TypeError:
        raise TypeError(
            f"{name} must have a length, the number of its batches, got {type(data_iter).__name__}. A list of "
            "batches has one, and a DataLoader; a generator has none."
        ) from None
    if not length:
        raise ValueError(f"{name} is empty: an epoch needs at least one batch.")
    return length


def _batch_size(data_iter):
    """Return how many examples a batch has, or None where that is not known."""
    size = getattr(data_iter, "batch_size", None)
    return len(data_iter[0][1]) if size is None and isinstance(data_iter, list | tuple) else size


def _on(device, data_iter):
    """Move data that lies in memory to the device once; leave any other iterable as it is."""
    return data_iter.to(device) if hasattr(data_iter, "epoch") else data_iter


def _skip(batches, start):
    for number, batch in enumerate(batches):
        if number >= start:
            yield batch
