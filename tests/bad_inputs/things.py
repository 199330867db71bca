"""The networks, batches and records that right arguments are made of: built once, as no wrong call may change them."""

from types import SimpleNamespace

import torch
from torch import nn

from bad_inputs.values import HUGE, ITERABLES, LARGE, NETS, POSITIVE, TENSORS, T, V, bad
from cnnlib import Accumulator, Animator, History, Trainer, widgets
from cnnlib.datasets import Batches, Copies
from cnnlib.models import cifar_resnet, tower
from cnnlib.probes import gradient_parts, lesion_sites, random_direction, relu_statistics, walk_layers


def pictures(num=8, side=8):
    """Return a batch of noise, (num, 1, side, side), and its labels."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num, 1, side, side, generator=generator), torch.arange(num) % 10


def small():
    """Return a network for 1×8×8 with a convolution, a normalisation, a ReLU and a dense layer."""
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))


def meta():
    with torch.device("meta"):
        return small()


def labels_like(y):
    """Return labels that do not fit `y`."""
    return bad(T, None, y.tolist(), words="tensor") + bad(V, y[:-1], y[:, None], torch.tensor(3)) + bad(T, y.float())


def labels_out_of_range(y):
    return bad(V, y + 7, y - 1, words="labels must lie in 0 … 9")


def build():
    """Return the right arguments, built once, and the wrong ones that are made of them."""
    X, y = pictures()
    net, blocks, plain = small(), tower(3, 2, norm=False), cifar_resnet(8, 2, "none")
    empty, bare = nn.Sequential(), nn.ReLU()
    images, labels = (255 * X).byte(), y
    batches = Batches(images, labels, 4, shuffle=True)
    copies = Copies(Batches(images, labels, 4, shuffle=True))
    pairs = [(X, y)]
    trainer = Trainer(small(), batches, pairs, device="cpu")
    trainer.fit(1)
    history = History(loss=[1.0, 0.5], lr=[0.1, 0.1], correct=[1, 2], size=[4, 4], epoch_ends=[2], test_acc=[0.5])
    runs = {"a": [history]}
    sites = lesion_sites(net)
    parts, walk, stats = gradient_parts(blocks, X, y), walk_layers(net, (1, 8, 8)), relu_statistics(net, X, 0)
    direction = random_direction(net)
    animator, accumulator = Animator(legend=["a", "b"]), Accumulator(2)
    meta_net = meta()
    wrong_net = NETS + bad(V, meta_net, words="meta")
    broken_batches = (
        ITERABLES
        + bad(V, [], words="no batch at all|are empty", told=" ")
        + bad(T, [3], [X], [("a", "b")], [(None, None)], words="pair of tensors")
    )
    wrong_X = TENSORS + bad(V, X[:0], X[:, :, :2, :2], X.repeat(1, 3, 1, 1), X.byte(), X[0, 0])
    arch = bad(T, None, 3, "11", [3], [(1, 2, 3)], [(1, "64")], [(1.0, 64)], words="arch") + bad(
        V, [], [(0, 64)], [(1, HUGE)]
    )
    channels = POSITIVE + LARGE
    guess = widgets.guess("Which?", ["a", "b"])
    scale = widgets.guess("How many?", (0, 1))
    lesions = widgets.Lesions({"net": net}, pairs, 1)
    control = widgets.slider("depth", 1, 3, 2)
    explorer = widgets.explore_features(net, batches)
    playground = widgets.Playground("bad inputs", lambda s: small(), lambda s: (batches, pairs), [control], lr=0.1)
    score = [("a", 0.5)]
    one = torch.ones(2)
    wrong_y = labels_like(y) + labels_out_of_range(y)
    return SimpleNamespace(**locals())
