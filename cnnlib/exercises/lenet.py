"""Exercises of chapter 1, LeNet. In a notebook: `from cnnlib.exercises import lenet as exercises`."""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import check, randn
from cnnlib.exercises.functions import Function
from cnnlib.exercises.investigations import fewer_than, investigation
from cnnlib.exercises.layers import renewed
from cnnlib.exercises.modules import network
from cnnlib.exercises.reading import number, shape
from cnnlib.models import lenet


@exercise("recall", number({
    "A kernel that would stick out has no place: what becomes of the fraction?": 55.25,
    "A kernel that would stick out has no place: do you round up or down?": 56,
    "That is one short. Do you count the padding on both sides, and the place where the kernel starts?": 54,
    "Where does the height of the kernel come in?": 57,
    "That is right for stride 1. What does a stride of 4 do to the number of places?": 218,
}, otherwise="Which number did you take for height, kernel, padding and stride?"))  # fmt: skip
def output_size():
    """A convolution with an 11 × 11 kernel, stride 4 and padding 2 on each side runs over an image of 224 × 224. What
    is the height of its output?

    Hint: Padding makes the image higher, on both sides. In how many places does the kernel fit then?
    Hint: The formula is ⌊(height + 2 · padding − kernel) / stride⌋ + 1.
    """
    height, kernel, padding, stride = 224, 11, 2, 4
    return (height + 2 * padding - kernel) // stride + 1


@exercise("recall", shape({
    "That is one image. Where is the batch?": (16, 9, 6),
    "That is what leaves the Flatten. What arrives at it?": (8, 864),
    "Which comes first in PyTorch, height or width?": (8, 16, 6, 9),
    "Where does PyTorch keep the channels?": (8, 9, 6, 16),
    "Does the second convolution pad its input?": (8, 16, 11, 8),
    "Does the first convolution pad its input?": (8, 16, 8, 5),
    "What does pooling do with a last row that has no partner?": [(8, 16, 10, 7), (8, 16, 9.5, 6.5)],
    "That is right for images of 28 × 28. What becomes of 46 rows and 34 columns?": (8, 16, 5, 5),
    "How many kernels has the second convolution?": (8, 6, 9, 6),
}, otherwise="What does each layer do to that axis?"))  # fmt: skip
def shape_at_flatten():
    """A batch of 8 grey images, 46 pixels high and 34 wide, goes through this chapter's LeNet. Which shape,
    (N, C, H, W), arrives at `nn.Flatten`?

    Hint: Walk through the layers: the first convolution has padding 2, the second none, each pooling halves.
    Hint: The height goes 46, 46, 23, 19, and then the second pooling drops the last row. Now the width.
    """
    height, width = 46, 34  # the first convolution keeps both: padding 2
    height, width = height // 2, width // 2  # 23, 17
    height, width = height - 4, width - 4  # 19, 13: a kernel of 5, no padding
    return 8, 16, height // 2, width // 2


@exercise("recall", number({
    "That is with the padding. How large are the maps without it?": 48120,
    "These are the weights. What else does each unit learn?": 30720,
    "That is what arrives for one unit. How many units are there?": [256, 257],
    "How many numbers has each of the 16 maps?": 2040,
    "Does a bias belong to an input or to a unit?": 30976,
    "These are the maps before the second pooling. What does it do to a side?": 16 * 8 * 8 * 120 + 120,
}, otherwise="How large are the maps after each layer, how many are there, and how many units see them?"))  # fmt: skip
def first_dense_parameters():
    """LeNet is built without any padding and gets images of 28 × 28. How many parameters does its first dense layer,
    with 120 units, have then?

    Hint: Follow the height: 28, then 24, and pooling halves it. What arrives at `nn.Flatten`?
    Hint: 16 maps of 4 × 4 arrive. Each unit has a weight for every number, and a bias.
    """
    inputs = 16 * 4 * 4  # 28, 24, 12, 8, 4
    return inputs * 120 + 120


@exercise("recall", number({
    "There are twice as many kernels. How deep is each of them now?": 2,
    "Twice as deep and twice as many: does anything else double?": 8,
    "Kernels and maps keep their height and width. What does double?": 16,
    "That is the number of multiply-adds. How many times as many is it?": 960_000,
    "Nothing has changed? How many kernels are there now?": 1,
}, otherwise="How many kernels are there now, how deep is each, and at how many places is it used?"))  # fmt: skip
def twice_as_wide():
    """Every width of LeNet is doubled: 12 and 32 channels, 240 and 168 units. How many times as many multiply-adds does
    its second convolution have then?

    Hint: For each number of its output it multiplies one kernel with one window. How many numbers are in the output?
    Hint: Twice as many output maps; and each kernel reaches through twice as many input maps.
    """
    kernels, depth = 2, 2
    return kernels * depth


