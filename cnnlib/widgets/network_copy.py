"""A copy of a network to look into: the maps of its layers for one picture, and the places that excite them most."""

import contextlib
import time

import torch
from torch import nn

from cnnlib.machine.rng import forked_rng
from cnnlib.models.copying import copy_network
from cnnlib.probes import layers_with_maps, maps_and_output, strongest_places
from cnnlib.probes.passes import random_left_alone

COUNT, NUM = 9, 500  # places of a channel, among so many pictures
PATIENCE = 0.5  # seconds that a search may take: a large network looks at as many pictures as fit into it


class NetworkCopy:
    """The copy, in evaluation mode; what was found in it is kept until the next copy.

    Attributes
    ----------
    net : nn.Module or None
    layers : dict of str to Layer
        Those with maps, in the order in which they run.
    seconds : float
        What the last look took.
    """

    def __init__(self, pictures):
        self.pictures, self.net, self.layers, self.seconds = pictures, None, {}, 0.0
        self._seen, self._places = {}, {}  # maps and output of the last picture; (layer, apart): Places
        self._made_of, self._draws = None, False  # whether the network draws random numbers in evaluation

    def take(self, net, X):
        """Copy a network as it stands; `X`, (1, C, H, W), shows which of its layers have maps."""
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be an nn.Module, got {type(net).__name__}. Build it first: lenet(), say.")
        self.net = copy_network(net).eval()
        self._seen, self._places = {}, {}
        made_of = [net, *((name, type(m)) for name, m in net.named_modules()), *(p.shape for p in net.parameters())]
        if made_of != self._made_of:  # in training only the weights are others
            self._made_of, self._draws = None, True
            with self._apart():
                before = torch.get_rng_state()
                self.layers = layers_with_maps(self.net, X)
                # few networks draw in evaluation; to put numbers back for the others might rewind a run in its thread
                draws = not torch.equal(torch.get_rng_state(), before)
            self._made_of, self._draws = made_of, draws
        if not self.layers:
            raise ValueError("the network has no layer that gives maps (N, C, H, W). Take one with convolutions.")

    @contextlib.contextmanager
    def _apart(self):
        """Let a network that draws random numbers draw the same each time, and leave those of everybody else."""
        device = next(self.net.parameters(), torch.empty(0)).device
        with random_left_alone(), forked_rng(device, 0) if self._draws else contextlib.nullcontext():
            yield

    def look(self, key, picture):
        """Return maps (C, H, W) and output for `picture()`; `key` is the layer, and whatever identifies the picture."""
        if key not in self._seen:
            X, started = picture(), time.perf_counter()
            with self._apart():
                self._seen = {key: maps_and_output(self.net, X, key[0])}
            self.seconds = time.perf_counter() - started
        maps, output = self._seen[key]
        return maps[0], output

    def forget(self):
        """Look again the next time: the picture has changed."""
        self._seen = {}

    def has_searched(self, layer, apart):
        """Return whether a search has been made."""
        return (layer, apart) in self._places

    def search(self, layer, apart):
        """Return the Places of all channels of a layer, which is searched once; with `apart` one of each picture."""
        if not self.has_searched(layer, apart):
            with self._apart():
                some = self.pictures.first(NUM)
                self._places[layer, apart] = strongest_places(self.net, some, layer, COUNT, NUM, apart, PATIENCE)
        return self._places[layer, apart]
