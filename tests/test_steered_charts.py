"""In a real browser: whoever moves a slider sees the chart follow at once, and go on; and what else the page shows."""

import itertools
import json
import re
import statistics

import pytest
from lab import moved, open_notebook, outputs, page_of, run_cell, start, wait_for_cell, watch, write_notebook

from cnnlib.figures import style

SETUP = """
import json, time
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import lenet, xavier_
from cnnlib.training.loop import Trainer
from cnnlib.widgets import Playground, fit, slider, switch
train_iter, test_iter = load_data_fashion_mnist(256)
seen, plain = [], Trainer.lr  # when the loop's learning rate is set, to compare with when the key went down
def note(trainer, value):
    plain.fset(trainer, value)
    seen.append((1000 * time.time(), value))
Trainer.lr = plain.setter(note)
"""
FIT = "history = fit(xavier_(lenet()), train_iter, None, num_epochs=50, lr=0.5)"
PANEL = """
controls = [slider("width", 4, 32, 8, 4, label="channels of the very first block of this network"), switch("norm")]
panel = Playground("steered", lambda s: xavier_(lenet()), lambda s: (train_iter, None), controls, lr=0.5, num_epochs=50)
panel
"""
REPORT = "print(json.dumps([seen, len(set(history.lr)), history.ended])); seen.clear()"
MOVES = 20
FRAMES = """
window.shown = [];
new MutationObserver(changes => {
    if (changes.some(c => c.target.matches('.cnnlib-chart-line'))) window.shown.push(performance.now());
}).observe(document.body, {subtree: true, attributes: true, attributeFilter: ['d']});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steered")
    write_notebook(folder / "steered.ipynb", [SETUP, FIT, PANEL, REPORT, "history = panel.history\n" + REPORT])
    dark = {"themes": {"theme": "JupyterLab Dark"}}
    with page_of(folder, dark, height=720) as page:
        open_notebook(page, page.address, "steered.ipynb")
        run_cell(page, 0)
        yield page


@pytest.fixture(scope="module")
def panel(page):
    run_cell(page, 2)
    page.locator(".cnnlib-playground button").first.wait_for()
    return page


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["fit", "panel"])
def test_twenty_moves_of_the_rate_reach_the_loop_and_are_seen_on_the_chart(page, pace, kind):
    run_cell(page, 1 if kind == "fit" else 2, wait=kind == "panel")
    handle = page.locator(".cnnlib-lr .noUi-handle").last
    handle.wait_for(timeout=60_000)
    if kind == "panel":
        start(page)
    page.wait_for_timeout(3000)
    watch(page, ".cnnlib-chart-panel:first-child .cnnlib-chart-over", "textContent")  # the words of the marks
    page.evaluate(FRAMES)
    handle.focus()
    offset = page.evaluate("Date.now() - performance.now()")
    answers, pressed = [], []
    for number in range(MOVES):
        answers.append(moved(page, lambda n=number: page.keyboard.press("ArrowLeft" if n >= 15 else "ArrowRight")))
        pressed.append(page.evaluate("window.moved") + offset)
        page.wait_for_timeout(350)
    page.wait_for_timeout(3000)
    shown, end = page.evaluate("[window.shown, performance.now()]")
    page.get_by_role("button", name="Stop").last.click()
    if kind == "fit":
        wait_for_cell(page, 1, 30_000)
    else:
        page.locator(".cnnlib-status").last.get_by_text("stopped").wait_for()
    report = 3 if kind == "fit" else 4
    run_cell(page, report)
    seen, different, ended = json.loads(outputs(page, report)[0]["text"])
    assert ended == "stopped"
    assert len(seen) == MOVES, "not every move was seen, or the page moved the slider by itself"
    assert different == 16  # fifteen steps up, five back: each rate was trained with
    delays = sorted(time - press for press, (time, _) in zip(pressed, seen, strict=True))
    gaps = [b - a for a, b in itertools.pairwise([*shown, end])]
    answers.sort()
    for name, values in (("slider to trainer.lr", delays), ("slider to chart", answers)):
        print(f"{kind}: {name}: median {statistics.median(values):.0f} ms, 95th percentile {values[18]:.0f} ms")
    print(f"longest gap {max(gaps):.0f} ms, {len(shown)} frames")
    assert delays[18] <= pace.bar(200) and answers[18] <= pace.bar(300) and max(gaps) <= pace.bar(1000)
    assert not page.errors


def test_a_long_label_leaves_the_slider_its_track(panel):
    sliders = panel.locator(".cnnlib-playground .widget-hslider").all()
    assert sliders
    for slider in sliders:
        label, track = slider.locator(".widget-label"), slider.locator(".slider-container")
        above, below = label.bounding_box(), track.bounding_box()
        assert below["width"] >= 140 and above["y"] + above["height"] <= below["y"] + 1
        assert label.evaluate("node => node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight")


def contrast(*colours):
    """Return the contrast of two colours as a browser writes them."""
    found = [[int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in colours]
    return style.contrast(*(f"#{bytes(parts).hex()}" for parts in found))


def test_buttons_and_lists_can_be_read_on_a_dark_page(panel):
    for name in ("Start", "Stop"):
        button = panel.locator(".jupyter-button", has_text=name).last
        text, ground = button.evaluate("n => [getComputedStyle(n).color, getComputedStyle(n).backgroundColor]")
        assert contrast(text, ground) >= 4.5, (name, text, ground)
    panel.get_by_role("button", name="Runs").click()
    arrow = panel.locator(".cnnlib-run-pick select").evaluate("n => getComputedStyle(n).backgroundImage")
    assert "fill='%23ddd'" in arrow, arrow


WRITTEN = """() => {
    const ground = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour.endsWith(', 0)') ? ground(element.parentElement) : colour;
    };
    const words = [...document.querySelectorAll('.cnnlib-playground .cnnlib-chart-root :is(text, span)')];
    return words.filter(e => e.textContent.trim() && e.checkVisibility()).map(e => {
        const style = getComputedStyle(e);
        return [e.textContent, parseFloat(style.fontSize), e.tagName === 'text' ? style.fill : style.color, ground(e)];
    });
}"""


def test_words_of_a_chart_are_large_enough_and_light_on_a_dark_page(panel):
    panel.locator(".cnnlib-playground .cnnlib-chart-root text").first.wait_for()
    written = panel.evaluate(WRITTEN)
    assert {"epoch", "train loss", "test accuracy"} <= {text for text, *_ in written} and len(written) > 10
    for text, size, colour, ground in written:
        assert size >= 13 and contrast(colour, ground) >= 4.5, (text, size, colour, ground)
        assert contrast(ground, "rgb(0, 0, 0)") < 3, "the page is dark"
