"""Every benchmark at toy size, without the peers: it runs, its table and JSON say what they should, and what it
compares is the same work.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import cpu  # noqa: E402
import display  # noqa: E402
import loading  # noqa: E402
import probes  # noqa: E402
import scale  # noqa: E402
import side  # noqa: E402
import train  # noqa: E402
from networks import LAPTOP, SEED, Order, Task  # noqa: E402
from watch import Watch  # noqa: E402

OURS = ["cnnlib fit", "cnnlib train", "bare loop", "bare loop, untuned"]


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """Make LeNet's batches small in this process."""
    monkeypatch.setitem(LAPTOP, "lenet", replace(LAPTOP["lenet"], batch=32))


def run(benchmark, folder, *arguments):
    """Run a benchmark as its command does, in this process; return what it wrote, and its table as Markdown."""
    out = folder / "figures.json"
    benchmark.main([*map(str, arguments), "--place", "here", "--patience", "0", "--out", str(out)])
    written = json.loads(out.read_text())
    machine = written["machine"]
    assert machine["torch"] == str(torch.__version__) and machine["cores"] >= 1 and machine["python"]
    return written, out.with_suffix(".md").read_text()


def test_all_that_train_do_the_same_work(tmp_path, capsys):
    written, table = run(train, tmp_path, "--kinds", *OURS, "--steps", 5, "--repeats", 2)
    assert all(f"| {kind} |" in table for kind in OURS) and "others used" in table
    assert written["compared"] == "step" and written["task"]["network"] == "lenet"
    for number in range(2):
        losses = [written["runs"][kind][number]["loss"] for kind in OURS]
        assert max(losses) - min(losses) < 1e-4
    first, second = written["runs"]["bare loop"]
    assert first["loss"] != second["loss"]  # another seed
    assert 0 < first["step"] < first["seconds"] and 0 <= first["test_acc"] <= 1
    assert "not the same work" not in capsys.readouterr().out
    assert any(name.startswith("cnnlib train / bare loop") for name in written["ratios"])


def test_other_work_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Task, "orders", lambda task: [torch.arange(5 * task.batch)])  # not shuffled
    monkeypatch.setattr(Task, "lr", 0.1)
    with monkeypatch.context() as patch:
        patch.setitem(train.MAKERS, "cnnlib train", lambda task: lambda: {"loss": 2.0, "test_acc": 0.1})
        written, _ = run(train, tmp_path, "--kinds", "cnnlib train", "bare loop", "--steps", 5, "--repeats", 1)
    assert written["largest difference of the loss"]["cnnlib train"] > train.CLOSE
    assert written["runs"]["cnnlib train"][0]["step"] is None  # nothing trained
    assert "cnnlib train" in capsys.readouterr().out.rpartition("perhaps not the same work")[0]


def test_bars(capsys):
    args = train._options().parse_args([])
    seconds = {
        "d2l train_ch6": 20,
        "skorch": 9,
        "cnnlib fit": 5,
        "cnnlib train": 4.1,
        "bare loop": 4,
        "bare loop, untuned": 6,
    }
    runs = {kind: [{"seconds": s, "step": s}] * 3 for kind, s in seconds.items()}
    found = train.ratios(runs, "seconds", args)
    met = {name: ratio["met"] for name, ratio in found.items()}
    assert met == {
        "d2l train_ch6 / cnnlib fit": True, "d2l train_ch6 / cnnlib train": True, "skorch / cnnlib fit": True,
        "skorch / cnnlib train": True, "cnnlib fit / bare loop": False, "cnnlib train / bare loop": True,
    }  # fmt: skip
    assert found["d2l train_ch6 / cnnlib fit"]["of medians"] == 4
    bars = {}
    for words in ("", "--network vgg", "--network vgg --size seed", "--device cuda", "--network vgg --device cuda"):
        bars[words] = train.d2l_bar(train._options().parse_args(words.split()))
    assert list(bars.values()) == [4, None, 1.25, 10, 5]
    for words in ("--size seed --network resnet20", "--steps 4"):
        with pytest.raises(SystemExit):
            train.main(words.split())
    assert "only of lenet, alexnet" in capsys.readouterr().err


def test_an_order_for_loaders_is_the_librarys_own():
    task = Task("lenet", steps=2, epochs=2, seed=3)
    (X, y), _ = task.tensors()
    loader = DataLoader(TensorDataset(X, y), batch_size=task.batch, sampler=Order(task))
    assert len(loader) == 2
    for epoch in range(2):
        for (mine, labels), (theirs, others) in zip(task.train_iter.epoch(epoch), loader, strict=True):
            assert torch.equal(mine, theirs) and torch.equal(labels, others)


@pytest.mark.parametrize("settings", [LAPTOP, SEED], ids=["laptop", "seed"])
def test_networks_take_their_pictures(settings):
    with torch.device("meta"):
        for setting in settings.values():
            assert setting.build()(torch.empty(2, 1, setting.side, setting.side)).shape == (2, 10)


@pytest.mark.thorough
def test_a_live_run_in_a_kernel_of_its_own():
    task = {"kind": "cnnlib fit", "network": "lenet", "steps": 5}
    with side.workplace() as folder:
        assert len(list((folder.parent / "data" / "FashionMNIST" / "raw").iterdir())) == 4
        result = side.measure("kinds", "run", task, "kernel", folder)
    assert result["shown"] == 1, "the picture that stays; what moves is drawn by the page"
    assert 0 < result["display"] < result["seconds"]
    assert result["others"] is None or 0 <= result["others"] <= 1


