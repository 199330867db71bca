"""What neither a parameter's name nor a function's rules can know: right arguments of their own, and wrong ones."""

import numpy as np
import torch
from torch import nn

import cnnlib
from bad_inputs.right import small
from bad_inputs.values import (
    CALLED,
    CHOICES,
    EITHER,
    HUGE,
    INF,
    NAN,
    NETS,
    NUMBERS,
    PLACES,
    POSITIVE,
    RATES,
    SIZES,
    SWITCHES,
    T,
    V,
    bad,
    without_none,
)
from cnnlib import History, Trainer, models, probes, widgets
from cnnlib.models import lenet


def rows(t):
    """Return name: (function or None, right arguments, wrong ones by parameter); `t` holds what they share."""
    rows = {}

    def row(name, right=None, function=None, /, **wrong):
        rows[name] = function, right or {}, wrong

    for part in (_data, _training, _records, _models, _probes, _figures, _widgets):
        part(t, row)
    return rows


# fmt: off

def _data(t, row):
    row("Accumulator.add", {"self": t.accumulator, "values": (1, 2)}, lambda self, values: self.add(*values),
        values=bad(T, ("3", 1), (1, None), (1, [2]), (1, 1j), (1, torch.tensor(1j)), words="numbers")
        + bad(V, (), (1,), (1, 2, 3), (1, torch.ones(2)), (1, torch.empty(0)), (1, torch.ones(1, device="meta"))))
    row("accuracy", {"y_hat": torch.eye(10)[:8]}, y_hat=bad(V, t.X[:, 0, 0, 0][:3], torch.empty(8, 0)),
        y=bad(V, t.y[:3], t.y.to("meta")))
    row("try_gpu", i=PLACES)
    row("claim", {"words": "lower by", "measured": [1, 2], "over": 0}, measured=bad(T, None, "abc", [1, "b"], {}, len))
    row("recorded", {"name": "lenet_sigmoid"})
    row("time_contract", chapter=bad(V, "07", "", None, 5, ["01"], NAN, words="chapter"))
    row("load_data_fashion_mnist", resize=SIZES + bad(V, (1, 2, 3), (0, 8), (8, HUGE)) + bad(T, (8, "8"), {}),
        num_train=bad(V, 60_001), num_test=bad(V, 10_001))
    row("datasets.load_arrays", {"prefix": "train"})
    row("datasets.Batches", {"images": t.images}, images=bad(V, t.X, t.images[:, 0], t.images[:3]),
        labels=bad(V, t.labels[:3]) + bad(V, torch.tensor(3), told="8 and 1"), resize=SIZES)
    row("datasets.Copies", {"batches": t.batches}, low=bad(V, 1, 2))


def _training(t, row):
    data = bad(T, None, 3, "abc", {}, (b for b in t.pairs), words="length") + bad(V, [], words="empty", told="is empty")
    frozen = bad(V, t.empty, t.bare, small().requires_grad_(False), words="parameter")
    iterators = {"train_iter": data, "test_iter": without_none(data)}
    both = {"net": frozen, **iterators}
    row("Trainer", {"lr": 0.1, "test_iter": t.pairs}, listeners=bad(T, [3]),
        precision=bad(V, "fp16", "", None, 16, words="precision must be one of 'float32', 'bf16'"), **both)
    row("Trainer.lr", {"self": t.trainer}, lambda self, lr: setattr(self, "lr", lr), lr=RATES)
    wrong_states = (None, 3, "abc", {}, [], {"net": 3}, {**t.trainer.state(), "more": 1})
    row("Trainer.load_state", state=bad(EITHER, *wrong_states, words="state"))
    kept = {**both, "loss": CALLED, "correct": CALLED, "optimizer": bad(T, 3, "relu", [len], None),
        "listeners": bad(T, 3, "abc", [3], {}), "checkpoint": bad(T, 3, ["a"], True, {})}
    row("train", **kept)
    row("widgets.fit", **kept)
    row("d2l.train_ch6", **both)
    row("evaluate_accuracy", data_iter=t.broken_batches)
    row("d2l.evaluate_accuracy_gpu", data_iter=t.broken_batches)
    row("time_epoch", net=frozen, train_iter=data)
    row("train_over_seeds", seeds=bad(T, None, ["0"], [0.5], "012") + bad(V, [-1], [HUGE * HUGE])
        + bad(V, [], told="got none"), **iterators)
    paths = bad(T, None, 3, ["a"], NAN)
    row("Checkpoint", path=paths, every=RATES, same_start=SWITCHES)
    row("Checkpoint.of", value=paths)
    row("Checkpoint.keeps", path=bad(T, None, [1], {}))
    row("Checkpoint.fit", trainer=bad(T, None, 3, t.net, Trainer, words="Trainer"), num_epochs=POSITIVE)
    for name in ("Trainer.save", "Trainer.load", "History.save", "History.load"):
        row(name, path=paths)


