"""A run is stopped, stepped through, marked and gone back to, and nothing of this changes a number."""

import threading
from dataclasses import asdict
from functools import partial

import pytest
import torch
from panels import STEPS, command_from_two_threads, fork, go, mark, marks, rest, run, step_of, threads, until
from panels import panel as panel
from torch import nn

from cnnlib.training.loop import Trainer
from cnnlib.widgets import choice, playground, runner, slider
from cnnlib.widgets.runner import CLOSE, Runner, pause_all

SGD = partial(torch.optim.SGD, momentum=0.9)


def build(s):
    layers = [nn.Flatten(), nn.Linear(784, s.width), s.activation(), nn.Dropout(s.dropout), nn.Linear(s.width, 10)]
    return nn.Sequential(*layers)


def set_share(trainer, value):
    trainer.net[3].p = value


ACTIVATIONS = {"ReLU": nn.ReLU, "S-shaped": nn.Sigmoid}
CONTROLS = [
    slider("dropout", 0.0, 0.9, 0.5, 0.1, live=set_share),
    slider("width", 4, 64, 16),
    choice("activation", ACTIVATIONS),
]


@pytest.fixture
def steered(panel):
    """Return a maker of panels whose runs depend on dropout and momentum."""

    def make(**options):
        return panel(build, controls=CONTROLS, **{"optimizer": SGD, "lr": 0.05, **options})

    return make


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
        pg.start.click()
        rest(pg)
    else:
        go(pg, 2 * STEPS - 3 - step_of(pg))
    if end == "stopped":
        pg.stop.click()
        rest(pg)
    assert pg.runner.state == end
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    kept = asdict(original.history)
    assert [(m.step, m.label) for m in original.moments] == [
        (0, "start"),
        (7, "mark 1"),
        (20, "mark 2"),
        (26, "mark 3"),
    ]
    for number, moment in enumerate(original.moments, 1):
        torch.rand(3)  # somebody else draws random numbers
        fork(pg, moment, original)
        rest(pg)
        assert pg.runner.state == "ready" and step_of(pg) == moment.step
        assert pg.runner.trainer.history.loss == original.history.loss[: moment.step]
        if end == "finished":
            pg.start.click()
            rest(pg)
            assert pg.runner.state == "finished"
        else:
            go(pg, original.history.steps - moment.step)
        assert_same(pg, original.history, net, weights)
        assert marks(pg) == [m.label for m in original.moments[1:] if m.step <= moment.step]
        assert pg.book.runs[0] is original and asdict(original.history) == kept, "the original is no longer what it was"
        assert len(pg.book.runs) == 1 + number and pg.book.current is pg.book.runs[-1]
        assert pg.book.current.history is pg.runner.trainer.history
    assert [m.label for m in original.moments] == ["start", "mark 1", "mark 2", "mark 3"]


def test_a_fork_from_an_earlier_run_after_other_runs(panel, weights):
    built = []
    pg = panel(lambda s: built.append(s.width) or build(s), controls=CONTROLS, optimizer=SGD, lr=0.05)
    go(pg, 9)
    moment = mark(pg)
    go(pg, 8)
    first, net = pg.book.current, weights(pg.runner.trainer.net)
    for width in (8, 32):
        pg.inputs["width"].value = width
        rest(pg)
        go(pg, 5)
    fork(pg, moment, first)
    assert pg.settings.width == 16 and pg.inputs["width"].value == 16
    go(pg, 8)
    assert built == [16, 8, 32, 16] and marks(pg) == ["mark 1"], "the controls that go back do nothing by themselves"
    assert_same(pg, first.history, net, weights)
    assert [r.history.steps for r in pg.book.runs] == [17, 5, 5, 17] and pg.book.runs[0] is first


