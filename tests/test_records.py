"""Recorded runs, at toy size: what is trained, what is kept, how a rate is chosen, and where a run goes on."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from cnnlib import History
from cnnlib.course.records import EXPERIMENTS, full_results, recorded, recordings, stored
from cnnlib.course.records import run as engine
from cnnlib.course.records.__main__ import main
from cnnlib.course.records.catalogue import block_5x5, contestant, find_experiments
from cnnlib.course.records.record import read
from cnnlib.course.records.stored import collect
from cnnlib.datasets import load_arrays
from cnnlib.figures.recorded import draw_recorded
from cnnlib.models import kaiming_, vgg, vgg_block
from cnnlib.probes import layer_table

CPU = torch.device("cpu")
FEW = [f"few_{name}" for name in ("neither", "dropout", "augmented", "both")]
ROOT = Path(__file__).parents[1]
NAMED = {f"{e.size}-{e.name}": e for e in EXPERIMENTS}
TOY = {name: experiment.toy() for name, experiment in NAMED.items()}
LENET, CHOSEN = TOY["full-lenet"], TOY["laptop-lenet_relu"]


def test_the_list():
    """The settings that the listings print, and the sizes that make the networks the book's."""
    full = {e.name: (e.batch_size, e.side, *e.rates, e.epochs) for e in EXPERIMENTS if e.size == "full"}
    assert len(NAMED) == len(EXPERIMENTS) and len(full) == 13
    assert full["lenet"] == (256, 28, 0.9, 10) and full["alexnet"] == (128, 224, 0.01, 5)
    assert full["vgg11"] == (128, 224, 0.05, 10) and full["lenet_bn"] == (256, 28, 1.0, 10)
    assert full["resnet18"] == (256, 96, 0.05, 10) and full["autoencoder"] == (64, 28, 0.001, 1)
    parameters = {name: sum(p.numel() for p in NAMED[name].build().parameters()) for name in
                  ("full-lenet", "full-lenet_bn", "laptop-mlp", "laptop-hand_made")}  # fmt: skip
    assert list(parameters.values()) == [61_706, 61_706 + 2 * (6 + 16 + 120 + 84), 784 * 256 + 256 + 2570, 3930]
    assert {e.chapter for e in EXPERIMENTS} == {path.stem for path in (ROOT / "notebooks").glob("0[1-9]*.ipynb")}


@pytest.mark.parametrize("name", NAMED)
def test_every_network_takes_its_pictures(name):
    """Shapes alone, on a device without numbers: the networks are large."""
    experiment, side = NAMED[name], NAMED[name].side
    with torch.device("meta"):
        net = experiment.build()
    output = net.eval()(torch.empty(2, 1, side, side, device="meta"))
    assert output.shape == ((2, 10) if experiment.low is None else (2, 1, side, side))
    (X, y), options = next(iter(TOY[name].data(0)[0])), experiment.options()
    assert X.shape == (8, 1, side, side) and (X.min() < 0) == (experiment.low is not None)
    assert options["optimizer"]([torch.nn.Parameter(X)], lr=0.1).defaults.get("momentum", 0.0) == experiment.momentum
    assert (y.dtype == torch.int64) == (experiment.low is None)


def test_every_tap_of_the_small_resnet_sees_pixels():
    """Of the book's ResNet-18 on 28×28, three in five weights see nothing but padding."""
    net = NAMED["laptop-resnet18_eighth"].build()
    net(torch.rand(32, 1, 28, 28)).square().sum().backward()
    assert all((p.grad.abs().sum(dim=(0, 1)) > 0).all() for p in net.parameters() if p.dim() == 4)


