"""The command `cnnlib`: open the chapters, write the book, say what works here.

cnnlib lab [FOLDER]      copy the chapters into a folder of yours and open the first in JupyterLab
cnnlib book [FOLDER]     write all chapters with their results as pages that need neither Python nor a network
cnnlib doctor            what is live on this machine, and what to change

`make lab` and `make slides` call the same.
"""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cnnlib.course.copies import copy_chapters, find_chapters
from cnnlib.course.doctor import examine
from cnnlib.page.escape import printable

FIRST = "01_lenet"
FOLDER = "cnnlib-chapters"
ANOTHER = "Name another folder: make lab WORK=FOLDER, or cnnlib lab FOLDER"

# Programs on this machine alone can ask the server, whatever a reader's own settings say; and each needs the token of
# this start, unless those settings do without one (everybody on the machine can read a token on a command line).
GUARD = (
    "--ServerApp.ip=127.0.0.1", "--ServerApp.allow_remote_access=False", "--ServerApp.allow_origin=",
    "--ServerApp.allow_origin_pat=", "--ServerApp.disable_check_xsrf=True",
)  # fmt: skip


def parse_arguments(given=None):
    """Return what a command line asks for, and what is left for JupyterLab."""
    parser = argparse.ArgumentParser(
        prog="cnnlib", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lab = commands.add_parser("lab", help="open your copies of the chapters", epilog="Other options go to JupyterLab.")
    lab.add_argument("folder", nargs="?", type=Path, default=Path(FOLDER), help=f"of your copies ({FOLDER})")
    lab.add_argument("--open", default=FIRST, metavar="CHAPTER", help=f"the chapter to open ({FIRST})")
    lab.add_argument("--chapters", type=Path, help="folder of the course's own notebooks")
    lab.add_argument("--jupyter", help="the program that starts JupyterLab")
    book = commands.add_parser("book", help="write the chapters as pages")
    book.add_argument("folder", nargs="?", type=Path, default=Path("cnnlib-book"))
    commands.add_parser("doctor", help="say what works here, and what to change")
    wanted, rest = parser.parse_known_args(given)
    if rest and wanted.command != "lab":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return wanted, rest


def lab_command(folder, chapter, options=(), jupyter=None):
    """Return the command that opens a chapter of a folder in JupyterLab."""
    program = [jupyter, "lab"] if jupyter else [sys.executable, "-m", "jupyterlab"]
    return [*program, *GUARD, f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{chapter}.ipynb",
            *options]  # fmt: skip


def say(text):
    """Write a line, at once."""
    sys.stdout.write(printable(f"{text}\n"))
    sys.stdout.flush()


def lab(wanted, options):
    """Copy what is missing or new, say so, and become JupyterLab."""
    chapters, folder = wanted.chapters or find_chapters(), wanted.folder.expanduser()
    if not (chapters / f"{wanted.open}.ipynb").exists() and not (folder / f"{wanted.open}.ipynb").exists():
        names = ", ".join(path.stem for path in sorted(chapters.glob("*.ipynb")))
        raise ValueError(f"there is no chapter {wanted.open!r}. The chapters are {names}.")
    if wanted.jupyter is None and find_spec("jupyterlab") is None:
        raise ValueError("JupyterLab is not installed. Install it: pip install 'cnnlib[lab]'")
    try:
        for path in copy_chapters(chapters, folder):
            if not (chapters / path.relative_to(folder)).exists():
                say(f"A chapter that you changed has a new version. Yours stays; the new one is {path}.")
    except OSError as error:
        raise ValueError(f"your copies of the chapters cannot be written: {error}. {ANOTHER}") from None
    say(f"Opening {wanted.open}, in the folder {folder}. Leave JupyterLab with Ctrl-C.")
    command = lab_command(folder, wanted.open, options, wanted.jupyter)
    if os.name == "nt":  # where a program cannot become another one
        return subprocess.call(command)
    os.execvp(command[0], command)


def book(folder):
    """Write the book into a folder; return the exit status."""
    script = find_chapters().parent / "docs" / "book" / "book.py"
    if not script.exists():
        raise ValueError("this installation of cnnlib cannot write the book. Clone the repository, and say make book.")
    if find_spec("myst_nb") is None:
        raise ValueError("Sphinx is not installed. Install it: pip install 'cnnlib[book]'")
    return subprocess.call([sys.executable, str(script), str(folder)])


def main(given=None):
    """Do what a command line asks for; return the exit status."""
    wanted, options = parse_arguments(given)
    try:
        if wanted.command == "lab":
            return lab(wanted, options)
        if wanted.command == "book":
            return book(wanted.folder)
        return examine(sys.stdout)
    except (ValueError, OSError) as error:
        sys.stderr.write(printable(f"cnnlib: {error}\n"))
        return 1


if __name__ == "__main__":
    sys.exit(main())
