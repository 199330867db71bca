"""A bar is what it says on the machine it is for, and never less."""

import pace
import pytest
import torch


@pytest.mark.parametrize("before, after, worth", [
    (1, 1, 200), (0.5, 0.8, 200), (1.5, 1, 300), (1, 2, 400), (9, 1, 600), (2.5, 40, 600),
])  # fmt: skip
def test_a_bar_grows_with_the_time_of_a_step_and_no_further_than_threefold(monkeypatch, before, after, worth):
    found = iter([before, after])
    monkeypatch.setattr(pace, "slowness", lambda: next(found))
    assert pace.Pace().bar(200) == worth


def test_a_step_is_timed_and_leaves_no_trace():
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    assert 0.1 < pace.slowness() < 100
    assert torch.equal(torch.get_rng_state(), random) and torch.get_num_threads() == threads
