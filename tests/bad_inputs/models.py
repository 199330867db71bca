"""Wrong arguments for the networks and what is done to their weights."""

import torch

from bad_inputs.values import (
    CHOICES,
    EITHER,
    HUGE,
    ITERABLES,
    LARGE,
    MAKERS,
    NAN,
    NETS,
    NUMBERS,
    POSITIVE,
    SHARES,
    SWITCHES,
    TENSORS,
    T,
    V,
    bad,
    rower,
    without_meta,
)
from cnnlib import models
from cnnlib.models import cifar_resnet, lenet, tower


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    inout = {"num_convs": 1, "in_channels": 1, "out_channels": 2}
    for function in (models.vgg_block, models.conv_bn_relu, models.conv_relu_bn):
        row(f"cnnlib.models.{function.__name__}", function, inout, **dict.fromkeys(inout, t.channels))
    row("cnnlib.models.lenet", lenet, {}, activation=MAKERS, pool=MAKERS)
    row(
        "cnnlib.models.alexnet",
        models.alexnet,
        {"shrink": 8, "side": 65},
        activation=MAKERS,
        dropout=SHARES,
        shrink=POSITIVE + bad(V, 97, HUGE),
        side=POSITIVE + bad(V, 64, HUGE),
    )
    row(
        "cnnlib.models.vgg",
        models.vgg,
        {"arch": [(1, 2)], "side": 8, "units": 4},
        arch=t.arch,
        side=POSITIVE + bad(V, 1, HUGE),
        units=POSITIVE + LARGE,
        dropout=SHARES,
        block=MAKERS,
    )
    row(
        "cnnlib.models.narrower",
        models.narrower,
        {"arch": models.VGG11, "ratio": 2},
        arch=t.arch,
        ratio=POSITIVE + bad(V, 65, HUGE),
    )
    for kind in (models.Residual, models.BasicBlock):
        row(
            f"cnnlib.models.{kind.__name__}",
            kind,
            {"input_channels": 2, "num_channels": 2},
            input_channels=t.channels,
            num_channels=t.channels,
            use_1x1conv=SWITCHES,
            strides=POSITIVE,
        )
    row(
        "cnnlib.models.resnet_block",
        models.resnet_block,
        {"input_channels": 2, "num_channels": 2, "num_residuals": 1},
        input_channels=t.channels,
        num_channels=t.channels,
        num_residuals=POSITIVE + LARGE,
        first_block=SWITCHES,
        block=MAKERS,
    )
    row("cnnlib.models.resnet18", models.resnet18, {"width": 2}, width=t.channels, block=MAKERS)
    row("cnnlib.models.resnet_v1", models.resnet_v1, {"side": 8}, momentum=SHARES, side=POSITIVE + LARGE)
    for kind in (models.PostActivation, models.PreActivation):
        row(
            f"cnnlib.models.{kind.__name__}",
            kind,
            {"in_channels": 2, "out_channels": 2},
            in_channels=t.channels,
            out_channels=t.channels,
            stride=POSITIVE,
            shortcut=CHOICES,
            norm=SWITCHES,
            activation=MAKERS,
        )
    row(
        "cnnlib.models.make_shortcut",
        models.make_shortcut,
        {"kind": "identity", "in_channels": 2, "out_channels": 2},
        kind=CHOICES,
        in_channels=t.channels,
        out_channels=POSITIVE + LARGE + bad(V, 1),
        stride=POSITIVE,
        norm=SWITCHES,
    )
    row(
        "cnnlib.models.cifar_resnet",
        cifar_resnet,
        {"depth": 8, "width": 2},
        depth=bad(EITHER, 0, -1, 9, 8.5, "8", None, True, [8], NAN, HUGE, words="6n"),
        width=t.channels,
        shortcut=CHOICES,
        block=MAKERS,
        norm=SWITCHES,
        activation=MAKERS,
        in_channels=t.channels,
    )
    row(
        "cnnlib.models.tower",
        tower,
        {"num_blocks": 1, "width": 2},
        num_blocks=POSITIVE + LARGE,
        width=t.channels,
        shortcut=CHOICES,
        block=MAKERS,
        norm=SWITCHES,
        activation=MAKERS,
    )
    row(
        "cnnlib.models.BatchNorm",
        models.BatchNorm,
        {"num_features": 2},
        num_features=t.channels,
        momentum=SHARES,
        eps=NUMBERS + bad(V, -1),
    )
    row(
        "cnnlib.models.batch_norm",
        models.batch_norm,
        {
            "X": torch.rand(4, 2),
            "gamma": t.one,
            "beta": t.one,
            "running_mean": torch.zeros(2),
            "running_var": torch.ones(2),
            "training": True,
        },
        X=without_meta(TENSORS) + bad(V, torch.rand(4), torch.rand(0, 2), torch.rand(1, 2), torch.rand(4, 3)),
        gamma=bad(EITHER, None, 1.0, [1, 1], torch.ones(3), torch.ones(2, 1)),
        beta=bad(EITHER, None, 1.0, torch.ones(3)),
        running_mean=bad(EITHER, None, 1.0, torch.ones(3)),
        running_var=bad(EITHER, None, 1.0, torch.ones(3)),
        training=SWITCHES,
        momentum=SHARES,
        eps=NUMBERS + bad(V, -1),
    )
    for kind in (models.ConvAutoencoder, models.ResidualConvAutoencoder):
        row(f"cnnlib.models.{kind.__name__}", kind, {}, output=MAKERS)
    for function in (models.default_, models.xavier_, models.kaiming_):
        row(f"cnnlib.models.{function.__name__}", function, {}, net=NETS)
    for function in (models.fixup_, models.zero_gamma_):
        row(f"cnnlib.models.{function.__name__}", function, {}, net=NETS + bad(V, t.net, t.plain, t.empty))
    row(
        "cnnlib.models.scale_branches_",
        models.scale_branches_,
        {"net": t.blocks, "factor": 1},
        net=NETS + bad(V, t.net, t.plain),
        factor=NUMBERS,
    )
    row("cnnlib.models.set_dropout", models.set_dropout, {"net": t.net, "share": 0}, net=NETS, share=SHARES)
    row("cnnlib.models.set_momentum", models.set_momentum, {"net": t.net, "momentum": 0}, net=NETS, momentum=SHARES)
    half = [(t.X, t.y), (t.X.repeat(1, 3, 1, 1), t.y)]  # the second batch fails
    row(
        "cnnlib.models.recalibrate_",
        models.recalibrate_,
        {"net": t.net, "batches": t.pairs},
        net=t.wrong_net,
        batches=ITERABLES + bad(V, [], half) + bad(T, [3], [t.X], [("a", t.y)]),
    )
    row(
        "cnnlib.models.deepened",
        models.deepened,
        {"shallow": t.plain, "depth": 14, "X": t.X},
        shallow=NETS + bad(V, t.meta_net, told="shallow lies on") + bad(V, t.net, t.blocks, t.empty),
        depth=bad(EITHER, 0, 9, "14", None, HUGE),
        X=TENSORS + bad(V, t.X[:0], t.X[0], t.X.repeat(1, 3, 1, 1)),
    )
    return rows
