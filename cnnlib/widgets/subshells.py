"""Let controls be answered while the cell that made them still runs.

JupyterLab sends a control's messages to a second thread of the kernel, a subshell, so that they need not wait for
the cell. ipykernel 7.4 second-guesses that: it sends a message to whichever shell last published on the control's
channel, and for a control made in the running cell that is the blocked main shell (0 of 20 slider moves arrive).
`answer_in_subshell` says: deliver where the page asked for (20 of 20). ipykernel 7.0 to 7.3 do so by themselves and
ignore the setting.

What such a thread computes for a control must not slow down the one that trains: see `cnnlib.machine.threads`.

The hook is private to ipykernel. It is used nowhere else, and tests/test_protocol.py fails if it stops working.
"""

import ipywidgets

from cnnlib.machine.threads import release_openmp_threads
from cnnlib.page.frontend import shell

# One widget that lives as long as the kernel: JupyterLab opens the subshell with the first widget and keeps it as
# long as there is one, so the first control of a running cell does not have to wait for it.
_anchor = None


def _as_the_page_asked(data, default):
    return default


def answer_in_subshell(widget):
    """Have all messages of a widget, and of everything in it, delivered on the channel the page sends them on."""
    here = shell()
    if here is not None:  # once, however often it is asked: after each cell and each message, in the thread that ran it
        here.events.register("post_execute", release_openmp_threads)
    _deliver_as_asked(widget)


def _deliver_as_asked(widget):
    if getattr(widget, "comm", None) is not None:
        widget.comm._reply_subshell_for = _as_the_page_asked
    for child in getattr(widget, "children", ()):
        _deliver_as_asked(child)


def open_subshell():
    """Make the page open its second channel now, ahead of the first control."""
    global _anchor
    if _anchor is None:
        _anchor = ipywidgets.HTML()
