"""What is trained at full size, on a GPU: one entry a network, with the settings of the listings that the course began
with.

Where those train a network, the settings are theirs to the last number. Where they only show it, the settings are
those of "Dive into Deep Learning", whose code they use, or of the chapter itself; `source` says which.
"""

from torch import nn

from cnnlib.course.records.experiments import Experiment
from cnnlib.models import (
    VGG11,
    ConvAutoencoder,
    ResidualConvAutoencoder,
    alexnet,
    cifar_resnet,
    conv_bn_relu,
    default_,
    kaiming_,
    lenet,
    narrower,
    resnet18,
    vgg,
    xavier_,
)


def begun(start, build, *args, **options):
    """Return a function that builds a network and draws its weights by `start`."""
    return lambda: start(build(*args, **options))


def lenet_bn():
    """Build LeNet with a batch normalisation before every sigmoid."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.BatchNorm1d(120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


QUARTER = narrower(VGG11, 4)
D2L, CHAPTER = "Dive into Deep Learning", "the chapter"
ONE, TWO, THREE, FOUR, FIVE, SIX = (
    "01_lenet", "02_alexnet", "03_vgg", "04_batch_norm", "05_resnet", "06_residual_gradients"
)  # fmt: skip
PLAIN_RESIDUAL = (("plain", "none"), ("residual", "projection"))
_LENET = {"batch_size": 256, "epochs": 10, "small": True}
_VGG = {"batch_size": 128, "epochs": 10, "side": 224, "rates": (0.05,)}
_DEPTHS = {"batch_size": 64, "epochs": 10, "rates": (0.03,), "momentum": 0.9, "small": True, "source": CHAPTER}
_COPIES = {"batch_size": 64, "epochs": 1, "rates": (0.001,), "adam": True, "low": -1.0, "small": True}
_VGG_BN = {"dropout": 0, "block": conv_bn_relu}

FULL = (
    Experiment("lenet", ONE, "LeNet", begun(xavier_, lenet), rates=(0.9,), **_LENET),
    Experiment("alexnet", TWO, "AlexNet", begun(xavier_, alexnet), 128, 5, (0.01,), side=224),
    Experiment("vgg11", THREE, "VGG-11, quarter width", begun(xavier_, vgg, QUARTER), **_VGG),
    Experiment("vgg11_he", THREE, "VGG-11, quarter width, He's weights", begun(kaiming_, vgg, QUARTER), **_VGG,
               source=CHAPTER),
    Experiment("lenet_bn", FOUR, "LeNet, batch norm", begun(xavier_, lenet_bn), rates=(1.0,), **_LENET, source=D2L),
    Experiment("vgg11_bn", FOUR, "VGG-11, quarter width, batch norm", begun(kaiming_, vgg, QUARTER, **_VGG_BN), **_VGG,
               momentum=0.9, source=CHAPTER),
    Experiment("resnet18", FIVE, "ResNet-18", begun(xavier_, resnet18), 256, 10, (0.05,), side=96, source=D2L),
    *(Experiment(f"{kind}{depth}", FIVE, f"{kind}, {depth} layers", begun(default_, cifar_resnet, depth, 16, shortcut),
                 **_DEPTHS)
      for kind, shortcut in PLAIN_RESIDUAL for depth in (20, 56)),
    Experiment("autoencoder", SIX, "autoencoder", ConvAutoencoder, **_COPIES),
    Experiment("residual_autoencoder", SIX, "autoencoder with a shortcut", ResidualConvAutoencoder, **_COPIES),
)  # fmt: skip
