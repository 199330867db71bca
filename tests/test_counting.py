"""One walk counts every weight once and every multiply-add, whatever a network is made of, and sees windows by axis."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, weight_norm
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.figures import draw_network, draw_receptive_fields, draw_step
from cnnlib.models import lenet
from cnnlib.probes import feature_maps, layer_table, layers_with_maps, receptive_fields, walk_layers
from cnnlib.widgets.views import describe_network

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning", "ignore:Using padding='same'")


class With(nn.Module):
    """A module of some parts whose forward is a function of itself and of X."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.call = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, X):
        return self.call(self, X)


def weight(*shape):
    return nn.Parameter(torch.rand(shape))


def tied_lenet():
    net = lenet()
    net.insert(12, nn.Linear(10, 10))
    net.append(net[12])
    return net


def halves(self, X):
    one, other = self.conv(X).chunk(2, 1)
    return self.last(torch.cat([one, other], 1))


def vit(self, X):
    X = self.patches(X).flatten(2).transpose(1, 2)
    X = torch.cat([self.token.expand(len(X), -1, -1), X], 1) + self.places
    return self.head(self.encoder(X)[:, 0])


def attend(self, X):
    q, k, v = self.qkv(X).chunk(3, -1)
    return (q @ k.transpose(1, 2)).softmax(-1) @ v


def caught(self, X):
    try:
        self.broken(X)
    except ZeroDivisionError:
        pass
    return self.fc(X)


CONV, FC = (1, 9, 9), (8,)  # the shapes that these take


def conv():
    return nn.Conv2d(1, 4, 3)


def fc():
    return nn.Linear(8, 8)


def recurrent(kind, output, **options):
    return With(output, layer=kind(8, 4, batch_first=True, **options), head=nn.Linear(4, 2))


def transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    parts = {"patches": nn.Conv2d(1, 8, 4, 4), "token": weight(1, 1, 8), "places": weight(1, 5, 8)}
    return With(vit, **parts, encoder=encoder, head=fc())


def tied():
    net = With(lambda s, X: s.out(s.emb(X)), emb=fc(), out=fc())
    net.out.weight = net.emb.weight
    return net


def scaled():
    return With(lambda s, X: X + s.scale * s.f(X), f=fc(), scale=weight(1))


def listed():
    return With(lambda s, X: X @ s.ps[0] @ s.ps[1], ps=nn.ParameterList([weight(8, 8), weight(8, 2)]))


class Places(nn.Module):
    def __init__(self):
        super().__init__()
        self.places = weight(8)

    def forward(self):
        return self.places * 1


