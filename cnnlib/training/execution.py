"""How a training step is computed: in which number format, compiled or not, by one process or several.

None of this changes what a network is. Weights, optimizer and evaluation stay in float32; `bf16` lets the layers that
can (convolutions and dense layers) compute with 16 bits, of which 8 are the exponent, as many as float32 has: so no
gradient needs scaling.

A network so small that a GPU waits for the next command rather than computes gains from CUDA graphs: `torch.compile`
records a whole step's commands and plays them back. The recording takes up to a minute, so nobody's first curve waits
for it: it is for long runs, and for one process on an NVIDIA GPU. Elsewhere the network runs as it is.
"""

from contextlib import nullcontext

import torch
from torch import nn

from cnnlib.training import distributed
from cnnlib.validation import check_choice, check_switch

PRECISIONS = ("float32", "bf16")
LANES = 8  # float32 numbers that an AVX2 processor computes at once


class Execution:
    """The forward pass of a network as the training step calls it.

    Parameters
    ----------
    net : nn.Module
    device : torch.device
    precision : str
        'float32' or 'bf16'.
    compile : bool
        Whether to use CUDA graphs, where there are any.

    Raises
    ------
    TypeError, ValueError
        If there is no such precision, or the device does not have it.
    """

    def __init__(self, net, device, precision="float32", compile=False):
        self.net, self.device = net, device
        self.precision = check_choice(precision, "precision", PRECISIONS)
        if precision == "bf16" and not has_bf16(device):
            raise ValueError(f"precision 'bf16' is not to be had on {device}, got precision='bf16'. Use 'float32'.")
        self.compiled = check_switch(compile, "compile") and has_graphs(device)
        self._call = self._graphs = None

    def of(self, net):
        """Return the same for another network."""
        return Execution(net, self.device, self.precision, self.compiled)

    def begin(self):
        """Prepare for a run; processes that train together begin together."""
        self._call = distributed.parallel(self.net)
        if self.compiled and self._call is self.net:
            if self._graphs is None:  # recorded once, for all runs
                self._graphs = torch.compile(self.net, mode="reduce-overhead", dynamic=False)  # each size a graph
            self._call = self._graphs

    def end(self):
        """End a run; hooks that add up gradients over processes go."""
        self._call = None

    def __call__(self, X):
        """Return the scores."""
        if self._call is self._graphs:  # what the last step returned may now be written over
            torch.compiler.cudagraph_mark_step_begin()
        return self._call(X)

    def numbers(self):
        """Return a context in which layers compute in the chosen precision."""
        return nullcontext() if self.precision == "float32" else torch.autocast(self.device.type, torch.bfloat16)

    def describe(self):
        """Return what the record of a run should say about it."""
        processes = distributed.num_processes()
        return {"precision": self.precision, "compiled": self.compiled and processes == 1, "processes": processes}


def memory_format(net, device):
    """Return how a network's weights and feature maps should lie in memory: channels last, where that is safe.

    On a CPU without AVX-512 the gradient of a 1 × 1 convolution with a stride writes beyond its memory when the
    channels lie last and those that come in fill no whole register (torch 2.15.0, oneDNN): the process dies sooner or
    later. Such a network has its channels first.
    """
    if device.type not in ("cpu", "cuda"):
        return torch.preserve_format
    narrow = device.type == "cpu" and any(_is_narrow_projection(layer) for layer in net.modules())
    return torch.contiguous_format if narrow else torch.channels_last


def _is_narrow_projection(layer):
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (1, 1) or max(layer.stride) == 1:
        return False
    return layer.in_channels // layer.groups % LANES > 0


def update_together_(optimizer):
    """Let PyTorch's SGD change all parameters on a CPU in a few calls, not by some for each; return the optimizer.

    The numbers stay the same to the last bit. With momentum it takes 0.8 ms instead of 1.4 for the 65 parameters of
    ResNet-20, on one thread. On a GPU PyTorch does so by itself. What the reader has chosen holds.
    """
    for group in optimizer.param_groups if type(optimizer) is torch.optim.SGD else ():
        chosen = group["foreach"] is not None or group["fused"] or group["differentiable"]
        if not chosen and all(p.device.type == "cpu" for p in group["params"]):
            group["foreach"] = True
    return optimizer


def has_bf16(device):
    """Tell whether a device can compute with 16-bit numbers of float32's range."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)  # older cards have it only slowly
    return torch.amp.is_autocast_available(device.type)


def has_graphs(device):
    """Tell whether commands to a device can be recorded and played back."""
    return device.type == "cuda"
