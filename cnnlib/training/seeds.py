"""The same experiment with several seeds: the spread between runs, which a single run does not show.

Where possible the runs go side by side, each on its share of the CPU's cores. Small networks gain most: their layers
are too small to be split over two cores (three runs of a 20-layer net on two cores: 75 → 41 ms per step of all three).
The results are the same, to the last bit if each run has one thread both times.
"""

import copy
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress

import torch

from cnnlib.datasets.batches import PLACE
from cnnlib.machine.device import CORES
from cnnlib.machine.size import chosen_size
from cnnlib.machine.threads import release_openmp_threads
from cnnlib.models.copying import copy_network
from cnnlib.models.training_mode import in_mode
from cnnlib.training.guard import DivergenceError
from cnnlib.training.loop import Trainer
from cnnlib.training.source import OWN, count_batches
from cnnlib.validation import Callable, Count, Iterable, Rate, arguments

watchers = []  # each is called as watcher(trainers, num_seeds, epochs of each), often; without trainers at the end
_unfinished = []  # (seed, network, record) of each run, if the latest call did not finish


@arguments(
    build=Callable("Give a function that returns a new network: lenet, say."), num_epochs=Count(), lr=Rate(),
    seeds=Iterable(), steps=Count(),
)  # fmt: skip
def train_over_seeds(build, train_iter, test_iter, num_epochs, lr, seeds=(0, 1, 2), *, steps=None, **options):
    """Train a fresh network once for each seed and return the records.

    The seed sets PyTorch's random numbers (initial weights, dropout) right before the network is built, and the
    order of the training images where `train_iter` can be reseeded. So two set-ups that are trained with the same
    seeds see the same batches in the same order.

    The runs go side by side on a CPU with several cores, unless that would change the results: the
    training draws random numbers (dropout, augmentation), there are listeners or hooks, the networks share
    parameters, or the data is not of `load_data_fashion_mnist`.

    With the environment variable CNNLIB_BUDGET=check, which daily tests set, the first seed alone is trained and stands
    for all: as many networks and records are returned, each the first.

    Parameters
    ----------
    build : callable
        Returns a new network: `build()`.
    seeds : iterable of int
    steps : int, optional
        End each run after so many steps.
    train_iter, test_iter, num_epochs, lr, **options
        As for `train`.

    Returns
    -------
    nets : list of nn.Module
    histories : list of History
        A run whose loss became NaN or infinite is among them, with `ended == 'diverged'`.

    Raises
    ------
    KeyboardInterrupt
        If a run was interrupted; the other runs end as well.
    TypeError, ValueError, OutOfMemoryError, DeviceError
        As `train` does. Whatever ended the call, `unfinished_runs` returns what was trained until then.
    """
    if "checkpoint" in options:
        raise TypeError(
            "train_over_seeds keeps no files. Call `train` for each seed, with a file for each: "
            'checkpoint=f"results/seed{seed}.pt".'
        )
    seeds, ends = [PLACE(seed, "each seed") for seed in seeds], []
    for data_iter, name in ((train_iter, "train_iter"), (test_iter, "test_iter")):
        if data_iter is not None or name == "train_iter":
            count_batches(data_iter, name)
    if not seeds:
        raise ValueError("seeds must hold at least one number, got none.")
    num_seeds = len(seeds)
    if chosen_size() == "check":
        seeds = seeds[:1]
    if steps is not None:
        ends.append(lambda trainer: trainer.step >= steps and trainer.stop())
    listeners = [*options.pop("listeners", ()), *ends]

    def begin(seed):
        torch.manual_seed(seed)
        if hasattr(train_iter, "reseed"):
            train_iter.reseed(seed)
        order = copy.copy(train_iter) if isinstance(train_iter, OWN) else train_iter
        return Trainer(build(), order, test_iter, lr, listeners=listeners, **options)

    trainers, histories = [begin(seed) for seed in seeds[:1]], []
    length = num_epochs if steps is None else min(num_epochs, steps / trainers[0].num_batches)
    _unfinished.clear()
    try:
        if len(seeds) > 1 and listeners == ends and _may_go_side_by_side(trainers[0]):
            trainers += map(begin, seeds[1:])
            parameters = [id(p) for trainer in trainers for p in trainer.net.parameters()]
            if len(set(parameters)) == len(parameters):
                histories = _side_by_side(trainers, num_epochs, length)
        for i in range(len(histories), len(seeds)):
            if i == len(trainers):
                trainers.append(begin(seeds[i]))
            if watchers:
                trainers[i].listeners.append(lambda trainer: _watch(trainers, len(seeds), length))
            histories.append(_run(trainers[i], num_epochs))
    except BaseException as error:
        _note_unfinished(seeds, trainers, error)
        raise
    finally:
        _watch([], len(seeds), length)
    copies = num_seeds // len(seeds)
    return copies * [trainer.net for trainer in trainers], copies * histories


