"""Rules that hold for whatever comes: hypothesis looks for data and records that break them."""

import csv
import io
import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlib import History, accuracy, compare
from cnnlib.datasets import Batches, Copies

few = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**43)


# Data


@st.composite
def sets(draw):
    """Draw Batches whose pictures and labels tell their number."""
    num = draw(st.integers(1, 60))
    images = torch.arange(num, dtype=torch.uint8)[:, None, None, None].expand(num, 1, 3, 4).contiguous()
    resize = draw(st.none() | st.integers(1, 6) | st.tuples(st.integers(1, 6), st.integers(1, 6)))
    options = {"resize": resize, "shuffle": draw(st.booleans()), "seed": draw(SEEDS)}
    return Batches(images, torch.arange(num), draw(st.integers(1, 6) | st.integers(1, 70)), **options)


@few
@given(sets(), st.integers(0, 5))
def test_every_example_comes_once_an_epoch_with_its_own_label(batches, epoch):
    pairs = list(batches.epoch(epoch))
    X, y = torch.cat([X for X, _ in pairs]), torch.cat([y for _, y in pairs])
    assert sorted(y.tolist()) == list(range(len(batches.images)))
    assert torch.equal((255 * X.mean((1, 2, 3))).round().long(), y)
    assert len(pairs) == len(batches) and all(len(y) == batches.batch_size for _, y in pairs[:-1])
    sides = batches.resize or (3, 4)
    assert X.dtype == torch.float32 and X.shape[1:] == (1, *sides) and 0 <= X.min() and X.max() <= 1


@few
@given(sets(), st.integers(0, 2**43), st.integers(0, 6) | st.integers(0, 80))
def test_order_depends_on_seed_and_epoch_alone(batches, epoch, start):
    torch.manual_seed(start)  # of everybody else's random numbers
    random = torch.get_rng_state()
    order = [y.tolist() for _, y in batches.epoch(epoch)]
    assert torch.equal(torch.get_rng_state(), random)
    again = Batches(batches.images, batches.labels, batches.batch_size, shuffle=batches.shuffle, seed=batches.seed)
    next(iter(again))
    assert [y.tolist() for _, y in again.epoch(epoch)] == order
    assert [y.tolist() for _, y in again.epoch(epoch, start=start)] == order[start:]
    again.reseed(batches.seed)
    assert torch.equal(torch.cat([y for _, y in again]), again.labels[again.order(0)])


@few
@given(sets(), st.floats(-100, 0.99))
def test_copies_are_their_own_targets(batches, low):
    for (X, target), (given_X, _) in zip(Copies(batches, low).epoch(0), batches.epoch(0), strict=True):
        assert torch.equal(X, target) and X is not target
        assert torch.allclose(X, given_X * (1 - low) + low, atol=1e-4 * (1 + abs(low)))


# Shares


@few
@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 40), st.integers(1, 3), SEEDS)
def test_accuracy_counts_what_a_loop_counts(num, classes, split, levels, seed):
    """With few levels many scores tie: the first of the largest wins, as torch.argmax has it for one row."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (num, classes), generator=generator).float()
    y = torch.randint(classes, (num,), generator=generator)
    right = sum(row.index(max(row)) == label for row, label in zip(scores.tolist(), y.tolist(), strict=True))
    assert accuracy(scores, y) == right == accuracy(scores[:split], y[:split]) + accuracy(scores[split:], y[split:])
    assert accuracy(torch.tensor([row.index(max(row)) for row in scores.tolist()]), y) == right


# Records

NUMBERS = st.floats(-1e99, 1e99)  # what is larger is refused when it is read
TEXTS = st.text(max_size=30)


@st.composite
def histories(draw):
    steps = draw(st.integers(0, 8))
    columns = {name: draw(st.lists(NUMBERS, min_size=steps, max_size=steps)) for name in ("loss", "lr")}
    columns["size"] = draw(st.lists(st.integers(1, 1000), min_size=steps, max_size=steps))
    columns["correct"] = [draw(st.integers(0, size)) for size in columns["size"]]
    epochs, ended = {"test_acc": draw(st.lists(NUMBERS, max_size=3))}, draw(st.integers(0, 3))
    epochs |= {name: draw(st.lists(NUMBERS, min_size=ended, max_size=ended)) for name in ("train_loss", "train_acc")}
    marks = draw(st.lists(st.tuples(st.integers(1, 9), TEXTS), max_size=4))
    controls = draw(st.dictionaries(TEXTS, TEXTS, max_size=3))
    ends, settings = draw(st.lists(st.integers(0, 9), max_size=3)), {"run": draw(TEXTS), "controls": controls}
    options = {"epoch_ends": ends, "marks": marks, "seconds": draw(NUMBERS), "ended": draw(TEXTS), "settings": settings}
    return History(**columns, **epochs, **options)


@few
@given(histories())
def test_a_record_comes_back_as_it_went(history):
    text = history.to_json()
    assert History.from_json(text) == history == History.from_json(text.encode())
    rows = list(csv.reader(io.StringIO(history.to_csv())))
    assert len(rows) >= 1 + history.steps and repr(history) and repr(compare({"a": history}))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
THINGS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@settings(few, max_examples=60)
@given(st.binary() | (st.text() | THINGS.map(json.dumps)).map(str.encode))
def test_bytes_that_are_no_record_are_a_value_error(data):
    with pytest.raises(ValueError, match="this text"):
        History.from_json(data)


@settings(few, max_examples=80)
@given(histories(), st.data())
def test_a_damaged_record_is_read_or_refused(history, data):
    """Whatever one field of a record holds: it is a ValueError, or a record that the library can show."""
    record = json.loads(history.to_json())
    field = data.draw(st.sampled_from(sorted(record)))
    record[field] = data.draw(THINGS | st.lists(st.lists(LEAVES, max_size=2)))
    try:
        read = History.from_json(json.dumps(record))
    except ValueError as error:
        assert "this text" in str(error)
    else:
        assert repr(read) and read.window(0) and read.steps_until(0.5) is not False
