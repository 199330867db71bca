"""Recorded runs: their curves, with the reader's own short ones over them, and what they reached for what they cost."""

import math

from cnnlib.figures.picture import Picture
from cnnlib.figures.plots import put_legend_above
from cnnlib.figures.style import (
    COLOURS,
    DASHES,
    FAINT,
    FONT,
    INK,
    MARKERS,
    colours_for,
    new_figure,
    style_axes,
    word_colour,
)
from cnnlib.training.history import History
from cnnlib.validation import Choice, Dict, Like, Pair, Text, arguments

LABELS = {
    "loss": "training loss",
    "train_loss": "training loss",
    "train_acc": "training accuracy",
    "test_acc": "test accuracy",
    "train_error": "training error",
    "test_error": "test error",
}
WIDTH = 20  # steps that a point of a reader's own run is the mean of, as of a recorded one
RECORDED = Like(("curve", "runs", "last"), "a recording, as `recorded` returns it")

# of the fair comparison
COSTS = {"parameters": "parameters", "multiply_adds": "multiply-adds per picture"}
APART = 0.07  # of an axis: the least distance between two names; half of it between a name and a dot
WIDE = 0.4  # of an axis: a long name
EQUAL, ASIDE, SHAKE = 0.05, 0.02, 0.006  # of a cost: as good as equal; of an axis, between two networks and two seeds
SHAPES = {"LeNet": "s", "AlexNet": "D", "VGG": "^", "ResNet": "P"}  # a family of networks; all others are discs


@arguments(runs=Dict(), quantity=Choice(tuple(LABELS)), here=Dict(), ylim=Pair())
def draw_recorded(runs, quantity="loss", here=None, ylim=None):
    """Draw recorded runs as thin lines, one a seed, and over them what was trained here, as thick ones.

    Parameters
    ----------
    runs : dict of str to Recorded
        A name, and with it a colour, for each experiment.
    quantity : str
        'loss', against the step; or against the epoch 'train_loss', 'train_acc', 'test_acc', or 'train_error' and
        'test_error', which are one minus the accuracy.
    here : dict of str to History or list of History, optional
        The reader's own runs, under names that stand in `runs`: they take the colour.
    ylim : pair of float, optional
        Where the vertical axis begins and ends; a curve that begins elsewhere comes in from there.

    Raises
    ------
    ValueError
        If there is nothing to draw, a name in `here` has no recording, or there are more names than colours.
    """
    from matplotlib.patheffects import withStroke  # here: `import cnnlib` need not load Matplotlib

    here = {name: [own] if isinstance(own, History) else list(own) for name, own in (here or {}).items()}
    unknown = [name for name in here if name not in runs]
    if unknown or not 0 < len(runs) <= len(COLOURS):
        raise ValueError(
            f"runs must hold 1 to {len(COLOURS)} recordings, among them each name of `here`, got {list(runs)} and "
            f"{list(here)}."
        )
    edge = withStroke(linewidth=5, foreground=INK)  # or an own run is lost among thin lines of its colour
    figure = new_figure(10.0, 4.2)
    axes, by_step = figure.subplots(), quantity == "loss"
    for name, colour, dash, marker in zip(runs, colours_for(runs), DASHES, MARKERS, strict=False):
        style = {"color": colour, "linestyle": dash, "linewidth": 1.2}
        if not by_step:  # an epoch a point, few enough for markers
            style |= {"marker": marker, "markersize": 4}
        steps, rows = RECORDED(runs[name], f"the runs of {name!r}").curve(quantity.replace("error", "acc"))
        xs = steps if by_step else range(1, len(steps) + 1)
        for number, row in enumerate(rows):
            label = name if number == 0 else None
            axes.plot(xs[: len(row)], _shown(row, quantity), label=label, **style)
        for history in here.get(name, ()):
            xs, values = _own_curve(history, quantity)
            look = {"color": colour, "linewidth": 3, "marker": "o" * (len(xs) < 2), "path_effects": [edge]}
            axes.plot(xs, _shown(values, quantity), "-", **look)
    style_axes(axes, "step" if by_step else "epoch", LABELS[quantity])
    axes.set_ylim(ylim)
    if not by_step:
        axes.locator_params(axis="x", integer=True)
    rows = put_legend_above(axes, runs)
    words = f"thin: {_origin(runs)}, one line a seed" + "; thick: trained here" * bool(here)
    figure.text(0.985, 0.015, words, ha="right", va="bottom", fontsize=FONT - 2, color=FAINT)
    figure.subplots_adjust(0.08, 0.2, 0.985, 0.95 - 0.07 * rows)
    return Picture(figure, f"Recorded {LABELS[quantity]} of {', '.join(runs)}")


def _origin(recordings):
    """Say when and on what the runs were recorded; where they differ, how many kinds of processor there were."""
    runs = [run for recording in recordings.values() for run in recording.runs]
    places, days = ({run[key] for run in runs} for key in ("hardware", "date"))
    if len(places) > 1:
        return f"recorded until {max(days)} on {len(places)} kinds of processor"
    return f"recorded {max(days)} on {places.pop()}, PyTorch {runs[0]['versions']['torch']}"


def _own_curve(history, quantity):
    if quantity == "loss":
        starts = range(0, history.steps, WIDTH)
        return [min(i + WIDTH, history.steps) for i in starts], [history.window(i, i + WIDTH)[0] for i in starts]
    values = getattr(history, quantity.replace("error", "acc"))
    return range(1, len(values) + 1), values


def _shown(values, quantity):
    return [1 - value for value in values] if quantity.endswith("error") else values


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
        if not RECORDED(recorded, f"the runs of {name!r}").last("test_acc"):
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
        span, taken, placed = axes.get_xlim()[1] / axes.get_xlim()[0], [], []
        for name, colour, recorded in zip(runs, colours_for(runs), runs.values(), strict=True):
            accs, x = recorded.last("test_acc"), recorded.runs[0][cost]
            shape = next((shape for family, shape in SHAPES.items() if family in name), "o")
            equal = [other.runs[0][cost] for other in runs.values() if abs(other.runs[0][cost] / x - 1) < EQUAL]
            aside = ASIDE * (sum(abs(place / x - 1) < EQUAL for place in placed) - (len(equal) - 1) / 2)
            placed.append(x)
            xs = [x * span ** (aside + SHAKE * (i - (len(accs) - 1) / 2)) for i in range(len(accs))]
            axes.plot(xs, accs, shape, color=colour, markersize=9, markeredgecolor="white", zorder=3)
            mean = sum(accs) / len(accs)
            beside = [other for other in runs.values() if x < other.runs[0][cost] < x * reach]
            dots = [acc for other in beside for acc in other.last("test_acc")]
            rows = (mean + sign * step * 0.01 * room for step in range(200) for sign in (1, -1))
            taken.append(next(y for y in rows if all(abs(y - other) > APART * room for other in taken)
                              and all(abs(y - dot) > APART / 2 * room for dot in dots)))  # fmt: skip
            axes.annotate(name, (max(xs), taken[-1]), (9, 0), textcoords="offset points", va="center", fontsize=FONT,
                          color=word_colour(colour))  # fmt: skip
        style_axes(axes, label, "test accuracy" if cost == "parameters" else "")
    words = "a mark: one seed; networks of equal cost stand side by side"
    figure.text(0.985, 0.015, words, ha="right", va="bottom", fontsize=FONT - 2, color=FAINT)
    figure.subplots_adjust(0.085, 0.16, 0.985, 0.98, wspace=0.05)
    return Picture(figure, text or f"Test accuracy against parameters and multiply-adds of {', '.join(runs)}")
