"""The fair comparison, rows of filters, and the size of maps: what the chapters 2 and 3 draw and count with."""

import pytest
import torch
from torch import nn

from cnnlib import recorded
from cnnlib.datasets import load_face_filters
from cnnlib.figures import draw_fair_comparison, draw_filter_rows
from cnnlib.models import alexnet, lenet, side_after


def test_every_run_of_a_network_is_a_dot_at_its_cost():
    runs = recorded("lenet_sigmoid")
    axes = draw_fair_comparison({"LeNet, sigmoid": runs, "the same again": runs}).figure.axes
    for panel, cost in zip(axes, (61_706, 416_520), strict=True):
        assert panel.get_xscale() == "log"
        places = [x for line in panel.lines for x in line.get_xdata()]
        assert places == pytest.approx([cost] * 6, rel=0.1) and len(set(places)) == 6, "side by side, at their cost"
        assert [list(line.get_ydata()) for line in panel.lines] == [runs.last("test_acc")] * 2
        first, second = (text.xy[1] for text in panel.texts)
        assert first != second, "names do not cover each other"


def test_filters_are_drawn_each_on_a_scale_of_its_own():
    weights = torch.randn(3, 1, 5, 5)
    axes = draw_filter_rows({"ours": weights, "theirs": load_face_filters()}).figure.axes
    assert len(axes) == 3 + 16
    for panel, weight in zip(axes[:3], weights, strict=True):
        assert panel.images[0].get_clim()[1] == weight.abs().max()
    pixels = axes[3].images[0].get_array()
    assert pixels.shape == (7, 7, 3) and pixels.min() >= 0 and pixels.max() <= 1 and 0 in pixels.round(6) % 1


def test_the_filters_of_the_face_recogniser():
    weights = load_face_filters()
    assert weights.shape == (32, 3, 7, 7) and weights.dtype == torch.float32
    neighbours = torch.corrcoef(torch.stack([weights[..., 1:].flatten(), weights[..., :-1].flatten()]))[0, 1]
    assert neighbours > 0.7, "smooth, as trained filters are"


def test_side_after_is_what_a_picture_shows():
    nets = [(alexnet(shrink=32, side=side)[:13], side) for side in (65, 81, 99)] + [(lenet()[:6], 28)]
    nets.append((nn.Sequential(nn.Conv2d(1, 2, (3, 3), (2, 2), (1, 1)), nn.ReLU(), nn.AvgPool2d(2)), 17))
    for net, side in nets:
        assert net(torch.rand(1, 1, side, side)).shape[-1] == side_after(net, side)
