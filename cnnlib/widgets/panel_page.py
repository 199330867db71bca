"""What a panel looks like: its controls at the left; at the right the chart, and below it one view, chosen by tabs."""

import ipywidgets

from cnnlib.widgets.controls import button
from cnnlib.widgets.live_chart import LiveChart
from cnnlib.widgets.page_script import add_page_script

FIRST = 4  # controls of the network that are always in view; the others are under More
GROUPS = ("Training", "Network", "More")


class PanelPage:
    """The widgets of a panel.

    Parameters
    ----------
    controls : sequence of Control
    chart : Chart
    tabs : dict of str to widget
        What can be shown below the chart.
    moved : callable
        `moved(name, value)` is called when a control was moved.
    on_mark : callable
        `on_mark(number)` is called when a mark on the chart was clicked.
    turned : callable
        `turned()` is called when another tab was chosen.

    Attributes
    ----------
    inputs : dict of str to widget
        The widget of each control.
    """

    def __init__(self, controls, chart, tabs, moved, on_mark, turned):
        self.inputs = {}
        for control in controls:
            widget = control.make()
            widget.layout.width = "auto"
            widget.observe(lambda change, name=control.name: moved(name, change["new"]), "value")
            widget.add_class(f"cnnlib-{control.name}")
            self.inputs[control.name] = widget
        self.start = button("Start", "play", "Train this network", "success")
        self.step = button("Step", "step-forward", "Train on one batch, then rest")
        self.reset = button("Reset", "refresh", "Begin again from the same initial weights")
        self.stop = button("Stop", "stop", "End this run and keep its curves; Start begins a new one")
        self.offer = button("", "history", "", "warning")
        self.offer.layout.display = "none"
        self.status = ipywidgets.HTML("Ready. Press Start.")
        self.chart = LiveChart(chart, on_mark)
        self.tabs = ipywidgets.ToggleButtons(options=list(tabs), tooltips=[f"Show: {name}" for name in tabs])
        self.views = tabs
        for name in ("start", "step", "reset", "stop", "offer", "status", "tabs"):
            getattr(self, name).add_class(f"cnnlib-{name}")
        self.tabs.observe(lambda change: self._turn(turned), "value")
        self._turn()
        buttons = _group("cnnlib-buttons", [self.start, self.step, self.reset, self.stop])
        apart = ipywidgets.HTML(
            "<div class='cnnlib-apart'>Reset: back to the initial weights. Stop: keeps this curve, ends the run.</div>"
        )
        left = _group("cnnlib-panel-controls", [buttons, apart, *self._groups(controls)])
        stage = _group("cnnlib-panel-view", list(tabs.values()))
        right = _group("cnnlib-panel-picture", [self.chart, self.status, self.offer, self.tabs, stage])
        self.box = _group("cnnlib-playground", [_group("cnnlib-panel", [left, right])])
        self.script = add_page_script(self.box)

    def _groups(self, controls):
        """Return the controls in their groups: what a running network takes, the network, and the rest, folded."""
        training = [control for control in controls if control.live]
        network = [control for control in controls if not control.live]
        members = (training, network[:FIRST], network[FIRST:])
        groups = []
        for name, part in zip(GROUPS, members, strict=True):
            if not part:
                continue
            group = _group("cnnlib-group", [self.inputs[control.name] for control in part])
            if name == "More":
                self.more = ipywidgets.ToggleButton(
                    description=name, icon="sliders", tooltip="Show or hide more controls"
                )
                self.more.add_class("cnnlib-more")
                _fold(self.more, group)
                groups += [self.more, group]
            else:
                groups += [ipywidgets.HTML(f"<b>{name}</b>"), group]
        return groups

    @property
    def turned_to(self):
        """The name of the tab that is in front."""
        return self.tabs.value

    def _turn(self, turned=None):
        for name, widget in self.views.items():
            widget.layout.display = None if name == self.tabs.value else "none"
        if turned is not None:
            turned()

    def say_running(self, running):
        """Have the one button for both say what it does now."""
        text, icon, tooltip = ("Pause", "pause", "Rest after this step") if running else ("Start", "play", "Train on")
        if self.start.description != text:
            self.start.description, self.start.icon, self.start.tooltip = text, icon, tooltip

    def grey(self, controls, settings):
        """Grey the controls that do not apply to the settings."""
        for control in controls:
            if control.applies is not None:
                self.inputs[control.name].disabled = not control.applies(settings)

    def propose(self, text, tooltip=""):
        """Offer something to do, by a button; '' takes the offer back."""
        self.offer.description, self.offer.tooltip = text, tooltip or text
        self.offer.layout.display = None if text else "none"


def _fold(switch, widget):
    """Let a toggle button show a widget and hide it again."""
    widget.layout.display = "none"

    def turn(change):
        widget.layout.display = None if change["new"] else "none"

    switch.observe(turn, "value")


def _group(name, children):
    box = ipywidgets.VBox(children)
    box.add_class(name)
    return box
