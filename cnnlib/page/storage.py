"""A small JSON file that several programs add to: read, changed and replaced as a whole, under a lock.

The lock ends with the program that holds it, and the file is the old one or the new one at any moment: two programs at
once lose nothing, nor does a crash.
"""

import errno
import json
import os
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:
    msvcrt = None

LARGEST = 2**22  # bytes; what is larger is not ours
PATIENCE = 2.0  # seconds to wait for another program that is writing
BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


def check_place(path):
    """Raise OSError if a path leads to something that must not be replaced: a folder, or /dev/null."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "that is no ordinary file", str(path))


@contextmanager
def locked(path):
    """Hold the lock of a file for a while; where the file system knows no locks, do without.

    Raises
    ------
    OSError
        If nothing can be written beside the file, or another program holds the lock for too long.
    """
    with open(path.with_name(f".{path.name}.lock"), "ab") as file:
        end, taken = time.monotonic() + PATIENCE, False
        while not taken:
            try:
                _take(file)
                taken = True
            except OSError as error:
                if error.errno not in BUSY:
                    break
                if time.monotonic() > end:
                    raise TimeoutError(f"another program has been writing to {path} for too long") from error
                time.sleep(0.01)
        try:
            yield
        finally:
            if taken and fcntl is None:
                _let_go(file)  # elsewhere closing the file does it


def _take(file):
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def _let_go(file):
    if msvcrt is not None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def read(path, is_sound):
    """Return what a file holds, or None if it is empty or not there.

    Parameters
    ----------
    is_sound : callable
        `is_sound(value)` tells whether the file holds what it should.

    Raises
    ------
    ValueError
        If it is damaged, or something else.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    if not size:
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if size <= LARGEST else None
    except RecursionError:
        value = None
    if not is_sound(value):
        raise ValueError(f"{path} holds something else")
    return value


def set_aside(path):
    """Give a file another name, one that is free, and return it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    os.replace(path, aside)
    return aside


def write(path, value):
    """Replace a file by a value as JSON that people can read; if that fails, the old one is still there."""
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(value, file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def replace(path, data):
    """Replace a file by bytes, with its lock held; the old file is whole until the new one is.

    A program that is killed meanwhile leaves a part of a file beside it, which the next call writes over.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    _note_name(path.parent)


def _note_name(folder):
    """Have the file's new name outlast a power cut as well, where the system offers that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
