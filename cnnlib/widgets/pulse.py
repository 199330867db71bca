"""Tell whether somebody may be looking: a page that is in front beats twice a second, one behind at most once.

A kernel cannot ask a page whether it is in front. But browsers slow the clocks of pages that lie behind others to one
tick a second, later to one a minute, and stop them when the page is closed or the machine sleeps. So the page is
given a clock, the counter that ipywidgets calls Play, and the kernel listens to it.
"""

import time

import ipywidgets

EVERY = 0.4  # seconds between two beats of a page in front
SLOW = 0.8  # seconds between two beats, on average over the last few, of a page behind; messages come unevenly
QUICK = 0.6  # seconds between the last beats of a page that is in front again: two gaps, as one message may be late
BEATS = 4  # so many gaps are looked at
LOST = 3.0  # seconds without a beat after which the page is gone, or fast asleep, or its messages must wait
AHEAD = 50  # beats that the page may go on for without an answer: when its kernel is gone, its clock stops


class Pulse:
    """The clock of one page; `widget` must be shown in it, and `beating` set while it matters."""

    def __init__(self):
        self.widget = ipywidgets.Play(
            min=0, max=AHEAD, interval=int(1000 * EVERY), playing=False, layout={"display": "none"}
        )
        self.widget.observe(self._beat, "value")
        self.widget.observe(lambda change: self._go_on(), "playing")
        self._times, self._beating = [], False

    @property
    def beating(self):
        """Whether the clock is wanted. One that is not runs out by itself: it is told nothing more.

        To stop it and start it again soon after would cross with its own word that it has stopped, and leave it still.
        """
        return self._beating

    @beating.setter
    def beating(self, on):
        if on != self._beating:
            self._times, self._beating = [], on
            self._go_on()

    def stop(self):
        """Stop the clock for good, before its widget is closed."""
        self.beating = False
        self.widget.playing = False

    def _go_on(self):
        if self._beating:
            self.widget.max = self.widget.value + AHEAD
            self.widget.playing = True

    def _beat(self, change):
        self._times = [*self._times[-BEATS:], time.monotonic()]
        if self._beating and change["new"] > self.widget.max - AHEAD // 2:
            self.widget.max = change["new"] + AHEAD

    @property
    def behind(self):
        """Whether the page lies behind another, by the pace of its beats."""
        times = self._times
        if len(times) <= BEATS or max(times[-1] - times[-2], times[-2] - times[-3]) < QUICK:
            return False
        return (times[-1] - times[0]) / BEATS > SLOW

    @property
    def lost(self):
        """Whether the page has fallen silent. False until it has been heard, as some pages have no clock."""
        return bool(self._times) and time.monotonic() - self._times[-1] > LOST
