"""Exercises of chapter 1, LeNet. In a notebook: `from cnnlib.exercises import lenet as exercises`."""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import Wrong, check, randn
from cnnlib.exercises.functions import Function
from cnnlib.exercises.layers import renewed
from cnnlib.exercises.modules import network
from cnnlib.exercises.reading import Value, number, number_from, shape
from cnnlib.models import lenet
from cnnlib.probes import layer_table


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
    "These are the weights. What else does each output channel learn?": 2400,
    "That is 16 windows of 5 × 5. How deep is each of them, and what is added to its sum?": 400,
    "Through how many input channels does each kernel reach?": 416,
    "That is one kernel. How many are there, and what is added to each sum?": 150,
    "That is one kernel with its bias. How many output channels are there?": 151,
    "That is one window for each input channel. Does every output channel use the same ones?": 166,
    "That is the first convolution. What changes with 6 input and 16 output channels?": 156,
    "Does a bias belong to an input channel or to an output channel?": 2406,
    "That is a bias for each pair of channels. How many sums does a bias join at one place?": 2496,
    "These are the multiply-adds. How many of the weights in them are different ones?": 240000,
}, otherwise="How many kernels are there, how deep is each, and what is added to each sum?"))  # fmt: skip
def second_convolution_parameters():
    """How many parameters does LeNet's second convolution have, with its 6 input channels, 16 output channels and 5 × 5
    windows?

    Hint: Each output channel has a kernel of its own, with a 5 × 5 window for every input channel.
    Hint: 16 kernels of 6 × 5 × 5 weights, and one bias for each output channel.
    """
    weights = 16 * 6 * 5 * 5
    biases = 16
    return weights + biases


def layer_from(answer):
    """Return the number of a layer, which may be a text here."""
    if isinstance(answer, nn.Module):
        raise Wrong("You hand in the layer itself, expected its number. Which number does the table give it?")
    return number_from(int(answer) if isinstance(answer, str) and answer.strip().isdecimal() else answer)


def other_layer(layer, right):
    """Say what the layer table says of a layer."""
    rows = layer_table(lenet(), (1, 28, 28))
    if layer not in range(len(rows)):
        return f"LeNet has no layer {layer:g}, only 0 to {len(rows) - 1}. Which one do you mean?"
    row = rows[int(layer)]
    return (
        f"Layer {row.name}, {row.kind}, has {row.multiply_adds:,} multiply-adds, and another has more. Which layer has "
        "many weights and uses each at many places?"
    )


@exercise("recall", check(Value(layer_from, float.__eq__, vague=other_layer)))
def most_multiply_adds():
    """Which layer needs most of LeNet's multiply-adds? Give its number in the layer table, 0 to 11.

    Hint: A dense layer uses each weight once for an image. How often does a convolution use each of its own?
    Hint: Multiply the weights of each convolution by the size of its output map, 28 × 28 and 10 × 10.
    """
    work = {0: 6 * 1 * 5 * 5 * 28 * 28, 3: 16 * 6 * 5 * 5 * 10 * 10, 7: 400 * 120}
    return max(work, key=work.get)


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


@exercise("change one line", network((1, 28, 28), {
    "This is the unchanged LeNet. Which lines name the activation and the pooling?": lenet,
    "It still takes averages. Which pooling keeps the largest number of a window?": {nn.MaxPool2d: nn.AvgPool2d(2)},
    "It still uses sigmoids. Which activation cuts off the negative part?": {nn.ReLU: nn.Sigmoid()},
    "The activation is tanh. Which one cuts off the negative part?": {nn.ReLU: nn.Tanh()},
    "The ReLU leaks. Which one makes every negative number 0?": {nn.ReLU: nn.LeakyReLU()},
    "The dense layers still use sigmoids. How many activations does the network have?": {(8, 10): nn.Sigmoid()},
    "The dense layers have lost their activations. What do three dense layers in a row amount to?":
        {(8, 10): nn.Identity()},
    "The convolutions have lost their activations. Where did the sigmoids stand?": {(1, 4): nn.Identity()},
    "A ReLU follows the last layer. May a score be negative?": {11: lambda last: nn.Sequential(last, nn.ReLU())},
    "The first pooling still takes averages. How many poolings are there?": {2: nn.AvgPool2d(2)},
    "The second pooling still takes averages. How many poolings are there?": {5: nn.AvgPool2d(2)},
    "It takes averages, and before the ReLU. Which pooling keeps the largest number of a window?":
        {(1, 4): nn.AvgPool2d(2), (2, 5): nn.ReLU()},
}, otherwise="Are there four ReLUs and two max poolings, each where a sigmoid or an average pooling was?"))  # fmt: skip
def relu_and_max_pooling():
    """Build LeNet for images of shape (1, 28, 28) with a ReLU for every sigmoid and max pooling for every average
    pooling.

    Hint: How many activations does the network have? Two of them follow dense layers.
    Hint: `lenet` takes the classes of the activation and of the pooling as arguments.
    """
    return lenet(activation=nn.ReLU, pool=nn.MaxPool2d)


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
