"""A listing written for the d2l package runs with its import line changed: its names, its calls, what it prints."""

import copy
import re

import pytest
import torch
from torch import nn

from cnnlib import History, d2l
from cnnlib.datasets import fashion_mnist, load_arrays


@pytest.fixture(autouse=True)
def subset(monkeypatch):
    """Let the loader find the first 1,500 training and 300 test images only: six batches and two."""
    sizes = {"train": 1_500, "t10k": 300}
    monkeypatch.setattr(fashion_mnist, "load_arrays", lambda name: [part[: sizes[name]] for part in load_arrays(name)])


def build():
    """LeNet as the listing builds it, from PyTorch's own layers."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))  # fmt: skip


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


PRINTED = r"training on cpu\nloss \d\.\d{3}, train acc (0\.\d{3}), test acc (0\.\d{3})\n\d+\.\d examples/sec on cpu\n"


@pytest.fixture
def data():
    batch_size = 256
    return d2l.load_data_fashion_mnist(batch_size=batch_size)


@pytest.mark.parametrize("num_epochs", [1, 2])
def test_listing_with_its_own_loop(data, capsys, num_epochs):
    animator = train(build(), *data, num_epochs, 0.9, torch.device("cpu"))
    assert re.fullmatch(PRINTED, capsys.readouterr().out)
    loss, train_acc, test_acc = zip(animator.chart.xs, animator.chart.ys, strict=True)
    assert len(loss[0]) == len(train_acc[0]) == 6 * num_epochs
    assert test_acc[0] == list(range(1, num_epochs + 1)) and all(0 <= acc <= 1 for acc in test_acc[1])
    assert animator.picture().png().startswith(b"\x89PNG")


def test_listing_that_calls_train_ch6(data, capsys):
    lr, num_epochs, device = 0.9, 2, torch.device("cpu")
    history = d2l.train_ch6(build(), *data, num_epochs, lr, device)
    printed = re.fullmatch(PRINTED, capsys.readouterr().out)
    assert printed and isinstance(history, History)
    assert printed.groups() == (f"{history.train_acc[-1]:.3f}", f"{history.test_acc[-1]:.3f}")


def test_train_ch6_without_a_test_set(data, capsys):
    history = d2l.train_ch6(build(), data[0], None, 1, 0.9)
    printed = r"training on \w+\nloss \d\.\d{3}, train acc (0\.\d{3})\n\d+\.\d examples/sec on \w+\n"
    assert re.fullmatch(printed, capsys.readouterr().out)[1] == f"{history.train_acc[-1]:.3f}"
    assert history.ended == "finished" and history.test_acc == []


def test_both_learn_the_same(data):
    ours = build()
    theirs = copy.deepcopy(ours)
    torch.manual_seed(1)
    train(theirs, *data, 1, 0.9, torch.device("cpu"))
    torch.manual_seed(1)
    d2l.train_ch6(ours, *d2l.load_data_fashion_mnist(256), 1, 0.9, torch.device("cpu"))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_evaluations_agree(data):
    net = build()
    assert d2l.evaluate_accuracy_gpu(net, data[1]) == evaluate(net, data[1])
    assert d2l.evaluate_accuracy_gpu(net, data[1], torch.device("cpu")) == evaluate(net, data[1])


def test_loader_takes_the_calls_of_the_listings():
    for train_iter, test_iter in (
        d2l.load_data_fashion_mnist(128),
        d2l.load_data_fashion_mnist(128, resize=32),
        d2l.load_data_fashion_mnist(batch_size=128, resize=32),
    ):
        X, y = next(iter(test_iter))
        assert len(X) == len(y) == 128 and len(train_iter) == 12
    assert X.shape == (128, 1, 32, 32)


def test_device():
    assert isinstance(d2l.try_gpu(), torch.device) and isinstance(d2l.try_gpu(0), torch.device)


def test_names_are_those_that_listings_use():
    assert all(hasattr(d2l, name) for name in d2l.__all__)
    assert {"Accumulator", "Animator", "Timer", "accuracy", "load_data_fashion_mnist", "try_gpu"} <= set(d2l.__all__)


@pytest.mark.parametrize(
    "source, error",
    [
        ("d2l.train_ch3", AttributeError),
        ("getattr(d2l, 'plt')", AttributeError),
        ("from cnnlib.d2l import train_ch3", ImportError),
        ("from cnnlib.d2l import Timer, synthetic_data as make", ImportError),
    ],
)
def test_other_names_are_answered_by_those_there_are(source, error):
    with pytest.raises(error) as caught:
        exec(source, {"d2l": d2l})
    assert all(name in str(caught.value) for name in d2l.__all__) and caught.value.name in source


def test_what_asks_whether_a_name_is_there_is_answered():
    assert not hasattr(d2l, "train_ch3") and getattr(d2l, "plt", 3) == 3
    assert copy.copy(d2l.Animator) is d2l.Animator and "train_ch6" in dir(d2l)
    with pytest.raises(AttributeError):
        d2l.__wrapped__  # noqa: B018, what doctest and inspect ask of anything


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_an_animator_without_a_legend_takes_as_many_series_as_its_first_point(count):
    animator = d2l.Animator(xlabel="epoch", ylabel="rmse")
    for epoch in (1, 2):
        animator.add(epoch, tuple(0.1 * number + epoch for number in range(count)) if count > 1 else float(epoch))
    assert animator.chart.xs == [[1.0, 2.0]] * count
    assert [ys[0] for ys in animator.chart.ys] == pytest.approx([0.1 * number + 1 for number in range(count)])
    assert animator.chart.axes[0].get_legend() is None and animator.picture().png().startswith(b"\x89PNG")
    assert repr(animator) == f"Chart of {f'{count} series' if count > 1 else 'one series'} against epoch"
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in animator.chart.lines}
    assert len(looks) == min(count, 7), "they can be told apart"
    with pytest.raises(ValueError, match=f"this chart has {count} series, got {count + 1} values"):
        animator.add(3, [0.5] * (count + 1))


def test_an_animator_without_a_legend_takes_arrays_gaps_and_formats():
    animator = d2l.Animator(xlabel="epoch", fmts=("-", "m--", "g-."))
    animator.add(1, torch.tensor([0.5, 0.6]))
    animator.add((2, 3), (None, 0.7))
    assert animator.chart.xs == [[1.0], [1.0, 3.0]] and animator.chart.lines[1].get_color() == "m"
    assert animator.chart.frame() and animator.chart.axes[0].get_ylim()[1] >= 0.7
    named = d2l.Animator(legend=["loss"])
    with pytest.raises(ValueError, match="has 1 series, got 2"):
        named.add(1, (0.5, 0.6))
