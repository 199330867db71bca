"""A listing written for the d2l package runs with its import line changed: its names, its calls, what it prints.

As in the listings, every network is built from PyTorch's own layers; cnnlib brings the data and the training alone.
"""

import copy
import re

import pytest
import torch
from torch import nn

from cnnlib import History, d2l
from cnnlib.datasets import fashion_mnist, load_arrays
from cnnlib.figures.chart_picture import draw_chart
from cnnlib.models import VGG11, alexnet, narrower, vgg

CONV_ARCH = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))


@pytest.fixture
def only(monkeypatch):
    """Return a function that lets the loader find so many training and test images only."""

    def limit(train, test):
        sizes = {"train": train, "t10k": test}
        monkeypatch.setattr(
            fashion_mnist, "load_arrays", lambda name: [part[: sizes[name]] for part in load_arrays(name)]
        )

    return limit


@pytest.fixture
def data(only):
    """Six batches of training images and two of test images, loaded as in the listings."""
    only(1_500, 300)
    batch_size = 256
    return d2l.load_data_fashion_mnist(batch_size=batch_size)


def build_lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))  # fmt: skip


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


# The listing with its own loop


def evaluate(net, data_iter, device=None):
    """Evaluate as the listing does, with the names it takes from d2l."""
    if isinstance(net, nn.Module):
        net.eval()
        if not device:
            device = next(iter(net.parameters())).device
    metric = d2l.Accumulator(2)
    with torch.no_grad():
        for X, y in data_iter:
            X = [x.to(device) for x in X] if isinstance(X, list) else X.to(device)
            y = y.to(device)
            metric.add(d2l.accuracy(net(X), y), y.numel())
    return metric[0] / metric[1]


