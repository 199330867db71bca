"""Training in the background: one thread, which lives only while there is something to do.

Whoever calls a method of `Runner` only sets flags and values; the thread reads them between two steps. It alone
touches the network. When a run is paused or done, the thread ends; the next command starts another.
"""

import threading
import weakref

import torch

from cnnlib.training import DivergenceError

PATIENCE = 10.0  # seconds to wait for a thread to end: one long step

_alive = weakref.WeakSet()

# PyTorch's random numbers belong to the whole process: who borrows and puts them back does so alone
borrowing = threading.RLock()


def pause_all(but=None):
    """Pause every run in the background, because two at once slow each other down tenfold; return when they rest."""
    others = [runner for runner in _alive if runner is not but]
    for runner in others:
        runner.pause()
    for runner in others:
        runner.wait(PATIENCE)


class Runner:
    """Build networks and train them in one background thread.

    Parameters
    ----------
    build : callable
        `build(settings) -> Trainer`, called in the thread with a copy of the settings, after seeding PyTorch.
    settings : dict
        Name to value.
    num_epochs : int
        After how many epochs a run ends; another start goes on for as many more.
    listener : callable
        Called in the thread as `listener(runner)` after a network is built, after every batch, and at the end.
    seed : int

    Attributes
    ----------
    trainer : Trainer or None
    state : str
        'ready', 'training', 'paused', 'finished', 'diverged' or 'failed'.
    error : Exception or None
        What went wrong, if the state is 'diverged' or 'failed'.
    """

    def __init__(self, build, settings, num_epochs, listener, seed=0):
        self.build, self.settings, self.num_epochs, self.listener = build, dict(settings), num_epochs, listener
        self.seed = seed
        self.trainer, self.error, self.state = None, None, "ready"
        self._lock = threading.RLock()
        self._thread = None
        self._go = self._closed = False
        self._stale = True  # a network is to be built
        self._steps_left = None  # of a run that only goes some steps
        self._changes = {}  # name: (function, value), for the running network
        _alive.add(self)

    # Commands, from any thread

    def start(self, steps=None):
        """Train, or go on training; with `steps`, only so many."""
        pause_all(but=self)
        with self._lock:
            self._go, self._steps_left = True, steps
            if self.state == "failed":
                self._stale = True
            self._wake()

    def pause(self):
        """Rest after the present step; the network and its record stay."""
        self._go = False

    def reset(self):
        """Throw the network away and build a new one from the settings; go on if it was training."""
        with self._lock:
            self._stale = True
            self._wake()

    def set(self, name, value, live=None):
        """Change a setting: in the running network by `live(trainer, value)`, or without it by a new network."""
        with self._lock:
            self.settings[name] = value
            if live is None:
                self._stale = True
                self._wake()
            else:
                self._changes[name] = (live, value)

    def close(self):
        """End the thread; nothing can be started afterwards."""
        self._closed = True
        self._go = False
        self.wait(PATIENCE)
        _alive.discard(self)

    def wait(self, seconds=None):
        """Wait until the thread has nothing more to do; return whether it has ended."""
        with self._lock:  # a thread that is being started cannot be waited for yet
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(seconds)
        return not thread.is_alive()

    @property
    def training(self):
        """Whether the network is being trained, or is about to be."""
        return self._go and not self._closed

    # The thread

    def _wake(self):
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="cnnlib training", daemon=True)
            self._thread.start()

    def _work(self):
        while True:
            with self._lock:
                if self._closed or not (self._go or self._stale):
                    self._thread = None
                    return
                stale, self._stale = self._stale, False
            self._attempt(self._advance, stale)
            if not self._attempt(self._tell):  # it was the listener that failed: let it say so
                self._attempt(self._tell)

    def _attempt(self, action, *args):
        """Do something; return whether it went well. The panel shows what went wrong: nobody sees a thread's errors."""
        try:
            action(*args)
            return True
        except DivergenceError as error:
            self._end("diverged", error)
        except Exception as error:
            self._end("failed", error)
        return False

    def _advance(self, stale):
        if stale:
            self._rebuild()
        if self._go:
            self._train()

    def _rebuild(self):
        self.trainer, self.error, self.state = None, None, "ready"
        with self._lock:
            settings = dict(self.settings)
            self._changes.clear()
        with borrowing, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.trainer = self.build(settings)
            self.trainer.load_state(self.trainer.state())  # from here on it draws random numbers of its own
        self.trainer.listeners.append(self._between)
        self._target = self.num_epochs

    def _train(self):
        if self.trainer is None:
            self._rebuild()
        trainer = self.trainer
        if trainer.epoch >= self._target:
            self._target = trainer.epoch + self.num_epochs
        self.state, self.error = "training", None
        self._apply(trainer)
        history = trainer.fit(self._target - trainer.epoch)
        with self._lock:  # a start or a reset since the last step goes on
            if history.ended == "finished" and not self._stale:
                self._end("finished")
            elif not self._go and not self._stale:
                self._end("paused")

    def _between(self, trainer):
        """Look between two steps for what has been asked for."""
        self._apply(trainer)
        if trainer.running and self._steps_left is not None:
            self._steps_left -= trainer.batch > 0
            if self._steps_left <= 0:
                self._go = False
        if not self._go or self._stale:
            trainer.stop()
        if trainer.running:
            self._tell()

    def _apply(self, trainer):
        with self._lock:
            changes, self._changes = self._changes, {}
        for name, (live, value) in changes.items():
            live(trainer, value)
            if name != "lr":  # the trainer marks that itself
                trainer.history.marks.append((trainer.step + 1, f"{name} {shown(value)}"))

    def _end(self, state, error=None):
        self._go = False
        self.state, self.error = state, error

    def _tell(self):
        if not self._closed:
            self.listener(self)


def shown(value):
    """Return a setting's value in the words of a chart: 'on', '0.4', 'ReLU'."""
    if isinstance(value, bool):
        return ("off", "on")[value]
    return f"{value:.3g}" if isinstance(value, float) else getattr(value, "__name__", str(value))
