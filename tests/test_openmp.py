"""A thread that trains has OpenMP's helpers for itself: those of idle threads, which slow it down, are sent away."""

import os
import subprocess
import sys

import pytest
from flakes import CORES  # whatever OMP_NUM_THREADS says: the children here do not see it

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU's OpenMP")
BEGIN = """
import os, threading, time, torch
def threads():
    time.sleep(0.05)  # until one that was sent away has gone
    return len(os.listdir("/proc/self/task"))
def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()
torch.set_num_threads(2)
alone = threads()
X = torch.randn(1000, 1000)  # large enough for two
X.relu()
assert threads() == alone + 1, "a helper came"
"""
BY_HAND = """
from cnnlib.machine.threads import release_openmp_threads
found = []
for _ in range(3):
    release_openmp_threads()
    release_openmp_threads()
    found.append(threads() - alone)
    X.relu()
    found.append(threads() - alone)
print(found, torch.get_num_threads())
"""
PANEL = """
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.widgets import Playground
def build(s):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 10))
data = Batches(torch.randint(256, (640, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (640,)), 64)
panel = Playground("helpers", build, lambda s: (data, None), lr=0.1, num_epochs=2)
"""
STARTED = """
seen, tell = [], panel.runner.listener
panel.runner.listener = lambda runner: tell(runner) or seen.append(threads() - alone)
X.relu()
panel.runner.start()
panel.runner.wait()
print(seen[-2])
"""
SEEDS = """
from torch import nn
from cnnlib import train_over_seeds
from cnnlib.datasets import Batches
seen = []
class Count(nn.Flatten):
    def forward(self, X):
        seen.append((len(os.listdir("/proc/self/task")) - alone, threading.current_thread() is threading.main_thread()))
        return super().forward(X)
data = Batches(torch.randint(256, (640, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (640,)), 64)
X.relu()
before = threads() - alone
train_over_seeds(lambda: nn.Sequential(Count(), nn.Linear(784, 10)), data, None, 1, 0.1, seeds=(0, 1, 2, 3))
besides = [count for count, in_main in seen if not in_main]
print(before, 1 <= max(besides) <= 3)  # one more than cores, each with one thread
"""
# A notebook's shell, without a kernel around it: each cell, and each message to a widget, ends with `post_execute`.
SHELL = """
import ipywidgets
from traitlets.config import Config
from IPython.core.interactiveshell import InteractiveShell
shell, found = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False})), []
shell.push({"X": X, "torch": torch})
def cell(source):
    shell.run_cell(source, silent=True).raise_error()
    found.append(threads() - alone)
cell("_ = X.relu()")
cell(PANEL)
cell("_ = X.relu()")
def click(button):
    X.relu()
    found.append(threads() - alone)
def receive():
    button.comm.handle_msg({"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []})
    found.append(threads() - alone)
button = ipywidgets.Button()
button.on_click(click)
in_a_thread(receive)
print(found)
"""


def said(*sources):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", "\n".join(sources)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_helpers_come_and_go_and_a_panel_that_trains_has_the_only_one():
    by_hand, training = said(BEGIN, BY_HAND, PANEL, STARTED).splitlines()
    assert by_hand == "[0, 1, 0, 1, 0, 1] 2", "the number of threads that PyTorch uses is another matter"
    assert training == "2", "its thread and its helper"


@pytest.mark.skipif(CORES != 2, reason="with one core they go in turn, with more each has helpers")
def test_runs_that_go_side_by_side_have_only_themselves():
    assert said(BEGIN, SEEDS) == "1 True"


def test_in_a_notebook_cells_and_messages_leave_none():
    """From the first control on; the message is answered in a thread of its own, as in a subshell."""
    assert said(BEGIN, f"PANEL = {PANEL!r}", SHELL) == "[1, 0, 0, 2, 1]"
