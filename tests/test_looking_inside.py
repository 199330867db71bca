"""What chapters 2 to 4 look inside with: receptive fields, statistics before a ReLU, settings changed in a running net,
transformed pictures, the table that grows, and the pictures of all that.
"""

import copy
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from drawings import pixels, words_of
from torch import nn

from cnnlib.figures import draw_lines, draw_receptive_fields, draw_statistics, draw_volumes
from cnnlib.figures.chart import Chart, Panel
from cnnlib.figures.chart_picture import Frames, draw_chart
from cnnlib.figures.drawing import Dot, Drawing, Line, Rect, Words, decimal
from cnnlib.figures.style import FILL
from cnnlib.models import (
    VGG11,
    BatchNorm,
    alexnet,
    conv_bn_relu,
    conv_relu_bn,
    lenet,
    narrower,
    recalibrate_,
    set_dropout,
    set_momentum,
    vgg,
)
from cnnlib.probes import Statistics, layer_table, receptive_fields, relu_statistics
from cnnlib.training.history import History
from cnnlib.training.tables import growth_table
from cnnlib.widgets.run_chart import RunChart

# What enters a ReLU


def small_net(norm=nn.BatchNorm2d):
    """Return a network with all that a look could disturb: dropout, running statistics, mixed modes, a gradient."""
    features = [nn.Conv2d(1, 4, 3), norm(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 6, 3), norm(6), nn.ReLU()]
    net = nn.Sequential(*features, nn.Flatten(), nn.Linear(6 * 16, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 10))
    for _ in range(3):
        net(torch.randn(16, 1, 8, 8) * 2 + 1)
    net[5].eval()
    net[0].weight.grad = torch.full_like(net[0].weight, 7.0)
    return net


def norm_of(net, X, number, training):
    """Return what enters module `number` of a copy of the net, in one mode, with the random numbers as they stand."""
    twin, seen = copy.deepcopy(net).train(training), []
    twin[number].register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    state = torch.get_rng_state()
    twin(X)
    torch.set_rng_state(state)
    return seen[0]


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNorm])
@pytest.mark.parametrize("number, relu, norm_at", [(0, 2, 1), (1, 6, 5), (2, 9, None)])
def test_relu_statistics_are_what_hooks_see(norm, number, relu, norm_at):
    net, X = small_net(norm), torch.randn(16, 1, 8, 8)
    seen = relu_statistics(net, X, number)
    assert torch.equal(seen.training, norm_of(net, X, relu, True).flatten())
    assert torch.equal(seen.evaluation, norm_of(net, X, relu, False).flatten())
    assert not seen.training.requires_grad and seen.training.numel() == seen.evaluation.numel()
    if norm_at is None:  # the hidden dense layer has no normalisation
        assert seen.batch_mean is seen.batch_var is seen.running_mean is seen.running_var is None
        return
    entering = norm_of(net, X, norm_at, True)
    assert torch.allclose(seen.batch_mean, entering.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(seen.batch_var, entering.var((0, 2, 3)), rtol=1e-4)
    running = net[norm_at].running_mean, net[norm_at].running_var
    assert torch.equal(seen.running_mean, running[0]) and torch.equal(seen.running_var, running[1])
    running[0].add_(1)
    assert not torch.equal(seen.running_mean, running[0]), "a copy"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_relu_statistics_leave_the_random_numbers_of_a_gpu():
    net, X = small_net().cuda(), torch.randn(16, 1, 8, 8)
    random = torch.cuda.get_rng_state()
    seen = relu_statistics(net, X, 1)
    assert torch.equal(torch.cuda.get_rng_state(), random) and not seen.training.is_cuda


def test_relu_statistics_of_a_dense_normalisation():
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    X = torch.randn(30, 5)
    seen = relu_statistics(net, X, 0)
    assert torch.allclose(seen.batch_mean, net[0](X).mean(0), atol=1e-6)
    assert torch.allclose(seen.batch_var, net[0](X).var(0), rtol=1e-4)


# Running statistics measured afresh


def batches_of(num, size=8):
    return [(torch.randn(size, 1, 8, 8) * (i + 1) + i, torch.zeros(size)) for i in range(num)]


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNorm])
@pytest.mark.parametrize("num", [1, 2, 5])
def test_recalibrate_takes_plain_means_over_the_batches(norm, num):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), norm(4), nn.ReLU(), nn.Conv2d(4, 6, 3), norm(6), nn.ReLU()).double()
    for X, _ in batches_of(3):
        net(X.double())  # statistics of before, which must not count
    batches = [(X.double(), y) for X, y in batches_of(num)]
    before = [p.detach().clone() for p in net.parameters()]
    means, variances = {1: [], 4: []}, {1: [], 4: []}
    for X, _ in batches:
        for number in means:
            entering = copy.deepcopy(net).train()[:number](X)
            means[number].append(entering.mean((0, 2, 3)))
            variances[number].append(entering.var((0, 2, 3)))  # unbiased, as PyTorch's running variance
    assert recalibrate_(net, iter(batches)) is net
    for number in means:
        assert torch.allclose(net[number].running_mean, torch.stack(means[number]).mean(0), rtol=1e-9, atol=1e-12)
        assert torch.allclose(net[number].running_var, torch.stack(variances[number]).mean(0), rtol=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("fail", [False, True])
def test_recalibrate_puts_modes_and_momenta_back(fail):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, momentum=None), nn.Dropout(0.2), BatchNorm(4, 0.7)).eval()
    net[2].train()
    modes = [module.training for module in net.modules()]
    batches = batches_of(2) + ([(torch.randn(8, 3, 8, 8), torch.zeros(8))] if fail else [])
    if fail:
        with pytest.raises(ValueError):
            recalibrate_(net, batches)
    else:
        recalibrate_(net, batches)
    assert [module.training for module in net.modules()] == modes
    assert net[1].momentum is None and net[3].momentum == 0.7
    assert torch.equal(net[1].running_mean, torch.zeros(4)) == fail, "measured whole, or as it was"


