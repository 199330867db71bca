"""A wrong argument is answered at once: the right kind of error, what was expected, what came, and no harm done."""

import re

import pytest
import torch
from torch import nn

from cnnlib import DivergenceError, Trainer, evaluate_accuracy, pick_budget, train, try_gpu
from cnnlib.datasets import fashion_mnist, load_data_fashion_mnist
from cnnlib.models import lenet

BAD_LR = [
    (0, ValueError, "greater than 0, got 0.0"),
    (-1, ValueError, "greater than 0, got -1.0"),
    (float("nan"), ValueError, "finite and greater than 0, got nan"),
    (float("inf"), ValueError, "finite and greater than 0, got inf"),
    ("0.1", TypeError, "must be a number, got '0.1' of type str"),
    (None, TypeError, "must be a number, got None of type NoneType"),
    (True, TypeError, "must be a number, got True of type bool"),
    ([0.1], TypeError, r"must be a number, got \[0.1\] of type list"),
]
BAD_COUNTS = [
    (0, ValueError, "at least 1, got 0"),
    (-1, ValueError, "at least 1, got -1"),
    (2.5, TypeError, "a whole number, got 2.5 of type float"),
    ("3", TypeError, "a whole number, got '3' of type str"),
    (None, TypeError, "a whole number, got None of type NoneType"),
]

X, y = torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3])


@pytest.fixture
def net(weights):
    """A network whose weights must be the same before and after the test."""
    net = lenet()
    before = weights(net)
    yield net
    assert torch.equal(weights(net), before)


@pytest.mark.parametrize("lr, error, words", BAD_LR)
def test_lr(net, noise, lr, error, words):
    with pytest.raises(error, match=f"the learning rate .*{words}.*Try 0.1"):
        Trainer(net, noise(), lr=lr)
    with pytest.raises(error, match=words):
        train(net, noise(), None, 1, lr)
    trainer = Trainer(net, noise(), lr=0.1)
    with pytest.raises(error, match=words):
        trainer.lr = lr
    assert trainer.lr == 0.1


@pytest.mark.parametrize("lr, error, words", BAD_LR)
def test_lr_in_the_middle_of_a_run(noise, dense, lr, error, words):
    caught = []

    def listen(trainer):
        if trainer.history.steps == 1:
            with pytest.raises(error, match=words):
                trainer.lr = lr
            caught.append(lr)

    history = Trainer(dense(), noise(), lr=0.1, listeners=[listen]).fit(1)
    assert caught and history.lr == [0.1] * 3 and history.ended == "finished"


@pytest.mark.parametrize("num_epochs, error, words", BAD_COUNTS)
def test_num_epochs(net, noise, num_epochs, error, words):
    for call in (lambda: train(net, noise(), None, num_epochs, 0.1), lambda: Trainer(net, noise()).fit(num_epochs)):
        with pytest.raises(error, match=f"num_epochs must be {words}"):
            call()


