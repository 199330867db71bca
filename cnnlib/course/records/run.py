"""One run of an experiment, kept as a file of its own as soon as it ends.

A run whose file is there is not trained again; one that was interrupted goes on from its checkpoint. Where an
experiment has several rates, each is tried for a few epochs first. The test pictures choose nothing: a trial is judged
by training pictures alone, and no run is stopped or left out for its test accuracy.
"""

import json
import os
import sys
import time
from itertools import islice
from multiprocessing import parent_process

import torch
from torch import nn

from cnnlib.course.records.catalogue import NAMED
from cnnlib.course.records.record import SHIFTS, make_record, read
from cnnlib.course.records.team import TeamTrainer, num_processes, process_number
from cnnlib.machine.device import describe_device
from cnnlib.machine.rng import forked_rng, seed_all
from cnnlib.models.batch_norm import BATCH_NORMS, recalibrate_
from cnnlib.page import storage
from cnnlib.page.escape import printable
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.evaluation import evaluate_accuracy
from cnnlib.training.guard import DivergenceError

FURTHER = 2  # trials beyond the rates of an experiment
FRESH = 20  # large batches from which statistics are measured afresh
APART = 2**32  # between the seeds of two processes: their dropout masks differ


def run(experiment, seed, device, folder, *, rate=None, precision="float32", compile=False, say=lambda text: None):
    """Train one experiment with one seed, unless the folder has that run already.

    Parameters
    ----------
    experiment : Experiment
    seed : int
    device : torch.device
    folder : Path
        Where the file goes, and its checkpoint meanwhile.
    rate : float, optional
        Makes this a trial of that rate. Without it, the best of the experiment's is taken, after trials where needed.
    precision, compile
        As for `TeamTrainer`; only experiments that are `small` are compiled.
    say : callable
        Called with a line of text when a run begins, after each epoch, and when it ends.

    Returns
    -------
    dict
        The record: settings, seed, hardware, versions, losses and accuracies of each epoch, seconds. Of a trial the
        test accuracies are those on the training pictures that were held out.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted or stopped. The next call goes on with it.
    ValueError
        If the folder has a run under this name that was made with other settings.
    """
    is_trial, compile, trials = rate is not None, compile and experiment.small, {}
    if not is_trial:
        rate, trials = choose_rate(experiment, seed, device, folder, precision=precision, compile=compile, say=say)
    epochs = experiment.trial_epochs if is_trial else experiment.epochs
    trial, processes = f"trial{rate:g}" if is_trial else "", num_processes()
    parts = [experiment.size, experiment.name, precision if precision != "float32" else "", "compiled" * compile]
    name = "-".join(filter(None, [*parts, f"{processes}processes" * (processes > 1), trial, str(seed)]))
    path, begun = folder / f"{name}.json", folder / f"{name}.pt"
    lock = storage.hold(path, patience=-1) if process_number() == 0 else None  # without a limit
    try:
        if path.exists():
            say(f"{name}: there already")
            return _read_own(path, experiment)
        say(f"{name}: {epochs} epochs at rate {rate:g} on {describe_device(device)}")
        with forked_rng(device, seed):
            data = experiment.trial_data(seed) if is_trial else experiment.data(seed)
            trainer = _trainer(experiment, data, seed, rate, device, precision, compile)
            trainer.listeners.append(_Follower(trainer, experiment, rate, epochs, lambda text: say(f"{name}: {text}")))
            try:
                history = Checkpoint(begun).fit(trainer, epochs)
            except DivergenceError as error:
                history = error.history
        if history.ended in ("interrupted", "stopped"):
            raise KeyboardInterrupt
        measured = {} if is_trial or experiment.low is not None else _further_accuracies(trainer, experiment)
        record = make_record(experiment, seed, device, history, trainer.net)
        record |= {"rate": rate, "trials": trials, "epochs": epochs, **measured}
        if lock:
            storage.replace(path, json.dumps(record, ensure_ascii=False).encode())
            begun.unlink(missing_ok=True)
        return record
    finally:
        if lock:
            lock.release()


