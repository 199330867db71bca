"""The networks of the book, one architecture a file, built exactly as their chapters print them."""

from cnnlib.models.alexnet import alexnet
from cnnlib.models.autoencoder import ConvAutoencoder, ResidualConvAutoencoder
from cnnlib.models.batch_norm import BatchNorm, batch_norm, conv_bn_relu, conv_relu_bn, recalibrate_
from cnnlib.models.cifar_resnet import SHORTCUTS, PostActivation, PreActivation, cifar_resnet, make_shortcut
from cnnlib.models.deepened import deepened
from cnnlib.models.initialisation import default_, fixup_, kaiming_, scale_branches_, xavier_, zero_gamma_
from cnnlib.models.layer_settings import set_dropout, set_momentum
from cnnlib.models.lenet import lenet
from cnnlib.models.resnet import BasicBlock, Residual, resnet18, resnet_block, small_resnet18
from cnnlib.models.resnet_v1 import resnet_v1
from cnnlib.models.sizes import side_after
from cnnlib.models.tower import tower
from cnnlib.models.vgg import VGG11, VGG13, VGG16, VGG19, narrower, vgg, vgg11, vgg_block

__all__ = [
    "SHORTCUTS",
    "VGG11",
    "VGG13",
    "VGG16",
    "VGG19",
    "BasicBlock",
    "BatchNorm",
    "ConvAutoencoder",
    "PostActivation",
    "PreActivation",
    "Residual",
    "ResidualConvAutoencoder",
    "alexnet",
    "batch_norm",
    "cifar_resnet",
    "conv_bn_relu",
    "conv_relu_bn",
    "deepened",
    "default_",
    "fixup_",
    "kaiming_",
    "lenet",
    "make_shortcut",
    "narrower",
    "recalibrate_",
    "resnet18",
    "resnet_block",
    "resnet_v1",
    "small_resnet18",
    "scale_branches_",
    "set_dropout",
    "set_momentum",
    "side_after",
    "tower",
    "vgg",
    "vgg11",
    "vgg_block",
    "xavier_",
    "zero_gamma_",
]
