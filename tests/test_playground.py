"""The playground without a page: its buttons, controls, thread and views, with a network of a millisecond a step."""

import struct
import time

import ipywidgets
import pytest
import torch
from nets import unchanged
from panels import STEPS, earlier_names, go, marks, move, pause, press, rest, run, step_of, threads, until
from panels import panel as panel
from torch import nn
from traitlets import TraitError

from cnnlib.figures.picture import STORED
from cnnlib.widgets import Blueprint, Microscope, choice, fit, panel_display, playground, slider, switch
from cnnlib.widgets.background import pause_all
from cnnlib.widgets.controls import Control, shown
from cnnlib.widgets.display import WIDGET
from cnnlib.widgets.live_chart import LiveChart
from cnnlib.widgets.runs import SHOWN
from cnnlib.widgets.view import View

# Start, Pause, Reset


def test_one_button_starts_the_training_and_pauses_it(panel):
    pg = panel()
    start = pg.page.start
    assert threads() == 0 and pg.status.value == "Ready. Press Start." and "ready" in repr(pg)
    assert start.description == "Start"
    run(pg, 5)
    assert start.description == "Pause"
    start.click()
    rest(pg)
    until(lambda: threads() == 0)
    trainer = pg.runner.trainer
    steps = trainer.history.steps
    assert pg.runner.state == "paused" and steps >= 5 and start.description == "Start"
    assert f"paused · epoch {steps / STEPS:.1f} · step {steps:,}" in pg.status.value
    time.sleep(0.02)
    assert trainer.history.steps == steps
    run(pg)
    assert pg.runner.trainer is trainer and trainer.history.steps > steps


def test_reset_begins_again_with_the_same_weights(panel, weights):
    pg = panel()
    press(pg, "reset")
    first = weights(pg.runner.trainer.net)
    assert pg.runner.state == "ready" and "ready · epoch 0.0 · step 0" in pg.status.value
    go(pg, 7)
    losses = list(pg.runner.trainer.history.loss)
    assert not torch.equal(weights(pg.runner.trainer.net), first)
    press(pg, "reset")
    assert pg.runner.state == "ready" and torch.equal(weights(pg.runner.trainer.net), first)
    go(pg, 7)
    assert pg.runner.trainer.history.loss == losses
    other = panel(name="other", seed=1)
    press(other, "reset")
    assert not torch.equal(weights(other.runner.trainer.net), first)
    run(pg)
    before = pg.runner.trainer
    pg.page.reset.click()
    until(lambda: pg.runner.trainer not in (None, before) and step_of(pg) > 2)
    assert pg.runner.state == "training", "who resets while it trains goes on"


def test_a_run_ends_and_start_goes_on_for_as_many_epochs(panel):
    pg = panel(num_epochs=2)
    for epochs in (2, 4):
        press(pg, "start")
        history = pg.runner.trainer.history
        assert (pg.runner.state, history.steps, len(history.test_acc)) == ("finished", epochs * STEPS, epochs)
        assert f"finished · epoch {epochs}.0" in pg.status.value and not pg.runner.training
        assert pg.page.start.description == "Start"
    go(pg, 3)
    press(pg, "start")
    assert pg.runner.trainer.history.steps == 6 * STEPS


def test_start_right_after_pause_is_not_lost(panel, noise):
    class Test(list):
        def __iter__(self):
            if not pg.runner.training and not late:
                late.append(pg.runner.start())  # while the epoch at whose last step it was paused is being evaluated
            return super().__iter__()

    late, batches = [], (noise(32 * STEPS), Test(noise(64).epoch(0)))
    pg = panel(data=lambda s: batches, num_epochs=3)
    go(pg, STEPS)
    assert late and (pg.runner.state, pg.runner.trainer.history.steps) == ("finished", 3 * STEPS)


# Controls


def test_learning_rate_holds_from_the_next_step(panel):
    pg = panel()
    move(pg, lr=0.2)  # before there is a network
    go(pg, 3)
    move(pg, lr=0.05)
    go(pg, 2)
    history = pg.runner.trainer.history
    assert history.lr == pytest.approx([0.2] * 3 + [0.05] * 2) and history.marks == [(4, "lr 0.05")]
    pg.set("lr", pg.settings.lr * (1 + 1e-9))
    go(pg, 1)
    assert pg.settings.lr == pytest.approx(0.05) and len(history.marks) == 1, "what the page rounds is no change"
    run(pg)
    pg.inputs["lr"].value = 0.01
    until(lambda: history.lr[-1] == pytest.approx(0.01))
    pause(pg)
    step, label = history.marks[-1]
    assert label == "lr 0.01" and history.lr[step - 2 : step] == pytest.approx([0.05, 0.01])


