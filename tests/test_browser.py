"""Chapter 1 in a real JupyterLab and a real browser: run, steered, stopped, saved, reopened, exported."""

import ast
import shutil
import subprocess
import symtable
import sys
from pathlib import Path

import nbformat
import pytest
from lab import NOTEBOOK, open_notebook, outputs, page_of, save, scroll_to, wait_for_cell

CHAPTER = Path(__file__).parents[1] / "notebooks" / "01_lenet.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"  # the chart, which stays alive as long as the kernel does
SLIDER = ".cnnlib-lr .noUi-handle"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def page(folder):
    with page_of(folder) as page:
        yield page


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
    assert sum(DATA in cell.source for cell in notebook.cells) == 2, "of the first curve, and of the chapter"
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
    assert_curve_stays(page, main)

    # the chapter goes on by itself; its last live run has ten epochs for somebody to play with
    page.wait_for_function(  # in its own output: what the first run showed may still be on the page
        f"i => /step [1-9]/.test({NOTEBOOK}.content.widgets[i].node.querySelector('.cnnlib-status')?.textContent)",
        arg=live, timeout=240_000,
    )  # fmt: skip
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    wait_for_cell(page, live, 30_000)
    assert_one_picture(outputs(page, live))
    assert_curve_stays(page, live)

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


def assert_curve_stays(page, cell):
    """A finished run leaves its curve in sight of who watched it, or its picture once another run has begun."""
    kinds = ".cnnlib-chart-panel > svg .cnnlib-chart-line, .jp-OutputArea-output img"
    curve = f"{NOTEBOOK}.content.widgets[i].node.querySelector('{kinds}')"
    page.wait_for_function(f"i => {curve}?.getBoundingClientRect().width > 0", arg=cell)


def assert_one_picture(outputs):
    """A finished run leaves one picture, and no control that nobody answers."""
    assert not [output["traceback"][-6:] for output in outputs if output["output_type"] == "error"]
    assert [set(output["data"]) - {WIDGET} for output in outputs] == [{"image/png", "text/plain"}]
