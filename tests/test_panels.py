"""The chapters' panels in a real browser: they train, answer every control, and leave a picture in the saved page."""

import json
import re
import statistics
import time
from pathlib import Path

import nbformat
import pytest
from lab import (
    NOTEBOOK,
    jupyterlab,
    moved,
    new_page,
    open_notebook,
    outputs,
    page_of,
    press,
    run_cell,
    save,
    scroll_to,
    settle,
    start,
    wait_for_status,
    watch,
    write_notebook,
)

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
pytestmark = pytest.mark.thorough

WIDGET = "application/vnd.jupyter.widget-view+json"
PANEL = "panel = Playground("
PANELS = {  # chapter: words of the cells that its panel needs, beside the first one
    "02_alexnet": ("def alexnet(", "augment = v2", "def set_augmentation"),
    "03_vgg": ("def vgg_block(", "def vgg(", "def arch_of"),
    "04_batch_norm": ("def twelve_convolutions", "def data_for"),
    "05_resnet": ("class PostActivation", "def cifar_resnet", "def build(s)"),
    "06_residual_gradients": (
        "class ConvAutoencoder", "class ResidualConvAutoencoder", "outputs = {", "controls = [switch("
    ),
}  # fmt: skip
REPORT = """
import json, threading
def shown(value):
    return getattr(value, "__name__", value)
runner = panel.runner
threads = [t.name for t in threading.enumerate()].count("cnnlib training")
now = {"state": runner.state, "threads": threads, "earlier": len(panel.book.earlier),
       "settings": {name: shown(value) for name, value in runner.settings.items()}}
if runner.trainer is not None:
    marks = [label for _, label in runner.trainer.history.marks]
    now |= {"lr": runner.trainer.lr, "marks": marks, "step": runner.trainer.step, "net": repr(runner.trainer.net)}
print(json.dumps(now))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("panels")


@pytest.fixture(scope="module")
def page(folder):
    with page_of(folder) as page:
        yield page


def open_panel(page, folder, chapter):
    """Open a notebook of a chapter's panel and of the cells that it needs, and run them."""
    cells = [c for c in nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4).cells if c.cell_type == "code"]
    cells = [c for c in cells if "hosted" not in c.metadata.get("tags", ())]  # the imports are the first
    needed = (PANEL, *PANELS[chapter])
    chosen = [c.source for i, c in enumerate(cells) if i == 0 or any(word in c.source for word in needed)]
    assert sum(PANEL in source for source in chosen) == 1
    chosen.insert(1, "SGD = partial(torch.optim.SGD, momentum=0.9)")  # made in the chapters beside an experiment
    sources = [*chosen, REPORT]
    write_notebook(folder / f"{chapter}.ipynb", sources)
    page.errors.clear()
    open_notebook(page, page.address, f"{chapter}.ipynb", workspace=chapter)
    for index in range(len(chosen)):
        run_cell(page, index)
    page.panel, page.report = next(i for i, s in enumerate(sources) if PANEL in s), len(chosen)
    wait_for_status(page, "^Ready. Press Start")


def report(page):
    """Ask the kernel how the panel stands; the panel's own thread goes on meanwhile."""
    run_cell(page, page.report)
    return json.loads(outputs(page, page.report)[0]["text"])


def wait_for_report(page, condition, seconds=30):
    """Ask the kernel until it reports what was waited for; return the report."""
    end = time.monotonic() + seconds
    while not condition(now := report(page)):
        assert time.monotonic() < end, f"this never came: {now}"
        page.wait_for_timeout(200)
    return now


def slide(page, control, key, times=1):
    """Move a slider by a key, as a reader without a mouse does."""
    page.locator(f".cnnlib-{control} .noUi-handle").focus()
    for _ in range(times):
        page.keyboard.press(key)
    page.wait_for_timeout(400)


def assert_it_ends_well(page, folder, chapter):
    """Pause, look at what the page would store, run the cell again, and remove it: no thread is left."""

    def picture_at_rest():
        return outputs(page, page.panel)[1]["data"]["image/png"]

    before, end = picture_at_rest(), time.monotonic() + 30
    press(page, "Pause")
    wait_for_status(page, "paused|finished")
    while picture_at_rest() == before:  # one that comes after the page was saved leaves it changed
        assert time.monotonic() < end, "no new picture came to rest"
        page.wait_for_timeout(100)
    panel, picture = (shown["data"] for shown in outputs(page, page.panel))
    assert set(panel) == {WIDGET, "text/plain"} and {"image/png", WIDGET, "text/plain"} == set(picture)
    save(page)
    stored = nbformat.read(folder / f"{chapter}.ipynb", as_version=4)
    assert "widgets" not in stored.metadata
    assert len(stored.cells[page.panel].outputs[1].data["image/png"]) > 20_000

    press(page, "Reset")
    wait_for_status(page, "ready.*step 0")
    start(page)
    for _ in range(2):
        run_cell(page, page.panel)
    wait_for_status(page, "^Ready. Press Start")
    assert report(page)["threads"] == 0, "the old panel's thread went on"
    start(page)
    page.evaluate(f"i => {NOTEBOOK}.content.widgets[{page.panel}].model.clearExecution()")
    wait_for_report(page, lambda now: now["state"] == "paused" and now["threads"] == 0)  # nobody looks any more
    assert not page.errors


