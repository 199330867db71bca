"""Exercises of chapter 4, batch normalisation. In a notebook: `from cnnlib.exercises import batch_norm as exercises`.

Every exercise is its solution under a decorator, see `cnnlib.exercises.core`. The checkers, and what they
say to the usual mistakes, are in `cnnlib.exercises.batch_norm_checks`.
"""

import torch
from torch import nn

from cnnlib.exercises import batch_norm_checks as checks
from cnnlib.exercises.core import exercise


@exercise(
    "recall",
    question=(
        "In a batch, a channel holds the four values 1, 3, 5, 7. Batch normalisation in training, with gamma = 2, "
        "beta = 1 and eps = 0, makes which number of the 7? Two decimals are enough."
    ),
    hints=(
        "The mean is 4. The variance is the mean of the four squared distances from it. What is its root?",
        "The variance is (9 + 1 + 1 + 9) / 4 = 5. The 7 lies 3 above the mean: divide, then scale, then shift.",
    ),
    check=checks.normalised_value,
)
def normalised_value():
    mean = (1 + 3 + 5 + 7) / 4
    var = sum((x - mean) ** 2 for x in (1, 3, 5, 7)) / 4
    return 2 * (7 - mean) / var**0.5 + 1


@exercise(
    "recall",
    question=(
        "A new `nn.BatchNorm2d(1)` has momentum 0.1, and its running mean is 0. In training it sees two batches, "
        "each with the mean 5. What is the running mean after both?"
    ),
    hints=(
        "PyTorch's momentum is the weight of the batch. Which weight is left for the old running mean?",
        "After the first batch it is 0.9 · 0 + 0.1 · 5. Do the same once more.",
    ),
    check=checks.running_mean_after_two,
)
def running_mean_after_two():
    running_mean = 0
    for mean in (5, 5):
        running_mean = 0.9 * running_mean + 0.1 * mean
    return running_mean


@exercise(
    "recall",
    question="How many numbers does `nn.BatchNorm2d(64)` learn?",
    hints=(
        "It also keeps numbers that no gradient changes. Which ones does the optimizer see?",
        "Each channel has a scale and a shift of its own, however large its map is.",
    ),
    check=checks.numbers_kept,
)
def numbers_kept():
    gamma, beta = 64, 64
    return gamma + beta


@exercise(
    "recall",
    question=(
        "A layer in Keras has the momentum 0.99. Which `momentum` does `nn.BatchNorm2d` need to update its running "
        "mean in the same way?"
    ),
    hints=(
        "Keras's momentum is the weight of the old running mean. Of what is PyTorch's the weight?",
        "The two weights, of the old running mean and of the batch, add up to 1.",
    ),
    check=checks.kerass_momentum,
)
def kerass_momentum():
    return 1 - 0.99


@exercise(
    "change one line",
    question=(
        "This network cannot take images: `nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm1d(6), nn.ReLU(), "
        "nn.Flatten(), nn.Linear(6 * 24 * 24, 10))`. Hand in one that can, for images of shape (1, 28, 28), with the "
        "same layers otherwise."
    ),
    hints=(
        "Which layer raises the error, and which shape does its input have?",
        "`nn.BatchNorm1d` takes (N, C). What is the class called that takes (N, C, H, W)?",
    ),
    check=checks.right_kind,
)
def right_kind():
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 24 * 24, 10))


@exercise(
    "change one line",
    question=(
        "Build LeNet for images of shape (1, 28, 28), with its sigmoids and average pooling, and with batch "
        "normalisation after both convolutions and after the first two dense layers, each time before the sigmoid. "
        "It is four lines this time."
    ),
    hints=(
        "Which layers return maps, (N, C, H, W), and which vectors, (N, C)? Each kind has its own normalisation.",
        "Two `nn.BatchNorm2d`, of 6 and 16 channels, and two `nn.BatchNorm1d`, of 120 and 84. Each stands right "
        "after its convolution or dense layer.",
    ),
    check=checks.lenet_with_batch_norm,
)
def lenet_with_batch_norm():
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.BatchNorm2d(16), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


@exercise(
    "build",
    question=(
        "Write `batch_norm_train(X, gamma, beta, eps)`, batch normalisation in training, for `X` of shape (N, C) or "
        "(N, C, H, W) and `gamma`, `beta` of shape (C,), without PyTorch's own normalisations. It normalises each "
        "channel with the batch's own mean and variance and returns a new tensor; no running statistics."
    ),
    hints=(
        "Which axes does the mean of a channel run over? With `keepdim=True` it still fits X.",
        "`X.var(axes, correction=0, keepdim=True)` divides by the number of values, as training does. Both gamma and "
        "beta need the shape (1, C) or (1, C, 1, 1).",
    ),
    check=checks.batch_norm_train,
)
def batch_norm_train(X, gamma, beta, eps):
    axes = [axis for axis in range(X.dim()) if axis != 1]  # all but the channels
    shape = [-1 if axis == 1 else 1 for axis in range(X.dim())]
    mean, var = X.mean(axes, keepdim=True), X.var(axes, correction=0, keepdim=True)
    X_hat = (X - mean) / torch.sqrt(var + eps)
    return gamma.reshape(shape) * X_hat + beta.reshape(shape)


@exercise(
    "build",
    question=(
        "Write `update_running_var(running_var, X, momentum)`, which returns the running variance, of shape (C,), "
        "after a batch `X` of shape (N, C, H, W) in training, as `nn.BatchNorm2d` keeps it. It returns a new tensor "
        "and leaves `running_var` as it is."
    ),
    hints=(
        "Of what is PyTorch's momentum the weight? And by what does it divide in this variance, n or n − 1?",
        "It is (1 − momentum) · running_var + momentum · var, with the unbiased variance over the axes 0, 2 and 3.",
    ),
    check=checks.update_running_var,
)
def update_running_var(running_var, X, momentum):
    var = X.var((0, 2, 3), correction=1)  # divides by n - 1
    return (1 - momentum) * running_var + momentum * var


@exercise(
    "build",
    question=(
        "Once training is over, batch normalisation can be built into the convolution before it. Write "
        "`fold(conv, bn)` for an `nn.Conv2d` and the `nn.BatchNorm2d` after it. It returns one new `nn.Conv2d` that "
        "computes what `bn(conv(X))` computes in evaluation mode. The convolution may have a bias or not, and any "
        "stride, padding, dilation and groups. Both given layers stay as they are."
    ),
    hints=(
        "In evaluation mode each channel is multiplied by one number and another one is added. Which two numbers?",
        "With scale = gamma / √(running_var + eps) the new weights are scale · weight, for each output channel, and "
        "the new biases are (bias − running_mean) · scale + beta.",
    ),
    check=checks.fold,
)
def fold(conv, bn):
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    bias = 0 if conv.bias is None else conv.bias
    folded = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups
    )
    with torch.no_grad():
        folded.weight.copy_(scale.reshape(-1, 1, 1, 1) * conv.weight)
        folded.bias.copy_((bias - bn.running_mean) * scale + bn.bias)
    return folded
