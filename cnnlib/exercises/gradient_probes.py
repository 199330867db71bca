"""A checker for functions that measure how much gradient reaches the output of each child of a network.

It compares their numbers with autograd's own, which it takes without hooks, then looks whether all else is as it was.
"""

import copy
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from numbers import Real

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.answers import agreement, call
from cnnlib.exercises.batch_norm_checks import names_of
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.snapshots import Snapshot, compare_tensor, same, with_gradients
from cnnlib.models import cifar_resnet


def probe_cases():
    named = OrderedDict(
        stem=nn.Conv2d(1, 4, 3), act=nn.ReLU(), pool=nn.MaxPool2d(2), flat=nn.Flatten(), head=nn.Linear(16, 3)
    )
    trained, resting = cifar_resnet(8, 4), with_gradients(cifar_resnet(8, 4)).eval()
    resting[2].register_forward_hook(someone_elses)
    return [
        (
            "For a network of two dense layers and a Tanh,",
            nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)),
            torch.randn(6, 3),
            torch.tensor([0, 1, 2, 2, 1, 0]),
        ),
        (
            "For a network whose children are `stem`, `act`, `pool`, `flat` and `head`,",
            nn.Sequential(named),
            torch.randn(5, 1, 6, 6),
            torch.tensor([0, 2, 1, 1, 0]),
        ),
        ("For a residual network in training mode,", trained, torch.randn(4, 1, 8, 8), torch.arange(4)),
        (
            "For a residual network in evaluation mode, which has a hook and a `.grad` in each weight already,",
            resting,
            torch.randn(3, 1, 8, 8),
            torch.arange(3),
        ),
    ]


def someone_elses(module, *tensors):
    """A hook that does nothing, and was there first."""


def walk(net, X):
    """Return what enters and what leaves each child, by sending X from child to child."""
    inputs, outputs, X = {}, {}, X.clone().requires_grad_()
    for name, child in net.named_children():
        inputs[name] = X
        X = outputs[name] = child(X)
    return inputs, outputs


def norms(net, X, y, norm=torch.linalg.vector_norm, loss=F.cross_entropy, of="outputs"):
    """Return a number for the loss's gradient with respect to what leaves, or enters, each child."""
    inputs, outputs = walk(net, X)
    tensors = outputs if of == "outputs" else inputs
    gradients = torch.autograd.grad(loss(list(outputs.values())[-1], y), list(tensors.values()))
    return {name: float(norm(g)) for name, g in zip(tensors, gradients, strict=True)}


def norms_of_outputs(net, X, y):
    return {name: output.norm().item() for name, output in walk(net, X)[1].items()}


def weights_in(net, X, y, matrices=False):
    """Return, for each child with weights, the norm of the gradient of all of them, or of its matrices alone."""
    loss, found = F.cross_entropy(net(X), y), {}
    for name, child in net.named_children():
        parameters = [p for p in child.parameters() if p.dim() > 1 or not matrices]
        if parameters:
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
            found[name] = torch.cat([g.flatten() for g in gradients]).norm().item()
    return found


def reversed_names(net, X, y):
    right = norms(net, X, y)
    return dict(zip(right, list(right.values())[::-1], strict=True))


def of_other_mode(net, X, y):
    return norms(net.train(not net.training), X, y)


FORWARD = "These are norms of the outputs, on the way forward. Of what should the norm be?"
WEIGHTS = "These are gradients with respect to weights. With respect to what should they be?"
PROBE_MISTAKES = [
    (norms_of_outputs, FORWARD),
    (partial(norms, norm=lambda g: g.square().sum()), "These are squares of the norms. What is missing at the end?"),
    (partial(norms, norm=lambda g: g.square().mean().sqrt()),
     "You divide by the number of entries under the root. Does the L2 norm take a mean or a sum?"),
    (partial(norms, norm=lambda g: g.abs().sum()), "That is the sum of the absolute values. What does L2 stand for?"),
    (partial(norms, norm=lambda g: g.abs().mean()), "That is the mean of the absolute values. What is the L2 norm?"),
    (partial(norms, norm=lambda g: g.abs().max()), "That is the largest absolute value. What is the L2 norm?"),
    (partial(norms, norm=lambda g: g.sum()), "That is the sum of the gradient's entries. What is its L2 norm?"),
    (partial(norms, norm=lambda g: g.mean()), "That is the mean of the gradient's entries. What is its L2 norm?"),
    (partial(norms, norm=lambda g: g.std()), "That is the spread of the gradient's entries. What is its L2 norm?"),
    (partial(norms, norm=lambda g: g.flatten(1).norm(dim=1).mean()),
     "That is the mean of one norm for each example. What is the norm of the whole tensor?"),
    (partial(norms, of="inputs"),
     "These belong to what enters each child. With respect to which of its tensors should the gradient be?"),
    (partial(norms, loss=partial(F.cross_entropy, reduction="sum")),
     "They are as many times too large as there are examples. Is the loss a sum or a mean over the batch?"),
    (partial(norms, loss=lambda scores, y: scores.sum()), "You differentiate the sum of scores. Where is the loss?"),
    (partial(norms, loss=lambda scores, y: scores.mean()), "You differentiate the mean score. Where is the loss?"),
    (partial(norms, loss=lambda scores, y: F.cross_entropy(scores.softmax(1), y)),
     "There is a softmax before the loss. Does `F.cross_entropy` take scores or probabilities?"),
    (weights_in, WEIGHTS),
    (partial(weights_in, matrices=True), WEIGHTS),
    (reversed_names, "The numbers are right and stand under the wrong names. In which order do hooks fire on the way "
                     "back?"),
    (of_other_mode, "These are the numbers of the other mode. Which line switches it?"),
]  # fmt: skip


