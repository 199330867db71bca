"""Run every chapter again and again, with all its seeds, in random order on one thread and on two: `make flakes`.

A chapter that passes once may still fail on another day: by a clock, by the order of threads, by how sums round. Each
run is a process of its own, in a folder of its own, and leaves one line of JSON in `build/flakes.jsonl` as soon as it
ends, so that a series that was broken off goes on where it was. Lines from before a change of that chapter or of the
library do not count.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
FILE = ROOT / "build" / "flakes.jsonl"
THREADS = (1, 2)
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "-p", "no:cacheprovider", "-q"]
NBVAL += [f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval.cfg'}"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LONGEST = 4000  # characters of what a failing cell says
COLOUR = r"(#x1B|\x1b)\[[\d;]*m"  # marks of colour, as pytest writes them to its report


def chapters():
    """Return the names of all chapters, in order."""
    return [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]


def name_chapters(parser):
    """Let a command line name chapters; return what reads it, with all of them where none is named."""
    parser.add_argument("names", nargs="*", help="chapters, such as 05_resnet; all unless given")

    def parse():
        wanted = parser.parse_args()
        unknown = sorted(set(wanted.names) - set(chapters()))
        if unknown:
            parser.error(f"there is no chapter {', '.join(unknown)}; there are {', '.join(chapters())}.")
        wanted.names = wanted.names or chapters()
        return wanted

    return parse


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


def check(name, threads, number):
    """Run a chapter under nbval; return what came of it, as it is written down."""
    with tempfile.TemporaryDirectory() as folder:
        notebook, report = Path(folder, f"{name}.ipynb"), Path(folder, "report.xml")
        shutil.copy(ROOT / "notebooks" / notebook.name, notebook)
        command = [sys.executable, "-m", "pytest", *NBVAL, f"--junitxml={report}", notebook]
        environment, began = os.environ | {"OMP_NUM_THREADS": str(threads)}, time.monotonic()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
        failed = failures(report)
    if done.returncode and not failed:  # it broke off before it could say anything
        failed = [{"cell": "none", "text": (done.stdout + done.stderr)[-LONGEST:]}]
    known = {"chapter": name, "threads": threads, "number": number, "passed": not failed, "failed": failed}
    return known | {"seconds": round(time.monotonic() - began, 1)}


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
    file.parent.mkdir(parents=True, exist_ok=True)
    for threads in THREADS:
        to_do = [run for run in runs if run not in done and run[1] == threads]
        with ThreadPoolExecutor(max(1, CORES // threads)) as pool:
            for record in pool.map(lambda run: check(*run), to_do):
                done[record["chapter"], threads, record["number"]] = record
                with open(file, "a", encoding="utf-8") as out:
                    out.write(json.dumps(record | {"state": states[record["chapter"]]}, ensure_ascii=False) + "\n")
                verdict = f"{'passed' if record['passed'] else 'FAILED'}, {record['seconds']:.0f} s"
                print(f"{len(done)}/{len(runs)}  {record['chapter']}, {threads} thread(s): {verdict}", flush=True)
                for cell in record["failed"][:3]:
                    print(f"    {cell['cell']}\n      " + cell["text"][-LONGEST // 4 :].replace("\n", "\n      "))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="how often each chapter is run")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--fresh", action="store_true", help="begin again, even if some runs are done already")
    wanted = name_chapters(parser)()
    if wanted.fresh:
        FILE.unlink(missing_ok=True)
    states = {name: digest(name) for name in chapters()}
    runs = plan(wanted.names, wanted.times, wanted.seed)
    done = {run: record for run, record in read(FILE, states).items() if run in runs}
    if done:
        print(f"{len(done)} of {len(runs)} runs are done already; --fresh begins again.")
    series(runs, done, FILE, states)
    passed = sum(record["passed"] for record in done.values())
    print(f"{passed} of {len(runs)} runs passed; the lines are in {FILE}.")
    sys.exit(passed < len(runs))