@exercise("change one line", network((1, 32, 32), {
    "With padding=1 the height goes 32, 30, 15, 11, 5: it fits only because the second pooling drops a row. How much "
    "did the paper pad?": {0: renewed(padding=1)},
    "The image is cut to 28 × 28 first, then padded. Which padding lets the network see its border?":
        lambda: nn.Sequential(nn.ZeroPad2d(-2), lenet()),
}, otherwise="What should the padding of the first convolution be?"))  # fmt: skip
def without_padding():
    """The LeNet of 1998 saw images of 32 × 32 and padded nothing. Build this chapter's LeNet for images of shape
    (1, 32, 32) with no padding anywhere, so that 16 × 5 × 5 still arrives at the first dense layer.

    Hint: 28 + 2 · 2 = 32: the padding made the image as large as the paper's.
    Hint: Only the first convolution has padding. Leave it out and follow the height: 32, 28, 14, 10, 5.
    """
    net = lenet()
    net[0] = nn.Conv2d(1, 6, kernel_size=5)  # padding=2 is gone
    return net


class Tanh(nn.Module):
    """outside · tanh(inside · x)."""

    def __init__(self, outside=1.7159, inside=2 / 3):
        super().__init__()
        self.outside, self.inside = outside, inside

    def forward(self, X):
        return self.outside * torch.tanh(self.inside * X)


@exercise("change one line", network((1, 28, 28), {
    "This is the unchanged LeNet. Which argument takes another activation?": lenet,
    "That is the plain tanh. Which two numbers scale it?": lambda: lenet(nn.Tanh),
    "Its output is scaled, its input is not. What stands inside of the tanh?": lambda: lenet(lambda: Tanh(inside=1.0)),
    "Its input is scaled, its output is not. What stands in front of the tanh?":
        lambda: lenet(lambda: Tanh(outside=1.0)),
    "The two numbers are exchanged. Which one stands inside?": lambda: lenet(lambda: Tanh(2 / 3, 1.7159)),
    "The input is multiplied by 3/2. Is the S stretched or squeezed by that?": lambda: lenet(lambda: Tanh(inside=1.5)),
    "The pooling is another one. Which one had it?": lambda: lenet(Tanh, nn.MaxPool2d),
    "The dense layers still use sigmoids. How many activations does the network have?":
        {(1, 4): Tanh(), (8, 10): nn.Sigmoid()},
    "The convolutions still use sigmoids. How many activations does the network have?":
        {(1, 4): nn.Sigmoid(), (8, 10): Tanh()},
}, otherwise="Are there four activations, each 1.7159 * tanh(2 / 3 * x), where the sigmoids were?"))  # fmt: skip
def scaled_tanh():
    """Build LeNet for images of shape (1, 28, 28) with the activation of 1998, 1.7159 · tanh(2x/3), for every sigmoid;
    the poolings stay.

    Hint: `lenet` takes the class of the activation as its first argument. What does a class need, to be a layer?
    Hint: A class derived from `nn.Module` needs nothing but `forward(self, X)`. Then `lenet(ScaledTanh)`.
    """

    class ScaledTanh(nn.Module):
        def forward(self, X):
            return 1.7159 * torch.tanh(2 / 3 * X)

    return lenet(ScaledTanh)


@exercise("change one line", network((3, 28, 28), {
    "The sigmoids have become ReLUs. Which two lines have to change?": {nn.Sigmoid: nn.ReLU()},
    "The average pooling has become max pooling. Which two lines have to change?": {nn.AvgPool2d: nn.MaxPool2d(2)},
    "Activation and pooling are other ones. Which two lines have to change?":
        {nn.Sigmoid: nn.ReLU(), nn.AvgPool2d: nn.MaxPool2d(2)},
}, otherwise="Which number in the first convolution depends on the colours, and which in the last layer on the "
             "classes?"))  # fmt: skip
def colours_and_classes():
    """Build LeNet for colour images of shape (3, 28, 28) and 100 classes; all else stays. It is two lines this time.

    Hint: Which layer sees the image, and which returns one score for each class?
    Hint: Layer 0 has `in_channels=1`, layer 11 has `out_features=10`.
    """
    net = lenet()
    net[0] = nn.Conv2d(3, 6, kernel_size=5, padding=2)
    net[11] = nn.Linear(84, 100)
    return net


