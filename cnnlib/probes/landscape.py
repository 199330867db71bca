"""The loss around the weights of a trained network, after Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the
loss landscape of neural nets" (arXiv:1712.09913).
"""

import copy

import torch
from torch import nn

from cnnlib.modes import in_mode

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)  # output channels in the second place


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
    """
    net = copy.deepcopy(net)
    start = {name: weight.clone() for name, weight in net.named_parameters()}
    losses, random = [], torch.get_rng_state()
    with in_mode(net, training=True), torch.random.fork_rng([X.device] if X.device.type == "cuda" else []):
        for distance in distances:
            torch.set_rng_state(random)
            for name, weight in net.named_parameters():
                weight.copy_(start[name] + distance * direction[name])
            losses.append(nn.functional.cross_entropy(net(X), y).item())
    return losses
