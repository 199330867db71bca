"""Let controls be answered from inside a running cell, on a kernel without subshells (ipykernel 6).

`jupyter-ui-poll` lets the messages that wait for the cell through, in between two batches; a request to run another
cell is kept until this one has ended. It must not run on ipykernel 7, where it breaks the kernel's socket, and where
`cnnlib.widgets.subshells` does the work.
"""

import time
from contextlib import contextmanager

from cnnlib.page.frontend import way

EVERY = 0.05  # seconds between two looks at the messages
MOST = 20  # messages that one look lets through: a slider that is dragged sends some 15 a second


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
