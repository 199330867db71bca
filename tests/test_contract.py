"""The time contract names every section of every chapter, scales as it says, and leaves the machine as it was."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch

from cnnlib import contract, time_contract
from cnnlib.contract import FILE, WORKLOADS, calibrate, find_chapter

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))
from times import sections_of  # noqa: E402

STORED = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture
def steps(monkeypatch):
    """Return a function that sets what a calibration finds: threads → seconds; the number of threads is put back."""
    before = torch.get_num_threads()

    def found(**times):
        times = {int(name[1:]): seconds for name, seconds in times.items()}
        monkeypatch.setattr(contract, "CORES", max(times))
        monkeypatch.setattr(contract, "calibrate", lambda chapter: times)

    monkeypatch.setattr(contract, "try_gpu", lambda: torch.device("cpu"))
    yield found
    torch.set_num_threads(before)


def test_every_chapter_and_section_has_its_times():
    chapters = {path.stem: path for path in NOTEBOOKS.glob("[0-9]*.ipynb")}
    assert set(chapters) == set(WORKLOADS) == set(STORED), "run make times after adding a chapter"
    for name, path in chapters.items():
        headings = set(sections_of(nbformat.read(path, as_version=4))) - {None}
        assert set(STORED[name]) == {"1", "2"}
        for cores in "12":
            assert set(STORED[name][cores]["sections"]) == headings, f"{name}: run make times {name}"


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_chapter_begins_with_its_contract(name):
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    places = [i for i, cell in enumerate(cells) if "time_contract(" in cell.source]
    assert places == [2] and cells[2].source == f'time_contract("{name}")'


def test_a_machine_like_the_books_gets_the_books_times(steps):
    there = STORED["01_lenet"]["2"]
    steps(t1=2 * there["step"], t2=there["step"])
    here = time_contract("01")
    assert here.sections == pytest.approx(there["sections"]) and here.threads == 2 == torch.get_num_threads()
    assert here.seconds == pytest.approx(sum(there["sections"].values()))


def test_a_machine_of_half_the_speed_takes_twice_the_time(steps):
    there = STORED["05_resnet"]["2"]
    steps(t1=2 * there["step"], t2=3 * there["step"])
    here = time_contract("05_resnet")
    assert here.seconds == pytest.approx(2 * sum(there["sections"].values()))
    assert here.threads == 1 == torch.get_num_threads(), "two threads were slower"


def test_one_core_is_held_against_one_core(steps):
    there = STORED["03_vgg"]["1"]
    steps(t1=there["step"])
    assert time_contract("03").sections == pytest.approx(there["sections"])


def test_it_says_what_it_measured(steps):
    steps(t1=0.020, t2=0.012)
    here = time_contract("02")
    for text in (here._repr_markdown_(), repr(here)):
        assert "1 thread 20 ms, 2 threads 12 ms" in text and "PyTorch computes with 2 from here on" in text
        for heading, seconds in here.sections.items():
            assert (heading in text) == (seconds >= contract.SHORT)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (3.4, "3 s"),
        (12.4, "10 s"),
        (58, "60 s"),
        (88, "90 s"),
        (100, "1.7 minutes"),
        (1_234, "21 minutes"),
    ],  # fmt: skip
)
def test_times_are_rounded_as_they_are_known(seconds, words):
    assert contract._rounded(seconds) == words


def test_on_a_gpu_it_promises_nothing(monkeypatch):
    monkeypatch.setattr(contract, "try_gpu", lambda: torch.device("meta"))
    here = time_contract("04")
    assert here.sections == {} and "GPU" in repr(here) and "|" not in here._repr_markdown_()


@pytest.mark.parametrize("wrong", ["07", "lenet", "", None, 1])
def test_an_unknown_chapter_is_named(wrong):
    with pytest.raises(ValueError, match=r"there is no chapter .*01_lenet"):
        time_contract(wrong)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_calibration_is_short_and_leaves_no_trace(name, pace):
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    began = time.perf_counter()
    found = calibrate(find_chapter(name))
    assert time.perf_counter() - began < pace.bar(4), "2 s on a quiet machine; this one may be busy"
    assert torch.equal(torch.get_rng_state(), random) and torch.get_num_threads() == threads
    assert list(found)[0] == 1 and all(0 < seconds < 5 for seconds in found.values())


PROMISE = """
import time, torch
from cnnlib.contract import WORKLOADS, calibrate
from cnnlib import Trainer, load_data_fashion_mnist
from cnnlib.models import lenet
print("ready")
input()
steps = calibrate("01_lenet")
threads = min(steps, key=steps.get)
torch.set_num_threads(threads)
data, _ = load_data_fashion_mnist(256, num_train=100 * 256)
history = Trainer(lenet(), data, lr=0.1, device="cpu").fit(1)
print(history.seconds / (100 * steps[threads]))
"""


@pytest.mark.alone
def test_a_hundred_steps_take_what_the_calibration_promises(quiet):
    """The largest experiments of chapter 1 are nothing but such steps; the bar is a factor of 1.5."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-uc", PROMISE], env=environment, **pipes) as child:
        assert child.stdout.readline() == "ready\n"
        with quiet():
            said, _ = child.communicate("go\n", timeout=120)
    assert child.returncode == 0 and 1 / 1.5 < float(said) < 1.5
