"""The course works where something is missing: a network, rights to write, memory, cores, English, a simple path.

Each surrounding is produced for real, around a child process that imports the library and trains.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from cnnlib.datasets import fashion_mnist

ROOT = Path(__file__).parents[1]
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # from Linux's prctl.h and capability.h

COURSE = """
import torch
import cnnlib
from cnnlib.models import lenet
from cnnlib.probes import layer_table
from cnnlib.widgets import fit
torch.manual_seed(0)
data = cnnlib.load_data_fashion_mnist(64, num_train=256, num_test=128)
net = lenet()
history = fit(net, *data, 1, 0.5)
assert history.ended == "finished" and history.steps == 4
assert cnnlib.evaluate_accuracy(net, data[1]) == history.test_acc[0]
"""


def child(code, *, before=None, command=(), cwd=None, check=True, **environment):
    """Run a program in a process of its own; return what it did."""
    environment = {key: value for key, value in (os.environ | environment).items() if value is not None}
    done = subprocess.run(
        [*command, sys.executable, "-"], input=code.encode(), env=environment, preexec_fn=before, cwd=cwd,
        capture_output=True, timeout=300,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr.decode(errors="replace")
    return done


def obey_permissions():
    """Let root be refused what the permissions of a file refuse, as everybody else is."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None).prctl
        assert prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) == prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH) == 0


@pytest.fixture
def copy(tmp_path):
    """Return a maker of copies of the repository, without its notebooks, in a folder of a given name."""

    def make(name):
        place = tmp_path / name
        shutil.copytree(ROOT / "cnnlib", place / "cnnlib", ignore=shutil.ignore_patterns("__pycache__"))
        (place / "notebooks" / "results").mkdir(parents=True)
        return place

    yield make
    for folder, _, _ in os.walk(tmp_path):
        os.chmod(folder, 0o700)  # or pytest cannot delete it


# No network


def without_network():
    """Return the command that takes the network away, loopback too."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return []  # the hook below is left, which nothing gets past that Python knows of


@pytest.mark.thorough
def test_no_network_is_asked_for(tmp_path):
    code = """
import sys
asked = []
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        asked.append((event, args))
sys.addaudithook(hook)
""" + COURSE + """
from functools import partial
import cnnlib.exercises, cnnlib.figures, cnnlib.d2l
from cnnlib.widgets import Playground, explore_shapes
panel = Playground("panel", lambda s: lenet(), lambda s: data, lr=0.5)
panel.runner.start(steps=2)
panel.runner.wait()
assert panel.runner.trainer.step == 2 and panel.picture().png()[:4] == b"\\x89PNG"
explore_shapes(net, (1, 28, 28))
assert not asked, asked
"""  # fmt: skip
    child(code, command=without_network(), cwd=tmp_path)


# No rights


@pytest.mark.thorough
def test_nothing_needs_to_be_written(copy, tmp_path):
    """Repository, home and results are read-only, and one data file may not even be read."""
    place, home = copy("repository"), tmp_path / "home"
    home.mkdir()
    (place / "notebooks" / "results" / "chapter02.json").write_text(
        '{"network": "AlexNet", "parameters": 1, "multiply_adds": 2, "epochs": 3, "seconds": 4, "low": 0.5,'
        ' "high": 0.5}'
    )
    hidden = tmp_path / "hidden" / "t10k-labels-idx1-ubyte.gz"
    hidden.parent.mkdir()
    shutil.copy(fashion_mnist.FOLDER / hidden.name, hidden)
    hidden.chmod(0)
    for folder, _, files in [*os.walk(place), *os.walk(home)]:
        for name in files:
            os.chmod(Path(folder, name), 0o444)
        os.chmod(folder, 0o555)
    code = COURSE + f"""
import os
from pathlib import Path, PureWindowsPath
from cnnlib.page import progress_file
from cnnlib.datasets import DataFileError, fashion_mnist
place, home = Path({str(place)!r}), Path({str(home)!r})
assert cnnlib.__file__ == str(place / "cnnlib" / "__init__.py")
for folder in (place, place / "cnnlib", home, Path.cwd(), Path("results")):
    try:
        (folder / "a").write_text("a")
        raise SystemExit(f"{{folder}} can be written to: this tests nothing")
    except PermissionError:
        pass
