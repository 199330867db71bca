"""Looking inside a network by hooks: shapes and cost, feature maps, gradients. No probe leaves a hook behind."""

from cnnlib.probes.features import feature_maps
from cnnlib.probes.gradients import gradient_norms, present_gradients
from cnnlib.probes.receptive import receptive_fields
from cnnlib.probes.shapes import LayerTable, layer_table
from cnnlib.probes.statistics import Statistics, relu_statistics

__all__ = [
    "LayerTable",
    "Statistics",
    "feature_maps",
    "gradient_norms",
    "layer_table",
    "present_gradients",
    "receptive_fields",
    "relu_statistics",
]
