"""Any network trains, and comes back as it was given: channels-last weights are not to be noticed by anyone."""

import copy
import math
import operator
from functools import partial

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib import d2l, evaluate_accuracy, time_epoch, widgets
from cnnlib.models import lenet, xavier_
from cnnlib.training.layout import find_weights

Trainer = partial(cnnlib.Trainer, device="cpu")
CPU = torch.device("cpu")


class Tutorial(nn.Module):
    """As in most tutorials: layers in `__init__`, a view in `forward`."""

    def __init__(self, flatten=lambda x: x.view(x.size(0), -1)):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 5)
        self.pool, self.fc, self.flatten = nn.MaxPool2d(2), nn.Linear(256, 10), flatten

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc(self.flatten(x))


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient.view(-1).view_as(gradient)


def flat(x):
    return x.view(x.shape[0], -1)


def nested(x):
    return HELPERS["flatten"][0](x)


def strict(x):
    assert x.stride() == (256, 16, 4, 1)
    return x.flatten(1)


class Helper:
    def flatten(self, x):
        return flat(x)


HELPER, HELPERS = Helper(), {"flatten": [flat]}
SCOPE = {}
exec("def flat(x): return x.view(len(x), -1)", SCOPE)


def shuffled(x, groups=2):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, -1, h, w)


def small(*middle):
    return nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), *middle, nn.Flatten(), nn.LazyLinear(10))


def built(*middle):
    net = small(*middle)
    net(torch.zeros(2, 1, 28, 28))
    return net


NETWORKS = {
    "a view in forward": Tutorial,
    "a helper with a view": lambda: Tutorial(flat),
    "a partial of a helper": lambda: Tutorial(partial(flat)),
    "a helper in a list in a dict": lambda: Tutorial(nested),
    "a method of an object": lambda: Tutorial(Helper().flatten),
    "an object as a default": lambda: Tutorial(lambda x, h=HELPER: h.flatten(x)),
    "a name as a text": lambda: Tutorial(operator.methodcaller("view", -1, 256)),
    "code that was executed": lambda: Tutorial(lambda x: SCOPE["flat"](x)),
    "strides": lambda: Tutorial(strict),
    "a lambda in a layer": lambda: built(Lambda(lambda x: x.view(x.size(0), -1))),
    "channels shuffled": lambda: built(nn.Conv2d(8, 8, 3), Lambda(shuffled)),
    "a view in a backward": lambda: built(nn.Conv2d(8, 8, 3), Lambda(lambda x: Double.apply(x))),
    "as_strided": lambda: built(Lambda(lambda x: x.as_strided((len(x), 4608), (4608, 1)))),
    "layers of torch": lambda: built(
        nn.Conv2d(8, 8, 3), nn.LocalResponseNorm(5), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.PixelShuffle(2),
        nn.Upsample(scale_factor=0.5), nn.ConvTranspose2d(2, 8, 3), nn.AdaptiveAvgPool2d(4), nn.Unflatten(1, (2, 4)),
        nn.Flatten(1, 2), nn.ChannelShuffle(2), nn.Dropout2d(0.1), nn.ZeroPad2d(1), nn.Unfold(2), nn.Flatten(),
    ),
}  # fmt: skip


def plain_loss(net, batches, lr=0.1):
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=lr), []
    net.train()
    for X, y in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def layouts(net):
    return {n: (v.shape, v.stride(), v.dtype, v.data_ptr()) for n, v in net.state_dict().items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_trains_as_in_a_plain_loop_and_lies_as_before(noise, name):
    ours = NETWORKS[name]()
    theirs, before, batches = copy.deepcopy(ours), layouts(ours), list(noise(64).epoch(0))
    torch.manual_seed(1)
    history = Trainer(ours, batches, lr=0.1).fit(1)
    torch.manual_seed(1)
    assert history.loss == pytest.approx(plain_loss(theirs, batches), rel=1e-4)
    assert layouts(ours) == before
    assert all(p.grad.stride() == p.stride() for p in ours.parameters())


CALLS = {
    "train": lambda net, data: cnnlib.train(net, data, data, 1, 0.1, "cpu"),
    "fit": lambda net, data: widgets.fit(net, data, data, 1, 0.1, "cpu"),
    "train_ch6": lambda net, data: d2l.train_ch6(net, data, data, 1, 0.1, "cpu"),
    "time_epoch": lambda net, data: time_epoch(net, data, "cpu", steps=1),
    "evaluate_accuracy": lambda net, data: evaluate_accuracy(net, data),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_way_to_train_takes_a_view(noise, call):
    CALLS[call](Tutorial(), noise(64, shuffle=False))


AFTERWARDS = {
    "parameters_to_vector": lambda net: nn.utils.parameters_to_vector(net.parameters()),
    "a view of a feature map": lambda net: net[:6](torch.rand(2, 1, 28, 28)).view(2, -1),
    "a view of a weight": lambda net: net[3].weight.view(16, -1),
    "a view of a gradient": lambda net: torch.cat([p.grad.view(-1) for p in net.parameters()]),
    "LBFGS": lambda net: lbfgs(net),
    "numpy without a copy": lambda net: net[3].weight.detach().numpy().reshape(16, -1, order="A").base is None,
}


def lbfgs(net):
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=2)

    def closure():
        optimizer.zero_grad()
        loss = net(torch.ones(2, 1, 28, 28)).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)


@pytest.mark.parametrize("use", AFTERWARDS)
def test_what_worked_before_a_run_works_after_it(noise, use):
    net = xavier_(lenet())
    Trainer(net, noise(), lr=0.1).fit(1)
    AFTERWARDS[use](net)