# Settings changed in every layer


@pytest.mark.parametrize("change, field, layer, other", [
    (set_dropout, "p", lambda: nn.Dropout(0.5), lambda: nn.Dropout2d(0.2)),
    (set_momentum, "momentum", lambda: nn.BatchNorm2d(3), lambda: BatchNorm(3)),
])  # fmt: skip
def test_a_setting_of_every_layer(change, field, layer, other):
    net = nn.Sequential(layer(), nn.Sequential(nn.Linear(3, 3), other()))
    for value in (0.3, 0, 1, torch.tensor(0.5), np.float32(0.25)):
        assert change(net, value) is net
        assert getattr(net[0], field) == getattr(net[1][1], field) == float(value)
    assert change(nn.Linear(3, 3), 0.3).weight.shape == (3, 3)  # nothing to change


# The table that grows


def run_of(*test_acc, seconds=12.34):
    return History(test_acc=list(test_acc), epoch_ends=list(range(1, 1 + len(test_acc))), seconds=seconds)


@pytest.fixture(scope="module")
def cost():
    return layer_table(lenet(), (1, 28, 28))


def names(table):
    return [row[0] for row in table.rows]


def test_growth_table_has_the_totals_and_the_last_three_epochs(cost, tmp_path):
    table = growth_table(1, "LeNet", cost, run_of(0.1, 0.9, 0.8, 0.85), tmp_path / "new" / "results")
    assert table.rows == [["LeNet", "61,706", "416,520", "4", "12 s", "0.800 to 0.900"]]
    assert len(table.head) == 6 and "| LeNet | 61,706 | 416,520 | 4 |" in table._repr_markdown_()
    assert [path.name for path in (tmp_path / "new" / "results").iterdir()] == ["chapter01.json"]


def test_growth_table_keeps_the_chapters_in_order(cost, tmp_path):
    for chapter, name in ((10, "ten"), (2, "AlexNet"), (1, "LeNet"), (3, "VGG")):
        table = growth_table(chapter, name, cost, run_of(0.5), tmp_path)
    assert names(table) == ["LeNet", "AlexNet", "VGG", "ten"]
    table = growth_table(2, "AlexNet again", cost, run_of(0.6), tmp_path)
    assert names(table) == ["LeNet", "AlexNet again", "VGG", "ten"] and table.rows[1][-1] == "0.600"
    assert len(list(tmp_path.iterdir())) == 4


def test_growth_table_of_a_run_without_test_accuracy(cost, tmp_path):
    for _ in range(2):  # also when it is read again
        assert growth_table(1, "LeNet", cost, History(), tmp_path).rows[0][3:] == ["0", "0 s", "–"]
        table = growth_table(2, "AlexNet", cost, run_of(0.5), tmp_path)
    assert names(table) == ["LeNet", "AlexNet"]


