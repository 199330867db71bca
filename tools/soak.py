"""Leave chapter 5's panel with a restless reader for half an hour, in a real browser: `make soak MINUTES=30`.

Every control is moved at random, the panel is started, stopped, marked, forked, and its cell is run again, also while
it trains. Meanwhile the memory, threads and files of the kernel and the memory and elements of the page are measured.
At the end a table, `build/soak.json`, and an exit code of 0 if nothing grew, nothing failed and every move arrived.

What grows by design, up to a limit: a panel keeps its latest 30 runs, and of states to go back to 256 MB for the
present run and as much for all earlier ones; what a cell that is run again takes over has one state. Freed memory stays
with the kernel until the run ends, up to 512 MB. So the kernel's memory is judged at rest, after each time the cell was
run again, and everything over the second half. A choice that a function of the book refuses, such as Fixup without
shortcuts, is answered by its sentence on the panel: that is counted, and no fault.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Error, TimeoutError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from lab import NOTEBOOK, chromium, jupyterlab, open_notebook, outputs, run_cell  # noqa: E402

CHAPTER = ROOT / "notebooks" / "05_resnet.ipynb"
FILE = ROOT / "build" / "soak.json"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CELLS = ("from functools import", "class PostActivation", "def cifar_resnet", "def build(s)", "panel = Playground(")
MB = 2**20
SAMPLE, LOOK = 5.0, 30.0  # seconds between two looks at the kernel from outside, and at the page and inside the kernel
LOST = 15.0  # seconds after which a move that has not arrived is lost
REFUSED = ("has no residual block", "zero γ needs blocks")
SETTLED = 3.0  # seconds in which a panel that was ended lets go: a timer of two seconds may run
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
for fold in panel.folds:
    fold.observe(noting(fold.description), "value")
for button in (panel.start, panel.pause, panel.step, panel.stop, panel.reset, panel.slower):
    button.on_click(noting(button.icon))
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


# Two things that JupyterLab (4.6.6 at least) itself keeps on the page for good are left out here, unless given
# otherwise, so that what we lose ourselves is seen. Each widget's channel listens to the kernel and never takes that
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
    """Whether a slope is at most `limit`, as far as can be told; one whose error is larger than that says nothing."""
    value, error = found
    return error <= limit and value - 2 * error <= limit


class Reader:
    """Somebody who moves everything at random; `moves` counts what was done, `lost` what never arrived."""

    def __init__(self, page, rng):
        self.page, self.rng = page, rng
        self.moves, self.lost, self.delays = {}, [], []
        press, slide, tick, select = self.press, self.slide, self.tick, self.select
        self.actions = [
            *[(slide, name) for name in ("lr", "lr", "lr", "depth", "width")],
            *[(tick, name) for name in ("residual", "norm")],
            *[(select, name) for name in ("shortcut", "block", "start", "activation")],
            *[(press, icon) for icon in ("play", "play", "play", "pause", "step-forward", "stop", "refresh")],
            *[(press, name) for name in ("Mark", "Mark", "Fork here", "Export")],
            *[(press, name) for name in ("Runs", "Show the code", "More controls")],
            (self.pick, "run-pick"), (self.pick, "run-moment"), (self.go_on_slower, "slower"),
        ]  # fmt: skip

    def find(self, selector):
        return self.page.locator(f".cnnlib-playground {selector}").first

    def arrived(self):
        return json.loads(self.page.locator(".probe").text_content().strip() or "{}")

    def ready(self, part):
        """Have a part in view, if it must, by opening what it is folded away in; return whether it can be used."""
        for fold in ("More controls", "Runs"):
            if part.is_visible():
                break
            button = self.find(f"button:has-text('{fold}')")
            if "mod-active" not in button.get_attribute("class"):
                button.click()
                self.page.wait_for_timeout(300)
        return part.is_visible() and part.is_enabled()

    def move(self):
        """Do one thing, and wait until the kernel has heard of it."""
        action, name = self.rng.choice(self.actions)
        before = self.arrived()
        began = time.monotonic()
        heard = action(name)
        if heard is None:
            return
        label = f"{action.__name__} {name}"
        self.moves[label] = self.moves.get(label, 0) + 1
        try:
            self.page.wait_for_function(
                "([name, before]) => (JSON.parse(document.querySelector('.probe').textContent || '{}')[name] || 0) "
                "> before",
                arg=[heard, before.get(heard, 0)],
                timeout=1000 * LOST,
                polling=50,
            )
            self.delays.append(time.monotonic() - began)
        except TimeoutError:
            self.lost.append(label)

    def press(self, name):
        by_icon = self.find(f"button:has(i.fa-{name})") if name.islower() else None
        part = by_icon or self.find(f"button:has-text('{name}')")
        if self.ready(part):
            part.click(timeout=1000 * LOST)
            return name

    def slide(self, name):
        handle = self.find(f".cnnlib-{name} .noUi-handle")
        if not self.ready(handle):
            return None
        now, low, high = (float(handle.get_attribute(f"aria-value{what}")) for what in ("now", "min", "max"))
        keys = [] if now >= high else ["ArrowRight"] * 6 + ["PageUp"] * 2 + ["End"]
        keys += [] if now <= low else ["ArrowLeft"] * 6 + ["PageDown"] * 2 + ["Home"]
        handle.focus()
        self.page.keyboard.press(self.rng.choice(keys))
        return name

    def tick(self, name):
        part = self.find(f".cnnlib-{name} input")
        if self.ready(part):
            part.click(timeout=1000 * LOST)
            return name

    def select(self, name):
        part = self.find(f".cnnlib-{name} select")
        if not self.ready(part):
            return None
        here, count = part.evaluate("e => [e.selectedIndex, e.options.length]")
        part.select_option(index=(here + self.rng.randrange(1, count)) % count, timeout=1000 * LOST)
        return name

    def pick(self, name):
        """Choose another run, or moment of it; the lists change by themselves meanwhile, so nothing is waited for."""
        part = self.find(f".cnnlib-{name} select")
        if self.ready(part) and (count := part.locator("option").count()):
            try:
                part.select_option(index=self.rng.randrange(count), timeout=2000)
            except Error:
                pass
            self.moves[name] = self.moves.get(name, 0) + 1

    def go_on_slower(self, name):
        part = self.find(f"button.cnnlib-{name}")
        if part.is_visible():
            part.click(timeout=1000 * LOST)
            return "step-forward"


class Soak:
    """The page and its kernel under observation."""

    def __init__(self, page, panel, reader):
        self.page, self.panel, self.reader = page, panel, reader
        self.began = time.monotonic()
        self.samples, self.looks, self.rests, self.faults, self.refused = [], [], [], [], 0
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("Performance.enable")
        page.on("pageerror", lambda error: self.faults.append(f"page: {error}"))
        page.on("console", lambda m: m.type == "error" and self.faults.append(f"console: {m.text}"))
        page.on("requestfailed", lambda request: self.faults.append(f"request: {request.url} {request.failure}"))
        page.on("response", lambda r: r.status >= 400 and self.faults.append(f"answer {r.status}: {r.url}"))
        self.kernel = psutil.Process(self.ask()["pid"])

    @property
    def now(self):
        """Seconds since the beginning."""
        return round(time.monotonic() - self.began, 1)

    def ask(self):
        """Return what the kernel says of itself."""
        run_cell(self.page, self.panel + 2)
        shown = outputs(self.page, self.panel + 2)[0]
        if "text" not in shown:
            raise RuntimeError(f"the kernel could not report: {shown}")
        return json.loads(shown["text"])

    def sample(self):
        """Measure the kernel from outside."""
        known = {"t": self.now, "memory": own_memory(self.kernel) / MB, "threads": self.kernel.num_threads()}
        self.samples.append(known | {"files": self.kernel.num_fds() if hasattr(self.kernel, "num_fds") else 0})
        return self.samples[-1]

    def look(self):
        """Measure the page, after its rubbish was collected, and ask the kernel."""
        self.cdp.send("HeapProfiler.collectGarbage")
        metrics = {m["name"]: m["value"] for m in self.cdp.send("Performance.getMetrics")["metrics"]}
        found = {"t": self.now, "heap": metrics["JSHeapUsedSize"] / MB, "elements": metrics["Nodes"]}
        found |= {"listeners": metrics["JSEventListeners"], "models": self.page.evaluate(MODELS)} | self.ask()
        self.looks.append(found)
        if found["error"] and any(words in found["error"] for words in REFUSED):
            self.refused += 1
        elif found["error"]:
            self.faults.append(f"panel: {found['error']}")
        return found

    def run_again(self):
        """Run the panel's cell again, whatever it is doing, and measure when it has come to rest.

        Before that the notebook is saved, by a key: JupyterLab holds each key that was pressed, and with it the panel
        it was pressed in, until a key is pressed that does something.
        """
        self.page.keyboard.press("Control+s")
        run_cell(self.page, self.panel)
        run_cell(self.page, self.panel + 1)
        for index in (self.panel, self.panel + 1):
            if any(output["output_type"] == "error" for output in outputs(self.page, index)):
                self.faults.append(f"cell: {outputs(self.page, index)}"[:2000])
        self.page.wait_for_timeout(1000 * SETTLED)
        self.rests.append(self.look() | self.sample())

    def go_on(self, minutes, reruns, rng):
        """Move things for so long and run the cell again at so many random moments."""
        self.run_again()
        end, last = 60 * minutes, 0.0
        again = sorted(rng.uniform(0, end) for _ in range(reruns))
        while self.now < end or again:
            if again and self.now >= again[0]:
                again.pop(0)
                self.run_again()
            if not self.samples or self.now - self.samples[-1]["t"] >= SAMPLE:
                self.sample()
            if self.now - self.looks[-1]["t"] >= LOOK:
                self.look()
            if self.now - last >= 60:
                last = self.now
                print(self.line(), flush=True)
            try:
                self.reader.move()
            except Error as error:
                self.faults.append(f"move: {error}"[:500])
            self.page.wait_for_timeout(1000 * rng.uniform(0.05, 1.0))
        self.reader.press("stop")
        self.run_again()

    def line(self):
        """Return in one line how it stands."""
        moves, look = sum(self.reader.moves.values()), self.looks[-1]
        return (
            f"{self.now / 60:5.1f} min  {moves} moves, {len(self.rests) - 1} run again, {len(self.reader.lost)} lost, "
            f"{len(self.faults)} faults | kernel {self.samples[-1]['memory']:.0f} MB, {self.samples[-1]['threads']} "
            f"threads, {look['comms']} comms | page {look['heap']:.0f} MB, {look['elements']:,} elements, "
            f"{look['models']} models | {look['runs']} runs, {look['moments']} states of {look['kept']:.0f} MB"
        )

    def verdict(self):
        """Return the slopes, (MB or elements a minute, its standard error) each, and a list of what is wrong."""
        half, first, last = self.now / 2, self.rests[0], self.rests[-1]
        slopes = {}
        for name, rows, key in (
            ("kernel", self.rests, "memory"), ("page", self.looks, "heap"), ("elements", self.looks, "elements"),
        ):  # fmt: skip
            late = [row for row in rows if row["t"] >= half]
            slopes[name] = (
                slope([row["t"] for row in late], [row[key] for row in late]) if late else (0.0, float("inf"))
            )
        wrong = [
            f"{name} grows, or this was too short to tell" for name in slopes if not flat(slopes[name], LIMITS[name])
        ]
        for key in ("comms", "widgets", "models", "names"):
            others = [row[key] for row in self.rests if row[key] != first[key]]
            wrong += [f"{key} at rest: {first[key]}, and {others[-1]} later"] if others else []
        trained = next((rest for rest in self.rests if rest["runs"]), last)  # the first run starts threads that stay
        if last["threads"] > trained["threads"]:
            wrong.append(f"threads at rest: {trained['threads']}, and {last['threads']} at the end")
        if last["alive"]["Trainer"] or last["alive"]["Figure"] > first["alive"]["Figure"]:
            wrong.append(f"not thrown away: {last['alive']}")
        wrong += [
            f"{len(these)} {what}" for what, these in (("lost", self.reader.lost), ("faults", self.faults)) if these
        ]
        return slopes, wrong


def report(soak, slopes, wrong):
    """Print the table, and return all as what goes to a file."""
    moves, delays = soak.reader.moves, sorted(soak.reader.delays) or [0.0]
    late = delays[int(0.95 * (len(delays) - 1))]
    print(f"\n{soak.now / 60:.1f} minutes, {sum(moves.values())} moves, {len(soak.rests) - 1} times run again")
    print(*[f"  {count:>5}  {name}" for name, count in sorted(moves.items())], sep="\n")
    print(
        f"a move reached the kernel after {statistics.median(delays):.2f} s (median), {late:.2f} s (95th percentile), "
    )
    print(f"  {delays[-1]:.2f} s (longest); lost: {len(soak.reader.lost)} {soak.reader.lost}")
    for name, (value, error) in slopes.items():
        unit = "elements" if name == "elements" else "MB"
        print(f"{name}: {value:+.2f} ± {error:.2f} {unit} a minute over the second half; allowed: {LIMITS[name]:g}")
    for key in ("memory", "threads", "files"):
        values = [sample[key] for sample in soak.samples]
        print(
            f"kernel, {key}: {values[0]:.0f} at first, {min(values):.0f} to {max(values):.0f}, {values[-1]:.0f} at last"
        )
    print("at rest (minute: MB, threads, files, comms, models on the page, its MB and elements; runs; alive):")
    for r in soak.rests[:: max(1, len(soak.rests) // 12)] + soak.rests[-1:]:
        print(
            f"  {r['t'] / 60:5.1f}: {r['memory']:.0f}, {r['threads']}, {r['files']}, {r['comms']}, {r['models']}, "
            f"{r['heap']:.1f}, {r['elements']:,}; {r['runs']}; {r['alive']}"
        )
    print(*[f"fault: {fault}" for fault in soak.faults[:20]], sep="\n")
    print("Nothing grew, nothing failed, nothing was lost." if not wrong else "NOT FLAT: " + "; ".join(wrong))
    print(f"choices refused by a sentence on the panel: {soak.refused}")
    names = ("samples", "looks", "rests", "faults", "refused")
    known = {"minutes": soak.now / 60, "moves": moves, "delays": delays, "lost": soak.reader.lost, "wrong": wrong}
    return known | {"slopes": slopes} | {name: getattr(soak, name) for name in names}


def open_panel(page, address, mended=True):
    """Open the chapter's panel in a notebook of its own cells; return the panel's cell."""
    open_notebook(page, address, "soak.ipynb")
    if mended:
        page.evaluate(MENDED)
    page.wait_for_timeout(2000)
    count = page.evaluate(f"() => {NOTEBOOK}.content.widgets.length")
    for index in range(count - 1):
        run_cell(page, index)
    page.locator(".probe").wait_for(state="attached")
    return count - 3


def write_notebook(folder):
    """Write the cells of the chapter that its panel needs, then those that watch it."""
    sources = [cell.source for cell in nbformat.read(CHAPTER, as_version=4).cells if cell.cell_type == "code"]
    chosen = [source for source in sources if any(word in source for word in CELLS)]
    if len(chosen) != len(CELLS):
        raise RuntimeError(f"{CHAPTER.name} has changed: expected one cell with each of {CELLS}.")
    chosen.insert(1, "SGD = partial(torch.optim.SGD, momentum=0.9)")
    cells = list(map(new_code_cell, [*chosen, WATCH, REPORT]))
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), Path(folder, "soak.ipynb"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long things are moved")
    parser.add_argument("--reruns", type=int, help="how often the cell is run again; 50 in half an hour unless given")
    parser.add_argument("--seed", type=int, default=0, help="of the moves")
    parser.add_argument("--as-it-is", action="store_true", help="count what JupyterLab itself keeps, too")
    parser.add_argument("--file", type=Path, default=FILE, help="where all figures go")
    wanted = parser.parse_args()
    if not wanted.minutes > 0:
        parser.error(f"--minutes must be above 0, got {wanted.minutes:g}.")
    reruns = max(2, round(wanted.minutes * 50 / 30)) if wanted.reruns is None else wanted.reruns
    rng = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory() as folder:
        write_notebook(folder)
        with jupyterlab(folder, without=() if wanted.as_it_is else [TOOLBARS]) as address, chromium() as page:
            panel = open_panel(page, address, not wanted.as_it_is)
            soak = Soak(page, panel, Reader(page, rng))
            soak.go_on(wanted.minutes, reruns, rng)
    slopes, wrong = soak.verdict()
    record = report(soak, slopes, wrong)
    wanted.file.parent.mkdir(parents=True, exist_ok=True)
    wanted.file.write_text(json.dumps(record, indent=1), encoding="utf-8")
    sys.exit(bool(wrong))
