"""One walk counts every weight once and every multiply-add, whatever a network is made of."""

import pytest
import torch
from nets import With
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, weight_norm
from torch.utils.flop_counter import FlopCounterMode

from cnnlib.figures import draw_step
from cnnlib.models import lenet
from cnnlib.probes import feature_maps, layer_table, receptive_fields, walk_layers

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")


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