def torch_conv2d(X, K, **options):
    return F.conv2d(X[None, None], K[None, None], **options)[0, 0]


@exercise("build", check(Function(by_hand=("conv",), gradients=True), [
    (torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2)), (randn(6, 8), randn(3, 2)),
    (randn(9, 4), randn(2, 3)), (randn(5, 5), randn(5, 5)), (randn(4, 7), randn(1, 1)), (randn(7, 6), randn(3, 3)),
], torch_conv2d, {
    "Your kernel is flipped. Do networks flip theirs?": lambda X, K: torch_conv2d(X, K.flip(0, 1)),
    "Your kernel is upside down. Which row of K meets the top of X?": lambda X, K: torch_conv2d(X, K.flip(0)),
    "That is a mean. What makes a sum of it?": lambda X, K: torch_conv2d(X, K) / K.numel(),
    "Rows and columns are exchanged. Which index counts rows?": lambda X, K: torch_conv2d(X, K).T,
    "The last row and column are missing. Which is the last place where the kernel fits?":
        lambda X, K: torch_conv2d(X, K)[:-1, :-1],
    "Your windows do not overlap. What is the stride?": lambda X, K: torch_conv2d(X, K, stride=K.shape),
}, otherwise="In how many places does the kernel fit, and what is summed in each?"))  # fmt: skip
def conv2d(X, K):
    """Write `conv2d(X, K)`, the cross-correlation of an image `X` of shape (H, W) with a kernel `K` of shape (h, w):
    stride 1, no padding, and without PyTorch's own convolutions. It returns a new tensor.

    Hint: The result has H − h + 1 rows and W − w + 1 columns. What does its entry (0, 0) see of X?
    Hint: Entry (i, j) is the sum of `X[i:i + h, j:j + w] * K`. Two loops are good enough.
    """
    h, w = K.shape
    Y = torch.zeros(X.shape[0] - h + 1, X.shape[1] - w + 1)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


