"""A run is stopped, stepped through, marked and gone back to, and nothing of this changes a number."""

import threading
from dataclasses import asdict
from functools import partial

import pytest
import torch
from panels import (
    STEPS,
    command_from_two_threads,
    fork,
    go,
    mark,
    marks,
    move,
    pause,
    press,
    rest,
    run,
    step_of,
    threads,
    until,
)  # fmt: skip
from panels import panel as panel
from torch import nn

from cnnlib.training.loop import Trainer
from cnnlib.widgets import background, choice, playground, slider
from cnnlib.widgets import moments as keeping
from cnnlib.widgets.background import pause_all
from cnnlib.widgets.moments import CLOSE
from cnnlib.widgets.runner import Runner

SGD = partial(torch.optim.SGD, momentum=0.9)


def build(s):
    layers = [nn.Flatten(), nn.Linear(784, s.width), s.activation(), nn.Dropout(s.dropout), nn.Linear(s.width, 10)]
    return nn.Sequential(*layers)


def set_share(trainer, value):
    trainer.net[3].p = value


CONTROLS = [
    slider("dropout", 0.0, 0.9, 0.5, 0.1, live=set_share),
    slider("width", 4, 64, 16),
    choice("activation", {"ReLU": nn.ReLU, "S-shaped": nn.Sigmoid}),
]


@pytest.fixture
def steered(panel):
    """Return a maker of panels whose runs depend on dropout and momentum."""

    def make(build=build, **options):
        return panel(build, controls=CONTROLS, **{"optimizer": SGD, "lr": 0.05, **options})

    return make


def moments(pg):
    return [(moment.step, moment.label) for moment in pg.runner.moments]


def told(history):
    """Return all of a record that must come out the same when a run is repeated."""
    record = asdict(history)
    return {name: record[name] for name in ("loss", "lr", "correct", "size", "train_loss", "test_acc", "epoch_ends")}


def assert_same(pg, history, net, weights):
    """Compare the present run, to the last bit, with what was before."""
    assert told(pg.runner.trainer.history) == told(history)
    assert torch.equal(weights(pg.runner.trainer.net), net)


# Going back


@pytest.mark.parametrize("end", ["paused", "finished", "stopped"])
def test_a_fork_repeats_what_came_after_its_mark(steered, weights, end):
    pg = steered(num_epochs=2)
    for steps in (7, STEPS - 7, 6):  # within an epoch, at its end, within the second
        go(pg, steps)
        mark(pg)
    if end == "finished":
        press(pg, "start")
    else:
        go(pg, 2 * STEPS - 3 - step_of(pg))
    if end == "stopped":
        press(pg, "stop")
    assert pg.runner.state == end
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    kept, labels = asdict(original.history), [(0, "start"), (7, "mark 1"), (20, "mark 2"), (26, "mark 3")]
    assert moments(pg) == labels
    for number, moment in enumerate(original.moments, 1):
        torch.rand(3)  # somebody else draws random numbers
        fork(pg, moment, original)
        rest(pg)
        assert pg.runner.state == "ready" and step_of(pg) == moment.step
        assert pg.runner.trainer.history.loss == original.history.loss[: moment.step]
        if end == "finished":
            press(pg, "start")
            assert pg.runner.state == "finished"
        else:
            go(pg, original.history.steps - moment.step)
        assert_same(pg, original.history, net, weights)
        assert marks(pg) == [m.label for m in original.moments[1:] if m.step <= moment.step]
        assert pg.book.runs[0] is original and asdict(original.history) == kept, "the original is no longer what it was"
        assert len(pg.book.runs) == 1 + number and pg.book.current is pg.book.runs[-1]
        assert pg.book.current.history is pg.runner.trainer.history
    assert [(m.step, m.label) for m in original.moments] == labels


