"""The residual networks are those of the book, of the papers and of torchvision, and begin as their rules say."""

import copy
import math
import re
from functools import partial

import pytest
import torch
import torchvision
from nets import count, sketch, walk
from torch import nn
from torch.nn import functional as F

from cnnlib.models import (
    SHORTCUTS,
    VGG11,
    BasicBlock,
    PostActivation,
    PreActivation,
    Residual,
    alexnet,
    cifar_resnet,
    fixup_,
    kaiming_,
    narrower,
    resnet18,
    resnet_block,
    resnet_v1,
    small_resnet18,
    vgg,
    zero_gamma_,
)
from cnnlib.models.cifar_resnet import ZeroPad
from cnnlib.models.resnet_v1 import ResBlockV1
from cnnlib.probes import layer_table

SHAPES = [  # as the book prints them for one image
    ("Sequential", (1, 64, 56, 56)),
    ("Sequential", (1, 64, 56, 56)),
    ("Sequential", (1, 128, 28, 28)),
    ("Sequential", (1, 256, 14, 14)),
    ("Sequential", (1, 512, 7, 7)),
    ("AdaptiveAvgPool2d", (1, 512, 1, 1)),
    ("Flatten", (1, 512)),
    ("Linear", (1, 10)),
]
PAPER = {20: (269_722, "0.27"), 32: (464_154, "0.46"), 44: (658_586, "0.66"), 56: (853_018, "0.85"),
         110: (1_727_962, "1.7")}  # fmt: skip
BLOCKS = [PostActivation, PreActivation]
NETWORKS = {
    "alexnet": lambda: kaiming_(alexnet(dropout=0, shrink=8, side=65)),
    "vgg": lambda: kaiming_(vgg(narrower(VGG11, 16), side=65, units=64, dropout=0)),
    "resnet18": lambda: resnet18(width=4),
    "resnet18 of BasicBlock": lambda: resnet18(width=4, block=BasicBlock),
    "resnet_v1": lambda: resnet_v1(side=16),
    **{
        f"{block.__name__}, {kind}, norm={norm}": lambda block=block, kind=kind, norm=norm: cifar_resnet(
            14, 4, kind, block, norm
        )
        for block in BLOCKS for kind in SHORTCUTS for norm in (True, False)
    },
}  # fmt: skip


def residual_blocks(net):
    return [module for module in net.modules() if isinstance(module, PostActivation | PreActivation)]


