"""Lesions: which parts of a network can go, what is left, the picture, the widget; and the deep net made by hand."""

import itertools

import pytest
import torch
from nets import lively, unchanged
from torch import nn

from cnnlib.figures import draw_lesions
from cnnlib.figures.drawing import Line, Rect, Words
from cnnlib.models import PostActivation, PreActivation, cifar_resnet, conv_bn_relu, conv_relu_bn, deepened, vgg
from cnnlib.models.training_mode import evaluating
from cnnlib.probes import lesion_sites, path_gradients, swapped, without
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.widgets import Lesions

SHORTCUTS = ["none", "identity", "projection", "all projections"]
SMALL_VGG = dict(side=14, units=16, dropout=0)


@pytest.fixture
def X():
    return torch.randn(5, 1, 14, 14)


def scores(net, X):
    with evaluating(net), torch.no_grad():
        return net(X)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_blocks_that_keep_their_shape_can_go(shortcut):
    """Of 3n blocks all but the two that halve the maps."""
    sites = lesion_sites(cifar_resnet(20, 4, shortcut))
    assert [site.names for site in sites] == [(str(i),) for i in (1, 2, 3, 5, 6, 8, 9)]
    assert [site.channels for site in sites] == [4, 4, 4, 8, 8, 16, 16]


@pytest.mark.parametrize("block, follow", [(conv_bn_relu, 3), (conv_relu_bn, 3)])
def test_in_vgg_a_convolution_goes_with_what_follows_it(block, follow):
    net = vgg(((2, 4), (3, 8)), block=block, **SMALL_VGG)
    sites = lesion_sites(net)
    assert [site.channels for site in sites] == [4, 8, 8]
    assert all(len(site.names) == follow for site in sites)
    for site in sites:
        kinds = {type(net.get_submodule(name)) for name in site.names}
        assert kinds == {nn.Conv2d, nn.BatchNorm2d, nn.ReLU}


@pytest.mark.parametrize(
    "conv, found",
    [
        (nn.Conv2d(4, 4, 3, padding=1), True),
        (nn.Conv2d(4, 4, 5, padding="same"), True),
        (nn.Conv2d(4, 4, 1), True),
        (nn.Conv2d(4, 4, 3), False),
        (nn.Conv2d(4, 8, 3, padding=1), False),
        (nn.Conv2d(4, 4, 3, padding=1, stride=2), False),
    ],
)
def test_only_what_keeps_its_shape(conv, found):
    assert len(lesion_sites(nn.Sequential(conv, nn.Flatten()))) == found


@pytest.mark.parametrize("shortcut", SHORTCUTS[1:])
def test_without_a_block_its_shortcut_stays(shortcut, X):
    """The copy computes what the layers around the block do, with the shortcut alone in its place."""
    net = lively(cifar_resnet(14, 4, shortcut))
    for site in lesion_sites(net):
        expected = X
        for name, layer in net.eval().named_children():
            expected = expected if (name,) == site.names else layer(expected)
        before = scores(net, X)
        torch.testing.assert_close(scores(without(net, site), X), expected)
        assert not torch.allclose(expected, before, atol=1e-3), "nothing was taken out"
        assert torch.equal(scores(net, X), before), "the network itself was changed"


def test_several_sites_go_at_once(X):
    net = lively(cifar_resnet(20, 4, "identity"))
    one, *_, other = lesion_sites(net)
    both = scores(without(net, one, other), X)
    torch.testing.assert_close(both, scores(without(without(net, one), other), X))
    torch.testing.assert_close(scores(without(net), X), scores(net, X))


def test_swapping_changes_places_and_twice_is_nothing(X):
    net = lively(cifar_resnet(20, 4, "identity"))
    sites = lesion_sites(net)
    one, other = sites[1], sites[2]
    changed = swapped(net, one, other)
    for here, there in ((one, other), (other, one)):
        mine, theirs = changed.get_submodule(here.names[0]), net.get_submodule(there.names[0])
        assert all(map(torch.equal, mine.state_dict().values(), theirs.state_dict().values()))
    assert not torch.allclose(scores(changed, X), scores(net, X), atol=1e-4)
    assert torch.equal(scores(swapped(changed, one, other), X), scores(net, X))
    assert torch.equal(scores(swapped(net, one, one), X), scores(net, X))


