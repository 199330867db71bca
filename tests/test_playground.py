"""The playground without a page: its buttons, controls, thread and views, with a network of a millisecond a step."""

import struct
import time
from functools import partial

import ipywidgets
import pytest
import torch
from nets import unchanged
from panels import STEPS, command_from_two_threads, go, marks, rest, run, thin_lines, threads, until
from panels import panel as panel
from panels import pictures as pictures
from torch import nn
from traitlets import TraitError

from cnnlib import Trainer
from cnnlib.figures.chart import Chart
from cnnlib.widgets import Blueprint, Microscope, choice, fit, playground, runner, slider, switch
from cnnlib.widgets.controls import Control
from cnnlib.widgets.display import WIDGET
from cnnlib.widgets.playground import View
from cnnlib.widgets.runner import pause_all
from cnnlib.widgets.runs import SHOWN

# Start, Pause, Reset


def test_start_trains_in_a_thread_and_pause_ends_it(panel):
    pg = panel()
    assert threads() == 0 and pg.status.value == "Ready. Press Start." and "ready" in repr(pg)
    run(pg, 5)
    pg.pause.click()
    rest(pg)
    until(lambda: threads() == 0)
    trainer = pg.runner.trainer
    steps = trainer.history.steps
    assert pg.runner.state == "paused" and steps >= 5 and f"paused · epoch {steps / STEPS:.1f}" in pg.status.value
    assert f"step {steps:,}" in pg.status.value
    time.sleep(0.02)
    assert trainer.history.steps == steps
    run(pg)
    assert pg.runner.trainer is trainer and trainer.history.steps > steps


def test_pauses_change_nothing(panel, dense, noise, weights):
    straight = panel(name="straight", num_epochs=2)
    straight.start.click()
    rest(straight)
    broken = panel(name="broken", num_epochs=2)
    for steps in (1, 6, 13, 5):  # within an epoch, at its end, just after it
        go(broken, steps)
        torch.rand(3)  # somebody else draws random numbers
    broken.start.click()
    rest(broken)
    one, other = straight.runner.trainer, broken.runner.trainer
    assert one.history.loss == other.history.loss and len(one.history.loss) == 2 * STEPS
    assert one.history.test_acc == other.history.test_acc and torch.equal(weights(one.net), weights(other.net))
    torch.manual_seed(0)
    plain = Trainer(dense(0.5), noise(32 * STEPS), None, 0.1).fit(2)
    assert one.history.loss == pytest.approx(plain.loss, abs=1e-6)


def test_reset_begins_again_with_the_same_weights(panel, weights):
    pg = panel()
    pg.reset.click()
    rest(pg)
    first = weights(pg.runner.trainer.net)
    assert pg.runner.state == "ready" and "ready · epoch 0.0 · step 0" in pg.status.value
    go(pg, 7)
    losses = list(pg.runner.trainer.history.loss)
    assert not torch.equal(weights(pg.runner.trainer.net), first)
    pg.reset.click()
    rest(pg)
    assert pg.runner.state == "ready" and torch.equal(weights(pg.runner.trainer.net), first)
    go(pg, 7)
    assert pg.runner.trainer.history.loss == losses
    other = panel(name="other", seed=1)
    other.reset.click()
    rest(other)
    assert not torch.equal(weights(other.runner.trainer.net), first)


def test_reset_goes_on_if_it_was_training(panel):
    pg = panel()
    run(pg)
    before = pg.runner.trainer
    pg.reset.click()
    until(lambda: pg.runner.trainer not in (None, before) and pg.runner.trainer.step > 2)
    assert pg.runner.state == "training"


def test_a_run_ends_and_start_goes_on_for_as_many_epochs(panel):
    pg = panel(num_epochs=2)
    for epochs in (2, 4):
        pg.start.click()
        rest(pg)
        history = pg.runner.trainer.history
        assert (pg.runner.state, history.steps, len(history.test_acc)) == ("finished", epochs * STEPS, epochs)
        assert f"finished · epoch {epochs}.0" in pg.status.value and not pg.runner.training
    go(pg, 3)
    pg.start.click()
    rest(pg)
    assert pg.runner.trainer.history.steps == 6 * STEPS


@pytest.mark.parametrize("steps", [1, STEPS - 1, STEPS, STEPS + 1])
def test_so_many_steps_are_exactly_so_many(panel, steps):
    pg = panel()
    for times in (1, 2):
        go(pg, steps)
        assert (pg.runner.state, pg.runner.trainer.history.steps) == ("paused", times * steps)


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
    pg.inputs["lr"].value = 0.2  # before there is a network
    go(pg, 3)
    pg.inputs["lr"].value = 0.05
    go(pg, 2)
    history = pg.runner.trainer.history
    assert history.lr == pytest.approx([0.2] * 3 + [0.05] * 2) and history.marks == [(4, "lr 0.05")]
    assert pg.settings.lr == pytest.approx(0.05)
    run(pg)
    pg.inputs["lr"].value = 0.01
    until(lambda: history.lr[-1] == pytest.approx(0.01))
    pg.pause.click()
    rest(pg)
    step, label = history.marks[-1]
    assert label == "lr 0.01" and history.lr[step - 2 : step] == pytest.approx([0.05, 0.01])