def _records(t, row):
    row("History.end_epoch", {"first_step": 0}, first_step=bad(V, 2, HUGE))
    no_record = ("", "[]", "{}", "null", "nan", b"\xff", '{"cnnlib history": 1}', "[" * 9999)
    row("History.from_json", text=bad(T, None, 5, HUGE, [], {}, words="text or from bytes")
        + bad(V, *no_record, words="this text", told="this text"))
    row("compare", runs=bad(V, None, {}, [], {"a": []})
        + bad(T, 3, "abc", [t.history], {"a": 3}, {"a": [3]}, {"a": History}, words="histor"))
    row("growth_table", {"chapter": 1, "folder": "/nowhere/at all"}, folder=bad(T, None, 3, ["a"]))
    row("full_results", {"chapter": "02_alexnet", "here": {"here": t.history}}, here=bad(T, t.history, {3: t.history}))
    row("Animator", ylabel=bad(T, 3, b"a", words="a text"), legend=bad(T, 3, [3], [["a", 3]], {}),
        ylim=bad(T, 3, "ab", (0, "1"), words="pair|number") + bad(V, (1,), (2, 1), (0, NAN)), yscale=bad(V, "other", 3)
        + bad(V, [], told="()"), figsize=bad(T, 3, "ab", (3, "4"), {})
        + bad(V, (3,), (0, 3), (-1, 3), (HUGE, 3), (NAN, 3)))
    row("Animator.add", {"y": [1, 2]}, x=bad(T, "1", None, {}, 1j, [1, "2"], words="number") + bad(V, [1], [1, 2, 3]),
        y=bad(T, "12", 1j, ["1", 2], [1, [2]], words="number") + bad(V, 1, [1], [1, 2, 3], []))
    row("Animator.band", {"low": 0, "high": 1}, low=NUMBERS + bad(V, 2), high=NUMBERS + bad(V, -1), panel=PLACES
        + bad(V, 1, HUGE))


def _models(t, row):
    row("models.alexnet", {"shrink": 8, "side": 65}, shrink=bad(V, 0, -1, 97), side=bad(V, 0, -1, 64))
    row("models.vgg", {"arch": [(1, 2)], "side": 8, "units": 4}, side=bad(V, 0, -1, 1))
    row("models.side_after", {"layers": nn.Sequential(nn.MaxPool2d(3)), "side": 9}, layers=bad(T, [nn.MaxPool2d(3)]),
        side=bad(V, 0, 2))
    row("models.narrower", ratio=bad(V, 65, HUGE))
    row("models.resnet18", {"width": 2})
    row("models.small_resnet18", {"width": 2})
    row("models.resnet_v1", {"side": 8})
    row("models.tower", {"width": 2})
    row("models.make_shortcut", {"kind": "identity", "in_channels": 2}, out_channels=bad(V, 1))
    row("models.cifar_resnet", {"depth": 8, "width": 2},
        depth=bad(EITHER, 0, -1, 9, 8.5, "8", None, True, [8], NAN, HUGE, words="6n"))
    one_each = ("gamma", "beta", "running_mean", "running_var")
    row("models.batch_norm", {"X": torch.rand(4, 2), "training": True} | {name: torch.ones(2) for name in one_each},
        X=bad(V, torch.rand(0, 2), torch.rand(1, 2), torch.rand(4, 3)),
        **dict.fromkeys(one_each, bad(EITHER, None, 1.0, [1, 1], torch.ones(3), torch.ones(2, 1))))
    blocks, none = {"net": models.tower(2, 2)}, bad(V, t.net, t.plain, t.empty)
    row("models.fixup_", blocks, net=none)
    row("models.scale_branches_", blocks, net=none)
    row("models.zero_gamma_", blocks, net=none + bad(V, t.blocks, told="needs blocks with batch norm"))
    half = [(t.X, t.y), (t.X.repeat(1, 3, 1, 1), t.y)]
    row("models.recalibrate_", batches=bad(V, [], half) + bad(T, [3], [t.X], [("a", t.y)]))
    row("models.deepened", {"shallow": t.plain, "depth": 14}, shallow=bad(V, t.net, t.blocks, t.empty),
        depth=bad(EITHER, 0, 9, "14", None, HUGE), X=bad(V, t.X[:0], t.X[0], t.X.repeat(1, 3, 1, 1)))


