"""Processes that train together take the steps that one would take, and none waits for another that has ended."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes

from cnnlib.course.records import team

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Return what each of two processes saw."""
    if not hasattr(os, "fork"):
        pytest.skip("the two processes are forked")
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, str(HERE / "two_processes.py"), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"{number}.json").read_text(encoding="utf-8")) for number in range(2)]


@pytest.mark.parametrize("name, num", [("uneven", 45), ("a batch of one", 33)])
def test_two_processes_take_the_steps_of_one(two, name, num):
    _, alone = two_processes.train(num)
    for seen in (two[0][name], two[1][name]):
        for column in ("loss", "train_loss", "test_acc", "weights"):
            assert seen[column] == pytest.approx(alone[column], rel=1e-5, abs=1e-6), column
        for column in ("correct", "size", "lr", "epoch_ends", "train_acc", "ended"):
            assert seen[column] == alone[column], column
    assert [pair[name]["evaluated"] for pair in two] == [20, 22] and alone["evaluated"] == 42, "each its share"
    assert two[0][name]["told"] == alone["told"] > 0, "the first process tells its listeners"
    assert two[1][name]["told"] == 0, "the second has none to tell"


def test_a_stop_in_one_ends_both_at_the_same_step(two):
    for seen in (pair["stopped"] for pair in two):
        assert (seen["ended"], len(seen["loss"])) == ("stopped", 2)
    assert two[0]["stopped"]["weights"] == two[1]["stopped"]["weights"]


def test_a_divergence_in_one_ends_both_with_the_same_weights(two):
    for seen in (pair["diverged"] for pair in two):
        assert (seen["ended"], len(seen["loss"])) == ("diverged", 2) and "at step 3" in seen["message"]
        assert all(map(math.isfinite, seen["weights"]))
    assert two[0]["diverged"]["weights"] == two[1]["diverged"]["weights"]


def test_a_run_that_diverged_goes_on_together(two):
    assert two[0]["goes on"]["ended"] == two[1]["goes on"]["ended"] == "finished"
    for column in ("weights", "test_acc"):
        assert two[0]["goes on"][column] == two[1]["goes on"][column], column


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 6, 13])
def test_the_shares_are_the_batch(monkeypatch, size, count):
    X, y = torch.arange(size), torch.arange(size)
    monkeypatch.setattr(team, "num_processes", lambda: count)
    shares = []
    for number in range(count):
        monkeypatch.setattr(team, "process_number", lambda number=number: number)
        shares.append(team.share(X, y))
    assert torch.equal(torch.cat([mine for mine, _, part in shares if part]), X)
    assert all(len(labels) for _, labels, _ in shares) and sum(part for *_, part in shares) == pytest.approx(1)
    sizes = [round(part * size) for *_, part in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_process_of_its_own_asks_nobody(monkeypatch, noise, dense):
    for name in ("all_reduce", "broadcast"):
        monkeypatch.setattr(team.dist, name, None)
    monkeypatch.setattr(team, "DistributedDataParallel", None)
    assert team.TeamTrainer(dense(), noise(), noise(), lr=0.1, device="cpu").fit(1).ended == "finished"


def test_fewer_gpus_than_processes(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="there are 2, and 4 processes. Try make full GPUS=2"), team.team():
        pass
