"""How a widget is put on a page: live where there is a kernel, as a static picture or text everywhere else."""

import ipywidgets

from cnnlib.widgets.page_script import add_page_script

WIDGET = "application/vnd.jupyter.widget-view+json"


def widget_bundle(widget, static):
    """Return a MIME bundle that shows `widget`, and `static` (another bundle) where the widget is not alive."""
    if isinstance(widget, ipywidgets.Box):
        add_page_script(widget)
    return {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}, **static}
