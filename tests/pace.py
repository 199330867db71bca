"""How much slower this machine is, just now, than the one that the bars are for.

A bar in seconds means two cores on which a step of LeNet with 256 pictures takes 24 ms on one thread: that is what the
first measurements of this project were made on. A shared virtual machine has hours in which the same step takes twice
as long, and everything else as well. There a bar is as many such steps as ever: it grows with what a step takes before
and after, to three times itself at most, and is never lowered.
"""

import statistics
import time

import torch
from torch import nn

from cnnlib.models import lenet

STEP = 0.024  # seconds
MOST = 3.0


def slowness(steps=12):
    """Return how many times `STEP` a step of LeNet takes now."""
    threads, layout = torch.get_num_threads(), torch.channels_last
    with torch.random.fork_rng():
        net = lenet().to(memory_format=layout)
        X, y = torch.randn(256, 1, 28, 28).contiguous(memory_format=layout), torch.randint(10, (256,))
    updater, taken = torch.optim.SGD(net.parameters(), lr=0.1), []
    torch.set_num_threads(1)
    try:
        for _ in range(steps):
            start = time.perf_counter()
            updater.zero_grad()
            nn.functional.cross_entropy(net(X), y).backward()
            updater.step()
            taken.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(taken[2:]) / STEP


class Pace:
    """What bars are worth on this machine, from now on."""

    def __init__(self):
        self.before = slowness()

    def bar(self, value):
        """Return a bar for what was done since: `value`, or more on a machine that is slower than the bar's."""
        factor = min(MOST, max(1.0, self.before, slowness()))
        print(f"bar {value:g}, here {factor * value:g}")
        return factor * value
