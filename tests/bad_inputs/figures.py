"""Wrong arguments for the pictures."""

import numpy as np
import torch

from bad_inputs.values import (
    DICTS,
    HUGE,
    LISTS,
    NAN,
    NUMBERS,
    PLACES,
    POSITIVE,
    SHAPES,
    SHARES,
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
from cnnlib import History, figures, probes
from cnnlib.models import lenet


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    image, maps = t.X[0, 0], t.X[:, 0]
    grey = bad(V, t.X[:3].repeat(1, 3, 1, 1)[0], t.X[0, 0, 0], t.X[0, :, :0])
    captions = {"text": TEXTS}
    row(
        "cnnlib.figures.draw_bars",
        figures.draw_bars,
        {"groups": {"a": {"x": 1.0}}, "ylabel": "y"},
        groups=DICTS
        + bad(T, {"a": 3}, {"a": {"x": "1"}}, {"a": {"x": None}}, {"a": {3: 1}})
        + bad(V, {"a": {}}, {"a": {"x": 1}, "b": {"y": 1}})
        + bad(V, {str(i): {"x": 1} for i in range(9)}),
        ylabel=TEXTS,
        log=SWITCHES,
        text=TITLES,
    )
    row(
        "cnnlib.figures.draw_lines",
        figures.draw_lines,
        {"lines": {"a": ([1, 2], [1, 2])}, "xlabel": "x", "ylabel": "y"},
        lines=DICTS
        + bad(
            T,
            {"a": 3},
            {"a": [1]},
            {"a": (3, [1])},
            {"a": ([1], 3)},
            {"a": (["1"], [1])},
            {"a": ([1], ["1"])},
            {"a": ([1], [None])},
        )
        + bad(
            V,
            {"a": ([1], [1, 2])},
            {"a": ([], [])},
            {"a": ([1], [])},
            {"a": ([1], [[]])},
            {str(i): ([1], [1]) for i in range(9)},
        ),
        xlabel=TEXTS,
        ylabel=TEXTS,
        ylim=bad(T, 3, "ab") + bad(V, (1, 0), (0, NAN)),
        log=SWITCHES,
        xlog=SWITCHES,
        text=TITLES,
    )
    row(
        "cnnlib.figures.draw_runs",
        figures.draw_runs,
        {"runs": t.runs},
        runs=DICTS + bad(T, {"a": t.history}, {"a": [3]}, {"a": History}) + bad(V, {"a": []}, {"a": [History()]}),
        width=POSITIVE,
        text=TITLES,
    )
    row(
        "cnnlib.figures.draw_confusions",
        figures.draw_confusions,
        {"counts": torch.ones(2, 2), "classes": ["a", "b"]},
        counts=TENSORS
        + bad(
            V,
            torch.ones(2),
            torch.ones(2, 3),
            -torch.ones(2, 2),
            torch.full((2, 2), NAN),
            torch.ones(0, 0),
            torch.ones(3, 3),
        ),
        classes=LISTS + bad(T, [1, 2]) + bad(V, ["a"], []),
        **captions,
    )
    row(
        "cnnlib.figures.draw_blocks",
        figures.draw_blocks,
        {"net": t.blocks, "input_shape": (1, 8, 8)},
        net=t.wrong_net + bad(V, t.net, t.empty),
        input_shape=SHAPES + bad(V, (3, 8, 8), (8,)),
        title=TEXTS,
    )
    row(
        "cnnlib.figures.draw_network",
        figures.draw_network,
        {"net": t.net, "input_shape": (1, 8, 8)},
        net=t.wrong_net,
        input_shape=SHAPES + bad(V, (3, 8, 8), (8,)),
        **captions,
    )
    row(
        "cnnlib.figures.draw_volumes",
        figures.draw_volumes,
        {"networks": {"a": (t.net, (1, 8, 8))}},
        networks=DICTS
        + bad(T, {"a": t.net}, {"a": (None, (1, 8, 8))}, {"a": (t.net, 8)}, {"a": (lenet, (1, 8, 8))})
        + bad(V, {"a": (t.net, (8,))}, {"a": (t.net, (3, 8, 8))}),
        caption=TITLES,
    )
    row(
        "cnnlib.figures.draw_feature_explorer",
        figures.draw_feature_explorer,
        {"image": image, "maps": maps, "channel": 0},
        image=TENSORS + bad(V, t.X, t.X[:0, 0, 0]),
        maps=TENSORS + bad(V, t.X, t.X[:0, 0], image),
        channel=PLACES + bad(V, 8, HUGE),
        title=TEXTS,
        name=TEXTS,
        kind=TEXTS,
        scores=bad(T, 3, "ab", [3], [("a",)], [("a", "b")], [(1, 2.0)]),
        filters=without_none(TENSORS) + bad(V, image),
        mark=bad(T, 3, "a", [1], figures.Found),
        found=bad(T, 3, "ab", [3]),
        seen=PLACES,
    )
    row(
        "cnnlib.figures.draw_feature_maps",
        figures.draw_feature_maps,
        {"image": image, "maps": maps},
        image=TENSORS + grey,
        maps=TENSORS + bad(V, t.X, image, maps[:0], torch.ones(2000, 2, 2)),
        **captions,
    )
    row(
        "cnnlib.figures.draw_filters",
        figures.draw_filters,
        {"weights": maps},
        weights=TENSORS + bad(V, t.X, image, maps[:0], torch.ones(2000, 2, 2)),
        **captions,
    )
    row(
        "cnnlib.figures.show_images",
        figures.show_images,
        {"images": t.X},
        images=TENSORS + bad(V, t.X.repeat(1, 3, 1, 1), image, t.X[:0], torch.ones(2000, 2, 2)),
        titles=bad(T, 3, None, "ab", [3]),
        columns=POSITIVE,
        **captions,
    )
    row(
        "cnnlib.figures.draw_gradient_flow",
        figures.draw_gradient_flow,
        {"start": [1.0, 2.0]},
        start=LISTS + bad(T, ["1"], [None]),
        now=bad(T, 3, "ab", [None]),
        title=TEXTS,
    )
    row(
        "cnnlib.figures.draw_lesions",
        figures.draw_lesions,
        {"whole": 0.5, "results": [0.5, None]},
        whole=SHARES,
        results=LISTS + bad(T, ["1"]) + bad(V, [], [2.0], [NAN]),
        number=without_none(PLACES) + bad(V, 2, HUGE),
        title=TEXTS,
        chance=SHARES,
    )
    row(
        "cnnlib.figures.draw_parts",
        figures.draw_parts,
        {"parts": t.parts},
        parts=bad(T, None, 3, [1], t.X, words="GradientParts"),
        title=TEXTS,
    )
    row(
        "cnnlib.figures.draw_receptive_fields",
        figures.draw_receptive_fields,
        {"image": image, "networks": {"a": {"b": probes.receptive_fields(t.net)[0]}}},
        image=TENSORS + grey,
        networks=DICTS + bad(T, {"a": 3}, {"a": {"b": 3}}) + bad(V, {"a": {}}),
        **captions,
    )
    row(
        "cnnlib.figures.draw_reconstructions",
        figures.draw_reconstructions,
        {"rows": {"a": t.X}},
        rows=DICTS
        + bad(T, {"a": 3}, {"a": [t.X]})
        + bad(V, {"a": t.X[:0]}, {"a": t.X[0]}, {"a": t.X.repeat(1, 3, 1, 1)}),
        low=NUMBERS + bad(V, 1, 2),
        title=TEXTS,
    )
    row(
        "cnnlib.figures.draw_statistics",
        figures.draw_statistics,
        {"statistics": t.stats},
        statistics=bad(T, None, 3, t.X, [1], words="Statistics"),
        title=TEXTS,
    )
    row(
        "cnnlib.figures.draw_step",
        figures.draw_step,
        {"walk": t.walk, "number": 1},
        walk=bad(T, None, 3, [1], t.net, words="Walk"),
        number=POSITIVE + bad(V, 99, HUGE),
        grey=bad(T, 3, "a", t.X, np.ones((2, 2)), np.ones(3, np.uint8)),
        hidden=SWITCHES,
    )
    return rows
