"""How far a run is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunProgress:
    """How far a run is: all a display needs for its status line."""

    step: int
    total_steps: int
    epoch: float
    num_epochs: int
    seconds: float
    examples_per_second: float
    seconds_left: float


def progress_of(trainer, began, seconds, num_epochs):
    """Return the RunProgress of a trainer that began this run at step `began`, so many seconds ago."""
    total, step = num_epochs * trainer.num_batches, trainer.epoch * trainer.num_batches + trainer.batch
    left = (total - step) * seconds / (step - began) if seconds and step > began else 0.0
    speed = trainer.history.examples_per_second
    return RunProgress(step, total, step / trainer.num_batches, num_epochs, trainer.seconds, speed, left)