def _probes(t, row):
    for name in ("layer_table", "walk_layers", "receptive_fields"):
        row(f"probes.{name}", {"input_shape": (1, 8, 8)},
            input_shape=bad(V, (1, 9, 9), (3, 8, 8), (8,), words="cannot take"))
    no_layer, layers = bad(V, "9", "conv"), bad(T, [0], [None]) + bad(V, ["9"], ["conv"])
    wrong_X = bad(V, t.X[:0], t.X[:, :, :2, :2], t.X.repeat(1, 3, 1, 1), t.X[0, 0])
    floats = wrong_X + bad(V, t.X.byte())
    row("probes.FlowProbe", layers=layers)
    row("probes.feature_maps", X=floats, layers=layers)
    row("probes.layers_with_maps", X=wrong_X)
    row("probes.maps_and_output", X=wrong_X, layer=no_layer)
    row("probes.strongest_places", batches=t.broken_batches + bad(V, [(t.X.repeat(1, 3, 1, 1), t.y)]), layer=no_layer
        + bad(V, "6", "5"), seconds=bad(T, "1", None, True) + bad(V, NAN, -1))
    wrong_batch = bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1), t.X.byte(), torch.tensor(1.0))
    row("probes.gradient_norms", net=bad(V, t.empty, t.bare, words="weights"), X=wrong_batch, y=t.wrong_y)
    row("probes.gradient_parts", {"net": t.blocks}, block=bad(V, 4, HUGE), last=bad(V, 4), X=wrong_batch, y=t.wrong_y,
        net=bad(V, nn.Sequential(t.meta_net)) + bad(V, t.empty, told="from 1 to 0"))
    row("probes.path_gradients", {"net": t.blocks, "paths": [(0,)]}, net=bad(V, t.plain, t.empty), X=wrong_batch,
        y=t.wrong_y, paths=bad(V, [(9,)], told="[9]"))
    row("probes.loss_along", {"direction": t.direction, "distances": [0, 1]}, X=wrong_batch[:-1], y=t.wrong_y,
        net=bad(V, nn.Sequential(nn.Flatten(), nn.Linear(64, 10))), direction=bad(V, {"0.weight": torch.ones(2)}),
        distances=bad(T, ["1"], [None]) + bad(V, [NAN], [INF]))
    row("probes.relu_statistics", {"number": 0}, X=floats, number=bad(V, -1, 2, HUGE))
    wrong_site = bad(T, None, 3, "0", ("0",), probes.Site, words="site")
    wrong_site += bad(V, probes.Site(("9",), 2), words="no layer '9'", told="'9'")
    row("probes.without", {}, lambda net, site: probes.without(net, site), net=NETS, site=wrong_site)
    row("probes.swapped", one=wrong_site, other=wrong_site + bad(V, probes.Site(("3",), 3), told="3 in 1"))
    row("probes.GradientParts.shares", {"parts": None}, parts=bad(V, [torch.ones(2)]))


