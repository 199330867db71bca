"""Sums add up exactly, clocks run, and accuracy counts what a hand would count."""

import time

import pytest
import torch

from cnnlib import Accumulator, Timer, accuracy


def test_accumulator_adds_numbers_and_tensors():
    metric = Accumulator(3)
    metric.add(1, torch.tensor(2.5), torch.tensor([[3]]))
    metric.add(0.5, torch.tensor(True), 4)
    assert [metric[i] for i in range(3)] == [1.5, 3.5, 7.0] and len(metric) == 3
    assert all(isinstance(metric[i], float) for i in range(3))


def test_accumulator_keeps_no_graph_and_no_tensor_and_loses_no_small_summand():
    loss, metric = torch.full((), 1e8, requires_grad=True), Accumulator(1)
    metric.add(loss)
    for _ in range(10):
        metric.add(torch.tensor(1.0))  # in float32, 1e8 + 1 is 1e8
    assert (metric[0], loss.item()) == (1e8 + 10, 1e8) and not metric.data[0].requires_grad
    metric.reset()
    assert metric[0] == 0


def test_timer_remembers_laps():
    timer = Timer()
    assert (timer.sum(), timer.avg(), timer.cumsum()) == (0, 0, [])
    for lap in range(3):
        if lap:  # the first began when it was made
            timer.start()
        time.sleep(0.01)
        assert timer.stop() >= 0.01
    assert len(timer.times) == 3
    assert timer.sum() == pytest.approx(sum(timer.times)) == pytest.approx(3 * timer.avg())
    assert timer.cumsum() == pytest.approx([timer.times[0], sum(timer.times[:2]), sum(timer.times)])


def test_accuracy_is_a_float_for_any_kind_of_label():
    """What it counts is in test_properties.py, what it refuses in test_bad_inputs.py."""
    right = accuracy(torch.tensor([2.0, 1.0]), torch.tensor([2, 0], dtype=torch.int32))
    assert right == 1 and isinstance(right, float)
    assert accuracy(torch.rand(4, 1), torch.zeros(4, dtype=torch.int64)) == 4, "a single class"
    with pytest.raises(ValueError, match="as many predictions as labels are needed, got 3 and 2"):
        accuracy(torch.rand(3, 10), torch.tensor([0, 1]))
