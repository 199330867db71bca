"""Training or evaluation mode inside a `with` block."""

from contextlib import contextmanager

from cnnlib.validation import Network


def evaluating(net):
    """Put a network into evaluation mode inside a `with` block: `in_mode(net, training=False)`."""
    return in_mode(net, training=False)


@contextmanager
def in_mode(net, training):
    """Put a network into training or evaluation mode inside a `with` block, then each module back into its own mode.

    Raises
    ------
    TypeError
        If `net` is no nn.Module.
    """
    Network(abstract=True)(net)
    modes = [(module, module.training) for module in net.modules()]
    net.train(training)
    try:
        yield net
    finally:
        for module, mode in modes:
            module.training = mode


def modules_in_evaluation(net):
    """Return the modules that are in evaluation mode in a network that is in training mode as a whole.

    They were set to evaluation on purpose, such as the batch normalisations of a pretrained part. A network that is in
    evaluation mode itself has none: it is to be trained as a whole.
    """
    return [module for module in net.modules() if net.training and not module.training]


def train_all_but(net, frozen):
    """Put a network into training mode, but for the modules that are to stay in evaluation mode."""
    net.train()
    for module in frozen:
        module.training = False
