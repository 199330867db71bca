"""How long a run spends in some methods, and pyplot's pictures on the page."""

import importlib
import time


class Watch:
    """Add up the seconds spent in some methods, those of calls within calls once."""

    def __init__(self):
        self.seconds, self._depth, self._kept = 0.0, 0, []

    def over(self, owner, *names):
        for name in names:
            method = getattr(owner, name)
            self._kept.append((owner, name, method))
            setattr(owner, name, self._timed(method))
        return self

    def _timed(self, method):
        def timed(*args, **options):
            started = time.perf_counter()
            self._depth += 1
            try:
                return method(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - started

        return timed

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for owner, name, method in reversed(self._kept):
            setattr(owner, name, method)


def inline():
    """Let pyplot's pictures go to the page, as `%matplotlib inline` does."""
    ipython = importlib.import_module("IPython").get_ipython()
    if ipython is not None and getattr(ipython, "kernel", None) is not None:
        ipython.run_line_magic("matplotlib", "inline")
