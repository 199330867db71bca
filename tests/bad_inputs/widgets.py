"""Wrong arguments for what a reader can move."""

from torch import nn

from bad_inputs.things import small
from bad_inputs.values import (
    CALLED,
    CHOICES,
    DICTS,
    EITHER,
    HUGE,
    INF,
    LARGE,
    LISTS,
    NAN,
    NETS,
    NUMBERS,
    PLACES,
    POSITIVE,
    RATES,
    SEEDS,
    SHAPES,
    SWITCHES,
    TENSORS,
    TEXTS,
    TITLES,
    T,
    V,
    bad,
    rower,
    without_none,
)
from cnnlib import exercises, widgets
from cnnlib.models import lenet


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    names = {"name": TEXTS + bad(V, "", "two words", "lr"), "label": TITLES, "live": CALLED}
    row(
        "cnnlib.widgets.slider",
        widgets.slider,
        {"name": "a", "low": 0, "high": 2, "default": 1},
        **names,
        low=NUMBERS + bad(V, 3, 2),
        high=NUMBERS + bad(V, -1, 0),
        default=NUMBERS + bad(V, -1, 3),
        step=RATES,
    )
    row(
        "cnnlib.widgets.choice",
        widgets.choice,
        {"name": "a", "options": {"x": 1}},
        **names,
        options=DICTS,
        default=bad(V, 2, "x", []),
    )
    row("cnnlib.widgets.switch", widgets.switch, {"name": "a"}, **names, default=SWITCHES)
    row(
        "cnnlib.widgets.guess",
        widgets.guess,
        {"question": "Which?", "options": ["a", "b"]},
        question=TEXTS,
        options=LISTS
        + bad(T, ["a", 3], (0, "a"), (None, 1))
        + bad(V, [], ["a"], (1,), (0, 1, 2), (1, 0), (0, 0), (0, NAN), (0, INF), ["a", "a"]),
    )
    row(
        "cnnlib.widgets.guess.reveal",
        lambda outcome, because="": t.guess.reveal(outcome, because),
        {"outcome": "a"},
        outcome=bad(V, "c", None, 3, []),
        because=TEXTS,
    )
    row(
        "cnnlib.widgets.guess.reveal of a scale",
        lambda outcome: t.scale.reveal(outcome),
        {"outcome": 1},
        outcome=NUMBERS,
    )
    row(
        "cnnlib.widgets.explore_shapes",
        widgets.explore_shapes,
        {"net": t.net, "input_shape": (1, 8, 8)},
        net=NETS,
        input_shape=SHAPES,
        picture=bad(T, "abc", [["a"]]) + bad(V, t.X, t.X[0, 0, 0], t.X[0, :, :0], t.X[0] * NAN),
        quiz=SWITCHES,
    )
    for name, function in (
        ("explore_features", widgets.explore_features),
        ("FeatureExplorer", widgets.FeatureExplorer),
    ):
        row(
            f"cnnlib.widgets.{name}",
            function,
            {"net": t.net, "batches": t.batches},
            net=without_none(NETS) + bad(V, t.meta_net, nn.Flatten()),
            batches=t.broken_batches,
            classes=bad(T, 3, "abc", [3]) + bad(V, ["a"], []),
            picture=PLACES + bad(V, 8, HUGE),
        )
    row(
        "cnnlib.widgets.FeatureExplorer.draw",
        widgets.FeatureExplorer.draw,
        {"self": t.explorer},
        search=without_none(SWITCHES),
    )
    row(
        "cnnlib.widgets.FeatureExplorer.refresh", widgets.FeatureExplorer.refresh, {"self": t.explorer}, search=SWITCHES
    )
    row(
        "cnnlib.widgets.GradientSum",
        widgets.GradientSum,
        {"X": t.X, "y": t.y},
        X=TENSORS + bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1)),
        y=t.wrong_y,
        num_blocks=POSITIVE + LARGE,
        seed=SEEDS,
    )
    row(
        "cnnlib.widgets.Lesions",
        widgets.Lesions,
        {"nets": {"a": t.net}, "batches": t.pairs, "number": 1},
        nets=DICTS + bad(T, {"a": lenet}, {"a": None}) + bad(V, {"a": t.empty}),
        batches=t.broken_batches,
        number=bad(T, 2.5, "3", True, [1], words="whole number") + bad(V, 0, -1, 99, HUGE),
    )
    row(
        "cnnlib.widgets.Lesions.accuracy",
        widgets.Lesions.accuracy,
        {"self": t.lesions, "name": "net", "operation": "without", "number": 0},
        name=CHOICES,
        operation=CHOICES,
        number=PLACES + bad(V, 99, HUGE),
    )
    for kind in (widgets.Blueprint, widgets.Shortcuts):
        row(f"cnnlib.widgets.{kind.__name__}", kind, {}, input_shape=SHAPES)
        row(f"cnnlib.widgets.{kind.__name__}.draw", kind.draw, {"self": kind((1, 8, 8))}, net=NETS)
    row(
        "cnnlib.widgets.Microscope",
        widgets.Microscope,
        {"X": t.X, "number": 0},
        X=TENSORS + bad(V, t.X[:0]),
        number=PLACES,
    )
    row("cnnlib.widgets.Reconstructions", widgets.Reconstructions, {}, count=POSITIVE + LARGE)
    row(
        "cnnlib.widgets.Playground",
        widgets.Playground,
        {"name": "bad inputs", "build": small, "data": lambda s: None, "controls": [t.control], "lr": 0.1},
        name=TEXTS,
        build=bad(T, None, 3, "small"),
        data=bad(T, None, 3, "a"),
        controls=bad(T, 3, "ab", [3], [widgets.slider], None, {})
        + bad(V, [t.control, t.control], told="'depth' twice"),
        lr=RATES,
        num_epochs=POSITIVE,
        optimizer=CALLED,
        loss=CALLED,
        correct=CALLED,
        views=bad(T, 3, "ab", [3], [widgets.Blueprint], None),
        preview=PLACES,
        seed=SEEDS,
    )
    row(
        "cnnlib.widgets.Playground.set",
        widgets.Playground.set,
        {"self": t.playground, "name": "lr", "value": 0.1},
        name=bad(V, "other", None, 3, []),
        value=RATES,
    )
    row(
        "cnnlib.widgets.Playground.set of a slider",
        widgets.Playground.set,
        {"self": t.playground, "name": "depth", "value": 2},
        value=bad(EITHER, 0, 99, "2", None, 2.5, NAN, [2]),
    )
    row(
        "cnnlib.widgets.Playground.fork",
        widgets.Playground.fork,
        {"self": t.playground, "run": None, "moment": None},
        moment=bad(T, None, 3, "a", words="moment"),
    )
    row(
        "cnnlib.exercises.progress",
        exercises.progress,
        {},
        chapter=bad(V, "07", "", 7, ["01"], NAN, words="chapter"),
        forget=SWITCHES,
    )
    return rows
