"""Autoencoders: the networks, pictures as their own targets, what is drawn of them, and a panel that trains one."""

import base64
import copy
import io
import itertools
import math
import pickle
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from panels import fork, go, mark, rest
from panels import panel as panel
from PIL import Image
from torch import nn

from cnnlib.datasets import Batches, Copies, load_data_fashion_mnist
from cnnlib.figures import draw_reconstructions
from cnnlib.figures.drawing import Bitmap, Drawing, Rect, Words
from cnnlib.models import ConvAutoencoder, ResidualConvAutoencoder, lenet
from cnnlib.models.training_mode import evaluating
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.training.history import History
from cnnlib.training.loop import Trainer
from cnnlib.training.metrics import count_near
from cnnlib.training.run import train
from cnnlib.training.seeds import train_over_seeds
from cnnlib.widgets import Reconstructions, choice, switch

BOTH = pytest.mark.parametrize("kind", [ConvAutoencoder, ResidualConvAutoencoder])
AS_PICTURES = dict(loss=nn.functional.mse_loss, correct=count_near)

# The networks


@BOTH
def test_shapes_of_every_layer(kind):
    net, Z, shapes = kind(), torch.rand(3, 1, 28, 28), []
    for layer in (*net.encoder, *net.decoder):
        Z = layer(Z)
        shapes.append(tuple(Z.shape[1:]))
    small, code, whole = (16, 14, 14), (4, 7, 7), (1, 28, 28)
    assert shapes == [small, small, code, code, small, small, whole]
    assert net.output(Z).shape == (3, *whole) == net(torch.rand(3, *whole)).shape
    assert math.prod(code) == 196 < 784 / 3, "it is a bottleneck"


def test_parameters_are_the_same():
    plain, residual = ConvAutoencoder(), ResidualConvAutoencoder()
    counts = [sum(p.numel() for p in net.parameters()) for net in (plain, residual)]
    assert counts == [(9 + 1) * 16 + (16 * 9 + 1) * 4 + 4 * 16 * 9 + 16 + 16 * 9 + 1] * 2 == [1477] * 2
    residual.load_state_dict(plain.state_dict())
    torch.manual_seed(1)
    plain = ConvAutoencoder()
    torch.manual_seed(1)
    assert all(map(torch.equal, plain.parameters(), ResidualConvAutoencoder().parameters()))


@pytest.mark.parametrize("output", [nn.Sigmoid, nn.Tanh, nn.Identity, partial(nn.Hardtanh, 0, 1)])
def test_the_shortcut_is_the_only_difference(output):
    torch.manual_seed(1)
    plain, residual = ConvAutoencoder(output), ResidualConvAutoencoder(output)
    residual.load_state_dict(plain.state_dict())
    X = torch.randn(3, 1, 28, 28)
    made = plain.decoder(plain.encoder(X))
    assert torch.equal(plain(X), output()(made)) and torch.equal(residual(X), output()(made + X))
    assert (plain(X) - residual(X)).abs().max() > 0.01


@BOTH
def test_gradients(kind):
    """Those of the input against differences, those of the weights against the chain rule by hand."""
    net = kind(nn.Tanh).double()
    X = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, X)
    made = net.decoder(net.encoder(X))
    out = net(X)
    (expected,) = torch.autograd.grad(made, net.encoder[0].weight, 1 - out.detach() ** 2, retain_graph=True)
    (found,) = torch.autograd.grad(out.sum(), net.encoder[0].weight, retain_graph=True)
    torch.testing.assert_close(found, expected)
    if kind is ResidualConvAutoencoder:
        through = torch.autograd.grad(made, X, 1 - out.detach() ** 2, retain_graph=True)[0]
        torch.testing.assert_close(torch.autograd.grad(out.sum(), X)[0], through + 1 - out.detach() ** 2)


# Pictures as their own targets


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_black_and_white_are_exact(low):
    images = torch.tensor([0, 255, 128], dtype=torch.uint8).reshape(3, 1, 1, 1)
    ((X, target),) = Copies(Batches(images, torch.zeros(3).long(), 3), low)
    assert X[0] == low and X[1] == 1 and low < X[2] < 1 and torch.equal(X, target)


def test_each_loop_is_the_next_epoch(noise):
    copies, batches = Copies(noise(80, size=4)), noise(80, size=4)
    for _ in range(3):
        mine, theirs = [X for X, _ in copies], [X for X, _ in batches]
        assert all(map(torch.equal, mine, theirs)) and len(mine) == len(theirs) == 3


