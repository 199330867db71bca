"""What a probe checks about the network and the batch that it is given."""

from dataclasses import dataclass

import torch

from cnnlib.validation import Iterable, Rule, Tensor, Text, check_labels, in_words

BATCH = Tensor(shape="(N, …)")
LABELS = Tensor((1,), "(N,)")


@dataclass(frozen=True)
class Names(Rule):
    """An iterable of names: a dict is one, a text is none."""

    words = "an iterable of names"

    def __call__(self, layers, name):
        return layers if isinstance(layers, dict) else Iterable()(layers, name)


def check_layer(net, layer, name="layer"):
    """Return the module that a network calls `layer`.

    Raises
    ------
    TypeError
        If `layer` is no text.
    ValueError
        If the network has no layer of that name.
    """
    modules = dict(net.named_modules())
    if Text()(layer, name) not in modules:
        raise ValueError(f"the network has no layer {layer!r}; it has {', '.join(filter(None, modules))}.")
    return modules[layer]


def check_scored(X, y):
    """Raise unless X is a batch and y has a class for each of its examples, whole numbers of shape (N,)."""
    BATCH(X, "X")
    LABELS(y, "y")
    if not X.dim() or len(X) != len(y):
        raise ValueError(
            f"as many labels as examples are needed, got X of shape {tuple(X.shape)} and {in_words(y)} as y."
        )
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise TypeError(f"y must hold class indices (int64), got {in_words(y)}. Try y.long().")


def check_scores(scores, y):
    """Raise unless a network gave scores of shape (N, classes) for a batch, and the labels `y` are of these classes."""
    if not isinstance(scores, torch.Tensor) or scores.dim() != 2 or len(scores) != len(y):
        raise ValueError(f"net must return scores of shape ({len(y)}, classes), got {in_words(scores)}.")
    check_labels(y.long(), scores.shape[1])
