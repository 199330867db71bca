"""What a network's failure means: which layer could not take its input, what was written over before its gradient was
computed, and what to write instead.

PyTorch says what an operation found; a reader asks which layer, and what to do. To find out, the network runs once
more on the batch that failed, with hooks; its buffers and the random numbers are put back afterwards.
"""

from contextlib import contextmanager

import torch
from torch import nn

from cnnlib.machine.faults import first_line, is_fault

EXPLAINED = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)
NORMS = nn.modules.batchnorm._BatchNorm


def run_network(net, X, call=None):
    """Return `net(X)`, computed as `call(X)` where that is given; a failure is explained by `explain_forward_error`."""
    try:
        return net(X) if call is None else call(X)
    except EXPLAINED as error:
        if is_fault(error):  # of the machine, not of a layer
            raise
        explained = explain_forward_error(net, X, error)
        if explained is error:
            raise
        raise explained from error


# The forward pass


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
    net = _unwrapped(net)
    inside, seen = [], {}
    names = {module: name for name, module in net.named_modules()}

    def enter(module, args, kwargs):
        inside.append(module)
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        seen[module] = tensors[0] if tensors else None

    def leave(module, args, output):
        inside.pop()

    try:
        with _hooked(net, enter, leave), _undone(net):
            net(X)
        return error
    except EXPLAINED as again:
        layer = inside[-1] if inside else net
        got = seen.get(layer, X)
        if got is None:
            return error
        where = f"layer {names[layer]!r}" if names[layer] else "the network"
        needs = needs_of(layer)
        needs = f", but needs {needs}" if needs else ""
        said = _last_line(again) if isinstance(net, torch.jit.ScriptModule) else first_line(again)
        return ValueError(
            f"{where}, {_kind(layer)}, got an input of shape {tuple(got.shape)} ({_dtype(got)}){needs}. "
            f"{_advice(layer, got, X, net, said)} PyTorch said: {said}"
        )


def needs_of(layer):
    """Say in words which input a layer takes, or '' where the class does not tell."""
    if isinstance(layer, nn.Linear):
        return f"(N, {layer.in_features})"
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return f"(N, {layer.in_channels}, height, width)"
    if isinstance(layer, nn.BatchNorm1d):
        return f"(N, {layer.num_features}) or (N, {layer.num_features}, length)"
    if isinstance(layer, nn.BatchNorm2d):
        return f"(N, {layer.num_features}, height, width)"
    return ""


def _advice(layer, got, X, net, said):
    """Say what to do about a layer that cannot take what it got; the first cause that applies is the one."""
    weight = next(layer.parameters(recurse=False), next(net.parameters(), got))
    if "leaf variable" in said.lower():
        return (
            "It changes a weight in place (w += …, w.mul_(…)), which no gradient can follow. Compute a new tensor, "
            "w = w * …, or change the weight under torch.no_grad()."
        )
    if "positional argument" in said:
        return (
            "A network is called with the batch alone, net(X), and each layer with what its `forward` takes besides "
            "`self`: def forward(self, X)."
        )
    if 'required "forward"' in said:
        return "Its class defines no forward(self, X). Is the name misspelt, or the method indented too far?"
    if isinstance(layer, nn.Embedding | nn.EmbeddingBag) and got.is_floating_point():
        return "An embedding takes whole numbers: X.long()."
    if "nference tensor" in said:
        return (
            "What was made under torch.inference_mode() cannot be used in training. Make the data and the network "
            "outside of it, or clone them: X = X.clone()."
        )
    if isinstance(layer, NORMS) and got.dim() > 1 and got.shape[1] != layer.num_features:
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
        return f"The weights are {_dtype(weight)}: convert the batch, {convert}{other}."
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


# What the network returned


