"""One forward pass, recorded call by call: shapes, the weights that were used, multiply-adds, and the patch of the
picture that one output sees. Whatever counts layers or follows receptive fields uses this one walk.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.modules import pooling
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlib.machine.faults import is_fault
from cnnlib.models.explain_forward import EXPLAINED, run_network
from cnnlib.models.hooks import class_name, device_of, first_tensor, watching
from cnnlib.probes.passes import dtype_of, innermost, looking
from cnnlib.probes.windows import Patch, PatchTracker, axes_of, windows_of

ADAPTIVE = (pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd)


@dataclass(eq=False)
class Call:
    """One call of a module, or an addition in the code of one.

    Attributes
    ----------
    name : str
        Of an addition, that of the module whose code it stands in.
    module : nn.Module or None
        None for an addition.
    innermost : bool
        Whether it is made of no other modules.
    input_shape, output_shape : tuple of int
        Of the first tensor of each, without the batch; empty where there is none.
    is_map : bool
        Whether the output is maps, (N, C, H, W).
    windows : tuple of Window
        One per axis, empty for a layer without any.
    weights : list of nn.Parameter
        Of an innermost module all that it has, else those that its own code uses.
    multiply_adds : int
        Of its own code, for the whole batch.
    patch : Patch or None
        None where it is not defined.
    """

    name: str
    module: nn.Module | None
    innermost: bool
    input_shape: tuple
    patch: Patch | None
    output_shape: tuple = ()
    is_map: bool = False
    windows: tuple = ()
    weights: list = field(default_factory=list)
    multiply_adds: int = 0

    @property
    def kind(self):
        """The name of its class."""
        return "addition" if self.module is None else class_name(self.module)

    @property
    def is_window(self):
        """Whether it is a convolution or a pooling."""
        return bool(axes_of(self.module)) or isinstance(self.module, ADAPTIVE)


def trace(net, X, calls=None, example=True, additions=False):
    """Send a batch through a network as it stands, and return its Calls in the order in which they ended.

    `calls` is the list to note them in, so that a caller knows how far a failed pass got. `example` means that X is
    one example: multiply-adds are counted, and an example without channels is refused. With `additions`, a sum of two
    tensors of one shape, both made from X, is a Call too, unless it is all that an innermost module does.
    """
    calls, leaves = [] if calls is None else calls, set(innermost(net).values())
    running = [Call("", net, False, (), None)]  # the innermost last; the first stands for code outside of modules
    follow = PatchTracker(X, lambda weight: running[-1].weights.append(weight), lambda output: join(output))

    def join(output):
        if additions and not running[-1].innermost:
            shape, patch = tuple(output.shape[1:]), follow.patch(output)
            calls.append(Call(running[-1].name, None, True, shape, patch, shape, output.dim() == 4))

    def enter(name, module, inputs):
        if example and inputs and inputs[0] is X and axes_of(module) not in (0, X.dim() - 2):
            raise NoChannels(
                f"{class_name(module)} needs channels and {axes_of(module)} more axes, got {tuple(X.shape[1:])}."
            )
        shape, patch = (tuple(inputs[0].shape[1:]), follow.patch(inputs[0])) if inputs else ((), None)
        running.append(Call(name, module, module in leaves, shape, patch))

    def leave(name, module, inputs, output):
        while (call := running.pop()).module is not module:  # of calls that ended in an exception, which was caught
            pass
        output = first_tensor(output)
        if call.innermost:
            call.weights = list(module.parameters())
        if output is not None:
            shape = output.shape
            call.output_shape, call.is_map = tuple(shape[1:]), len(shape) == 4 and output.is_floating_point()
            windows = windows_of(module, call.input_shape) if call.innermost else ()
            call.windows = windows if call.output_shape[1:] == tuple(window.output for window in windows) else ()
            follow.leave(module, call.windows, call.patch, output)
            if isinstance(module, nn.RNNBase | nn.Bilinear):  # one operator: each weight is used at each place
                weights = sum(p.numel() for name, p in module.named_parameters() if "weight" in name)
                call.multiply_adds = weights * shape[:-1].numel()
            elif isinstance(module, nn.Linear):  # without what parametrizations make its weights of
                call.multiply_adds = shape.numel() * module.in_features
        call.patch = follow.patch(output)
        calls.append(call)

    modules = {name: module for name, module in net.named_modules() if ".parametrizations." not in f".{name}."}

    def watched(X):
        with watching(modules, leave, enter), follow, _Counting(running) if example else nullcontext():
            net(X)

    run_network(net, X, watched)
    return calls


def trace_example(net, input_shape, additions=False):
    """Send one example of zeros through a network in evaluation mode; return its Calls. The network is left as it was.

    Raises
    ------
    ValueError
        If the network cannot take this shape, or has lazy layers.
    """
    calls, _ = [], innermost(net)  # which refuses a network that takes no hooks
    if any(nn.parameter.is_lazy(p) for p in net.parameters()):
        raise ValueError("net has lazy layers, which have no weights yet. Send a batch through it first: net(X).")
    X = torch.zeros(1, *input_shape, device=device_of(net), dtype=dtype_of(net))
    with looking(net):  # evaluating, so that one example is enough for batch normalisation
        try:
            return trace(net, X, calls, additions=additions)
        except (*EXPLAINED, AssertionError, NoChannels) as error:
            if is_fault(error):  # of the machine
                raise
            done = sum(call.innermost for call in calls)
            raise ValueError(
                f"the network cannot take an example of shape {input_shape}; {done} layers went well. "
                f"{str(error).rstrip('.')}. input_shape is that of one example, without the batch."
            ) from error


class NoChannels(Exception):
    """The channels are missing: PyTorch would take the batch for them, and go on."""


class _Counting(TorchDispatchMode):
    """Add the multiply-adds of every matrix product and convolution to the call that is running."""

    def __init__(self, running):
        super().__init__()
        self.running = running

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        self.running[-1].multiply_adds += _multiply_adds(func.__name__.partition(".")[0], args, output)
        return output


def _multiply_adds(name, args, output):
    """Return the multiply-adds of one of PyTorch's operators, as `torch.utils.flop_counter`, which imports Triton."""
    if name in ("mm", "bmm", "mv", "dot", "linear"):
        return output.numel() * args[0].shape[-1]
    if name in ("addmm", "baddbmm", "addmv"):
        return output.numel() * args[1].shape[-1]
    if name.endswith("convolution"):
        X, weight, transposed = args[0], args[1], args[6]
        return (X if transposed else output).numel() * weight[0].numel()  # where a whole window of weights is used
    if name.startswith("_scaled_dot_product"):
        query, key, value = args[:3]
        return query.shape[:-1].numel() * key.shape[-2] * (key.shape[-1] + value.shape[-1])
    return 0
