"""One run of an experiment, kept as a file of its own as soon as it ends.

A run whose file is there is not trained again; one that was interrupted goes on from its checkpoint. Where an
experiment has several rates, each is tried for a few epochs first. The test pictures choose nothing: a trial is judged
by training pictures alone, and no run is stopped or left out for its test accuracy.
"""

import datetime
import json
import math
import platform
import time
from pathlib import Path

import torch
from torch import nn

from cnnlib.course.records import distributed
from cnnlib.course.records.team import TeamTrainer
from cnnlib.machine.device import describe_device
from cnnlib.machine.rng import borrowed_random, seed_all
from cnnlib.page import storage
from cnnlib.probes import layer_table
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.errors import DivergenceError

FORMAT = "cnnlib record", 1
MEAN = 20  # steps whose losses are kept as one number
APART = 2**32  # between the seeds of two processes: their dropout masks differ
FOREVER = -1  # for a lock


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
        The record: settings, seed, hardware, versions, losses and accuracies of each epoch, seconds.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted or stopped. The next call goes on with it.
    ValueError
        If the folder has a run under this name that was made with other settings.
    """
    is_trial, compile, trials = rate is not None, compile and experiment.small, {}
    how = {"precision": precision, "compile": compile, "say": say}
    if not is_trial:
        rate, trials = choose_rate(experiment, device, folder, **how)
    name = file_name(experiment, seed, rate if is_trial else None, precision, compile)
    path, begun = folder / f"{name}.json", folder / f"{name}.pt"
    lock = storage.hold(path, patience=FOREVER) if distributed.process_number() == 0 else None
    try:
        if path.exists():
            return _read_own(path, experiment, say)
        epochs = experiment.trial_epochs if is_trial else experiment.epochs
        say(f"{name}: {epochs} epochs at rate {rate:g} on {describe_device(device)}")
        with borrowed_random(device, seed):
            trainer = _trainer(experiment, seed, rate, is_trial, device, precision, compile)
            trainer.listeners += [_Follow(trainer, experiment, rate, epochs), _Reporter(name, say)]
            try:
                history = Checkpoint(begun).fit(trainer, epochs)
            except DivergenceError as error:
                history = error.history
        if history.ended in ("interrupted", "stopped"):
            raise KeyboardInterrupt
        record = _record(experiment, seed, device, history, trainer.net)
        record |= {"rate": rate, "trials": trials, "epochs": epochs}
        if distributed.process_number() == 0:
            storage.replace(path, json.dumps(record, ensure_ascii=False).encode())
            begun.unlink(missing_ok=True)
        say(f"{name}: {history.summary()}")
        return record
    finally:
        if lock is not None:
            lock.release()


def choose_rate(experiment, device, folder, **how):
    """Return the rate of an experiment with the best trial, and what each trial came to: a dict from rate, as text."""
    if len(experiment.rates) == 1:
        return experiment.rates[0], {}
    found = {}
    for rate in experiment.rates:
        record = run(experiment, experiment.seeds[0], device, folder, rate=rate, **how)
        found[rate] = _outcome(record, experiment.chosen_by)
    sign = 1 if experiment.chosen_by == "validation accuracy" else -1
    best = max(found, key=lambda rate: -math.inf if found[rate] is None else sign * found[rate])
    return best, {f"{rate:g}": None if value is None else round(value, 4) for rate, value in found.items()}


def _outcome(record, chosen_by):
    """Return the number that a trial is judged by; None if it diverged."""
    column = record["test_acc"] if chosen_by == "validation accuracy" else record["train_loss"]
    return column[-1] if record["ended"] == "finished" else None


class _Follow:
    """A listener that gives the next step its rate, and counts the seconds of processor time in the record.

    What it knows is the step and what the record says, so a run that goes on from its checkpoint goes on with both.
    """

    def __init__(self, trainer, experiment, rate, epochs):
        self.experiment, self.peak, self.steps = experiment, rate, epochs * trainer.num_batches
        trainer.history.settings["cpu_seconds"] = 0.0
        self._cpu = time.process_time()
        self._set(trainer)

    def _set(self, trainer):
        if self.experiment.falling and trainer.step < self.steps:
            for group in trainer.optimizer.param_groups:  # as a scheduler of PyTorch does
                group["lr"] = self.experiment.rate(self.peak, trainer.step, self.steps)

    def __call__(self, trainer):
        before, self._cpu = self._cpu, time.process_time()
        trainer.history.settings["cpu_seconds"] += self._cpu - before
        self._set(trainer)


class _Reporter:
    """A listener that says a line after each epoch."""

    def __init__(self, name, say):
        self.name, self.say = name, say

    def __call__(self, trainer):
        if trainer.running and not trainer.batch:
            self.say(f"{self.name}: {trainer.history.summary()}")


def _trainer(experiment, seed, rate, is_trial, device, precision, compile):
    train_iter, test_iter = experiment.trial_data(seed) if is_trial else experiment.data(seed)
    net = experiment.build()
    if distributed.num_processes() > 1 and device.type == "cuda":
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    options = {**experiment.options(), "device": device, "precision": precision, "compile": compile}
    trainer = TeamTrainer(net, train_iter, test_iter, rate, **options)
    if distributed.process_number():
        seed_all(device, seed + distributed.process_number() * APART)
    return trainer


def _record(experiment, seed, device, history, net):
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if device.type == "cuda":
        versions |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    side, options = experiment.side, f" RECORD_OPTIONS=--precision={history.settings['precision']}"
    shown = {key: history.settings[key] for key in ("precision", "compiled", "processes", "parameters")}
    curve = [history.window(i, i + MEAN)[0] for i in range(0, history.steps, MEAN)]
    columns = {key: _rounded(getattr(history, key)) for key in ("train_loss", "train_acc", "test_acc")}
    command = {"laptop": "make records", "full": "make full"}[experiment.size]
    return {
        FORMAT[0]: FORMAT[1],
        "settings": experiment.settings(),
        "seed": seed,
        "hardware": hardware(device),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
        "command": f"{command} NAMES={experiment.name}" + options * (history.settings["precision"] != "float32"),
        **shown,
        "multiply_adds": layer_table(net.cpu(), (1, side, side)).multiply_adds,
        "loss": _rounded(curve),
        **columns,
        "seconds": round(history.seconds, 1),
        "train_seconds": round(history.train_seconds, 1),
        "cpu_seconds": round(history.settings["cpu_seconds"], 1),
        "steps": history.steps,
        "ended": history.ended,
    }


def _rounded(values):
    """Return numbers with five digits: a curve shows no more."""
    return [float(f"{value:.5g}") for value in values]


def hardware(device):
    """Describe a device in one phrase, with the processor's own name where the system tells it."""
    described, info = describe_device(device), Path("/proc/cpuinfo")
    if device.type == "cpu" and info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        described += f", {names[0]}" if names else ""
    return described


