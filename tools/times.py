"""Measure how long the sections of every chapter take on this machine: `make times`, or `python tools/times.py`.

It runs each chapter twice, on one core and on two, stores nothing in the notebooks, and writes
`cnnlib/course/times.json` beside the time of a training step of the chapter's kinds of network, measured before and
after. `time_contract` scales from there to another machine. With `--check` it writes nothing and holds the stored
times, scaled as a reader's would be, against what this run took. Let nothing else run meanwhile.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from cnnlib.course.times import promise

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
FILE = NOTEBOOKS.parent / "cnnlib" / "course" / "times.json"
FACTOR = 1.5  # how far a promise may be from what an experiment takes
CALIBRATE = "import json; from cnnlib.course.times import calibrate; print(json.dumps(calibrate('{}')))"
THREADS = "import torch; print(torch.get_num_threads())"


def sections_of(notebook):
    """Return the heading of the section that each cell stands in, None in the opening: it is over when it is read."""
    headings, current = [], None
    for cell in notebook.cells:
        found = re.search(r"^## (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        current = found[1] if found else current
        headings.append(current)
    return headings


class Timed(NotebookClient):
    """Runs a notebook and notes how long each cell took."""

    async def async_execute_cell(self, cell, index, **options):
        began = time.perf_counter()
        try:
            return await super().async_execute_cell(cell, index, **options)
        finally:
            self.seconds[index] = time.perf_counter() - began


def measure(path, cores):
    """Return the seconds of the training steps, and of each section of a chapter, on so many cores."""
    os.environ["OMP_NUM_THREADS"] = str(cores)
    notebook = nbformat.read(path, as_version=4)
    headings = sections_of(notebook)
    notebook.cells.append(new_code_cell(THREADS))
    client = Timed(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}})
    client.seconds = {}
    before = calibrated(path.stem)
    client.execute()
    threads, after = int(notebook.cells[-1].outputs[0].text), calibrated(path.stem)
    steps = {name: round((times[threads] + after[name][threads]) / 2, 5) for name, times in before.items()}
    sections = {}
    for index, heading in enumerate(headings):
        if heading is not None:
            sections[heading] = sections.get(heading, 0) + client.seconds.get(index, 0)
    return {"steps": steps, "sections": {name: round(value, 2) for name, value in sections.items()}}


def calibrated(chapter):
    """Return the seconds of the training steps of a chapter as `time_contract` measures them in a fresh process."""
    command = [sys.executable, "-c", CALIBRATE.format(chapter)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {name: {int(threads): seconds for threads, seconds in times.items()} for name, times in found.items()}


def check(name, cores, stored, found, at_start):
    """Print how far the promise was from what a chapter took."""
    _, promised = promise(name, stored, at_start)
    total = sum(promised.values()) / sum(found["sections"].values())
    factors = {h: promised[h] / s for h, s in found["sections"].items() if max(s, promised[h]) >= 2}
    low, high = min(factors.values()), max(factors.values())
    print(f"{name}, {cores} core(s): whole {total:.2f}, sections {low:.2f} to {high:.2f}", flush=True)
    for heading, factor in factors.items():
        if not 1 / FACTOR < factor < FACTOR:
            taken = found["sections"][heading]
            print(f"  {heading}: {promised[heading]:.1f} s promised, {taken:.1f} s taken", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 05_resnet; all unless given")
    parser.add_argument("--check", action="store_true", help="hold the stored times against this run")
    parser.add_argument("--cores", type=int, choices=(1, 2), help="on so many cores only")
    wanted = parser.parse_args()
    times = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        if wanted.names and path.stem not in wanted.names:
            continue
        for cores in [wanted.cores] if wanted.cores else [1, 2]:
            stored = times.get(path.stem, {}).get(str(cores))
            if wanted.check and stored is None:
                print(f"{path.stem}, {cores} core(s): not measured yet, run `make times`", flush=True)
                continue
            os.environ["OMP_NUM_THREADS"] = str(cores)
            at_start = calibrated(path.stem)
            found = measure(path, cores)
            print(f"{path.stem}, {cores} core(s): {sum(found['sections'].values()):.0f} s", flush=True)
            if wanted.check:
                check(path.stem, cores, stored, found, at_start)
            else:
                times.setdefault(path.stem, {})[str(cores)] = found
                FILE.write_text(json.dumps(times, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
