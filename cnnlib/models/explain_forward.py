"""Errors of a forward pass in the reader's terms: which layer could not take its input, and what to write instead.

PyTorch says what an operation found; a reader asks which layer, and what to do. To find out, the network runs once
more on the batch that failed, with hooks; its buffers and the random numbers are put back afterwards.
"""

from contextlib import contextmanager

import torch
from torch import nn

from cnnlib.machine.faults import first_line, is_fault
from cnnlib.machine.rng import forked_rng
from cnnlib.models.hooks import class_name, device_of, watching

EXPLAINED = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)


def run_network(net, X, call=None):
    """Return `net(X)`, or `call(X)` if given; errors are explained by `explain_forward_error`."""
    try:
        return net(X) if call is None else call(X)
    except EXPLAINED as error:
        if is_fault(error):  # of the machine, not of a layer
            raise
        explained = explain_forward_error(net, X, error)
        if explained is error:
            raise
        raise explained from error


def explain_forward_error(net, X, error):
    """Turn an error from `net(X)` into one that names the layer that could not take its input, and says what to do.

    Parameters
    ----------
    net : nn.Module
    X : Tensor of shape (N, …)
        The batch that failed.
    error : Exception
        What the forward pass raised.

    Returns
    -------
    Exception
        A ValueError with the layer, the shape it got and the shape it needs; or `error` itself, if the forward pass
        does not fail again or fails outside any layer.
    """
    net, inside, seen = unwrapped(net), [], {}

    def enter(name, module, inputs):
        inside.append((name, module))
        seen[module] = inputs[0] if inputs else None

    try:
        with replaying(net, enter, lambda *_: inside.pop()):
            net(X)
        return error
    except EXPLAINED as again:
        name, layer = inside[-1] if inside else ("", net)
        got = seen.get(layer, X)
        if got is None:
            return error
        where, needs = f"layer {name!r}" if name else "the network", needs_of(layer)
        lines = str(again).strip().splitlines()
        said = lines[-1] if lines and isinstance(net, torch.jit.ScriptModule) else first_line(again)
        return ValueError(
            f"{where}, {layer_in_words(layer)}, got an input of shape {tuple(got.shape)} ({dtype_in_words(got)})"
            f"{f', but needs {needs}' * bool(needs)}. {_advice(layer, got, X, net, said)} PyTorch said: {said}"
        )


NEEDS = {
    nn.Linear: "(N, {in_features})",
    nn.Conv2d: "(N, {in_channels}, height, width)",
    nn.ConvTranspose2d: "(N, {in_channels}, height, width)",
    nn.BatchNorm1d: "(N, {num_features}) or (N, {num_features}, length)",
    nn.BatchNorm2d: "(N, {num_features}, height, width)",
}


def needs_of(layer):
    """Return in words which input a layer takes, or '' where its class does not say."""
    return next((shape.format_map(vars(layer)) for kind, shape in NEEDS.items() if isinstance(layer, kind)), "")


SAID = {  # what PyTorch says, in lower case, and what to do about it, whatever the shapes are
    "leaf variable": (
        "It changes a weight in place (w += …, w.mul_(…)), which no gradient can follow. Compute a new tensor, "
        "w = w * …, or change the weight under torch.no_grad()."
    ),
    "positional argument": (
        "A network is called with the batch alone, net(X), and each layer with what its `forward` takes besides "
        "`self`: def forward(self, X)."
    ),
    'required "forward"': (
        "Its class defines no forward(self, X). Is the name misspelt, or the method indented too far?"
    ),
    "inference tensor": (
        "What was made under torch.inference_mode() cannot be used in training. Make the data and the network "
        "outside of it, or clone them: X = X.clone()."
    ),
}


