"""Judging modules with batch normalisation, blocks and whole networks, in training mode and in evaluation mode.

For modules in which several normalisations have the same number of channels, as in a residual block, and of which a
checker knows what they compute when they are built in a usual wrong way.
"""

import copy
import re
from collections import Counter
from functools import partial

import torch

from cnnlib.exercises.core import Wrong
from cnnlib.exercises.feature_modules import gap, is_lazy
from cnnlib.exercises.networks import near
from cnnlib.exercises.normalised_networks import (
    Trial,
    compare_gradients,
    draw_images,
    kind_of,
    random_weights,
    send,
    untouched,
)

# what the words of `networks` and `normalised_networks` become where a block is judged
BLOCK_WORDS = {
    "our network": "our block",
    "the network,": "the block,",
    "Images of": "Feature maps of",
    "The scores are": "The numbers are",
}


def judge(net, build, shape, mistakes, otherwise, noun="block", on=""):
    """Return by how much a module with batch normalisation differs from the right one, or raise Wrong.

    Parameters
    ----------
    net : nn.Module
    build : callable
        Returns the right module. Both get the same random weights, matched by their sizes; those of one size share
        one draw, and their gradients tell them apart.
    shape : tuple of int
        Shape of one input.
    mistakes : sequence of (callable, str)
        Builders of wrong modules, and what to say to an answer that computes or fails as one of them does.
    otherwise : str
        The question for a wrong module that matches no mistake.
    noun, on : str
        What to call the module, and words to begin with.
    """
    dtype = next((p.dtype for p in net.parameters()), torch.float32)
    X, most = draw_images(shape, dtype, 4), 0
    try:
        net = untouched(net, X, "")
        found, reference = send(copy.deepcopy(net), X, ""), build().to(dtype)
        expected = tuple(reference.eval()(X).shape)
        if tuple(found.shape) != expected:
            raise Wrong(f"Your network turns {tuple(X.shape)} into {tuple(found.shape)}, expected {expected}.")
        compare_sizes(net, reference)
        for trial, large in trials(shape, reference):
            found, own_gradients = trial.run_reader(net, "")
            right, gradients = trial.run(reference)
            if found.shape != right.shape or not near(found, right):
                steady = torch.equal(found, trial.run(net)[0])
                raise Wrong(
                    f"The shapes fit, but in {trial.mode} mode the numbers are off (max difference "
                    f"{gap(found, right):.2g})"
                    + ("." if steady else " and change from call to call. Is there dropout?")
                )
            if not large:
                compare_gradients(own_gradients, gradients)
            most = max(most, gap(found, right) / right.abs().max().item())
    except Wrong as error:
        fact = f"{on} {error}".strip()
        if noun == "block":
            for word, other in BLOCK_WORDS.items():
                fact = fact.replace(word, other)
        if fact.endswith("?"):
            raise Wrong(fact) from error
        ask = otherwise
        if "evaluation mode the" in fact:  # training was judged first
            ask = "In training mode they are right: how does each normalisation keep and use its running statistics?"
        raise Wrong(f"{fact} {usual(net, build, shape, mistakes) or ask}") from error
    return most


def trials(shape, reference):
    """Return what a module is put through, each with whether its weights are large, which shows a ceiling."""
    dtype = next(reference.parameters()).dtype
    draw = partial(draw_images, shape, dtype)
    weights, large = random_weights(reference, 1), random_weights(reference, 10)
    return [
        (Trial("training", weights, draw(4)), False),
        (Trial("evaluation", weights, draw(4)), False),
        (Trial("evaluation", weights, draw(1)), False),
        (Trial("evaluation", weights, draw(4), [draw(4) for _ in range(5)]), False),
        (Trial("training", large, draw(4)), True),
    ]


def kinds(net):
    """Count the sizes of a module's weights."""
    return Counter(map(kind_of, net.parameters()))


def compare_sizes(net, reference):
    """Raise Wrong unless both modules have weights of the same sizes."""
    own, right = kinds(net), kinds(reference)
    if not own:
        raise Wrong("Your network registers no parameters at all. Do its layers sit in a plain Python list?")
    missing = [p for p in reference.parameters() if p.dim() > 1 and own[kind_of(p)] < right[kind_of(p)]]
    for name, p in net.named_parameters():
        if isinstance(kind_of(p), tuple) and own[kind_of(p)] > right[kind_of(p)]:
            expected = f"expected {tuple(missing[0].shape)}" if missing else "which is one weight too many"
            raise Wrong(f"In your network `{name}` has the shape {tuple(p.shape)}, {expected}.")
    if missing:
        raise Wrong(f"In your network a weight of shape {tuple(missing[0].shape)} is missing.")
    for size in own | right:
        if own[size] != right[size]:
            vectors = "vector" if own[size] == 1 else "vectors"
            raise Wrong(f"Your network learns {own[size]} {vectors} of {size} numbers, expected {right[size]}.")


def usual(net, build, shape, mistakes):
    """Return what to say to a module that makes one of `mistakes`, or ''."""
    if is_lazy(net):
        return ""
    dtype = next((p.dtype for p in net.parameters()), torch.float32)
    for make, message in mistakes:
        twin = make().to(dtype)
        if alike(net, twin, shape) and not alike(twin, build().to(dtype), shape):  # no mistake with these channels
            return message
    return ""


def alike(net, twin, shape):
    """Return whether two modules have weights of the same sizes and compute, or fail, alike."""
    if kinds(net) != kinds(twin) or not kinds(twin):
        return False
    for trial, _ in trials(shape, twin)[:-1]:
        mine, theirs = outcome(net, trial), outcome(twin, trial)
        if isinstance(mine, list) or isinstance(theirs, list):
            return mine == theirs
        if not isinstance(mine, torch.Tensor) or mine.shape != theirs.shape or not near(mine, theirs):
            return False
    return True


def outcome(net, trial):
    """Return what a module returns or, where it fails, the numbers in PyTorch's words, in order of size."""
    try:
        return trial.run(net)[0]
    except Exception as error:
        return sorted(re.findall(r"\d+", str(error)))
