"""Leave chapter 5's panel with a restless reader for half an hour, in a real browser: `make soak MINUTES=30`.

Every control is moved at random, the panel is started, stopped, marked, forked, and its cell is run again, also while
it trains. Meanwhile the memory and threads of the kernel and the memory and elements of the page are measured. All
goes to `build/soak.json`; the exit code is 0 if nothing grew, nothing failed and every move arrived.

What grows by design, up to a limit: a panel keeps its latest 30 runs, and of states to go back to 256 MB for the
present run and as much for all earlier ones; what a cell that is run again takes over has one state. Freed memory stays
with the kernel until the run ends, up to 512 MB. So the kernel's memory is judged at rest, after each time the cell was
run again, and everything over the second half. A choice that a function of the book refuses, such as Fixup without
shortcuts, is answered by its sentence on the panel: that is counted, and no fault.
"""

import argparse
import collections
import json
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
from playwright.sync_api import Error, TimeoutError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from lab import NOTEBOOK, chromium, jupyterlab, open_notebook, outputs, run_cell, write_notebook  # noqa: E402

CHAPTER = ROOT / "notebooks" / "05_resnet.ipynb"
FILE = ROOT / "build" / "soak.json"
CELLS = ("from functools import", "class PostActivation", "def cifar_resnet", "def build(s)", "panel = Playground(")
MB = 2**20
LOOK = 30.0  # seconds between two looks at the page and the kernel
RERUNS = 50 / 30  # how often in a minute the cell is run again
LOST = 15.0  # seconds after which a move that has not arrived is lost
REFUSED = ("has no residual block", "zero γ needs blocks")
SETTLED = 3.0  # seconds within which a closed panel releases everything: a timer of two seconds may be running
BLOCKS = 12  # the second half is cut in so many pieces: neighbouring samples resemble each other, their means less so
# What may grow in a minute. An hour's lesson would then take 60 MB, or 6,000 elements of a page that has some 3,000.
LIMITS = {"kernel": 1.0, "page": 1.0, "elements": 100.0}

WATCH = """
import gc, json, os, threading
import ipywidgets
if "probe" not in globals():
    probe, arrived = ipywidgets.HTML(), {}
    probe.add_class("probe")
def noting(name):
    def note(*args):
        arrived[name] = arrived.get(name, 0) + 1
        probe.value = json.dumps(arrived)
    return note
for name, widget in panel.inputs.items():
    widget.observe(noting(name), "value")
page = panel.page
page.tabs.observe(noting("tabs"), "value")
page.more.observe(noting("More"), "value")
for name in ("start", "step", "stop", "reset", "offer"):
    getattr(page, name).on_click(noting(name))
for button in (panel.book.fork, panel.book.mark, panel.book.export):
    button.on_click(noting(button.description))
probe
"""
REPORT = """
import collections, re
from ipywidgets.widgets.widget import _instances
gc.collect()
alive = collections.Counter(type(thing).__name__ for thing in gc.get_objects())
moments = {id(m): m for run in panel.book.runs for m in run.moments} | {id(m): m for m in panel.runner.moments}
print(json.dumps({
    "pid": os.getpid(),
    "names": sorted(re.sub(r"-\\d+", "", thread.name) for thread in threading.enumerate()),
    "comms": len(get_ipython().kernel.comm_manager.comms),
    "widgets": len(_instances),
    "alive": {name: alive[name] for name in ("Figure", "Trainer", "CifarResNet", "Playground", "Tensor", "Parameter")},
    "runs": len(panel.book.runs), "moments": len(moments), "kept": sum(m.bytes for m in moments.values()) / 2**20,
    "state": panel.runner.state, "error": panel.runner.state == "failed" and repr(panel.runner.error),
}))
"""
MODELS = f"""async () => {{
    const renderer = {NOTEBOOK}.content.rendermime.createRenderer('application/vnd.jupyter.widget-view+json');
    const models = (await renderer._manager.promise)._models;
    renderer.dispose();
    return models.size ?? Object.keys(models).length;
}}"""


# Two things that JupyterLab (4.6.6 at least) itself keeps on the page for good are left out here, so that what we lose
# ourselves is seen. Each widget's channel listens to the kernel and never takes that
# back, so that all elements of closed widgets stay, of whatever library: 485 elements and 0.45 MB for 34 plain controls
# that are closed whole.
MENDED = f"""() => {{
    const signal = {NOTEBOOK}.sessionContext.session.kernel.statusChanged, connect = signal.connect.bind(signal);
    signal.connect = (slot, owner) => !owner && String(slot).includes('_cleanSubshells') || connect(slot, owner);
}}"""
# And the toolbar of each cell that becomes the active one stays: 258 elements, 810 listeners and 0.1 MB each time, in a
# notebook of three lines without a widget; without these toolbars 0 and 0. Mended after 4.6.6 by pull request 19370.
TOOLBARS = "@jupyterlab/cell-toolbar-extension"


