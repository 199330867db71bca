"""What two modules are put through to compare them: the same weights, matched by their sizes, and the same batches."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from cnnlib.models.copying import copy_network

DRAWS = 1000  # images whose scores are compared in their statistics


@dataclass
class Trial:
    """What a module is put through: weights, batches to see in training mode, then a batch X in some mode."""

    mode: str
    weights: dict
    X: torch.Tensor
    normalises: bool  # whether a right module has running statistics
    seen: Sequence = ()
    large: bool = False  # whether the weights are so large that gradients are little but rounding errors
    drops: bool = False  # whether a right module drops numbers by chance

    def outcome(self, net, seed=0):
        """Return what a module does: its scores and, in training, pairs of names and gradients, or else an error."""
        torch.default_generator.manual_seed(seed)
        try:
            net = copy_network(net).train()
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_(self.weights[kind_of(p)].reshape(p.shape))
                    p.requires_grad_()
                for batch in self.seen:
                    net(batch)
            net.train(self.mode == "training")
            if self.normalises and self.mode == "evaluation":
                net(self.X.clone())  # must change nothing
            scores = net(self.X.clone())  # with gradients on, which a module must not take for training
            if self.mode == "evaluation" or self.large or self.drops:
                return scores.detach(), []
            weights = torch.linspace(-1, 1, scores.numel()).reshape(scores.shape)
            names, parameters = zip(*net.named_parameters(), strict=True)
            gradients = torch.autograd.grad((scores * weights).sum(), parameters, materialize_grads=True)
            return scores.detach(), list(zip(names, gradients, strict=True))
        except Exception as error:
            return error

    def agree(self, found, right):
        """Return whether two outcomes are the same: scores but for rounding, or errors that name the same numbers."""
        if isinstance(found, Exception) or isinstance(right, Exception):
            return numbers_in(found) == numbers_in(right)
        return close(found[0], right[0])

    def agree_by_chance(self, net, right):
        """Return whether two modules that drop numbers agree in the means and variances of many scores.

        With weights of both signs, and with positive ones, where the scores' means stand out from their spread.
        """
        many, positive = self.X[:1].expand(DRAWS, *self.X.shape[1:]), {k: w.abs() for k, w in self.weights.items()}
        for weights in (self.weights, positive):
            trial = replace(self, X=many, weights=weights)
            found, expected = trial.outcome(net), trial.outcome(right)
            if isinstance(found, Exception) or found[0].shape != expected[0].shape:
                return False
            found, expected = found[0], expected[0]
            error = ((found.var(dim=0) + expected.var(dim=0)) / DRAWS).sqrt()
            means = (found.mean(dim=0) - expected.mean(dim=0)).abs() <= 5 * error
            spread = (found.var(dim=0) / expected.var(dim=0)).log().mean().abs() <= 0.15  # seven standard errors
            if not (means.all() and spread):
                return False
        return True


def numbers_in(outcome):
    """Return the numbers in PyTorch's words of an error, in order of size."""
    return sorted(re.findall(r"\d+", str(outcome))) if isinstance(outcome, Exception) else None


def kind_of(parameter):
    """Return what weights are matched by: the length of a vector, in whatever shape, or (outputs, inputs)."""
    if nn.parameter.is_lazy(parameter):
        return None
    if parameter.numel() == max(parameter.shape, default=1):
        return parameter.numel()
    return parameter.shape[0], parameter[0].numel()


def kinds(net):
    """Count the sizes of a module's weights."""
    return Counter(map(kind_of, net.parameters()))


def without_biases(module, net, free):
    """Take from a module the biases that `net` does without, of the layers with `free` numbers of channels."""
    own = kinds(net)
    for layer in module.modules():
        bias = getattr(layer, "bias", None)
        if isinstance(layer, nn.Conv2d | nn.Linear) and bias is not None and len(bias) in free and own[len(bias)] < 3:
            layer.bias = None
    return module


def compare_weights(net, reference, noun):
    """Return the fact about weights of other sizes than the reference's, and a question, or two empty texts."""
    own, right, normalises = kinds(net), kinds(reference), any(True for _ in reference.buffers())
    if not own:
        return f"Your {noun} registers no parameters at all.", "Do its layers sit in a plain Python list?"
    missing = [p for p in reference.parameters() if own[kind_of(p)] < right[kind_of(p)]]
    for name, p in net.named_parameters():
        if own[kind_of(p)] > right[kind_of(p)] and (p.dim() > 1 or not normalises):
            twin = next((m for m in missing if m.dim() == p.dim()), next((m for m in missing if m.dim() > 1), None))
            if twin is None:
                return f"In your {noun} `{name}` has the shape {tuple(p.shape)}, which is one weight too many.", ""
            return f"In your {noun} `{name}` has the shape {tuple(p.shape)}, expected {tuple(twin.shape)}.", ""
    for p in missing:
        if p.dim() > 1:
            return f"In your {noun} a weight of shape {tuple(p.shape)} is missing.", ""
    vectors = [size for size in right if not normalises or right[size] == 1]
    biases = [str(size) for size in vectors for _ in range(right[size] - own[size])]
    if biases:
        only = f"The bias of {biases[0]} numbers is missing."
        fact = only if len(biases) == 1 else f"Biases are missing, those of {', '.join(biases)} numbers."
        return fact, "Is bias=False set, or a layer left out?"
    for size in right:
        if own[size] < min(2, right[size]):
            why = "as if a batch normalisation were left out or affine=False set"
            return f"Your {noun} learns no gamma and beta of {size} numbers, {why}.", ""
    for size in own | right:
        if own[size] != right[size]:
            vectors = f"{own[size]} vector{'s' * (own[size] != 1)}"
            fact = f"Your {noun} learns {vectors} of {size} numbers, expected {right[size]}."
            return fact, "Which layers have a bias, and after which should a normalisation stand?"
    return "", ""


def random_weights(like, scale):
    """Draw a weight for each kind; at scale 1 a layer's outputs are about as large as its inputs."""
    weights = {}
    for p in like.parameters():
        size = kind_of(p)
        weights[size] = torch.randn(p.numel(), dtype=p.dtype) * scale * (size[1] ** -0.5 if p.dim() > 1 else 1)
    return weights


def wrong_gradient(found, right):
    """Return the name of a weight whose gradient is off, or ''; the gradients of one kind may come in any order."""
    if isinstance(found, Exception):
        return ""
    right = [(kind_of(gradient), gradient.flatten()) for _, gradient in right[1]]
    largest = {kind: max(g.abs().max() for k, g in right if k == kind) for kind, _ in right}
    for name, gradient in found[1]:
        kind, gradient = kind_of(gradient), gradient.flatten()
        twins = [i for i, (k, g) in enumerate(right) if k == kind and (g - gradient).abs().max() <= 1e-2 * largest[k]]
        if not twins:
            return name
        right.pop(twins[0])
    return ""


def close(found, right):
    """Return whether scores agree but for rounding, measured on their own scale."""
    return found.shape == right.shape and bool((found - right).abs().max() <= 1e-4 * right.abs().max())
