"""Train a network in one call, and measure how long an epoch would take."""

import time

import torch

from cnnlib.models.copying import copy_network
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.loop import Trainer
from cnnlib.validation import Count, Device, Network, Rate, arguments


@arguments(net=Network(), num_epochs=Count(), lr=Rate(), device=Device())
def train(net, train_iter, test_iter, num_epochs, lr, device=None, *, checkpoint=None, **options):
    """Train a network and return the record of the run, without any display.

    Parameters
    ----------
    net, train_iter, test_iter, lr, device, **options
        As for `Trainer`.
    num_epochs : int
        How many times to go through `train_iter`.
    checkpoint : path or Checkpoint, optional
        A file that keeps the run: written every half minute, after each epoch and at the end. If it is there already,
        the run goes on from it, up to `num_epochs` in all.

    Returns
    -------
    History

    Raises
    ------
    DivergenceError, OutOfMemoryError, DeviceError, TypeError, ValueError
        As `Trainer` and `Trainer.fit` do.
    """
    trainer = Trainer(net, train_iter, test_iter, lr, device=device, **options)
    trainer.go_on = call_to_go_on("train", device is not None or options, checkpoint)
    if checkpoint is None:
        return trainer.fit(num_epochs)
    return Checkpoint.of(checkpoint).fit(trainer, num_epochs)


def call_to_go_on(name, more, checkpoint=None):
    """Return the call to suggest after a divergence, a template; `more` if the first call had further arguments.

    A file keeps one run, with one learning rate: a run with another rate needs another file.
    """
    more = f"{', checkpoint=another file' if checkpoint else ''}{', …' if more else ''}"
    return f"{name}(net, train_iter, test_iter, num_epochs={{epochs}}, lr={{lr:g}}{more})"


@arguments(net=Network(), device=Device(), steps=Count())
def time_epoch(net, train_iter, device=None, steps=10):
    """Measure how many seconds one epoch of training takes on this machine; the network is not changed.

    Parameters
    ----------
    net, train_iter, device
        As for `train`.
    steps : int
        How many batches to try it on, after two to warm up.
    """
    trainer = Trainer(copy_network(net), train_iter, lr=1e-6, device=device)
    times = []

    def note(trainer):
        if trainer.batch > len(times):  # a batch is done, not the epoch or the run
            times.append(time.perf_counter())
        if len(times) == steps + 2:
            trainer.stop()

    trainer.listeners.append(note)
    random, began = torch.get_rng_state(), time.perf_counter()
    trainer.fit(1)
    torch.set_rng_state(random)
    done = times[1 : steps + 2]
    seconds = (done[-1] - done[0]) / (len(done) - 1) if len(done) > 1 else times[0] - began
    return seconds * trainer.num_batches
