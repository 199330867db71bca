"""The playground: a network that the reader builds, trains and changes with controls, while everything shows live.

It trains in a thread of its own, so it works on every page and kernel that shows widgets, and no cell has to wait.
Training starts only by its button. Every change leaves a mark, and every mark can be gone back to. Where no kernel
answers, the page shows the picture that it left.
"""

import html
import math
import threading
import time
from types import SimpleNamespace

import ipywidgets
from IPython.display import display
from traitlets import TraitError

from cnnlib.datasets.batches import PLACE
from cnnlib.figures.picture import Sheet
from cnnlib.machine.clock import Throttle
from cnnlib.machine.device import describe_device, try_gpu
from cnnlib.machine.memory import returning_freed_memory
from cnnlib.machine.rng import forked_rng
from cnnlib.page.announce import ALERT, alert
from cnnlib.page.escape import html_text, printable
from cnnlib.page.frontend import is_live, kernel
from cnnlib.training.errors import DivergenceError
from cnnlib.training.loop import Trainer
from cnnlib.validation import Callable, Count, List, Rate, Text, arguments, in_words
from cnnlib.widgets.controls import Control, shown
from cnnlib.widgets.current_run import replace_current_run, set_current_run
from cnnlib.widgets.display import close_tree, widget_bundle
from cnnlib.widgets.listing import write_listing
from cnnlib.widgets.live import FRAME_EVERY, LR, STATUS_EVERY, lr_slider
from cnnlib.widgets.panel_page import FIRST, PanelPage
from cnnlib.widgets.run_chart import RunChart
from cnnlib.widgets.runner import CLOSE, Moment, Runner, random_lock
from cnnlib.widgets.runs import RunBook
from cnnlib.widgets.subshells import answer_in_subshell

SHARE = 0.03  # the part of the time that drawing takes: views that look into the network are dear
RUNS, CODE = "Runs", "Code"  # tabs that every panel has
AWAY = 2.0  # seconds that a panel may be off the page, as while the page is laid out anew, before it rests

_open = {}  # name: the playground that the cell of that name last made


