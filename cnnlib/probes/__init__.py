"""Looking inside a network by hooks: shapes and cost, feature maps, gradients. No probe leaves a hook behind."""

from cnnlib.probes.features import feature_maps
from cnnlib.probes.flow import FlowProbe
from cnnlib.probes.gradients import gradient_norms, present_gradients
from cnnlib.probes.landscape import loss_along, random_direction
from cnnlib.probes.lesions import Site, lesion_sites, swapped, without
from cnnlib.probes.receptive import receptive_fields
from cnnlib.probes.shapes import LayerTable, layer_table
from cnnlib.probes.statistics import Statistics, relu_statistics
from cnnlib.probes.unrolled import GradientParts, gradient_parts

__all__ = [
    "FlowProbe",
    "GradientParts",
    "LayerTable",
    "Site",
    "Statistics",
    "feature_maps",
    "gradient_norms",
    "gradient_parts",
    "layer_table",
    "lesion_sites",
    "loss_along",
    "present_gradients",
    "random_direction",
    "receptive_fields",
    "relu_statistics",
    "swapped",
    "without",
]
