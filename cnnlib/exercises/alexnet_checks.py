"""How the answers of chapter 2's exercises are checked, and what is said to the usual mistakes.

Each name here without a docstring of its own is the checker of the exercise of that name in
`cnnlib.exercises.alexnet`. Networks with dropout are judged by `dropout_networks`; a dropout written by hand is
counted.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from cnnlib.exercises.answers import agreement, call, function, number
from cnnlib.exercises.answers import near as close
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.dropout_networks import network_with_dropout
from cnnlib.exercises.lenet_checks import changed
from cnnlib.models import alexnet

first_layer_padding = number(
    {
        0: "Without padding there are ⌊213 / 4⌋ + 1 = 54 places. How many rows must be added for one more?",
        1: "With 1 on each side there are ⌊215 / 4⌋ + 1 = 54 places. How far is 215 from the next multiple of 4?",
        1.5: "Three rows more are enough, but PyTorch adds whole rows, as many on each side. How many on each?",
        3: "That gives 55, too, because the fraction is cut off. Is there a smaller one?",
        4: "With 4 on each side there are 56 places. Is that the padding of both sides together?",
        5: "With 5 on each side there are 56 places. Half a kernel keeps the size at stride 1. And at stride 4?",
        55: "That is the size of the maps. Which padding leads to it?",
    },
    otherwise="What does ⌊(224 + 2 · padding − 11) / 4⌋ + 1 come to with it?",
)

first_dense_parameters = number(
    {
        6400 * 4096: "These are the weights. What else does each output learn?",
        6400 * 4096 + 6400: "Does a bias belong to an input or to an output?",
        6400 * 4096 + 1: "That is one bias for all. How many outputs have one?",
        6400 * 4096 + 6400 + 4096: "That counts a bias for each input, too. To which sums is a bias added?",
        6400 + 4096: "Is a weight an input, or a pair of an input and an output?",
        4096 * 4096 + 4096: "That is the second dense layer. How many inputs has the first?",
        4096 * 10 + 10: "That is the last dense layer. How many inputs and outputs has the first?",
        9216 * 4096 + 4096: "That is right for maps of 6 × 6, as in the paper. How many inputs does the question name?",
    },
    otherwise="How many weights lead to each output, and what is added to its sum?",
)

kept_unit = number(
    {
        3: "That is right in evaluation mode. What makes up, in training, for the units that are dropped?",
        2.25: "That is 3 · (1 − p). Should a kept unit shrink or grow, if the sum over all is to stay as it was?",
        12: "That is 3 / p. Which share of the units is kept?",
        0: "That is a dropped unit. What becomes of one that is kept?",
        0.75: "That is 3 · p. Should a kept unit shrink or grow, if the sum over all is to stay as it was?",
        3.75: "That is 3 · (1 + p). How much would four such units come to, if one of them is dropped?",
        6: "That is right for p = 0.5. Which share of the units does p = 0.25 keep?",
    },
    otherwise="Which share of the units is kept, and what should the sum over all be, on average?",
)

grouped_weights = number(
    {
        256 * 96 * 25: "That is one group. How many input channels does an output channel see if there are two?",
        128 * 48 * 25: "That is one of the groups. How many are there?",
        128 * 96 * 25: "That is one group that sees all input channels. How many channels does each see, and how many"
        " groups are there?",
        128 * 48 * 25 * 2 + 256: "That counts the biases, too. How many weights are there without them?",
        256 * 96 * 25 + 256: "That is one group, with its biases. How many channels does an output channel see if"
        " there are two groups?",
        256 * 96 * 25 * 2: "Do groups add weights to the 614,400 of a convolution without groups, or take some away?",
        256 * 48: "These are the pairs of channels that are joined. How many weights has a window?",
        256 * 48 * 5: "A window of 5 × 5 has how many weights?",
        256 * 25: "How many input channels does each output channel see?",
    },
    otherwise="How many input channels does each of the 256 output channels see, and how large is a window?",
)


def laptop(activation=nn.ReLU, layers=()):
    """Build the laptop's AlexNet, with some of its layers exchanged."""
    return changed(alexnet(activation, shrink=8, side=112), dict(layers))


