"""axe-core, an independent checker of accessibility: nothing serious on panels, guesses, exercises and the book."""

import sys
from pathlib import Path

import axe_playwright_python
import nbformat
import pytest
from lab import chromium, open_notebook, page_of, run_cell, write_notebook

AXE = next(Path(axe_playwright_python.__path__[0]).glob("*.js"))
ROOT = Path(__file__).parents[1]
APP = ROOT / "notebooks" / "apps" / "playground.ipynb"
GUESS = 'from cnnlib.widgets import guess\nguess("Which is larger?", ["the first", "the second"])'
EXERCISE = "from cnnlib.exercises import lenet\nlenet.output_size.check(3)"

pytestmark = pytest.mark.thorough


def faults(page, selector):
    """Return what axe calls serious or critical in a part of a page."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("selector => axe.run(selector, {resultTypes: ['violations']})", selector)["violations"]
    return [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_panel_a_guess_and_an_exercise(tmp_path, theme):
    panel = [cell.source for cell in nbformat.read(APP, as_version=4).cells if cell.cell_type == "code"]
    write_notebook(tmp_path / "n.ipynb", [*panel, GUESS, EXERCISE])
    with page_of(tmp_path, {"themes": {"theme": theme}}, height=1400) as page:
        open_notebook(page, page.address, "n.ipynb")
        for index in range(len(panel) + 2):
            run_cell(page, index)
        page.get_by_role("button", name="Start").first.click()
        page.get_by_role("button", name="Pause").first.wait_for()
        for tab in ("Gradients", "Network", "Runs", "Code"):
            page.get_by_role("button", name=tab).first.click()
            page.wait_for_timeout(1_500)
            assert faults(page, ".cnnlib-playground") == [], tab
        for index in (len(panel), len(panel) + 1):
            assert faults(page, f".jp-Notebook .jp-Cell:nth-child({index + 1}) .jp-OutputArea") == []


def test_a_page_of_the_book(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs" / "book"), *sys.path])
    import book

    book.build(tmp_path / "book", [ROOT / "notebooks" / "05_resnet.ipynb"])
    with chromium() as page:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto((tmp_path / "book" / "05_resnet.html").as_uri())
            assert faults(page, "[role=main]") == [], scheme
