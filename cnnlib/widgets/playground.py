"""The playground: a network that the reader builds, trains and changes with controls, while everything shows live.

It trains in a thread of its own, so it works on every page and kernel that shows widgets, and no cell has to wait.
Training starts only by its button. Every change leaves a mark, and every mark can be gone back to. Where no kernel
answers, the page shows the picture that it left.
"""

import math
import threading
from types import SimpleNamespace

import ipywidgets

from cnnlib.datasets.batches import PLACE
from cnnlib.machine.clock import Throttle
from cnnlib.machine.device import try_gpu
from cnnlib.machine.memory import returning_freed_memory
from cnnlib.machine.rng import forked_rng
from cnnlib.page.escape import printable
from cnnlib.training.loop import Trainer
from cnnlib.validation import Callable, Count, List, Rate, Text, arguments
from cnnlib.widgets.answering import answer_in_subshell
from cnnlib.widgets.background import random_lock
from cnnlib.widgets.controls import Control, rate_control
from cnnlib.widgets.current_run import replace_current_run
from cnnlib.widgets.display import close_tree
from cnnlib.widgets.live_controls import FRAME_EVERY
from cnnlib.widgets.moments import Moment
from cnnlib.widgets.panel_display import RUNS, PanelDisplay
from cnnlib.widgets.panel_page import PanelPage
from cnnlib.widgets.panel_return import CODE, PanelReturn
from cnnlib.widgets.run_chart import RunChart
from cnnlib.widgets.runner import Runner
from cnnlib.widgets.runs import RunBook
from cnnlib.widgets.view import View

SHARE = 0.03  # the part of the time that drawing takes: views that look into the network are dear
AWAY = 2.0  # seconds that a panel may be off the page, as while the page is laid out anew, before it rests

_open = {}  # name: the playground that the cell of that name last made


