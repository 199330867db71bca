"""A checker for networks with dropout in the places of AlexNet's: their scores in evaluation mode, then in training
mode with the same random numbers.
"""

import torch
from torch import nn

from cnnlib.exercises.answers import agreement
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.lenet_checks import changed
from cnnlib.exercises.networks import (
    as_network,
    check_parameters,
    compute,
    diagnose,
    forward,
    near,
    random_weights,
)

SIDE = (1, 112, 112)
DROPOUTS = 16, 19  # where they stand in the Sequential that `alexnet` builds


def network_with_dropout(mistakes=(), otherwise="Which line of the network would you look at first?"):
    """Check a network with dropout in the places of AlexNet's; the parameters are those of `networks.network`."""

    def check(answer, solve):
        net, reference = as_network(answer), solve()
        device, dtype = next(((p.device, p.dtype) for p in net.parameters()), ("cpu", torch.float32))
        batches = [torch.randn(n, *SIDE).to(dtype) for n in (4, 1)]
        scores = forward(net, batches[0].to(device), otherwise)
        if tuple(scores.shape) != (4, 10):
            raise Wrong(f"Your network returns {tuple(scores.shape)}, expected (4, 10). {otherwise}")
        check_parameters(net, reference, otherwise)
        most = 0
        for scale in (1, 3):  # 3, where an activation with a ceiling shows; tanh would multiply rounding errors at 10
            weights = random_weights(reference, scale, dtype)
            for X in batches:
                found, again = compute(net, weights, X), compute(net, weights, X)
                if found.shape == again.shape and not near(found, again):
                    raise Wrong(
                        "In evaluation mode two runs over the same images differ. Does your dropout know about"
                        " `self.training`?"
                    )
                right = compute(reference, weights, X)
                if found.shape != right.shape or not near(found, right):
                    raise Wrong(diagnose(found, right, X, weights, False, mistakes, otherwise))
                most = max(most, ((found - right).abs().max() / right.abs().max()).item())
        check_dropout(net, solve, random_weights(reference, 1, dtype), batches[0])
        scores = f"With the solution's weights it returns the solution's scores: {agreement(most)}."
        return f"{scores} In training its dropout does what the solution's does."

    return check


def check_dropout(net, solve, weights, X):
    """Raise Wrong unless a network that is right in evaluation mode drops what the solution drops in training mode."""

    def train(net, seed, X=X):
        torch.default_generator.manual_seed(seed)
        return compute(net, weights, X, training=True)

    found = train(net, 1)
    if found.shape == (4, 10) and near(found, train(solve(), 1)):
        return
    off = "In evaluation mode the scores are right, in training mode they are off."
    if found.shape != (4, 10):
        raise Wrong(f"{off} Their shape is {tuple(found.shape)} there. Does `forward` end in the same line?")
    if near(found, train(net, 2)):
        raise Wrong(f"{off} Two runs agree, so nothing is dropped by chance. Where are the two dropouts?")
    for build, message in dropout_mistakes(solve):
        if near(found, train(build(), 1)):
            raise Wrong(f"{off} {message}")
    # The network may draw its random numbers otherwise, with a dropout of its own: then many draws are compared.
    many = X[:1].expand(1000, -1, -1, -1)
    if not alike(train(net, 2, many), train(solve(), 3, many)):
        raise Wrong(
            f"{off} Does a dropout of 0.5 follow the activation of each hidden dense layer, and nothing else that"
            " differs between the modes?"
        )


def dropout_mistakes(solve):
    """Yield builders of networks that drop something else than the solution, and what to say to each."""
    first, second = DROPOUTS
    yield (
        lambda: changed(solve(), {first: nn.Identity()}),
        "The first hidden dense layer has lost its dropout. How many dropouts has AlexNet?",
    )
    yield (
        lambda: changed(solve(), {second: nn.Identity()}),
        "The second hidden dense layer has lost its dropout. How many dropouts has AlexNet?",
    )
    yield (
        lambda: changed(solve(), {13: nn.Sequential(nn.Flatten(), nn.Dropout()), second: nn.Identity()}),
        "A dropout stands before each hidden dense layer. On which side of it does this chapter's AlexNet drop?",
    )
    yield (
        lambda: changed(solve(), {15: nn.Dropout(), first: solve()[15], 18: nn.Dropout(), second: solve()[18]}),
        "Each dropout stands before the activation, where a kept value is doubled first. Which comes first?",
    )
    for p in (0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.7, 0.75, 0.8, 0.9):
        yield (
            lambda p=p: changed(solve(), {first: nn.Dropout(p), second: nn.Dropout(p)}),
            f"It drops a share of {p}. Which share does AlexNet drop?",
        )


def alike(found, right):
    """Tell whether two samples of scores, each of shape (draws, classes), agree in their means and variances."""
    error = ((found.var(dim=0) + right.var(dim=0)) / len(found)).sqrt()
    means = (found.mean(dim=0) - right.mean(dim=0)).abs() <= 5 * error
    spreads = (found.var(dim=0) / right.var(dim=0)).log().mean().abs() <= 0.15  # seven standard errors
    return bool(means.all() and spreads)
