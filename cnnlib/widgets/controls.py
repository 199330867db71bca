"""What a reader can set in a playground: a name, a widget, and whether a running network can take the change.

A control with `live` changes the running training between two steps; one without builds the network anew.
"""

import math
from collections import abc
from dataclasses import dataclass

import ipywidgets

from cnnlib.validation import Bool, Callable, Count, Dict, Number, Rate, Rule, Text, arguments, in_words
from cnnlib.widgets.versions import hint

LABEL = {"description_width": "initial"}
LR = "learning rate"  # what the page calls it
STEP = 0.02  # of its slider, in powers of ten: 5 %


@dataclass(frozen=True)
class Control:
    """One setting. `make()` returns its widget; `live(trainer, value)` is called in the loop's thread, or is None.

    `words` has the words for values that are chosen by words; `check(value)` raises if it cannot have that value.
    `label` is what the page calls it: beside its widget, at its marks and in the table of runs; its name if left out.
    `applies(s)` returns whether it makes a difference with the settings `s`; where it does not, its widget is greyed.
    """

    name: str
    default: object
    make: abc.Callable
    live: abc.Callable | None = None
    words: dict | None = None
    check: abc.Callable | None = None
    label: str | None = None
    applies: abc.Callable | None = None

    def say(self, value):
        """Return the label with the words for a value: 'batch norm off'."""
        return f"{self.label or self.name} {self.label_of(value)}"

    def label_of(self, value):
        """Return the words for a value: those of the page, or 'on', '0.4', 'ReLU'."""
        for text, option in (self.words or {}).items():
            if option is value or option == value:
                return text
        return shown(value)


@dataclass(frozen=True)
class Name(Rule):
    """The name of a setting."""

    words = "a name that Python takes and not 'lr', which is there"

    def __call__(self, value, name):
        if not Text()(value, name).isidentifier() or value == "lr":
            raise ValueError(f"{name} must be {self.words}, got {value!r}.")
        return value


NAMES = {"name": Name(), "label": Text(), "live": Callable("It is called as live(trainer, value)."),
         "applies": Callable("It is called as applies(s).")}  # fmt: skip


@arguments(**NAMES, low=Number(), high=Number(), default=Number(), step=Number(low=0))
def slider(name, low, high, default, step=1, *, label=None, live=None, applies=None):
    """Return a control for a number in `low` … `high`: whole if all four numbers are.

    Raises
    ------
    ValueError
        If `default` does not lie between the ends.
    """
    if not low <= default <= high or low == high:
        raise ValueError(f"a slider goes from low to high with default between, got {low}, {high} and {default}.")
    whole = all(isinstance(value, int) for value in (low, high, default, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider

    def make():
        return kind(
            value=default, min=low, max=high, step=step, description=label or name, continuous_update=live is not None,
            style=LABEL, layout={"width": "22em"},
        )  # fmt: skip

    def check(value):
        (Count if whole else Number)(least=low, most=high)(value, name)

    return Control(name, default, make, live, check=check, label=label, applies=applies)


@arguments(**NAMES, options=Dict())
def choice(name, options, default=None, *, label=None, live=None, applies=None):
    """Return a control for one of several values: `options` maps what the page says to the value.

    Raises
    ------
    ValueError
        If `default` is none of the values.
    """
    if default is not None and not any(default is value or default == value for value in options.values()):
        raise ValueError(f"default must be one of the values {list(options.values())}, got {in_words(default)}.")
    default = next(iter(options.values())) if default is None else default

    def make():
        return ipywidgets.Dropdown(
            options=list(options.items()), value=default, description=label or name, style=LABEL,
            layout={"width": "max-content"},
        )  # fmt: skip

    def check(value):
        if not any(value is option or value == option for option in options.values()):
            raise ValueError(f"{name} must be one of {', '.join(map(str, options))}, got {in_words(value)}.")

    return Control(name, default, make, live, dict(options), check, label, applies)


@arguments(**NAMES, default=Bool())
def switch(name, default=False, *, label=None, live=None, applies=None):
    """Return a control that is on or off."""

    def make():
        return ipywidgets.Checkbox(
            value=default, description=label or name, indent=False, style=LABEL, layout={"width": "max-content"}
        )

    return Control(name, default, make, live, check=lambda value: Bool()(value, name), label=label, applies=applies)


def shown(value):
    """Return a setting's value in the words of a chart: 'on', '0.4', 'ReLU'."""
    if isinstance(value, bool):
        return ("off", "on")[value]
    return f"{value:.3g}" if isinstance(value, float) else getattr(value, "__name__", str(value))


def button(text, icon, tooltip, style=""):
    """Return a button as wide as its text."""
    return ipywidgets.Button(
        description=text, icon=icon, tooltip=tooltip, button_style=style, layout={"width": "max-content"}
    )


def rate_control(lr):
    """Return the control of the learning rate, which every panel has."""

    def live(trainer, value):
        trainer.lr = value

    return Control("lr", lr, lambda: lr_slider(lr), live, check=Rate(), label=LR)


def lr_slider(lr):
    """Return a slider for the learning rate, logarithmic, with `lr` on one of its steps."""
    low, high = slider_range(lr)
    slider = ipywidgets.FloatLogSlider(
        value=lr, min=low, max=high, step=STEP, description=LR, readout_format=".3g", style=LABEL,
        layout={"width": "auto"},
    )  # fmt: skip
    return hint(slider, "The learning rate, from the next batch on")


def slider_range(lr):
    """Return the ends of the slider, as powers of ten: at least 0.001 … 10, with ten times `lr` and a tenth of it, and
    `lr` on one of its steps.

    A page moves a value that lies between two steps to the nearest one, and a run whose learning rate changes
    because it is looked at is not the run that was asked for.
    """
    middle = math.log10(lr)
    below, above = (math.ceil(room / STEP) for room in (max(middle + 3, 1), max(1 - middle, 1)))
    return middle - STEP * below, middle + STEP * above
