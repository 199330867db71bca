"""AlexNet (Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks"), in
one stream and for grey pictures, as courses build it today. The original ran as two streams on two GPUs that met at
some layers, had three input channels and 1,000 classes, and used local response normalisation, which has not lasted.
"""

from torch import nn

from cnnlib.models.limits import SHARE
from cnnlib.models.sizes import side_after
from cnnlib.validation import Count, Factory, arguments


def alexnet(activation=nn.ReLU, dropout=0.5, shrink=1, side=224):
    """Build AlexNet for images of shape (N, 1, side, side); it returns scores of shape (N, 10).

    Parameters
    ----------
    activation : callable
        Returns the module that follows each convolution and each hidden dense layer.
    dropout : float
        The share of a hidden dense layer's outputs that training sets to zero.
    shrink : int
        Divides every number of channels and of hidden units, 1 to 96; 8 is the laptop's AlexNet.
    side : int
        Height and width of the images, at least 65.

    Raises
    ------
    ValueError
        If nothing is left of a layer, or the image is too small.
    """
    c1, c2, c3, units = 96 // shrink, 256 // shrink, 384 // shrink, 4096 // shrink
    features = nn.Sequential(
        # a large window and a large stride: wide strokes, and a small map soon; for 224 × 224:
        nn.Conv2d(1, c1, kernel_size=11, stride=4, padding=1),
        activation(),  # (N, 96, 54, 54)
        nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 26, 26)
        nn.Conv2d(c1, c2, kernel_size=5, padding=2),
        activation(),  # (N, 256, 26, 26)
        nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 12, 12)
        # three small convolutions in a row, with no pooling between them
        nn.Conv2d(c2, c3, kernel_size=3, padding=1),
        activation(),  # (N, 384, 12, 12)
        nn.Conv2d(c3, c3, kernel_size=3, padding=1),
        activation(),  # (N, 384, 12, 12)
        nn.Conv2d(c3, c2, kernel_size=3, padding=1),
        activation(),  # (N, 256, 12, 12)
        nn.MaxPool2d(kernel_size=3, stride=2),
    )  # (N, 256, 5, 5)
    side = side_after(features, side)  # 5 for pictures of 224 × 224
    return nn.Sequential(
        *features, nn.Flatten(),  # (N, 6400)
        # a wide classifier, held back by dropout
        nn.Linear(c2 * side * side, units), activation(), nn.Dropout(dropout),
        nn.Linear(units, units), activation(), nn.Dropout(dropout),
        nn.Linear(units, 10))  # fmt: skip


SHRINK = Count(most=96, hint="Try 8.")
SIDE = Count(least=65, most=1024, hint="Windows and strides of this size need as much.")

alexnet = arguments(activation=Factory(), dropout=SHARE, shrink=SHRINK, side=SIDE)(alexnet)
