"""What is kept when a run is stopped, interrupted, killed, put to sleep, or has no room left to write in.

The processes are real, and the runs tiny. Pages that are loaded anew are in test_survival_browser.py.
"""

import copy
import errno
import io
import json
import os
import pickle
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from jupyter_client.manager import start_new_kernel
from panels import fork, go, rest, threads
from panels import panel as panel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

import cnnlib
from cnnlib import Checkpoint
from cnnlib.machine import clock
from cnnlib.page import storage as shared_file
from cnnlib.training.checkpoint_file import NAME, read_checkpoint
from cnnlib.widgets import current_run, last_run, live, slider
from cnnlib.widgets.run_chart import RunChart

Trainer = partial(cnnlib.Trainer, device="cpu")
momentum = partial(torch.optim.SGD, momentum=0.9)

# A run that a test can kill: `run(path)` trains, and says on standard output which step is done.
CHILD = """
import os, random, signal, sys, time
import torch
from torch import nn
import cnnlib
from cnnlib.datasets import Batches

def parts(width=8):
    torch.manual_seed(0)
    images, labels = torch.randint(256, (80, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (80,))
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 10))
    return net, Batches(images, labels, 32, shuffle=True)

def trainer(width=8):
    net, data = parts(width)
    torch.manual_seed(1)
    adam = torch.optim.Adam
    return cnnlib.Trainer(net, data, None, 0.001, optimizer=adam, device="cpu")
"""


@pytest.fixture
def parts():
    """Return the functions of CHILD, to be called in this process."""
    space = {}
    exec(compile(CHILD, "child", "exec"), space)
    return SimpleNamespace(**space)