def test_seeds_are_those_of_the_batches(noise):
    copies = Copies(noise(80, size=4, seed=7))
    first = next(iter(copies))[0]
    assert copies.seed == 7 and copies.batch_size == 32
    assert copies.reseed(8) is copies and copies.seed == copies.batches.seed == 8
    assert not torch.equal(next(iter(copies))[0], first)
    assert torch.equal(next(iter(copies.reseed(7)))[0], first), "a new seed begins with epoch 0"
    with pytest.raises((TypeError, ValueError), match="seed"):
        copies.reseed(-1)


def test_a_copy_of_copies_stands_alone(noise):
    for duplicate in (copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))):
        original = Copies(noise(80, size=4, seed=7), -1.0)
        twin = duplicate(original)
        first = next(original.epoch(0))[0]
        assert type(twin) is Copies and twin.low == -1 and torch.equal(next(twin.epoch(0))[0], first)
        next(iter(twin))
        twin.reseed(9)
        twin.low = 0.0
        assert original.seed == 7 and original.low == -1 and torch.equal(next(iter(original))[0], first)
    assert copy.copy(original).batches.images is original.batches.images, "pictures are not copied"


# Once: X and its target are one tensor, so a network that begins by changing its input in place (adding noise, a
# ReLU with inplace=True) changes the target as well, and its loss is that of another task.
def test_a_network_that_writes_on_its_input_leaves_the_target(noise):
    X, target = next(Copies(noise(8, size=4), -1.0).epoch(0))
    before = target.clone()
    nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 1, 3))(X)
    assert torch.equal(target, before)


# How much is right


def test_pixels_within_a_tenth_count():
    target = torch.tensor([0.0, 0.5, 1.0, 0.2]).reshape(1, 1, 2, 2)
    for error, right in ((0.0, 1.0), (0.09, 1.0), (-0.09, 1.0), (0.11, 0.0), (-0.11, 0.0)):
        assert count_near(target + error, target) == right
    some = target + torch.tensor([0.05, 0.3, -0.05, -0.3]).reshape(1, 1, 2, 2)
    assert count_near(some, target) == 0.5
    both = torch.cat([some, target, target + 1]), target.repeat(3, 1, 1, 1)
    assert count_near(torch.full((2, 3), math.nan), torch.zeros(2, 3)) == 0
    count = count_near(*both)
    assert count == 1.5 and count.dim() == 0 and count.dtype == torch.float32


# Once: shapes that differ are broadcast against each other, and a share comes out that means nothing.
@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 1, 4, 4), (3, 1, 4, 1), (3, 1, 1, 1)])
def test_near_wants_equal_shapes(shape):
    with pytest.raises(ValueError):
        count_near(torch.rand(3, 1, 4, 4), torch.rand(shape))


# Training


