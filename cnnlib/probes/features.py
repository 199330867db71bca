"""What a network makes of an image on its way through."""

from collections import Counter

from cnnlib.models.explain_forward import run_network
from cnnlib.models.hooks import first_tensor, watching
from cnnlib.probes.checks import BATCH, Names, check_layer
from cnnlib.probes.passes import batch_for, call_name, copy_of, innermost, looking
from cnnlib.validation import Network, arguments


@arguments(net=Network(), X=BATCH, layers=Names())
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
        Copies of the outputs on the CPU, in the order of the calls, without gradients: what each layer gave, whatever a
        later one writes over it. Of a tuple or dict, its first tensor. A layer that is called again has a further
        entry, 'name (2)'.

    Raises
    ------
    TypeError, ValueError
        If the network has no layer of that name, or cannot take X.
    """
    layers = innermost(net) if layers is None else list(layers)
    outputs, calls = {}, Counter()

    def keep(name, module, inputs, output):
        tensor = first_tensor(output)
        if tensor is not None:
            outputs[call_name(name, calls)] = copy_of(tensor)

    modules = {name: check_layer(net, name, "each layer") for name in layers}
    with watching(modules, keep), looking(net):
        run_network(net, batch_for(net, X))
    return outputs