BOXES = """index => {
    const notebook = window.jupyterapp.shell.currentWidget.node, panel = notebook.querySelector('.cnnlib-panel');
    panel.scrollIntoView({block: 'center'});
    const box = element => {
        const {left, top, right, bottom} = element.getBoundingClientRect();
        return [left, top, right, bottom].map(Math.round);
    };
    const find = selector => [...panel.querySelectorAll(selector)].filter(e => e.checkVisibility());
    const drawn = '.cnnlib-panel-view > :not([style*="display: none"]) :is(svg, img, canvas)';
    return {
        seen: box(notebook.querySelector('.jp-WindowedPanel-outer')),
        controls: find('.cnnlib-panel-controls').map(box), inputs: find('.cnnlib-panel-controls :is(button, .widget-slider, select)').map(box),
        chart: find('.cnnlib-panel-picture > .cnnlib-chart').map(box), view: find('.cnnlib-panel-view').map(box),
        drawn: find(drawn).filter(e => e.getBoundingClientRect().width > 60).map(box),
    };
}"""  # noqa: E501


@pytest.mark.parametrize("chapter", PANELS)
def test_a_panel_is_seen_in_one_glance(page, folder, chapter):
    """Controls, chart and view lie within a window of 1280 × 720, after training as before."""
    page.set_viewport_size({"width": 1280, "height": 720})
    try:
        open_panel(page, folder, chapter)
        start(page)
        page.wait_for_timeout(1500)
        press(page, "Pause")
        wait_for_status(page, "paused|finished")
        scroll_to(page, page.panel)
        page.wait_for_timeout(1000)
        boxes = page.evaluate(BOXES)
        print(json.dumps(boxes))
        left, top, right, bottom = boxes.pop("seen")
        for name, found in boxes.items():
            assert found, name
            for box in found:
                assert left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= min(bottom, 720), (name, box)
        assert boxes["chart"][0][3] - boxes["chart"][0][1] > 150, "large enough to read"
        assert not page.errors
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def test_alexnet(page, folder):
    open_panel(page, folder, "02_alexnet")
    start(page)
    slide(page, "lr", "ArrowRight", 3)
    slide(page, "dropout", "ArrowLeft", 2)
    page.locator(".cnnlib-augmentation input").check()
    page.locator(".cnnlib-features-image svg").wait_for()
    now = wait_for_report(page, lambda now: {"dropout 0.4", "augmentation on"} <= set(now["marks"]))
    assert now["state"] == "training" and now["threads"] == 1
    assert now["lr"] == pytest.approx(0.01 * 10**0.06, rel=1e-2)
    assert now["settings"]["dropout"] == 0.4 and "Dropout(p=0.4" in now["net"]
    assert any(mark.startswith("lr") for mark in now["marks"])
    page.locator(".cnnlib-activation select").select_option("sigmoid")
    now = wait_for_report(page, lambda now: "Sigmoid" in now.get("net", "") and now["state"] == "training")
    assert "ReLU" not in now["net"]
    assert_it_ends_well(page, folder, "02_alexnet")


def test_vgg_builder_follows_within_200_ms(page, folder):
    open_panel(page, folder, "03_vgg")
    blueprint = ".cnnlib-blueprint"
    for key in ("ArrowRight", "ArrowLeft"):  # the first network brings the data with it, which a reader has by then
        slide(page, "blocks", key)
    watch(page, blueprint, "textContent")
    settle(page, 1000)
    times = []
    for control in ("blocks", "convolutions", "width", "blocks", "convolutions"):
        page.locator(f".cnnlib-{control} .noUi-handle").focus()
        for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "ArrowLeft"):
            times.append(moved(page, lambda key=key: page.keyboard.press(key)))
            settle(page, 100)  # a second drawing of the same move would be counted
    times.sort()
    print(f"control to drawing: median {statistics.median(times):.0f} ms, 95th percentile {times[18]:.0f} ms")
    assert times[18] < 200
    text = page.locator(blueprint).text_content()
    assert re.search(r"[\d,]+ parameters · [\d,]+ multiply-adds per picture(?: · )?the last map sees \d+ pixels", text)
    start(page)
    slide(page, "blocks", "ArrowRight")
    wait_for_status(page, r"training.*step [1-9]")
    assert report(page)["net"].count("MaxPool2d") == 4
    assert not page.errors


@pytest.fixture
def old_page(page, folder):
    """A page for kernels without subshells: every message comes by the one shell, as with this setting."""
    (folder / "old").mkdir()
    with jupyterlab(folder / "old", {"kernels-settings": {"commsOverSubshells": "disabled"}}) as address:
        old = new_page(page.context.browser)
        old.address = address
        yield old
        old.close()


