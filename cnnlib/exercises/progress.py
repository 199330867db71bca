"""What the reader has solved, chapter by chapter: `progress()` shows it, from the file that `check` notes it in.

Where no reader is, nobody's progress is known: the same tables, with nothing solved.
"""

import importlib
from dataclasses import dataclass
from typing import NamedTuple

from cnnlib.exercises.core import Exercise, Note
from cnnlib.page import progress_file
from cnnlib.page.announce import has_reader
from cnnlib.page.escape import html_text, one_line, printable
from cnnlib.page.table import Table
from cnnlib.validation import Bool, arguments

CHAPTERS = {  # the notebook's name: its exercises, its title
    "00_convolution": ("convolution", "Convolution"),
    "01_lenet": ("lenet", "LeNet"),
    "02_alexnet": ("alexnet", "AlexNet"),
    "03_vgg": ("vgg", "VGG"),
    "04_batch_norm": ("batch_norm", "Batch normalisation"),
    "05_resnet": ("resnet", "ResNet"),
    "06_residual_gradients": ("gradients", "Residual gradients"),
}
UNTOUCHED = {"tries": 0, "hints": 0, "solution": False, "solved": None}
HEAD = ["exercise", "tier", "solved", "tries", "help"]
LONGEST = 300  # characters of a question or an answer: the file may be anybody's
CELL = "padding:.15em .9em;text-align:left"


@arguments(forget=Bool())
def progress(chapter=None, *, forget=False):
    """Show what you have solved, or forget it.

    Parameters
    ----------
    chapter : str or int, optional
        "05", 5, "resnet" or "05_resnet"; all chapters if left out.
    forget : bool
        Delete the file in which your progress is kept, and say what it held.

    Returns
    -------
    Progress or Note

    Raises
    ------
    ValueError
        If there is no such chapter, or one is to be forgotten alone.
    OSError
        If the file cannot be deleted.
    """
    names = list(CHAPTERS) if chapter is None else [find_chapter(chapter)]
    if not forget:
        known = progress_file.known_progress()
        return Progress([_look_at(name, known) for name in names], _footer())
    if chapter is not None:
        raise ValueError("forget=True deletes the whole file, got a chapter as well. Leave the chapter out.")
    if not has_reader() or progress_file.is_off():
        return Note("There is nothing to forget.", "", _footer())
    exercises, guesses = progress_file.forget()
    held = f"It held {_count(exercises, 'exercise')} and {_count(guesses, 'guess', 'guesses')}."
    return Note("Your progress is forgotten.", "", f"{progress_file.place()} is deleted. {held}")


def find_chapter(wanted):
    """Return the name of the notebook that a number or a name stands for.

    Raises
    ------
    ValueError
        If there is no such chapter.
    """
    key = f"{wanted:02d}" if isinstance(wanted, int) else str(wanted).strip().lower().removesuffix(".ipynb")
    for name, (module, _) in CHAPTERS.items():
        if key in (name, name[:2], name[1:2], module):
            return name
    raise ValueError(f"there is no chapter {wanted!r}, only {', '.join(name[:2] for name in CHAPTERS)}.")


class Chapter(NamedTuple):
    """One chapter: how far the reader has come, rows as in `HEAD`, and a line for each guess that met its outcome."""

    caption: str
    rows: list
    guesses: list


@dataclass(frozen=True)
class Progress:
    """Tables of what is solved, a chapter each, and where that is kept: as HTML, and as plain text."""

    chapters: list
    footer: str

    def _repr_html_(self):
        tables = "".join(map(_html_table, self.chapters))
        return f"<div class='cnnlib-progress'>{tables}<p>{html_text(self.footer)}</p></div>"

    def __repr__(self):
        parts = []
        for chapter in self.chapters:
            parts += [chapter.caption, repr(Table(HEAD, chapter.rows, left=len(HEAD))), *chapter.guesses, ""]
        return printable("\n".join([*parts, self.footer]))


def _look_at(name, known):
    module, title = CHAPTERS[name]
    everything = vars(importlib.import_module(f"cnnlib.exercises.{module}"))
    exercises = {key: value for key, value in everything.items() if isinstance(value, Exercise)}
    entries = {key: known["exercises"].get(module, {}).get(key, UNTOUCHED) for key in exercises}
    rows = [_row(exercise, entries[key]) for key, exercise in exercises.items()]
    solved = sum(bool(entry["solved"]) for entry in entries.values())
    guesses = [_guess(question, g) for question, g in known["guesses"].items()
               if g["chapter"] == name and "outcome" in g and g.get("guess") is not None]  # fmt: skip
    return Chapter(f"Chapter {name[:2]}, {title}: {solved} of {len(rows)} solved", rows, guesses)


def _row(exercise, entry):
    sign = "✘ tried, not yet" if entry["tries"] else "○ not yet"
    sign = f"✔ solved {entry['solved'][:10]}" if entry["solved"] else sign
    seen = [_count(entry["hints"], "hint")] * bool(entry["hints"]) + ["solution"] * bool(entry["solution"])
    return [exercise.name, exercise.tier, sign, str(entry["tries"] or "–"), ", ".join(seen) or "–"]


def _guess(question, entry):
    """Return a line for a guess whose outcome has been seen."""
    if "right" in entry:
        near = "✔ right" if entry["right"] else f"✘ it was {_value(entry['outcome'])}"
    else:
        near = f"it was {_value(entry['outcome'])}, off by {_value(entry.get('off_by'))}"
    return f"Guess: {one_line(question, LONGEST)} You said {_value(entry['guess'])}: {near}."


def _value(value):
    return f"{value:.3g}" if isinstance(value, float) else one_line(value, LONGEST)


def _html_table(chapter):
    head = "".join(f"<th scope='col' style='{CELL}'>{text}</th>" for text in HEAD)
    lines = []
    for number, (name, *others) in enumerate(chapter.rows, 1):
        first = f"{number} · {name.strip('_').replace('_', ' ')}" if has_reader() else name
        cells = "".join(f"<td style='{CELL}'>{html_text(text)}</td>" for text in others)
        lines.append(f"<tr><th scope='row' style='{CELL};font-weight:normal'>{html_text(first)}</th>{cells}</tr>")
    caption = f"<caption style='text-align:left;font-weight:bold'>{html_text(chapter.caption)}</caption>"
    guesses = "".join(f"<li>{html_text(line)}</li>" for line in chapter.guesses)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f"<div style='overflow-x:auto'>{table}</div>" + (f"<ul>{guesses}</ul>" if guesses else "")


def _footer():
    if not has_reader():
        return "Run this cell in JupyterLab to see your own progress, and to have it kept."
    variable, told = progress_file.VARIABLE, progress_file.remark()
    if progress_file.is_off():
        return f"Nothing is kept, because {variable}=off."
    where = (
        f"Kept in {progress_file.place()}, on this machine only. To forget it: progress(forget=True), or delete the "
        f"file. {variable} names another place, or off."
    )
    return f"{where} {told}".rstrip()


def _count(number, one, several=None):
    return f"{number} {one if number == 1 else several or one + 's'}"
