"""FlowProbe says what autograd says, of the right pass, and leaves nothing behind in the network."""

import copy
import gc
import weakref
from contextlib import nullcontext

import pytest
import torch
from nets import With, unchanged
from torch import nn
from torch.nn import functional as F

from cnnlib.models import PostActivation, PreActivation, cifar_resnet, lenet, tower
from cnnlib.probes import FlowProbe
from cnnlib.training.loop import Trainer

y = torch.tensor([1, 2, 3, 4])
NAMES = list("012345")


@pytest.fixture
def X():
    return torch.rand(4, 1, 8, 8)


@pytest.fixture
def net():
    """Return a network of six layers, which must have no hook after the test."""
    features = [nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten()]
    net = nn.Sequential(*features, nn.Linear(192, 5), nn.ReLU(), nn.Linear(5, 10))
    yield net
    assert hooks(net) == 0


def backward(net, X):
    F.cross_entropy(net(X), y).backward()


def rms(tensor):
    return tensor.detach().double().square().mean().sqrt().item()


def hooks(net):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in net.modules() for kind in kinds)


def by_hand(net, X, y):
    """Send a batch through the layers of an nn.Sequential one by one, and keep each gradient."""
    outputs, Z = {}, X
    for name, layer in net.named_children():
        Z = outputs[name] = layer(Z)
    gradients = torch.autograd.grad(F.cross_entropy(Z, y), list(outputs.values()))
    return {name: rms(Z) for name, Z in outputs.items()}, dict(zip(outputs, map(rms, gradients), strict=True))


def assert_says(probe, activations, gradients, rel=1e-5):
    assert list(probe.activations) == list(activations) and list(probe.gradients) == list(gradients)
    assert probe.activations == pytest.approx(activations, rel=rel, abs=0)
    assert probe.gradients == pytest.approx(gradients, rel=rel, abs=0)
    assert all(type(value) is float for value in (*probe.activations.values(), *probe.gradients.values()))


# What it measures

NETS = {
    "lenet": lambda: lenet(),
    "tower": lambda: tower(5, 3),
    "plain tower": lambda: tower(5, 3, "none", norm=False, activation=nn.Sigmoid),
    "post": lambda: cifar_resnet(14, 2, "projection", PostActivation),
    "pre": lambda: cifar_resnet(14, 2, "identity", PreActivation, activation=nn.Tanh),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_the_children_of_a_network(make, training, weights):
    net = make().train(training)
    X = torch.rand(4, 1, 28, 28)
    expected = by_hand(copy.deepcopy(net), X, y)
    before = weights(net)
    with FlowProbe(net) as probe:
        backward(net, X)
    assert_says(probe, *expected)
    assert training or torch.equal(weights(net), before)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("block", [PostActivation, PreActivation])
def test_layers_inside_of_blocks(block, norm, X):
    net = cifar_resnet(14, 2, "projection", block, norm)
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear | block)]
    outputs, twin = {}, copy.deepcopy(net)
    for name in names:
        twin.get_submodule(name).register_forward_hook(lambda m, a, Z, name=name: outputs.__setitem__(name, Z))
    gradients = torch.autograd.grad(F.cross_entropy(twin(X), y), list(outputs.values()))
    with FlowProbe(net, iter(names)) as probe:
        backward(net, X)
    rows = dict(zip(outputs, map(rms, gradients), strict=True))
    assert_says(probe, {name: rms(Z) for name, Z in outputs.items()}, rows)
    assert set(outputs) == set(names)


@pytest.mark.parametrize(
    "layers, expected", [([], []), (["3", "3"], ["3"]), (("5", "0"), ["0", "5"]), (["", "5"], ["5", ""])]
)
def test_layers_are_told_in_the_order_of_the_calls(net, X, layers, expected):
    with FlowProbe(net, layers) as probe:
        backward(net, X)
    assert list(probe.activations) == list(probe.gradients) == expected and probe.readings == 1


def repeated(times):
    def forward(net, X):
        X = net.first(X)
        for _ in range(times):
            X = torch.tanh(net.same(X))
        return net.last(X)

    return With(forward, first=nn.Linear(4, 4), same=nn.Linear(4, 4), last=nn.Linear(4, 1))


