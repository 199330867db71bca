"""Errors of a training step in the reader's terms: outputs that are no scores, a loss that cannot take them, what was
written over before its gradient was computed, and what to write instead.
"""

import torch

from cnnlib.machine.faults import first_line
from cnnlib.models.explain_forward import EXPLAINED, dtype_in_words, layer_in_words, replaying, unwrapped

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
        f"a classifier must return scores of shape (N, classes), here ({num}, classes), got "
        f"{_outputs_in_words(outputs)}. {advice}"
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


def _outputs_in_words(outputs):
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
    said, name = first_line(error), getattr(loss, "__name__", layer_in_words(loss))
    if not isinstance(scores, torch.Tensor):
        return ValueError(
            f"the loss, {name}, cannot take what the network returned, {_outputs_in_words(scores)}. Give a `loss` "
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
    given = [f"{tuple(tensor.shape)} ({dtype_in_words(tensor)})" for tensor in (scores, y)]
    got = f"scores of shape {given[0]} and labels of shape {given[1]}"
    return ValueError(f"the loss, {name}, cannot take {got}. {advice} It said: {said}")


BACKWARD = {  # what PyTorch says, and what it means
    "backward through the graph a second time": (
        "the loss depends on the batch before: something, such as a hidden state, is kept from step to step with "
        "its gradients. Keep it without: self.state = state.detach()."
    ),
    "does not require grad": (
        "the loss depends on no weight: torch.no_grad(), .detach(), .item(), argmax or torch.tensor(…) in "
        "`forward` or in the loss cuts the gradient off. Leave it out."
    ),
    "Found dtype": "scores and labels are of two dtypes. Give the loss labels as floats: y.float().",
    "expected scalar type": "scores and labels are of two dtypes. Give the loss labels as floats: y.float().",
}


def explain_backward_error(net, X, error):
    """Turn an error from `loss.backward()` into one that says where the gradient is lost, and what to write instead.

    Parameters and returned value are those of `explain_forward_error`.
    """
    said = first_line(error)
    advice = next((advice for words, advice in BACKWARD.items() if words in said), None)
    if "modified by an inplace operation" in said:
        what, by = _overwritten(net, X)
        said = said.partition(". Hint")[0]
        advice = (
            f"{what} is changed in place before its gradient is computed, {by}. Compute a new tensor instead: "
            "out = out + identity, not out += identity; nn.ReLU(), not nn.ReLU(inplace=True)."
        )
    return error if advice is None else ValueError(f"{advice} PyTorch said: {said}")


def _overwritten(net, X):
    """Return in words whose result is written over before its gradient is computed, and by what."""
    net, kept, found = unwrapped(net), [], []
    inside = [("", net)]

    def words(name, module):
        kind = layer_in_words(module)
        return f"layer {name!r}, {kind}," if name else f"the `forward` of {kind}"

    def keep(tensor):
        kept.append((tensor, tensor._version, inside[-1]))
        return tensor

    def look(*_):
        for tensor, version, place in kept:
            if tensor._version != version and not found:
                parameter = next((name for name, p in net.named_parameters() if p is tensor), None)
                what = f"a tensor of {words(*place)}" if parameter is None else f"the weight {parameter!r}"
                found.extend((what, f"by {words(*inside[-1])}".rstrip(",")))

    def enter(name, module, inputs):
        look()  # what stands before this call is of the module around it
        inside.append((name, module))

    def leave(*_):
        look()
        inside.pop()

    try:
        with replaying(net, enter, leave), torch.enable_grad():
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                net(X)
    except EXPLAINED:
        pass
    return found or ("a tensor of the network", "perhaps by the loss")
