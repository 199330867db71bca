"""FlowProbe tells what autograd tells, of the right pass, and leaves nothing behind in the network."""

import copy
import gc
import weakref

import pytest
import torch
from torch import nn

from cnnlib.models import PostActivation, PreActivation, cifar_resnet, lenet, tower
from cnnlib.probes import FlowProbe
from cnnlib.training.loop import Trainer

y = torch.tensor([1, 2, 3, 4])


@pytest.fixture
def X():
    return torch.rand(4, 1, 8, 8)


def small(activation=nn.ReLU):
    layers = [nn.Conv2d(1, 3, 3, padding=1), activation(), nn.Flatten(), nn.Linear(192, 5), activation()]
    return nn.Sequential(*layers, nn.Linear(5, 10))


def in_place():
    return nn.ReLU(inplace=True)


def rms(tensor):
    return tensor.detach().double().square().mean().sqrt().item()


def hooks(net):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in net.modules() for kind in kinds)


def by_hand(net, X, y):
    """Send a batch through the layers of an nn.Sequential one by one, and keep each gradient."""
    outputs, Z = {}, X
    for name, layer in net.named_children():
        Z = layer(Z)
        outputs[name] = Z
    gradients = torch.autograd.grad(nn.functional.cross_entropy(Z, y), list(outputs.values()))
    return {name: rms(Z) for name, Z in outputs.items()}, dict(zip(outputs, map(rms, gradients), strict=True))


def assert_tells(probe, activations, gradients, rel=1e-5):
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
        nn.functional.cross_entropy(net(X), y).backward()
    assert_tells(probe, *expected)
    assert training or torch.equal(weights(net), before)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("block", [PostActivation, PreActivation])
def test_layers_inside_of_blocks(block, norm, X):
    net = cifar_resnet(14, 2, "projection", block, norm)
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear | block)]
    outputs, twin = {}, copy.deepcopy(net)
    for name in names:
        twin.get_submodule(name).register_forward_hook(lambda m, a, Z, name=name: outputs.__setitem__(name, Z))
    gradients = torch.autograd.grad(nn.functional.cross_entropy(twin(X), y), list(outputs.values()))
    with FlowProbe(net, iter(names)) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
    rows = dict(zip(outputs, map(rms, gradients), strict=True))
    assert_tells(probe, {name: rms(Z) for name, Z in outputs.items()}, rows)
    assert set(outputs) == set(names)


def test_the_network_itself_is_a_layer(X):
    net = small()
    with FlowProbe(net, ["", "5"]) as probe:
        net(X).sum().backward()
    assert list(probe.activations) == ["5", ""] and probe.activations[""] == probe.activations["5"]
    assert probe.gradients == {"5": 1.0, "": 1.0}


class Again(nn.Module):
    """Uses one layer several times."""

    def __init__(self, times):
        super().__init__()
        self.first, self.same, self.last, self.times = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1), times

    def forward(self, X):
        X = self.first(X)
        for _ in range(self.times):
            X = torch.tanh(self.same(X))
        return self.last(X)


@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_layer_used_again_has_an_entry_for_each_call(times):
    net, X = Again(times), torch.rand(5, 4)
    outputs = [net.first(X)]
    for _ in range(times):
        outputs.append(net.same(torch.tanh(outputs[-1]) if len(outputs) > 1 else outputs[-1]))
    outputs.append(net.last(torch.tanh(outputs[-1])))
    gradients = torch.autograd.grad(outputs[-1].square().sum(), outputs)
    names = ["first", "same", *[f"same ({i})" for i in range(2, times + 1)], "last"]
    for _ in range(2):  # the count begins anew with each pass
        with FlowProbe(net) as probe:
            for _ in range(2):
                net(X).square().sum().backward()
        rows = (dict(zip(names, map(rms, row), strict=True)) for row in (outputs, gradients))
        assert_tells(probe, *rows)


# Once: 'conv (a)' looks like a further call of 'conv', so `conv` itself, called once, goes by the name 'conv (2)'.
def test_names_that_look_like_a_further_call():
    net = nn.Sequential()
    net.add_module("conv (a)", nn.Linear(2, 2))
    net.add_module("conv", nn.Linear(2, 2))
    with FlowProbe(net) as probe:
        net(torch.rand(3, 2)).sum().backward()
    assert list(probe.activations) == list(probe.gradients) == ["conv (a)", "conv"]