@pytest.mark.thorough
def test_display(tmp_path):
    options = ["--displays", "cnnlib Animator", "cnnlib playground", "--shares", "cnnlib playground"]
    written, table = run(display, tmp_path, *options, "--points", 20, "--steps", 5, "--repeats", 1)
    assert "| cnnlib Animator |" in table and "Display's share" in table
    assert len(written["frames"]["cnnlib playground"][0]["milliseconds"]) >= 20
    assert 0 < written["shares"]["cnnlib playground"] < 1
    from cnnlib.widgets import playground

    assert playground.SHARE < 1 and playground.FRAME_EVERY > 0 and playground.Playground._show.__name__ == "_show"


@pytest.mark.thorough
def test_loading(tmp_path):
    written, table = run(loading, tmp_path, "--kinds", "cnnlib", "--sides", 32, "--batches", 1, "--repeats", 1)
    assert "| cnnlib, 32×32 |" in table and "MB at most" in table
    memory = written["runs"]["cnnlib, 32×32"]["memory"][0]
    assert memory["most"] >= memory["settled"]


def test_loading_begins_with_nothing_imported():
    heavy = "{'torch', 'cnnlib', 'matplotlib', 'psutil'}"
    code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import loading; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_process_of_its_own_gives_its_answer_back():
    result = side.measure("sysconfig", "get_paths", {}, "process")  # of this module, since it takes no time
    assert Path(result["stdlib"]).is_dir() and "others" in result


@pytest.mark.thorough
def test_probes(tmp_path):
    written, table = run(probes, tmp_path, "--depths", 8, "--steps", 1, "--long", 4, "--repeats", 2)
    assert "| 8 |" in table
    assert [len(turns) for turns in written["time"]["8"]["seconds"].values()] == [2, 2, 2]
    (_, tensors, _), (_, later, _) = written["memory"]["8, every step"]["growth"]
    assert later <= tensors + 2


def test_scale(tmp_path, capsys):
    written, table = run(scale, tmp_path, "--axes", "networks", "--values", 1, 2, "--steps", 3, "--repeats", 1,
                         "--seconds", 0, "--budget", 1e9)  # fmt: skip
    assert "| networks |" in table and written["axes"]["networks"]["largest within the budget"] == 2
    written, _ = run(scale, tmp_path, "--axes", "pictures", "--values", 600, 60_600, "--steps", 2, "--repeats", 1,
                     "--budget", 0)  # fmt: skip
    point = written["axes"]["pictures"]["60600"][0]
    assert point["epoch"] == pytest.approx(point["step"] * 237) and point["steps"] == 2
    assert written["axes"]["pictures"]["largest within the budget"] is None
    with pytest.raises(SystemExit):
        scale.main(["--values", "3"])
    assert "--axes" in capsys.readouterr().err


def test_choices_for_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "PICTURES", 100)
    threads = torch.get_num_threads()
    written, table = run(cpu, tmp_path, "--networks", "lenet", "--turns", 1, "--repeats", 1)
    assert all(f"| {name} |" in table for name in [*cpu.CHOICES, *list(cpu.APART)[:2], *cpu.PARTS])
    done = written["runs"]["lenet"]
    assert [len(taken) for taken in done["choices"][0]["seconds"].values()] == [cpu.TURNS] * (len(cpu.CHOICES) + 2)
    assert list(done["evaluation"][0]["seconds"]) == list(map(str, cpu.SIZES_TRIED))
    parts = done["parts"][0]
    assert sum(parts["parts"].values()) == pytest.approx(1) and parts["parts"]["convolutions"] > 0.1
    # 416,520 multiply-adds forward; 117,600 of them in the first layer, whose input needs no gradient
    assert parts["reckoned"] * parts["rate"] == pytest.approx(2 * 32 * (3 * 416_520 - 117_600))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("option, value", [
    ("layout", torch.contiguous_format), ("sgd", {"foreach": False}), ("sgd", {"fused": True}), ("to_none", False),
    ("read", True), ("ready", True), ("threads", 1),
])  # fmt: skip
def test_a_choice_changes_the_time_alone(option, value):
    usual, other = cpu.Work("lenet"), cpu.Work("lenet", **{option: value})
    for work in (usual, other):
        assert len(work.timed(5)) == 5
    for one, two in zip(usual.net.parameters(), other.net.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_a_disturbed_run_is_repeated_and_told(monkeypatch, capsys):
    clock = iter(range(0, 1_000_000, 1000))
    monkeypatch.setattr(side, "_busy_seconds", lambda: next(clock))
    monkeypatch.setattr(side, "_wait_until_quiet", lambda patience: None)
    ran = []
    monkeypatch.setattr(side, "_run", lambda *args: ran.append(1) or {"x": 1})
    result = side.measure("kinds", "run", {}, "here", patience=1)
    assert len(ran) == side.ATTEMPTS and result["others"] > side.QUIET and result["x"] == 1
    assert "once more" in capsys.readouterr().out and "(!)" in side.disturbed([result])
    side.measure("kinds", "run", {}, "here", patience=0)
    assert len(ran) == side.ATTEMPTS + 1


def test_what_fails_elsewhere_is_told():
    with pytest.raises(RuntimeError, match="no_such_function"):
        side.measure("watch", "no_such_function", {}, "process")


def test_a_watch_counts_calls_within_calls_once_and_lets_go(monkeypatch):
    class Thing:
        def outer(self):
            return self.inner() + 1

        def inner(self):
            return 1

    ticks = iter(range(100))
    monkeypatch.setattr("watch.time.perf_counter", lambda: next(ticks))
    kept = Thing.outer
    with Watch().over(Thing, "outer", "inner") as watch:
        assert Thing().outer() == 2
    assert watch.seconds == 2 and Thing.outer is kept  # the clock was asked four times: 0, 1, (inner), 2