def test_a_fork_while_training_goes_on_training(steered, weights):
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
    pg.pause.click()
    rest(pg)
    again, steps = pg.runner.trainer.history, original.history.steps
    assert again is not original.history and moment.step >= 5
    assert again.loss[:steps] == original.history.loss
    epochs = len(original.history.test_acc)
    assert again.test_acc[:epochs] == original.history.test_acc and epochs >= 2


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
    pg.inputs["dropout"].value = 0.1
    pg.inputs["lr"].value = 0.01
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
    pg.inputs["dropout"].value = 0.1
    pg.inputs["lr"].value = 0.02
    go(pg, 9)
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    (_, moment) = original.moments
    assert (moment.step, moment.label) == (8, "dropout 0.1, learning rate 0.02")
    pg.inputs["dropout"].value = 0.0
    go(pg, 9)
    fork(pg, moment)
    assert pg.inputs["dropout"].value == 0.1 and pg.inputs["lr"].value == pytest.approx(0.02)
    go(pg, 9)
    again = pg.runner.trainer.history
    assert again.loss == original.history.loss[:17] and again.lr == [0.05] * 8 + [pytest.approx(0.02)] * 9
    assert torch.equal(weights(pg.runner.trainer.net), net)
    assert again.marks == [(9, "dropout 0.1"), (9, "lr 0.02")]


def test_a_fork_of_a_fork(steered, weights):
    pg = steered()
    go(pg, 30)
    straight, net = pg.book.current, weights(pg.runner.trainer.net)
    fork(pg, straight.moments[0])
    go(pg, 6)
    first = mark(pg)
    go(pg, 6)
    fork(pg, first)
    go(pg, 6)
    second = mark(pg)
    assert [m.label for m in pg.runner.moments] == ["start", "mark 1", "mark 2"]
    go(pg, 9)
    fork(pg, second)
    go(pg, 18)
    assert_same(pg, straight.history, net, weights)
    assert marks(pg) == ["mark 1", "mark 2"] and [r.name for r in pg.book.runs] == [f"run {i}" for i in range(1, 5)]
    assert [m.step for m in pg.book.current.moments] == [0, 6, 12]
    fork(pg, first)  # which is among the moments of the fork as well
    go(pg, 24)
    assert_same(pg, straight.history, net, weights)


def test_a_fork_whose_sibling_looks_the_same(steered, weights):
    """Two forks from one mark in which the same was changed at the same step have moments that look alike."""
    pg = steered()
    go(pg, 6)
    first = mark(pg)
    original, siblings = pg.book.current, []
    for _ in range(2):
        fork(pg, first, original)
        go(pg, 6)
        pg.inputs["dropout"].value = 0.2
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


def test_another_network_after_a_fork_begins_anew(steered, weights):
    fresh = steered(name="fresh")
    fresh.inputs["width"].value = 32
    go(fresh, 9)
    pg = steered()
    go(pg, 8)
    moment = mark(pg)
    go(pg, 8)
    fork(pg, moment)
    go(pg, 3)
    pg.inputs["width"].value = 32
    rest(pg)
    assert pg.runner.state == "ready" and step_of(pg) == 0 and pg.runner.trainer.net[1].out_features == 32
    assert [m.label for m in pg.runner.moments] == ["start"] and marks(pg) == ["width 32"]
    go(pg, 9)
    assert_same(pg, fresh.runner.trainer.history, weights(fresh.runner.trainer.net), weights)
    fork(pg, moment, pg.book.runs[0])
    assert pg.runner.trainer.net[1].out_features == 16 and step_of(pg) == 8


def test_reset_after_a_fork_begins_at_the_start(steered):
    pg = steered()
    go(pg, 8)
    moment = mark(pg)
    losses = list(pg.runner.trainer.history.loss)
    fork(pg, moment)
    go(pg, 3)
    pg.reset.click()
    rest(pg)
    assert step_of(pg) == 0 and [m.label for m in pg.runner.moments] == ["start"]
    go(pg, 8)
    assert pg.runner.trainer.history.loss == losses


def test_the_start_of_a_run_whose_settings_were_moved_before_its_first_step(steered, weights):
    pg = steered()
    pg.reset.click()  # there is a network, but no step yet
    rest(pg)
    pg.inputs["lr"].value = 0.01
    pg.inputs["dropout"].value = 0.2
    go(pg, 9)
    original, net = pg.book.current, weights(pg.runner.trainer.net)
    fork(pg, original.moments[0])
    assert pg.settings.dropout == 0.2 and pg.settings.lr == pytest.approx(0.01), "the run never had another value"
    go(pg, 9)
    assert_same(pg, original.history, net, weights)


