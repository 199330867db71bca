"""Chapter 5's panel in a real browser: every control, going back, what drawing costs."""

import json
import random
import statistics
import time
from pathlib import Path

import pytest
from lab import NOTEBOOK, open_notebook, outputs, page_of, press, run_cell, start, wait_for_status, write_notebook
from soak import sources_of_the_panel

# Write down, for the page to read, when the loop took over each new setting: the learning rate for the next step, any
# other when the first step with it is done.
WATCHED = """
import json, threading, time
import ipywidgets
seen, probe, spent, clock = [], ipywidgets.HTML(), [], []
probe.add_class("probe")
def watch(runner, tell=panel.runner.listener):
    start = time.thread_time()  # what other programs take from the thread is no drawing
    clock.append(start)
    trainer = runner.trainer
    if trainer is not None and trainer.history.steps and runner.state == "training":
        now = ({**runner.base, "lr": None}, trainer.lr)
        if not seen or now != seen[-1]:
            seen.append(now)
            probe.value = json.dumps([len(seen), 1000 * time.time()])
    tell(runner)
    spent.append(time.thread_time() - start)
panel.runner.listener = watch
panel.runner.num_epochs = 1000
probe
"""
REPORT = """
threads = [t.name for t in threading.enumerate()].count("cnnlib training")
history = panel.runner.trainer and panel.runner.trainer.history
print(json.dumps({
    "threads": threads, "state": panel.runner.state, "runs": len(panel.book.runs), "spent": sum(spent),
    "worked": clock and clock[-1] - clock[0], "seconds": history and history.seconds,
    "steps": history and history.steps,
    "loss": history and history.loss, "earlier": [run.history.loss for run in panel.book.earlier],
    "marks": history and [label for _, label in history.marks],
}))
"""
CODE = """
scope = dict(globals())
exec(panel.code(), scope)
print(json.dumps(scope["history"].loss == panel.runner.trainer.history.loss))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("residual")
    chosen = sources_of_the_panel()
    write_notebook(folder / "panel.ipynb", [*chosen, WATCHED, REPORT, CODE])
    with page_of(folder) as page:
        page.watched = len(chosen)
        page.panel, page.report, page.code = page.watched - 1, page.watched + 1, page.watched + 2
        open_notebook(page, page.address, "panel.ipynb")
        for index in range(page.watched + 1):
            run_cell(page, index)
        page.locator(".probe").wait_for(state="attached")
        yield page


def ask(page, index=None):
    """Run a cell of the kernel and return what it printed; the panel's thread goes on meanwhile."""
    run_cell(page, page.report if index is None else index)
    return json.loads(outputs(page, page.report if index is None else index)[0]["text"])


def effects(page):
    """Return how many changes the loop has trained with, and when it did so first with the last of them."""
    text = page.locator(".probe").text_content().strip()
    return json.loads(text) if text else [0, 0]


def wait_for_effect(page, before):
    """Wait until the loop has trained with one more change; return when, in milliseconds."""
    page.wait_for_function(
        "before => JSON.parse(document.querySelector('.probe').textContent || '[0]')[0] > before",
        arg=before,
        timeout=30_000,
        polling=20,
    )
    count, when = effects(page)
    assert count == before + 1, "one move, more than one change"
    return when


def slide(page, name, number):
    """Move a slider one step: up and down in turn, so that it never leaves its middle."""
    page.locator(f".cnnlib-{name} .noUi-handle").focus()
    started = 1000 * time.time()
    page.keyboard.press(("ArrowRight", "ArrowLeft")[number % 2])
    return started


def tick(page, name, number):
    box = page.locator(f".cnnlib-{name} input")
    started = 1000 * time.time()
    box.click()
    return started


def select(page, name, number):
    box = page.locator(f".cnnlib-{name} select")
    options = box.locator("option").all_text_contents()
    here = options.index(box.evaluate("e => e.selectedOptions[0].textContent"))
    started = 1000 * time.time()
    box.select_option(options[(here + 1) % len(options)])
    return started


CONTROLS = {
    "lr": slide, "depth": slide, "residual": tick, "shortcut": select, "norm": tick, "width": slide, "block": select,
    "activation": select, "start": select,
}  # fmt: skip
REBUILD = 1000  # milliseconds: a new network has been built and has done its first step


def take_effect(page, name, moves):
    """Move a control; return the milliseconds from each key to the loop that had taken it over, sorted."""
    if effects(page)[0] == 0:
        press(page, "More")
        press(page, "Start")
        wait_for_effect(page, 0)
    if name in ("shortcut", "start") and not page.locator(".cnnlib-residual input").is_checked():
        before = effects(page)[0]
        tick(page, "residual", 0)
        wait_for_effect(page, before)
    delays = []
    for number in range(moves):
        before = effects(page)[0]
        started = CONTROLS[name](page, name, number)
        delays.append(wait_for_effect(page, before) - started)
        page.wait_for_timeout(random.Random(number).randrange(60))  # not in step with the loop
    assert not page.errors
    assert ask(page)["threads"] == 1
    return sorted(delays)