def test_the_rate_rises_and_falls():
    experiment = replace(CHOSEN, warm_up=10)
    rates = [experiment.rate(0.5, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.05) and max(rates) <= 0.5 and max(rates) == rates[9]
    assert rates[9:] == sorted(rates[9:], reverse=True) and 0 < rates[-1] < 0.001
    assert LENET.rate(0.5, 99, 100) == 0.5, "the listings' rates stay"


def test_the_gradient_is_clipped():
    weight = torch.nn.Parameter(torch.zeros(4))
    optimizer = NAMED["laptop-plain20"].options()["optimizer"]([weight], lr=1.0)
    weight.grad = torch.full((4,), 10.0)
    optimizer.step()
    assert weight.norm().item() == pytest.approx(1, rel=1e-4)


def test_a_rate_is_chosen_on_training_pictures(tmp_path):
    train_iter, held_out = NAMED["laptop-lenet_relu"].trial_data(0)
    images, _ = load_arrays("train")
    assert len(train_iter.images) == 50_000 and torch.equal(held_out.images, images[-10_000:])
    record = engine.run(CHOSEN, 1, CPU, tmp_path)
    trials = {path.stem for path in tmp_path.glob("*trial*.json")}
    assert trials == {f"laptop-lenet_relu-trial{rate}-0" for rate in record["trials"]}
    assert {f"{rate:g}" for rate in CHOSEN.rates} <= set(record["trials"]) and f"{record['rate']:g}" in record["trials"]


def test_pictures_are_moved_after_training(tmp_path):
    _, test_iter = CHOSEN.data(0)
    moved = CHOSEN.shifted(test_iter, 3)
    assert torch.equal(moved.images[..., 3:], test_iter.images[..., :-3]) and not moved.images[..., :3].any()
    record = engine.run(CHOSEN, 0, CPU, tmp_path)
    assert len(record["shifted_acc"]) == 4 and "fresh_acc" not in record
    resized = TOY["laptop-plain20"]
    assert next(iter(resized.shifted(resized.data(0)[1], 1)))[0].shape[-2:] == (8, 8)


def test_statistics_are_measured_afresh_after_training(tmp_path):
    name = "laptop-plain20"
    assert len(engine.run(TOY[name], 0, CPU, tmp_path)["fresh_acc"]) == 1
    batches = NAMED[name].large_batches(NAMED[name].data(0)[0])
    assert next(iter(batches))[0].shape == (1024, 1, 8, 8) and batches.shuffle


def test_what_is_recorded_is_what_the_chapters_show():
    """The contestants of chapter 3 and the augmentation of chapter 2 stand in their cells as well."""
    cells = {name: nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells for name in ("02_alexnet", "03_vgg")}
    shown = {"vgg_block": vgg_block, "vgg": vgg, "kaiming_": kaiming_, "nn": nn}
    (cell,) = [cell for cell in cells["03_vgg"] if cell.source.startswith("def block_5x5(")]
    exec(cell.source.partition("\ncontest = ")[0], shown)
    for recorded_block, block in ((block_5x5, shown["block_5x5"]), (vgg_block, vgg_block)):
        assert str(contestant(recorded_block, 16)) == str(shown["contestant"](block, 16))
    (cell,) = [cell for cell in cells["02_alexnet"] if cell.source.startswith("augment = ")]
    found = {"v2": v2}
    exec(cell.source.partition("\ntorch.")[0], found)
    assert str(found["augment"]) == str(TOY["laptop-few_augmented"].data(0)[0].transform)


def test_training_pictures_alone_are_augmented():
    plain, changed = TOY["laptop-few_neither"], TOY["laptop-few_augmented"]
    for part in ("data", "trial_data"):
        (train, test), (augmented, same) = getattr(plain, part)(0), getattr(changed, part)(0)
        assert not torch.equal(next(train.epoch(0))[0], next(augmented.epoch(0))[0])
        assert torch.equal(next(test.epoch(0))[0], next(same.epoch(0))[0])
    assert "augmented" not in plain.settings() and changed.settings()["augmented"]


@pytest.mark.parametrize("chosen_by, sign", [("validation accuracy", 1), ("training loss", -1)])
@pytest.mark.parametrize("found, best", [
    ({0.04: 0.5, 0.08: 0.7, 0.16: None}, 0.08),
    ({0.04: 0.5, 0.08: 0.6, 0.16: 0.7, 0.32: 0.6}, 0.16),
    ({0.01: 0.9, 0.02: 0.8, 0.04: 0.7, 0.08: 0.6, 0.16: None}, 0.01),
    ({0.01: None, 0.02: 0.1, 0.04: None, 0.08: None, 0.16: None}, 0.02),
])  # fmt: skip
def test_the_best_trial_decides(tmp_path, monkeypatch, chosen_by, sign, found, best):
    """Of the three rates, or of two more where the best is at an end of them."""

    def run(experiment, seed, device, folder, rate):
        columns = {"train_loss": [0.0], "test_acc": [0.0], "ended": "diverged" if found[rate] is None else "finished"}
        return columns | {"test_acc" if sign > 0 else "train_loss": [sign * (found[rate] or 0)]}

    monkeypatch.setattr(engine, "run", run)
    experiment = replace(CHOSEN, chosen_by=chosen_by, rates=(0.04, 0.08, 0.16))
    rate, trials = engine.choose_rate(experiment, 1, CPU, tmp_path)
    assert rate == best and list(trials) == [f"{rate:g}" for rate in found]


def test_names(capsys):
    laptop = [e for e in EXPERIMENTS if e.size == "laptop"]
    assert [e.name for e in find_experiments(["mlp", "02_alexnet"], laptop)] == [
        "mlp",
        "hand_made",
        "alexnet_eighth",
        *FEW,
    ]
    assert find_experiments([], laptop) == laptop
    with pytest.raises(ValueError, match="experiments or chapters, got 'lennet'. There are 01_lenet"):
        find_experiments(["lennet"], laptop)
    for arguments in (["lennet"], ["--seeds", "0"], ["--jobs", "0"], ["vgg11_he"]):
        with pytest.raises(SystemExit):
            main(arguments)


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path, monkeypatch):
    """With a rate that falls from step to step, in the middle of an epoch."""
    experiment = replace(TOY["laptop-plain20"], rates=(0.1,), epochs=2, warm_up=2)
    whole, follow = engine.run(experiment, 0, CPU, tmp_path / "whole"), engine._Follower.__call__

    def breaking(self, trainer):
        follow(self, trainer)
        if trainer.step == 5:
            trainer.stop()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(engine._Follower, "__call__", breaking)
        engine.run(experiment, 0, CPU, tmp_path)
    assert [path.suffix for path in tmp_path.glob("laptop*")] == [".pt"], "only a checkpoint, no record"
    record = engine.run(experiment, 0, CPU, tmp_path)
    for column in ("loss", "train_loss", "test_acc", "steps"):
        assert record[column] == whole[column], column
    assert record["cpu_seconds"] > 0
    assert [path.suffix for path in tmp_path.glob("laptop*")] == [".json"]