def explain_outputs(outputs, num):
    """Return a ValueError about outputs that are no scores of shape (N, classes), for N = `num` examples."""
    if outputs is None:
        advice = "Its `forward` returns nothing: is `return` missing?"
    elif isinstance(outputs, tuple | list | dict):
        advice = f"Build it with one output (aux_logits=False, in torchvision), or give a `loss` {_loss_of(outputs)}"
    elif not isinstance(outputs, torch.Tensor):
        advice = "Return the scores, or give a `loss` and a `correct` of your own that take them out."
    elif outputs.dim() < 2:
        advice = "Keep the batch on the first axis: nn.Flatten(), not X.flatten(), and no squeeze()."
    else:
        advice = "Is an nn.Flatten() missing before the dense layers?"
    return ValueError(
        f"a classifier must return scores of shape (N, classes), here ({num}, classes), got {_in_words(outputs)}. "
        f"{advice}"
    )


def scores_among(outputs):
    """Return the scores among several outputs: those named 'logits' or 'out', else the first tensor; or `outputs`."""
    if isinstance(outputs, torch.Tensor) or not isinstance(outputs, tuple | list | dict):
        return outputs
    named = outputs if isinstance(outputs, dict) else getattr(outputs, "_asdict", dict)()
    among = [named.get("logits"), named.get("out"), *(named.values() or outputs)]
    return next((output for output in among if isinstance(output, torch.Tensor)), outputs)


def _loss_of(outputs):
    """Say how a loss takes several outputs apart."""
    fields = list(outputs) if isinstance(outputs, dict) else getattr(outputs, "_fields", ())
    if isinstance(outputs, dict):
        first, second = (f"outputs[{name!r}]" for name in (*fields, "…", "…")[:2])
    elif fields:
        first, second = (f"outputs.{name}" for name in (*fields, "…")[:2])
    else:
        first, second = "outputs[0]", "outputs[1]"
    more = f" + 0.3 * F.cross_entropy({second}, y)" if len(outputs) > 1 else ""
    return f"of your own: loss=lambda outputs, y: F.cross_entropy({first}, y){more}, say."


def _in_words(outputs):
    if isinstance(outputs, torch.Tensor):
        return str(tuple(outputs.shape))
    names = list(outputs) if isinstance(outputs, dict) else getattr(outputs, "_fields", ())
    many = f" of {len(outputs)} outputs" if isinstance(outputs, tuple | list | dict) else ""
    listed = f" ({', '.join(map(str, names))})" if names else ""
    return f"{type(outputs).__name__}{many}{listed}"


# The loss and the backward pass


def explain_loss_error(loss, scores, y, error):
    """Turn an error from `loss(scores, y)` into a ValueError that says what the loss got and what to do.

    Where nothing about the two is odd, `error` itself is returned.
    """
    said, name = first_line(error), getattr(loss, "__name__", _kind(loss))
    if not isinstance(scores, torch.Tensor):
        return ValueError(
            f"the loss, {name}, cannot take what the network returned, {_in_words(scores)}. Give a `loss` "
            f"{_loss_of(scores) if isinstance(scores, tuple | list | dict) else 'that does'} It said: {said}"
        )
    if "same device" in said:
        advice = "Something in the loss lies on another device, such as the weights of the classes: loss.to(device)."
    elif y.numel() == scores.numel() and y.shape != scores.shape:
        advice = (
            "One score per example needs one shape for both, and labels as floats: loss=lambda scores, y: "
            "F.binary_cross_entropy_with_logits(scores.flatten(), y.flatten().float()), say."
        )
    elif "between 0 and 1" in said:
        advice = "It takes probabilities: end the network with nn.Sigmoid(), or take nn.BCEWithLogitsLoss() of scores."
    elif "Target size" in said and y.shape == scores.shape[:1]:
        advice = (
            "It takes a target for each score. For class indices take cross-entropy, or give one score per example, "
            "nn.Linear(…, 1)."
        )
    elif any(words in said for words in ("dtype", "scalar type", "can't be cast", "not implemented for", "bool")):
        advice = "Convert the labels: y.long() where the loss takes class indices, y.float() where it takes numbers."
    elif "out of bounds" in said or "out of range" in said:
        advice = f"Class indices must lie in 0 … {scores.shape[1:2].numel() - 1}, one for each output."
    elif y.shape not in (scores.shape, scores.shape[:1]):
        advice = "Give it labels of shape (N,) for class indices, or of the shape of the scores for anything else."
    else:
        return error
    got = f"scores of shape {tuple(scores.shape)} ({_dtype(scores)}) and labels of shape {tuple(y.shape)} ({_dtype(y)})"
    return ValueError(f"the loss, {name}, cannot take {got}. {advice} It said: {said}")


