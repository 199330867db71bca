"""Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167), written by hand, and the blocks that use it.

PyTorch's `nn.BatchNorm2d` does the same and is faster; a test holds the two together, forward, backward and in the
running statistics. Courses often choose between batch and running statistics by asking whether gradients are on;
here the module's own mode decides, as it must.
"""

import torch
from torch import nn

from cnnlib.models.explain_forward import run_network
from cnnlib.models.hooks import device_of
from cnnlib.models.limits import CHANNELS, DEPTH, SHARE
from cnnlib.models.training_mode import in_mode
from cnnlib.validation import Bool, Iterable, Network, Number, Tensor, arguments, check_batch, in_words


def batch_norm(X, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Normalise each channel of X, then scale and shift it; in training, update the running statistics in place.

    Parameters
    ----------
    X : Tensor of shape (N, C) or (N, C, H, W)
    gamma, beta, running_mean, running_var : Tensor of shape (C,)
    training : bool
        Normalise with the batch's own mean and variance (True) or with the running ones (False).
    momentum : float
        The weight of the batch in the update: running = (1 - momentum) · running + momentum · batch.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor of the shape of X

    Raises
    ------
    ValueError
        In training, if the batch has only one value per channel: it would be its own mean, with no variance.
    """
    shape = (1, -1) + (1,) * (X.dim() - 2)  # one number a channel, for any number of axes
    if training:
        n = X.numel() // X.shape[1]  # values a channel
        if n == 1:
            raise ValueError(f"training needs more than one value a channel, got a batch of shape {tuple(X.shape)}.")
        axes = [0, *range(2, X.dim())]  # all but the channels
        mean, var = X.mean(axes), X.var(axes, correction=0)
        with torch.no_grad():
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean)
            running_var.copy_((1 - momentum) * running_var + momentum * var * n / (n - 1))  # the unbiased variance
    else:
        mean, var = running_mean, running_var
    X_hat = (X - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    return gamma.view(shape) * X_hat + beta.view(shape)


def _one_for_each_channel(X, gamma, beta, running_mean, running_var, **others):
    """Raise unless each of these has one number for each channel of X."""
    names = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
    for name, values in names.items():
        if values.shape != X.shape[1:2]:
            raise ValueError(
                f"{name} must have one number per channel, {X.shape[1]} for X of shape {tuple(X.shape)}, got "
                f"{in_words(values)}."
            )


_CHANNEL = Tensor((1,), "(C,)", meta=True)
batch_norm = arguments(
    _one_for_each_channel, X=Tensor(range(2, 9), "(N, C) or (N, C, H, W)", meta=True), gamma=_CHANNEL, beta=_CHANNEL,
    running_mean=_CHANNEL, running_var=_CHANNEL, training=Bool(), momentum=SHARE, eps=Number(least=0),
)(batch_norm)  # fmt: skip


class BatchNorm(nn.Module):
    """Batch normalisation of (N, C) or (N, C, H, W), with a learnt scale and shift for each channel.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    momentum, eps : float
        As for `batch_norm`.

    Raises
    ------
    ValueError
        If the input has another number of channels or, in training, only one value per channel.
    """

    def __init__(self, num_features, momentum=0.1, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.momentum, self.eps = momentum, eps

    def forward(self, X):
        if X.shape[1] != len(self.gamma):
            raise ValueError(f"expected {len(self.gamma)} channels on axis 1, got an input of shape {tuple(X.shape)}.")
        return batch_norm(
            X, self.gamma, self.beta, self.running_mean, self.running_var, self.training, self.momentum, self.eps
        )


arguments(num_features=CHANNELS, momentum=SHARE, eps=Number(least=0))(BatchNorm)


BATCH_NORMS = (nn.modules.batchnorm._BatchNorm, BatchNorm)


@arguments(net=Network(), batches=Iterable())
@torch.no_grad()
def recalibrate_(net, batches):
    """Measure the running statistics of every batch normalisation afresh, as plain means over some batches.

    Parameters
    ----------
    net : nn.Module
        Its weights, modes and momenta stay as they are.
    batches : iterable of (X, y)
        A few dozen training batches.

    Returns
    -------
    nn.Module
        `net` itself, changed in place.

    Raises
    ------
    TypeError, ValueError
        If there is no batch, or the network cannot take one; the statistics are then as they were.
    """
    norms = [module for module in net.modules() if isinstance(module, BATCH_NORMS)]
    momenta, before = [norm.momentum for norm in norms], [buffer.clone() for buffer in net.buffers()]
    number = 0
    try:
        with in_mode(net, training=True):
            for number, batch in enumerate(batches, start=1):
                X, _ = check_batch(batch)
                for norm in norms:
                    norm.momentum = 1 / number  # the mean of all batches so far; the first replaces what was there
                run_network(net, X.to(device_of(net)))
        if not number:
            raise ValueError(f"batches must hold at least one batch to measure on, got {in_words(batches)}.")
    except BaseException:  # an interrupt as well: statistics over half of the batches are of no use
        for buffer, value in zip(net.buffers(), before, strict=True):
            buffer.copy_(value)
        raise
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return net


@arguments(num_convs=DEPTH, in_channels=CHANNELS, out_channels=CHANNELS)
def conv_bn_relu(num_convs, in_channels, out_channels):
    """Build a VGG block with batch normalisation between each convolution and its ReLU.

    (N, in_channels, H, W) → (N, out_channels, H // 2, W // 2). The convolutions need no bias: beta does its work.
    """
    layers = []
    for _ in range(num_convs):
        conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


@arguments(num_convs=DEPTH, in_channels=CHANNELS, out_channels=CHANNELS)
def conv_relu_bn(num_convs, in_channels, out_channels):
    """Build the same block with batch normalisation after the ReLU; here each convolution keeps its bias."""
    layers = []
    for _ in range(num_convs):
        conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        layers += [conv, nn.ReLU(), nn.BatchNorm2d(out_channels)]
        in_channels = out_channels
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))