def choose_rate(experiment, seed, device, folder, **options):
    """Return the rate with the best trial, and what each trial came to, None if it diverged: a dict from rate, as text.

    Where the best is the lowest or the highest rate of all, up to two further ones are tried. All trials have the
    experiment's first seed. Processes with other seeds begin with other trials, so that none waits for another for
    long. The options are those of `run`.
    """
    rates, found = sorted(experiment.rates), {}
    if len(rates) == 1:
        return rates[0], {}
    column, sign = {"validation accuracy": ("test_acc", 1), "training loss": ("train_loss", -1)}[experiment.chosen_by]

    def attempt(rate):
        trial = run(experiment, experiment.seeds[0], device, folder, rate=rate, **options)
        found[rate] = trial[column][-1] if trial["ended"] == "finished" else None

    def best():
        return max(sorted(found), key=lambda rate: -torch.inf if found[rate] is None else sign * found[rate])

    for rate in sorted(rates, key=lambda rate: (rates.index(rate) - seed) % len(rates)):
        attempt(rate)
    for _ in range(FURTHER):
        if best() == max(found):
            attempt(float(f"{max(found) * rates[-1] / rates[-2]:.2g}"))
        elif best() == min(found):
            attempt(float(f"{min(found) * rates[0] / rates[1]:.2g}"))
    return best(), {f"{rate:g}": found[rate] for rate in sorted(found)}


class _Follower:
    """A listener that gives each step its rate, counts the seconds of processor time, and says a line after each epoch.

    What it knows is the step and what the record says, so a run that goes on from its checkpoint goes on with both.
    """

    def __init__(self, trainer, experiment, peak, epochs, say):
        self.experiment, self.peak, self.steps, self.say = experiment, peak, epochs * trainer.num_batches, say
        trainer.history.settings["cpu_seconds"] = 0.0
        self._cpu = time.process_time()
        self._set_rate(trainer)

    def _set_rate(self, trainer):
        if self.experiment.falling and trainer.step < self.steps:
            for group in trainer.optimizer.param_groups:  # as a scheduler of PyTorch does
                group["lr"] = self.experiment.rate(self.peak, trainer.step, self.steps)

    def __call__(self, trainer):
        before, self._cpu = self._cpu, time.process_time()
        trainer.history.settings["cpu_seconds"] += self._cpu - before
        self._set_rate(trainer)
        if not trainer.batch or not trainer.running:
            self.say(trainer.history.summary())


def _trainer(experiment, data, seed, rate, device, precision, compile):
    net = experiment.build()
    if num_processes() > 1 and device.type == "cuda":
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    options = {**experiment.options(), "device": device, "precision": precision, "compile": compile}
    trainer = TeamTrainer(net, *data, rate, **options)
    if process_number():
        seed_all(device, seed + process_number() * APART)
    return trainer


def _further_accuracies(trainer, experiment):
    """Return two more accuracies of a trained network on the test pictures.

    `shifted_acc`: when they are moved by 1, 2, 3 and 4 pixels, which no network here was trained on. `fresh_acc`, with
    batch normalisation: when its statistics were measured afresh, in 20 large batches of training pictures.
    """
    net, test_iter = trainer.net, trainer.test_iter
    found = {"shifted_acc": [evaluate_accuracy(net, experiment.shifted(test_iter, pixels)) for pixels in SHIFTS]}
    if any(isinstance(module, BATCH_NORMS) for module in net.modules()):
        recalibrate_(net, islice(experiment.large_batches(trainer.train_iter), FRESH))
        found["fresh_acc"] = [evaluate_accuracy(net, test_iter)]
    return {name: [round(accuracy, 5) for accuracy in accuracies] for name, accuracies in found.items()}


def _read_own(path, experiment):
    record = read(path)
    if record["settings"] != experiment.settings():
        raise ValueError(
            f"{path} was made with other settings than {experiment.name} has now. Move it away, or give another "
            "folder: --out."
        )
    return record


def say(text):
    """Write a line on standard output, from the first process only."""
    if process_number() == 0:
        sys.stdout.write(printable(f"{text}\n"))
        sys.stdout.flush()


def run_named(size, name, seed, device, folder, toy, precision, compile):
    """Do one run and return its record.

    The experiment comes by name: a function that builds a network cannot be sent to another process.

    The number of threads stays as it was.
    """
    experiment, threads = NAMED[size, name], torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)  # sums then come out alike however many cores there are
    try:
        options = {"precision": precision, "compile": compile, "say": say}
        return run(experiment.toy() if toy else experiment, seed, torch.device(device), folder, **options)
    except KeyboardInterrupt:
        if parent_process() is not None:  # one of several, which would begin another run before it hears of the end
            os._exit(130)
        raise
    finally:
        torch.set_num_threads(threads)
