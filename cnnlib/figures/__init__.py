"""Pictures of the book: each function takes data and returns a Picture."""

from cnnlib.figures.block_kinds import draw_block_kinds, draw_depths
from cnnlib.figures.blocks import draw_blocks
from cnnlib.figures.convolution import draw_convolution
from cnnlib.figures.dots import draw_dots
from cnnlib.figures.feature_explorer import Found, draw_feature_explorer
from cnnlib.figures.flow import gradient_flow_chart
from cnnlib.figures.framed_bars import draw_lesions, draw_parts
from cnnlib.figures.function_classes import draw_function_classes
from cnnlib.figures.images import draw_feature_maps, draw_filter_rows, draw_filters, show_images
from cnnlib.figures.networks import draw_network, draw_volumes
from cnnlib.figures.norm_axes import draw_norm_axes
from cnnlib.figures.plots import draw_bars, draw_confusions, draw_lines, draw_runs
from cnnlib.figures.receptive import draw_receptive_fields
from cnnlib.figures.reconstructions import draw_reconstructions
from cnnlib.figures.recorded import draw_fair_comparison, draw_recorded
from cnnlib.figures.shape_walk import draw_step
from cnnlib.figures.slopes import draw_slopes
from cnnlib.figures.statistics import draw_statistics

__all__ = [
    "Found",
    "draw_bars",
    "draw_block_kinds",
    "draw_blocks",
    "draw_confusions",
    "draw_convolution",
    "draw_depths",
    "draw_dots",
    "draw_fair_comparison",
    "draw_feature_explorer",
    "draw_feature_maps",
    "draw_filter_rows",
    "draw_filters",
    "draw_function_classes",
    "draw_lesions",
    "draw_lines",
    "draw_network",
    "draw_norm_axes",
    "draw_parts",
    "draw_receptive_fields",
    "draw_reconstructions",
    "draw_recorded",
    "draw_runs",
    "draw_slopes",
    "draw_statistics",
    "draw_step",
    "draw_volumes",
    "gradient_flow_chart",
    "show_images",
]
