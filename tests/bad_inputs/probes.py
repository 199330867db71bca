"""Wrong arguments for looking inside a network."""

import torch
from torch import nn

from bad_inputs.values import (
    CALLED,
    DICTS,
    HUGE,
    INF,
    NAN,
    NETS,
    PLACES,
    POSITIVE,
    SHAPES,
    SWITCHES,
    TENSORS,
    Bad,
    T,
    V,
    bad,
    rower,
    tolerant,
    without_none,
)
from cnnlib import probes
from cnnlib.probes import FlowProbe


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    row(
        "cnnlib.probes.FlowProbe",
        FlowProbe,
        {"net": t.net},
        net=NETS,
        layers=bad(T, 3, "0", [0], [None]) + bad(V, ["9"], ["conv"]),
        every=POSITIVE,
    )
    for name in ("layer_table", "walk_layers"):
        row(
            f"cnnlib.probes.{name}",
            getattr(probes, name),
            {"net": t.net, "input_shape": (1, 8, 8)},
            net=NETS,
            input_shape=SHAPES + bad(V, (1, 9, 9), (3, 8, 8), (8,), words="cannot take"),
        )
    row(
        "cnnlib.probes.receptive_fields",
        probes.receptive_fields,
        {"net": t.net},
        net=NETS,
        input_shape=without_none(SHAPES) + bad(V, (1, 9, 9), (3, 8, 8), (8,), words="cannot take"),
    )
    for name in ("lesion_sites", "present_gradients", "random_direction"):
        row(f"cnnlib.probes.{name}", getattr(probes, name), {}, net=NETS)
    names = bad(T, 3, None, words="a text") + bad(V, "9", "conv")
    row(
        "cnnlib.probes.feature_maps",
        probes.feature_maps,
        {"net": t.net, "X": t.X},
        net=t.wrong_net,
        X=t.wrong_X,
        layers=bad(T, 3, "0", [0]) + bad(V, ["9"]),
    )
    row(
        "cnnlib.probes.layers_with_maps",
        probes.layers_with_maps,
        {"net": t.net, "X": t.X},
        net=t.wrong_net,
        X=tolerant(t.wrong_X),
    )
    row(
        "cnnlib.probes.maps_and_output",
        probes.maps_and_output,
        {"net": t.net, "X": t.X, "layer": "0"},
        net=t.wrong_net,
        X=tolerant(t.wrong_X),
        layer=names,
    )
    row(
        "cnnlib.probes.strongest_places",
        probes.strongest_places,
        {"net": t.net, "batches": t.pairs, "layer": "0"},
        net=t.wrong_net,
        batches=t.broken_batches + bad(V, [(t.X.repeat(1, 3, 1, 1), t.y)]),
        layer=names + bad(V, "6", "5"),
        count=POSITIVE,
        num=POSITIVE,
        one_each=SWITCHES,
        seconds=bad(T, "1", None, True) + bad(V, NAN, -1),
    )
    for name in ("gradient_norms", "gradient_parts"):
        right = t.blocks if name == "gradient_parts" else t.net
        row(
            f"cnnlib.probes.{name}",
            getattr(probes, name),
            {"net": right, "X": t.X, "y": t.y},
            net=[Bad(case.value, case.error) for case in NETS]
            + bad(V, t.meta_net if right is t.net else nn.Sequential(t.meta_net))
            + bad(V, t.empty, told="from 1 to 0" if right is t.blocks else ""),
            X=TENSORS + bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1), t.X.byte(), torch.tensor(1.0)),
            y=t.wrong_y,
        )
    rows[-1].wrong |= {"block": POSITIVE + bad(V, 4, HUGE), "last": without_none(POSITIVE) + bad(V, 4)}
    rows[-2].wrong |= {"loss": CALLED}
    rows[-2].wrong["net"] += bad(V, t.bare, words="weights")
    row(
        "cnnlib.probes.loss_along",
        probes.loss_along,
        {"net": t.net, "direction": t.direction, "distances": [0, 1], "X": t.X, "y": t.y},
        net=t.wrong_net + bad(V, nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
        direction=DICTS + bad(V, {"0.weight": t.one}) + bad(T, {"a": 3}),
        distances=bad(T, None, 3, "ab", ["1"], [None]) + bad(V, [NAN], [INF]),
        X=TENSORS + bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1), t.X.byte()),
        y=t.wrong_y,
    )
    row(
        "cnnlib.probes.relu_statistics",
        probes.relu_statistics,
        {"net": t.net, "X": t.X, "number": 0},
        net=t.wrong_net,
        X=t.wrong_X,
        number=PLACES + bad(V, 2, HUGE),
    )
    wrong_site = bad(T, None, 3, "0", ("0",), probes.Site, words="site") + bad(
        V, probes.Site(("9",), 2), words="no layer '9'", told="'9'"
    )
    row(
        "cnnlib.probes.without",
        lambda net, site: probes.without(net, site),
        {"net": t.net, "site": t.sites[0]},
        net=NETS,
        site=wrong_site,
    )
    row(
        "cnnlib.probes.swapped",
        probes.swapped,
        {"net": t.net, "one": t.sites[0], "other": t.sites[0]},
        net=NETS,
        one=wrong_site,
        other=wrong_site + bad(V, probes.Site(("3",), 3), told="3 in 1"),
    )
    row(
        "cnnlib.probes.GradientParts.shares",
        probes.GradientParts.shares,
        {"self": t.parts},
        parts=bad(T, 3, "abc", [3], {}) + bad(V, [torch.ones(2)]),
    )
    return rows