def test_parts_of_two_stages_cannot_be_swapped():
    net = cifar_resnet(20, 4, "identity")
    sites = lesion_sites(net)
    with pytest.raises(ValueError, match=r"same stage.*4 channels.*8 in"):
        swapped(net, sites[0], sites[-3])


def test_a_changed_copy_trains_alone(X):
    """The copy shares no weight with the network."""
    net = cifar_resnet(14, 4, "identity")
    changed = without(net, lesion_sites(net)[0])
    own = {id(p) for p in net.parameters()}
    assert not own & {id(p) for p in changed.parameters()}


# --- the picture ---


def test_the_picture_says_what_is_left():
    svg = draw_lesions(0.87, [0.5, None, 0.25], 2, "a network").svg()
    assert "0.25" in svg and "whole: 0.87" in svg and "chance: 0.1" in svg and "a network" in svg
    assert ">0.50<" not in svg, "only the part in question has its value on it"
    assert svg.count("#9ecae1") == 1, "one other part was tried"
    assert svg.count('aria-pressed="true"') == 1 and "part 3: put it back, 0.25 without it" in svg
    assert 'role="group"' in svg and "part 2: take it out" in svg


def boxes(drawing):
    """Return (left, top, right, bottom) of each text that stands upright, by the usual width of a letter."""
    ends = {"start": 0.0, "middle": 0.5, "end": 1.0}
    for e in drawing.elements:
        if isinstance(e, Words) and not e.turned:
            wide = 0.6 * e.size * len(e.text)
            left = e.x - ends[e.anchor] * wide
            yield e.text, (left, e.y - 0.73 * e.size, left + wide, e.y)


@pytest.mark.parametrize("whole", [0.0, 0.05, 0.1, 0.13, 0.2, 0.7, 0.99, 1.0])
@pytest.mark.parametrize("left", [0.0, 0.03, 0.09, 0.13, 0.17, 0.2, 0.25, 0.6, 0.66, 0.7, 0.95, 1.0])
def test_no_line_and_no_bar_runs_through_its_words(whole, left):
    drawing = draw_lesions(whole, [0.9, left, 0.9], 1, "a network")
    placed = dict(boxes(drawing))
    names = [f"whole: {whole:.2f}", "chance: 0.1"]
    lines = [e for e in drawing.elements if isinstance(e, Line) and e.dash]
    bars = [e for e in drawing.elements if isinstance(e, Rect) and e.y < 280]
    assert len(lines) == 2 and len(bars) == 3
    (value,) = [box for text, box in placed.items() if text == f"{left:.2f}"]
    assert not any(value[1] < y < value[3] for line in lines for _, y in line.points)
    ends = {y for bar in bars[1:2] for y in (bar.y, bar.y + bar.height)}
    assert not any(value[1] < y < value[3] for y in ends), "wholly inside its bar or wholly above it"
    for name in names:
        assert placed[name][0] >= max(bar.x + bar.width for bar in bars) and placed[name][2] <= drawing.width
    assert value[3] > bars[1].y - 60, "near its bar"
    (_, top, _, bottom), (_, other_top, _, other_bottom) = (placed[name] for name in names)
    assert bottom <= other_top or other_bottom <= top


# --- the widget ---


@pytest.fixture
def widget(noise):
    nets = {"residual": lively(cifar_resnet(14, 4, "identity")), "<i>vgg</i>": vgg(((2, 4), (3, 8)), **SMALL_VGG)}
    lesions = Lesions(nets, noise(64, size=14, shuffle=False))
    lesions._build()
    return lesions


def test_the_accuracies_are_those_of_the_changed_network(widget):
    net, batches = widget.nets["residual"], widget.batches
    sites = lesion_sites(net)
    for number, site in enumerate(sites):
        assert widget.accuracy("residual", "without", number) == evaluate_accuracy(without(net, site), batches)
    together = swapped(net, sites[0], sites[1])
    assert widget.accuracy("residual", "swapped", 0) == evaluate_accuracy(together, batches)


def test_a_swap_that_cannot_be_is_said_in_the_panel(widget):
    widget.operation.value = "swapped"
    widget.part.value = widget.part.max
    assert "role='alert'" in widget.image.value and "no next one to swap it with" in widget.image.value
    widget.operation.value = "without"
    assert "<svg" in widget.image.value


