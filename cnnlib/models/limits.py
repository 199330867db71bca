"""Bounds for the arguments of the networks, checked before any memory is allocated.

The functions that a chapter shows are as short as there; `cnnlib.validation.arguments` puts their rules around them,
behind each definition.
"""

import math
from dataclasses import dataclass

from cnnlib.validation import Count, List, Number, Rule, in_words

CHANNELS = Count(most=4096)
DEPTH = Count(most=1000)  # layers or blocks in a row
UNITS = Count(most=2**14)
SIDE = Count(least=-math.inf, most=1024)  # of a picture; the function itself knows the least
SHARE = Number(least=0, most=1)


@dataclass(frozen=True)
class Arch(Rule):
    """A sequence of pairs (number of convolutions, channels), one per block."""

    words = "a list of pairs (number of convolutions, channels)"

    def __call__(self, arch, name):
        for pair in List()(arch, name):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(f"{name} must be {self.words}, got {in_words(pair)}. Try VGG11.")
            DEPTH(pair[0], f"each number of convolutions in {name}")
            CHANNELS(pair[1], f"each number of channels in {name}")
        return arch