def test_what_the_page_rounds_is_no_change(panel):
    pg = panel()
    go(pg, 1)
    pg.set("lr", 0.1 * (1 + 1e-9))
    go(pg, 1)
    assert pg.settings.lr == 0.1 and marks(pg) == []


def set_dropout(trainer, value):
    trainer.net[3].p = value


def test_live_control_changes_the_running_network(panel):
    def augment(trainer, value):
        trainer.augmented = value

    controls = [slider("dropout", 0.0, 0.9, 0.5, 0.1, live=set_dropout), switch("augment", live=augment)]
    pg = panel(controls=controls)
    run(pg)
    trainer = pg.runner.trainer
    pg.inputs["dropout"].value = 0.1 * 3
    pg.inputs["augment"].value = True
    until(lambda: len(trainer.history.marks) == 2)
    assert pg.runner.trainer is trainer and trainer.net[3].p == 0.1 * 3 and trainer.augmented is True
    assert marks(pg) == ["dropout 0.3", "augment on"]
    pg.pause.click()
    rest(pg)
    steps = trainer.step
    pg.inputs["dropout"].value = 0.0
    go(pg, 1)
    assert trainer.net[3].p == 0 and trainer.history.marks[-1] == (steps + 1, "dropout 0")


def test_a_live_control_moved_before_the_start_is_no_mark(panel, dense):
    pg = panel(lambda s: dense(s.dropout), controls=[slider("dropout", 0.0, 0.9, 0.5, live=set_dropout)])
    pg.inputs["dropout"].value = 0.25
    go(pg, 1)
    assert pg.runner.trainer.net[3].p == 0.25 and marks(pg) == []


def wide(s):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, s.width), s.activation(), nn.Linear(s.width, 10))


WIDE = [slider("width", 4, 64, 16), choice("activation", {"ReLU": nn.ReLU, "sigmoid": nn.Sigmoid})]


def test_rebuilding_control_while_paused(panel):
    pg = panel(wide, controls=WIDE)
    go(pg, 8)
    pg.inputs["width"].value = 32
    rest(pg)
    assert pg.runner.state == "ready" and pg.runner.trainer.net[1].out_features == 32 and thin_lines(pg) == 1
    go(pg, 1)
    pg.inputs["activation"].value = nn.Sigmoid
    rest(pg)
    assert isinstance(pg.runner.trainer.net[2], nn.Sigmoid) and pg.runner.trainer.net[1].out_features == 32
    assert thin_lines(pg) == 1, "one step is no run to remember"


def test_rebuilding_control_while_training(panel):
    pg = panel(wide, controls=WIDE)
    run(pg, 5)
    for number, width in enumerate(range(20, 21 + SHOWN), 1):
        pg.inputs["width"].value = width
        until(lambda width=width: pg._run.net[1].out_features == width and pg._run.step >= 5)
        assert pg.runner.state == "training" and thin_lines(pg) == min(number, SHOWN)
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
    pg.reset.click()
    rest(pg)
    pg.inputs["lr"].value = 0.5
    pg.inputs["width"].value = 8
    rest(pg)
    second = {**first, "lr": pytest.approx(0.5), "width": 8}
    assert seen == [("data", first), ("build", first), ("data", second), ("build", second)]
    assert pg.runner.trainer.lr == pytest.approx(0.5) and pg.build()[1].out_features == 8


def test_kinds_of_controls():
    one, other = slider("n", 1, 5, 2).make(), slider("p", 0, 1, 0.5, 0.1, label="share", live=set_dropout).make()
    assert (one.value, other.value, other.description) == (2, 0.5, "share")
    assert isinstance(one.value, int) and not one.continuous_update and other.continuous_update
    assert choice("c", {"a": 1, "b": 2}).make().value == 1 and choice("c", {"a": 1, "b": 2}, 2).make().value == 2
    assert switch("s", True).make().value is True


# What goes wrong


class Broken:
    """Raises where it is asked to, until it is mended."""

    def __init__(self):
        self.where = ""

    def __call__(self, where):
        if self.where == where:
            raise RuntimeError(f"no <b>luck</b> in {where}")


