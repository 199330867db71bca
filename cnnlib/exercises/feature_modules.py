"""Judging modules that turn feature maps into feature maps, by what they compute with the same weights."""

from collections import Counter

import torch
from torch import nn

from cnnlib.exercises.core import Wrong
from cnnlib.exercises.networks import (
    check_parameters,
    compute,
    forward,
    near,
    random_weights,
    size_of,
)


def modules_agree(net, reference, shapes):
    """Return by how much two modules with the same weights differ, relative to their numbers, or raise Wrong."""
    device, dtype = next(((p.device, p.dtype) for p in net.parameters()), ("cpu", torch.float32))
    for shape in shapes:
        X = torch.randn(shape)
        found, expected = forward(net, X.to(device, dtype), ""), reference(X)
        if found.shape != expected.shape:
            raise Wrong(f"Your network turns {shape} into {tuple(found.shape)}, expected {tuple(expected.shape)}.")
    check_parameters(net, reference, "")
    most = 0
    for scale in (1, 10):  # 10, where an activation with a ceiling shows
        weights = random_weights(reference, scale, dtype)
        for shape in shapes:
            X = torch.randn(shape).to(dtype)
            right = compute(reference, weights, X)
            for training in (False, True):
                found = compute(net, weights, X.clone(), training)
                if found.shape != right.shape or not near(found, right):
                    if training:
                        raise Wrong("The numbers are off in training mode only. Is there dropout or batch norm?")
                    raise Wrong(f"The shapes fit, but the numbers are off (max difference {gap(found, right):.2g}).")
                most = max(most, ((found - right).abs().max() / right.abs().max()).item())
    return most


def gap(found, right):
    """Return the largest difference of two tensors, nan if they have different shapes."""
    return (found - right).abs().max().item() if found.shape == right.shape else float("nan")


def sizes(net):
    """Count the sizes of a network's weights."""
    return Counter(size_of(p) if p.dim() else None for p in net.parameters())


def is_lazy(net):
    """Return whether a network still waits for its first batch to learn the sizes of its weights."""
    return any(isinstance(p, nn.parameter.UninitializedParameter) for p in net.parameters())


def alike(net, twin, shapes):
    """Return whether two modules have weights of the same sizes and, with the same weights, compute or fail alike."""
    if sizes(net) != sizes(twin):
        return False
    dtype = next((p.dtype for p in net.parameters()), torch.float32)
    weights = random_weights(twin, 1, dtype)

    def outcome(module, X):
        try:
            return compute(module, weights, X.clone())
        except Exception:
            return None

    for shape in shapes:
        X = torch.randn(shape).to(dtype)
        mine, theirs = outcome(net, X), outcome(twin, X)
        if mine is None or theirs is None:
            same = mine is theirs
        else:
            same = isinstance(mine, torch.Tensor) and mine.shape == theirs.shape and near(mine, theirs)
        if not same:
            return False
    return True


def usual(net, reference, shapes, mistakes):
    """Return what to say to a module that makes one of `mistakes`, a list of (builder, message), or ''."""
    if is_lazy(net):
        return ""
    for build, message in mistakes:
        twin = build()
        if alike(net, twin, shapes) and not alike(twin, reference, shapes):  # no mistake with these channels
            return message
    return ""


def judge_block(net, reference, shapes, mistakes, otherwise, on=""):
    """Return by how much a module that works on feature maps differs from the reference, or raise Wrong."""
    if isinstance(net, nn.ModuleList):
        raise Wrong("A ModuleList holds layers and does not run them. Which container runs them one after another?")
    try:
        return modules_agree(net, reference, shapes)
    except Wrong as wrong:
        fact = str(wrong).strip().replace("our network ", "our block ", 1)
        fact = f"{on} {fact.replace('Images of shape', 'Feature maps of shape', 1)}".strip()
        if fact.endswith("?"):
            raise Wrong(fact) from wrong
        raise Wrong(f"{fact} {usual(net, reference, shapes, mistakes) or otherwise}") from wrong
