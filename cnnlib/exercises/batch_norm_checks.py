"""How the answers of chapter 4's exercises are checked, and what is said to the usual mistakes.

Each name here without a docstring of its own, and `fold`, is the checker of the exercise of that name in
`cnnlib.exercises.batch_norm`.
"""

import copy
import inspect
from functools import partial
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.answers import agreement, as_number, call, function, judge, number
from cnnlib.exercises.answers import near as close_to
from cnnlib.exercises.core import Wrong, describe
from cnnlib.exercises.normalised_networks import normalised_network


def two_decimals(mistakes, otherwise):
    """Check a number that was rounded to two decimals."""

    def check(answer, solve):
        value, expected = as_number(answer), solve()
        if abs(value - expected) <= 0.006:
            return f"With four decimals it is {expected:.4f}."
        for wrong, message in mistakes.items():
            if abs(value - wrong) <= 0.006:
                raise Wrong(f"You answer {value:,g}. {message}")
        size = "small" if value < expected else "large"
        if abs(value - expected) <= 0.06:
            raise Wrong(f"{value:,g} is a little too {size}. Did you round on the way, or to fewer than two decimals?")
        raise Wrong(f"{value:,g} is too {size}. {otherwise}")

    return check


def value_only(cases, reference, mistakes, otherwise):
    """Check a function by what it returns, as `function` does, with no questions about gradients."""

    def check(answer, solve):
        names, drawn = names_of(answer, solve), cases()
        differences = [judge(answer, reference, args, names, mistakes, otherwise) for args in drawn]
        return f"On {len(drawn)} inputs: {agreement(max(differences))}."

    return check


