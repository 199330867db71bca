"""Probes tell what autograd and a plain forward pass tell, and leave the network as they found it."""

import copy

import pytest
import torch
from torch import nn

from cnnlib.models import lenet
from cnnlib.probes import feature_maps, gradient_norms, layer_table

X, y = torch.rand(4, 1, 28, 28), torch.tensor([1, 2, 3, 4])


@pytest.fixture(params=[True, False], ids=["training", "evaluating"])
def net(request, weights):
    """A network with everything that a probe could disturb; checked after the test."""
    features = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
    net = nn.Sequential(*features, nn.Flatten(), nn.Dropout(), nn.Linear(4 * 26 * 26, 10))
    net.train(request.param)
    net[0].weight.grad = torch.full_like(net[0].weight, 7.0)
    before = weights(net)
    yield net
    assert net.training is request.param
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in net.modules())
    assert (net[0].weight.grad == 7).all() and all(p.grad is None for p in list(net.parameters())[1:])
    assert torch.equal(weights(net), before)


def test_layer_table(net):
    table = layer_table(net, (1, 28, 28))
    assert [(row.name, row.kind, row.output_shape, row.parameters, row.multiply_adds) for row in table] == [
        ("0", "Conv2d", (4, 26, 26), 40, 4 * 26 * 26 * 9),
        ("1", "BatchNorm2d", (4, 26, 26), 8, 0),
        ("2", "ReLU", (4, 26, 26), 0, 0),
        ("3", "Flatten", (2704,), 0, 0),
        ("4", "Dropout", (2704,), 0, 0),
        ("5", "Linear", (10,), 27_050, 27_040),
    ]
    assert table[1].input_shape == (4, 26, 26)


def test_layer_table_that_fails_says_where(net):
    with pytest.raises(ValueError, match=r"shape \(1, 20, 20\); 5 layers went well"):
        layer_table(net, (1, 20, 20))


def test_layer_table_shows_totals():
    table = layer_table(lenet(), (1, 28, 28))
    last = repr(table).splitlines()[-1]
    assert last.split() == ["total", "61,706", "416,520"]
    assert "| 0 | Conv2d | 6 × 28 × 28 | 156 | 117,600 |" in table._repr_markdown_()


def test_layer_table_of_grouped_and_strided_windows():
    conv = nn.Conv2d(4, 8, (3, 5), stride=2, padding=1, groups=2)
    assert layer_table(conv, (4, 16, 16)).multiply_adds == 8 * 8 * 7 * (4 // 2) * 3 * 5


def test_feature_maps_are_the_outputs(net):
    maps = feature_maps(net, X, ["0", "2"])
    twin = copy.deepcopy(net).eval()
    with torch.no_grad():
        inner = twin[0](X)
        outer = twin[2](twin[1](inner))
    assert list(maps) == ["0", "2"] and torch.equal(maps["0"], inner) and torch.equal(maps["2"], outer)
    assert not maps["0"].requires_grad


def test_feature_maps_of_every_layer():
    net, Z = lenet(), X
    for name, value in feature_maps(net, X).items():
        Z = net[int(name)](Z)
        assert torch.equal(value, Z)


def test_feature_maps_of_a_layer_that_is_not_there(net):
    with pytest.raises(ValueError, match="no layer 'conv1'; it has 0, 1, 2"):
        feature_maps(net, X, ["0", "conv1"])


def test_feature_maps_that_fail_leave_no_hook(net):
    with pytest.raises(ValueError):
        feature_maps(net, torch.rand(4, 3, 28, 28))


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU])
def test_gradient_norms_are_those_of_backward(activation):
    net = lenet(activation)
    norms = gradient_norms(net, X, y)
    nn.functional.cross_entropy(net(X), y).backward()
    assert list(norms) == ["0.weight", "3.weight", "7.weight", "9.weight", "11.weight"]
    for name, value in norms.items():
        assert value == pytest.approx(net.get_parameter(name).grad.square().mean().sqrt().item(), rel=1e-5)


def test_gradient_norms_leave_everything(net):
    assert all(value > 0 for value in gradient_norms(net, X, y).values())


def test_gradient_norms_of_another_loss_and_of_frozen_layers():
    net = lenet()
    net[0].requires_grad_(False)
    double = gradient_norms(net, X, y, lambda scores, y: 2 * nn.functional.cross_entropy(scores, y))
    single = gradient_norms(net, X, y)
    assert "0.weight" not in single
    assert double == pytest.approx({name: 2 * value for name, value in single.items()}, rel=1e-5)
