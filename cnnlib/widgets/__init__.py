"""What a reader can move: live controls of a training run, playgrounds, and guesses made before a run."""

from cnnlib.course.panels import recorded_panel
from cnnlib.widgets.controls import choice, slider, switch
from cnnlib.widgets.convolution import Convolution
from cnnlib.widgets.current_run import last_run
from cnnlib.widgets.exercise_help import show_with_buttons
from cnnlib.widgets.feature_explorer import FeatureExplorer, explore_features
from cnnlib.widgets.gradient_sum import GradientSum
from cnnlib.widgets.lesions import Lesions
from cnnlib.widgets.live import fit
from cnnlib.widgets.playground import Playground
from cnnlib.widgets.predict import guess
from cnnlib.widgets.shape_walk import explore_shapes
from cnnlib.widgets.views import Blueprint, GradientFlow, Microscope, Reconstructions, Shortcuts

show_with_buttons()

__all__ = [
    "Blueprint",
    "Convolution",
    "FeatureExplorer",
    "GradientFlow",
    "GradientSum",
    "Lesions",
    "Microscope",
    "Playground",
    "Reconstructions",
    "Shortcuts",
    "choice",
    "explore_features",
    "explore_shapes",
    "fit",
    "guess",
    "last_run",
    "recorded_panel",
    "slider",
    "switch",
]
