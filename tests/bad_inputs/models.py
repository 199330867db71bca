"""Wrong arguments for the networks and what is done to their weights."""

import torch

from bad_inputs.values import EITHER, HUGE, NAN, T, V, bad, rower
from cnnlib import models


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, models)
    inout = {"in_channels": 1, "out_channels": 2}
    for name in ("vgg_block", "conv_bn_relu", "conv_relu_bn"):
        row(name, {"num_convs": 1} | inout)
    row("lenet", {})
    row("alexnet", {"shrink": 8, "side": 65}, shrink=bad(V, 0, -1, 97), side=bad(V, 0, -1, 64))
    row("vgg", {"arch": [(1, 2)], "side": 8, "units": 4}, side=bad(V, 0, -1, 1))
    row("narrower", {"arch": models.VGG11, "ratio": 2}, ratio=bad(V, 65, HUGE))
    for name in ("Residual", "BasicBlock"):
        row(name, {"input_channels": 2, "num_channels": 2})
    row("resnet_block", {"input_channels": 2, "num_channels": 2, "num_residuals": 1})
    row("resnet18", {"width": 2})
    row("resnet_v1", {"side": 8})
    for name in ("PostActivation", "PreActivation"):
        row(name, inout)
    row("make_shortcut", {"kind": "identity", "in_channels": 2, "out_channels": 2}, out_channels=bad(V, 1))
    row(
        "cifar_resnet",
        {"depth": 8, "width": 2},
        depth=bad(EITHER, 0, -1, 9, 8.5, "8", None, True, [8], NAN, HUGE, words="6n"),
    )
    row("tower", {"num_blocks": 1, "width": 2})
    row("BatchNorm", {"num_features": 2})
    vector = bad(EITHER, None, 1.0, [1, 1], torch.ones(3), torch.ones(2, 1))
    one_each = ("gamma", "beta", "running_mean", "running_var")
    row(
        "batch_norm",
        {"X": torch.rand(4, 2), "training": True} | {name: torch.ones(2) for name in one_each},
        X=bad(V, torch.rand(0, 2), torch.rand(1, 2), torch.rand(4, 3)),
        **dict.fromkeys(one_each, vector),
    )
    for name in ("ConvAutoencoder", "ResidualConvAutoencoder"):
        row(name, {})
    for name in ("default_", "xavier_", "kaiming_"):
        row(name, {})
    for name in ("fixup_", "zero_gamma_"):
        row(name, {}, net=bad(V, t.net, t.plain, t.empty))
    row("scale_branches_", {"net": t.blocks, "factor": 1}, net=bad(V, t.net, t.plain))
    row("set_dropout", {"net": t.net, "share": 0})
    row("set_momentum", {"net": t.net, "momentum": 0})
    half = [(t.X, t.y), (t.X.repeat(1, 3, 1, 1), t.y)]  # the second batch fails
    row("recalibrate_", {"net": t.net, "batches": t.pairs}, batches=bad(V, [], half) + bad(T, [3], [t.X], [("a", t.y)]))
    row(
        "deepened",
        {"shallow": t.plain, "depth": 14, "X": t.X},
        shallow=bad(V, t.net, t.blocks, t.empty),
        depth=bad(EITHER, 0, 9, "14", None, HUGE),
        X=bad(V, t.X[:0], t.X[0], t.X.repeat(1, 3, 1, 1)),
    )
    return rows
