"""How a run begins and ends: a rate that rises and then falls, and gradients whose length is limited."""

import math
from functools import partial

from torch import nn

from cnnlib.validation import Callable, Count, Number, arguments


def falling_rate(peak, step, steps, warm_up=0):
    """Return the rate of step number `step`, counted from 0, of `steps`: it falls along a half cosine to 0.

    During the first `warm_up` steps it is multiplied by a factor that rises to 1 (Goyal and others 2017,
    arXiv:1706.02677, section 2.2; Loshchilov and Hutter 2016, arXiv:1608.03983, for the cosine).
    """
    rising = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
    return peak * rising * (1 + math.cos(math.pi * step / steps)) / 2


def clipped(kind, norm):
    """Return what builds an optimizer that shortens the gradient of all weights together to at most `norm`."""
    return partial(_clipped, kind, norm)


def _clipped(kind, norm, parameters, lr):
    optimizer = kind(parameters, lr=lr)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.register_step_pre_hook(lambda *_: nn.utils.clip_grad_norm_(weights, norm) and None)
    return optimizer


@arguments(kind=Callable(), steps=Count(), warm_up=Count(least=0), clip=Number(low=0))
def scheduled(kind, steps, warm_up=0, clip=None):
    """Return what builds an optimizer whose rate follows `falling_rate`: give it to `train` as `optimizer`.

    Parameters
    ----------
    kind : callable
        Builds the optimizer itself: torch.optim.SGD, say. The rate of the run is the peak.
    steps, warm_up : int
    clip : float, optional
        The largest norm of the gradient of all weights together.
    """

    def build(parameters, lr):
        optimizer = (kind if clip is None else clipped(kind, clip))(parameters, lr=lr)
        taken = 0

        def set_rate(*_):
            nonlocal taken
            for group in optimizer.param_groups:
                group["lr"] = falling_rate(lr, min(taken, steps), steps, warm_up)
            taken += 1

        set_rate()
        optimizer.register_step_post_hook(set_rate)
        return optimizer

    return build