ROW = {"network": "N", "parameters": 1, "multiply_adds": 2, "epochs": 3, "seconds": 4.0, "low": 0.5, "high": 0.6}
FOREIGN = {
    "truncated": json.dumps(ROW)[:-5],
    "empty": "",
    "another file": '{"nbformat": 4}',
    "a key missing": json.dumps({key: value for key, value in ROW.items() if key != "epochs"}),
    "words for numbers": json.dumps(ROW | {"parameters": "many"}),
    "half a range": json.dumps(ROW | {"high": None}),
    "no text": b"\xff\xfe\x00chapter",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_growth_table_ignores_damaged_files_and_leaves_them(cost, tmp_path, kind):
    contents = FOREIGN[kind] if isinstance(FOREIGN[kind], bytes) else FOREIGN[kind].encode()
    (tmp_path / "chapter01.json").write_bytes(contents)
    for name in ("chapter01 (copy).json", "chapter1.json", "run.json"):  # and files of other names
        (tmp_path / name).write_text(json.dumps(ROW))
    assert names(growth_table(2, "AlexNet", cost, run_of(0.5), tmp_path)) == ["AlexNet"]
    assert (tmp_path / "chapter01.json").read_bytes() == contents
    table = growth_table(1, "LeNet", cost, run_of(0.5), tmp_path)  # but its own row takes the damaged one's place
    assert names(table) == ["LeNet", "AlexNet"]
    assert json.loads((tmp_path / "chapter01.json").read_text())["network"] == "LeNet"


def test_growth_table_shows_a_row_that_it_finds_and_passes_over_a_folder(cost, tmp_path):
    (tmp_path / "chapter01.json").write_text(json.dumps(ROW))
    (tmp_path / "chapter02.json").mkdir()
    table = growth_table(2, "A", cost, run_of(0.5), tmp_path)
    assert table.rows[0] == ["N", "1", "2", "3", "4 s", "0.500 to 0.600"] and names(table) == ["N", "A"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chapter01.json", "chapter02.json"]  # no .part


def test_growth_table_where_nothing_can_be_written(cost, tmp_path, monkeypatch):
    growth_table(1, "LeNet", cost, run_of(0.5), tmp_path)

    def refuse(*args, **options):
        raise PermissionError("read-only file system")

    monkeypatch.setattr("os.replace", refuse)  # which every file of ours takes its name by
    assert names(growth_table(2, "AlexNet", cost, run_of(0.5), tmp_path)) == ["LeNet", "AlexNet"]
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["chapter01.json"]
    for folder in ("chapter01.json", "chapter01.json/results"):  # a file is in the way
        assert names(growth_table(3, "VGG", cost, run_of(0.5), tmp_path / folder)) == ["VGG"]


# Pictures of all that

AWKWARD = '<b>Fish & "chips"</b> \'é ×'


def test_bundle_of_a_drawing():
    """What a page stores is a PNG: a notebook that was just cloned is not trusted, and shows no SVG."""
    parts = [Rect(20, 10, 30, 40, "#ff0000"), Line([(0, 0), (60, 60)], "#0000ff", 2, (4, 4)), Dot(70, 30, 5, "#00ff00")]
    drawing = Drawing([*parts, Words(60, 70, AWKWARD, turned=True)], 100, 80, AWKWARD)
    bundle, metadata = drawing._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"image/png", "text/plain"} and bundle["text/plain"] == repr(drawing) == AWKWARD
    assert metadata == {"image/png": {"width": 100, "height": 80}}
    array = pixels(bundle["image/png"])
    assert array.shape == (100, 125, 3), "sharper than the screen"
    for place, colour in (((38, 44), (255, 0, 0)), ((38, 88), (0, 255, 0))):  # in the rectangle, in the dot
        assert max(abs(int(a) - b) for a, b in zip(array[place], colour, strict=True)) < 9
    drawing = Drawing([Rect(0, 0, 3, 4, "none")], 30, 40, AWKWARD)
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("aria-label") == AWKWARD and root.get("role") == "img" and len(root) == 1
    assert root[0].get("fill") == "none" and root[0].get("stroke") == "currentColor"


def test_volumes_show_every_layer_once_with_its_channels_and_sides():
    nets = {"LeNet": (lenet(), (1, 28, 28)), AWKWARD: (alexnet(shrink=8, side=65), (1, 65, 65))}
    words = words_of(draw_volumes(nets))
    row = ["1", "28²", "6", "28²", "6", "14²", "16", "10²", "16", "5²", "120", "84", "10"]
    assert words[: len(row) + 2] == ["LeNet", *row, AWKWARD] and {"65²", "512", "convolution", "input"} <= set(words)


def test_volumes_are_drawn_to_scale():
    def tallest(drawing):
        root = ElementTree.fromstring(drawing.svg())
        return [float(e.get("height")) for e in root.iter() if e.tag.endswith("}rect")][1]  # the input's volume

    small, large = (
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * n * n, 2)) for n in (8, 32)
    )
    alone = draw_volumes({"large": (large, (1, 32, 32))})
    both = draw_volumes({"small": (small, (1, 8, 8)), "large": (large, (1, 32, 32))})
    assert tallest(alone) == 150 and tallest(both) == 150 / 4