def _advice(layer, got, X, net, said):
    """Return what to do about a layer that cannot take what it got: the advice for the first cause that applies."""
    weight = next(layer.parameters(recurse=False), next(net.parameters(), got))
    advice = next((advice for words, advice in SAID.items() if words in said.lower()), None)
    if advice is not None:
        return advice
    if isinstance(layer, nn.Embedding | nn.EmbeddingBag) and got.is_floating_point():
        return "An embedding takes whole numbers: X.long()."
    if isinstance(layer, nn.modules.batchnorm._BatchNorm) and got.dim() > 1 and got.shape[1] != layer.num_features:
        return f"Build this layer for the {got.shape[1]} channels that it gets."
    if "than 1 value per channel" in said or "than one value a channel" in said:
        if len(X) == 1:
            return (
                "Batch normalisation subtracts the mean over the batch, and this batch has one example: nothing would "
                "be left. If the last batch has one example, drop it (DataLoader(…, drop_last=True)) or choose another "
                "batch size."
            )
        return "Batch normalisation needs more than one value per channel: keep the batch on the first axis."
    if got.device != weight.device or "same device" in said or "expected device" in said:
        return (
            f"The input lies on {got.device}, the weights on {weight.device}. Move both: net.to(device), X.to(device). "
            "What `forward` makes needs device=X.device; a constant tensor moves with the network as a register_buffer."
        )
    autocast = torch.is_autocast_enabled(got.device.type)
    if got.dtype != weight.dtype and weight.is_floating_point() and not autocast:
        convert = f"X.to({weight.dtype})" if weight.dtype != torch.float32 else "X.float()"
        convert = convert if got.is_floating_point() else f"{convert} / 255 where it holds the bytes of pictures"
        other = "" if weight.dtype == torch.float32 else "; or the network, net.float()"
        return f"The weights are {dtype_in_words(weight)}: convert the batch, {convert}{other}."
    if isinstance(layer, nn.Conv2d) and got.shape == X.shape:
        if X.dim() == 4 and X.shape[-1] == layer.in_channels != X.shape[1]:
            return "The last axis fits: the channels come last here. Put them first: X.permute(0, 3, 1, 2)."
        if X.dim() == 3 and X.shape[-1] == layer.in_channels != X.shape[0]:
            return "This is one picture, its channels last. Put a batch axis and them first: X.permute(2, 0, 1)[None]."
        if X.dim() == 2 and layer.in_channels == 1:
            return "This is one picture without batch and channel axes. Give it both: X[None, None]."
        if X.dim() == 3 and layer.in_channels == 1:
            return "The pictures have no channel axis. Give them one: X[:, None], of shape (N, 1, height, width)."
    if X.dim() == 3 and any(isinstance(m, nn.Conv2d) and m.in_channels == len(X) for m in net.modules()):
        return "This is one picture without a batch axis. Give it one: X[None], of shape (1, channels, height, width)."
    return (
        f"The whole batch has the shape {tuple(X.shape)}: give the network the image size and the number of channels "
        "it was built for, or change this layer."
    )


# Trying again


@contextmanager
def replaying(net, enter, leave):
    """Call functions around each module, as `watching` does, while a network runs once more on a batch that failed.

    Its buffers and the random numbers are put back afterwards.
    """
    before = [(buffer, buffer.detach().clone()) for buffer in net.buffers()]
    with watching(dict(net.named_modules()), leave, enter), forked_rng(device_of(net)):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in before:
                    buffer.copy_(value)


def unwrapped(net):
    """Return the network inside a compiled one, or one that is spread over several devices."""
    spread = isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner = net.module if spread else dict(net.named_children()).get("_orig_mod")
    return net if inner is None else unwrapped(inner)


def layer_in_words(module):
    """Return the name of a module's class, and that it works in place where it does."""
    return class_name(module) + "(inplace=True)" * (getattr(module, "inplace", False) is True)


def dtype_in_words(tensor):
    """Return the dtype of a tensor without the name of the library: 'float32'."""
    return str(tensor.dtype).removeprefix("torch.")