def test_the_slider_ends_with_the_network(widget):
    widget.part.value = widget.part.max
    assert widget.part.max == 4
    widget.net.value = "<i>vgg</i>"
    assert widget.part.max == 3 and widget.part.value == 3 and "<svg" in widget.image.value


def test_a_press_takes_a_block_out_and_puts_it_back(widget):
    press = lambda part, times: widget.image.set_state({"pressed": [part, times]})  # noqa: E731
    press(2, 1)
    assert widget.part.value == 3 and "without part 3" in widget.image.value
    out = widget.image.value
    press(2, 2)
    assert "whole" in widget.draw().text and 'aria-pressed="true"' not in widget.image.value
    press(2, 3)
    assert widget.image.value == out
    for sent in (None, 3, [99, 4], [-1, 5], ["1", 6], [True, 7], [1]):
        widget.image.set_state({"pressed": sent})
        assert widget.image.value == out


def test_a_result_is_measured_once(widget, monkeypatch):
    from cnnlib.widgets import lesions

    widget.part.value = 3
    monkeypatch.setattr(lesions, "evaluate_accuracy", lambda *_: pytest.fail("measured again"))
    widget.part.value = 2
    widget.part.value = 3


def test_the_stored_page_has_every_part(widget):
    static, _ = widget._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= set(static)
    assert all(("residual", "without", i) in widget._known for i in range(4))


def test_a_network_with_nothing_to_take_out(noise):
    with pytest.raises(ValueError, match="'dense' has no part"):
        Lesions({"dense": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}, noise())


# --- a deep network by hand ---


@pytest.mark.parametrize("depth", [8, 14, 20, 56])
def test_deepened_computes_what_the_shallow_net_does(depth, X):
    shallow = lively(cifar_resnet(8, 4, "none"))
    deep = deepened(shallow, depth, torch.rand(64, 1, 14, 14))
    convolutions = [m for m in deep.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == depth - 1
    torch.testing.assert_close(scores(deep, 3 * X), scores(shallow, 3 * X), rtol=1e-3, atol=1e-4)
    assert deep.training and shallow.training, "a mode was changed"


def test_deepened_starts_as_near_in_training(X):
    """With the batch whose statistics it took, training mode agrees as well."""
    batch = torch.rand(64, 1, 14, 14)
    shallow = cifar_resnet(8, 4, "none")
    shallow(batch)
    for module in shallow.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    shallow(batch)
    deep = deepened(shallow, 20, batch)
    torch.testing.assert_close(deep(batch), shallow(batch), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("net", [cifar_resnet(14, 4, "none"), cifar_resnet(8, 4, "identity"), nn.Sequential()])
def test_deepened_wants_eight_plain_layers(net):
    with pytest.raises(ValueError, match=r'cifar_resnet\(8, width, "none"\)'):
        deepened(net, 20, torch.rand(4, 1, 14, 14))


# The gradient along single paths


@pytest.mark.parametrize("kind, block", [("projection", PostActivation), ("identity", PreActivation)])
def test_the_gradient_is_the_sum_over_all_paths(kind, block):
    torch.manual_seed(0)
    net = cifar_resnet(14, 4, kind, block).double().eval()
    X, y = torch.randn(5, 1, 8, 8).double(), torch.randint(10, (5,))
    paths = [path for k in range(7) for path in itertools.combinations(range(6), k)]
    with unchanged(net):
        gradients = path_gradients(net, X, y, paths)
    entered = net[0](X).detach().requires_grad_()
    (whole,) = torch.autograd.grad(nn.functional.cross_entropy(net[1:](entered), y), entered)
    assert len(gradients) == 64 and torch.allclose(sum(gradients), whole, rtol=1e-10, atol=1e-14)


def test_paths_that_are_none():
    X, y = torch.randn(5, 1, 8, 8), torch.randint(10, (5,))
    with pytest.raises(ValueError, match="from 0 to 2"):
        path_gradients(cifar_resnet(8, 4), X, y, [(3,)])
    with pytest.raises(ValueError, match="blocks with shortcuts"):
        path_gradients(cifar_resnet(8, 4, "none"), X, y, [(0,)])