def explain_backward_error(net, X, error):
    """Turn an error from `loss.backward()` into one that says where the gradient is lost, and what to write instead.

    Parameters and returned value are those of `explain_forward_error`.
    """
    said = first_line(error)
    if "modified by an inplace operation" in said:
        what, by = _overwritten(net, X)
        said = said.partition(". Hint")[0]
        advice = (
            f"{what} is changed in place before its gradient is computed, {by}. Compute a new tensor instead: "
            "out = out + identity, not out += identity; nn.ReLU(), not nn.ReLU(inplace=True)."
        )
    elif "backward through the graph a second time" in said:
        advice = (
            "the loss depends on the batch before: something, such as a hidden state, is kept from step to step with "
            "its gradients. Keep it without: self.state = state.detach()."
        )
    elif "does not require grad" in said:
        advice = (
            "the loss depends on no weight: torch.no_grad(), .detach(), .item(), argmax or torch.tensor(…) in "
            "`forward` or in the loss cuts the gradient off. Leave it out."
        )
    elif "Found dtype" in said or "expected scalar type" in said:
        advice = "scores and labels are of two dtypes. Give the loss labels as floats: y.float()."
    else:
        return error
    return ValueError(f"{advice} PyTorch said: {said}")


def _overwritten(net, X):
    """Return in words whose result is written over before its gradient is computed, and by what."""
    net, inside, kept, found = _unwrapped(net), [], [], []
    names = {module: name for name, module in net.named_modules()}

    def words(module):
        return f"layer {names[module]!r}, {_kind(module)}," if names[module] else f"the `forward` of {_kind(module)}"

    def keep(tensor):
        kept.append((tensor, tensor._version, inside[-1] if inside else net))
        return tensor

    def look():
        for tensor, version, module in kept:
            if tensor._version != version and not found:
                parameter = next((name for name, p in net.named_parameters() if p is tensor), None)
                what = f"a tensor of {words(module)}" if parameter is None else f"the weight {parameter!r}"
                found.extend((what, f"by {words(inside[-1] if inside else net)}".rstrip(",")))

    def enter(module, args, kwargs):
        look()  # what stands before this call is of the module around it
        inside.append(module)

    def leave(module, args, output):
        look()
        inside.pop()

    try:
        with _hooked(net, enter, leave), _undone(net), torch.enable_grad():
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                net(X)
    except EXPLAINED:
        pass
    return found or ("a tensor of the network", "perhaps by the loss")


# Trying again


@contextmanager
def _hooked(net, enter, leave):
    """Call `enter(module, args, kwargs)` and `leave(module, args, output)` around each module for a while."""
    hooks = []
    for module in net.modules():
        if not isinstance(module, torch.jit.ScriptModule):  # which takes no hooks
            hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            hooks.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _undone(net):
    """Put a network's buffers and the random numbers back to where they are now."""
    before = [(buffer, buffer.detach().clone()) for buffer in net.buffers()]
    devices = {p.device for p in net.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in before:
                    buffer.copy_(value)


def _unwrapped(net):
    """Return the network inside a compiled one, or one that is spread over several devices."""
    spread = isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner = net.module if spread else dict(net.named_children()).get("_orig_mod")
    return net if inner is None else _unwrapped(inner)


def _kind(module):
    """Return the name of a module's class, and that it works in place where it does."""
    name = getattr(module, "original_name", type(module).__name__)
    return f"{name}(inplace=True)" if getattr(module, "inplace", False) is True else name


def _dtype(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _last_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
