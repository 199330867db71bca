"""What a panel can show below its chart."""


class View:
    """Something that a panel shows below its chart, under a tab that `title` names.

    A subclass sets `widget` and overrides what it needs.
    """

    widget, title = None, "View"

    def settle(self, playground):
        """Follow the settings, in the thread of whoever moved a control: under 200 ms."""

    def begin(self, trainer):
        """Take note of a new network, in the thread that trains."""

    def show(self, trainer):
        """Look at the network between two steps, in the thread that trains; called as often as the chart is drawn."""

    def static(self):
        """Return what a page without a kernel shows, or None."""
