"""Training in the background, steered from any thread.

Whoever calls a method of `Runner` only sets flags and values; the thread of `Background` reads them between two steps.
It alone touches the network.
"""

from cnnlib.machine.device import try_gpu
from cnnlib.machine.faults import release_memory
from cnnlib.machine.rng import forked_rng
from cnnlib.widgets.background import Background, pause_all, random_lock
from cnnlib.widgets.controls import shown
from cnnlib.widgets.moments import Moment, with_moment


class Runner(Background):
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
    words : callable
        `words(name, value)` returns what a mark on the chart says of a setting that was changed to a value.

    Attributes
    ----------
    trainer : Trainer or None
    state : str
        'ready', 'training', 'paused', 'stopped', 'finished', 'diverged', 'out of memory' or 'failed'.
    error : Exception or None
        What went wrong, if the state is one of the last three.
    base, events : dict, list of (step, name, value)
        The settings that the network was built with, and what was changed in it since.
    moments : list of Moment
        The points of this run to go back to: its start, and every change.
    """

    def __init__(
        self, build, settings, num_epochs, listener, seed=0, words=lambda name, value: f"{name} {shown(value)}"
    ):
        super().__init__()
        self.build, self.settings, self.num_epochs, self.listener = build, dict(settings), num_epochs, listener
        self.seed, self.words = seed, words
        self.trainer = None
        self._stale = True  # a network is to be built
        self._ending = False  # the run is over for good
        self._steps_left = None  # of a run that only goes some steps
        self._changes = {}  # name: (function, value), for the running network
        self._looked_for = False  # whether the listener is to be called once, at rest as well
        self._asked = []  # labels of moments that somebody wants to keep
        self._moved = {}  # name: value, of settings that a new network was built for
        self._origin = None  # the moment to go on from, instead of from the start
        self.base, self.events, self.moments = dict(settings), [], []

    # Commands, from any thread

    def start(self, steps=None):
        """Train, or go on training; with `steps`, only so many."""
        pause_all(but=self)
        with self._lock:
            self._go, self._steps_left = True, steps
            if self.state in ("failed", "stopped") or self._ending:
                self._stale = True
            self._wake()

    def stop(self):
        """End the run after the present step; another start begins a new one."""
        with self._lock:
            self._go = False
            if self.trainer is None and self._thread is None:
                return
            self._ending = True
            self._wake()

    def reset(self):
        """Throw the network away and build a new one from the settings; go on if it was training."""
        with self._lock:
            self._stale = True
            self._wake()

    def mark(self, label):
        """Keep the present point of the run, to go back to."""
        with self._lock:
            if self.trainer is None and self._thread is None:
                return
            self._asked.append(label)
            self._wake()

    def look(self):
        """Have the listener called soon, also if nothing is trained."""
        with self._lock:
            if self.trainer is not None and not self._go:
                self._looked_for = True
                self._wake()

    def fork(self, moment):
        """Go back to a moment, of this run or another, and go on from there; go on training if it was training."""
        with self._lock:
            self.settings = dict(moment.settings)
            self._changes.clear()
            self._moved.clear()
            self._origin, self._stale = moment, True
            self._wake()

    def set(self, name, value, live=None):
        """Change a setting: in the running network by `live(trainer, value)`, or without it by a new network."""
        with self._lock:
            self.settings[name] = value
            if live is None:
                self._stale, self._origin = True, None
                if self.trainer is not None and self.trainer.step:
                    self._moved[name] = value
                self._wake()
            else:
                self._changes[name] = (live, value)

    def let_go(self):
        """Forget the network, its data and all moments, once closed."""
        self.trainer = self.error = self._origin = None
        self.moments, self._changes = [], {}

    # The thread

    def _has_work(self):
        return self._go or self._stale or self._ending or self._asked or self._looked_for

    def _do(self):
        self._attempt(self._advance)
        if not self._attempt(self._tell):  # it was the listener that failed: let it say so
            self._attempt(self._tell)

    def _run_out(self, error):
        """Keep the network and its record, if there is one, so that Start can try again."""
        if self.trainer is not None:
            release_memory(self.trainer.device)
        self._end("failed" if self.trainer is None else "out of memory", error)

    def _advance(self):
        with self._lock:
            ending, stale = self._ending, self._stale
            self._ending = self._stale = self._looked_for = False
        if ending and not stale and self.trainer is not None:
            self._end("stopped")
            return
        if stale:
            self._rebuild()
            self._tell()  # before its first step
        if self._go:
            self._train()
        elif self.trainer is not None:
            self._keep_asked(self.trainer)
        self._asked.clear()

    def _rebuild(self):
        before, self.trainer, self.error, self.state = self.moments, None, None, "ready"
        with self._lock:
            origin, self._origin = self._origin, None
            moved, self._moved = self._moved, {}
            settings = dict(self.settings if origin is None else origin.settings)
            if origin is None:
                self._changes.clear()
        with random_lock, forked_rng(try_gpu(), self.seed):
            trainer = self.build(settings)
            # from here on it draws random numbers of its own
            trainer.load_state(trainer.state() if origin is None or origin.state is None else origin.state)
        if origin is None:
            self.base, self.events = settings, []
            self.moments = [Moment(0, "start", settings, settings)]
        else:
            self.base, self.events = dict(origin.base), list(origin.events)
            self.moments = before[: before.index(origin) + 1] if origin in before else [origin]
        for name, value in moved.items():
            trainer.history.marks.append((1, self.words(name, value)))
        trainer.listeners.append(self._between)
        self._target = self.num_epochs
        self.trainer = trainer  # whole, as whoever looks at it may expect

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
            elif not self._go and not self._stale and not self._ending:
                self._end("paused")

    def _between(self, trainer):
        """Look between two steps for what has been asked for."""
        self._apply(trainer)
        with self._lock:
            left = self._steps_left
            if trainer.running and left is not None and not self._stale:
                self._steps_left = left = left - (trainer.batch > 0)
                if left <= 0:
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
            self.events.append((trainer.step, name, value))
            if name != "lr":  # the trainer marks that itself
                trainer.history.marks.append((trainer.step + 1, self.words(name, value)))
        if changes and not trainer.step:
            self.moments = [Moment(0, "start", dict(self.settings), self.base, tuple(self.events))]
        if changes and trainer.step:
            self._keep(trainer, ", ".join(self.words(name, value) for name, (_, value) in changes.items()))
        self._keep_asked(trainer)

    def _keep_asked(self, trainer):
        with self._lock:
            asked = list(self._asked)
            self._asked.clear()
        for label in asked:
            trainer.history.marks.append((trainer.step + 1, label))
            self._keep(trainer, label, asked=True)

    def _keep(self, trainer, label, asked=False):
        """Keep the present point of the run."""
        with self._lock:
            settings = dict(self.settings)
        moment = Moment(trainer.step, label, settings, self.base, tuple(self.events), trainer.state(), asked)
        self.moments = with_moment(self.moments, moment)

    def _tell(self):
        if not self._closed:
            self.listener(self)
