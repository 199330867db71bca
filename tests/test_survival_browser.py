"""A page that is loaded anew, a tab that is closed, a kernel that is restarted: what a reader sees afterwards."""

import re
from pathlib import Path

import pytest
from lab import (
    NOTEBOOK,
    open_notebook,
    outputs,
    page_of,
    press,
    run_cell,
    save,
    start,
    wait_for_cell,
    wait_for_status,
    write_notebook,
)

pytestmark = pytest.mark.thorough

SETUP = """
import time, torch
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.widgets import Playground, fit, last_run
torch.manual_seed(0)
data = Batches(torch.randint(256, (64, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (64,)), 8)
def build(s):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    net.register_forward_pre_hook(lambda *_: time.sleep(0.02))
    return net
"""
FIT = "history = fit(build(None), data, None, 50, lr=0.1)"
PANEL = "Playground('panel', build, lambda s: (data, data), lr=0.1, num_epochs=10_000)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("survival")


@pytest.fixture(scope="module")
def page(folder):
    with page_of(folder) as page:
        page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"
        yield page


def begin(page, folder, name, cell, *more):
    """Open a notebook, run its set-up, and begin to run the cell that trains."""
    sources = [SETUP, cell, *more]
    path = f"{name}.ipynb"
    write_notebook(folder / path, sources)
    page.errors.clear()
    open_notebook(page, page.address, path, workspace=name)
    run_cell(page, 0)
    run_cell(page, 1, wait=False)
    page.locator(".cnnlib-status").wait_for(timeout=60_000)
    return path


def come_back(page, path, leave):
    """Leave the page in some way, open it again, and wait until the notebook is there."""
    leave()
    page.wait_for_function(
        f"path => {NOTEBOOK}?.context?.path === path && {NOTEBOOK}.sessionContext.session?.kernel "
        f"&& {NOTEBOOK}.content.widgets.length > 1",
        arg=path,
        timeout=60_000,
    )


def close_and_open(page, path):
    page.goto("about:blank")
    page.goto(f"{page.address}/lab/workspaces/{Path(path).stem}/tree/{path}")


def test_a_page_loaded_anew_while_a_cell_trains(page, folder):
    path = begin(page, folder, "reload", FIT, "last_run()", "print(history.ended, history.steps)")
    wait_for_status(page, r"step [1-9]\d")
    come_back(page, path, page.reload)
    for cell in (2, 3):
        run_cell(page, cell, wait=False)  # they wait for the cell that trains
    wait_for_cell(page, 3, 60_000)
    assert outputs(page, 3)[0]["text"] == "finished 400\n", "the run went on as if nobody had gone"
    assert {"image/png", "text/plain"} <= set(outputs(page, 2)[0]["data"])
    page.locator(".cnnlib-chart-panel > svg .cnnlib-chart-line[d*=L]").first.wait_for(state="attached")
    assert not page.errors


def test_a_tab_closed_while_a_cell_trains_shows_the_chart_if_the_page_was_saved(page, folder):
    path = begin(page, folder, "closed", FIT.replace("50", "30"))
    wait_for_status(page, r"step [1-9]\d")
    save(page)
    come_back(page, path, lambda: close_and_open(page, path))
    page.locator(".cnnlib-chart-note", has_text="finished").wait_for(timeout=60_000)
    curve = "document.querySelector('.cnnlib-chart-panel > svg .cnnlib-chart-line')?.getAttribute('d')"
    page.wait_for_function(f"() => {curve}?.split('L').length >= 100")  # of this run, and whole: the page asked for it
    assert not page.locator("button:has-text('Stop')").count() and not page.locator(".cnnlib-lr").count()
    assert not page.errors


def step_of(page):
    return int(re.search(r"step ([\d,]+)", page.locator(".cnnlib-status").text_content())[1].replace(",", ""))


def test_a_panel_is_found_again_after_the_page_was_loaded_anew_or_closed(page, folder):
    path = begin(page, folder, "panel", PANEL, "last_run()", "print(last_run().history.steps)")
    start(page)
    step = 0
    for leave in (page.reload, lambda: close_and_open(page, path)):
        before, step = step, step_of(page)
        assert step >= before
        come_back(page, path, leave)
        assert not page.locator(".cnnlib-playground").count(), "nothing was saved, so nothing is shown"
        run_cell(page, 2, wait=False)  # last_run()
        wait_for_status(page, r"training.*step [1-9]\d")
    press(page, "Pause")
    wait_for_status(page, "paused")
    run_cell(page, 3)
    assert int(outputs(page, 3)[0]["text"]) > step, "the run that was begun before is the one that goes on"
    run_cell(page, 1)  # the cell again: a new panel, and the run is in its list
    wait_for_status(page, "^Ready. Press Start.*is kept")
    assert not page.errors


def test_a_kernel_restarted_while_a_panel_trains_is_told_on_the_page(page, folder):
    begin(page, folder, "restart", PANEL)
    start(page)
    page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.restart()")
    wait_for_status(page, "The kernel was restarted or has ended")
    assert not page.errors
