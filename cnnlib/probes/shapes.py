"""Walk a network layer by layer: output shape, parameters, multiply-adds."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from cnnlib.models.modes import evaluating
from cnnlib.page.table import Table
from cnnlib.validation import check_example, check_net


@dataclass(frozen=True)
class Layer:
    """One row of the walk. Shapes leave out the batch; `multiply_adds` are for one example."""

    name: str
    kind: str
    input_shape: tuple
    output_shape: tuple
    parameters: int
    multiply_adds: int


class LayerTable(list):
    """The layers of a network in the order in which they ran; shows as a table with a line of totals."""

    @property
    def parameters(self):
        """All parameters."""
        return sum(layer.parameters for layer in self)

    @property
    def multiply_adds(self):
        """All multiply-adds of one example."""
        return sum(layer.multiply_adds for layer in self)

    def table(self):
        """Return the rows and a line of totals as a Table."""
        head = ["layer", "kind", "output shape", "parameters", "multiply-adds"]
        rows = [
            [x.name, x.kind, " × ".join(map(str, x.output_shape)), f"{x.parameters:,}", f"{x.multiply_adds:,}"]
            for x in self
        ]
        return Table(head, [*rows, ["total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"]], left=3)

    def _repr_markdown_(self):
        return self.table()._repr_markdown_()

    def __repr__(self):
        return repr(self.table())


def layer_table(net, input_shape):
    """Send one random image through the network and write down what each layer did.

    Parameters
    ----------
    net : nn.Module
        Each of its innermost modules becomes a row, in the order of their calls.
    input_shape : tuple of int
        Shape of one example, without the batch: (1, 28, 28).

    Returns
    -------
    LayerTable
        A multiply-add is one multiplication and one addition; biases, activations, pooling and normalisation are
        not counted, as is usual.

    Raises
    ------
    TypeError
        If `net` is no nn.Module, or `input_shape` no tuple of whole numbers.
    ValueError
        If the network cannot take this shape.
    """
    rows, input_shape = LayerTable(), check_example(input_shape)
    check_net(net)
    names = {module: name for name, module in net.named_modules() if not any(module.children())}

    def note(module, args, output):
        rows.append(
            Layer(
                name=names[module],
                kind=type(module).__name__,
                input_shape=tuple(args[0].shape[1:]),
                output_shape=tuple(output.shape[1:]),
                parameters=sum(p.numel() for p in module.parameters()),
                multiply_adds=multiply_adds(module, args[0].shape[1:], output.shape[1:]),
            )
        )

    parameter = next(net.parameters(), torch.empty(0))
    X = torch.zeros(1, *input_shape, device=parameter.device, dtype=parameter.dtype)
    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with torch.no_grad(), evaluating(net):  # so that one example is enough for batch normalisation
            net(X)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise ValueError(
            f"the network cannot take an example of shape {tuple(input_shape)}; {len(rows)} layers went well. "
            f"PyTorch said: {str(error).splitlines()[0]}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def multiply_adds(module, incoming, outgoing):
    """Count the multiply-adds of one layer for one example, given its shapes without the batch."""
    if isinstance(module, nn.Linear):
        return math.prod(outgoing) * module.in_features
    if isinstance(module, _ConvNd):  # at each of these places a whole window of weights is used
        places, others = (incoming, module.out_channels) if module.transposed else (outgoing, module.in_channels)
        return math.prod(places) * (others // module.groups) * math.prod(module.kernel_size)
    return 0
