"""Take one part out of a trained network, or swap it with the next, and see at once what is left of it."""

import ipywidgets
from torch import nn

from cnnlib.figures import draw_lesions
from cnnlib.page.escape import printable
from cnnlib.probes import lesion_sites, swapped, without
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.validation import Choice, Count, Dict, Iterable, arguments
from cnnlib.widgets.columns import Columns
from cnnlib.widgets.controls import LABEL, choice

OPERATIONS = {"take it out": "without", "swap it with the next": "swapped"}


@arguments(nets=Dict(nn.Module), batches=Iterable())
class Lesions(Columns):
    """Trained networks, a block to press for each part, and the accuracy that is left.

    Every result is remembered, so the picture fills up as the reader goes along.

    Parameters
    ----------
    nets : dict of str to nn.Module
        They stay as they are.
    batches : iterable of (X, y)
        What to measure on; a thousand pictures give ±1 %.
    number : int, optional
        The part to begin with, counted from 1; the second unless given, or the only one.

    Raises
    ------
    ValueError
        If a network has no part that can be taken out.
    """

    name = "lesion"

    def __init__(self, nets, batches, number=None):
        self.nets, self.batches = dict(nets), batches
        self.sites = {name: lesion_sites(net) for name, net in self.nets.items()}
        for name, sites in self.sites.items():
            if not sites:
                raise ValueError(f"{name!r} has no part that keeps the shape of its input, so none can be taken out.")
        most = len(next(iter(self.sites.values())))
        number = min(2, most) if number is None else number
        Count(most=most, hint="Parts are counted from 1.")(number, "number")
        self.whole = {name: evaluate_accuracy(net, batches) for name, net in self.nets.items()}
        self._known = {}  # (network, operation, part): accuracy
        self.settings = {"net": next(iter(self.nets)), "operation": "without", "part": number - 1}

    def accuracy(self, name, operation, number):
        """Return the accuracy of a network with one part taken out ("without") or swapped with the next ("swapped").

        Parameters
        ----------
        number : int
            The part, counted from 0.

        Raises
        ------
        ValueError
            If a part cannot be swapped because the next one is of another shape, or there is none.
        """
        Choice(tuple(self.nets))(name, "name")
        Choice(tuple(OPERATIONS.values()))(operation, "operation")
        Count(least=0, most=len(self.sites[name]) - 1)(number, "number")
        key = (name, operation, number)
        if key not in self._known:
            net, sites = self.nets[name], self.sites[name]
            if operation == "swapped":
                if number + 1 == len(sites):
                    raise ValueError("this is the last part, with no next one to swap it with. Choose another.")
                changed = swapped(net, sites[number], sites[number + 1])
            else:
                changed = without(net, sites[number])
            self._known[key] = evaluate_accuracy(changed, self.batches)
        return self._known[key]

    def draw(self):
        """Return the drawing for what the controls say.

        Raises
        ------
        ValueError
            If there is none, because the two parts cannot be swapped.
        """
        name, operation, number = (self.settings[key] for key in ("net", "operation", "part"))
        if number is None:
            title = f"{name}, whole: press a block to take it out"
        else:
            self.accuracy(name, operation, number)
            done = "without part" if operation == "without" else "swapped with the next: part"
            title = f"{name}, {done} {number + 1}"
        results = [self._known.get((name, operation, i)) for i in range(len(self.sites[name]))]
        return draw_lesions(self.whole[name], results, number, title)

    def _build(self):
        s = self.settings
        most = len(self.sites[s["net"]])
        controls = {
            "net": choice("net", {name: name for name in self.nets}, s["net"], label="network").make(),
            "operation": choice("operation", OPERATIONS, s["operation"], label="what to do").make(),
            "part": ipywidgets.IntSlider(s["part"] + 1, 1, most, description="part", style=LABEL),
        }
        self.net, self.operation, self.part = controls.values()
        for control in controls.values():
            control.observe(lambda change: self._follow(), "value")
        self._lay_out(controls)
        self.image.observe(lambda change: self._press(change["new"]), "pressed")
        self._show()

    def _follow(self):
        """Take the settings from the controls."""
        self.part.max = len(self.sites[self.net.value])
        self.settings = {"net": self.net.value, "operation": self.operation.value, "part": self.part.value - 1}
        self._show()

    def _press(self, pressed):
        """Take a block out, or put back the one that is out; a page can send anything."""
        try:
            part, _ = pressed
            Count(least=0, most=len(self.sites[self.settings["net"]]) - 1)(part, "part")
        except (TypeError, ValueError):
            return
        if part == self.settings["part"]:
            self.settings["part"] = None
        elif part + 1 == self.part.value:
            self.settings["part"] = part
        else:
            self.part.value = part + 1  # which shows it
            return
        self._show()

    def _static(self):
        name = self.settings["net"]
        for other in range(len(self.sites[name])):
            self.accuracy(name, "without", other)  # a page without a kernel shows all that it can
        return super()._static()

    def __repr__(self):
        return printable(f"Lesions of {', '.join(self.nets)}")