table = repr(cnnlib.growth_table(1, "LeNet", layer_table(net, (1, 28, 28)), history))
assert "LeNet" in table and "AlexNet" in table
try:
    history.save("results/run.json")
    raise SystemExit("saved")
except PermissionError as error:
    assert "results" in str(error)
progress_file.has_reader = lambda: True
progress_file.judged("lenet", "conv2d", "build", True)
assert progress_file.known_progress()["exercises"]["lenet"]["conv2d"]["solved"]
told = progress_file.remark()
assert "Your progress is not kept (PermissionError" in told and "CNNLIB_PROGRESS" in told, told
try:
    fashion_mnist.read_idx(Path({str(hidden)!r}))
    raise SystemExit("read")
except DataFileError as error:
    assert "cannot be read" in str(error) and "Permission" in str(error) and {hidden.name!r} in str(error)
"""  # fmt: skip
    child(
        code, before=obey_permissions, cwd=place / "notebooks", PYTHONPATH=str(place), HOME=str(home),
        XDG_DATA_HOME=None, XDG_CACHE_HOME=None, XDG_CONFIG_HOME=None, MPLCONFIGDIR=None, CNNLIB_PROGRESS=None,
    )  # fmt: skip


# A small computer


def small():
    """Leave one core and 2 GB of memory."""
    import resource  # not on Windows

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9,) * 2)


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux can take cores and memory from a process")
def test_one_core_and_2_gb_are_enough_for_chapter_1(tmp_path):
    code = """
import re
import torch
import cnnlib
import cnnlib.exercises, cnnlib.figures, cnnlib.probes, cnnlib.widgets
from cnnlib.machine.device import CORES
from cnnlib.models import lenet
train_iter, test_iter = cnnlib.load_data_fashion_mnist(256)
trainer = cnnlib.Trainer(lenet(), train_iter, test_iter, 0.5, device="cpu")
trainer.listeners.append(lambda t: t.step >= 6 and t.stop())
assert trainer.fit(1).steps == 6 and CORES == 1
cnnlib.evaluate_accuracy(trainer.net, test_iter)
cnnlib.train_over_seeds(lenet, train_iter, None, 1, 0.5, seeds=(0, 1), steps=2, device="cpu")
status = open("/proc/self/status").read()  # getrusage would count what the tests themselves hold
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]))
images, labels = cnnlib.datasets.load_arrays("train")
large = cnnlib.datasets.Batches(images, labels, 30_000, resize=64)
try:
    cnnlib.train(lenet(), large, None, 1, 0.5, "cpu")
except cnnlib.OutOfMemoryError as error:
    assert "Try batches of 15000 examples instead of 30000" in str(error)
    assert trainer.fit(1).ended == "stopped"
    print("refused")
"""
    peak, refused = child(code, before=small, cwd=tmp_path, OMP_NUM_THREADS=None).stdout.decode().split()
    assert float(peak) < 1.2e9 and refused == "refused"


# Other languages

ARTEFACTS = """
import json, locale, sys
import torch
import cnnlib
from cnnlib.models import lenet
from cnnlib.probes import layer_table
from cnnlib.widgets import explore_shapes
from cnnlib.widgets.controls import shown
from cnnlib.widgets.run_chart import RunChart
from cnnlib.widgets.runs import Run
from cnnlib.widgets.runs_page import links

