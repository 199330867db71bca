"""Where others fix the versions, as Colab and Kaggle do: every chapter runs, `fit` is steered, a panel answers.

`make versions VERSIONS=colab` runs this with the versions that Colab publishes. With a newer kernel it is skipped.
"""

import json
import os
from pathlib import Path

import ipykernel
import nbformat
import pytest
from lab import write_notebook
from nbclient import NotebookClient
from notebook6 import notebook6, open_notebook6, output6, run_cell6

HOSTED = ipykernel.version_info[0] < 7
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not HOSTED, reason="ipykernel 7: see test_steering.py; make versions VERSIONS=colab runs this"),
]
CHAPTERS = sorted(Path(__file__).parents[1].glob("notebooks/0*.ipynb"))
MOVES = 20
BEGIN = """
import json, time, torch
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.widgets import fit
images, labels = torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8), torch.zeros(60_000, dtype=torch.int64)
batches = Batches(images, labels, 64)
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
"""
STEER = """
from cnnlib.training.loop import Trainer
heard, begin = [], Trainer._begin
def watched(trainer):
    last = [trainer.lr]
    def note(trainer):
        if trainer.lr != last[0]:
            heard.append((time.time(), trainer.lr))
            last[0] = trainer.lr
    trainer.listeners.append(note)
    begin(trainer)
Trainer._begin = watched
history = fit(net, batches, None, 400, 0.1)
print(json.dumps({"heard": heard, "ended": history.ended}))
"""
PANEL = """
from cnnlib.widgets import Playground, slider
panel = Playground("A panel", lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), nn.ReLU(),
                   nn.Linear(s.width, 10)), lambda s: (batches, None), [slider("width", 1, 64, 8)], lr=0.1)
panel
"""


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLIB_BUDGET", "check")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()


def hosted(folder):
    """Return the page of a server whose kernels think that they are Colab's."""
    return notebook6(folder, COLAB_RELEASE_TAG="release-colab-test", PYTHONPATH=os.pathsep.join(map(str, PATHS)))


PATHS = [Path(__file__).parents[1]]


def test_a_slider_is_answered_while_its_cell_runs(tmp_path):
    write_notebook(tmp_path / "a.ipynb", [BEGIN, STEER])
    with hosted(tmp_path) as page:
        open_notebook6(page, "a.ipynb")
        run_cell6(page, 0)
        run_cell6(page, 1)
        handle = page.locator(".cnnlib-lr .noUi-handle, .cnnlib-lr .ui-slider-handle")
        handle.wait_for(timeout=180_000)
        page.wait_for_timeout(2_000)
        pressed = []
        for i in range(MOVES):
            handle.focus()
            pressed.append(page.evaluate("Date.now() / 1000"))
            page.keyboard.press("ArrowUp" if i % 2 else "ArrowDown")
            page.wait_for_timeout(350)
        page.get_by_role("button", name="Stop").click()
        page.wait_for_function("Jupyter.notebook.get_cell(1).output_area.outputs.some(o => o.text)", timeout=30_000)
        said = json.loads(output6(page, 1).strip().splitlines()[-1])
    assert said["ended"] == "stopped"
    late = [min((t - p for t, _ in said["heard"] if t >= p), default=99) for p in pressed]
    print("slider moves heard:", len(said["heard"]), "of", MOVES, "seconds:", [round(s, 3) for s in sorted(late)])
    assert len(said["heard"]) == MOVES
    assert sorted(late)[int(0.95 * MOVES) - 1] <= 0.3
    assert page.errors == []


def test_a_panel_answers(tmp_path):
    write_notebook(tmp_path / "a.ipynb", [BEGIN, PANEL, "print(len(panel.history.loss) > 5, panel.history.ended)"])
    with hosted(tmp_path) as page:
        open_notebook6(page, "a.ipynb")
        run_cell6(page, 0)
        run_cell6(page, 1)
        page.get_by_role("button", name="Start").click(timeout=180_000)
        page.wait_for_timeout(4_000)
        page.screenshot(path=str(tmp_path / "panel.png"))
        page.get_by_role("button", name="Pause").click()
        page.wait_for_timeout(1_000)
        run_cell6(page, 2)
        page.wait_for_function("Jupyter.notebook.get_cell(2).output_area.outputs.length > 0", timeout=30_000)
        assert output6(page, 2).startswith("True")
        assert page.errors == []