class Playground:
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
        names = ["lr"]
        for control in controls:
            if control.name in names:
                raise ValueError(f"each control must have a name of its own, got {control.name!r} twice.")
            names.append(control.name)
        before = _open.pop(name, None)
        if before is not None:
            before._end()
        self.name, self.views, self.preview = name, tuple(views), preview
        self._build, self._data = build, data
        options = {"optimizer": optimizer, "loss": loss, "correct": correct}
        self._options = {name: option for name, option in options.items() if option is not None}
        rate = Control("lr", lr, lambda: lr_slider(lr), _set_lr, check=Rate(), label=LR)
        self.controls = (rate, *controls)
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
        if self.runner.training:
            self.runner.pause()
        else:
            self.runner.start()
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

    # What the thread shows

    def _listen(self, runner):
        with self._pen:
            if not self._closed:
                self._show(runner)

    def _show(self, runner):
        trainer, now = runner.trainer, time.perf_counter()
        resting = runner.state != "training"
        if not resting:
            set_current_run(self)
        in_front = self.page.script.in_front
        due = (in_front or self.throttle.watched) and self.throttle.due(self._has_news(trainer))
        if due or resting or (now - self._told > STATUS_EVERY and in_front):
            self._told = now
            self.status.value = self._line(runner)  # before anything is drawn: if that fails, this says so
            self.page.say_running(runner.training)
            self._offer_slower(runner)
        if trainer is not self._run and trainer is not None:
            self._begin(trainer)
            due = False
        if (due or resting) and trainer is not None:
            with self.throttle.frame():
                self.chart.update(trainer.history, all=resting)
                self.page.chart.update()
                if runner.state not in ("failed", "out of memory"):  # perhaps because of a view
                    self._show_views(trainer, all=resting)
        if resting or now - self._followed > STATUS_EVERY:
            self._followed = now
            self._follow_run(trainer)
        if trainer is not None and self.book.current and self.book.current.moments is not runner.moments:
            self.book.current.moments = runner.moments
            self._follow_run(trainer)
            self.book.refresh()
        if resting and runner.state != self._rest:
            self._rest = runner.state
            if runner.state != "ready":
                self.book.refresh()
                self._write_code()
                self._leave_picture()
        elif not resting:
            self._rest = "training"

    def _has_news(self, trainer):
        """Return whether the chart lacks something that a control did."""
        return trainer is self._run is not None and self.chart.unseen(trainer.history)

    def _show_views(self, trainer, all):
        """Have the view whose tab is in front look at the network, or all of them."""
        with random_lock:
            for title, view in self._titled.items():
                if all or title == self.page.turned_to:
                    view.show(trainer)

    def _follow_run(self, trainer):
        """Have the table of runs say how the present one stands: its steps, and its settings as they are now."""
        if trainer is self._run is not None and self.book.current is not None:
            self.book.current.settings = self._settings_in_words()
            if self.page.turned_to == RUNS:
                self.book.write_table()

    def _begin(self, trainer):
        """Put an empty chart in place for a new network; earlier runs stay as thin lines."""
        before = self._run
        self.book.archive(before is not None and before.history.steps > before.num_batches // 10)
        self._run = trainer
        self.book.begin(trainer.history, self._settings_in_words(), self.runner.moments)
        self._new_chart()
        self.throttle.drawn = time.perf_counter()  # but not paid for: it happens once
        self._write_code()
        with random_lock:
            for view in self.views:
                view.begin(trainer)

    def _settings_in_words(self):
        now, words = self.runner.settings, {}
        for control in self.controls:
            label = control.label if control.label and control.label not in words else control.name
            words[label] = control.label_of(now[control.name])
        return words

    def _new_chart(self):
        """Draw the axes and the earlier runs; the frames that follow are cheap."""
        self.chart = RunChart(self._run.num_batches if self._run else 1, self.runner.num_epochs)
        for run in self.book.earlier:
            if run.shown:
                self.chart.keep(run.history, run.colour, run.name)
        if self._run is not None:
            self.chart.update(self._run.history, all=self.runner.state != "training")
        self.page.chart.begin(self.chart.chart)

    def _redraw(self):
        """Follow what the reader did in the list of runs."""
        with self._pen:
            self._new_chart()
            if self.runner.state not in ("ready", "training"):
                self._leave_picture()

    # Going on, going back, and the code of a run

    def _offer_slower(self, runner):
        """After a divergence, offer to go on from before it, with a smaller rate."""
        if runner.state == "diverged":
            self._proposed = None
            rate = self._slower_rate
            self.page.propose(f"Go on with learning rate {rate:.2g}", "From before the loss rose, with a smaller rate")
        elif self._proposed is None:
            self.page.propose("")

    def _offer_mark(self, number):
        """Offer to go back to a mark that was clicked, which the chart counts from 0."""
        with self._pen:
            if self._run is None or number >= len(self.chart.chart.marks):
                return
            x, label = self.chart.chart.marks[number]
            step = round(x * self._run.num_batches)
            moment = min(self.runner.moments, key=lambda moment: abs(moment.step - step))
            self._proposed = moment if abs(moment.step - step) <= CLOSE else None
            if self._proposed is None:
                self.page.propose(f"This far back no weights were kept: {label}")
            else:
                self.page.propose(f"Go back to step {moment.step:,}: {moment.label}", "As a new run, from that mark on")

    def _accept(self):
        """Do what was offered."""
        moment, self._proposed = self._proposed, None
        if moment is None:
            self._go_on_slower()
        else:
            self.page.propose("")
            self.fork(self.book.current, moment)

    @property
    def _slower_rate(self):
        """A tenth of the rate that diverged, or less if the weights that are back did well at less."""
        return min(self.runner.error.lr, self.runner.trainer.safe_lr)

    def _go_on_slower(self):
        if not isinstance(self.runner.error, DivergenceError):  # the second click of two
            return
        slider, rate = self.inputs["lr"], self._slower_rate
        while math.log10(rate) < slider.min:
            slider.min -= 1  # a whole power of ten, so that the rate is on one of its steps
        slider.value = rate
        self.set("lr", rate)
        self.runner.start()

    def fork(self, run, moment):
        """Go back to a moment of a run and go on from there, as a new run; the controls go back as well."""
        self._check_open()
        if not isinstance(moment, Moment):
            raise TypeError(f"a moment must be one of run.moments, got {in_words(moment)}.")
        self._quiet = True
        try:
            for name, value in moment.settings.items():
                self.inputs[name].value = value
        except (KeyError, TraitError):  # a run of before the cell was changed and run again
            self.book.note.value = alert(
                f"This mark cannot be gone back to: the cell was changed since, and its controls do not take {name} "
                f"{shown(value)}."
            )
            return
        finally:
            self._quiet = False
        self.runner.fork(moment)
        self.page.grey(self.controls, self.settings)
        for view in self.views:
            view.settle(self)

    def code(self):
        """Return the lines of Python that repeat the present run: network, data, and every change at its step."""
        self._check_open()
        runner, trainer = self.runner, self._run
        lives = {control.name: control.live for control in self.controls if control.live}
        steps, num_batches = (trainer.history.steps, trainer.num_batches) if trainer else (0, 1)
        return write_listing(
            self._build, self._data, SimpleNamespace(**runner.base), list(runner.events), lives, steps=steps,
            num_batches=num_batches, seed=runner.seed, options=self._options,
        )  # fmt: skip

    def _write_code(self):
        if self.page.turned_to == CODE:
            self.listing.value = f"<pre tabindex='0'>{html.escape(self.code())}</pre>"

    def _line(self, runner):
        trainer = runner.trainer
        if runner.state == "failed":
            name, text = map(html_text, (type(runner.error).__name__, runner.error))
            return (
                f"<div role='alert' style='{ALERT}'><b>{name}</b>: {text}<br>Change a control "
                "and press Start; the cell's own code may have to be mended.</div>"
            )
        parameters = sum(p.numel() for p in trainer.net.parameters())
        history, p = trainer.history, trainer.progress
        parts = [runner.state, f"epoch {p.epoch:.1f}", f"step {p.step:,}"]
        if history.steps:
            parts.append(f"{history.examples_per_second:,.0f} examples/s")
        if trainer.running:
            parts.append(f"{p.seconds_left:.0f} s to go")
        parts += [f"{parameters:,} parameters", describe_device(trainer.device)]
        line = html.escape(" · ".join(parts))
        if runner.state == "diverged":
            said = str(runner.error).partition(" at step ")[0]
            line += (
                f"<br><b>{html_text(said[:1].upper() + said[1:])} at step {runner.error.step:,}. The weights are back "
                f"to those from before the loss rose: try a learning rate of {self._slower_rate:.2g}, then Start, or "
                "Reset.</b>"
            )
        if runner.state == "out of memory":
            line += alert(f"{runner.error} The run is kept: Start tries its next step again.")
        if trainer.objective.remark:
            line += alert(trainer.objective.remark)
        # what changes every second is not spoken; that it rests, and how it stands then, is
        role = "" if runner.state == "training" else " role='status'"
        return f"<div{role}>{line}</div>"

    # Static pictures

    def picture(self):
        """Return the chart and the views below it, as they stand, as a Picture."""
        self._check_open()
        runner = self.runner
        if runner.trainer is not None:
            now = runner.settings
            told = [c for i, c in enumerate(self.controls) if i <= FIRST or now[c.name] != c.default]
            settings = ", ".join(control.say(now[control.name]) for control in told)
            self.chart.chart.footer(f"{settings}. Run this cell in JupyterLab to train and change it.")
        chart = self.chart.chart.picture()
        drawings = [drawing for drawing in (view.static() for view in self.views) if drawing is not None]
        return Sheet([chart, *[drawing.picture() for drawing in drawings]], chart.text) if drawings else chart

    def _bundle(self):
        with self._pen:
            static, metadata = self.picture().bundle()
        return widget_bundle(self._cover or self.box, static), metadata

    def _leave_picture(self):
        for handle in self._handles:
            bundle, metadata = self._bundle()
            handle.update(bundle, raw=True, metadata=metadata)

    def _show_apart(self):
        """Show the panel in an output of its own, which is never updated: the picture gets another, with no panel.

        With each update of an output JupyterLab draws its widget anew. The drawing before it loses the reader's focus,
        and stays in the page's memory, out of sight.
        """
        display(widget_bundle(self.box, {"text/plain": ""}), raw=True)
        if self._cover is None:
            self._cover = ipywidgets.HTML(tooltip="", layout={"display": "none"})

    def _ipython_display_(self):
        if self._closed:
            text = f"{self!r}. Run its cell again, or last_run() for the panel that took its place."
            display({"text/plain": text}, raw=True)
            return
        if not is_live() and self.preview and self.runner.trainer is None:
            self.runner.start(steps=self.preview)
            self.runner.wait()
            if self.runner.state in ("failed", "out of memory"):
                raise self.runner.error
        if is_live():
            self._show_apart()
        bundle, metadata = self._bundle()
        handle = display(bundle, raw=True, metadata=metadata, display_id=True)
        if kernel() is not None:
            self._handles.append(handle)

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


class View:
    """Something that a panel shows below its chart, under a tab that `title` names.

    A subclass sets `widget` and overrides what it needs.
    """

    widget, title = None, "View"

    def settle(self, playground):
        """Follow the settings, in the thread of whoever moved a control: under 200 ms."""

    def begin(self, trainer):
        """Take note of a new network, in the thread that trains."""

    def show(self, trainer):
        """Look at the network between two steps, in the thread that trains; called as often as the chart is drawn."""

    def static(self):
        """Return what a page without a kernel shows, or None."""


arguments(
    name=Text(), build=Callable("It is called as build(s) and returns a network."),
    data=Callable("It is called as data(s) and returns (train_iter, test_iter)."), controls=List(Control, 0), lr=Rate(),
    num_epochs=Count(), optimizer=Callable(), loss=Callable(), correct=Callable(), views=List(View, 0),
    preview=Count(least=0), seed=PLACE,
)(Playground)  # fmt: skip


def _set_lr(trainer, value):
    trainer.lr = value
