"""What a function must leave as it was in its arguments: of a module its weights, every `.grad`, modes and hooks."""

import torch
from torch import nn

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
NO_GRADIENT = "Which function returns gradients and stores none?"


def what_is_kept(given):
    """Return what must stay as it is in a module, copied: from words for it to its value; of a tensor, nothing."""
    if not isinstance(given, nn.Module):
        return {}
    kept = {}
    for name, module in given.named_modules():
        where = f"module `{name}`" if name else "the module itself"
        for kind in HOOKS:
            kept[kind.strip("_").removesuffix("s").replace("_", " "), where] = set(getattr(module, kind))
    for name, p in given.named_parameters():
        kept["weight", name] = p.detach().clone()
        kept["requires_grad", name] = p.requires_grad
        kept["grad", name] = None if p.grad is None else p.grad.clone()
    for name, module in given.named_modules():
        kept["mode", name] = module.training
    for name, module in given.named_modules():  # in training mode every forward pass moves running statistics
        for buffer, value in () if module.training else module.named_buffers(name, recurse=False):
            kept["statistics", buffer] = value.clone()
    kept["layers", ""] = repr(given)
    return kept


def what_changed(kept, given, noun):
    """Return the fact about a change in an argument, and a question, or ''."""
    if isinstance(given, torch.Tensor) and (given.requires_grad or given.grad is not None):
        ask = "What does `.detach()` return, on which you could set it?"
        return f"the numbers are right, but the caller's {noun} requires a gradient now. {ask}"
    now = what_is_kept(given)
    for (kind, name), before in kept.items():
        after = now.get((kind, name))
        tensors = isinstance(before, torch.Tensor) and isinstance(after, torch.Tensor)
        if not (torch.equal(before, after) if tensors else type(before) is type(after) and before == after):
            return f"your function changes the given {noun}: {change_told(kind, name, before, after)}"
    return ""


def change_told(kind, name, before, after):
    """Say what has changed, and ask about it."""
    if isinstance(before, set) and after is not None:
        if after - before:
            ask = "Which method of the handle that `register_…_hook` returns takes it away?"
            return f"a {kind} is left behind on {name}. {ask}"
        ask = "Which method of a handle takes away that one hook only?"
        return f"a {kind} that was there before is gone from {name}. {ask}"
    if kind == "grad" and before is None:
        return f"the `.grad` of `{name}` was None and holds a tensor now. {NO_GRADIENT}"
    fate = "gone" if after is None else "another one now"
    return {
        "weight": f"`{name}`, a weight of it, is another one now. Which line does that?",
        "requires_grad": f"`{name}` is left with requires_grad={after}. Could the caller still train it?",
        "grad": f"the `.grad` of `{name}`, which was there before, is {fate}. {NO_GRADIENT}",
        "mode": "its mode has changed. Which line switches it?",
        "statistics": "its running statistics are other ones now. Which line writes into them?",
    }.get(kind, "its layers are other ones now. Which line exchanges them?")  # fmt: skip
