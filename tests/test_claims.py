"""A claim prints what was measured, its bound and its verdict. In the closing table every claim of the articles has its
verdict and its ground, and the cell that it names is there and shows it.
"""

import re

import pytest
import torch
from chapter_pages import ROOT, cells_of
from nbval.plugin import get_sanitize_patterns

from cnnlib.course.claims import (
    CHOSEN,
    VERDICTS,
    chosen_claims,
    claim,
    claims_page,
    claims_table,
    count_claims,
    load_claims,
)

CLAIMS = load_claims()
SHOWN = [one for one in CLAIMS if one["chapter"]]


LINES = [
    (("lower at 56 layers by", [0.89, 0.97, 1.04]), {"over": 0.6},
     "lower at 56 layers by 0.89 0.97 1.04, over 0.6 in each seed: True"),
    (("lower by", [0.5, 0.7]), {"over": 0.6}, "lower by 0.5 0.7, over 0.6 in each seed: False"),
    (("lower by", [0.6]), {"over": 0.6}, "lower by 0.6, over 0.6: False"),
    (("loss", torch.tensor(0.12345)), {"under": 1}, "loss 0.123, under 1: True"),
    (("grows by", torch.tensor([1234.5, 2e8])), {"over": 1e3, "each": "layer"},
     "grows by 1,234 2e+08, over 1,000 in each layer: True"),
    (("ratio", [0.5, float("nan")]), {"over": 0, "under": 1}, "ratio 0.5 nan, between 0 and 1 in each seed: False"),
    (("slope", [-float("inf"), -1e-05]), {"under": 0}, "slope -inf -1e-05, under 0 in each seed: True"),
    (("higher by", (0.03, 0.05)), {"over": 0.02, "mean": True},
     "higher by 0.04 ± 0.0141 (n = 2), over 0.02: True"),
    (("higher by", [0.03]), {"over": 0.02, "mean": True}, "higher by 0.03, over 0.02: True"),
]  # fmt: skip


@pytest.mark.parametrize("given, bounds, line", LINES)
def test_a_claim_prints_its_size(capsys, given, bounds, line):
    claim(*given, **bounds)
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize("words, line", [(given[0], line) for given, _, line in LINES])
def test_nbval_leaves_out_what_was_measured_and_nothing_else(words, line):
    """As nbval reads the file and uses it: a bound, a verdict, words and how many seeds there were are compared."""
    ((pattern, instead),) = get_sanitize_patterns((ROOT / "tests" / "nbval.cfg").read_text())
    text = f"before 1 2, 3\n{line}\nplain line 0.5: True\n"
    rest = re.search(r"( \(n = \d+\))?, (over|under|between).*", line)[0]
    assert re.sub(pattern, instead, text) == text.replace(line, f"{words} …{rest}")


@pytest.mark.parametrize("given, bounds", [
    (("lower by", [1.0]), {}), (("lower by", []), {"over": 1}), (("lower at 56", [1.0]), {"over": 1}),
])  # fmt: skip
def test_a_claim_that_says_nothing(given, bounds):
    with pytest.raises(ValueError, match="a claim needs words.*at least one number, and a bound"):
        claim(*given, **bounds)


def test_every_claim_is_judged():
    assert {one["verdict"] for one in CLAIMS} == set(VERDICTS)
    assert [one["article"] for one in CLAIMS] == sorted(one["article"] for one in CLAIMS)
    for one in CLAIMS:
        assert one["claim"] and None not in one.values()
        assert one["because"] or one["verdict"] == "holds", "a verdict with a but needs its ground"
        if not one["chapter"]:
            assert one["because"] and not one["cell"] and not one["section"], "what no cell shows needs it in words"


@pytest.mark.parametrize("chapter", sorted({one["chapter"] for one in SHOWN}))
def test_the_cell_that_shows_it_is_there(chapter):
    for one in SHOWN:
        if one["chapter"] == chapter:
            cells = cells_of(int(chapter[:2]))
            places = [section for section, cell in cells if cell.cell_type == "code" and one["cell"] in cell.source]
            assert places == [one["section"]], one


def test_tables():
    counts = count_claims()
    assert sum(int(cell) for cell in counts.rows[-1][1:]) == len(CLAIMS)
    assert len(claims_table().rows) == len(CLAIMS)
    parts = len(claims_table("wrong", "misleading").rows) + len(claims_table("holds", "holds with care").rows)
    assert parts == len(CLAIMS)
    with pytest.raises(ValueError, match="'holds'.*got 'true'"):
        claims_table("true")


def test_the_chapter_shows_twenty():
    """Each choice picks one claim, and those of every article and verdict are among them."""
    found = [[c for c in CLAIMS if c["article"] == a and c["claim"].startswith(words)] for a, words in CHOSEN]
    assert [len(one) for one in found] == [1] * 20
    shown = chosen_claims().rows
    assert len(shown) == 20 and {row[0] for row in shown} == set("ABCD") and {row[2] for row in shown} == set(VERDICTS)


def test_the_appendix_is_up_to_date():
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert page == claims_page(), "run: python tools/claims_page.py"
    assert page.count("\n| ") == len(CLAIMS) + 7 + 4 * 2, "a row each, the counts, and the head of each article"
