"""What a function that a reader writes must leave as it was: the module and the tensors that it is given."""

import torch

from cnnlib.exercises.core import Wrong

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Snapshot:
    """What a function must leave as it was in a module: its weights, every `.grad`, the modes and the hooks."""

    def __init__(self, net, noun):
        self.net, self.noun = net, noun
        self.modes, self.hooks = self.modes_now(), self.hooks_now()
        self.parameters = [
            (name, p, p.detach().clone(), None if p.grad is None else p.grad.clone(), p.requires_grad)
            for name, p in net.named_parameters()
        ]

    def modes_now(self):
        return [module.training for module in self.net.modules()]

    def hooks_now(self):
        return {(name, kind): set(getattr(module, kind)) for name, module in self.net.named_modules() for kind in HOOKS}

    def compare(self, on):
        """Raise Wrong if anything has changed."""
        for (name, kind), now in self.hooks_now().items():
            where = f"module `{name}`" if name else f"the {self.noun} itself"
            what = kind.strip("_").removesuffix("s").replace("_", " ")
            if now - self.hooks[name, kind]:
                raise Wrong(
                    f"{on} the numbers are right, but a {what} is left behind on {where}. Which method of the handle "
                    "that `register_…_hook` returns takes it away?"
                )
            if self.hooks[name, kind] - now:
                raise Wrong(
                    f"{on} the numbers are right, but a {what} that was there before is gone from {where}. Which "
                    "method of a handle takes away that one hook only?"
                )
        for name, p, value, grad, learns in self.parameters:
            if not torch.equal(p, value):
                raise Wrong(f"{on} your function changes `{name}`, a weight of the {self.noun}. Which line does that?")
            if p.requires_grad != learns:
                ask = "Could the caller still train it?"
                raise Wrong(f"{on} your function leaves `{name}` with requires_grad={p.requires_grad}. {ask}")
            if grad is None and p.grad is not None:
                raise Wrong(
                    f"{on} the numbers are right, but the `.grad` of `{name}` was None and holds a tensor now. Which "
                    "function returns gradients and stores none?"
                )
            if grad is not None and (p.grad is None or not torch.equal(p.grad, grad)):
                raise Wrong(
                    f"{on} the numbers are right, but the `.grad` of `{name}`, which was there before, is "
                    f"{'gone' if p.grad is None else 'another one now'}. Which function returns gradients and stores "
                    "none?"
                )
        if self.modes_now() != self.modes:
            raise Wrong(f"{on} the numbers are right, but the {self.noun}'s mode has changed. Which line switches it?")


def compare_tensor(given, before, name, on):
    """Raise Wrong unless a tensor that a function got is as it was: its numbers and what autograd keeps with it."""
    if not torch.equal(given, before):
        raise Wrong(f"{on} your function changes `{name}`, which is the caller's. Which line writes into it?")
    if given.requires_grad != before.requires_grad or given.grad is not None:
        raise Wrong(
            f"{on} the numbers are right, but the caller's `{name}` requires a gradient now. What does "
            f"`{name}.detach()` return, on which you could set that?"
        )


def with_gradients(net):
    """Give each weight a `.grad`, as if someone were in the middle of a step."""
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    return net


def same(a, b):
    """Tell whether two numbers agree but for rounding."""
    return abs(a - b) <= 1e-4 * max(abs(a), abs(b))
