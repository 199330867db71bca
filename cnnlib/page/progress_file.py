"""What a reader has solved and guessed, in a small JSON file that they may read and delete.

What cannot be written is kept for the next time. Recording never raises, since no answer may fail because of a disk;
and nothing is written where a program runs the notebooks, since that is no reader.
"""

import os
import re
import threading
from datetime import datetime

from platformdirs import user_data_path

from cnnlib.page.announce import has_reader
from cnnlib.page.storage import as_json, check_replaceable, file_path, locked, read_json, replace, set_aside

VARIABLE = "CNNLIB_PROGRESS"
FORMAT = "cnnlib progress, 1"
ABOUT = "What you solved and guessed in the cnnlib course. Nothing depends on this file: delete it to forget."
WAITING = 1000  # changes that are kept until they can be written

_pen = threading.RLock()  # guesses are recorded in another thread than checks
_waiting = []  # changes that could not be written yet
_remarks = []  # messages for the reader
_warned = False  # whether the reader knows that progress is not kept


def is_off():
    """Return whether the reader wants no file: CNNLIB_PROGRESS=off."""
    return os.environ.get(VARIABLE, "").strip().lower() == "off"


def place():
    """Return the file's path: CNNLIB_PROGRESS, or `progress.json` in the user's data folder."""
    wish = os.environ.get(VARIABLE, "").strip()
    return file_path(wish or user_data_path("cnnlib", appauthor=False) / "progress.json").resolve()


# What can be recorded. Whatever is shown to the reader next includes `remark()`.


def judged(chapter, name, tier, passed):
    """Record an answer to an exercise; after the first right one, nothing changes."""
    now = _now()

    def change(entry):
        entry["tries"] += 1
        entry["solved"] = now if passed else None

    _note_exercise(chapter, name, tier, change)


def helped(chapter, name, tier, hints=0, solution=False):
    """Record how many hints, or whether the solution, were looked at before an exercise was solved."""

    def change(entry):
        entry["hints"] = max(entry["hints"], hints)
        entry["solution"] = entry["solution"] or solution

    _note_exercise(chapter, name, tier, change)


def guessed(question, answer):
    """Record a guess, a string or a float; one whose outcome is known stays as it was."""
    _note_guess(question, guess=answer, when=_now())


def revealed(question, answer, outcome, right):
    """Record the outcome of a guess; `right` is True or False, or how far off a number was."""
    near = {"right": right} if isinstance(right, bool) else {"off_by": right}
    _note_guess(question, guess=answer, outcome=outcome, **near)


def known_progress():
    """Return the reader's progress in the format of the file. Nothing is written."""
    known = _empty()
    if has_reader() and not is_off():
        with _pen:
            try:
                path = place()
                check_replaceable(path)
                known = read_json(path, _is_sound) or known
            except Exception as error:  # a damaged file is set aside by the next answer, under the lock
                _remarks.append(f"What was kept before cannot be read ({_reason(error)}).")
            for change in _waiting:
                change(known)
    return known


def forget():
    """Delete the file and unwritten changes; return how many exercises and guesses it held.

    Raises
    ------
    OSError
        If it cannot be deleted.
    """
    with _pen:
        known = known_progress()
        path = place()
        check_replaceable(path)
        if path.exists():
            with locked(path):
                path.unlink(missing_ok=True)
        _waiting.clear()
    return sum(map(len, known["exercises"].values())), len(known["guesses"])


def remark():
    """Return messages for the reader about the file, each once; usually ''."""
    text = " ".join(_remarks)
    _remarks.clear()
    return text


def _note_exercise(chapter, name, tier, change):
    """Call `change(entry)` for an exercise that is not solved yet."""
    new = {"tier": tier, "solved": None, "tries": 0, "hints": 0, "solution": False}

    def change_unsolved(known):
        entry = known["exercises"].setdefault(chapter, {}).setdefault(name, dict(new))
        if entry["solved"] is None:
            change(entry)

    _note(change_unsolved)


def _note_guess(question, **values):
    """Update a guess whose outcome is not known yet."""
    new = {"chapter": _chapter(), "when": _now()}

    def change(known):
        entry = known["guesses"].setdefault(question, dict(new))
        if "outcome" not in entry:
            entry.update(values)

    _note(change)


def _note(change):
    global _warned
    if not has_reader() or is_off():
        return
    with _pen:
        _waiting.append(change)
        del _waiting[:-WAITING]
        try:
            path = place()
            check_replaceable(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path):
                known = _read_or_set_aside(path)
                for one in _waiting:
                    one(known)
                replace(path, as_json(known))
            _waiting.clear()
        except Exception as error:
            if not _warned:
                _remarks.append(
                    f"Your progress is not kept ({_reason(error)}); everything else works. To keep it, set {VARIABLE} "
                    f"to a file that you can write to; {VARIABLE}=off asks for none."
                )
            _warned = True


def _read_or_set_aside(path):
    """Return what the file holds; a file that is damaged or of another kind is set aside."""
    try:
        return read_json(path, _is_sound) or _empty()
    except ValueError:
        aside = set_aside(path)
        _remarks.append(f"Your progress file was damaged or something else; it is now {aside}, and a new one begins.")
        return _empty()


def _empty():
    return {"format": FORMAT, "about": ABOUT, "exercises": {}, "guesses": {}}


def _is_sound(known):
    """Return whether this has the format of a progress file, whatever else it may hold."""
    if not isinstance(known, dict) or known.get("format") != FORMAT:
        return False
    chapters, guesses = known.get("exercises"), known.get("guesses")
    if not isinstance(chapters, dict) or not isinstance(guesses, dict):
        return False
    if not all(isinstance(part, dict) for part in (*chapters.values(), *guesses.values())):
        return False
    entries = [entry for chapter in chapters.values() for entry in chapter.values()]
    return all(map(_is_entry, entries)) and all(isinstance(guess.get("chapter"), str) for guess in guesses.values())


def _is_entry(entry):
    kinds = {"tier": str, "solved": str | None, "tries": int, "hints": int, "solution": bool}
    return isinstance(entry, dict) and all(isinstance(entry.get(key, ...), kind) for key, kind in kinds.items())


def _reason(error):
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _now():
    return datetime.now().isoformat(" ", "minutes")


def _chapter():
    """Return the name of the open notebook without its ending if it is named like a chapter, or ''."""
    name = re.split(r"[/\\]", os.environ.get("JPY_SESSION_NAME", ""))[-1].removesuffix(".ipynb")
    return name if re.match(r"\d\d_", name) else ""
