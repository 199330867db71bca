"""Firefox over WebDriver BiDi, without a driver between: the little of it that the tests need."""

import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest
import websocket

NAMES = ("firefox-esr", "firefox")
HOW_TO_GET_ONE = "no Firefox on this machine. On Debian: sudo apt install firefox-esr; or set CNNLIB_FIREFOX."


class Firefox:
    """A page of a Firefox that listens on a WebSocket."""

    def __init__(self, address):
        self.socket = websocket.create_connection(f"{address}/session", timeout=120, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.send("session.new", capabilities={})
        self.page = self.send("browsingContext.getTree")["contexts"][0]["context"]

    def send(self, method, **params):
        """Send a command and return its result."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self.socket.recv())
            if said.get("id") == number:
                assert said["type"] == "success", said
                return said["result"]

    def goto(self, address):
        self.send("browsingContext.navigate", context=self.page, url=address, wait="complete")

    def evaluate(self, expression):
        """Evaluate a JavaScript expression in the page; return its value, through JSON."""
        target, text = {"context": self.page}, f"JSON.stringify({expression}) ?? 'null'"
        result = self.send("script.evaluate", expression=text, target=target, awaitPromise=True)
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    def wait_for(self, expression, seconds=120):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"!!({expression})"):
            assert time.monotonic() < end, f"not within {seconds} s: {expression}"
            time.sleep(0.1)

    def press(self, key):
        """Press a key, by its character in WebDriver's table."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.send("input.performActions", context=self.page, actions=[keyboard])

    def screenshot(self):
        """Return a picture of the page as base64."""
        return self.send("browsingContext.captureScreenshot", context=self.page)["data"]


@contextmanager
def firefox(folder, width=1280, height=900):
    """Start a headless Firefox with a profile of its own; yield a Firefox, or skip without one."""
    program = os.environ.get("CNNLIB_FIREFOX") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(HOW_TO_GET_ONE)
    profile = folder / "profile"
    profile.mkdir()
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    command += [f"--width={width}", f"--height={height}", "about:blank"]
    environment = os.environ | {"HOME": str(folder), "MOZ_DISABLE_AUTO_SAFE_MODE": "1"}
    said = folder / "firefox.log"
    with said.open("w") as log:
        browser = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 120
        while "WebDriver BiDi listening on " not in said.read_text(errors="replace"):
            assert browser.poll() is None and time.monotonic() < end, said.read_text(errors="replace")
            time.sleep(0.1)
        yield Firefox(said.read_text(errors="replace").partition("WebDriver BiDi listening on ")[2].split()[0])
    finally:
        browser.terminate()
        browser.wait(30)