def test_batch_norm_microscope_where_messages_wait_for_the_kernel(old_page, folder):
    page, folder = old_page, folder / "old"
    open_panel(page, folder, "04_batch_norm")
    start(page)
    slide(page, "momentum", "ArrowLeft", 9)
    now = wait_for_report(page, lambda now: "momentum=0.01" in now["net"])
    assert now["settings"]["momentum"] == pytest.approx(0.01)
    microscope = page.locator(".cnnlib-microscope")
    assert "standard deviation" in microscope.text_content() and microscope.locator("circle").count() == 32
    page.locator(".cnnlib-normalise input").uncheck()
    microscope.get_by_text("no normalisation").wait_for(timeout=10_000)
    wait_for_status(page, r"training.*step [1-9]")
    now = report(page)
    assert "BatchNorm" not in now["net"] and now["earlier"] == 1
    assert_it_ends_well(page, folder, "04_batch_norm")


def test_autoencoder(page, folder):
    open_panel(page, folder, "06_residual_gradients")
    start(page)
    page.locator(".cnnlib-skip input").uncheck()
    page.locator(".cnnlib-output select").select_option("linear")
    now = wait_for_report(page, lambda now: "Identity" in now.get("net", "") and now["state"] == "training")
    assert "Residual" not in now["net"]
    assert page.locator(".cnnlib-reconstructions image").count() == 24
    assert not page.errors


LESIONS = """
import torch
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.models import cifar_resnet
from cnnlib.widgets import Lesions
torch.manual_seed(0)
_, pictures = load_data_fashion_mnist(64, resize=14, num_test=1_000)
lesions = Lesions({"residual": cifar_resnet(20, 8), "plain": cifar_resnet(20, 8, "none")}, pictures)
lesions
"""


def test_lesions_follow_the_slider(page, folder, pace):
    """Keyboard only; a part that was tried before answers within 200 ms, a new one within a second."""
    write_notebook(folder / "lesions.ipynb", [LESIONS])
    page.errors.clear()
    open_notebook(page, page.address, "lesions.ipynb", workspace="lesions")
    run_cell(page, 0)
    title = page.locator(".cnnlib-lesion svg text").first
    title.get_by_text("residual, without part 2").wait_for()
    delays = {}
    for name, moves in (("residual", 20), ("plain", 4)):
        page.locator(".cnnlib-lesion-net select").select_option(name)
        title.get_by_text(f"{name}, without part").wait_for()
        handle = page.locator(".cnnlib-lesion-part .noUi-handle")
        handle.focus()
        shown = int(title.text_content().rsplit(" ", 1)[1])
        taken = delays[name] = []
        for key, step in moves // 2 * [("ArrowRight", 1), ("ArrowLeft", -1)]:
            shown += step
            started = time.perf_counter()
            page.keyboard.press(key)
            title.get_by_text(f"{name}, without part {shown}").wait_for()
            taken.append(1000 * (time.perf_counter() - started))
        print(f"{name}: first {taken[0]:.0f} ms, then median {statistics.median(taken[1:]):.0f} ms")
    assert max(delays["plain"][:2]) < pace.bar(1000), "parts not tried before"
    assert sorted(delays["residual"])[18] < 200, "the page has tried them all"
    page.locator(".cnnlib-lesion-operation select").select_option("swap it with the next")
    title.get_by_text("swapped with the next").wait_for()
    assert not page.errors


MICROSCOPE = """
from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.widgets import GradientSum
GradientSum(*next(iter(load_data_fashion_mnist(8, resize=14)[0].epoch(0))))
"""


def test_gradient_sum_follows_within_200_ms(page, folder):
    """20 moves of each control, from the key to the drawing on the page."""
    write_notebook(folder / "sum.ipynb", [MICROSCOPE])
    page.errors.clear()
    open_notebook(page, page.address, "sum.ipynb", workspace="sum")
    run_cell(page, 0)
    page.locator(".cnnlib-sum-image svg").wait_for()
    watch(page, ".cnnlib-sum-image")

    def select(name, number):
        box = page.locator(f".cnnlib-sum-{name} select")
        options = box.locator("option").all_text_contents()
        here = options.index(box.evaluate("e => e.selectedOptions[0].textContent"))
        return moved(page, lambda: box.select_option(options[(here + 1) % len(options)]))

    def step(name, number):
        page.locator(f".cnnlib-sum-{name} .noUi-handle").focus()
        return moved(page, lambda: page.keyboard.press(("ArrowRight", "ArrowLeft")[(number + (name == "scale")) % 2]))

    def tick(name, number):
        return moved(page, page.locator(f".cnnlib-sum-{name} input").click)

    controls = {"block": step, "scale": step, "norm": tick, "kind": select, "start": select, "activation": select}
    for name, move in controls.items():
        delays = sorted(move(name, number) for number in range(20))
        print(f"{name}: median {statistics.median(delays):.0f} ms, 95th percentile {delays[18]:.0f} ms")
        assert delays[18] < 200
    assert "✓" in page.locator(".cnnlib-sum-image").text_content()
    page.locator(".cnnlib-sum-kind select").select_option("post-activation")
    page.locator(".cnnlib-sum-image").get_by_text("✗").wait_for()
    assert not page.errors
