"""What passes through the layers of a network while it trains: activations on the way forward, gradients back."""

from collections import Counter

import torch

from cnnlib.models.hooks import first_tensor
from cnnlib.probes.checks import Names, check_layer
from cnnlib.probes.passes import call_name
from cnnlib.validation import Count, Network, arguments

WRITTEN_OVER = (
    "its output is a view (Flatten, reshape, x[:, 1:]) that was written over in the same pass, by a layer with "
    "inplace=True or by +=, and autograd then knows another tensor. Write out of place there: nn.ReLU(), out = out + x."
)


@arguments(net=Network(abstract=True), layers=Names(), every=Count())
class FlowProbe:
    """Measure layers by hooks, in every n-th training step.

    Between `with FlowProbe(net) as probe:` and the end of the block every pass forward with gradients is counted, and
    each `every`-th is read, the first among them. A reading replaces the one before it. The probe keeps no tensor of
    the network: on a GPU its numbers stay there, one per layer, until they are read.

    Parameters
    ----------
    net : nn.Module
    layers : iterable of str, optional
        Names as `net.named_modules()` gives them; the direct children of `net` if left out.
    every : int
        Read every n-th pass.

    Attributes
    ----------
    activations, gradients : dict of str to float
        Root mean square of each layer's output, and of the loss's gradient with respect to it, in the order of the
        calls. A layer that is called again in the same pass has a further entry, 'name (2)'.
    missing : dict of str to str
        The layers whose gradient autograd does not know, and why.
    readings : int
        How many passes were read.

    Raises
    ------
    TypeError, ValueError
        If the network has no layer of that name.
    """

    def __init__(self, net, layers=None, every=1):
        self.net, self.every, self.readings = net, every, 0
        layers = [name for name, _ in net.named_children()] if layers is None else layers
        self._layers = {name: check_layer(net, name, "each layer") for name in layers}
        self._passes, self._reading, self._hooks = 0, False, []
        self._forward, self._backward = {}, {}  # name: 0-d tensor
        self._calls, self._views = Counter(), {}  # views by name: an empty tensor and its version
        self._leaves = []  # hooks on tensors that outlive the pass

    def __enter__(self):
        if self._hooks:
            raise RuntimeError("this probe is in use already. Make another: FlowProbe(net).")
        self._hooks = [
            self.net.register_forward_pre_hook(_Hook(self.net, self._begin)),
            *[layer.register_forward_hook(_Hook(layer, self._note, name)) for name, layer in self._layers.items()],
            self.net.register_forward_hook(_Hook(self.net, self._end), always_call=True),
        ]
        return self

    def __exit__(self, *error):
        self.remove()

    def remove(self):
        """Remove the hooks; what was read stays."""
        for hook in (*self._hooks, *self._leaves):
            hook.remove()
        self._hooks, self._leaves, self._reading = [], [], False

    @property
    def activations(self):
        """Root mean square of each layer's output at the last reading."""
        return _numbers(self._forward)

    @property
    def gradients(self):
        """Root mean square of the gradient with respect to each layer's output at the last reading."""
        backward = self._backward
        return _numbers({name: backward[name] for name in self._forward if name in backward})

    @property
    def missing(self):
        """Why there is no gradient with respect to a layer's output: PyTorch rewrites the graph behind a view."""
        lost = [name for name in self._views if name not in self._backward]
        return {name: WRITTEN_OVER for name in lost if _is_written_over(*self._views[name])}

    def _begin(self, args):
        self._reading = False
        if torch.is_grad_enabled():
            self._reading = self._passes % self.every == 0
            self._passes += 1
        if self._reading:
            self.readings += 1
            self._forward, self._backward, self._calls, self._views = {}, {}, Counter(), {}
            for hook in self._leaves:
                hook.remove()
            self._leaves = []

    def _end(self, args, output):
        self._reading = False

    def _note(self, args, output, name):
        if not self._reading:
            return
        output = first_tensor(output)
        if output is None or not (output.is_floating_point() or output.is_complex()):
            return
        name = call_name(name, self._calls)
        self._forward[name] = _root_mean_square(output)
        if output.requires_grad:
            gradients = self._backward  # of this reading: a late backward pass writes to its own
            view = ()
            if output._is_view():
                view = self._views[name] = _version_of(output)

            def keep(gradient):
                if not view or not _is_written_over(*view):
                    gradients[name] = _root_mean_square(gradient)

            hook = output.register_hook(keep)
            if output.is_leaf:
                self._leaves.append(hook)


class _Hook:
    """Call a function for one module and not for its copies, which copy its hooks."""

    def __init__(self, module, function, *more):
        self.module, self.function, self.more = module, function, more

    def __call__(self, module, *given):
        if module is self.module:
            self.function(*given, *self.more)

    def __deepcopy__(self, memo):
        return _Hook(None, None)


def _version_of(view):
    """Return an empty tensor that shares the version counter of a view and its base, and the version so far."""
    counter = view.detach()
    counter.data = view.detach().new_empty(0)
    return counter, counter._version


def _is_written_over(counter, version):
    return counter._version != version


@torch.no_grad()
def _root_mean_square(tensor):
    """Return √mean(x²); divided by the largest entry first, as the square of 1e-30 is no float32."""
    if not tensor.numel():
        return torch.zeros((), device=tensor.device)
    tensor = tensor.detach().abs()
    tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
    largest = tensor.amax()
    scaled = tensor / torch.where(largest > 0, largest, torch.ones_like(largest))
    return scaled.square().mean().sqrt() * largest


def _numbers(tensors):
    """Turn 0-d tensors into numbers, synchronising with the device once."""
    values = torch.stack(list(tensors.values())).tolist() if tensors else []
    return dict(zip(tensors, values, strict=True))
