"""Two clocks: one for work, which leaves out the time during which the whole program was suspended, and one that limits
what is done beside the work, such as drawing, to a small share of the time.

After closing the lid of a laptop during a run, a reader wants to know how long it trained, and how long the rest will
take, not how long they were away.
"""

import math
import time
from contextlib import contextmanager

STILL = 2.0  # seconds between two readings of the clock; less is counted as work without looking further
IDLE = 0.02  # of a core: computing, drawing and reading data use more


class WorkClock:
    """Count the seconds since it was made, but not those during which the program was suspended.

    A program that sleeps with its machine, or is stopped and continued by signals, uses no CPU time meanwhile. Many
    systems' clocks stop with the machine, but not all do, and none does for a program that is stopped.
    """

    def __init__(self):
        self._wall, self._cpu, self._counted = time.perf_counter(), time.process_time(), 0.0

    def __call__(self):
        """Return the seconds so far."""
        wall, cpu = time.perf_counter(), time.process_time()
        gap, work = wall - self._wall, cpu - self._cpu
        self._counted += gap if gap < STILL or work > IDLE * gap else work
        self._wall, self._cpu = wall, cpu
        return self._counted


FROZEN = 0.8  # seconds: after more than a second without a frame a chart looks frozen
SOON = 0.1  # seconds between two frames while a control is moved; below 0.3 with a batch and the way to the page
WATCHED = 10.0  # seconds after a control was moved during which the reader waits for its effect
SUSTAINED, CREDIT = 0.03, 1.2  # of the time, and seconds: together no more than 5 % of any minute


class Throttle:
    """Decide when to draw the next frame, so that drawing takes a small share of the time and never seems frozen.

    A frame is followed by a pause of its cost / `share`. The cost is the thread's own time: while other programs use
    the core, the work beside it waits as well. One expensive frame, such as one with a new axis, must not delay all
    others: one frame per second may be drawn on credit, and at once what a control has just changed. There is credit
    for 5 % of any minute, most of it for the seconds after a control was moved; it is used up, and the pauses grow,
    only where each frame takes longer than 30 ms.

    Parameters
    ----------
    share : float
        The part of the time that frames take in the long run.
    every : float
        The least number of seconds between two frames, except for what a control changed.
    clock : callable
        Returns the time in seconds.
    work : callable
        Returns the seconds that the thread has worked; `time.perf_counter` for work that waits, as for a disk.

    Attributes
    ----------
    drawn : float
        When the last frame was done.
    """

    def __init__(self, share, every=0.0, clock=time.perf_counter, work=time.thread_time):
        self.share, self.every, self._clock, self._work = share, every, clock, work
        self.drawn = self._paid = self._settled = self._steered = -math.inf

    def steered(self):
        """Note that a control was moved. Safe to call from any thread."""
        self._steered = self._clock()

    @property
    def watched(self):
        """Whether a control was moved just now, so that the reader waits for its effect."""
        return self._clock() - self._steered < WATCHED

    def due(self, news=False):
        """Return whether to draw now; `news` is whether the chart has something new that a control did."""
        now = self._clock()
        since = now - self.drawn
        if since < min(self.every, SOON):
            return False
        debt = (self._settled - now) * SUSTAINED
        if self.watched and since >= (SOON if news else FROZEN) and debt < CREDIT:
            return True
        return since >= self.every and (now >= self._paid or (since >= FROZEN and debt < CREDIT / 4))

    @contextmanager
    def frame(self):
        """Time what is drawn inside, and count it as a frame."""
        began, worked = self._clock(), self._work()
        try:
            yield
        finally:
            self.drawn = self._clock()
            cost = self._work() - worked
            self._paid = max(self._paid, began) + cost / self.share
            self._settled = max(self._settled, began) + cost / SUSTAINED