def _figures(t, row):
    colours = bad(V, t.X[:3].repeat(1, 3, 1, 1)[0], t.X[0, :, :0])
    many, wrong_shape = bad(V, torch.ones(2000, 2, 2)), bad(V, (3, 8, 8), (8,))
    row("figures.draw_bars", {"groups": {"a": {"x": 1.0}}},
        groups=bad(T, {"a": {"x": "1"}}, {"a": {"x": None}}, {"a": {3: 1}})
        + bad(V, {"a": {}}, {"a": {"x": 1}, "b": {"y": 1}}, {str(i): {"x": 1} for i in range(9)}))
    no_lines = [3, [1], (3, [1]), ([1], 3), (["1"], [1]), ([1], ["1"]), ([1], [None])]
    unequal = [([1], [1, 2]), ([], []), ([1], []), ([1], [[]])]
    row("figures.draw_lines", {"lines": {"a": ([1, 2], [1, 2])}}, lines=bad(T, *({"a": line} for line in no_lines))
        + bad(V, *({"a": line} for line in unequal), {str(i): ([1], [1]) for i in range(9)}))
    row("figures.draw_dots", {"rows": {"a": [1.0, 2.0]}}, rows=bad(T, {"a": 3}, {"a": ["1"]}, {"a": [None]})
        + bad(V, {}, {"a": []}))
    row("figures.draw_slopes", {"stacks": {"a": [[1.0, 2.0]]}, "predicted": {"a": 0.5}},
        stacks=bad(T, {"a": 3}, {"a": [3]}, {"a": [["1", "2"]]}) + bad(V, {}, {"a": [[1.0]]}),
        predicted=bad(T, {"a": "1"}) + bad(V, {"b": 1.0}, {"a": 0.0}))
    row("figures.draw_recorded", {"runs": {"a": cnnlib.recorded("lenet_sigmoid")}},
        runs=bad(T, {"a": [t.history]}, {"a": 3}) + bad(V, {}),
        here=bad(V, {"b": t.history}))
    row("figures.draw_fair_comparison", {"runs": {"a": cnnlib.recorded("lenet_sigmoid")}},
        runs=bad(T, {"a": [t.history]}, {"a": 3}) + bad(V, {}))
    row("figures.draw_filter_rows", {"rows": {"a": torch.rand(4, 1, 3, 3)}},
        rows=bad(T, {"a": 3}) + bad(V, {}, {"a": torch.rand(4, 2, 3, 3)}, {"a": torch.rand(4, 3, 3)}))
    row("figures.draw_runs", runs=bad(T, {"a": t.history}, {"a": [3]}, {"a": History})
        + bad(V, {"a": []}, {"a": [History()]}))
    row("figures.draw_confusions", {"counts": torch.ones(2, 2), "classes": ["a", "b"]}, classes=bad(V, ["a"]),
        counts=bad(V, torch.ones(2, 3), -torch.ones(2, 2), torch.full((2, 2), NAN), torch.ones(3, 3)))
    row("figures.draw_block_kinds", {"blocks": {"a": "plain"}}, blocks=bad(V, {"a": "other"}, told="'other'")
        + bad(V, {}))
    row("figures.draw_depths", {"rows": {"a": ((1, 1, 1, 1), 2, "words")}}, rows=bad(V, {}))
    row("figures.draw_blocks", {"net": t.blocks}, net=bad(V, t.net, t.empty), input_shape=wrong_shape)
    row("figures.draw_network", input_shape=wrong_shape)
    row("figures.draw_volumes", {"networks": {"a": (t.net, (1, 8, 8))}},
        networks=bad(T, {"a": t.net}, {"a": (None, (1, 8, 8))}, {"a": (t.net, 8)}, {"a": (lenet, (1, 8, 8))})
        + bad(V, {"a": (t.net, (8,))}, {"a": (t.net, (3, 8, 8))}))
    row("figures.draw_feature_explorer", {"channel": 0}, channel=PLACES + bad(V, 8, HUGE),
        scores=bad(T, [("a",)], [("a", "b")], [(1, 2.0)]))
    row("figures.draw_feature_maps", image=colours, maps=many)
    row("figures.draw_filters", weights=many)
    row("figures.show_images", images=many + bad(V, t.X.repeat(1, 3, 1, 1)))
    row("figures.gradient_flow_chart", {"start": [1.0, 2.0]})
    row("figures.draw_lesions", {"whole": 0.5, "results": [0.5, None]}, results=bad(T, ["1"]) + bad(V, [2.0], [NAN]),
        number=without_none(PLACES) + bad(V, 2, HUGE))
    row("figures.draw_receptive_fields", {"networks": {"a": {"b": probes.receptive_fields(t.net)[0]}}}, image=colours,
        networks=bad(T, {"a": {"b": 3}}) + bad(V, {"a": {}}))
    row("figures.draw_reconstructions", {"rows": {"a": t.X}}, low=bad(V, 1, 2),
        rows=bad(V, {"a": t.X[:0]}, {"a": t.X[0]}, {"a": t.X.repeat(1, 3, 1, 1)}))
    row("figures.draw_convolution", {"picture": np.ones((4, 4)), "kernel": np.ones((2, 2))},
        picture=bad(V, np.ones(3), np.ones((1, 1))), kernel=bad(V, np.ones(3), np.ones((6, 6)), np.ones((5, 5))),
        row=PLACES + bad(V, 3, HUGE), column=PLACES + bad(V, 3, HUGE))
    row("figures.draw_step", number=PLACES + bad(V, 0, 99, HUGE),
        grey=bad(T, 3, "a", t.X, np.ones((2, 2)), np.ones(3, np.uint8)))


