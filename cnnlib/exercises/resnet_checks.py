"""How the answers of chapter 5's exercises are checked, and what is said to the usual mistakes.

Each exercise in `cnnlib.exercises.resnet` has the checker of its name here. Blocks and networks are judged by
`normalised_modules`.
"""

import copy
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.answers import agreement, call, number
from cnnlib.exercises.batch_norm_checks import changed
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.networks import as_network, forward, near
from cnnlib.exercises.normalised_modules import judge
from cnnlib.exercises.residual_blocks import block_mistakes
from cnnlib.models import BasicBlock, PostActivation, PreActivation, Residual, cifar_resnet

depth_of_nine = number(
    {
        54: "These are the convolutions of the blocks. Which layers come before and after them?",
        55: "One layer is missing. Which one stands before the blocks, and which one after them?",
        57: "That is one too many. Which layers outside the blocks have weights?",
        58: "That is two too many. Does the depth count the projections on the shortcuts?",
        27: "These are the blocks. How many convolutions does each have?",
        29: "Each block counts as one layer there. How many convolutions does it have?",
        18: "These are the convolutions of one stage. How many stages are there, and what stands around them?",
        20: "That is one stage with what stands around it. How many stages are there?",
        9: "That is n. How many layers go with it?",
        83: "That would be right for blocks of three convolutions. How many do these have?",
        110: "That is right for n = 18. How many blocks are in a stage here?",
    },
    otherwise="How many stages, blocks in a stage and convolutions in a block are there, and what stands around them?",
)

projection_parameters = number(
    {
        8192: "These are the weights of the convolution. What does the batch normalisation learn?",
        8320: "That is 128 more than the weights. How many numbers does each of the 128 output channels learn?",
        8576: "You count 128 biases. Does this convolution have any?",
        8704: "You count the running mean and variance. Does a gradient change them?",
        8705: "You count all that the normalisation keeps. Which of it does a gradient change?",
        256: "That is the batch normalisation. How many weights does the convolution have?",
        73984: "You count windows of 3 × 3. How many weights has one of 1 × 1?",
        73728: "You count windows of 3 × 3. How many weights has one of 1 × 1, and what does the normalisation learn?",
        192: "You add the channels. How many pairs of an input and an output channel are there?",
        448: "You add the channels. How many pairs of an input and an output channel are there?",
        16640: "You count 128 input channels. How many arrive?",
        4224: "You count 64 output channels. How many leave the convolution?",
    },
    otherwise="How many weights has the convolution, and how many numbers does each channel learn after it?",
)


def not_overfitting(answer, solve):
    """Check a letter, large or small, with or without brackets."""
    letters = {
        "a": "That is true of every deeper network. What would you have to measure to learn how it is trained?",
        "b": "The shallow network does so, too. On which images should the two networks be compared with each other?",
        "c": "That is what overfitting looks like. Which measurement would contradict it?",
        "e": "Smaller gradients may still teach a network. Which number says how well it has learnt its images?",
    }
    letter = answer.strip(" ().:`'\"").lower() if isinstance(answer, str) else None
    if letter == solve():
        return "A network that overfits would be the better one on the images it has learnt from."
    if letter in letters:
        raise Wrong(f"You answer {letter}. {letters[letter]}")
    shown = repr(answer) if isinstance(answer, str) else f"with an object of type `{type(answer).__name__}`"
    raise Wrong(f"You answer {shown}, expected one letter from a to e. Which one is it?")


