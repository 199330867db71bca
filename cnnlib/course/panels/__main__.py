"""The command that records the panels: what is missing is run, each choice of the controls for itself.

python -m cnnlib.course.panels [CHAPTERS] --out results/panels
"""

import argparse
import datetime
import json
import math
import os
import platform
from pathlib import Path

import torch

from cnnlib.course.panels.grids import GRIDS, SEED, settings_of
from cnnlib.course.panels.shown import FOLDER
from cnnlib.course.records.record import hardware
from cnnlib.course.records.run import say
from cnnlib.page.storage import replace
from cnnlib.training.guard import DivergenceError


def record(grid, s):
    """Run one choice of a grid's controls and return its record."""
    torch.manual_seed(SEED)
    try:
        lists = grid.run(s)
    except DivergenceError as error:
        history = error.history
        lists = {"steps": list(range(1, history.steps + 1)), "loss": history.loss, "diverged": history.steps}
    return vars(s) | _short(lists)


def _short(value):
    """Return numbers to three digits, and None for what is not finite, as JSON has neither NaN nor infinity."""
    if isinstance(value, float):
        return float(f"{value:.3g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value


def main(given=None):
    """Record what is missing of some chapters' panels, and store each that is whole."""
    parser = argparse.ArgumentParser(prog="python -m cnnlib.course.panels", description="Record the panels' twins.")
    parser.add_argument("chapters", nargs="*", choices=[*GRIDS, []], help="chapters; all unless given")
    parser.add_argument("--out", type=Path, default=Path("results", "panels"), help="folder of the runs that ended")
    wanted = parser.parse_args(given)
    for chapter in wanted.chapters or GRIDS:
        grid, rows = GRIDS[chapter], []
        for number, s in enumerate(settings_of(grid), 1):
            path = wanted.out / chapter / ("_".join(map(str, vars(s).values())) + ".json")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                replace(path, json.dumps(record(grid, s)).encode())
                say(f"{chapter} {number}: {path.stem}")
            rows.append(json.loads(path.read_text()))
        about = {
            "what": grid.what, "hardware": hardware(torch.device("cpu")), "python": platform.python_version(),
            "torch": torch.__version__, "date": datetime.date.today().isoformat(), "seed": SEED,
            "command": f"python -m cnnlib.course.panels {chapter}", "rows": rows,
        }  # fmt: skip
        replace(FOLDER / f"{chapter}.json", json.dumps(about, separators=(",", ":")).encode())


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(19)  # minutes of work: whoever uses the machine meanwhile comes first
    main()