def set_dropout(trainer, value):
    trainer.net[3].p = value


def test_live_control_changes_the_running_network(panel, dense):
    def augment(trainer, value):
        trainer.augmented = value

    controls = [slider("dropout", 0.0, 0.9, 0.5, 0.1, live=set_dropout), switch("augment", live=augment)]
    pg = panel(lambda s: dense(s.dropout), controls=controls)
    move(pg, dropout=0.2)
    go(pg, 1)
    trainer = pg.runner.trainer
    assert trainer.net[3].p == 0.2 and marks(pg) == [], "before the start it is no mark"
    run(pg)
    pg.inputs["dropout"].value = 0.1 * 3
    pg.inputs["augment"].value = True
    until(lambda: len(trainer.history.marks) == 2)
    assert pg.runner.trainer is trainer and trainer.net[3].p == 0.1 * 3 and trainer.augmented is True
    assert marks(pg) == ["dropout 0.3", "augment on"]
    pause(pg)
    steps = trainer.step
    move(pg, dropout=0.0)
    go(pg, 1)
    assert trainer.net[3].p == 0 and trainer.history.marks[-1] == (steps + 1, "dropout 0")


def wide(s):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), s.activation(), nn.Linear(s.width, 10))


WIDE = [slider("width", 4, 64, 16), choice("activation", {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid})]


def test_a_rebuilding_control_builds_another_network(panel):
    pg = panel(wide, controls=WIDE)
    go(pg, 8)
    move(pg, width=32)
    assert pg.runner.state == "ready" and pg.runner.trainer.net[1].out_features == 32 and earlier_names(pg) == ["run 1"]
    go(pg, 1)
    move(pg, activation=nn.Sigmoid)
    assert isinstance(pg.runner.trainer.net[2], nn.Sigmoid) and pg.runner.trainer.net[1].out_features == 32
    assert earlier_names(pg) == ["run 1"], "one step is no run to remember"
    run(pg, 5)
    for number, width in enumerate(range(20, 21 + SHOWN), 2):
        pg.inputs["width"].value = width
        until(lambda width=width: pg._run.net[1].out_features == width and pg._run.step >= 5)
        assert pg.runner.state == "training" and len(earlier_names(pg)) == min(number, SHOWN)
    assert threads() == 1


def test_build_and_data_see_the_controls(panel, noise):
    seen, batches = [], (noise(), None)

    def build(s):
        seen.append(("build", vars(s)))
        return wide(s)

    def data(s):
        seen.append(("data", vars(s)))
        return batches

    pg = panel(build, data, WIDE)
    first = {"lr": 0.1, "width": 16, "activation": nn.ReLU}
    assert vars(pg.settings) == first and not seen, "nothing is built before it is asked for"
    press(pg, "reset")
    move(pg, lr=0.5, width=8)
    second = {**first, "lr": pytest.approx(0.5), "width": 8}
    assert seen == [("data", first), ("build", first), ("data", second), ("build", second)]
    assert pg.runner.trainer.lr == pytest.approx(0.5) and pg.build()[1].out_features == 8


def test_kinds_of_controls_and_their_words():
    one, other = slider("n", 1, 5, 2).make(), slider("p", 0, 1, 0.5, 0.1, label="share", live=set_dropout).make()
    assert (one.value, other.value, other.description) == (2, 0.5, "share")
    assert isinstance(one.value, int) and not one.continuous_update and other.continuous_update
    assert choice("c", {"a": 1, "b": 2}).make().value == 1 and choice("c", {"a": 1, "b": 2}, 2).make().value == 2
    assert switch("s", True).make().value is True and switch("s").label_of(True) == "on"
    control = Control("x", 1, None, words={"one": 1, "a tensor": nn.ReLU})
    words = {1: "one", nn.ReLU: "a tensor", 2: "2", 0.12345: "0.123"}
    assert {value: control.label_of(value) for value in words} == words
    assert [shown(value) for value in (True, 0.25, "text", nn.ReLU, None)] == ["on", "0.25", "text", "ReLU", "None"]


def test_a_control_that_makes_no_difference_is_greyed(panel):
    controls = [switch("norm", True), slider("momentum", 0.0, 1.0, 0.1, live=set_dropout, applies=lambda s: s.norm)]
    pg = panel(controls=controls)
    for norm in (False, True):
        move(pg, norm=norm)
        assert pg.inputs["momentum"].disabled is not norm
    go(pg, 3)
    moment = pg.runner.moments[0]
    move(pg, norm=False)
    pg.fork(pg.book.runs[0], moment)
    rest(pg)
    assert not pg.inputs["momentum"].disabled, "a mark brings its settings back"


