"""A copy of all that a training step changes, from the last moment when it was known to be sound.

A loss that is finite does not make its network sound: a running variance that has overflowed divides everything to
zero, and so does an infinite memory of the optimizer. So a copy is kept only if all of it is finite. Two copies take
turns, each in one piece of memory, which makes looking through it a single sum.
"""

import math

import torch


class Snapshot:
    """A copy of weights, buffers and optimizer memory that is refreshed in place, and only by what is finite.

    What is not finite from the beginning, such as a mask of −∞, is copied like everything else, but not judged.
    """

    def __init__(self, net, optimizer):
        self.net, self.optimizer = net, optimizer
        self.look_up()
        self._odd = {i for i, sound in enumerate(_finite(self._live())) if not sound}
        self._kept = self._spare = None

    @property
    def empty(self):
        """Whether nothing has been copied yet."""
        return self._kept is None

    def look_up(self):
        """Find the places of the network's tensors, each tensor once; `take` asks only what lies there.

        Walking through all modules takes as long as copying a small network: an epoch does it once, not every step.
        """
        found = {}
        for kind in ("_parameters", "_buffers"):
            for module in self.net.modules():
                places = getattr(module, kind)
                places = places if isinstance(places, dict) else dict(places.items())  # as a scripted module's are not
                for name, tensor in places.items():
                    if tensor is not None:
                        found.setdefault(id(tensor), (places, name))
        self._places = list(found.values())

    def _live(self):
        tensors = [places[name] for places, name in self._places if places.get(name) is not None]
        memory = [v for s in self.optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
        return [*tensors, *memory]

    @torch.no_grad()
    def take(self, agreed=bool):
        """Copy everything, if it is finite; return whether it was.

        Parameters
        ----------
        agreed : callable
            `agreed(sound)` tells whether to keep the copy: several processes keep theirs together, or none does.
        """
        live = self._live()
        if self._spare is None or len(self._spare.parts) != len(live):
            self._spare = _Copy(live, self._odd)
        sound = agreed(self._spare.fill(live))
        if sound:
            self._kept, self._spare = self._spare, self._kept
        return sound

    @torch.no_grad()
    def sound(self):
        """Return whether everything is finite now."""
        return all(sound for i, sound in enumerate(_finite(self._live())) if i not in self._odd)

    @torch.no_grad()
    def restore(self):
        """Put everything back as it was when it was last copied; nothing changes if it never was."""
        if self.empty:
            return
        if len(self._live()) != len(self._kept.parts):  # the optimizer had no memory yet when the copy was made
            self.optimizer.state.clear()
        for kept, tensor in zip(self._kept.parts, self._live(), strict=False):
            tensor.copy_(kept)


class _Copy:
    """Copies of tensors: those of one kind on one device lie in one piece of memory, behind each other."""

    def __init__(self, live, odd):
        kinds = {}
        for i, tensor in enumerate(live):
            judged = tensor.is_floating_point() and i not in odd
            kinds.setdefault((judged, tensor.dtype, tensor.device), []).append(i)
        self.parts, self._judged = [None] * len(live), []
        for (judged, dtype, device), members in kinds.items():
            piece, start = torch.empty(sum(live[i].numel() for i in members), dtype=dtype, device=device), 0
            for i in members:
                strides = torch.empty_like(live[i]).stride()  # channels-last weights stay so: faster to copy
                self.parts[i] = piece.as_strided(live[i].shape, strides, start)
                start += live[i].numel()
            if judged:
                self._judged.append(piece)

    def fill(self, live):
        """Copy the tensors; return whether all that can be judged is finite."""
        if live:
            torch._foreach_copy_(self.parts, live)  # as PyTorch's optimizers do: one call, and on a GPU a few launches
        # a sum of finite numbers may overflow, so a sum that is not finite is looked at again
        return all(math.isfinite(piece.sum().item()) or _is_finite(piece) for piece in self._judged)


def _is_finite(tensor):
    return bool(tensor.isfinite().all())


def _finite(tensors):
    """Return for each tensor whether all of it is finite; each device is waited for once."""
    flags, sound = [tensor.isfinite().all() for tensor in tensors], [True] * len(tensors)
    for device in {flag.device for flag in flags}:
        members = [i for i, flag in enumerate(flags) if flag.device == device]
        for i, value in zip(members, torch.stack([flags[i] for i in members]).tolist(), strict=True):
            sound[i] = value
    return sound
