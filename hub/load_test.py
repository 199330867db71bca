"""Try a class on this machine: start the hub on loopback, log students in, let all of them work at once, and measure.

    python hub/load_test.py --students 4

The hub is the one of `make hub`, in a temporary folder and on free ports. One student sits at a real browser if this
machine has Chromium, the others speak HTTP and WebSockets as a page does. At the same moment all run chapter 1 up to
its first live run, then the playground. Then one computes with eight threads, with the limits and without, and one
asks for all the memory. It ends by itself, in about five minutes; nothing stays but the report.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from harness import CHAPTER, PANEL, PASSWORD, SEEN, homes, hub, memory_of_students, students_processes, watch
from report import show
from visitor import Visitor

HERE = Path(__file__).resolve().parent

NO_LIMITS = """
c.Spawner.cmd = c.Spawner.cmd[c.Spawner.cmd.index("--") + 1 :]
c.Spawner.environment = {k: v for k, v in c.Spawner.environment.items() if "THREAD" not in k}
"""
WORK = """
import time, torch
from cnnlib.models import lenet, xavier_
def steps(seconds=5.0):
    torch.manual_seed(0)
    net, X, y = xavier_(lenet()), torch.rand(256, 1, 28, 28), torch.randint(10, (256,))
    optimizer, done, began = torch.optim.SGD(net.parameters(), lr=0.1), 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(X), y).backward()
        optimizer.step()
        done += 1
    return done / (time.perf_counter() - began)
steps(1.0)
"""
GREEDY = {  # one matrix product that asks for eight threads; eight threads with a product each
    "eight threads for one product": """
torch.set_num_threads(8)
A = torch.rand(1500, 1500)
while True: A @ A
""",
    "eight products at once": """
import threading
torch.set_num_threads(8)
A, hungry = torch.rand(1500, 1500), True
def eat():
    while hungry: A @ A
eaters = [threading.Thread(target=eat) for _ in range(8)]
for eater in eaters: eater.start()
try:
    for eater in eaters: eater.join()
finally:
    hungry = False
