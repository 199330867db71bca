"""Looking inside a network by hooks: shapes and cost, feature maps, gradients. No probe leaves a hook behind."""

from cnnlib.probes.excitation import MapLayer, Places, layers_with_maps, maps_and_output, strongest_places
from cnnlib.probes.features import feature_maps
from cnnlib.probes.flow import FlowProbe
from cnnlib.probes.gradient_parts import GradientParts, gradient_parts
from cnnlib.probes.gradients import gradient_norms, path_gradients, present_gradients
from cnnlib.probes.landscape import loss_along, random_direction
from cnnlib.probes.lesions import Site, lesion_sites, swapped, without
from cnnlib.probes.receptive import receptive_fields
from cnnlib.probes.statistics import Statistics, relu_statistics
from cnnlib.probes.walk import LayerTable, Step, Walk, layer_table, walk_layers

__all__ = [
    "FlowProbe",
    "GradientParts",
    "LayerTable",
    "MapLayer",
    "Places",
    "Site",
    "Statistics",
    "Step",
    "Walk",
    "feature_maps",
    "gradient_norms",
    "gradient_parts",
    "layer_table",
    "layers_with_maps",
    "lesion_sites",
    "loss_along",
    "maps_and_output",
    "path_gradients",
    "present_gradients",
    "random_direction",
    "receptive_fields",
    "relu_statistics",
    "strongest_places",
    "swapped",
    "walk_layers",
    "without",
]