def test_a_fork_from_an_earlier_run_after_other_runs(steered, weights):
    built = []
    pg = steered(lambda s: built.append(s.width) or build(s))
    go(pg, 9)
    moment = mark(pg)
    go(pg, 8)
    first, net = pg.book.current, weights(pg.runner.trainer.net)
    for width in (8, 32):
        move(pg, width=width)
        go(pg, 5)
    fork(pg, moment, first)
    assert pg.settings.width == 16 and pg.inputs["width"].value == 16
    go(pg, 8)
    assert built == [16, 8, 32, 16] and marks(pg) == ["mark 1"], "the controls that go back do nothing by themselves"
    assert_same(pg, first.history, net, weights)
    assert [r.history.steps for r in pg.book.runs] == [17, 5, 5, 17] and pg.book.runs[0] is first


def test_a_fork_while_training_goes_on_training(steered):
    pg = steered()
    run(pg, 5)
    pg.book.mark.click()
    until(lambda: len(pg.runner.moments) == 2)
    moment, before = pg.runner.moments[-1], step_of(pg)
    until(lambda: step_of(pg) > before + 2 * STEPS)
    original = pg.book.current
    fork(pg, moment)
    until(lambda: step_of(pg) > original.history.steps)
    assert pg.runner.state == "training" and threads() == 1
    pause(pg)
    again, steps = pg.runner.trainer.history, original.history.steps
    assert again is not original.history and moment.step >= 5
    assert again.loss[:steps] == original.history.loss
    epochs = len(original.history.test_acc)
    assert again.test_acc[:epochs] == original.history.test_acc and epochs >= 2


def test_a_click_on_a_mark_of_the_chart_offers_to_go_back_to_it(steered, weights):
    pg = steered(num_epochs=3)
    offer = pg.page.offer

    def click(number):
        pg.page.chart._handle_msg(
            {"content": {"data": {"method": "custom", "content": {"mark": number}}}, "buffers": []}
        )

    go(pg, 8)
    moment = mark(pg)
    go(pg, STEPS)
    move(pg, dropout=0.1)
    go(pg, 5)
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    assert offer.layout.display == "none" and [label for _, label in pg.chart.chart.marks] == ["mark 1", "dropout 0.1"]
    click(1)
    click(0)
    assert offer.layout.display is None and offer.description == "Go back to step 8: mark 1"
    assert pg.runner.trainer.history is original.history, "to look is not to go"
    offer.click()
    rest(pg)
    assert offer.layout.display == "none" and (pg.runner.state, step_of(pg)) == ("ready", 8)
    assert pg.inputs["dropout"].value == 0.5
    go(pg, STEPS)
    move(pg, dropout=0.1)
    go(pg, 5)
    assert_same(pg, original.history, net, weights)
    pg.runner.moments = [m for m in pg.runner.moments if m.label != moment.label]  # memory was short
    click(0)
    assert offer.description == "This far back no weights were kept: mark 1"
    before = pg.runner.trainer
    offer.click()
    rest(pg)
    assert pg.runner.trainer is before and pg.runner.state == "paused"


@pytest.mark.parametrize("place", [(STEPS, STEPS), (STEPS, 0)], ids=["before the test", "after the test"])
def test_a_mark_around_the_end_of_an_epoch(steered, weights, place):
    pg = steered()
    go(pg, STEPS - 2)

    def ask(trainer):
        if (trainer.step, trainer.batch) == place and not asked:
            asked.append(pg.runner.mark("here"))

    asked = []
    pg.runner.trainer.listeners.insert(0, ask)
    go(pg, 7)
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    moment = original.moments[-1]
    assert (moment.step, moment.label, moment.state["batch"]) == (STEPS, "here", place[1])
    assert len(moment.state["history"]["test_acc"]) == (place[1] == 0)
    fork(pg, moment)
    go(pg, 5)
    assert_same(pg, original.history, net, weights)
    assert pg.runner.trainer.history.epoch_ends == [STEPS]


def test_settings_and_controls_go_back(steered, weights):
    pg = steered()
    go(pg, 8)
    moment = mark(pg)
    go(pg, 9)
    straight, net = pg.book.current, weights(pg.runner.trainer.net)
    fork(pg, moment)
    go(pg, 1)
    move(pg, dropout=0.1, lr=0.01)
    go(pg, 9)
    assert pg.runner.trainer.net[3].p == 0.1 and marks(pg) == ["mark 1", "dropout 0.1", "lr 0.01"]
    fork(pg, moment, straight)
    rest(pg)
    assert vars(pg.settings) == {"lr": 0.05, "dropout": 0.5, "width": 16, "activation": nn.ReLU}
    assert {name: widget.value for name, widget in pg.inputs.items()} == vars(pg.settings)
    assert pg.runner.trainer.net[3].p == 0.5 and pg.runner.trainer.lr == 0.05 and marks(pg) == ["mark 1"]
    go(pg, 9)
    assert_same(pg, straight.history, net, weights)


