"""Batch normalisation by hand is PyTorch's own: forward, backward, statistics, modes."""

import re

import pytest
import torch
from torch import nn

from cnnlib.models import BatchNorm, batch_norm

SHAPES = [
    (2, 1), (4, 3), (64, 7), (3, 128), (1000, 2),
    (2, 3, 1, 1), (2, 3, 4, 5), (8, 16, 7, 7), (1, 3, 4, 4), (1, 1, 1, 2), (128, 2, 1, 1), (5, 1, 3, 1),
]  # fmt: skip
STATISTICS = ("running_mean", "running_var")


def pair(shape, momentum=0.1, eps=1e-5):
    """Return our layer and PyTorch's in float64, with the same gamma and beta."""
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1], eps=eps, momentum=momentum).double()
    ours = BatchNorm(shape[1], momentum, eps).double()
    with torch.no_grad():
        ours.gamma.copy_(theirs.weight.normal_())
        ours.beta.copy_(theirs.bias.normal_())
    return ours, theirs


def batch(shape, spread=3.0, middle=5.0):
    return torch.randn(shape, dtype=torch.float64) * spread + middle


def results(layer, X, dY):
    """Return the output, the gradients for X and for the two parameters, and the running statistics."""
    before, X = X, X.clone().requires_grad_()
    Y = layer(X)
    assert torch.equal(X, before)
    return [Y, *torch.autograd.grad(Y, [X, *layer.parameters()], dY), layer.running_mean, layer.running_var]


def assert_same(ours, theirs, X, tolerance=1e-10):
    """Run a batch through both layers and compare all that comes out."""
    dY = torch.randn_like(X)
    names = ("output", "gradient for X", "gradient for gamma", "gradient for beta", *STATISTICS)
    for name, a, b in zip(names, results(ours, X, dY), results(theirs, X, dY), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, name
        top = max(1.0, b.abs().max().item())
        assert torch.allclose(a, b, rtol=tolerance, atol=tolerance * top), (name, (a - b).abs().max())


# Against PyTorch's own


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("momentum, eps", [(0, 1e-5), (0.01, 1e-3), (0.1, 1e-5), (0.5, 1.0), (1, 1e-5)])
def test_layer_is_pytorchs_in_training_and_after(shape, momentum, eps):
    ours, theirs = pair(shape, momentum, eps)
    for _ in range(4):
        assert_same(ours, theirs, batch(shape))
    ours.eval()
    theirs.eval()
    before = [getattr(ours, name).clone() for name in STATISTICS]
    assert_same(ours, theirs, batch(shape))
    assert_same(ours, theirs, batch((1, *shape[1:])))
    assert all(torch.equal(getattr(ours, name), old) for name, old in zip(STATISTICS, before, strict=True))
    ours.train()
    theirs.train()
    assert_same(ours, theirs, batch(shape))


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_function_is_pytorchs(shape, training):
    C, X = shape[1], batch(shape)
    gamma, beta = torch.randn(2, C, dtype=torch.float64)
    statistics = [torch.randn(C, dtype=torch.float64), torch.rand(C, dtype=torch.float64) + 0.5]
    ours, theirs = ([value.clone() for value in statistics] for _ in range(2))
    Y = batch_norm(X, gamma, beta, *ours, training, momentum=0.3, eps=1e-3)
    assert torch.allclose(Y, nn.functional.batch_norm(X, *theirs, gamma, beta, training, 0.3, 1e-3))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))
    assert torch.equal(ours[0], statistics[0]) is not training


# The mode is the module's own


@pytest.mark.parametrize("grad", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_and_mode_do_not_mix(grad, training):
    ours, theirs = pair((4, 3))
    assert_same(ours, theirs, batch((4, 3)))
    ours.train(training)
    theirs.train(training)
    before, X = ours.running_mean.clone(), batch((4, 3))
    with grad():
        Y, Y_hat = ours(X), theirs(X)
    assert Y.requires_grad is (grad is torch.enable_grad) and torch.allclose(Y, Y_hat, rtol=1e-12)
    assert torch.equal(ours.running_mean, before) is not training
    for name in STATISTICS:
        assert torch.allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-12)


# Parameters and buffers


def test_statistics_are_buffers_and_scale_and_shift_parameters():
    layer = BatchNorm(5)
    assert [(name, tuple(value.shape)) for name, value in layer.named_parameters()] == [("gamma", (5,)), ("beta", (5,))]
    assert [(name, tuple(value.shape)) for name, value in layer.named_buffers()] == [
        (name, (5,)) for name in STATISTICS
    ]
    assert list(layer.state_dict()) == ["gamma", "beta", *STATISTICS], "they go into a file"
    assert torch.equal(layer.gamma, torch.ones(5)) and torch.equal(layer.beta, torch.zeros(5))
    assert torch.equal(layer.running_mean, torch.zeros(5)) and torch.equal(layer.running_var, torch.ones(5))


def test_statistics_keep_no_graph_and_stay_the_same_tensors():
    layer = BatchNorm(3)
    before = [getattr(layer, name) for name in STATISTICS]
    for _ in range(2):
        layer(torch.randn(4, 3, requires_grad=True)).sum().backward()
    for name, old in zip(STATISTICS, before, strict=True):
        value = getattr(layer, name)
        assert value is old and not value.requires_grad and value.grad_fn is None


@pytest.mark.parametrize(
    "move, dtype, device",
    [
        (lambda layer: layer.double(), torch.float64, "cpu"),
        (lambda layer: layer.bfloat16(), torch.bfloat16, "cpu"),
        (lambda layer: layer.to("meta", torch.float64), torch.float64, "meta"),
    ],
)
def test_buffers_move_with_the_layer(move, dtype, device):
    layer = BatchNorm(3)
    assert move(layer) is layer
    for value in layer.state_dict().values():
        assert value.dtype == dtype and value.device.type == device
    for training in (True, False):
        Y = layer.train(training)(torch.randn(4, 3, 2, 2, dtype=dtype, device=device))
        assert Y.dtype == dtype and Y.device.type == device and Y.shape == (4, 3, 2, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    X = torch.randn(8, 3, 5, 5) * 3 + 5
    here, there = BatchNorm(3), BatchNorm(3).cuda()
    assert torch.allclose(here(X), there(X.cuda()).cpu(), atol=1e-5)
    assert torch.allclose(here.running_var, there.running_var.cpu(), rtol=1e-5)
    assert torch.allclose(here.eval()(X), there.eval()(X.cuda()).cpu(), atol=1e-5)


# What it refuses


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (1, 1)], ids=str)
def test_one_value_a_channel(shape):
    layer, X = BatchNorm(shape[1]), torch.randn(shape)
    with pytest.raises(ValueError, match=f"more than one value a channel, got .* shape {re.escape(str(shape))}"):
        layer(X)
    for name, value in zip(STATISTICS, (0, 1), strict=True):
        assert (getattr(layer, name) == value).all()  # nothing was written
    with torch.no_grad(), pytest.raises(ValueError, match="one value a channel"):
        layer(X)
    assert torch.allclose(layer.eval()(X), X, rtol=1e-4)


@pytest.mark.parametrize("channels, shape", [
    (3, (4, 2)), (3, (2, 5, 4, 4)), (3, (4, 1, 2, 2)), (1, (4, 3)),  # the last two PyTorch would broadcast
])  # fmt: skip
@pytest.mark.parametrize("training", [True, False])
def test_another_number_of_channels(channels, shape, training):
    with pytest.raises(ValueError, match=f"expected {channels} channels .* shape {re.escape(str(shape))}"):
        BatchNorm(channels).train(training)(torch.randn(shape))
