"""The time contract names every section of every chapter, scales as it says, and leaves the machine as it was."""

import json
import os
import subprocess
import sys
import time

import nbformat
import pytest
import torch
from chapter_pages import CHAPTERS
from times import sections_of

from cnnlib import time_contract
from cnnlib.course import times as contract
from cnnlib.course.times import FILE, WORKLOADS, calibrate, contract_name

STORED = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture
def steps(monkeypatch):
    """Return a function that sets what a calibration finds: workload → threads → seconds; threads are put back."""
    before = torch.get_num_threads()

    def found(times):
        monkeypatch.setattr(contract, "CORES", max(n for counted in times.values() for n in counted))
        monkeypatch.setattr(contract, "calibrate", lambda chapter: times)

    monkeypatch.setattr(contract, "try_gpu", lambda: torch.device("cpu"))
    yield found
    torch.set_num_threads(before)


def test_every_chapter_and_section_has_its_times():
    chapters = {path.stem: path for path in CHAPTERS}
    assert set(chapters) == set(WORKLOADS) == set(STORED), "run make times after adding a chapter"
    for name, path in chapters.items():
        notebook = nbformat.read(path, as_version=4)
        places = [i for i, cell in enumerate(notebook.cells) if "time_contract(" in cell.source]
        assert len(places) == 1 and places[0] < 8, "the chapter begins with what it takes"
        headings = set(sections_of(notebook)) - {None}
        assert set(STORED[name]) == {"1", "2"}
        for cores in "12":
            assert set(STORED[name][cores]["sections"]) == headings, f"{name}: run make times {name}"
            assert set(STORED[name][cores]["steps"]) == {workload.name for workload in WORKLOADS[name]}
        named = [number for workload in WORKLOADS[name] for number in workload.sections]
        assert set(named) < {heading.partition(" ")[0] for heading in headings} and len(set(named)) == len(named)


@pytest.mark.parametrize(
    ("chapter", "times_as_long", "two_threads", "threads"), [("01_lenet", 1, 1, 2), ("05_resnet", 2, 3, 1)]
)
def test_times_scale_with_the_machine(steps, chapter, times_as_long, two_threads, threads):
    """A machine like the book's gets the book's times; one of half the speed, where two threads are slower, twice."""
    there = STORED[chapter]["2"]
    steps({name: {1: 2 * seconds, 2: two_threads * seconds} for name, seconds in there["steps"].items()})
    here = time_contract(chapter[:2])
    wanted = {heading: times_as_long * seconds for heading, seconds in there["sections"].items()}
    assert here.sections == pytest.approx(wanted) and here.seconds == pytest.approx(sum(wanted.values()))
    assert here.threads == threads == torch.get_num_threads()


def test_a_section_scales_with_a_network_of_its_kind(steps):
    there, own = STORED["05_resnet"]["1"], "5.6 Train ResNet-18"
    small, large = there["steps"]
    steps({small: {1: 2 * there["steps"][small]}, large: {1: 3 * there["steps"][large]}})
    for heading, seconds in time_contract("05").sections.items():
        assert seconds == pytest.approx(there["sections"][heading] * (3 if heading == own else 2)), heading


def test_threads_are_chosen_for_the_whole_chapter(steps):
    there = STORED["05_resnet"]["2"]
    small, large = there["steps"]
    own = there["sections"]["5.6 Train ResNet-18"]
    others = sum(there["sections"].values()) - own
    for factor in (0.9 * others / own, 1.1 * others / own):  # what the large network loses on one thread
        times = {n: {name: seconds for name, seconds in there["steps"].items()} for n in (1, 2)}
        times[2][small] *= 2  # two threads cost the small one as much again
        times[1][large] *= 1 + factor
        steps({name: {n: times[n][name] for n in times} for name in there["steps"]})
        assert time_contract("05").threads == (1 if factor < others / own else 2)


def test_it_says_what_it_measured(steps):
    small, large = STORED["05_resnet"]["2"]["steps"]
    steps({small: {1: 0.020, 2: 0.012}, large: {1: 0.050, 2: 0.030}})
    here = time_contract("05")
    for text in (here._repr_markdown_(), repr(here)):
        assert f"a training step of {small}: 1 thread 20 ms, 2 threads 12 ms; of ResNet-18: 1 thread 50 ms, " in text
        assert "PyTorch computes with 2 from here on" in text
        for heading, seconds in here.sections.items():
            assert (heading in text) == (seconds >= contract.SHORT)


def test_a_chapter_of_short_sections_has_no_table(steps):
    steps({WORKLOADS["00_convolution"][0].name: {1: 0.002, 2: 0.002}})  # a machine ten times as fast
    here = time_contract("00")
    assert max(here.sections.values()) < contract.SHORT and "takes about" not in here._repr_markdown_() + repr(here)


def test_a_chapter_that_was_not_measured_yet_says_so(steps, monkeypatch, tmp_path):
    """It can be run all the same: that is how it is measured."""
    (tmp_path / "times.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(contract, "FILE", tmp_path / "times.json")
    steps({WORKLOADS["01_lenet"][0].name: {1: 0.2, 2: 0.1}})
    here = time_contract("01")
    assert here.threads == 2 and here.sections == {}
    assert repr(here) == here._repr_markdown_() and "not been measured yet" in repr(here) and "make times" in repr(here)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (3.4, "3 s"), (12.4, "10 s"), (88, "90 s"), (100, "1.7 minutes")]
)
def test_times_are_rounded_as_they_are_known(seconds, words):
    assert contract._rounded(seconds) == words


def test_on_a_gpu_it_promises_nothing(monkeypatch):
    monkeypatch.setattr(contract, "try_gpu", lambda: torch.device("meta"))
    here = time_contract("04")
    assert here.sections == {} and "GPU" in repr(here) and "|" not in here._repr_markdown_()


def test_an_unknown_chapter_is_named():
    with pytest.raises(ValueError, match=r"there is no chapter .*01_lenet"):
        time_contract("07")


@pytest.mark.thorough
@pytest.mark.parametrize("name", WORKLOADS)
def test_a_calibration_is_short_and_leaves_no_trace(name, pace):
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    began = time.perf_counter()
    found = calibrate(contract_name(name))
    assert time.perf_counter() - began < pace.bar(4), "2 s on a quiet machine; this one may be busy"
    assert torch.equal(torch.get_rng_state(), random) and torch.get_num_threads() == threads
    assert list(found) == [workload.name for workload in WORKLOADS[name]]
    for times in found.values():
        assert list(times)[0] == 1 and all(0 < seconds < 5 for seconds in times.values())


PROMISE = """
import time, torch
from cnnlib.course.times import WORKLOADS, calibrate
from cnnlib import Trainer, load_data_fashion_mnist
from cnnlib.models import lenet
print("ready")
input()
(steps,) = calibrate("01_lenet").values()
threads = min(steps, key=steps.get)
torch.set_num_threads(threads)
data, _ = load_data_fashion_mnist(256, num_train=100 * 256)
history = Trainer(lenet(), data, lr=0.1, device="cpu").fit(1)
print(history.seconds / (100 * steps[threads]))
"""


@pytest.mark.thorough
def test_a_hundred_steps_take_what_the_calibration_promises():
    """The largest experiments of chapter 1 are nothing but such steps; the bar is a factor of 1.5."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-uc", PROMISE], env=environment, **pipes) as child:
        assert child.stdout.readline() == "ready\n"
        said, _ = child.communicate("go\n", timeout=120)
    assert child.returncode == 0 and 1 / 1.5 < float(said) < 1.5
