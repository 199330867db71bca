"""The courses' listings of AlexNet, VGG and batch normalisation run over `cnnlib.d2l` and build the library's networks.

As in the listings, every network is built from PyTorch's own layers; cnnlib brings the data and the training alone.
"""

import re

import pytest
import torch
from torch import nn

from cnnlib import History, d2l
from cnnlib.datasets import fashion_mnist, load_arrays
from cnnlib.models import VGG11, alexnet, narrower, vgg

CONV_ARCH = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
BATCH_SIZE = 4  # the listings have 128


@pytest.fixture
def few(monkeypatch):
    """Let the loader find the first 8 training and 4 test images only: two batches and one."""
    sizes = {"train": 8, "t10k": 4}
    monkeypatch.setattr(fashion_mnist, "load_arrays", lambda name: [part[: sizes[name]] for part in load_arrays(name)])


def dense(num_inputs):
    """The classifier that ends AlexNet and VGG."""
    return [
        nn.Linear(num_inputs, 4096), nn.ReLU(), nn.Dropout(p=0.5),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(p=0.5), nn.Linear(4096, 10),
    ]  # fmt: skip


def build_alexnet():
    def pool():
        return nn.MaxPool2d(kernel_size=3, stride=2)

    return nn.Sequential(
        nn.Conv2d(1, 96, kernel_size=11, stride=4, padding=1), nn.ReLU(), pool(),
        nn.Conv2d(96, 256, kernel_size=5, padding=2), nn.ReLU(), pool(),
        nn.Conv2d(256, 384, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, kernel_size=3, padding=1), nn.ReLU(), pool(),
        nn.Flatten(), *dense(6400))  # fmt: skip


def build_vgg(conv_arch):
    blocks, channels = [], 1
    for num_convs, out_channels in conv_arch:
        block = []
        for in_channels in [channels] + [out_channels] * (num_convs - 1):
            block += [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1), nn.ReLU()]
        blocks.append(nn.Sequential(*block, nn.MaxPool2d(kernel_size=2, stride=2)))
        channels = out_channels
    return nn.Sequential(*blocks, nn.Flatten(), *dense(channels * 7 * 7))


def learn(net, num_epochs, lr, resize=None):
    """Load and train as the listing does, with the names it takes from d2l."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(BATCH_SIZE, resize=resize)
    return d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())


def assert_printed(text, history, num_epochs):
    """Compare what a run printed with the listing's own lines and with the record."""
    device = re.escape(str(d2l.try_gpu()))
    pattern = (
        rf"training on {device}\nloss (\S+), train acc (\S+), test acc (\S+)\n(\d+\.\d) examples/sec on {device}\n"
    )
    printed = re.fullmatch(pattern, text)
    assert printed and isinstance(history, History)
    last = (history.train_loss[-1], history.train_acc[-1], history.test_acc[-1])
    assert printed.groups()[:3] == tuple(f"{value:.3f}" for value in last)
    assert float(printed[4]) > 0
    assert history.ended == "finished" and history.steps == 2 * num_epochs and history.size == [4, 4] * num_epochs
    assert last[1] in {n / 8 for n in range(9)} and last[2] in {n / 4 for n in range(5)}


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


# AlexNet


def test_alexnet_of_the_book_is_that_of_the_listing():
    """What it prints is held in `test_models.py`, of the book's."""
    torch.manual_seed(0)
    theirs = build_alexnet()
    torch.manual_seed(0)
    ours = alexnet()
    assert same_weights(ours, theirs) and repr(ours) == repr(theirs)


@pytest.mark.thorough
def test_alexnet_trains(few, capsys):
    net, lr, num_epochs = build_alexnet(), 0.01, 1
    history = learn(net, num_epochs, lr, resize=224)
    assert_printed(capsys.readouterr().out, history, num_epochs)
    assert all(p.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())


# VGG


def test_vgg11_of_the_book_is_that_of_the_listing():
    with torch.device("meta"):
        ours, theirs = vgg(VGG11), build_vgg(CONV_ARCH)
    assert repr(ours) == repr(theirs) and VGG11 == CONV_ARCH


@pytest.mark.thorough
def test_quarter_width_vgg_trains(few, capsys):
    ratio = 4
    small_conv_arch = [(pair[0], pair[1] // ratio) for pair in CONV_ARCH]
    assert tuple(small_conv_arch) == narrower(VGG11, ratio)
    torch.manual_seed(0)
    net = build_vgg(small_conv_arch)
    torch.manual_seed(0)
    assert same_weights(net, vgg(narrower(VGG11, ratio)))
    lr, num_epochs = 0.05, 2
    history = learn(net, num_epochs, lr, resize=224)
    assert_printed(capsys.readouterr().out, history, num_epochs)
    assert all(p.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())


def test_loader_takes_the_listings_batch_size_and_resize():
    batch_size = 128
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=224)
    assert (len(train_iter), len(test_iter)) == (469, 79)
    X, y = next(iter(train_iter))
    assert X.shape == (128, 1, 224, 224) and y.shape == (128,) and 0 <= X.min() < X.max() <= 1


# Batch normalisation


def test_batch_norm_of_features_trains(few, capsys):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))
    history = learn(net, 3, 0.1)
    assert_printed(capsys.readouterr().out, history, 3)
    assert net[2].num_batches_tracked == 6  # two batches an epoch: evaluating counts for nothing


def test_batch_norm_between_convolution_and_relu_trains(few, capsys):
    sandwich = [nn.Conv2d(1, 6, kernel_size=5), nn.BatchNorm2d(6), nn.ReLU()]
    net = nn.Sequential(*sandwich, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6 * 6 * 6, 10))
    history = learn(net, 2, 0.1)
    assert_printed(capsys.readouterr().out, history, 2)
    statistics = net[1].running_mean.clone()
    d2l.evaluate_accuracy_gpu(net, d2l.load_data_fashion_mnist(BATCH_SIZE)[1])
    assert net[1].num_batches_tracked == 4 and torch.equal(net[1].running_mean, statistics)


def test_batch_norm_of_features_on_a_feature_map(few):
    """The listing's `nn.BatchNorm1d` after a convolution: the error says which layer, what it got, what it needs."""
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm1d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 24 * 24, 10))
    words = (
        r"layer '1', BatchNorm1d, got an input of shape \(4, 6, 24, 24\) \(float32\), "
        r"but needs \(N, 6\) or \(N, 6, length\)\. .*expected 2D or 3D input \(got 4D input\)"
    )
    with pytest.raises(ValueError, match=words):
        learn(net, 1, 0.1)


def test_batch_norm_of_maps_on_features(few):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm2d(16), nn.ReLU(), nn.Linear(16, 10))
    words = r"layer '2', BatchNorm2d, got an input of shape \(4, 16\) .*but needs \(N, 16, height, width\)"
    with pytest.raises(ValueError, match=words):
        learn(net, 1, 0.1)
