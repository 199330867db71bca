"""How a widget is put on a page: live where there is a kernel, as a static picture or text everywhere else."""

from cnnlib.widgets.naming import name_parts

WIDGET = "application/vnd.jupyter.widget-view+json"


def widget_bundle(widget, static):
    """Return a MIME bundle that shows `widget`, and `static` (another bundle) where the widget is not alive."""
    name_parts(widget)
    return {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}, **static}
