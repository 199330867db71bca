"""What differs between ipywidgets 8 and ipywidgets 7, which Colab has, and between Colab and other pages."""

import sys
from collections.abc import Mapping

from cnnlib.page.frontend import front_end


def allow_scripts():
    """Let Colab show widgets that bring a script of their own, as anywidget's documentation says for Colab."""
    if front_end() == "colab" and "google.colab" in sys.modules:
        sys.modules["google.colab"].output.enable_custom_widget_manager()


def hint(widget, text):
    """Give a control a tooltip, and return it."""
    setattr(widget, "tooltip" if widget.has_trait("tooltip") else "description_tooltip", text)
    return widget


def take_files(upload):
    """Return the files that a FileUpload holds, a list of dicts with `name` and `content`, and empty it.

    Emptied, it takes the same file again.
    """
    files = upload.value
    if isinstance(files, Mapping):  # ipywidgets 7: by name, and read-only but for what it holds
        taken = [{"name": name, "content": memoryview(file["content"])} for name, file in files.items()]
        files.clear()
        return taken
    if files:
        upload.value = ()
    return list(files)
