"""Large tensors lie in large pages, where there are any and nobody has said otherwise; what rests keeps no memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")
LARGE = """
import torch, torchvision
import cnnlib
large = torch.ones(40 * 2**20)
maps = open("/proc/self/smaps").read().splitlines()
print(sum(int(line.split()[1]) for line in maps if line.startswith("AnonHugePages")) / 1024)
"""


@pytest.mark.skipif(
    not SYSTEM.exists() or "[madvise]" not in SYSTEM.read_text(), reason="the system gives none on demand"
)
@pytest.mark.parametrize("said, least, most", [
    (None, 100, 200), pytest.param("1", 100, 200, marks=pytest.mark.thorough),
    pytest.param("0", 0, 20, marks=pytest.mark.thorough),
])  # fmt: skip
def test_160_megabytes_lie_in_large_pages(said, least, most):
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    environment |= {} if said is None else {"THP_MEM_ALLOC_ENABLE": said}
    done = subprocess.run([sys.executable, "-c", LARGE], env=environment, capture_output=True, text=True, check=True)
    assert least <= float(done.stdout) <= most


REST = """
import re, sys, threading, torch
from pathlib import Path
from cnnlib.machine.memory import keep_freed_memory, return_freed_memory, returning_freed_memory
def megabytes():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
def train():
    stays.append(torch.ones(1000))  # a heap that is wholly free would be given back in any case
    several.extend(torch.ones(5 * 2**20) for _ in range(10))
def rest():
    several.clear()
    found.append(megabytes() - before)
    return_freed_memory()
    found.append(megabytes() - before)
def in_a_thread(*functions):
    thread = threading.Thread(target=lambda: [function() for function in functions])
    thread.start()
    thread.join()
keep_freed_memory()
torch.ones(1)
several, stays, before = [], [], megabytes()
where = sys.argv[1]
for _ in range(3):
    found = []
    if where == "main":
        train()
        found.append(megabytes() - before)
        rest()
    elif where == "thread":
        in_a_thread(train, lambda: found.append(megabytes() - before), rest)
    else:
        in_a_thread(train)
        found.append(megabytes() - before)
        with returning_freed_memory():
            several.clear()
        found[1:] = [found[0], megabytes() - before]
    print(*found)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
@pytest.mark.parametrize("where", ["main", "thread", "freed elsewhere"])
def test_memory_is_kept_during_a_run_and_given_back_at_rest(where):
    """Ten tensors of 20 MB; glibc's own limit, without `keep_freed_memory`, is 32 MB at most."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", REST, where]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    rounds = [list(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(rounds) == 3
    for full, kept, rest in rounds:
        assert full > 190 and kept > 190 and rest < 10, rounds
