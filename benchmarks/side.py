"""What all benchmarks share: run a function in a fresh kernel or process, describe the machine, write the report.

A measured piece of work is a function of one of these modules that takes and returns plain values. It runs in a fresh
Jupyter kernel with a page (`kernel`, where a display is involved), in a fresh Python (`process`), or in this very
program (`here`, to try a benchmark out).
"""

import argparse
import ast
import gzip
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLACES = ("kernel", "process", "here")
QUIET = 0.05  # the part of the cores that other programs may use during a run
ATTEMPTS = 3  # at one run, if other programs disturb it
LIMIT = 1800  # seconds that one run may take
PACKAGES = (
    "torch", "torchvision", "matplotlib", "ipykernel", "ipywidgets", "d2l", "skorch", "lightning", "fastai",
    "livelossplot", "fastprogress",
)  # fmt: skip


@contextmanager
def workplace():
    """Yield a folder in which torchvision, called by d2l, finds Fashion-MNIST: nothing is downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "data", "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for packed in (ROOT / "cnnlib" / "datasets" / "data").glob("*.gz"):
            with gzip.open(packed) as source, open(raw / packed.stem, "wb") as target:
                shutil.copyfileobj(source, target)
        work = Path(folder, "work")
        work.mkdir()
        yield work


def measure(module, function, settings, place, folder=None, patience=0):
    """Run `function(**settings)` of a module of this folder and return what it returned.

    Parameters
    ----------
    module, function : str
    settings : dict
        Plain values.
    place : str
        One of `PLACES`.
    folder : Path, optional
        The working folder of the kernel or process; this folder by default.
    patience : float
        For how many seconds to wait for a quiet machine. A run during which other programs used more than 5 % of the
        cores is then repeated, up to three times: beside one busy program, two threads of PyTorch on two cores are
        ten times slower, not half as fast. With 0, neither: the run counts as it is.

    Returns
    -------
    dict
        With 'others' added: which part of the cores other programs used; None where the system does not count it.

    Raises
    ------
    RuntimeError
        If the work failed; the message is its traceback.
    """
    folder = HERE if folder is None else folder
    for attempt in range(ATTEMPTS if patience else 1):
        _wait_until_quiet(patience)
        start, busy, own = time.perf_counter(), _busy_seconds(), _own_seconds()
        result = _run(module, function, settings, place, folder)
        if busy is None:
            return {**result, "others": None}
        others = _busy_seconds() - busy - (_own_seconds() - own)
        result["others"] = max(0.0, others / (time.perf_counter() - start) / os.cpu_count())
        if result["others"] < QUIET or attempt == ATTEMPTS - 1 or not patience:
            return result
        print(f"other programs used {result['others']:.0%} of the processor: once more", flush=True)


def _run(module, function, settings, place, folder):
    if place == "here":
        with chdir(folder):
            return getattr(importlib.import_module(module), function)(**settings)
    call = f"{module}.{function}(**{settings!r})"
    path = os.pathsep.join(filter(None, [str(HERE), str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "CNNLIB_LIVE": "1", "PYTHONPATH": path}
    if place == "kernel":
        return run_in_kernel([f"import {module}", f"result = {call}"], folder, env)
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch, "answer.json")
        write = f"open({str(answer)!r}, 'w').write(json.dumps({call}))"
        command = [sys.executable, "-c", f"import json, {module}; {write}"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(answer.read_text())


def run_in_kernel(code, folder, env):
    """Run cells in a fresh kernel, as an open notebook does, and return the `result` of the last.

    `result` must be a dict of plain values; 'shown' is added, the number of pictures that the page was sent.
    """
    from jupyter_client.manager import start_new_kernel

    quiet = ["--log-level=40"]  # errors only
    manager, client = start_new_kernel(startup_timeout=120, cwd=str(folder), env=env, extra_arguments=quiet)
    pictures = []

    def drain(message):
        content, kind = message["content"], message["msg_type"]
        if kind in ("display_data", "update_display_data"):
            pictures.extend(mime for mime in content["data"] if mime in ("image/png", "image/svg+xml"))
        elif kind == "comm_msg" and message["buffers"]:
            pictures.append("widget")

    try:
        for number, cell in enumerate(code):
            ask = {"result": "__import__('json').dumps(result)"} if number == len(code) - 1 else None
            reply = client.execute_interactive(cell, user_expressions=ask, output_hook=drain, timeout=LIMIT)
            if reply["content"]["status"] != "ok":
                raise RuntimeError("\n".join(reply["content"]["traceback"]))
        answer = reply["content"]["user_expressions"]["result"]["data"]["text/plain"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return {**json.loads(ast.literal_eval(answer)), "shown": len(pictures)}


def _wait_until_quiet(patience):
    end = time.perf_counter() + patience
    while (before := _busy_seconds()) is not None and time.perf_counter() < end:
        time.sleep(2)
        if _busy_seconds() - before < QUIET * 2 * os.cpu_count():
            return


def _busy_seconds():
    """Return for how long all cores together have been busy since the machine started; None if unknown."""
    if not Path("/proc/stat").exists():
        return None
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_seconds():
    """Return the processor time of this program and of the kernels and processes that it has seen end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def parser(text, repeats, place):
    """Return a parser of the options that all benchmarks take."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write all figures here, as JSON, and the tables beside it, as .md")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"runs of each kind (default {repeats})")
    parser.add_argument("--place", choices=PLACES, default=place, help=f"where each run goes (default {place})")
    parser.add_argument(
        "--patience", type=float, default=120, metavar="SECONDS",
        help="wait so long for a quiet machine before each run, and repeat a disturbed one; 0: neither (default 120)",
    )  # fmt: skip
    return parser


def machine():
    """Return hardware and versions, so that a figure can be read without its machine."""
    import torch

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
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        **versions,
        "torch": str(torch.__version__),  # with its kind of build
    }


def disturbed(runs):
    """Say, for the last column of a table, how much of the cores other programs used in the worst of some runs."""
    shares = [run["others"] for run in runs if run.get("others") is not None]
    return "?" if not shares else f"{max(shares):.0%}" + (" (!)" if max(shares) > QUIET else "")


def report(tables, facts, figures, out):
    """Print tables and the machine's facts; with a path, write all of it there as JSON, and the tables as Markdown.

    Parameters
    ----------
    tables : dict of str to Table
        By title.
    facts, figures : dict
    out : Path or None
    """
    known = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    for title, table in tables.items():
        print(f"\n{title}\n\n{table!r}")
    print(f"\n{known}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        kept = {title: [table.head, *table.rows] for title, table in tables.items()}
        out.write_text(json.dumps({"machine": facts, "tables": kept, **figures}, indent=1) + "\n", encoding="utf-8")
        parts = [f"## {title}\n\n{table._repr_markdown_()}\n" for title, table in tables.items()]
        out.with_suffix(".md").write_text("\n".join([*parts, known]) + "\n", encoding="utf-8")
