"""The reader's copies of the chapters: what is run and saved there changes nothing in the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from cnnlib.course.copies import NOTE, copy_chapters

ROOT = Path(__file__).parents[1]
CHAPTER, APP = "01_lenet.ipynb", "apps/playground.ipynb"


@pytest.fixture
def folders(tmp_path):
    """Return the course's notebooks, and the reader's folder with copies of them."""
    course, own = tmp_path / "notebooks", tmp_path / "deep" / "work"
    for name in (CHAPTER, APP, ".ipynb_checkpoints/01_lenet-checkpoint.ipynb", "results/chapter01.json"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text("first")
    assert copy_chapters(course, own) == [own / CHAPTER, own / APP]
    assert copy_chapters(course, own) == []
    return course, own


def shown(folder):
    """Return what a file browser shows of a folder: names and texts."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.mark.parametrize(
    "reader, course, expected",
    [
        ("left", "same", {CHAPTER: "first"}),
        ("left", "changed", {CHAPTER: "second"}),
        ("changed", "same", {CHAPTER: "mine"}),
        ("changed", "changed", {CHAPTER: "mine", "01_lenet-new.ipynb": "second"}),
        ("changed as the course did", "changed", {CHAPTER: "second"}),
        ("deleted", "same", {CHAPTER: "first"}),
        ("deleted", "changed", {CHAPTER: "second"}),
        ("renamed", "changed", {CHAPTER: "second", "my own.ipynb": "mine"}),
        ("lost the note", "changed", {CHAPTER: "mine"}),
        ("spoilt the note", "changed", {CHAPTER: "mine"}),
    ],
)
def test_what_the_reader_changed_stays_and_what_the_course_changed_comes(folders, reader, course, expected):
    source, own = folders
    mine = own / CHAPTER
    if reader not in ("left", "deleted"):
        mine.write_text("second" if reader.endswith("as the course did") else "mine")
    if reader == "deleted":
        mine.unlink()
    if reader == "renamed":
        mine.rename(own / "my own.ipynb")
    if reader == "lost the note":
        (own / NOTE).unlink()
    if reader == "spoilt the note":
        (own / NOTE).write_text("[1")
    if course == "changed":
        (source / CHAPTER).write_text("second")
    for _ in range(2):  # a new version comes once
        copy_chapters(source, own)
        assert shown(own) == {APP: "first"} | expected


def test_a_chapter_that_was_only_opened_is_as_it_came(folders):
    """JupyterLab notes its kernel's version in a notebook that it opens, and saves that."""
    source, own = folders
    for number, path in enumerate((source, own, source, own, source)):
        path = path / CHAPTER
        if path.parent == source:
            cells = [nbformat.v4.new_code_cell("1", id="a", execution_count=number)]
            nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        else:
            notebook = nbformat.read(path, as_version=4)
            notebook.metadata["language_info"] = {"version": str(number)}
            nbformat.write(notebook, path)
        copy_chapters(source, own)
    assert set(shown(own)) == {CHAPTER, APP} and (own / CHAPTER).read_bytes() == (source / CHAPTER).read_bytes()


def test_new_versions_beside_a_changed_copy_take_free_names(folders):
    source, own = folders
    for version in ("mine", "second", "third"):
        ((own if version == "mine" else source) / CHAPTER).write_text(version)
        copy_chapters(source, own)
    new = {"01_lenet-new.ipynb": "second", "01_lenet-new2.ipynb": "third"}
    assert shown(own) == {APP: "first", CHAPTER: "mine"} | new


def test_a_link_that_leads_nowhere_is_not_written_through(folders, tmp_path):
    source, own = folders
    (own / CHAPTER).unlink()
    (own / CHAPTER).symlink_to(tmp_path / "elsewhere")
    (source / CHAPTER).write_text("second")
    copy_chapters(source, own)
    assert not (tmp_path / "elsewhere").exists() and (own / "01_lenet-new.ipynb").exists()


def test_the_course_s_own_folder_is_no_copy(folders):
    before = sorted(folders[0].rglob("*"))
    assert copy_chapters(folders[0], folders[0] / ".." / "notebooks") == []
    assert sorted(folders[0].rglob("*")) == before


# What make opens

