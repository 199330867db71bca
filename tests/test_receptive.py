"""Receptive fields are where autograd says that an output depends on the picture, along each axis; where that cannot be
followed, nothing is claimed.
"""

import copy

import pytest
import torch
from nets import With
from torch import nn
from torch.nn import functional as F

from cnnlib.figures import draw_network, draw_receptive_fields
from cnnlib.models import VGG11, VGG16, alexnet, lenet, narrower, vgg
from cnnlib.probes import layers_with_maps, receptive_fields, walk_layers
from cnnlib.widgets.views import describe_network

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


class SumPool(nn.Module):
    """Stands in for a max pooling: the same window, but every value in it counts, not the largest alone."""

    def __init__(self, pool):
        super().__init__()
        self.options = {"stride": pool.stride, "padding": pool.padding, "dilation": pool.dilation}
        self.size = pool.kernel_size

    def forward(self, X):
        channels = X.shape[1]
        window = torch.ones(channels, 1, self.size, self.size, dtype=X.dtype)
        return F.conv2d(X, window, groups=channels, **self.options)


WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)


def linear_twin(net):
    """Copy a network's windows and paddings, so that each output is a sum of all that it sees, none left out."""
    layers = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer = copy.deepcopy(layer).double()
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
        if isinstance(layer, (*WINDOWS, nn.ZeroPad2d, nn.ConstantPad2d)):
            layers.append(SumPool(layer) if isinstance(layer, nn.MaxPool2d) else layer)
    return layers


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


