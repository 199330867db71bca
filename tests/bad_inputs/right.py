"""What is right for a parameter, by its name: networks, batches and records, built once."""

from types import SimpleNamespace

import torch
from torch import nn

from bad_inputs.values import ITERABLES, T, V, bad
from cnnlib import Accumulator, Animator, Checkpoint, History, Trainer, models, widgets
from cnnlib.datasets import Batches, Copies
from cnnlib.models import cifar_resnet, tower
from cnnlib.probes import gradient_parts, lesion_sites, random_direction, relu_statistics, walk_layers


def small():
    """Return a network for 1×8×8 with a convolution, a normalisation, a ReLU and a dense layer."""
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))


def build():
    """Return the right arguments, built once, and the wrong ones that are made of them."""
    X, y = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    net, blocks = small(), tower(3, 2, norm=False)
    images, labels, pairs = (255 * X).byte(), y, [(X, y)]
    batches, copied = (Batches(images, labels, 4, shuffle=True) for _ in range(2))
    trainer = Trainer(small(), batches, pairs, device="cpu")
    trainer.fit(1)
    broken_batches = (
        ITERABLES
        + bad(V, [], words="no batch at all|are empty", told=" ")
        + bad(T, [3], [X], [("a", "b")], [(None, None)], words="pair of tensors")
    )
    wrong_y = (
        bad(T, None, y.tolist(), words="tensor")
        + bad(V, y[:-1], y[:, None], torch.tensor(3))
        + bad(T, y.float())
        + bad(V, y + 7, y - 1, words="labels must lie in 0 … 9")
    )
    control = widgets.slider("depth", 1, 3, 2)
    panel = widgets.Playground("bad inputs", lambda s: small(), lambda s: (batches, pairs), [control], lr=0.1)
    with torch.device("meta"):
        meta_net = small()
    return SimpleNamespace(
        X=X, y=y, images=images, labels=labels, pairs=pairs, batches=batches, copies=Copies(copied),
        net=net, blocks=blocks, plain=cifar_resnet(8, 2, "none"), empty=nn.Sequential(), bare=nn.ReLU(),
        meta_net=meta_net, trainer=trainer,
        history=History(loss=[1.0, 0.5], lr=[0.1, 0.1], correct=[1, 2], size=[4, 4], epoch_ends=[2], test_acc=[0.5]),
        sites=lesion_sites(net), parts=gradient_parts(blocks, X, y), walk=walk_layers(net, (1, 8, 8)),
        direction=random_direction(net), animator=Animator(legend=["a", "b"]), accumulator=Accumulator(2),
        guess=widgets.guess("Which?", ["a", "b"]), scale=widgets.guess("How many?", (0, 1)),
        lesions=widgets.Lesions({"net": net}, pairs, 1), explorer=widgets.explore_features(net, batches),
        control=control, playground=panel, broken_batches=broken_batches, wrong_y=wrong_y,
    )  # fmt: skip


def by_name(t):
    """Return what a parameter of each name is given where a function has no default; a method's `self` by its class."""
    stage = dict.fromkeys(("num_convs", "num_residuals", "num_blocks", "number", "x", "factor", "in_channels"), 1)
    width = dict.fromkeys(("out_channels", "input_channels", "num_channels", "num_features", "n", "ratio"), 2)
    data = dict.fromkeys(("batches", "train_iter", "test_iter", "data_iter"), t.pairs)
    image = {"image": t.X[0, 0], "maps": t.X[:, 0], "weights": t.X[:, 0], "images": t.X}
    draw = {name: getattr(widgets, name)((1, 8, 8)) for name in ("Blueprint", "Shortcuts")}
    return stage | width | data | image | draw | {
        "X": t.X, "y": t.y, "labels": t.labels, "net": t.net, "input_shape": (1, 8, 8), "layer": "0",
        "num_epochs": 1, "lr": 0.1, "seed": 0, "start": 0, "share": 0, "momentum": 0, "batch_size": 4,
        "arch": models.VGG11, "name": "a", "label": "a", "xlabel": "x", "ylabel": "y", "question": "Which?",
        "path": "run.pt", "device": "cpu", "history": t.history, "runs": {"a": [t.history]}, "cost": t.walk,
        "walk": t.walk, "parts": t.parts,
        "statistics": relu_statistics(t.net, t.X, 0), "build": small, "site": t.sites[0], "one": t.sites[0],
        "other": t.sites[0], "trainer": t.trainer,
        "Accumulator": t.accumulator, "Animator": t.animator, "Batches": t.batches, "Copies": t.copies,
        "Checkpoint": Checkpoint("/nowhere/run.pt"), "FeatureExplorer": t.explorer, "GradientParts": t.parts,
        "History": t.history, "Lesions": t.lesions, "Playground": t.playground, "Trainer": t.trainer,
    }  # fmt: skip
