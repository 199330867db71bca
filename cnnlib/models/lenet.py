"""LeNet-5, as LeCun, Bottou, Bengio & Haffner 1998 drew it ("Gradient-based learning applied to document
recognition"), with the simplifications that courses make today: the second convolution sees all six maps, pooling
has no weights of its own, and the output layer is a plain dense layer instead of radial basis functions.
"""

from torch import nn

from cnnlib.validation import Factory, arguments


def lenet(activation=nn.Sigmoid, pool=nn.AvgPool2d):
    """Build LeNet for images of shape (N, 1, 28, 28); it returns scores of shape (N, 10)."""
    return nn.Sequential(
        # two feature extractors: convolution, activation, pooling
        nn.Conv2d(1, 6, kernel_size=5, padding=2), activation(),  # (N, 6, 28, 28)
        pool(kernel_size=2, stride=2),                            # (N, 6, 14, 14)
        nn.Conv2d(6, 16, kernel_size=5), activation(),            # (N, 16, 10, 10)
        pool(kernel_size=2, stride=2),                            # (N, 16, 5, 5)
        # a classifier of three dense layers
        nn.Flatten(),                                             # (N, 400)
        nn.Linear(16 * 5 * 5, 120), activation(),
        nn.Linear(120, 84), activation(),
        nn.Linear(84, 10))  # fmt: skip


lenet = arguments(activation=Factory(), pool=Factory())(lenet)
