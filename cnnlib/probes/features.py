"""What a network makes of an image on its way through."""

import torch

from cnnlib.modes import evaluating


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
    KeyError
        If the network has no layer of that name.
    """
    modules = dict(net.named_modules())
    if layers is None:
        layers = [name for name, module in modules.items() if not any(module.children())]
    for name in layers:
        if name not in modules:
            raise KeyError(f"the network has no layer {name!r}; it has {', '.join(filter(None, modules))}.")
    outputs, hooks = {}, []
    for name in layers:

        def keep(module, args, output, name=name):
            outputs[name] = output.detach().cpu()

        hooks.append(modules[name].register_forward_hook(keep))
    try:
        with torch.no_grad(), evaluating(net):
            net(X.to(next(net.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
