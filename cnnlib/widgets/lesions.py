"""Take one part out of a trained network, or swap it with the next, and see at once what is left of it."""

import ipywidgets
from torch import nn

from cnnlib.figures import draw_lesions
from cnnlib.page.announce import alert
from cnnlib.page.escape import printable
from cnnlib.probes import lesion_sites, swapped, without
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.validation import Choice, Count, Dict, Iterable, arguments
from cnnlib.widgets.controls import LABEL
from cnnlib.widgets.display import Explorer
from cnnlib.widgets.subshells import answer_in_subshell

OPERATIONS = {"take it out": "without", "swap it with the next": "swapped"}


@arguments(nets=Dict(nn.Module), batches=Iterable())
class Lesions(Explorer):
    """Trained networks, a slider for the part, and the accuracy that is left.

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
        self._choice = (next(iter(self.nets)), "without", number - 1)

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
                    raise ValueError("this is the last part: there is no next one. Choose another.")
                changed = swapped(net, sites[number], sites[number + 1])
            else:
                changed = without(net, sites[number])
            self._known[key] = evaluate_accuracy(changed, self.batches)
        return self._known[key]

    def draw(self):
        """Return the drawing for what the controls say, or the sentence why there is none."""
        name, operation, number = self._choice
        try:
            self.accuracy(name, operation, number)
        except ValueError as error:
            return str(error)
        results = [self._known.get((name, operation, i)) for i in range(len(self.sites[name]))]
        done = "without part" if operation == "without" else "swapped with the next: part"
        return draw_lesions(self.whole[name], results, number, f"{name}, {done} {number + 1}")

    def _build(self):
        name, operation, number = self._choice
        style = {"style": LABEL, "layout": {"width": "max-content"}}
        self.net = ipywidgets.Dropdown(options=list(self.nets), value=name, description="network", **style)
        pairs = [(words, key) for words, key in OPERATIONS.items()]
        self.operation = ipywidgets.Dropdown(options=pairs, value=operation, description="what to do", **style)
        self.part = ipywidgets.IntSlider(
            value=number + 1, min=1, max=len(self.sites[name]), description="part", style=LABEL,
            layout={"width": "26em"},
        )  # fmt: skip
        self.image = ipywidgets.HTML()
        for label in ("net", "operation", "part", "image"):
            getattr(self, label).add_class(f"cnnlib-lesion-{label}")
        for control in (self.net, self.operation, self.part):
            control.observe(lambda change: self._follow(), "value")
        row = ipywidgets.HBox([self.net, self.operation, self.part], layout={"flex_flow": "row wrap"})
        self._widget = ipywidgets.VBox([row, self.image])
        self._widget.add_class("cnnlib-lesions")
        answer_in_subshell(self._widget)
        self._follow()

    def _follow(self):
        self.part.max = len(self.sites[self.net.value])
        choice = (self.net.value, self.operation.value, self.part.value - 1)
        if choice != self._choice or not self.image.value:
            self._choice = choice
            drawing = self.draw()
            self.image.value = alert(drawing) if isinstance(drawing, str) else drawing.svg()

    def _static(self):
        name, operation, number = self._choice
        for other in range(len(self.sites[name])):
            self.accuracy(name, "without", other)  # a page without a kernel shows all that it can
        return super()._static()

    def __repr__(self):
        return printable(f"Lesions of {', '.join(self.nets)}")
