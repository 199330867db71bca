"""Exercises of chapter 4, batch norm. In a notebook: `from cnnlib.exercises import batch_norm as exercises`."""

from functools import partial
from numbers import Real

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import Case, Wrong, check, expect, randn
from cnnlib.exercises.functions import Function, tensors_from
from cnnlib.exercises.investigations import PREDICTED, fewer_than, investigation, mean
from cnnlib.exercises.layers import renewed
from cnnlib.exercises.modules import network, output_of
from cnnlib.exercises.reading import number

NORM = nn.modules.batchnorm._NormBase


@exercise("recall", number({
    "That is right for the unbiased variance, 20 / 3. By what does batch normalisation divide the sum of squares in "
    "training, by n or by n − 1?": 1 + 6 / (20 / 3) ** 0.5,
    "You divide by the variance. What is the standard deviation?": 1 + 6 / 5,
    "You divide by the variance, and by an unbiased one. What is the standard deviation?": 1 + 6 / (20 / 3),
    "That is the normalised value. What do gamma and beta do to it?": 3 / 5**0.5,
    "What do gamma and beta do to it? And is the variance divided by n or by n − 1?": 3 / (20 / 3) ** 0.5,
    "You have scaled it. What does beta add?": 6 / 5**0.5,
    "You have shifted it. By what does gamma multiply?": 1 + 3 / 5**0.5,
    "You multiply after you have added beta. Which comes first?": 2 * (1 + 3 / 5**0.5),
    "Gamma and beta have changed places. Which of them multiplies?": 2 + 3 / 5**0.5,
    "You have not divided by the standard deviation. How far do the values spread?": 7,
    "You have not subtracted the mean. How far above the mean is the 7?": 1 + 14 / 5**0.5,
    "That is what becomes of the 1. On which side of the mean is the 7?": 1 - 6 / 5**0.5,
    "That is what becomes of the 5. How far above the mean is the 7?": 1 + 2 / 5**0.5,
}, otherwise="Which numbers did you take for mean and variance?", within=0.0055, nearly=0.06,
   remark="With four decimals it is 3.6833."))  # fmt: skip
def normalised_value():
    """In a batch, a channel holds the four values 1, 3, 5, 7. Batch normalisation in training, with gamma = 2,
    beta = 1 and eps = 0, makes which number of the 7? Two decimals are enough.

    Hint: The mean is 4. The variance is the mean of the four squared distances from it. What is its root?
    Hint: The variance is (9 + 1 + 1 + 9) / 4 = 5. The 7 lies 3 above the mean: divide, then scale, then shift.
    """
    mean = (1 + 3 + 5 + 7) / 4
    var = sum((x - mean) ** 2 for x in (1, 3, 5, 7)) / 4
    return 2 * (7 - mean) / var**0.5 + 1


@exercise("recall", number({
    "In Keras momentum is the weight of the old value. Of what is it the weight in PyTorch?": 4.95,
    "That is one batch, with Keras's momentum. Of what is momentum the weight in PyTorch?": 4.5,
    "You add 0.1 · 5 twice. What becomes of the old running mean in the second update?": 1,
    "That is the running mean after one batch. What does the second one do to it?": 0.5,
    "That is the mean of the batches. How far does a running mean that begins at 0 get in two steps?": 5,
    "The old running mean has shrunk to 0.9 of it. What does the second batch add?": 0.45,
    "You multiply 5 by 0.1 twice. What is 0.9 · 0.5 + 0.1 · 5?": 0.05,
    "That is the running mean after three batches. How many were there?": 1.355,
}, otherwise="What is it after the first batch, and which part of that stays after the second?"))  # fmt: skip
def running_mean_after_two():
    """A new `nn.BatchNorm2d(1)` has momentum 0.1, and its running mean is 0. In training it sees two batches, each with
    the mean 5. What is the running mean after both?

    Hint: PyTorch's momentum is the weight of the batch. Which weight is left for the old running mean?
    Hint: After the first batch it is 0.9 · 0 + 0.1 · 5. Do the same once more.
    """
    after_one = 0.9 * 0 + 0.1 * 5
    return 0.9 * after_one + 0.1 * 5


