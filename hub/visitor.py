"""A student without a screen, for the load test: logs in by HTTP as a browser does, and runs cells over a WebSocket."""

import json
import re
import time
import uuid

import requests
import websocket
from jupyter_server.services.kernels.connection.base import deserialize_binary_message

STEP = re.compile(r"step ([\d,]+)")  # in the status line of a run


class Visitor:
    """Somebody at the hub's address.

    Parameters
    ----------
    hub : str
        Address, such as 'http://127.0.0.1:8000'.
    name, password : str
    deadline : float
        By `time.monotonic()`: every wait ends there, with a TimeoutError.
    """

    def __init__(self, hub, name, password, deadline):
        self.hub, self.name, self.password, self.deadline = hub, name, password, deadline
        self.web = requests.Session()
        self.web.trust_env = False  # no proxy: everything is on this machine
        self.home = f"{hub}/user/{name}"

    def _within(self, seconds):
        left = min(self.deadline - time.monotonic(), seconds)
        if left <= 0:
            raise TimeoutError(f"{self.name}: out of time.")
        return left

    def log_in(self):
        """Send the login form; return the status of the page that asking for a server leads to."""
        form = self.web.get(f"{self.hub}/hub/login", timeout=self._within(30))
        token = re.search(r'name="_xsrf" value="([^"]+)"', form.text)[1]
        fields = {"username": self.name, "password": self.password, "_xsrf": token}
        answer = self.web.post(f"{self.hub}/hub/login?next=%2Fhub%2Fspawn", data=fields, timeout=self._within(120))
        return answer.status_code

    def wait_for_server(self):
        """Wait until the student's own server answers."""
        while True:
            answer = self.web.get(f"{self.home}/lab", timeout=self._within(60))
            if answer.ok and "/hub/" not in answer.url:
                return
            time.sleep(self._within(0.5))

    def _api(self, method, path, **options):
        """Ask the student's server; return what its JSON says."""
        token = next((c.value for c in self.web.cookies if c.name == "_xsrf" and c.path.startswith("/user/")), "")
        headers = {"X-XSRFToken": token}
        answer = self.web.request(
            method, f"{self.home}/api/{path}", headers=headers, timeout=self._within(60), **options
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def cells(self, path):
        """Return the sources of a notebook's code cells, from the student's own copy."""
        content = self._api("GET", f"contents/{path}")["content"]
        return [cell["source"] for cell in content["cells"] if cell["cell_type"] == "code"]

    def open(self, path):
        """Open a notebook and start its kernel."""
        wish = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        kernel = self._api("POST", "sessions", json=wish)["kernel"]["id"]
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.web.cookies if c.path in ("/", f"/user/{self.name}/"))
        link = websocket.create_connection(
            f"{self.home.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels",
            header=[f"Cookie: {cookies}"], origin=self.hub, timeout=self._within(60),
        )  # fmt: skip
        return Kernel(self, kernel, link)

    def interrupt(self, kernel):
        """Press the square in the toolbar, which ends a run as Stop does."""
        self._api("POST", f"kernels/{kernel}/interrupt")


class Kernel:
    """The kernel of one open notebook, as the page sees it."""

    def __init__(self, visitor, number, link):
        self.visitor, self.number, self.link = visitor, number, link
        self.buttons = {}  # what is written on them → which comm
        self.text, self.error, self.alive = "", None, True

    def _send(self, kind, content):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "load", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.link.send(json.dumps(message))
        return header["msg_id"]

    def _next(self, seconds=600):
        """Return the next message, with what it tells about the page taken note of."""
        self.link.settimeout(self.visitor._within(seconds))
        data = self.link.recv()
        if not data:
            raise ConnectionError(f"{self.visitor.name}: the server has closed the connection.")
        message = deserialize_binary_message(data) if isinstance(data, bytes) else json.loads(data)
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "comm_open":
            state = content["data"].get("state", {})
            if state.get("description"):
                self.buttons[state["description"]] = content["comm_id"]
        elif kind == "stream":
            self.text += content["text"]
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue'][:200]}"
        elif kind == "status" and content["execution_state"] in ("dead", "restarting", "autorestarting"):
            self.alive = False
        return message

    def start(self, source):
        """Run a cell, without waiting for it."""
        self.text, self.error, self.alive = "", None, True
        return self._send("execute_request", {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True})  # fmt: skip # noqa: E501

    def finish(self, cell):
        """Wait until a cell has run, or its kernel has died; return what it printed."""
        while self.alive:
            message = self._next()
            if message["parent_header"].get("msg_id") == cell and message["header"]["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    break
        return self.text

    def run(self, source):
        """Run a cell to its end; return what it printed. An error in it is an error here."""
        text = self.finish(self.start(source))
        if self.error or not self.alive:
            raise RuntimeError(f"{self.visitor.name}: {self.error or 'the kernel died'}")
        return text

    def press(self, name):
        """Press a button of a panel."""
        self._send(
            "comm_msg", {"comm_id": self.buttons[name], "data": {"method": "custom", "content": {"event": "click"}}}
        )

    def wait_for_curve(self, steps):
        """Wait until the page is told that a run has made so many steps."""
        while True:
            message = self._next()
            if message["header"]["msg_type"] == "comm_msg":
                value = message["content"]["data"].get("state", {}).get("value")
                told = STEP.search(value) if isinstance(value, str) else None
                if told and int(told[1].replace(",", "")) >= steps:
                    return

    def look_on(self, seconds):
        """Take in what the kernel sends for a while, as a page does."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            try:
                self._next(max(0.05, ends - time.monotonic()))
            except websocket.WebSocketTimeoutException:
                return

    def interrupt(self):
        self.visitor.interrupt(self.number)
