"""What differs between ipywidgets 8 and ipywidgets 7, which Colab has."""

from collections.abc import Mapping


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