C = nn.Conv2d
CHAINS = {
    "lenet": (lenet()[:6], (28, 28)),
    "alexnet": (alexnet(shrink=96)[:13], (290, 290)),
    "vgg": (vgg(narrower(VGG11, 64), side=32, units=8)[:5], (230, 230)),
    "1 × 7": ([C(1, 1, (1, 7))], (60, 61)),
    "7 × 1 with padding": ([C(1, 1, (7, 1), padding=(3, 0)), nn.ReLU(), C(1, 1, 3)], (60, 61)),
    "strides": ([C(1, 1, (3, 5), (2, 1)), C(1, 1, (1, 3), (1, 2), (0, 1)), nn.AvgPool2d((2, 1))], (60, 61)),
    "dilation": ([C(1, 1, 3, dilation=(1, 3)), C(1, 1, 2, dilation=(2, 1))], (60, 61)),
    "same": ([C(1, 1, (2, 5), padding="same"), C(1, 1, (4, 3), padding="same", dilation=(1, 2))], (60, 61)),
    "padding layers": ([nn.ZeroPad2d((1, 2, 3, 0)), C(1, 1, 3), nn.ConstantPad2d(1, 0.0), nn.AvgPool2d((3, 2))],
                       (60, 61)),
    "ceil": ([nn.AvgPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True), C(1, 1, (2, 1))], (60, 61)),
    "lists": ([C(1, 1, [3, 1]), nn.AvgPool2d([1, 2])], (60, 61)),
    "square": ([C(1, 1, 3, 2, 1), nn.AvgPool2d(2), nn.LPPool2d(1, 2)], (60, 61)),
    "dilated pooling": ([nn.MaxPool2d(3, stride=2, dilation=2), C(1, 1, 3)], (30, 30)),
} | {
    f"{pool.__name__} {options}": ([C(2, 2, 3), pool(*options), C(2, 1, 3)], (40, 40))
    for pool in (nn.MaxPool2d, nn.AvgPool2d)
    for options in ((2, None, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0), (1, 2, 0))
} | {
    f"Conv2d {window} {options}": ([C(1, 2, 3, 2), C(2, 2, window, *options), C(2, 1, 2)], (110, 110))
    for window in (1, 2, 3, 4, 7)
    for options in ((1, 0, 1), (2, 1, 1), (3, 2, 2), (1, 4, 3), (4, 0, 1))
} | {
    f"{padding} {window} {dilation}": (
        [C(1, 2, 3, 2), C(2, 2, window, padding=padding, dilation=dilation), nn.MaxPool2d(2)], (40, 40))
    for padding in ("same", "valid")
    for window, dilation in ((3, 1), (4, 1), (3, 2), (2, 3))
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_fields_are_what_autograd_says(name):
    """Of every layer, for two neighbouring outputs in the middle, and the same with and without a shape."""
    layers, sides = CHAINS[name]
    net = nn.Sequential(*layers)
    channels = next((layer.in_channels for layer in net.modules() if isinstance(layer, C)), 1)
    fields = receptive_fields(net)
    assert fields == receptive_fields(net, (channels, *sides)) and fields
    Z = X = torch.rand(1, channels, *sides, dtype=torch.float64, requires_grad=True)
    left = list(fields)
    for layer in linear_twin(net):
        Z = layer(Z)
        if isinstance(layer, nn.ZeroPad2d | nn.ConstantPad2d):
            continue
        field = left.pop(0)
        first, strides = pair(field.start), pair(field.stride)
        assert isinstance(field.size, int) == (len(set(field.sizes)) == 1)
        middle = [(n // 2 - f - s // 2) // d for n, f, s, d in zip(sides, first, field.sizes, strides, strict=True)]
        for place in (middle, [p + 1 for p in middle]):
            (gradient,) = torch.autograd.grad(Z[(0, 0, *place)], X, retain_graph=True)
            seen = gradient[0].abs().sum(0).nonzero()
            starts = [f + p * d for f, p, d in zip(first, place, strides, strict=True)]
            ends = [f + size - 1 for f, size in zip(starts, field.sizes, strict=True)]
            assert min(starts) >= 0 and all(e < n for e, n in zip(ends, sides, strict=True)), "there is no room"
            assert (seen.amin(0).tolist(), seen.amax(0).tolist()) == (starts, ends), field
    assert not left


def test_fields_of_the_book():
    assert [(f.name, f.kind, f.size, f.stride, f.start) for f in receptive_fields(lenet())] == [
        ("0", "Conv2d", 5, 1, -2),
        ("2", "AvgPool2d", 6, 2, -2),
        ("3", "Conv2d", 14, 2, -2),
        ("5", "AvgPool2d", 16, 4, -2),
    ]
    assert [f.size for f in receptive_fields(alexnet(shrink=96))] == [11, 19, 51, 67, 99, 131, 163, 195]
    fields = receptive_fields(vgg(narrower(VGG11, 64), side=32, units=8))
    assert [f.name for f in fields[:5]] == ["0.0", "0.2", "1.0", "1.2", "2.0"]
    assert (fields[-1].size, fields[-1].stride) == (150, 32)
    assert receptive_fields(vgg(narrower(VGG16, 64), side=32, units=8))[-1].size == 212


def test_all_other_layers_are_passed_over():
    plain = [nn.Conv2d(1, 4, 3), nn.MaxPool2d(2)]
    others = [plain[0], nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), plain[1], nn.Flatten(), nn.Linear(4, 2)]
    a, b = receptive_fields(nn.Sequential(*plain)), receptive_fields(nn.Sequential(*others))
    assert [(f.kind, f.size, f.stride, f.start) for f in a] == [(f.kind, f.size, f.stride, f.start) for f in b]
    assert receptive_fields(nn.Linear(3, 2)) == []


def test_fields_that_are_no_square_are_pairs_and_others_numbers():
    (field,) = receptive_fields(nn.Conv2d(1, 1, (1, 7), padding=(0, 3)))
    assert (field.size, field.stride, field.start, field.sizes) == ((1, 7), 1, (0, -3), (1, 7))
    (field,) = receptive_fields(nn.Conv1d(1, 1, 5, 2))
    assert (field.size, field.stride, field.start) == (5, 2, 0)
    picture = draw_receptive_fields(torch.rand(9, 9), {"net": {"wide": receptive_fields(nn.Conv2d(1, 1, (1, 7)))[0]}})
    assert picture.figure.axes[0].patches[0].get_bbox().bounds == pytest.approx((0.5, 3.5, 7, 1))
    assert picture.figure.axes[0].get_legend().get_texts()[0].get_text() == "wide: 1 × 7"


@pytest.mark.parametrize(
    "pool", [nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(4), With(lambda s, X: F.adaptive_avg_pool2d(X, 2))]
)
def test_pools_of_the_whole_map_are_known_with_a_shape(pool):
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), pool, nn.Conv2d(2, 1, 1))
    side = getattr(pool, "output_size", 2)
    if hasattr(pool, "output_size"):
        assert [f.name for f in receptive_fields(net)] == ["0"], "how far it sees depends on the picture"
    fields = receptive_fields(net, (1, 8, 8))
    assert fields[-1].name == "2" and fields[-1].size == 8 // side + 2 and fields[-1].start == -1
    assert layers_with_maps(net, torch.rand(1, 1, 8, 8))["2"].field == fields[-1]


