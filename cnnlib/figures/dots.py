"""Dots, one a run: what was measured with each seed, and the bound that a claim is held to."""

import statistics

from cnnlib.figures.picture import Picture
from cnnlib.figures.plots import check_place
from cnnlib.figures.style import BAND, FAINT, FONT, INK, colours_for, new_figure, style_axes
from cnnlib.validation import Bool, Dict, List, Number, Text, arguments, in_words

APART = 0.12  # of a row, between two dots of it
FEW = 6  # dots of a row that have room for an edge


@arguments(rows=Dict(), xlabel=Text(), bound=Number(), log=Bool())
def draw_dots(rows, xlabel, bound=None, log=False):
    """Draw a row of equal dots for each name, one a run, with a stroke at their mean.

    Parameters
    ----------
    rows : dict of str to list of float
        A name, and with it a colour, and what was measured in each run, in the order of the seeds.
    xlabel : str
        What was measured, with its unit.
    bound : float, optional
        Drawn as a line: where the claim ends.
    log : bool
        Whether the axis is logarithmic; there, the stroke is at the geometric mean.

    Raises
    ------
    ValueError
        If there is nothing to draw, or a value that is not positive on a logarithmic axis.
    """
    if not rows:
        raise ValueError("rows must hold at least one name with what was measured, got none.")
    for name, values in rows.items():
        for value in List()(values, f"the values of {name!r}"):
            check_place(value, f"each value of {name!r}")
            if log and value <= 0:
                raise ValueError(f"a logarithmic axis has places for positive values only, got {value} for {name!r}.")
        if not len(values):
            raise ValueError(f"{name!r} must have at least one value, got {in_words(values)}.")
    height = 1.3 + 0.46 * len(rows)
    mean = statistics.geometric_mean if log else statistics.fmean
    figure = new_figure(10.0, height)
    axes = figure.subplots()
    if log:
        axes.set_xscale("log")
    if bound is not None:
        axes.axvline(bound, color=INK, linewidth=1.6, linestyle=(0, (4, 3)))
        axes.axvline(bound, color=BAND, linewidth=7, alpha=0.35, zorder=0)
    for row, (colour, values) in enumerate(zip(colours_for(rows), rows.values(), strict=True)):
        middle = (len(values) - 1) / 2
        ys = [row + APART * (i - middle) / max(1.0, len(values) / 5) for i in range(len(values))]
        look = (8, "white") if len(values) <= FEW else (5, "none")  # an edge would hide its neighbours
        axes.plot(values, ys, "o", color=colour, markersize=look[0], markeredgecolor=look[1], zorder=3)
        axes.plot([mean(values)] * 2, [row - 0.36, row + 0.36], color=colour, linewidth=2.4)
    style_axes(axes, xlabel)
    axes.grid(False, axis="y")
    axes.set_yticks(range(len(rows)), list(rows), fontsize=FONT)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    words = f"a dot: one seed; stroke: their {'geometric ' * log}mean"
    words += f"; dashed: {bound:.3g}" if bound is not None else ""
    figure.text(0.985, 0.02, words, ha="right", va="bottom", fontsize=FONT - 2, color=FAINT)
    longest = max(len(line) for name in rows for line in name.split("\n"))
    figure.subplots_adjust(min(0.42, 0.03 + 0.0105 * longest), 0.93 / height, 0.98, 0.97)
    return Picture(figure, f"{xlabel} of {', '.join(rows)}, one dot a seed")