@pytest.mark.parametrize("convs", [1, 2, 4, 8])
def test_volumes_of_long_networks_do_not_lie_over_each_other(convs):
    """On one scale for all rows, so the longest decides."""
    nets = [vgg(((n, 64), (n, 512), (n, 512)), side=16, units=64) for n in (1, convs)]
    drawing = draw_volumes({str(n): (net, (1, 16, 16)) for n, net in enumerate(nets)})
    volumes = [e for e in drawing.elements if isinstance(e, Rect)][: -len(FILL)]
    assert len(volumes) == 2 * 10 + 3 * (convs - 1)
    for a, b in zip(volumes, volumes[1:], strict=False):
        assert a.x + a.width < b.x or b.x < a.x, "the next one, or the next row"
    widths = [max(v.width for v in row) for row in (volumes[:10], volumes[10:])]
    assert widths[0] == widths[1]


def test_volumes_take_a_layer_table():
    net = vgg(narrower(VGG11, 8), side=64, units=64)
    drawings = [draw_volumes({"VGG": (part, (1, 64, 64))}, AWKWARD) for part in (net, layer_table(net, (1, 64, 64)))]
    assert drawings[0].svg() == drawings[1].svg() and drawings[0].text == AWKWARD


@pytest.mark.parametrize(
    "net, shape",
    [
        (nn.Conv2d(1, 2, 3), (1, 8, 8)),  # no dense layer
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (1, 8, 8)),  # no convolution
        (nn.Conv2d(3, 2000, 8), (3, 8, 8)),  # maps of one pixel
    ],
)
def test_volumes_of_plain_networks(net, shape):
    words = words_of(draw_volumes({"net": (net, shape)}))
    assert {"net", "8²"} <= set(words)


def test_statistics_show_both_modes_and_every_channel():
    seen = relu_statistics(small_net(), torch.randn(16, 1, 8, 8), 1)
    drawing = draw_statistics(seen, AWKWARD)
    words = words_of(drawing)
    assert f"What enters this ReLU, {AWKWARD}" in words
    for name in ("training", "evaluation"):
        values = getattr(seen, name)
        spread = f"mean {decimal(values.mean())}, standard deviation {values.std():.2f}"
        assert f"{name} mode: {spread}" in words
    root = ElementTree.fromstring(drawing.svg())
    assert sum(element.tag.endswith("}circle") for element in root.iter()) == 2 * 6
    assert not re.search(r"\d", drawing.text)  # what is stored as text is the same on each run


@pytest.mark.parametrize(
    "value, spec, words",
    [(1.234, ".2f", "1.23"), (-1.0, ".2f", "−1.00"), (-0.001, ".2f", "0.00"), (-4, "d", "−4"), (0, "d", "0"),
     (torch.tensor(-0.5), ".2g", "−0.5"), (-1e-5, ".2g", "−1e−05"), (-0.0, "g", "0"), (-10.0, "g", "−10"),
     (float("nan"), ".2f", "nan"), (float("-inf"), ".2f", "−inf")],
)  # fmt: skip
def test_numbers_have_a_minus_sign(value, spec, words):
    assert decimal(value, spec) == words


