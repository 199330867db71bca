"""What a probe says of a layer is what the layer gave, whatever is written over it later; nothing else is changed."""

import copy
from contextlib import nullcontext

import pytest
import torch
from nets import With, unchanged
from torch import nn
from torch.nn import functional as F

from cnnlib.figures import draw_blocks
from cnnlib.models import PostActivation, PreActivation, cifar_resnet, tower
from cnnlib.probes import (
    FlowProbe,
    feature_maps,
    gradient_norms,
    gradient_parts,
    layer_table,
    layers_with_maps,
    lesion_sites,
    loss_along,
    maps_and_output,
    present_gradients,
    receptive_fields,
    relu_statistics,
    strongest_places,
    swapped,
    walk_layers,
    without,
)
from cnnlib.widgets import explore_features

y = torch.tensor([1, 2, 0])


@pytest.fixture
def X():
    return torch.randn(3, 2, 6, 6)


def add(self, X):
    """Add to a convolution's output, as torchvision's blocks do, and then to a part of it."""
    Y = self.conv(X)
    if not self.inplace:
        return self.act((Y + X) * torch.tensor([1.0, 0.0]).view(2, 1, 1) + 0.1)
    Y += X
    Y[:, 1:] = 0
    return self.act(Y.add_(0.1))


def functional(self, X):
    """Work in place without a module: a slice is scaled, all is written over by F.relu_."""
    Y = self.norm(self.conv(X))
    if not self.inplace:
        return F.relu(torch.cat([-Y[:, :2], Y[:, 2:]], 1))
    Y[:, :2].mul_(-1)
    return F.relu_(Y)


def keyword(self, X):
    """Hand the layers what they take by keyword; one returns a tuple."""
    Y = self.act(input=self.conv(input=X))
    Z, _ = self.pool(Y)
    return Z.neg_() if self.inplace else -Z


def part(forward, inplace, channels=2, **parts):
    return With(forward, inplace=inplace, conv=nn.Conv2d(2, channels, 3, padding=1), **parts)


def features(make):
    return lambda inplace: nn.Sequential(*make(inplace))


# Each is built in place and, as its twin, out of place; a head is put behind it
NETS = {
    "relu": features(lambda p: [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(p), nn.Conv2d(3, 2, 3), nn.ReLU(p)]),
    "first": features(lambda p: [nn.ReLU(p), nn.Conv2d(2, 3, 3), nn.ReLU(p), nn.MaxPool2d(2)]),
    "others": features(lambda p: [nn.Conv2d(2, 3, 3), nn.Hardtanh(inplace=p), nn.Conv2d(3, 2, 1), nn.SiLU(p),
                                  nn.Conv2d(2, 2, 1), nn.LeakyReLU(0.5, p), nn.Conv2d(2, 2, 1), nn.ELU(inplace=p)]),
    "dropout": features(lambda p: [nn.Conv2d(2, 3, 3), nn.Dropout(0.5, p), nn.ReLU(p), nn.Conv2d(3, 2, 1),
                                   nn.Dropout2d(0.5, p)]),
    "identity": features(lambda p: [nn.Conv2d(2, 3, 3), nn.Identity(), nn.ReLU(p), nn.Identity()]),
    "view": features(lambda p: [nn.Conv2d(2, 3, 3), nn.Flatten(), nn.ReLU(p), nn.Unflatten(1, (3, 4, 4)), nn.Tanh()]),
    "sum": features(lambda p: [part(add, p, act=nn.ReLU(p)), part(add, p, act=nn.ReLU(p))]),
    "functional": features(lambda p: [part(functional, p, 4, norm=nn.BatchNorm2d(4)), nn.Conv2d(4, 2, 3)]),
    "keyword": features(lambda p: [part(keyword, p, act=nn.ReLU(p), pool=nn.MaxPool2d(2, return_indices=True)),
                                   nn.Conv2d(2, 2, 1), nn.ReLU(p)]),
    "shared": features(lambda p: [nn.Conv2d(2, 2, 3), act := nn.ReLU(p), nn.Conv2d(2, 2, 3), act]),
}  # fmt: skip


@pytest.fixture(params=NETS)
def nets(request, X):
    """A network that works in place and its twin that does not, in mixed modes, the first watched for changes."""
    nets = []
    for inplace in (True, False):
        torch.manual_seed(1)
        net = NETS[request.param](inplace)
        with torch.no_grad():
            size = net(X.clone())[0].numel()
        nets.append(nn.Sequential(*net, nn.Flatten(), nn.Linear(size, 4)))
        nets[-1][0].eval()
    with unchanged(nets[0], X):
        yield nets


