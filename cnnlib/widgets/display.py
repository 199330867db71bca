"""Put widgets on a page, live where there is a kernel and as a picture everywhere else, and take them off it whole."""

import ipywidgets

from cnnlib.page.frontend import kernel
from cnnlib.widgets.page_script import add_page_script

WIDGET = "application/vnd.jupyter.widget-view+json"
PARTS = ("layout", "style")
STILL = "A picture. Run this cell in JupyterLab to use its controls."


class Explorer:
    """A drawing that gets controls where there is a kernel. A subclass has `draw()`, and `_build` sets `_widget`."""

    _widget = None

    @property
    def widget(self):
        """The controls and the picture, made when they are first asked for."""
        if self._widget is None:
            self._build()
        return self._widget

    def _static(self):
        """Return what a page without a kernel shows: a MIME bundle and its metadata."""
        return still(self.draw())

    def _repr_mimebundle_(self, include=None, exclude=None):
        live = kernel() is not None
        try:
            static, metadata = self._static()
        except Exception as error:  # the page says it; the controls are there to mend it
            if not live:
                raise
            static, metadata = {"text/plain": f"{type(error).__name__}: {error}"}, {}
        return (widget_bundle(self.widget, static) if live else static), metadata


def still(drawing):
    """Return the MIME bundle and metadata of a drawing that has controls elsewhere, and says so."""
    return drawing.noted(STILL).picture().bundle()


def widget_bundle(widget, static):
    """Return a MIME bundle that shows `widget`, and `static` (another bundle) where the widget is not alive."""
    if isinstance(widget, ipywidgets.Box):
        add_page_script(widget)
    return {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}, **static}


def close_tree(*widgets):
    """Close widgets, all that is in them, and their layouts and styles; one that is closed already stays so.

    ipywidgets closes one widget alone. What lies inside it, and the layout and the style that each widget has, stay in
    the kernel and on the page for good: for a playground some 120 of them each time its cell is run again.
    """
    for widget in widgets:
        widget.close()  # before its parts, or the page might draw it without them
        close_tree(*getattr(widget, "children", ()))
        for name in PARTS:
            if widget.has_trait(name):
                getattr(widget, name).close()
