"""Whatever a tutorial's network holds, it is copied where a copy is needed, or the message says what cannot be."""

import threading
import warnings

import pytest
import torch
from nets import With
from torch import nn
from torch.nn.utils import prune

from cnnlib import Trainer, d2l, time_epoch, train_over_seeds
from cnnlib.models.copying import copy_network
from cnnlib.probes import lesion_sites, loss_along, random_direction, without
from cnnlib.widgets import explore_features

BATCH = torch.rand(4, 1, 28, 28), torch.arange(4)


def remember(self, X):
    """Keep the last maps, as many tutorials' networks do to draw them."""
    self.maps = self.conv(X).relu()
    self.seen["maps"] = [self.maps, (self.maps.mean(),)]
    return self.dense(nn.functional.max_pool2d(self.maps, 2).flatten(1))


def remembering():
    return With(remember, conv=nn.Conv2d(1, 4, 3), dense=nn.Linear(4 * 13 * 13, 10), seen={})


def parametrised(wrap, **options):
    def build():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old functions say that there are new ones
            conv, dense = wrap(nn.Conv2d(1, 4, 3), **options), wrap(nn.Linear(4 * 13 * 13, 10), **options)
        return nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), dense)

    return build


def watched():
    """Return a network with a hook that belongs to an object which keeps what it saw."""
    net = remembering()
    net.conv.register_forward_hook(Recorder().note)
    return net


class Recorder:
    def note(self, module, args, out):
        self.out = out


NETWORKS = {
    "weight_norm": parametrised(nn.utils.weight_norm),
    "spectral_norm": parametrised(nn.utils.spectral_norm),
    "parametrised weight_norm": parametrised(nn.utils.parametrizations.weight_norm),
    "parametrised spectral_norm": parametrised(nn.utils.parametrizations.spectral_norm),
    "orthogonal": parametrised(nn.utils.parametrizations.orthogonal),
    "pruned": parametrised(prune.l1_unstructured, name="weight", amount=0.5),
    "remembers its maps": remembering,
    "watched by hooks": watched,
}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS)
def net(request):
    """Return a network after a forward and a backward pass."""
    net = request.param()
    nn.functional.cross_entropy(net(BATCH[0]), BATCH[1]).backward()
    return net


def test_a_copy_computes_the_same_and_shares_nothing(net):
    twin = copy_network(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.eval(), twin.eval()
    assert torch.equal(twin(BATCH[0]), net(BATCH[0]))
    twin.train()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    nn.functional.cross_entropy(twin(BATCH[0]), BATCH[1]).backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(torch.equal(a, b) for a, b in zip(twin.parameters(), net.parameters(), strict=True) if a.dim() > 1)


def trained_and_forked(net, data):
    trainer = Trainer(net, data, None, 0.01, device="cpu")
    trainer.fit(1)
    twin = trainer.fork()
    trainer.fit(1), twin.fit(1)
    assert twin.history.loss == trainer.history.loss


def explored(net, data):
    explore_features(net, [BATCH])


def measured(net, data):
    assert time_epoch(net, data, "cpu", steps=1) > 0


def along_a_direction(net, data):
    assert len(loss_along(net, random_direction(net), [0.0, 0.1], *BATCH)) == 2


def over_seeds(net, data):
    nets, _ = train_over_seeds(lambda: net, data, None, 1, 0.01, [0], device="cpu")
    assert nets == [net]


def listed(net, data):
    d2l.train_ch6(net, data, None, 1, 0.01, torch.device("cpu"))


def without_a_site(net, data):
    sites = lesion_sites(net)
    assert without(net, *sites)(BATCH[0]).shape == (4, 10)


@pytest.mark.parametrize(
    "use", [listed, without_a_site, trained_and_forked, explored, measured, along_a_direction, over_seeds]
)
def test_what_needs_a_copy_takes_it(net, noise, use):
    use(net, noise(24, 8))


def test_what_cannot_be_copied_is_named(noise):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    net[1].lock = threading.Lock()
    with pytest.raises(TypeError, match=r"'1\.lock', a lock, cannot be copied .*__deepcopy__"):
        time_epoch(net, noise(), "cpu")
    Trainer(net, noise(), None, 0.1, device="cpu").fit(1)  # which needs none


def test_a_copy_keeps_ties_and_the_order_in_memory():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(5, 5), nn.Linear(5, 5)).to(memory_format=torch.channels_last)
    net[2].weight = net[1].weight
    twin = copy_network(net)
    assert twin[2].weight is twin[1].weight is not net[1].weight
    assert [p.stride() for p in twin.parameters()] == [p.stride() for p in net.parameters()]
