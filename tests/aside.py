"""Run a command, and beside it another that gets only the time the first one leaves.

    python tests/aside.py COMMAND … -- ASIDE …

Tests with a page, and tests in one process, leave much of two cores idle. Chapters that run aside take that time and no
other: their processes have the lowest priority, so that a clock which a test holds to a page does not see them. Linux shares its processors out by sessions, and
every kernel begins a session of its own, so the priority is set for each session as it appears. Where there is no such
thing the second command waits for the end of the first. What it printed comes at the end; it fails if one of them does.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOWEST, NORMAL = 19, 0


def family(pid):
    """Return a process and all that descend from it."""
    found = [pid]
    try:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [one for child in children.read_text().split() for one in family(int(child))]
    except OSError:  # it has just ended
        pass
    return found


def set_priority(pid, value):
    """Set the priority of the sessions that a process and its descendants are in."""
    for one in family(pid):
        try:
            Path(f"/proc/{one}/autogroup").write_text(str(value))
        except OSError:  # it has just ended, or this Linux has no such groups: then their niceness counts
            pass


def main(arguments):
    split = arguments.index("--")
    command, aside = arguments[:split], arguments[split + 1 :]
    if not sys.platform.startswith("linux"):
        return max(subprocess.call(one) for one in (command, aside))
    with tempfile.TemporaryFile() as said:
        aside = ["nice", "-n", str(LOWEST), *aside]
        first = subprocess.Popen(command)
        second = subprocess.Popen(aside, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while first.poll() is None:
                set_priority(second.pid, LOWEST)
                time.sleep(0.3)
            set_priority(second.pid, NORMAL)
            second.wait()
        finally:
            for process in (first, second):
                process.terminate()
                process.wait()
            said.seek(0)
            sys.stdout.flush()
            sys.stdout.buffer.write(said.read())
    return max(abs(first.returncode), abs(second.returncode))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