@torch.no_grad()
def scatter(net):
    """Give every bias, scale, shift and statistic a number of its own, so that none of them can be forgotten."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_()
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
        elif isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            layer.bias.normal_()
    return net


def assert_same(a, b, name, tolerance=1e-9):
    assert a.shape == b.shape and a.dtype == b.dtype, name
    top = max(1e-3, b.abs().max().item())
    assert torch.allclose(a, b, rtol=tolerance, atol=tolerance * top), (name, (a - b).abs().max(), top)


def assert_agrees(layer, expression, X, training):
    """Compare a module with an expression of its copy: output, every gradient and the running statistics."""
    layer = scatter(layer.double()).train(training)
    twin = copy.deepcopy(layer)
    X = X.double().requires_grad_()
    Y, Y_hat = layer(X), expression(twin, X)
    assert Y.abs().max() > 0
    assert_same(Y, Y_hat, "output")
    dY = torch.randn_like(Y)
    ours, theirs = (torch.autograd.grad(out, [X, *m.parameters()], dY) for out, m in ((Y, layer), (Y_hat, twin)))
    for name, a, b in zip(["X", *dict(layer.named_parameters())], ours, theirs, strict=True):
        assert_same(a, b, f"gradient for {name}")
    for (name, a), b in zip(layer.named_buffers(), twin.buffers(), strict=True):
        if not name.endswith("num_batches_tracked"):
            assert_same(a, b, name)


# What the blocks should compute, in PyTorch's functions alone


def conv(X, layer, stride=1, padding=1):
    return F.conv2d(X, layer.weight, layer.bias, stride, padding)


def bn(X, layer, momentum=0.1, eps=1e-5):
    mean, var = layer.running_mean, layer.running_var
    return F.batch_norm(X, mean, var, layer.weight, layer.bias, layer.training, momentum, eps)


def around(block, X, kind, out_channels, stride, norm):
    """Return what the shortcut of a `PostActivation` or `PreActivation` should add."""
    in_channels = X.shape[1]
    if kind == "none":
        return 0
    if kind == "all projections" or (kind == "projection" and (stride > 1 or in_channels != out_channels)):
        if norm and isinstance(block, PostActivation):
            return bn(conv(X, block.shortcut[0], stride, 0), block.shortcut[1])
        return conv(X, block.shortcut, stride, 0)
    X = F.avg_pool2d(X, kernel_size=1, stride=stride)
    return torch.cat([X, X.new_zeros(len(X), out_channels - in_channels, *X.shape[2:])], dim=1)


def post(block, X, kind, out_channels, stride, norm, activation=F.relu):
    Y = conv(X, block.conv1, stride)
    Y = activation(bn(Y, block.norm1) if norm else Y)
    Y = conv(Y, block.conv2)
    Y = bn(Y, block.norm2) if norm else Y
    return activation(Y + around(block, X, kind, out_channels, stride, norm))


def pre(block, X, kind, out_channels, stride, norm, activation=F.relu):
    Y = activation(bn(X, block.norm1) if norm else X)
    Y = conv(Y, block.conv1, stride)
    Y = activation(bn(Y, block.norm2) if norm else Y)
    return conv(Y, block.conv2) + around(block, X, kind, out_channels, stride, norm)


EXPRESSIONS = {PostActivation: post, PreActivation: pre}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "channels, project, strides",
    [((4, 4), False, 1), ((4, 4), True, 1), ((4, 6), True, 1), ((4, 4), True, 2), ((4, 6), True, 2), ((6, 4), True, 2)],
)
def test_residual_is_its_expression(channels, project, strides, training):
    def expression(block, X):
        Y = F.relu(bn(conv(X, block.conv1, strides), block.bn1))
        Y = bn(conv(Y, block.conv2), block.bn2)
        return F.relu(Y + (conv(X, block.conv3, strides, 0) if project else X))

    block = Residual(*channels, use_1x1conv=project, strides=strides)
    assert all(layer.bias is not None for layer in block.modules() if isinstance(layer, nn.Conv2d))
    assert_agrees(block, expression, torch.randn(3, channels[0], 7, 6), training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("channels, strides", [((4, 4), 1), ((4, 6), 1), ((4, 4), 2), ((4, 6), 2), ((6, 4), 2)])
def test_basic_block_is_its_expression(channels, strides, asked, training):
    projects = asked or strides > 1 or channels[0] != channels[1]

    def expression(block, X):
        Y = F.relu(bn(conv(X, block.conv1, strides), block.bn1))
        Y = bn(conv(Y, block.conv2), block.bn2)
        return F.relu(Y + (bn(conv(X, block.shortcut[0], strides, 0), block.shortcut[1]) if projects else X))

    block = BasicBlock(*channels, use_1x1conv=asked, strides=strides)
    assert all(layer.bias is None for layer in block.modules() if isinstance(layer, nn.Conv2d))
    assert_agrees(block, expression, torch.randn(3, channels[0], 7, 6), training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("channels, stride", [((4, 4), 1), ((4, 6), 1), ((4, 4), 2), ((4, 6), 2)])
@pytest.mark.parametrize("kind", SHORTCUTS)
@pytest.mark.parametrize("build", BLOCKS)
def test_block_is_its_expression(build, kind, channels, stride, norm, training):
    def expression(block, X):
        return EXPRESSIONS[build](block, X, kind, channels[1], stride, norm)

    block = build(*channels, stride, kind, norm)
    assert all((layer.bias is None) is norm for layer in (block.conv1, block.conv2))
    assert_agrees(block, expression, torch.randn(3, channels[0], 7, 6), training)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("build", BLOCKS)
def test_block_with_another_activation(build, norm):
    def expression(block, X):
        return EXPRESSIONS[build](block, X, "projection", 6, 2, norm, torch.tanh)

    assert_agrees(build(4, 6, 2, norm=norm, activation=nn.Tanh), expression, torch.randn(3, 4, 5, 5), training=True)


@pytest.mark.parametrize("build", BLOCKS)
@pytest.mark.parametrize("kind", SHORTCUTS)
def test_block_is_the_sum_of_its_two_parts(build, kind):
    block, X = scatter(build(4, 6, 2, kind)), torch.randn(3, 4, 7, 6)
    Y = block.residual(X) + (0 if kind == "none" else block.shortcut(X))
    assert torch.equal(block(X), F.relu(Y) if build is PostActivation else Y)
    assert (block.shortcut is None) is (kind == "none")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("kind", SHORTCUTS)
@pytest.mark.parametrize("build", BLOCKS)
def test_network_is_its_expression(build, kind, norm, training):
    def maybe(X, layers, at):
        return F.relu(bn(X, layers[at]) if norm else X)

    def expression(net, X):
        stem, *blocks, head = net
        Y = conv(X, stem[0])
        Y = maybe(Y, stem, 1) if build is PostActivation else Y
        for block, out_channels, stride in zip(blocks, (4, 4, 8, 8, 16, 16), (1, 1, 2, 1, 2, 1), strict=True):
            Y = EXPRESSIONS[build](block, Y, kind, out_channels, stride, norm)
        Y = maybe(Y, head, 0) if build is PreActivation else Y
        return F.linear(Y.mean((2, 3)), head[-1].weight, head[-1].bias)

    assert_agrees(cifar_resnet(14, 4, kind, build, norm), expression, torch.randn(3, 1, 9, 10), training)


# The network of the book


@pytest.mark.parametrize("block", [Residual, BasicBlock])
def test_shapes_are_those_of_the_book(block):
    assert walk(sketch(resnet18, block=block), 224) == SHAPES


@pytest.mark.parametrize("side, sizes", [(96, (24, 24, 12, 6, 3)), (28, (7, 7, 4, 2, 1))])
def test_shapes_of_smaller_images_and_a_quarter_of_the_width(side, sizes):
    channels = (16, 16, 32, 64, 128)
    stages = [("Sequential", (1, c, size, size)) for c, size in zip(channels, sizes, strict=True)]
    end = [("AdaptiveAvgPool2d", (1, 128, 1, 1)), ("Flatten", (1, 128)), ("Linear", (1, 10))]
    net = resnet18(width=16).eval()  # in training, one image of 28 × 28 leaves one value a channel
    assert walk(net, side) == stages + end


def test_parameters_are_torchvisions_and_the_biases():
    theirs = sketch(torchvision.models.resnet18)
    assert count(theirs) == 11_689_512
    grey, classes = 2 * 49 * 64, 990 * 513  # what two more colours and 990 more classes cost
    basic, book = count(sketch(resnet18, block=BasicBlock)), count(sketch(resnet18))
    assert basic == count(theirs) - grey - classes + 64  # the stem's convolution has biases
    assert book == basic + 4 * (64 + 128 + 256 + 512) - (128 + 256 + 512) == 11_178_378


@pytest.mark.parametrize("first_block", [True, False])
@pytest.mark.parametrize("num_residuals", [1, 2, 3])
def test_blocks_are_called_as_promised(first_block, num_residuals):
    calls = []

    def block(input_channels, num_channels, use_1x1conv=False, strides=1):
        calls.append((input_channels, num_channels, use_1x1conv, strides))
        return len(calls)

    made = resnet_block(8 if first_block else 4, 8, num_residuals, first_block, block)
    assert made == list(range(1, num_residuals + 1))
    first = (8, 8, False, 1) if first_block else (4, 8, True, 2)
    assert calls == [first] + [(8, 8, False, 1)] * (num_residuals - 1)


# Against torchvision's


def to_torchvision(net):
    """Return torchvision's ResNet-18 with the weights of ours; each bias goes into the normalisation behind it."""
    state = {"conv1.weight": net[0][0].weight, "fc.weight": net[-1].weight, "fc.bias": net[-1].bias}

    def put(conv, norm, conv_name, norm_name):
        state[f"{conv_name}.weight"] = conv.weight
        for key, value in norm.state_dict().items():
            folds = key == "running_mean" and conv.bias is not None
            state[f"{norm_name}.{key}"] = value - conv.bias if folds else value

    put(net[0][0], net[0][1], "conv1", "bn1")
    for i, stage in enumerate(net[1:5], start=1):
        for j, block in enumerate(stage):
            at = f"layer{i}.{j}"
            put(block.conv1, block.bn1, f"{at}.conv1", f"{at}.bn1")
            put(block.conv2, block.bn2, f"{at}.conv2", f"{at}.bn2")
            if isinstance(block, Residual) and block.conv3 is not None:
                shift = nn.BatchNorm2d(block.conv3.out_channels).double()  # in evaluation, nothing but a shift
                nn.init.constant_(shift.weight, math.sqrt(1 + shift.eps))
                nn.init.zeros_(shift.bias)
                put(block.conv3, shift, f"{at}.downsample.0", f"{at}.downsample.1")
            elif isinstance(block, BasicBlock) and isinstance(block.shortcut, nn.Sequential):
                put(*block.shortcut, f"{at}.downsample.0", f"{at}.downsample.1")
    theirs = sketch(torchvision.models.resnet18, num_classes=10)
    theirs.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False, device="meta")
    theirs.to_empty(device="cpu").double().load_state_dict(state)
    return theirs.train(net.training)


