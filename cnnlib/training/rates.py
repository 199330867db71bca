"""The learning rate of a run: one number for all parameter groups of an optimizer."""

import math
from collections import deque


class Rates:
    """Read and change the rates of an optimizer's parameter groups as one number, whoever changes them.

    That number is the rate of one group: the first with the rate that the run was begun with, or else the first of
    all. Setting it scales every group by the same factor, so groups keep their ratios. Rates that a scheduler writes
    into the optimizer count as well.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    lr : float
        The rate that the run is begun with.
    """

    def __init__(self, optimizer, lr):
        self.optimizer = optimizer
        self._requested = deque(maxlen=1)  # for the next step; read and set atomically, by any thread
        self._last = self._scheduled = None
        for group in optimizer.param_groups:
            group.setdefault("lr", lr)
        rates = self._rates()
        self._lead = next((i for i, rate in enumerate(rates) if math.isclose(rate, lr)), 0)
        self._ratios = [rate / rates[self._lead] if rates[self._lead] else 1.0 for rate in rates]
        self._last = rates[self._lead]

    @property
    def lr(self):
        """The rate of the next step."""
        return next(iter(self._requested.copy()), self._rates()[self._lead])

    def request(self, lr):
        """Let the next step and all after it have a rate. Safe to call from any thread."""
        self._requested.append(lr)

    def apply(self, step, marks):
        """Give the optimizer the rate that was requested; return the rate of this step, and mark a change.

        A rate that changes in every step, as under a scheduler, is marked once, where that begins.

        Parameters
        ----------
        step : int
            The number of the step that is about to be taken, from 1.
        marks : list of (int, str)
            The marks of the run's record.
        """
        requested = bool(self._requested)
        if requested:
            self._set(self._requested.pop())
        lr = self._rates()[self._lead]
        if lr != self._last:
            self._mark(step, lr, marks, requested)
        self._last = lr
        return lr

    def for_optimizer(self, optimizer):
        """Return Rates like these of another optimizer with the same groups."""
        twin = Rates(optimizer, self.lr)
        twin._lead, twin._ratios = self._lead, self._ratios
        return twin

    def restart(self):
        """Forget what was requested and what was marked: the optimizer has been put into another state."""
        self._requested.clear()
        self._last, self._scheduled = self._rates()[self._lead], None

    def _mark(self, step, lr, marks, requested):
        if not requested and self._scheduled == step - 1:
            if marks and marks[-1][1].startswith("lr ") and not marks[-1][1].endswith("…"):
                marks[-1] = (marks[-1][0], f"{marks[-1][1]} …")
        else:
            marks.append((step, f"lr {lr:.3g}"))
        self._scheduled = None if requested else step

    def _rates(self):
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _set(self, lr):
        rates = self._rates()
        lead = rates[self._lead]
        for number, (group, rate) in enumerate(zip(self.optimizer.param_groups, rates, strict=True)):
            if number == self._lead or rate == lead != 0:
                value = lr
            elif lead:
                value = rate * (lr / lead)
            else:  # a scheduler that begins at 0
                value = lr * (self._ratios[number] if number < len(self._ratios) else 1.0)
            if hasattr(group["lr"], "fill_"):  # a tensor: the optimizer may have been compiled
                group["lr"].fill_(value)
            else:
                group["lr"] = value
