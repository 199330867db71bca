"""In a real browser: whoever drags a slider sees the chart follow at once, and go on; and what else the page shows."""

import itertools
import re

import pytest
from lab import open_notebook, page_of, run_cell, write_notebook

SETUP = """
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import lenet, xavier_
from cnnlib.widgets import Playground, fit, slider, switch
train_iter, test_iter = load_data_fashion_mnist(256)
"""
FIT = "history = fit(xavier_(lenet()), train_iter, None, num_epochs=50, lr=0.5)"
PANEL = """
controls = [slider("width", 4, 32, 8, 4, label="channels of the very first block of this network"), switch("norm")]
Playground("steered", lambda s: xavier_(lenet()), lambda s: (train_iter, None), controls, lr=0.5, num_epochs=50)
"""
FRAMES = """
window.shown = [];
new MutationObserver(changes => {
    if (changes.some(c => c.target.matches('.cnnlib-chart'))) window.shown.push(performance.now());
}).observe(document.body, {subtree: true, attributes: true, attributeFilter: ['src']});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steered")
    write_notebook(folder / "steered.ipynb", [SETUP, FIT, PANEL])
    dark = {"themes": {"theme": "JupyterLab Dark"}}
    with page_of(folder, dark, height=720) as page:
        open_notebook(page, page.address, "steered.ipynb")
        run_cell(page, 0)
        page.evaluate(FRAMES)
        yield page


@pytest.fixture(scope="module")
def panel(page):
    run_cell(page, 2)
    page.locator(".cnnlib-playground button").first.wait_for()
    return page


def drag(page, handle, pixels):
    """Drag a slider's handle in ten steps; return when it was let go, in the page's milliseconds."""
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(x + pixels * step / 10, y)
        page.wait_for_timeout(20)
    moved = page.evaluate("performance.now()")
    page.mouse.up()
    return moved


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["fit", "panel"])
def test_the_chart_follows_a_dragged_slider(page, pace, kind):
    run_cell(page, 1 if kind == "fit" else 2, wait=kind == "panel")
    handle = page.locator(".cnnlib-lr .noUi-handle").last
    handle.wait_for(timeout=60_000)
    handle.scroll_into_view_if_needed()
    if kind == "panel":
        page.locator(".cnnlib-playground button", has_text="Start").click()
    page.wait_for_timeout(4000)
    moves = []
    for pixels in (-20, 15, -10):
        moves.append(drag(page, handle, pixels))
        page.wait_for_timeout(2500)
    page.wait_for_timeout(4000)
    end = page.evaluate("performance.now()")
    shown = page.evaluate("window.shown")
    soon, gap = pace.bar(300), pace.bar(1000)
    page.get_by_role("button", name="Stop").last.click()
    answers = [min((t - move for t in shown if t > move), default=1e9) for move in moves]
    watched = [t for t in shown if moves[0] < t <= end]
    gaps = [b - a for a, b in itertools.pairwise([moves[0], *watched, end])]
    print(f"{kind}: answers {[f'{a:.0f}' for a in answers]}, longest gap {max(gaps):.0f}, {len(watched)} frames")
    assert max(answers) <= soon and max(gaps) <= gap
    assert not page.errors


def test_a_long_label_leaves_the_slider_its_track(panel):
    sliders = panel.locator(".cnnlib-playground .widget-hslider").all()
    assert sliders
    for slider in sliders:
        label, track = slider.locator(".widget-label"), slider.locator(".slider-container")
        above, below = label.bounding_box(), track.bounding_box()
        assert below["width"] >= 140 and above["y"] + above["height"] <= below["y"] + 1
        assert label.evaluate("node => node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight")


def luminance(colour):
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_buttons_and_lists_can_be_read_on_a_dark_page(panel):
    for name in ("Start", "Stop", "Runs"):
        button = panel.locator(".jupyter-button", has_text=name).last
        text, ground = button.evaluate("n => [getComputedStyle(n).color, getComputedStyle(n).backgroundColor]")
        low, high = sorted(map(luminance, (text, ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (name, text, ground)
    panel.get_by_role("button", name="Runs").click()
    arrow = panel.locator(".cnnlib-run-pick select").evaluate("n => getComputedStyle(n).backgroundImage")
    assert "fill='%23ddd'" in arrow, arrow
