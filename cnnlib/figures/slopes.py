"""How a gradient grows or fades from block to block on its way back, beside what theory predicts."""

import math

from cnnlib.figures.picture import Picture
from cnnlib.figures.plots import check_place
from cnnlib.figures.style import FAINT, FONT, INK, colours_for, new_figure, style_axes, word_colour
from cnnlib.validation import Dict, List, Number, Pair, arguments, in_words

ROOM = 0.068  # of the height, between two names beside their lines
NAME = 20  # blocks that a name is long
PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}  # behind a name that a line crosses


@arguments(stacks=Dict(), predicted=Dict(), ylim=Pair())
def draw_slopes(stacks, predicted, ylim=(1e-24, 1e12)):
    """Draw each run's gradient behind every block, divided by that behind the last, in the direction it travels.

    Parameters
    ----------
    stacks : dict of str to list of list of float
        For each seed the size of the gradient behind each block, the first block's first.
    predicted : dict of str to float
        For some of the stacks the factor a block that theory gives: a dashed line.
    ylim : pair of float
        A line that leaves these bounds ends there, with its name.

    Raises
    ------
    ValueError
        If there is nothing to draw, or a prediction without its stack.
    """
    if not stacks:
        raise ValueError("stacks must hold at least one name with its runs, got none.")
    for name, factor in predicted.items():
        if name not in stacks:
            raise ValueError(f"predicted must name stacks that are drawn, got {name!r}.")
        Number(low=0)(factor, f"the factor of {name!r}")
    figure = new_figure(10.0, 4.6)
    axes = figure.subplots()
    ends = []
    for colour, (name, runs) in zip(colours_for(stacks), stacks.items(), strict=True):
        for run in List()(runs, f"the runs of {name!r}"):
            for value in List()(run, f"a run of {name!r}"):
                check_place(value, f"each value of {name!r}")
            if len(run) < 2:
                raise ValueError(f"a run of {name!r} must have two blocks at least, got {in_words(run)}.")
            ratios = [value / run[-1] if run[-1] else 0.0 for value in reversed(run)]
            axes.plot(range(len(ratios)), ratios, color=colour, linewidth=1.6)
        ends.append((name, colour, *_last_inside(ratios, ylim)))
        if name in predicted:
            steps = [predicted[name] ** i for i in range(len(run))]
            axes.plot(range(len(steps)), steps, color=INK, linewidth=1.6, linestyle=(0, (4, 3)), zorder=3)
    axes.set_yscale("log")
    axes.set_ylim(ylim)
    longest = max(len(run) for runs in stacks.values() for run in runs) - 1
    axes.set_xlim(0, longest * 1.36)
    axes.set_xticks(range(0, longest + 1, max(1, longest // 5)))
    _name_lines(axes, ends, ylim)
    style_axes(axes, "blocks that the gradient has come back through", "gradient, last block = 1")
    figure.text(0.985, 0.02, "dashed: predicted", ha="right", va="bottom", fontsize=FONT, color=FAINT)
    figure.subplots_adjust(0.11, 0.16, 0.98, 0.97)
    return Picture(figure, f"gradient behind each block of {', '.join(stacks)}, and what theory predicts")


def _last_inside(values, ylim):
    """Return (x, y) where a line ends, or where it leaves the bounds."""
    left = next((i for i, value in enumerate(values) if not ylim[0] <= value <= ylim[1]), None)
    if left is None:
        return len(values) - 1, values[-1]
    return left, min(max(values[left], ylim[0]), ylim[1])


def _name_lines(axes, ends, ylim):
    """Write each name beside the end of its line; names that would meet move apart."""
    low, high = (math.log(y) for y in ylim)
    places = sorted([(math.log(y) - low) / (high - low), x, name, colour] for name, colour, x, y in ends)
    for _ in range(100):
        for i, lower in enumerate(places):
            for upper in places[i + 1 :]:
                missing = ROOM - (upper[0] - lower[0])
                if missing > 0 and abs(upper[1] - lower[1]) < NAME:
                    lower[0], upper[0] = lower[0] - missing / 2, upper[0] + missing / 2
        for place in places:
            place[0] = min(max(place[0], 0.04), 0.96)
    for height, x, name, colour in places:
        y = math.exp(low + height * (high - low))
        axes.text(x + 0.5, y, name, color=word_colour(colour), fontsize=FONT, va="center", bbox=PAPER)
