"""What is over lets go: of its controls on the page, its network, its data, and its threads."""

import gc
import json
import random
import weakref

import ipywidgets
import pytest
import torch
from anywidget import AnyWidget
from flakes import failures, plan, read
from ipywidgets.widgets.widget import _instances
from panels import fork, go, mark, press, threads
from panels import panel as panel
from soak import flat, slope

from cnnlib import Trainer
from cnnlib.datasets import Batches
from cnnlib.widgets import GradientFlow, Shortcuts, choice, moments, runs, slider, switch
from cnnlib.widgets.current_run import set_current_run
from cnnlib.widgets.display import close_tree, widget_bundle
from cnnlib.widgets.live import Controls
from cnnlib.widgets.page_script import add_page_script
from cnnlib.widgets.run_chart import RunChart


@pytest.fixture
def without_last_run():
    """Nobody is the last run, before and after."""
    set_current_run(None)
    yield
    set_current_run(None)


def full(panel, **options):
    """Make a panel with every kind of control and two views."""
    controls = [switch("residual"), slider("width", 4, 16, 8), choice("start", {"a": 1, "b": 2})]
    controls += [slider("dropout", 0.0, 0.9, 0.5, live=lambda trainer, value: None), switch("norm")]
    return panel(controls=controls, views=[GradientFlow(), Shortcuts((1, 28, 28))], **options)


def test_a_fit_leaves_no_widget(dense, noise):
    before = len(_instances)
    trainer = Trainer(dense(), noise(), None, 0.1)
    controls = Controls(trainer, RunChart(1, 1))
    widget_bundle(controls.box, {})  # as where it is displayed
    assert len(_instances) > before + 10
    controls.rest()
    assert controls.picture in controls.box.children and controls.status not in controls.box.children
    assert controls.picture.comm is not None, "the chart was closed, and the page is blank"
    controls.close()
    assert len(_instances) == before


def test_a_cell_that_is_run_again_leaves_no_widget(panel, without_last_run):
    """Neither controls nor their layouts and styles, which ipywidgets does not close with them."""
    counts = []
    for _ in range(3):
        pg = full(panel)
        widget_bundle(pg.box, {})
        go(pg, 2)
        counts.append(len(_instances))
    assert counts[0] == counts[1] == counts[2] and threads() == 0


def test_a_box_is_closed_with_all_that_is_its_own():
    one, other = (ipywidgets.VBox([ipywidgets.HBox([ipywidgets.Button()])]) for _ in range(2))
    for box in (one, other):
        add_page_script(box)
    assert add_page_script(other) is other.children[-1] and len(other.children) == 2, "added twice"
    button = one.children[0].children[0]
    close_tree(one)
    close_tree(one)
    assert all(part.comm is None for part in (one, one.layout, one.children[-1], button, button.layout, button.style))
    assert all(part.comm is not None for part in (other, *other.children)), "one box, closed with another"
    close_tree(other)


def test_a_closed_panel_lets_go_of_network_and_data(panel, dense, without_last_run):
    """Though somebody holds the panel itself, as IPython's Out does."""
    nets, data = [], []

    def build(s):
        nets.append(weakref.ref(net := dense()))
        return net

    def batches(s):
        images = torch.randint(256, (640, 1, 28, 28), dtype=torch.uint8)
        data.append(weakref.ref(images))
        return Batches(images, torch.randint(10, (640,)), 32), None

    held = panel(build, batches, views=[GradientFlow()])
    go(held, 3)
    mark(held)
    press(held, "reset")
    go(held, 5)
    parts = [held.chart, held.page, held.box, held.page.start, held.page.chart, held.status, *held.inputs.values()]
    parts = [weakref.ref(part) for part in parts]
    following = panel()
    gc.collect()
    assert not [ref for ref in (*nets, *data, *parts) if ref() is not None]
    assert held.history.steps == 5 and repr(held) == "Playground 'panel': closed"
    for ask in (held.picture, held.code, held.build, lambda: held.settings, lambda: held.set("lr", 0.2)):
        with pytest.raises(RuntimeError, match="panel 'panel' is closed: only its `history` is left. Run its cell"):
            ask()
    go(following, 1)


def test_no_script_is_a_path():
    """anywidget keeps each widget whose script is one, to send it what changes in the file."""
    kinds = [kind for kind in AnyWidget.__subclasses__() if kind.__module__.startswith("cnnlib")]
    assert len(kinds) >= 5 and all(type(kind._esm) is type(kind._css) is str for kind in kinds)


def test_a_panel_keeps_so_many_runs_and_states(panel, monkeypatch):
    monkeypatch.setattr(runs, "MOST", 4)
    pg = panel()
    for _ in range(7):
        go(pg, 3)
        mark(pg)
        press(pg, "reset")
    assert [run.name for run in pg.book.runs] == ["run 5", "run 6", "run 7", "run 8"]
    oldest, middle, latest = pg.book.earlier
    monkeypatch.setattr(runs, "ROOM", 2 * sum(moment.bytes for moment in latest.moments))
    pg.book._forget()
    assert [len(run.moments) for run in (oldest, middle, latest)] == [1, 2, 2]
    assert all(moment.state is None for moment in oldest.moments)
    origin = middle.moments[-1]
    fork(pg, origin, middle)
    go(pg, 1)
    monkeypatch.setattr(moments, "MOMENTS", 5)
    for _ in range(7):
        mark(pg)
    assert len(pg.runner.moments) == 5 and pg.runner.moments[0] is origin


def test_a_slope_is_found_with_its_error():
    generator = random.Random(0)
    times = [10.0 * i for i in range(120)]
    rising = [500 + 3.0 * t / 60 + generator.gauss(0, 5) for t in times]
    level = [500 + generator.gauss(0, 5) for _ in times]
    up, up_error = slope(times, rising)
    along, along_error = slope(times, level)
    assert abs(up - 3) < 3 * up_error < 2 and abs(along) < 3 * along_error
    assert flat((along, along_error)) and not flat((up, up_error))
    assert not flat((0.0, 5.0)), "too short to say anything"


def test_flakes_go_on_where_they_were(tmp_path):
    names = ["one", "other"]
    series = plan(names, 4, 0)
    assert series == plan(names, 4, 0) != plan(names, 4, 1)
    assert {(name, threads): 2 for name in names for threads in (1, 2)} == {
        key: sum(run[:2] == key for run in series) for key in {run[:2] for run in series}
    }
    file = tmp_path / "lines"
    lines = [{"state": state, "chapter": "one", "threads": 1, "number": n} for n, state in enumerate("aab")]
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"state": "a", "chap', encoding="utf-8")
    assert set(read(file, {"one": "a", "other": "b"})) == {("one", 1, 0), ("one", 1, 1)}
    assert read(file, {"other": "a"}) == {}, "a line counts for its own chapter's state alone"
    report = tmp_path / "report.xml"
    report.write_text(
        '<t><testcase name="Cell 3"><failure message="">#x1B[91mdiffers#x1B[0m\n- 1\n+ 2</failure></testcase></t>'
    )
    assert failures(report) == [{"cell": "Cell 3", "text": "differs\n- 1\n+ 2"}]