class Sequence(nn.Module):
    """Layers that return tuples."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, X):
        Y, _ = self.lstm(X)
        Z, _ = self.attention(Y, Y, Y)
        return self.head(Z), Y, Z


def test_of_a_tuple_the_first_is_measured():
    net, X = Sequence(), torch.rand(2, 5, 3)
    out, Y, Z = net(X)
    gradients = torch.autograd.grad(out.square().sum(), (Y, Z, out))
    with FlowProbe(net) as probe:
        net(X)[0].square().sum().backward()
    names = ("lstm", "attention", "head")
    assert_tells(probe, *(dict(zip(names, map(rms, row), strict=True)) for row in ((Y, Z, out), gradients)))


class Odd(nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, X):
        return self.output(X)


@pytest.mark.parametrize(
    "output",
    [
        lambda X: {"a": X},
        lambda X: None,
        lambda X: (None, X),
        lambda X: 3.0,
        # A probe must not break a network
        lambda X: (),
        lambda X: X.argmax(1),
        lambda X: X > 0,
    ],
    ids=["dict", "none", "none first", "number", "empty tuple", "whole numbers", "truth values"],
)
def test_what_has_no_root_mean_square_does_no_harm(output):
    net, X = nn.Sequential(nn.Linear(4, 3), Odd(output)), torch.rand(5, 4)
    expected = output(net[0](X))
    with FlowProbe(net) as probe:
        result = net(X)
    assert type(result) is type(expected) and probe.activations["0"] == pytest.approx(rms(net[0](X)))


@pytest.mark.parametrize(
    "output, expected",
    [
        (lambda X: [2 * X, X], lambda X: 2 * rms(X)),
        (lambda X: X.sum(), lambda X: abs(X.sum().item())),
        (lambda X: X[:0], lambda X: 0),
        (lambda X: X * 1j, rms),
    ],
    ids=["list", "single number", "no rows", "complex"],
)
def test_odd_outputs_are_measured(output, expected):
    net, X = nn.Sequential(nn.Linear(4, 3), Odd(output)), torch.rand(5, 4)
    with FlowProbe(net) as probe:
        net(X)
    assert probe.activations["1"] == pytest.approx(expected(net[0](X)))


# Once: the squares of numbers below 1e-23 vanish in float32 and those above 1e19 become infinite; float16 ends at 1e5.
# The root mean square itself is a common number, and vanishing and exploding gradients are what the probe is for.
@pytest.mark.parametrize("scale", [1e-30, 1e-24, 1e-12, 1.0, 1e12, 1e24, 1e30])
def test_tiny_and_huge_gradients_have_a_number(scale):
    net = nn.Sequential(nn.Linear(4, 3))
    with FlowProbe(net) as probe:
        (net(torch.rand(5, 4)) * scale).sum().backward()
    assert probe.gradients["0"] == pytest.approx(scale, rel=1e-5, abs=0)


def test_half_precision_does_not_overflow():
    net = nn.Sequential(nn.Identity())
    X = torch.full((600, 600), 200.0, dtype=torch.float16)
    with FlowProbe(net) as probe:
        net(X)
    assert probe.activations["0"] == pytest.approx(200, rel=1e-2)


def test_layers_of_several_precisions():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4).double()

        def forward(self, X):
            return self.b(self.a(X).double())

    net = Mixed()
    with FlowProbe(net) as probe:
        net(torch.rand(2, 4)).sum().backward()
    assert list(probe.gradients) == ["a", "b"] and probe.gradients["b"] == 1
    with FlowProbe(net, ["a"]) as probe, torch.autocast("cpu", torch.bfloat16):
        net.a(torch.rand(2, 4))
        net(torch.rand(2, 4)).sum().backward()
    assert probe.activations["a"] > 0


def test_frozen_layers_have_no_gradient(X):
    net = small()
    net[0].requires_grad_(False)
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
    assert list(probe.activations) == list("012345") and list(probe.gradients) == list("345")


def test_a_layer_off_the_way_to_the_loss_has_no_gradient(X):
    net = small()
    net.append(nn.Linear(10, 10))
    outputs = []
    net[5].register_forward_hook(lambda m, a, output: outputs.append(output))
    with FlowProbe(net) as probe:
        net(X)
        nn.functional.cross_entropy(outputs[0], y).backward()
    assert list(probe.activations) == list("0123456") and list(probe.gradients) == list("012345")


# Which pass


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
def test_one_pass_in_so_many_is_read(every):
    net = nn.Sequential(nn.Identity(), nn.Linear(1, 1))
    seen = []
    with FlowProbe(net, every=every) as probe:
        assert probe.readings == 0 and probe.activations == probe.gradients == {}
        for number in range(10):
            with torch.no_grad():
                net(torch.tensor([[50.0]]))
            with torch.inference_mode():
                net(torch.tensor([[60.0]]))
            net(torch.tensor([[float(number)]])).sum().backward()
            seen.append(probe.activations["0"])
            assert probe.readings == number // every + 1
    assert seen == [number - number % every for number in range(10)]


def test_evaluation_leaves_a_reading_as_it_is(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
        before = probe.activations, probe.gradients
        with torch.no_grad():
            net(100 * X)
        assert (probe.activations, probe.gradients) == before and probe.readings == 1


def test_a_pass_backward_that_never_comes(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
        net(2 * X)
        assert list(probe.activations) == list("012345") and probe.gradients == {}
        nn.functional.cross_entropy(net(X), y).backward()
        assert list(probe.gradients) == list("012345") and probe.readings == 3


def test_a_late_pass_backward_writes_to_its_own_reading(X):
    net = small()
    with FlowProbe(net) as probe:
        late = net(X).sum()
        nn.functional.cross_entropy(net(2 * X), y).backward()
        before = probe.gradients
        (1e6 * late).backward()
        assert probe.gradients == before


def test_two_passes_before_one_backward(X):
    """As in a network that compares two pictures: the last reading is told."""
    net = small()
    one, other = torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)
    expected = by_hand(net, other, y)
    with FlowProbe(net) as probe:
        scores = net(one), net(other)
        sum(nn.functional.cross_entropy(s, y) for s in scores).backward()
    assert_tells(probe, *expected)
    with FlowProbe(net, every=2) as probe:
        scores = net(other), net(one)
        sum(nn.functional.cross_entropy(s, y) for s in scores).backward()
    assert_tells(probe, *expected)


def test_a_backward_after_the_block_still_counts(X):
    net = small()
    expected = by_hand(net, X, y)
    with FlowProbe(net) as probe:
        loss = nn.functional.cross_entropy(net(X), y)
    loss.backward()
    assert_tells(probe, *expected)


def test_passes_after_the_block_do_not_count(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
    before = probe.activations, probe.gradients
    net(5 * X).sum().backward()
    assert (probe.activations, probe.gradients, probe.readings) == (*before, 1)


# Once: after the pass of the network has ended, a call of one of its layers alone becomes an entry '3 (2)' of it.
def test_a_layer_that_is_called_alone_is_no_part_of_the_pass(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
        before = probe.activations
        net[3](torch.rand(2, 192))
        assert probe.activations == before


def test_a_layer_that_is_called_alone_before_any_pass():
    net = small()
    with FlowProbe(net) as probe:
        net[3](torch.rand(2, 192))
    assert probe.activations == {} and probe.readings == 0


def test_a_network_inside_of_another_and_with_keywords(X):
    class Keywords(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small()

        def forward(self, *, pictures):
            return self.net(pictures)

    whole = Keywords()
    for probed in (whole, whole.net):
        with FlowProbe(probed) as probe:
            nn.functional.cross_entropy(whole(pictures=X), y).backward()
        assert probe.readings == 1 and len(probe.gradients) == (1 if probed is whole else 6)


# What it leaves


def test_hooks_are_there_only_inside_the_block(X):
    net = small()
    probe = FlowProbe(net)
    assert hooks(net) == 0
    with probe as entered:
        assert entered is probe and hooks(net) == 8
    assert hooks(net) == 0
    probe.remove()
    with probe:
        probe.remove()
        net(X)
        assert hooks(net) == 0 and probe.readings == 0


def test_the_hooks_of_others_stay(X):
    net, seen = small(), []
    net[0].register_forward_hook(lambda m, a, output: seen.append(1))
    with FlowProbe(net):
        net(X)
    assert hooks(net) == 1 and seen == [1]


def test_an_exception_in_the_block_takes_the_hooks_away(X):
    net = small()
    with pytest.raises(ZeroDivisionError), FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
        _ = 1 / 0
    assert hooks(net) == 0 and len(probe.gradients) == 6


def test_a_pass_that_fails_half_way(X):
    net = small()
    with FlowProbe(net) as probe:
        with pytest.raises(RuntimeError):
            net(torch.rand(4, 1, 9, 9))
        assert list(probe.activations) == list("012")
        nn.functional.cross_entropy(net(X), y).backward()
    assert hooks(net) == 0
    assert_tells(probe, *by_hand(net, X, y))


def test_two_probes_inside_of_each_other(X):
    net = small()
    expected = by_hand(net, X, y)
    with FlowProbe(net) as one:
        with FlowProbe(net, ["3"], every=2) as other:
            for _ in range(3):
                nn.functional.cross_entropy(net(X), y).backward()
        nn.functional.cross_entropy(net(X), y).backward()
    assert hooks(net) == 0 and (one.readings, other.readings) == (4, 2)
    assert_tells(one, *expected)
    assert_tells(other, *({"3": row["3"]} for row in expected))


def test_a_probe_used_for_two_blocks_one_after_the_other(X):
    net = small()
    probe = FlowProbe(net)
    for number in (1, 2):
        with probe:
            nn.functional.cross_entropy(net(X), y).backward()
        assert probe.readings == number and hooks(net) == 0


# Once: entering a probe that is entered already forgets its first hooks, which stay in the network for good.
def test_a_probe_entered_twice_leaves_no_hook(X):
    net = small()
    probe = FlowProbe(net)
    with pytest.raises(RuntimeError, match="in use already"), probe, probe:
        pass
    assert hooks(net) == 0


# Once: a copy that is made inside the block (Trainer.fork, gradient_parts, without) keeps the hooks for good, and its
# passes are noted among those of the network, as further calls.
def test_a_copy_of_the_network_is_another_network(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
        before = probe.activations
        twin = copy.deepcopy(net)
        twin(5 * X).sum().backward()
        assert probe.activations == before and probe.readings == 1
    assert hooks(net) == 0
    twin(5 * X).sum().backward()  # what is left of the hooks in a copy does nothing
    assert probe.activations == before


def test_no_tensor_of_the_network_is_kept(X):
    net = small()
    alive = []
    net.register_forward_hook(lambda m, a, output: alive.append(weakref.ref(output)))
    for layer in net:
        layer.register_forward_hook(lambda m, a, output: alive.append(weakref.ref(output)))
    gc.collect()
    gc.disable()
    try:
        with FlowProbe(net) as probe:
            nn.functional.cross_entropy(net(X), y).backward()
            assert len(alive) == 7 and all(ref() is None for ref in alive)
            net(X)  # without a pass backward
            assert all(ref() is None for ref in alive)
    finally:
        gc.enable()
    assert probe.readings == 2


def test_the_network_goes_with_its_probe(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
    refs = [weakref.ref(part) for part in (net, *net.parameters(), probe)]
    gc.collect()
    gc.disable()
    try:
        del net, probe
        assert all(ref() is None for ref in refs)
    finally:
        gc.enable()


# Once: with create_graph the number itself hangs on the graph, and keeps it, with all activations, in memory.
def test_gradients_of_gradients_are_not_kept(X):
    net = small(nn.Tanh)
    with FlowProbe(net) as probe:
        loss = nn.functional.cross_entropy(net(X), y)
        grads = torch.autograd.grad(loss, list(net.parameters()), create_graph=True)
        del grads, loss
    assert not any(value.requires_grad for value in (*probe._forward.values(), *probe._backward.values()))


class Position(nn.Module):
    """Returns its own weights, as embeddings of positions do."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self):
        return self.weight


