"""Evaluation mode for a while."""

from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(net):
    """Put a network into evaluation mode, and every one of its modules back into its own mode afterwards.

    Raises
    ------
    TypeError
        If `net` is no nn.Module.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be an nn.Module, got {type(net).__name__}. Build it first: lenet(), say.")
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield net
    finally:
        for module, training in modes:
            module.training = training