def test_a_control_moved_right_after_a_fork_holds(steered):
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


def test_a_rebuilding_control_moved_right_after_a_fork_wins(steered):
    pg = steered()
    go(pg, 8)
    moment = mark(pg)
    with pg.runner._lock:
        pg.fork(pg.book.current, moment)
        pg.set("width", 8)
    rest(pg)
    assert pg.runner.state == "ready" and step_of(pg) == 0 and pg.runner.trainer.net[1].out_features == 8


def test_a_fork_right_after_a_rebuilding_control_wins(steered):
    pg = steered()
    go(pg, 8)
    moment = mark(pg)
    with pg.runner._lock:
        pg.set("width", 8)
        pg.fork(pg.book.current, moment)
    rest(pg)
    assert step_of(pg) == 8 and pg.runner.trainer.net[1].out_features == 16 and pg.inputs["width"].value == 16
    assert marks(pg) == ["mark 1"]


def test_a_fork_to_a_learning_rate_beyond_the_slider(steered):
    pg = steered()
    go(pg, 6)
    pg.set("lr", 123.0)
    pg.inputs["dropout"].value = 0.9
    pg.runner.mark("far out")
    go(pg, 1)
    moment = pg.runner.moments[-1]
    pg.set("lr", 0.01)
    fork(pg, moment)
    rest(pg)
    assert pg.runner.trainer.lr == pg.settings.lr == 123.0


def test_a_failed_run_can_be_left_by_a_fork(panel):
    def fragile(s):
        if s.width == 13:
            raise RuntimeError("unlucky")
        return build(s)

    pg = panel(fragile, controls=CONTROLS)
    go(pg, 6)
    first, moment = pg.book.current, mark(pg)
    pg.inputs["width"].value = 13
    rest(pg)
    assert pg.runner.state == "failed"
    pg.book.pick.value, pg.book.moment.value = first, moment
    pg.book.fork.click()
    rest(pg)
    assert pg.runner.state == "ready" and pg.runner.error is None and step_of(pg) == 6
    go(pg, 2)
    assert pg.runner.trainer.history.steps == 8 and pg.inputs["width"].value == 16


def test_moments_are_whole_copies(steered, weights):
    pg = steered()
    go(pg, 6)
    moment = mark(pg)
    before = {name: value.clone() for name, value in moment.state["net"].items()}
    history = asdict(pg.runner.trainer.history)
    fork(pg, moment)
    go(pg, 4)
    assert all(torch.equal(value, moment.state["net"][name]) for name, value in before.items())
    assert moment.state["history"] == history and pg.runner.trainer.history.steps == 10
    assert moment.bytes >= sum(value.nbytes for value in before.values()) > 0
    assert pg.runner.moments[0].bytes == 0 and "state" not in repr(moment)


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
    pg.pause.click()
    rest(pg)
    labels = [label for label, _ in pg.book.moment.options]
    assert labels[:3] == ["step 0: start", "step 3: mark 1", "step 3: mark 2"] and len(labels) == 4


@pytest.mark.parametrize("end", ["finished", "stopped", "ready"])
def test_marks_of_a_run_that_is_over_or_has_not_begun(steered, end):
    pg = steered(num_epochs=1)
    pg.reset.click()
    rest(pg)
    if end == "finished":
        pg.start.click()
    if end == "stopped":
        go(pg, 5)
        pg.stop.click()
    rest(pg)
    moment = mark(pg)
    assert pg.runner.state == end and moment.step == {"finished": STEPS, "stopped": 5, "ready": 0}[end]
    until(lambda: threads() == 0)
    fork(pg, moment)
    go(pg, 2)
    assert pg.runner.trainer.history.steps == moment.step + 2


