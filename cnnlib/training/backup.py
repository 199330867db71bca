"""A copy of all that a training step changes, from the last moment when all of it was finite.

A finite loss does not mean a sound network: a running variance that has overflowed divides everything to zero, and so
does an infinite entry in the optimizer's memory. So what is not finite is not copied.
"""

import math

import torch


class Backup:
    """A copy of weights, buffers and optimizer memory, refreshed in place while all of them are finite.

    What is not finite from the beginning, such as a mask of −∞, is copied like everything else, but not checked.
    """

    def __init__(self, net, optimizer):
        self.net, self.optimizer = net, optimizer
        self._unchecked = {i for i, finite in enumerate(_are_finite(self._tensors())) if not finite}
        self._copies = None

    @property
    def empty(self):
        """Whether nothing has been copied yet."""
        return self._copies is None

    def _tensors(self):
        memory = [v for s in self.optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
        return [*self.net.parameters(), *self.net.buffers(), *memory]  # each once

    @torch.no_grad()
    def take(self, agreed=bool):
        """Copy everything, if it is finite; return whether it was.

        Parameters
        ----------
        agreed : callable
            `agreed(finite)` returns whether to copy: several processes all do, or none does.
        """
        finite = agreed(self.is_finite())
        if finite:
            tensors, copies = self._tensors(), self._copies
            if copies is None or len(copies) != len(tensors):
                copies = [torch.empty_like(tensor) for tensor in tensors]
            torch._foreach_copy_(copies, tensors)  # as PyTorch's optimizers do: on a GPU a few launches
            self._copies = copies
        return finite

    @torch.no_grad()
    def is_finite(self):
        """Return whether everything is finite now."""
        return all(finite or i in self._unchecked for i, finite in enumerate(_are_finite(self._tensors())))

    @torch.no_grad()
    def restore(self):
        """Put everything back as it was when it was last copied; nothing changes if it never was."""
        if self.empty:
            return
        if len(self._tensors()) != len(self._copies):  # the optimizer had no memory yet when the copy was made
            self.optimizer.state.clear()
        for kept, tensor in zip(self._copies, self._tensors(), strict=False):
            tensor.copy_(kept)


def _are_finite(tensors):
    """Return for each tensor whether all of it is finite, synchronising once per device and dtype."""
    found, kinds = [True] * len(tensors), {}
    for i, tensor in enumerate(tensors):
        if tensor.is_floating_point() and tensor.numel():
            kinds.setdefault((tensor.device, tensor.dtype), []).append(i)
    for (device, _), members in kinds.items():
        chosen = [tensors[i] for i in members]
        # a sum is fast on a CPU; on a GPU the largest numbers take a few launches for all tensors
        numbers = torch._foreach_norm(chosen, math.inf) if device.type == "cuda" else [t.sum() for t in chosen]
        for i, finite in zip(members, torch.stack(numbers).isfinite().tolist(), strict=True):
            found[i] = finite or bool(tensors[i].isfinite().all())  # a sum of finite numbers may overflow
    return found
