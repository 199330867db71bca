"""A student at a real browser, for the load test: the same steps as those without a screen, by the page itself."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from harness import CHAPTER, PANEL, SEEN  # noqa: E402
from lab import NOTEBOOK, chromium, open_notebook, run_cell  # noqa: E402

CURVE = """steps => {
    const told = document.querySelector('.jp-MainAreaWidget:not(.lm-mod-hidden) .cnnlib-status')?.textContent;
    return +(/step ([0-9,]+)/.exec(told)?.[1] ?? '0').replaceAll(',', '') >= steps;
}"""


class Onlooker:
    """One browser with one page. A browser answers only the thread that started it, so it has one of its own."""

    def __init__(self, address, name, password, deadline, pictures=None):
        self.address, self.name, self.password, self.deadline = address, name, password, deadline
        self.home, self.pictures = f"{address}/user/{name}", pictures
        self._thread = ThreadPoolExecutor(1)
        self._browser = self._page = None
        self._lock = threading.Lock()

    def _do(self, act):
        with self._lock:
            return self._thread.submit(act).result(max(1.0, self.deadline - monotonic()))

    def _picture(self, name):
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self._page.screenshot(path=self.pictures / f"{name}.png")

    def arrive(self):
        return self._do(self._arrive)

    def _arrive(self):
        self._browser = chromium()
        page = self._page = self._browser.__enter__()
        page.set_default_timeout(180_000)
        page.goto(f"{self.address}/hub/login")
        page.get_by_label("Username").fill(self.name)
        page.get_by_label("Password").fill(self.password)
        self._picture("login")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_function(f"() => {NOTEBOOK}?.context?.path === '{CHAPTER}'")

    def chapter(self):
        return self._do(lambda: self._run(CHAPTER, "fit("))

    def panel(self):
        return self._do(lambda: self._run(PANEL, None))

    def _run(self, path, last):
        """Run a notebook's cells up to the live one; return the moments of pressing and of the first points."""
        page = self._page
        open_notebook(page, self.home, path)
        code = page.evaluate(
            f"() => {NOTEBOOK}.content.widgets.map(w => w.model.type === 'code' ? w.model.sharedModel.source : '')"
        )
        live = next((i for i, source in enumerate(code) if last and f"= {last}" in source), len(code))
        for index, source in enumerate(code[:live]):
            if source:
                run_cell(page, index)
        pressed = monotonic()
        if last:
            run_cell(page, live, wait=False)
            page.locator(".cnnlib-status").wait_for(state="attached")
        else:
            page.locator(".cnnlib-playground button:has-text('Start')").click()
        page.wait_for_function(CURVE, arg=SEEN[path])
        seen = monotonic()
        page.wait_for_timeout(2500)
        if self.pictures:
            page.locator(".cnnlib-chart").last.scroll_into_view_if_needed()
        self._picture("chapter" if last else "playground")
        return pressed, seen

    def look_on(self):
        self._do(lambda: self._page.wait_for_timeout(2000))

    def stop_chapter(self):
        self._do(lambda: self._page.locator("button:has-text('Stop')").first.click())

    def stop_panel(self):
        self._do(lambda: self._page.locator(".cnnlib-playground button:has-text('Stop')").click())

    def leave(self):
        """Close the browser."""

        def close():
            if self._browser is not None:
                self._browser.__exit__(None, None, None)

        self._do(close)
        self._thread.shutdown()
