"""Wrong arguments for looking inside a network."""

import torch
from torch import nn

from bad_inputs.values import HUGE, INF, NAN, NETS, T, V, bad, rower
from cnnlib import probes


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, probes)
    example = {"net": t.net, "input_shape": (1, 8, 8)}
    other_shapes = bad(V, (1, 9, 9), (3, 8, 8), (8,), words="cannot take")
    for name in ("layer_table", "walk_layers", "receptive_fields"):
        row(name, example, input_shape=other_shapes)
    for name in ("lesion_sites", "present_gradients", "random_direction"):
        row(name, {})
    no_layer = bad(V, "9", "conv")
    layers = bad(T, [0], [None]) + bad(V, ["9"], ["conv"])
    batch = {"net": t.net, "X": t.X}
    wrong_X = bad(V, t.X[:0], t.X[:, :, :2, :2], t.X.repeat(1, 3, 1, 1), t.X[0, 0])
    floats = wrong_X + bad(V, t.X.byte())
    row("FlowProbe", {"net": t.net}, layers=layers)
    row("feature_maps", batch, X=floats, layers=layers)
    row("layers_with_maps", batch, X=wrong_X)
    row("maps_and_output", {**batch, "layer": "0"}, X=wrong_X, layer=no_layer)
    row(
        "strongest_places",
        {"net": t.net, "batches": t.pairs, "layer": "0"},
        batches=t.broken_batches + bad(V, [(t.X.repeat(1, 3, 1, 1), t.y)]),
        layer=no_layer + bad(V, "6", "5"),
        seconds=bad(T, "1", None, True) + bad(V, NAN, -1),
    )
    scored = {**batch, "y": t.y}
    wrong_batch = bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1), t.X.byte(), torch.tensor(1.0))
    row("gradient_norms", scored, net=bad(V, t.empty, t.bare, words="weights"), X=wrong_batch, y=t.wrong_y)
    row(
        "gradient_parts",
        {**scored, "net": t.blocks},
        net=bad(V, nn.Sequential(t.meta_net)) + bad(V, t.empty, told="from 1 to 0"),
        X=wrong_batch,
        y=t.wrong_y,
        block=bad(V, 4, HUGE),
        last=bad(V, 4),
    )
    row(
        "loss_along",
        {**scored, "direction": t.direction, "distances": [0, 1]},
        net=bad(V, nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
        direction=bad(V, {"0.weight": t.one}),
        distances=bad(T, ["1"], [None]) + bad(V, [NAN], [INF]),
        X=wrong_batch[:-1],
        y=t.wrong_y,
    )
    row("relu_statistics", {**batch, "number": 0}, X=floats, number=bad(V, -1, 2, HUGE))
    wrong_site = bad(T, None, 3, "0", ("0",), probes.Site, words="site") + bad(
        V, probes.Site(("9",), 2), words="no layer '9'", told="'9'"
    )
    site = {"net": t.net, "site": t.sites[0]}
    row("without", lambda net, site: probes.without(net, site), site, net=NETS, site=wrong_site)
    row(
        "swapped",
        {"net": t.net, "one": t.sites[0], "other": t.sites[0]},
        one=wrong_site,
        other=wrong_site + bad(V, probes.Site(("3",), 3), told="3 in 1"),
    )
    row("GradientParts.shares", {"self": t.parts}, parts=bad(V, [torch.ones(2)]))
    return rows