BAD_BATCHES = {
    "too large an image": (
        torch.rand(4, 1, 32, 32), y, ValueError,
        r"layer '7', Linear, got an input of shape \(4, 576\) \(float32\), but needs \(N, 400\).*\(4, 1, 32, 32\)",
    ),
    "too small an image": (X[..., :4, :4], y, ValueError, r"layer '3', Conv2d, got an input of shape \(4, 6, 2, 2\)"),
    "colour images": (
        torch.rand(4, 3, 28, 28), y, ValueError,
        r"layer '0', Conv2d, got an input of shape \(4, 3, 28, 28\) \(float32\), but needs \(N, 1, height, width\)",
    ),
    "bytes": (X.byte(), y, ValueError, r"layer '0', Conv2d, got an input of shape \(4, 1, 28, 28\) \(uint8\)"),
    "double precision": (X.double(), y, ValueError, r"layer '0', Conv2d, .*\(float64\)"),
    "label too large": (X, y + 7, ValueError, r"labels must lie in 0 … 9, .* 10 outputs, got the label 10"),
    "label negative": (X, y - 1, ValueError, r"labels must lie in 0 … 9, .*got the label -1"),
    "label to be ignored": (X, y - 100, ValueError, r"labels must lie in 0 … 9, .*got the label -100"),
    "float labels": (X, y.float(), TypeError, r"labels must be whole numbers .*torch.float32.*y.long\(\)"),
    "short labels": (X, y.int(), TypeError, r"labels must be whole numbers .*torch.int32.*y.long\(\)"),
    "bool labels": (X, y > 0, TypeError, r"labels must be whole numbers .*torch.bool"),
    "one-hot labels": (X, nn.functional.one_hot(y, 10), ValueError, r"labels must .*one number .*\(4, 10\)"),
    "labels in a column": (X, y[:, None], ValueError, r"labels must .*one number .*\(4, 1\)"),
    "too few labels": (X, y[:3], ValueError, r"X of shape \(4, 1, 28, 28\) and y of shape \(3,\)"),
    "nothing": (X[:0], y[:0], ValueError, r"at least one, got X of shape \(0, 1, 28, 28\)"),
    "lists": (X.tolist(), y.tolist(), TypeError, r"pair of tensors \(X, y\), got \(list, list\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BATCHES)
def test_batch(net, name):
    X, y, error, words = BAD_BATCHES[name]
    for call in (lambda: Trainer(net, [(X, y)], device="cpu").fit(1), lambda: evaluate_accuracy(net, [(X, y)])):
        with pytest.raises(error, match=words):
            call()


@pytest.mark.parametrize("batch", [X, (X,), (X, y, y)], ids=["no pair", "one", "three"])
def test_batch_that_is_no_pair(net, batch):
    for call in (lambda: Trainer(net, [batch], device="cpu").fit(1), lambda: evaluate_accuracy(net, [batch])):
        with pytest.raises((TypeError, ValueError), match=r"pair of tensors \(X, y\)"):
            call()


def test_labels_as_bytes_are_taken(dense):
    batches = [(X, y.to(torch.uint8))]
    assert Trainer(dense(), batches, batches, device="cpu").fit(1).ended == "finished"


def test_run_that_failed_says_so(net):
    trainer = Trainer(net, [(X, y + 7)], device="cpu")
    with pytest.raises(ValueError):
        trainer.fit(1)
    assert (trainer.history.ended, trainer.history.steps, trainer.running) == ("failed", 0, False)


def test_iterables(net):
    with pytest.raises(ValueError, match="train_iter is empty"):
        Trainer(net, [])
    with pytest.raises(ValueError, match="test_iter is empty"):
        Trainer(net, [(X, y)], [])
    with pytest.raises(TypeError, match="train_iter must have a length.*got generator"):
        Trainer(net, (batch for batch in [(X, y)]))
    with pytest.raises(TypeError, match="train_iter must have a length.*got NoneType"):
        Trainer(net, None)
    with pytest.raises(ValueError, match="gave no batch at all"):
        evaluate_accuracy(net, [])


def test_iterable_that_is_used_up(net):
    class Once:
        def __len__(self):
            return 3

        def __iter__(self):
            return iter(())

    with pytest.raises(ValueError, match="train_iter gave no batch at all"):
        Trainer(net, Once(), device="cpu").fit(1)


@pytest.mark.parametrize("thing", [None, "lenet", lenet, [nn.Flatten()]], ids=["None", "text", "function", "list"])
def test_net_that_is_no_network(noise, thing):
    with pytest.raises(TypeError, match="net must be an nn.Module, got"):
        Trainer(thing, noise())


def test_net_with_nothing_to_train(net, noise):
    with pytest.raises(ValueError, match="no parameter to train"):
        Trainer(nn.Sequential(nn.Flatten()), noise())
    with pytest.raises(ValueError, match="no parameter to train"):
        Trainer(net.requires_grad_(False), noise())


@pytest.mark.parametrize(
    "head, got",
    [
        (nn.Identity(), r"\(4, 2, 1, 1\).*nn.Flatten"),
        (nn.Flatten(0), r"\(8,\)"),
        (nn.Unflatten(1, (1, 2)), r"\(4, 1, 2, 1, 1\)"),
    ],
)
def test_scores_of_a_wrong_shape(head, got):
    net = nn.Sequential(nn.Conv2d(1, 2, 28), head)
    with pytest.raises(ValueError, match=rf"scores of shape \(N, classes\), here \(4, classes\), got {got}"):
        evaluate_accuracy(net, [(X, y)])


def test_scores_that_are_no_tensor():
    class Two(nn.Module):
        def forward(self, X):
            return X, X

    with pytest.raises(ValueError, match=r"scores of shape \(N, classes\).*got tuple"):
        evaluate_accuracy(Two(), [(X, y)])


def test_error_inside_a_layer_without_weights_is_named_too():
    net = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 30)), nn.Linear(30, 10))
    with pytest.raises(ValueError, match=r"layer '1', Unflatten, got an input of shape \(4, 784\)"):
        evaluate_accuracy(net, [(X, y)])