@pytest.mark.parametrize("name", CONTROLS)
def test_every_move_takes_effect(page, name):
    take_effect(page, name, 2)


@pytest.mark.thorough
@pytest.mark.parametrize("name, limit", [("lr", 200), *((name, REBUILD) for name in list(CONTROLS)[1:])])
def test_moves_take_effect_in_time(page, name, limit, pace):
    delays = take_effect(page, name, 20)
    print(f"{name}: median {statistics.median(delays):.0f} ms, 95th percentile {delays[18]:.0f} ms")
    assert delays[18] <= pace.bar(limit)


@pytest.mark.thorough
def test_marks_forks_and_code(page):
    press(page, "Stop")
    wait_for_status(page, "stopped")
    start(page)
    for number in (0, 2):
        slide(page, "lr", number)
        page.wait_for_timeout(1200)
    press(page, "Pause")
    wait_for_status(page, "paused")
    before = ask(page)
    assert len(before["marks"]) == 2 and all(mark.startswith("lr") for mark in before["marks"])
    page.locator(".cnnlib-chart-mark[role=button]").first.press("Enter")
    page.locator(".cnnlib-offer", has_text="Go back to step").click()
    wait_for_status(page, "ready")
    forked = ask(page)
    assert 0 < forked["steps"] < before["steps"] and before["loss"] in forked["earlier"]
    press(page, "Start")
    page.wait_for_timeout(1500)
    press(page, "Stop")
    wait_for_status(page, "stopped")
    after = ask(page)
    pairs = zip(after["loss"], before["loss"], strict=False)
    parted = next((i for i, (a, b) in enumerate(pairs) if a != b), before["steps"])
    assert parted > forked["steps"] + 5, "the fork left the curve at once"  # at the second change it does
    assert ask(page, page.code) is True
    press(page, "Runs")
    table = page.locator(".cnnlib-runs").text_content()
    assert "run 1" in table and "test accuracy" in table
    page.locator(".cnnlib-run-name input").fill("<b>mine</b>")
    page.keyboard.press("Enter")
    page.locator(".cnnlib-runs").get_by_text("<b>mine</b>").wait_for()
    press(page, "Export")
    with page.expect_download() as saved:
        page.locator(".cnnlib-run-note a").first.click()
    record = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert record["loss"] == after["loss"] and record["settings"]["run"] == "<b>mine</b>"
    with page.expect_file_chooser() as chooser:
        page.locator(".cnnlib-run-upload").click()
    chooser.value.set_files(saved.value.path())
    page.locator(".cnnlib-run-note").get_by_text("Loaded").wait_for()
    assert ask(page)["runs"] == after["runs"] + 1
    press(page, "Code")
    page.locator(".cnnlib-code").get_by_text("def steer(trainer)").wait_for()
    assert not page.errors


@pytest.mark.thorough
def test_drawing_takes_a_twentieth_of_the_time_at_most(page, pace):
    run_cell(page, page.panel)
    run_cell(page, page.watched)
    wait_for_status(page, "^Ready. Press Start")
    press(page, "Start")
    page.wait_for_timeout(pace.bar(12_000))  # as many steps as ever: the axes are drawn once
    press(page, "Pause")
    wait_for_status(page, "paused")
    now = ask(page)
    share = now["spent"] / now["worked"]
    print(f"drawing: {100 * share:.1f} % of {now['seconds']:.1f} s, {now['steps']} steps")
    assert share <= 0.05


def test_a_panel_that_comes_to_rest_is_not_drawn_anew(page):
    """The picture for a page without a kernel is stored; the panel stays as it is, with the reader's place in it."""
    if page.locator(".cnnlib-playground").get_by_role("button", name="Start").count():
        start(page)
    wait_for_status(page, "training")
    page.evaluate("() => { document.querySelector('.cnnlib-playground').dataset.was = 'here'; }")
    page.locator(".cnnlib-lr .noUi-handle").focus()
    before = outputs(page, page.panel)[1]["data"]["image/png"]
    page.locator(".cnnlib-playground").get_by_role("button", name="Pause").dispatch_event("click")  # the focus stays
    wait_for_status(page, "paused")
    page.wait_for_function(
        f"([i, png]) => {NOTEBOOK}.content.widgets[i].model.outputs.get(1).data['image/png'] !== png",
        arg=[page.panel, before],
    )
    assert page.locator(".cnnlib-playground").count() == 1
    assert page.evaluate("document.querySelector('.cnnlib-playground').dataset.was") == "here"
    assert page.evaluate("document.activeElement.classList.contains('noUi-handle')")