class Positioned(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense, self.position = nn.Linear(3, 3), Position()

    def forward(self, X):
        return self.dense(X) + self.position()


# Once: the hook on a tensor that outlives the pass (a parameter, the input) is never taken away, and each
# reading adds one.
def test_a_layer_that_returns_its_weights_keeps_no_hook():
    net = Positioned()
    with FlowProbe(net) as probe:
        for _ in range(3):
            net(torch.rand(2, 3)).sum().backward()
    assert probe.gradients == {"dense": 1, "position": 2}
    assert not net.position.weight._backward_hooks


# An nn.Identity in front returns the caller's own tensor
def test_an_input_with_gradients_keeps_no_hook():
    net, X = nn.Sequential(nn.Identity(), nn.Linear(3, 3)), torch.rand(2, 3, requires_grad=True)
    with FlowProbe(net):
        net(X).sum().backward()
    assert not X._backward_hooks


def live_tensors():
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())  # isinstance would wake up proxies


def test_memory_stays_flat_over_many_steps(X):
    net = small()
    with FlowProbe(net) as probe:
        nn.functional.cross_entropy(net(X), y).backward()
        before, entries = live_tensors(), len(probe._forward)
        for _ in range(200):
            nn.functional.cross_entropy(net(X), y).backward()
        assert live_tensors() <= before and len(probe._forward) == len(probe._backward) == entries
        assert hooks(net) == 8