@pytest.mark.parametrize("where", ["build", "data", "live", "begin", "show"])
def test_an_error_is_shown_and_start_works_once_it_is_mended(panel, dense, noise, where):
    fail, batches = Broken(), (noise(32 * STEPS), None)

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

    control = slider("n", 1, 9, 1, live=lambda trainer, value: fail("live"))
    pg = panel(build, data, [control], views=[Fragile()])
    for _ in range(2):
        if where == "live":
            run(pg)
        fail.where = where
        pg.start.click()
        pg.inputs["n"].value += where == "live"
        rest(pg)
        assert pg.runner.state == "failed" and isinstance(pg.runner.error, RuntimeError) and not pg.runner.training
        assert f"<b>RuntimeError</b>: no &lt;b&gt;luck&lt;/b&gt; in {where}" in pg.status.value
        until(lambda: threads() == 0)
        fail.where = ""
    run(pg)
    assert pg.runner.error is None
    pg.pause.click()
    rest(pg)
    assert pg.runner.state == "paused" and "paused" in pg.status.value


def test_a_chart_that_cannot_be_drawn_is_told(panel, monkeypatch):
    pg = panel()
    go(pg, 3)

    def fail(chart):
        raise RuntimeError("no <b>ink</b>")

    monkeypatch.setattr(Chart, "frame", fail)
    pg.reset.click()
    rest(pg)
    for _ in range(2):
        assert pg.runner.state == "failed" and "<b>RuntimeError</b>: no &lt;b&gt;ink&lt;/b&gt;" in pg.status.value
        pg.start.click()
        rest(pg)
    monkeypatch.setattr(Chart, "frame", lambda chart: b"drawn")
    go(pg, 2)
    assert pg.runner.state == "paused" and pg.runner.error is None and pg.image.value == b"drawn"


@pytest.mark.parametrize("size", [1e5, 1e25, 1e37])
def test_after_a_run_with_huge_losses_another_can_be_drawn(panel, pictures, size):
    pg = panel(loss=lambda scores, y: size * nn.functional.cross_entropy(scores, y), lr=0.1 / size)
    go(pg, 8)
    assert pg.runner.trainer.history.loss[-1] > size
    pg.reset.click()
    rest(pg)
    go(pg, 8)
    assert [run.name for run in pg.book.runs] == ["run 1", "run 2"] and pg.runner.state == "paused"
    assert len(pg.image.value) > 10_000 and "paused" in pg.status.value


def test_a_rebuilding_control_mends_a_failed_network(panel):
    def build(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(s.width, 10))

    pg = panel(build, controls=[slider("width", 1, 784, 10)])
    pg.start.click()
    rest(pg)
    assert pg.runner.state == "failed" and "ValueError" in pg.status.value
    pg.inputs["width"].value = 784
    rest(pg)
    assert pg.runner.state == "ready" and pg.runner.error is None
    go(pg, 2)
    assert pg.runner.trainer.history.steps == 2


def test_divergence_keeps_finite_weights_and_goes_on(panel, weights):
    def build(s):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))

    pg = panel(build, optimizer=partial(torch.optim.SGD, momentum=0.9))
    go(pg, 3)
    pg.set("lr", 1e30)
    pg.start.click()
    rest(pg)
    trainer = pg.runner.trainer
    assert pg.runner.state == "diverged" and weights(trainer.net).isfinite().all()
    assert "learning rate of 0.1" in pg.status.value and "diverged" in pg.status.value
    pg.set("lr", 0.01)
    steps = trainer.history.steps
    run(pg)
    assert pg.runner.trainer is trainer and trainer.history.steps > steps and pg.runner.error is None