def own_memory(process):
    """Return the bytes that a process alone has in memory.

    On Linux that is what belongs to no file. Up to 350 MB of PyTorch's code count as this process's own whenever no
    other one uses it: what changes by that is nothing that grew.
    """
    if sys.platform.startswith("linux"):
        memory = process.memory_info()
        return memory.rss - memory.shared
    return process.memory_full_info().uss


def slope(times, values):
    """Return (slope, its standard error) of `values` over `times` in seconds, per minute, by least squares.

    The values are first averaged over blocks of equal time.
    """
    begin, width = times[0], (times[-1] - times[0]) / BLOCKS or 1.0
    blocks = {}
    for t, value in zip(times, values, strict=True):
        blocks.setdefault(min(int((t - begin) / width), BLOCKS - 1), []).append((t / 60, value))
    points = [tuple(map(statistics.fmean, zip(*block, strict=True))) for block in blocks.values()]
    if len(points) < 4:
        return 0.0, float("inf")
    x, y = zip(*points, strict=True)
    found = statistics.linear_regression(x, y)
    rest = sum((b - found.slope * a - found.intercept) ** 2 for a, b in points) / (len(points) - 2)
    return found.slope, (rest / (statistics.pvariance(x) * len(points))) ** 0.5


def flat(found, limit=1.0):
    """Return whether a slope is certainly at most `limit`; one whose error is larger than that says nothing."""
    value, error = found
    return error <= limit and value - 2 * error <= limit


class Reader:
    """Somebody who moves everything at random; `moves` counts what was done, `lost` what never arrived."""

    def __init__(self, page, rng):
        self.page, self.rng = page, rng
        self.moves, self.lost, self.delays = collections.Counter(), [], []
        self.actions = [
            *[(self.slide, name) for name in ("lr", "lr", "lr", "depth", "width")],
            *[(self.tick, name) for name in ("residual", "norm")],
            *[(self.select, name) for name in ("shortcut", "block", "start", "activation")],
            *[(self.click, name) for name in ("start", "start", "start", "step", "stop", "reset", "offer")],
            *[(self.press, name) for name in ("Mark", "Mark", "Fork here", "Export")],
            *[(self.turn, name) for name in ("Gradients", "Network", "Runs", "Code")], (self.press, "More"),
            (self.pick, "run-pick"), (self.pick, "run-moment"),
        ]  # fmt: skip

    def find(self, selector):
        return self.page.locator(f".cnnlib-playground {selector}").first

    def ready(self, selector):
        """Return a part of the panel, shown if it is under More or Runs; None if it cannot be used now."""
        part = self.find(selector)
        for fold in ("More", "Runs"):
            button = self.find(f"button:has-text('{fold}')")
            if not part.is_visible() and "mod-active" not in button.get_attribute("class"):
                button.click()
                self.page.wait_for_timeout(300)
        return part if part.is_visible() and part.is_enabled() else None

    def move(self):
        """Do one thing, and wait until the kernel has heard of it."""
        action, name = self.rng.choice(self.actions)
        before = json.loads(self.page.locator(".probe").text_content().strip() or "{}")
        began, heard = time.monotonic(), action(name)
        if heard is None:
            return
        self.moves[f"{action.__name__} {name}"] += 1
        try:
            arrived = "JSON.parse(document.querySelector('.probe').textContent || '{}')[name] || 0"
            now = [heard, before.get(heard, 0)]
            self.page.wait_for_function(f"([name, before]) => ({arrived}) > before", arg=now, timeout=1000 * LOST)
            self.delays.append(time.monotonic() - began)
        except TimeoutError:
            self.lost.append(f"{action.__name__} {name}")

    def press(self, name):
        if part := self.ready(f"button:has-text('{name}')"):
            part.click(timeout=1000 * LOST)
            return name

    def click(self, name):
        part = self.find(f"button.cnnlib-{name}")
        if part.is_visible() and part.is_enabled():
            part.click(timeout=1000 * LOST)
            return name

    def turn(self, name):
        part = self.find(f".cnnlib-tabs button:has-text('{name}')")
        if "mod-active" not in part.get_attribute("class"):
            part.click(timeout=1000 * LOST)
            return "tabs"

    def slide(self, name):
        if handle := self.ready(f".cnnlib-{name} .noUi-handle"):
            now, low, high = (float(handle.get_attribute(f"aria-value{what}")) for what in ("now", "min", "max"))
            keys = [] if now >= high else ["ArrowRight"] * 6 + ["PageUp"] * 2 + ["End"]
            keys += [] if now <= low else ["ArrowLeft"] * 6 + ["PageDown"] * 2 + ["Home"]
            handle.focus()
            self.page.keyboard.press(self.rng.choice(keys))
            return name

    def tick(self, name):
        if part := self.ready(f".cnnlib-{name} input"):
            part.click(timeout=1000 * LOST)
            return name

    def select(self, name):
        if part := self.ready(f".cnnlib-{name} select"):
            here, count = part.evaluate("e => [e.selectedIndex, e.options.length]")
            part.select_option(index=(here + self.rng.randrange(1, count)) % count, timeout=1000 * LOST)
            return name

    def pick(self, name):
        """Choose another run, or moment of it; the lists change by themselves meanwhile, so nothing is waited for."""
        part = self.ready(f".cnnlib-{name} select")
        if part and (count := part.locator("option").count()):
            with suppress(Error):
                part.select_option(index=self.rng.randrange(count), timeout=2000)
            self.moves[f"pick {name}"] += 1


