"""What ends a run that no machine and no reader ended."""


class DivergenceError(FloatingPointError):
    """The loss or the weights became NaN or infinite, and the network is back to weights from before the loss rose.

    `history` holds the run so far, `step` the step that failed, `lr` the learning rate to go on with: a tenth.
    """

    def __init__(self, message, history=None, step=None, lr=None):
        super().__init__(message)  # the message alone: pickle rebuilds an exception from that and its attributes
        self.history, self.step, self.lr = history, step, lr