# What goes wrong


class Broken:
    """Raises where it is asked to, until it is mended."""

    def __init__(self):
        self.where = ""

    def __call__(self, where):
        if self.where == where:
            raise RuntimeError(f"no <b>luck</b> in {where}")


@pytest.mark.parametrize("where", ["build", "data", "live", "begin", "show", "chart"])
def test_an_error_is_shown_and_start_works_once_it_is_mended(panel, dense, noise, monkeypatch, where):
    fail, batches, update = Broken(), (noise(32 * STEPS), None), LiveChart.update

    class Fragile(View):
        widget = ipywidgets.HTML()

        def begin(self, trainer):
            fail("begin")

        def show(self, trainer):
            fail("show")

    def build(s):
        fail("build")
        return dense()

    def data(s):
        fail("data")
        return batches

    monkeypatch.setattr(LiveChart, "update", lambda chart: fail("chart") or update(chart))
    control = slider("n", 1, 9, 1, live=lambda trainer, value: fail("live"))
    pg = panel(build, data, [control], views=[Fragile()])
    for _ in range(2):
        if where == "live":
            run(pg)
        fail.where = where
        pg.runner.start()
        pg.inputs["n"].value += where == "live"
        rest(pg)
        assert pg.runner.state == "failed" and isinstance(pg.runner.error, RuntimeError) and not pg.runner.training
        assert f"<b>RuntimeError</b>: no &lt;b&gt;luck&lt;/b&gt; in {where}" in pg.status.value
        assert pg.page.start.description == "Start"
        until(lambda: threads() == 0)
        fail.where = ""
    run(pg)
    assert pg.runner.error is None
    pause(pg)
    assert pg.runner.state == "paused" and "paused" in pg.status.value


def test_a_rebuilding_control_mends_a_failed_network(panel):
    def build(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(s.width, 10))

    pg = panel(build, controls=[slider("width", 1, 784, 10)])
    press(pg, "start")
    assert pg.runner.state == "failed" and "ValueError" in pg.status.value
    move(pg, width=784)
    assert pg.runner.state == "ready" and pg.runner.error is None
    go(pg, 2)
    assert pg.runner.trainer.history.steps == 2


@pytest.mark.parametrize("options", [{"lr": 0}, {"lr": float("nan")}, {"lr": "fast"}, {"num_epochs": 0}])
def test_bad_arguments_raise_at_the_call(panel, options):
    pg = panel()
    with pytest.raises((TypeError, ValueError), match="must be"):
        panel(**options)
    go(pg, 1)
    assert pg.runner.state == "paused", "the earlier panel of this name went with the mistake"
    with pytest.raises((TypeError, ValueError), match="must be"):
        pg.set("lr", -1.0)


def test_a_panel_that_could_not_be_made_is_not_in_the_way(panel):
    with pytest.raises(TraitError):
        panel(controls=[Control("activation", "none", lambda: ipywidgets.Dropdown(options=["ReLU"], value="none"))])
    go(panel(), 1)


# Several panels, and the end


def test_the_same_name_closes_the_first(panel):
    first = panel()
    run(first)
    runner, buttons = first.runner, (first.page.start, first.page.reset)
    second = panel()
    assert threads() == 0
    for button in buttons:
        button.click()
    assert threads() == 0 and not runner.training
    run(second)


def test_close_leaves_no_thread(panel):
    pg = panel()
    run(pg)
    start, box = pg.page.start, pg.box
    pg.close()
    until(lambda: threads() == 0)
    pg.close()
    start.click()
    assert threads() == 0 and box.comm is None


def test_with_nobody_looking_it_pauses(panel, monkeypatch):
    monkeypatch.setattr(playground, "AWAY", 0.05)
    pg = panel()
    for count in (1, 2, 1):
        pg.box._view_count = count
    run(pg)
    for count in (0, 1):  # the page was laid out anew
        pg.box._view_count = count
    time.sleep(0.15)
    assert pg.runner.training, "a moment off the page is no reason to rest"
    pg.box._view_count = 0
    rest(pg)
    until(lambda: threads() == 0)
    assert pg.runner.state == "paused"
    pg.box._view_count = 1
    assert threads() == 0, "to look is not to start"


