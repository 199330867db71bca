"""When the next frame is drawn: no gap seems like a freeze, and no minute spends more than 5 % on frames."""

import itertools
from types import SimpleNamespace

import pytest

from cnnlib.machine.clock import Throttle

ASLEEP = 1.0  # seconds: no frame works longer, so for the rest the machine was asleep


def play(cost, seconds=120.0, share=0.02, every=0.4, step=0.03, moves=()):
    """Run a loop whose frames cost `cost()` seconds; return when frames began and what they cost, and the end.

    At each of `moves` a control is moved, which is news until the next frame.
    """
    now = SimpleNamespace(time=0.0, work=0.0)
    throttle = Throttle(share, every, clock=lambda: now.time, work=lambda: now.work)
    frames, moves, news = [], sorted(moves), False
    while now.time < seconds:
        now.time += step
        while moves and moves[0] <= now.time:
            moves, news = moves[1:], True
            throttle.steered()
        if throttle.due(news):
            began, price = now.time, cost()
            with throttle.frame():
                now.time += price
                now.work += min(price, ASLEEP)
            frames.append((began, price))
            news = False
    return frames


def gaps(frames, start=0.0, end=1e9):
    times = [began for began, _ in frames if start <= began <= end]
    return [b - a for a, b in itertools.pairwise(times)]


def dearest_minute(frames):
    """Return the largest share that the frames of a minute took."""
    return max(sum(c for t, c in frames if began <= t < began + 60) for began, _ in frames) / 60


def now_and_then(usual, slow, every):
    """Return costs: each `every`-th is slow, the first among them."""
    number = itertools.count()
    return lambda: slow if next(number) % every == 0 else usual


@pytest.mark.parametrize("share", [0.02, 0.03])
@pytest.mark.parametrize(
    "cost", [lambda: 0.012, now_and_then(0.012, 0.12, 10), now_and_then(0.012, 30.0, 10**6), lambda: 0.024]
)
def test_no_gap_seems_like_a_freeze(cost, share):
    frames = play(cost, share=share, seconds=120)
    assert max(gaps(frames)[1:]) < 1 and len(frames) > 80


@pytest.mark.parametrize(("cost", "moves"), [(0.012, (20, 23, 26)), (0.05, (20, 23, 26)), (0.1, (20,))])
@pytest.mark.parametrize("share", [0.02, 0.03])
def test_a_control_is_seen_at_once_and_its_effect_every_second(cost, moves, share):
    frames = play(lambda: cost, share=share, moves=moves, seconds=60)
    for move in moves:
        assert 0 <= min(began - move for began, _ in frames if began >= move) < 0.2
    assert max(gaps(frames, 20, moves[-1] + 10)) < 1
    assert dearest_minute(frames) < 0.052


@pytest.mark.parametrize("cost", [0.012, 0.03, 0.1, 0.5])
@pytest.mark.parametrize("share", [0.02, 0.03, 0.04, 0.05])
@pytest.mark.parametrize("moves", [(), [t / 10 for t in range(1200)]], ids=["alone", "always steered"])
def test_no_minute_spends_more_than_a_twentieth(cost, share, moves):
    frames = play(now_and_then(cost, 3 * cost, 5), share=share, moves=moves, seconds=180)
    assert dearest_minute(frames) < 0.05 + 3.5 * cost / 60  # and the frame that nobody knew to be slow


def test_in_the_long_run_frames_take_their_share():
    frames = play(lambda: 0.012, seconds=600)
    assert sum(cost for _, cost in frames) / 600 == pytest.approx(0.02, rel=0.15)
