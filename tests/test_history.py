"""A record survives a file and a crash while it is written, refuses what is not its own, and compares runs rightly."""

import math

import pytest

from cnnlib import History, Trainer, compare


@pytest.fixture
def history(noise, dense):
    """The record of a real run of two epochs, in which the learning rate was changed."""
    trainer = Trainer(dense(), noise(), noise(shuffle=False), lr=0.1)
    trainer.fit(1)
    trainer.lr = 0.2
    return trainer.fit(1)


def record(loss, size=10, **options):
    """Return a record with these batch losses; half the predictions are right."""
    n = len(loss)
    return History(loss=list(loss), lr=[0.1] * n, correct=[size // 2] * n, size=[size] * n, **options)


# Save and load


def test_round_trip(history, tmp_path):
    path = tmp_path / "new" / "folder" / "run.json"
    assert history.save(path) == path
    again = History.load(path)
    assert again == history and again.marks == [(4, "lr 0.2")]
    assert (again.train_acc, again.examples_per_second) == (history.train_acc, history.examples_per_second)


def test_a_file_that_is_no_record_is_named(tmp_path):
    """All that a file may hold instead is in test_runs.py and test_properties.py."""
    path = tmp_path / "run.json"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="no history of cnnlib") as caught:
        History.load(path)
    assert str(path) in str(caught.value)
    path.write_text(record([1, 2]).to_json().replace("[1, 2]", "[1]"), encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        History.load(path)


def test_what_cannot_be_written_leaves_the_old_file_whole(history, tmp_path):
    path = record([1, 2]).save(tmp_path / "run.json")
    before = path.read_bytes()
    history.settings["seed"] = object()  # which is no JSON; a disk that is full is in test_survival.py
    with pytest.raises(TypeError):
        history.save(path)
    assert path.read_bytes() == before


def test_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        History.load(tmp_path / "run.json")


# What a record tells


def test_window_counts_each_example_once():
    history = History(loss=[1.0, 2.0, 4.0], lr=[0.1] * 3, correct=[5, 1, 2], size=[10, 10, 2])
    assert history.window(0) == (pytest.approx((10 + 20 + 8) / 22), 8 / 22)
    assert history.window(1, 2) == (2.0, 0.1)
    assert history.window(2) == (4.0, 1.0)
    assert all(map(math.isnan, history.window(3)))


def test_end_of_an_epoch():
    history = record([3, 1, 2])
    history.end_epoch(0, 0.4)
    history.end_epoch(1)
    assert (history.train_loss, history.train_acc, history.test_acc) == ([2, 1.5], [0.5, 0.5], [0.4])
    assert history.epoch_ends == [3, 3]


def test_steps_until():
    history = record([2.3, 2.0, 1.5, 1.9, 1.0])
    assert [history.steps_until(loss) for loss in (3, 2.3, 2.0, 1.2, 1.0)] == [1, 2, 3, 5, None]


def test_summary(history):
    text = repr(history)
    assert text.startswith("History: finished after 2 epochs (6 steps), loss ")
    assert f"test acc {history.test_acc[-1]:.3f}" in text and "examples/s" in text
    assert repr(History()) == "History: running after 0 epochs (0 steps)"


# Comparing


def test_compare_takes_the_mean_over_seeds():
    runs = {
        "sigmoid": [record([2, 1], test_acc=[0.5]), record([2, 3], test_acc=[0.1, 0.7])],
        "ReLU": record([0.5] * 60 + [0.25] * 50, test_acc=[0.85]),
        "tanh": record([1.0]),
    }
    table = compare(runs, below=1.5)
    assert table.head[2:] == [
        "train loss, last 50 steps",
        "train accuracy, last 50 steps",
        "test accuracy",
        "steps until loss < 1.5",
    ]
    assert table.rows == [
        ["sigmoid", "2", "2.000 ± 0.707", "0.500 ± 0.000", "0.600 ± 0.141", "2, never"],
        ["ReLU", "1", "0.250", "0.500", "0.850", "1"],  # the last 50 steps
        ["tanh", "1", "1.000", "0.500", "–", "1"],
    ]


def test_compare_shows_as_text_and_as_markdown_without_a_column_of_dashes():
    table = compare({"a": record([1.0]), "long name": record([2.0])})
    lines = repr(table).splitlines()
    assert len(lines) == 3 and len({line.index(" 1 ") for line in lines[1:]}) == 1
    head, rule, first, *_ = table._repr_markdown_().splitlines()
    assert head.count("|") == rule.count("|") == first.count("|") == 5
    assert first == "| a | 1 | 1.000 | 0.500 |"