@exercise("recall", number({
    "That is one number a channel. Which two does each channel learn?": 64,
    "Its running mean and variance, or the count of batches, are in it. Does a gradient change them?": [256, 257, 129],
    "That is three numbers a channel. Which two of them does a gradient change?": 192,
    "That is one channel. How many channels are there, and do they share a gamma?": 2,
    "How many channels are there, and what does each of them learn?": 1,
    "Something is learnt: what scales and shifts a channel once it is normalised?": 0,
}, otherwise="What does each of the 64 channels learn?"))  # fmt: skip
def numbers_kept():
    """How many numbers does `nn.BatchNorm2d(64)` learn?

    Hint: It also keeps numbers that no gradient changes. Which ones does the optimizer see?
    Hint: Each channel has a scale and a shift of its own, however large its map is.
    """
    gamma, beta = 64, 64
    return gamma + beta


@exercise("recall", number({
    "With that, PyTorch would forget nearly all it knew. Of what is its momentum the weight?": 0.99,
    "That is PyTorch's default, Keras's 0.9. Which weight does the batch get when 0.99 stays?": 0.1,
    "That is what Keras's momentum would be for PyTorch's default. Which weight does the batch get here?": 0.9,
    "With that, nothing is left of the old running mean. Which weight does the batch get when 0.99 stays?": 1,
    "With that, the running mean never moves. Which weight does the batch get when 0.99 stays?": 0,
    "That goes with Keras's 0.999. What is left of 1 when 0.99 stays?": 0.001,
    "Weights of a mean lie between 0 and 1. What is left of 1 when 0.99 stays?": [1.01, -0.99],
}, otherwise="The two weights add up to 1: which one does the batch get?"))  # fmt: skip
def kerass_momentum():
    """A layer in Keras has the momentum 0.99. Which `momentum` does `nn.BatchNorm2d` need to update its running mean in
    the same way?

    Hint: Keras's momentum is the weight of the old running mean. Of what is PyTorch's the weight?
    Hint: The two weights, of the old running mean and of the batch, add up to 1.
    """
    return 1 - 0.99


BY_ITSELF = "Each image is normalised by itself. Which layer takes the mean over the whole batch?"
BY_IMAGE = {nn.BatchNorm2d: lambda old: nn.GroupNorm(1, old.num_features)}
BY_VECTOR = {nn.BatchNorm1d: lambda old: nn.LayerNorm(old.num_features)}
SETTINGS = {
    "Evaluation uses the batch's own statistics. What keeps running ones?": {NORM: renewed(track_running_stats=False)},
    BY_ITSELF: [
        *[{nn.BatchNorm2d: renewed(nn.InstanceNorm2d, track_running_stats=kept)} for kept in (True, False)], BY_IMAGE],
    "The momentum is Keras's. Of what is it the weight in PyTorch?":
        [{NORM: renewed(momentum=0.9)}, {NORM: renewed(momentum=0.99)}],
    "With momentum=None all batches count the same. Which momentum is the default?": {NORM: renewed(momentum=None)},
    "The eps is another one. Which is the default?": {NORM: renewed(eps=1e-3)},
}  # fmt: skip


@exercise("change one line", network((1, 28, 28), {
    "The normalisation comes after the ReLU. Where did it stand?": {1: nn.ReLU(), 2: nn.BatchNorm2d(6)},
    "The ReLU is gone. Which one line has to change?": {nn.ReLU: nn.Identity()},
    "The ReLU is a sigmoid now. Which one line has to change?": {nn.ReLU: nn.Sigmoid()},
    **SETTINGS,
}, otherwise="Which line cannot take maps of shape (N, 6, 24, 24), and should any other line change?", free=(6,),
   seen=(1,) * 10))  # one image in a batch, where a biased running variance shows most  # fmt: skip
def right_kind():
    """This network cannot take images: `nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm1d(6), nn.ReLU(), nn.Flatten(),
    nn.Linear(6 * 24 * 24, 10))`. Hand in one that can, for images of shape (1, 28, 28), with the same layers otherwise.

    Hint: Which layer raises the error, and which shape does its input have?
    Hint: `nn.BatchNorm1d` takes (N, C). What is the class called that takes (N, C, H, W)?
    """
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 24 * 24, 10))