def file_name(experiment, seed, trial_rate, precision, compile):
    """Return the name of a run's file, without its ending."""
    processes = distributed.num_processes()
    trial = "" if trial_rate is None else f"trial{trial_rate:g}"
    parts = [experiment.size, experiment.name, "" if precision == "float32" else precision, "compiled" * compile]
    parts += [f"{processes}processes" * (processes > 1), trial, str(seed)]
    return "-".join(filter(None, parts))


def read(path):
    """Read a record that `run` wrote.

    Raises
    ------
    ValueError
        If the file is damaged or something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is no record of a run, or is damaged: {error}. Delete it, and run it again."
        ) from None
    if not isinstance(record, dict) or record.get(FORMAT[0]) != FORMAT[1] or "settings" not in record:
        raise ValueError(f"{path} is no record of a run, format {FORMAT[1]}. Delete it, and run it again.")
    return record


def _read_own(path, experiment, say):
    record = read(path)
    if record["settings"] != experiment.settings():
        raise ValueError(
            f"{path} was made with other settings than {experiment.name} has now. Move it away, or give another "
            "folder: --out."
        )
    last = record["test_acc"][-1:] or [math.nan]
    say(f"{path.stem}: there already, {'validation' if '-trial' in path.stem else 'test'} accuracy {last[0]:.3f}")
    return record
