"""Tensors lie in large pages, a step reuses freed memory, what rests keeps none, and idle threads keep no helpers.

Each is asked of the system, in a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flakes import CORES  # whatever OMP_NUM_THREADS says: the children here do not see it

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator and GNU's OpenMP")
SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")
OURS = ("MALLOC_", "OMP_NUM_THREADS", "THP_MEM_ALLOC_ENABLE")


def said(*sources, **environment):
    """Return what lines of Python print in a process whose allocator and threads nobody has set."""
    environment |= {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    done = subprocess.run([sys.executable, "-c", "\n".join(sources)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LARGE = """
import torch, torchvision
import cnnlib
large = torch.ones(40 * 2**20)
maps = open("/proc/self/smaps").read().splitlines()
print(sum(int(line.split()[1]) for line in maps if line.startswith("AnonHugePages")) / 1024)
"""


@pytest.mark.thorough
@pytest.mark.skipif(
    not SYSTEM.exists() or "[madvise]" not in SYSTEM.read_text(), reason="the system gives none on demand"
)
@pytest.mark.parametrize("wish, least, most", [({}, 100, 200), ({"THP_MEM_ALLOC_ENABLE": "0"}, 0, 20)])
def test_160_megabytes_lie_in_large_pages(wish, least, most):
    assert least <= float(said(LARGE, **wish)) <= most


FAULTS = """
import resource, torch
from cnnlib import Trainer
from cnnlib.datasets import Batches
from cnnlib.models import lenet
images = torch.randint(256, (40 * 256, 1, 28, 28), dtype=torch.uint8)
trainer = Trainer(lenet(), Batches(images, torch.zeros(len(images), dtype=torch.int64), 256), lr=0.1, device="cpu")
seen = []
trainer.listeners.append(lambda t: seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt))
trainer.fit(1)
print((seen[-2] - seen[9]) / (len(seen) - 11))
"""


@pytest.mark.thorough
def test_a_step_does_not_fetch_its_memory_anew():
    """4,700 page faults a step of LeNet without `keep_freed_memory` (2,000 to 4,700 over runs)."""
    assert float(said(FAULTS)) < 300


BEGIN = """
import os, re, threading, time, torch
from pathlib import Path
def threads():
    time.sleep(0.05)  # until one that was released has gone
    return len(os.listdir("/proc/self/task"))
def in_a_thread(*functions):
    thread = threading.Thread(target=lambda: [function() for function in functions])
    thread.start()
    thread.join()
"""
REST = """
from cnnlib.machine.memory import keep_freed_memory, return_freed_memory, returning_freed_memory
def megabytes():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024 - before
def train():
    stays.append(torch.ones(1000))  # a heap that is wholly free would be given back in any case
    several.extend(torch.ones(5 * 2**20) for _ in range(10))
def note():
    found.append(megabytes())
def rest():
    several.clear()
    note()
    return_freed_memory()
    note()
keep_freed_memory()
torch.ones(1)
several, stays, before = [], [], 0
before = megabytes()
for where in 3 * ("main", "thread", "freed elsewhere"):
    found = []
    if where == "main":
        train(), note(), rest()
    elif where == "thread":
        in_a_thread(train, note, rest)
    else:
        in_a_thread(train)
        note(), note()
        with returning_freed_memory():
            several.clear()
        note()
    print(*found)
"""


def test_memory_is_kept_during_a_run_and_given_back_at_rest():
    """Ten tensors of 20 MB; glibc's own limit, without `keep_freed_memory`, is 32 MB at most."""
    rounds = [list(map(float, line.split())) for line in said(BEGIN, REST).splitlines()]
    assert len(rounds) == 9
    for full, kept, rest in rounds:
        assert full > 190 and kept > 190 and rest < 10, rounds


# OpenMP's helpers

HELPERS = """
torch.set_num_threads(2)
alone = threads()
X = torch.randn(1000, 1000)  # large enough for two
X.relu()
assert threads() == alone + 1, "a helper came"
from torch import nn
from cnnlib.datasets import Batches
data = Batches(torch.randint(256, (640, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (640,)), 64)
def panel():
    from cnnlib.widgets import Playground
    def build(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 10))
    return Playground("helpers", build, lambda s: (data, None), lr=0.1, num_epochs=2)
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
STARTED = """
seen, runner = [], panel().runner
tell, runner.listener = runner.listener, lambda runner: tell(runner) or seen.append(threads() - alone)
X.relu()
runner.start()
runner.wait()
print(seen[-2])
"""
SEEDS = """
from cnnlib import train_over_seeds
seen = []
class Count(nn.Flatten):
    def forward(self, X):
        seen.append((len(os.listdir("/proc/self/task")) - alone, threading.current_thread() is threading.main_thread()))
        return super().forward(X)
X.relu()
before = threads() - alone
train_over_seeds(lambda: nn.Sequential(Count(), nn.Linear(784, 10)), data, None, 1, 0.1, seeds=(0, 1, 2, 3))
besides = [count for count, in_main in seen if not in_main]
print(before, max(besides, default=1))  # at most three: one more than cores, each with one thread
"""
# A notebook's shell, without a kernel around it: each cell, and each message to a widget, ends with `post_execute`.
SHELL = """
import ipywidgets
from traitlets.config import Config
from IPython.core.interactiveshell import InteractiveShell
shell, found = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False})), []
shell.push({"X": X, "panel": panel})
def cell(source):
    shell.run_cell(source, silent=True).raise_error()
    found.append(threads() - alone)
cell("_ = X.relu()")
cell("_ = panel()")
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


def test_helpers_come_and_go_and_who_trains_has_the_only_ones():
    by_hand, training, seeds = said(BEGIN, HELPERS, BY_HAND, STARTED, SEEDS).splitlines()
    assert by_hand == "[0, 1, 0, 1, 0, 1] 2", "the number of threads that PyTorch uses is another matter"
    assert training == "2", "its thread and its helper"
    assert CORES != 2 or seeds.split()[0] == "1" and 1 <= int(seeds.split()[1]) <= 3


def test_in_a_notebook_cells_and_messages_leave_none():
    """From the first control on; the message is answered in a thread of its own, as in a subshell."""
    assert said(BEGIN, HELPERS, SHELL) == "[1, 0, 0, 2, 1]"
