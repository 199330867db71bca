"""A clock for work: it leaves out the time in which the whole program stood still.

Whoever closes the lid of a laptop during a run wants to read afterwards how long it trained, and how long the rest
will take, not how long they were away.
"""

import time

STILL = 2.0  # seconds between two looks at the clock, below which nobody asks what happened
IDLE = 0.02  # of a core: whoever computes, draws or reads data uses more


class WorkClock:
    """Count the seconds since it was made, but not those in which the program stood still.

    A program that sleeps with its machine, or is stopped and let go on, uses no CPU time meanwhile. Many systems'
    clocks stop with the machine, but not all do, and none does for a program that is stopped.
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
