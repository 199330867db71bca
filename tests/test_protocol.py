"""A slider moved while `fit` blocks reaches the loop: the way JupyterLab talks to a kernel, without a browser."""

import time
from types import SimpleNamespace

import pytest
from jupyter_client.manager import start_new_kernel

from cnnlib.page import frontend

SETUP = """
import torch
from torch import nn
from cnnlib.datasets import Batches
from cnnlib.widgets import fit
torch.manual_seed(0)
data = Batches(torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (64,)), 1)
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
def wait(trainer):
    import time
    time.sleep(0.005)
"""
FIT = "history = fit(net, data, data, 1000, lr=0.1, listeners=[wait])"


class Page:
    """The front end's side of a conversation with one kernel."""

    def __init__(self, client, interrupt):
        self.client, self.interrupt = client, interrupt
        self.widgets = {}  # comm id: the state it was opened with
        self.shown = []  # what was displayed
        self.updates = []  # what it was updated with
        self.states = []  # what the kernel changed in a widget

    def subshell(self):
        """Open a second channel, as JupyterLab does with the first widget, and return its name."""
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        while True:
            reply = self.client.get_control_msg(timeout=20)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return reply["content"]["subshell_id"]

    def listen_until(self, condition, seconds=30):
        """Read what the kernel publishes until `condition()` holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "the kernel did not answer in time"
            message = self.client.get_iopub_msg(timeout=seconds)
            content = message["content"]
            if message["msg_type"] == "comm_open":
                self.widgets[content["comm_id"]] = content["data"].get("state", {})
            elif message["msg_type"] == "comm_msg":
                self.states.append(content["data"].get("state", {}))
            elif message["msg_type"] == "display_data":
                self.shown.append(content["data"])
            elif message["msg_type"] == "update_display_data":
                self.updates.append(content["data"])
            elif message["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))

    def find(self, model, **state):
        """Return the comm of the widget that was opened with this state, or None."""
        wanted = {"_model_name": model, **state}
        return next((c for c, s in self.widgets.items() if wanted.items() <= s.items()), None)

    def send(self, comm, data, subshell):
        """Send a message to a widget over a subshell."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def wait_for_reply(self, message_id):
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message_id:
                return reply["content"]

    def value(self, expression):
        """Evaluate an expression in the kernel."""
        reply = self.client.execute("", user_expressions={"x": expression}, reply=True, timeout=60)
        return reply["content"]["user_expressions"]["x"]["data"]["text/plain"]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setenv("CNNLIB_LIVE", "1")
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(SETUP, reply=True, timeout=120)
        yield Page(client, manager.interrupt_kernel)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_slider_and_stop_reach_a_blocking_fit(page):
    subshell = page.subshell()
    cell = page.client.execute(FIT)
    page.listen_until(lambda: page.shown)
    slider = page.find("FloatLogSliderModel")
    page.listen_until(lambda: any("step" in str(state.get("value")) for state in page.states))  # with the first rate
    for value in (0.2, 0.3, 0.4):
        page.send(slider, {"method": "update", "state": {"value": value}, "buffer_paths": []}, subshell)
        page.listen_until(lambda value=value: any(state.get("value") == value for state in page.states))  # the echo
        time.sleep(0.8)  # some steps with this rate, on a busy machine as well
    stop = page.find("ButtonModel", description="Stop")
    page.send(stop, {"method": "custom", "content": {"event": "click"}, "buffer_paths": []}, subshell)
    assert page.wait_for_reply(cell)["status"] == "ok"
    assert page.value("sorted(set(history.lr))") == "[0.1, 0.2, 0.3, 0.4]"
    assert page.value("history.ended") == "'stopped'"
    assert page.value("[label for _, label in history.marks]") == "['lr 0.2', 'lr 0.3', 'lr 0.4']"
    page.listen_until(lambda: page.updates)
    assert {"image/png", "text/plain"} <= set(page.updates[-1])  # the picture that stays


def test_interrupt_ends_a_blocking_fit_cleanly(page):
    cell = page.client.execute(FIT)
    page.listen_until(lambda: page.shown)
    time.sleep(1)
    page.interrupt()
    assert page.wait_for_reply(cell)["status"] == "ok"
    assert page.value("history.ended") == "'interrupted'"
    assert page.value("len(history.loss) == len(history.lr) > 10") == "True"
    page.listen_until(lambda: page.updates)
    assert {"image/png", "text/plain"} <= set(page.updates[-1])


def test_a_kernel_without_subshells_says_so(monkeypatch):
    info = {"protocol_version": "5.4"}  # ipykernel 6 names no features
    old = SimpleNamespace(kernel_info=info, implementation="ipython", implementation_version="6.31")
    monkeypatch.delenv("CNNLIB_LIVE", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", "chapter.ipynb")
    monkeypatch.setattr(frontend, "kernel", lambda: old)
    assert "cannot answer a slider while a cell runs" in frontend.why_static()
    assert "ipykernel>=7" in frontend.why_static()


def test_a_notebook_run_by_a_program_is_static(monkeypatch):
    """nbclient, nbval and nbconvert set no JPY_SESSION_NAME: no controls, and a reason."""
    new = SimpleNamespace(kernel_info={"supported_features": ["kernel subshells", "debugger"]})
    monkeypatch.setattr(frontend, "kernel", lambda: new)
    monkeypatch.delenv("CNNLIB_LIVE", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert "JupyterLab" in frontend.why_static()
    monkeypatch.setenv("JPY_SESSION_NAME", "chapter.ipynb")
    assert frontend.is_live()


@pytest.mark.thorough
def test_a_page_that_opens_no_second_channel_is_told_so(page):
    page.client.execute("from cnnlib.widgets import live; live.PATIENCE = 0.5", reply=True, timeout=20)
    cell = page.client.execute(FIT.replace("1000", "5"))
    assert page.wait_for_reply(cell)["status"] == "ok"
    page.listen_until(lambda: page.updates)
    told = [state["value"] for state in page.states if "cannot reach a running cell" in str(state.get("value"))]
    assert told
    assert any(state.get("disabled") for state in page.states)  # no dead slider either