BEHIND = {
    1: "first convolution",
    4: "second convolution",
    7: "third convolution",
    9: "fourth convolution",
    11: "fifth convolution",
    15: "first dense layer",
    18: "second dense layer",
}

with_tanh = network_with_dropout(
    mistakes=[
        (laptop, "This is the unchanged AlexNet. Which argument names the activation?"),
        (
            lambda: laptop(nn.ReLU, {15: nn.Tanh(), 18: nn.Tanh()}),
            "The convolutions still have ReLUs. How many activations does the network have?",
        ),
        (
            lambda: laptop(nn.Tanh, {15: nn.ReLU(), 18: nn.ReLU()}),
            "The dense layers still have ReLUs. How many activations does the network have?",
        ),
        *(
            (
                lambda index=index: laptop(nn.Tanh, {index: nn.ReLU()}),
                f"One ReLU is left, behind the {place}. How many activations does the network have?",
            )
            for index, place in BEHIND.items()
        ),
        (
            lambda: laptop(nn.Tanh, {15: nn.Identity(), 18: nn.Identity()}),
            "The dense layers have lost their activations. What do three dense layers in a row amount to?",
        ),
        (
            lambda: nn.Sequential(laptop(nn.Tanh), nn.Tanh()),
            "A tanh follows the last layer. May a score be greater than 1?",
        ),
        (lambda: laptop(nn.Sigmoid), "The activation is a sigmoid. Which one runs from −1 to 1?"),
        (lambda: laptop(nn.Hardtanh), "Your activation is cut off at −1 and 1. Which one bends towards them?"),
        (lambda: laptop(nn.Softsign), "The activation is a softsign. Which one is PyTorch's tanh?"),
    ],
    otherwise="Are there seven tanhs, one behind each convolution and each hidden dense layer?",
)


def pooled(poolings, activation=nn.ReLU):
    """Build the laptop's AlexNet with three other poolings, whose last map is 3 × 3."""
    layers = dict(zip((2, 5, 12), poolings, strict=True))
    return laptop(activation, {**layers, 14: nn.Linear(32 * 3 * 3, 512)})


def maximum(size, **options):
    return nn.MaxPool2d(size, stride=2, **options)


pooling_without_overlap = network_with_dropout(
    mistakes=[
        (
            lambda: pooled([maximum(3), maximum(2), maximum(2)]),
            "The first pooling still overlaps. How many poolings are there?",
        ),
        (
            lambda: pooled([maximum(2), maximum(3), maximum(2)]),
            "The second pooling still overlaps. How many poolings are there?",
        ),
        (
            lambda: pooled([maximum(3, ceil_mode=True)] * 3),
            "The windows are still 3 × 3, now with some that stick out. How large should they be?",
        ),
        (
            lambda: pooled([nn.AvgPool2d(2)] * 3),
            "It takes averages. Which pooling keeps the largest number of a window?",
        ),
        (
            lambda: pooled([nn.MaxPool2d(1, stride=2), nn.MaxPool2d(2), nn.MaxPool2d(2)]),
            "The first pooling looks at one number in four. How large should its windows be?",
        ),
        (
            lambda: pooled([maximum(2)] * 3, nn.Tanh),
            "The ReLUs have become tanhs. Which layers should change, and which stay?",
        ),
    ],
    otherwise=(
        "Are all three poolings 2 × 2 with stride 2, how large are the maps after each, and how many inputs does the"
        " first dense layer get?"
    ),
)


class Called(TorchFunctionMode):
    """Note which of PyTorch's functions are called, and with which arguments."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls.append((getattr(func, "__name__", ""), args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def drop(answer, X, p, training=True):
    """Call a reader's dropout on a copy of X; return a finite tensor of the same shape, or raise Wrong."""
    shown = f"For X of shape {tuple(X.shape)}, p = {p} and training = {training}"
    given = X.clone()
    result = call(answer, given, p, training, on=shown)
    if not isinstance(result, torch.Tensor):
        kind = type(result).__name__
        raise Wrong(f"{shown} your function returns a `{kind}`, expected a tensor. What does it compute last?")
    if not torch.equal(given, X):
        raise Wrong(f"{shown} your function changes its own input. Which line writes into it?")
    if result.shape != X.shape:
        shapes = f"{tuple(result.shape)}, expected {tuple(X.shape)}"
        raise Wrong(f"{shown} your function returns {shapes}. Does every value keep its place?")
    if not result.isfinite().all():
        raise Wrong(f"{shown} the result holds NaN or infinity. What is divided by what?")
    return result.detach().cpu()