def same(one, other):
    """Return whether two results are equal: tensors, numbers, dicts, sequences."""
    if isinstance(one, torch.Tensor):
        return torch.allclose(one, other, rtol=1e-5, atol=1e-7)
    if isinstance(one, dict):
        return list(one) == list(other) and same(list(one.values()), list(other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == pytest.approx(other, rel=1e-4, abs=1e-7) if isinstance(one, float) else one == other


def by_hand(net, X):
    """Return what each innermost module gives, copied before the next one runs, in the order of the calls."""
    outputs = {}

    def keep(name):
        def hook(module, args, output):
            key = name if name not in outputs else f"{name} (2)"
            outputs[key] = (output[0] if isinstance(output, tuple) else output).detach().clone()

        return hook

    twin = copy.deepcopy(net).eval()
    for name, module in twin.named_modules():
        if not any(module.children()):
            module.register_forward_hook(keep(name))
    twin(X.clone())
    return outputs


def looked_at(net, X):
    return {
        name: [*maps_and_output(net, X, name), *vars(strongest_places(net, [(X, y)], name, 3)).values()]
        for name in layers_with_maps(net, X)
    }


def rows(net, X):
    found = [*layer_table(net, X.shape[1:]), *walk_layers(net, X.shape[1:]), *layers_with_maps(net, X).values()]
    known = ("name", "kind", "shape", "input_shape", "output_shape", "parameters", "multiply_adds", "rule", "sizes")
    return [{key: vars(row)[key] for key in known if key in vars(row)} for row in found]


def statistics(net, X):
    number = sum(isinstance(module, nn.ReLU) for module in net.modules())
    return [vars(relu_statistics(net, X, n)) for n in range(number)]


PROBES = {
    "feature_maps": feature_maps,
    "looked at": looked_at,
    "rows": rows,
    "statistics": statistics,
    "gradient_norms": lambda net, X: gradient_norms(net, X, y),
    "loss_along": lambda net, X: loss_along(
        net, {n: torch.ones_like(p) for n, p in net.named_parameters()}, [0, 0.1, 0.2], X, y
    ),
}


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_says_the_same_in_place_and_out_of_place(probe, nets, X):
    found, expected = (PROBES[probe](net, X.clone() if net is nets[1] else X) for net in nets)
    assert same(found, expected)


def test_feature_maps_are_what_each_layer_gave(nets, X):
    assert same(feature_maps(nets[0], X), by_hand(nets[1], X))
    assert all(torch.equal(feature_maps(nets[0], X, [name])[name], maps) for name, maps in by_hand(nets[1], X).items()
               if "(2)" not in name)  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_flow_measures_each_output_as_it_was_or_says_why_not(name, X):
    probes = []
    for inplace in (True, False):
        torch.manual_seed(1)
        net = NETS[name](inplace)
        torch.manual_seed(2)
        with FlowProbe(net, [n for n, _ in net.named_modules() if n]) as probe:
            net(X.clone()).square().sum().backward()
        probes.append(probe)
    inside, outside = probes
    assert same(inside.activations, outside.activations)
    lost = ["1"] if name == "view" else []
    assert list(inside.missing) == lost and not outside.missing
    assert same(inside.gradients, {n: g for n, g in outside.gradients.items() if n not in lost})


def before_and_after(self, X):
    """Use a view before it is written over, so that a part of its gradient comes to the old node of the graph."""
    Y = self.flat(self.conv(X))
    total = Y.sum()
    Y += 1
    return total + (2 * Y).sum()


def test_a_part_of_a_gradient_is_not_the_gradient(X):
    net = With(before_and_after, conv=nn.Conv2d(2, 1, 3), flat=nn.Flatten())
    with FlowProbe(net) as probe:
        net(X).backward()
    assert probe.gradients == pytest.approx({"conv": 3}) and "written over" in probe.missing["flat"]
    with FlowProbe(nn.Sequential(net.conv, net.flat)) as probe:
        scores = probe.net(X)
        scores -= 1  # by the loss, after the pass
        scores.sum().backward()
    assert list(probe.gradients) == ["0"] and list(probe.missing) == ["1"]


# Without normalisation PreActivation in place writes into what its own shortcut brings: that is another network
@pytest.mark.parametrize("block, norm", [(PreActivation, True), (PostActivation, True), (PostActivation, False)])
def test_parts_of_a_gradient_with_activations_in_place(block, norm):
    found = []
    for activation in (nn.ReLU, lambda: nn.ReLU(inplace=True)):
        torch.manual_seed(1)
        net = tower(3, 3, "identity", block, norm, activation).double()
        X = torch.rand(3, 1, 8, 8, dtype=torch.float64)
        parts = gradient_parts(net, X, y, 2)
        found.append([parts.total, parts.identity, parts.residuals, parts.first_order, parts.error])
    assert same(*found)


def test_parts_of_a_gradient_leave_the_batch():
    torch.manual_seed(1)
    net = nn.Sequential(nn.ReLU(inplace=True), *tower(2, 1)[1:])
    X = torch.randn(3, 1, 8, 8)
    before = X.clone()
    gradient_parts(net, X, y)
    assert torch.equal(X, before)


def test_the_explorer_shows_the_same_in_place():
    batches, drawn = [(torch.rand(20, 1, 8, 8), torch.arange(20) % 10)], []
    for inplace in (True, False):
        torch.manual_seed(1)
        net = nn.Sequential(nn.ReLU(inplace), nn.Conv2d(1, 3, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(108, 10))
        drawn.append([explore_features(net, batches, picture=n).draw().svg() for n in (0, 1)])
    assert drawn[0] == drawn[1]


def test_blocks_in_place_are_drawn_alike():
    drawn = [draw_blocks(cifar_resnet(8, 2, activation=a), (1, 8, 8)).svg() for a in (nn.ReLU, lambda: nn.ReLU(True))]
    assert drawn[0] == drawn[1]


def fail(self, X):
    raise ArithmeticError("as it happens")


QUIET = {
    **PROBES,
    "layer_table": lambda net, X: layer_table(net, X.shape[1:]),
    "maps_and_output": lambda net, X: maps_and_output(net, X, "0"),
    "strongest_places": lambda net, X: strongest_places(net, [(X, y)], "1"),
}
UNMOVED = {  # these send no batch through the whole network, so that nothing in it can fail
    "present_gradients": lambda net, X: present_gradients(net),
    "receptive_fields": lambda net, X: receptive_fields(net),
    "lesion_sites": lambda net, X: lesion_sites(net),
    "without": lambda net, X: without(net, *lesion_sites(net)),
    "swapped": lambda net, X: [swapped(net, site, site) for site in lesion_sites(net)],
}


@pytest.mark.parametrize(
    "last, error", [(nn.Linear(72, 4), None), (With(fail), ArithmeticError), (nn.Linear(7, 4), ValueError)]
)
@pytest.mark.parametrize("probe", [*QUIET, *UNMOVED])
def test_a_probe_leaves_everything_even_if_it_fails(probe, last, error, X):
    noisy = With(lambda s, X: X + torch.randn_like(X))
    layers = [nn.Conv2d(2, 2, 1), noisy, nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), last]
    net = nn.Sequential(*layers).train()
    net[3].eval(), net[4].eval()
    net[0].register_forward_hook(lambda *_: None)
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    fails = error and probe not in ("strongest_places", *UNMOVED)  # the first goes no further than its layer
    with unchanged(net, X), pytest.raises(error) if fails else nullcontext():
        (QUIET | UNMOVED)[probe](net, X)


@pytest.mark.parametrize("number, norm", [(0, "0.1"), (1, "1.norm1"), (2, "1.norm2"), (3, "2.norm1")])
def test_statistics_take_the_normalisation_that_runs_before_the_relu(number, norm):
    net, seen = cifar_resnet(8, 2), []
    net.get_submodule(norm).register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    X = torch.rand(4, 1, 8, 8)
    found = relu_statistics(net, X, number)
    assert torch.allclose(found.batch_mean, seen[0].mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(found.batch_var, seen[0].var((0, 2, 3)), rtol=1e-4)


def test_statistics_of_each_call_of_a_shared_relu():
    """As torchvision's blocks have: one ReLU behind the first normalisation and behind the addition."""
    net = NETS["shared"](True)
    X = torch.rand(3, 2, 8, 8)
    expected = by_hand(net, X)
    for number, layer in enumerate(("0", "2")):
        assert torch.allclose(relu_statistics(net, X, number).evaluation, expected[layer].flatten())
    with pytest.raises(ValueError, match="has 2 ReLUs, number 0 to 1, got number 2"):
        relu_statistics(net, X, 2)
