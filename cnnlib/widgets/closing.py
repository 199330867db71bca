"""Close widgets whole.

ipywidgets closes the one widget that it is told to. What lies inside it, and the layout and the style that each widget
has, stay in the kernel and on the page for good: for a playground some 120 of them each time its cell is run again.
"""

PARTS = ("layout", "style")


def close_whole(*widgets):
    """Close widgets, all that is in them, and their layouts and styles; one that is closed already stays so."""
    for widget in widgets:
        widget.close()  # before its parts, or the page might draw it without them
        close_whole(*getattr(widget, "children", ()))
        for name in PARTS:
            if widget.has_trait(name):
                getattr(widget, name).close()