def test_statistics_that_agree_lie_on_the_diagonal():
    mean, var = torch.tensor([-2.0, 0.5, 3.0]), torch.tensor([0.0, 1.0, 9.0])
    seen = Statistics(torch.randn(60), torch.randn(60), mean, var, mean, var)
    root = ElementTree.fromstring(draw_statistics(seen).svg())
    circles = [(float(e.get("cx")), float(e.get("cy"))) for e in root.iter() if e.tag.endswith("}circle")]
    sums = [x + y for x, y in circles]
    assert len(sums) == 6 and max(sums[:3]) - min(sums[:3]) < 0.21 and max(sums[3:]) - min(sums[3:]) < 0.21


@pytest.mark.parametrize("value", [1e6, -1e6, 0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("every", [True, False])
def test_statistics_of_values_far_out_or_of_a_net_that_diverged(value, every):
    values, channels = torch.randn(50), torch.ones(4)
    values[slice(None) if every else 3], channels[slice(None) if every else 2] = value, abs(value)
    words_of(draw_statistics(Statistics(values, values, channels, channels, channels, channels)))


def labels_of(picture):
    return [text.get_text() for axes in picture.figure.axes for text in axes.get_legend().get_texts()]


def test_receptive_fields_are_squares_of_their_size():
    fields = receptive_fields(alexnet(shrink=96, side=65))
    networks = {"AlexNet": {"first": fields[0], "last": fields[-1]}, "LeNet": {"last": receptive_fields(lenet())[-1]}}
    picture = draw_receptive_fields(torch.rand(1, 64, 64), networks)
    assert labels_of(picture) == ["first: 11", "last: 195", "last: 16"]
    assert [axes.get_title() for axes in picture.figure.axes] == ["AlexNet", "LeNet"]
    for axes, sizes in zip(picture.figure.axes, ([11, 195], [16]), strict=True):
        assert [square.get_width() for square in axes.patches] == sizes
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for square in axes.patches:  # in the middle, and whole in view
            assert square.get_x() + square.get_width() / 2 == square.get_y() + square.get_height() / 2 == 31.5
            assert left < square.get_x() and square.get_x() + square.get_width() < right
            assert top < square.get_y() and square.get_y() + square.get_height() < bottom
    assert pixels(picture.png(1)).any()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("xlog", [False, True])
def test_lines_have_the_axes_that_were_asked_for(log, xlog):
    lines = {"one": ([1, 10, 100], [1e-3, 1, 1e3]), "seeds": ([1, 10, 100], [[1, 2, 3], [2, 3]])}
    picture = draw_lines(lines, "step", "loss", log=log, xlog=xlog)
    (axes,) = picture.figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log" if xlog else "linear", "log" if log else "linear")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "loss") and labels_of(picture) == ["one", "seeds"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1e-3, 1, 1e3], [1, 2, 3], [2, 3]]
    low, high = axes.get_ylim()
    assert low <= 1e-3 and high >= 1e3 and repr(picture) == "loss against step for one, seeds"
    assert np.array_equal(pixels(picture.png(1)), pixels(draw_lines(lines, "step", "loss", log=log, xlog=xlog).png(1)))


def test_layers_have_whole_numbers():
    one = {"spread": (range(1, 19), [0.5**k for k in range(18)])}
    figure = draw_lines(one, "layer", "spread").figure
    assert all(tick == round(tick) for tick in figure.axes[0].get_xticks())
    rates = {"loss": ([x / 4 for x in range(5)], [1.0] * 5)}
    assert any(tick != round(tick) for tick in draw_lines(rates, "rate", "loss").figure.axes[0].get_xticks())


# An earlier run left on the chart


def two_panels():
    return Chart([Panel(("train",), "loss"), Panel(("test",), "accuracy", ylim=(0, 1))], "epoch", xlim=(0, 10))


def test_kept_line_appears_behind_in_frame_and_picture():
    chart, plain = two_panels(), two_panels()
    for one in (chart, plain):
        one.add(1, [2, 0.1])
        one.add(9, [1, 0.8])
    chart.keep(1, [0, 5, 10], [0.2, 0.9, 0.2])
    figure, lines = draw_chart(chart)
    assert figure.axes[1].lines[-1].get_zorder() < lines[1].get_zorder()
    frame, before = pixels(Frames(chart).frame()), pixels(Frames(plain).frame())
    different = (frame != before).any(axis=2)
    assert different.sum() > 100 and not different[:, : different.shape[1] // 2].any()  # the right panel's alone
    assert (chart.xview, chart.yviews) == (plain.xview, plain.yviews)
    assert (chart.xs, chart.ys) == (plain.xs, plain.ys)  # no series of its own


def history_of(losses, test_acc, steps_an_epoch):
    n = len(losses)
    ends = [steps_an_epoch * (i + 1) for i in range(n // steps_an_epoch)]
    return History(
        loss=losses, lr=[0.1] * n, correct=[5] * n, size=[10] * n, test_acc=test_acc, epoch_ends=ends
    )  # fmt: skip


def test_run_chart_keeps_loss_and_test_accuracy_of_an_earlier_run():
    losses = [3 - 0.05 * i for i in range(50)]
    old, chart = history_of(losses, [0.5, 0.7], 20), RunChart(20, 3)
    chart.keep(old)
    loss, acc = chart.chart.kept
    assert (loss.panel, acc.panel) == (0, 1) and acc.xs == [1, 2] and acc.ys == [0.5, 0.7]
    assert loss.xs == pytest.approx([0.1 * i for i in range(1, 26)])
    assert loss.ys == pytest.approx([(a + b) / 2 for a, b in zip(losses[::2], losses[1::2], strict=True)])
    new = RunChart(20, 3)
    new.update(old)
    assert new.chart.ys[0] == pytest.approx(loss.ys)  # the means are those that the run itself was drawn by
    chart.chart.fit_limits()
    assert (chart.chart.xview, chart.chart.yviews) == ((0, 3), [(0, 2.5), (0, 1)])


def test_a_mean_does_not_reach_over_a_mark():
    history = history_of([1.0] * 35 + [3.0] * 25, [], 100)
    history.marks[:] = [(1, "start"), (36, "lr 2"), (51, "lr 3"), (60, "too close to the end of a tenth")]
    chart, other = RunChart(100, 1), RunChart(100, 1)
    for steps in (33, 37, 60):  # as it is drawn while it runs
        chart.update(replace(history, loss=history.loss[:steps], marks=[m for m in history.marks if m[0] <= steps]))
    other.keep(history)
    assert chart.chart.xs[0] == [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6] == other.chart.kept[0].xs
    assert chart.chart.ys[0] == [1, 1, 1, 1, 3, 3, 3]


@pytest.mark.parametrize(
    "history, num_batches",
    [
        (History(), 20),
        (history_of([2.0] * 3, [], 20), 20),  # stopped within its first tenth
        (history_of([2.0] * 3, [0.4, 0.5, 0.6], 1), 1),
        (history_of([2.0, float("nan"), float("inf"), 1.0], [], 4), 4),
        (history_of([2.0] * 60, [0.4] * 6, 10), 10),  # longer than this run
        (history_of([2.0] * 9_000, [0.4] * 900, 10), 10),  # so long that its end is 100,000 pixels away
        (history_of([2.0, 2.0, 1e5, 1e5], [], 4), 4),
        (history_of([2.0, 1e3, 1e30, 3e38], [0.0], 4), 4),
        (history_of([3e38] * 4, [0.0], 4), 4),  # never in view
    ],
    ids=["empty", "short", "one batch an epoch", "diverged", "longer", "very long", "large", "huge", "huge throughout"],
)
def test_run_chart_keeps_any_run(history, num_batches):
    chart = RunChart(num_batches, 3)
    chart.keep(history, label="run 1")
    drawn = draw_chart(chart.chart)[0].axes
    for axes in drawn:
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for x, y in [text.get_position() for text in axes.texts]:
            assert low <= x <= high and bottom <= y <= top, "the name is where the line can be seen"
    seen = [loss for loss in history.loss[: 3 * num_batches] if loss <= 2.5]
    assert len(drawn[0].texts) == bool(seen)
    chart.update(history_of([1.0] * num_batches, [0.9], num_batches))
    pixels(chart.chart.picture().png(1))
    assert chart.chart.xview == (0, 3)


def test_blocks_with_normalisation_show_its_statistics():
    for block, first in ((conv_bn_relu, True), (conv_relu_bn, False)):
        net = vgg(((1, 4), (2, 6)), side=8, units=8, block=block)
        seen = [relu_statistics(net, torch.rand(4, 1, 8, 8), number) for number in range(3)]
        assert [s.batch_mean is not None for s in seen] == [first, True, True]
        assert [len(s.batch_mean) for s in seen if s.batch_mean is not None] == ([4, 6, 6] if first else [4, 6])
