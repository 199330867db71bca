"""The series at full size, run at toy size: what it trains, what it keeps, and where it goes on."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnnlib import History
from cnnlib.course.full import EXPERIMENTS, collect, find_experiments, full_results, series, stored
from cnnlib.course.full.__main__ import main

CPU = torch.device("cpu")
TOY = {experiment.name: experiment.toy() for experiment in EXPERIMENTS}


def test_the_list():
    """The settings that the listings print, and the sizes that make the networks the book's."""
    found = {e.name: (e.batch_size, e.side, e.lr, e.epochs) for e in EXPERIMENTS}
    assert len(found) == len(EXPERIMENTS) == 13
    assert found["lenet"] == (256, 28, 0.9, 10) and found["alexnet"] == (128, 224, 0.01, 5)
    assert found["vgg11"] == (128, 224, 0.05, 10) and found["lenet_bn"] == (256, 28, 1.0, 10)
    assert found["resnet18"] == (256, 96, 0.05, 10) and found["autoencoder"] == (64, 28, 0.001, 1)
    parameters = {
        e.name: sum(p.numel() for p in e.build().parameters()) for e in find_experiments(["01_lenet", "04_batch_norm"])
    }
    assert parameters["lenet"] == 61_706 and parameters["lenet_bn"] == 61_706 + 2 * (6 + 16 + 120 + 84)
    notebooks = Path(__file__).parents[1] / "notebooks"
    assert {e.chapter for e in EXPERIMENTS} == {path.stem for path in notebooks.glob("[0-9]*.ipynb")}


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_every_network_takes_its_pictures(experiment):
    """Shapes alone, on a device without numbers: the networks are large."""
    with torch.device("meta"):
        net = experiment.build()
    side = experiment.side
    output = net.eval()(torch.empty(2, 1, side, side, device="meta"))
    assert output.shape == ((2, 10) if experiment.low is None else (2, 1, side, side))
    (X, y), options = next(iter(experiment.toy().data(0)[0])), experiment.options()
    assert X.shape == (8, 1, side, side) and (X.min() < 0) == (experiment.low is not None)
    assert options["optimizer"]([torch.nn.Parameter(X)], lr=0.1).defaults.get("momentum", 0.0) == experiment.momentum
    assert (y.dtype == torch.int64) == (experiment.low is None)


def test_names():
    assert [e.name for e in find_experiments(["lenet", "02_alexnet"])] == ["lenet", "alexnet"]
    assert find_experiments() == list(EXPERIMENTS)
    with pytest.raises(ValueError, match="experiments or chapters, got 'lennet'. There are 01_lenet"):
        find_experiments(["lennet"])
    with pytest.raises(SystemExit):
        main(["lennet"])
    with pytest.raises(SystemExit):
        main(["--seeds", "0"])


