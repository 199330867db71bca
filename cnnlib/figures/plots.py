"""Curves, bars and confusion matrices in the house style."""

from cnnlib.figures.picture import Picture
from cnnlib.figures.style import COLOURS, DASHES, FONT, HATCHES, INK, MARKERS, colours_for, new_figure, style_axes
from cnnlib.training.history import History
from cnnlib.validation import Bool, Count, Dict, List, Number, Pair, Tensor, Text, arguments, in_words

MOST = 5.0  # a training loss that its axis grows for; one beyond is cut off


@arguments(lines=Dict(), xlabel=Text(), ylabel=Text(), ylim=Pair(), log=Bool(), xlog=Bool(), text=Text())
def draw_lines(lines, xlabel, ylabel, ylim=None, log=False, xlog=False, text=None):
    """Draw named lines over one x-axis.

    Parameters
    ----------
    lines : dict of str to (xs, ys)
        Several lists in `ys` are several runs of the same thing: thin lines of one colour.
    log, xlog : bool
        Whether the y-axis, and the x-axis, is logarithmic.

    Raises
    ------
    ValueError
        If there is nothing to draw, more lines than colours, or more values in a line than places.
    """
    _check_lines(lines)
    figure = new_figure(7.0 if len(lines) < 3 else 10.0, 3.8)
    axes = figure.subplots()
    for number, (colour, (name, (xs, ys))) in enumerate(zip(colours_for(lines), lines.items(), strict=True)):
        runs = ys if isinstance(ys[0], list | tuple) else [ys]
        style = {
            "color": colour,
            "linestyle": DASHES[number],
            "marker": MARKERS[number],
            "linewidth": 2.4 if len(runs) == 1 else 1.6,
        }
        for i, run in enumerate(runs):
            axes.plot(xs[: len(run)], run, label=name if i == 0 else None, **style)
    if log:
        axes.set_yscale("log")
    ticks = sorted({x for xs, _ in lines.values() for x in xs})
    if xlog:
        axes.set_xscale("log")
        if len(ticks) <= 12:  # the values themselves, not powers of ten between them
            axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
            axes.minorticks_off()
        else:
            from matplotlib.ticker import LogLocator  # here: `import cnnlib` need not load Matplotlib

            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
    elif all(isinstance(x, int) for x in ticks):
        axes.locator_params(axis="x", integer=True)  # there is no layer 2.5
        if len(ticks) <= 12:
            axes.set_xticks(ticks)  # where something was measured
    style_axes(axes, xlabel, ylabel)
    axes.set_ylim(ylim)
    rows = put_legend_above(axes, lines)
    figure.subplots_adjust(0.11, 0.18, 0.97, 0.95 - 0.08 * rows)
    return Picture(figure, text or f"{ylabel} against {xlabel} for {', '.join(lines)}")


def _check_lines(lines):
    if len(lines) > len(COLOURS):
        raise ValueError(f"at most {len(COLOURS)} lines can be distinguished, got {len(lines)}. Draw two pictures.")
    for name, pair in lines.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"each line must be a pair (xs, ys), got {in_words(pair)} for {name!r}.")
        xs, ys = (List()(values, f"the {axis} of {name!r}") for values, axis in zip(pair, ("xs", "ys"), strict=True))
        for run in ys if isinstance(ys[0], list | tuple) else [ys]:
            if len(List()(run, f"the ys of {name!r}")) > len(xs):
                raise ValueError(f"{name!r} must have a place for each value, got {len(xs)} xs and {len(run)} ys.")
            for value in (*xs, *run):
                check_place(value, f"each value of {name!r}")


def check_place(value, name):
    """Raise a TypeError unless `value` is a number; NaN and infinity are none to draw, and leave a gap."""
    try:
        Number()(value, name)
    except ValueError:
        pass


@arguments(runs=Dict(), width=Count())
def draw_runs(runs, width=10):
    """Draw the training loss of runs against the step, each as the mean of `width` steps.

    Parameters
    ----------
    runs : dict of str to list of History
    width : int
    """
    lines = {}
    for name, histories in runs.items():
        if not any(h.steps for h in List(History)(histories, f"the runs of {name!r}")):
            raise ValueError(f"the runs of {name!r} must have steps to draw, got none.")
        means = [[h.window(i, i + width)[0] for i in range(0, h.steps, width)] for h in histories]
        longest = max(map(len, means))
        lines[name] = ([(i + 1) * width for i in range(longest)], means)
    highest = max((loss for _, rows in lines.values() for row in rows for loss in row if loss < MOST), default=0)
    return draw_lines(lines, "step", "training loss", ylim=(0, max(2.6, 1.02 * highest)))


