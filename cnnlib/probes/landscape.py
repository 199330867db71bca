"""The loss around the weights of a trained network, after Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the
loss landscape of neural nets" (arXiv:1712.09913).
"""

import torch
from torch import nn

from cnnlib.machine.rng import forked_rng
from cnnlib.models.copying import copy_network
from cnnlib.models.explain_forward import run_network
from cnnlib.models.training_mode import in_mode
from cnnlib.probes.checks import BATCH, LABELS, check_scored, check_scores
from cnnlib.validation import Dict, Iterable, Network, Number, arguments, in_words

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)  # output channels in the second place


@arguments(net=Network(abstract=True))
def random_direction(net):
    """Draw a random direction in weight space, normalised filter by filter (section 4 of the paper).

    Each filter of the direction (what makes one output channel) has the norm of the filter in the network, so that
    directions of different networks can be compared. Weights that are not filters or rows, those of normalisations
    and biases, stay at zero.

    Returns
    -------
    dict of str to Tensor
        One entry for each parameter of `net`.
    """
    transposed = {f"{name}.weight" for name, layer in net.named_modules() if isinstance(layer, TRANSPOSED)}
    direction = {}
    for name, weight in net.named_parameters():
        step = torch.zeros_like(weight)
        if weight.dim() > 1:
            step = torch.randn_like(weight)
            filters = [t.transpose(0, 1) if name in transposed else t for t in (weight.detach(), step)]
            lengths = filters[0].flatten(1).norm(dim=1) / filters[1].flatten(1).norm(dim=1)
            filters[1].mul_(lengths.reshape(-1, *[1] * (weight.dim() - 1)))
        direction[name] = step
    return direction


@arguments(net=Network(), direction=Dict(torch.Tensor), distances=Iterable(), X=BATCH, y=LABELS)
@torch.no_grad()
def loss_along(net, direction, distances, X, y):
    """Return the loss at the weights plus each distance times a direction; the network stays as it is.

    Batches are normalised by their own statistics, as in training: the running ones belong to the old weights.
    Dropout leaves out the same units at each distance.

    Parameters
    ----------
    net : nn.Module
    direction : dict of str to Tensor
        As `random_direction` returns it.
    distances : iterable of float
        1 is the length of the filters themselves.
    X, y : Tensor
        The batch to measure on.

    Returns
    -------
    list of float

    Raises
    ------
    TypeError, ValueError
        If the direction does not fit the network, a distance is no finite number, or the network cannot take the
        batch.
    """
    check_scored(X, y)
    check_fit(net, direction)
    distances = [Number()(distance, "each distance") for distance in distances]
    net = copy_network(net)
    start = {name: weight.clone() for name, weight in net.named_parameters()}
    losses = []
    with in_mode(net, training=True):
        for distance in distances:
            for name, weight in net.named_parameters():
                weight.copy_(start[name] + distance * direction[name])
            with forked_rng(X.device):  # each distance draws the same
                scores = run_network(net, X.clone())
            check_scores(scores, y)
            losses.append(nn.functional.cross_entropy(scores, y).item())
    return losses


def check_fit(net, direction):
    """Raise unless a direction has a tensor for each weight of a network, of the weight's shape."""
    for name, weight in net.named_parameters():
        step = direction.get(name)
        if step is None or step.shape != weight.shape or step.is_meta:
            raise ValueError(
                f"direction must have a tensor of shape {tuple(weight.shape)} for the weight {name!r}, got "
                f"{in_words(step)}. Draw it for this network: random_direction(net)."
            )