def gradient_probe(answer, solve):
    """Check a function that measures the gradient behind each child of a network."""
    names_of(answer, solve)
    most, cases = 0, probe_cases()
    for on, net, X, y in cases:
        twin, snapshot, given = copy.deepcopy(net), Snapshot(net, "network"), (X.clone(), y.clone())
        result = call(answer, net, *given, on=on)
        expected = norms(copy.deepcopy(twin), X, y)
        if not isinstance(result, Mapping):
            kind = type(result).__name__
            raise Wrong(f"{on} your function returns a `{kind}`, expected a dict. What should its keys be?")
        found = dict(result)

        def usual(found=found, twin=twin, X=X, y=y):
            for mistake, message in PROBE_MISTAKES:
                wrong = mistake(copy.deepcopy(twin), X, y)
                if wrong.keys() == found.keys() and all(same(value, wrong[key]) for key, value in found.items()):
                    return message
            return None

        if found.keys() != expected.keys():
            raise Wrong(f"{on} {explain_names(found, expected, net, usual)}")
        for name, value in found.items():
            if isinstance(value, bool | torch.Tensor) or not isinstance(value, Real):
                kind = type(value).__name__
                raise Wrong(
                    f"{on} the value of `{name}` is of type `{kind}`, expected a float. Which method turns a tensor of "
                    "one number into one?"
                )
        off = next((name for name, value in expected.items() if not same(found[name], value)), None)
        if off is not None:
            values = f"{found[off]:.4g}, expected {expected[off]:.4g}"
            ask = usual() or "With respect to which tensor is the gradient, and which norm of it is taken?"
            raise Wrong(f"{on} the number of `{off}` is {values}. {ask}")
        for now, before, name in zip(given, (X, y), ("X", "y"), strict=True):
            compare_tensor(now, before, name, on)
        snapshot.compare(on)
        most = max(most, *(abs(found[name] - value) / value for name, value in expected.items()))
    return f"For {len(cases)} networks, all norms: {agreement(most)}."


def explain_names(found, expected, net, usual):
    """Say what is wrong with the keys of a dict."""
    if not found:
        return "your dict is empty. When does a hook run, and when do you fill the dict?"
    if len(found) == 1 and len(expected) > 1 and (name := next(iter(found))) in expected:
        return f"your dict has `{name}` only. Which name does each hook know when it runs, its own or the loop's last?"
    if any(isinstance(key, nn.Module) for key in found):
        return "the keys of your dict are modules, expected names. Which method gives both?"
    if all(isinstance(key, int) for key in found):
        return f"the keys of your dict are numbers, expected the names {names(expected)}. Which method gives them?"
    inner = [key for key in found if isinstance(key, str) and "." in key]
    if any(key.endswith((".weight", ".bias")) for key in inner):
        return f"your dict has `{inner[0]}`, the name of a weight. With respect to what should the gradient be?"
    if inner:
        return f"your dict has `{inner[0]}`, which is inside a child. Which method names the children alone?"
    if "" in found:
        return "your dict has an empty name, that of the whole network. Which method names its children alone?"
    missing, extra = [key for key in expected if key not in found], [key for key in found if key not in expected]
    if missing and not extra:
        learns = any(True for name in missing for _ in net.get_submodule(name).parameters())
        ask = "When does its hook run?" if learns else "Does a child without weights have an output?"
        if all(isinstance(value, Real) for value in found.values()):
            ask = usual() or ask
        return f"your dict lacks {names(missing)}. {ask}"
    shown = f"your dict has the keys {names(found)}, expected {names(expected)}"
    return f"{shown}. Which method of the network gives the names of its children?"


def names(keys):
    """List names in a message."""
    return ", ".join(f"`{key}`" for key in keys)
