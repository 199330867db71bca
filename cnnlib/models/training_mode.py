"""Evaluation or training mode for a while."""

from contextlib import contextmanager

from torch import nn


def evaluating(net):
    """Put a network into evaluation mode for a while: `in_mode(net, training=False)`."""
    return in_mode(net, training=False)


@contextmanager
def in_mode(net, training):
    """Put a network into training or evaluation mode, and every one of its modules back into its own afterwards.

    Raises
    ------
    TypeError
        If `net` is no nn.Module.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be an nn.Module, got {type(net).__name__}. Build it first: lenet(), say.")
    modes = [(module, module.training) for module in net.modules()]
    net.train(training)
    try:
        yield net
    finally:
        for module, mode in modes:
            module.training = mode


def modules_in_evaluation(net):
    """Return the modules that are in evaluation mode in a network that is in training mode as a whole.

    Someone put them there to be left as they are, such as the batch normalisations of a pretrained part. A network that
    is in evaluation mode itself has none: it is to be trained as a whole.
    """
    return [module for module in net.modules() if net.training and not module.training]


def train_all_but(net, frozen):
    """Put a network into training mode, but for the modules that are to stay in evaluation mode."""
    net.train()
    for module in frozen:
        module.training = False
