"""Wrong arguments for what a reader can move."""

from torch import nn

from bad_inputs.things import small
from bad_inputs.values import CHOICES, EITHER, HUGE, INF, NAN, NETS, NUMBERS, PLACES, RATES, T, V, bad, rower
from cnnlib import exercises, widgets
from cnnlib.models import lenet


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, widgets)
    row(
        "slider",
        {"name": "a", "low": 0, "high": 2, "default": 1},
        low=bad(V, 3, 2),
        high=bad(V, -1, 0),
        default=bad(V, -1, 3),
    )
    row("choice", {"name": "a", "options": {"x": 1}}, default=bad(V, 2, "x", []))
    row("switch", {"name": "a"})
    row(
        "guess",
        {"question": "Which?", "options": ["a", "b"]},
        options=bad(T, ["a", 3], (0, "a"), (None, 1))
        + bad(V, ["a"], (1,), (0, 1, 2), (1, 0), (0, 0), (0, NAN), (0, INF), ["a", "a"]),
    )
    outcome = bad(V, "c", None, 3, [])
    row("guess.reveal", type(t.guess).reveal, {"self": t.guess, "outcome": "a"}, outcome=outcome)
    row("guess.reveal of a scale", type(t.scale).reveal, {"self": t.scale, "outcome": 1}, outcome=NUMBERS)
    row(
        "explore_shapes",
        {"net": t.net, "input_shape": (1, 8, 8)},
        picture=bad(T, "abc", [["a"]]) + bad(V, t.X, t.X[0, 0, 0], t.X[0, :, :0], t.X[0] * NAN),
    )
    for name in ("explore_features", "FeatureExplorer"):
        row(
            name,
            {"net": t.net, "batches": t.batches},
            net=NETS[1:] + bad(V, t.meta_net, nn.Flatten()),
            batches=t.broken_batches,
            classes=bad(T, 3, "abc", [3]) + bad(V, ["a"], []),
            picture=PLACES + bad(V, 8, HUGE),
        )
    for name in ("draw", "refresh"):
        row(f"FeatureExplorer.{name}", {"self": t.explorer})
    row("GradientSum", {"X": t.X, "y": t.y}, X=bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1)), y=t.wrong_y)
    row(
        "Lesions",
        {"nets": {"a": t.net}, "batches": t.pairs, "number": 1},
        nets=bad(T, {"a": lenet}) + bad(V, {"a": t.empty}),
        batches=t.broken_batches,
        number=bad(T, 2.5, "3", True, [1], words="whole number") + bad(V, 0, -1, 99, HUGE),
    )
    row(
        "Lesions.accuracy",
        {"self": t.lesions, "name": "net", "operation": "without", "number": 0},
        name=CHOICES,
        operation=CHOICES,
        number=PLACES + bad(V, 99, HUGE),
    )
    for name in ("Blueprint", "Shortcuts"):
        row(name, {})
        row(f"{name}.draw", {"self": getattr(widgets, name)((1, 8, 8))}, net=NETS)
    row("Microscope", {"X": t.X, "number": 0})
    row("Reconstructions", {})
    row(
        "Playground",
        {"name": "bad inputs", "build": small, "data": lambda s: None, "controls": [t.control], "lr": 0.1},
        controls=bad(T, [widgets.slider]) + bad(V, [t.control, t.control], told="'depth' twice"),
        views=bad(T, [widgets.Blueprint]),
    )
    panel = {"self": t.playground, "name": "lr", "value": 0.1}
    row("Playground.set", panel, name=bad(V, "other", None, 3, []), value=RATES)
    row(
        "Playground.set of a slider",
        widgets.Playground.set,
        {**panel, "name": "depth", "value": 2},
        value=bad(EITHER, 0, 99, "2", None, 2.5, NAN, [2]),
    )
    row(
        "Playground.fork",
        {"self": t.playground, "run": None, "moment": None},
        moment=bad(T, None, 3, "a", words="moment"),
    )
    row = rower(rows, exercises)
    row(
        "progress",
        {},
        chapter=bad(V, "07", "", 7, ["01"], NAN, words="chapter"),
        forget=bad(T, "no", 1, None, [], words="True or False"),
    )
    return rows
