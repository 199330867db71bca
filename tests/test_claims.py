"""The closing table: every claim has its verdict and its ground, and the cell that it names is there and shows it."""

import re
from pathlib import Path

import nbformat
import pytest

from cnnlib.course.claims import VERDICTS, claims_table, count_claims, load_claims

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CLAIMS = load_claims()
SHOWN = [claim for claim in CLAIMS if claim["chapter"]]


def cells_of_sections(chapter):
    """Return the sources of a chapter's code cells under the number of their section."""
    cells, number = {}, ""
    for cell in nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^## (\d+\.\d+) ", cell.source, re.MULTILINE)
            number = headings[-1] if headings else number
        else:
            cells.setdefault(number, []).append(cell.source)
    return cells


def test_every_claim_is_judged():
    assert {claim["verdict"] for claim in CLAIMS} == set(VERDICTS)
    assert [claim["article"] for claim in CLAIMS] == sorted(claim["article"] for claim in CLAIMS)
    for claim in CLAIMS:
        assert claim["claim"] and None not in claim.values()
        assert claim["because"] or claim["verdict"] == "holds", "a verdict with a but needs its ground"


@pytest.mark.parametrize("chapter", sorted({claim["chapter"] for claim in SHOWN}))
def test_the_cell_that_shows_it_is_there(chapter):
    sections = cells_of_sections(chapter)
    for claim in SHOWN:
        if claim["chapter"] == chapter:
            places = [number for number, sources in sections.items() for s in sources if claim["cell"] in s]
            assert places == [claim["section"]], claim


def test_what_no_cell_shows_has_its_ground_in_words():
    for claim in CLAIMS:
        if not claim["chapter"]:
            assert claim["because"] and not claim["cell"] and not claim["section"]


def test_tables():
    counts = count_claims()
    assert sum(int(cell) for cell in counts.rows[-1][1:]) == len(CLAIMS)
    assert len(claims_table().rows) == len(CLAIMS)
    parts = len(claims_table("wrong", "misleading").rows) + len(claims_table("holds", "holds with care").rows)
    assert parts == len(CLAIMS)
    with pytest.raises(ValueError, match="'holds'.*got 'true'"):
        claims_table("true")
