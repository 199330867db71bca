"""Progress: kept for a reader, in a file that two kernels, a full disk and a foreign hand cannot spoil."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chapter_pages import CHAPTERS as PAGES

from cnnlib.exercises import lenet, progress, vgg
from cnnlib.exercises.core import COLOURS, Exercise, exercise
from cnnlib.exercises.progress import CHAPTERS
from cnnlib.figures.style import contrast
from cnnlib.page import announce as reader
from cnnlib.page import progress_file
from cnnlib.page import storage as shared_file
from cnnlib.widgets import display, exercise_help, guess


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Let every test begin with nothing noted and nothing said."""
    for name, value in (("_waiting", []), ("_remarks", []), ("_warned", False)):
        monkeypatch.setattr(progress_file, name, value)
    for value in (e for e in vars(lenet).values() if isinstance(e, Exercise)):
        monkeypatch.setattr(value, "_hints_given", 0)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Put a reader in front of the page; return the path of their file."""
    path = tmp_path / "mine" / "progress.json"
    monkeypatch.setenv("CNNLIB_PROGRESS", str(path))
    monkeypatch.setenv("CNNLIB_LIVE", "1")
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/01_lenet.ipynb")
    monkeypatch.setattr(reader.frontend, "kernel", lambda: object())
    monkeypatch.setattr(display, "kernel", lambda: object())
    return path


def kept(path):
    return json.loads(path.read_text(encoding="utf-8"))


def entry(path, name="output_size", chapter="lenet"):
    return kept(path)["exercises"][chapter][name]


# --- exercises ---


def test_tries_are_counted_up_to_the_first_right_answer(path):
    for answer in (54, 56, ..., 55):
        lenet.output_size.check(answer)
    first = entry(path)
    assert (first["tier"], first["tries"]) == ("recall", 3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", first["solved"])
    lenet.output_size.check(55)
    lenet.output_size.check(56)
    assert entry(path) == first


def test_help_counts_if_it_came_before(path):
    lenet.output_size.hint()
    lenet.output_size.check(55)
    lenet.output_size.hint()
    lenet.output_size.solution()
    assert entry(path)["hints"] == 1 and entry(path)["solution"] is False
    vgg.block.solution()
    assert entry(path, "block", "vgg")["solution"] is True and entry(path, "block", "vgg")["solved"] is None


def test_a_verdict_is_spoken_where_a_reader_is(path, monkeypatch):
    verdict = lenet.output_size.check(55)
    assert re.match(r'<div role="status">\n\n<span style="[^"]*">\*\*✔ Right.\*\*</span>', verdict._repr_markdown_())
    monkeypatch.setenv("CNNLIB_LIVE", "0")
    assert verdict._repr_markdown_() == "**✔ Right.**"


@pytest.mark.parametrize("colour", COLOURS.values())
def test_a_verdict_stands_out_from_its_colour(colour):
    """White on it has a contrast of at least 4.5 (WCAG 2, 1.4.3), whatever the page's theme."""
    assert contrast(colour, "#ffffff") >= 4.5


def test_buttons_give_hints_and_the_solution_where_a_reader_is(path, monkeypatch):
    for shown in (lenet.conv2d, lenet.conv2d.check(...), lenet.conv2d.check(0)):
        bundle = exercise_help.bundle_with_buttons(shown)
        assert bundle["text/plain"] == repr(shown) and bundle["text/markdown"] == shown._repr_markdown_()
    box = exercise_help.help_for(lenet.conv2d, {})
    hint, solution = box.children[1].children
    for _ in lenet.conv2d.hints:
        assert not hint.disabled
        hint.click()
    solution.click()
    assert hint.disabled and solution.disabled
    said = [output["data"]["text/plain"] for output in box.children[2].outputs]
    assert said == [*(f"Hint {i} of 2. {text}" for i, text in enumerate(lenet.conv2d.hints, 1)),
                    repr(lenet.conv2d.solution())]  # fmt: skip
    assert entry(path, "conv2d")["hints"] == 2 and entry(path, "conv2d")["solution"] is True
    assert exercise_help.bundle_with_buttons(lenet.output_size.check(55)) is None
    monkeypatch.setenv("CNNLIB_LIVE", "0")
    assert exercise_help.bundle_with_buttons(lenet.conv2d) is None


def test_what_leaves_no_trace(path):
    mine = exercise("recall", question="?", hints=("a", "b"), check=lambda answer, solve: None)(lambda: 0)
    mine.check(0)
    mine.hint()
    lenet.output_size.check()
    lenet.output_size.check(...)
    guess("How many?", ["one", "two"]).reveal("two")
    assert not path.exists()


# --- guesses ---


def test_the_first_guess_that_meets_its_outcome_stays(path):
    g = guess("How many?", ["one", "two"])
    for answer in (1, 0):
        g._set(answer)
    assert kept(path)["guesses"]["How many?"]["guess"] == "one"
    g.reveal("two")
    g._set(1)
    g.reveal("two")
    noted = kept(path)["guesses"]["How many?"]
    assert noted.pop("when") and noted == {"chapter": "01_lenet", "guess": "one", "outcome": "two", "right": False}


