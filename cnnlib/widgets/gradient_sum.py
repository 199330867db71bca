"""The gradient-sum microscope: the gradient at a block of a network as the sum of what its shortcuts and its branches
bring, and whether that sum is what autograd says.
"""

import torch
from torch import nn

from cnnlib.datasets.batches import PLACE
from cnnlib.figures import draw_parts
from cnnlib.models import (
    PostActivation,
    PreActivation,
    default_,
    kaiming_,
    scale_branches_,
    tower,
    xavier_,
)
from cnnlib.probes import gradient_parts
from cnnlib.probes.checks import BATCH, LABELS, check_scored
from cnnlib.validation import Count, arguments
from cnnlib.widgets.background import random_lock
from cnnlib.widgets.columns import Settings
from cnnlib.widgets.controls import choice, slider, switch

BLOCKS = {"pre-activation": PreActivation, "post-activation": PostActivation}
STARTS = {"default": default_, "He": kaiming_, "Xavier": xavier_}
ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh}
MOST = 100  # blocks: more cannot be distinguished on the page


@arguments(X=BATCH, y=LABELS, num_blocks=Count(most=MOST), seed=PLACE)
class GradientSum(Settings):
    """Pick a block, scale the branches, move the ReLU: do the parts still add up to the gradient?

    Every move builds the network anew from the same seed, in float64, and takes one gradient apart.

    Parameters
    ----------
    X : Tensor of shape (N, 1, H, W)
        A few pictures: eight answer in time.
    y : int64 Tensor of shape (N,)
    num_blocks : int
    seed : int
    """

    name = "sum"

    def __init__(self, X, y, num_blocks=8, seed=0):
        check_scored(X, y)
        self.X, self.y, self.num_blocks, self.seed = X.double().cpu(), y.cpu(), num_blocks, seed
        self.controls = [
            slider("block", 1, max(num_blocks, 2), 1),
            slider("scale", 0, 2, 1.0, 0.05, label="branch scale"),
            choice("kind", {name: name for name in BLOCKS}, label="block type"),
            switch("norm", True, label="batch norm"),
            choice("start", {name: name for name in STARTS}, label="weights"),
            choice("activation", {name: name for name in ACTIVATIONS}),
        ]
        self.settings = {control.name: control.default for control in self.controls}
        self.parts()  # what cannot be drawn fails here, not on the page

    def parts(self):
        """Return the GradientParts for the settings as they stand; everybody's random numbers stay as they are."""
        s = self.settings
        with random_lock, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # torch.manual_seed would reseed a GPU as well
            net = tower(self.num_blocks, 8, "identity", BLOCKS[s["kind"]], s["norm"], ACTIVATIONS[s["activation"]])
            net = scale_branches_(STARTS[s["start"]](net), s["scale"]).double()
        return gradient_parts(net, self.X, self.y, s["block"])

    def draw(self):
        """Return the drawing for the settings as they stand."""
        s = self.settings
        norm = "batch norm" if s["norm"] else "no batch norm"
        title = f"Gradient at the input of block {s['block']}: {s['kind']}, {norm}, branches × {s['scale']:g}"
        return draw_parts(self.parts(), title)

    def _build(self):
        self._lay_out_settings(self.controls)
        self.inputs["block"].max = self.num_blocks

    def __repr__(self):
        return f"GradientSum over {self.num_blocks} blocks"