def test_a_run_that_diverges_is_a_result(tmp_path):
    record = engine.run(replace(TOY["full-residual20"], rates=(1e30,)), 0, CPU, tmp_path)
    assert record["ended"] == "diverged" and read(tmp_path / "full-residual20-0.json") == record
    assert stored.summary([record]).rows[0][4:6] == ["1, 1 failed", "–"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cnnlib record": 1}'])
def test_a_file_that_is_something_else(tmp_path, text):
    (tmp_path / "full-lenet-0.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="full-lenet-0.json is no record of a run.*Delete it"):
        engine.run(LENET, 0, CPU, tmp_path)


@pytest.mark.thorough
def test_the_command_at_toy_size(tmp_path, capfd):
    random = torch.get_rng_state()
    command = ["lenet_relu", "plain8", "--toy", "--seeds", "2", "--jobs", "2", "--out", str(tmp_path)]
    assert main(command) == 0
    assert torch.equal(torch.get_rng_state(), random)
    text, files = capfd.readouterr().out, {path.stem: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 2 * (4 + 2) <= len(files) <= 2 * (6 + 2) and "LeNet, ReLU" in text and "±" in text
    record = json.loads((tmp_path / "laptop-lenet_relu-1.json").read_text(encoding="utf-8"))
    assert record["seed"] == 1 and record["steps"] == 3 and record["parameters"] == 61_706
    assert record["multiply_adds"] == 416_520 and record["command"] == "make records NAMES=lenet_relu"
    assert record["hardware"].startswith("CPU") and record["versions"]["torch"] and record["date"] > "2026"
    assert main(command) == 0
    assert {path.stem: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")} == files, "nothing is trained twice"
    with pytest.raises(ValueError, match="made with other settings than lenet_relu has now"):
        engine.run(NAMED["laptop-lenet_relu"], 0, CPU, tmp_path)
    with pytest.raises(ValueError, match="other settings than the library's list: with --toy"):
        collect(tmp_path, EXPERIMENTS)


def made_up(name, seed, **changes):
    """Return the record of a run that nobody made."""
    record = {
        "cnnlib record": 1,
        "settings": NAMED[name].settings(),
        "seed": seed,
        "hardware": "a GPU",
        "date": "today",
    }
    record |= {"versions": {"torch": "x"}, "precision": "float32", "compiled": False, "processes": 1, "rate": 0.1}
    record |= {"trials": {"0.1": 0.5, "0.2": 0.4}, "epochs": 2, "loss": [2.0, 1.0, 0.5], "train_loss": [1.5, 0.5]}
    record |= {"train_acc": [0.4, 0.5], "test_acc": [0.5, 0.8 + seed / 10], "seconds": 20.0, "steps": 50}
    return record | {"ended": "finished", "command": "make", **changes}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder for runs; what is collected from it goes beside it, not into the library."""
    monkeypatch.setattr(stored, "FOLDER", tmp_path / "data")
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def write(folder, name, *records):
    for number, record in enumerate(records):
        (folder / f"{name}-{number}.json").write_text(json.dumps(record), encoding="utf-8")


def test_full_results_stand_beside_those_of_here(folder):
    history = History(train_loss=[1.0], train_acc=[0.6], test_acc=[0.7], epoch_ends=[3], seconds=5.0)
    alone = full_results("02_alexnet", {"an eighth": history})
    assert alone.table is None and "make full NAMES=02_alexnet" in repr(alone) == alone._repr_markdown_()
    with pytest.raises(ValueError, match="there are no runs in .*make records"):
        main(["--collect", "--out", str(folder)])
    name = "full-alexnet"
    changes = {}, {"seed": 1}, {"precision": "bf16"}, {"processes": 2}
    write(folder, name, *(made_up(name, **{"seed": 0, **change}) for change in changes))
    assert main(["--collect", "--out", str(folder)]) == 0
    both = full_results("02_alexnet", {"an eighth": [history]})
    assert [row[0] for row in both.table.rows] == ["an eighth", "AlexNet", "AlexNet", "AlexNet"]
    assert both.table.rows[0][-2:] == ["0.700", "5.000"]
    assert sorted(row[1:3] + row[6:7] for row in both.table.rows[1:]) == [
        ["2 × a GPU", "float32", "0.800"], ["a GPU", "bf16", "0.800"], ["a GPU", "float32", "0.850 ± 0.071"]
    ]  # fmt: skip
    assert full_results("03_vgg").note, "another chapter has none"


def test_recorded_runs_are_read_back(folder):
    with pytest.raises(ValueError, match="nothing of 'plain56' has been recorded. `make records NAMES=plain56`"):
        recorded("plain56")
    name = "laptop-plain56"
    runs = [
        made_up(name, 0),
        made_up(name, 1, date="later", shifted_acc=[0.8, 0.7, 0.5, 0.3], fresh_acc=[0.6]),
        made_up(name, 2, ended="diverged", loss=[2.0], test_acc=[]),
    ]
    write(folder, name, *runs)
    write(folder, f"{name}-trial0.1", made_up(name, 0))
    assert collect(folder, [NAMED[name]]) == runs
    found = recorded("plain56")
    assert found.runs == runs and found.title == "plain, 56 layers"
    assert found.curve() == ([20, 40, 50], [[2.0, 1.0, 0.5], [2.0, 1.0, 0.5], [2.0]])
    assert found.curve("test_acc") == ([25, 50], [[0.5, 0.8], [0.5, 0.9], []]) and found.last() == [0.8, 0.9]
    assert found.when_shifted() == (range(5), [[0.9, 0.8, 0.7, 0.5, 0.3]]) and found.last("fresh_acc") == [0.6]
    said = "Recorded today on a GPU, PyTorch x: 2 epochs, learning rate 0.1, the best of 0.1, 0.2 by training loss"
    assert found.provenance == f"{said}, seeds 0, 1, 2; test accuracy chose nothing. `make`"
    assert repr(found).endswith(found.provenance) and "±" in found._repr_markdown_()


def test_what_is_shipped_is_whole_and_small():
    paths = list(stored.FOLDER.glob("*.json"))
    assert sum(path.stat().st_size for path in paths) < 3e6 and {path.stem for path in paths} <= set(NAMED)
    for path in paths:
        runs, experiment = stored.load(*path.stem.split("-")), NAMED[path.stem]
        with torch.device("meta"):
            cost = layer_table(experiment.build(), (1, experiment.side, experiment.side))
        keys = [(run["precision"], run["processes"], run["seed"]) for run in runs]
        assert keys == sorted(set(keys))
        for run in runs:
            assert run["settings"] == experiment.settings(), path
            assert (run["parameters"], run["multiply_adds"]) == (cost.parameters, cost.multiply_adds), path
            assert run["ended"] in ("finished", "diverged")
            assert run["hardware"].startswith("CPU") == (run["settings"]["size"] == "laptop")


@pytest.mark.thorough
def test_the_command_with_two_processes(tmp_path):
    """What `make full GPUS=2` calls: the losses are those of one process."""
    alone = engine.run(LENET, 0, CPU, tmp_path / "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    command += ["cnnlib.course.records", "lenet", "--size", "full", "--toy", "--seeds", "1", "--out", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    record = read(tmp_path / "full-lenet-2processes-0.json")
    assert record["processes"] == 2 and record["steps"] == alone["steps"]
    assert record["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)
    assert record["test_acc"] == alone["test_acc"] and done.stdout.count("finished") == 1


def test_recorded_runs_are_drawn_with_the_readers_own_over_them():
    two = [made_up("laptop-plain56", seed) for seed in (0, 1)]
    runs = {name: stored.Recorded(name, two) for name in ("plain", "residual")}
    own = History(loss=[2.0] * 30, correct=[1] * 30, size=[4] * 30, lr=[0.1] * 30, test_acc=[0.75], epoch_ends=[30])
    figure = draw_recorded(runs, here={"plain": own}).figure
    (axes,), (words,) = figure.axes, figure.texts
    origin = "thin: recorded today on a GPU, PyTorch x, one line a seed"
    assert words.get_text() == f"{origin}; thick: trained here"
    far = {
        "plain": runs["plain"],
        "residual": stored.Recorded("residual", [made_up("laptop-plain56", 0, hardware="x")]),
    }
    assert "recorded until today on 2 kinds of processor" in draw_recorded(far).figure.texts[0].get_text()
    thin, thick = [[line for line in axes.lines if (line.get_linewidth() > 2) == is_own] for is_own in (False, True)]
    assert [list(line.get_xdata()) for line in thin] == 4 * [[20, 40, 50]]
    assert len({line.get_color() for line in thin}) == 2, "a colour an experiment"
    assert list(thick[0].get_xdata()) == [20, 30] and thick[0].get_color() == thin[0].get_color()
    (axes,) = draw_recorded(runs, "test_error", {"plain": [own]}).figure.axes
    assert axes.lines[-1].get_linewidth() < 2 and axes.lines[2].get_ydata() == [0.25]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([0.5, 0.2]) and axes.get_ylabel() == "test error"


def test_what_is_not_recorded_yet_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "FOLDER", tmp_path)
    assert recordings("lenet_sigmoid", "plain20") == {}
    monkeypatch.undo()
    found = recordings("lenet_sigmoid")
    assert list(found) == ["LeNet, sigmoid"] and found["LeNet, sigmoid"].runs == recorded("lenet_sigmoid").runs