def test_what_refers_to_a_weight_sees_the_trained_one(noise):
    net = lenet(nn.ReLU)
    kept, rows = net[3].weight.data, net[3].weight.data.view(16, -1)
    Trainer(net, noise(), lr=0.1).fit(1)
    assert torch.equal(kept, net[3].weight) and torch.equal(rows, net[3].weight.view(16, -1))


def test_layers_that_share_memory_still_share_it(noise):
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Flatten(), nn.Linear(3136, 10))
    other = nn.Conv2d(4, 4, 3, padding=1)
    other.weight = nn.Parameter(net[1].weight.detach())  # another parameter over the same numbers
    net.insert(2, other)
    Trainer(net, noise(), lr=0.1).fit(1)
    assert torch.equal(net[1].weight, net[2].weight)


def grads(trainer):
    if trainer.batch:
        torch.cat([p.grad.view(-1) for p in trainer.net.parameters()])


def vector(trainer):
    nn.utils.parameters_to_vector(trainer.net.parameters())


class Descent(torch.optim.Optimizer):
    """An optimizer that a reader wrote, over flat gradients."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.view(-1).sub_(p.grad.view(-1), alpha=group["lr"])


MEANWHILE = {
    "a listener asks for gradients": {"listeners": [grads]},
    "a listener asks for the weights": {"listeners": [vector]},
    "an optimizer of the reader's": {"optimizer": Descent},
    "a loss with a view": {"loss": lambda scores, y: nn.functional.cross_entropy(scores.view(-1, 10), y)},
}


@pytest.mark.parametrize("name", MEANWHILE)
def test_what_runs_meanwhile_may_ask_as_well(noise, name):
    history = Trainer(lenet(nn.ReLU), noise(), lr=0.01, **MEANWHILE[name]).fit(1)
    assert history.ended == "finished" and all(map(math.isfinite, history.loss))


def hook_on_a_weight(net):
    net[3].weight.register_hook(lambda gradient: gradient.view(-1).view(gradient.shape))


def hook_on_a_layer(net):
    net[3].register_forward_hook(lambda module, args, output: output.view(len(output), -1).sum() and None)


def hook_after_a_gradient(net):
    net[3].weight.register_post_accumulate_grad_hook(lambda weight: weight.grad.view(16, -1).norm() and None)


@pytest.mark.parametrize("hook", [hook_on_a_weight, hook_on_a_layer, hook_after_a_gradient])
def test_hooks_may_ask_as_well(noise, hook):
    net = lenet(nn.ReLU)
    hook(net)
    assert Trainer(net, noise(), lr=0.01).fit(1).ended == "finished"


class Block(nn.Module):
    """As a chapter shows it: nothing in it asks how a tensor lies."""

    def __init__(self):
        super().__init__()
        self.conv, self.stride = nn.Conv2d(4, 4, 3, padding=1), 1

    def forward(self, X):
        Y = torch.relu(self.conv(X))
        return (Y + X).reshape(X.shape).flatten(2).unflatten(2, X.shape[2:])


def forks(kept):
    return lambda trainer: kept.append(trainer.fork().net[3].weight)


def copies(kept):
    return lambda trainer: kept.append(copy.deepcopy(trainer.net)[3].weight)


def clones(kept):
    return lambda trainer: kept.append({n: v.clone() for n, v in trainer.net.state_dict().items()}["3.weight"])


@pytest.mark.parametrize("keep", [forks, copies, clones])
def test_what_a_listener_keeps_lies_as_before(noise, keep):
    kept = []
    Trainer(lenet(nn.ReLU), noise(), lr=0.01, listeners=[keep(kept)]).fit(1)
    assert kept and all(weight.view(16, -1).is_contiguous() for weight in kept)


def remember(kept, module, args, output):
    kept.append(output.detach())


@pytest.mark.parametrize("wrap", [partial, lambda function, kept: lambda *given: function(kept, *given)])
def test_what_a_hook_keeps_lies_as_before(noise, wrap):
    kept, net = [], lenet(nn.ReLU)
    net[3].register_forward_hook(wrap(remember, kept))
    Trainer(net, noise(), lr=0.01).fit(1)
    assert kept and all(maps.view(len(maps), -1).is_contiguous() for maps in kept)


def test_the_memory_of_an_optimizer_lies_as_before(noise):
    trainer = Trainer(lenet(nn.ReLU), noise(), lr=0.01, optimizer=torch.optim.Adam)
    for _ in range(2):
        trainer.fit(1)
        assert all(memory["exp_avg"].view(-1).any() for memory in trainer.optimizer.state.values())


@pytest.mark.parametrize("net, last", [(lenet, True), (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), Block()), True),
                                       (Tutorial, False), (lambda: torch.jit.script(lenet()), False)])  # fmt: skip
def test_the_gain_is_kept_where_nothing_asks(net, last):
    assert bool(find_weights(net(), CPU, lambda trainer: print(trainer.step))) is last


def test_weights_given_channels_last_stay_so(noise):
    net = lenet(nn.ReLU).to(memory_format=torch.channels_last)
    before = layouts(net)
    Trainer(net, noise(), lr=0.1).fit(1)
    assert layouts(net) == before


def test_an_interrupted_run_leaves_the_weights_as_they_lay(noise):
    net = lenet(nn.ReLU)
    before = layouts(net)
    with pytest.raises(ZeroDivisionError):
        Trainer(net, noise(), lr=0.1, listeners=[lambda trainer: 1 / 0]).fit(1)
    assert layouts(net) == before
