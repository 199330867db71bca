"""Exercises of chapter 2, AlexNet. In a notebook: `from cnnlib.exercises import alexnet as exercises`."""

from statistics import stdev
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import Case, Wrong, check, gap, randn, same
from cnnlib.exercises.functions import Function, tensor_from
from cnnlib.exercises.investigations import PREDICTED, fewer_than, investigation, mean
from cnnlib.exercises.modules import network
from cnnlib.exercises.reading import number
from cnnlib.models import alexnet, kaiming_
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.training.seeds import train_over_seeds


@exercise("recall", number({
    "Without padding there are ⌊213 / 4⌋ + 1 = 54 places. How many rows must be added for one more?": 0,
    "With 1 on each side there are ⌊215 / 4⌋ + 1 = 54 places. How far is 215 from the next multiple of 4?": 1,
    "Three rows more are enough, but PyTorch adds whole rows, as many on each side. How many on each?": 1.5,
    "That gives 55, too, because the fraction is cut off. Is there a smaller one?": 3,
    "With 4 on each side there are 56 places. Is that the padding of both sides together?": 4,
    "With 5 on each side there are 56 places. Half a kernel keeps the size at stride 1. And at stride 4?": 5,
    "That is the size of the maps. Which padding leads to it?": 55,
}, otherwise="What does ⌊(224 + 2 · padding − 11) / 4⌋ + 1 come to with it?"))  # fmt: skip
def first_layer_padding():
    """In the paper, images of 224 × 224 become maps of 55 × 55, under windows of 11 × 11 with stride 4. What is the
    smallest padding that gives 55? Give the whole number for each side, as PyTorch's `padding=` takes it.

    Hint: The formula is ⌊(height + 2 · padding − kernel) / stride⌋ + 1. This chapter's network, with padding 1, gets
    54.
    Hint: ⌊(213 + 2 · padding) / 4⌋ must be 54, so 213 + 2 · padding must be at least 216.
    """
    padding = 0
    while (224 + 2 * padding - 11) // 4 + 1 < 55:
        padding += 1
    return padding


@exercise("recall", number({
    "These are the weights. What else does each output learn?": 9216 * 4096,
    "Does a bias belong to an input or to an output?": 9216 * 4096 + 9216,
    "That is one bias for all. How many outputs have one?": 9216 * 4096 + 1,
    "That counts a bias for each input, too. To which sums is a bias added?": 9216 * 4096 + 9216 + 4096,
    "Is a weight an input, or a pair of an input and an output?": 9216 + 4096,
    "That is the second dense layer. How many inputs has the first?": 4096 * 4096 + 4096,
    "That is right for maps of 5 × 5, as in this chapter. How large are they in the paper?": 6400 * 4096 + 4096,
    "That is one map of 6 × 6. How many are there?": 36 * 4096 + 4096,
    "That is one number of each map. How many has a map of 6 × 6?": 256 * 4096 + 4096,
}, otherwise="How many numbers are in the maps, how many weights lead to each output, and what is added to its "
             "sum?"))  # fmt: skip
def first_dense_parameters():
    """In the paper, 256 maps of 6 × 6 reach AlexNet's first dense layer, which has 4,096 outputs. How many parameters
    does it have, weights and biases together?

    Hint: Flattened, the maps are 256 × 6 × 6 inputs. Each output is a sum over all of them, each with a weight of its
    own.
    Hint: 9,216 × 4,096 weights, and one bias for each output.
    """
    weights = 256 * 6 * 6 * 4096
    biases = 4096
    return weights + biases


@exercise("recall", number({
    "That is right in evaluation mode. What makes up, in training, for the units that are dropped?": 3,
    "That is 3 · (1 − p). Should a kept unit shrink or grow, if the sum over all is to stay as it was?": 2.25,
    "That is 3 / p. Which share of the units is kept?": 12,
    "That is a dropped unit. What becomes of one that is kept?": 0,
    "That is 3 · p. Should a kept unit shrink or grow, if the sum over all is to stay as it was?": 0.75,
    "That is 3 · (1 + p). How much would four such units come to, if one of them is dropped?": 3.75,
    "That is right for p = 0.5. Which share of the units does p = 0.25 keep?": 6,
}, otherwise="Which share of the units is kept, and what should the sum over all be, on average?"))  # fmt: skip
def kept_unit():
    """In training, a unit with the value 3 goes through `nn.Dropout(p=0.25)` and is kept. With which value does it
    leave the layer?

    Hint: p is the share that is dropped. A sum over many units should be as large, on average, as without dropout.
    Hint: Of four units three are kept. By which factor must each grow to make up for the fourth?
    """
    value, p = 3, 0.25
    return value / (1 - p)


