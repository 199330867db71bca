"""The training loop and what surrounds it: evaluation, metrics, history, snapshots, checkpoints, seeds."""