class Soak:
    """The page and its kernel under observation."""

    def __init__(self, page, panel, reader):
        self.page, self.panel, self.reader = page, panel, reader
        self.began = time.monotonic()
        self.samples, self.rests, self.faults, self.refused = [], [], [], 0
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("Performance.enable")
        page.on("pageerror", lambda error: self.faults.append(f"page: {error}"))
        page.on("console", lambda m: m.type == "error" and self.faults.append(f"console: {m.text}"))
        page.on("requestfailed", lambda request: self.faults.append(f"request: {request.url} {request.failure}"))
        page.on("response", lambda r: r.status >= 400 and self.faults.append(f"answer {r.status}: {r.url}"))
        self.kernel = psutil.Process(self.ask()["pid"])

    def ask(self):
        """Return what the kernel says of itself."""
        run_cell(self.page, self.panel + 2)
        shown = outputs(self.page, self.panel + 2)[0]
        if "text" not in shown:
            raise RuntimeError(f"the kernel could not report: {shown}")
        return json.loads(shown["text"])

    def sample(self):
        """Measure the kernel, and the page after its rubbish was collected; return what was found."""
        self.cdp.send("HeapProfiler.collectGarbage")
        metrics = {m["name"]: m["value"] for m in self.cdp.send("Performance.getMetrics")["metrics"]}
        found = {"t": round(time.monotonic() - self.began, 1), "models": self.page.evaluate(MODELS), **self.ask()}
        found |= {"heap": metrics["JSHeapUsedSize"] / MB, "elements": metrics["Nodes"]}
        found |= {"memory": own_memory(self.kernel) / MB, "threads": self.kernel.num_threads()}
        refused = found["error"] and any(words in found["error"] for words in REFUSED)
        self.refused += bool(refused)
        self.faults += [f"panel: {found['error']}"] * bool(found["error"] and not refused)
        self.samples.append(found)
        return found

    def run_again(self):
        """Run the panel's cell again, whatever it is doing, and measure when it has come to rest.

        Before that the notebook is saved, by a key: JupyterLab holds each key that was pressed, and with it the panel
        it was pressed in, until a key is pressed that does something.
        """
        self.page.keyboard.press("Control+s")
        for index in (self.panel, self.panel + 1):
            run_cell(self.page, index)
            shown = outputs(self.page, index)
            self.faults += [f"cell: {shown}"[:2000]] * any(output["output_type"] == "error" for output in shown)
        self.page.wait_for_timeout(1000 * SETTLED)
        self.rests.append(self.sample())

    def go_on(self, minutes, reruns, rng):
        """Move things for so long and run the cell again at so many random moments."""
        self.run_again()
        again = sorted(rng.uniform(0, 60 * minutes) for _ in range(reruns))
        while (now := time.monotonic() - self.began) < 60 * minutes or again:
            if again and now >= again[0]:
                again.pop(0)
                self.run_again()
            elif now - self.samples[-1]["t"] >= LOOK:
                known = ("memory", "threads", "comms", "heap", "elements", "models", "runs")
                found = ", ".join(f"{name} {self.sample()[name]:,.0f}" for name in known)
                print(f"{now / 60:5.1f} min, {self.reader.moves.total()} moves: {found}", flush=True)
            try:
                self.reader.move()
            except Error as error:
                self.faults.append(f"move: {error}"[:500])
            self.page.wait_for_timeout(1000 * rng.uniform(0.05, 1.0))
        self.reader.press("stop")
        self.run_again()

    def verdict(self):
        """Return the slopes, (MB or elements a minute, its standard error) each, and a list of what is wrong."""
        slopes, wrong, (first, *_, last) = {}, [], self.rests
        for name, rows, key in (
            ("kernel", self.rests, "memory"), ("page", self.samples, "heap"), ("elements", self.samples, "elements"),
        ):  # fmt: skip
            late = [(row["t"], row[key]) for row in rows if row["t"] >= last["t"] / 2]
            slopes[name] = slope(*zip(*late, strict=True))
            if not flat(slopes[name], LIMITS[name]):
                wrong.append(f"{name} grows, or this was too short to say")
        for key in ("comms", "widgets", "models", "names"):
            others = [row[key] for row in self.rests if row[key] != first[key]]
            wrong += [f"{key} at rest: {first[key]}, and {others[-1]} later"] if others else []
        trained = next((rest for rest in self.rests if rest["runs"]), last)  # the first run starts threads that stay
        if last["threads"] > trained["threads"]:
            wrong.append(f"threads at rest: {trained['threads']}, and {last['threads']} at the end")
        if last["alive"]["Trainer"] or last["alive"]["Figure"] > first["alive"]["Figure"]:
            wrong.append(f"still alive: {last['alive']}")
        wrong += [
            f"{len(found)} {what}" for what, found in (("lost", self.reader.lost), ("faults", self.faults)) if found
        ]
        return slopes, wrong


