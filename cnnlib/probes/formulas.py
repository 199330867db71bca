"""The formulas behind a layer's shape and cost, with its numbers filled in (Dumoulin & Visin 2016, "A guide to
convolution arithmetic for deep learning", arXiv:1603.07285; the names are PyTorch's).
"""

import math

from torch import nn
from torch.nn.modules import activation, batchnorm, conv, dropout

from cnnlib.models.batch_norm import BatchNorm
from cnnlib.probes.trace import ADAPTIVE
from cnnlib.probes.windows import POOLS

AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
NORMALISATIONS = (batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, BatchNorm)
ACTIVATIONS = tuple(getattr(activation, name) for name in activation.__all__ if name != "MultiheadAttention")
KEEPERS = (*ACTIVATIONS, *NORMALISATIONS, dropout._DropoutNd, nn.Identity)


def shape_rule(call):
    """Return what sets the output shape of a Call and the formula of each axis; nothing if it is not known."""
    module, incoming, outgoing = call.module, call.input_shape, call.output_shape
    if module is None:
        return "keep", {"shape": "that of both summands"}
    if call.windows:
        channels = f"{outgoing[0]:,}, " + ("as many as came in" if isinstance(module, POOLS) else "one for each filter")
        return "window", {"channels": channels} | _by_axis([window.formula for window in call.windows])
    if isinstance(module, nn.Linear) and outgoing[-1:] == (module.out_features,):
        return "dense", {"features": f"{outgoing[-1]:,}, one for each unit of the layer"}
    if isinstance(module, nn.Flatten) and module.start_dim > 0:
        end = module.end_dim - 1 if module.end_dim > 0 else len(incoming) + module.end_dim
        flat = incoming[module.start_dim - 1 : end + 1]
        return "flatten", {"features": f"{_product(*flat)} = {math.prod(flat):,}"}
    if isinstance(module, ADAPTIVE) and outgoing[1:]:
        channels = {"channels": f"{outgoing[0]:,}, as many as came in"}
        return "adaptive", channels | _by_axis([f"{o}, whatever comes in (here {i})" for i, o in
                                                zip(incoming[1:], outgoing[1:], strict=True)])  # fmt: skip
    if isinstance(module, KEEPERS) and incoming == outgoing:
        return "keep", {"shape": "stays as it is"}
    return "", {}


def _by_axis(texts):
    names = AXES[len(texts)]
    if len(set(texts)) == 1:
        return {" and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names): texts[0]}
    return dict(zip(names, texts, strict=True))


def parameter_formula(module, count):
    """Return the formula of a layer's parameters, or '' where none gives their number."""
    weight = getattr(module, "weight", getattr(module, "gamma", None))
    if not count or not isinstance(module, (conv._ConvNd, nn.Linear, *NORMALISATIONS)):
        return ""
    text, found = _product(*(reversed(weight.shape) if isinstance(module, nn.Linear) else weight.shape)), weight.numel()
    if isinstance(module, conv._ConvNd) and module.groups > 1:  # the weights are (out, in / groups, …)
        axis = 0 if module.transposed else 1
        sides = [f"{module.weight.shape[0]:,}", f"{module.weight.shape[1]:,}", *map(str, module.kernel_size)]
        sides[1] = f"({(module.in_channels, module.out_channels)[1 - axis]:,} / {module.groups})"
        text = " · ".join(sides)
    if isinstance(module, NORMALISATIONS):
        twice = count == 2 * found
        text, found = f"{'2 · ' * twice}{text}", found * (1 + twice)
    elif module.bias is not None:
        text, found = f"{text} + {module.bias.numel():,}", found + module.bias.numel()
    return f"{text} = {count:,}" if found == count else ""


def multiply_add_formula(call):
    """Return the formula of a Call's multiply-adds for one example, or ''."""
    module, incoming, outgoing, text = call.module, call.input_shape, call.output_shape, ""
    if isinstance(module, nn.Linear):
        text = _product(*incoming[:-1], module.in_features, module.out_features)
    elif isinstance(module, conv._ConvNd) and call.windows:
        at = incoming if module.transposed else outgoing  # where a whole window of weights is used
        others = (module.out_channels if module.transposed else module.in_channels), module.groups
        window = [f"{others[0]:,} / {others[1]}" if others[1] > 1 else f"{others[0]:,}", *map(str, module.kernel_size)]
        text = f"{_product(*at)} · ({' · '.join(window)})"
    return text and f"{text} = {call.multiply_adds:,}"


def _product(*numbers):
    return " · ".join(f"{number:,}" for number in numbers)
