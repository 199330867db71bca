"""What excites the channels of a layer: the places in some pictures where their maps are largest, as in figure 2 of
Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks" (arXiv:1311.2901). Here the patches
themselves are found; the paper also projects each activation back to the pixels.
"""

import math
import time
from dataclasses import dataclass

import torch
from torch import nn

from cnnlib.models.explain_forward import run_network
from cnnlib.models.hooks import first_tensor, watching
from cnnlib.probes.checks import BATCH, check_layer
from cnnlib.probes.passes import batch_for, dtype_of, looking
from cnnlib.probes.receptive import Field
from cnnlib.probes.trace import trace
from cnnlib.validation import Bool, Count, Iterable, Network, Number, Tensor, Text, arguments, check_batch

QUIET = (nn.Identity, nn.Dropout, nn.Dropout2d)  # identities in evaluation mode: nothing to look at
ROOM = 2**23  # numbers in the largest map of a pass, 32 MB, if no layer has more than 64 maps of the picture's size


@dataclass(frozen=True)
class MapLayer:
    """A layer whose output is maps, of `shape` (channels, height, width).

    `field` is what one of its outputs sees; None where that is no square or cannot be followed: where branches have
    joined, or behind a layer that is no convolution or pooling and does not act on each pixel by itself.
    """

    name: str
    kind: str
    shape: tuple
    field: Field | None


@dataclass(frozen=True)
class Places:
    """The places where each channel is largest, the largest first; of equal ones the first in the order of reading.

    `values`, and which picture, row and column of the map, counted from 0: (C, K) each. `num` pictures were looked at.
    """

    values: torch.Tensor
    pictures: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    num: int


@arguments(net=Network(), X=Tensor(shape="(N, C, H, W)"))
def layers_with_maps(net, X):
    """Find the layers whose output for a batch X of pictures, (N, C, H, W), is maps.

    Returns
    -------
    dict of str to MapLayer
        By name, in the order of the calls: innermost modules, and blocks of several. A layer that is called several
        times counts as it was called first.

    Raises
    ------
    ValueError
        If the network cannot take X.
    """
    with looking(net):
        calls = trace(net, batch_for(net, X, dtype_of(net)), example=False)
    layers, padded = {}, False
    for call in calls:
        padded = padded or getattr(call.module, "padding_mode", "zeros") != "zeros"  # it fills in pixels from elsewhere
        if call.name and not isinstance(call.module, (*QUIET, nn.Sequential)) and call.is_map:
            patch = call.patch
            straight = patch and not patch.joined and not padded and all(len(set(sides)) == 1 for sides in patch.sides)
            field = Field.of(call.name, call.kind, patch) if straight else None
            layers.setdefault(call.name, MapLayer(call.name, call.kind, call.output_shape, field))
    return layers


@arguments(net=Network(), X=BATCH, layer=Text())
def maps_and_output(net, X, layer):
    """Return the maps of a layer for a batch of pictures, and what the network made of them, in one pass.

    Parameters
    ----------
    net : nn.Module
    X : Tensor of shape (N, …)
    layer : str
        As `net.named_modules()` calls it.

    Returns
    -------
    maps, output : Tensor
        On the CPU, without gradients. The maps are a copy: a later layer that works in place does not change them.

    Raises
    ------
    ValueError
        If the network has no layer of that name, cannot take the pictures, or they do not pass the layer.
    """
    with looking(net):
        maps, output = _pass(net, X, layer)
    return maps.cpu(), output.detach().cpu()


