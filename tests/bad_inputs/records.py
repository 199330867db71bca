"""Wrong arguments for records of runs, and the chart that grows."""

import cnnlib
from bad_inputs.values import (
    CHOICES,
    COUNTS,
    HUGE,
    INF,
    LARGE,
    NAN,
    NUMBERS,
    PLACES,
    POSITIVE,
    TEXTS,
    T,
    V,
    bad,
    rower,
    without_none,
)
from cnnlib import Animator, History


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    row(
        "cnnlib.History.window",
        History.window,
        {"self": t.history, "start": 0},
        start=COUNTS,
        stop=without_none(COUNTS),
    )
    row(
        "cnnlib.History.end_epoch",
        History.end_epoch,
        {"self": t.history, "first_step": 0},
        first_step=PLACES + bad(V, 2, HUGE),
        test_acc=without_none(NUMBERS),
    )
    row("cnnlib.History.steps_until", History.steps_until, {"self": t.history}, loss=NUMBERS)
    row("cnnlib.History.save", History.save, {"self": t.history}, path=bad(T, None, 3, ["a"], NAN))
    row("cnnlib.History.load", History.load, {}, path=bad(T, None, 3, ["a"], NAN))
    row(
        "cnnlib.History.from_json",
        History.from_json,
        {},
        text=bad(T, None, 5, HUGE, [], {}, words="text or from bytes")
        + bad(
            V,
            "",
            "[]",
            "{}",
            "null",
            "nan",
            b"\xff",
            '{"cnnlib history": 1}',
            "[" * 9999,
            words="this text",
            told="this text",
        ),
    )
    row(
        "cnnlib.compare",
        cnnlib.compare,
        {"runs": t.runs},
        runs=bad(T, 3, "abc", [t.history], {"a": 3}, {"a": [3]}, {"a": History}, words="histor")
        + bad(V, None, {}, [], {"a": []}),
        below=without_none(NUMBERS),
    )
    row(
        "cnnlib.growth_table",
        cnnlib.growth_table,
        {"chapter": 1, "name": "LeNet", "cost": t.walk, "history": t.history, "folder": "/nowhere/at all"},
        chapter=POSITIVE + LARGE,
        name=TEXTS,
        cost=bad(T, None, 3, t.net, [1], words="LayerTable"),
        history=bad(T, None, 3, [t.history], History, words="History"),
        folder=bad(T, None, 3, ["a"]),
    )
    row(
        "cnnlib.full_results",
        cnnlib.full_results,
        {"chapter": "02_alexnet", "here": {"here": t.history}},
        chapter=bad(V, "2", "", "07", None, 3),
        here=bad(T, 3, t.history, ["a"], {"a": 3}, {3: t.history}),
    )
    row(
        "cnnlib.Animator",
        Animator,
        {},
        xlabel=bad(T, 3, ["a"], b"a", words="a text"),
        ylabel=bad(T, 3, b"a", words="a text"),
        legend=bad(T, 3, [3], [["a", 3]], {}),
        xlim=bad(T, 3, "ab", (0, "1"), words="pair|number") + bad(V, (1,), (1, 2, 3), (2, 1), (0, NAN), (0, INF)),
        ylim=bad(T, 3, "ab", (0, "1"), words="pair|number") + bad(V, (1,), (2, 1), (0, NAN)),
        xscale=CHOICES,
        yscale=bad(V, "other", 3) + bad(V, [], told="()"),
        fmts=bad(T, 3, [3]) + bad(V, ["q!"]),
        figsize=bad(T, 3, "ab", (3, "4"), {}) + bad(V, (3,), (0, 3), (-1, 3), (HUGE, 3), (NAN, 3)),
    )
    row(
        "cnnlib.Animator.add",
        Animator.add,
        {"self": t.animator, "x": 1, "y": [1, 2]},
        x=bad(T, "1", None, {}, 1j, [1, "2"], words="number") + bad(V, [1], [1, 2, 3]),
        y=bad(T, "12", 1j, ["1", 2], [1, [2]], words="number") + bad(V, 1, [1], [1, 2, 3], []),
    )
    row("cnnlib.Animator.mark", Animator.mark, {"self": t.animator, "x": 1, "label": "a"}, x=NUMBERS, label=TEXTS)
    row(
        "cnnlib.Animator.band",
        Animator.band,
        {"self": t.animator, "low": 0, "high": 1, "label": "a"},
        low=NUMBERS + bad(V, 2),
        high=NUMBERS + bad(V, -1),
        label=TEXTS,
        panel=PLACES + bad(V, 1, HUGE),
    )
    return rows