@pytest.mark.parametrize("odd", [nn.ConvTranspose2d(2, 2, 2, 2), nn.Upsample(scale_factor=2), nn.PixelShuffle(1)])
def test_behind_what_is_no_window_nothing_is_claimed(odd):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), odd, nn.Conv2d(2, 1, 3))
    assert [f.name for f in receptive_fields(net)] == [f.name for f in receptive_fields(net, (1, 9, 9))] == ["0"]


def test_fields_with_a_shape_are_those_of_the_layers_as_they_run():
    net = With(lambda s, X: s.last(s.first(X)), last=nn.Conv2d(1, 1, 5), first=nn.Conv2d(1, 1, 3, stride=2))
    assert [(f.name, f.size) for f in receptive_fields(net, (1, 20, 20))] == [("first", 3), ("last", 11)]


# The patch of the picture that one place of a map sees, by the tensors themselves


def patch_of_the_last(forward):
    net = With(forward, a=nn.Conv2d(1, 2, 3, padding=1), b=nn.Conv2d(2, 1, 3, padding=1))
    return walk_layers(net, (1, 8, 8))[-1].patch


def overwritten(self, X):
    Y = self.a(X)
    Y[:, :, 2:] = Y[:, :, :-2].clone()
    return self.b(Y)


def overwritten_by_a_view(self, X):
    Y = self.a(X)
    Y[:, :1].copy_(Y[:, :1].flip(2))
    return self.b(Y)


def part_from_elsewhere(self, X):
    Y = self.a(X)
    top, bottom = Y.chunk(2, 2)
    return self.b(Y + torch.cat([bottom, top], 2))


@pytest.mark.parametrize("forward", [overwritten, overwritten_by_a_view, part_from_elsewhere,
                                     lambda s, X: s.b(torch.cat([s.a(X), s.a(X)], 2)),
                                     lambda s, X: s.b(s.a(X) * s.a(X).mean((2, 3), keepdim=True))])  # fmt: skip
def test_a_patch_is_not_known_where_others_pixels_come_in(forward):
    assert patch_of_the_last(forward) is None


def test_a_patch_is_known_behind_padding_and_keywords():
    assert patch_of_the_last(lambda s, X: s.b(F.relu(input=s.a(input=X)))).sizes == (5, 5)
    patch = patch_of_the_last(lambda s, X: s.b(F.pad(s.a(X), (2, 0, 0, 1))))
    assert patch.starts == (-2, -4) and patch.counts == (9, 10)


def test_drawings_name_windows_by_axis():
    net = nn.Sequential(nn.Conv2d(1, 2, (3, 5)), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2))
    words = [text.get_text() for text in draw_network(net, (1, 8, 10)).figure.axes[0].texts]
    assert any("3×5" in text for text in words) and any("2×2" in text for text in words)
    assert "the last map sees 4 × 6 pixels" in describe_network(net, (1, 8, 10)).svg()
