"""The walk through a network, one layer at a time: the formula behind each shape and each cost with its numbers filled
in, and the patch of the picture that one output sees (Dumoulin & Visin 2016, "A guide to convolution arithmetic for
deep learning", arXiv:1603.07285; the names are PyTorch's).

The rows are those of `layer_table`. Here a layer that runs twice counts its weights once, and the patch follows the
tensors themselves, so that it holds where shortcuts join.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules import activation, batchnorm, conv, dropout, pooling

from cnnlib.models.batch_norm import BatchNorm
from cnnlib.models.modes import evaluating
from cnnlib.probes.shapes import Layer, LayerTable, multiply_adds
from cnnlib.probes.windows import POOLS, Follow, NoChannels, Patch, windows_of
from cnnlib.validation import check_example, check_net, explain_forward_error

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
ADAPTIVE = (pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd)
NORMS = (batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, BatchNorm)
ACTIVATIONS = tuple(getattr(activation, name) for name in activation.__all__ if name != "MultiheadAttention")
KEEPERS = (*ACTIVATIONS, *NORMS, dropout._DropoutNd, nn.Identity)


@dataclass(frozen=True)
class Step(Layer):
    """A row of the layer table with the arithmetic behind it.

    Attributes
    ----------
    number, first : int
        Its place in the walk, and the place where the same module ran first; counted from 1.
    module : nn.Module
    windows : tuple of Window
        One an axis, empty where the layer has none.
    rule : str
        What sets the output shape: "window", "dense", "flatten", "adaptive", "keep", or "" where nothing is known.
    sizes : dict of str to str
        Axis to formula, or to the words that say what sets it.
    parameter_formula, multiply_add_formula : str
        Empty where there is none.
    patch : Patch or None
        None where it is not defined.
    """

    number: int
    first: int
    module: nn.Module
    windows: tuple
    rule: str
    sizes: dict
    parameter_formula: str
    multiply_add_formula: str
    patch: Patch | None


class Walk(LayerTable):
    """The steps in the order in which they ran; `parameters` counts each weight once."""

    def __init__(self, steps, parameters):
        super().__init__(steps)
        self._parameters = parameters

    @property
    def parameters(self):
        """All parameters of the network."""
        return self._parameters

    @property
    def outputs(self):
        """How many numbers all outputs of one example are."""
        return sum(math.prod(step.output_shape) for step in self)


def walk_layers(net, input_shape):
    """Send one example of zeros through the network and explain what each layer did with its shape.

    The network, its mode, its gradients and the random numbers stay as they are, and no hook is left.

    Parameters
    ----------
    net : nn.Module
        Each of its innermost modules becomes a step, in the order of their calls; one that is called twice, two.
    input_shape : tuple of int
        Shape of one example, without the batch: (1, 28, 28).

    Returns
    -------
    Walk of Step

    Raises
    ------
    TypeError
        If `net` is no nn.Module, or `input_shape` no tuple of whole numbers.
    ValueError
        If the network cannot take this shape, has lazy layers, or calls no module.
    """
    check_net(net)
    shape = check_example(input_shape)
    if any(nn.parameter.is_lazy(p) for p in net.parameters()):
        raise ValueError("net has lazy layers, which have no weights yet. Send a batch through it first: net(X).")
    parameter = next(net.parameters(), torch.empty(0))
    X = torch.zeros(1, *shape, device=parameter.device, dtype=parameter.dtype)
    steps, first, follow = [], {}, Follow(X)
    names = {module: name for name, module in net.named_modules() if not any(module.children())}

    def note(module, args, kwargs, output):
        inputs = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        output = next(iter(output), None) if isinstance(output, tuple | list) else output
        if not inputs or not isinstance(output, torch.Tensor):
            return
        incoming, outgoing = tuple(inputs[0].shape[1:]), tuple(output.shape[1:])
        rule, windows, sizes = _shape_rule(module, incoming, outgoing)
        count = sum(p.numel() for p in module.parameters())
        cost, cost_formula = _multiply_adds(module, incoming, outgoing)
        number = len(steps) + 1
        patch = follow.leave(module, rule, windows, inputs[0], output)
        steps.append(
            Step(
                names[module], type(module).__name__, incoming, outgoing, count, cost, number,
                first.setdefault(module, number), module, windows, rule, sizes, _parameters(module, count),
                cost_formula, patch,
            )
        )  # fmt: skip

    hooks = [module.register_forward_hook(note, with_kwargs=True) for module in names]
    borrowed = torch.random.fork_rng([X.device] if X.device.type == "cuda" else [])
    with torch.no_grad(), evaluating(net), borrowed:  # so that one example is enough for batch normalisation
        try:
            with follow:
                net(X)
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError) as error:
            _remove(hooks)
            why = error if isinstance(error, NoChannels) else explain_forward_error(net, X, error)
            raise ValueError(
                f"the network cannot take an example of shape {shape}; {len(steps)} layers went well. {why} "
                "input_shape is that of one example, without the batch."
            ) from error
        finally:
            _remove(hooks)
    if not steps:
        raise ValueError("net calls no module that could be shown. Use layers such as nn.Conv2d, not only functions.")
    return Walk(steps, sum(p.numel() for p in net.parameters()))


def _shape_rule(module, incoming, outgoing):
    """Return what sets the output shape, the windows, and the formula of each axis; nothing if it is not known."""
    windows, sides = windows_of(module, incoming), outgoing[1:]
    if windows and sides == tuple(w.output for w in windows):
        pool = isinstance(module, POOLS)
        channels = f"{outgoing[0]:,}, " + ("as many as came in" if pool else "one for each filter")
        return "window", windows, {"channels": channels} | _by_axis([w.formula for w in windows])
    if isinstance(module, nn.Linear) and outgoing[-1:] == (module.out_features,):
        return "dense", (), {"features": f"{outgoing[-1]:,}, one for each unit of the layer"}
    if isinstance(module, nn.Flatten) and module.start_dim > 0:
        end = module.end_dim - 1 if module.end_dim > 0 else len(incoming) + module.end_dim
        flat = incoming[module.start_dim - 1 : end + 1]
        return "flatten", (), {"features": f"{_times(*flat)} = {math.prod(flat):,}"}
    if isinstance(module, ADAPTIVE) and sides:
        channels = {"channels": f"{outgoing[0]:,}, as many as came in"}
        return "adaptive", (), channels | _by_axis([f"{o}, whatever comes in (here {i})" for i, o in
                                                    zip(incoming[1:], sides, strict=True)])  # fmt: skip
    if isinstance(module, KEEPERS) and incoming == outgoing:
        return "keep", (), {"shape": "stays as it is"}
    return "", (), {}


def _by_axis(texts):
    names = AXES[len(texts)]
    if len(set(texts)) == 1:
        return {" and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names): texts[0]}
    return dict(zip(names, texts, strict=True))


def _parameters(module, count):
    """Return the formula of a layer's parameters, or '' for a layer of another kind."""
    weight = getattr(module, "weight", getattr(module, "gamma", None))
    if not count or not isinstance(module, (conv._ConvNd, nn.Linear, *NORMS)):
        return ""
    text = _times(*(reversed(weight.shape) if isinstance(module, nn.Linear) else weight.shape))
    if isinstance(module, conv._ConvNd) and module.groups > 1:  # the weights are (out, in / groups, …)
        axis = 0 if module.transposed else 1
        sides = [f"{module.weight.shape[0]:,}", f"{module.weight.shape[1]:,}", *map(str, module.kernel_size)]
        sides[1] = f"({(module.in_channels, module.out_channels)[1 - axis]:,} / {module.groups})"
        text = " · ".join(sides)
    if isinstance(module, NORMS):
        text = f"{'2 · ' * (count == 2 * weight.numel())}{text}"
    elif module.bias is not None:
        text += f" + {module.bias.numel():,}"
    return f"{text} = {count:,}"


def _multiply_adds(module, incoming, outgoing):
    """Return the multiply-adds for one example and their formula."""
    count = multiply_adds(module, incoming, outgoing)
    if isinstance(module, nn.Linear):
        return count, f"{_times(*incoming[:-1], module.in_features, module.out_features)} = {count:,}"
    if isinstance(module, conv._ConvNd):
        at = incoming if module.transposed else outgoing  # where a whole window of weights is used
        others = (module.out_channels if module.transposed else module.in_channels), module.groups
        window = [f"{others[0]:,} / {others[1]}" if others[1] > 1 else f"{others[0]:,}", *map(str, module.kernel_size)]
        return count, f"{_times(*at)} · ({' · '.join(window)}) = {count:,}"
    return 0, ""


def _times(*numbers):
    return " · ".join(f"{number:,}" for number in numbers)


def _remove(hooks):
    for hook in hooks:
        hook.remove()
