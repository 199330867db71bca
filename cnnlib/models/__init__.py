"""The networks of the book, one architecture a file, built exactly as their chapters print them."""

from cnnlib.models.alexnet import alexnet
from cnnlib.models.batch_norm import BatchNorm, batch_norm, conv_bn_relu, conv_relu_bn, recalibrate_
from cnnlib.models.initialisation import kaiming_, xavier_
from cnnlib.models.lenet import lenet
from cnnlib.models.settings import set_dropout, set_momentum
from cnnlib.models.vgg import VGG11, VGG13, VGG16, VGG19, narrower, vgg, vgg11, vgg_block

__all__ = [
    "VGG11",
    "VGG13",
    "VGG16",
    "VGG19",
    "BatchNorm",
    "alexnet",
    "batch_norm",
    "conv_bn_relu",
    "conv_relu_bn",
    "kaiming_",
    "lenet",
    "narrower",
    "recalibrate_",
    "set_dropout",
    "set_momentum",
    "vgg",
    "vgg11",
    "vgg_block",
    "xavier_",
]
