"""The runs that were recorded, kept as data in the library, for the chapters to show beside a reader's own."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cnnlib.course.records.catalogue import EXPERIMENTS, FULL, NAMED
from cnnlib.course.records.experiments import SIZES
from cnnlib.course.records.record import COMMANDS, MEAN, SHIFTS, read
from cnnlib.page import storage
from cnnlib.page.escape import printable
from cnnlib.page.table import Table
from cnnlib.training.history import History
from cnnlib.training.tables import spread
from cnnlib.validation import Choice, Dict, arguments

FOLDER = Path(__file__).parent / "data"
COMMON = ("settings", "hardware", "versions", "precision", "compiled", "processes")  # of runs that make one row
HEAD = ["network", "trained on", "precision", "epochs", "runs", "train loss", "test accuracy", "seconds an epoch"]


@dataclass(frozen=True)
class Recorded:
    """The runs of one experiment; shows itself as a table with one line on where it comes from.

    Attributes
    ----------
    title : str
    runs : list of dict
        The records, one a seed: see `records.record`.
    """

    title: str
    runs: list = field(repr=False)

    def curve(self, quantity="loss"):
        """Return (steps, rows): the last step that each number stands for, and one list of numbers a seed.

        Parameters
        ----------
        quantity : str
            'loss', a mean over 20 steps, or 'train_loss', 'train_acc' or 'test_acc', one number an epoch.
        """
        rows, longest = [run[quantity] for run in self.runs], max(self.runs, key=lambda run: run["steps"])
        each = MEAN if quantity == "loss" else longest["steps"] // max(1, len(longest["train_loss"]))
        return [min(each * (i + 1), longest["steps"]) for i in range(max(map(len, rows)))], rows

    def last(self, quantity="test_acc"):
        """Return the last number of each run that came to its end, in the order of the seeds.

        Besides the quantities of `curve` there is 'fresh_acc', the test accuracy when batch normalisation's statistics
        were measured afresh, in large batches; a run that was not asked for it is left out.
        """
        return [run[quantity][-1] for run in self.runs if run["ended"] == "finished" and quantity in run]

    def when_shifted(self):
        """Return (pixels, rows): test accuracy when each picture is moved to the right by 0 to 4 of its 28 pixels.

        A row is a seed; there are none if that was not asked when the experiment was recorded.
        """
        asked = [run for run in self.runs if run["ended"] == "finished" and "shifted_acc" in run]
        return range(1 + len(SHIFTS)), [[run["test_acc"][-1], *run["shifted_acc"]] for run in asked]

    @property
    def provenance(self):
        """One line: when, on what, with which seeds and versions it was recorded, and the command that does it anew."""
        first = self.runs[0]
        seeds = f"seed{'s' * (len(self.runs) > 1)} {', '.join(str(run['seed']) for run in self.runs)}"
        rate = f"learning rate {first['rate']:g}"
        if first["trials"]:
            rate += f", the best of {', '.join(first['trials'])} by {first['settings']['chosen_by']}"
        return (
            f"Recorded {max(run['date'] for run in self.runs)} on {first['hardware']}, PyTorch "
            f"{first['versions']['torch']}: {first['epochs']} epochs, {rate}, {seeds}; test accuracy chose nothing. "
            f"`{first['command']}`"
        )

    def _repr_markdown_(self):
        return f"{summary(self.runs)._repr_markdown_()}\n\n{self.provenance}"

    def __repr__(self):
        return printable(f"{summary(self.runs)!r}\n\n{self.provenance}")


@arguments(name=Choice(tuple(dict.fromkeys(e.name for e in EXPERIMENTS))), size=Choice(SIZES))
def recorded(name, size="laptop"):
    """Return the recorded runs of an experiment.

    Parameters
    ----------
    name : str
        'plain56', say.
    size : str
        'laptop' or 'full'.

    Returns
    -------
    Recorded

    Raises
    ------
    ValueError
        If there is no such experiment, or nothing of it has been recorded.
    """
    runs = load(size, name)
    if not runs:
        raise ValueError(f"nothing of {name!r} has been recorded. `{COMMANDS[size]} NAMES={name}` does so.")
    return Recorded(NAMED[size, name].title, runs)


def recordings(*names, size="laptop"):
    """Return the recorded runs of several experiments by title, a dict; what has not been recorded yet is left out."""
    return {NAMED[size, name].title: recorded(name, size) for name in names if load(size, name)}


def load(size, name):
    """Return the stored records of an experiment, a list of dict; an empty one if there is none."""
    path = FOLDER / f"{size}-{name}.json"
    if not path.exists():
        return []
    kept = json.loads(path.read_text(encoding="utf-8"))
    return [{**kept["common"], **run} for run in kept["runs"]]


def collect(folder, experiments):
    """Store the complete runs of a folder in the library, in place of those of the same experiments.

    Returns
    -------
    list of dict
        The records, without trials.

    Raises
    ------
    ValueError
        If there are none, a file is something else, or a run was made with other settings than the library's list.
    """
    records = []
    for experiment in experiments:
        name = f"{experiment.size}-{experiment.name}"
        runs = [read(path) for path in sorted(folder.glob(f"{name}-*.json")) if "-trial" not in path.stem]
        if any(run["settings"] != experiment.settings() for run in runs):
            raise ValueError(
                f"a run of {experiment.name} in {folder} has other settings than the library's list: with --toy, or "
                "before the list was changed. Move its file away."
            )
        if runs:
            runs.sort(key=lambda run: (run["precision"], run["processes"], run["seed"]))
            storage.replace(FOLDER / f"{name}.json", _packed(runs))
            records += runs
    if not records:
        raise ValueError(f"there are no runs in {folder}. Run them first: {' or '.join(COMMANDS.values())}.")
    return records


def _packed(runs):
    """Return records as JSON bytes: what is the same in all stands once, and each run on a line of its own."""
    common = {key: value for key, value in runs[0].items() if all(run[key] == value for run in runs)}
    rest = [{key: value for key, value in run.items() if key not in common} for run in runs]
    lines = ",\n".join(json.dumps(run, ensure_ascii=False) for run in rest)
    return f'{{"common": {json.dumps(common, ensure_ascii=False)},\n"runs": [\n{lines}\n]}}\n'.encode()


def summary(records):
    """Return a Table of runs: those that differ by the seed alone in a row, as mean ± standard deviation."""
    groups = {}
    for record in records:
        groups.setdefault(json.dumps([record[name] for name in COMMON], sort_keys=True), []).append(record)
    return Table(HEAD, list(map(_recorded_row, groups.values())), left=3)


def _recorded_row(runs):
    first, settings = runs[0], runs[0]["settings"]
    where = first["hardware"] if first["processes"] == 1 else f"{first['processes']} × {first['hardware']}"
    how, clock = first["precision"] + ", compiled" * first["compiled"], "seconds"
    if first["hardware"].startswith("CPU"):  # where other programs ran as well
        clock = "cpu_seconds"
    whole = [run for run in runs if run["ended"] == "finished"]
    failed = f", {len(runs) - len(whole)} failed" * (len(whole) < len(runs))
    count = f"{len(runs)}{failed}"
    return _row(NAMED[settings["size"], settings["name"]].title, where, how, settings["epochs"], count, whole, clock)


def _row(title, where, how, epochs, count, runs, clock="seconds"):
    losses, accs = ([run[key][-1] for run in runs if run[key]] for key in ("train_loss", "test_acc"))
    seconds = [run[clock] / len(run["train_loss"]) for run in runs if run["train_loss"]]
    return [title, where, how, str(epochs), count, *map(spread, (losses, accs, seconds))]


@dataclass(frozen=True)
class FullResults:
    """Shows itself as a table, or as a sentence where there is none."""

    table: Table | None
    note: str = ""

    def _repr_markdown_(self):
        return self.table._repr_markdown_() if self.table else self.note

    def __repr__(self):
        return printable(repr(self.table) if self.table else self.note)


@arguments(chapter=Choice(tuple(dict.fromkeys(e.chapter for e in FULL))), here=Dict(History | list | tuple))
def full_results(chapter, here=None):
    """Return what a chapter's networks reached at full size, beside what was reached here.

    Parameters
    ----------
    chapter : str
        The name of its notebook: '02_alexnet'.
    here : dict of str to History or list of History, optional
        A name for each row that comes first; several histories in a row are the same set-up with several seeds.

    Returns
    -------
    FullResults
        A table; where nothing has been stored for the chapter, a note on how to run it.

    Raises
    ------
    TypeError
        If a list in `here` is empty, or holds something else than histories.
    """
    rows = [_row_here(name, [runs] if isinstance(runs, History) else list(runs)) for name, runs in (here or {}).items()]
    there = [e for e in FULL if e.chapter == chapter]
    records = [record for e in there for record in load(e.size, e.name)]
    if records:
        return FullResults(Table(HEAD, [*rows, *summary(records).rows], left=3))
    note = (
        f"Do you have a GPU? `make full NAMES={chapter}` trains this chapter's networks at the size of the book "
        f"({'; '.join(e.title for e in there)}) with three seeds each, and `make collect` sets what they reach here, "
        "below your own run."
    )
    return FullResults(None, note)


def _row_here(name, runs):
    if not runs or not all(isinstance(run, History) for run in runs):
        raise TypeError(f"here must be a dict from names to histories, as `train` returns them, got {runs!r}.")
    set_up, epochs = runs[0].settings, len(runs[0].epoch_ends)
    how = set_up.get("precision", "float32")
    return _row(name, set_up.get("device", "–"), how, epochs, str(len(runs)), list(map(asdict, runs)))