def test_how_near_a_number_was(path):
    g = guess("How much?", (0, 1))
    g._set(0.25)
    g.reveal(0.75)
    assert kept(path)["guesses"]["How much?"]["off_by"] == 0.5
    assert "You said 0.25: it was 0.75, off by 0.5." in repr(progress(1))


def test_without_a_guess_nothing_is_noted(path):
    g = guess("How many?", ["one", "two"])
    g.reveal("two")
    assert not path.exists()
    g._set(0)  # after the experiment
    assert kept(path)["guesses"]["How many?"]["right"] is False


# --- nobody there ---


def test_nothing_is_written_where_nobody_is(path, monkeypatch):
    monkeypatch.delenv("CNNLIB_LIVE")
    monkeypatch.delenv("JPY_SESSION_NAME")  # as under nbval, nbconvert and refresh.py
    assert lenet.output_size.check(55).passed
    lenet.output_size.hint()
    lenet.output_size.solution()
    assert not path.parent.exists()
    monkeypatch.setenv("JPY_SESSION_NAME", "01_lenet.ipynb")
    monkeypatch.setattr(reader.frontend, "kernel", lambda: None)  # a script that a notebook started
    lenet.output_size.check(55)
    assert not path.parent.exists()


def test_off_keeps_nothing(path, monkeypatch):
    monkeypatch.setenv("CNNLIB_PROGRESS", " OFF ")
    monkeypatch.chdir(path.parents[1])
    lenet.output_size.check(55)
    assert os.listdir() == []
    assert "CNNLIB_PROGRESS=off" in repr(progress()) and "solved 2" not in repr(progress())


# --- the file ---


WRITER = """
import os, sys
from cnnlib.page import progress_file
from cnnlib.page import announce as reader
reader.frontend.kernel = lambda: object()
for number in range(40):
    progress_file.judged("lenet", sys.argv[1] + str(number), "recall", True)
    progress_file.judged("lenet", "shared", "recall", False)
assert not progress_file.remark()
"""


