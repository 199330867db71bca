"""The gradient at a block of a residual network, taken apart: He and others 2016, "Identity mappings in deep residual
networks" (arXiv:1603.05027), equation 5.

Where nothing follows the additions and every shortcut is the identity, x_L = x_l + Σ F(x_i), so that

    ∂L/∂x_l = ∂L/∂x_L + Σ (∂F(x_i)/∂x_l)ᵀ ∂L/∂x_L,    i = l … L−1.

Each F(x_i) depends on x_l by way of all blocks between. The version that many texts print takes the slope of each
branch at its own input, ∂F(x_i)/∂x_i: the first order of Π (I + F′_i), without the products of several slopes.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models.cifar_resnet import is_block
from cnnlib.models.copying import copy_network
from cnnlib.models.explain_forward import run_network
from cnnlib.probes.checks import BATCH, LABELS, check_scored, check_scores
from cnnlib.validation import Count, Kind, List, Network, arguments, in_words

SEQUENCE = Kind(nn.Sequential, "It is made of stem, blocks and head: try tower(8).")


@dataclass(frozen=True)
class GradientParts:
    """The gradient at the input of a block, and the parts that should add up to it.

    Attributes
    ----------
    total : Tensor of shape (N, C, H, W)
        ∂L/∂x_l, by autograd.
    identity : Tensor
        ∂L/∂x_L, what the shortcuts bring.
    residuals : list of Tensor
        (∂F(x_i)/∂x_l)ᵀ ∂L/∂x_L for each block from l on.
    first_order : list of Tensor
        (∂F(x_i)/∂x_i)ᵀ ∂L/∂x_L for each block from l on.
    numbers : list of int
        The numbers of these blocks, counted from 1.
    """

    total: torch.Tensor
    identity: torch.Tensor
    residuals: list
    first_order: list
    numbers: list

    @property
    def error(self):
        """Relative error of identity + Σ residuals: rounding where the formula holds."""
        return self._error(self.residuals)

    @property
    def first_order_error(self):
        """Relative error of identity + Σ first_order."""
        return self._error(self.first_order)

    def _error(self, parts):
        missed, whole = (self.identity + sum(parts) - self.total).norm().item(), self.total.norm().item()
        return missed / whole if whole else math.inf if missed else 0.0

    @arguments(parts=List(torch.Tensor))
    def shares(self, parts=None):
        """Return how much of the total each part makes up along its direction, the identity first.

        ⟨part, total⟩ / ⟨total, total⟩ for the identity and for each of `parts` (`residuals` unless given). Where the
        formula holds these numbers add up to 1; all are 0 where the total is.
        """
        if parts is not None:
            for part in parts:
                if part.shape != self.total.shape:
                    raise ValueError(f"each part must be of shape {tuple(self.total.shape)}, got {in_words(part)}.")
        largest = self.total.abs().max()
        parts = [self.identity, *(self.residuals if parts is None else parts)]
        if not largest:
            return [0.0] * len(parts)
        total = self.total / largest  # the square of 1e-200 is no number
        return [((part / largest * total).sum() / total.square().sum()).item() for part in parts]


def take_apart(start, blocks, loss_of):
    """Return the first four attributes of `GradientParts` for blocks in a row.

    Parameters
    ----------
    start : Tensor
        What enters the first block, x_l.
    blocks : iterable of nn.Module
        With `residual(x)` and an identity shortcut.
    loss_of : callable
        From x_L, what leaves the last block, to the loss.
    """
    start = x = start.detach().requires_grad_()
    inputs, branches = [], []
    for block in blocks:
        inputs.append(x)
        branches.append(block.residual(x.clone()))  # of copies: a block may work in place
        x = block(x.clone())
    end, total = torch.autograd.grad(loss_of(x.clone()), (x, start), retain_graph=True)

    def back(F_i, to):  # the row ∂L/∂x_N times the Jacobian of F(x_i) with respect to `to`
        return torch.autograd.grad(F_i, to, end, retain_graph=True)[0]

    exact = [back(F_i, start) for F_i in branches]
    own_slopes = [back(F_i, x_i) for F_i, x_i in zip(branches, inputs, strict=True)]
    return total, end, exact, own_slopes


@arguments(net=SEQUENCE, X=BATCH, y=LABELS, block=Count(), last=Count())
def gradient_parts(net, X, y, block=1, last=None):
    """Take the gradient at the input of a block apart.

    Parameters
    ----------
    net : nn.Sequential
        A stem, residual blocks with `residual(x)` and a head, as `tower` and `cifar_resnet` build them. It stays as
        it is. Use `net.double()` to see rounding of float64.
    X : Tensor of shape (N, 1, H, W)
    y : int64 Tensor of shape (N,)
    block : int
        At whose input, l, counted from 1.
    last : int, optional
        At whose output the sum ends, L; the last block unless given.

    Returns
    -------
    GradientParts

    Raises
    ------
    ValueError
        If there is no such block, or one on the way has no identity shortcut.
    """
    Network()(net)
    check_scored(X, y)
    net = copy_network(net)  # a pass in training mode updates running statistics
    first = next((i for i, layer in enumerate(net) if is_block(layer)), len(net))
    count = sum(map(is_block, net))
    last = count if last is None else last
    if not 1 <= block <= last <= count:
        raise ValueError(f"blocks are counted from 1 to {count}, got block {block} to {last}.")
    blocks, head = net[first + block - 1 : first + last], net[first + last :]
    for number, one in enumerate(blocks, block):
        if not isinstance(getattr(one, "shortcut", None), nn.Identity):
            raise ValueError(
                f"block {number} has no identity shortcut, so its input and output cannot be added up. Choose blocks "
                "of one stage of a residual network."
            )

    def loss_of(x):
        scores = run_network(head, x)
        check_scores(scores, y)
        return F.cross_entropy(scores, y.clone())

    with torch.inference_mode(False), torch.enable_grad():
        start = run_network(net[: first + block - 1], X.clone())
        parts = take_apart(start, blocks, loss_of)
    return GradientParts(*parts, list(range(block, last + 1)))
