"""What an interrupt does: it ends a run between two batches."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def handling(handler):
    """Handle an interrupt by `handler`, as `signal.signal` takes it, inside a `with` block; not so in a thread."""
    mine = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, handler) if mine else None
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)


@contextmanager
def interrupts_stop(stop, must_finish):
    """Let the first Ctrl-C, or interrupt of the kernel, end a run between two batches, and a second one immediately.

    Yields a list that is empty until an interrupt. Where signals cannot be caught (in a thread), an interrupt keeps its
    usual meaning.

    Parameters
    ----------
    stop : callable
        Called to end the run.
    must_finish : callable
        Returns whether a batch is being computed that is to be finished first.
    """
    interrupts = []

    def interrupt(number, frame):
        interrupts.append(number)
        if len(interrupts) > 1 or not must_finish():
            raise KeyboardInterrupt
        stop()

    with handling(interrupt):
        yield interrupts
