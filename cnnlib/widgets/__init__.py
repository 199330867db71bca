"""What a reader can move: live controls of a training run, playgrounds, and guesses made before a run."""

from cnnlib.widgets.controls import choice, slider, switch
from cnnlib.widgets.lesions import Lesions
from cnnlib.widgets.live import fit
from cnnlib.widgets.playground import Playground
from cnnlib.widgets.predict import guess
from cnnlib.widgets.views import Blueprint, GradientFlow, Microscope, Shortcuts

__all__ = [
    "Blueprint",
    "GradientFlow",
    "Lesions",
    "Microscope",
    "Playground",
    "Shortcuts",
    "choice",
    "fit",
    "guess",
    "slider",
    "switch",
]