@contextmanager
def child(source, *arguments):
    """Run lines of Python after CHILD in a process of their own."""
    command = [sys.executable, "-u", "-c", CHILD + source, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def same(a, b):
    """Return whether two states are equal to the last bit; times are not part of it."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a if k not in ("seconds", "train_seconds"))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def stop_at(step):
    return lambda trainer: trainer.stop() if trainer.step == step else None


# The same curve as if never stopped


@pytest.fixture
def data(noise):
    """Return a maker of training data whose order or pictures are drawn in some way."""
    images, labels = next(noise(80, 80, shuffle=False).epoch(0))
    dataset = TensorDataset(images, labels)
    makers = {
        "batches": noise,
        "transformed": lambda: noise(transform=v2.RandomHorizontalFlip()),
        "loader": lambda: DataLoader(dataset, 32, shuffle=True),
        "generator": lambda: DataLoader(dataset, 32, shuffle=True, generator=torch.Generator().manual_seed(5)),
    }
    return lambda kind: makers[kind]()


@pytest.mark.parametrize("kind", ["batches", "transformed", "loader", "generator"])
@pytest.mark.parametrize("step", [1, 2, 3, 4])  # within an epoch, at its end, in the next
def test_a_run_that_goes_on_from_its_file_is_the_run_that_never_stopped(data, dense, tmp_path, kind, step):
    def run(listeners=(), **options):
        torch.manual_seed(0)
        trainer = Trainer(dense(0.5), data(kind), data("loader"), 0.01, optimizer=torch.optim.Adam, listeners=listeners)
        return trainer, Checkpoint(tmp_path / "run.pt").fit(trainer, 3) if options else trainer.fit(3)

    straight, history = run()
    stopped, _ = run([stop_at(step)], checkpoint=True)
    assert stopped.history.steps == step and stopped.history.ended == "stopped"
    torch.rand(7)  # somebody else draws random numbers
    others = torch.get_rng_state()
    again, resumed = run(checkpoint=True)
    assert resumed.loss == history.loss and resumed.test_acc == history.test_acc and resumed.ended == "finished"
    keys = ("net", "optimizer", "history", "epoch", "batch")
    assert all(same(again.state()[key], straight.state()[key]) for key in keys)
    torch.set_rng_state(others)  # what was drawn belonged to the run


def test_the_random_numbers_of_others_stay_where_they_are(noise, dense, tmp_path):
    trainer = Trainer(dense(0.5), noise(), lr=0.1)
    trainer.fit(1)
    trainer.save(tmp_path / "run.pt")
    again = Trainer(dense(0.5), noise(), lr=0.1)
    before = torch.get_rng_state()
    again.load(tmp_path / "run.pt")
    again.fit(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_second_call_goes_on_and_a_third_has_nothing_to_do(noise, dense, tmp_path):
    path = tmp_path / "new folder" / "run.pt"
    for num_epochs, steps, words in [(1, 3, ""), (2, 6, "Going on from .*run.pt, step 3."), (2, 6, "nothing was left")]:
        keeper = Checkpoint(path)
        torch.manual_seed(0)
        history = cnnlib.train(dense(), noise(), None, num_epochs, 0.1, "cpu", checkpoint=keeper)
        assert (history.steps, history.ended) == (steps, "finished")
        assert re.search(words, keeper.note) and bool(words) == bool(keeper.note)
    assert set(os.listdir(path.parent)) == {"run.pt", ".run.pt.lock"}


# Interrupt, kill -9

INTERRUPTED = """
net, data = parts()
def note(trainer):
    print(trainer.step)
    time.sleep(0.01)
torch.manual_seed(1)
adam = torch.optim.Adam
history = cnnlib.train(net, data, None, 100, 0.001, "cpu", optimizer=adam, checkpoint=sys.argv[1], listeners=[note])
print(history.ended, history.steps)
"""


def test_a_script_that_is_interrupted_keeps_its_run(parts, tmp_path):
    path = tmp_path / "run.pt"
    with child(INTERRUPTED, path) as process:
        while int(process.stdout.readline()) < 8:
            pass
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    state = torch.load(path, weights_only=True)
    kept = state["epoch"] * 3 + state["batch"]
    assert process.returncode == 0 and not errors and said.split("\n")[-2] == f"interrupted {kept}"  # the last step
    straight, resumed = parts.trainer(), parts.trainer()
    straight.fit(5 + kept // 3)
    torch.rand(3)
    resumed.load(path)
    assert (resumed.step, resumed.history.ended) == (kept, "interrupted")
    resumed.fit(straight.epoch - resumed.epoch)
    assert same(resumed.state()["net"], straight.state()["net"]) and resumed.history.loss == straight.history.loss


KILLED_WHILE_SAVING = """
path, cuts, torn = sys.argv[1], random.Random(0), 0
torch.set_num_threads(1)
warm = torch.zeros(1, requires_grad=True)
warm.grad = warm.detach().clone()
torch.optim.Adam([warm]).step()  # what it imports, each child would have to import anew
for kill in range(24):
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            one = trainer(400)
            if kill:
                one.load(path)
            one.listeners += [lambda t: t.save(path), lambda t: os.write(into, b"x")]
            one.fit(10_000)
        finally:
            os._exit(1)
    os.close(into)
    os.read(out, 1)  # it has saved once, and goes on
    time.sleep(cuts.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(out)
    torn += any(name.endswith(".part") for name in os.listdir(os.path.dirname(path)))
    one = trainer(400)
    one.load(path)
    print(one.step, torn)
straight, steps = trainer(400), one.step
straight.listeners.append(lambda t: t.step == steps and t.stop())
straight.fit(10_000)
equal = all(torch.equal(a, b) for a, b in zip(straight.net.parameters(), one.net.parameters()))
print(equal and straight.history.loss == one.history.loss)
"""


@pytest.mark.thorough
def test_killed_again_and_again_while_it_saves(tmp_path):
    with child(KILLED_WHILE_SAVING, tmp_path / "run.pt") as process:
        output, errors = process.communicate(timeout=240)
    *lines, equal = output.split("\n")[:-1] or [""]
    assert len(lines) == 24 and equal == "True", errors
    steps = [int(line.split()[0]) for line in lines]
    print("saved steps, and kills in the middle of a file so far:", ", ".join(lines))
    assert steps == sorted(steps) and steps[-1] >= 12, "no kill takes back what was saved"
    assert int(lines[-1].split()[1]) >= 3, "a few of the kills came in the middle of a file"


def test_a_step_that_a_second_interrupt_tore_apart_is_not_saved(noise, dense, tmp_path):
    def twice(X, y):
        if keeper.saved == 4:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return nn.functional.cross_entropy(X, y)

    runs = []
    for loss in (nn.functional.cross_entropy, twice, nn.functional.cross_entropy):
        torch.manual_seed(0)
        keeper = Checkpoint(tmp_path / ("run.pt" if runs else "other.pt"), every=1e-9)
        trainer = Trainer(dense(0.5), noise(), lr=0.1, loss=loss)
        trainer.listeners.append(lambda t, keeper=keeper: setattr(keeper, "_throttle", clock.Throttle(1e9)))
        runs.append(copy.deepcopy(keeper.fit(trainer, 3)))
    assert (runs[1].ended, runs[1].steps, runs[2].steps) == ("interrupted", 4, 9)
    assert runs[2].loss == runs[0].loss


# No room, no right to write


@contextmanager
def no_room():
    """Let no file in this process grow beyond 4 KB, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_no_run(noise, dense, tmp_path):
    straight = Trainer(copy.deepcopy(net := dense()), noise(), lr=0.1).fit(3)
    keeper = Checkpoint(tmp_path / "run.pt", every=1e-9)
    with no_room(), pytest.warns(RuntimeWarning, match="could not be saved") as caught:
        history = cnnlib.train(net, noise(), None, 3, 0.1, "cpu", checkpoint=keeper)
    assert set(os.listdir(tmp_path)) <= {".run.pt.lock"}, "no half file stays behind"
    assert history.loss == straight.loss and history.ended == "finished"
    assert len(caught) == 1, "once, not every time"
    assert "Nothing is saved of this run" in keeper.note and keeper.failing
    assert "File too large" in keeper.note


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_the_next_one_heals(noise, dense, tmp_path, monkeypatch, call):
    path, real, notes = tmp_path / "run.pt", getattr(os, call), []

    def full(*arguments):
        if 3 <= trainer.step < 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(shared_file.os, call, full)
    keeper, trainer = Checkpoint(path), Trainer(dense(), noise(), lr=0.1)
    trainer.listeners.append(lambda t: setattr(keeper, "_throttle", clock.Throttle(1e9)))
    assert keeper.begin(trainer, 3) == 3
    trainer.listeners.append(lambda t: notes.append((t.step, keeper.note, read_checkpoint(path, t)[0]["history"])))
    assert trainer.fit(3).ended == "finished"
    kept = {step: len(record["loss"]) for step, _, record in notes}
    assert kept == {1: 1, 2: 2, 3: 2, 4: 2, 5: 2, 6: 6, 7: 7, 8: 8, 9: 9}
    words = {step: note for step, note, _ in notes}
    assert "No space left on device. What was saved at step 2 is still whole; the run goes on." in words[4]
    assert not words[2] and not words[6] and not keeper.failing


def test_a_save_that_is_asked_for_says_what_is_wrong(noise, dense, tmp_path):
    trainer = Trainer(dense(), noise(), lr=0.1)
    with pytest.raises(OSError, match="no ordinary file"):
        trainer.save("/dev/null")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        trainer.save(tmp_path / "file" / "run.pt")
    run = partial(cnnlib.train, device="cpu", checkpoint=tmp_path / "file" / "run.pt")
    with pytest.raises(OSError):  # a place that can never be one is told at once
        run(dense(), noise(), None, 1, 0.1)


def test_nobody_saves_in_the_middle_of_a_step(noise, dense, tmp_path):
    trainer, errors = Trainer(dense(), noise(), lr=0.1), []

    def elsewhere():
        try:
            trainer.save(tmp_path / "run.pt")
        except RuntimeError as error:
            errors.append(str(error))

    def listen(trainer):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    trainer.listeners.append(listen)
    trainer.fit(1)
    assert "another thread" in errors[0] and len(errors) == 4  # the fifth time, at its end, it may


# Files that are damaged, foreign, or meant to do harm


class Harm:
    """What a pickle can do to whoever loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


COLUMNS = ("loss", "lr", "correct", "size")


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def repacked(data):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


def test_nothing_but_a_whole_file_of_this_run_is_taken(noise, dense, tmp_path):
    path, canary = tmp_path / "run.pt", tmp_path / "harm"
    random.seed(0)
    good = Trainer(dense(), noise(), lr=0.1, optimizer=momentum)
    good.fit(1)
    data = good.save(path).read_bytes()
    content = torch.load(path, weights_only=True)

    def but(**changes):
        return saved({**content, **changes})

    record = json.loads(content["history"])
    cut = {f"cut off after {n}": data[:n] for n in (0, 1, 40, len(data) // 2, len(data) - 1)}
    bad = cut | {
        "text": b"hello",
        "a history": good.history.to_json().encode(),
        "a bare pickle with code": pickle.dumps(Harm(str(canary))),
        "code in place of a value": but(epoch=Harm(str(canary))),
        "code alone": saved(Harm(str(canary))),
        "another file of PyTorch": saved(good.net.state_dict()),
        "another format": but(**{NAME: 2}),
        "packed, so that it might unfold to any size": repacked(data),
        "far too large": saved({"x": torch.zeros(2**25)}),
        "no weights": but(net={}),
        "weights that are none": but(net={name: 1 for name in content["net"]}),
        "a record that is none": but(history="[]"),
        "a record of another length": but(history=json.dumps({**record, **dict.fromkeys(COLUMNS, [])})),
        "an epoch below zero": but(epoch=-1),
        "a batch beyond the epoch": but(batch=4),
        "a rate that is none": but(lr=float("nan")),
    }  # fmt: skip
    trainer = Trainer(dense(), noise(), lr=0.2, optimizer=momentum)
    trainer.fit(1)
    before, history = trainer.state(), trainer.history
    for name, blob in bad.items():
        path.write_bytes(blob)
        with pytest.raises(ValueError) as caught:
            trainer.load(path)
        assert str(path) in str(caught.value) or "another network" in str(caught.value), name
        assert same(trainer.state(), before) and trainer.history is history, name
        assert path.read_bytes() == blob and not canary.exists(), name
    refused = 0
    for _ in range(40):
        blob = bytearray(data)
        blob[random.randrange(len(data))] ^= 1 << random.randrange(8)
        path.write_bytes(blob)
        try:
            trainer.load(path)
        except ValueError:
            refused += 1
            assert same(trainer.state(), before)
        else:  # a bit that means nothing, between two parts
            assert same(trainer.state(), good.state())
            trainer.load_state(before)
    assert refused > 30
    path.unlink()
    with pytest.raises(FileNotFoundError):
        trainer.load(path)
    path.write_bytes(data)
    trainer.load(path)
    assert same(trainer.state()["net"], good.state()["net"]) and trainer.lr == 0.1


def test_a_file_of_another_setup_is_told_by_what_differs(noise, dense, tmp_path):
    path = tmp_path / "run.pt"
    Trainer(dense(), noise(), lr=0.1, optimizer=momentum).save(path)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(784, 17), nn.ReLU(), nn.Linear(17, 10))
    cases = [
        (wide, noise(), "'1.weight' is (16, 784) there and (17, 784) here"),
        (dense(), noise(seed=3), "seed of the data is 0 there and 3 here"),
        (dense(), noise(batch_size=31), "batch size is 32 there and 31 here"),
        (dense(), noise(num=90), "examples is 80 there and 90 here"),
        (dense(), noise(resize=14), "picture size is [28, 28] there and [14, 14] here"),
        (dense(), noise(shuffle=False), "shuffled is True there and False here"),
    ]
    for net, batches, words in cases:
        trainer = Trainer(net, batches, lr=0.1, optimizer=momentum)
        before = trainer.state()
        with pytest.raises(ValueError) as caught:
            trainer.load(path)
        assert words in str(caught.value)
        assert same(trainer.state(), before)


# A kernel: interrupt, sleep, restart, kill -9

KERNEL = """
import torch, time
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.widgets import Playground, fit, last_run
torch.manual_seed(0)
data = Batches(torch.randint(256, (64, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (64,)), 8)
def run(num_epochs, **options):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))
    wait = lambda trainer: time.sleep(0.01)
    return fit(net, data, data, num_epochs, 0.1, "cpu", listeners=[wait], **options)
"""


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(KERNEL, reply=True, timeout=60)
        yield SimpleNamespace(manager=manager, client=client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def value(kernel, expression):
    for _ in range(10):  # what is asked while a kernel gives up what waited behind an error is given up as well
        reply = kernel.client.execute("", user_expressions={"x": expression}, reply=True, timeout=60)
        if reply["content"]["status"] != "aborted":
            break
    answer = reply["content"]["user_expressions"]["x"]
    return answer["data"]["text/plain"] if answer["status"] == "ok" else f"{answer['ename']}: {answer['evalue']}"


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


def reply(kernel, cell):
    while (message := kernel.client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != cell:
        pass
    return message["content"]


def ended(kernel, cell):
    return reply(kernel, cell)["status"]


def test_an_interrupted_kernel_keeps_the_run_and_goes_on(kernel, tmp_path):
    path = tmp_path / "run.pt"
    assert value(kernel, "last_run()").startswith("RuntimeError: no fit() and no panel has trained in this kernel yet")
    cell = kernel.client.execute(f"history = run(2000, checkpoint={str(path)!r})")
    wait_for(path)
    kernel.manager.interrupt_kernel()
    assert ended(kernel, cell) == "ok"
    assert (
        value(kernel, "history.ended") == "'interrupted'" and value(kernel, "last_run().history is history") == "True"
    )
    steps = int(value(kernel, "history.steps"))
    epochs = -(-steps // 8) + 1
    answer = f"[run({epochs}, checkpoint={str(path)!r}).loss == run({epochs}).loss, last_run().history.steps]"
    assert value(kernel, answer) == f"[True, {8 * epochs}]"


STUDY = """
from pathlib import Path
from cnnlib import train_over_seeds, unfinished_runs
def tell(trainer):
    if trainer.step == 20:
        Path({path!r}).touch()
_ = train_over_seeds(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), data, None, 9999, 0.1, listeners=[tell])
"""


def test_an_interrupted_study_says_where_its_runs_are(kernel, tmp_path):
    cell = kernel.client.execute(STUDY.format(path=str(tmp_path / "begun")))
    wait_for(tmp_path / "begun")
    kernel.manager.interrupt_kernel()
    said = reply(kernel, cell)
    assert said["ename"] == "KeyboardInterrupt"
    kept = r"kept: seed 0 \(interrupted after ([\d,]+) steps\)\. .*unfinished_runs"
    shown = re.search(kept, "".join(said["traceback"]))
    assert value(kernel, "[h.steps for h in unfinished_runs()[1]]") == f"[{shown[1].replace(',', '')}]"


@pytest.mark.thorough
def test_sleep_changes_no_number_and_is_no_work(kernel, tmp_path):
    path = tmp_path / "run.pt"  # there when the second run has begun
    source = f"straight = run(12)\nbefore = time.time()\nhistory = run(12, checkpoint={str(path)!r})"
    cell = kernel.client.execute(f"{source}\nafter = time.time()")
    wait_for(path)
    kernel.manager.signal_kernel(signal.SIGSTOP)
    time.sleep(clock.STILL + 0.5)
    kernel.manager.signal_kernel(signal.SIGCONT)
    assert ended(kernel, cell) == "ok"
    assert value(kernel, "history.loss == straight.loss") == "True"
    assert float(value(kernel, "after - before")) > clock.STILL + 0.5, "it was asleep in the run"
    worked = float(value(kernel, "history.seconds"))
    assert worked < float(value(kernel, "after - before")) - clock.STILL, "asleep, it did not work"
    assert float(value(kernel, "history.train_seconds")) <= worked


@pytest.mark.thorough
def test_a_kernel_that_is_killed_and_started_again_goes_on_from_the_file(kernel, tmp_path):
    path = tmp_path / "run.pt"
    kernel.client.execute(f"from cnnlib import Checkpoint\nrun(2000, checkpoint=Checkpoint({str(path)!r}, every=0.05))")
    wait_for(path)
    time.sleep(0.5)
    os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    kernel.client.execute(KERNEL, reply=True, timeout=60)
    kept = int(value(kernel, f"sum(torch.load({str(path)!r})[k] * n for k, n in (('epoch', 8), ('batch', 1)))"))
    epochs = kept // 8 + 2
    assert kept > 1
    answer = f"run({epochs}, checkpoint={str(path)!r}).loss == run({epochs}).loss"
    assert value(kernel, answer) == "True"


def test_a_kernel_is_restarted_while_a_panel_trains(kernel):
    make = "pg = Playground('p', lambda s: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), lambda s: (data, data), "
    wait = "while not pg.history or pg.history.steps < 2:\n    time.sleep(0.01)"
    kernel.client.execute(f"{make}lr=0.1, num_epochs=10**6)\npg.page.start.click()\n{wait}", reply=True, timeout=60)
    assert value(kernel, "[last_run() is pg, pg.runner.state, pg.history.steps > 1]") == "[True, 'training', True]"
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=60)
    assert value(kernel, "'pg' in globals()") == "False"


# A panel whose cell is run again


def test_a_panel_that_is_made_again_keeps_the_runs_and_can_go_on(panel):
    pg = panel()
    go(pg, 7)
    other = panel(name="straight")
    go(other, 12)
    assert last_run() is other
    go(pg, 1)
    assert last_run() is pg and pg.history.steps == 8
    again = panel()
    assert last_run() is again and again.history is None and "is kept" in again.status.value
    (run,) = again.book.runs
    assert run.history is pg.history and not run.shown and len(again.book.earlier) == 1
    fork(again, run.moments[0], run)
    go(again, 4)
    assert again.history.loss == other.history.loss[:12] and again.history.steps == 12
    assert threads() == 0


def test_a_panel_that_is_made_again_with_other_controls_says_what_it_cannot_go_back_to(panel):
    pg = panel(controls=[slider("depth", 1, 9, 2)])
    go(pg, 3)
    again = panel(controls=[slider("width", 1, 9, 2)])
    (run,) = again.book.runs
    again.book.pick.value = run
    again.book.fork.click()
    rest(again)
    assert "cannot be gone back to" in again.book.note.value and "depth" in again.book.note.value
    assert again.runner.settings["width"] == 2 and again.runner.trainer is None


# Clocks after a sleep


def test_the_clock_of_work_leaves_out_what_is_no_work(monkeypatch):
    now = SimpleNamespace(wall=5.0, cpu=1.0)
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now.wall)
    monkeypatch.setattr(clock.time, "process_time", lambda: now.cpu)
    work = clock.WorkClock()
    for wall, cpu in [(1, 0.9), (1.9, 0), (3600, 0.01), (30, 20)]:  # work, a short wait, sleep, a long step
        now.wall, now.cpu = now.wall + wall, now.cpu + cpu
        work()
    assert work() == pytest.approx(1 + 1.9 + 0.01 + 30)


def test_a_sleep_while_a_frame_is_drawn_does_not_stop_the_chart(noise, dense):
    trainer = Trainer(dense(), noise(), lr=0.1)
    controls = live.Controls(trainer, RunChart(3, 1))
    trainer.fit(1)
    before, throttle = controls.picture.look, controls.throttle
    with throttle.frame():
        throttle._clock = lambda: time.perf_counter() + 3600.0  # an hour, with the lid closed
    assert not throttle.due()
    throttle._clock = lambda: time.perf_counter() + 3600.0 + 1.1
    trainer.history.marks.append((2, "something new"))
    controls(trainer)
    assert controls.picture.look != before
    controls.close()


@pytest.fixture(autouse=True)
def forget():
    yield
    current_run._current = None