def artefacts():
    torch.manual_seed(0)
    net = lenet()
    data = cnnlib.load_data_fashion_mnist(32, num_train=96, num_test=64)
    history = cnnlib.train(net, *data, 2, 0.123456789, "cpu")
    history.seconds = history.train_seconds = 1.5
    history.settings["threads"] = 0
    chart = RunChart(3, 2)
    chart.update(history, all=True)
    run, table = Run("Übung ü ı 课", history, {"lr": shown(0.125)}, "#000"), layer_table(net, (1, 28, 28))
    return {
        "json": history.to_json(), "csv": history.to_csv(), "links": links(run),
        "chart": chart.chart.picture().png(1).hex(), "table": table._repr_markdown_(),
        "compare": cnnlib.compare({"ä": history})._repr_markdown_(),
        "walk": explore_shapes(net, (1, 28, 28)).draw(2).svg(), "summary": history.summary().split(",")[0],
        "names": "title".upper() + "I".lower(),
    }
"""


def made_locales(folder, names):
    """Make locales in a folder of their own from the system's descriptions of them; skip the test without those."""
    folder.mkdir()
    for name in names:
        country, encoding = name.split(".")
        made = shutil.which("localedef") and subprocess.run(
            ["localedef", "-c", "-i", country, "-f", encoding, str(folder / name)], capture_output=True
        )
        if not (folder / name).exists():
            pytest.skip(f"this system has no description of {name} ({made and made.stderr.decode()[:200]})")
    return str(folder)


NAMES = ("de_DE.ISO-8859-1", "tr_TR.UTF-8")  # the first has another encoding, both have a decimal comma


@pytest.fixture(scope="module")
def expected():
    """What is made under the locale that the tests run in."""
    names = {}
    exec(ARTEFACTS, names)
    return names["artefacts"]()


