"""Claims: the line that a cell prints to check one of its own, and those of the four articles that the course began
with: what became of each, and where it is shown.
"""

import csv
import statistics
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from cnnlib.page.escape import printable
from cnnlib.page.table import Table
from cnnlib.validation import Bool, Number, Text, arguments, in_words

FILE = Path(__file__).parent / "claims.csv"
VERDICTS = ("holds", "holds with care", "misleading", "wrong")
# the claims that teach most, by article and their first words: chapter 6 shows these, the appendix all of them
CHOSEN = (
    ("A", "Every convolution makes the feature maps smaller"),
    ("A", "After flattening, the dense layers output the probability"),
    ("A", "With ReLU gradients neither vanish nor explode"),
    ("A", "It solves vanishing gradients"),
    ("A", "Plain stacking: the functions of the deeper network"),
    ("A", "∂y/∂x = 1 + ∂F/∂x, hence"),
    ("A", "The term ∂L/∂y means that gradient reaches"),
    ("A", "Even if ∂F/∂x is very small, the total gradient stays"),
    ("A", "∂L/∂x_l = ∂L/∂x_L (1 + Σ ∂F(x_i)/∂x_i)"),
    ("A", "Every layer gets reasonable updates"),
    ("B", "This is not overfitting, where training loss keeps falling"),
    ("B", "By the data processing inequality"),
    ("B", "Even if ∂F/∂x ≈ 0, the +1 guarantees"),
    ("B", "So at the start F(x) ≈ 0"),
    ("C", "They limit what the network can express"),
    ("C", "First layer: W1 x + b1"),
    ("C", "A sigmoid makes sure that the output is in [0, 1]"),
    ("C", "The gradient norm with shortcut is larger than without"),
    ("C", "A larger gradient does not mean better learning"),
    ("D", "It reduces internal covariate shift"),
)
PAGE = """# Appendix: every claim of the four articles, and its verdict

The course began with four articles on classic convolutional networks, A to D, which chapter 6 names among its sources.
Each of their claims stands here in their order and in our words, with what became of it, why, and the section whose
cell shows it. This page is made from `cnnlib/course/claims.csv` by `python tools/claims_page.py`.
"""


@arguments(words=Text(), over=Number(), under=Number(), mean=Bool(), each=Text())
def claim(words, measured, *, over=None, under=None, mean=False, each="seed"):
    """Print in one line a claim, what was measured, the bound, and whether it holds.

    The words, the bound and the verdict must come out alike wherever the cell runs; what was measured need not
    (`tests/nbval.cfg` leaves it out).

    Parameters
    ----------
    words : str
        What was measured, up to the numbers: "residual lower at 56 layers by". They do not end in a number.
    measured : float or iterable of float
        One number, or one for each seed.
    over, under : float, optional
        The bounds; at least one. A number that equals its bound is not within it.
    mean : bool
        Whether the claim is about the mean; it is printed with the standard deviation and how many numbers there are.
    each : str
        What each number belongs to.

    Raises
    ------
    ValueError
        If there is no bound or no number, or the words end in a digit.
    TypeError
        If what was measured is something else than numbers.

    Examples
    --------
    >>> claim("residual lower at 56 layers by", [0.89, 0.97, 1.04], over=0.6)
    residual lower at 56 layers by 0.89 0.97 1.04, over 0.6 in each seed: True
    >>> claim("batch norm higher by", [0.03, 0.05], over=0, under=0.2, mean=True)
    batch norm higher by 0.04 ± 0.0141 (n = 2), between 0 and 0.2: True
    """
    try:
        values = [float(value) for value in (measured if np.ndim(measured) else [measured])]
    except (TypeError, ValueError):
        raise TypeError(f"measured must be a number, or one for each {each}, got {in_words(measured)}.") from None
    if (over is None and under is None) or not values or words[-1:].isdigit():
        raise ValueError(
            "a claim needs words that do not end in a digit, at least one number, and a bound: over=, under=, or both."
        )
    judged, shown = values, " ".join(map(_short, values))
    where = f" in each {each}" if len(values) > 1 and not mean else ""
    if mean and len(values) > 1:
        judged = [statistics.mean(values)]
        shown = f"{_short(judged[0])} ± {_short(statistics.stdev(values))} (n = {len(values)})"
    bound = f"between {_short(over)} and {_short(under)}" if None not in (over, under) else ""
    bound = bound or (f"over {_short(over)}" if under is None else f"under {_short(under)}")
    holds = all((over is None or value > over) and (under is None or value < under) for value in judged)
    sys.stdout.write(printable(f"{words} {shown}, {bound}{where}: {holds}\n"))


def _short(value):
    """Return a number with three digits that count, and no exponent where it can be read without."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def load_claims():
    """Return the claims in the order of the articles.

    Returns
    -------
    list of dict
        `article` (A to D), `claim`, `verdict` (one of VERDICTS), `because`, and where a cell shows it: `chapter`
        (a notebook's name), `section`, `cell` (words that stand in that cell alone); empty where none does.
    """
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def claims_table(*verdicts):
    """Return the claims with one of these verdicts as a Table; all of them if none is named.

    Raises
    ------
    ValueError
        If there is no such verdict.
    """
    for verdict in verdicts:
        if verdict not in VERDICTS:
            raise ValueError(f"a verdict must be one of {', '.join(map(repr, VERDICTS))}, got {verdict!r}.")
    return _table(c for c in load_claims() if c["verdict"] in (verdicts or VERDICTS))


def chosen_claims():
    """Return the claims that teach most as a Table."""
    return _table(c for c in load_claims() if any(c["article"] == a and c["claim"].startswith(w) for a, w in CHOSEN))


def _table(claims):
    rows = [[c["article"], c["claim"], c["verdict"], c["because"], c["section"] or "–"] for c in claims]
    return Table(["", "claim", "verdict", "because", "shown in"], rows, left=5)


def claims_page():
    """Return the appendix, every claim by its article, as Markdown."""
    parts = [PAGE, count_claims()._repr_markdown_(), ""]
    for article in sorted({c["article"] for c in load_claims()}):
        table = _table(c for c in load_claims() if c["article"] == article)
        narrow = Table(table.head[1:], [row[1:] for row in table.rows], left=4)
        parts += [f"## Article {article}", "", narrow._repr_markdown_(), ""]
    return "\n".join(parts)


def count_claims():
    """Return how many claims of each article have which verdict, as a Table."""
    counts = Counter((c["article"], c["verdict"]) for c in load_claims())
    articles = sorted({article for article, _ in counts})
    rows = [[a, *[str(counts[a, v]) for v in VERDICTS]] for a in articles]
    rows.append(["all", *[str(sum(counts[a, v] for a in articles)) for v in VERDICTS]])
    return Table(["article", *VERDICTS], rows)
