"""What a reader can move: live controls of a training run, and guesses made before it."""

from cnnlib.widgets.live import fit
from cnnlib.widgets.predict import guess

__all__ = ["fit", "guess"]
