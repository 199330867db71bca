"""What the full-size runs came to, kept as data in the library, for the chapters to show beside a reader's own."""

import json
from dataclasses import dataclass
from pathlib import Path

from cnnlib.course.full import series
from cnnlib.course.full.experiments import EXPERIMENTS
from cnnlib.page import storage
from cnnlib.page.escape import printable
from cnnlib.page.table import Table
from cnnlib.training.history import History, spread
from cnnlib.validation import Choice, Dict, arguments

FILE = Path(__file__).parents[1] / "full_results.json"
NAME, FORMAT = "cnnlib full results", 1


@dataclass(frozen=True)
class FullResults:
    """Shows itself as a table, below a sentence where there is something to say."""

    table: Table | None
    note: str = ""

    def _repr_markdown_(self):
        return "\n\n".join(filter(None, [self.note, self.table and self.table._repr_markdown_()]))

    def __repr__(self):
        return printable("\n\n".join(filter(None, [self.note, self.table and repr(self.table)])))


@arguments(chapter=Choice(tuple(dict.fromkeys(e.chapter for e in EXPERIMENTS))), here=Dict(History | list | tuple))
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
    rows = [_row(name, [runs] if isinstance(runs, History) else list(runs)) for name, runs in (here or {}).items()]
    records = [record for record in load() if record["settings"]["chapter"] == chapter]
    if records:
        return FullResults(Table(series.HEAD, [*rows, *series.summary(records).rows], left=3))
    titles = ", ".join(e.title for e in EXPERIMENTS if e.chapter == chapter)
    note = (
        f"Have you a GPU? `make full NAMES={chapter}` trains this chapter's networks at the size of the book "
        f"({titles}) with three seeds each, and `python -m cnnlib.course.full --collect` sets what they reach "
        "here, below your own run."
    )
    return FullResults(None, note)


def _row(name, runs):
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


def load():
    """Return the stored runs, a list of dict; an empty one if nothing has been stored."""
    if not FILE.exists():
        return []
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    if not isinstance(kept, dict) or kept.get(NAME) != FORMAT:
        raise ValueError(f"{FILE} holds something else than the results of full-size runs. Store them again.")
    return kept["runs"]


def collect(folder):
    """Store the runs of a folder in the library, in place of those that are stored there.

    Returns
    -------
    list of dict
        The runs.

    Raises
    ------
    ValueError
        If there are none, one of the files is something else, or a run is not at full size.
    """
    records = [series.read(path) for path in sorted(storage.file_path(folder, "folder").glob("*.json"))]
    if not records:
        raise ValueError(f"there are no runs in {folder}. Run them first: make full.")
    known = {experiment.name: experiment.settings() for experiment in EXPERIMENTS}
    for record in records:
        settings = record["settings"]
        if settings != known.get(settings["name"]):
            raise ValueError(
                f"a run of {settings['name']} in {folder} has other settings than the library's list: with --toy, or "
                "before the list was changed. Move its file away."
            )
    order = list(known)
    records.sort(key=lambda r: (order.index(r["settings"]["name"]), r["precision"], r["processes"], r["seed"]))
    storage.replace(FILE, storage.as_json({NAME: FORMAT, "runs": records}))
    return records
