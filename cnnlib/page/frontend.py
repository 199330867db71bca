"""What the front end can do: whether a slider is answered while a cell runs."""

import os
import sys

VARIABLE = "CNNLIB_LIVE"


def shell():
    """Return the IPython shell this program runs in, or None in a script."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def kernel():
    """Return the Jupyter kernel this program runs in, or None in a script or a terminal."""
    return getattr(shell(), "kernel", None)


def why_static():
    """Return why controls cannot work while a cell runs here, or '' where they can.

    Live control needs a Jupyter server with a reader (it sets JPY_SESSION_NAME; a program that only executes
    notebooks does not) and a kernel that handles messages on a second thread, a "subshell".
    CNNLIB_LIVE=0 or 1 overrides this.
    """
    choice = os.environ.get(VARIABLE)
    if choice == "1":
        return ""
    if choice == "0":
        return f"Controls are switched off by {VARIABLE}=0."
    here = kernel()
    if here is None or "JPY_SESSION_NAME" not in os.environ:
        return "Run this cell in JupyterLab to steer it while it trains."
    if "kernel subshells" not in getattr(here, "kernel_info", {}).get("supported_features", ()):
        version = getattr(here, "implementation_version", "")
        return (
            f"This kernel ({here.implementation} {version}) cannot answer a slider while a cell runs. "
            "To steer: pip install 'ipykernel>=7.1', then restart the kernel."
        )
    return ""


def is_live():
    """Return whether a control on the page can be answered while a cell runs."""
    return not why_static()


def subshell_is_open():
    """Return whether the page has opened the second channel over which its controls reach a running cell.

    JupyterLab 4.4 and later opens it with the first widget. Returns True where that cannot be known.
    """
    channel = getattr(kernel(), "shell_channel_thread", None)
    try:
        return bool(channel.manager.list_subshell()) if channel is not None else True
    except Exception:  # private to ipykernel; no warning where it is unknown
        return True