def test_a_loss_that_is_no_number_diverges(panel, dense, weights):
    class Sick(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.ill = dense(), False

        def forward(self, X):
            return self.net(X) * (float("nan") if self.ill else 1)

    def infect(trainer, value):
        trainer.net.ill = value

    pg = panel(lambda s: Sick(), controls=[switch("ill", live=infect)])
    run(pg)
    pg.inputs["ill"].value = True
    rest(pg)
    assert pg.runner.state == "diverged" and weights(pg.runner.trainer.net).isfinite().all()
    assert "learning rate of 0.01" in pg.status.value and marks(pg) == ["ill on", "loss nan"]
    pg.inputs["ill"].value = False
    run(pg)


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
    runner, buttons = first.runner, (first.start, first.reset)
    second = panel()
    until(lambda: threads() == 0)
    for button in buttons:
        button.click()
    assert threads() == 0 and not runner.training
    run(second)


def test_close_leaves_no_thread(panel):
    pg = panel()
    run(pg)
    start, box = pg.start, pg.box
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


def test_random_numbers_of_everybody_else_stay_as_they_are(panel):
    before = torch.get_rng_state()
    pg = panel(wide, controls=WIDE, views=[Blueprint((1, 28, 28)), Microscope(torch.rand(4, 1, 28, 28), 0)])
    torch.set_rng_state(before)
    pg.reset.click()
    rest(pg)
    pg.inputs["width"].value = 8
    rest(pg)
    go(pg, 3)
    pg.build()
    assert torch.equal(torch.get_rng_state(), before)


def test_blueprint_of_a_new_panel_draws_no_random_numbers(panel):
    before = torch.get_rng_state()
    panel(wide, controls=WIDE, views=[Blueprint((1, 28, 28))])
    assert torch.equal(torch.get_rng_state(), before)


def test_two_hundred_commands_from_two_threads(panel, monkeypatch):
    monkeypatch.setattr(playground, "FRAME_EVERY", 0.01)
    monkeypatch.setattr(runner, "PATIENCE", 0.2)  # who waits for a rest that the other thread's Start calls off
    pg = panel(wide, controls=[*WIDE, switch("live", live=lambda trainer, value: None)])
    other = panel(name="other")

    def commands(dice):
        return [
            pg.start.click,
            pg.pause.click,
            pg.reset.click,
            lambda: pg.runner.start(steps=3),
            lambda: pg.set("lr", dice.uniform(0.01, 0.2)),
            lambda: pg.set("width", dice.randint(4, 64)),
            lambda: pg.set("live", dice.random() < 0.5),
            lambda: other.runner.start(steps=2),
            pause_all,
        ]

    command_from_two_threads(commands)
    assert pg.runner.error is None and other.runner.error is None
    run(pg)
    width = pg.settings.width
    assert pg.runner.trainer.net[1].out_features == width
    pg.pause.click()
    rest(pg)
    assert pg.runner.state == "paused" and other.runner.state in ("paused", "ready")
    until(lambda: threads() == 0)


# Pictures


def size_of(png):
    return struct.unpack(">II", png[16:24])


def test_bundle_holds_the_widget_and_a_picture(panel, pictures):
    pg = panel(controls=[slider("width", 4, 64, 16)])
    go(pg, 4)
    bundle, metadata = pg._bundle()
    assert bundle[WIDGET]["model_id"] == pg.box.model_id and bundle["image/png"].startswith(b"\x89PNG")
    assert not any(letter.isdigit() for letter in bundle["text/plain"])
    assert metadata["image/png"]["width"] == 1000 and size_of(pg.image.value) == (1000, 380)
    assert pg.chart.chart._footer.get_text().startswith("learning rate 0.1, width 16. Run this cell")


def test_a_picture_beside_the_training_disturbs_no_frame(panel, pictures, monkeypatch):
    monkeypatch.setattr(playground, "FRAME_EVERY", 0)
    monkeypatch.setattr(playground, "SHARE", 1e9)
    pg, sizes = panel(), set()
    pg.image.observe(lambda change: sizes.add(size_of(change["new"])), "value")
    run(pg)
    images = {size_of(pg._bundle()[0]["image/png"]) for _ in range(3)}
    until(lambda: sizes)
    assert pg.runner.state == "training" and (sizes, images) == ({(1000, 380)}, {(2000, 760)})


def test_a_page_without_a_kernel_gets_a_picture(panel, monkeypatch):
    shown = []
    monkeypatch.setattr(playground, "display", lambda *args, **options: shown.append(args[0]))
    view = Blueprint((1, 28, 28))
    pg = panel(wide, controls=WIDE, preview=7, views=[view])
    pg._ipython_display_()
    assert pg.runner.trainer.history.steps == 7 and len(shown) == 1
    assert size_of(shown[0]["image/png"]) == (2000, 2 * (380 + view.static().height))
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
    assert view.widget.value == view.static().svg() and view.widget in pg.box.children
    pg.inputs["width"].value = 15
    assert f"{first:,} parameters" not in view.widget.value and "<svg" in view.widget.value
    for width, words in [(13, "&lt;b&gt;13&lt;/b&gt;"), (12, "zero")]:
        pg.inputs["width"].value = width
        assert words in view.widget.value and "<b>" not in view.widget.value and view.static() is None
    pg.inputs["width"].value = 14
    assert f"{first:,} parameters" in view.widget.value


def test_blueprint_says_which_shape_does_not_fit(panel, dense):
    view = Blueprint((1, 27, 27))
    panel(views=[view])
    assert "cannot take an example of shape (1, 27, 27)" in view.widget.value


@pytest.mark.parametrize("norm", [True, False])
def test_microscope_leaves_the_network_as_it_is(panel, weights, norm):
    def build(s):
        layers = [nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.ReLU()]
        return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(8, 10)).append(nn.Identity().eval())

    view, plain = Microscope(torch.rand(16, 1, 28, 28), 0), panel(build, name="plain")
    pg = panel(build, views=[view])
    assert view.static() is None
    pg.reset.click()
    rest(pg)
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
    pg.start.click()
    rest(pg)
    assert pg.runner.state == "failed" and "the network has 1 ReLUs" in pg.status.value
