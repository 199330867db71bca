"""Front ends beside JupyterLab in Chromium: Notebook 7, Firefox, and a JupyterLab that keeps sliders from a cell."""

import os
import sys
from pathlib import Path

import pytest
from firefox import firefox
from lab import NOTEBOOK, chromium, jupyterlab, open_notebook, run_cell, serving, write_notebook

pytestmark = pytest.mark.thorough
BEGIN = """
import torch
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.widgets import Playground, fit, slider
images, labels = torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8), torch.zeros(60_000, dtype=torch.int64)
batches = Batches(images, labels, 64)
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
"""
FIT = "history = fit(net, batches, None, 400, 0.1)\nprint(len(history.marks), history.ended)"
PANEL = """
panel = Playground("A panel", lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.ReLU(),
                   nn.Linear(s.width, 10)), lambda s: (batches, None), [slider("width", 4, 64, 16)], lr=0.1)
panel
"""
HANDLE = "document.querySelector('.cnnlib-lr .noUi-handle')"
OPEN = "[...(window.jupyterapp?.shell?.widgets('main') ?? [])].find(w => w.context)"  # Firefox gives it no focus
UP, LEFT = "\ue013", "\ue012"
KEYS = {  # what a key does to a slider: more, less
    "ArrowUp": 1, "ArrowRight": 1, "PageUp": 1, "End": 1, "ArrowDown": -1, "ArrowLeft": -1, "PageDown": -1, "Home": -1
}  # fmt: skip


def test_eight_keys_move_a_slider_in_notebook_7(tmp_path):
    pytest.importorskip("notebook", reason="needs Notebook 7: the extra `test` brings it")
    write_notebook(tmp_path / "a.ipynb", [BEGIN, PANEL])
    home = tmp_path / ".home"
    home.mkdir()
    places = {f"JUPYTER_{name}": str(home / name) for name in ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR")}
    environment = os.environ | places | {"HOME": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    command = [sys.executable, "-m", "notebook", f"--ServerApp.root_dir={tmp_path}"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    with serving(command, environment, home) as address, chromium() as page:
        page.goto(f"{address}/notebooks/a.ipynb")
        ready = f"{NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
        page.wait_for_function(ready, timeout=120_000)
        run_cell(page, 0)
        run_cell(page, 1)
        handle = page.locator(".cnnlib-panel .noUi-handle, .noUi-handle").last  # the width's
        handle.wait_for(timeout=60_000)

        def value():
            return float(handle.get_attribute("aria-valuenow"))

        moved = []
        for key, way in KEYS.items():
            handle.focus()
            page.keyboard.press("End" if way < 0 else "Home")
            page.wait_for_timeout(300)
            before = value()
            handle.focus()
            page.keyboard.press(key)
            page.wait_for_timeout(300)
            if (value() - before) * way > 0:
                moved.append(key)
        page.screenshot(path=str(Path(tmp_path, "notebook7.png")))
        print("keys that move a slider:", moved)
        assert moved == list(KEYS)


def test_fit_and_a_panel_in_firefox(tmp_path):
    (tmp_path / "browser").mkdir()
    write_notebook(tmp_path / "a.ipynb", [BEGIN, FIT, PANEL])
    with jupyterlab(tmp_path) as address, firefox(tmp_path / "browser") as page:
        page.goto(f"{address}/lab/tree/a.ipynb")
        page.wait_for(f"{OPEN}?.sessionContext?.session?.kernel?.status === 'idle'")

        page.evaluate(f"void window.jupyterapp.shell.activateById({OPEN}.id)")

        def run_cell(index):
            page.evaluate(f"{OPEN}.content.activeCellIndex = {index}")
            page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")

        run_cell(0)
        page.wait_for(f"{OPEN}.content.widgets[0].model.executionCount")
        run_cell(1)
        page.wait_for(HANDLE)
        for key in (UP, LEFT, UP):
            page.evaluate(f"{HANDLE}.focus()")
            page.press(key)
            page.evaluate("new Promise(done => setTimeout(done, 1000))")
        page.evaluate("[...document.querySelectorAll('button')].find(b => b.textContent.trim() === 'Stop').click()")
        output = f"{OPEN}.content.widgets[1].outputArea.node.textContent"
        page.wait_for(f"{output}.includes('3 stopped')")
        run_cell(2)
        start = "[...document.querySelectorAll('.lm-Widget button')].find(b => b.textContent.trim() === '{}')"
        page.wait_for(start.format("Start"))
        page.evaluate(f"{start.format('Start')}.click()")
        page.wait_for(start.format("Pause"))
        lines = "document.querySelectorAll('.cnnlib-panel svg path, .cnnlib-panel svg polyline')"
        page.wait_for(f"[...{lines}].some(l => (l.getAttribute('d') || l.getAttribute('points') || '').length > 60)")


def test_a_jupyterlab_that_keeps_sliders_from_a_running_cell_is_told_what_to_switch_on(tmp_path):
    write_notebook(tmp_path / "a.ipynb", [BEGIN, FIT])
    with jupyterlab(tmp_path, {"kernels-settings": {"commsOverSubshells": "disabled"}}) as address, chromium() as page:
        open_notebook(page, address, "a.ipynb")
        run_cell(page, 0)
        run_cell(page, 1, wait=False)
        page.get_by_text("Kernel Comms over subshells").wait_for(timeout=60_000)
        assert (
            page.locator(".cnnlib-lr").first.get_attribute("disabled") is not None
            or page.locator(
                ".cnnlib-lr [disabled], .cnnlib-lr.jupyter-widgets-disabled, .cnnlib-lr .noUi-target[disabled]"
            ).count()
        )
        page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.interrupt()")
