"""How the answers of chapter 1's exercises are checked, and what is said to the usual mistakes.

Each name here is the checker of the exercise of that name in `cnnlib.exercises.lenet`.
"""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.answers import as_number, function, number, shape
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.networks import network
from cnnlib.models import lenet
from cnnlib.probes import layer_table


def changed(net, layers):
    """Return a Sequential with some of its layers, {8: nn.Sigmoid()}, exchanged."""
    for index, layer in layers.items():
        net[index] = layer
    return net


output_size = number(
    {
        55.25: "A kernel that would stick out has no place: what becomes of the fraction?",
        56: "A kernel that would stick out has no place: do you round up or down?",
        54: ("That is one short. Do you count the padding on both sides, and the place where the kernel starts?"),
        57: "Where does the height of the kernel come in?",
        218: "That is right for stride 1. What does a stride of 4 do to the number of places?",
    },
    otherwise="Which number did you take for height, kernel, padding and stride?",
)

shape_at_flatten = shape(
    {
        (16, 9, 6): "That is one image. Where is the batch?",
        (8, 864): "That is what leaves the Flatten. What arrives at it?",
        (8, 16, 6, 9): "Which comes first in PyTorch, height or width?",
        (8, 9, 6, 16): "Where does PyTorch keep the channels?",
        (8, 16, 11, 8): "Does the second convolution pad its input?",
        (8, 16, 8, 5): "Does the first convolution pad its input?",
        (8, 16, 10, 7): "What does pooling do with a last row that has no partner?",
        (8, 16, 9.5, 6.5): "What does pooling do with a last row that has no partner?",
        (8, 16, 5, 5): "That is right for images of 28 × 28. What becomes of 46 rows and 34 columns?",
        (8, 6, 9, 6): "How many kernels has the second convolution?",
    },
    otherwise="What does each layer do to that axis?",
)

second_convolution_parameters = number(
    {
        2400: "These are the weights. What else does each output channel learn?",
        400: "That is 16 windows of 5 × 5. How deep is each of them, and what is added to its sum?",
        416: "Through how many input channels does each kernel reach?",
        150: "That is one kernel. How many are there, and what is added to each sum?",
        151: "That is one kernel with its bias. How many output channels are there?",
        166: "That is one window for each input channel. Does every output channel use the same ones?",
        156: "That is the first convolution. What changes with 6 input and 16 output channels?",
        2406: "Does a bias belong to an input channel or to an output channel?",
        2496: "That is a bias for each pair of channels. How many sums does a bias join at one place?",
        240000: "These are the multiply-adds. How many of the weights in them are different ones?",
    },
    otherwise="How many kernels are there, how deep is each, and what is added to each sum?",
)


def most_multiply_adds(answer, solve):
    if isinstance(answer, nn.Module):
        raise Wrong("You hand in the layer itself, expected its number. Which number does the table give it?")
    layer = as_number(int(answer) if isinstance(answer, str) and answer.strip().isdecimal() else answer)
    if layer == solve():
        return
    rows = layer_table(lenet(), (1, 28, 28))
    if layer not in range(len(rows)):
        raise Wrong(f"LeNet has no layer {layer:g}, only 0 to {len(rows) - 1}. Which one do you mean?")
    row = rows[int(layer)]
    raise Wrong(
        f"Layer {row.name}, {row.kind}, has {row.multiply_adds:,} multiply-adds, and another has more."
        " Which layer has many weights and uses each at many places?"
    )


without_padding = network(
    (1, 32, 32),
    mistakes=[
        (
            lambda: changed(lenet(), {0: nn.Conv2d(1, 6, kernel_size=5, padding=1)}),
            (
                "With padding=1 the height goes 32, 30, 15, 11, 5: it fits only because the second pooling"
                " drops a row. How much did the paper pad?"
            ),
        ),
        (
            lambda: nn.Sequential(nn.ZeroPad2d(-2), lenet()),
            "The image is cut to 28 × 28 first, then padded. Which padding lets the network see its border?",
        ),
    ],
    otherwise="What should the padding of the first convolution be?",
)


def relu_max():
    return lenet(nn.ReLU, nn.MaxPool2d)


relu_and_max_pooling = network(
    (1, 28, 28),
    mistakes=[
        (lenet, "This is the unchanged LeNet. Which lines name the activation and the pooling?"),
        (
            lambda: lenet(nn.ReLU),
            "It still takes averages. Which pooling keeps the largest number of a window?",
        ),
        (
            lambda: lenet(pool=nn.MaxPool2d),
            "It still uses sigmoids. Which activation cuts off the negative part?",
        ),
        (
            lambda: lenet(nn.Tanh, nn.MaxPool2d),
            "The activation is tanh. Which one cuts off the negative part?",
        ),
        (
            lambda: lenet(nn.LeakyReLU, nn.MaxPool2d),
            "The ReLU leaks. Which one makes every negative number 0?",
        ),
        (
            lambda: changed(relu_max(), {8: nn.Sigmoid(), 10: nn.Sigmoid()}),
            "The dense layers still use sigmoids. How many activations does the network have?",
        ),
        (
            lambda: changed(relu_max(), {8: nn.Identity(), 10: nn.Identity()}),
            "The dense layers have lost their activations. What do three dense layers in a row amount to?",
        ),
        (
            lambda: changed(relu_max(), {1: nn.Identity(), 4: nn.Identity()}),
            "The convolutions have lost their activations. Where did the sigmoids stand?",
        ),
        (
            lambda: nn.Sequential(relu_max(), nn.ReLU()),
            "A ReLU follows the last layer. May a score be negative?",
        ),
        (
            lambda: changed(relu_max(), {2: nn.AvgPool2d(2)}),
            "The first pooling still takes averages. How many poolings are there?",
        ),
        (
            lambda: changed(relu_max(), {5: nn.AvgPool2d(2)}),
            "The second pooling still takes averages. How many poolings are there?",
        ),
        (
            lambda: changed(lenet(nn.ReLU), {1: nn.AvgPool2d(2), 2: nn.ReLU(), 4: nn.AvgPool2d(2), 5: nn.ReLU()}),
            "It takes averages, and before the ReLU. Which pooling keeps the largest number of a window?",
        ),
    ],
    otherwise="Are there four ReLUs and two max poolings, each where a sigmoid or an average pooling was?",
)


