"""Run a command, and beside it others that get only the time the first one leaves.

    python tests/aside.py COMMAND … -- ASIDE … -- ASIDE …

Tests with a page, and tests in one process, leave much of two cores idle. Chapters that run aside take that time and no
other: their processes have the lowest priority. Linux shares its processors out by sessions, and every kernel begins a
session of its own, so the priority is set for each session as it appears. Where there is no such thing the others wait
for the end of the first.

While the file that CNNLIB_QUIET names exists they all stand still: tests that hold a clock to something make it. What
was printed aside comes at the end; the command fails if one of all fails.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

LOWEST, NORMAL = 19, 0


def family(pid):
    """Return a process and all that descend from it."""
    found = [pid]
    with suppress(OSError):  # it has just ended
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [one for child in children.read_text().split() for one in family(int(child))]
    return found


def set_priority(pid, value):
    """Set the priority of the sessions that a process and its descendants are in."""
    for one in family(pid):
        with suppress(OSError):  # it has just ended, or this Linux has no such groups: then their niceness counts
            Path(f"/proc/{one}/autogroup").write_text(str(value))


def send(process, number):
    """Send a signal to a process and its descendants."""
    for one in family(process.pid):
        with suppress(ProcessLookupError):
            os.kill(one, number)


def run(command, *others):
    """Run all; return their exit statuses."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = Path(folder, "quiet")
        logs = [open(Path(folder, str(number)), "wb+") for number in range(len(others))]
        first = subprocess.Popen(command, env={**os.environ, "CNNLIB_QUIET": str(quiet)})
        aside = [
            subprocess.Popen(["nice", "-n", str(LOWEST), *other], stdout=log, stderr=log, start_new_session=True)
            for other, log in zip(others, logs, strict=True)
        ]
        still = False
        try:
            while first.poll() is None:
                going = [process for process in aside if process.poll() is None]
                for process in going:
                    set_priority(process.pid, LOWEST)
                if still != quiet.exists():
                    still = not still
                    for process in going:
                        send(process, signal.SIGSTOP if still else signal.SIGCONT)
                time.sleep(0.1)
        except BaseException:
            for process in [first, *aside]:
                process.terminate()
            raise
        finally:
            for process in aside:
                send(process, signal.SIGCONT)
                set_priority(process.pid, NORMAL)
                process.wait()
            sys.stdout.flush()
            for log in logs:
                log.seek(0)
                sys.stdout.buffer.write(log.read())
                log.close()
        return [process.wait() for process in [first, *aside]]


def main(arguments):
    commands = [[]]
    for word in arguments:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    if sys.platform.startswith("linux"):
        return max(map(abs, run(*commands)))
    return max(subprocess.call(command) for command in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
