"""Copies of the chapters in a folder of the reader's own: `cnnlib lab`, and with it `make lab`.

What a reader runs and saves there changes nothing in `notebooks/`. Results and checkpoints, which the chapters write
beside themselves, lie there as well. Nothing but the standard library is needed here: the hub copies without PyTorch.
"""

import hashlib
import itertools
import json
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

NOTE = ".chapters.json"  # in the reader's folder: the digest of what each copy was made from


def copy_chapters(source, target):
    """Copy the notebooks of a folder and of its folders into the reader's; replace nothing that the reader changed.

    A notebook that is missing there is copied. A new version takes the place of a copy that was left as it came; where
    the reader has changed theirs, it comes beside it, once, under a name such as ``01_lenet-new.ipynb``.

    Parameters
    ----------
    source, target : Path

    Returns
    -------
    list of Path
        What was written.
    """
    if target.resolve() == source.resolve():
        return []
    before = {}
    with suppress(OSError, ValueError, TypeError):
        before = dict(json.loads((target / NOTE).read_text(encoding="utf-8")))
    after, written = dict(before), []
    for path in sorted([*source.glob("*.ipynb"), *source.glob("[a-z]*/*.ipynb")]):
        name, place, new = path.relative_to(source).as_posix(), target / path.relative_to(source), digest(path)
        there, known = os.path.lexists(place), before.get(name, new)  # of a copy without a note nothing is known
        after[name] = new
        if there and new in (known, digest(place)):
            continue
        if there and digest(place) != known:
            place = free(place)
        put(path.read_bytes(), place)
        written.append(place)
    if after != before:
        put(json.dumps(after, indent=1).encode(), target / NOTE)
    return written


def digest(path):
    """Return the digest of a notebook's cells, or None if it cannot be read.

    What else stands in the file JupyterLab changes by itself, when a notebook is only opened.
    """
    with suppress(OSError):
        content = path.read_bytes()
        with suppress(ValueError, TypeError, KeyError):
            content = json.dumps(json.loads(content)["cells"], sort_keys=True).encode()
        return hashlib.sha256(content).hexdigest()


def free(place):
    """Return a name beside a file's that is not taken."""
    names = (f"{place.stem}-new{number}{place.suffix}" for number in itertools.chain([""], itertools.count(2)))
    return next(path for path in map(place.with_name, names) if not os.path.lexists(path))


def put(content, place):
    """Write a file, which takes its name when it is whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f".{place.name}.half")
    half.write_bytes(content)
    half.replace(place)


def find_chapters():
    """Return the folder with the course's own notebooks: the repository's, or the one that was installed.

    Raises
    ------
    FileNotFoundError
        If the library was installed without them.
    """
    here = Path(__file__).resolve().parents[2] / "notebooks"
    if here.is_dir():
        return here
    try:
        parts = [Path(file.locate()) for file in files("cnnlib") or () if file.name == "01_lenet.ipynb"]
    except PackageNotFoundError:
        parts = []
    for path in parts:
        if path.exists():
            return path.resolve().parent
    raise FileNotFoundError("this installation of cnnlib has no chapters. Install the wheel, or clone the repository.")