@pytest.mark.parametrize("times", [1, 4])
def test_a_layer_used_again_has_an_entry_for_each_call(times):
    net, X = repeated(times), torch.rand(5, 4)
    outputs = [net.first(X)]
    for _ in range(times):
        outputs.append(net.same(torch.tanh(outputs[-1]) if len(outputs) > 1 else outputs[-1]))
    outputs.append(net.last(torch.tanh(outputs[-1])))
    gradients = torch.autograd.grad(outputs[-1].square().sum(), outputs)
    names = ["first", "same", *[f"same ({i})" for i in range(2, times + 1)], "last"]
    with FlowProbe(net) as probe:
        for _ in range(2):  # the count begins anew with each pass
            net(X).square().sum().backward()
    assert_says(probe, *(dict(zip(names, map(rms, row), strict=True)) for row in (outputs, gradients)))


@pytest.mark.parametrize(
    "output, expected",
    [
        (lambda X: None, None),
        (lambda X: 3.0, None),
        (lambda X: X.argmax(1), None),
        (lambda X: X > 0, None),
        (lambda X: {"a": X}, rms),
        (lambda X: (None, X), rms),
        (lambda X: (2 * X, X), lambda X: 2 * rms(X)),
        (lambda X: X.sum(), lambda X: abs(X.sum().item())),
        (lambda X: X[:0], lambda X: 0),
        (lambda X: X * 1j, rms),
    ],
    ids=["none", "number", "whole numbers", "truth", "dict", "none first", "tuple", "one number", "no rows", "complex"],
)
def test_odd_outputs_are_measured_where_they_have_a_mean_square(output, expected):
    net, X = nn.Sequential(nn.Linear(4, 3), With(lambda self, X: output(X))), torch.rand(5, 4)
    with FlowProbe(net) as probe:
        assert type(net(X)) is type(output(net[0](X)))
    entries = {"0": rms(net[0](X))} | ({"1": expected(net[0](X))} if expected else {})
    assert probe.activations == pytest.approx(entries)


# Once: the squares of numbers below 1e-23 vanish in float32 and those above 1e19 become infinite; float16 ends at 1e5.
# The root mean square itself is a common number, and vanishing and exploding gradients are what the probe is for.
@pytest.mark.parametrize("scale", [1e-30, 1e-24, 1.0, 1e24, 1e30])
def test_tiny_and_huge_gradients_have_a_number(scale):
    net = nn.Sequential(nn.Linear(4, 3))
    with FlowProbe(net) as probe:
        (net(torch.rand(5, 4)) * scale).sum().backward()
    assert probe.gradients["0"] == pytest.approx(scale, rel=1e-5, abs=0)


def test_layers_of_several_precisions():
    half, X = nn.Sequential(nn.Identity()), torch.full((600, 600), 200.0, dtype=torch.float16)
    with FlowProbe(half) as probe:
        half(X)
    assert probe.activations["0"] == pytest.approx(200, rel=1e-2)
    net = With(lambda self, X: self.b(self.a(X).double()), a=nn.Linear(4, 4), b=nn.Linear(4, 4).double())
    with FlowProbe(net) as probe:
        net(torch.rand(2, 4)).sum().backward()
    assert list(probe.gradients) == ["a", "b"] and probe.gradients["b"] == 1
    with FlowProbe(net, ["a"]) as probe, torch.autocast("cpu", torch.bfloat16):
        net(torch.rand(2, 4)).sum().backward()
    assert probe.activations["a"] > 0


def test_frozen_layers_and_layers_off_the_way_to_the_loss_have_no_gradient(net, X):
    net[0].requires_grad_(False)
    whole = With(lambda self, X: (self.net(X), self.other(X.flatten(1)))[0], net=net, other=nn.Linear(64, 10))
    with FlowProbe(whole, [*(f"net.{name}" for name in NAMES), "other"]) as probe:
        backward(whole, X)
    assert len(probe.activations) == 7 and list(probe.gradients) == ["net.3", "net.4", "net.5"]


