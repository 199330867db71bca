"""Playgrounds without a page for the tests that steer them: a maker, and how to press, wait and look."""

import random
import threading
import time

import pytest

from cnnlib.widgets import Playground, playground

STEPS = 20  # of an epoch of the panels' data
FOREVER = 100_000  # epochs


def until(condition, seconds=40):
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
    assert pg.runner.wait(40), "it never came to rest"


def press(pg, *names):
    """Press buttons one after the other; wait each time until the panel has nothing more to do."""
    for name in names:
        getattr(pg.page, name).click()
        rest(pg)


def move(pg, **settings):
    """Move controls at rest, and wait for the network that this may build."""
    for name, value in settings.items():
        pg.inputs[name].value = value
    rest(pg)


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
    pg.page.start.click()
    until(lambda: step_of(pg) >= wanted and threads() == 1)
    assert pg.runner.state == "training"


def pause(pg):
    """Have the training rest, whatever the button says just now."""
    pg.runner.pause()
    rest(pg)


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
        thread.join(60)
        assert not thread.is_alive(), "deadlock"
    assert errors == []


def marks(pg):
    return [label for _, label in pg.runner.trainer.history.marks]


def chart_marks(pg):
    return [label for _, label in pg.chart.chart.marks]


def earlier_names(pg):
    """Return the names of the earlier runs whose losses are on the chart."""
    return [kept.label for kept in pg.chart.chart.kept if kept.panel == 0]


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
def panel(noise, dense):
    """Return a maker of playgrounds, which are closed afterwards."""
    made, batches = [], (noise(32 * STEPS), noise(64, shuffle=False))

    def make(build=lambda s: dense(0.5), data=lambda s: batches, controls=(), *, name="panel", lr=0.1, **options):
        made.append(Playground(name, build, data, controls, lr=lr, **{"num_epochs": FOREVER, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()
    playground._open.clear()
    until(lambda: threads() == 0)