@exercise("recall", number({
    "That is one group. How many input channels does an output channel see if there are four?": 192 * 64 * 9,
    "That is one of the groups. How many are there?": 48 * 16 * 9,
    "That is two groups. How many are there?": 192 * 32 * 9,
    "That counts the biases, too. How many weights are there without them?": 192 * 16 * 9 + 192,
    "That is one group, with its biases. How many channels does an output channel see if there are four groups?":
        192 * 64 * 9 + 192,
    "Do groups add weights to the 110,592 of a convolution without groups, or take some away?": 192 * 64 * 9 * 4,
    "These are the pairs of channels that are joined. How many weights has a window?": 192 * 16,
    "A window of 3 × 3 has how many weights?": 192 * 16 * 3,
    "How many input channels does each output channel see?": 192 * 9,
}, otherwise="How many input channels does each of the 192 output channels see, and how large is a "
             "window?"))  # fmt: skip
def grouped_weights():
    """A convolution with 3 × 3 windows has 64 input and 192 output channels, split into 4 groups: each group makes a
    quarter of the output channels from a quarter of the input channels. How many weights does it have, without the
    biases?

    Hint: How many input channels does one output channel see?
    Hint: Each of the 192 output channels has a 3 × 3 window for every one of 16 input channels.
    """
    groups = 4
    weights_of_one = (192 // groups) * (64 // groups) * 3 * 3
    return groups * weights_of_one


ACTIVATIONS = {1: "first convolution", 4: "second convolution", 7: "third convolution", 9: "fourth convolution",
               11: "fifth convolution", 15: "first dense layer", 18: "second dense layer"}  # fmt: skip
DROPOUTS = {
    "The first hidden dense layer has lost its dropout. How many dropouts has AlexNet?": {16: nn.Identity()},
    "The second hidden dense layer has lost its dropout. How many dropouts has AlexNet?": {19: nn.Identity()},
    "A dropout stands before each hidden dense layer. On which side of it does this chapter's AlexNet drop?":
        {13: nn.Sequential(nn.Flatten(), nn.Dropout()), 19: nn.Identity()},
    **{f"It drops a share of {p}. Which share does AlexNet drop?": {(16, 19): nn.Dropout(p)}
       for p in (0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.7, 0.75, 0.8, 0.9)},
}  # fmt: skip


@exercise("change one line", network((1, 112, 112), {
    "This is the unchanged AlexNet. Which argument names the activation?": {nn.Tanh: nn.ReLU()},
    "The convolutions still have ReLUs. How many activations does the network have?": {(1, 4, 7, 9, 11): nn.ReLU()},
    "The dense layers still have ReLUs. How many activations does the network have?": {(15, 18): nn.ReLU()},
    **{f"One ReLU is left, behind the {place}. How many activations does the network have?": {index: nn.ReLU()}
       for index, place in ACTIVATIONS.items()},
    "The dense layers have lost their activations. What do three dense layers in a row amount to?":
        {(15, 18): nn.Identity()},
    "A tanh follows the last layer. May a score be greater than 1?": {20: lambda last: nn.Sequential(last, nn.Tanh())},
    "The activation is a sigmoid. Which one runs from -1 to 1?": {nn.Tanh: nn.Sigmoid()},
    "Your activation is cut off at -1 and 1. Which one bends towards them?": {nn.Tanh: nn.Hardtanh()},
    "The activation is a softsign. Which one is PyTorch's tanh?": {nn.Tanh: nn.Softsign()},
    **DROPOUTS,
    "Each dropout stands before the activation, where a kept value is doubled first. Which comes first?":
        {(15, 18): nn.Dropout(), (16, 19): nn.Tanh()},
}, otherwise="Are there seven tanhs, one behind each convolution and each hidden dense layer?", large=3))  # fmt: skip
def with_tanh():
    """Build an eighth of AlexNet, `alexnet(shrink=8, side=112)`, with a tanh in place of every ReLU. All else stays,
    dropout too.

    Hint: How many ReLUs are there? One follows each convolution and each hidden dense layer.
    Hint: `alexnet` takes the class of the activation as its first argument.
    """
    return alexnet(nn.Tanh, shrink=8, side=112)


@exercise("change one line", network((1, 112, 112), {
    "The first pooling still overlaps. How many poolings are there?": {2: nn.MaxPool2d(3, stride=2)},
    "The second pooling still overlaps. How many poolings are there?": {5: nn.MaxPool2d(3, stride=2)},
    "The windows are still 3 × 3, now with some that stick out. How large should they be?":
        {nn.MaxPool2d: nn.MaxPool2d(3, stride=2, ceil_mode=True)},
    "It takes averages. Which pooling keeps the largest number of a window?": {nn.MaxPool2d: nn.AvgPool2d(2)},
    "The first pooling looks at one number in four. How large should its windows be?": {2: nn.MaxPool2d(1, stride=2)},
    "The ReLUs have become tanhs. Which layers should change, and which stay?": {nn.ReLU: nn.Tanh()},
    **DROPOUTS,
}, otherwise="Are all three poolings 2 × 2 with stride 2, how large are the maps after each, and how many inputs does "
             "the first dense layer get?", large=3))  # fmt: skip
def pooling_without_overlap():
    """Build an eighth of AlexNet, `alexnet(shrink=8, side=112)`, with a max pooling of 2 × 2 and stride 2 in place of
    every one of 3 × 3 and stride 2, so that windows no longer overlap. It is one line, three times, and its consequence
    for another layer.

    Hint: The poolings are layers 2, 5 and 12. The maps get larger than before: which layer counts their entries?
    Hint: The height goes 26, 13, 6, 3. Layer 14, the first dense one, gets 32 channels of 3 × 3.
    """
    net = alexnet(shrink=8, side=112)
    for index in (2, 5, 12):
        net[index] = nn.MaxPool2d(kernel_size=2, stride=2)
    net[14] = nn.Linear(32 * 3 * 3, 512)  # the maps are 3 × 3 now, not 2 × 2
    return net


def dropout_cases():
    X = torch.randn(20, 5, 10, 10)  # so many that chance hardly matters
    given = [(p, True) for p in (0.25, 0.5, 0.9, 0.0, 1.0)] + [(0.25, False), (0.25, True)]
    return [Case((X, p, training), f"For p = {p} and training = {training}", calls=5) for p, training in given]


def observe(results, case):
    """Return what shows how a dropout drops: the share, axes along which it repeats, and what is kept."""
    X, (first, *others) = case.args[0], [tensor_from(result) for result in results]
    if first.shape != X.shape:
        shapes = f"{tuple(first.shape)}, expected {tuple(X.shape)}"
        raise Wrong(f"your function returns {shapes}. Does every value keep its place?")
    if not first.isfinite().all():
        raise Wrong("the result holds NaN or infinity. What is divided by what?")
    dropped = first == 0
    share, chance = dropped.double().mean().item(), 0 < dropped.double().mean() < 1
    together = []  # how often neighbours along an axis are dropped or kept together
    for axis, size in enumerate(X.shape if chance else ()):
        neighbours = dropped.narrow(axis, 0, size - 1) == dropped.narrow(axis, 1, size - 1)
        together.append(neighbours.double().mean().item())
    whole = [axis for axis, alike in enumerate(together) if alike == 1]
    near = [axis for axis, alike in enumerate(together) if abs(alike - share**2 - (1 - share) ** 2) > 0.05]
    again = any(torch.equal(other == 0, dropped) for other in others)
    counted = chance and len({int((result == 0).sum()) for result in results}) == 1
    return SimpleNamespace(kept=first, dropped=dropped, share=share, axes=whole or near, again=again, counted=counted)


def drop_alike(a, b):
    """Return whether two dropouts drop and keep alike."""
    if a.axes or b.axes:
        return a.axes == b.axes
    drop = abs(a.share - b.share) < 0.03 and (a.share in (0, 1)) == (b.share in (0, 1))
    return drop and (a.again, a.counted) == (b.again, b.counted) and same(*kept_by_both(a, b))


def kept_by_both(a, b):
    both = ~a.dropped & ~b.dropped
    return a.kept[both], b.kept[both]


def dropout_told(found, right, case):
    """Return the fact about a dropout that drops or keeps otherwise, and a question."""
    p, share = right.share, found.share
    return next((fact, ask) for true, fact, ask in (
        (p == 1, "not all values become 0", "Which random numbers fall below 1?"),
        (p == 0 and share, "not all values stay as they are", "Which random numbers fall below 0?"),
        (p == 0, "the values do not stay as they are", "What should happen to them?"),
        (share in (0, 1), f"{'every one' if share else 'none'} of {found.kept.numel():,} values becomes 0",
         "Where does each get a random number of its own?"),
        (found.axes, f"what is dropped repeats along axis {(*found.axes, 0)[0]}",
         "Which shape has the tensor of random numbers?"),
        (abs(share - p) >= 0.03, f"a share of {share:.2f} becomes 0",
         "With which probability does your random number drop a value?"),
        (found.again, "two calls drop the same values", "When are the random numbers drawn?"),
        (found.counted, "your function drops the same number in each call", "Does each value decide for itself?"),
        (True, "the kept values are off", "By what is each divided?"),
    ) if true)  # fmt: skip


def dropping(kept=lambda X, p: torch.rand(X.shape) >= p, scale=lambda X, p: X / (1 - p), rest=lambda X, p: X):
    """Return a dropout with another mask, with another value for what is kept, or with `rest` outside of training."""
    return lambda X, p, training: torch.where(kept(X, p), scale(X, p), 0) if training else rest(X, p)


@exercise("build", check(Function(
    observe, agree=drop_alike, gap=lambda *both: gap(*kept_by_both(*both)), tell=dropout_told, by_hand=("dropout",),
    gradients=lambda weights, result, X, p, training: [weights * (result != 0) / (1 - p)],
), dropout_cases, F.dropout, {
    "One mask serves all images of the batch. Which shape has the tensor of random numbers?":
        dropping(lambda X, p: torch.rand(X.shape[1:]) >= p),
    "Images are dropped as a whole. Which shape has the tensor of random numbers?":
        dropping(lambda X, p: torch.rand(len(X), 1, 1, 1) >= p),
    "Channels are dropped as a whole. Which shape has the tensor of random numbers?":
        dropping(lambda X, p: torch.rand(*X.shape[:2], 1, 1) >= p),
    "That is as if `torch.randn` had drawn. Which function draws evenly between 0 and 1?":
        dropping(lambda X, p: torch.randn(X.shape) >= p),
    "That is 1 − p. Is p the share to drop or to keep?":
        [dropping(lambda X, p: torch.rand(X.shape) < p, scale)
         for scale in (lambda X, p: X / (1 - p), lambda X, p: X / p)],
    "They are as they were. What makes up for the values that are dropped?": dropping(scale=lambda X, p: X),
    "They are divided by p. Which share of the values is kept?": dropping(scale=lambda X, p: X / p),
    "They are multiplied by 1 − p, and shrink. What makes up for the values that are dropped?":
        dropping(scale=lambda X, p: X * (1 - p)),
    "They are multiplied by p, and shrink. What makes up for the values that are dropped?":
        dropping(scale=lambda X, p: X * p),
    "That is the mask. What does it do to X?": [dropping(scale=lambda X, p: torch.ones_like(X)),
                                                dropping(scale=lambda X, p: torch.ones_like(X) / (1 - p))],
    "They are multiplied by 1 − p, as the paper did. If training divides by 1 − p already, what is left to do?":
        dropping(rest=lambda X, p: X * (1 - p)),
    "Your function drops values, too. Where does it ask for `training`?": lambda X, p, training: F.dropout(X, p),
}, remark="For p from 0 to 1 the share of zeros is close to p, each value decides for itself, and what is kept is "
          "X / (1 − p): {agreement}."))  # fmt: skip
def dropout(X, p, training):
    """Write `dropout(X, p, training)` for a tensor `X` of any shape, without PyTorch's own dropouts. In training, each
    value becomes 0 with probability p, whatever happens to the others, and is divided by 1 − p otherwise; p may be 0 or
    1. With `training=False` the values stay as they are. `X` itself never changes.

    Hint: Draw one random number between 0 and 1 for each value: with which probability is it below p?
    Hint: `torch.rand_like(X) >= p` tells what is kept. Times `X`, divided by 1 − p. What happens then if p is 1?
    """
    if not training:
        return X
    if p == 1:
        return torch.zeros_like(X)  # 0 / 0 would be NaN
    kept = torch.rand_like(X) >= p
    return kept * X / (1 - p)


@exercise("build", check(Function(by_hand=("max_pool",), gradients=True), [
    (torch.tensor([[[[9.0, 2, 7, 1], [4, 0, 3, 8], [5, 12, 6, 10], [11, 14, 13, 15]]]]), 2, 1),
    (randn(2, 3, 7, 9), 3, 2), (randn(1, 2, 8, 6), 3, 2), (randn(2, 1, 6, 5), 2, 3), (randn(1, 2, 5, 4), 4, 1),
    (randn(2, 3, 9, 8), 3, 2),
], F.max_pool2d, {
    "You take the mean. Which number of a window does max pooling keep?": F.avg_pool2d,
    "You take the smallest number. Which one does max pooling keep?":
        lambda X, size, stride: -F.max_pool2d(-X, size, stride),
    "Your windows begin size apart. What does `stride` stand for?": lambda X, size, stride: F.max_pool2d(X, size),
    "Your windows begin 1 apart. What does `stride` stand for?": lambda X, size, stride: F.max_pool2d(X, size, 1),
    "Size and stride are exchanged. Which one says how far apart the windows begin?":
        lambda X, size, stride: F.max_pool2d(X, stride, size),
    "Windows that stick out are there, too. How many whole windows fit?":
        lambda X, size, stride: F.max_pool2d(X, size, stride, ceil_mode=True),
    "The last row and column are missing. Which is the last place where a window fits?":
        lambda *args: F.max_pool2d(*args)[:, :, :-1, :-1],
    "No maximum is below 0. What does your maximum start from, if all numbers of a window are negative?":
        lambda *args: F.max_pool2d(*args).clamp(min=0),
    "Rows and columns are exchanged. Which axis is H?": lambda *args: F.max_pool2d(*args).mT,
    "The maximum runs over the channels, too. Over which axes should it?":
        lambda *args: F.max_pool2d(*args).amax(dim=1, keepdim=True),
}, otherwise="Which numbers of X go into each window, and where does the next one begin?"))  # fmt: skip
def max_pool2d(X, size, stride):
    """Write `max_pool2d(X, size, stride)` for a batch `X` of shape (N, C, H, W), without PyTorch's own poolings: the
    largest numbers of windows of size × size that begin `stride` apart, so that they may overlap. Windows that would
    stick out are left out.

    Hint: The result has (H − size) // stride + 1 rows. Where does the window of entry (i, j) begin?
    Hint: It begins at a = i · stride, b = j · stride. Take the largest of `X[:, :, a:a + size, b:b + size]` over axes
    2, 3: `amax`.
    """
    N, C, H, W = X.shape
    Y = torch.zeros(N, C, (H - size) // stride + 1, (W - size) // stride + 1)
    for i in range(Y.shape[2]):
        for j in range(Y.shape[3]):
            a, b = i * stride, j * stride
            Y[:, :, i, j] = X[:, :, a : a + size, b : b + size].amax(dim=(2, 3))
    return Y


def torch_grouped(X, weight, groups):
    return F.conv2d(X, weight, groups=groups)


def maps(X, weight, groups):
    """Return what each group makes, as a list."""
    return list(torch_grouped(X, weight, groups).chunk(groups, dim=1))


def dealt(tensor, groups, dim):
    """Reorder an axis as if groups took every so many-th entry, like cards that are dealt."""
    order = torch.arange(tensor.shape[dim]).reshape(-1, groups).T.flatten()
    return tensor.index_select(dim, order)


def split_by_torch(name, args, kwargs):
    """Return what is said of a call of `F.conv2d` or the like that has groups, or ''."""
    if "conv" not in name or kwargs.get("groups", (*args, 1, 1, 1, 1, 1, 1)[6]) == 1:
        return ""
    return f"PyTorch's `{name}` split the channels for you. How do you get there with its argument `groups` left at 1?"


AXES = "The groups' maps are joined along {}. Which axis of (N, C, H, W) counts channels?"


@exercise("build", check(Function(by_hand=split_by_torch, gradients=True), [
    (torch.arange(1.0, 9.0).reshape(1, 2, 2, 2), torch.tensor([1.0, 10.0]).reshape(2, 1, 1, 1), 2),
    (randn(2, 4, 6, 5), randn(6, 2, 3, 2), 2), (randn(3, 6, 5, 5), randn(9, 2, 3, 3), 3),
    (randn(2, 4, 4, 4), randn(8, 1, 1, 3), 4), (randn(1, 3, 5, 5), randn(2, 3, 3, 3), 1),
    (randn(2, 6, 6, 7), randn(4, 3, 3, 3), 2),
], torch_grouped, {
    AXES.format("the batch"): lambda *args: torch.cat(maps(*args), dim=0),
    AXES.format("the height"): lambda *args: torch.cat(maps(*args), dim=2),
    AXES.format("the width"): lambda *args: torch.cat(maps(*args), dim=3),
    "Your result has an axis more, one for the groups. What joins tensors along an axis that is there already?":
        lambda *args: torch.stack(maps(*args)),
    "The groups' maps are added up. Does each group not make channels of its own?": lambda *args: sum(maps(*args)),
    "Every output channel sees all input channels. Which ones belong to its group?":
        lambda X, weight, groups: F.conv2d(X, weight.repeat(1, groups, 1, 1)),
    "Every group sees the first channels. Which ones belong to the second group?":
        lambda X, weight, groups: F.conv2d(X[:, : weight.shape[1]], weight),
    "Every group uses all kernels. Which rows of the weight belong to the first group?":
        lambda X, weight, groups: torch.cat([F.conv2d(x, weight) for x in X.chunk(groups, dim=1)], dim=1),
    "Every group uses the first kernels. Which rows of the weight belong to the second group?":
        lambda X, weight, groups: torch_grouped(X, torch.cat([weight[: len(weight) // groups]] * groups), groups),
    "The groups meet each other's kernels. Which channels belong to the first rows of the weight?":
        lambda X, weight, groups: torch_grouped(torch.cat(X.chunk(groups, dim=1)[::-1], dim=1), weight, groups),
    "The input channels are dealt out in turn. Does a group take neighbours or every so many-th channel?":
        lambda X, weight, groups: torch_grouped(dealt(X, groups, 1), weight, groups),
    "The kernels are dealt out in turn. Does a group take neighbours or every so many-th row of the weight?":
        lambda X, weight, groups: torch_grouped(X, dealt(weight, groups, 0), groups),
    "Channels and kernels are dealt out in turn. Does a group take neighbours or every so many-th?":
        lambda X, weight, groups: torch_grouped(dealt(X, groups, 1), dealt(weight, groups, 0), groups),
    "The output channels of the groups alternate. Should they, or do those of the first group come first?":
        lambda *args: torch.stack(maps(*args), dim=2).flatten(1, 2),
    "Which channels of X does one group see?": lambda X, weight, groups: F.conv2d(X, weight),
}, otherwise="Which channels of X and which rows of the weight belong to each group, and in which order do they "
             "join?"))  # fmt: skip
def grouped_conv2d(X, weight, groups):
    """Write `grouped_conv2d(X, weight, groups)` for `X` of shape (N, C, H, W) and a `weight` of shape
    (out, C / groups, h, w): no padding, stride 1, no bias. The first group makes the first out / groups output channels
    from the first C / groups input channels, and so on. Use `F.conv2d` on each group's own channels, and leave its
    argument `groups` alone.

    Hint: Cut `X` into groups along its axis of channels, and `weight` along its axis of output channels.
    Hint: `X.chunk(groups, dim=1)` and `weight.chunk(groups, dim=0)` go together in pairs. Along which axis do you join
    what comes out?
    """
    pairs = zip(X.chunk(groups, dim=1), weight.chunk(groups, dim=0), strict=True)
    return torch.cat([F.conv2d(channels, kernels) for channels, kernels in pairs], dim=1)


FEW, MANY = "on 40", "on 160"
TABLE = (
    "a dict from 'training, on 40', 'test, on 40', 'training, on 160' and 'test, on 160' to accuracies, one a seed, "
    "and from 'predicted' to your guess of the second gap"
)


def gaps(table, pictures):
    """Return the gap of each seed, in the order in which they were handed in."""
    return [a - b for a, b in zip(table[f"training, {pictures}"], table[f"test, {pictures}"], strict=False)]


def measured(train_few, test_few, train_many, test_many, **guess):
    keys = (f"training, {FEW}", f"test, {FEW}", f"training, {MANY}", f"test, {MANY}")
    return dict(zip(keys, (train_few, test_few, train_many, test_many), strict=True)) | guess


@exercise("investigate", investigation(TABLE, {
    "That is one seed or two. Would a third agree? Take at least three.": (
        fewer_than(3), measured([1.0], [0.5], [1.0], [0.65], predicted=0.3)),
    "An accuracy is a share, between 0 and 1. Have you handed in something else, or per cent?": (
        lambda table: any(not 0 <= v <= 1 for key, values in table.items() if key != PREDICTED for v in values),
        measured([100.0] * 3, [50.0, 51.0, 49.0], [100.0] * 3, [65.0, 66.0, 64.0], predicted=0.3)),
    "A guess is missing. How large did you expect the gap with 160 pictures to be, before you measured?": (
        lambda table: PREDICTED not in table,
        measured([1.0] * 3, [0.5, 0.51, 0.49], [1.0] * 3, [0.65, 0.66, 0.64])),
    "A network does not know its own pictures by heart: its training accuracy is below .9. Has it had enough steps, "
    "and do you measure without dropout?": (
        lambda table: min(mean(table[f"training, {p}"]) for p in (FEW, MANY)) < 0.9,
        measured([1.0] * 3, [0.5, 0.51, 0.49], [0.7, 0.8, 0.7], [0.65, 0.66, 0.64], predicted=0.3)),
    "Four times as many pictures have not narrowed the gap. Were the test pictures the same, and which was which?": (
        lambda table: mean(gaps(table, MANY)) >= mean(gaps(table, FEW)),
        measured([1.0] * 3, [0.65, 0.66, 0.64], [1.0] * 3, [0.5, 0.51, 0.49], predicted=0.3)),
    "The two gaps differ by less than the seeds of one do. How many more seeds would settle it?": (
        lambda table: mean(gaps(table, FEW)) - mean(gaps(table, MANY))
        < max(stdev(gaps(table, pictures)) for pictures in (FEW, MANY)),
        measured([1.0] * 3, [0.4, 0.6, 0.5], [1.0] * 3, [0.5, 0.55, 0.51], predicted=0.3)),
}, "With four times as many pictures the gap is narrower, and from below: the test accuracy rises while the training "
   "pictures are still known by heart."))  # fmt: skip
def more_pictures():
    """How far do four times as many pictures close the gap? Train an eighth of AlexNet without dropout on the first 40
    training pictures and on the first 160, with the same number of steps, until both know their pictures by heart, with
    three seeds or more. Guess the gap with 160 pictures first. Then hand in a dict: under `'training, on 40'`,
    `'test, on 40'`, `'training, on 160'` and `'test, on 160'` the accuracies, one a seed, and under `'predicted'` your
    guess.

    Hint: `train_over_seeds(..., steps=400)` ends each run after as many steps, however many pictures an epoch has. Give
    it enough epochs.
    Hint: `overfit` above shows how a network is built, and how its accuracy on its own pictures is measured.
    """
    from functools import partial

    _, tests = load_data_fashion_mnist(100, resize=65, num_test=500)
    optimizer = partial(torch.optim.SGD, momentum=0.9)
    table = {"predicted": 0.3}
    for num in (40, 160):
        few, _ = load_data_fashion_mnist(20, resize=65, num_train=num)
        nets, _ = train_over_seeds(
            lambda: kaiming_(alexnet(dropout=0.0, shrink=8, side=65)),
            few, None, 200, 0.01, steps=400, optimizer=optimizer,
        )  # fmt: skip
        table[f"training, on {num}"] = [evaluate_accuracy(net, few) for net in nets]
        table[f"test, on {num}"] = [evaluate_accuracy(net, tests) for net in nets]
    return table