def reordered(maps="NAP", vectors="NA"):
    """Return what builds the next exercise's network with norm, activation and pooling in other orders."""
    first, second = ([start + "NAP".index(step) for step in maps] for start in (1, 5))
    third, fourth = ([start + "NA".index(step) for step in vectors] for start in (10, 13))
    order = [0, *first, 4, *second, 8, 9, *third, 12, *fourth, 15]
    return lambda: nn.Sequential(*[lenet_with_batch_norm.solve()[i] for i in order])


@exercise("change one line", network((1, 28, 28), {
    "The normalisations come after the sigmoids. What would one gain from one before it?": reordered("ANP", "AN"),
    "After the convolutions the normalisation follows the sigmoid. Which should be first?": reordered("ANP"),
    "After the dense layers the normalisation follows the sigmoid. Which should be first?": reordered(vectors="AN"),
    "After the convolutions the normalisation follows the pooling. What should it follow?": reordered("APN"),
    "The normalisations come after sigmoid and pooling. What should each follow?": reordered("APN", "AN"),
    "The pooling comes before the normalisation. What should each normalisation follow?": reordered("PNA"),
    "The sigmoids are gone. Does a batch normalisation do their work?": {nn.Sigmoid: nn.Identity()},
    "The sigmoids have become ReLUs. What should stay?": {nn.Sigmoid: nn.ReLU()},
    "The average pooling has become max pooling. What should stay?": {nn.AvgPool2d: nn.MaxPool2d(2)},
    **SETTINGS, BY_ITSELF: [*SETTINGS[BY_ITSELF], BY_VECTOR, {**BY_IMAGE, **BY_VECTOR}],
}, otherwise="What stands between each convolution or dense layer and its sigmoid?", free=(6, 16, 120, 84),
   seen=(4,) * 10))  # fmt: skip