@BOTH
def test_a_trainer_trains_on_pictures(noise, kind):
    data, test = Copies(noise(96)), Copies(noise(40, shuffle=False))
    net = kind()
    twin = copy.deepcopy(net)
    trainer = Trainer(net, data, test, lr=0.1, **AS_PICTURES)
    history = trainer.fit(2)
    optimizer, losses, counts = torch.optim.SGD(twin.parameters(), lr=0.1), [], []
    for number in range(2):
        for X, target in Copies(noise(96)).epoch(number):
            out = twin(X)
            loss = ((out - target) ** 2).mean()
            losses.append(loss.item())
            counts.append(sum(((a - b).abs() <= 0.1).float().mean().item() for a, b in zip(out, target, strict=True)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert history.loss == pytest.approx(losses, rel=1e-4) and history.size == [32] * 6
    assert history.correct == pytest.approx(counts, rel=1e-3) and history.ended == "finished"
    assert history.test_acc[-1] == evaluate_accuracy(net, test, correct=count_near)
    assert all(0 <= share <= 1 for share in (*history.train_acc, *history.test_acc))
    assert History.from_json(history.to_json()) == history and len(history.to_csv().splitlines()) == 7


def test_accuracy_of_pictures_by_hand(noise):
    net, data = ConvAutoencoder(), noise(40, shuffle=False)
    net.train()
    data.images = data.images % 120
    found = evaluate_accuracy(net, Copies(data), correct=count_near)
    X = data.images.float() / 255
    with evaluating(net), torch.no_grad():
        expected = ((net(X) - X).abs() <= 0.1).double().mean().item()
    assert found == pytest.approx(expected, rel=1e-5) and 0.05 < found < 0.95 and net.training


def test_forks_and_states_of_pictures(noise, weights):
    trainer = Trainer(ResidualConvAutoencoder(), Copies(noise(96, seed=3), -1.0), lr=0.1, **AS_PICTURES)
    trainer.listeners.append(lambda t: t.stop() if t.step == 4 and not t.history.epoch_ends[1:] else None)
    trainer.fit(2)
    assert trainer.step == 4 and trainer.batch == 1
    trainer.listeners.clear()
    state, twin = trainer.state(), trainer.fork()
    assert twin.train_iter is not trainer.train_iter and twin.objective.correct is count_near
    assert twin.train_iter.batches.images is trainer.train_iter.batches.images and twin.train_iter.low == -1
    for one in (trainer, twin):
        one.fit(2)
    assert trainer.history.loss == twin.history.loss and torch.equal(weights(trainer.net), weights(twin.net))
    twin.train_iter.reseed(11)
    assert trainer.train_iter.seed == 3
    other = Trainer(ResidualConvAutoencoder(), Copies(noise(96, seed=5), -1.0), lr=0.3, **AS_PICTURES)
    other.load_state(state)
    assert other.train_iter.seed == 3 and other.batch == 1
    other.fit(2)
    assert other.history.loss == trainer.history.loss and other.history.correct == trainer.history.correct


def test_the_other_ways_to_train_take_them(noise):
    data = Copies(noise(64))
    history = train(ConvAutoencoder(), data, data, 1, 0.1, **AS_PICTURES)
    assert history.steps == 2 and len(history.test_acc) == 1
    _, histories = train_over_seeds(ConvAutoencoder, data, data, 1, 0.1, (0, 1), **AS_PICTURES)
    assert len(histories) == 2 and histories[0].loss != histories[1].loss
    _, again = train_over_seeds(ConvAutoencoder, data, None, 1, 0.1, (0, 1), steps=1, **AS_PICTURES)
    assert [h.loss for h in again] == [h.loss[:1] for h in histories]


def test_copies_need_a_count_of_their_own(noise):
    trainer = Trainer(ConvAutoencoder(), Copies(noise(64)), lr=0.1, loss=nn.functional.mse_loss)
    with pytest.raises(ValueError, match=r"scores of shape \(N, classes\)"):
        trainer.fit(1)
    with pytest.raises(ValueError, match=r"scores of shape \(N, classes\)"):
        evaluate_accuracy(ConvAutoencoder(), Copies(noise(64)))
    with pytest.raises(TypeError, match="labels must be whole numbers"):
        evaluate_accuracy(lenet(), Copies(noise(64)))


# Bitmaps


def grey_of(image):
    """Decode the PNG in an SVG <image>."""
    data = image.get("href") or image.get("{http://www.w3.org/1999/xlink}href")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.removeprefix("data:image/png;base64,")))))


def images_of(svg):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}image")]


def pixels(drawing):
    return np.asarray(Image.open(io.BytesIO(drawing.picture().png(1))).convert("RGB")).astype(int)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (28, 28), (1, 200)])
def test_a_bitmap_holds_its_pixels(shape):
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for array in (grey, np.asfortranarray(grey), grey[::-1], grey[:, ::-1], torch.tensor(grey).numpy()):
        (image,) = images_of(Drawing([Bitmap(10, 20, 50, 30, array)], 100, 80, "one").svg())
        found = grey_of(image)
        assert found.shape == (*shape, 3) and (found == array[:, :, None]).all()
        assert [float(image.get(n)) for n in ("x", "y", "width", "height")] == [10, 20, 50, 30]
        assert "pixelated" in image.get("style")


def test_a_bitmap_lies_where_it_should_in_the_picture():
    grey = np.array([[0, 255, 128], [200, 50, 100]], dtype=np.uint8)
    array = pixels(Drawing([Bitmap(10, 20, 60, 40, grey)], 100, 80, "one"))
    assert array.shape == (80, 100, 3)
    for row, column in np.ndindex(2, 3):
        inside = array[20 + 20 * row + 3 : 20 + 20 * row + 17, 10 + 20 * column + 3 : 10 + 20 * column + 17]
        assert (np.abs(inside - int(grey[row, column])) <= 1).all()
    assert (array[:18] == 255).all() and (array[:, :8] == 255).all() and (array[63:] == 255).all()


