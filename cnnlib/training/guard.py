"""A run that diverges: noticing it, and going back to weights from before the loss rose."""

import time

from cnnlib.training.backup import Backup
from cnnlib.training.errors import DivergenceError

LOOK_EVERY = 0.1  # seconds between two looks at the losses on a GPU; each synchronises with the device
NOT_FINITE = "a weight, a running statistic or the optimizer's memory became infinite or NaN"
COPY_EVERY = 10  # steps between two copies of the weights: of AlexNet's one takes 60 ms on a core, of LeNet's 0.1


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
        finite = self._backup.take(self._agreed)
        if finite:
            self._backup_step = self.step if step is None else step
        return finite

    def _check_weights(self):
        self.read_losses()
        if not self._agreed(self._backup.is_finite()):
            self._diverged(NOT_FINITE, "weights not finite", self.step)

    def _diverged(self, said, label, step, lr=None, why=""):
        self._restore()
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

    def _restore(self):
        self._backup.restore()

    def _agreed(self, flag):
        return flag
