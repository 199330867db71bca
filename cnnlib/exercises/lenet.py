"""Exercises of chapter 1, LeNet. In a notebook: `from cnnlib.exercises import lenet as exercises`.

Every exercise is its solution under a decorator, see `cnnlib.exercises.core`. The checkers, and what they
say to the usual mistakes, are in `cnnlib.exercises.lenet_checks`.
"""

import torch
from torch import nn

from cnnlib.exercises import lenet_checks as checks
from cnnlib.exercises.core import exercise
from cnnlib.models import lenet


@exercise(
    "recall",
    question=(
        "A convolution with an 11 × 11 kernel, stride 4 and padding 2 on each side runs over an image of "
        "224 × 224. What is the height of its output?"
    ),
    hints=(
        "Padding makes the image higher, on both sides. In how many places does the kernel fit then?",
        "The formula is ⌊(height + 2 · padding − kernel) / stride⌋ + 1.",
    ),
    check=checks.output_size,
)
def output_size():
    height, kernel, padding, stride = 224, 11, 2, 4
    return (height + 2 * padding - kernel) // stride + 1


@exercise(
    "recall",
    question=(
        "A batch of 8 grey images, 46 pixels high and 34 wide, goes through this chapter's LeNet. "
        "Which shape, (N, C, H, W), arrives at `nn.Flatten`?"
    ),
    hints=(
        "Walk through the layers: the first convolution has padding 2, the second none, each pooling halves.",
        "The height goes 46, 46, 23, 19, and then the second pooling drops the last row. Now the width.",
    ),
    check=checks.shape_at_flatten,
)
def shape_at_flatten():
    height, width = 46, 34  # the first convolution keeps both: padding 2
    height, width = height // 2, width // 2  # 23, 17
    height, width = height - 4, width - 4  # 19, 13: a kernel of 5, no padding
    return 8, 16, height // 2, width // 2


@exercise(
    "recall",
    question=(
        "How many parameters does LeNet's second convolution have, with its 6 input channels, 16 output "
        "channels and 5 × 5 windows?"
    ),
    hints=(
        "Each output channel has a kernel of its own, with a 5 × 5 window for every input channel.",
        "16 kernels of 6 × 5 × 5 weights, and one bias for each output channel.",
    ),
    check=checks.second_convolution_parameters,
)
def second_convolution_parameters():
    weights = 16 * 6 * 5 * 5
    biases = 16
    return weights + biases


@exercise(
    "recall",
    question="Which layer needs most of LeNet's multiply-adds? Give its number in the layer table, 0 to 11.",
    hints=(
        "A dense layer uses each weight once for an image. How often does a convolution use each of its own?",
        "Multiply the weights of each convolution by the size of its output map, 28 × 28 and 10 × 10.",
    ),
    check=checks.most_multiply_adds,
)
def most_multiply_adds():
    work = {0: 6 * 1 * 5 * 5 * 28 * 28, 3: 16 * 6 * 5 * 5 * 10 * 10, 7: 400 * 120}
    return max(work, key=work.get)


@exercise(
    "change one line",
    question=(
        "The LeNet of 1998 saw images of 32 × 32 and padded nothing. Build this chapter's LeNet for images of"
        " shape (1, 32, 32) with no padding anywhere, so that 16 × 5 × 5 still arrives at the first dense"
        " layer."
    ),
    hints=(
        "28 + 2 · 2 = 32: the padding made the image as large as the paper's.",
        "Only the first convolution has padding. Leave it out and follow the height: 32, 28, 14, 10, 5.",
    ),
    check=checks.without_padding,
)
def without_padding():
    net = lenet()
    net[0] = nn.Conv2d(1, 6, kernel_size=5)  # padding=2 is gone
    return net


@exercise(
    "change one line",
    question=(
        "Build LeNet for images of shape (1, 28, 28) with a ReLU for every sigmoid and max pooling for every "
        "average pooling."
    ),
    hints=(
        "How many activations does the network have? Two of them follow dense layers.",
        "`lenet` takes the classes of the activation and of the pooling as arguments.",
    ),
    check=checks.relu_and_max_pooling,
)
def relu_and_max_pooling():
    return lenet(activation=nn.ReLU, pool=nn.MaxPool2d)


@exercise(
    "change one line",
    question=(
        "Build LeNet for colour images of shape (3, 28, 28) and 100 classes; all else stays. It is two lines this time."
    ),
    hints=(
        "Which layer sees the image, and which returns one score for each class?",
        "Layer 0 has `in_channels=1`, layer 11 has `out_features=10`.",
    ),
    check=checks.colours_and_classes,
)
def colours_and_classes():
    net = lenet()
    net[0] = nn.Conv2d(3, 6, kernel_size=5, padding=2)
    net[11] = nn.Linear(84, 100)
    return net


@exercise(
    "build",
    question=(
        "Write `conv2d(X, K)`, the cross-correlation of an image `X` of shape (H, W) with a kernel `K` of "
        "shape (h, w): stride 1, no padding, and without PyTorch's own convolutions. It returns a new tensor."
    ),
    hints=(
        "The result has H − h + 1 rows and W − w + 1 columns. What does its entry (0, 0) see of X?",
        "Entry (i, j) is the sum of `X[i:i + h, j:j + w] * K`. Two loops are good enough.",
    ),
    check=checks.conv2d,
)
def conv2d(X, K):
    h, w = K.shape
    Y = torch.zeros(X.shape[0] - h + 1, X.shape[1] - w + 1)
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


@exercise(
    "build",
    question=(
        "Write `avg_pool2d(X, size)` for a batch `X` of shape (N, C, H, W), without PyTorch's own poolings:"
        " the means of windows of size × size that do not overlap. Rows and columns left over at the end are"
        " dropped."
    ),
    hints=(
        "The result has the shape (N, C, H // size, W // size). Where does the window of entry (i, j) begin?",
        "It begins at a = i · size, b = j · size. Average `X[:, :, a:a + size, b:b + size]` over axes 2, 3.",
    ),
    check=checks.avg_pool2d,
)
def avg_pool2d(X, size):
    N, C, H, W = X.shape
    Y = torch.zeros(N, C, H // size, W // size)
    for i in range(H // size):
        for j in range(W // size):
            a, b = i * size, j * size
            Y[:, :, i, j] = X[:, :, a : a + size, b : b + size].mean(dim=(2, 3))
    return Y


@exercise(
    "build",
    question=(
        "Write `confusion_matrix(y_hat, y, num_classes)` for scores `y_hat` of shape (N, num_classes) and"
        " labels `y` of shape (N,). Entry (i, j) counts the examples of class i whose largest score is that"
        " of class j."
    ),
    hints=(
        "The prediction for an example is the class with the largest score: `argmax` over which axis?",
        "Start with zeros of shape (num_classes, num_classes). Each example adds 1 at (label, prediction).",
    ),
    check=checks.confusion_matrix,
)
def confusion_matrix(y_hat, y, num_classes):
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for label, predicted in zip(y, y_hat.argmax(dim=1), strict=True):
        matrix[label, predicted] += 1
    return matrix