@pytest.mark.parametrize(
    "block, training", [(BasicBlock, True), (BasicBlock, False), (Residual, False)], ids=["train", "eval", "book, eval"]
)
def test_resnet18_is_torchvisions(block, training):
    ours = scatter(resnet18(block=block).double()).train(training)
    theirs = to_torchvision(ours)
    X = torch.randn(3, 1, 64, 64, dtype=torch.float64)
    Z = X.clone().requires_grad_()
    X.requires_grad_()
    Y, Y_hat = ours(X), theirs(Z)
    assert Y.std(0).min() > 0
    assert_same(Y, Y_hat, "scores")
    dY = torch.randn_like(Y)
    Y.backward(dY)
    Y_hat.backward(dY)
    assert X.grad.abs().max() > 0
    assert_same(X.grad, Z.grad, "gradient for the images", 1e-7)
    for name in ("weight", "bias"):
        assert_same(getattr(ours[-1], name).grad, getattr(theirs.fc, name).grad, f"gradient for the dense {name}")
        assert_same(getattr(ours[0][1], name).grad, getattr(theirs.bn1, name).grad, f"gradient for bn1.{name}", 1e-7)
    assert_same(ours[0][0].weight.grad, theirs.conv1.weight.grad, "gradient for conv1", 1e-7)
    after = to_torchvision(ours).state_dict()  # training has moved the statistics of both
    for name, value in theirs.state_dict().items():
        assert_same(after[name], value, name)