def test_gradients_of_the_weights_are_untouched(X):
    net = small()
    for weight in net.parameters():
        weight.grad = torch.full_like(weight, 7.0)
    with FlowProbe(net) as probe:
        loss = nn.functional.cross_entropy(net(X), y)
        torch.autograd.grad(loss, list(net.parameters()))
    assert len(probe.gradients) == 6 and all((weight.grad == 7).all() for weight in net.parameters())
    net.zero_grad()
    twin = copy.deepcopy(net)
    with FlowProbe(net):
        nn.functional.cross_entropy(net(X), y).backward()
    nn.functional.cross_entropy(twin(X), y).backward()
    for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


def test_random_numbers_and_modes_are_untouched(X):
    net = small()
    net.append(nn.Dropout())
    net[6].eval()
    state, modes = torch.get_rng_state(), [m.training for m in net.modules()]
    with FlowProbe(net) as probe:
        net(X).sum().backward()
    _ = probe.activations, probe.gradients
    assert torch.equal(torch.get_rng_state(), state) and [m.training for m in net.modules()] == modes


# Beside a trainer


@pytest.mark.parametrize("every", [1, 3])
def test_a_trainer_trains_as_without(noise, dense, weights, every):
    trainers = []
    for probed in (False, True):
        torch.manual_seed(3)
        trainer = Trainer(dense(0.3), noise(), noise(64, shuffle=False), lr=0.1)
        torch.manual_seed(4)
        if probed:
            with FlowProbe(trainer.net, every=every) as probe:
                trainer.fit(2)
        else:
            trainer.fit(2)
        trainers.append(trainer)
    plain, watched = trainers
    assert plain.history.loss == watched.history.loss and plain.history.test_acc == watched.history.test_acc
    assert torch.equal(weights(plain.net), weights(watched.net))
    assert plain.history.steps == 6 and probe.readings == -(-6 // every) and hooks(watched.net) == 0
    assert list(probe.gradients) == list("01234")[1:], "nothing in front of the first weights has a gradient"


def test_a_trainers_listener_reads_each_step(noise, dense):
    net, batches = dense(), noise()
    expected, seen = [], []
    for X, labels in batches.epoch(0):
        expected.append((X, labels))

    trainer = Trainer(net, batches, noise(64), lr=0.1)
    states = [copy.deepcopy(net)]
    with FlowProbe(net) as probe:
        trainer.listeners = [lambda t: seen.append(probe.gradients)]
        trainer.listeners.append(lambda t: states.append(plain_copy(net, dense)))
        trainer.fit(1)
    for state, gradients, (X, labels) in zip(states, seen, expected, strict=False):
        _, rows = by_hand(state, X.requires_grad_(), labels)
        rows.pop("0")
        assert gradients == pytest.approx(rows, rel=1e-4)
    assert len(seen) >= 3


def plain_copy(net, dense):
    twin = dense()
    twin.load_state_dict(net.state_dict())
    return twin


# Names


def test_no_layers_and_a_layer_named_twice(X):
    net = small()
    for layers, expected in (([], []), (["3", "3"], ["3"]), (("5", "0"), ["0", "5"])):
        with FlowProbe(net, layers) as probe:
            nn.functional.cross_entropy(net(X), y).backward()
        assert list(probe.activations) == list(probe.gradients) == expected and probe.readings == 1


def test_a_network_without_layers():
    net, X = nn.ReLU(), torch.rand(3, requires_grad=True)
    with FlowProbe(net) as probe:
        net(X).sum().backward()
    assert probe.activations == probe.gradients == {} and probe.readings == 1
