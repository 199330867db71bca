"""The walk through a network, one layer at a time: shapes, parameters, multiply-adds, the formulas behind them, and the
patch of the picture that one output sees.

A weight counts once, however often it is used; the patch follows the tensors themselves, so that it holds where
shortcuts join.
"""

import math
from dataclasses import dataclass, replace

from torch import nn

from cnnlib.page.table import Table
from cnnlib.probes.formulas import multiply_add_formula, parameter_formula, shape_rule
from cnnlib.probes.trace import trace_example
from cnnlib.probes.windows import Patch
from cnnlib.validation import Bool, Example, Network, arguments


@dataclass(frozen=True)
class Step:
    """One call of a layer in a walk: a row of the layer table, and the arithmetic behind it.

    Attributes
    ----------
    name, kind : str
    input_shape, output_shape : tuple of int
        Without the batch.
    parameters, multiply_adds : int
        The multiply-adds are for one example.
    shared : int
        How many of the parameters an earlier row has counted: a layer that runs twice, tied weights.
    number, first : int
        Its place in the walk, and the place where the same module ran first; counted from 1.
    module : nn.Module or None
        None in a layer table, which may outlive the network, and for an addition.
    windows : tuple of Window
        One per axis, empty where the layer has none.
    rule : str
        What sets the output shape: "window", "dense", "flatten", "adaptive", "keep", or "" where nothing is known.
    sizes : dict of str to str
        Axis to formula, or to the words that say what sets it.
    parameter_formula, multiply_add_formula : str
        Empty where there is none.
    patch : Patch or None
        None where it is not defined.
    """

    name: str
    kind: str
    input_shape: tuple
    output_shape: tuple
    parameters: int
    multiply_adds: int
    shared: int
    number: int
    first: int
    module: nn.Module | None
    windows: tuple
    rule: str
    sizes: dict
    parameter_formula: str
    multiply_add_formula: str
    patch: Patch | None


class LayerTable(list):
    """The layers of a network as Steps, in the order in which they ran; shows as a table with a line of totals.

    `unused` is how many parameters no layer used.
    """

    def __init__(self, layers=(), unused=0):
        super().__init__(layers)
        self.unused = unused

    @property
    def parameters(self):
        """All parameters of the network, each counted once."""
        return sum(layer.parameters - layer.shared for layer in self) + self.unused

    @property
    def multiply_adds(self):
        """All multiply-adds of one example."""
        return sum(layer.multiply_adds for layer in self)

    def table(self):
        """Return the rows and a line of totals as a Table."""
        head = ["layer", "kind", "output shape", "parameters", "multiply-adds"]
        rows = [
            [x.name, x.kind, " × ".join(map(str, x.output_shape)),
             f"{x.parameters:,}" + f" ({x.shared:,} counted above)" * bool(x.shared), f"{x.multiply_adds:,}"]
            for x in self
        ]  # fmt: skip
        if self.unused:
            rows.append(["not used", "", "", f"{self.unused:,}", "0"])
        return Table(head, [*rows, ["total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"]], left=3)

    def _repr_markdown_(self):
        return self.table()._repr_markdown_()

    def __repr__(self):
        return repr(self.table())


@arguments(net=Network(abstract=True), input_shape=Example())
def layer_table(net, input_shape):
    """Send one example of zeros through a network and write down what each layer did.

    Parameters
    ----------
    net : nn.Module
        Its rows are those of `walk_layers`.
    input_shape : tuple of int
        Shape of one example, without the batch: (1, 28, 28).

    Returns
    -------
    LayerTable
        A multiply-add is one multiplication and one addition of a convolution or a product of matrices; biases,
        activations, pooling and normalisation are not counted, as is usual.

    Raises
    ------
    ValueError
        If the network cannot take this shape, or has lazy layers.
    """
    walk = _walk(net, input_shape)
    return LayerTable([replace(step, module=None) for step in walk], walk.unused)


class Walk(LayerTable):
    """The steps in the order in which they ran."""

    @property
    def outputs(self):
        """How many numbers all outputs of one example are."""
        return sum(math.prod(step.output_shape) for step in self)


@arguments(net=Network(abstract=True), input_shape=Example(), additions=Bool())
def walk_layers(net, input_shape, additions=False):
    """Send one example of zeros through a network and explain what each layer did with its shape.

    The network, its mode, its gradients and the random numbers stay as they are, and no hook is left.

    Parameters
    ----------
    net : nn.Module
        Each of its innermost modules becomes a step, in the order of their calls; one that is called twice, two. So
        does a module around others whose own code uses a weight or multiplies matrices, behind those inside it.
    input_shape : tuple of int
        Shape of one example, without the batch: (1, 28, 28).
    additions : bool
        Whether the sum of two tensors, as where a shortcut ends, is a step too. It bears the name of the module whose
        code it stands in.

    Returns
    -------
    Walk of Step

    Raises
    ------
    ValueError
        If the network cannot take this shape, has lazy layers, or calls no module.
    """
    walk = _walk(net, input_shape, additions)
    if not walk:
        raise ValueError("net calls no module that could be shown. Use layers such as nn.Conv2d, not only functions.")
    return walk


def _walk(net, input_shape, additions=False):
    steps, first, counted = [], {}, set()
    for call in trace_example(net, input_shape, additions):
        if not (call.innermost or call.weights or call.multiply_adds):
            continue
        weights = {id(weight): weight.numel() for weight in call.weights}
        count, shared = sum(weights.values()), sum(weights[key] for key in weights.keys() & counted)
        counted |= weights.keys()
        number, (rule, sizes) = len(steps) + 1, shape_rule(call)
        steps.append(
            Step(
                call.name, call.kind, call.input_shape, call.output_shape, count, call.multiply_adds, shared, number,
                first.setdefault(call.module or call, number), call.module, call.windows, rule, sizes,
                parameter_formula(call.module, count), multiply_add_formula(call), call.patch,
            )
        )  # fmt: skip
    return Walk(steps, sum(p.numel() for p in net.parameters() if id(p) not in counted))
