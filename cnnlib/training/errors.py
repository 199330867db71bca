"""What ends a run that no machine and no reader ended."""

from cnnlib.machine.faults import Picklable


class DivergenceError(Picklable, FloatingPointError):
    """The loss or the weights became NaN or infinite, and the network is back to weights from before the loss rose.

    `history` holds the run so far, `step` the step that failed, `lr` the learning rate to go on with: a tenth.
    """

    def __init__(self, message, history, step, lr):
        super().__init__(message)
        self.history, self.step, self.lr = history, step, lr