def _watch(trainers, num_seeds, length):
    for watcher in watchers:
        watcher(trainers, num_seeds, length)


def unfinished_runs():
    """Return what the latest call of `train_over_seeds` had trained when it was interrupted or failed.

    Returns
    -------
    nets : list of nn.Module
        Of each seed whose run had begun, in order, with the weights of that moment.
    histories : list of History
        `ended` and `steps` say how far each came.

    Both are empty if that call finished, or there was none.
    """
    return [net for _, net, _ in _unfinished], [history for _, _, history in _unfinished]


def _note_unfinished(seeds, trainers, error):
    """Keep what was trained before an error, and add a note to the error."""
    pairs = zip(seeds, trainers, strict=False)
    _unfinished.extend((seed, t.net, t.history) for seed, t in pairs if t.history.steps)
    if _unfinished:
        runs = ", ".join(f"seed {seed} ({run.ended} after {run.steps:,} steps)" for seed, _, run in _unfinished)
        call = "from cnnlib import unfinished_runs; nets, histories = unfinished_runs()"
        error.add_note(f"What was trained is kept: {runs}. To get it: {call}")


def _run(trainer, num_epochs):
    """Train; return the history, also of a run that diverged."""
    try:
        history = trainer.fit(num_epochs)
    except DivergenceError as error:
        history = error.history
    if history.ended == "interrupted":
        raise KeyboardInterrupt
    return history


def _may_go_side_by_side(trainer):
    """Return whether runs like this one give the same results side by side as one after the other."""
    if trainer.device.type != "cpu" or CORES == 1 or not isinstance(trainer.train_iter, OWN):
        return False
    if any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in trainer.net.modules()):
        return False
    before = torch.get_rng_state()
    X, _ = next(trainer.train_iter.epoch(trainer.epoch))
    net = copy_network(trainer.net)
    with in_mode(net, training=True), torch.no_grad(), suppress(Exception):  # the run itself says what is wrong
        net(X)
    draws = not torch.equal(torch.get_rng_state(), before)
    torch.set_rng_state(before)
    return not draws


def _side_by_side(trainers, num_epochs, length):
    """Train all at once, each on its share of the cores; return the histories in order."""
    threads = torch.get_num_threads()
    workers = min(len(trainers), CORES + 1)  # one more than cores: three runs leave neither of two cores idle

    def run(trainer):
        torch.set_num_threads(max(1, CORES // workers))
        return _run(trainer, num_epochs)

    release_openmp_threads()
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(run, trainer) for trainer in trainers]
        try:
            while wait(futures, 0.2, FIRST_EXCEPTION).not_done:  # in short waits, so that an interrupt is noticed
                _watch(trainers, len(trainers), length)
                for future in futures:
                    if future.done():
                        future.result()
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
            while wait(futures, 0.02).not_done:
                for trainer in trainers:
                    trainer.stop()
            torch.set_num_threads(threads)
