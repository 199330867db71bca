"""The script and the style of a widget, which stand in files of their own beside its module."""

from pathlib import Path


def script_and_style(module):
    """Return the texts of the files `.js` and `.css` beside a module's file, as anywidget takes them.

    Of a path it would keep every widget alive, to send it what changes in the file.
    """
    return tuple(Path(module).with_suffix(ending).read_text(encoding="utf-8") for ending in (".js", ".css"))
