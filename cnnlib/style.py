"""The house style of every chart: large enough for the back row, safe for colour-blind readers, readable in grey.

The colours are Okabe and Ito's; lines differ in dash and marker as well, so that no meaning hangs on colour alone.
"""

# one colour for each network, through the whole book
NETWORK_COLOURS = {
    "LeNet": "#0072B2",
    "AlexNet": "#D55E00",
    "VGG": "#009E73",
    "batch norm": "#CC79A7",
    "ResNet": "#000000",
}

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-", "-.", ":", "--", "-")
MARKERS = ("", "", "o", "", "", "s", "")

INK = "#222222"
FAINT = "#6b6b6b"
GRID = "#dddddd"
BAND = "#E69F00"

DPI = 100  # of a live frame; a picture that stays in the page is drawn at twice that
FONT = 13  # points: a legend is about 2 % of the width of a full-width chart


def new_figure(width, height):
    """Return an empty figure of `width` × `height` inches, with a canvas to draw on and no window.

    Never pyplot: its list of figures belongs to the whole process, and a kernel that answers a widget's message
    closes whatever figure pyplot is drawing at that moment.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: 0.4 s that `import cnnlib` need not cost
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes, xlabel="", ylabel="", grid=True):
    """Give axes the house's labels, ticks and grid."""
    axes.set_xlabel(xlabel, fontsize=FONT, color=INK)
    axes.set_ylabel(ylabel, fontsize=FONT, color=INK)
    axes.tick_params(labelsize=FONT - 1, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if grid:
        axes.grid(True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
