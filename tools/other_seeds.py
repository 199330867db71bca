"""Run chapters with other seeds than their own, and say which claims then fail: `make seeds MOVES="100 200"`.

A claim is a line that a cell prints and that ends in True or False. It was checked with the seeds of the chapter; on
another machine sums round otherwise, and after some hundred steps that is as good as another seed. So a claim that
fails with other seeds will fail at some reader's, and what has to change is the claim. One that holds but is close to
its bound, against how far it lies from it in one move and in the next, will fail as well, only later. How far that is
can be read from the lines that `cnnlib.course.claims.claim` prints.

Every seed of a chapter is moved by the same number: those of `train_over_seeds`, of `manual_seed` and of `reseed`. Each
run has one thread and a process of its own, as many at once as there are cores.
"""

import argparse
import math
import os
import re
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from flakes import CORES, name_chapters
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
MOVES = (100, 200, 300)
LONGEST = 1800  # seconds of a cell
CLOSE = 3.0  # standard deviations between a claim's bound and where it lies on average
SEED = re.compile(r"\b(manual_seed|reseed)\(")
CLAIM = re.compile(r"^(?P<claim>.*?):?\s*\b(?P<holds>True|False)$")
NUMBER = r"(-?[\d.,]*\d(?:e[+-]\d+)?|-?inf|nan)"
SIZED = re.compile(
    rf"(?P<words>.*?) (?P<measured>{NUMBER}( {NUMBER})*)( ± {NUMBER} \(n = \d+\))?, "
    rf"(?P<bound>(over|under|between) {NUMBER}( and {NUMBER})?).*: (True|False)"
)  # as `cnnlib.course.claims.claim` prints it
BEGIN = """
import functools, cnnlib
MOVED, _unmoved = {by}, cnnlib.train_over_seeds

@functools.wraps(_unmoved)
def train_over_seeds(build, train_iter, test_iter, num_epochs, lr, seeds=(0, 1, 2), **options):
    return _unmoved(build, train_iter, test_iter, num_epochs, lr, tuple(seed + MOVED for seed in seeds), **options)

cnnlib.train_over_seeds = train_over_seeds
"""


def moved(notebook, by):
    """Return the cells of a notebook with all seeds moved, behind one that moves those of `train_over_seeds`."""
    sources = [SEED.sub(r"\1(MOVED + ", cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    changed = nbformat.v4.new_notebook(cells=list(map(new_code_cell, [BEGIN.replace("{by}", str(by)), *sources])))
    changed.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return changed


def claims(notebook):
    """Return what the cells of a notebook claimed: a list of (claim, whether it holds, by how much or None).

    An error is a claim that fails. Of a claim that prints its numbers the words and the bound are returned.
    """
    found = []
    for output in (output for cell in notebook.cells for output in cell.outputs):
        if output.output_type == "error":
            found.append((f"{output.ename}: {output.evalue}", False, None))
        for line in output.text.splitlines() if output.output_type == "stream" else ():
            if match := CLAIM.match(line):
                words, margin = find_margin(line) or (match["claim"].strip(), None)
                found.append((words, match["holds"] == "True", margin))
    return found


def find_margin(line):
    """Return (words and bound, by how much it holds) of a line that `claim` printed; None of any other line.

    The margin is that of the number nearest to its bound, or furthest beyond it: negative where the claim fails.
    """
    found = SIZED.fullmatch(line)
    if not found:
        return None
    values, bounds = (
        [float(text) for text in re.findall(NUMBER, found[part].replace(",", ""))] for part in ("measured", "bound")
    )
    margins = [value - bounds[0] for value in values] if found["bound"][0] in "ob" else []
    margins += [bounds[-1] - value for value in values] if found["bound"][0] in "ub" else []
    return f"{found['words']} …, {found['bound']}", min(margins, key=lambda margin: (margin == margin, margin))


def check(name, by):
    """Run a chapter with its seeds moved; return (name, by, its claims, seconds)."""
    began = time.monotonic()
    notebook = moved(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4), by)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}  # the table that grows is not the reader's
        NotebookClient(notebook, timeout=LONGEST, allow_errors=True, resources=resources).execute()
    return name, by, claims(notebook), time.monotonic() - began


def spreads(margins):
    """Return how many standard deviations lie between a claim's bound and where it lies on average.

    Margins without an end, of a run that diverged where it should, say nothing of it; on the wrong side they say all.
    """
    if any(margin != margin or margin == -math.inf for margin in margins):
        return -math.inf
    margins = [margin for margin in margins if margin < math.inf]
    if len(margins) < 2:
        return math.inf
    mean, spread = statistics.mean(margins), statistics.stdev(margins)
    return mean / spread if spread else math.copysign(math.inf, mean)


def main(names, moves):
    """Check chapters, print what fails and what is close to it, and return how many claims fail."""
    os.environ |= {"OMP_NUM_THREADS": "1", "CNNLIB_PROGRESS": "off"}
    runs, failed, margins = [(name, by) for by in moves for name in names], 0, {}
    with ThreadPoolExecutor(CORES) as pool:
        for name, by, found, seconds in pool.map(check, *zip(*runs, strict=True)):
            wrong = [claim for claim, holds, _ in found if not holds]
            print(f"{name}, seeds moved by {by}: {len(found) - len(wrong)} of {len(found)} claims, {seconds:.0f} s")
            print(*(f"    {claim}" for claim in wrong), sep="\n", end="\n" if wrong else "", flush=True)
            failed += len(wrong)
            for number, (claim, _, margin) in enumerate(found):
                if margin is not None:
                    margins.setdefault((name, number, claim), []).append(margin)
    for (name, _, claim), values in margins.items():
        listed, far = ", ".join(f"{value:.3g}" for value in sorted(values)), ""
        if len(values) > 1:
            far = f"{spreads(values):.1f} spreads from its bound; " + "CLOSE; " * (spreads(values) < CLOSE)
        print(f"{name}, {claim}: {far}holds by {listed}")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moves", type=int, nargs="+", default=MOVES, help="by how much the seeds are moved, in turn")
    wanted = name_chapters(parser)()
    sys.exit(main(wanted.names, wanted.moves) > 0)
