"""A slider moved while `fit` blocks reaches the loop: the way JupyterLab talks to a kernel, without a browser."""

import sys
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

    def __init__(self, client):
        self.client = client
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
        yield Page(client)
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


def kernel_of(**info):
    return SimpleNamespace(kernel_info=info, implementation="ipython", implementation_version="9.1")


SUBSHELLS = kernel_of(supported_features=["kernel subshells", "debugger"])
OLD = kernel_of(protocol_version="5.4")  # ipykernel 6 names no features


@pytest.mark.parametrize(
    ("kernel", "ipykernel", "environment", "polls", "way", "told"),
    [
        (SUBSHELLS, "7.4.0", {"JPY_SESSION_NAME": "a.ipynb"}, True, "subshell", ""),
        (OLD, "6.17.1", {"JPY_SESSION_NAME": "a.ipynb"}, True, "polling", ""),
        (OLD, "6.17.1", {"JPY_SESSION_NAME": "a.ipynb"}, False, "chart", "pip install jupyter-ui-poll"),
        (OLD, "6.17.1", {"COLAB_RELEASE_TAG": "release"}, True, "polling", ""),
        (OLD, "6.17.1", {"COLAB_RELEASE_TAG": "release"}, False, "chart", "run the first cell of this notebook again"),
        (OLD, "6.29", {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, False, "chart", "with Internet switched on"),
        (OLD, "6.29", {"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, True, "static", "Run this cell in JupyterLab"),
        (SUBSHELLS, "7.4.0", {"vscode": "a.ipynb"}, True, "chart", "VS Code answers a control between two cells"),
        (SUBSHELLS, "7.4.0", {}, True, "static", "Run this cell in JupyterLab"),
        (OLD, "6.29", {"CNNLIB_LIVE": "1"}, True, "polling", ""),
        (SUBSHELLS, "7.4.0", {"JPY_SESSION_NAME": "a.ipynb", "CNNLIB_LIVE": "0"}, True, "static", "switched off"),
        (None, "7.4.0", {"JPY_SESSION_NAME": "a.ipynb"}, True, "static", "Run this cell in JupyterLab"),
    ],
)
def test_a_front_end_gets_what_it_can_do_and_advice_that_fits(
    monkeypatch, kernel, ipykernel, environment, polls, way, told
):
    for name in ("CNNLIB_LIVE", "JPY_SESSION_NAME", "COLAB_RELEASE_TAG", "COLAB_GPU", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    names = {"__vsc_ipynb_file__": environment["vscode"]} if "vscode" in environment else {}
    monkeypatch.setattr(frontend, "shell", lambda: SimpleNamespace(kernel=kernel, user_ns=names))
    monkeypatch.setattr(frontend, "find_spec", lambda name: polls or None)
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace(__version__=ipykernel))
    assert frontend.way() == way
    assert frontend.is_live() is (way != "static") and frontend.can_steer() is (told == "")
    assert told in frontend.why_static() and bool(told) is bool(frontend.why_static())
    front = "colab" if "COLAB_RELEASE_TAG" in environment else ""
    assert not front or "pip install" not in frontend.why_static(), "Colab fixes its own kernel"
