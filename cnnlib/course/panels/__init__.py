"""Recorded panels: real runs over a grid of a panel's controls, which answer on a page without a kernel.

python -m cnnlib.course.panels [CHAPTERS] --out results/panels      run what is missing, and store it in the library
"""

from cnnlib.course.panels.shown import recorded_panel

__all__ = ["recorded_panel"]
