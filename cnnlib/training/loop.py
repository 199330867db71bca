"""One training loop for the whole book. It knows no network and no display: it trains, records, and calls listeners.

`Trainer.fit` → `_run_epoch` → `_step` is the loop. What surrounds it has a file of its own: the batches (`source`),
the loss (`objective`), learning rates (`rates`), the record (`record`, `history`), what a diverging run goes back to
(`guard`), saved states (`state`, `checkpoint`), evaluation.
"""

import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext

import torch
import torch._dynamo  # noqa: F401  the first optimizer would load it: 1.4 s in the middle of the first run

from cnnlib.machine import faults
from cnnlib.machine.clock import WorkClock
from cnnlib.machine.device import check_precision, try_gpu
from cnnlib.machine.memory import keep_freed_memory
from cnnlib.machine.rng import random_state, set_random_state
from cnnlib.models.explain_forward import EXPLAINED, run_network
from cnnlib.models.explain_training import explain_backward_error
from cnnlib.models.training_mode import modules_in_evaluation, train_all_but
from cnnlib.training.channels_last import ChannelsLast
from cnnlib.training.evaluation import accuracy_from, count_right
from cnnlib.training.guard import DivergenceError, Guarded
from cnnlib.training.history import History
from cnnlib.training.identity import run_settings
from cnnlib.training.interrupt import interrupts_stop
from cnnlib.training.metrics import count_correct
from cnnlib.training.objective import Objective
from cnnlib.training.optimizer import BUILDS, build_optimizer, check_gradients_on, check_trainable
from cnnlib.training.rates import Rates
from cnnlib.training.record import Recorder, progress_of
from cnnlib.training.source import Source, batch_size, count_batches, on_device
from cnnlib.training.state import Saved
from cnnlib.validation import Callable, Count, Device, Iterable, Network, Rate, arguments