def test_going_back_to_a_change_keeps_the_change(steered, weights):
    pg = steered()
    go(pg, 8)
    move(pg, dropout=0.1, lr=0.02)
    go(pg, 9)
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    (_, moment) = original.moments
    assert (moment.step, moment.label) == (8, "dropout 0.1, learning rate 0.02")
    move(pg, dropout=0.0)
    go(pg, 9)
    fork(pg, moment)
    assert pg.inputs["dropout"].value == 0.1 and pg.inputs["lr"].value == pytest.approx(0.02)
    go(pg, 9)
    again = pg.runner.trainer.history
    assert again.loss == original.history.loss[:17] and again.lr == [0.05] * 8 + [pytest.approx(0.02)] * 9
    assert torch.equal(weights(pg.runner.trainer.net), net)
    assert again.marks == [(9, "dropout 0.1"), (9, "lr 0.02")]


def test_forks_of_forks_and_siblings_that_look_the_same(steered, weights):
    """Two forks from one mark in which the same was changed at the same step have moments that look alike."""
    pg = steered()
    go(pg, 18)
    straight, net = pg.book.current, weights(pg.runner.trainer.net)
    fork(pg, straight.moments[0])
    go(pg, 6)
    first = mark(pg)
    fork(pg, first)
    go(pg, 6)
    second = mark(pg)
    assert moments(pg) == [(0, "start"), (6, "mark 1"), (12, "mark 2")]
    fork(pg, second)
    go(pg, 6)
    assert_same(pg, straight.history, net, weights)
    assert marks(pg) == ["mark 1", "mark 2"] and [r.name for r in pg.book.runs] == [f"run {i}" for i in range(1, 5)]
    fork(pg, first)  # which is among the moments of the fork as well
    go(pg, 12)
    assert_same(pg, straight.history, net, weights)
    origin, siblings = pg.book.current, []
    for _ in range(2):
        fork(pg, first, origin)
        go(pg, 6)
        move(pg, dropout=0.2)
        go(pg, 6)
        siblings.append(pg.book.current)
        net = weights(pg.runner.trainer.net)
    one, other = siblings
    assert one is not other and told(one.history) == told(other.history)
    fork(pg, one.moments[-1], one)
    rest(pg)
    assert pg.runner.state == "ready", repr(pg.runner.error)
    go(pg, 6)
    assert_same(pg, other.history, net, weights)


def test_another_network_or_a_reset_after_a_fork_begins_anew(steered, weights):
    fresh = steered(name="fresh")
    move(fresh, width=32)
    go(fresh, 9)
    pg = steered()
    go(pg, 8)
    moment, first = mark(pg), pg.book.current
    losses = list(first.history.loss)
    fork(pg, moment)
    go(pg, 3)
    move(pg, width=32)
    assert pg.runner.state == "ready" and step_of(pg) == 0 and pg.runner.trainer.net[1].out_features == 32
    assert moments(pg) == [(0, "start")] and marks(pg) == ["width 32"]
    go(pg, 9)
    assert_same(pg, fresh.runner.trainer.history, weights(fresh.runner.trainer.net), weights)
    fork(pg, moment, first)
    assert pg.runner.trainer.net[1].out_features == 16 and step_of(pg) == 8
    go(pg, 3)
    press(pg, "reset")
    assert moments(pg) == [(0, "start")]
    go(pg, 8)
    assert pg.runner.trainer.history.loss == losses


def test_the_start_of_a_run_whose_settings_were_moved_before_its_first_step(steered, weights):
    pg = steered()
    press(pg, "reset")  # there is a network, but no step yet
    move(pg, lr=0.01, dropout=0.2)
    go(pg, 9)
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    fork(pg, original.moments[0])
    assert pg.settings.dropout == 0.2 and pg.settings.lr == pytest.approx(0.01), "the run never had another value"
    go(pg, 9)
    assert_same(pg, original.history, net, weights)


