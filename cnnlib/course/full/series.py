"""The series: every experiment with several seeds, one after the other, each run a file of its own as soon as it ends.

A series that was interrupted goes on where it was: runs whose file is there are not trained again, and the one that
was cut off goes on from its checkpoint.
"""

import json
import platform
from dataclasses import asdict

import torch
from torch import nn

from cnnlib.course.full import distributed
from cnnlib.course.full.experiments import Experiment
from cnnlib.course.full.team import TeamTrainer
from cnnlib.datasets.batches import PLACE
from cnnlib.machine.device import describe_device
from cnnlib.machine.rng import borrowed_random, seed_all
from cnnlib.page import storage
from cnnlib.page.table import Table
from cnnlib.training.checkpoint import Checkpoint
from cnnlib.training.errors import DivergenceError
from cnnlib.training.history import History, spread
from cnnlib.validation import Kind, List, arguments

NAME, FORMAT = "cnnlib full run", 1
KEPT = ("train_loss", "train_acc", "test_acc", "seconds", "train_seconds", "ended")  # of a run's record
APART = 2**32  # between the seeds of two processes: their dropout masks differ


@arguments(experiments=List(Experiment))
def run_series(experiments, seeds, device, folder, *, precisions=("float32",), compile=False, say=lambda text: None):
    """Train every experiment with every seed, in every precision; write one file a run.

    Parameters
    ----------
    experiments : list of Experiment
    seeds : list of int
    device : torch.device
    folder : path
    precisions, compile
        As for `run`.
    say : callable
        Called with a line of text when a run begins, after each epoch, and when it ends.

    Returns
    -------
    list of dict
        What `run` returns for each.
    """
    records = []
    for experiment in experiments:
        for precision in precisions:
            for seed in seeds:
                records.append(run(experiment, seed, device, folder, precision=precision, compile=compile, say=say))
    return records


@arguments(experiment=Kind(Experiment), seed=PLACE)
def run(experiment, seed, device, folder, *, precision="float32", compile=False, say=lambda text: None):
    """Train one experiment with one seed, unless the folder has that run already.

    Parameters
    ----------
    experiment : Experiment
    seed : int
        Of the weights, of dropout and of the data's order.
    device : torch.device
    folder : path
        Where the file goes, and its checkpoint meanwhile.
    precision, compile
        As for `Trainer`; only experiments that are `small` are compiled.

    Returns
    -------
    dict
        The run: settings, seed, hardware, versions, losses and accuracies of each epoch, seconds.

    Raises
    ------
    KeyboardInterrupt
        If the run was interrupted or stopped. The next call goes on with it.
    ValueError
        If the folder has a run under this name that was made with other settings.
    """
    folder, compile = storage.file_path(folder, "folder"), compile and experiment.small
    name = file_name(experiment, seed, precision, compile)
    path, begun = folder / f"{name}.json", folder / f"{name}.pt"
    if path.exists():
        record = read(path)
        if record["settings"] != experiment.settings():
            raise ValueError(
                f"{path} was made with other settings than {experiment.name} has now. Move it away, or give another "
                "folder: --out."
            )
        say(f"{name}: there already, test accuracy {last(record):.3f}")
        return record
    say(f"{name}: {experiment.epochs} epochs on {describe_device(device)}")
    with borrowed_random(device, seed):
        trainer = _trainer(experiment, seed, device, precision, compile)
        trainer.listeners.append(lambda t: say(f"{name}: {t.history.summary()}") if t.running and not t.batch else None)
        try:
            history = Checkpoint(begun).fit(trainer, experiment.epochs)
        except DivergenceError as error:
            history = error.history
    if history.ended in ("interrupted", "stopped"):
        raise KeyboardInterrupt
    record = _record(experiment, seed, device, history)
    if distributed.process_number() == 0:
        storage.replace(path, storage.as_json(record))
        begun.unlink(missing_ok=True)
    say(f"{name}: {history.summary()}")
    return record


def _trainer(experiment, seed, device, precision, compile):
    train_iter, test_iter = experiment.data(seed)
    net = experiment.build()
    processes = distributed.num_processes()
    if processes > 1 and device.type == "cuda":
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    options = {**experiment.options(), "device": device, "precision": precision, "compile": compile}
    trainer = TeamTrainer(net, train_iter, test_iter, experiment.lr, **options)
    if distributed.process_number():
        seed_all(device, seed + distributed.process_number() * APART)
    return trainer


def _record(experiment, seed, device, history):
    found = asdict(history)
    how = {key: history.settings[key] for key in ("precision", "compiled", "processes", "parameters")}
    versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
    if device.type == "cuda":
        versions |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return {
        NAME: FORMAT,
        "settings": experiment.settings(),
        "seed": seed,
        "hardware": describe_device(device),
        "versions": versions,
        **how,
        **{key: found[key] for key in KEPT},
        "steps": history.steps,
        "examples_per_second": history.examples_per_second,
    }


def file_name(experiment, seed, precision, compile):
    """Return the name of a run's file, without its ending."""
    processes = distributed.num_processes()
    parts = [experiment.name, precision, "compiled" * compile, f"{processes}processes" * (processes > 1), str(seed)]
    return "-".join(filter(None, parts))


def read(path):
    """Read a run that `run` wrote.

    Raises
    ------
    ValueError
        If the file is damaged or something else.
    """
    try:
        record = json.loads(storage.file_path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is no run of a series, or is damaged: {error}. Delete it, and run it again."
        ) from None
    check_record(record, path)
    return record


def check_record(record, path):
    """Raise a ValueError unless something is the record of a run."""
    keys = {"settings", "seed", "hardware", "versions", "precision", "compiled", "processes", *KEPT}
    if not isinstance(record, dict) or record.get(NAME) != FORMAT or not keys <= set(record):
        raise ValueError(f"{path} is no run of a series, format {FORMAT}. Delete it, and run it again.")


def last(record):
    """Return the test accuracy after a run's last epoch; NaN if none has ended."""
    return History(test_acc=record["test_acc"]).last_test_acc


HEAD = ["network", "trained on", "precision", "epochs", "runs", "train loss", "test accuracy", "seconds an epoch"]


def summary(records):
    """Return a Table of runs: those that differ by the seed alone in a row, as mean ± standard deviation."""
    groups = {}
    for record in records:
        key = [record[name] for name in ("settings", "hardware", "versions", "precision", "compiled", "processes")]
        groups.setdefault(json.dumps(key, sort_keys=True), []).append(record)
    return Table(HEAD, [_row(group) for group in groups.values()], left=3)


def _row(group):
    first = group[0]
    where = first["hardware"] if first["processes"] == 1 else f"{first['processes']} × {first['hardware']}"
    whole = [r for r in group if r["ended"] == "finished"]
    runs = str(len(group)) if len(whole) == len(group) else f"{len(group)}, {len(group) - len(whole)} failed"
    return [
        first["settings"]["title"],
        where,
        first["precision"] + ", compiled" * first["compiled"],
        str(first["settings"]["epochs"]),
        runs,
        spread([r["train_loss"][-1] for r in whole]),
        spread([r["test_acc"][-1] for r in whole]),
        spread([r["seconds"] / len(r["test_acc"]) for r in whole]),
    ]