@arguments(
    net=Network(), lr=Rate(), optimizer=Callable(BUILDS), loss=Callable(), correct=Callable(), device=Device(),
    listeners=Iterable(),
)  # fmt: skip
class Trainer(Guarded, Saved):
    """Train a network by mini-batch gradient descent, with a learning rate that may be changed at any time.

    Parameters
    ----------
    net : nn.Module
        Any classifier: (N, …) → scores (N, classes); with a `loss` of your own, any network. It is moved to `device`
        and trained in place. Modules that are in evaluation mode while the network as a whole is in training mode
        when a run begins stay so: batch normalisations of a pretrained part, after `part.eval()`.
    train_iter : iterable of (X, y)
        Iterated once per epoch; it needs `len()`. An epoch ends after so many batches, or where the iterator ends.
        Data from `load_data_fashion_mnist` is moved to the device once.
    test_iter : iterable of (X, y), optional
        Evaluated after every epoch.
    lr : float
        The learning rate. Set `trainer.lr` to change it: it holds from the next batch on.
    optimizer : callable
        Called as `optimizer(parameters, lr=lr)`; `torch.optim.SGD` unless given.
    loss : callable
        Called as `loss(outputs, labels)`, a mean over the batch; cross-entropy unless given.
    correct : callable
        Called as `correct(outputs, labels)`: how much of a batch is right, from 0 to N, a 0-d tensor. The number of
        right predictions unless given.
    device : torch.device or str, optional
        Where to train; `try_gpu()` unless given.
    listeners : iterable of callable
        Each is called as `listener(trainer)` after every batch, after every evaluation, and at the end of the run.
    precision : str
        'float32', or 'bf16': layers that can then compute with 16 bits in training. Weights and evaluation stay in
        float32.

    Attributes
    ----------
    history : History
    epoch, batch : int
        How many epochs are done, and how many batches of the next one.
    running : bool

    Raises
    ------
    TypeError, ValueError
        If the network has nothing to train, `train_iter` is empty or has no length, the optimizer needs a closure, or
        the device does not support the precision.

    Notes
    -----
    Learning rates belong to the optimizer. `trainer.lr` is the rate of one parameter group, the first with the rate
    `lr`; setting it scales all groups by the same factor. A scheduler of PyTorch works on `trainer.optimizer`, stepped
    by a listener, and its changes are marked on the chart like those by hand:

    >>> scheduler = torch.optim.lr_scheduler.StepLR(trainer.optimizer, step_size=5, gamma=0.1)
    >>> trainer.listeners.append(lambda t: t.batch == 0 and t.running and scheduler.step())  # after each epoch
    """

    def __init__(
        self, net, train_iter, test_iter=None, lr=0.1, *, optimizer=torch.optim.SGD, loss=None, correct=count_correct,
        device=None, listeners=(), precision="float32",
    ):  # fmt: skip
        check_trainable(net)
        self.objective = Objective(loss, correct)
        self.listeners = [Callable()(one, "a listener") for one in listeners]
        self.device = device or try_gpu()
        self.precision = check_precision(precision, self.device)
        self.source = Source(train_iter, self.device)
        if test_iter is not None:
            count_batches(test_iter, "test_iter")
            test_iter = on_device(test_iter, self.device)
        self.net, self.train_iter, self.test_iter = net.to(self.device), self.source.data, test_iter
        if self.device.type == "cpu":
            keep_freed_memory()
        self.optimizer = build_optimizer(optimizer, net, lr)
        self.rates = Rates(self.optimizer, lr)
        self.recorder = Recorder(History(settings=run_settings(self)))
        self.epoch = self.batch = 0
        self.running = self._stop = False
        self.go_on = "trainer.lr = {lr:g}, then trainer.fit({epochs})"  # the call to suggest after a divergence
        self._first_step = self._num_epochs = 0
        self._guard()
        self._layout = ChannelsLast(net, self.device, self.optimizer)
        self._random = None  # the state of its random numbers, once it has run, was forked, or went back to a state
        self._broken_off = False  # whether an interrupt broke off a step in the middle

    # What others may set or read while the loop runs

    @property
    def history(self):
        """The record of the run."""
        return self.recorder.history

    @property
    def num_batches(self):
        """How many batches an epoch has, the length of `train_iter`."""
        return len(self.source)

    @property
    def lr(self):
        """The learning rate of the next batch."""
        return self.rates.lr

    @lr.setter
    def lr(self, value):
        self.rates.request(Rate()(value))

    @property
    def step(self):
        """How many steps the trainer has taken; on a GPU the history may be a few behind."""
        return self.recorder.steps

    def stop(self):
        """Ask the run to end after the present batch. Safe to call from any thread."""
        self._stop = True

    @property
    def progress(self):
        """How far the present run is, a RunProgress."""
        return progress_of(self, self._first_step, self._clock() if self.running else 0.0, self._num_epochs)

    def next_batch(self):
        """Return the batch (X, y) that the next step will train on, on the device; None at the end of an epoch."""
        batch = self.source.first(self.epoch, self.batch)
        return None if batch is None else tuple(part.to(self.device) for part in batch)

    # The loop

    @arguments(num_epochs=Count())
    def fit(self, num_epochs):
        """Train for `num_epochs` more epochs; an epoch that was stopped half-way counts as the first of them.

        Returns
        -------
        History
            The same object as `self.history`. `history.ended` is 'finished', 'stopped' (by `stop()`) or 'interrupted'
            (by Ctrl-C or the kernel's interrupt).

        Raises
        ------
        DivergenceError
            If the loss, the weights or the scores of the evaluation become NaN or infinite. The network then holds
            weights from before the loss rose.
        OutOfMemoryError, DeviceError
            If the memory runs out, or a GPU fails. The record and the weights are kept, and another `fit` goes on.
        RuntimeError
            If gradients are switched off.
        TypeError, ValueError
            If the network cannot take the batch, or a label is out of range.
        """
        check_gradients_on()
        self._num_epochs = self.epoch + num_epochs
        try:
            with self._whole_run():
                while self.epoch < self._num_epochs and not self._asked_to_stop():
                    self._run_epoch()
        except faults.EndsRun as error:
            raise faults.without_traceback(error) from None
        return self.history

    def _run_epoch(self):
        """Train on the batches of the present epoch that are still to come, and evaluate."""
        train_all_but(self.net, self._frozen)
        lap = self._clock()
        for X, y in self.source.rest(self.epoch, self.batch):
            self._layout.attempt(self._step, X, y)
            self.batch += 1
            self.history.train_seconds += self._clock() - lap
            self._report()
            lap = self._clock()
            if self.batch < self.num_batches and self._asked_to_stop():
                return self._check_weights()
        self._check_weights()
        self.history.train_seconds += self._clock() - lap
        self._end_epoch()

    def _step(self, X, y):
        """Train on a batch: X of shape (N, …), y of shape (N,)."""
        lr = self.rates.apply(self.step + 1, self.history.marks)
        X, y = X.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
        loss, *found = self._compute(X, y)
        self.recorder.add(*found, len(y), lr)
        if self._is_due():
            self.read_losses(X)
            self._back_up()
        moved = False
        try:
            self.optimizer.zero_grad()
            loss.backward()
            moved = True
            self.optimizer.step()
        except BaseException as error:  # the batch comes again when the run goes on
            if moved:  # perhaps some of the weights
                self._backup.restore()
            self.optimizer.zero_grad()
            self.recorder.forget_step()
            if not isinstance(error, EXPLAINED) or faults.is_fault(error):
                raise
            explained = explain_backward_error(self.net, X, error)
            if explained is error:
                raise
            raise explained from error

    def _compute(self, X, y):
        """Return the loss to differentiate, the batch's mean loss and how much of it is right, 0-d tensors."""
        with nullcontext() if self.precision == "float32" else torch.autocast(self.device.type, torch.bfloat16):
            outputs = self._forward(X)
            self.objective.check(outputs, y, look=self._looks_always or self.batch == 0)
            loss = self.objective.measure(outputs, y)
        return loss, loss.detach(), self.objective.count(outputs, y)

    def _forward(self, X):
        return run_network(self.net, X)

    def _end_epoch(self):
        test_acc, finite = None, True
        if self.test_iter is not None:
            test_acc, finite = self._evaluate()
        self.history.end_epoch(self.history.steps - self.batch, test_acc)
        self.epoch, self.batch = self.epoch + 1, 0
        if not finite:
            self._diverged("on the test data the scores became infinite or NaN", "scores not finite", self.step)
        self._report()

    def _evaluate(self):
        """Evaluate on the test set; if that is interrupted, the random numbers are as before it."""
        before = random_state(self.device)
        try:
            return accuracy_from(*self._layout.attempt(self._count_right))
        except BaseException:
            set_random_state(self.device, before)
            raise

    def _count_right(self):
        return count_right(self.net, self.test_iter, self.device, self.objective)

    def _report(self):
        """Call the listeners; at the end of the run all, even where one fails: a Checkpoint unlocks its file then."""
        if self.running:
            for listener in self.listeners:
                self._layout.prepare_for(listener)
                listener(self)
            self._layout.lay()
        else:
            with ExitStack() as calls:
                for listener in reversed(self.listeners):
                    calls.callback(listener, self)

    def _asked_to_stop(self):
        return self._stop

    # Around the loop

    @contextmanager
    def _whole_run(self):
        """Set up a run, and clean up after it, however it ends."""
        self._first_step = self.epoch * self.num_batches + self.batch
        self._spent_before, self._started, self._clock = self.history.seconds, time.perf_counter(), WorkClock()
        self._thread, self._broken_off, self._frozen = threading.get_ident(), False, modules_in_evaluation(self.net)
        self._stop, self.running, self.history.ended = False, True, "running"
        ended = "failed"
        try:
            with (
                self._own_random(),
                self._layout,
                interrupts_stop(self.stop, lambda: self.batch < self.num_batches) as interrupts,
            ):
                self._begin()
                yield
            ended = "finished" if self.epoch == self._num_epochs else "interrupted" if interrupts else "stopped"
        except KeyboardInterrupt:
            ended, self._broken_off = "interrupted", self.batch < self.num_batches
        except DivergenceError:
            ended = "diverged"
            raise
        except Exception as error:
            if not faults.is_fault(error):
                raise
            ended = "out of memory" if faults.is_out_of_memory(error) else "failed"
            raise self._explained_fault(error) from None
        finally:
            if ended == "out of memory":
                faults.release_memory(self.device)
            self.history.seconds, self.history.ended = self.seconds, ended
            self.running = False
            self._finish()
            self._report()

    def _begin(self):
        if self._backup.empty or not self.recorder.has_jumped():
            self._copy_weights()

    def _finish(self):
        pass

    def _explained_fault(self, error):
        """Mark a fault of the machine in the record, and return an exception that says what to do."""
        step = self.step + 1
        self.history.marks.append((step, "out of memory" if faults.is_out_of_memory(error) else "GPU failed"))
        return faults.explain_fault(error, f"at step {step}", batch_size(self.train_iter), self.history, step)