def test_of_a_fork_and_a_control_moved_before_it_is_built_the_later_wins(steered):
    pg = steered()
    go(pg, 8)
    moment = mark(pg)
    go(pg, 8)
    with pg.runner._lock:  # the thread has not yet come to build the network
        pg.fork(pg.book.current, moment)
        pg.set("lr", 0.01)
        pg.set("dropout", 0.2)
    rest(pg)
    go(pg, 4)
    assert pg.settings.lr == 0.01 and pg.runner.trainer.history.lr[8:] == [0.01] * 4
    assert pg.runner.trainer.net[3].p == 0.2 and {"lr 0.01", "dropout 0.2"} <= set(marks(pg))
    with pg.runner._lock:
        pg.fork(pg.book.current, moment)
        pg.set("width", 8)
    rest(pg)
    assert pg.runner.state == "ready" and step_of(pg) == 0 and pg.runner.trainer.net[1].out_features == 8
    with pg.runner._lock:
        pg.set("width", 12)
        pg.fork(pg.book.runs[0], moment)
    rest(pg)
    assert step_of(pg) == 8 and pg.runner.trainer.net[1].out_features == 16 and pg.inputs["width"].value == 16
    assert marks(pg) == ["mark 1"]


def test_a_fork_to_a_learning_rate_beyond_the_slider(steered):
    pg = steered()
    go(pg, 6)
    pg.set("lr", 123.0)
    move(pg, dropout=0.9)
    pg.runner.mark("far out")
    go(pg, 1)
    moment = pg.runner.moments[-1]
    pg.set("lr", 0.01)
    fork(pg, moment)
    rest(pg)
    assert pg.runner.trainer.lr == pg.settings.lr == 123.0


def test_a_failed_run_can_be_left_by_a_fork(steered):
    def fragile(s):
        if s.width == 13:
            raise RuntimeError("unlucky")
        return build(s)

    pg = steered(fragile)
    go(pg, 6)
    first, moment = pg.book.current, mark(pg)
    move(pg, width=13)
    assert pg.runner.state == "failed"
    pg.fork(first, moment)
    rest(pg)
    assert pg.runner.state == "ready" and pg.runner.error is None and step_of(pg) == 6
    go(pg, 2)
    assert pg.runner.trainer.history.steps == 8 and pg.inputs["width"].value == 16


# Marks


def test_marks_while_paused_and_while_training(steered):
    pg = steered()
    go(pg, 3)
    for number in (1, 2):
        moment = mark(pg)
        assert (moment.step, moment.label, pg.runner.state) == (3, f"mark {number}", "paused")
    assert pg.runner.trainer.history.marks == [(4, "mark 1"), (4, "mark 2")], "a mark stands before the next step"
    run(pg, 10)
    pg.book.mark.click()
    until(lambda: len(pg.runner.moments) == 4)
    assert pg.runner.state == "training" and pg.runner.moments[-1].label == "mark 3"
    assert pg.runner.moments[-1].step >= 13 and pg.runner.moments[-1].settings == vars(pg.settings)
    until(lambda: pg.book.moment.options and pg.book.moment.options[-1][0].endswith("mark 3"))
    pause(pg)
    labels = [label for label, _ in pg.book.moment.options]
    assert labels[:3] == ["step 0: start", "step 3: mark 1", "step 3: mark 2"] and len(labels) == 4


@pytest.mark.parametrize("end, step", [("finished", STEPS), ("stopped", 5), ("ready", 0)])
def test_marks_of_a_run_that_is_over_or_has_not_begun(steered, monkeypatch, end, step):
    pg = steered(num_epochs=1)
    bring_to(pg, end, monkeypatch)
    moment = mark(pg)
    assert pg.runner.state == end and moment.step == step
    until(lambda: threads() == 0)
    fork(pg, moment)
    go(pg, 2)
    assert pg.runner.trainer.history.steps == moment.step + 2