READER = """#!{python}
# a JupyterLab whose reader runs the chapter that it opens, and saves it
import pathlib, re, sys
said = dict(re.findall(r"--(?:ServerApp|LabApp)\\.(root_dir|default_url)=(.*)", "\\n".join(sys.argv)))
opened = pathlib.Path(said.get("root_dir", "."), said.get("default_url", sys.argv[-1]).removeprefix("/lab/tree/"))
opened.write_text(opened.read_text() + " run")
(opened.parent / "results").mkdir(exist_ok=True)
(opened.parent / "results" / "chapter01.json").write_text("row")
"""


@pytest.fixture
def course(tmp_path):
    """Return a course whose JupyterLab is replaced by a reader's work."""
    place = tmp_path / "the course"
    for name in (CHAPTER, APP):
        (place / "notebooks" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "notebooks" / name).write_text("first")
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / "docs" / "book" / "live").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        (place / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place / name)
    programs = {"jupyter": READER.format(python=sys.executable), "python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'}
    for name, text in programs.items():
        (place / ".venv" / "bin" / name).write_text(text)
        (place / ".venv" / "bin" / name).chmod(0o755)
    for stamp in ("lab", "present"):
        (place / ".venv" / stamp).touch()
    return place


def make(place, *goals):
    return subprocess.run(["make", *goals], cwd=place, capture_output=True, text=True)


@pytest.mark.skipif(not shutil.which("make") or os.name == "nt", reason="there is no make here")
@pytest.mark.parametrize("goal", ["lab", "slides"])
def test_a_chapter_that_is_run_and_saved_does_not_change_the_repository(course, goal):
    for expected in ("first run", "first run run"):
        done = make(course, goal)
        assert done.returncode == 0, done.stdout + done.stderr
        assert shown(course / "notebooks") == {CHAPTER: "first", APP: "first"}
        assert shown(course / "work") == {CHAPTER: expected, APP: "first", "results/chapter01.json": "row"}
    (course / "notebooks" / CHAPTER).write_text("second")
    said = make(course, goal).stdout
    assert "Yours stays" in said and f"work{os.sep}01_lenet-new.ipynb" in said
    assert (course / "work" / CHAPTER).read_text() == "first run run run"
    assert "Yours stays" not in make(course, goal).stdout


@pytest.mark.skipif(not shutil.which("make") or os.name == "nt", reason="there is no make here")
def test_another_folder_for_the_copies(course, tmp_path):
    elsewhere = tmp_path / "my own"
    assert make(course, "lab", f"WORK={elsewhere}").returncode == 0
    assert shown(elsewhere)[CHAPTER] == "first run" and not (course / "work").exists()
    (tmp_path / "file").touch()
    done = make(course, "lab", f"WORK={tmp_path / 'file'}")
    assert done.returncode and "Name another folder: make lab WORK=" in done.stderr and "Traceback" not in done.stderr
    assert make(course, "lab", "WORK=notebooks").returncode == 0, "who writes the course opens the course's own"
    assert shown(course / "notebooks")[CHAPTER] == "first run"


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="not a clone")
def test_nothing_that_a_run_writes_is_tracked():
    """Neither what a reader's chapters write, nor what `make test` and `make notebooks` do beside the course's own."""
    names = (f"work/{CHAPTER}", "work/.chapters.json", "work/results/run.pt", "notebooks/results/chapter01.json",
             "notebooks/.ipynb_checkpoints/01_lenet-checkpoint.ipynb", "results/full/run.json")  # fmt: skip
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True).stdout
    assert ignored.splitlines() == list(names)
    tracked = subprocess.run(["git", "ls-files", "notebooks"], cwd=ROOT, capture_output=True, text=True).stdout
    assert all(name.endswith(".ipynb") for name in tracked.splitlines())


def test_the_reader_is_told():
    cells = nbformat.read(ROOT / "notebooks" / CHAPTER, as_version=4).cells
    for text in (cells[0].source, (ROOT / "README.md").read_text(encoding="utf-8")):
        assert "copy" in text or "copies" in text
        assert re.search(r"folder `work`", text) and re.search(r"(?i)delete", text)


def test_notebooks_holds_notebooks():
    tracked = [path for path in (ROOT / "notebooks").rglob("*") if path.is_file() and "results" not in path.parts]
    assert {path.suffix for path in tracked if not any(part.startswith((".", "_")) for part in path.parts)} == {
        ".ipynb"
    }
    tools = "audit flakes other_seeds refresh slides soak times torch_backend versions"
    assert {path.stem for path in (ROOT / "tools").glob("*.py")} >= set(tools.split())