def need_function(answer, solve):
    """Raise Wrong unless the answer is a function, or a class, which may stand for one that builds."""
    if not callable(answer) or isinstance(answer, nn.Module):
        kind = type(answer).__name__
        raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({solve.__name__})`?")


def residual_block(answer, solve):
    """Check a function that builds residual blocks."""
    need_function(answer, solve)
    cases, most = ((4, 8, 2), (6, 6, 1), (4, 8, 1), (6, 6, 2)), 0
    for a, b, stride in cases:
        on = f"For `residual_block({a}, {b}, {stride})`:"
        net = call(answer, a, b, stride, on=on)
        if not isinstance(net, nn.Module):
            kind = type(net).__name__
            raise Wrong(f"{on} you return a `{kind}`, expected an `nn.Module`. Which class holds your layers?")
        otherwise = "Which parts has the block, in which order, and with how many channels each?"
        build = partial(BasicBlock, a, b, strides=stride)
        most = max(most, judge(net, build, (a, 9, 7), block_mistakes(a, b, stride), otherwise, on=on))
    return f"Your blocks, {len(cases)} of them, return what the solution's return: {agreement(most)}."


FITTING_MISTAKES = [
    (lambda: Residual(16, 32),
     "The convolutions return 32 channels, the shortcut passes on 16. Which argument of `Residual` changes those?"),
    (lambda: Residual(16, 32, strides=2),
     "The convolutions return (N, 32, 14, 14), the shortcut passes on (N, 16, 28, 28). Which layer is missing there?"),
    (lambda: Residual(16, 32, use_1x1conv=True), "The channels are right. What should the stride be?"),
    (lambda: Residual(16, 32, True, 4), "The channels are right. By how much should the stride shrink 28?"),
    (lambda: Residual(16, 16, True, 2), "Height and width are right. How many channels should leave the block?"),
    (lambda: Residual(16, 16), "The block works, and changes nothing. How many channels should leave it, how large?"),
    (lambda: Residual(32, 32), "The block waits for 32 channels. How many arrive?"),
    (lambda: Residual(32, 32, True, 2), "The block waits for 32 channels. How many arrive?"),
    (lambda: Residual(32, 16, True, 2), "The two numbers of channels have changed places. Which comes first?"),
    (lambda: BasicBlock(16, 32, strides=2),
     "That is a `BasicBlock`: no biases, and normalisation in its projection. Which class does the question ask for?"),
    (lambda: nn.Sequential(Residual(16, 32, True), nn.MaxPool2d(2)), "You pool. Which argument halves the maps?"),
    (lambda: nn.Sequential(Residual(16, 32, True), nn.AvgPool2d(2)), "You pool. Which argument halves the maps?"),
    (lambda: nn.Sequential(nn.MaxPool2d(2), Residual(16, 32, True)), "You pool. Which argument halves the maps?"),
]  # fmt: skip


def fitting_shortcut(answer, solve):
    """Check a Residual whose shortcut fits."""
    otherwise = "What do use_1x1conv and strides have to be, and is all else a `Residual`?"
    most = judge(as_network(answer), solve, (16, 28, 28), FITTING_MISTAKES, otherwise)
    return f"With the solution's weights it returns the solution's feature maps: {agreement(most)}."


def rebuilt(net, change):
    """Change each block of a network in place."""
    for block in net[1:-1]:
        change(block)
    return net


def without_identities(block):
    if isinstance(block.shortcut, nn.Identity):
        block.shortcut = None


def without_last_relu(block):
    block.activation2 = nn.Identity()


class HalfBefore(nn.Module):
    """A shortcut with half of its zero channels before the input's channels."""

    def __init__(self, extra):
        super().__init__()
        self.before, self.after = extra // 2, extra - extra // 2

    def forward(self, X):
        return F.pad(X[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


class Averaged(HalfBefore):
    """A shortcut that takes means instead of every second pixel."""

    def forward(self, X):
        return F.pad(F.avg_pool2d(X, 2), (0, 0, 0, 0, 0, self.before + self.after))


def with_shortcuts(kind):
    """Return a function that exchanges the zero-padded shortcut of a block."""

    def change(block):
        if not isinstance(block.shortcut, nn.Identity):
            block.shortcut = kind(block.shortcut.extra)

    return change


def plain(*args, **options):
    return cifar_resnet(*args, shortcut="none", **options)


def free(*args, block=PreActivation, **options):
    return cifar_resnet(*args, shortcut="identity", block=block, **options)


UNCHANGED = "That is `cifar_resnet(20, 8)` itself. Which argument takes its shortcuts away?"
PLAIN_MISTAKES = [
    (lambda: cifar_resnet(20, 8), UNCHANGED),
    (lambda: cifar_resnet(20, 8, shortcut="identity"),
     "Its shortcuts have no parameters, but they are there. What should go around the convolutions?"),
    (lambda: cifar_resnet(20, 8, shortcut="all projections"), "It has a projection everywhere. What should it have?"),
    (lambda: rebuilt(cifar_resnet(20, 8), without_identities),
     "Only the shortcuts without parameters are gone. What goes around the first block of the second stage?"),
    (lambda: plain(20, 8, norm=False), "The batch normalisation is gone, too. Which part should differ from its twin?"),
    (lambda: rebuilt(plain(20, 8), without_last_relu),
     "One ReLU of each block is gone, too. What follows the second convolution of a block?"),
    (lambda: plain(20), "Its width is the paper's 16. Which width has its twin?"),
    (lambda: plain(20, 8, in_channels=3), "It waits for colour images. How many channels has a grey one?"),
    (lambda: plain(20, 8, activation=nn.Sigmoid), "It has sigmoids. Which activation has its twin?"),
    *((partial(plain, depth, 8), f"It has {depth} layers. How many should it have?") for depth in (8, 14, 26, 32)),
]  # fmt: skip
FREE_MISTAKES = [
    (lambda: cifar_resnet(14, 8), "That is `cifar_resnet(14, 8)` itself. Which two arguments change?"),
    (lambda: free(14, 8, block=PostActivation),
     "The shortcuts are right, the blocks are those of the first paper. What does pre-activation put first?"),
    (lambda: cifar_resnet(14, 8, block=PreActivation),
     "The blocks are right, but two shortcuts are projections. Which kind of shortcut has no parameters?"),
    (lambda: cifar_resnet(14, 8, shortcut="all projections", block=PreActivation),
     "Every shortcut is a projection. Which kind has no parameters?"),
    (lambda: plain(14, 8), "It has no shortcuts at all. What should go around the convolutions?"),
    (lambda: nn.Sequential(plain(14, 8)[0], *free(14, 8)[1:-1], plain(14, 8)[-1]),
     "The stem still ends in a norm and a ReLU, and the head begins with none. What does a first block begin with?"),
    (lambda: rebuilt(free(14, 8), with_shortcuts(HalfBefore)),
     "Half of the zero channels stand before the input's own. Where does `ZeroPad` put them?"),
    (lambda: rebuilt(free(14, 8), with_shortcuts(Averaged)),
     "The shortcut takes means of 2 × 2 pixels. Which pixels does `ZeroPad` take?"),
    (lambda: nn.Sequential(*[nn.Sequential(part, nn.ReLU() if 0 < i < 7 else nn.Identity())
                             for i, part in enumerate(free(14, 8))]),
     "A ReLU follows the addition. What comes after it in a pre-activation block?"),
    (lambda: free(14, 8, norm=False), "The batch normalisation is gone, too. Which parts should change?"),
    (lambda: free(14), "Its width is the paper's 16. Which width does the question ask for?"),
    (lambda: free(14, 8, in_channels=3), "It waits for colour images. How many channels has a grey one?"),
    *((partial(free, depth, 8), f"It has {depth} layers. How many should it have?") for depth in (8, 20, 26)),
]  # fmt: skip


def judged_network(mistakes, otherwise):
    """Return a checker for a network of this chapter."""

    def check(answer, solve):
        most = judge(as_network(answer), solve, (1, 28, 28), mistakes, otherwise, noun="network")
        return f"With the solution's weights it returns the solution's scores: {agreement(most)}."

    return check


plain_twin = judged_network(
    PLAIN_MISTAKES, "In what else than its shortcuts does it differ from `cifar_resnet(20, 8)`?"
)
free_shortcuts = judged_network(FREE_MISTAKES, "What do `block` and `shortcut` have to be, and is all else as it was?")


def lived_in(net):
    """Give a module's normalisations the numbers of one that has been trained, as if it had seen many batches."""
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values in (layer.weight, layer.bias, layer.running_mean):
                    values.copy_(torch.randn(len(values)))
                layer.running_var.copy_(torch.rand(layer.num_features) + 0.2)
    return net.eval()


def dirac(weight):
    nn.init.dirac_(weight)


def every_pair(weight):
    weight.zero_()[:, :, 1, 1] = 1


def corner(weight):
    weight.zero_()[:, :, 0, 0] = torch.eye(len(weight))


def box(weight):
    weight.copy_(torch.eye(len(weight))[:, :, None, None].expand_as(weight))


def mean_box(weight):
    box(weight)
    weight.div_(9)


def keep(part):
    pass


def ones(norm):
    return torch.ones_like(norm.weight)


def zeros(norm):
    return torch.zeros_like(norm.bias)


def normalise(weight=lambda norm: torch.sqrt(norm.running_var + norm.eps), bias=lambda norm: norm.running_mean):
    """Return what sets gamma and beta of a normalisation; as it stands, so that it changes nothing."""

    def set_(norm):
        gamma, beta = weight(norm), bias(norm)
        norm.weight.copy_(gamma)
        norm.bias.copy_(beta)

    return set_


# what a wrong answer does to the two weights and the two normalisations of a block
IDENTITY_MISTAKES = [
    ((keep, keep), (keep, keep), "The block has all the numbers it came with. Which of them does your function set?"),
    ((dirac, dirac), (keep, keep),
     "The convolutions pass on what they get. What do the normalisations do to it?"),
    ((keep, keep), (normalise(), normalise()),
     "The normalisations pass on what they get. What do the convolutions do to it?"),
    ((dirac, keep), (normalise(), normalise()), "The second convolution still mixes. How many are there?"),
    ((keep, dirac), (normalise(), normalise()), "The first convolution still mixes. How many are there?"),
    ((dirac, dirac), (normalise(), keep), "The second normalisation still scales and shifts. How many are there?"),
    ((dirac, dirac), (keep, normalise()), "The first normalisation still scales and shifts. How many are there?"),
    ((dirac, dirac), (normalise(ones, zeros),) * 2,
     "Gamma is 1 and beta 0, which is enough for a new block. What do the running statistics of this one do?"),
    ((dirac, dirac), (nn.BatchNorm2d.reset_running_stats,) * 2,
     "The running statistics are those of a new block. What do gamma and beta of this one still do?"),
    ((dirac, dirac), (normalise(bias=zeros),) * 2,
     "Gamma makes up for the variance. What makes up for the mean that is subtracted?"),
    ((dirac, dirac), (normalise(bias=lambda norm: -norm.running_mean),) * 2,
     "You subtract the mean once more. Which sign should beta have?"),
    ((dirac, dirac), (normalise(lambda norm: norm.running_var + norm.eps),) * 2,
     "You multiply by the variance. By what does a normalisation divide?"),
    ((dirac, dirac), (normalise(lambda norm: norm.running_var),) * 2,
     "You multiply by the variance. By what does a normalisation divide?"),
    ((dirac, dirac), (normalise(ones),) * 2,
     "Beta makes up for the mean. What makes up for the division by the spread?"),
    ((dirac, dirac), (normalise(lambda norm: (norm.running_var + norm.eps) ** -0.5),) * 2,
     "You divide by the spread once more. What makes up for a division?"),
    ((every_pair, every_pair), (normalise(), normalise()),
     "Each channel becomes the sum of all channels. From which channel alone should each take its middle pixel?"),
    ((corner, corner), (normalise(), normalise()),
     "The picture is shifted. Which of the nine places of a window is the middle?"),
    ((box, box), (normalise(), normalise()), "Each pixel becomes a sum of its neighbours. Which weight should be 1?"),
    ((mean_box, mean_box), (normalise(), normalise()),
     "Each pixel becomes a mean of its neighbours. Which of the nine weights should not be 0?"),
]  # fmt: skip


def identity_(answer, solve):
    """Check a function that makes a plain block pass on its input; its numbers are judged in a block built anew."""
    need_function(answer, solve)
    cases, most = (3, 1, 8), 0
    for channels in cases:
        given, on = lived_in(plain_block(channels)), f"For a block of {channels} channels:"
        before = copy.deepcopy(given)
        result = call(answer, given, on=on)
        if not isinstance(result, nn.Module):
            kind = type(result).__name__
            raise Wrong(f"{on} your function returns a `{kind}`, expected the block. What should stand after `return`?")
        if result is not given:
            raise Wrong(f"{on} your function returns another module. Whose weights should it set, as its `_` promises?")
        if result.shortcut is not None:
            raise Wrong(f"{on} your block has a shortcut now. How can its convolutions do without?")
        block = plain_block(channels)
        try:
            block.load_state_dict(result.state_dict())
        except RuntimeError as error:
            raise Wrong(
                f"{on} your function changes the layers, too. Which numbers in them would be enough?"
            ) from error
        X = 10 * F.relu(torch.randn(2, channels, 5, 6))
        with torch.no_grad():
            found = block.eval()(X)
        if not near(found, X):
            raise Wrong(f"{on} the input does not come back, max difference {(found - X).abs().max():.3g}. "
                        f"{identity_mistake(found, before, X)}")  # fmt: skip
        most = max(most, ((found - X).abs().max() / X.max()).item())
    return f"{len(cases)} blocks return their inputs: {agreement(most)}."


def plain_block(channels):
    return PostActivation(channels, channels, shortcut="none")


@torch.no_grad()
def identity_mistake(found, before, X):
    """Return what to say to a block that returns `found` for X."""
    if not found.any():
        return "It returns zeros, and no shortcut carries the input around it. What must come through the convolutions?"
    for convs, norms, message in IDENTITY_MISTAKES:
        block = copy.deepcopy(before)
        for set_, conv in zip(convs, (block.conv1, block.conv2), strict=True):
            set_(conv.weight)
        for set_, norm in zip(norms, (block.norm1, block.norm2), strict=True):
            set_(norm)
        if near(found, block(X)):
            return message
    return "What does each of the two convolutions and two normalisations make of its input?"


def exchanged(net, number, *parts):
    """Return a network with other parts in the place of one."""
    return nn.Sequential(*net[:number], *parts, *net[number + 1 :])


class WithoutShortcut(nn.Module):
    """What the convolutions of a block return."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, X):
        return self.block.residual(X)


def zeroed(net, number, name):
    """Return a network with the weights of one layer of a block at zero."""
    net = copy.deepcopy(net)
    nn.init.zeros_(getattr(net[number], name).weight)
    return net


# networks from which the block was taken in a wrong way
LESION_MISTAKES = [
    (lambda net, k: net, "It computes what it did before. Which place did the shortcut take?"),
    (lambda net, k: exchanged(net, k, net[k].shortcut, nn.ReLU()),
     "A ReLU follows the shortcut, and a projection may return negative numbers. What is left of the block?"),
    (lambda net, k: exchanged(net, k, WithoutShortcut(net[k])),
     "You keep the residual part. Which of the two should stay?"),
    (lambda net, k: exchanged(net, k, WithoutShortcut(net[k]), nn.ReLU()),
     "You take the shortcut away and keep the convolutions. Which of the two should stay?"),
    (lambda net, k: exchanged(net, k + 1, net[k + 1].shortcut), "You take out the block after it. Which is net[1]?"),
    (lambda net, k: exchanged(net, k - 1, net[k - 1].shortcut), "You take out the block before it. Which is net[1]?"),
    (lambda net, k: exchanged(net, -1 - k, net[-1 - k].shortcut), "You count from the end. Which is net[1]?"),
    (lambda net, k: nn.Sequential(net[0], *(block.shortcut for block in net[1:-1]), net[-1]),
     "All blocks have given way. Which single one should?"),
    (lambda net, k: nn.Sequential(*net[:k], *(block.shortcut for block in net[k:-1]), net[-1]),
     "All blocks from that one on have given way. Which single one should?"),
    (lambda net, k: zeroed(net, k, "norm2"),
     "The last gamma of the block is 0. What does its beta still add, and which ReLU is left?"),
    (lambda net, k: zeroed(net, k, "conv2"),
     "The second convolution returns zeros. What does the normalisation behind it make of them?"),
]  # fmt: skip

LESIONS = [
    ("cifar_resnet(14, 4)", partial(cifar_resnet, 14, 4), 2),
    ("cifar_resnet(14, 4)", partial(cifar_resnet, 14, 4), 3),  # a projection
    ('cifar_resnet(8, 4, shortcut="identity")', partial(cifar_resnet, 8, 4, "identity"), 3),
    ("cifar_resnet(14, 4, block=PreActivation)", partial(cifar_resnet, 14, 4, block=PreActivation), 5),
    ('cifar_resnet(8, 4, shortcut="all projections")', partial(cifar_resnet, 8, 4, "all projections"), 1),
]


def without_block(answer, solve):
    """Check a function that takes a block out of a network, by the scores in evaluation mode."""
    need_function(answer, solve)
    most = 0
    for shown, build, k in LESIONS:
        on = f"For block {k} of `{shown}`"
        net, X = lived_in(build()), torch.randn(4, 1, 12, 12)
        given = copy.deepcopy(net)
        result = call(answer, given, k, on=on)
        with torch.no_grad():
            if changed(net, given) or not torch.equal(net(X), given(X)):
                raise Wrong(f"{on} your function changes the given network. Which new network could hold its parts?")
            if not isinstance(result, nn.Module):
                kind = type(result).__name__
                raise Wrong(f"{on} your function returns a `{kind}`, expected a network. Which container runs parts?")
            ask = "What shape do the parts after the block wait for?"
            try:
                found, right = forward(result, X, ask), exchanged(net, k, net[k].shortcut).eval()(X)
            except Wrong as wrong:
                raise Wrong(f"{on}: {wrong}") from wrong
            if found.shape != right.shape:
                shapes = f"returns {tuple(found.shape)}, expected {tuple(right.shape)}"
                raise Wrong(f"{on} your network {shapes}. Are all parts after the block still there?")
            if not near(found, right):
                off = f"{on} the scores are off, max difference {(found - right).abs().max():.3g}."
                raise Wrong(f"{off} {lesion_mistake(found, net, k, X)}")
        most = max(most, ((found - right).abs().max() / right.abs().max()).item())
    return f"Without the block, {len(LESIONS)} networks return what the solution's return: {agreement(most)}."


def lesion_mistake(found, net, number, X):
    """Return what to say to a network that returns `found` for X."""
    for wrong, message in LESION_MISTAKES:
        try:
            scores = wrong(net, number).eval()(X)
        except Exception:  # no network can be built in that way here
            continue
        if scores.shape == found.shape and near(found, scores):
            return message
    return "Which part stands in the place of the block, and are all others as they were, with their weights?"