@arguments(net=Network(), batches=Iterable(), layer=Text(), count=Count(), num=Count(), one_each=Bool())
def strongest_places(net, batches, layer, count=9, num=500, one_each=False, seconds=math.inf):
    """Find the places in some pictures where each channel of a layer is largest, for all channels in one pass.

    Parameters
    ----------
    net : nn.Module
    batches : iterable of (X, y)
        X of shape (N, C, H, W).
    layer : str
        As `net.named_modules()` calls it.
    count : int
        How many places per channel; fewer where the maps have fewer.
    num : int
        How many pictures to look at.
    one_each : bool
        Take the largest place of a picture alone, so that all places lie in different pictures.
    seconds : float
        Stop after this time; the first pictures are looked at in any case.

    Returns
    -------
    Places
        Numbers that are NaN count as the smallest of all.

    Raises
    ------
    TypeError, ValueError
        If the network has no layer of that name or does not use it, a batch is not a pair of tensors, there is no
        picture, the layer gives no maps, or `seconds` is not a number of at least 0.
    """
    seconds = seconds if seconds == math.inf else Number(least=0)(seconds, "seconds")
    best, seen, ends = None, 0, time.perf_counter() + seconds
    check_layer(net, layer)
    with looking(net):
        for X in _few_at_a_time(batches, num):
            maps, _ = _pass(net, X, layer, maps_alone=True)
            best = _merge(best, _strongest(maps, layer, count, one_each, seen), count)
            seen += len(X)
            if time.perf_counter() > ends:
                break
    if best is None:
        raise ValueError("there is no picture to look at: the batches are empty. Give a test set.")
    values, pictures, rows, columns = (tensor.cpu() for tensor in best)
    return Places(values, pictures, rows, columns, seen)


def _few_at_a_time(batches, num):
    """Yield the first `num` pictures of some batches, so few at a time that the largest maps fit into `ROOM`."""
    for batch in batches:
        X, _ = check_batch(batch)
        X = X[:num]
        num -= len(X)
        yield from X.split(max(1, min(64, ROOM // (64 * X[0].numel()))))
        if not num:
            return


class _Enough(Exception):
    """The layer has run; the layers behind it need not be computed."""


def _pass(net, X, layer, maps_alone=False):
    """Return a copy of what a layer gives in its first call, and what the network returns."""
    kept, output = [], None

    def keep(name, module, inputs, output):
        if not kept:
            kept.append(torch.empty(0) if (tensor := first_tensor(output)) is None else tensor.detach().clone())
        if maps_alone:
            raise _Enough

    with watching({layer: check_layer(net, layer)}, keep):
        try:
            output = first_tensor(run_network(net, batch_for(net, X, dtype_of(net))))
        except _Enough:
            pass
    if not kept:
        raise ValueError(f"no picture passes layer {layer!r}: the network has it, but does not use it. Choose another.")
    return kept[0], output


def _strongest(maps, layer, count, one_each, first):
    """Return values, pictures, rows and columns, (C, K) each, of a batch whose first picture has number `first`."""
    if maps.dim() != 4 or not maps.is_floating_point():
        raise ValueError(f"layer {layer!r} gives {tuple(maps.shape)}, not maps (N, C, H, W). Choose another layer.")
    width = maps.shape[-1]
    maps = torch.where(maps.isnan(), -torch.inf, maps).flatten(2).transpose(0, 1)  # (C, N, H·W)
    # a picture that is not among the `count` with the highest peaks has no place among the `count` highest
    pictures = _leading(maps.amax(2), count).sort(1).values  # (C, k)
    near = maps[torch.arange(len(maps), device=maps.device)[:, None], pictures]  # (C, k, H·W)
    if one_each:
        places = near.argmax(2)
        values = near.gather(2, places[:, :, None])[:, :, 0]
    else:
        index = _leading(near.flatten(1), count)
        values, places = near.flatten(1).gather(1, index), index % near.shape[2]
        pictures = pictures.gather(1, index // near.shape[2])
    return values, pictures + first, places // width, places % width


def _merge(best, more, count):
    both = more if best is None else [torch.cat(pair, dim=1) for pair in zip(best, more, strict=True)]
    index = _leading(both[0], count)
    return [tensor.gather(1, index) for tensor in both]


def _leading(values, count):
    """Return where the `count` largest of each row are, the largest first, of equal ones the first: (C, count).

    `topk` leaves open which of equal values it takes, and a sort of all is ten times slower.
    """
    count = min(count, values.shape[1])
    least = values.topk(count).values[:, -1:]
    above, equal = values > least, values == least
    room = count - above.sum(1, keepdim=True)
    taken = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))
    index = taken.nonzero()[:, 1].reshape(-1, count)
    return index.gather(1, values.gather(1, index).argsort(dim=1, descending=True, stable=True))
