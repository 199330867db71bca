"""A notebook without a mouse, and as a screen reader meets it: every control has a name, and keys do everything."""

import json
from contextlib import suppress

import pytest
from lab import NOTEBOOK, open_notebook, outputs, page_of, run_cell, write_notebook
from playwright.sync_api import TimeoutError

pytestmark = pytest.mark.thorough

CELLS = [
    """
import os
os.environ["CNNLIB_PROGRESS"] = "progress.json"
import json
import torch
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.exercises import lenet as exercises, progress
from cnnlib.models import cifar_resnet
from cnnlib.widgets import Blueprint, GradientSum, Lesions, Microscope, Playground, choice, guess, slider, switch
torch.manual_seed(0)
images, labels = torch.randint(256, (64, 1, 14, 14), dtype=torch.uint8), torch.randint(10, (64,))
data = Batches(images, labels, 16)
X, y = next(iter(Batches(images, labels, 8)))
def build(s):
    norm = nn.BatchNorm2d(s.width) if s.norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, s.width, 3), norm, s.act(), nn.Flatten(), nn.Linear(144 * s.width, 10))
controls = [slider("width", 2, 8, 4), switch("norm", True, label="batch norm"),
            choice("act", {"ReLU": nn.ReLU, "tanh": nn.Tanh}, label="activation")]
""",
    'layers = guess("How many?", ["one", "two", "three"]); layers',
    'share = guess("How much?", (0, 1)); share',
    'layers.reveal("two")',
    "exercises.output_size.check(...)",
    "GradientSum(X, y)",
    'Lesions({"residual": cifar_resnet(14, 4, "identity")}, data, number=1)',
    'panel = Playground("keys", build, lambda s: (data, data), controls, lr=0.1, num_epochs=100_000,\n'
    "                   views=[Blueprint((1, 14, 14)), Microscope(X, 0)])\npanel",
    'print(json.dumps([layers.answer, share.answer, panel.runner.state, panel.runner.settings["lr"],\n'
    '                  panel.runner.settings["width"], [run.name for run in panel.book.runs]]))',
    "print(panel.page.script.in_front)",
]
GUESS, SHARE, REVEAL, CHECK, SUM, LESIONS, PANEL, REPORT, FRONT = range(1, len(CELLS))
FOCUS = """() => {
    const e = document.activeElement;
    return [e.getAttribute('aria-label') || (e.labels?.length ? e.labels[0].textContent : e.textContent).trim(),
            Boolean(e.closest('.jp-OutputArea-output'))];
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    write_notebook(folder / "keys.ipynb", CELLS)
    with page_of(folder, height=1600) as page:
        open_notebook(page, page.address, "keys.ipynb")
        for index in range(REVEAL):
            run_cell(page, index)
        for index in (CHECK, SUM, LESIONS, PANEL):
            run_cell(page, index)
        page.locator(".cnnlib-playground [aria-label='learning rate']").wait_for()
        page.folder = folder
        yield page


def output(page, index):
    return page.locator(".jp-Cell").nth(index).locator(".jp-OutputArea")


def select(page, index):
    """Make a cell the selected one, by keys alone."""
    page.keyboard.press("Escape")
    page.evaluate(f"() => {NOTEBOOK}.content.node.focus()")
    here = page.evaluate(f"() => {NOTEBOOK}.content.activeCellIndex")
    for _ in range(abs(index - here)):
        page.keyboard.press("ArrowDown" if index > here else "ArrowUp")
    assert page.evaluate(f"() => {NOTEBOOK}.content.activeCellIndex") == index


def tab_to(page, name, most=30):
    """Press Tab until a control of this name has the keyboard; return the names on the way."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        label, inside = page.evaluate(FOCUS)
        if inside:
            seen.append(label)
            if label == name:
                return seen
    raise AssertionError(f"Tab does not reach {name!r}, only {seen}")


def press(page, key, times=1):
    for _ in range(times):
        page.keyboard.press(key)


def report(page):
    run_cell(page, REPORT)
    return json.loads(outputs(page, REPORT)[0]["text"])


def test_a_guess_by_keys_alone(page):
    select(page, GUESS)
    assert tab_to(page, "one") == ["one"]
    press(page, "Space")
    output(page, GUESS).get_by_role("status").filter(has_text="Noted: one").wait_for()
    press(page, "ArrowDown")
    output(page, GUESS).get_by_role("status").filter(has_text="Noted: two").wait_for()
    assert output(page, GUESS).get_by_role("radiogroup", name="your guess").count() == 1
    assert page.evaluate(FOCUS) == ["two", True], "the arrow went to another cell"
    select(page, SHARE)
    tab_to(page, "your guess")
    press(page, "ArrowUp", 3)
    press(page, "ArrowLeft")
    output(page, SHARE).get_by_role("status").filter(has_text="Noted: 0.52").wait_for()
    select(page, REVEAL)
    press(page, "Shift+Enter")
    output(page, REVEAL).get_by_role("status").get_by_text("You said two, and so it was.").wait_for()