@pytest.mark.parametrize("name", ["mark", "stop", "fork", "pause"])
def test_commands_before_any_run_build_nothing(steered, name):
    built = []
    pg = steered(lambda s: built.append(s) or build(s))
    buttons = {"mark": pg.book.mark, "fork": pg.book.fork, "stop": pg.page.stop}
    buttons[name].click() if name in buttons else pg.runner.pause()
    rest(pg)
    until(lambda: threads() == 0)
    assert pg.runner.state == "ready" and pg.runner.error is None
    assert not built and pg.status.value == "Ready. Press Start." and not pg.book.runs
    go(pg, 3)
    assert (pg.runner.state, step_of(pg)) == ("paused", 3) and len(built) == 1
    assert marks(pg) == [] and moments(pg) == [(0, "start")]


def test_of_changes_close_together_the_last_is_kept_but_every_mark(steered):
    pg = steered()
    go(pg, 8)
    mark(pg)  # the reader pauses, marks, moves a slider and goes on: the mark is there to come back to
    for value in (0.4, 0.3, 0.2):  # as while a slider is dragged
        move(pg, dropout=value)
        go(pg, 1)
    assert moments(pg) == [(0, "start"), (8, "mark 1"), (10, "dropout 0.2")]
    assert pg.runner.moments[1].settings["dropout"] == 0.5
    assert [step for step, _ in pg.runner.trainer.history.marks] == [9, 9, 10, 11], "the record has them all"
    assert pg.runner.events == [(8, "dropout", 0.4), (9, "dropout", 0.3), (10, "dropout", 0.2)]
    go(pg, CLOSE - 1)
    move(pg, dropout=0.1)
    go(pg, 1)
    assert moments(pg)[2:] == [(10, "dropout 0.2"), (10 + CLOSE, "dropout 0.1")], f"{CLOSE} steps are not close"
    moment = pg.runner.moments[-1]
    assert len(moment.events) == 4 and moment.settings["dropout"] == 0.1


def test_when_memory_is_short_the_oldest_moments_go(steered, monkeypatch):
    pg = steered()
    go(pg, 6)
    monkeypatch.setattr(keeping, "ROOM", 3 * mark(pg).bytes + 20_000)  # later ones have a longer record
    for _ in range(5):
        go(pg, 6)
        mark(pg)
    assert moments(pg) == [(0, "start"), (24, "mark 4"), (30, "mark 5"), (36, "mark 6")]
    assert pg.book.current.moments is pg.runner.moments
    fork(pg, pg.runner.moments[1])
    assert step_of(pg) == 24
    monkeypatch.setattr(keeping, "ROOM", 10)
    go(pg, 1)
    pg.book.mark.click()
    until(lambda: marks(pg)[-1] == "mark 7")
    rest(pg)
    assert moments(pg) == [(0, "start")]
    fork(pg, pg.runner.moments[0])
    go(pg, 2)


# Stop


def test_stop_keeps_the_run_and_start_begins_another(steered, weights):
    pg = steered()
    run(pg, 5)
    trainer = pg.runner.trainer
    press(pg, "stop")
    until(lambda: threads() == 0)
    assert pg.runner.state == "stopped" and pg.runner.trainer is trainer and "stopped · epoch" in pg.status.value
    assert pg.book.current.history is trainer.history
    steps, losses = trainer.history.steps, list(trainer.history.loss)
    go(pg, steps)
    assert pg.runner.trainer is not trainer and pg.runner.trainer.history.loss == losses
    assert trainer.history.loss == losses and [r.history.steps for r in pg.book.runs] == [steps, steps]
    assert torch.equal(weights(pg.runner.trainer.net), weights(trainer.net)) and pg.runner.state == "paused"
    press(pg, "stop")
    move(pg, width=8)
    assert pg.runner.state == "ready" and pg.runner.trainer.net[1].out_features == 8 and len(pg.book.runs) == 3
    go(pg, 2)
    assert step_of(pg) == 2


def bring_to(pg, state, monkeypatch):
    """Bring a panel of one epoch to a state."""
    if state == "ready":
        press(pg, "reset")
    elif state == "finished":
        press(pg, "start")
    elif state in ("paused", "stopped"):
        go(pg, 5)
        if state == "stopped":
            press(pg, "stop")
    elif state == "diverged":
        go(pg, 3)
        pg.runner.trainer.net[1].weight.data.fill_(float("nan"))
        press(pg, "start")
    elif state == "failed":
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_run_epoch", lambda trainer: 1 / 0)
            press(pg, "start")
    assert pg.runner.state == state