def test_error_that_is_no_ones_fault_keeps_its_name():
    class Odd(nn.Module):
        def forward(self, X):
            raise ZeroDivisionError("not about shapes")

    with pytest.raises(ZeroDivisionError, match="not about shapes"):
        evaluate_accuracy(Odd(), [(X, y)])


def test_naming_the_layer_leaves_no_hook():
    net = lenet()
    with pytest.raises(ValueError):
        evaluate_accuracy(net, [(torch.rand(4, 1, 32, 32), y)])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


@pytest.mark.parametrize(
    "name, loss, batch",
    [
        ("a loss of NaN", lambda scores, y: scores.sum() * torch.nan, (X, y)),
        ("an infinite loss", lambda scores, y: scores.sum() + torch.inf, (X, y)),
        ("an image of NaN", None, (X * torch.nan, y)),
    ],
)
def test_loss_that_is_not_finite(net, name, loss, batch):
    with pytest.raises(DivergenceError, match=r"the loss became (nan|inf|-inf) at step 1 .*Try .* 0.01"):
        Trainer(net, [batch], lr=0.1, loss=loss, device="cpu").fit(1)


def test_loss_of_a_whole_batch(net):
    with pytest.raises(ValueError, match=r"loss .*one number.*\(4,\)"):
        Trainer(net, [(X, y)], loss=nn.CrossEntropyLoss(reduction="none"), device="cpu").fit(1)


def test_data_file_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "FOLDER", tmp_path)
    with pytest.raises(OSError, match=re.escape(str(tmp_path)) + ".*is missing. Restore it with `git checkout"):
        load_data_fashion_mnist(256)


# Device and budget


@pytest.mark.parametrize(
    "i, error, words", [(-1, ValueError, "got -1"), ("0", TypeError, "'0'"), (0.5, TypeError, "0.5")]
)
def test_gpu_number(i, error, words):
    with pytest.raises(error, match=f"the GPU's number must be.*{words}"):
        try_gpu(i)


def test_gpu_that_is_not_there_is_no_error():
    assert try_gpu(1000).type in ("cpu", "mps")


def test_budget(monkeypatch):
    monkeypatch.delenv("CNNLIB_BUDGET", raising=False)
    default = "small" if try_gpu().type == "cpu" else "large"
    assert pick_budget("small", "large") == default
    sizes = {"laptop": "small", "check": "small", "full": "large", " FULL ": "large", "": default}
    for text, choice in sizes.items():
        monkeypatch.setenv("CNNLIB_BUDGET", text)
        assert pick_budget("small", "large") == choice
    monkeypatch.setenv("CNNLIB_BUDGET", "huge")
    with pytest.raises(ValueError, match="CNNLIB_BUDGET must be 'laptop', 'full' or 'check', got 'huge'"):
        pick_budget("small", "large")
