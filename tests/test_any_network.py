"""Any network trains, and comes back as it was given: channels-last weights are not to be noticed by anyone."""

import contextlib
import copy
import math
import operator
from functools import partial

import pytest
import torch
from nets import plain_loop
from torch import nn

import cnnlib
from cnnlib import d2l, time_epoch, widgets
from cnnlib.models import cifar_resnet, lenet
from cnnlib.training.channels_last import ChannelsLast

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


def strict(x):
    assert x.stride() == (256, 16, 4, 1)
    return x.flatten(1)


def shuffled(x, groups=2):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, -1, h, w)


def built(*layers):
    net = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), *layers, nn.Flatten(), nn.LazyLinear(10))
    net(torch.zeros(2, 1, 28, 28))
    return net


NETWORKS = {
    "a view in forward": Tutorial,
    "a view called from C": lambda: Tutorial(operator.methodcaller("view", -1, 256)),
    "strides": lambda: Tutorial(strict),
    "channels shuffled": lambda: built(nn.Conv2d(8, 8, 3), Lambda(shuffled)),
    "a view in a backward": lambda: built(nn.Conv2d(8, 8, 3), Lambda(lambda x: Double.apply(x))),
    "as_strided": lambda: built(Lambda(lambda x: x.as_strided((len(x), 4608), (4608, 1)))),
    "layers of torch": lambda: built(
        nn.Conv2d(8, 8, 3), nn.LocalResponseNorm(5), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.PixelShuffle(2),
        nn.Upsample(scale_factor=0.5), nn.ConvTranspose2d(2, 8, 3), nn.AdaptiveAvgPool2d(4), nn.Unflatten(1, (2, 4)),
        nn.Flatten(1, 2), nn.ChannelShuffle(2), nn.Dropout2d(0.1), nn.ZeroPad2d(1), nn.Unfold(2), nn.Flatten(),
    ),
}  # fmt: skip


def layouts(net):
    return {n: (v.shape, v.stride(), v.dtype, v.data_ptr()) for n, v in net.state_dict().items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_trains_as_in_a_plain_loop_and_lies_as_before(noise, name):
    ours = NETWORKS[name]()
    theirs, before, batches = copy.deepcopy(ours), layouts(ours), list(noise(64).epoch(0))
    torch.manual_seed(1)
    history = Trainer(ours, batches, lr=0.1).fit(1)
    torch.manual_seed(1)
    assert history.loss == pytest.approx(plain_loop(theirs, batches, 0.1), rel=1e-4)
    assert layouts(ours) == before
    assert all(p.grad.stride() == p.stride() for p in ours.parameters())


def in_evaluation(x, net):
    return x.flatten(1) if net.training else x.view(len(x), -1)


def later(x, seen):
    seen.append(1)
    return x.flatten(1) if len(seen) < 3 else x.view(len(x), -1)


def test_a_view_that_comes_after_the_first_step_stops_no_run(noise):
    net = Tutorial(lambda x: in_evaluation(x, net))
    assert Trainer(net, noise(), noise(), lr=0.1).fit(2).ended == "finished"
    assert Trainer(Tutorial(partial(later, seen=[])), noise(), lr=0.1).fit(2).steps == 6


def test_what_is_computed_again_leaves_no_trace(noise):
    """A network that draws random numbers and moves its statistics before it asks for a view."""
    runs, batches = [], list(noise(64).epoch(0))
    for flatten in (lambda x: x.view(len(x), -1), lambda x: x.flatten(1)):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(8))
        net = built(layers, Lambda(flatten))
        net[0].register_forward_hook(print)  # with a hook the weights stay as they are
        if not runs:
            net[0]._forward_hooks.clear()
        runs.append((Trainer(net, batches, lr=0.1).fit(1).loss, layers[1].num_batches_tracked.item()))
    assert runs[0] == runs[1]


def test_every_way_to_train_takes_a_view(noise):
    data = noise(64, shuffle=False)
    widgets.fit(Tutorial(), data, data, 1, 0.1, "cpu")
    d2l.train_ch6(Tutorial(), data, data, 1, 0.1, "cpu")
    time_epoch(Tutorial(), data, "cpu", steps=1)


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
    "an optimizer of the reader's": {"optimizer": Descent},
    "a loss with a view": {"loss": lambda scores, y: nn.functional.cross_entropy(scores.view(-1, 10), y)},
}


@pytest.mark.parametrize("name", MEANWHILE)
def test_what_runs_meanwhile_may_ask_as_well(noise, name):
    history = Trainer(lenet(nn.ReLU), noise(), lr=0.01, **MEANWHILE[name]).fit(1)
    assert history.ended == "finished" and all(map(math.isfinite, history.loss))


def test_what_a_listener_asks_or_keeps_lies_as_before(noise):
    def listen(trainer):
        if trainer.batch:
            torch.cat([p.grad.view(-1) for p in trainer.net.parameters()])
        kept.extend([trainer.fork().net, copy.deepcopy(trainer.net)])

    kept = []
    Trainer(lenet(nn.ReLU), noise(), lr=0.01, listeners=[listen]).fit(1)
    assert kept and all(net[3].weight.view(16, -1).is_contiguous() for net in kept)


def test_the_memory_of_an_optimizer_lies_as_before(noise):
    trainer = Trainer(lenet(nn.ReLU), noise(), lr=0.01, optimizer=torch.optim.Adam)
    for _ in range(2):
        trainer.fit(1)
        assert all(memory["exp_avg"].view(-1).any() for memory in trainer.optimizer.state.values())


def hooked(register):
    net = lenet()
    register(net[3])(lambda *found: None)
    return net


LAYERS = {
    "LeNet": (lenet, True),
    "a view": (Tutorial, False),
    "TorchScript": (lambda: torch.jit.script(lenet()), False),
    "a hook": (lambda: hooked(lambda layer: layer.register_forward_hook), False),
    "a hook on a gradient": (lambda: hooked(lambda layer: layer.weight.register_hook), False),
    "one after it": (lambda: hooked(lambda layer: layer.weight.register_post_accumulate_grad_hook), False),
    "narrow projections": (lambda: cifar_resnet(8, 4, "projection"), False),
    "wide projections": (lambda: cifar_resnet(8, 8, "projection"), True),
    "a strided convolution in groups": (lambda: nn.Conv2d(16, 16, 1, stride=2, groups=4), False),
    "no stride": (lambda: nn.Conv2d(4, 4, 1), True),
}


@pytest.mark.parametrize("build, last", LAYERS.values(), ids=LAYERS)
def test_the_gain_is_kept_where_nothing_asks(build, last):
    """Only a listener of the library sees it."""
    net, seen = build(), {True: [], False: []}
    weight = next(net.parameters())

    def listener(ours):
        def listen(trainer):
            seen[ours].append(weight.stride() != before)

        listen.__module__ = "cnnlib" if ours else "__main__"
        return listen

    before, layout = weight.stride(), ChannelsLast(net, CPU)
    with layout:
        with contextlib.suppress(ValueError, RuntimeError):
            layout.attempt(net, torch.rand(2, weight.shape[1], 28, 28))
        for ours in (True, False):
            layout.prepare_for(listen := listener(ours))
            listen(None)
        layout.lay()
        assert (weight.stride() != before) is last
    assert seen == {True: [last], False: [False]} and weight.stride() == before


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