@pytest.mark.parametrize("state", ["paused", "finished", "ready", "failed", "stopped", "diverged"])
def test_stop_at_rest(steered, monkeypatch, state):
    pg = steered(num_epochs=1)
    bring_to(pg, state, monkeypatch)
    before = pg.runner.trainer
    press(pg, "stop")
    assert pg.runner.state == "stopped" and pg.runner.error is None and not pg.runner.training
    assert pg.runner.trainer is before and "stopped" in pg.status.value and "alert" not in pg.status.value
    move(pg, dropout=0.2)  # a live setting alone begins nothing
    assert threads() == 0
    go(pg, 2)
    assert pg.runner.trainer is not before and step_of(pg) == 2 and pg.runner.trainer.net[3].p == 0.2


def test_stop_of_a_network_that_could_not_be_built(steered):
    def broken(s):
        raise RuntimeError("not yet written")

    pg = steered(broken)
    press(pg, "start")
    for button in (pg.page.stop, pg.book.mark, pg.page.stop):
        button.click()
        rest(pg)
        until(lambda: threads() == 0)
        assert pg.runner.state == "failed" and "not yet written" in pg.status.value


def test_start_and_stop_in_quick_succession(steered):
    pg = steered()
    for _ in range(10):
        run(pg, 2)
        before = pg.runner.trainer
        pg.page.stop.click()
        pg.page.start.click()
        until(lambda before=before: pg.runner.trainer not in (None, before) and step_of(pg) > 2)
        assert pg.runner.state == "training" and threads() == 1
        pg.page.start.click()
        press(pg, "stop")
    assert len(pg.book.runs) <= 21
    for _ in range(10):
        pg.page.start.click()
        press(pg, "stop")
        until(lambda: threads() == 0)
        assert pg.runner.state in ("stopped", "ready") and not pg.runner.training


@pytest.mark.parametrize("steps", [1, 3])
def test_steps_asked_for_during_the_last_step_of_a_stopped_run_are_those_of_the_next(steered, steps):
    pg = steered()
    run(pg, 2)
    before = pg.runner.trainer
    with pg.runner._lock:  # the thread is within a step
        pg.page.stop.click()
        pg.runner.start(steps=steps)
    rest(pg)
    assert pg.runner.trainer is not before and (pg.runner.state, step_of(pg)) == ("paused", steps)


# Step


@pytest.mark.parametrize("state", ["new", "ready", "paused", "finished", "stopped", "failed", "diverged"])
def test_step_is_one_batch_from_every_state(steered, monkeypatch, state):
    pg = steered(num_epochs=1)
    if state != "new":
        bring_to(pg, state, monkeypatch)
    first = {"paused": 5, "finished": STEPS, "diverged": 3}.get(state, 0)
    for number in (1, 2, 3):
        press(pg, "step")
        assert (pg.runner.state, pg.runner.trainer.history.steps) == ("paused", first + number)
    until(lambda: threads() == 0)


def test_step_through_the_end_of_an_epoch(steered, weights):
    straight = steered(name="straight")
    go(straight, STEPS + 2)
    pg = steered()
    for number in range(1, STEPS + 3):
        press(pg, "step")
        history = pg.runner.trainer.history
        assert (history.steps, len(history.test_acc)) == (number, number >= STEPS)
    assert_same(pg, straight.runner.trainer.history, weights(straight.runner.trainer.net), weights)


def test_step_while_training_rests_after_the_present_batch(steered):
    pg = steered()
    for _ in range(5):
        run(pg, 3)
        at_press = step_of(pg)
        press(pg, "step")
        assert pg.runner.state == "paused" and step_of(pg) - at_press < 10
    assert pg.runner.trainer.history.steps == step_of(pg)