def dropout(answer, solve):
    """Check a dropout by counting what it drops, on inputs so large that chance hardly matters."""
    if not callable(answer) or isinstance(answer, type):
        kind, name = type(answer).__name__, solve.__name__
        raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({name})`?")
    X = torch.randn(20, 5, 10, 10)
    most = max(judge_dropped(answer, X, p) for p in (0.25, 0.5, 0.9))
    few = torch.arange(1.0, 11.0)
    if len({int((drop(answer, few, 0.5) == 0).sum()) for _ in range(50)}) == 1:
        raise Wrong("Of ten values your function drops the same number in each call. Does each decide for itself?")
    if not close(drop(answer, X, 0.0), X):
        raise Wrong("For p = 0 and training = True not all values stay as they are. Which random numbers fall below 0?")
    if drop(answer, X, 1.0).any():
        raise Wrong("For p = 1 and training = True not all values become 0. Which random numbers fall below 1?")
    judge_evaluation(answer, X)
    with Called() as called:
        drop(answer, few, 0.5)
    for name, _, _ in called.calls:
        if "dropout" in name:
            raise Wrong(f"The numbers are right, but PyTorch's `{name}` made them. How do you do it by hand?")
    return (
        "For p from 0 to 1 the share of zeros is close to p, each value decides for itself, and what is kept is"
        f" X / (1 − p): {agreement(most)}. {judge_dropout_gradients(answer, X)}"
    )


def judge_dropped(answer, X, p):
    """Judge one call in training; return the largest difference of a kept value, or raise Wrong."""
    result = drop(answer, X, p)
    dropped = result == 0
    share = dropped.double().mean().item()
    on = f"For p = {p} and training = True"
    if share in (0, 1):
        many = "none" if share == 0 else "every one"
        raise Wrong(f"{on} {many} of {X.numel():,} values becomes 0. Where does each get a random number of its own?")
    judge_independence(dropped, share, on)
    if abs(share - p) > 0.03:
        found = f"{on} a share of {share:.2f} becomes 0"
        if abs(share - torch.special.ndtr(torch.tensor(p)).item()) < 0.03:
            raise Wrong(f"{found}, as if `torch.randn` had drawn. Which function draws evenly between 0 and 1?")
        if abs(share - (1 - p)) < 0.03:
            raise Wrong(f"{found}, and p of them stay. Is p the share to drop or to keep?")
        raise Wrong(f"{found}. With which probability does your random number drop a value?")
    if torch.equal(drop(answer, X, p) == 0, dropped):
        raise Wrong(f"{on} two calls drop the same values. When are the random numbers drawn?")
    kept, right = result[~dropped], (X / (1 - p))[~dropped]
    if close(kept, right):
        return (kept.double() - right.double()).abs().max().item()
    usual = [
        (X, "as they were. What makes up for the values that are dropped?"),
        (X / p, "divided by p. Which share of the values is kept?"),
        (X * (1 - p), "multiplied by 1 − p, and shrink. What makes up for the values that are dropped?"),
        (X * p, "multiplied by p, and shrink. What makes up for the values that are dropped?"),
        (torch.ones_like(X), "all 1: that is the mask. What does it do to X?"),
        (torch.ones_like(X) / (1 - p), "all 1 / (1 − p): that is the mask. What does it do to X?"),
    ]
    for values, message in usual:
        if p != 0.5 and close(kept, values[~dropped]):
            raise Wrong(f"{on} the kept values are {message}")
    gap = (kept.double() - right.double()).abs().max().item()
    raise Wrong(f"{on} the kept values are off, max difference {gap:.3g}. By what is each divided?")


def judge_independence(dropped, share, on):
    """Raise Wrong if neighbours are dropped together, along any axis of (N, C, H, W)."""
    alike = []
    for axis, size in enumerate(dropped.shape):
        same = dropped.narrow(axis, 0, size - 1) == dropped.narrow(axis, 1, size - 1)
        alike.append(same.double().mean().item())
    chance = share**2 + (1 - share) ** 2
    together = [axis for axis, part in enumerate(alike) if part == 1]
    together = together or [axis for axis, part in enumerate(alike) if abs(part - chance) > 0.05]
    known = {
        (0,): "One mask serves all images of the batch",
        (1, 2, 3): "Images are dropped as a whole",
        (2, 3): "Channels are dropped as a whole",
    }
    if together:
        what = known.get(tuple(together), f"What is dropped repeats along axis {together[0]}")
        raise Wrong(f"{on}: {what}. Which shape has the tensor of random numbers?")


def judge_evaluation(answer, X):
    """Raise Wrong unless training=False leaves every value as it is."""
    result = drop(answer, X, 0.25, training=False)
    if close(result, X):
        return
    if close(result, X * 0.75):
        raise Wrong(
            "With training = False your function multiplies by 1 − p, as the paper did. If training divides by 1 − p"
            " already, what is left to do?"
        )
    if ((result == 0) & (X != 0)).any():
        raise Wrong("With training = False your function drops values, too. Where does it ask for `training`?")
    raise Wrong("With training = False the values do not stay as they are. What should happen to them?")


def judge_dropout_gradients(answer, X):
    """Say whether gradients flow through what is kept; raise Wrong if they flow and are wrong."""
    leaf, weights = X.clone().requires_grad_(), torch.linspace(-1, 1, X.numel()).reshape(X.shape)
    try:
        result = answer(leaf, 0.25, True)
        (gradient,) = torch.autograd.grad((result * weights).sum(), leaf)
    except Exception:
        return "Gradients do not flow through it, which the question did not ask for: what cuts them off?"
    if not close(gradient, weights * (result != 0) / 0.75):
        raise Wrong("The values are right, but the gradient of X is off. Which step hides something from autograd?")
    return "Its gradients are right, too."


def max_pool2d_cases():
    small = torch.tensor([[9.0, 2, 7, 1], [4, 0, 3, 8], [5, 12, 6, 10], [11, 14, 13, 15]]).reshape(1, 1, 4, 4)
    sizes = ((2, 3, 7, 9), 3, 2), ((1, 2, 8, 6), 3, 2), ((2, 1, 6, 5), 2, 3), ((1, 2, 5, 4), 4, 1), ((2, 3, 9, 8), 3, 2)
    return [(small, 2, 1), *((torch.randn(images), size, stride) for images, size, stride in sizes)]


max_pool2d = function(
    max_pool2d_cases,
    F.max_pool2d,
    mistakes=[
        (F.avg_pool2d, "You take the mean. Which number of a window does max pooling keep?"),
        (
            lambda X, size, stride: -F.max_pool2d(-X, size, stride),
            "You take the smallest number. Which one does max pooling keep?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size),
            "Your windows begin size apart. What does `stride` stand for?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size, 1),
            "Your windows begin 1 apart. What does `stride` stand for?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, stride, size),
            "Size and stride are exchanged. Which one says how far apart the windows begin?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size, stride, ceil_mode=True),
            "Windows that stick out are there, too. How many whole windows fit?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size, stride)[:, :, :-1, :-1],
            "The last row and column are missing. Which is the last place where a window fits?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size, stride).clamp(min=0),
            "No maximum is below 0. What does your maximum start from, if all numbers of a window are negative?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size, stride).mT,
            "Rows and columns are exchanged. Which axis is H?",
        ),
        (
            lambda X, size, stride: F.max_pool2d(X, size, stride).amax(dim=1, keepdim=True),
            "The maximum runs over the channels, too. Over which axes should it?",
        ),
    ],
    by_hand=("max_pool",),
    otherwise="Which numbers of X go into each window, and where does the next one begin?",
)


def grouped_cases():
    small = torch.arange(1.0, 9.0).reshape(1, 2, 2, 2), torch.tensor([1.0, 10.0]).reshape(2, 1, 1, 1), 2
    sizes = (
        ((2, 4, 6, 5), (6, 2, 3, 2), 2),
        ((3, 6, 5, 5), (9, 2, 3, 3), 3),
        ((2, 4, 4, 4), (8, 1, 1, 3), 4),
        ((1, 3, 5, 5), (2, 3, 3, 3), 1),
        ((2, 6, 6, 7), (4, 3, 3, 3), 2),
    )
    return [small, *((torch.randn(images), torch.randn(kernels), groups) for images, kernels, groups in sizes)]


def torch_grouped(X, weight, groups):
    return F.conv2d(X, weight, groups=groups)


def parts(X, weight, groups):
    """Return what each group makes, as a list."""
    return list(torch_grouped(X, weight, groups).chunk(groups, dim=1))


def dealt(tensor, groups, dim):
    """Reorder an axis as if groups took every so many-th entry, like cards that are dealt."""
    order = torch.arange(tensor.shape[dim]).reshape(-1, groups).T.flatten()
    return tensor.index_select(dim, order)


AXES = "The groups' maps are joined along {}. Which axis of (N, C, H, W) counts channels?"

grouped_numbers = function(
    grouped_cases,
    torch_grouped,
    mistakes=[
        (lambda *args: torch.cat(parts(*args), dim=0), AXES.format("the batch")),
        (lambda *args: torch.cat(parts(*args), dim=2), AXES.format("the height")),
        (lambda *args: torch.cat(parts(*args), dim=3), AXES.format("the width")),
        (
            lambda *args: torch.stack(parts(*args)),
            "Your result has an axis more, one for the groups. What joins tensors along an axis that is there already?",
        ),
        (
            lambda *args: sum(parts(*args)),
            "The groups' maps are added up. Does each group not make channels of its own?",
        ),
        (
            lambda X, weight, groups: F.conv2d(X, weight.repeat(1, groups, 1, 1)),
            "Every output channel sees all input channels. Which ones belong to its group?",
        ),
        (
            lambda X, weight, groups: F.conv2d(X[:, : weight.shape[1]], weight),
            "Every group sees the first channels. Which ones belong to the second group?",
        ),
        (
            lambda X, weight, groups: torch.cat([F.conv2d(x, weight) for x in X.chunk(groups, dim=1)], dim=1),
            "Every group uses all kernels. Which rows of the weight belong to the first group?",
        ),
        (
            lambda X, weight, groups: torch_grouped(X, torch.cat([weight[: len(weight) // groups]] * groups), groups),
            "Every group uses the first kernels. Which rows of the weight belong to the second group?",
        ),
        (
            lambda X, weight, groups: torch_grouped(torch.cat(X.chunk(groups, dim=1)[::-1], dim=1), weight, groups),
            "The groups meet each other's kernels. Which channels belong to the first rows of the weight?",
        ),
        (
            lambda X, weight, groups: torch_grouped(dealt(X, groups, 1), weight, groups),
            "The input channels are dealt out in turn. Does a group take neighbours or every so many-th channel?",
        ),
        (
            lambda X, weight, groups: torch_grouped(X, dealt(weight, groups, 0), groups),
            "The kernels are dealt out in turn. Does a group take neighbours or every so many-th row of the weight?",
        ),
        (
            lambda X, weight, groups: torch_grouped(dealt(X, groups, 1), dealt(weight, groups, 0), groups),
            "Channels and kernels are dealt out in turn. Does a group take neighbours or every so many-th?",
        ),
        (
            lambda *args: torch.stack(parts(*args), dim=2).flatten(1, 2),
            "The output channels of the groups alternate. Should they, or do those of the first group come first?",
        ),
    ],
    otherwise="Which channels of X and which rows of the weight belong to each group, and in which order do they join?",
)


def grouped_conv2d(answer, solve):
    """Check the numbers first, then that no convolution was told of groups."""
    try:
        remark = grouped_numbers(answer, solve)
    except Wrong as wrong:
        if "channels instead" in str(wrong):
            raise Wrong(f"{wrong} Which channels of X does one group see?") from wrong
        raise
    with Called() as called:
        call(answer, *grouped_cases()[0])
    for name, args, kwargs in called.calls:
        place = 8 if "convolution" in name else 6  # where PyTorch's own signatures have the argument
        if "conv" in name and kwargs.get("groups", args[place] if len(args) > place else 1) != 1:
            raise Wrong(
                f"The numbers are right, but PyTorch's `{name}` split the channels for you. How do you get there with"
                " its argument `groups` left at 1?"
            )
    return remark