def train(net, train_iter, test_iter, num_epochs, lr, device):
    """Train as the listing does, with the names it takes from d2l; return its chart."""

    def init_weights(m):
        if type(m) in (nn.Linear, nn.Conv2d):
            nn.init.xavier_uniform_(m.weight)

    net.apply(init_weights)
    print("training on", device)
    net.to(device)
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=lr), nn.CrossEntropyLoss()
    animator = d2l.Animator(xlabel="epoch", xlim=[1, num_epochs], legend=["train loss", "train acc", "test acc"])
    timer, num_batches = d2l.Timer(), len(train_iter)
    for epoch in range(num_epochs):
        metric = d2l.Accumulator(3)
        net.train()
        for i, (X, y) in enumerate(train_iter):
            timer.start()
            optimizer.zero_grad()
            X, y = X.to(device), y.to(device)
            y_hat = net(X)
            l = loss(y_hat, y)  # noqa: E741, the listing's name
            l.backward()
            optimizer.step()
            with torch.no_grad():
                metric.add(l * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
            timer.stop()
            train_l = metric[0] / metric[2]
            train_acc = metric[1] / metric[2]
            if (i + 1) % (num_batches // 5) == 0 or i == num_batches - 1:
                animator.add(epoch + (i + 1) / num_batches, (train_l, train_acc, None))
        test_acc = evaluate(net, test_iter)
        animator.add(epoch + 1, (None, None, test_acc))
    print(f"loss {train_l:.3f}, train acc {train_acc:.3f}, test acc {test_acc:.3f}")
    print(f"{metric[2] * num_epochs / timer.sum():.1f} examples/sec on {str(device)}")
    return animator


PRINTED = (
    r"training on (\w+)\nloss (\d\.\d{3}), train acc (\d\.\d{3}), test acc (\d\.\d{3})\n\d+\.\d examples/sec on \1\n"
)


def test_listing_with_its_own_loop(data, capsys):
    animator = train(build_lenet(), *data, 2, 0.9, torch.device("cpu"))
    assert re.fullmatch(PRINTED, capsys.readouterr().out)
    loss, train_acc, test_acc = zip(animator.chart.xs, animator.chart.ys, strict=True)
    assert len(loss[0]) == len(train_acc[0]) == 6 * 2
    assert test_acc[0] == [1, 2] and all(0 <= acc <= 1 for acc in test_acc[1])
    assert animator.picture().png().startswith(b"\x89PNG")


def test_train_ch6_learns_and_evaluates_as_the_loop_does(data):
    ours = build_lenet()
    theirs = copy.deepcopy(ours)
    torch.manual_seed(1)
    train(theirs, *data, 1, 0.9, torch.device("cpu"))
    torch.manual_seed(1)
    d2l.train_ch6(ours, *d2l.load_data_fashion_mnist(256), 1, 0.9, torch.device("cpu"))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    for device in ((), (torch.device("cpu"),)):
        assert d2l.evaluate_accuracy_gpu(ours, data[1], *device) == evaluate(ours, data[1], *device)


def test_train_ch6_without_a_test_set(data, capsys):
    history = d2l.train_ch6(build_lenet(), data[0], None, 1, 0.9)
    printed = r"training on \w+\nloss \d\.\d{3}, train acc (0\.\d{3})\n\d+\.\d examples/sec on \w+\n"
    assert re.fullmatch(printed, capsys.readouterr().out)[1] == f"{history.train_acc[-1]:.3f}"
    assert history.ended == "finished" and history.test_acc == []


@pytest.mark.parametrize("args", [(128,), (128, 32), (128, 224)])
def test_loader_takes_the_calls_of_the_listings(data, args):
    train_iter, test_iter = d2l.load_data_fashion_mnist(args[0], resize=args[1]) if args[1:] else (
        d2l.load_data_fashion_mnist(batch_size=args[0])
    )  # fmt: skip
    X, y = next(iter(test_iter))
    assert X.shape == (128, 1, *[(*args, 28)[1]] * 2) and y.shape == (128,) and 0 <= X.min() < X.max() <= 1
    assert len(train_iter) == 12


# The networks of the listings


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(alexnet, build_alexnet), (lambda: vgg(VGG11), lambda: build_vgg(CONV_ARCH)),
     (lambda: vgg(narrower(VGG11, 4)), lambda: build_vgg([(n, channels // 4) for n, channels in CONV_ARCH]))],
    ids=["alexnet", "vgg11", "quarter width"],
)  # fmt: skip
def test_networks_of_the_book_are_those_of_the_listings(ours, theirs):
    with torch.device("meta"):
        ours, theirs = ours(), theirs()
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())


def build_dense_norm():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))


def build_sandwich():
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(216, 10)
    )


@pytest.mark.parametrize(
    ("build", "resize", "num_epochs"),
    [(build_dense_norm, None, 3), (build_sandwich, None, 2), (build_lenet, None, 1),
     pytest.param(build_alexnet, 224, 1, marks=pytest.mark.thorough),
     pytest.param(lambda: build_vgg([(n, c // 4) for n, c in CONV_ARCH]), 224, 1, marks=pytest.mark.thorough)],
)  # fmt: skip
def test_listings_train(only, capsys, build, resize, num_epochs):
    """What a run prints agrees with the record; running statistics move in training alone."""
    only(8, 4)
    net = build()
    train_iter, test_iter = d2l.load_data_fashion_mnist(4, resize=resize)
    history = d2l.train_ch6(net, train_iter, test_iter, num_epochs, 0.05, d2l.try_gpu())
    printed = re.fullmatch(PRINTED, capsys.readouterr().out)
    last = (history.train_loss[-1], history.train_acc[-1], history.test_acc[-1])
    assert isinstance(history, History) and printed.groups()[1:] == tuple(f"{value:.3f}" for value in last)
    assert history.ended == "finished" and history.steps == 2 * num_epochs and history.size == [4, 4] * num_epochs
    assert all(p.isfinite().all() and p.grad.abs().max() > 0 for p in net.parameters())
    for norm in (layer for layer in net if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)):
        mean = norm.running_mean.clone()
        d2l.evaluate_accuracy_gpu(net, test_iter)
        assert norm.num_batches_tracked == 2 * num_epochs and torch.equal(norm.running_mean, mean)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([nn.Conv2d(1, 6, 5), nn.BatchNorm1d(6)], r"'1', BatchNorm1d, got .* \(4, 6, 24, 24\) \(float32\), but needs "
         r"\(N, 6\) or \(N, 6, length\)\. .*expected 2D or 3D input \(got 4D input\)"),
        ([nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm2d(16)], r"'2', BatchNorm2d, got an input of shape \(4, 16\) .*"
         r"but needs \(N, 16, height, width\)"),
    ],
)  # fmt: skip
def test_batch_norm_of_the_other_kind_says_which_layer_and_what_it_needs(only, layers, words):
    only(8, 4)
    with pytest.raises(ValueError, match=words):
        d2l.train_ch6(nn.Sequential(*layers), *d2l.load_data_fashion_mnist(4), 1, 0.1, d2l.try_gpu())


# Names


def test_names_are_those_that_listings_use():
    assert all(hasattr(d2l, name) for name in d2l.__all__)
    assert {"Accumulator", "Animator", "Timer", "accuracy", "load_data_fashion_mnist", "try_gpu"} <= set(d2l.__all__)
    assert isinstance(d2l.try_gpu(), torch.device) and isinstance(d2l.try_gpu(0), torch.device)
    assert not hasattr(d2l, "train_ch3") and getattr(d2l, "plt", 3) == 3
    assert copy.copy(d2l.Animator) is d2l.Animator and "train_ch6" in dir(d2l)
    with pytest.raises(AttributeError):
        d2l.__wrapped__  # noqa: B018, what doctest and inspect ask of anything


@pytest.mark.parametrize(
    ("source", "error"),
    [("d2l.train_ch3", AttributeError), ("from cnnlib.d2l import Timer, synthetic_data as make", ImportError)],
)
def test_other_names_are_answered_by_those_there_are(source, error):
    with pytest.raises(error) as caught:
        exec(source, {"d2l": d2l})
    assert all(name in str(caught.value) for name in d2l.__all__) and caught.value.name in source


@pytest.mark.parametrize("count", [1, 2, 9])
def test_an_animator_without_a_legend_takes_as_many_series_as_its_first_point(count):
    animator = d2l.Animator(xlabel="epoch", ylabel="rmse")
    for epoch in (1, 2):
        animator.add(epoch, tuple(0.1 * number + epoch for number in range(count)) if count > 1 else float(epoch))
    assert animator.chart.xs == [[1.0, 2.0]] * count
    assert [ys[0] for ys in animator.chart.ys] == pytest.approx([0.1 * number + 1 for number in range(count)])
    assert draw_chart(animator.chart)[0].axes[0].get_legend() is None and animator.picture().png().startswith(
        b"\x89PNG"
    )
    assert repr(animator) == f"Chart of {f'{count} series' if count > 1 else 'one series'} against epoch"
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in draw_chart(animator.chart)[1]}
    assert len(looks) == min(count, 7), "they can be told apart"
    with pytest.raises(ValueError, match=f"this chart has {count} series, got {count + 1} values"):
        animator.add(3, [0.5] * (count + 1))


def test_an_animator_without_a_legend_takes_arrays_gaps_and_formats():
    animator = d2l.Animator(xlabel="epoch", fmts=("-", "m--", "g-."))
    animator.add(1, torch.tensor([0.5, 0.6]))
    animator.add((2, 3), (None, 0.7))
    assert animator.chart.xs == [[1.0], [1.0, 3.0]] and draw_chart(animator.chart)[1][1].get_color() == "m"
    assert animator.picture().png() and animator.chart.yviews[0][1] >= 0.7