ATTENTION = {"m": nn.MultiheadAttention(8, 2, batch_first=True)}
BY_HAND = {"w": weight(8, 3), "b": weight(3)}
# name: the network, the shape of an example, and the parameters of its rows, with those that a row before has counted
NETS = {
    "a layer twice": (lambda: With(lambda s, X: s.a(s.b(s.a(X))), a=fc(), b=fc()), FC, [(72, 0), (72, 0), (72, 72)]),
    "two names": (lambda: nn.Sequential(one := fc(), nn.ReLU(), one), FC, [(72, 0), (0, 0), (72, 72)]),
    "tied": (tied, FC, [(72, 0), (72, 64)]),
    "tied by hand": (lambda: With(lambda s, X: F.linear(s.e(X), s.e.weight.T), e=fc()), FC, [(72, 0), (64, 64)]),
    "ReZero": (scaled, FC, [(72, 0), (1, 0)]),
    "ReZero blocks": (lambda: nn.Sequential(scaled(), scaled()), FC, [(72, 0), (1, 0)] * 2),
    "ParameterList": (listed, FC, [(80, 0)]),
    "ParameterDict": (lambda: With(lambda s, X: s.p["w"] * X, p=nn.ParameterDict({"w": weight(8)})), FC, [(8, 0)]),
    "by hand": (lambda: nn.Sequential(With(lambda s, X: X @ s.w + s.b, **BY_HAND), nn.ReLU()), FC, [(27, 0), (0, 0)]),
    "not used": (lambda: With(lambda s, X: s.f(X), f=fc(), spare=nn.Linear(3, 3)), FC, [(72, 0)]),
    "weights asked": (lambda: With(lambda s, X: s.f(X.to(s.f.weight.device).to(s.f.weight)), f=fc()), FC, [(72, 0)]),
    "LSTM": (lambda: recurrent(nn.LSTM, lambda s, X: s.head(s.layer(X)[0]), num_layers=2), (5, 8), None),
    "GRU": (lambda: recurrent(nn.GRU, lambda s, X: s.head(s.layer(X)[1][0]), bidirectional=True), (5, 8), None),
    "attention": (lambda: With(lambda s, X: s.m(X, X, X)[0], **ATTENTION), (5, 8), [(288, 0)]),
    "attention by hand": (lambda: With(attend, qkv=nn.Linear(8, 24)), (5, 8), [(216, 0), (0, 0)]),
    "ViT": (transformer, (1, 8, 8), None),
    "keyword": (lambda: With(lambda s, X: s.c(input=X), c=conv()), CONV, [(40, 0)]),
    "dict": (lambda: With(lambda s, X: {"out": s.c(X), "more": [X]}, c=conv()), CONV, [(40, 0)]),
    "dict inside": (
        lambda: With(lambda s, X: s.a(X)["y"], a=With(lambda s, X: {"y": s.c(X)}, c=conv())),
        CONV,
        [(40, 0)],
    ),
    "chunks": (lambda: With(halves, conv=conv(), last=nn.Conv2d(4, 2, 3)), CONV, [(40, 0), (74, 0)]),
    "no input": (lambda: With(lambda s, X: X + s.p(), p=Places()), FC, [(8, 0)]),
    "weight_norm": (lambda: nn.Sequential(parametrizations.weight_norm(conv()), nn.ReLU()), CONV, [(44, 0), (0, 0)]),
    "old weight_norm": (lambda: nn.Sequential(weight_norm(conv()), nn.ReLU()), CONV, [(44, 0), (0, 0)]),
    "spectral_norm": (lambda: parametrizations.spectral_norm(fc()), FC, [(72, 0)]),
    "orthogonal": (lambda: parametrizations.orthogonal(fc()), FC, [(72, 0)]),
    "pruned": (lambda: nn.Sequential(prune.l1_unstructured(conv(), "weight", 0.5)), CONV, [(40, 0)]),
    "frozen": (lambda: nn.Sequential(fc().requires_grad_(False), fc()), FC, [(72, 0), (72, 0)]),
    "caught": (lambda: With(caught, fc=fc(), broken=With(lambda s, X: X / (1 // 0))), FC, [(72, 0)]),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(1, 4, 3, 2), nn.Conv2d(4, 4, 3, groups=2)), CONV, None),
    "tied LeNet": (tied_lenet, (1, 28, 28), None),
}
MATRICES = [name for name in NETS if name not in ("LSTM", "GRU", "orthogonal")]  # what FlopCounterMode counts alone


def total(net):
    return sum(p.numel() for p in net.parameters())


@pytest.fixture(params=NETS)
def drawn(request):
    make, shape, expected = NETS[request.param]
    return request.param, make(), shape, expected


def test_every_weight_counts_once(drawn):
    name, net, shape, expected = drawn
    table, walk = layer_table(net, shape), walk_layers(net, shape)
    assert table.parameters == walk.parameters == total(net)
    assert table.unused == (12 if name == "not used" else 0)
    assert expected is None or [(row.parameters, row.shared) for row in table] == expected
    assert [(r.name, r.kind, r.output_shape, r.parameters, r.multiply_adds) for r in table] == [
        (s.name, s.kind, s.output_shape, s.parameters, s.multiply_adds) for s in walk
    ]
    assert repr(table).splitlines()[-1].split() == ["total", f"{total(net):,}", f"{table.multiply_adds:,}"]
    assert ("counted above" in repr(table)) == any(row.shared for row in table)
    assert ("not used" in repr(table)) == (name == "not used")
    assert all(draw_step(walk, step.number).svg() for step in walk)
    for step in walk:
        if step.parameter_formula:
            left, right = step.parameter_formula.replace("·", "*").replace(",", "").split(" = ")
            assert eval(left) == int(right) == step.parameters


def test_parameters_agree_with_torchinfo(drawn):
    torchinfo = pytest.importorskip("torchinfo")
    name, net, shape, _ = drawn
    if name in ("tied", "pruned", "caught"):
        pytest.skip("torchinfo counts a tied weight twice and no pruned one, and fails on a layer that fails")
    assert torchinfo.summary(net.eval(), (1, *shape), verbose=0, device="cpu").total_params == total(net)


@pytest.mark.parametrize("name", MATRICES)
def test_multiply_adds_are_those_that_pytorch_counts(name):
    make, shape, _ = NETS[name]
    net = make().eval()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator, which FlopCounterMode does not know
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, *shape))
    torch.backends.mha.set_fastpath_enabled(True)
    assert layer_table(net, shape).multiply_adds == counter.get_total_flops() / 2


@pytest.mark.parametrize(
    "kind, gates, options", [(nn.LSTM, 4, {}), (nn.GRU, 3, {"bidirectional": True}), (nn.RNN, 1, {"num_layers": 2})]
)
def test_recurrent_layers_use_each_weight_at_each_step(kind, gates, options):
    net = kind(8, 4, batch_first=True, **options)
    ways, deep = 2 if "bidirectional" in options else 1, options.get("num_layers", 1)
    per_step = ways * gates * 4 * (8 + 4) + (deep - 1) * gates * 4 * (4 + 4)
    (row,) = layer_table(net, (6, 8))
    assert row.multiply_adds == 6 * per_step and row.output_shape == (6, 4 * ways)
    # as torchinfo counts, which adds the biases
    biases = sum(p.numel() for name, p in net.named_parameters() if "bias" in name)
    torchinfo = pytest.importorskip("torchinfo")
    assert torchinfo.summary(net, (1, 6, 8), verbose=0, device="cpu").total_mult_adds == row.multiply_adds + 6 * biases


def test_what_parametrizations_compute_is_not_the_layers_own():
    assert layer_table(parametrizations.orthogonal(nn.Linear(8, 4)), (8,)).multiply_adds == 32
    (step,) = walk_layers(parametrizations.weight_norm(nn.Conv2d(1, 4, 3)), (1, 9, 9))
    assert step.kind == "Conv2d" and step.name == "" and step.rule == "window" and step.patch.sizes == (3, 3)


def test_a_shape_that_a_layer_changes_in_place_is_what_it_was():
    net = nn.Sequential(With(lambda s, X: X.unsqueeze_(1) * 2), nn.Flatten())
    assert [(row.input_shape, row.output_shape) for row in layer_table(net, (8,))] == [((8,), (1, 8)), ((1, 8), (8,))]


def test_feature_maps_of_tuples_dicts_and_layers_called_again():
    X = torch.rand(2, 5, 8)
    net = NETS["LSTM"][0]()
    torch.testing.assert_close(feature_maps(net, X)["layer"], net.layer(X)[0].detach())
    net = NETS["dict inside"][0]()
    assert feature_maps(net, torch.rand(2, 1, 9, 9), ["a"])["a"].shape == (2, 4, 7, 7)
    net = NETS["a layer twice"][0]()
    assert list(feature_maps(net, X)) == ["a", "b", "a (2)"]
    net = NETS["weight_norm"][0]()
    assert list(feature_maps(net, torch.rand(2, 1, 9, 9))) == ["0", "1"]


@pytest.mark.parametrize("probe", [lambda net: layer_table(net, (1, 28, 28)), receptive_fields,
                                   lambda net: feature_maps(net, torch.rand(1, 1, 28, 28))])  # fmt: skip
def test_a_traced_network_is_refused_by_name(probe):
    traced = torch.jit.trace(lenet().eval(), torch.rand(1, 1, 28, 28))
    with pytest.raises(TypeError, match="take no hooks"):
        probe(traced)


# Receptive fields, by axis


def support(net, shape, place):
    """Return the first and the last pixel along each axis on which an output depends, by autograd in float64."""
    X = torch.rand(1, *shape, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(X)[(0, 0, *place)], X)
    seen = gradient[0].abs().sum(0).nonzero()
    return tuple(seen.amin(0).tolist()), tuple(seen.amax(0).tolist())


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


C = nn.Conv2d
WINDOWS = {
    "1 × 7": [C(1, 1, (1, 7))],
    "7 × 1 with padding": [C(1, 1, (7, 1), padding=(3, 0)), nn.ReLU(), C(1, 1, 3)],
    "strides": [C(1, 1, (3, 5), (2, 1)), C(1, 1, (1, 3), (1, 2), (0, 1)), nn.AvgPool2d((2, 1))],
    "dilation": [C(1, 1, 3, dilation=(1, 3)), C(1, 1, 2, dilation=(2, 1))],
    "same": [C(1, 1, (2, 5), padding="same"), C(1, 1, (4, 3), padding="same", dilation=(1, 2))],
    "padding layers": [nn.ZeroPad2d((1, 2, 3, 0)), C(1, 1, 3), nn.ConstantPad2d(1, 0.0), nn.AvgPool2d((3, 2))],
    "ceil": [nn.AvgPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True), C(1, 1, (2, 1))],
    "lists": [C(1, 1, [3, 1]), nn.AvgPool2d([1, 2])],
    "square": [C(1, 1, 3, 2, 1), nn.AvgPool2d(2), nn.LPPool2d(1, 2)],
}


@pytest.mark.parametrize("name", WINDOWS)
def test_receptive_fields_have_a_size_along_each_axis(name):
    net, shape = nn.Sequential(*WINDOWS[name]).double(), (1, 60, 61)
    for module in net.modules():
        if isinstance(module, C):
            nn.init.constant_(module.weight, 1.0)
    fields = receptive_fields(net)
    field = fields[-1]
    assert fields == receptive_fields(net, shape) and len(fields) == sum(hasattr(m, "kernel_size") for m in net)
    for place in ((3, 3), (4, 5)):
        starts = [
            start + stride * p for start, stride, p in zip(pair(field.start), pair(field.stride), place, strict=True)
        ]
        ends = [start + size - 1 for start, size in zip(starts, field.sizes, strict=True)]
        assert support(net, shape, place) == (tuple(max(start, 0) for start in starts), tuple(ends))
    assert isinstance(field.size, int) == (len(set(field.sizes)) == 1)


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
    side = {1: 1, 4: 4}.get(getattr(pool, "output_size", 2), 2)
    if isinstance(pool, nn.Module) and hasattr(pool, "output_size"):
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
    with pytest.raises(ValueError, match="cannot take"):
        receptive_fields(net, (3, 20, 20))


def where_it_matters(forward):
    """Return the patch that the walk says of the last layer of a network."""
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
                                     lambda s, X: s.b(torch.cat([s.a(X), s.a(X)], 2))])  # fmt: skip
def test_a_patch_is_not_known_where_others_pixels_come_in(forward):
    assert where_it_matters(forward) is None


def test_a_patch_is_known_behind_padding_and_keywords():
    assert where_it_matters(lambda s, X: s.b(F.relu(input=s.a(input=X)))).sizes == (5, 5)
    patch = where_it_matters(lambda s, X: s.b(F.pad(s.a(X), (2, 0, 0, 1))))
    assert patch.starts == (-2, -4) and patch.counts == (9, 10)


def test_drawings_name_windows_by_axis():
    net = nn.Sequential(nn.Conv2d(1, 2, (3, 5)), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2))
    words = [text.get_text() for text in draw_network(net, (1, 8, 10)).figure.axes[0].texts]
    assert any("3×5" in text for text in words) and any("2×2" in text for text in words)
    assert "the last map sees 4 × 6 pixels" in describe_network(net, (1, 8, 10)).svg()
