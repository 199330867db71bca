"""Wrong arguments for the pictures."""

import numpy as np
import torch

from bad_inputs.values import HUGE, NAN, PLACES, T, V, bad, rower, without_none
from cnnlib import History, figures, probes
from cnnlib.models import lenet


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, figures)
    image, maps = t.X[0, 0], t.X[:, 0]
    colours = bad(V, t.X[:3].repeat(1, 3, 1, 1)[0], t.X[0, :, :0])
    many = bad(V, torch.ones(2000, 2, 2))
    nothing = {str(i): {"x": 1} for i in range(9)}
    row(
        "draw_bars",
        {"groups": {"a": {"x": 1.0}}, "ylabel": "y"},
        groups=bad(T, {"a": {"x": "1"}}, {"a": {"x": None}}, {"a": {3: 1}})
        + bad(V, {"a": {}}, {"a": {"x": 1}, "b": {"y": 1}}, nothing),
    )
    no_lines = [3, [1], (3, [1]), ([1], 3), (["1"], [1]), ([1], ["1"]), ([1], [None])]
    unequal = [([1], [1, 2]), ([], []), ([1], []), ([1], [[]])]
    row(
        "draw_lines",
        {"lines": {"a": ([1, 2], [1, 2])}, "xlabel": "x", "ylabel": "y"},
        lines=bad(T, *({"a": line} for line in no_lines))
        + bad(V, *({"a": line} for line in unequal), {str(i): ([1], [1]) for i in range(9)}),
    )
    row(
        "draw_runs",
        {"runs": t.runs},
        runs=bad(T, {"a": t.history}, {"a": [3]}, {"a": History}) + bad(V, {"a": []}, {"a": [History()]}),
    )
    row(
        "draw_confusions",
        {"counts": torch.ones(2, 2), "classes": ["a", "b"]},
        counts=bad(V, torch.ones(2, 3), -torch.ones(2, 2), torch.full((2, 2), NAN), torch.ones(3, 3)),
        classes=bad(V, ["a"]),
    )
    wrong_shape = bad(V, (3, 8, 8), (8,))
    row("draw_blocks", {"net": t.blocks, "input_shape": (1, 8, 8)}, net=bad(V, t.net, t.empty), input_shape=wrong_shape)
    row("draw_network", {"net": t.net, "input_shape": (1, 8, 8)}, input_shape=wrong_shape)
    row(
        "draw_volumes",
        {"networks": {"a": (t.net, (1, 8, 8))}},
        networks=bad(T, {"a": t.net}, {"a": (None, (1, 8, 8))}, {"a": (t.net, 8)}, {"a": (lenet, (1, 8, 8))})
        + bad(V, {"a": (t.net, (8,))}, {"a": (t.net, (3, 8, 8))}),
    )
    row(
        "draw_feature_explorer",
        {"image": image, "maps": maps, "channel": 0},
        channel=PLACES + bad(V, 8, HUGE),
        scores=bad(T, [("a",)], [("a", "b")], [(1, 2.0)]),
    )
    row("draw_feature_maps", {"image": image, "maps": maps}, image=colours, maps=many)
    row("draw_filters", {"weights": maps}, weights=many)
    row("show_images", {"images": t.X}, images=many + bad(V, t.X.repeat(1, 3, 1, 1)))
    row("draw_gradient_flow", {"start": [1.0, 2.0]})
    row(
        "draw_lesions",
        {"whole": 0.5, "results": [0.5, None]},
        results=bad(T, ["1"]) + bad(V, [2.0], [NAN]),
        number=without_none(PLACES) + bad(V, 2, HUGE),
    )
    row("draw_parts", {"parts": t.parts})
    row(
        "draw_receptive_fields",
        {"image": image, "networks": {"a": {"b": probes.receptive_fields(t.net)[0]}}},
        image=colours,
        networks=bad(T, {"a": {"b": 3}}) + bad(V, {"a": {}}),
    )
    row(
        "draw_reconstructions",
        {"rows": {"a": t.X}},
        rows=bad(V, {"a": t.X[:0]}, {"a": t.X[0]}, {"a": t.X.repeat(1, 3, 1, 1)}),
        low=bad(V, 1, 2),
    )
    row("draw_statistics", {"statistics": t.stats})
    row(
        "draw_step",
        {"walk": t.walk, "number": 1},
        number=PLACES + bad(V, 0, 99, HUGE),
        grey=bad(T, 3, "a", t.X, np.ones((2, 2)), np.ones(3, np.uint8)),
    )
    return rows