@arguments(groups=Dict(dict), ylabel=Text())
def draw_bars(groups, ylabel):
    """Draw bars side by side: one cluster a label, one bar a group.

    Parameters
    ----------
    groups : dict of str to (dict of str to float)
        The group's name, then label and height; all groups have the same labels.
    """
    labels = list(next(iter(groups.values())))
    if len(groups) > len(HATCHES):
        raise ValueError(f"at most {len(HATCHES)} groups can be distinguished, got {len(groups)}. Draw two pictures.")
    for name, bars in groups.items():
        if list(Dict()(bars, f"the bars of {name!r}")) != labels and set(bars) != set(labels):
            raise ValueError(f"all groups must have the same labels, got {list(bars)} for {name!r} beside {labels}.")
        for label, height in bars.items():
            check_place(height, f"the height of {label!r}")
    figure = new_figure(10.0, 3.8)
    axes = figure.subplots()
    wide = 0.8 / len(groups)
    for number, (colour, (name, bars)) in enumerate(zip(colours_for(groups), groups.items(), strict=True)):
        places = [i - 0.4 + wide * (number + 0.5) for i in range(len(labels))]
        axes.bar(
            places, [bars[label] for label in labels], wide * 0.92, label=name, color=colour,
            hatch=HATCHES[number], edgecolor="white",
        )  # fmt: skip
    style_axes(axes, "", ylabel)
    axes.set_xticks(range(len(labels)), labels)
    rows = put_legend_above(axes, groups)
    under = 1 + max(label.count("\n") for label in labels)
    figure.subplots_adjust(0.11, 0.05 + 0.07 * under, 0.98, 0.95 - 0.08 * rows)
    return Picture(figure, f"{ylabel} of {', '.join(labels)} for {', '.join(groups)}")


@arguments(counts=Tensor((2,), "(C, C)"), classes=List(str))
def draw_confusions(counts, classes):
    """Draw a confusion matrix, in per cent of each true class.

    Parameters
    ----------
    counts : Tensor of shape (C, C)
        Row: true class, column: predicted class.
    classes : sequence of str

    Raises
    ------
    ValueError
        If the counts are not square, a count is negative, or the number of names differs.
    """
    if counts.shape[0] != counts.shape[1] or counts.is_complex() or not counts.min() >= 0:
        raise ValueError(f"counts must be a square of numbers of at least 0, got {in_words(counts)}.")
    if len(classes) != len(counts):
        raise ValueError(f"classes must be {len(counts)} names, got {in_words(classes)}.")
    share = 100 * counts.double() / counts.sum(dim=1, keepdim=True)
    figure = new_figure(8.2, 6.4)
    axes = figure.subplots()
    axes.imshow(share, cmap="Greys", vmin=0, vmax=100)
    for i, row in enumerate(share.tolist()):
        for j, value in enumerate(row):
            if value > 0.5:
                colour = "white" if value > 61.5 else "black"  # a contrast of 4.5 at every grey
                axes.text(j, i, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=FONT - 1)
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right", fontsize=FONT - 1)
    axes.set_yticks(range(len(classes)), classes, fontsize=FONT - 1)
    axes.set_xlabel("predicted, % of the true class", fontsize=FONT)
    axes.set_ylabel("true class", fontsize=FONT)
    figure.subplots_adjust(0.17, 0.21, 0.99, 0.99)
    return Picture(figure, "Confusion matrix: true class in rows, predicted class in columns")


def put_legend_above(axes, names):
    """Put the legend above the axes, in two rows if one is too short; return the number of rows."""
    rows = 1 if sum(len(name) + 6 for name in names) < 90 else 2
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=-(-len(names) // rows), frameon=False, fontsize=FONT - 1,
        handlelength=2.2, columnspacing=1.2, labelcolor=INK,
    )  # fmt: skip
    return rows
