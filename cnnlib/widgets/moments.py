"""The points of a run that a reader can go back to, and how many of them there is room for."""

from dataclasses import dataclass, field
from functools import cached_property

import torch

ROOM = 256 * 2**20  # bytes of the states that one run may keep to go back to, and all earlier runs together
MOMENTS = 50  # that one run may keep, however little room they take
NUMBER = 32  # bytes of a number in a list: its place and itself
CLOSE = 5  # steps; of several changes as close as this, as while a slider is dragged, the last one is kept


@dataclass(frozen=True, eq=False)
class Moment:
    """A point of a run to go back to.

    Attributes
    ----------
    step : int
        How many steps were done.
    label : str
        What happened there.
    settings : dict
        The settings from there on.
    base, events : dict, tuple of (step, name, value)
        How the run got there: the settings that its network was built with, and the changes since.
    state : dict or None
        What `Trainer.state` returned; None at the start of a run.
    asked : bool
        Whether somebody asked to keep it.
    """

    step: int
    label: str
    settings: dict
    base: dict
    events: tuple = ()
    state: dict | None = field(default=None, repr=False)
    asked: bool = False

    @cached_property
    def bytes(self):
        """How much memory it takes."""
        return _bytes(self.state)


def with_moment(moments, moment):
    """Return moments with one more, in place of the last one if that is close; the oldest are forgotten if many."""
    moments = list(moments)
    if len(moments) > 1 and moment.step - moments[-1].step < CLOSE and not moment.asked and not moments[-1].asked:
        moments.pop()
    moments.append(moment)
    while len(moments) > 1 and (len(moments) > MOMENTS or sum(one.bytes for one in moments) > ROOM):
        del moments[1]  # not the start, which takes no room
    return moments


def _bytes(value):
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return NUMBER if isinstance(value, int | float) else 0
