"""The gradient-sum microscope: the gradient at a block of a network as the sum of what its shortcuts and its branches
bring, and whether that sum is what autograd says.
"""

import ipywidgets
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
from cnnlib.page.announce import alert
from cnnlib.probes import gradient_parts
from cnnlib.probes.checks import BATCH, LABELS, check_scored
from cnnlib.validation import Count, arguments
from cnnlib.widgets.controls import LABEL
from cnnlib.widgets.display import Explorer
from cnnlib.widgets.runner import random_lock
from cnnlib.widgets.subshells import answer_in_subshell

BLOCKS = {"pre-activation": PreActivation, "post-activation": PostActivation}
STARTS = {"default": default_, "He": kaiming_, "Xavier": xavier_}
ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh}
ROW = {"flex_flow": "row wrap", "align_items": "flex-end", "grid_gap": "4px 16px"}
MOST = 100  # blocks: more cannot be told apart on the page


@arguments(X=BATCH, y=LABELS, num_blocks=Count(most=MOST), seed=PLACE)
class GradientSum(Explorer):
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

    def __init__(self, X, y, num_blocks=8, seed=0):
        check_scored(X, y)
        self.X, self.y, self.num_blocks, self.seed = X.double().cpu(), y.cpu(), num_blocks, seed
        self.settings = {"block": 1, "scale": 1.0, "kind": "pre-activation", "norm": True, "start": "default",
                         "activation": "ReLU"}  # fmt: skip
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
        s, style = self.settings, {"style": LABEL, "layout": {"width": "max-content"}}
        self.inputs = {
            "block": ipywidgets.IntSlider(s["block"], 1, self.num_blocks, description="block", style=LABEL),
            "scale": ipywidgets.FloatSlider(
                s["scale"], min=0, max=2, step=0.05, description="branch scale", style=LABEL
            ),
            "kind": ipywidgets.Dropdown(options=list(BLOCKS), value=s["kind"], description="block type", **style),
            "norm": ipywidgets.Checkbox(s["norm"], description="batch norm", indent=False, **style),
            "start": ipywidgets.Dropdown(options=list(STARTS), value=s["start"], description="weights", **style),
            "activation": ipywidgets.Dropdown(
                options=list(ACTIVATIONS), value=s["activation"], description="activation", **style
            ),
        }
        self.image = ipywidgets.HTML()
        self.image.add_class("cnnlib-parts")
        for name, control in self.inputs.items():
            control.add_class(f"cnnlib-sum-{name}")
            control.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        row = ipywidgets.HBox([*self.inputs.values()], layout=ROW)
        self._widget = ipywidgets.VBox([row, self.image])
        self._widget.add_class("cnnlib-gradient-sum")
        answer_in_subshell(self._widget)
        self._show()

    def _set(self, name, value):
        self.settings[name] = value
        self._show()

    def _show(self):
        try:
            self.image.value = self.draw().svg()
        except Exception as error:  # a page shows nobody's traceback
            self.image.value = alert(f"{type(error).__name__}: {error}")

    def __repr__(self):
        return f"GradientSum over {self.num_blocks} blocks"
