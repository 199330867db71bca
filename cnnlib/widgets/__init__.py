"""What a reader can move: live controls of a training run, and guesses made before it."""

from cnnlib.widgets.fit import fit
from cnnlib.widgets.guess import guess

__all__ = ["fit", "guess"]