class Playground(PanelDisplay, PanelReturn):
    """Controls, a chart and further views of a network in training.

    Parameters
    ----------
    name : str
        A cell that makes a playground of the same name again ends the one before and takes over its runs: they are in
        the list, off the chart, and the last one can be gone on with. `last_run()` shows a panel again as it is.
    build : callable
        `build(s)` returns a new network for the settings `s`, which has one attribute for each control.
    data : callable
        `data(s)` returns `(train_iter, test_iter)`.
    controls : sequence of Control
        Beside the learning rate, which is always there. The first four are in view, the others under a button.
    lr : float
        The learning rate at the start.
    num_epochs : int
        After how many epochs a run rests; Start goes on for as many more.
    optimizer, loss, correct : callable
        As for Trainer.
    views : sequence of View
        What to show below the chart.
    preview : int
        Where nobody can press Start, train so many steps, so that the page has a picture to show.
    seed : int
    """

    def __init__(
        self, name, build, data, controls=(), *, lr, num_epochs=5, optimizer=None, loss=None, correct=None, views=(),
        preview=0, seed=0,
    ):  # fmt: skip
        names = ["lr", *(control.name for control in controls)]
        if twice := [each for each in names if names.count(each) > 1]:
            raise ValueError(f"each control must have a name of its own, got {twice[0]!r} twice.")
        before = _open.pop(name, None)
        if before is not None:
            before._end()
        self.name, self.views, self.preview = name, tuple(views), preview
        self._build, self._data = build, data
        options = {"optimizer": optimizer, "loss": loss, "correct": correct}
        self._options = {name: option for name, option in options.items() if option is not None}
        self.controls = (rate_control(lr), *controls)
        settings = {control.name: control.default for control in self.controls}
        say = {control.name: control.say for control in self.controls}
        self.runner = Runner(self._make, settings, num_epochs, self._listen, seed, lambda name, value: say[name](value))
        self._pen = threading.RLock()  # a cell may ask for the picture while the thread draws
        self._told = self._followed = 0.0  # when the status line was written, and the table of runs
        self.throttle = Throttle(SHARE, FRAME_EVERY)
        self._run = None  # the trainer whose run the chart shows
        self._handles, self._rest = [], "ready"
        self._cover = None  # an empty widget: what a live page shows of the picture that stays
        self._proposed = None  # the moment that the page offers to go back to
        self._quiet = False  # while the controls are being set to what a mark had
        self._closed = False
        self.chart = RunChart(1, num_epochs)
        self.book = RunBook(self._redraw, self.fork, self.runner.mark)
        self._build_page()
        _open[name] = self
        if before is not None:
            self._take_over(before)

    def _take_over(self, before):
        """Keep the runs of the panel whose place this one takes, and the point that the last of them had reached."""
        runner, trainer, moment = before.runner, before.runner.trainer, None
        if trainer is not None and trainer.step and not trainer.running:
            settings, events = dict(runner.settings), tuple(runner.events)
            label = "the cell was run again"
            moment = Moment(trainer.step, label, settings, runner.base, events, trainer.state(), asked=True)
        if self.book.take_over(before.book, moment):
            self.status.value = (
                "Ready. Press Start. What was trained before this cell was run again is kept: <i>Runs</i> goes on "
                "from where it was."
            )
        replace_current_run(before, self)
        before.close()

    @property
    def history(self):
        """The record of the present run, a History; None before the first one."""
        return None if self._run is None else self._run.history

    def _make(self, settings):
        s = SimpleNamespace(**settings)
        train_iter, test_iter = self._data(s)
        return Trainer(self._build(s), train_iter, test_iter, s.lr, **self._options)

    # The page

    def _build_page(self):
        self.listing = ipywidgets.HTML()
        self.listing.add_class("cnnlib-code")
        self._titled = {}  # title of its tab: view
        for view in self.views:
            again = sum(title.partition(" ")[0] == view.title for title in self._titled)
            self._titled[f"{view.title} {again + 1}" if again else view.title] = view
        tabs = {title: view.widget for title, view in self._titled.items()}
        tabs |= {RUNS: self.book.widget, CODE: self.listing}
        self.page = PanelPage(self.controls, self.chart.chart, tabs, self.set, self._offer_mark, self._turned)
        self.inputs, self.status, self.box = self.page.inputs, self.page.status, self.page.box
        self.page.start.on_click(lambda button: self._start_or_pause())
        self.page.step.on_click(lambda button: self.runner.start(steps=1))
        self.page.stop.on_click(lambda button: self.runner.stop())
        self.page.reset.on_click(lambda button: self.runner.reset())
        self.page.offer.on_click(lambda button: self._accept())
        self.page.grey(self.controls, self.settings)
        self.box._view_count = 0  # asks the page to keep count: with nobody looking, nothing need run
        self.box.observe(self._looked_at, "_view_count")
        answer_in_subshell(self.box)
        for view in self.views:
            view.settle(self)

    def _start_or_pause(self):
        self.runner.pause() if self.runner.training else self.runner.start()
        self.page.say_running(self.runner.training)

    def _turned(self):
        """Fill the tab that was turned to."""
        if self.page.turned_to == RUNS:
            self.book.write_table()
        elif self.page.turned_to == CODE:
            self._write_code()
        else:
            self.runner.look()

    def _looked_at(self, change):
        if not change["new"] and change["old"]:
            timer = threading.Timer(AWAY, self._rest_unseen)
            timer.daemon = True
            timer.start()

    def _rest_unseen(self):
        with self._pen:
            if not self._closed and not self.box._view_count:
                self.runner.pause()

    def set(self, name, value):
        """Change a setting, as its control does."""
        self._check_open()
        control = next((control for control in self.controls if control.name == name), None)
        if control is None:
            raise ValueError(f"there is no control {name!r} here, only {', '.join(self.runner.settings)}.")
        if control.check is not None:
            control.check(value)
        if self._quiet or value == self.runner.settings[name]:
            return
        if name == "lr" and math.isclose(value, self.runner.settings["lr"], rel_tol=1e-6):
            return  # the page rounds what it is shown
        self.runner.set(name, value, control.live)
        self.throttle.steered()
        self.page.grey(self.controls, self.settings)
        if control.live is None:  # the network is another one
            for view in self.views:
                view.settle(self)

    @property
    def settings(self):
        """The settings as they stand: one attribute for each control."""
        self._check_open()
        return SimpleNamespace(**self.runner.settings)

    def build(self):
        """Return a new network for the settings as they stand; everybody's random numbers stay as they are."""
        self._check_open()
        with random_lock, forked_rng(try_gpu()):
            return self._build(self.settings)

    def close(self):
        """End the training, take the controls off the page, and let go of everything but the record, `history`.

        IPython keeps what a cell has shown (`Out`), so a panel whose cell is run again is never thrown away itself; but
        its networks, data, pictures and controls are.
        """
        if self._closed:
            return
        self._end()
        if _open.get(self.name) is self:
            del _open[self.name]
        with self._pen, returning_freed_memory():
            self._closed = True
            self.runner.let_go()
            self.book.let_go()
            self._run = SimpleNamespace(history=self.history)
            self._build = self._data = self.runner = self.book = self.chart = self.page = self.box = None
            self.status = self.listing = self._cover = self._proposed = None
            self.views, self.controls, self.inputs, self._handles = (), (), {}, []
            self._options, self._titled = {}, {}

    def _end(self):
        """End the training and take the controls off the page."""
        self.runner.close()
        close_tree(self.box, *[view.widget for view in self.views], *([self._cover] if self._cover else []))

    def _check_open(self):
        if self._closed:
            raise RuntimeError(f"the panel {self.name!r} is closed: only its `history` is left. Run its cell again.")

    def __repr__(self):
        return printable(f"Playground {self.name!r}: {'closed' if self._closed else self.runner.state}")


arguments(
    name=Text(), build=Callable("It is called as build(s) and returns a network."),
    data=Callable("It is called as data(s) and returns (train_iter, test_iter)."), controls=List(Control, 0), lr=Rate(),
    num_epochs=Count(), optimizer=Callable(), loss=Callable(), correct=Callable(), views=List(View, 0),
    preview=Count(least=0), seed=PLACE,
)(Playground)  # fmt: skip
