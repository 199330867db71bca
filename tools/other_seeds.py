"""Run chapters with other seeds than their own, and tell which claims then fail: `make seeds MOVES="100 200"`.

A claim is a line that a cell prints and that ends in True or False. It was checked with the seeds of the chapter; on
another machine sums round otherwise, and after some hundred steps that is as good as another seed. So a claim that
fails with other seeds will fail at some reader's, and what has to change is the claim. One that holds but is close to
its bound, against how far it lies from it in one move and in the next, will fail as well, only later.

Every seed of a chapter is moved by the same number: those of `train_over_seeds`, of `manual_seed` and of `reseed`. Each
run has one thread and a process of its own, as many at once as there are cores.
"""

import argparse
import ast
import json
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
from flakes import CORES, chapters
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
MOVES = (100, 200, 300)
LONGEST = 1800  # seconds of a cell
CLOSE = 3.0  # standard deviations between a claim's bound and where it lies on average
SEED = re.compile(r"\b(manual_seed|reseed)\(")
CLAIM = re.compile(r"^(?P<claim>.*?):?\s*\b(?P<holds>True|False)$")
MARGINS = "margins of this claim: "
OPERATORS = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
BEGIN = """
import functools, json, operator, cnnlib
MOVED, own, margins = {by}, cnnlib.train_over_seeds, []

@functools.wraps(own)
def train_over_seeds(build, train_iter, test_iter, num_epochs, lr, seeds=(0, 1, 2), **options):
    return own(build, train_iter, test_iter, num_epochs, lr, tuple(seed + MOVED for seed in seeds), **options)

cnnlib.train_over_seeds = train_over_seeds

def measured(names, *values):
    pairs = list(zip(names.split(), values, values[1:]))
    margins.append(min(float(b - a if name[0] == "l" else a - b) for name, a, b in pairs))
    return all(getattr(operator, name)(a, b) for name, a, b in pairs)

def tell():
    if margins:
        print("{margins}" + json.dumps(margins))
    margins.clear()
"""


class Measured(ast.NodeTransformer):
    """Has each comparison in what a cell prints write down by how much it holds."""

    def visit_Expr(self, node):
        if not (isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "print"):
            return node
        printed = Comparisons().visit(node)
        return [printed, ast.parse("tell()").body[0]]


class Comparisons(ast.NodeTransformer):
    def visit_Compare(self, node):
        self.generic_visit(node)
        if not all(type(operator) in OPERATORS for operator in node.ops):
            return node
        names = ast.Constant(" ".join(OPERATORS[type(operator)] for operator in node.ops))
        return ast.Call(ast.Name("measured", ast.Load()), [names, node.left, *node.comparators], [])


def beginning(by):
    """Return the source of the cell that stands before a chapter's own."""
    return BEGIN.replace("{by}", str(by)).replace("{margins}", MARGINS)


def measuring(source):
    """Return the source of a cell that prints, after each claim, by how much it holds."""
    return ast.unparse(ast.fix_missing_locations(Measured().visit(ast.parse(source)))) if "print(" in source else source


def moved(notebook, by):
    """Return the cells of a notebook with all seeds moved, behind one that moves those of `train_over_seeds`."""
    sources = [SEED.sub(r"\1(MOVED + ", cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    sources = [beginning(by), *map(measuring, sources)]
    changed = nbformat.v4.new_notebook(cells=list(map(new_code_cell, sources)))
    changed.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return changed


def claims(notebook):
    """Return what the cells of a notebook claimed: a list of (claim, whether it holds, by how much or None).

    An error is a claim that fails.
    """
    found = []
    for output in (output for cell in notebook.cells for output in cell.outputs):
        if output.output_type == "error":
            found.append((f"{output.ename}: {output.evalue}", False, None))
        match = None
        for line in output.text.splitlines() if output.output_type == "stream" else ():
            if match and line.startswith(MARGINS):  # of the line before, if that was a claim
                found[-1] = *found[-1][:2], min(json.loads(line.removeprefix(MARGINS)))
            if match := CLAIM.match(line):
                found.append((match["claim"].strip(), match["holds"] == "True", None))
    return found


def check(name, by):
    """Run a chapter with its seeds moved; return (name, by, its claims, seconds)."""
    began = time.monotonic()
    notebook = moved(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4), by)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}  # the table that grows is not the reader's
        NotebookClient(notebook, timeout=LONGEST, allow_errors=True, resources=resources).execute()
    return name, by, claims(notebook), time.monotonic() - began


def spreads(margins):
    """Return how many standard deviations lie between a claim's bound and where it lies on average."""
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
        if len(values) > 2 and spreads(values) < CLOSE:
            listed = ", ".join(f"{value:.3g}" for value in sorted(values))
            print(f"close to its bound: {name}, {claim}: {spreads(values):.1f} spreads; holds by {listed}")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 05_resnet; all unless given")
    parser.add_argument("--moves", type=int, nargs="+", default=MOVES, help="by how much the seeds are moved, in turn")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - set(chapters()))
    if unknown:
        parser.error(f"there is no chapter {', '.join(unknown)}; there are {', '.join(chapters())}.")
    sys.exit(main(wanted.names or chapters(), wanted.moves) > 0)
