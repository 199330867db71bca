"""A run that diverges: noticing it, and going back to weights from before the loss rose.

A finite loss does not mean a sound network: a running variance that has overflowed divides everything to zero, and so
does an infinite entry in the optimizer's memory. So what is not finite is not copied.
"""

import math
import time

import torch

from cnnlib.machine.faults import EndsRun

LOOK_EVERY = 0.1  # seconds between two looks at the losses on a GPU; each synchronises with the device
NOT_FINITE = "a weight, a running statistic or the optimizer's memory became infinite or NaN"
COPY_EVERY = 10  # steps between two copies of the weights: of AlexNet's one takes 60 ms on a core, of LeNet's 0.1


class DivergenceError(EndsRun, FloatingPointError):
    """The loss or the weights became NaN or infinite, and the network is back to weights from before the loss rose.

    `history` holds the run so far, `step` the step that failed, `lr` the learning rate to go on with: a tenth.
    """

    def __init__(self, message, history=None, step=None, lr=None):
        super().__init__(message, history, step)
        self.lr = lr


class Guarded:
    """The part of a Trainer that looks at its losses and weights."""

    def _guard(self):
        self._looks_always = self.device.type == "cpu"  # which needs no synchronising
        self._looked = 0.0
        self._backup, self._backup_step = Backup(self.net, self.optimizer), 0

    @property
    def safe_lr(self):
        """The rate that the weights were trained with which a diverging run goes back to."""
        return (self.history.lr[: self._backup_step] or [self.lr])[-1]

    def _is_due(self):
        return self._looks_always or time.perf_counter() - self._looked > LOOK_EVERY

    def read_losses(self, X=None):
        """Write the latest losses into the record; stop if one is not finite. `X` is the batch of the last."""
        self._looked = time.perf_counter()
        found = self.recorder.write()
        if found is not None:
            loss, lr = found
            bad = X is not None and not X.isfinite().all()
            why = ", because the batch itself holds such values: correct the data" if bad else ""
            self._diverged(f"the loss became {loss}", f"loss {loss}", self.step + 1, lr, why)

    def _back_up(self):
        """Copy the weights now and then, unless the loss that they gave stands far above those before."""
        often = self._looks_always and self.step % COPY_EVERY != 1
        if not often and not self.recorder.has_jumped() and not self._copy_weights(self.step - 1):
            self.recorder.forget_step()
            self._diverged(NOT_FINITE, "weights not finite", self.step + 1)

    def _copy_weights(self, step=None):
        """Copy the weights, those after `step` steps, if they are finite; return whether they are."""
        finite = self._backup.take()
        if finite:
            self._backup_step = self.step if step is None else step
        return finite

    def _check_weights(self):
        self.read_losses()
        if not self._backup.is_finite():
            self._diverged(NOT_FINITE, "weights not finite", self.step)

    def _diverged(self, said, label, step, lr=None, why=""):
        self._backup.restore()
        lr, ends = lr or self.lr, self.history.epoch_ends
        self.batch = self.history.steps - (ends[-1] if ends else 0)  # on a GPU some steps more may have been taken
        self.history.marks.append((step, label))
        call = self.go_on.format(lr=lr / 10, epochs=max(1, self._num_epochs - self.epoch))
        raise DivergenceError(
            f"{said} at step {step} with the learning rate {lr:g}{why}. The run stopped there. The record is kept, and "
            f"the network has the weights again that it had after step {self._backup_step}. Try a learning rate of "
            f"{lr / 10:g}, or smaller initial weights. To go on from there: {call}",
            self.history, step, lr / 10,
        )  # fmt: skip


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
    def take(self):
        """Copy everything, if it is finite; return whether it was."""
        finite = self.is_finite()
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