def lenet_with_batch_norm():
    """Build LeNet for images of shape (1, 28, 28), with its sigmoids and average pooling, and with batch normalisation
    after both convolutions and after the first two dense layers, each time before the sigmoid. It is four lines this
    time.

    Hint: Which layers return maps, (N, C, H, W), and which vectors, (N, C)? Each kind has its own normalisation.
    Hint: Two `nn.BatchNorm2d`, of 6 and 16 channels, and two `nn.BatchNorm1d`, of 120 and 84. Each stands right after
    its convolution or dense layer.
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


def channels_apart(*shape):
    """Stand for a random tensor whose channels have means and spreads of their own."""
    return partial(lambda: 3 * torch.randn(shape) + torch.randn(shape[1:]))


def by_torch(X, gamma, beta, eps):
    return F.batch_norm(X, None, None, gamma, beta, training=True, eps=eps)


def by_hand(axes=lambda n: [0, *range(2, n)], correction=0, centre=1, root=lambda var, eps: torch.sqrt(var + eps)):
    """Return a batch normalisation with some of its steps done in another way; `axes` is given the number of axes."""

    def compute(X, gamma, beta, eps):
        mean, var = X.mean(axes(X.dim()), keepdim=True), X.var(axes(X.dim()), correction=correction, keepdim=True)
        gamma, beta = (vector.reshape(-1, *[1] * (X.dim() - 2)) for vector in (gamma, beta))
        return gamma * (X - centre * mean) / root(var, eps) + beta

    return compute


@exercise("build", check(Function(by_hand=("batch_norm", "layer_norm", "group_norm", "instance_norm"), gradients=True),
                         [
    (torch.tensor([[1.0, 2], [3, 10], [5, 10], [7, 18]]), torch.tensor([6.0, 3]), torch.tensor([1.0, 0]), 4),
    (channels_apart(6, 3), randn(3), randn(3), 1e-5), (channels_apart(2, 3, 4, 5), randn(3), randn(3), 0.1),
    (channels_apart(3, 4, 5, 4), randn(4), randn(4), 1e-5), (channels_apart(1, 2, 3, 3), randn(2), randn(2), 1e-3),
    (channels_apart(4, 3, 2, 3), randn(3), randn(3), 0.01),
], by_torch, {
    "You divide the sum of squares by n − 1. Which variance makes the batch's own spread 1?": by_hand(correction=1),
    "All channels share a mean and a variance. What belongs to each channel alone?": by_hand(lambda n: [*range(n)]),
    "Each pixel has a mean of its own. Over which axes does a channel reach?": by_hand(lambda n: [0]),
    "Each example is normalised by itself. Over which axes does a channel reach?": by_hand(lambda n: [*range(1, n)]),
    "Each image is normalised by itself. Is the batch one of the axes of the mean?": by_hand(lambda n: [*range(2, n)]),
    "Your eps is added to the root. To what does it belong?": by_hand(root=lambda var, eps: var.sqrt() + eps),
    "Your eps is missing. To what is it added?": by_hand(root=lambda var, eps: var.sqrt()),
    "You divide by the variance. What is the standard deviation?": by_hand(root=lambda var, eps: var + eps),
    "You do not divide. What makes the variance 1?": by_hand(root=lambda var, eps: 1),
    "You do not subtract the mean. Where should the centre of a channel be?": by_hand(centre=0),
    "That is right before the last step. What do gamma and beta do?": lambda X, g, b, eps: by_torch(X, None, None, eps),
    "The shift is missing. What does beta do?": lambda X, g, b, eps: by_torch(X, g, None, eps),
    "The scale is missing. What does gamma do?": lambda X, g, b, eps: by_torch(X, None, b, eps),
    "Gamma and beta have changed places. Which of them multiplies?": lambda X, g, b, eps: by_torch(X, b, g, eps),
    "Your gamma and beta lie along the last axis, the width. Which shape puts them along the channels?":
        lambda X, g, b, eps: by_torch(X, None, None, eps) * g + b,
}, otherwise="Over which axes do mean and variance run, and along which do gamma and beta lie?"))  # fmt: skip
def batch_norm_train(X, gamma, beta, eps):
    """Write `batch_norm_train(X, gamma, beta, eps)`, batch normalisation in training, for `X` of shape (N, C) or
    (N, C, H, W) and `gamma`, `beta` of shape (C,), without PyTorch's own normalisations. It normalises each channel
    with the batch's own mean and variance and returns a new tensor; no running statistics.

    Hint: Which axes does the mean of a channel run over? With `keepdim=True` it still fits X.
    Hint: `X.var(axes, correction=0, keepdim=True)` divides by the number of values, as training does. Both gamma and
    beta need the shape (1, C) or (1, C, 1, 1).
    """
    axes = [axis for axis in range(X.dim()) if axis != 1]  # all but the channels
    shape = [-1 if axis == 1 else 1 for axis in range(X.dim())]
    mean, var = X.mean(axes, keepdim=True), X.var(axes, correction=0, keepdim=True)
    X_hat = (X - mean) / torch.sqrt(var + eps)
    return gamma.reshape(shape) * X_hat + beta.reshape(shape)


def torch_running_var(running_var, X, momentum):
    kept = running_var.clone()
    F.batch_norm(X, torch.zeros_like(kept), kept, training=True, momentum=momentum)
    return kept


@exercise("build", check(Function(), [
    (torch.tensor([2.0, 4]), torch.tensor([[[[1.0, 1]], [[0, 6]]], [[[1, 5]], [[6, 0]]]]), 0.25),
    *[(partial(torch.rand, shape[1]), channels_apart(*shape), momentum) for shape, momentum in (
        ((2, 3, 4, 5), 0.1), ((1, 2, 2, 3), 0.3), ((5, 4, 1, 1), 0.01), ((3, 1, 3, 2), 0.9))],
], torch_running_var, {
    "You divide by n. By what does PyTorch divide?": lambda v, X, m: v.lerp(X.var((0, 2, 3), correction=0), m),
    "Your weights are exchanged, as in Keras. Which is momentum?": lambda v, X, m: X.var((0, 2, 3)).lerp(v, m),
    "Your weights are exchanged, as in Keras, and you divide by n. Which part does momentum multiply?":
        lambda v, X, m: X.var((0, 2, 3), correction=0).lerp(v, m),
    "You mix in the standard deviation. What is its square?":
        [lambda v, X, m: v.lerp(X.std((0, 2, 3)), m), lambda v, X, m: v.lerp(X.std((0, 2, 3), correction=0), m)],
    "You mix standard deviations. What makes a variance?": lambda v, X, m: v.sqrt().lerp(X.std((0, 2, 3)), m),
    "You mix in the mean. What does a variance take from X?": lambda v, X, m: v.lerp(X.mean((0, 2, 3)), m),
    "That is the batch's variance. What becomes of the old one?":
        [lambda v, X, m: X.var((0, 2, 3)), lambda v, X, m: X.var((0, 2, 3), correction=0)],
    "That is the old one. What does the batch add?": lambda v, X, m: v,
    "The old one keeps its full weight. What should the two add up to?": lambda v, X, m: v + m * X.var((0, 2, 3)),
    "You correct for the number of images. How many values of a channel are in the batch?":
        lambda v, X, m: v.lerp(X.var((0, 2, 3), correction=0) * len(X) / max(len(X) - 1, 1), m),
    "You average the variances of single images. What does one of all take in?":
        lambda v, X, m: v.lerp(X.var((2, 3)).mean(0), m),
    "All channels share a variance. Over which axes does that of one run?": lambda v, X, m: v.lerp(X.var(), m),
}, otherwise="Which part is kept, and over which axes does the new variance run?"))  # fmt: skip
def update_running_var(running_var, X, momentum):
    """Write `update_running_var(running_var, X, momentum)`, which returns the running variance, of shape (C,), after a
    batch `X` of shape (N, C, H, W) in training, as `nn.BatchNorm2d` keeps it. It returns a new tensor and leaves
    `running_var` as it is.

    Hint: Of what is PyTorch's momentum the weight? And by what does it divide in this variance, n or n − 1?
    Hint: It is (1 − momentum) · running_var + momentum · var, with the unbiased variance over the axes 0, 2 and 3.
    """
    var = X.var((0, 2, 3), correction=1)  # divides by n - 1
    return (1 - momentum) * running_var + momentum * var


@torch.no_grad()
def fold_cases():
    convs = [nn.Conv2d(2, 3, 3, bias=False), nn.Conv2d(1, 2, (2, 3)), nn.Conv2d(4, 4, 3, padding=1),
             nn.Conv2d(3, 5, 3, stride=2, padding=(2, 0)), nn.Conv2d(4, 6, (3, 1), padding="same", groups=2),
             nn.Conv2d(2, 4, 2, dilation=2, bias=False, groups=2)]  # fmt: skip
    cases = []
    for conv, eps in zip(convs, (1e-5, 1e-5, 0.1, 1e-5, 1e-3, 1e-5), strict=True):
        bn = nn.BatchNorm2d(conv.out_channels, eps=eps).eval()
        for values in (bn.weight, bn.bias, bn.running_mean):
            values.normal_()
        bn.running_var.uniform_(0.2, 1.2)
        cases.append(Case((conv.eval(), bn), f"For a `{conv}` and its bn", torch.randn(2, conv.in_channels, 7, 8)))
    return cases


def folded_output(result, case):
    """Return what a folded convolution makes of a batch, or raise Wrong."""
    expect(result, nn.Conv2d, "one `nn.Conv2d`", "Which layer could hold it all?")
    if result.bias is None:
        raise Wrong("your convolution has no bias. Where do beta and the running mean go?")
    return output_of(result, case.X, ask="Which numbers did you give to `nn.Conv2d`?")


def ask_for_settings(found, right, case):
    return "", "Has yours the same stride, padding and groups?" if found.shape != right.shape else ""


def wrong_bn(bias=lambda b, m, s, beta: (b - m) * s + beta, scale=lambda g, var, eps: g / (var + eps).sqrt(),
          weight=lambda W, s: s[:, None, None, None] * W):  # fmt: skip
    """Return a fold that makes its biases, its scale or its weights in another way."""

    @torch.no_grad()
    def compute(conv, bn):
        result, s = fold.solve(conv, bn), scale(bn.weight, bn.running_var, bn.eps)
        b = 0 * bn.bias if conv.bias is None else conv.bias
        result.weight.data, result.bias.data = weight(conv.weight, s), bias(b, bn.running_mean, s, bn.bias)
        return result

    return compute


@exercise("build", check(Function(
    folded_output, off="the output is off", refuse=(type, nn.Module), tell=ask_for_settings), fold_cases, mistakes={
    "It is still the convolution as it was. By what does bn multiply its result?":
        wrong_bn(lambda b, m, s, beta: b, weight=lambda W, s: W),
    "The bias of the convolution is forgotten. What does bn do to it?": wrong_bn(lambda b, m, s, beta: beta - m * s),
    "The bias of the convolution is added as it is. What does bn do?": wrong_bn(lambda b, m, s, beta: b + beta - m * s),
    "The running mean is forgotten. Where is it subtracted?": wrong_bn(lambda b, m, s, beta: b * s + beta),
    "The bias is beta alone. What becomes of the running mean?": wrong_bn(lambda b, m, s, beta: beta),
    "Beta is forgotten. Where is it added?": wrong_bn(lambda b, m, s, beta: (b - m) * s),
    "The bias is the old one. What do the running mean and beta add to it?": wrong_bn(lambda b, m, s, beta: b),
    "Two numbers are missing in the bias. Which does bn add?": wrong_bn(lambda b, m, s, beta: b * s),
    "The running mean is subtracted as it is. Does bn subtract it before or after it divides?":
        wrong_bn(lambda b, m, s, beta: b * s - m + beta),
    "The running mean is added. Which sign has it in bn?": wrong_bn(lambda b, m, s, beta: (b + m) * s + beta),
    "The bias is right, the weights are the old ones. By what does bn multiply?": wrong_bn(weight=lambda W, s: W),
    "You divide by the variance. What does bn do to it first?": wrong_bn(scale=lambda g, var, eps: g / (var + eps)),
    "Your eps is missing. To what does bn add it?": wrong_bn(scale=lambda g, var, eps: g / var.sqrt()),
    "Your eps is outside the root. To what is it added?": wrong_bn(scale=lambda g, var, eps: g / (var.sqrt() + eps)),
    "You multiply by the root. What does bn do with it?": wrong_bn(scale=lambda g, var, eps: g * (var + eps).sqrt()),
    "Gamma is forgotten. What does bn multiply by?": wrong_bn(scale=lambda g, var, eps: (var + eps).rsqrt()),
    "The weights are scaled along the input channels. Which axis of the weight counts the outputs?":
        wrong_bn(weight=lambda W, s: s[:, None, None] * W),
    "The weights are scaled along their last axis, the width. Which axis counts the outputs?":
        wrong_bn(weight=lambda W, s: s * W),
}, otherwise="By what does bn multiply each output channel, and what does it add?",
   remark="On {count} pairs of layers the outputs are {agreement}."))  # fmt: skip
def fold(conv, bn):
    """Once training is over, batch normalisation can be built into the convolution before it. Write `fold(conv, bn)`
    for an `nn.Conv2d` and the `nn.BatchNorm2d` after it. It returns one new `nn.Conv2d` that computes what
    `bn(conv(X))` computes in evaluation mode. The convolution may have a bias or not, and any stride, padding, dilation
    and groups. Both given layers stay as they are.

    Hint: In evaluation mode each channel is multiplied by one number and another one is added. Which two numbers?
    Hint: With scale = gamma / √(running_var + eps) the new weights are scale · weight, for each output channel, and the
    new biases are (bias − running_mean) · scale + beta.
    """
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    bias = 0 if conv.bias is None else conv.bias
    settings = conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, *settings)
    with torch.no_grad():
        folded.weight.copy_(scale.reshape(-1, 1, 1, 1) * conv.weight)
        folded.bias.copy_((bias - bn.running_mean) * scale + bn.bias)
    return folded


def backward_by_torch(dY, X, gamma, eps):
    leaves = X.clone().requires_grad_(), gamma.clone().requires_grad_(), torch.zeros_like(gamma).requires_grad_()
    with torch.enable_grad():
        Y = F.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True, eps=eps)
    return list(torch.autograd.grad(Y, leaves, dY))


def wrong_backward(dX=None, dgamma=lambda dY, X_hat: (dY * X_hat).sum((0, 2, 3)), dbeta=lambda dY: dY.sum((0, 2, 3)),
                   scaled=True, correction=0):  # fmt: skip
    """Return a backward pass with one of its lines done in another way; `dX` gets (dX_hat, X_hat, mean, std)."""
    dX = dX or (lambda d, X_hat, mean, std: (d - mean(d) - X_hat * mean(d * X_hat)) / std)

    def compute(dY, X, gamma, eps):
        mean = partial(torch.mean, dim=(0, 2, 3), keepdim=True)
        std = torch.sqrt(X.var((0, 2, 3), correction=correction, keepdim=True) + eps)
        X_hat = (X - mean(X)) / std
        dX_hat = dY * gamma.view(1, -1, 1, 1) if scaled else dY
        return [dX(dX_hat, X_hat, mean, std), dgamma(dY, X_hat), dbeta(dY)]

    return compute


@exercise("build", check(Function(
    tensors_from, part=("dX", "dgamma", "dbeta").__getitem__,
    by_hand=("batch_norm", "layer_norm", "group_norm", "instance_norm"),
), [
    *[(randn(n, c, h, w), channels_apart(n, c, h, w), randn(c), eps) for n, c, h, w, eps in (
        (2, 1, 1, 2, 1e-3), (2, 3, 4, 5, 0.1), (3, 4, 5, 4, 1e-5), (4, 2, 2, 3, 0.01), (5, 3, 1, 1, 1e-3))],
], backward_by_torch, {
    "In dX, mean and standard deviation are taken as constants. How do they move with X?":
        wrong_backward(lambda d, X_hat, mean, std: d / std),
    "In dX, the standard deviation is taken as a constant. How does it move with X?":
        wrong_backward(lambda d, X_hat, mean, std: (d - mean(d)) / std),
    "In dX, the mean is taken as a constant. How does it move with X?":
        wrong_backward(lambda d, X_hat, mean, std: (d - X_hat * mean(d * X_hat)) / std),
    "You divide dX by the variance. By what was X divided?":
        wrong_backward(lambda d, X_hat, mean, std: (d - mean(d) - X_hat * mean(d * X_hat)) / std**2),
    "You do not divide dX. By what was X divided?":
        wrong_backward(lambda d, X_hat, mean, std: d - mean(d) - X_hat * mean(d * X_hat)),
    "In dX you add where the mean should be subtracted. Which sign have the two corrections?":
        wrong_backward(lambda d, X_hat, mean, std: (d + mean(d) + X_hat * mean(d * X_hat)) / std),
    "The last term of dX lacks X_hat. Along which direction is the gradient removed?":
        wrong_backward(lambda d, X_hat, mean, std: (d - mean(d) - mean(d * X_hat)) / std),
    "Gamma is missing in dX. What does it multiply on the way forward?": wrong_backward(scaled=False),
    "Your variance divides by n − 1. By what does training divide?": wrong_backward(correction=1),
    "Your dgamma is dbeta. What does gamma multiply?": wrong_backward(dgamma=lambda dY, X_hat: dY.sum((0, 2, 3))),
    "Your dgamma and dbeta are means. How many values does one gamma reach?": wrong_backward(
        dgamma=lambda dY, X_hat: (dY * X_hat).mean((0, 2, 3)), dbeta=lambda dY: dY.mean((0, 2, 3))),
    "dgamma and dbeta have changed places. Which of them needs X_hat?": lambda dY, X, gamma, eps: [
        backward_by_torch(dY, X, gamma, eps)[i] for i in (0, 2, 1)],
}, otherwise="Through which three ways does one value of X reach the loss?"))  # fmt: skip
def batch_norm_backward(dY, X, gamma, eps):
    """Write `batch_norm_backward(dY, X, gamma, eps)`, the backward pass of batch normalisation in training, for all
    channels at once. `X` and `dY`, the gradient of the loss at the output, have the shape (N, C, H, W), `gamma` has
    (C,). Return the three gradients `[dX, dgamma, dbeta]`, the last two of shape (C,).

    Hint: Section 4.2 does it for one channel. Which axes does the mean of a channel run over here?
    Hint: beta is added to each value of its channel, so dbeta is the sum of dY over the axes 0, 2 and 3; for dgamma
    each value is multiplied by its X_hat first.
    """
    axes = (0, 2, 3)
    std = torch.sqrt(X.var(axes, correction=0, keepdim=True) + eps)
    X_hat = (X - X.mean(axes, keepdim=True)) / std
    dX_hat = gamma.reshape(1, -1, 1, 1) * dY
    along = (dX_hat * X_hat).mean(axes, keepdim=True)
    dX = (dX_hat - dX_hat.mean(axes, keepdim=True) - X_hat * along) / std
    return [dX, (dY * X_hat).sum(axes), dY.sum(axes)]


def momenta_in(table):
    return sorted(key for key in table if isinstance(key, Real))


def accuracies_in(table):
    return [value for momentum in momenta_in(table) for value in table[momentum]]


@exercise("investigate", investigation(
    "a dict from momentum to test accuracies, one a seed, and your guess under 'predicted'", {
        "Those are fewer than three momenta, or they lie close together. What happens at 0.001, and what at 1?": (
            lambda t: len(momenta_in(t)) < 3 or momenta_in(t)[0] > 0.01 or momenta_in(t)[-1] < 0.5,
            {"predicted": 0.1, 0.05: [0.6, 0.6, 0.6], 0.1: [0.7, 0.7, 0.7], 0.2: [0.7, 0.7, 0.7]}),
        "No momentum of yours is the one that you predicted. Which of them did you try?": (
            lambda t: t[PREDICTED][0] not in momenta_in(t),
            {"predicted": 0.3, 0.001: [0.1, 0.1, 0.2], 0.1: [0.7, 0.7, 0.7], 1: [0.6, 0.6, 0.7]}),
        "One or two runs a momentum. How far do other seeds lie from them?": (
            lambda t: fewer_than(3, *momenta_in(t))(t),
            {"predicted": 0.1, 0.001: 0.1, 0.1: 0.7, 1: 0.6}),
        "An accuracy lies between 0 and 1. What did you measure?": (
            lambda t: not all(0 <= value <= 1 for value in accuracies_in(t)),
            {"predicted": 0.1, 0.001: [2.3, 2.2, 2.3], 0.1: [0.7, 0.8, 0.8], 1: [0.9, 0.9, 0.8]}),
        "All momenta come out alike, as they must in training mode. In which mode did you ask your networks?": (
            lambda t: max(accuracies_in(t)) - min(accuracies_in(t)) < 0.1,
            {"predicted": 0.1, 0.001: [0.72, 0.7, 0.71], 0.1: [0.72, 0.7, 0.71], 1: [0.72, 0.7, 0.71]}),
        "Your smallest momentum is as good as the best. For how many steps did you train, and from which statistics "
        "do the running ones begin?": (
            lambda t: mean(t[momenta_in(t)[0]]) > max(mean(t[m]) for m in momenta_in(t)) - 0.05,
            {"predicted": 0.1, 0.001: [0.8, 0.8, 0.8], 0.1: [0.8, 0.8, 0.8], 1: [0.5, 0.5, 0.5]}),
    },
    "After few steps a small momentum still holds what the statistics began with, a large one the last batch alone: "
    "the best lies between, and how far depends on the steps. If two momenta lie within each other's spread, say so.",
))  # fmt: skip
def momentum_in_evaluation():
    """With which `momentum` is a network best in *evaluation* after 60 steps of training? Write your guess down first.
    Then train at least three momenta from 0.001 to 1, with the same three seeds each, and hand in a dict from momentum
    to the test accuracies, with your guess under `"predicted"`. What would you expect after 6,000 steps?

    Hint: After t steps, (1 − momentum) to the power of t is left of the initial mean 0 and variance 1. How much is
    that for 0.001, and for 0.1?
    Hint: `set_momentum(net, 0.1)` sets it in a whole network, `train_over_seeds` trains one for each seed, and
    `evaluate_accuracy(net, test_iter)` asks it in evaluation mode.
    """
    from cnnlib.datasets import load_data_fashion_mnist
    from cnnlib.models import conv_bn_relu, kaiming_, set_momentum, vgg
    from cnnlib.training.evaluation import evaluate_accuracy
    from cnnlib.training.seeds import train_over_seeds

    data, test = load_data_fashion_mnist(64, resize=16, num_test=1_000)

    def build(momentum):
        net = vgg(((1, 8), (1, 16), (1, 16)), side=16, units=64, dropout=0, block=conv_bn_relu)
        return set_momentum(kaiming_(net), momentum)

    found = {"predicted": 0.1}
    for momentum in (0.001, 0.01, 0.1, 1.0):
        nets, _ = train_over_seeds(lambda m=momentum: build(m), data, None, 1, 0.1, (0, 1, 2), steps=60)
        found[momentum] = [evaluate_accuracy(net, test) for net in nets]
    return found
