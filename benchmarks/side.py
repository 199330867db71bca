"""What both benchmarks share: run code in a real Jupyter kernel, describe the machine, write the report."""

import argparse
import ast
import gzip
import json
import os
import platform
import shutil
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).resolve().parents[1]
QUIET = 0.05  # the part of the cores that other programs may use during a run
PACKAGES = ("torch", "torchvision", "matplotlib", "matplotlib-inline", "ipykernel", "ipywidgets", "d2l")


@contextmanager
def workplace():
    """Yield a folder in which d2l's loader finds Fashion-MNIST where it looks for it, so nothing is downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "data", "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for packed in (ROOT / "cnnlib" / "datasets" / "data").glob("*.gz"):
            with gzip.open(packed) as source, open(raw / packed.stem, "wb") as target:
                shutil.copyfileobj(source, target)
        work = Path(folder, "work")
        work.mkdir()
        yield work


def run_in_kernel(code, folder):
    """Run `code` in a fresh kernel, as cells of a notebook that somebody looks at, and return its `result`.

    Parameters
    ----------
    code : sequence of str
        Cells. The last one must leave a dict of plain values under the name `result`.
    folder : Path
        The kernel's working folder.

    Returns
    -------
    dict
        `result`, and under 'shown' how many pictures the page was sent, under 'text' what was printed.
    """
    env = {**os.environ, "CNNLIB_LIVE": "1", "PYTHONPATH": str(ROOT)}
    manager, client = start_new_kernel(startup_timeout=120, cwd=str(folder), env=env)
    pictures, text = [], []

    def drain(message):
        content, kind = message["content"], message["msg_type"]
        if kind in ("display_data", "update_display_data"):
            pictures.extend(mime for mime in content["data"] if mime in ("image/png", "image/svg+xml"))
        elif kind == "comm_msg" and message["buffers"]:
            pictures.append("widget")
        elif kind == "stream":
            text.append(content["text"])

    try:
        for number, cell in enumerate(code):
            last = number == len(code) - 1
            ask = {"result": "__import__('json').dumps(result)"} if last else None
            reply = client.execute_interactive(cell, user_expressions=ask, output_hook=drain, timeout=1800)
            if reply["content"]["status"] != "ok":
                raise RuntimeError("\n".join(reply["content"]["traceback"]))
        answer = reply["content"]["user_expressions"]["result"]["data"]["text/plain"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return {**json.loads(ast.literal_eval(answer)), "shown": len(pictures), "text": "".join(text)}


def run_undisturbed(code, folder, attempts=20):
    """Run as `run_in_kernel` does when the machine is quiet; again, if other programs took their share of it.

    Two threads of PyTorch that share two cores with one busy program are ten times slower, not half as fast, so a
    disturbed run tells nothing. Under 'others' the result holds what part of the cores other programs used.
    """
    for attempt in range(attempts):
        _wait_until_quiet()
        start, busy, own = time.perf_counter(), _busy_seconds(), _own_seconds()
        result = run_in_kernel(code, folder)
        if busy is None:
            return {**result, "others": None}
        others = _busy_seconds() - busy - (_own_seconds() - own)
        result["others"] = others / (time.perf_counter() - start) / os.cpu_count()
        if result["others"] < QUIET or attempt == attempts - 1:
            return result
        print(f"other programs used {result['others']:.0%} of the processor: once more", flush=True)


def _wait_until_quiet(patience=600):
    end = time.perf_counter() + patience
    while (before := _busy_seconds()) is not None and time.perf_counter() < end:
        time.sleep(3)
        if _busy_seconds() - before < QUIET * 3 * os.cpu_count():
            return


def _busy_seconds():
    """Return for how long all cores together have been busy since the machine started; None where nobody counts."""
    if not Path("/proc/stat").exists():
        return None
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_seconds():
    """Return the processor time of this program and of its kernels that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def arguments(text, repeats):
    """Parse the command line that both benchmarks take."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"runs of each kind (default {repeats})")
    return parser.parse_args()


def machine():
    """Return hardware and versions, so that a figure can be read without its machine."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        **versions,
    }


def report(head, rows, facts, figures, out):
    """Print a table and the machine's facts; write all of it to `out` as JSON if a path is given."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for row in table:
        print(row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)), sep="  ")
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"machine": facts, **figures}, indent=1) + "\n", encoding="utf-8")
