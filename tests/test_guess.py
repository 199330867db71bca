"""Guess cards: what was measured says which answer is right, and nothing gives it away before somebody asks."""

import math
import re

import pytest
from lab import chromium

from cnnlib.page import progress_file
from cnnlib.widgets import display, guess

ENDS = {"at once": lambda loss: loss < 1, "slowly": lambda loss: loss < 2.25, "not at all": lambda loss: loss >= 2.25}
SHARES = {"nearly 80 %": 80, "about 60 %": 60, "about 40 %": 40}
STEPS = {"soon": lambda step: step and step < 100, "never": lambda step: step is None}


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    """Write nothing to anybody's progress file."""
    monkeypatch.setattr(progress_file, "has_reader", lambda: False)


@pytest.mark.parametrize(
    ("options", "measured", "form", "answer", "said"),
    [
        (SHARES, 41.3, "{:.0f} %", 1, "You said about 60 %; it was 41 %."),
        (SHARES, 41.3, "{:.0f} %", 2, "You said about 40 %, and so it was: 41 %."),
        (ENDS, 2.3, "{:.2f}", 0, "You said at once; it was not at all (2.30)."),
        (ENDS, 1.5, "{:.2f}", 1, "You said slowly, and so it was: slowly (1.50)."),
        (ENDS, math.nan, "{:.2f}", 1, "You said slowly; it was none of these (nan)."),
        (STEPS, None, "{:.0f}", 0, "You said soon; it was never."),
        (["LeNet", "VGG"], {"LeNet": 1, "VGG": 2}, "{}", 0, "You said LeNet; it was VGG."),
        (["LeNet", "VGG"], {"LeNet": None, "VGG": 2}, "{}", 0, "You said LeNet, and so it was."),
        (["8", "20"], {8: 0.5, 20: 0.7}, "{}", 1, "You said 20, and so it was."),
        (["yes", "no"], "no", "{}", 0, "You said yes; it was no."),
        ((0, 1), 0.55, "{:.2f}", 0.3, "You said 0.30; it was 0.55."),
    ],
)
def test_what_was_measured_says_which_answer_is_right(options, measured, form, answer, said):
    asked = guess("?", options, form)
    shown = asked.reveal(measured, "Because.")
    assert shown.right is None and "You said" not in repr(shown)
    asked._set(answer)
    assert repr(shown) == f"{said} Because."
    assert said in shown._result()


def test_the_least_may_be_asked_for():
    losses = {"8": 0.5, "20": 0.7, "56": 1.1}
    assert guess("?", list(losses)).reveal(losses, pick=min).outcome == "8"


def test_bars_are_in_proportion_and_none_stands_for_never():
    asked = guess("?", ["a", "b", "c"], "{:.0f} steps")
    html = asked.reveal({"a": 200, "b": None, "c": 50})._result()
    assert re.findall(r"width:([\d.]+)%", html) == ["100.0", "100.0", "25.0"] and ">never<" in html
    scale = guess("?", (10, 20))
    scale._set(15)
    assert re.findall(r"width:([\d.]+)%", scale.reveal(12.5)._result()) == ["50.0", "25.0"]


@pytest.mark.parametrize("sent", [-1, 2, 0.5, True, "0", None, [0], math.nan, 10**30])
def test_what_is_no_answer_changes_nothing(sent):
    asked = guess("?", ["a", "b"])
    asked._set(sent)
    assert asked.answer is None


def test_a_number_stays_on_its_scale():
    asked = guess("?", (0, 1))
    asked._set(7)
    assert asked.answer == 1.0
    html, live = asked._static()[0]["text/html"], asked.card()
    assert "0 … 1: write your guess down" in html and 'type="range"' not in html and 'type="range"' in live


def test_a_result_names_the_options():
    with pytest.raises(ValueError, match="must name the options"):
        guess("?", ["a", "b"]).reveal({"a": 1})
    with pytest.raises(TypeError, match="numbers"):
        guess("?", ["a", "b"]).reveal({"a": 1, "b": "2"})


def test_all_cards_of_a_question_follow_an_answer(monkeypatch):
    monkeypatch.setattr(display, "kernel", lambda: object())
    asked = guess("?", (0, 1))
    shown = asked.reveal(0.5)
    for part in (asked, shown):
        part._repr_mimebundle_()
    below, above = shown._widget.children[0], asked._widget.children[0]
    below.chosen = 0.25
    assert above.chosen == 0.25 and above.note == "Noted: 0.25." and "You said 0.25" in below.result
    asked._set(0.5)
    assert "You said 0.5; it was 0.5." in below.result


@pytest.mark.thorough
def test_a_stored_page_spoils_nothing_and_takes_an_answer(tmp_path):
    """Without a script or a kernel: the answer is folded, and what one said is set beside it."""
    asked = guess("How many?", SHARES, "{:.0f} %")
    cards = [
        asked._repr_mimebundle_()[0]["text/html"],
        asked.reveal(41.3, "Because.")._repr_mimebundle_()[0]["text/html"],
    ]
    (tmp_path / "page.html").write_text(f"<meta charset='utf-8'>{''.join(cards)}", encoding="utf-8")
    with chromium() as page:
        page.goto((tmp_path / "page.html").as_uri())
        assert not page.get_by_text("41 %").first.is_visible()
        page.get_by_text("Show the answer").click()
        assert page.get_by_text("Answer: 41 %.", exact=True).is_visible()
        page.get_by_label("about 60 %").nth(0).check()  # on the question's own card
        assert page.get_by_text("You said about 60 %; it was 41 %.").is_visible()
        assert not page.get_by_text("Answer: 41 %.", exact=True).is_visible()
        assert page.get_by_text("you said", exact=True).nth(1).is_visible()
        page.get_by_label("about 40 %").nth(1).check()
        assert page.get_by_text("You said about 40 %, and so it was: 41 %.").is_visible()
        assert not page.get_by_text("You said about 60 %; it was 41 %.").is_visible()
        size = "element => parseFloat(getComputedStyle(element).fontSize)"
        assert page.locator("label").first.evaluate(size) >= 15
        assert page.locator("label").first.bounding_box()["height"] >= 40
