"""A hub of its own for the load test: on loopback, in a temporary folder, gone when the test ends."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests

HERE = Path(__file__).resolve().parent
PASSWORD = "only on loopback"
CHAPTER, PANEL = "01_lenet.ipynb", "apps/playground.ipynb"
SEEN = {CHAPTER: 47, PANEL: 20}  # steps: two points of a curve, a tenth of an epoch each, are the first stroke to see
NOBODY = 65534

OPEN_TO_TESTS = """
load_subconfig({config!r})
c = get_config()
c.Spawner.args = ["--LabApp.expose_app_in_browser=True"]
"""


# what root may start, the account that it turns into may not start again
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"


def free_port():
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def hub(folder, seats, deadline, extra=""):
    """Start the hub; yield its address. As root it runs as `nobody`, on a copy of the course that `nobody` may read."""
    folder.mkdir(parents=True)
    course = HERE.parent
    start = [sys.executable, "-m", "jupyterhub", "-f", str(folder / "config.py")]
    # a login's own name and thread count would be measured along
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CNNLIB", "JUPYTER", "OMP", "XDG"))}
    if os.geteuid() == 0:
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if subprocess.run([*as_nobody, sys.executable, "-c", CHILD], capture_output=True).returncode:
            raise RuntimeError(
                f"the account nobody, as which this runs the hub, cannot run {sys.executable}. Run this as an ordinary "
                "user, or with a Python that everybody may read."
            )
        course = folder / "course"
        for part in ("cnnlib", "notebooks", "tools", "hub"):
            skip = shutil.ignore_patterns("__pycache__", "class", "results", ".*")
            shutil.copytree(HERE.parent / part, course / part, ignore=skip)
        start = [*as_nobody, *start]
    config = OPEN_TO_TESTS.format(config=str(course / "hub" / "jupyterhub_config.py")) + extra
    (folder / "config.py").write_text(config, encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    start += [f"--JupyterHub.hub_port={free_port()}", f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{free_port()}"]
    environment |= {
        "HOME": str(folder), "PYTHONPATH": str(course), "PYTHONDONTWRITEBYTECODE": "1", "CNNLIB_HUB_PASSWORD": PASSWORD,
        "CNNLIB_HUB_SEATS": str(seats), "CNNLIB_HUB_ADDRESS": address, "CNNLIB_HUB_FOLDER": str(folder / "class"),
    }  # fmt: skip
    if os.geteuid() == 0:
        for path in (folder.parent, folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    with open(folder.parent / f"{folder.name}.log", "w") as log:
        process = subprocess.Popen(start, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        while True:
            with suppress(requests.RequestException):
                if requests.get(f"http://{address}/hub/login", timeout=5).ok:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the hub did not start:\n{Path(log.name).read_text()[-2000:]}")
            time.sleep(0.5)
        yield f"http://{address}"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        for left in students_processes(folder):  # a kernel whose server was killed
            with suppress(psutil.Error):
                left.kill()


def students_processes(folder):
    """Return the processes that belong to the students of the hub in a folder."""
    return [process for process, home in homes() if home.startswith(str(folder))]


def homes():
    """Yield each process with its HOME, as far as it may be read."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            yield process, process.environ().get("HOME", "")


def memory_of_students(folder):
    """Return student → bytes of all their processes: (proportional, private, private to the server alone).

    What is shared counts once in all of the proportional ones.
    """
    found = {}
    for process, home in homes():
        if home.startswith(str(folder / "class" / "students")):
            with suppress(OSError):
                lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
                size = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
                before = found.get(Path(home).name, (0, 0, 0))
                own = size["Private_Clean"] + size["Private_Dirty"]
                server = own if "jupyterhub.singleuser" in process.cmdline() else 0
                found[Path(home).name] = (before[0] + size["Pss"], before[1] + own, before[2] + server)
    return found


def watch(folder, stop, peaks):
    """Every two seconds keep the largest memory of each student."""
    while not stop.wait(2):
        for name, sizes in memory_of_students(folder).items():
            peaks[name] = max(peaks.get(name, (0, 0, 0)), sizes)
