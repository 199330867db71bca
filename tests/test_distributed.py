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

from cnnlib.course.records import distributed

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


@pytest.mark.parametrize("name, steps", [("diverged", 2), ("overflow", 3)])
def test_a_divergence_in_one_ends_both_with_the_same_weights(two, name, steps):
    for seen in (pair[name] for pair in two):
        assert (seen["ended"], len(seen["loss"])) == ("diverged", steps) and "at step 3" in seen["message"]
        assert all(map(math.isfinite, seen["weights"]))
    assert two[0][name]["weights"] == two[1][name]["weights"]


def test_a_run_that_diverged_goes_on_together(two):
    assert two[0]["goes on"]["ended"] == two[1]["goes on"]["ended"] == "finished"
    for column in ("weights", "test_acc"):
        assert two[0]["goes on"][column] == two[1]["goes on"][column], column


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 6, 13])
def test_the_shares_are_the_batch(monkeypatch, size, count):
    X, y = torch.arange(size), torch.arange(size)
    monkeypatch.setattr(distributed, "num_processes", lambda: count)
    shares = []
    for number in range(count):
        monkeypatch.setattr(distributed, "process_number", lambda number=number: number)
        shares.append(distributed.share(X, y))
    assert torch.equal(torch.cat([share.X for share in shares if share.part]), X)
    assert all(len(share.y) for share in shares) and sum(share.part for share in shares) == pytest.approx(1)
    sizes = [round(share.part * size) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_process_of_its_own_is_asked_nothing(monkeypatch):
    monkeypatch.setattr(distributed.dist, "all_reduce", None)
    X, y, net = torch.rand(3, 2), torch.arange(3), torch.nn.Linear(2, 2)
    mine = distributed.share(X, y)
    assert mine.X is X and mine.y is y and mine.for_gradient(X) is X and mine.whole(X, y) == (X, y)
    assert distributed.parallel(net) is net
    assert distributed.any_of(True) and not distributed.all_of(False) and distributed.total(1, 2) == [1, 2]


def test_fewer_gpus_than_processes(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="there are 2, and 4 processes. Try make full GPUS=2"), distributed.team():
        pass