def test_only_one_trains_at_a_time(panel, noise, dense, monkeypatch):
    one, other = panel(name="one"), panel(name="other")
    run(one)
    run(other)
    assert one.runner.state == "paused" and other.runner.state == "training"
    pause_all()
    assert other.runner.state == "paused"
    run(one)
    monkeypatch.setenv("CNNLIB_LIVE", "0")
    fit(dense(), noise(), None, 1, 0.1)
    assert one.runner.state == "paused"


# Pictures


def size_of(png):
    return struct.unpack(">II", png[16:24])


def test_bundle_holds_the_widget_and_a_picture(panel):
    pg = panel(controls=[slider("width", 4, 64, 16)])
    go(pg, 4)
    bundle, metadata = pg._bundle()
    assert bundle[WIDGET]["model_id"] == pg.box.model_id and size_of(bundle["image/png"]) == (
        STORED * 1000,
        STORED * 380,
    )
    assert not any(letter.isdigit() for letter in bundle["text/plain"])
    assert metadata["image/png"]["width"] == 1000
    assert pg.picture().figure.texts[-1].get_text().startswith("learning rate 0.1, width 16. Run this cell")
    assert not pg.chart.chart.note, "a live chart stands beside its controls"


def test_a_page_without_a_kernel_gets_a_picture(panel, monkeypatch):
    shown = []
    monkeypatch.setattr(panel_display, "display", lambda *args, **options: shown.append(args[0]))
    view = Blueprint((1, 28, 28))
    pg = panel(wide, controls=WIDE, preview=7, views=[view])
    pg._ipython_display_()
    assert pg.runner.trainer.history.steps == 7 and len(shown) == 1
    assert size_of(shown[0]["image/png"]) == (
        STORED * 1000,
        pytest.approx(STORED * (380 + view.static().height), abs=3),
    )
    pg._ipython_display_()
    assert pg.runner.trainer.history.steps == 7

    def build(s):
        raise RuntimeError("not yet written")

    with pytest.raises(RuntimeError, match="not yet written"):
        panel(build, preview=7)._ipython_display_()


# Views


def test_blueprint_follows_the_settings(panel):
    def build(s):
        if s.width == 13:
            raise RuntimeError("<b>13</b>")
        layers = [nn.Conv2d(1, s.width, 5), nn.ReLU(), nn.Flatten(), nn.Linear(s.width * 576, 10 // (s.width - 12))]
        return nn.Sequential(*layers)

    view = Blueprint((1, 28, 28))
    pg = panel(build, controls=[slider("width", 11, 28, 14)], views=[view])
    first = 14 * 26 + (14 * 576 + 1) * 5
    assert f"{first:,} parameters" in view.widget.value and "sees 5 pixels" in view.widget.value
    assert view.widget.value == view.static().svg() and view.widget is pg.page.views["Network"]
    pg.inputs["width"].value = 15
    assert f"{first:,} parameters" not in view.widget.value and "<svg" in view.widget.value
    for width, words in [(13, "&lt;b&gt;13&lt;/b&gt;"), (12, "zero")]:
        pg.inputs["width"].value = width
        assert words in view.widget.value and "<b>" not in view.widget.value and view.static() is None
    pg.inputs["width"].value = 14
    assert f"{first:,} parameters" in view.widget.value
    wrong = Blueprint((1, 27, 27))
    panel(wide, controls=WIDE, views=[wrong])
    assert "cannot take an example of shape (1, 27, 27)" in wrong.widget.value


@pytest.mark.parametrize("norm", [True, False])
def test_microscope_leaves_the_network_as_it_is(panel, weights, norm):
    def build(s):
        layers = [nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.ReLU()]
        return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(8, 10)).append(nn.Identity().eval())

    view, plain = Microscope(torch.rand(16, 1, 28, 28), 0), panel(build, name="plain")
    pg = panel(build, views=[view])
    assert view.static() is None
    press(pg, "reset")
    assert "after 0 steps" in view.widget.value
    assert ("no normalisation" in view.widget.value) != norm and ("<circle" in view.widget.value) == norm
    for steps in (4, 5):
        go(pg, steps)
    assert "after 9 steps" in view.static().svg()
    go(plain, 9)
    net = pg.runner.trainer.net
    assert pg.runner.trainer.history.loss == plain.runner.trainer.history.loss
    assert torch.equal(weights(net), weights(plain.runner.trainer.net))
    with unchanged(net):
        view.show(pg.runner.trainer)


def test_microscope_of_a_network_without_such_a_relu(panel):
    pg = panel(views=[Microscope(torch.rand(4, 1, 28, 28), 7)])
    press(pg, "start")
    assert pg.runner.state == "failed" and "the network has 1 ReLUs" in pg.status.value