def _widgets(t, row):
    row("widgets.slider", {"low": 0, "high": 2, "default": 1}, low=bad(V, 3, 2), high=bad(V, -1, 0),
        default=bad(V, -1, 3))
    row("widgets.choice", {"options": {"x": 1}}, default=bad(V, 2, "x", []))
    row("widgets.guess", {"options": ["a", "b"]}, options=bad(T, ["a", 3], (0, "a"), (None, 1))
        + bad(V, ["a"], (1,), (0, 1, 2), (1, 0), (0, 0), (0, NAN), (0, INF), ["a", "a"]))
    row("guess.reveal", {"self": t.guess, "measured": "a"}, type(t.guess).reveal, measured=bad(V, "c", None, 3, []))
    row("scale.reveal", {"self": t.scale, "measured": 1}, type(t.scale).reveal, measured=NUMBERS)
    row("widgets.explore_shapes", picture=bad(T, "abc", [["a"]])
        + bad(V, t.X, t.X[0, 0, 0], t.X[0, :, :0], t.X[0] * NAN))
    for name in ("explore_features", "FeatureExplorer"):
        row(f"widgets.{name}", net=NETS[1:] + bad(V, t.meta_net, nn.Flatten()), batches=t.broken_batches,
            classes=bad(T, 3, "abc", [3]) + bad(V, ["a"], []), picture=PLACES + bad(V, 8, HUGE))
    square = {"a": np.ones((2, 2))}
    row("widgets.Convolution", {"picture": np.ones((4, 4)), "kernels": square}, picture=bad(V, np.ones(3)),
        kernels=bad(V, {}, {"a": np.ones(3)}), row=PLACES + bad(V, 3), column=PLACES + bad(V, 3))
    row("widgets.GradientSum", X=bad(V, t.X[:0], t.X.repeat(1, 3, 1, 1)), y=t.wrong_y)
    places = bad(T, 2.5, "3", True, [1], words="whole number") + bad(V, 0, -1, 99, HUGE)
    row("widgets.Lesions", {"nets": {"a": t.net}}, nets=bad(T, {"a": lenet}) + bad(V, {"a": t.empty}),
        batches=t.broken_batches, number=places)
    row("widgets.Lesions.accuracy", {"name": "net", "operation": "without", "number": 0}, name=CHOICES,
        operation=CHOICES, number=PLACES + bad(V, 99, HUGE))
    for name in ("Blueprint", "Shortcuts"):
        row(f"widgets.{name}.draw", net=NETS)
    row("widgets.Microscope", {"number": 0})
    row("widgets.Playground", {"data": lambda s: None, "controls": [t.control]}, views=bad(T, [widgets.Blueprint]),
        controls=bad(T, [widgets.slider]) + bad(V, [t.control, t.control], told="'depth' twice"))
    row("widgets.Playground.set", {"name": "lr", "value": 0.1}, name=bad(V, "other", None, 3, []), value=RATES)
    row("slider.set", {"self": t.playground, "name": "depth", "value": 2}, widgets.Playground.set,
        value=bad(EITHER, 0, 99, "2", None, 2.5, NAN, [2]))
    row("widgets.Playground.fork", {"run": None, "moment": None}, moment=bad(T, None, 3, "a", words="moment"))
    row("exercises.progress", chapter=bad(V, "07", "", 7, ["01"], NAN, words="chapter"),
        forget=bad(T, "no", 1, None, [], words="True or False"))
# fmt: on
