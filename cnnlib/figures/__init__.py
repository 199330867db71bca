"""Pictures of the book: each function takes data and returns a Picture."""

from cnnlib.figures.images import draw_feature_maps, draw_filters, show_images
from cnnlib.figures.networks import draw_network
from cnnlib.figures.plots import draw_bars, draw_confusions, draw_lines, draw_runs

__all__ = [
    "draw_bars",
    "draw_confusions",
    "draw_feature_maps",
    "draw_filters",
    "draw_lines",
    "draw_network",
    "draw_runs",
    "show_images",
]
