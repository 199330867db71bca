"""Text from elsewhere (names, file names, error messages, contents of files), escaped for a page.

Whatever it holds, it shows as text: it adds no element, no link and no code to HTML, SVG, Markdown or a chart.
"""

import codecs
import html
import re
import sys

ELLIPSIS = "…"
LONGEST = 2000  # characters of a message

# control characters, marks that change the direction of writing, lone surrogates
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_MARKUP = re.compile(r"[&<>\[\]|`*_\\~$]")
_CODE = re.compile(r"(?<!`)(?P<fence>`+)(?!`)(?P<code>[^\n]*?[^`\n])(?P=fence)(?!`)")
_HTML = re.compile(r"[&<>\[\]`\\]")


# for an output that lacks a character: a Windows terminal, a file in ASCII
STAND_INS = {
    "✔": "[x]", "✓": "[x]", "✘": "[ ]", "✗": "[ ]", "○": "[ ]", "−": "-", "–": "-", "—": "-", "…": "...", "±": "+/-",
    "×": "x", "·": "*", "→": "->", "≤": "<=", "≥": ">=", "≈": "~", "⌊": "floor(", "⌋": ")", "“": '"', "”": '"',
    "’": "'",
}  # fmt: skip


def printable(text):
    """Return a text in characters that standard output supports, so that a `repr` can always be printed."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "cnnlib.stand_in").decode(encoding)


def _stand_in(error):
    return "".join(STAND_INS.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("cnnlib.stand_in", _stand_in)


def clean(text, longest=LONGEST):
    """Return a text without control and direction characters, truncated if too long; line breaks stay."""
    text = _UNSEEN.sub("", str(text))
    return text if len(text) <= longest else text[: longest - 1] + ELLIPSIS


def one_line(text, longest=LONGEST):
    """Return a text as one clean line with single spaces, truncated if too long."""
    return clean(" ".join(_UNSEEN.sub("", str(text)).split()), longest)


def html_text(text, longest=LONGEST):
    """Return HTML, or SVG, that shows a text as it is."""
    return html.escape(clean(text, longest))


def markdown_text(text, longest=LONGEST):
    """Return Markdown that shows a text as it is, on one line, in a cell of a table as well."""
    return _MARKUP.sub(_entity, one_line(text, longest))


def inert_markdown(text, longest=LONGEST):
    """Return Markdown without HTML and links, on one line, of a text that mixes ours with text from elsewhere.

    Emphasis and `code` stay what they are. An unmatched back quote stays as it is.
    """
    parts, end, text = [], 0, one_line(text, longest)
    for found in _CODE.finditer(text):
        code = _MARKUP.sub(_entity, found["code"].strip(" ") or " ")
        parts += [_HTML.sub(_entity, text[end : found.start()]), f"<code>{code}</code>"]
        end = found.end()
    return "".join(parts) + _HTML.sub(_entity, text[end:])


def _entity(found):
    return f"&#{ord(found[0])};"
