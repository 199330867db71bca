"""The card of a guess as HTML and CSS, on a page with a kernel and on one without."""

import math
import zlib

import anywidget
import traitlets

from cnnlib.page.escape import html_text
from cnnlib.widgets.page_script import script_and_style

SCRIPT, STYLE = script_and_style(__file__)
MOST = 6  # options: as many as the rules in guess_card.css show an answer for


class GuessCard(anywidget.AnyWidget):
    """A card on a page with a kernel.

    Attributes
    ----------
    html, note : str
        The card, and what stands below the answers.
    result : str
        What takes the place of its folded part; nothing if empty.
    chosen : number or None
        The number of the chosen answer, or the place on the scale.
    """

    _esm, _css = SCRIPT, STYLE
    html = traitlets.Unicode().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    result = traitlets.Unicode().tag(sync=True)
    chosen = traitlets.Any().tag(sync=True)


def static_card(card, question, count):
    """Return a card for a page without a kernel, with its CSS: what is chosen of `count` options on one of the cards
    of a question holds on the others as well.
    """
    group, css = _group(question), STYLE
    for i in range(count):
        here = f"body:has([name={group}][value='{i}']:checked) .{group}"
        css += (
            f"{here} span.cnnlib-said-{i} {{ display: inline; }} {here} div.cnnlib-said-{i} {{ display: table-row; }}\n"
        )
    css += f"body:has([name={group}]:checked) .{group} .cnnlib-said {{ display: none; }}\n" if count else ""
    return f"<style>{css}</style>{card}"


def _group(question):
    """Return the name that the buttons of a question have in common."""
    return f"guess-{zlib.crc32(question.encode('utf-8', 'replace')):08x}"


def card_html(question, field, result=None):
    """Return a card: the question, the field to answer it, and a folded result if there is one."""
    folded = "" if result is None else f"<details><summary>Show the answer</summary><div>{result}</div></details>"
    return (
        f'<div class="cnnlib-card {_group(question)}"><p><b>Predict first.</b> {html_text(question)}</p>{field}'
        f'<div class="cnnlib-note" role="status"></div>{folded}</div>'
    )


def options_html(question, options):
    """Return a field of buttons, of which one is chosen."""
    buttons = "".join(
        f'<label><input type="radio" name="{_group(question)}" value="{i}"> {html_text(option)}</label>'
        for i, option in enumerate(options)
    )
    role = 'role="radiogroup" aria-label="your guess"'
    return f'<div class="cnnlib-options widget-radio-box" {role}>{buttons}</div>'


def scale_html(low, high, ends, live):
    """Return a field to choose a number; `ends` are the words for it until one is chosen. Without a kernel nobody
    answers a slider."""
    if not live:
        return f'<div class="cnnlib-options">{html_text(ends)}: write your guess down.</div>'
    return (
        f'<div class="cnnlib-options"><input type="range" aria-label="your guess" min="{low}" max="{high}" '
        f'step="{(high - low) / 100}"><output>{html_text(ends)}</output></div>'
    )


def result_html(said, answers, rows, because, limits=None):
    """Return the folded part of a card: what came out, as bars as well, and why.

    Parameters
    ----------
    said : str
        What came out, where nothing was chosen, or the sentence for what was.
    answers : list of str
        The sentence for each option, of which CSS shows that of the option that is chosen.
    rows : list of (str, float or None, str, str)
        Of each bar its name, value, words and class; None is a value that was never reached.
    because : str
    limits : (low, high), optional
        Of the bars; 0 and the largest value if left out.
    """
    parts = [f'<span class="cnnlib-said">{html_text(said)}</span>']
    parts += [f'<span class="cnnlib-said-{i}" hidden>{html_text(answer)}</span>' for i, answer in enumerate(answers)]
    why = f"<p>{html_text(because)}</p>" if because else ""
    return f'<p role="status">{"".join(parts)}</p>{_bars(rows, limits)}{why}'


def _bars(rows, limits):
    numbers = [value for _, value, _, _ in rows if value is not None and math.isfinite(value)]
    low, high = limits or (min([0, *numbers]), max([0, *numbers]))
    html = []
    for name, value, words, kind in rows:
        share = 1.0 if value is None or not math.isfinite(value) else (value - low) / ((high - low) or 1)
        kind, hidden = f"{kind}{' cnnlib-never' * (value is None)}", " hidden" * kind.startswith("cnnlib-said")
        html.append(
            f'<div class="{kind}"{hidden}><span>{html_text(name)}</span><span><i style="width:{share:.1%}"></i>'
            f"</span><span>{html_text(words)}</span></div>"
        )
    return f'<div class="cnnlib-bars">{"".join(html)}</div>' if html else ""