@pytest.mark.thorough
def test_the_command_at_toy_size(tmp_path, capsys):
    random = torch.get_rng_state()
    assert main(["lenet", "06_residual_gradients", "--toy", "--seeds", "2", "--out", str(tmp_path)]) == 0
    assert torch.equal(torch.get_rng_state(), random)
    text, files = capsys.readouterr().out, sorted(path.name for path in tmp_path.glob("[!.]*"))
    assert files == [f"{n}-float32-{s}.json" for n in ("autoencoder", "lenet", "residual_autoencoder") for s in (0, 1)]
    assert "LeNet" in text and "±" in text and "autoencoder with a shortcut" in text
    record = json.loads((tmp_path / "lenet-float32-1.json").read_text(encoding="utf-8"))
    assert record["seed"] == 1 and record["steps"] == 3 and record["parameters"] == 61_706
    assert record["settings"]["lr"] == 0.9 and record["hardware"].startswith("CPU") and record["versions"]["torch"]
    assert len(record["train_loss"]) == len(record["test_acc"]) == 1 and record["seconds"] > 0
    again = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert main(["lenet", "--toy", "--seeds", "2", "--out", str(tmp_path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")} == again, "nothing is trained twice"
    with pytest.raises(ValueError, match="made with other settings than lenet has now"):
        series.run(EXPERIMENTS[0], 0, CPU, tmp_path)
    with pytest.raises(ValueError, match="other settings than the library's list: with --toy"):
        collect(tmp_path)


def test_a_series_that_was_interrupted_goes_on_where_it_was(tmp_path):
    whole = series.run(TOY["lenet"], 0, CPU, tmp_path / "whole")

    def say(text):
        if "finished" not in text and "after 1 epochs" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        series.run(TOY["lenet"], 0, CPU, tmp_path, say=say)
    assert [path.suffix for path in tmp_path.glob("lenet*")] == [".pt"], "only a checkpoint, no result"
    lines = []
    record = series.run(TOY["lenet"], 0, CPU, tmp_path, say=lines.append)
    assert (record["train_loss"], record["test_acc"]) == (whole["train_loss"], whole["test_acc"])
    assert [path.suffix for path in tmp_path.glob("lenet*")] == [".json"]


def test_a_run_that_diverges_is_a_result(tmp_path):
    record = series.run(replace(TOY["residual20"], lr=1e30), 0, CPU, tmp_path)
    assert record["ended"] == "diverged" and series.read(tmp_path / "residual20-float32-0.json") == record
    assert series.summary([record]).rows[0][4:6] == ["1, 1 failed", "–"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cnnlib full run": 1}'])
def test_a_file_that_is_something_else(tmp_path, text):
    (tmp_path / "lenet-float32-0.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="lenet-float32-0.json is no run of a series.*Delete it"):
        series.run(TOY["lenet"], 0, CPU, tmp_path)


def made_up(seed, precision="float32", processes=1):
    """Return the record of a run that nobody made, of AlexNet at full size."""
    settings = next(e for e in EXPERIMENTS if e.name == "alexnet").settings()
    record = {"cnnlib full run": 1, "settings": settings, "seed": seed, "hardware": "a GPU", "versions": {"torch": "x"}}
    record |= {
        "precision": precision,
        "compiled": False,
        "processes": processes,
        "train_acc": [0.5],
        "ended": "finished",
    }
    return record | {"train_loss": [0.5], "test_acc": [0.8 + seed / 10], "seconds": 20.0, "train_seconds": 10.0}


def test_stored_results_stand_beside_those_of_here(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FILE", tmp_path / "full_results.json")
    history = History(train_loss=[1.0], train_acc=[0.6], test_acc=[0.7], epoch_ends=[3], seconds=5.0)
    alone = full_results("02_alexnet", {"an eighth": history})
    assert alone.table is None and "make full NAMES=02_alexnet" in repr(alone) == alone._repr_markdown_()
    folder = tmp_path / "runs"
    folder.mkdir()
    for number, record in enumerate([made_up(0), made_up(1), made_up(0, "bf16"), made_up(0, processes=2)]):
        (folder / f"{number}.json").write_text(json.dumps(record), encoding="utf-8")
    assert main(["--collect", "--out", str(folder)]) == 0
    both = full_results("02_alexnet", {"an eighth": [history]})
    assert both.note == "" and [row[0] for row in both.table.rows] == ["an eighth", "AlexNet", "AlexNet", "AlexNet"]
    assert both.table.rows[0][-2:] == ["0.700", "5.000"]
    assert sorted(row[1:3] + row[6:7] for row in both.table.rows[1:]) == [
        ["2 × a GPU", "float32", "0.800"], ["a GPU", "bf16", "0.800"], ["a GPU", "float32", "0.850 ± 0.071"]
    ]  # fmt: skip
    assert full_results("03_vgg").note, "another chapter has none"
    with pytest.raises(ValueError, match="chapter must be one of '01_lenet'.*got '2'"):
        full_results("2")
    with pytest.raises(TypeError, match="here must be a dict"):
        full_results("02_alexnet", history)
    with pytest.raises(ValueError, match="there are no runs in .*make full"):
        collect(tmp_path / "nothing")


def test_no_made_up_results_are_shipped():
    for record in stored.load():
        series.check_record(record, stored.FILE)
        assert record["settings"]["num_train"] is None and not record["hardware"].startswith("CPU")


@pytest.mark.thorough
def test_the_command_with_two_processes(tmp_path):
    """What `make full GPUS=2` calls: the losses are those of one process."""
    alone = series.run(TOY["lenet"], 0, CPU, tmp_path / "one")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "cnnlib.course.full",
    ]
    command += ["lenet", "--toy", "--seeds", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record = series.read(tmp_path / "lenet-float32-2processes-0.json")
    assert record["processes"] == 2 and record["steps"] == alone["steps"]
    assert record["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-5)
    assert record["test_acc"] == alone["test_acc"] and done.stdout.count("test accuracy") == 1