# Once: matplotlib draws pictures below rectangles and lines, whatever their order; SVG draws what comes last on top.
def test_a_bitmap_on_a_rectangle_is_seen_in_both():
    grey = np.zeros((2, 2), dtype=np.uint8)
    array = pixels(Drawing([Rect(0, 0, 50, 50, "#ff0000"), Bitmap(10, 10, 20, 20, grey)], 50, 50, "two"))
    assert tuple(array[20, 20]) == (0, 0, 0) and tuple(array[40, 40]) == (255, 0, 0)


# Rows of pictures


def rows_of(drawing):
    """Return the grey pictures of each row, from the SVG."""
    rows = {}
    for image in images_of(drawing.svg()):
        rows.setdefault(float(image.get("y")), []).append(grey_of(image)[:, :, 0])
    return list(rows.values())


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_rows_are_the_pictures_in_ink(low):
    X = torch.rand(4, 1, 6, 5) * (1 - low) + low
    X[0, 0, 0, :2] = torch.tensor([low, 1.0])
    outside = torch.cat([X[:2] + 5, X[2:] - 5])
    drawing = draw_reconstructions({"a": X, "b": outside, "c": X[:2].requires_grad_()}, low, "after 3 steps")
    first, second, third = rows_of(drawing)
    assert [len(row) for row in (first, second, third)] == [4, 4, 2]
    for grey, one in zip(first, X, strict=True):
        expected = 255 * (1 - (one[0].detach().numpy() - low) / (1 - low))
        assert grey.shape == (6, 5) and np.abs(grey - expected).max() <= 0.51
    assert first[0][0, 0] == 255 and first[0][0, 1] == 0, "empty pixels are white, full ones black"
    assert all((grey == 0).all() for grey in second[:2]) and all((grey == 255).all() for grey in second[2:])
    assert "Reconstructions, after 3 steps" in drawing.svg() and drawing.picture().png(1)[:4] == b"\x89PNG"


def test_pictures_lie_beside_and_below_each_other():
    drawing = draw_reconstructions({name: torch.rand(12, 1, 3, 3) for name in "abc"})
    maps = [e for e in drawing.elements if isinstance(e, Bitmap)]
    places = {(e.x, e.y) for e in maps}
    assert len(places) == len(maps) == 36
    assert all(0 <= e.x and e.x + e.width <= drawing.width and e.y + e.height <= drawing.height for e in maps)
    xs, ys = sorted({x for x, _ in places}), sorted({y for _, y in places})
    assert min(b - a for row in (xs, ys) for a, b in itertools.pairwise(row)) > maps[0].width
    words = [e for e in drawing.elements if isinstance(e, Words)]
    assert [w.text for w in words] == ["Reconstructions", "a", "b", "c"]
    assert all(y < w.y < y + maps[0].height for y, w in zip(ys, words[1:], strict=True))


# Once: NaN is cast to uint8, which numpy warns of and which each machine does in its own way (black on this one).
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_pixels_that_are_no_numbers_do_not_crash(value):
    X = torch.zeros(1, 1, 2, 2)
    X[0, 0, 0, 0] = value
    ((grey,),) = rows_of(draw_reconstructions({"a": X}))
    assert (grey.flatten()[1:] == 255).all()


# The panel


def data(s):
    pair = load_data_fashion_mnist(32, num_train=320, num_test=64)
    return tuple(Copies(batches, s.low) for batches in pair)


def build(s):
    return (ResidualConvAutoencoder if s.skip else ConvAutoencoder)(s.output)


OUTPUTS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "linear": nn.Identity}
CONTROLS = [
    switch("skip", True, label="shortcut"),
    choice("output", OUTPUTS, label="last layer"),
    choice("low", {"−1 … 1": -1.0, "0 … 1": 0.0}, label="pixels"),
]


@pytest.fixture
def trained(panel):
    """Return a maker of panels in which an autoencoder trains."""

    def make(views=(), **options):
        options = {"optimizer": torch.optim.Adam, "lr": 0.001, **AS_PICTURES, **options}
        return panel(build, data, CONTROLS, views=views, **options)

    return make


