"""Looking inside a network by hooks: shapes and cost, feature maps, gradients. No probe leaves a hook behind."""

from cnnlib.probes.features import feature_maps
from cnnlib.probes.gradients import gradient_norms, present_gradients
from cnnlib.probes.lesions import Site, lesion_sites, swapped, without
from cnnlib.probes.receptive import receptive_fields
from cnnlib.probes.shapes import LayerTable, layer_table
from cnnlib.probes.statistics import Statistics, relu_statistics

__all__ = [
    "LayerTable",
    "Site",
    "Statistics",
    "feature_maps",
    "gradient_norms",
    "layer_table",
    "lesion_sites",
    "present_gradients",
    "receptive_fields",
    "relu_statistics",
    "swapped",
    "without",
]