# The networks of depth 6n + 2


@pytest.mark.parametrize("depth", PAPER)
def test_parameters_are_those_of_the_paper(depth):
    expected, millions = PAPER[depth]
    for block in BLOCKS:
        assert count(sketch(cifar_resnet, depth, 16, "identity", block, in_channels=3)) == expected
    places = len(millions.split(".")[1])
    assert f"{expected / 1e6:.{places}f}" == millions
    assert count(sketch(cifar_resnet, depth, shortcut="identity")) == expected - 2 * 9 * 16  # one colour, not three


def test_what_stands_at_both_ends():
    def kinds(layers):
        return [type(layer).__name__ for layer in layers]

    end = ["AdaptiveAvgPool2d", "Flatten", "Linear"]
    for norm, name in ((True, "BatchNorm2d"), (False, "Identity")):
        first, second = (cifar_resnet(8, 4, block=block, norm=norm, activation=nn.Tanh) for block in BLOCKS)
        assert (kinds(first[0]), kinds(first[-1])) == (["Conv2d", name, "Tanh"], end)
        assert (kinds(second[0]), kinds(second[-1])) == (["Conv2d"], [name, "Tanh", *end])


def test_block_may_be_another():
    calls = []

    def block(*args):
        calls.append(args)
        return PostActivation(*args)

    net = cifar_resnet(14, 4, "identity", block, norm=False, activation=nn.Tanh)
    sizes = [(4, 4, 1), (4, 4, 1), (4, 8, 2), (8, 8, 1), (8, 16, 2), (16, 16, 1)]
    assert calls == [(*size, "identity", False, nn.Tanh) for size in sizes]
    assert net(torch.rand(2, 1, 9, 9)).shape == (2, 10)


