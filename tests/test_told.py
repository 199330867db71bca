"""What goes wrong in a tutorial writer's network, loader or loss is told at the call that caused it, with what to write
instead; the right variant next to it raises and warns nothing.
"""

import warnings
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from cnnlib import Trainer, d2l, evaluate_accuracy, time_epoch, train
from cnnlib.models import BatchNorm, lenet
from cnnlib.probes import feature_maps, gradient_norms
from cnnlib.widgets import Playground, fit

X, y = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8)
BATCH, FIRST = [(X, y)], [(X, y), (X[:1], y[:1])]
COLUMN = (y % 2).float()[:, None]
Aux = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
bce = F.binary_cross_entropy_with_logits


def cnn(*last, channels=3, classes=10):
    layers = nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(4, classes), *last)


def dense(*layers):
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), *layers, nn.Linear(8, 10))


class Net(nn.Module):
    """A network whose forward pass is a function of itself and X."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.conv, self.relu, self.fc = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(192, 10)
        self.scale, self.state, self.function = nn.Parameter(torch.ones(1)), torch.zeros(8, 10), forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, X):
        return self.function(self, X)

    def head(self, X):
        return self.fc(X.flatten(1))


OTHER = cnn()


def net(forward, **modules):
    return lambda: Net(forward, **modules)


def in_place(self, X):
    out = self.relu(self.conv(X))
    out += X
    return self.head(out)


def remembering(self, X):
    self.state = self.head(X) + self.state
    return self.state


def outputs(kind):
    return net(lambda self, X: kind(self.head(X)))


def when_training(kind):
    return net(lambda self, X: kind(self.head(X)) if self.training else self.head(X))


class Stream(IterableDataset):
    def __iter__(self):
        return iter(TensorDataset(X, y))


class UsedUp:
    def __len__(self):
        return 3

    def __iter__(self):
        return iter(())


class Closure(torch.optim.SGD):
    def step(self, closure):
        return super().step(closure)


def made_in(mode, build):
    with mode():
        return build()


def aux_loss(outputs, y):
    return F.cross_entropy(outputs.logits, y) + 0.3 * F.cross_entropy(outputs.aux_logits1, y)


# name: network, data, further arguments of `train`, the error, and what its message must say
WRONG = {
    "batch norm, last batch of one": (lambda: dense(nn.BatchNorm1d(8)), FIRST, {}, ValueError,
        "layer '2', BatchNorm1d.*last batch has one example, drop it .*choose another batch size"),
    "batch norm of 1 × 1 maps": (lambda: cnn()[:3].append(nn.BatchNorm2d(4)).extend(cnn()[3:]), FIRST, {}, ValueError,
        "layer '3', BatchNorm2d.*last batch has one example"),
    "batch norm by hand": (lambda: dense(BatchNorm(8)), FIRST, {}, ValueError, "BatchNorm.*last batch has one example"),
    "batch norm of other width": (lambda: dense(nn.BatchNorm1d(4)), FIRST[1:], {}, ValueError,
        r"needs \(N, 4\).*the 8 channels that it gets"),
    "+= after an in-place ReLU": (net(in_place), BATCH, {}, ValueError,
        r"layer 'relu', ReLU\(inplace=True\), is changed in place .* by the `forward` of Net.*out = out \+ identity"),
    "+= after a sigmoid": (net(lambda s, X: s.head(torch.sigmoid(s.conv(X)).mul_(X))), BATCH, {}, ValueError,
        "in place"),
    "in-place ReLU after a sigmoid": (lambda: dense(nn.Sigmoid(), nn.ReLU(inplace=True)), BATCH, {}, ValueError,
        r"a tensor of layer '2', Sigmoid, is changed in place .* by layer '3', ReLU\(inplace=True\)\. .*nn.ReLU\(\)"),
    "weight scaled in place": (net(lambda s, X: s.head(X) * s.scale.mul_(0.9)), BATCH, {}, ValueError,
        r"changes a weight in place.*w = w \* "),
    "tuple": (outputs(lambda out: (out, out)), BATCH, {}, ValueError,
        r"got tuple of 2 outputs.*aux_logits=False.*loss=lambda outputs, y: F.cross_entropy\(outputs\[0\], y\)"),
    "named tuple": (outputs(lambda out: Aux(out, out, out)), BATCH, {}, ValueError,
        r"GoogLeNetOutputs of 3 outputs \(logits, .*aux_logits=False.*outputs.logits, y"),
    "dict": (outputs(lambda out: {"out": out}), BATCH, {}, ValueError, r"dict .*\(out\).*`loss`.*outputs\['out'\]"),
    "tuple for a loss": (outputs(lambda out: (out, out)), BATCH, {"loss": F.mse_loss}, ValueError,
        r"mse_loss, cannot take what the network returned, tuple of 2"),
    "object": (outputs(lambda out: SimpleNamespace(logits=out)), BATCH, {}, ValueError,
        "got SimpleNamespace. Return the scores"),
    "nothing": (outputs(lambda out: None), BATCH, {}, ValueError, "is `return` missing"),
    "one row of scores": (outputs(lambda out: out.flatten()), BATCH, {}, ValueError, r"got \(80,\).*nn.Flatten\(\)"),
    "generator": (cnn, lambda: ((X, y) for _ in range(2)), {}, TypeError, "gone through once.*list"),
    "stream": (cnn, lambda: DataLoader(Stream(), 4), {}, TypeError, "Its data set, Stream, has none: give .*__len__"),
    "pair of tensors": (cnn, lambda: (X, y), {}, TypeError, r"all images and all labels.*DataLoader\(TensorDataset"),
    "data set of tensors": (cnn, lambda: TensorDataset(X, y), {}, ValueError, r"data set.*DataLoader\(data"),
    "triples": (cnn, [(X, y, y)], {}, TypeError, r"for X, y, \*_ in data"),
    "data set": (cnn, lambda: [(X[0], 3)], {}, TypeError, r"got \(Tensor, int\).*DataLoader\(data, batch_size=64\)"),
    "dicts": (cnn, lambda: [{"image": X, "label": y}], {}, TypeError, "'image', 'label': give pairs"),
    "LBFGS": (cnn, BATCH, {"optimizer": torch.optim.LBFGS}, ValueError, "LBFGS needs a closure.*SGD"),
    "own optimizer with a closure": (cnn, BATCH, {"optimizer": Closure}, ValueError, "Closure needs a closure"),
    "optimizer that is built": (cnn, BATCH, {"optimizer": torch.optim.SGD(cnn().parameters())}, TypeError,
        "Give what builds it: torch.optim.Adam"),
    "optimizer without a rate": (cnn, BATCH, {"optimizer": lambda p: torch.optim.SGD(p)}, TypeError,
        r"called as optimizer\(parameters, lr=lr\)"),
    "optimizer of another network": (cnn, BATCH, {"optimizer": lambda p, lr: torch.optim.SGD(OTHER.parameters(), lr)},
        ValueError, "weights of another network"),
    "optimizer of nothing": (cnn, BATCH, {"optimizer": lambda p, lr: None}, TypeError, "must build an optimizer"),
    "built in inference mode": (lambda: made_in(torch.inference_mode, cnn), BATCH, {}, ValueError,
        r"built under torch.inference_mode\(\)"),
    "data from inference mode": (cnn, lambda: made_in(torch.inference_mode, lambda: [(X * 1, y)]), {}, ValueError,
        r"torch.inference_mode\(\).*X.clone\(\)"),
    "one logit, flat labels": (lambda: cnn(classes=1), [(X, y % 2)], {"loss": nn.BCEWithLogitsLoss()}, ValueError,
        r"scores of shape \(8, 1\).*labels of shape \(8,\).*_with_logits\(scores.flatten\(\), y.flatten\(\).float"),
    "one logit, cross-entropy": (lambda: cnn(classes=1), [(X, y % 2)], {}, ValueError, "binary_cross_entropy_with_log"),
    "whole numbers for a loss of floats": (lambda: cnn(classes=1), [(X, COLUMN.long())],
        {"loss": nn.BCEWithLogitsLoss()}, ValueError, r"y.float\(\)"),
    "scores for a loss of probabilities": (lambda: cnn(nn.Linear(10, 1)), [(X, COLUMN)],
        {"loss": lambda out, y: F.binary_cross_entropy(9 + out, y), "correct": lambda out, y: 0}, ValueError,
        r"nn.Sigmoid\(\)"),
    "two logits for two classes": (lambda: cnn(classes=2), [(X, y % 2)], {"loss": nn.BCEWithLogitsLoss()}, ValueError,
        "a target for each score.*cross-entropy"),
    "labels true and false": (lambda: cnn(classes=1), [(X, COLUMN > 0)], {"loss": nn.BCEWithLogitsLoss()}, ValueError,
        r"y.float\(\)"),
    "regression without `correct`": (lambda: cnn(classes=1), [(X, X[:, :1, 0, 0])], {"loss": nn.MSELoss()}, ValueError,
        "correct=lambda"),
    "classes of pixels": (lambda: nn.Conv2d(3, 10, 1), [(X, torch.zeros(8, 8, 8).long())], {}, ValueError,
        "correct=lambda"),
    "loss given as a class": (cnn, BATCH, {"loss": nn.CrossEntropyLoss}, TypeError, r"CrossEntropyLoss\(\)"),
    "loss without gradients": (cnn, BATCH, {"loss": lambda out, y: F.cross_entropy(out, y).item()}, TypeError,
        r"Leave out .item\(\)"),
    "detached scores": (outputs(torch.Tensor.detach), BATCH, {}, ValueError, r"depends on no weight.*\.detach\(\)"),
    "state that is kept": (net(remembering), [*BATCH, *BATCH], {}, ValueError, r"state = state.detach\(\)"),
    "count of each example": (cnn, BATCH, {"correct": lambda out, y: out.argmax(1) == y}, ValueError, "Take its sum"),
    "channels last": (cnn, [(X.permute(0, 2, 3, 1), y)], {}, ValueError, r"layer '0'.*X.permute\(0, 3, 1, 2\)"),
    "one picture": (cnn, [(X[0], y[:1])], {}, ValueError, r"without a batch axis.*X\[None\]"),
    "one picture and its label": (cnn, [(X[0], y[0])], {}, ValueError, r"without a batch axis.*X\[None\]"),
    "one grey picture": (lambda: nn.Sequential(nn.Conv2d(1, 2, 8), nn.Flatten(), nn.Linear(2, 10)), [(X[0, :1], y[:1])],
        {}, ValueError, r"one picture without a batch axis.*X\[None\]"),
    "no channel axis": (lambda: cnn(channels=1), [(X[:, 0], y)], {}, ValueError, r"X\[:, None\]"),
    "one picture, channels last": (lambda: cnn()[:2], [(X[0].permute(1, 2, 0), y)], {}, ValueError,
        r"permute\(2, 0, 1\)\[None\]"),
    "one picture of two axes": (lambda: cnn(channels=1), [(X[0, 0], y)], {}, ValueError, r"X\[None, None\]"),
    "a layer without forward": (lambda: cnn(nn.ModuleDict()), BATCH, {}, ValueError, r"no forward\(self, X\)"),
    "two inputs": (lambda: cnn(nn.Bilinear(10, 10, 10)), BATCH, {}, ValueError, r"def forward\(self, X\).*missing 1"),
    "embedding": (lambda: nn.Sequential(nn.Flatten(), nn.Embedding(2, 8)), BATCH, {}, ValueError, r"X.long\(\)"),
    "one-hot rows": (cnn, [(X, F.one_hot(y, 10))], {}, ValueError, r"y.argmax\(1\)"),
    "one-hot floats": (cnn, [(X, F.one_hot(y, 10).float())], {}, ValueError, r"y.argmax\(1\)"),
    "labels as floats": (cnn, [(X, y.float())], {}, TypeError, r"y.long\(\)"),
    "labels that are no classes": (cnn, [(X, X[:, 0, 0, 0])], {}, TypeError, "`loss` and a `correct` of your own"),
    "labels in a column": (cnn, [(X, y[:, None])], {}, ValueError, r"y.flatten\(\)"),
    "labels for a loss of indices": (cnn, [(X, y.int())], {"loss": lambda out, y: F.nll_loss(out, y)}, ValueError,
        r"y.long\(\)"),
    "label too large for a loss": (cnn, [(X, y + 5)], {"loss": lambda out, y: F.cross_entropy(out, y)}, ValueError,
        "0 … 9"),
    "labels of 32 bits": (cnn, [(X, y.int())], {}, TypeError, r"whole numbers .*torch.int32.*y.long\(\)"),
    "label too large": (cnn, [(X, y + 3)], {}, ValueError, "labels must lie in 0 … 9, .* 10 outputs, got the label 10"),
    "label below zero": (cnn, [(X, y - 1)], {}, ValueError, "labels must lie in 0 … 9, .*got the label -1"),
    "label to be ignored": (cnn, [(X, y - 100)], {}, ValueError, "labels must lie in 0 … 9, .*got the label -100"),
    "too few labels": (cnn, [(X, y[:3])], {}, ValueError, r"X of shape \(8, 3, 8, 8\) and y of shape \(3,\)"),
    "no example": (cnn, [(X[:0], y[:0])], {}, ValueError, r"at least one, got X of shape \(0, 3, 8, 8\)"),
    "lists": (cnn, [(X.tolist(), y.tolist())], {}, TypeError, r"pair of tensors \(X, y\), got \(list, list\)"),
    "used up": (cnn, UsedUp, {}, ValueError, "gave no batch at all"),
    "other image size": (lenet, [(torch.rand(4, 1, 32, 32), y[:4])], {}, ValueError, r"layer '7', Linear, got an input "
        r"of shape \(4, 576\) \(float32\), but needs \(N, 400\).*\(4, 1, 32, 32\)"),
    "colours": (lenet, [(torch.rand(4, 3, 28, 28), y[:4])], {}, ValueError,
        r"layer '0', Conv2d, got an input of shape \(4, 3, 28, 28\) \(float32\), but needs \(N, 1, height, width\)"),
    "a layer without weights": (lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 30)), nn.Linear(30, 10)), BATCH,
        {}, ValueError, r"layer '1', Unflatten, got an input of shape \(8, 192\)"),
    "nothing about shapes": (net(lambda self, X: self.head(X) / (1 // 0)), BATCH, {}, ZeroDivisionError, "by zero"),
    "maps for scores": (lambda: cnn()[:3], BATCH, {}, ValueError,
        r"here \(8, classes\), got \(8, 4, 1, 1\).*nn.Flatten"),
    "loss of each example": (cnn, BATCH, {"loss": nn.CrossEntropyLoss(reduction="none")}, ValueError,
        r"loss .*one number.*\(8,\)"),
    "bytes": (cnn, [((255 * X).byte(), y)], {}, ValueError, r"uint8.*X.float\(\) / 255"),
    "double": (cnn, [(X.double(), y)], {}, ValueError, r"weights are float32: convert the batch, X.float\(\)\."),
    "half": (cnn, [(X.half(), y)], {}, ValueError, r"weights are float32: convert the batch, X.float\(\)\."),
    "network of doubles": (lambda: cnn().double(), BATCH, {}, ValueError, r"X.to\(torch.float64\).*net.float\(\)"),
    "constant on another device": (net(lambda s, X: s.head(X) + torch.ones(10, device="meta")), BATCH, {}, ValueError,
        "device=X.device.*register_buffer"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), BATCH, {}, ValueError, "lazy.*a batch through it"),
    "layers in a list": (lambda: nn.Sequential(nn.Flatten()), BATCH, {}, ValueError, "no parameter.*nn.ModuleList"),
    "compiled": (lambda: torch.compile(cnn(channels=1), backend="eager"), BATCH, {}, ValueError, r"layer '0', Conv2d"),
    "on several devices": (lambda: nn.DataParallel(cnn(channels=1)), BATCH, {}, ValueError, r"layer '0', Conv2d"),
    "scripted": (lambda: torch.jit.script(cnn(channels=1)), BATCH, {}, ValueError, r"the network.*expected input"),
}  # fmt: skip
ONLY_IN_TRAINING = {
    name for name, (*_, options, _, _) in WRONG.items() if options or "in place" in name or "in-place" in name
} | {"batch norm, last batch of one", "batch norm of 1 × 1 maps", "batch norm by hand", "+= after a sigmoid"} | {
    "generator", "stream", "built in inference mode", "data from inference mode", "layers in a list",
    "+= after an in-place ReLU", "detached scores", "state that is kept", "one logit, cross-entropy",
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    build, data, options, error, words = WRONG[name]
    data = data if isinstance(data, list) else data()
    network, before = build(), torch.random.get_rng_state()
    with pytest.raises(error, match=f"(?s){words}"):
        train(network, data, None, 1, 0.1, device="cpu", **options)
    assert name == "lazy" or not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    if name not in ONLY_IN_TRAINING:
        with pytest.raises(error, match=f"(?s){words}"):
            evaluate_accuracy(network, data, "cpu")
    assert torch.equal(before, torch.random.get_rng_state())


CALLS = {
    "train": lambda net, data: train(net, data, None, 1, 0.1, device="cpu"),
    "Trainer": lambda net, data: Trainer(net, data, device="cpu").fit(1),
    "fit": lambda net, data: fit(net, data, None, 1, 0.1, device="cpu"),
    "train_ch6": lambda net, data: d2l.train_ch6(net, data, BATCH, 1, 0.1, "cpu"),
    "time_epoch": lambda net, data: time_epoch(net, data, "cpu"),
    "panel": lambda net, data: run_panel(net, data),
}


def run_panel(net, data):
    panel = Playground("told", lambda s: net, lambda s: (data, None), [], lr=0.1, num_epochs=1)
    try:
        panel.runner.start()
        panel.runner.wait(30)
        if panel.runner.error is not None:
            raise panel.runner.error
    finally:
        panel.close()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", [name for name, row in WRONG.items() if not row[2] and name[:5] in ("batch", "+= af")])
def test_every_call_tells_it(call, name):
    build, data, _, error, words = WRONG[name]
    with pytest.raises(error, match=f"(?s){words}"):
        CALLS[call](build(), data)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)])
@pytest.mark.parametrize("call", [name for name in CALLS if name != "panel"])  # which trains in a thread of its own
def test_training_without_gradients(call, mode):
    network = cnn()
    with mode(), pytest.raises((RuntimeError, ValueError), match="gradients are off here.*Train outside"):
        CALLS[call](network, BATCH)


SOFT = {
    "softmax": (lambda: cnn(nn.Softmax(1)), {}, "leave out the softmax|Leave out the softmax"),
    "softmax, own cross-entropy": (lambda: cnn(nn.Softmax(1)), {"loss": F.cross_entropy}, "the softmax itself"),
    "softmax, a function": (lambda: cnn(nn.Softmax(1)), {"loss": lambda p, y: F.cross_entropy(p, y)}, "the softmax"),
    "softmax, NLLLoss": (lambda: cnn(nn.Softmax(1)), {"loss": nn.NLLLoss()}, r"nn.LogSoftmax\(1\)"),
}


@pytest.mark.parametrize("name", SOFT)
def test_softmax_before_the_loss(name):
    build, options, words = SOFT[name]
    with pytest.warns(RuntimeWarning, match=words) as caught:
        trainer = Trainer(build(), 3 * BATCH, BATCH, device="cpu", **options)
        trainer.fit(2)
        trainer.fit(1)
    assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.filterwarnings("ignore:the network's outputs are probabilities")
def test_softmax_is_told_on_the_panel():
    panel = Playground("soft", lambda s: cnn(nn.Softmax(1)), lambda s: (BATCH, None), [], lr=0.1, num_epochs=1)
    panel.runner.start()
    panel.runner.wait(30)
    assert "Leave out the softmax" in panel.status.value
    panel.close()


# name: network, data, further arguments
RIGHT = {
    "batch of one, larger maps": (lambda: cnn()[:1].append(nn.BatchNorm2d(4)).extend(cnn()[1:]), FIRST, {}),
    "out = out + X": (net(lambda s, X: s.head(s.relu(s.conv(X)) + X)), BATCH, {}),
    "in-place ReLU after a convolution": (lambda: cnn()[:1].append(nn.ReLU(inplace=True)).extend(cnn()[2:]), BATCH, {}),
    "log-softmax": (lambda: cnn(nn.LogSoftmax(1)), BATCH, {"loss": nn.NLLLoss()}),
    "log-softmax, cross-entropy": (lambda: cnn(nn.LogSoftmax(1)), BATCH, {}),
    "aux logits and their loss": (when_training(lambda out: Aux(out, out, out)), BATCH, {"loss": aux_loss}),
    "tuple and its loss": (outputs(lambda o: (o, o)), BATCH, {"loss": lambda o, y: F.cross_entropy(o[0], y)}),
    "dict and its loss": (outputs(lambda o: {"out": o}), BATCH, {"loss": lambda o, y: F.cross_entropy(o["out"], y)}),
    "one logit in a column": (lambda: cnn(classes=1), [(X, COLUMN)], {"loss": nn.BCEWithLogitsLoss()}),
    "one logit, own loss": (lambda: cnn(classes=1), [(X, y % 2)], {"loss": lambda o, y: bce(o.flatten(), y.float())}),
    "one logit, squeezed": (outputs(lambda o: o[:, 0]), [(X, COLUMN.flatten())], {"loss": nn.BCEWithLogitsLoss()}),
    "labels as bytes": (cnn, [(X, y.byte())], {}),
    "soft labels": (cnn, [(X, F.one_hot(y, 10).float())], {"loss": nn.CrossEntropyLoss()}),
    "several labels": (cnn, [(X, F.one_hot(y, 10).float())], {"loss": nn.BCEWithLogitsLoss()}),
    "ignored label": (cnn, [(X, y.where(y > 2, 255))], {"loss": nn.CrossEntropyLoss(ignore_index=255)}),
    "classes of pixels and their count": (lambda: nn.Conv2d(3, 10, 1), [(X, torch.zeros(8, 8, 8).long())],
        {"correct": lambda out, y: (out.argmax(1) == y).float().mean((1, 2)).sum()}),
    "regression": (lambda: cnn(classes=1), [(X, X[:, :1, 0, 0])],
        {"loss": nn.MSELoss(), "correct": lambda out, y: ((out - y).abs() < 0.1).sum().item()}),
    "loader": (cnn, DataLoader(TensorDataset(X, y), 4), {}),
    "Adam": (cnn, BATCH, {"optimizer": torch.optim.Adam}),
    "compiled": (lambda: torch.compile(cnn(), backend="eager"), BATCH, {}),
    "on several devices": (lambda: nn.DataParallel(cnn()), BATCH, {}),
    "scripted": (lambda: torch.jit.script(cnn()), BATCH, {}),
    "traced": (lambda: torch.jit.trace(cnn(), X), BATCH, {}),
    "lazy, after a batch": (lambda: [lazy := nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), lazy(X)][0], BATCH, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    build, data, options = RIGHT[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "`torch.jit")
        history = train(build(), data, data, 2, 0.1, device="cpu", **options)
    assert history.ended == "finished" and all(0 <= share <= 1 for share in history.test_acc)


@pytest.mark.parametrize("loss, threshold", [(nn.BCEWithLogitsLoss(), 0), (nn.BCELoss(), 0.5)])
def test_one_score_per_example_is_counted_by_its_sign(loss, threshold):
    network = cnn(*([nn.Sigmoid()] if threshold else []), classes=1)
    data = [(X, COLUMN)]
    history = train(network, data, data, 3, 0.1, device="cpu", loss=loss)
    with torch.no_grad():
        expected = ((network(X) > threshold) == (COLUMN > 0)).float().mean()
    assert history.test_acc[-1] == pytest.approx(expected.item())
    if not threshold:
        assert evaluate_accuracy(network, [(X, y % 2)]) == history.test_acc[-1]


def test_explaining_changes_neither_statistics_nor_random_numbers():
    network = cnn()[:1].append(nn.BatchNorm2d(4)).append(nn.Dropout()).extend(cnn(classes=3)[1:4])
    network.append(nn.Linear(5, 10))
    before = torch.random.get_rng_state()
    with torch.no_grad(), pytest.raises(RuntimeError):
        network(X)
    first = network[1].running_mean.clone(), torch.random.get_rng_state()
    network[1].reset_running_stats()
    torch.random.set_rng_state(before)
    with pytest.raises(ValueError, match="layer '6', Linear"):
        train(network, BATCH, None, 1, 0.1, device="cpu")
    assert torch.allclose(first[0], network[1].running_mean) and torch.equal(first[1], torch.random.get_rng_state())


# Frozen layers


def test_frozen_batch_norm_stays_frozen():
    """Modules in evaluation mode, in a network that is in training mode as a whole, stay so; else all are trained."""
    for whole in (False, True):
        network = cnn()[:1].append(nn.BatchNorm2d(4)).extend(cnn()[1:])
        norm, before = network[1].eval(), network[1].running_mean.clone()
        if whole:
            network.eval()
        modes = []
        trainer = Trainer(network, BATCH, BATCH, device="cpu", listeners=[lambda t: modes.append(norm.training)])  # noqa: B023
        trainer.fit(2)
        assert norm.training == whole and set(modes) == {whole} and network.training and network[0].training
        assert torch.equal(norm.running_mean, before) != whole


def test_probes_compute_gradients_wherever_they_are_called():
    network = cnn()
    expected = gradient_norms(network, X, y)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert gradient_norms(network, X.clone(), y.clone()) == expected


def test_probes_explain_alike():
    for probe in (lambda: feature_maps(cnn(), X.permute(0, 2, 3, 1)), lambda: gradient_norms(cnn(), X.double(), y)):
        with pytest.raises(ValueError, match=r"permute\(0, 3, 1, 2\)|X.float\(\)"):
            probe()