def test_a_check_by_keys_alone(page):
    select(page, CHECK)
    press(page, "Enter")
    press(page, "ControlOrMeta+a")
    page.keyboard.type("exercises.output_size.check(55)")
    press(page, "Shift+Enter")
    output(page, CHECK).get_by_role("status").get_by_text("✔ Right.").wait_for()
    noted = json.loads((page.folder / "progress.json").read_text(encoding="utf-8"))
    assert noted["exercises"]["lenet"]["output_size"]["tries"] == 1
    assert noted["guesses"]["How many?"]["right"] is True and noted["guesses"]["How much?"]["guess"] == 0.52


def test_a_list_keeps_its_keys(page):
    select(page, SUM)
    tab_to(page, "block type")
    press(page, "ArrowDown")
    output(page, SUM).get_by_role("img", name="post-activation").wait_for()
    select(page, LESIONS)
    tab_to(page, "what to do")
    page.keyboard.type("swap")  # which means other things to JupyterLab
    output(page, LESIONS).get_by_role("group", name="swapped with the next").wait_for()
    assert page.evaluate(f"() => {NOTEBOOK}.content.widgets.length") == len(CELLS)


def test_a_panel_by_keys_alone(page):
    panel = output(page, PANEL)
    select(page, PANEL)
    tab_to(page, "Start")
    press(page, "Enter")
    panel.get_by_text("training · epoch").wait_for()
    assert panel.get_by_role("status").get_by_text("training").count() == 0, "what changes all the time is not spoken"
    assert tab_to(page, "learning rate") == ["Step", "Reset", "Stop", "learning rate"]
    press(page, "ArrowRight", 2)
    mark = panel.get_by_role("button", name="Go back to: learning rate 0.11")
    mark.wait_for()
    on_the_way = tab_to(page, "Go back to: learning rate 0.11")
    network = ["width", "width, value", "batch norm", "activation"]
    assert on_the_way == ["learning rate, value", *network, "Go back to: learning rate 0.11"]
    page.wait_for_timeout(1000)  # some frames, with which the mark keeps the keyboard
    press(page, "Enter")
    panel.get_by_role("button", name="Go back to step").wait_for()
    assert tab_to(page, "Runs")[-3:] == ["Network", "ReLU input", "Runs"]
    press(page, "Space")
    panel.get_by_role("button", name="Runs", pressed=True).wait_for()
    tab_to(page, "its name")
    press(page, "ControlOrMeta+a")
    page.keyboard.type("dd my run")  # d d alone would delete the cell
    press(page, "Enter")
    panel.get_by_role("cell", name="dd my run").wait_for()
    select(page, PANEL)
    tab_to(page, "Pause")
    press(page, "Space")
    panel.get_by_role("status").get_by_text("paused · epoch").wait_for()
    assert report(page) == ["two", 0.52, "paused", pytest.approx(0.1 * 10**0.04, rel=1e-3), 4, ["dd my run"]]
    assert not page.errors


NAMELESS = """() => [...document.querySelectorAll('.jp-OutputArea-output :is(input, select, button, textarea, img,'
    + 'svg, a, [tabindex="0"], [contenteditable])')].filter(e => {
        const shown = e.checkVisibility();
        const label = e.labels?.length ? e.labels[0].textContent : '';
        const own = e.tagName === 'BUTTON' || e.tagName === 'A' ? e.textContent : '';
        const name = [e.getAttribute('aria-label'), e.getAttribute('alt'), e.title, label, own];
        const part = e.closest('[aria-hidden=true], [role=img][aria-label], .cnnlib-chart-root[aria-label]');
        return shown && !(e.tagName === 'svg' && part) && !name.some(text => text && text !== 'null');
    }).map(e => e.outerHTML.slice(0, 200))"""


def test_every_control_and_every_picture_has_a_name(page):
    panel = output(page, PANEL)
    for name, pictures in (("Network", 2), ("ReLU input", 2), ("Runs", 1), ("Code", 1)):
        panel.get_by_role("button", name=name, exact=True).press("Space")
        with suppress(TimeoutError):  # a picture that was just left draws its controls anew
            page.wait_for_function(f"() => !({NAMELESS})().length", timeout=10_000)
        assert page.evaluate(NAMELESS) == [], name
        shown = panel.get_by_role("img").count() + panel.get_by_role("group", name="Chart of a training run").count()
        assert shown >= pictures, name
    rate = output(page, PANEL).get_by_role("slider", name="learning rate")
    assert rate.get_attribute("aria-valuetext") == "0.110", "a logarithmic slider would say its exponent"
    assert page.locator(".jp-OutputArea-output [title=null]").count() == 0


def test_the_kernel_knows_whether_the_page_is_in_front(page):
    change = "() => { %s; document.dispatchEvent(new Event('visibilitychange')); }"
    hide = "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
    for script, in_front in ((hide, "False"), ("delete document.hidden", "True")):
        page.evaluate(change % script)
        for _ in range(20):  # what the page says comes by another channel than the cell that is run
            run_cell(page, FRONT)
            if (said := outputs(page, FRONT)[0]["text"].strip()) == in_front:
                break
        assert said == in_front
