"""The house style of every chart: large enough for the back row, safe for colour-blind readers, readable in grey.

The first four colours, and black, are Okabe and Ito's; their orange and sky blue are too pale for a line on white, so
darker ones stand in. Lines differ in dash or marker as well, so that no meaning hangs on colour alone. Every chart is
drawn on white, on a dark page as well. tests/test_colours.py holds all of this to numbers.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#854B00", "#1F8FFF", "#000000")
# one colour for each network or treatment, through the whole book: the first of these words in a name decides
NETWORK_COLOURS = {
    "zero γ": "#1F8FFF", "pre-activation": "#009E73", "Fixup": "#854B00",
    "GroupNorm": "#009E73", "group norm": "#009E73", "LayerNorm": "#854B00", "layer norm": "#854B00",
    "noisy": "#1F8FFF", "without BN": "#B8860B", "no BN": "#B8860B", "plain": "#D55E00", "residual": "#000000",
    "VGG-11, BN": "#1F8FFF", "batch norm": "#CC79A7", "BN": "#CC79A7", "ResNet": "#000000",
    "max pooling": "#1F8FFF", "left alone": "#854B00", "sigmoid": "#CC79A7", "tanh": "#D55E00",
    "dense": "#882255", "hand-made": "#854B00",
    "VGG": "#009E73", "3 convolutions, rate": "#1F8FFF", "12 convolutions": "#D55E00", "18 convolutions": "#009E73",
    "AlexNet": "#B8860B", "LeNet": "#0072B2", "ReLU": "#0072B2",
}  # fmt: skip

DASHES = ("-", "--", "-", "-.", ":", "--", "-")
MARKERS = ("", "", "o", "", "", "s", "^")
SERIES = {"train loss": 0, "train accuracy": 1, "test accuracy": 2}  # with the same look in every chart of a run
HATCHES = ("", "//", "..", "xx", "--")  # of bars, in the order of the colours

WHITE = "#ffffff"

# what flows through a network, by the kind of layer that made it: distinguished by lightness as well
FILL = {"input": WHITE, "convolution": "#0072B2", "pooling": "#A8D3F0", "dense": "#C58A1B"}
LIGHT = "#9ecae1"  # what stands beside the bar in question

INK = "#222222"
FAINT = "#6b6b6b"
GRID = "#dddddd"
RIGHT, WRONG = "#1a7f37", "#b00020"  # of words that begin with ✓ or ✗
BAND = "#E69F00"
TINT = ("#1F8FFF", "#E69F00")  # behind what comes after a mark, in turn
EARLIER = ("#7A6C99", "#857A3A", "#4F8590", "#A3656F")  # lines of earlier runs: quiet, and no series' colour

DPI = 100  # of a live frame; a picture that stays in the page is drawn at twice that
FONT = 13  # points: a legend is about 2 % of the width of a full-width chart


def colours_for(names):
    """Return a colour for each name: its own through the whole book if it has one, or else one that is left."""
    own = [next((c for words, c in NETWORK_COLOURS.items() if words in name), None) for name in names]
    left = [c for c in COLOURS if c not in own] or list(COLOURS)
    rest = iter(left * len(own))
    return [colour or next(rest) for colour in own]


def series_number(name, number):
    """Return which colour, dashes and marker a series has: its own by its name, or those of its place in the chart."""
    return SERIES.get(name, number) % len(COLOURS)


def word_colour(colour):
    """Return a colour dark enough for words on white (a contrast of 4.5, WCAG 2.2, 1.4.3), of the same hue."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    while contrast(colour, WHITE) < 4.5:
        channels = [0.97 * channel for channel in channels]
        colour = "#" + "".join(f"{round(channel):02x}" for channel in channels)
    return colour


def contrast(one, other):
    """Return the contrast of two colours, from 1 to 21: WCAG 2.2, "contrast ratio"."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def new_figure(width, height):
    """Return an empty figure of `width` × `height` inches, with a canvas to draw on and no window.

    Never pyplot: its list of figures belongs to the whole process, and a kernel that answers a widget's message
    closes whatever figure pyplot is drawing at that moment.
    """
    from cnnlib.figures.canvas import HouseFigure  # here: 0.4 s that `import cnnlib` need not cost

    return HouseFigure(figsize=(width, height), dpi=DPI, facecolor="white")


def style_axes(axes, xlabel="", ylabel=""):
    """Give axes the house's labels, ticks and grid."""
    axes.set_xlabel(xlabel, fontsize=FONT, color=INK)
    axes.set_ylabel(ylabel, fontsize=FONT, color=INK)
    axes.tick_params(labelsize=FONT - 1, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
