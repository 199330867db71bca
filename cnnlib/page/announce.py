"""Whether a reader is there, and ARIA announcements for screen readers."""

from cnnlib.page import frontend
from cnnlib.page.escape import html_text

# legible on a dark page as well
ALERT = "color:#b00020;background:white;padding:.2em .5em;font-size:1.1em"


def has_reader():
    """Return whether a reader has this notebook open; a program that only executes it does not count.

    CNNLIB_LIVE=0 or 1 decides otherwise, as it does for controls.
    """
    return frontend.is_live()


def announced(markdown):
    """Return Markdown that a screen reader announces when it appears; unchanged where there is no reader."""
    return f'<div role="status">\n\n{markdown}\n\n</div>' if has_reader() else markdown


def alert(trouble):
    """Return HTML that a screen reader announces at once: something went wrong.

    `trouble` is a text or an exception, whose class is named unless it is a ValueError. It is escaped.
    """
    named = isinstance(trouble, Exception) and not isinstance(trouble, ValueError)
    text = f"{type(trouble).__name__}: {trouble}" if named else str(trouble)
    return f"<div role='alert' style='{ALERT}'>{html_text(text)}</div>"
