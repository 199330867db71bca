"""The claims of the four articles that the course began with: what became of each, and where it is shown."""

import csv
from collections import Counter
from pathlib import Path

from cnnlib.page.table import Table

FILE = Path(__file__).parent / "claims.csv"
VERDICTS = ("holds", "holds with care", "misleading", "wrong")


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
    rows = [
        [c["article"], c["claim"], c["verdict"], c["because"], c["section"] or "–"]
        for c in load_claims()
        if c["verdict"] in (verdicts or VERDICTS)
    ]
    return Table(["", "claim", "verdict", "because", "shown in"], rows, left=5)


def count_claims():
    """Return how many claims of each article have which verdict, as a Table."""
    counts = Counter((c["article"], c["verdict"]) for c in load_claims())
    articles = sorted({article for article, _ in counts})
    rows = [[a, *[str(counts[a, v]) for v in VERDICTS]] for a in articles]
    rows.append(["all", *[str(sum(counts[a, v] for a in articles)) for v in VERDICTS]])
    return Table(["article", *VERDICTS], rows)