@pytest.mark.parametrize("name", ["mark", "stop", "fork", "pause"])
def test_buttons_before_any_run(steered, name):
    pg = steered()
    {"mark": pg.book.mark, "fork": pg.book.fork, "stop": pg.stop, "pause": pg.pause}[name].click()
    rest(pg)
    until(lambda: threads() == 0)
    assert pg.runner.state == "ready" and pg.runner.error is None
    go(pg, 3)
    assert (pg.runner.state, step_of(pg)) == ("paused", 3)


@pytest.mark.parametrize("name", ["mark", "stop"])
def test_buttons_before_any_run_build_nothing(panel, name):
    built = []
    pg = panel(lambda s: built.append(s) or nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    (pg.book.mark if name == "mark" else pg.stop).click()
    rest(pg)
    assert not built and pg.status.value == "Ready. Press Start." and not pg.book.runs
    go(pg, 3)
    assert len(built) == 1 and marks(pg) == [] and [m.label for m in pg.runner.moments] == ["start"]


def test_a_change_close_to_a_mark_does_not_take_its_place(steered):
    """The reader pauses, marks, moves a slider and goes on: the mark is there to come back to."""
    pg = steered()
    go(pg, 8)
    mark(pg)
    pg.inputs["dropout"].value = 0.1
    go(pg, 6)
    assert [(m.step, m.label) for m in pg.runner.moments][:2] == [(0, "start"), (8, "mark 1")]
    assert pg.runner.moments[1].settings["dropout"] == 0.5


def test_of_changes_close_together_the_last_is_kept(steered):
    pg = steered()
    go(pg, 8)
    for value in (0.4, 0.3, 0.2):  # as while a slider is dragged
        pg.inputs["dropout"].value = value
        go(pg, 1)
    assert [(m.step, m.label) for m in pg.runner.moments] == [(0, "start"), (10, "dropout 0.2")]
    assert [step for step, _ in pg.runner.trainer.history.marks] == [9, 10, 11], "the record has them all"
    assert pg.runner.events == [(8, "dropout", 0.4), (9, "dropout", 0.3), (10, "dropout", 0.2)]
    go(pg, CLOSE - 1)
    pg.inputs["dropout"].value = 0.1
    go(pg, 1)
    assert [m.label for m in pg.runner.moments] == ["start", "dropout 0.2", "dropout 0.1"], (
        f"{CLOSE} steps are not close"
    )
    moment = pg.runner.moments[-1]
    assert moment.step == 10 + CLOSE and len(moment.events) == 4 and moment.settings["dropout"] == 0.1


def test_when_memory_is_short_the_oldest_moments_go(steered, monkeypatch):
    pg = steered()
    go(pg, 6)
    monkeypatch.setattr(runner, "ROOM", 3 * mark(pg).bytes + 20_000)  # later ones have a longer record
    for _ in range(5):
        go(pg, 6)
        mark(pg)
    assert [m.label for m in pg.runner.moments] == ["start", "mark 4", "mark 5", "mark 6"]
    assert pg.book.current.moments is pg.runner.moments
    fork(pg, pg.runner.moments[1])
    assert step_of(pg) == 24
    monkeypatch.setattr(runner, "ROOM", 10)
    go(pg, 1)
    pg.book.mark.click()
    until(lambda: marks(pg)[-1] == "mark 7")
    rest(pg)
    assert [m.label for m in pg.runner.moments] == ["start"]
    fork(pg, pg.runner.moments[0])
    go(pg, 2)


# Stop


def test_stop_keeps_the_run_and_start_begins_another(steered, weights):
    pg = steered()
    run(pg, 5)
    trainer = pg.runner.trainer
    pg.stop.click()
    rest(pg)
    until(lambda: threads() == 0)
    assert pg.runner.state == "stopped" and pg.runner.trainer is trainer and "stopped · epoch" in pg.status.value
    assert pg.book.current.history is trainer.history
    steps, losses = trainer.history.steps, list(trainer.history.loss)
    go(pg, steps)
    assert pg.runner.trainer is not trainer and pg.runner.trainer.history.loss == losses
    assert trainer.history.loss == losses and [r.history.steps for r in pg.book.runs] == [steps, steps]
    assert torch.equal(weights(pg.runner.trainer.net), weights(trainer.net)) and pg.runner.state == "paused"


@pytest.mark.parametrize("state", ["paused", "finished", "ready", "failed", "stopped", "diverged"])
def test_stop_at_rest(steered, monkeypatch, state):
    pg = steered(num_epochs=1)
    bring_to(pg, state, monkeypatch)
    before = pg.runner.trainer
    pg.stop.click()
    rest(pg)
    assert pg.runner.state == "stopped" and pg.runner.error is None and not pg.runner.training
    assert pg.runner.trainer is before and "stopped" in pg.status.value and "alert" not in pg.status.value
    pg.inputs["dropout"].value = 0.2  # a live setting alone begins nothing
    assert threads() == 0
    go(pg, 2)
    assert pg.runner.trainer is not before and step_of(pg) == 2 and pg.runner.trainer.net[3].p == 0.2


def test_stop_of_a_network_that_could_not_be_built(panel):
    def broken(s):
        raise RuntimeError("not yet written")

    pg = panel(broken)
    pg.start.click()
    rest(pg)
    for button in (pg.stop, pg.book.mark, pg.stop):
        button.click()
        rest(pg)
        until(lambda: threads() == 0)
        assert pg.runner.state == "failed" and "not yet written" in pg.status.value


def test_stop_and_then_start_at_once(steered):
    pg = steered()
    for _ in range(10):
        run(pg, 2)
        before = pg.runner.trainer
        pg.stop.click()
        pg.start.click()
        until(lambda before=before: pg.runner.trainer not in (None, before) and step_of(pg) > 2)
        assert pg.runner.state == "training" and threads() == 1
    assert len(pg.book.runs) <= 11


@pytest.mark.parametrize("steps", [1, 3])
def test_steps_asked_for_during_the_last_step_of_a_stopped_run_are_those_of_the_next(steered, steps):
    pg = steered()
    run(pg, 2)
    before = pg.runner.trainer
    with pg.runner._lock:  # the thread is within a step
        pg.stop.click()
        pg.runner.start(steps=steps)
    rest(pg)
    assert pg.runner.trainer is not before and (pg.runner.state, step_of(pg)) == ("paused", steps)


def test_start_and_then_stop_at_once(steered):
    pg = steered()
    for _ in range(10):
        pg.start.click()
        pg.stop.click()
        rest(pg)
        until(lambda: threads() == 0)
        assert pg.runner.state in ("stopped", "ready") and not pg.runner.training


def test_another_network_after_a_stop(steered):
    pg = steered()
    go(pg, 5)
    pg.stop.click()
    rest(pg)
    pg.inputs["width"].value = 8
    rest(pg)
    assert pg.runner.state == "ready" and pg.runner.trainer.net[1].out_features == 8 and len(pg.book.runs) == 2
    go(pg, 2)
    assert step_of(pg) == 2


# Step


def bring_to(pg, state, monkeypatch):
    """Bring a panel of one epoch to a state."""
    if state == "ready":
        pg.reset.click()
    elif state == "finished":
        pg.start.click()
    elif state in ("paused", "stopped"):
        go(pg, 5)
        if state == "stopped":
            pg.stop.click()
    elif state == "diverged":
        go(pg, 3)
        pg.runner.trainer.net[1].weight.data.fill_(float("nan"))
        pg.start.click()
    elif state == "failed":
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_run_epoch", lambda trainer: 1 / 0)
            pg.start.click()
            rest(pg)
    rest(pg)
    assert pg.runner.state == state


@pytest.mark.parametrize("state", ["new", "ready", "paused", "finished", "stopped", "failed", "diverged"])
def test_step_is_one_batch_from_every_state(steered, monkeypatch, state):
    pg = steered(num_epochs=1)
    if state != "new":
        bring_to(pg, state, monkeypatch)
    first = {"paused": 5, "finished": STEPS, "diverged": 3}.get(state, 0)
    for number in (1, 2, 3):
        pg.step.click()
        rest(pg)
        assert (pg.runner.state, pg.runner.trainer.history.steps) == ("paused", first + number)
    until(lambda: threads() == 0)


def test_step_through_the_end_of_an_epoch(steered, weights):
    straight = steered(name="straight")
    go(straight, STEPS + 2)
    pg = steered()
    for number in range(1, STEPS + 3):
        pg.step.click()
        rest(pg)
        history = pg.runner.trainer.history
        assert (history.steps, len(history.test_acc)) == (number, number >= STEPS)
    assert_same(pg, straight.runner.trainer.history, weights(straight.runner.trainer.net), weights)


def test_step_while_training_rests_after_the_present_batch(steered):
    pg = steered()
    for _ in range(5):
        run(pg, 3)
        at_press = step_of(pg)
        pg.step.click()
        rest(pg)
        assert pg.runner.state == "paused" and step_of(pg) - at_press < 10
        pg.step.click()
        rest(pg)
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


# Folds


def test_folds_hide_and_show(panel):
    controls = [slider(name, 1, 9, 1, live=lambda trainer, value: None) for name in "abcdef"]
    pg = panel(build, controls=[*CONTROLS, *controls])
    more, runs, code = pg.folds
    assert [fold.description for fold in pg.folds] == ["More controls", "Runs", "Show the code"]
    hidden = pg.inputs["f"]
    row = next(box for box in pg.box.children if hidden in getattr(box, "children", ()))
    assert pg.inputs["a"] not in row.children and [w for w in row.children] == [pg.inputs[name] for name in "bcdef"]
    for fold, widget in ((more, row), (runs, pg.book.widget), (code, pg.listing)):
        assert widget in pg.box.children and widget.layout.display == "none"
        before = widget.layout.display
        fold.value = True
        assert widget.layout.display != "none"
        fold.value = False
        assert widget.layout.display == before
    few = panel(name="few")
    assert [fold.description for fold in few.folds] == ["Runs", "Show the code"]
    parts = (pg.step, pg.stop, *pg.folds, pg.listing, pg.book.widget, pg.book.table)
    pg.close()
    assert all(part.comm is None for part in parts)


# All of it at once


def test_two_hundred_commands_from_two_threads(steered, panel, monkeypatch):
    monkeypatch.setattr(playground, "FRAME_EVERY", 0.01)
    monkeypatch.setattr(runner, "PATIENCE", 0.2)  # who waits for a rest that the other thread's Start calls off
    pg, other = steered(), panel(name="other")

    def commands(dice):
        def go_back():
            earlier = dice.choice(pg.book.runs or [None])
            if earlier and earlier.moments:
                pg.fork(earlier, dice.choice(earlier.moments))

        def rename():
            if pg.book.runs:
                pg.book.rename(dice.choice(pg.book.runs), f"name {dice.random():.3f}")

        return [
            pg.start.click,
            pg.pause.click,
            pg.stop.click,
            pg.step.click,
            pg.reset.click,
            pg.book.mark.click,
            go_back,
            go_back,
            rename,
            lambda: pg.book.runs and pg.book.show(dice.choice(pg.book.runs), dice.random() < 0.5),
            pg.code,
            lambda: pg.runner.start(steps=3),
            lambda: pg.set("lr", dice.uniform(0.01, 0.05)),
            lambda: pg.set("width", dice.randint(4, 64)),
            lambda: pg.set("dropout", dice.random() / 2),
            lambda: other.runner.start(steps=2),
            pause_all,
        ]

    command_from_two_threads(commands)
    assert pg.runner.error is None and other.runner.error is None
    pg.pause.click()
    rest(pg)
    until(lambda: threads() == 0)
    assert not pg._quiet and not pg.book._quiet, "the page no longer listens"
    pg.reset.click()
    rest(pg)
    run(pg)
    assert pg.runner.trainer.net[1].out_features == pg.settings.width
    pg.stop.click()
    rest(pg)
    assert pg.runner.state == "stopped" and other.runner.state in ("paused", "ready", "stopped")
    until(lambda: threads() == 0)