def colour(net):
    return changed(net, {0: nn.Conv2d(3, 6, kernel_size=5, padding=2), 11: nn.Linear(84, 100)})


colours_and_classes = network(
    (3, 28, 28),
    mistakes=[
        (lambda: colour(lenet(nn.ReLU)), "The sigmoids have become ReLUs. Which two lines have to change?"),
        (
            lambda: colour(lenet(pool=nn.MaxPool2d)),
            "The average pooling has become max pooling. Which two lines have to change?",
        ),
        (
            lambda: colour(relu_max()),
            "Activation and pooling are other ones. Which two lines have to change?",
        ),
    ],
    otherwise=(
        "Which number in the first convolution depends on the colours, and which in the last layer on the classes?"
    ),
)


def conv2d_cases():
    sizes = ((6, 8), (3, 2)), ((9, 4), (2, 3)), ((5, 5), (5, 5)), ((4, 7), (1, 1)), ((7, 6), (3, 3))
    book = torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2)
    return [book, *((torch.randn(image), torch.randn(kernel)) for image, kernel in sizes)]


def torch_conv2d(X, K, **options):
    return F.conv2d(X[None, None], K[None, None], **options)[0, 0]


conv2d = function(
    conv2d_cases,
    torch_conv2d,
    mistakes=[
        (lambda X, K: torch_conv2d(X, K.flip(0, 1)), "Your kernel is flipped. Do networks flip theirs?"),
        (
            lambda X, K: torch_conv2d(X, K.flip(0)),
            "Your kernel is upside down. Which row of K meets the top of X?",
        ),
        (lambda X, K: torch_conv2d(X, K) / K.numel(), "That is a mean. What makes a sum of it?"),
        (lambda X, K: torch_conv2d(X, K).T, "Rows and columns are exchanged. Which index counts rows?"),
        (
            lambda X, K: torch_conv2d(X, K)[:-1, :-1],
            "The last row and column are missing. Which is the last place where the kernel fits?",
        ),
        (lambda X, K: torch_conv2d(X, K, stride=K.shape), "Your windows do not overlap. What is the stride?"),
    ],
    by_hand=("convolution",),
    otherwise="In how many places does the kernel fit, and what is summed in each?",
)


def avg_pool2d_cases():
    sizes = ((2, 3, 6, 4), 2), ((1, 2, 9, 6), 3), ((2, 1, 7, 5), 2), ((2, 2, 4, 4), 4), ((1, 2, 3, 4), 1)
    return [
        (torch.arange(16.0).reshape(1, 1, 4, 4), 2),
        *((torch.randn(images), size) for images, size in sizes),
    ]


avg_pool2d = function(
    avg_pool2d_cases,
    F.avg_pool2d,
    mistakes=[
        (F.max_pool2d, "You take the maximum. What does average pooling take?"),
        (lambda X, size: F.avg_pool2d(X, size) * size**2, "You take the sum. What makes it a mean?"),
        (lambda X, size: F.avg_pool2d(X, size) * size, "You divide by size. How many numbers has a window?"),
        (
            lambda X, size: F.avg_pool2d(X, size, stride=1),
            "Your windows overlap. How far apart do they begin?",
        ),
        (lambda X, size: F.avg_pool2d(X, size).mT, "Rows and columns are exchanged. Which axis is H?"),
        (
            lambda X, size: F.avg_pool2d(X, size, ceil_mode=True),
            "The rows or columns left over have windows too. How many whole windows fit?",
        ),
    ],
    by_hand=("avg_pool",),
    otherwise="Which numbers of X go into each mean? Do images and channels stay apart?",
)


def confusion_cases():
    small = torch.eye(3)[[0, 1, 1, 2, 0]], torch.tensor([0, 1, 0, 1, 0]), 3
    sizes = (200, 3, 3), (50, 10, 10), (7, 2, 4), (1, 5, 5)  # examples, classes that occur, classes
    return [small, *((torch.randn(n, k), torch.randint(present, (n,)), k) for n, present, k in sizes)]


def torch_confusion(y_hat, y, num_classes):
    counts = torch.bincount(y * num_classes + y_hat.argmax(dim=1), minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


confusion_matrix = function(
    confusion_cases,
    torch_confusion,
    mistakes=[
        (lambda *args: torch_confusion(*args).T, "Rows and columns are exchanged. Which is the true class?"),
        (
            lambda *args: torch_confusion(*args).clamp(max=1),
            "No entry gets beyond 1. What does your code do with a pair that comes twice?",
        ),
        (
            lambda *args: torch_confusion(*args).diag().diag(),
            "Only right predictions count. Where do errors go?",
        ),
        (lambda *args: torch_confusion(*args) / len(args[1]), "These are shares. What counts the examples?"),
        (
            lambda *args: F.normalize(torch_confusion(*args).float(), p=1, dim=1),
            "Each row is divided by its sum. What counts the examples?",
        ),
    ],
    otherwise="At which row and column does one example add its 1? May a class be absent from a batch?",
)