def report(soak):
    """Print the verdict, and return all figures for the file."""
    slopes, wrong = soak.verdict()
    delays = sorted(soak.reader.delays) or [0.0]
    print(f"{soak.reader.moves.total()} moves; the panel's cell was run {len(soak.rests)} times")
    print(f"a move reached the kernel after {statistics.median(delays):.2f} s (median), {delays[-1]:.2f} s (longest)")
    for name, (value, error) in slopes.items():
        print(f"{name}: {value:+.2f} ± {error:.2f} a minute over the second half; allowed: {LIMITS[name]:g}")
    print(*[f"fault: {fault}" for fault in soak.faults[:20]], sep="\n")
    print(f"choices refused by a sentence on the panel: {soak.refused}")
    print("NOT FLAT: " + "; ".join(wrong) if wrong else "Nothing grew, nothing failed, nothing was lost.")
    kept = {"moves": soak.reader.moves, "lost": soak.reader.lost, "delays": delays, "slopes": slopes, "wrong": wrong}
    return kept | {name: getattr(soak, name) for name in ("samples", "rests", "faults", "refused")}


def open_panel(page, address):
    """Open the chapter's panel in a notebook of its own cells; return the panel's cell."""
    open_notebook(page, address, "soak.ipynb")
    page.evaluate(MENDED)
    page.wait_for_timeout(2000)
    count = page.evaluate(f"() => {NOTEBOOK}.content.widgets.length")
    for index in range(count - 1):
        run_cell(page, index)
    page.locator(".probe").wait_for(state="attached")
    return count - 3


def sources_of_the_panel():
    """Return the cells of the chapter that its panel needs, itself the last."""
    sources = [cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells if cell.cell_type == "code"]
    chosen = [source for source in sources if any(word in source for word in CELLS)]
    if len(chosen) != len(CELLS):
        raise RuntimeError(f"{CHAPTER.name} has changed: expected one cell with each of {CELLS}.")
    chosen.insert(1, "SGD = partial(torch.optim.SGD, momentum=0.9)")
    return chosen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long things are moved")
    parser.add_argument("--seed", type=int, default=0, help="of the moves")
    wanted = parser.parse_args()
    if not wanted.minutes > 0:
        parser.error(f"--minutes must be above 0, got {wanted.minutes:g}.")
    rng = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory() as folder:
        write_notebook(Path(folder, "soak.ipynb"), [*sources_of_the_panel(), WATCH, REPORT])
        with jupyterlab(folder, without=[TOOLBARS]) as address, chromium() as page:
            panel = open_panel(page, address)
            soak = Soak(page, panel, Reader(page, rng))
            soak.go_on(wanted.minutes, max(2, round(wanted.minutes * RERUNS)), rng)
    record = report(soak)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(record, indent=1), encoding="utf-8")
    sys.exit(bool(record["wrong"]))
