"""What a playground can show below its chart: the network as it is being built, and a layer under the microscope."""

import html

import ipywidgets

from cnnlib.figures import draw_statistics, draw_volumes
from cnnlib.probes import layer_table, receptive_fields, relu_statistics
from cnnlib.widgets.playground import View


class Blueprint(View):
    """The network that the controls describe: drawn to scale, its cost, and how far its last map sees.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one example: (1, 32, 32).
    """

    def __init__(self, input_shape):
        self.input_shape = input_shape
        self.widget = ipywidgets.HTML()
        self.widget.add_class("cnnlib-blueprint")
        self._drawing = None

    def settle(self, playground):
        """Draw the network of the present settings, or say why there is none."""
        try:
            self._drawing = describe_network(playground.build(), self.input_shape)
            self.widget.value = self._drawing.svg()
        except Exception as error:  # whatever the cell's own code raises
            self._drawing = None
            self.widget.value = f"<div role='alert' style='color:#b00020'>{html.escape(str(error))}</div>"

    def static(self):
        """Return the drawing."""
        return self._drawing


def describe_network(net, input_shape):
    """Draw a network to scale, under a line that says what it costs and how far its last map sees."""
    table, fields = layer_table(net, input_shape), receptive_fields(net)
    head = f"{table.parameters:,} parameters · {table.multiply_adds:,} multiply-adds a picture"
    if fields:
        head += f" · the last map sees {fields[-1].size} pixels"
    return draw_volumes({head: (table, input_shape)}, "The network that the controls describe, drawn to scale")


class Microscope(View):
    """What enters one ReLU while the network trains, in both modes, and the statistics behind it.

    Parameters
    ----------
    X : Tensor of shape (N, …)
        The pictures to look at, always the same.
    number : int
        Which ReLU, counted from 0.
    """

    def __init__(self, X, number):
        self.X, self.number = X, number
        self.widget = ipywidgets.HTML()
        self.widget.add_class("cnnlib-microscope")
        self._drawing = None

    def begin(self, trainer):
        """Show the new network before its first step."""
        self.show(trainer)

    def show(self, trainer):
        """Send the pictures through in both modes and draw what came to the ReLU."""
        statistics = relu_statistics(trainer.net, self.X, self.number)
        self._drawing = draw_statistics(statistics, f"after {trainer.step:,} steps")
        self.widget.value = self._drawing.svg()

    def static(self):
        """Return the drawing."""
        return self._drawing
