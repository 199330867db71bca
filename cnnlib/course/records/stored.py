"""The runs that were recorded, kept as data in the library, for the chapters to show beside a reader's own."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from cnnlib.course.records.experiments import SIZES
from cnnlib.course.records.full import FULL
from cnnlib.course.records.laptop import LAPTOP
from cnnlib.course.records.run import MEAN, read
from cnnlib.page import storage
from cnnlib.page.escape import printable
from cnnlib.page.table import Table
from cnnlib.training.history import History
from cnnlib.training.tables import spread
from cnnlib.validation import Choice, Dict, arguments

FOLDER = Path(__file__).parent / "data"
EXPERIMENTS = (*LAPTOP, *FULL)
NAMED = {(e.size, e.name): e for e in EXPERIMENTS}
COMMON = ("settings", "hardware", "versions", "precision", "compiled", "processes")  # of runs that make one row


@dataclass(frozen=True)
class Recorded:
    """The runs of one experiment; shows itself as a table with one line on where it comes from.

    Attributes
    ----------
    title : str
    runs : list of dict
        The records, one a seed: see `records.run.run`.
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
        """Return the last number of each run that came to its end, in the order of the seeds."""
        return [run[quantity][-1] for run in self.runs if run["ended"] == "finished"]

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
            f"{first['versions']['torch']}: {first['epochs']} epochs, {rate}, {seeds}; "
            f"test accuracy chose nothing. `{first['command']}`"
        )

    def table(self):
        """Return the runs as a Table of one row, or of several where they ran on different machines."""
        return summary(self.runs)

    def _repr_markdown_(self):
        return f"{self.table()._repr_markdown_()}\n\n{self.provenance}"

    def __repr__(self):
        return printable(f"{self.table()!r}\n\n{self.provenance}")


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
    names = tuple(e.name for e in EXPERIMENTS if e.size == Choice(SIZES)(size, "size"))
    runs = load(size, Choice(names)(name, "name"))
    if not runs:
        command = "make records" if size == "laptop" else "make full"
        raise ValueError(f"nothing of {name!r} has been recorded. `{command} NAMES={name}` does so.")
    return Recorded(NAMED[size, name].title, runs)


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
        paths = sorted(folder.glob(f"{experiment.size}-{experiment.name}-*.json"))
        runs = [read(path) for path in paths if "-trial" not in path.stem]
        if any(run["settings"] != experiment.settings() for run in runs):
            raise ValueError(
                f"a run of {experiment.name} in {folder} has other settings than the library's list: with --toy, or "
                "before the list was changed. Move its file away."
            )
        if runs:
            runs.sort(key=lambda run: (run["precision"], run["processes"], run["seed"]))
            storage.replace(FOLDER / f"{experiment.size}-{experiment.name}.json", _packed(runs))
            records += runs
    if not records:
        raise ValueError(f"there are no runs in {folder}. Run them first: make records, or make full.")
    return records


def _packed(runs):
    """Return records as JSON bytes: what is the same in all stands once, and each run on a line of its own."""
    common = {key: value for key, value in runs[0].items() if all(run.get(key, runs) == value for run in runs)}
    rest = [{key: value for key, value in run.items() if key not in common} for run in runs]
    lines = ",\n".join(json.dumps(run, ensure_ascii=False) for run in rest)
    return f'{{"common": {json.dumps(common, ensure_ascii=False)},\n"runs": [\n{lines}\n]}}\n'.encode()


HEAD = ["network", "trained on", "precision", "epochs", "runs", "train loss", "test accuracy", "seconds an epoch"]


def summary(records):
    """Return a Table of runs: those that differ by the seed alone in a row, as mean ± standard deviation."""
    groups = {}
    for record in records:
        groups.setdefault(json.dumps([record[name] for name in COMMON], sort_keys=True), []).append(record)
    return Table(HEAD, [_row_of(group) for group in groups.values()], left=3)


def _row_of(group):
    first = group[0]
    where = first["hardware"] if first["processes"] == 1 else f"{first['processes']} × {first['hardware']}"
    whole = [run for run in group if run["ended"] == "finished"]
    runs = str(len(group)) if len(whole) == len(group) else f"{len(group)}, {len(group) - len(whole)} failed"
    seconds = "cpu_seconds" if first["hardware"].startswith("CPU") else "seconds"
    return [
        NAMED[first["settings"]["size"], first["settings"]["name"]].title,
        where,
        first["precision"] + ", compiled" * first["compiled"],
        str(first["settings"]["epochs"]),
        runs,
        spread([run["train_loss"][-1] for run in whole]),
        spread([run["test_acc"][-1] for run in whole]),
        spread([run[seconds] / len(run["test_acc"]) for run in whole]),
    ]


@dataclass(frozen=True)
class FullResults:
    """Shows itself as a table, below a sentence where there is something to say."""

    table: Table | None
    note: str = ""

    def _repr_markdown_(self):
        return "\n\n".join(filter(None, [self.note, self.table and self.table._repr_markdown_()]))

    def __repr__(self):
        return printable("\n\n".join(filter(None, [self.note, self.table and repr(self.table)])))


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
        f"Have you a GPU? `make full NAMES={chapter}` trains this chapter's networks at the size of the book "
        f"({', '.join(e.title for e in there)}) with three seeds each, and `make collect` sets what they reach here, "
        "below your own run."
    )
    return FullResults(None, note)


def _row_here(name, runs):
    if not runs or not all(isinstance(run, History) for run in runs):
        raise TypeError(f"here must be a dict from names to histories, as `train` returns them, got {runs!r}.")
    ended = [run for run in runs if run.train_loss]
    return [
        name,
        runs[0].settings.get("device", "–"),
        runs[0].settings.get("precision", "float32"),
        str(len(runs[0].epoch_ends)),
        str(len(runs)),
        spread([run.train_loss[-1] for run in ended]),
        spread([run.test_acc[-1] for run in ended if run.test_acc]),
        spread([run.seconds / len(run.epoch_ends) for run in ended]),
    ]