def test_start_that_comes_while_steps_are_counted_is_not_lost(noise, dense):
    """Another thread may begin at any point between two instructions of the one that trains."""

    class Fine(Runner):
        other = None

        @property
        def _steps_left(self):
            value = self._count
            if self.other is None:  # right after the first look at it
                self.other = threading.Thread(target=self.start)
                self.other.start()
                self.other.join(0.2)  # it may have to wait for the lock
            return value

        @_steps_left.setter
        def _steps_left(self, value):
            self._count = value

    batches = noise(32 * STEPS)
    fine = Fine(lambda settings: Trainer(dense(), batches, None, 0.1), {"lr": 0.1}, 1, lambda runner: None)
    fine.start(steps=2)
    until(lambda: fine.other is not None and not fine.other.is_alive())  # it may come late, when all has come to rest
    until(lambda: threads() == 0)
    assert fine.error is None and (fine.state, fine.trainer.step) == ("finished", STEPS)


# What is in view, and all of it at once


def test_four_controls_of_the_network_are_in_view_and_the_rest_under_more(panel):
    controls = [slider(name, 1, 9, 1) for name in "abcdef"]
    pg = panel(controls=[*controls, slider("live", 1, 9, 1, live=set_share)])
    more = pg.page.more
    parents = {child: box for box in boxes_in(pg.box) for child in box.children}
    hidden = parents[pg.inputs["f"]]
    assert [name for name, widget in pg.inputs.items() if parents[widget] is hidden] == ["e", "f"]
    assert parents[pg.inputs["lr"]] is parents[pg.inputs["live"]], "what a running network takes stands together"
    assert hidden.layout.display == "none"
    for shown in (True, False):
        more.value = shown
        assert (hidden.layout.display != "none") == shown
    few = panel(name="few")
    assert not hasattr(few.page, "more")
    parts = (pg.page.step, pg.page.stop, more, pg.page.tabs, pg.page.chart, pg.listing, pg.book.widget, pg.book.table)
    pg.close()
    assert all(part.comm is None for part in parts)


def boxes_in(box):
    """Return a box of widgets and all boxes within it."""
    return [box, *(inner for child in box.children if hasattr(child, "children") for inner in boxes_in(child))]


def test_two_hundred_commands_from_two_threads(steered, panel, monkeypatch):
    monkeypatch.setattr(playground, "FRAME_EVERY", 0.01)
    monkeypatch.setattr(background, "PATIENCE", 0.2)  # who waits for a rest that the other thread's Start calls off
    pg, other = steered(), panel(name="other")

    def commands(dice):
        def go_back():
            earlier = dice.choice(pg.book.runs or [None])
            if earlier and earlier.moments:
                pg.fork(earlier, dice.choice(earlier.moments))

        def go_back_by_the_chart():
            pg._offer_mark(dice.randrange(5))
            pg.page.offer.click()

        def rename():
            if pg.book.runs:
                pg.book.rename(dice.choice(pg.book.runs), f"name {dice.random():.3f}")

        return [
            pg.page.start.click,
            pg.runner.start,
            pg.runner.pause,
            pg.page.stop.click,
            pg.page.step.click,
            pg.page.reset.click,
            pg.book.mark.click,
            go_back,
            go_back_by_the_chart,
            rename,
            lambda: pg.book.runs and pg.book.show(dice.choice(pg.book.runs), dice.random() < 0.5),
            pg.code,
            lambda: setattr(pg.page.tabs, "value", dice.choice(("Runs", "Code"))),
            lambda: pg.runner.start(steps=3),
            lambda: pg.set("lr", dice.uniform(0.01, 0.05)),
            lambda: pg.set("width", dice.randint(4, 64)),
            lambda: pg.set("dropout", dice.random() / 2),
            lambda: other.runner.start(steps=2),
            pause_all,
        ]

    command_from_two_threads(commands)
    assert pg.runner.error is None and other.runner.error is None
    pause(pg)
    until(lambda: threads() == 0)
    assert not pg._quiet and not pg.book._quiet, "the page no longer listens"
    press(pg, "reset")
    run(pg)
    assert pg.runner.trainer.net[1].out_features == pg.settings.width
    press(pg, "stop")
    assert pg.runner.state == "stopped" and other.runner.state in ("paused", "ready", "stopped")
    until(lambda: threads() == 0)
