"""What probes say where the other tests of probes look at numbers alone: totals, messages, another loss."""

import pytest
import torch
from torch import nn

from cnnlib.models import lenet
from cnnlib.probes import feature_maps, gradient_norms, layer_table

X, y = torch.rand(4, 1, 28, 28), torch.tensor([1, 2, 3, 4])


def test_layer_table_shows_totals():
    table = layer_table(lenet(), (1, 28, 28))
    last = repr(table).splitlines()[-1]
    assert last.split() == ["total", "61,706", "416,520"]
    assert "| 0 | Conv2d | 6 × 28 × 28 | 156 | 117,600 |" in table._repr_markdown_()


def test_feature_maps_of_a_layer_that_is_not_there():
    with pytest.raises(ValueError, match="no layer 'conv1'; it has 0, 1, 2"):
        feature_maps(lenet(), X, ["0", "conv1"])


def test_gradient_norms_of_another_loss_and_of_frozen_layers():
    net = lenet()
    net[0].requires_grad_(False)
    double = gradient_norms(net, X, y, lambda scores, y: 2 * nn.functional.cross_entropy(scores, y))
    single = gradient_norms(net, X, y)
    assert "0.weight" not in single
    assert double == pytest.approx({name: 2 * value for name, value in single.items()}, rel=1e-5)
