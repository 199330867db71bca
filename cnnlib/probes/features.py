"""What a network makes of an image on its way through."""

import torch

from cnnlib.models.modes import evaluating
from cnnlib.probes.given import check_layer, check_names, device_of
from cnnlib.validation import check_computing, check_tensor, send


def feature_maps(net, X, layers=None):
    """Return the output of layers for a batch of images.

    Parameters
    ----------
    net : nn.Module
    X : Tensor of shape (N, …)
    layers : iterable of str, optional
        Names as `net.named_modules()` gives them ('0', '3' in a Sequential); every innermost module if left out.

    Returns
    -------
    dict of str to Tensor
        The outputs on the CPU, in the order of the calls, without gradients.

    Raises
    ------
    TypeError, ValueError
        If `net` is no network, has no layer of that name, or cannot take X.
    """
    modules = dict(check_computing(net).named_modules())
    check_tensor(X, "X", shape="(N, …)")
    if layers is None:
        layers = [name for name, module in modules.items() if not any(module.children())]
    layers = list(check_names(layers))
    for name in layers:
        check_layer(net, name, "each layer")
    outputs, hooks = {}, []
    for name in layers:

        def keep(module, args, output, name=name):
            outputs[name] = output.detach().cpu()

        hooks.append(modules[name].register_forward_hook(keep))
    try:
        with torch.no_grad(), evaluating(net):
            send(net, X.to(device_of(net)))
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