def names_of(answer, solve):
    """Return the names of the solution's arguments; raise Wrong if the answer is no function."""
    if not callable(answer) or isinstance(answer, type | nn.Module):
        kind, name = type(answer).__name__, solve.__name__
        raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({name})`?")
    return list(inspect.signature(solve).parameters)


normalised_value = two_decimals(
    {
        1 + 6 / (20 / 3) ** 0.5: (
            "That is right for the unbiased variance, 20 / 3. By what does batch normalisation divide the sum of "
            "squares in training, by n or by n − 1?"
        ),
        1 + 6 / 5: "You divide by the variance. What is the standard deviation?",
        1 + 6 / (20 / 3): "You divide by the variance, and by an unbiased one. What is the standard deviation?",
        3 / 5**0.5: "That is the normalised value. What do gamma and beta do to it?",
        3 / (20 / 3) ** 0.5: "What do gamma and beta do to it? And is the variance divided by n or by n − 1?",
        6 / 5**0.5: "You have scaled it. What does beta add?",
        1 + 3 / 5**0.5: "You have shifted it. By what does gamma multiply?",
        2 * (1 + 3 / 5**0.5): "You multiply after you have added beta. Which comes first?",
        2 + 3 / 5**0.5: "Gamma and beta have changed places. Which of them multiplies?",
        7: "You have not divided by the standard deviation. How far do the values spread?",
        1 + 14 / 5**0.5: "You have not subtracted the mean. How far above the mean is the 7?",
        1 - 6 / 5**0.5: "That is what becomes of the 1. On which side of the mean is the 7?",
        1 + 2 / 5**0.5: "That is what becomes of the 5. How far above the mean is the 7?",
    },
    otherwise="Which numbers did you take for mean and variance?",
)

running_mean_after_two = number(
    {
        4.95: "In Keras momentum is the weight of the old value. Of what is it the weight in PyTorch?",
        4.5: "That is one batch, with Keras's momentum. Of what is momentum the weight in PyTorch?",
        1: "You add 0.1 · 5 twice. What becomes of the old running mean in the second update?",
        0.5: "That is the running mean after one batch. What does the second one do to it?",
        5: "That is the mean of the batches. How far does a running mean that begins at 0 get in two steps?",
        0.45: "The old running mean has shrunk to 0.9 of it. What does the second batch add?",
        0.05: "You multiply 5 by 0.1 twice. What is 0.9 · 0.5 + 0.1 · 5?",
        1.355: "That is the running mean after three batches. How many were there?",
    },
    otherwise="What is it after the first batch, and which part of that stays after the second?",
)

numbers_kept = number(
    {
        64: "That is one number a channel. Which two does each channel learn?",
        256: "The running mean and variance are among these. Does a gradient change them?",
        257: "That is all the layer keeps, with the count of batches. Which of it does a gradient change?",
        192: "That is three numbers a channel. Which two of them does a gradient change?",
        129: "The count of batches is among these. Does a gradient change it?",
        2: "That is one channel. How many channels are there, and do they share a gamma?",
        1: "How many channels are there, and what does each of them learn?",
        0: "Something is learnt: what scales and shifts a channel once it is normalised?",
    },
    otherwise="What does each of the 64 channels learn?",
)

kerass_momentum = number(
    {
        0.99: "With that, PyTorch would forget nearly all it knew. Of what is its momentum the weight?",
        0.1: "That is PyTorch's default, Keras's 0.9. Which weight does the batch get when 0.99 stays?",
        0.9: "That is what Keras's momentum would be for PyTorch's default. Which weight does the batch get here?",
        1: "With that, nothing is left of the old running mean. Which weight does the batch get when 0.99 stays?",
        0: "With that, the running mean never moves. Which weight does the batch get when 0.99 stays?",
        0.001: "That goes with Keras's 0.999. What is left of 1 when 0.99 stays?",
        1.01: "Weights of a mean lie between 0 and 1. What is left of 1 when 0.99 stays?",
        -0.99: "Weights of a mean lie between 0 and 1. What is left of 1 when 0.99 stays?",
    },
    otherwise="The two weights add up to 1: which one does the batch get?",
)


def small_network(biases=(6,), norm=nn.BatchNorm2d, activation=nn.ReLU, norm_last=False):
    pair = [norm(6), activation()]
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, bias=6 in biases), *(pair[::-1] if norm_last else pair), nn.Flatten(), nn.Linear(3456, 10)
    )


def lenet_normalised(biases=(6, 16, 120, 84), order="norm act pool", dense_order="norm act", norm=nn.BatchNorm2d,
                     dense_norm=nn.BatchNorm1d, activation=nn.Sigmoid, pool=nn.AvgPool2d):  # fmt: skip
    """Build LeNet with batch normalisation, its steps after a convolution and a dense layer in any order."""

    def steps(channels, norm, order):
        made = {"norm": norm(channels), "act": activation(), "pool": pool(2)}
        return [made[step] for step in order.split()]

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, bias=6 in biases), *steps(6, norm, order),
        nn.Conv2d(6, 16, 5, bias=16 in biases), *steps(16, norm, order), nn.Flatten(),
        nn.Linear(400, 120, bias=120 in biases), *steps(120, dense_norm, dense_order),
        nn.Linear(120, 84, bias=84 in biases), *steps(84, dense_norm, dense_order),
        nn.Linear(84, 10))  # fmt: skip


def both(**options):
    """Return LeNet's options for normalisations that all have the same unusual settings."""
    return {"norm": partial(nn.BatchNorm2d, **options), "dense_norm": partial(nn.BatchNorm1d, **options)}


KERAS = "The momentum is Keras's. Of what is momentum the weight in PyTorch?"
BATCH_ALWAYS = "Evaluation uses the batch's own statistics. Which option keeps running ones?"
CUMULATIVE = "With momentum=None all batches count the same. Which momentum is the default?"
EPS = "The eps is another one. Which is the default?"
EACH_IMAGE = "Each image is normalised by itself. Which layer takes the mean over the whole batch?"

right_kind = normalised_network(
    (1, 28, 28),
    small_network,
    normalised=(6,),
    sizes=(1,) * 10,  # one image a batch, where a biased running variance shows most
    mistakes=[
        (partial(small_network, norm_last=True), "The normalisation comes after the ReLU. Where did it stand?"),
        (partial(small_network, activation=nn.Identity), "The ReLU is gone. Which one line has to change?"),
        (partial(small_network, activation=nn.Sigmoid), "The ReLU is a sigmoid now. Which one line has to change?"),
        (partial(small_network, norm=partial(nn.BatchNorm2d, track_running_stats=False)), BATCH_ALWAYS),
        (partial(small_network, norm=partial(nn.InstanceNorm2d, affine=True)), EACH_IMAGE),
        (partial(small_network, norm=partial(nn.InstanceNorm2d, affine=True, track_running_stats=True)), EACH_IMAGE),
        (partial(small_network, norm=partial(nn.GroupNorm, 1)), EACH_IMAGE),
        (partial(small_network, norm=partial(nn.BatchNorm2d, momentum=0.9)), KERAS),
        (partial(small_network, norm=partial(nn.BatchNorm2d, momentum=0.99)), KERAS),
        (partial(small_network, norm=partial(nn.BatchNorm2d, momentum=None)), CUMULATIVE),
        (partial(small_network, norm=partial(nn.BatchNorm2d, eps=1e-3)), EPS),
    ],
    otherwise="Which line cannot take maps of shape (N, 6, 24, 24), and should any other line change?",
)

lenet_with_batch_norm = normalised_network(
    (1, 28, 28),
    lenet_normalised,
    normalised=(6, 16, 120, 84),
    sizes=(4,) * 10,
    mistakes=[
        (
            partial(lenet_normalised, order="act norm pool", dense_order="act norm"),
            "The normalisations come after the sigmoids. What would a sigmoid gain from one that comes before it?",
        ),
        (
            partial(lenet_normalised, order="act norm pool"),
            "After the convolutions the normalisation follows the sigmoid. Which should be first?",
        ),
        (
            partial(lenet_normalised, dense_order="act norm"),
            "After the dense layers the normalisation follows the sigmoid. Which should be first?",
        ),
        (
            partial(lenet_normalised, order="act pool norm"),
            "After the convolutions the normalisation follows the pooling. What should it follow?",
        ),
        (
            partial(lenet_normalised, order="act pool norm", dense_order="act norm"),
            "The normalisations come after sigmoid and pooling. What should each of them follow?",
        ),
        (
            partial(lenet_normalised, order="pool norm act"),
            "The pooling comes before the normalisation. What should each normalisation follow?",
        ),
        (
            partial(lenet_normalised, activation=nn.Identity),
            "The sigmoids are gone. Does a batch normalisation do their work?",
        ),
        (partial(lenet_normalised, activation=nn.ReLU), "The sigmoids have become ReLUs. What should stay?"),
        (partial(lenet_normalised, pool=nn.MaxPool2d), "The average pooling has become max pooling. What should stay?"),
        (partial(lenet_normalised, **both(track_running_stats=False)), BATCH_ALWAYS),
        (partial(lenet_normalised, norm=partial(nn.InstanceNorm2d, affine=True)), EACH_IMAGE),
        (partial(lenet_normalised, norm=partial(nn.GroupNorm, 1)), EACH_IMAGE),
        (partial(lenet_normalised, dense_norm=nn.LayerNorm), EACH_IMAGE),
        (
            partial(lenet_normalised, norm=partial(nn.GroupNorm, 1), dense_norm=nn.LayerNorm),
            EACH_IMAGE,
        ),
        (partial(lenet_normalised, **both(momentum=0.9)), KERAS),
        (partial(lenet_normalised, **both(momentum=0.99)), KERAS),
        (partial(lenet_normalised, **both(momentum=None)), CUMULATIVE),
        (partial(lenet_normalised, **both(eps=1e-3)), EPS),
    ],
    otherwise="What stands between each convolution or dense layer and its sigmoid?",
)


def batch_norm_cases():
    small = torch.tensor([[1.0, 2], [3, 10], [5, 10], [7, 18]]), torch.tensor([6.0, 3]), torch.tensor([1.0, 0]), 4
    shapes = ((6, 3), 1e-5), ((2, 3, 4, 5), 0.1), ((3, 4, 5, 4), 1e-5), ((1, 2, 3, 3), 1e-3), ((4, 3, 2, 3), 0.01)
    drawn = [
        (3 * torch.randn(shape) + torch.randn(shape[1:]), torch.randn(shape[1]), torch.randn(shape[1]), eps)
        for shape, eps in shapes
    ]
    return [small, *drawn]


def torch_batch_norm(X, gamma, beta, eps):
    return F.batch_norm(X, None, None, gamma, beta, training=True, eps=eps)


def per_channel(vector, X):
    """Give a vector the shape (1, C) or (1, C, 1, 1)."""
    return vector.reshape([-1 if axis == 1 else 1 for axis in range(X.dim())])


def all_but_channels(num_axes):
    return [axis for axis in range(num_axes) if axis != 1]


def by_hand(axes=all_but_channels, correction=0, centre=True, divide_by=lambda var, eps: torch.sqrt(var + eps)):
    """Return a batch normalisation with some of its steps done in another way; `axes` is given their number."""

    def compute(X, gamma, beta, eps):
        mean = X.mean(axes(X.dim()), keepdim=True)
        var = X.var(axes(X.dim()), correction=correction, keepdim=True)
        X_hat = (X - mean if centre else X) / divide_by(var, eps)
        return per_channel(gamma, X) * X_hat + per_channel(beta, X)

    return compute


def along_width(X, gamma, beta, eps):
    """Scale and shift along the last axis, where broadcasting puts a vector."""
    plain = torch_batch_norm(X, None, None, eps)
    return plain * gamma + beta if X.shape[-1] == len(gamma) else plain


batch_norm_train = function(
    batch_norm_cases,
    torch_batch_norm,
    mistakes=[
        (
            by_hand(correction=1),
            "You divide the sum of squares by n − 1. Which variance makes the batch's own spread 1?",
        ),
        (
            by_hand(lambda num_axes: list(range(num_axes))),
            "All channels share a mean and a variance. What belongs to each channel alone?",
        ),
        (by_hand(lambda num_axes: [0]), "Each pixel has a mean of its own. Over which axes does a channel reach?"),
        (
            by_hand(lambda num_axes: list(range(1, num_axes))),
            "Each example is normalised by itself. Over which axes does a channel reach?",
        ),
        (
            by_hand(lambda num_axes: list(range(2, num_axes))),
            "Each image is normalised by itself. Is the batch one of the axes of the mean?",
        ),
        (
            by_hand(divide_by=lambda var, eps: var.sqrt() + eps),
            "Your eps is added to the root. To what does it belong?",
        ),
        (by_hand(divide_by=lambda var, eps: var.sqrt()), "Your eps is missing. To what is it added?"),
        (by_hand(divide_by=lambda var, eps: var + eps), "You divide by the variance. What is the standard deviation?"),
        (by_hand(divide_by=lambda var, eps: 1), "You do not divide. What makes the variance 1?"),
        (by_hand(centre=False), "You do not subtract the mean. Where should the centre of a channel be?"),
        (
            lambda X, gamma, beta, eps: torch_batch_norm(X, None, None, eps),
            "That is right before the last step. What do gamma and beta do?",
        ),
        (
            lambda X, gamma, beta, eps: torch_batch_norm(X, gamma, None, eps),
            "The shift is missing. What does beta do?",
        ),
        (
            lambda X, gamma, beta, eps: torch_batch_norm(X, None, beta, eps),
            "The scale is missing. What does gamma do?",
        ),
        (
            lambda X, gamma, beta, eps: torch_batch_norm(X, beta, gamma, eps),
            "Gamma and beta have changed places. Which of them multiplies?",
        ),
        (
            along_width,
            "Your gamma and beta lie along the last axis, the width. Which shape puts them along the channels?",
        ),
    ],
    by_hand=("batch_norm", "layer_norm", "group_norm", "instance_norm"),
    otherwise="Over which axes do mean and variance run, and along which do gamma and beta lie?",
)


def running_var_cases():
    X = torch.tensor([[[[1.0, 1]], [[0, 6]]], [[[1, 5]], [[6, 0]]]])
    shapes = ((2, 3, 4, 5), 0.1), ((1, 2, 2, 3), 0.3), ((5, 4, 1, 1), 0.01), ((3, 1, 3, 2), 0.9)
    return [
        (torch.tensor([2.0, 4]), X, 0.25),
        *((torch.rand(shape[1]) + 0.5, 2 * torch.randn(shape) + 3, momentum) for shape, momentum in shapes),
    ]


def torch_running_var(running_var, X, momentum):
    kept = running_var.clone()
    F.batch_norm(X, torch.zeros_like(kept), kept, training=True, momentum=momentum)
    return kept


def mixed(new, old=lambda running_var: running_var, swap=False):
    """Return an update that mixes in `new(X)` instead of the unbiased variance."""

    def compute(running_var, X, momentum):
        share = 1 - momentum if swap else momentum
        return (1 - share) * old(running_var) + share * new(X)

    return compute


def unbiased(X):
    return X.var((0, 2, 3))


def biased(X):
    return X.var((0, 2, 3), correction=0)


update_running_var = value_only(
    running_var_cases,
    torch_running_var,
    mistakes=[
        (mixed(biased), "You divide by n. By what does PyTorch divide in the variance that it keeps?"),
        (mixed(unbiased, swap=True), "Your weights are exchanged, as in Keras. Which part does momentum multiply?"),
        (
            mixed(biased, swap=True),
            "Your weights are exchanged, as in Keras, and you divide by n. Which part does momentum multiply?",
        ),
        (mixed(lambda X: X.std((0, 2, 3))), "You mix in the standard deviation. What is its square?"),
        (
            mixed(lambda X: X.std((0, 2, 3), correction=0)),
            "You mix in the standard deviation. What is its square?",
        ),
        (
            mixed(lambda X: X.std((0, 2, 3)), old=torch.sqrt),
            "You mix standard deviations. What do you have to mix, if the result is a variance?",
        ),
        (mixed(lambda X: X.mean((0, 2, 3))), "You mix in the mean. What does a running variance take from the batch?"),
        (lambda running_var, X, momentum: unbiased(X), "That is the batch's variance. What becomes of the old one?"),
        (lambda running_var, X, momentum: biased(X), "That is the batch's variance. What becomes of the old one?"),
        (lambda running_var, X, momentum: running_var, "That is the old one. What does the batch add?"),
        (
            lambda running_var, X, momentum: running_var + momentum * unbiased(X),
            "The old one keeps its full weight. What should the two weights add up to?",
        ),
        (
            mixed(lambda X: biased(X) * len(X) / max(len(X) - 1, 1)),
            "You correct for the number of images. How many values of a channel are in the batch?",
        ),
        (
            mixed(lambda X: X.var((2, 3)).mean(0)),
            "You average the variances of single images. Which values does the variance of a channel take in?",
        ),
        (
            mixed(lambda X: X.var().expand(X.shape[1])),
            "All channels share a variance. Over which axes does the variance of a channel run?",
        ),
    ],
    otherwise="Which part is kept, and over which axes does the new variance run?",
)


def fold_cases():
    """Return a few convolutions, each with a batch normalisation in evaluation mode and a batch of images."""
    convs = [
        nn.Conv2d(2, 3, 3, bias=False),
        nn.Conv2d(1, 2, (2, 3)),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Conv2d(3, 5, 3, stride=2, padding=(2, 0)),
        nn.Conv2d(4, 6, (3, 1), padding="same", groups=2),
        nn.Conv2d(2, 4, 2, dilation=2, bias=False, groups=2),
    ]
    cases = []
    for conv, eps in zip(convs, (1e-5, 1e-5, 0.1, 1e-5, 1e-3, 1e-5), strict=True):
        bn = nn.BatchNorm2d(conv.out_channels, eps=eps).eval()
        with torch.no_grad():
            for values in (bn.weight, bn.bias, bn.running_mean):
                values.copy_(torch.randn(conv.out_channels))
            bn.running_var.copy_(torch.rand(conv.out_channels) + 0.2)
        cases.append((conv.eval(), bn, torch.randn(2, conv.in_channels, 7, 8)))
    return cases


def rows(vector):
    return vector.reshape(-1, 1, 1, 1)  # one number for each kernel


def columns(vector, weight):
    return vector.reshape(1, -1, 1, 1) if len(vector) == weight.shape[1] else rows(vector)


def last_axis(vector, weight):
    return vector if len(vector) == weight.shape[3] else rows(vector)


# what a wrong fold makes of p: W, b, gamma, beta, mean, var, eps, root, and scale = gamma / root
FOLD_MISTAKES = [
    (lambda p: (p.W, p.b), "It is still the convolution as it was. By what does bn multiply its result?"),
    (
        lambda p: (rows(p.scale) * p.W, p.beta - p.mean * p.scale),
        "The bias of the convolution is forgotten. What does bn do to it?",
    ),
    (
        lambda p: (rows(p.scale) * p.W, p.b + p.beta - p.mean * p.scale),
        "The bias of the convolution is added as it is. What does bn do to it?",
    ),
    (lambda p: (rows(p.scale) * p.W, p.b * p.scale + p.beta), "The running mean is forgotten. Where is it subtracted?"),
    (lambda p: (rows(p.scale) * p.W, p.beta), "The bias is beta alone. What becomes of the running mean?"),
    (lambda p: (rows(p.scale) * p.W, (p.b - p.mean) * p.scale), "Beta is forgotten. Where is it added?"),
    (lambda p: (rows(p.scale) * p.W, p.b), "The bias is the old one. What do the running mean and beta add to it?"),
    (lambda p: (rows(p.scale) * p.W, p.b * p.scale), "Two numbers are missing in the bias. Which does bn add?"),
    (
        lambda p: (rows(p.scale) * p.W, p.b * p.scale - p.mean + p.beta),
        "The running mean is subtracted as it is. Does bn subtract it before or after it divides?",
    ),
    (
        lambda p: (rows(p.scale) * p.W, (p.b + p.mean) * p.scale + p.beta),
        "The running mean is added. Which sign has it in bn?",
    ),
    (
        lambda p: (p.W, (p.b - p.mean) * p.scale + p.beta),
        "The bias is right, the weights are the old ones. By what does bn multiply the result of a kernel?",
    ),
    (
        lambda p: folded_with(p, p.gamma / (p.var + p.eps)),
        "You divide by the variance. What does bn do to it first?",
    ),
    (lambda p: folded_with(p, p.gamma / p.var.sqrt()), "Your eps is missing. To what does bn add it?"),
    (lambda p: folded_with(p, p.gamma / (p.var.sqrt() + p.eps)), "Your eps is outside the root. To what is it added?"),
    (lambda p: folded_with(p, p.gamma * p.root), "You multiply by the root. What does bn do with it?"),
    (lambda p: folded_with(p, 1 / p.root), "Gamma is forgotten. What does bn multiply by?"),
    (
        lambda p: (columns(p.scale, p.W) * p.W, (p.b - p.mean) * p.scale + p.beta),
        "The weights are scaled along the input channels. Which axis of the weight counts the outputs?",
    ),
    (
        lambda p: (last_axis(p.scale, p.W) * p.W, (p.b - p.mean) * p.scale + p.beta),
        "The weights are scaled along their last axis, the width. Which axis of the weight counts the outputs?",
    ),
]


def folded_with(p, scale):
    return rows(scale) * p.W, (p.b - p.mean) * scale + p.beta


def fold(answer, solve):
    """Check a function that folds batch normalisation into the convolution before it."""
    names_of(answer, solve)
    with torch.no_grad():
        cases = fold_cases()
    most = max(judge_fold(answer, conv, bn, X) for conv, bn, X in cases)
    return f"On {len(cases)} pairs of layers the outputs are {agreement(most)}."


def judge_fold(answer, conv, bn, X):
    """Compare one folded convolution with the two layers; return the largest difference, or raise Wrong."""
    shown = f"For a `{conv}` and its bn"
    given = copy.deepcopy(conv), copy.deepcopy(bn)
    result = call(answer, *given, on=shown)
    for name, before, after in zip(("conv", "bn"), (conv, bn), given, strict=True):
        if changed(before, after):
            raise Wrong(f"{shown} your function changes the given `{name}`. Which line writes into it?")
    if not isinstance(result, nn.Conv2d):
        kind = type(result).__name__
        raise Wrong(f"Your function returns a `{kind}`, expected one `nn.Conv2d`. Which layer could hold it all?")
    if result.bias is None:
        raise Wrong(f"{shown} your convolution has no bias. Where do beta and the running mean go?")
    if result.weight.shape != conv.weight.shape:
        shapes = f"has the shape {tuple(result.weight.shape)}, expected {tuple(conv.weight.shape)}"
        raise Wrong(f"{shown} your weight {shapes}. Which numbers did you give to `nn.Conv2d`?")
    with torch.no_grad():
        expected = bn(conv(X))
        try:
            found = nn.Conv2d.forward(result, X)  # the convolution alone, whatever else a subclass or a hook does
        except Exception as error:
            raise Wrong(
                f"{shown} images of shape {tuple(X.shape)} do not get through yours: {describe(error)} "
                "Which numbers did you give to `nn.Conv2d`?"
            ) from error
        if found.shape != expected.shape:
            shapes = f"has the shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
            raise Wrong(f"{shown} the output {shapes}. Has yours the same stride, padding, dilation and groups?")
        if close_to(found, expected):
            return (found - expected).abs().max().item()
        off = f"{shown} the output is off, max difference {(found - expected).abs().max():.3g}."
        for mistake, message in FOLD_MISTAKES:
            weight, bias = mistake(parts_of(conv, bn))
            if close_to(found, F.conv2d(X, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)):
                raise Wrong(f"{off} {message}")
    raise Wrong(f"{off} By what does bn multiply each output channel, and what does it add?")


def changed(before, after):
    """Return whether a layer has other numbers, another mode or other settings than its copy."""
    old, new = before.state_dict(), after.state_dict()
    same = old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)
    return not same or before.training != after.training or repr(before) != repr(after)


def parts_of(conv, bn):
    """Name what a fold is made of."""
    b = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    root = torch.sqrt(bn.running_var + bn.eps)
    return SimpleNamespace(W=conv.weight, b=b, gamma=bn.weight, beta=bn.bias, mean=bn.running_mean, var=bn.running_var,
                           eps=bn.eps, root=root, scale=bn.weight / root)  # fmt: skip
