"""What a reader can set in a playground: a name, a widget, and whether a running network can take the change.

A control with `live` changes the running training between two steps; one without builds the network anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets

LABEL = {"description_width": "initial"}


@dataclass(frozen=True)
class Control:
    """One setting. `make()` returns its widget; `live(trainer, value)` is called in the loop's thread, or is None.

    `words` has the words for values that are chosen by words.
    """

    name: str
    default: object
    make: Callable
    live: Callable | None = None
    words: dict | None = None

    def label_of(self, value):
        """Return the words for a value: those of the page, or 'on', '0.4', 'ReLU'."""
        for text, option in (self.words or {}).items():
            if option is value or option == value:
                return text
        return shown(value)


def slider(name, low, high, default, step=1, *, label=None, live=None):
    """Return a control for a number in `low` … `high`: whole if all four numbers are."""
    whole = all(isinstance(value, int) for value in (low, high, default, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider

    def make():
        return kind(
            value=default, min=low, max=high, step=step, description=label or name, continuous_update=live is not None,
            style=LABEL, layout={"width": "22em"},
        )  # fmt: skip

    return Control(name, default, make, live)


def choice(name, options, default=None, *, label=None, live=None):
    """Return a control for one of several values: `options` maps what the page says to the value."""
    default = next(iter(options.values())) if default is None else default

    def make():
        return ipywidgets.Dropdown(
            options=list(options.items()), value=default, description=label or name, style=LABEL,
            layout={"width": "max-content"},
        )  # fmt: skip

    return Control(name, default, make, live, dict(options))


def switch(name, default=False, *, label=None, live=None):
    """Return a control that is on or off."""

    def make():
        return ipywidgets.Checkbox(
            value=default, description=label or name, indent=False, style=LABEL, layout={"width": "max-content"}
        )

    return Control(name, default, make, live)


def shown(value):
    """Return a setting's value in the words of a chart: 'on', '0.4', 'ReLU'."""
    if isinstance(value, bool):
        return ("off", "on")[value]
    return f"{value:.3g}" if isinstance(value, float) else getattr(value, "__name__", str(value))
