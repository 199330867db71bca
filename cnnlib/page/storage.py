"""Atomic replacement of files, and locks for files that several programs share.

One writer for everything that the package keeps: a temporary file beside the target, flushed to the disk, takes its
name. The lock of `filelock` ends with the program that holds it, so a crash leaves no lock behind.
"""

import errno
import glob
import json
import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

from cnnlib.validation import in_words

LARGEST = 2**22  # bytes; no file of ours is larger
PATIENCE = 2.0  # seconds to wait for another program that is writing
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # a file system that has none


def file_path(path, name="path"):
    """Return a Path with `~` expanded; raise a TypeError for what is no path."""
    if not isinstance(path, str | os.PathLike):  # an int would be a file descriptor of the process
        raise TypeError(f"{name} must be a path, got {in_words(path)}. Try 'results/run.pt', or a pathlib.Path.")
    return Path(os.path.expanduser(path))


def check_replaceable(path):
    """Raise OSError if a path leads to something that must not be replaced: a folder, or /dev/null."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "that is no ordinary file", str(path))


def hold(path, patience=None):
    """Return the lock of a file, acquired until its `release()`; on a file system without locks, an unacquired one.

    Temporary files that killed programs left beside it are removed.

    Raises
    ------
    TimeoutError
        If another holds the lock for longer than `patience` seconds.
    OSError
        If nothing can be written beside the file.
    """
    from filelock import FileLock, Timeout  # here: 35 ms that `import cnnlib` need not cost

    path = Path(os.path.realpath(path))  # a file has one lock, whatever links lead to it
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=PATIENCE if patience is None else patience, poll_interval=0.01)
    except Timeout:
        raise TimeoutError(f"another program, or another run in this one, is writing to {path}") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    else:
        for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            part.unlink(missing_ok=True)
    return lock


@contextmanager
def locked(path):
    """Hold the lock of a file inside a `with` block. Raises as `hold` does."""
    lock = hold(path)
    try:
        yield
    finally:
        lock.release()


def read_json(path, is_sound):
    """Return what a JSON file holds, or None if it is empty or not there.

    Parameters
    ----------
    is_sound : callable
        `is_sound(value)` returns whether the file holds what it should.

    Raises
    ------
    ValueError
        If it is damaged or of another kind.
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
    """Rename a file to a free name, and return that."""
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    os.replace(path, aside)
    return aside


def as_json(value):
    """Return a value as JSON that people can read, as bytes."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")


def replace(path, data):
    """Write bytes to a file in place of its contents, atomically; a missing folder is created.

    Raises
    ------
    OSError
        If it cannot be written: the disk is full, say. The old file is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    check_replaceable(path)
    path = Path(os.path.realpath(path))  # a link stays a link to the file
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
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
    with suppress(OSError):  # so that the new name survives a power cut, where the system supports that
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
