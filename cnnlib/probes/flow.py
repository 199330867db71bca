"""What passes through the layers of a network while it trains: activations on the way forward, gradients back."""

import torch


class FlowProbe:
    """Measure layers by hooks, in one training step of several.

    Between `with FlowProbe(net) as probe:` and the end of the block every pass forward with gradients is counted, and
    each `every`-th is read, the first among them. A reading replaces the one before it. The probe keeps no tensor of
    the network: on a GPU its numbers wait there, one a layer, until somebody asks.

    Parameters
    ----------
    net : nn.Module
    layers : iterable of str, optional
        Names as `net.named_modules()` gives them; the direct children of `net` if left out.
    every : int
        Read one pass in so many.

    Attributes
    ----------
    activations, gradients : dict of str to float
        Root mean square of each layer's output, and of the loss's gradient with respect to it, in the order of the
        calls. A layer that is called again in the same pass has a further entry, 'name (2)'.
    readings : int
        How many passes were read.

    Raises
    ------
    KeyError
        If the network has no layer of that name.
    """

    def __init__(self, net, layers=None, every=1):
        modules = dict(net.named_modules())
        layers = [name for name, _ in net.named_children()] if layers is None else list(layers)
        for name in layers:
            if name not in modules:
                raise KeyError(f"the network has no layer {name!r}; it has {', '.join(filter(None, modules))}.")
        self.net, self.every, self.readings = net, every, 0
        self._layers = {name: modules[name] for name in layers}
        self._passes, self._reading, self._hooks = 0, False, []
        self._forward, self._backward = {}, {}  # name: 0-d tensor

    def __enter__(self):
        self._hooks = [self.net.register_forward_pre_hook(self._begin)]
        for name, layer in self._layers.items():
            self._hooks.append(layer.register_forward_hook(lambda m, args, output, name=name: self._note(name, output)))
        return self

    def __exit__(self, *error):
        self.remove()

    def remove(self):
        """Take the hooks away; what was read stays."""
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._reading = [], False

    @property
    def activations(self):
        """Root mean square of each layer's output at the last reading."""
        return _numbers(self._forward)

    @property
    def gradients(self):
        """Root mean square of the gradient with respect to each layer's output at the last reading."""
        backward = self._backward
        return _numbers({name: backward[name] for name in self._forward if name in backward})

    def _begin(self, net, args):
        self._reading = False
        if torch.is_grad_enabled():
            self._reading = self._passes % self.every == 0
            self._passes += 1
        if self._reading:
            self.readings += 1
            self._forward, self._backward = {}, {}

    def _note(self, name, output):
        if not self._reading:
            return
        output = output[0] if isinstance(output, tuple | list) else output
        if not isinstance(output, torch.Tensor):
            return
        calls = sum(known == name or known.startswith(f"{name} (") for known in self._forward)
        name = f"{name} ({calls + 1})" if calls else name
        self._forward[name] = _root_mean_square(output.detach())
        if output.requires_grad:
            gradients = self._backward  # of this reading: a pass backward that comes late writes to its own
            output.register_hook(lambda gradient: gradients.__setitem__(name, _root_mean_square(gradient)))


def _root_mean_square(tensor):
    return tensor.norm() / max(tensor.numel(), 1) ** 0.5


def _numbers(tensors):
    """Turn 0-d tensors into numbers, with one wait for the device."""
    values = torch.stack(list(tensors.values())).tolist() if tensors else []
    return dict(zip(tensors, values, strict=True))
