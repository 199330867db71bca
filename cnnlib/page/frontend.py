"""What is in front of the reader, and how a control can be answered there while a cell runs.

Panels train in a thread and work wherever widgets do. A cell that trains, as `fit` does, keeps the kernel busy; a
slider above it is answered in one of three ways:

- `subshell`: the page sends its messages to a second thread of the kernel (JupyterLab 4.4, Notebook 7, ipykernel 7).
- `polling`: the loop lets waiting messages through between two batches (ipykernel 6: Colab, Kaggle, Notebook 6).
- `chart`: neither is there (VS Code), so the chart moves and no dead slider is shown.

Where a program runs the notebook (nbclient, nbval, nbconvert), or there is no kernel, nothing moves: `static`.
"""

import os
import sys
from importlib.util import find_spec

VARIABLE = "CNNLIB_LIVE"
ASK = "Run this cell in JupyterLab to steer it while it trains."


def shell():
    """Return the IPython shell this program runs in, or None in a script."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def kernel():
    """Return the Jupyter kernel this program runs in, or None in a script or a terminal."""
    return getattr(shell(), "kernel", None)


def front_end():
    """Return what a reader has in front: 'colab', 'kaggle', 'vscode', 'jupyter', or '' if nobody reads along.

    Colab and Kaggle name themselves in the environment, and Kaggle says whether somebody is there. VS Code's extension
    leaves the notebook's path in the namespace. A Jupyter server sets JPY_SESSION_NAME when a page opens a notebook;
    a program that only executes one does not.
    """
    if kernel() is None:
        return ""
    if "COLAB_RELEASE_TAG" in os.environ or "COLAB_GPU" in os.environ:
        return "colab"
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return "kaggle" if os.environ["KAGGLE_KERNEL_RUN_TYPE"] == "Interactive" else ""
    if "__vsc_ipynb_file__" in getattr(shell(), "user_ns", {}):
        return "vscode"
    return "jupyter" if "JPY_SESSION_NAME" in os.environ else ""


def has_subshells():
    """Return whether the kernel handles messages on a second thread if the page asks for it."""
    return "kernel subshells" in getattr(kernel(), "kernel_info", {}).get("supported_features", ())


def can_poll():
    """Return whether waiting messages can be let through from inside a cell: on ipykernel before 7."""
    version = str(getattr(sys.modules.get("ipykernel"), "__version__", "")).partition(".")[0]
    return version.isdecimal() and int(version) < 7 and find_spec("jupyter_ui_poll") is not None


def way():
    """Return how a control is answered while a cell runs: 'subshell', 'polling', 'chart' or 'static'.

    CNNLIB_LIVE=0 makes it static; with CNNLIB_LIVE=1 a reader is taken to be there.
    """
    choice, front = os.environ.get(VARIABLE), front_end()
    if kernel() is None or choice == "0" or (choice != "1" and not front):
        return "static"
    if front == "vscode":
        return "chart"
    if has_subshells():
        return "subshell"
    return "polling" if can_poll() else "chart"


def is_live():
    """Return whether what is shown can move while a cell runs."""
    return way() != "static"


def can_steer():
    """Return whether a control on the page is answered while a cell runs."""
    return way() in ("subshell", "polling")


def why_static():
    """Return why a control cannot be answered while a cell runs here, and what to do, or '' where it can."""
    if can_steer():
        return ""
    if os.environ.get(VARIABLE) == "0":
        return f"Controls are switched off by {VARIABLE}=0."
    front = front_end()
    if kernel() is None or not front and os.environ.get(VARIABLE) != "1":
        return ASK
    if front == "vscode":
        return (
            "VS Code answers a control between two cells only, so there is no slider here. The panels of the course do "
            "answer: they train beside the cells."
        )
    here = kernel()
    name = f"This kernel ({here.implementation} {getattr(here, 'implementation_version', '')})"
    mend = {
        "colab": "run the first cell of this notebook again",
        "kaggle": "run the first cell of this notebook again, with Internet switched on",
    }.get(front, "pip install jupyter-ui-poll, or 'ipykernel>=7.1', and restart the kernel")
    return f"{name} cannot answer a slider while a cell runs. To steer: {mend}. The panels of the course do answer."


def subshell_is_open():
    """Return whether the page has opened the second channel over which its controls reach a running cell.

    JupyterLab 4.4 and later opens it with the first widget. Returns True where that cannot be known.
    """
    channel = getattr(kernel(), "shell_channel_thread", None)
    try:
        return bool(channel.manager.list_subshell()) if channel is not None else True
    except Exception:  # private to ipykernel; no warning where it is unknown
        return True


SWITCH_ON = "Settings, Settings Editor, Kernels, “Kernel Comms over subshells”, choose “One subshell per comm-target”"
# what a page is told that has the right kernel and opens no second channel
NO_CHANNEL = (
    f"This page cannot reach a running cell. In JupyterLab 4.4 or later, or Notebook 7.4 or later: {SWITCH_ON}, then "
    "load the page anew. An older one, or another front end, cannot; the panels of the course answer there as well."
)
