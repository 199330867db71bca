"""Run every chapter again and again, with all its seeds, in random order on one thread and on two: `make flakes`.

A chapter that passes once may still fail on another day: by a clock, by the order of threads, by how sums round. Each
run is a process of its own and leaves one line of JSON in `build/flakes.jsonl` as soon as it ends, so that a series
that was broken off goes on where it was. Lines from before a change of that chapter or of the library do not count.
"""

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
FILE = ROOT / "build" / "flakes.jsonl"
THREADS = (1, 2)
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "-p", "no:cacheprovider", "-q"]
LONGEST = 4000  # characters of what a failing cell says
PRINTED = 3  # failing cells of a run; the others are in the file
COLOUR = r"(#x1B|\x1b)\[[\d;]*m"  # marks of colour, as pytest writes them to its report


def chapters():
    """Return the names of all chapters, in order."""
    return [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]


def digest(name):
    """Return a number that changes with this chapter and with the library."""
    found = hashlib.sha256()
    for path in [ROOT / "notebooks" / f"{name}.ipynb", *sorted((ROOT / "cnnlib").rglob("*.py"))]:
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def plan(names, times, seed):
    """Return the runs of a series in random order: (chapter, threads, number), half of each chapter on one thread."""
    runs = [(name, THREADS[number % len(THREADS)], number) for name in names for number in range(times)]
    random.Random(seed).shuffle(runs)
    return runs


def read(path, states):
    """Return a series' lines by (chapter, threads, number), if they belong to the chapter's state in `states`.

    A torn last line is left out.
    """
    done = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["state"] == states.get(record["chapter"]):
            done[record["chapter"], record["threads"], record["number"]] = record
    return done


def pick(queue, running, free):
    """Return the first run that fits on the free cores and whose chapter is not being run, or None."""
    taken = {name for name, _, _ in running}
    return next((run for run in queue if min(run[1], CORES) <= free and run[0] not in taken), None)


class Process:
    """One chapter under nbval, in a process of its own."""

    def __init__(self, run):
        self.run, self.began = run, time.monotonic()
        name, threads, _ = run
        self._folder = tempfile.TemporaryDirectory()
        self._report, self._log = Path(self._folder.name, "report.xml"), Path(self._folder.name, "log")
        command = [sys.executable, "-m", "pytest", *NBVAL, f"--junitxml={self._report}", f"notebooks/{name}.ipynb"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        with open(self._log, "w") as log:
            self._child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)

    @property
    def ended(self):
        """Whether it has come to its end."""
        return self._child.poll() is not None

    def stop(self):
        """End it before its time; its kernel sees that and ends as well."""
        self._child.terminate()
        self._child.wait(30)
        self._folder.cleanup()

    def record(self):
        """Return what came of it, as it is written down."""
        name, threads, number = self.run
        failed = failures(self._report)
        passed = self._child.returncode == 0 and not failed
        if not passed and not failed:  # it broke off before it could say anything
            failed = [{"cell": "none", "text": self._log.read_text(encoding="utf-8", errors="replace")[-LONGEST:]}]
        self._folder.cleanup()
        seconds = round(time.monotonic() - self.began, 1)
        known = {"chapter": name, "threads": threads, "number": number, "seconds": seconds, "passed": passed}
        return known | {"failed": failed, "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None}


def failures(report):
    """Return the failing cells of a report of pytest, with what they say: the stored output and the one that came."""
    if not report.exists():
        return []
    found = []
    for case in ElementTree.parse(report).iter("testcase"):
        for problem in (*case.findall("failure"), *case.findall("error")):
            text = re.sub(COLOUR, "", problem.text or problem.get("message") or "").strip()
            found.append({"cell": case.get("name"), "text": text[:LONGEST]})
    return found


def series(runs, done, file, states):
    """Do the runs that are not done yet, as many at once as fit on the cores; write each down when it ends."""
    queue, running = [run for run in runs if run not in done], []
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        while queue or running:
            free = CORES - sum(min(process.run[1], CORES) for process in running)
            following = pick(queue, [process.run for process in running], free)
            if following is not None:
                queue.remove(following)
                running.append(Process(following))
                continue
            time.sleep(0.2)
            for process in [process for process in running if process.ended]:
                running.remove(process)
                record = process.record() | {"state": states[process.run[0]]}
                with open(file, "a", encoding="utf-8") as out:
                    out.write(json.dumps(record, ensure_ascii=False) + "\n")
                done[process.run] = record
                told(record, len(done), len(runs))
    finally:
        for process in running:
            process.stop()


def told(record, number, of):
    """Print one line about a run, and the cells that failed."""
    verdict = "passed" if record["passed"] else "FAILED"
    print(f"{number}/{of}  {record['chapter']}, {record['threads']} thread(s): {verdict}, {record['seconds']:.0f} s")
    for cell in record["failed"][:PRINTED]:
        print(f"    {cell['cell']}\n      " + cell["text"][-LONGEST // 4 :].replace("\n", "\n      "))
    if len(record["failed"]) > PRINTED:
        print(f"    and {len(record['failed']) - PRINTED} cells more; the file has them all")
    sys.stdout.flush()


def table(records):
    """Return lines: for each chapter and number of threads how many runs passed, and the seconds they took."""
    lines = []
    for key in sorted({(record["chapter"], record["threads"]) for record in records}):
        those = [record for record in records if (record["chapter"], record["threads"]) == key]
        seconds = sorted(record["seconds"] for record in those)
        passed = sum(record["passed"] for record in those)
        lines.append(
            f"{key[0]:<24} {key[1]} thread(s)  {passed} of {len(those)}  {seconds[0]:.0f} to {seconds[-1]:.0f} s"
        )
    return lines


CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 05_resnet; all unless given")
    parser.add_argument("--times", type=int, default=10, help="how often each chapter is run")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--file", type=Path, default=FILE, help="where the lines go")
    parser.add_argument("--fresh", action="store_true", help="begin again, even if some runs are done already")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - set(chapters()))
    if unknown:
        parser.error(f"there is no chapter {', '.join(unknown)}; there are {', '.join(chapters())}.")
    if wanted.times < 1:
        parser.error(f"--times must be at least 1, got {wanted.times}.")
    if wanted.fresh:
        wanted.file.unlink(missing_ok=True)
    states = {name: digest(name) for name in chapters()}
    runs = plan(wanted.names or chapters(), wanted.times, wanted.seed)
    done = {run: record for run, record in read(wanted.file, states).items() if run in runs}
    if done:
        print(f"{len(done)} of {len(runs)} runs are done already; --fresh begins again.")
    series(runs, done, wanted.file, states)
    print(*table(done.values()), sep="\n")
    passed = sum(record["passed"] for record in done.values())
    print(f"{passed} of {len(runs)} runs passed.")
    sys.exit(passed < len(runs))
