"""Remove a part of a trained network, or swap two, and see what is left (Veit, Wilber & Belongie 2016, "Residual
networks behave like ensembles of relatively shallow networks", arXiv:1605.06431, section 4).
"""

from dataclasses import dataclass

from torch import nn

from cnnlib.models.batch_norm import BATCH_NORMS
from cnnlib.models.cifar_resnet import is_block
from cnnlib.models.copying import copy_network
from cnnlib.probes.checks import check_layer
from cnnlib.validation import Network, arguments, in_words


@dataclass(frozen=True)
class Site:
    """A part of a network that keeps the shape of its input, so that the network runs without it.

    Attributes
    ----------
    names : tuple of str
        The submodules that it is made of: one block, or a convolution and what follows it.
    channels : int
    """

    names: tuple
    channels: int


@arguments(net=Network(abstract=True))
def lesion_sites(net):
    """Find the parts of a network that can be removed: those whose output has the shape of their input.

    A block with or without a shortcut is one part; elsewhere, a convolution with the normalisation and the ReLU
    behind it is.

    Parameters
    ----------
    net : nn.Module

    Returns
    -------
    list of Site
        From the image to the scores; two sites of equal `channels` in a row can be swapped.
    """
    sites, inside = [], ()
    for name, module in net.named_modules():
        if inside and name.startswith(inside):
            continue
        if is_block(module):
            inside = (*inside, f"{name}.")
            if _keeps_shape(module.conv1):
                sites.append(Site((name,), module.conv1.in_channels))
        elif isinstance(module, nn.Sequential):
            sites += _units(name, module)
    return sites


@arguments(net=Network(abstract=True))
def without(net, *sites):
    """Return a copy of a network without these sites: what came to them goes on to the next layer.

    Of a block with a shortcut, the shortcut is what stays.

    Parameters
    ----------
    net : nn.Module
        Stays as it is.
    *sites : Site
        As `lesion_sites` returns them.

    Raises
    ------
    TypeError, ValueError
        If the network has no such site.
    """
    _check_sites(net, *sites)
    return _rewired(net, {name: None for site in sites for name in site.names})


@arguments(net=Network(abstract=True))
def swapped(net, one, other):
    """Return a copy of a network in which two sites have changed places.

    Raises
    ------
    ValueError
        If they differ in channels or in what they are made of, or the network has no such site.
    """
    _check_sites(net, one, other)
    if one.channels != other.channels or len(one.names) != len(other.names):
        raise ValueError(
            f"only two parts of the same stage can be swapped; these have {one.channels} channels in "
            f"{len(one.names)} layer(s) and {other.channels} in {len(other.names)}. Choose another neighbour."
        )
    places = dict(zip(one.names, other.names, strict=True))
    return _rewired(net, places | {there: here for here, there in places.items()})


def _check_sites(net, *sites):
    for site in sites:
        if not isinstance(site, Site):
            raise TypeError(f"a site must be one that lesion_sites(net) found, got {in_words(site)}.")
        for name in site.names:
            check_layer(net, name, "each name of a site")


def _rewired(net, places):
    """Return a copy of a network with another module in some places; nn.Identity where that is None."""
    net = copy_network(net)
    modules = {name: net.get_submodule(name) for name in places}
    for name, source in places.items():
        parent, _, last = name.rpartition(".")
        setattr(net.get_submodule(parent), last, nn.Identity() if source is None else modules[source])
    return net


def _units(prefix, sequence):
    """Find convolutions that keep their shape, with what follows each, among the layers of a Sequential."""
    layers = [(f"{prefix}.{name}".lstrip("."), layer) for name, layer in sequence.named_children()]
    for number, (name, layer) in enumerate(layers):
        if isinstance(layer, nn.Conv2d) and _keeps_shape(layer):
            names = [name]
            for after, follower in layers[number + 1 : number + 3]:
                if not isinstance(follower, (*BATCH_NORMS, nn.ReLU)):
                    break
                names.append(after)
            yield Site(tuple(names), layer.in_channels)


def _keeps_shape(conv):
    same = conv.padding == "same" or all(2 * p == k - 1 for p, k in zip(conv.padding, conv.kernel_size, strict=True))
    return same and conv.in_channels == conv.out_channels and set(conv.stride) == {1}
