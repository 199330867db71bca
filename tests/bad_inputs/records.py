"""Wrong arguments for records of runs, and the chart that grows."""

import cnnlib
from bad_inputs.values import HUGE, NAN, NUMBERS, PLACES, T, V, bad, rower
from cnnlib import History


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, cnnlib)
    paths = bad(T, None, 3, ["a"], NAN)
    row("History.window", {"self": t.history, "start": 0})
    row("History.end_epoch", {"self": t.history, "first_step": 0}, first_step=bad(V, 2, HUGE))
    row("History.steps_until", {"self": t.history})
    row("History.save", {"self": t.history}, path=paths)
    row("History.load", {}, path=paths)
    no_text = bad(T, None, 5, HUGE, [], {}, words="text or from bytes")
    no_record = ("", "[]", "{}", "null", "nan", b"\xff", '{"cnnlib history": 1}', "[" * 9999)
    row("History.from_json", {}, text=no_text + bad(V, *no_record, words="this text", told="this text"))
    row(
        "compare",
        {"runs": t.runs},
        runs=bad(T, 3, "abc", [t.history], {"a": 3}, {"a": [3]}, {"a": History}, words="histor")
        + bad(V, None, {}, [], {"a": []}),
    )
    row(
        "growth_table",
        {"chapter": 1, "name": "LeNet", "cost": t.walk, "history": t.history, "folder": "/nowhere/at all"},
        folder=bad(T, None, 3, ["a"]),
    )
    row("full_results", {"chapter": "02_alexnet", "here": {"here": t.history}}, here=bad(T, t.history, {3: t.history}))
    limits = bad(T, 3, "ab", (0, "1"), words="pair|number") + bad(V, (1,), (2, 1), (0, NAN))
    row(
        "Animator",
        {},
        ylabel=bad(T, 3, b"a", words="a text"),
        legend=bad(T, 3, [3], [["a", 3]], {}),
        ylim=limits,
        yscale=bad(V, "other", 3) + bad(V, [], told="()"),
        fmts=bad(V, ["q!"]),
        figsize=bad(T, 3, "ab", (3, "4"), {}) + bad(V, (3,), (0, 3), (-1, 3), (HUGE, 3), (NAN, 3)),
    )
    row(
        "Animator.add",
        {"self": t.animator, "x": 1, "y": [1, 2]},
        x=bad(T, "1", None, {}, 1j, [1, "2"], words="number") + bad(V, [1], [1, 2, 3]),
        y=bad(T, "12", 1j, ["1", 2], [1, [2]], words="number") + bad(V, 1, [1], [1, 2, 3], []),
    )
    row("Animator.mark", {"self": t.animator, "x": 1, "label": "a"})
    row(
        "Animator.band",
        {"self": t.animator, "low": 0, "high": 1, "label": "a"},
        low=NUMBERS + bad(V, 2),
        high=NUMBERS + bad(V, -1),
        panel=PLACES + bad(V, 1, HUGE),
    )
    return rows