def made_in(code, folder, **environment):
    """Return what ARTEFACTS and `code` print in a child with as many threads: another number may round otherwise."""
    environment |= {"LANG": None, "PYTHONUTF8": "0", "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return child(ARTEFACTS + code, cwd=folder, **environment).stdout.decode("ascii").splitlines()


@pytest.mark.thorough
def test_a_system_in_german_or_turkish_changes_nothing(expected, tmp_path):
    """Not even where a program sets the decimal comma for the whole process."""
    code = f"""
assert locale.getpreferredencoding() == "ISO-8859-1", locale.getpreferredencoding()
for name in {NAMES}:
    locale.setlocale(locale.LC_ALL, name)
    print(json.dumps(artefacts()))
    assert locale.str(0.5) == "0,5"
"""
    lines = made_in(code, tmp_path, LC_ALL=NAMES[0], LOCPATH=made_locales(tmp_path / "locales", NAMES))
    assert [json.loads(line) for line in lines] == [expected] * len(NAMES)


@pytest.mark.thorough
def test_a_system_that_knows_only_ascii_changes_nothing(expected, tmp_path):
    code = (
        COURSE
        + """
assert locale.getpreferredencoding() == "ANSI_X3.4-1968" and sys.stdout.encoding == "ascii"
print(history)
cnnlib.History.load(history.save("run.json"))
from pathlib import Path, PureWindowsPath
from cnnlib.page import progress_file
progress_file.has_reader = lambda: True
progress_file.guessed("Größer als 课?", "ja, größer")
assert "课" in Path("progress.json").read_text(encoding="utf-8") and not progress_file.remark()
print(json.dumps(artefacts()))
"""
    )
    ascii = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    told, found = made_in(code, tmp_path, CNNLIB_PROGRESS=str(tmp_path / "progress.json"), **ascii)
    assert told.startswith("History: finished") and json.loads(found) == expected


def test_every_text_file_is_opened_as_utf_8():
    """On a system with another encoding a file that is opened without one is misread."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--preview", "--isolated", "--select=PLW1514", "cnnlib", "docs/book"],
        capture_output=True, cwd=ROOT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


# A path with spaces and letters of other scripts

ODD = "Übung 1, 课程 & $HOME 'ñ'"


@pytest.mark.thorough
def test_a_notebook_in_a_folder_with_an_odd_name(copy, monkeypatch):
    """Run by a program, without a page in front: it shows pictures in place of controls, and the same numbers."""
    place = copy(ODD)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.delenv("CNNLIB_LIVE", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    shown = """
from cnnlib.widgets import Playground
panel = Playground("panel", lambda s: lenet(), lambda s: data, lr=0.5, preview=3)
panel"""
    cells = [
        COURSE,
        shown,
        "print(cnnlib.__file__)\ncnnlib.growth_table(1, 'LeNet', layer_table(net, (1, 28, 28)), history)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(place / "notebooks")}}
    )
    client.execute()
    fit, panel, table = ([output.get("data", {}) for output in cell.outputs] for cell in notebook.cells)
    assert "image/png" in fit[-1] and not any("widget" in kind for kind in fit[-1])
    assert "image/png" in panel[-1]
    assert notebook.cells[2].outputs[0]["text"].strip() == str(place / "cnnlib" / "__init__.py")
    assert "LeNet" in table[-1]["text/plain"] and (place / "notebooks" / "results" / "chapter01.json").exists()


@pytest.mark.skipif(not shutil.which("make") or os.name == "nt", reason="there is no make here")
@pytest.mark.parametrize("goal", ["slides", "playground", "book", "install"])
def test_make_in_a_folder_with_an_odd_name(tmp_path, goal):
    """Its programs are replaced by one that notes how it was called: each argument must come as one."""
    place = tmp_path / ODD.replace("$", "")  # make itself reads a dollar in its own folder's name as a variable
    tools = place / ".venv" / "bin"
    tools.mkdir(parents=True)
    (place / "docs" / "book" / "live").mkdir(parents=True)
    (place / "notebooks").mkdir()
    (place / "notebooks" / "01_lenet.ipynb").touch()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    note = place / "called"
    program = f"""#!{sys.executable}
import json, os, sys
kept = {{name: os.environ.get(name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_PATH")}}
open({str(note)!r}, "a").write(json.dumps([sys.argv[1:], kept]) + "\\n")
"""
    for path in (tools / "jupyter", tools / "python", tools / "voila", place / "my python"):
        path.write_text(program.replace("\\\\", "\\"), encoding="utf-8")
        path.chmod(0o755)
    if goal != "install":
        for stamp in ("lab", "present", "book", "test"):
            (place / ".venv" / stamp).touch()
    done = subprocess.run(["make", goal, f"PYTHON={place / 'my python'}"], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    calls = [json.loads(line) for line in note.read_text(encoding="utf-8").splitlines()]
    arguments = calls[-1][0]
    if goal == "slides":  # as `make lab`, with other settings
        assert arguments[:4] == ["-m", "cnnlib.course.command", "lab", "work"]
        assert arguments[-2:] == ["--open", "01_lenet"]
        assert calls[-1][1]["JUPYTER_CONFIG_DIR"] == str(place / "build" / "slides")
    if goal == "playground":
        assert calls[-1][1]["JUPYTER_PATH"] == str(place / "docs" / "book" / "app")
    if goal == "install":
        assert calls[0][0][0] == "-c" and arguments[-2:] == ["-e", "."]


# Windows


def troubles_on_windows(path):
    """Say why a path of the repository cannot be used on Windows, or return ''."""
    for part in path.split("/"):
        if PureWindowsPath(part).is_reserved():
            return "a reserved name"
        if part[-1] in ". " or re.search(r'[<>:"|?*\\\x00-\x1f]', part):
            return "a character that is not allowed"
    return "too long" if len(path) >= 200 else ""  # of 260, which the folder it lies in needs as well


def test_every_file_can_lie_on_windows():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: the list of files is git's")
    listed = subprocess.run(["git", "ls-files", "-sz"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    modes, paths = zip(*((line.split()[0], line.split("\t", 1)[1]) for line in listed.split("\0") if line), strict=True)
    assert len(paths) > 100 and set(modes) <= {"100644", "100755"}, "there is a link, or a repository in the repository"
    assert {path: trouble for path in paths if (trouble := troubles_on_windows(path))} == {}
    folders = {"/".join(path.split("/")[:n]) for path in paths for n in range(1, path.count("/") + 1)}
    small = [name.lower() for name in (*paths, *folders)]
    assert len(small) == len(set(small)), "two names differ in capital letters alone"
