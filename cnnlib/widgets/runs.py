"""The runs of a playground side by side: which are kept, what they are called, which of them the chart shows."""

import math
from dataclasses import dataclass, field, replace

from cnnlib.figures.style import COLOURS, EARLIER, FAINT
from cnnlib.page.escape import one_line
from cnnlib.training.history import History
from cnnlib.widgets.moments import ROOM
from cnnlib.widgets.runs_page import RunsPage

SHOWN = 6  # of the runs that are over, so many of the latest are on the chart unless the reader says otherwise
MOST = 30  # runs that are kept; of more, the oldest are forgotten
LONGEST = 40  # characters of a run's name
CONTROLS = 60  # settings of a run that is loaded
LARGEST = 20 * 2**20  # bytes of a file to load


@dataclass(eq=False)
class Run:
    """One run: its record, and what tells it from others.

    Attributes
    ----------
    settings : dict of str to str
        Each control's value, as the page says it.
    moments : list
        The points to go back to; none for a run that was loaded.
    """

    name: str
    history: History
    settings: dict
    colour: str
    moments: list = field(default_factory=list, repr=False)
    shown: bool = True

    def record(self):
        """Return the history with the run's name and settings noted in it, as it goes to a file."""
        names = ("loss", "lr", "correct", "size")
        steps = min(len(getattr(self.history, name)) for name in names)  # a run that goes on is just adding a step
        columns = {name: getattr(self.history, name)[:steps] for name in names}
        settings = {**self.history.settings, "run": self.name, "controls": self.settings}
        return replace(self.history, **columns, settings=settings)


class RunBook(RunsPage):
    """The list of runs, and the part of the page that shows it.

    The latest 30 runs are kept. All earlier runs together may keep 256 MB of states to go back to; then the oldest of
    them can only be looked at.

    Parameters
    ----------
    changed : callable
        `changed()` is called when the chart is to be drawn anew.
    fork : callable
        `fork(run, moment)`: the reader wants to go on from there.
    mark : callable
        `mark(label)`: the reader wants to be able to come back to the present point.
    """

    def __init__(self, changed, fork, mark):
        self._changed, self._fork, self._mark = changed, fork, mark
        self.runs, self.current = [], None
        self._count = 0
        self._build_page()

    def begin(self, history, settings, moments):
        """Begin a new run, which is the current one from now on."""
        self._count += 1
        self.current = Run(f"run {self._count}", history, settings, COLOURS[0], moments)
        self.runs.append(self.current)
        self._forget()
        self.refresh()

    def archive(self, keep):
        """Let the current run become one of the earlier ones, or forget it."""
        run, self.current = self.current, None
        if run is not None and keep:
            self._paint(run)
        elif run is not None:
            self.runs.remove(run)
            self._count -= 1

    def take_over(self, before, moment):
        """Keep the runs of another book, off the chart; `moment` is where its current one can be gone on from.

        Returns
        -------
        bool
            Whether there were any.
        """
        for run in before.runs:
            if run is before.current and moment is None:
                continue
            run.moments = [moment] if run is before.current else []  # states take room
            run.shown, run.colour = False, self._free_colour(self.runs)
            self.runs.append(run)
        self._forget()
        self._count = before._count - (before.current is not None and moment is None)
        self.refresh()
        return bool(self.runs)

    def _forget(self):
        """Forget the oldest runs, and the states of old ones, beyond what may be kept."""
        surplus = self.earlier[: max(0, len(self.runs) - MOST)]
        self.runs = [run for run in self.runs if run not in surplus]
        taken = 0
        for run in reversed(self.earlier):
            taken += sum(moment.bytes for moment in run.moments)
            if taken > ROOM:
                run.moments = [moment for moment in run.moments if moment.state is None]

    def _paint(self, run):
        """Give an earlier run a colour that the chart does not show yet, if there is one; hide the oldest."""
        others = [other for other in self.earlier if other is not run]
        run.colour = self._free_colour(others)
        for other in [other for other in others if other.shown][: -(SHOWN - 1)]:
            other.shown = False

    def _free_colour(self, others):
        used = [other.colour for other in others if other.shown]
        return min(EARLIER, key=lambda colour: (used.count(colour), EARLIER.index(colour)))

    @property
    def earlier(self):
        """The runs beside the current one, oldest first."""
        return [run for run in self.runs if run is not self.current]

    def rename(self, run, name):
        """Give a run another name."""
        name = one_line(name)[:LONGEST]
        if name:
            run.name = name
        self._change()

    def show(self, run, shown):
        """Show a run on the chart, or hide it."""
        if shown and not run.shown and run is not self.current:
            if run.colour in [other.colour for other in self.earlier if other.shown]:
                run.colour = self._free_colour(self.earlier)
        run.shown = bool(shown)
        self._change()

    def load(self, text, name="this file"):
        """Add a run from a file that the page exported, its JSON as text or bytes.

        Raises
        ------
        ValueError
            If it is no such file, is damaged, too large, or holds no step.
        """
        if len(text) > LARGEST:
            raise ValueError(f"{name} has {len(text):,} bytes; a run has at most {LARGEST:,}. Is it the right file?")
        history = History.from_json(text, name)
        if not history.steps:
            raise ValueError(f"{name} holds a run without a single step: there is nothing to show.")
        batches = history.settings.get("num_batches", 1)
        sound = type(batches) is int and batches > 0 and min(history.size) > 0 and all(map(math.isfinite, history.loss))
        if not sound or len(history.test_acc) > len(history.epoch_ends):
            raise ValueError(f"{name} is damaged: its numbers do not fit each other. Save the run again.")
        controls = history.settings.get("controls")
        controls = controls if isinstance(controls, dict) else {}
        if len(controls) > CONTROLS:
            raise ValueError(f"{name} has {len(controls):,} settings; a run has at most {CONTROLS}. Save it again.")
        controls = {one_line(k, LONGEST): one_line(v, LONGEST) for k, v in controls.items()}
        self._count += 1
        label = one_line(history.settings.get("run") or "")[:LONGEST] or f"run {self._count}"
        run = Run(label, history, controls, FAINT)
        self.runs.append(run)
        self._forget()
        self._paint(run)
        self._change()
        return run

    def let_go(self):
        """Forget all runs, once the panel is closed."""
        self.runs, self.current = [], None
        self.refresh()