# Which pass


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
def test_one_pass_in_so_many_is_read(every):
    net = nn.Sequential(nn.Identity(), nn.Linear(1, 1))
    seen = []
    with FlowProbe(net, every=every) as probe:
        assert probe.readings == 0 and probe.activations == probe.gradients == {}
        for number in range(10):
            for mode in (torch.no_grad, torch.inference_mode):
                with mode():
                    net(torch.tensor([[50.0]]))
            net(torch.tensor([[float(number)]])).sum().backward()
            seen.append(probe.activations["0"])
            assert probe.readings == number // every + 1
    assert seen == [number - number % every for number in range(10)]


def test_a_pass_backward_that_never_comes_or_comes_late(net, X):
    with FlowProbe(net) as probe:
        backward(net, X)
        late = net(2 * X).sum()
        assert list(probe.activations) == NAMES and probe.gradients == {}
        backward(net, X)
        before = probe.gradients
        (1e6 * late).backward()
        assert list(probe.gradients) == NAMES and probe.gradients == before and probe.readings == 3


@pytest.mark.parametrize("every", [1, 2])
def test_two_passes_before_one_backward(net, every):
    """As in a network that compares two pictures: the last reading counts."""
    pictures = [torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)]
    expected = by_hand(net, pictures[1], y)
    with FlowProbe(net, every=every) as probe:
        scores = [net(X) for X in (pictures if every == 1 else pictures[::-1])]
        sum(F.cross_entropy(s, y) for s in scores).backward()
    assert_says(probe, *expected)


def test_after_the_block_a_backward_still_counts_and_a_pass_does_not(net, X):
    expected = by_hand(net, X, y)
    with FlowProbe(net) as probe:
        loss = F.cross_entropy(net(X), y)
    loss.backward()
    net(5 * X).sum().backward()
    assert_says(probe, *expected)
    assert probe.readings == 1


# Once: after the pass of the network has ended, a call of one of its layers alone becomes an entry '3 (2)' of it.
def test_a_layer_that_is_called_alone_is_no_part_of_the_pass(net, X):
    with FlowProbe(net) as probe:
        net[3](torch.rand(2, 192))
        assert probe.activations == {} and probe.readings == 0
        backward(net, X)
        before = probe.activations
        net[3](torch.rand(2, 192))
        assert probe.activations == before


def test_a_network_inside_of_another_and_with_keywords(net, X):
    class Keywords(With):
        def forward(self, *, pictures):
            return self.net(pictures)

    whole = Keywords(None, net=net)
    for probed in (whole, whole.net):
        with FlowProbe(probed) as probe:
            F.cross_entropy(whole(pictures=X), y).backward()
        assert probe.readings == 1 and len(probe.gradients) == (1 if probed is whole else 6)


# What it leaves


def test_hooks_are_there_only_inside_the_block(net, X):
    probe, theirs = FlowProbe(net), net[0].register_forward_hook(lambda *_: None)
    for number in (1, 2):  # a probe may be used again
        with probe as entered:
            assert entered is probe and hooks(net) == 9
            backward(net, X)
        assert hooks(net) == 1 and probe.readings == number
    with probe:
        probe.remove()
        net(X)
        assert hooks(net) == 1 and probe.readings == 2
    theirs.remove()


def test_an_exception_in_the_block_takes_the_hooks_away(net, X):
    with pytest.raises(ZeroDivisionError), FlowProbe(net) as probe:
        backward(net, X)
        _ = 1 / 0
    assert len(probe.gradients) == 6


def test_a_pass_that_fails_half_way(net, X):
    with FlowProbe(net) as probe:
        with pytest.raises(RuntimeError):
            net(torch.rand(4, 1, 9, 9))
        assert list(probe.activations) == list("012")
        backward(net, X)
    assert_says(probe, *by_hand(net, X, y))


def test_two_probes_inside_of_each_other(net, X):
    expected = by_hand(net, X, y)
    with FlowProbe(net) as one:
        with FlowProbe(net, ["3"], every=2) as other:
            for _ in range(3):
                backward(net, X)
        backward(net, X)
    assert (one.readings, other.readings) == (4, 2)
    assert_says(one, *expected)
    assert_says(other, *({"3": row["3"]} for row in expected))