def expected_rows(net, X, low):
    with evaluating(net), torch.no_grad():
        whole = net(X)
        made = net.decoder(torch.zeros_like(net.encoder(X)))
        empty = net.output(made + X if isinstance(net, ResidualConvAutoencoder) else made)
    return [
        [(255 - 255 * ((one[0] - low) / (1 - low)).clamp(0, 1)).round().numpy() for one in row]
        for row in (X, whole, empty)
    ]


def assert_shows(view, pg, count=8):
    low = pg.settings.low
    X = load_data_fashion_mnist(64, num_test=64)[1]
    X = next(iter(X))[0][:count] * (1 - low) + low
    rows = rows_of(view.static())
    assert view.widget.value == view.static().svg() and [len(row) for row in rows] == [count] * 3
    for mine, theirs in zip(rows, expected_rows(pg.runner.trainer.net, X, low), strict=True):
        assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("skip, output, low", [(True, "sigmoid", -1.0), (False, "tanh", -1.0), (False, "linear", 0.0)])
def test_the_view_shows_what_the_network_makes(trained, skip, output, low):
    view = Reconstructions()
    pg = trained([view])
    for name, value in (("skip", skip), ("output", OUTPUTS[output]), ("low", low)):
        pg.inputs[name].value = value
    assert view.static() is None and view.widget in pg.page.views.values()
    go(pg, 3)
    assert pg.runner.state == "paused", pg.runner.error
    assert_shows(view, pg)
    assert "after 3 steps" in view.widget.value
    first = view.widget.value
    go(pg, 2)
    assert_shows(view, pg)
    assert view.widget.value != first and "after 5 steps" in view.widget.value
    assert pg.picture().bundle()[0]["image/png"][:4] == b"\x89PNG"


def test_the_view_follows_another_network_a_reset_and_a_fork(trained):
    view = Reconstructions(3)
    pg = trained([view])
    go(pg, 2)
    moment, first = mark(pg), pg.book.current
    marked = view.widget.value
    pg.inputs["low"].value = 0.0
    rest(pg)
    assert_shows(view, pg, 3)
    go(pg, 2)
    fork(pg, moment, first)
    rest(pg)
    assert pg.settings.low == -1 and view.widget.value == marked
    pg.page.reset.click()
    rest(pg)
    assert "after 0 steps" in view.widget.value and pg.runner.state == "ready"
    assert_shows(view, pg, 3)


def test_looking_changes_nothing(trained, weights):
    pgs = [trained([Reconstructions()], name="a"), trained(name="b")]
    for pg in pgs:
        for _ in range(4):
            go(pg, 1)
    seen, plain = (pg.runner.trainer for pg in pgs)
    assert seen.history.loss == plain.history.loss and torch.equal(weights(seen.net), weights(plain.net))
    net = seen.net
    assert not any(m._forward_hooks for m in net.modules()) and all(m.training for m in net.modules())


def test_a_network_without_an_encoder_is_told_so(panel):
    view = Reconstructions()
    pg = panel(views=[view])
    go(pg, 2)
    assert pg.runner.state == "failed" and "encoder" in pg.status.value and "role='alert'" in pg.status.value


def assert_code_repeats(pg, **own):
    namespace = globals() | own
    exec(pg.code(), namespace)
    again, mine = namespace["history"], pg.runner.trainer.history
    assert mine.steps and again.loss == mine.loss and again.correct == mine.correct
    assert again.test_acc == mine.test_acc


def own_loss(y_hat, y):
    total = (y_hat - y).abs()
    for _ in range(1):
        total = total.mean()
    return total


def own_count(y_hat, y):
    share = ((y_hat - y) ** 2).flatten(1).mean(1)
    return (1 - share).clamp(0, 1).sum()


@pytest.mark.parametrize(
    "options",
    [
        {"loss": own_loss, "correct": own_count},
        {"loss": nn.functional.l1_loss},
        {"loss": partial(nn.functional.huber_loss, delta=0.5)},
        {"loss": nn.MSELoss()},
        {"loss": lambda y_hat, y: (y_hat - y).pow(2).mean(), "correct": lambda y_hat, y: count_near(y_hat, y)},
    ],
    ids=["own", "l1", "partial", "module", "lambda"],
)
def test_the_code_with_other_losses(trained, options):
    """What has no name of its own goes by its role, which the notebook has to define."""
    pg = trained(**options)
    go(pg, 3)
    own = {"own_loss": own_loss, "own_count": own_count, **AS_PICTURES, **options}
    assert_code_repeats(pg, **own)
