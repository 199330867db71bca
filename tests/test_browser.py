"""Chapter 1 in a real JupyterLab and a real browser: run, steered, stopped, saved, reopened, exported."""

import ast
import json
import shutil
import statistics
import subprocess
import symtable
import sys
from pathlib import Path

import nbformat
import pytest
from lab import NOTEBOOK, open_notebook, outputs, page_of, run_cell, save, scroll_to, wait_for_cell, write_notebook

CHAPTER = Path(__file__).parents[1] / "notebooks" / "01_lenet.ipynb"
SLIDER = ".cnnlib-lr .noUi-handle"

# Note when the loop's learning rate is set, to compare with when the key went down.
WATCHED = """
import json, time, torch
from torch import nn
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import lenet, xavier_
from cnnlib.training.loop import Trainer
from cnnlib.widgets import fit
seen, plain = [], Trainer.lr
def note(trainer, value):
    plain.fset(trainer, value)
    seen.append((1000 * time.time(), value))
Trainer.lr = plain.setter(note)
train_iter, _ = load_data_fashion_mnist(256)
"""
RUN = "history = fit(xavier_(lenet()), train_iter, None, num_epochs=50, lr=0.1)"
REPORT = "print(json.dumps([seen, len(set(history.lr)), history.ended]))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def page(folder):
    with page_of(folder) as page:
        yield page


@pytest.mark.thorough
def test_twenty_moves_of_the_slider_reach_a_running_cell(page, folder, pace):
    write_notebook(folder / "moves.ipynb", [WATCHED, RUN, REPORT])
    open_notebook(page, page.address, "moves.ipynb")
    run_cell(page, 0)
    run_cell(page, 1, wait=False)
    handle = page.locator(SLIDER)
    handle.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    handle.focus()
    pressed = []
    for number in range(20):
        pressed.append(page.evaluate("() => Date.now()"))
        page.keyboard.press("ArrowLeft" if number >= 15 else "ArrowRight")
        page.wait_for_timeout(250)
    page.locator("button:has-text('Stop')").click()
    wait_for_cell(page, 1, 30_000)
    run_cell(page, 2)
    seen, different, ended = json.loads(outputs(page, 2)[0]["text"])
    assert ended == "stopped"
    assert len(seen) == 20, "not every move was seen, or the page moved the slider by itself"
    delays = sorted(time - press for press, (time, _) in zip(pressed, seen, strict=True))
    print(f"slider to trainer.lr: median {statistics.median(delays):.0f} ms, 95th percentile {delays[18]:.0f} ms")
    assert delays[18] <= pace.bar(200)
    assert different == 16  # fifteen steps up, five back: each rate was trained with
    assert not page.errors


def made_by(source):
    """Return the names that a cell defines."""
    table = symtable.symtable(source, "cell", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}


def used_by(source):
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def without_studies(cells):
    """Leave out the cells that train over many seeds, and those that use what they made: nbval runs them all."""
    missing, kept = set(), []
    for cell in cells:
        if cell.cell_type == "code":
            if "train_over_seeds(" in cell.source or used_by(cell.source) & (missing - made_by(cell.source)):
                missing |= made_by(cell.source)
                continue
            missing -= made_by(cell.source)
        kept.append(cell)
    return kept


DATA = "load_data_fashion_mnist(batch_size=256"


def test_chapter_1_as_a_reader_uses_it(page, folder):
    """With a quarter of the pictures: what is held against numbers is held by nbval, with all of them."""
    notebook = nbformat.read(CHAPTER, as_version=4)
    notebook.cells = without_studies(notebook.cells)
    assert sum(DATA in cell.source for cell in notebook.cells) == 1
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = cell.source.replace(DATA, f"{DATA}, num_train=15_000, num_test=2_500")
    nbformat.write(notebook, folder / "chapter.ipynb")
    main, live = (i for i, c in enumerate(notebook.cells) if c.source.count("= fit(net,") or "history_live" in c.source)
    open_notebook(page, page.address, "chapter.ipynb")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")  # without waiting for it

    guess = page.locator(".cnnlib-guess").first
    guess.wait_for(state="attached", timeout=60_000)
    scroll_to(page, next(i for i, c in enumerate(notebook.cells) if "= guess(" in c.source))
    guess.get_by_label("about 60 %").check()
    guess.get_by_text("Noted").wait_for(timeout=10_000)

    status = page.locator(".cnnlib-status")
    status.filter(has_text="of 10 ·").wait_for(state="attached", timeout=120_000)
    page.wait_for_function("() => /epoch [2-9]/.test(document.querySelector('.cnnlib-status')?.textContent)")
    text = status.text_content()
    assert all(word in text for word in ("step", "examples/s", "s to go")), text
    scroll_to(page, main)
    page.locator(SLIDER).focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)
    page.locator("button:has-text('Stop')").click()
    wait_for_cell(page, main, 30_000)
    assert_one_picture(outputs(page, main))

    # the chapter goes on by itself; its last live run has ten epochs for somebody to play with
    status.filter(has_text="of 10 ·").wait_for(state="attached", timeout=240_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    wait_for_cell(page, live, 30_000)
    assert_one_picture(outputs(page, live))

    last = max(i for i, c in enumerate(notebook.cells) if c.cell_type == "code")
    wait_for_cell(page, last, 120_000)  # an interrupted run ended cleanly, so the cells below it ran, too
    save(page)
    assert not page.errors

    stored = nbformat.read(folder / "chapter.ipynb", as_version=4)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    assert_one_picture(stored.cells[main].outputs)
    assert "widgets" not in stored.metadata


@pytest.mark.thorough
def test_the_saved_page_shows_its_chart_without_a_kernel(page, folder):
    shutil.copy(CHAPTER, folder / "stored.ipynb")
    main = next(i for i, c in enumerate(nbformat.read(CHAPTER, as_version=4).cells) if "= fit(net," in c.source)
    page.goto("about:blank")
    open_notebook(page, page.address, "stored.ipynb")
    page.evaluate(f"() => {NOTEBOOK}.sessionContext.shutdown()")
    page.wait_for_function(f"() => !{NOTEBOOK}.sessionContext.session?.kernel")
    page.evaluate(f"i => {NOTEBOOK}.content.scrollToCell({NOTEBOOK}.content.widgets[i])", main)
    page.wait_for_function(
        f"i => {NOTEBOOK}.content.widgets[i].node.querySelector('.jp-RenderedImage img')?.naturalWidth >= 1000",
        arg=main,
    )
    assert not page.locator(SLIDER).count()


@pytest.mark.thorough
def test_the_export_shows_its_chart(folder):
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", folder, CHAPTER]
    subprocess.run(command, check=True, capture_output=True)
    html = (folder / CHAPTER.with_suffix(".html").name).read_text(encoding="utf-8")
    stored = nbformat.read(CHAPTER, as_version=4)
    chart = next(c for c in stored.cells if "= fit(net," in c.source).outputs[0].data["image/png"]
    assert chart.replace("\n", "")[:2000] in html.replace("\n", "")


def assert_one_picture(outputs):
    """A finished run leaves one picture, and no control that nobody answers."""
    assert [set(output["data"]) for output in outputs] == [{"image/png", "text/plain"}]