""",
}
HOARD = """
blocks, size = [], 2**26
try:
    while True: blocks.append(torch.ones(size // 4))
finally:
    print(len(blocks) * size); blocks.clear()
"""


def live_cells(sources):
    """Return the cells of a chapter before its first live run, and that run."""
    run = next(i for i, source in enumerate(sources) if "= fit(" in source)
    return sources[:run], sources[run]


class Scripted:
    """A student without a screen, in the steps of the test."""

    def __init__(self, address, name, deadline):
        self.visitor = Visitor(address, name, PASSWORD, deadline)
        self.name = name

    def arrive(self):
        status = self.visitor.log_in()
        if status >= 400:
            raise RuntimeError(f"{self.name}: the hub answered {status}")
        self.visitor.wait_for_server()

    def chapter(self):
        before, run = live_cells(self.visitor.cells(CHAPTER))
        self.kernel = self.visitor.open(CHAPTER)
        for source in before:
            self.kernel.run(source)
        pressed = time.monotonic()
        self.cell = self.kernel.start(run)
        self.kernel.wait_for_curve(SEEN[CHAPTER])
        return pressed, time.monotonic()

    def look_on(self):
        self.kernel.look_on(4)

    def stop_chapter(self):
        self.kernel.interrupt()
        self.kernel.finish(self.cell)

    def panel(self):
        self.second = self.visitor.open(PANEL)
        for source in self.visitor.cells(PANEL):
            self.second.run(source)
        pressed = time.monotonic()
        self.second.press("Start")
        self.second.wait_for_curve(SEEN[PANEL])
        return pressed, time.monotonic()

    def stop_panel(self):
        self.second.press("Stop")

    def steps(self):
        """Train for five seconds; return steps a second."""
        return float(self.kernel.run("print(steps())"))


def crowd(students, act):
    """Let all students do something at once; return what each returned and how many seconds it took."""

    def timed(student):
        began = time.monotonic()
        value = getattr(student, act)()
        return value, time.monotonic() - began

    print(f"{len(students)} at once: {act.replace('_', ' ')} …", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(len(students)) as pool:
        return list(pool.map(timed, students))


def to_curve(students, act):
    """Let all students run a notebook at once; return the seconds to the first points of its curve."""
    began = time.monotonic()
    moments = [moments for moments, _ in crowd(students, act)]
    return {"press to curve": [seen - pressed for pressed, seen in moments],
            "open to curve": [seen - began for _, seen in moments]}  # fmt: skip


def fairness(greedy, others, kinds=GREEDY):
    """Return how many steps a second the others make beside a greedy student, for each kind of greed."""
    found = {"nobody": [value for value, _ in crowd(others, "steps")]}
    for kind, source in kinds.items():
        cell = greedy.kernel.start(source)
        greedy.kernel.look_on(2)
        found[kind] = [value for value, _ in crowd(others, "steps")]
        greedy.kernel.interrupt()
        greedy.kernel.finish(cell)
    return found


def hoarding(greedy, others):
    """Let one student ask for memory without end; return what came of it, and how the others did meanwhile."""
    cell = greedy.kernel.start(HOARD)
    speeds = [value for value, _ in crowd(others, "steps")]
    held = greedy.kernel.finish(cell)
    outcome = {
        "held": int(held or 0), "error": greedy.kernel.error, "kernel lives": greedy.kernel.alive, "others": speeds,
    }  # fmt: skip
    greedy.kernel.run("1 + 1")
    return outcome


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--students", type=int, default=4)
    arguments.add_argument("--minutes", type=float, default=8, help="after so many all stops; a busy machine needs 15")
    arguments.add_argument("--report", type=Path, default=HERE / "load.json")
    arguments.add_argument("--pictures", type=Path, help="a folder for pictures of the browser's pages")
    arguments.add_argument("--no-browser", action="store_true")
    wish = arguments.parse_args()
    if wish.students < 3:
        arguments.error("at least 3 students are needed: one to be greedy, one to suffer, one at the browser")
    deadline = time.monotonic() + 60 * wish.minutes
    place = Path(tempfile.mkdtemp(prefix="cnnlib-hub-"))
    result = {}
    try:
        measure(wish, place, deadline, result)
    except BaseException:
        wish.report.write_text(json.dumps(result, indent=1), encoding="utf-8")  # what there is
        for log in place.glob("*.log"):
            print(f"--- the end of {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
        raise
    finally:
        shutil.rmtree(place, ignore_errors=True)
    result["left behind"] = len(students_processes(place))
    wish.report.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(show(result))


def measure(wish, place, deadline, result):
    """Run the whole test; note in `result` what was measured, in seconds, bytes and steps a second."""
    names = [f"student-{i + 1}" for i in range(wish.students)]
    result |= {
        "cores": len(os.sched_getaffinity(0)), "memory": psutil.virtual_memory().total, "students": wish.students,
        "load before": os.getloadavg()[0], "system": platform.platform(), "python": platform.python_version(),
    }  # fmt: skip
    folder, began = place / "class-with-limits", time.monotonic()
    with hub(folder, wish.students, deadline) as address:
        result["hub started"] = time.monotonic() - began
        students = [Scripted(address, name, deadline) for name in names]
        if not wish.no_browser and importlib.util.find_spec("playwright"):
            from onlooker import Onlooker

            students[-1] = Onlooker(address, names[-1], PASSWORD, deadline, wish.pictures)
        scripted = [s for s in students if isinstance(s, Scripted)]
        result["browsers"] = len(students) - len(scripted)
        peaks, stop = {}, threading.Event()
        watcher = threading.Thread(target=watch, args=(folder, stop, peaks))
        watcher.start()
        try:
            result["logged in"] = [seconds for _, seconds in crowd(students, "arrive")]
            result["chapter"] = to_curve(students, "chapter")
            crowd(students, "look_on")
            result["memory, chapter"] = memory_of_students(folder)
            crowd(students, "stop_chapter")
            result["panel"] = to_curve(students, "panel")
            result["memory, chapter and panel"] = memory_of_students(folder)
            result["hub's memory"] = sum(p.memory_info().rss for p, home in homes() if home == str(folder))
            crowd(students, "stop_panel")
            one_more = Visitor(address, "one-more", PASSWORD, deadline).log_in()
            result["one student too many"] = one_more
            for student in scripted:
                student.kernel.run(WORK)
            result["alone"] = scripted[0].steps()
            result["all at once"] = [value for value, _ in crowd(scripted, "steps")]
            result["greedy, limits"] = fairness(scripted[0], scripted[1:])
            result["memory, most"] = dict(peaks)  # before one of them asks for all
            result["hoarding"] = hoarding(scripted[0], scripted[1:])
        finally:
            stop.set()
            watcher.join()
            for student in students:
                if not isinstance(student, Scripted):
                    student.leave()
    with hub(place / "class-without-limits", wish.students, deadline, NO_LIMITS) as address:
        students = [Scripted(address, name, deadline) for name in names[: len(scripted)]]
        crowd(students, "arrive")
        for student in students:
            student.kernel = student.visitor.open(CHAPTER)
            student.kernel.run(WORK)
        result["greedy, no limits"] = fairness(students[0], students[1:])
    result["seconds"] = time.monotonic() - began


if __name__ == "__main__":
    main()
