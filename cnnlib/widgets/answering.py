"""Let controls be answered while the cell that made them still runs.

JupyterLab sends a control's messages to a second thread of the kernel, a subshell, so that they need not wait for
the cell. ipykernel 7.4 second-guesses that: it sends a message to whichever shell last published on the control's
channel, and for a control made in the running cell that is the blocked main shell (0 of 20 slider moves arrive).
`answer_in_subshell` says: deliver where the page asked for (20 of 20). ipykernel 7.0 to 7.3 do so by themselves and
ignore the setting. The hook is private to ipykernel. It is used nowhere else, and tests/test_protocol.py fails if it
stops working.

What such a thread computes for a control must not slow down the one that trains: see `cnnlib.machine.threads`.

On a kernel without subshells (ipykernel 6) `answering` lets the messages that wait for the cell through, in between two
batches, by `jupyter-ui-poll`; a request to run another cell is kept until this one has ended. That must not run on
ipykernel 7, where it breaks the kernel's socket.
"""

import time
from contextlib import contextmanager

import ipywidgets

from cnnlib.machine.threads import release_openmp_threads
from cnnlib.page.frontend import shell, way

EVERY = 0.05  # seconds between two looks at the messages
MOST = 20  # messages that one look lets through: a slider that is dragged sends some 15 a second

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


@contextmanager
def answering(trainer):
    """While the block runs, let the page's messages through between the trainer's batches, where that is the way."""
    if way() != "polling":
        yield
        return
    from jupyter_ui_poll import ui_events  # here: only kernels of version 6 need it

    with ui_events() as poll:
        looked = 0.0

        def look(trainer):
            nonlocal looked
            if time.perf_counter() - looked > EVERY:
                poll(MOST)
                looked = time.perf_counter()

        trainer.listeners.append(look)
        try:
            yield
        finally:
            trainer.listeners.remove(look)