@pytest.mark.thorough
def test_two_kernels_at_once_lose_nothing(path):
    command = [sys.executable, "-c", WRITER]
    running = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [process.wait(60) for process in running] == [0, 0]
    exercises = kept(path)["exercises"]["lenet"]
    assert exercises["shared"]["tries"] == 80 and len(exercises) == 81
    assert {p.name for p in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


def test_a_lock_that_is_held_for_too_long(path, monkeypatch):
    monkeypatch.setattr(shared_file, "PATIENCE", 0.05)
    lenet.output_size.check(54)
    with shared_file.locked(path):
        verdict = lenet.output_size.check(54)
        assert verdict.passed is False and "another program" in verdict.aside
    lenet.output_size.check(55)
    assert entry(path)["tries"] == 3, "what had to wait was lost"


HEADER = b'{"format": "cnnlib progress, 1", "exercises": '
DAMAGED = [
    b"{", b"[]", b"null", b'"cnnlib"', b"\x00\x01", b"\xff\xfe\x80", b'{"my thesis": 1}', b"[" * 100_000,
    b'{"format": "cnnlib progress, 2", "exercises": {}, "guesses": {}}',
    HEADER + b'{"lenet": {"output_size": {"tries": "3"}}}, "guesses": {}}', HEADER + b'{"lenet": []}, "guesses": {}}',
    HEADER + b'{}, "guesses": {"?": {"chapter": 1}}}', HEADER + b"{}}",
]  # fmt: skip


@pytest.mark.parametrize("damaged", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_or_foreign_file_is_set_aside(path, damaged):
    path.parent.mkdir()
    path.write_bytes(damaged)
    assert "cannot be read" in repr(progress("01")) and path.read_bytes() == damaged, "a look changes nothing"
    lenet.output_size.hint()  # swallows nothing of what is to be said
    verdict = lenet.output_size.check(55)
    aside = path.with_name("progress.json.aside-1")
    assert verdict.passed and str(aside) in repr(verdict) and aside.read_bytes() == damaged
    assert entry(path)["tries"] == 1
    assert not lenet.output_size.check(54).aside, "said once"
    path.write_text("another")
    lenet.output_size.check(55)
    assert path.with_name("progress.json.aside-2").read_text() == "another" and aside.read_bytes() == damaged


def test_an_empty_file_is_as_good_as_none(path):
    path.parent.mkdir()
    path.touch()
    assert not lenet.output_size.check(55).aside and entry(path)["solved"]


def test_what_else_is_in_the_file_stays(path):
    lenet.output_size.check(54)
    known = kept(path)
    known["note"] = known["exercises"]["lenet"]["output_size"]["mine"] = "ä"
    path.write_text(json.dumps(known))
    lenet.output_size.check(55)
    assert kept(path)["note"] == entry(path)["mine"] == "ä" and "ä" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing_is_mentioned_once_and_loses_nothing(path, monkeypatch, number):
    def fail(*args, **options):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(shared_file.os, "fsync", fail)
        verdict = lenet.output_size.check(54)
        assert verdict.passed is False and "not kept" in verdict.aside and os.strerror(number) in verdict.aside
        assert "CNNLIB_PROGRESS" in verdict.aside and "\n" not in repr(verdict)
        assert not lenet.output_size.check(55).aside
        assert "1 of 11 solved" in repr(progress("01")), "it is known as long as the kernel runs"
        assert not path.exists()
    lenet.shape_at_flatten.check(0)
    assert entry(path)["tries"] == 2 and entry(path, "shape_at_flatten")["tries"] == 1


def test_what_is_no_file_is_not_replaced(path, monkeypatch):
    path.mkdir(parents=True)
    assert "no ordinary file" in lenet.output_size.check(55).aside and path.is_dir()
    monkeypatch.setenv("CNNLIB_PROGRESS", os.devnull)
    lenet.output_size.check(55)
    assert not Path(os.devnull).is_file()


def test_a_write_that_breaks_off_leaves_the_old_file(path, monkeypatch):
    lenet.output_size.check(54)
    before = path.read_bytes()

    def fail(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(shared_file.os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        lenet.output_size.check(55)
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}


def test_where_it_is_without_a_wish(monkeypatch, tmp_path):
    monkeypatch.delenv("CNNLIB_PROGRESS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert progress_file.place().parts[-2:] == ("cnnlib", "progress.json")
    monkeypatch.setenv("CNNLIB_PROGRESS", "~/mine.json")
    if os.name != "nt":
        assert progress_file.place() == tmp_path.resolve() / "mine.json"


# --- the table ---


def test_the_table_lists_what_the_chapters_ask():
    assert set(CHAPTERS) == {path.stem for path in PAGES}
    for path in PAGES:
        module, title = CHAPTERS[path.stem]
        asked = re.findall(r"exercises\.(\w+)\.check\(", path.read_text(encoding="utf-8"))
        lines = repr(progress(path.stem)).splitlines()
        assert lines[0] == f"Chapter {path.stem[:2]}, {title}: 0 of {len(asked)} solved"
        assert [line.split()[0] for line in lines[2 : 2 + len(asked)]] == list(dict.fromkeys(asked))


def test_the_table_says_what_is_solved_in_words(path):
    lenet.output_size.hint()
    for answer in (54, 55):
        lenet.output_size.check(answer)
    lenet.shape_at_flatten.check(0)
    lenet.conv2d.solution()
    text = repr(progress("01"))
    assert "1 of 11 solved" in text
    assert re.search(r"output_size +recall +✔ solved \d{4}-\d\d-\d\d +2 +1 hint", text)
    assert re.search(r"shape_at_flatten +recall +✘ tried, not yet +1 +–", text)
    assert re.search(r"conv2d +build +○ not yet +– +solution", text)
    assert str(path) in text and "progress(forget=True)" in text


def test_the_page_gets_a_table_with_heads_and_no_markup_of_strangers(path, monkeypatch):
    monkeypatch.setenv("CNNLIB_PROGRESS", str(path.with_name("<b>.json")))
    g = guess("<script>alert(1)</script>", ["<i>a</i>", "b"])
    g._set(0)
    g.reveal("b")
    page = progress("01")._repr_html_()
    assert "<script>" not in page and "<i>" not in page and "<b>" not in page and "2 · shape at flatten</th>" in page
    assert page.count("<th scope='col'") == 5 and page.count("<th scope='row'") == 11 and page.count("<caption") == 1
    assert progress()._repr_html_().count("<table>") == 7


@pytest.mark.parametrize("wanted", ["05", "5", 5, "resnet", "05_resnet", "05_resnet.ipynb", " ResNet "])
def test_a_chapter_goes_by_many_names(wanted):
    assert repr(progress(wanted)).startswith("Chapter 05, ResNet")


@pytest.mark.parametrize("wanted", ["07", 8, "", "vgg16", None.__class__])
def test_no_such_chapter(wanted):
    with pytest.raises(ValueError, match="there is no chapter .*01, 02, 03, 04, 05, 06"):
        progress(wanted)


def test_forgetting(path, monkeypatch):
    lenet.output_size.check(55)
    vgg.block.hint()
    with pytest.raises(ValueError, match="Leave the chapter out"):
        progress("01", forget=True)
    said = repr(progress(forget=True))
    assert str(path) in said and "2 exercises and 0 guesses" in said and not path.exists()
    assert "0 of 11 solved" in repr(progress("01"))
    assert "0 exercises" in repr(progress(forget=True))
    lenet.output_size.check(55)
    monkeypatch.setenv("CNNLIB_LIVE", "0")
    assert "nothing to forget" in repr(progress(forget=True)) and path.exists()
