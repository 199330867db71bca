"""Going on after a divergence, going back to a mark, and the code of a run."""

import html
import math
from types import SimpleNamespace

from traitlets import TraitError

from cnnlib.page.announce import alert
from cnnlib.training.guard import DivergenceError
from cnnlib.validation import in_words
from cnnlib.widgets.controls import shown
from cnnlib.widgets.listing import write_listing
from cnnlib.widgets.moments import CLOSE, Moment

CODE = "Code"  # a tab that every panel has


class PanelReturn:
    """The part of a Playground that offers other ways on, and takes them."""

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
