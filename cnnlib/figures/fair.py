"""The fair comparison: what networks reached that saw the same pictures, against what they cost."""

import math

from cnnlib.figures.picture import Picture
from cnnlib.figures.style import FAINT, FONT, colours_for, new_figure, style_axes, word_colour
from cnnlib.validation import Dict, Like, Text, arguments

COSTS = {"parameters": "parameters", "multiply_adds": "multiply-adds per picture"}
RUNS = Like(("runs", "last"), "a recording, as `recorded` returns it")
APART = 0.07  # of an axis: the least distance between two names; half of it between a name and a dot
WIDE = 0.4  # of an axis: a long name
SHAPES = {"LeNet": "s", "AlexNet": "D", "VGG": "^", "ResNet": "P"}  # a family of networks; all others are discs


@arguments(runs=Dict(), text=Text())
def draw_fair_comparison(runs, text=None):
    """Draw test accuracy against parameters and against multiply-adds, both logarithmic: a dot a seed.

    Parameters
    ----------
    runs : dict of str to Recorded
        A name, and with it a colour, for each network.

    Raises
    ------
    ValueError
        If no run of a network came to its end.
    """
    for name, recorded in runs.items():
        if not RUNS(recorded, f"the runs of {name!r}").last("test_acc"):
            raise ValueError(f"no run of {name!r} came to its end.")
    figure = new_figure(10.0, 5.2)
    reached = [acc for recorded in runs.values() for acc in recorded.last("test_acc")]
    low, high = min(reached), max(reached)
    room = max(high - low, 0.01)
    for axes, (cost, label) in zip(figure.subplots(1, 2, sharey=True), COSTS.items(), strict=True):
        axes.set_xscale("log")
        axes.set_ylim(low - 0.12 * room, high + 0.12 * room)
        places = [recorded.runs[0][cost] for recorded in runs.values()]
        axes.set_xlim(min(places) / 2, max(places) * 10 ** (0.45 * math.log10(max(places) / min(places)) + 0.2))
        reach = (axes.get_xlim()[1] / axes.get_xlim()[0]) ** WIDE  # of a name, as a factor
        taken = []
        for name, colour, recorded in zip(runs, colours_for(runs), runs.values(), strict=True):
            accs, x = recorded.last("test_acc"), recorded.runs[0][cost]
            shape = next((shape for family, shape in SHAPES.items() if family in name), "o")
            axes.plot([x] * len(accs), accs, shape, color=colour, markersize=9, markeredgecolor="white", zorder=3)
            mean = sum(accs) / len(accs)
            beside = [other for other in runs.values() if x < other.runs[0][cost] < x * reach]
            dots = [acc for other in beside for acc in other.last("test_acc")]
            rows = (mean + sign * step * 0.01 * room for step in range(200) for sign in (1, -1))
            taken.append(next(y for y in rows if all(abs(y - other) > APART * room for other in taken)
                              and all(abs(y - dot) > APART / 2 * room for dot in dots)))  # fmt: skip
            axes.annotate(name, (x, taken[-1]), (9, 0), textcoords="offset points", va="center", fontsize=FONT,
                          color=word_colour(colour))  # fmt: skip
        style_axes(axes, label, "test accuracy" if cost == "parameters" else "")
    figure.text(0.985, 0.015, "a mark: one seed", ha="right", va="bottom", fontsize=FONT - 2, color=FAINT)
    figure.subplots_adjust(0.085, 0.16, 0.985, 0.98, wspace=0.05)
    return Picture(figure, text or f"Test accuracy against parameters and multiply-adds of {', '.join(runs)}")
