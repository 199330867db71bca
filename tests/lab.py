"""A real JupyterLab and a real browser for the tests that need them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "chrome")
HOW_TO_GET_ONE = (
    "no Chromium or Chrome on this machine: the browser tests need one. On Debian or Ubuntu: sudo apt install "
    "chromium; elsewhere: .venv/bin/playwright install chromium; or set CNNLIB_BROWSER to the program."
)
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def find_browser(playwright):
    """Return the path of a Chromium; without one skip the test, or fail it where CNNLIB_REQUIRE_BROWSER is set."""
    own = playwright.chromium.executable_path
    found = os.environ.get("CNNLIB_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found or os.path.exists(own):
        return found or own
    (pytest.fail if os.environ.get("CNNLIB_REQUIRE_BROWSER") else pytest.skip)(HOW_TO_GET_ONE)


@contextmanager
def jupyterlab(folder, settings=None, without=()):
    """Start JupyterLab on `folder`, with settings of its own; yield its address.

    `settings` maps the names of apputils-extension's plugins to what is set there; the extensions named by `without`
    are switched off.
    """
    home = Path(folder, ".home")
    places = {name: str(home / name) for name in ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR")}
    environment = os.environ | {f"JUPYTER_{name}": place for name, place in places.items()}
    environment |= {
        "HOME": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    environment.pop("CNNLIB_LIVE", None)
    extension = home / "settings" / "@jupyterlab" / "apputils-extension"
    extension.mkdir(parents=True, exist_ok=True)
    quiet = {"notification": {"fetchNews": "false"}}  # or a notice lies over the page
    for plugin, values in (quiet | (settings or {})).items():
        (extension / f"{plugin}.jupyterlab-settings").write_text(json.dumps(values), encoding="utf-8")
    page_config = home / "CONFIG_DIR" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True, exist_ok=True)
    page_config.write_text(json.dumps({"disabledExtensions": dict.fromkeys(without, True)}), encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    with serving(command, environment, home) as address:
        yield address


OPTIONS = (
    "--no-browser", "--allow-root", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
    "--LabApp.expose_app_in_browser=True", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)  # fmt: skip


@contextmanager
def serving(command, environment, home, cwd=None, options=OPTIONS):
    """Start a server by a command, on a port of its own; yield its address once it answers."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    address, command = f"http://127.0.0.1:{port}", [*command, *options, f"--port={port}"]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=cwd)
        try:
            for _ in range(800):
                try:
                    urllib.request.urlopen(f"{address}/api", timeout=5)
                    break
                except urllib.error.HTTPError:  # it answers, and has no such page
                    break
                except OSError:
                    assert server.poll() is None, Path(home, "log").read_text()
                    time.sleep(0.25)
            yield address
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def page_of(folder, settings=None, **size):
    """Start JupyterLab on `folder` and a browser; yield a page that knows the server by `page.address`."""
    with jupyterlab(folder, settings) as address, chromium(**size) as page:
        page.address = address
        yield page


@contextmanager
def chromium(width=1280, height=900):
    """Start a headless browser; yield a page, as `new_page` does."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = QUIET + (["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])
        browser = playwright.chromium.launch(executable_path=find_browser(playwright), args=arguments)
        yield new_page(browser, width, height)
        browser.close()


def new_page(browser, width=1280, height=900):
    """Open a page that keeps a list of its errors in `page.errors`."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page


def write_notebook(path, cells):
    """Write a notebook of code cells: each a source, or a cell as another notebook holds it."""
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), path)


NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"  # until the page has loaded there is no application


def open_notebook(page, address, path, workspace="default"):
    """Open a notebook and wait until its kernel is ready; a workspace of its own shows no notebook of others."""
    page.goto(f"{address}/lab/workspaces/{workspace}/tree/{path}")
    page.wait_for_function(
        f"path => {NOTEBOOK}?.context?.path === path && {NOTEBOOK}.sessionContext.session?.kernel?.status === 'idle'",
        arg=path,
        timeout=90_000,
    )


def scroll_to(page, index):
    """Bring a cell into view: an older JupyterLab hides what is out of sight."""
    page.evaluate(f"i => {NOTEBOOK}.content.scrollToItem(i, 'center')", index)


def run_cell(page, index, wait=True):
    """Run one cell; with `wait`, until it has ended."""
    page.evaluate(
        f"i => {{ const w = {NOTEBOOK}; w.content.activeCellIndex = i; "
        "window.jupyterapp.commands.execute('notebook:run-cell'); }",
        index,
    )
    if wait:
        wait_for_cell(page, index)


def wait_for_cell(page, index, timeout=300_000):
    """Wait until a cell has run."""
    page.wait_for_function(
        f"i => {{ const m = {NOTEBOOK}.content.widgets[i].model; "
        "return m.executionState === 'idle' && m.executionCount; }",
        arg=index,
        timeout=timeout,
    )


def wait_for_status(page, pattern, timeout=60_000):
    """Wait until the status line of a run matches a pattern."""
    from playwright.sync_api import TimeoutError

    text = "[...document.querySelectorAll('.cnnlib-status')].at(-1)?.textContent"
    try:
        page.wait_for_function(f"pattern => new RegExp(pattern).test({text})", arg=pattern, timeout=timeout)
    except TimeoutError as error:
        shown = page.locator(".cnnlib-status").all_text_contents()
        raise AssertionError(f"the status line says {shown}, expected {pattern!r}") from error


def press(page, name):
    """Press a button of the panel."""
    page.locator(".cnnlib-playground").get_by_role("button", name=name).last.click()


def start(page):
    """Press Start and wait until some steps are done."""
    press(page, "Start")
    wait_for_status(page, r"training.*step [1-9]\d")


def outputs(page, index):
    """Return the outputs of a cell as the notebook would store them."""
    return page.evaluate(f"i => {NOTEBOOK}.content.widgets[i].model.outputs.toJSON()", index)


def save(page):
    """Save the notebook."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function(f"() => !{NOTEBOOK}.context.model.dirty")


def watch(page, selector, part="innerHTML"):
    """From now on note when a part of what `selector` finds last changes, and when the reader does something."""
    page.evaluate(
        """([selector, part]) => {
            const look = () => [...document.querySelectorAll(selector)].at(-1)?.[part];
            window.drawn = 0; window.when = performance.now(); let before = look();
            window.watching?.disconnect();
            window.watching = new MutationObserver(() => {
                const now = look();
                if (now && now !== before) { before = now; window.drawn += 1; window.when = performance.now(); }
            });
            window.watching.observe(document.body, {subtree: true, childList: true, characterData: true});
            for (const kind of ['keydown', 'change', 'click']) document.addEventListener(
                kind, () => { window.moved = performance.now(); }, true);
        }""",
        [selector, part],
    )


def settle(page, milliseconds):
    """Wait until what is watched has not been drawn for a while: a late drawing is no answer to the next move."""
    page.wait_for_function("ms => performance.now() - window.when > ms", arg=milliseconds)


def moved(page, action, times=1):
    """Do something, wait until what is watched has been drawn anew; return the milliseconds from one to the other."""
    before = page.evaluate("window.drawn")
    action()
    page.wait_for_function("before => window.drawn >= before", arg=before + times)
    return page.evaluate("window.when - window.moved")
