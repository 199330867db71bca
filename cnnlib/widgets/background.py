"""Work beside the cells: one thread, which lives only while there is something to do.

When a run is paused or done, the thread ends; the next command starts another.
"""

import threading
import weakref

from cnnlib.machine.faults import OutOfMemoryError, explain_fault, is_fault, is_out_of_memory
from cnnlib.machine.memory import return_freed_memory
from cnnlib.machine.threads import release_openmp_threads
from cnnlib.training.guard import DivergenceError

PATIENCE = 10.0  # seconds to wait for a thread to end: one long step

_alive = weakref.WeakSet()

# PyTorch's random numbers belong to the whole process: who borrows and puts them back does so alone
random_lock = threading.RLock()


def pause_all(but=None):
    """Pause every run in the background, because two at once slow each other down tenfold; return when they rest."""
    others = [runner for runner in _alive if runner is not but]
    for runner in others:
        runner.pause()
    for runner in others:
        runner.wait(PATIENCE)


class Background:
    """Work in a thread, whose errors nobody would see: they are kept, for a panel to show.

    A subclass has `_do()`, a piece of the work; `_has_work()`, which is asked for under `_lock`; and `_run_out(error)`,
    which is called where the memory runs out.
    """

    def __init__(self):
        self._lock = threading.RLock()
        self._thread = None
        self._go = self._closed = False
        self.state, self.error = "ready", None
        _alive.add(self)

    def pause(self):
        """Rest after the present step; the network and its record stay."""
        self._go = False

    def close(self):
        """End the thread; nothing can be started afterwards."""
        self._closed = True
        self._go = False
        self.wait(PATIENCE)
        _alive.discard(self)

    def wait(self, seconds=None):
        """Wait until the thread has nothing more to do; return whether it has ended."""
        with self._lock:  # a thread that is being started cannot be waited for yet
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(seconds)
        return not thread.is_alive()

    @property
    def training(self):
        """Whether the network is being trained, or is about to be."""
        return self._go and not self._closed

    def _wake(self):
        if self._thread is None and not self._closed:
            release_openmp_threads()  # those of the thread that asks: it computes nothing now
            self._thread = threading.Thread(target=self._work, name="cnnlib training", daemon=True)
            self._thread.start()

    def _work(self):
        tidy = False
        while True:
            with self._lock:
                idle = self._closed or not self._has_work()
                if idle and tidy:
                    self._thread = None
                    return
            tidy = idle
            if idle:
                return_freed_memory()
            else:
                self._do()

    def _attempt(self, action):
        """Do something; return whether it went well."""
        try:
            action()
            return True
        except DivergenceError as error:
            self._end("diverged", error)
        except OutOfMemoryError as error:
            self._run_out(error)
        except Exception as error:
            if is_out_of_memory(error):
                self._run_out(explain_fault(error))
            else:
                self._end("failed", explain_fault(error) if is_fault(error) else error)
        return False

    def _end(self, state, error=None):
        self._go = False
        self.state, self.error = state, error
