"""Gradients from the first layer to the last, on a logarithmic scale."""

from cnnlib.figures.chart import Chart, Panel
from cnnlib.validation import List, Text, arguments


@arguments(start=List(float | int, 0), now=List(float | int, 0), title=Text())
def gradient_flow_chart(start, now=None, title=""):
    """Chart the gradient that reaches each layer: now, and dashed before the first step.

    Parameters
    ----------
    start, now : list of float
        One number a layer, from the first to the last: the root mean square of the gradient of its weights.
    title : str

    Returns
    -------
    Chart
    """
    layers = max(len(start), len(now or []), 2)
    panel = Panel(("now", "before the first step"), "gradient (RMS)", yscale="log")
    size, text = (10.0, 3.2), "Gradient of each layer"
    chart = Chart([panel], "layer, from the image to the scores", (1, layers), size=size, text=text)
    for number, row in enumerate((now or [], start)):
        for layer, value in enumerate(row, 1):
            chart.add(layer, [value if i == number else None for i in range(2)])
    chart.footer(title)
    return chart