# The shortcut without parameters


def test_zero_pad_by_hand():
    X = torch.arange(1.0, 13).reshape(1, 1, 3, 4)
    Y = ZeroPad(2, 2)(X)
    assert torch.equal(Y, torch.tensor([[[[1.0, 3], [9, 11]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]]))
    assert not list(ZeroPad(2, 2).parameters()) and not list(ZeroPad(2, 2).buffers())
    assert repr(ZeroPad(16, 2)) == "ZeroPad(16 more channels, stride=2)"


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("extra", [0, 1, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (8, 5), (2, 9)], ids=str)
def test_zero_pad_has_the_shape_of_the_convolution_beside_it(size, extra, stride):
    X = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    Y = ZeroPad(extra, stride)(X)
    assert Y.shape == nn.Conv2d(3, 3 + extra, 3, stride, padding=1)(X.float()).shape
    assert torch.equal(Y[:, :3], X[:, :, ::stride, ::stride]) and not Y[:, 3:].any()
    dY = torch.randn_like(Y)
    (gradient,) = torch.autograd.grad(Y, [X], dY)
    assert torch.equal(gradient[:, :, ::stride, ::stride], dY[:, :3])  # what went in comes back
    assert gradient.count_nonzero() == dY[:, :3].numel()  # and the pixels that were left out get nothing


# How the weights begin


@pytest.mark.parametrize("block, norm", [(PostActivation, True), (PreActivation, True), (PreActivation, False)])
def test_zero_gamma_changes_the_end_of_each_residual_and_nothing_else(block, norm):
    net = scatter(cifar_resnet(14, 8, "projection", block, norm))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert zero_gamma_(net) is net and all(p.requires_grad and p.is_leaf and p.grad is None for p in net.parameters())
    last = "norm2" if block is PostActivation else "conv2"
    zero = re.compile(rf"\d\.{last}\.(weight|bias)")
    names = [name for name in before if zero.fullmatch(name)]
    assert len(names) == 6 * (1 if block is PreActivation and norm else 2)
    for name, value in net.state_dict().items():
        assert not value.any() if name in names else torch.equal(value, before[name]), name


@pytest.mark.parametrize("begin", [zero_gamma_, fixup_])
def test_blocks_without_a_shortcut_stay(begin):
    plain, residual = PostActivation(4, 4, shortcut="none"), PostActivation(4, 4)
    begin(nn.Sequential(plain, residual))
    X = torch.rand(2, 4, 5, 5)
    assert plain(X).any() and torch.equal(residual(X), X)


@pytest.mark.parametrize("depth", [8, 20])
@pytest.mark.parametrize("block", BLOCKS)
def test_fixup_scales_the_first_convolutions(block, depth):
    net = scatter(cifar_resnet(depth, 32, "all projections", block, norm=False))
    fixup_(net)
    blocks = residual_blocks(net)
    L = len(blocks)
    assert L == (depth - 2) // 2
    scaled = {id(module.conv1) for module in blocks}
    zero = {id(module.conv2) for module in blocks} | {id(net[-1][-1])}
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            he = math.sqrt(2 / layer.weight[0].numel())
            std = 0 if id(layer) in zero else he * L**-0.5 if id(layer) in scaled else he
            assert layer.weight.std().item() == pytest.approx(std, rel=3 / math.sqrt(2 * layer.weight.numel())), name
            assert layer.bias is None or not layer.bias.any(), name


# The small network of Keras tutorials


def block_v1(block, X, momentum):
    Y = F.relu(bn(conv(X, block.conv1), block.norm1, momentum, eps=1e-3))
    Y = bn(conv(Y, block.conv2), block.norm2, momentum, eps=1e-3)
    same = X.shape[1] == block.conv2.weight.shape[0]
    return F.relu(Y + (X if same else conv(X, block.project, padding=0)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("channels", [(4, 4), (4, 6), (6, 4)])
def test_block_v1_is_its_expression(channels, training):
    block = ResBlockV1(*channels, momentum=0.3)
    assert_agrees(block, lambda twin, X: block_v1(twin, X, 0.3), torch.randn(3, channels[0], 7, 6), training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options, momentum", [({}, 0.01), ({"momentum": 0.1}, 0.1)], ids=str)
def test_resnet_v1_is_its_expression(options, momentum, training):
    def expression(net, X):
        Y = F.relu(conv(X, net[0]))
        Y = block_v1(net[3], block_v1(net[2], Y, momentum), momentum)
        return F.linear(Y.flatten(1), net[5].weight, net[5].bias)

    assert_agrees(resnet_v1(side=9, **options), expression, torch.randn(3, 1, 9, 9), training)


def test_shapes_and_parameters_of_resnet_v1():
    table = layer_table(sketch(resnet_v1), (1, 28, 28))
    block = {"conv1": "Conv2d", "norm1": "BatchNorm2d", "relu1": "ReLU", "conv2": "Conv2d", "norm2": "BatchNorm2d"}
    expected = {"0": ("Conv2d", (16, 28, 28)), "1": ("ReLU", (16, 28, 28))}
    for at, channels, project in (("2", 16, "Identity"), ("3", 32, "Conv2d")):
        for name, kind in {**block, "project": project, "add": "Add", "relu2": "ReLU"}.items():
            expected[f"{at}.{name}"] = (kind, (channels, 28, 28))
    expected |= {"4": ("Flatten", (25_088,)), "5": ("Linear", (10,))}
    assert {row.name: (row.kind, row.output_shape) for row in table} == expected and len(table) == len(expected)
    parameters = {row.name: row.parameters for row in table}
    assert (table.parameters, parameters["5"]) == (270_314, 250_890)
    assert sketch(resnet_v1, side=9)[-1].in_features == 32 * 81


def test_first_weights_of_resnet_v1():
    net = resnet_v1()
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 6
    for layer in convolutions:
        window = layer.kernel_size[0] * layer.kernel_size[1]
        bound = math.sqrt(6 / (window * (layer.in_channels + layer.out_channels)))
        W = layer.weight
        assert 0.95 * bound < W.max() <= bound and -bound <= W.min() < -0.95 * bound
        assert W.std().item() == pytest.approx(bound / math.sqrt(3), rel=1.5 / math.sqrt(W.numel()))
    W, std = net[-1].weight, math.sqrt(2 / 25_088)
    # a normal distribution cut off at two deviations keeps this share of them
    share = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
    assert share == pytest.approx(0.87962566)
    assert 0.99 * 2 * std / share < W.abs().max() <= 2 * std / share * (1 + 1e-6)
    assert W.std().item() == pytest.approx(std, rel=0.01) and abs(W.mean().item()) < 0.01 * std
    inside = (W.abs() < std / share).double().mean().item()  # a uniform distribution would have half
    assert inside == pytest.approx(math.erf(1 / math.sqrt(2)) / math.erf(math.sqrt(2)), abs=0.005)
    assert not any(layer.bias.any() for layer in (*convolutions, net[-1]))


# All of them


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    net, side = NETWORKS[name](), 65 if name in ("alexnet", "vgg") else 16
    F.cross_entropy(net(torch.rand(6, 1, side, side)), torch.arange(6)).backward()
    for where, p in net.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), where
        assert p.grad.any() or where.endswith("bias"), where  # a bias in front of a normalisation may have none


@pytest.mark.parametrize("build, dead", [(partial(resnet18, 16), 434_176), (partial(small_resnet18, 8), 0)])
def test_weights_that_see_padding_alone_at_28_pixels(build, dead, monkeypatch):
    monkeypatch.setattr(torch, "relu", torch.tanh)  # which no channel is off behind
    torch.manual_seed(0)
    net, X, y = build(), torch.rand(256, 1, 28, 28), torch.randint(10, (256,))
    nn.functional.cross_entropy(net(X), y).backward()
    assert sum((p.grad == 0).sum().item() for p in net.parameters() if p.dim() > 1) == dead
