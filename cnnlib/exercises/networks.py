"""A checker for networks, which judges a network by what it computes.

The reader's network and the solution's get the same random weights, matched by their sizes (weights of
one size share one draw), and must then give the same scores for the same random images. So any module
passes that computes the right thing, whatever its layers are called and wherever equivalent ones stand,
and none that only has the right shapes.
"""

import torch
from torch import nn
from torch.func import functional_call

from cnnlib.exercises.answers import agreement, call
from cnnlib.exercises.core import Wrong, describe
from cnnlib.models.failures import explain_forward_error


def network(input_shape, mistakes=(), otherwise="Which line of the network would you look at first?"):
    """Check a network, or a function that builds one.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one image, (1, 28, 28).
    mistakes : sequence of (callable, str)
        Builders of networks that have the same weights and compute something else, and what to say to each.
    otherwise : str
        The question for a wrong network that matches no mistake.
    """

    def check(answer, solve):
        net, reference = as_network(answer), solve()
        device, dtype = next(((p.device, p.dtype) for p in net.parameters()), ("cpu", torch.float32))
        batches = [torch.randn(n, *input_shape).to(dtype) for n in (4, 1)]
        scores = forward(net, batches[0].to(device), otherwise)
        expected = tuple(reference(batches[0].float()).shape)
        if tuple(scores.shape) != expected:
            raise Wrong(f"Your network returns {tuple(scores.shape)}, expected {expected}. {otherwise}")
        check_parameters(net, reference, otherwise)
        most = 0
        for scale in (1, 10):  # 10, where an activation with a ceiling shows
            weights = random_weights(reference, scale, dtype)
            for X in batches:
                right = compute(reference, weights, X)
                for training in (False, True):
                    found = compute(net, weights, X, training)
                    if found.shape != right.shape or not near(found, right):
                        raise Wrong(diagnose(found, right, X, weights, training, mistakes, otherwise))
                    most = max(most, ((found - right).abs().max() / right.abs().max()).item())
        return f"With the solution's weights it returns the solution's scores: {agreement(most)}."

    return check


def as_network(answer):
    """Return the network that an answer is or builds."""
    net = answer if isinstance(answer, nn.Module) else call(answer) if callable(answer) else answer
    if not isinstance(net, nn.Module):
        kind = type(net).__name__
        raise Wrong(f"What you hand in is of type `{kind}`, expected an `nn.Module`. Which variable holds it?")
    return net


def forward(net, X, otherwise):
    """Send a batch through a reader's network, in evaluation mode, and explain what goes wrong."""
    was_training = net.training
    try:
        with torch.no_grad():
            scores = net.eval()(X)
    except Exception as error:
        known = error
        if isinstance(error, RuntimeError | ValueError):  # such as wrong shapes
            known = explain_forward_error(net, X, error)
        reason = describe(error) if known is error else f"{str(known).split('. ')[0]}."
        raise Wrong(f"Images of shape {tuple(X.shape)} do not get through: {reason} {otherwise}") from error
    finally:
        net.train(was_training)
    if not isinstance(scores, torch.Tensor):
        kind = type(scores).__name__
        raise Wrong(f"Your network returns a `{kind}`, expected a tensor. What does `forward` return?")
    return scores


def size_of(parameter):
    """Return the first axis of a weight, and all others together: (120, 16, 5, 5) counts as (120, 400)."""
    return parameter.shape[0], parameter[0].numel()


def check_parameters(net, reference, otherwise):
    """Raise Wrong unless both networks have weights and biases of the same sizes."""
    missing, extra = list(reference.parameters()), []
    for name, parameter in net.named_parameters():
        size = size_of(parameter) if parameter.dim() else None
        match = next((i for i, p in enumerate(missing) if size_of(p) == size), None)
        if match is None:
            extra.append((name, parameter))
        else:
            missing.pop(match)
    if not missing and not extra:
        return
    if len(missing) == len(list(reference.parameters())) and not extra:
        raise Wrong("Your network registers no parameters at all. Do its layers sit in a plain Python list?")
    if missing and not extra and all(p.dim() == 1 for p in missing):
        sizes = ", ".join(str(len(p)) for p in missing)
        raise Wrong(f"Biases are missing, those of {sizes} numbers. Is bias=False set, or a layer left out?")
    if missing and extra:
        name, parameter = extra[0]
        twin = next((p for p in missing if p.dim() == parameter.dim()), missing[0])
        fault = f"`{name}` has the shape {tuple(parameter.shape)}, expected {tuple(twin.shape)}"
    elif missing:
        fault = f"a weight of shape {tuple(missing[0].shape)} is missing"
    else:
        fault = f"`{extra[0][0]}` of shape {tuple(extra[0][1].shape)} is one weight too many"
    raise Wrong(f"In your network {fault}. {otherwise}")


def random_weights(reference, scale, dtype):
    """Draw a weight for each size; at scale 1 a layer's outputs are about as large as its inputs."""
    weights = {}
    for parameter in reference.parameters():
        spread = scale * parameter[0].numel() ** -0.5
        weights[size_of(parameter)] = (torch.randn(parameter.shape) * spread).to(dtype)
    return weights


def compute(net, weights, X, training=False):
    """Return the scores for X under the given weights, on the CPU; the network itself stays as it was."""
    own = {name: weights[size_of(p)].reshape(p.shape) for name, p in net.named_parameters()}
    own |= {name: b.cpu().clone() for name, b in net.named_buffers()}
    was_training = net.training
    try:
        with torch.no_grad():
            return functional_call(net.train(training), own, (X,))
    finally:
        net.train(was_training)


def diagnose(found, right, X, weights, training, mistakes, otherwise):
    """Find the words for a network that computes something else."""
    if found.shape != right.shape:
        shapes = f"returns {tuple(found.shape)}, expected {tuple(right.shape)}"
        return f"For a batch of {len(X)} your network {shapes}. Does it keep the images of a batch apart?"
    off = f"The shapes fit, but the scores are off (max difference {(found - right).abs().max():.2g})."
    if training:
        return f"{off} They are off in training mode only. Is there dropout or batch normalisation?"
    if near(found, right.softmax(dim=1)) or near(found, right.log_softmax(dim=1)):
        return f"{off} A softmax stands at the end. Does PyTorch's cross-entropy take scores or probabilities?"
    for build, message in mistakes:
        if near(found, compute(build().to(X), weights, X)):
            return f"{off} {message}"
    return f"{off} {otherwise}"


def near(found, right):
    """Return whether scores agree but for rounding, measured on their own scale."""
    return bool((found - right).abs().max() <= 1e-4 * right.abs().max())
