"""Take a seat: runs as the student, within the student's limits, before their server starts.

    python seat.py FOLDER_WITH_NOTEBOOKS COMMAND …

The first time the student finds a copy of the notebooks. What is there stays as it is, whatever they made of it; a
notebook that they deleted or renamed comes back fresh at the next start.
"""

import os
import shutil
import sys
from pathlib import Path


def hand_out(source, target):
    """Copy the notebooks of a folder and of its folders that `target` has not; return the paths that were copied.

    A copy takes its name when it is complete, and nothing is ever replaced.
    """
    copied = []
    for path in sorted([*source.glob("*.ipynb"), *source.glob("[a-z]*/*.ipynb")]):
        place = target / path.relative_to(source)
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            half = place.with_name(f".{place.name}.half")
            shutil.copyfile(path, half)
            half.replace(place)
            copied.append(place)
    return copied


if __name__ == "__main__":
    os.umask(0o077)  # nobody else reads what the student writes
    hand_out(Path(sys.argv[1]), Path.home() / "notebooks")
    os.execv(sys.argv[2], sys.argv[2:])
