"""Playgrounds without a page for the tests that steer them: a maker, and how to press, wait and look."""

import random
import threading
import time

import pytest

from cnnlib.figures.chart import THIN, Chart
from cnnlib.widgets import Playground, playground

STEPS = 20  # of an epoch of the panels' data
FOREVER = 100_000  # epochs


def until(condition, seconds=8):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this never happened"
        time.sleep(0.002)


def threads():
    """Count the threads that train."""
    return [thread.name for thread in threading.enumerate()].count("cnnlib training")


def rest(pg):
    """Wait until a panel has nothing more to do."""
    assert pg.runner.wait(8), "it never came to rest"


def go(pg, steps):
    """Train some steps and rest."""
    pg.runner.start(steps=steps)
    rest(pg)


def step_of(pg):
    trainer = pg.runner.trainer  # None while another is being built
    return 0 if trainer is None else trainer.step


def run(pg, steps=3):
    """Press Start and wait until some more steps are done."""
    wanted = step_of(pg) + steps
    pg.start.click()
    until(lambda: step_of(pg) >= wanted and threads() == 1)
    assert pg.runner.state == "training"


def command_from_two_threads(commands):
    """Give a hundred commands from each of two threads at once; `commands(dice)` lists those to choose from."""
    errors = []

    def command(seed):
        dice = random.Random(seed)
        chosen = commands(dice)
        for _ in range(100):
            try:
                dice.choice(chosen)()
            except Exception as error:
                errors.append(error)
            time.sleep(dice.choice((0, 0, 0.002, 0.01)))

    both = [threading.Thread(target=command, args=(seed,), daemon=True) for seed in (1, 2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(15)
        assert not thread.is_alive(), "deadlock"
    assert not errors


def marks(pg):
    return [label for _, label in pg.runner.trainer.history.marks]


def thin_lines(pg):
    """Count the earlier runs on the chart."""
    axes = pg.chart.chart.axes[0]
    return len([line for line in axes.lines if line not in pg.chart.chart.lines and line.get_linewidth() == THIN])


def mark(pg):
    """Press Mark, wait, and return the moment."""
    before = pg.runner.moments
    pg.book.mark.click()
    until(lambda: pg.runner.moments is not before)
    rest(pg)
    return pg.runner.moments[-1]


def fork(pg, moment, earlier=None):
    """Press Fork at a moment, of the present run unless told, and wait for the new network."""
    earlier, before = earlier or pg.book.current, pg.runner.trainer
    pg.book.pick.value = earlier
    pg.book.moment.value = next(m for m in earlier.moments if m is moment)
    pg.book.fork.click()
    until(lambda: pg.runner.state == "failed" or (pg.runner.trainer not in (None, before) and pg._run is not before))
    assert pg.runner.state != "failed", repr(pg.runner.error)


@pytest.fixture
def pictures():
    """Let the panels draw; without this they send an empty picture, because drawing takes most of a test's time."""


@pytest.fixture
def panel(noise, dense, monkeypatch, request):
    """Return a maker of playgrounds, which are closed afterwards."""
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr(Chart, "frame", lambda chart: b"")
    made, batches = [], (noise(32 * STEPS), noise(64, shuffle=False))

    def make(build=lambda s: dense(0.5), data=lambda s: batches, controls=(), *, name="panel", lr=0.1, **options):
        made.append(Playground(name, build, data, controls, lr=lr, **{"num_epochs": FOREVER, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()
    playground._open.clear()
    until(lambda: threads() == 0)