# Once: entering a probe that is entered already forgets its first hooks, which stay in the network for good.
def test_a_probe_entered_twice_leaves_no_hook(net):
    probe = FlowProbe(net)
    with pytest.raises(RuntimeError, match="in use already"), probe, probe:
        pass


# Once: a copy that is made inside the block (Trainer.fork, gradient_parts, without) keeps the hooks for good, and its
# passes are noted among those of the network, as further calls.
def test_a_copy_of_the_network_is_another_network(net, X):
    with FlowProbe(net) as probe:
        backward(net, X)
        before = probe.activations
        twin = copy.deepcopy(net)
        backward(twin, 5 * X)
        assert probe.activations == before and probe.readings == 1
    backward(twin, 5 * X)  # what is left of the hooks in a copy does nothing
    assert probe.activations == before


@pytest.fixture
def by_counting_alone():
    """Let only reference counts free memory, as between two collections."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_no_tensor_of_the_network_is_kept(net, X, by_counting_alone):
    alive = []
    with FlowProbe(net) as probe:
        theirs = [m.register_forward_hook(lambda m, a, Z: alive.append(weakref.ref(Z))) for m in net.modules()]
        backward(net, X)
        net(X)  # without a pass backward
        assert len(alive) == 14 and all(ref() is None for ref in alive) and probe.readings == 2
    for hook in theirs:
        hook.remove()


def test_the_network_goes_with_its_probe(X, by_counting_alone):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with FlowProbe(net) as probe:
        backward(net, X)
    refs = [weakref.ref(part) for part in (net, *net.parameters(), probe)]
    del net, probe
    assert all(ref() is None for ref in refs)


# Once: with create_graph the number itself hangs on the graph, and keeps it, with all activations, in memory.
def test_gradients_of_gradients_are_not_kept(net, X):
    with FlowProbe(net) as probe:
        loss = F.cross_entropy(net(X), y)
        grads = torch.autograd.grad(loss, list(net.parameters()), create_graph=True)
        del grads, loss
    assert not any(value.requires_grad for value in (*probe._forward.values(), *probe._backward.values()))


# Once: the hook on a tensor that outlives the pass (a parameter, the input) is never taken away, and each reading adds
# one. Embeddings of positions return their own weights; an nn.Identity in front returns the caller's own tensor.
def test_tensors_that_outlive_the_pass_keep_no_hook():
    position = With(lambda self, X: self.weight, weight=nn.Parameter(torch.ones(3)))
    parts = {"same": nn.Identity(), "dense": nn.Linear(3, 3), "position": position}
    net = With(lambda self, X: self.dense(self.same(X)) + self.position(X), **parts)
    X = torch.rand(2, 3, requires_grad=True)
    with FlowProbe(net) as probe:
        for _ in range(3):
            net(X).sum().backward()
    assert probe.gradients["dense"] == 1 and probe.gradients["position"] == 2
    assert not net.position.weight._backward_hooks and not X._backward_hooks


def test_nothing_else_is_changed(net, X):
    net.append(nn.Dropout())
    net[6].eval()
    for weight in net.parameters():
        weight.grad = torch.full_like(weight, 7.0)
    with unchanged(net, X):
        with FlowProbe(net) as probe:
            torch.autograd.grad(F.cross_entropy(net(X), y), list(net.parameters()))
        assert len(probe.gradients) == len(probe.activations) == 7


# Beside a trainer


@pytest.mark.parametrize("every", [1, 3])
def test_a_trainer_trains_as_without(noise, dense, weights, every):
    trainers = []
    for probed in (False, True):
        torch.manual_seed(3)
        trainer = Trainer(dense(0.3), noise(), noise(64, shuffle=False), lr=0.1)
        torch.manual_seed(4)
        probe = FlowProbe(trainer.net, every=every)
        with probe if probed else nullcontext():
            trainer.fit(2)
        trainers.append(trainer)
    plain, watched = trainers
    assert plain.history.loss == watched.history.loss and plain.history.test_acc == watched.history.test_acc
    assert torch.equal(weights(plain.net), weights(watched.net))
    assert plain.history.steps == 6 and probe.readings == -(-6 // every) and hooks(watched.net) == 0
    assert list(probe.gradients) == list("01234")[1:], "nothing in front of the first weights has a gradient"
