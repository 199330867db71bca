"""Tables over runs: side by side, and the one that grows from chapter to chapter."""

import json
import statistics
from contextlib import suppress

from cnnlib.page.storage import file_path, replace
from cnnlib.page.table import Table
from cnnlib.training.history import History
from cnnlib.validation import Count, Kind, Like, Number, Text, arguments, in_words

HISTORY = Kind(History, "`train` returns one.")


@arguments(below=Number())
def compare(runs, *, below=None):
    """Put runs side by side.

    Parameters
    ----------
    runs : dict of str to History or list of History
        A name for each row; several histories in a row are the same set-up with several seeds.
    below : float, optional
        Adds a column: after how many steps the batch loss was first below this value.

    Returns
    -------
    Table
        Mean ± standard deviation over the seeds; without test accuracy, if no run was tested.

    Raises
    ------
    ValueError
        If there is nothing to compare.
    """
    if runs and not isinstance(runs, dict):
        raise TypeError(f"compare needs a dict from names to histories, got {in_words(runs)}.")
    if not runs or any(not _as_list(histories) for histories in runs.values()):
        raise ValueError(
            f"compare needs at least one named run, and at least one history under each name, got {in_words(runs)}."
        )
    runs = {name: _as_list(histories) for name, histories in runs.items()}
    tested = any(h.test_acc for histories in runs.values() for h in histories)
    columns = ["", "runs", "train loss, last 50 steps", "train accuracy, last 50 steps", *["test accuracy"] * tested]
    if below is not None:
        columns.append(f"steps until loss < {below:g}")
    rows = []
    for name, histories in runs.items():
        last = [h.window(max(0, h.steps - 50)) for h in histories]
        row = [name, str(len(histories)), spread([loss for loss, _ in last]), spread([acc for _, acc in last])]
        row += [spread([h.test_acc[-1] for h in histories if h.test_acc])] * tested
        if below is not None:
            row.append(", ".join("never" if s is None else str(s) for s in (h.steps_until(below) for h in histories)))
        rows.append(row)
    return Table(columns, rows)


def _as_list(histories):
    histories = histories if isinstance(histories, list | tuple) else [histories]
    return [HISTORY(history, "a history") for history in histories]


def spread(values):
    """Return numbers as text: mean ± standard deviation; a single one as it is, and a dash for none."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


@arguments(
    chapter=Count(most=99), name=Text(), cost=Like(("multiply_adds",), "a LayerTable, as `layer_table` returns it"),
    history=HISTORY,
)  # fmt: skip
def growth_table(chapter, name, cost, history, folder="results"):
    """Store what a chapter's network costs and what it reached; return the table of all chapters run here so far.

    Parameters
    ----------
    chapter : int
        Its row takes the place of an earlier one of the same chapter.
    name : str
    cost : LayerTable
    history : History
    folder : path
        Where the rows are kept, one small JSON file per chapter. If it cannot be written to, the table has the rows
        that can be read and this one.

    Returns
    -------
    Table
    """
    here = f"chapter{chapter:02d}.json"
    last = history.test_acc[-3:]
    row = {
        "network": name,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "epochs": len(history.epoch_ends),
        "seconds": round(history.seconds, 1),
        "low": min(last, default=None),
        "high": max(last, default=None),
    }
    folder = file_path(folder, "folder")
    rows = {path.name: _read_row(path) for path in sorted(folder.glob("chapter[0-9][0-9].json"))}
    rows[here] = row
    with suppress(OSError):  # in a read-only folder the table still has this row
        replace(folder / here, json.dumps(row).encode())
    head = ["network", "parameters", "multiply-adds", "epochs", "time", "test accuracy, last epochs"]
    return Table(head, [_growth_row(rows[key]) for key in sorted(rows) if rows[key]])


def _read_row(path):
    """Return a row that `growth_table` wrote, or None if the file is damaged or something else."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        row = json.loads(path.read_text(encoding="utf-8"))
        _growth_row(row)
        return row


def _growth_row(row):
    reached = "–" if row["low"] is None else f"{row['low']:.3f}"
    if row["low"] != row["high"]:
        reached += f" to {row['high']:.3f}"
    cost = [f"{row['parameters']:,}", f"{row['multiply_adds']:,}"]
    return [str(row["network"]), *cost, str(row["epochs"]), f"{row['seconds']:.0f} s", reached]