@exercise("build", check(Function(by_hand=("avg_pool",), gradients=True), [
    (torch.arange(16.0).reshape(1, 1, 4, 4), 2), (randn(2, 3, 6, 4), 2), (randn(1, 2, 9, 6), 3), (randn(2, 1, 7, 5), 2),
    (randn(2, 2, 4, 4), 4), (randn(1, 2, 3, 4), 1),
], F.avg_pool2d, {
    "You take the maximum. What does average pooling take?": F.max_pool2d,
    "You take the sum. What makes it a mean?": lambda X, size: F.avg_pool2d(X, size) * size**2,
    "You divide by size. How many numbers has a window?": lambda X, size: F.avg_pool2d(X, size) * size,
    "Your windows overlap. How far apart do they begin?": lambda X, size: F.avg_pool2d(X, size, stride=1),
    "Rows and columns are exchanged. Which axis is H?": lambda X, size: F.avg_pool2d(X, size).mT,
    "The rows or columns left over have windows too. How many whole windows fit?":
        lambda X, size: F.avg_pool2d(X, size, ceil_mode=True),
}, otherwise="Which numbers of X go into each mean? Do images and channels stay apart?"))  # fmt: skip
def avg_pool2d(X, size):
    """Write `avg_pool2d(X, size)` for a batch `X` of shape (N, C, H, W), without PyTorch's own poolings: the means of
    windows of size × size that do not overlap. Rows and columns left over at the end are dropped.

    Hint: The result has the shape (N, C, H // size, W // size). Where does the window of entry (i, j) begin?
    Hint: It begins at a = i · size, b = j · size. Average `X[:, :, a:a + size, b:b + size]` over axes 2, 3.
    """
    N, C, H, W = X.shape
    Y = torch.zeros(N, C, H // size, W // size)
    for i in range(H // size):
        for j in range(W // size):
            a, b = i * size, j * size
            Y[:, :, i, j] = X[:, :, a : a + size, b : b + size].mean(dim=(2, 3))
    return Y


def confusion_cases():
    small = torch.eye(3)[[0, 1, 1, 2, 0]], torch.tensor([0, 1, 0, 1, 0]), 3
    sizes = (200, 3, 3), (50, 10, 10), (7, 2, 4), (1, 5, 5)  # examples, classes that occur, classes
    return [small, *((torch.randn(n, k), torch.randint(present, (n,)), k) for n, present, k in sizes)]


def counts(y_hat, y, num_classes):
    pairs = torch.bincount(y * num_classes + y_hat.argmax(dim=1), minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


@exercise("build", check(Function(), confusion_cases, counts, {
    "Rows and columns are exchanged. Which is the true class?": lambda *args: counts(*args).T,
    "No entry gets beyond 1. What does your code do with a pair that comes twice?":
        lambda *args: counts(*args).clamp(max=1),
    "Only right predictions count. Where do errors go?": lambda *args: counts(*args).diag().diag(),
    "These are shares. What counts the examples?": lambda *args: counts(*args) / len(args[1]),
    "Each row is divided by its sum. What counts the examples?":
        lambda *args: F.normalize(counts(*args).float(), p=1, dim=1),
}, otherwise="At which row and column does one example add its 1? May a class be absent from a batch?"))  # fmt: skip
def confusion_matrix(y_hat, y, num_classes):
    """Write `confusion_matrix(y_hat, y, num_classes)` for scores `y_hat` of shape (N, num_classes) and labels `y` of
    shape (N,). Entry (i, j) counts the examples of class i whose largest score is that of class j.

    Hint: The prediction for an example is the class with the largest score: `argmax` over which axis?
    Hint: Start with zeros of shape (num_classes, num_classes). Each example adds 1 at (label, prediction).
    """
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for label, predicted in zip(y, y_hat.argmax(dim=1), strict=True):
        matrix[label, predicted] += 1
    return matrix


@exercise("investigate", investigation(
    "a dict with 'lives', the largest rate at which a run still learnt, and 'dies', the smallest at which it did not, "
    "one number for each of three or more seeds", {
        "One seed or two. Is it the same rate for others?": (
            fewer_than(3, "lives", "dies"), {"lives": 0.4, "dies": 0.8}
        ),
        "There are more numbers under one name than under the other. Which belong together?": (
            lambda t: len(t["lives"]) != len(t["dies"]), {"lives": [0.4] * 3, "dies": [0.8] * 4},
        ),
        "In one seed it died at a rate at which it also lived, or at a smaller one. How is 'dead' told from 'slow'?": (
            lambda t: any(low >= high for low, high in zip(t["lives"], t["dies"], strict=True)),
            {"lives": [0.8, 0.4, 0.4], "dies": [0.4, 0.8, 0.8]},
        ),
        "At 0.1 this chapter's network learns. Was it dead, or had it not begun?": (
            lambda t: min(t["dies"]) <= 0.1, {"lives": [0.025] * 3, "dies": [0.05] * 3},
        ),
        "Between the two rates lies more than a factor of two and a bit. What happens in between?": (
            lambda t: any(high > 2.5 * low for low, high in zip(t["lives"], t["dies"], strict=True)),
            {"lives": [0.1] * 3, "dies": [1.0] * 3},
        ),
    },
    "That is an order of size and no constant of nature: look more finely, wait longer, or raise the rate later, and "
    "it moves. And nothing in the loss before warns you.",
))  # fmt: skip
def deadly_rate():
    """Predict, measure, explain: at which rate does LeNet with ReLU and max pooling die, and does that differ between
    seeds? Train it afresh for 50 steps at rates that double from 0.1 on, with three seeds; dead is a mean loss of the
    last 15 steps above 2.25. Hand in a dict with two lists, one number per seed: under "dies" the first deadly rate,
    under "lives" the one before.

    Hint: Batches of 64 are quick: `load_data_fashion_mnist(64, num_train=3200)` has 50 of them.
    Hint: `history.window(35)[0]` is the mean loss from step 35 on. Stop doubling at the first dead run.
    """
    from cnnlib.datasets import load_data_fashion_mnist
    from cnnlib.models import lenet, xavier_
    from cnnlib.training.seeds import train_over_seeds

    train_iter = load_data_fashion_mnist(64, num_train=3200, num_test=1)[0]
    measured = {"lives": [], "dies": []}
    for seed in range(3):
        rate, dead = 0.1, False
        while not dead and rate < 10:
            rate *= 2
            _, (history,) = train_over_seeds(
                lambda: xavier_(lenet(nn.ReLU, nn.MaxPool2d)), train_iter, None, 1, rate, seeds=(seed,)
            )
            dead = not history.window(35)[0] < 2.25  # a loss of NaN is dead as well
        measured["lives"].append(rate / 2)
        measured["dies"].append(rate)
    return measured
