"""What tells a run from others: its set-up, its network and data before the first step, and what its record says."""

import hashlib
import itertools
import re

import torch

from cnnlib.machine.device import describe_device
from cnnlib.training.source import batch_size

SAMPLES = 64  # examples of the data that a run is identified by
# what PyTorch's schedulers write into a parameter group
SCHEDULED = {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr"}


def run_settings(trainer):
    """Return what the record of a run says about how it was begun."""
    return {
        "network": type(trainer.net).__name__,
        "parameters": sum(p.numel() for p in trainer.net.parameters()),
        "lr": trainer.lr,
        "optimizer": type(trainer.optimizer).__name__,
        "batch_size": batch_size(trainer.train_iter),
        "seed": seed_of(trainer.train_iter),
        "num_batches": trainer.num_batches,
        "device": describe_device(trainer.device),
        "torch": str(torch.__version__),  # a plain str, which torch.load accepts in a saved state
        "precision": trainer.precision,
    }


def run_setup(trainer):
    """Return what a run must have in common with a file that it goes on from, in words: a dict of str to str."""
    data = getattr(trainer.train_iter, "batches", trainer.train_iter)
    images = getattr(data, "images", None)
    images = images if isinstance(images, torch.Tensor) else None
    found = {
        "batches in an epoch": trainer.num_batches,
        "batch size": batch_size(data),
        "seed of the data": seed_of(data),
        "examples": None if images is None else len(images),
        "picture size": list(getattr(data, "resize", None) or (() if images is None else images.shape[-2:])),
        "shuffled": getattr(data, "shuffle", None),
        "optimizer": type(trainer.optimizer).__name__,
        "precision": trainer.precision,
    }
    left_out = SCHEDULED | {"lr", "foreach"}
    for number, group in enumerate(trainer.optimizer.param_groups):
        where = f" of parameter group {number}" if number else ""
        plain = {name: value for name, value in group.items() if isinstance(value, int | float | str | tuple)}
        cycled = {"momentum", "betas"} if "base_momentum" in group else set()
        found |= {f"{name}{where}": value for name, value in plain.items() if name not in left_out | cycled}
    return {name: str(value) for name, value in found.items()}


def run_origin(trainer):
    """Return what tells a run from others with the same set-up before its first step: a dict of str to str."""
    return {
        "network": re.sub("0x[0-9a-f]+", "0x…", str(trainer.net)),  # without addresses
        "starting weights": digest_weights(trainer, trainer.net.state_dict()),
        "training data": digest(sample_examples(trainer.train_iter)),
    }


def check_setup(path, there, trainer):
    """Raise a ValueError unless a file's set-up is a trainer's."""
    for name, here in run_setup(trainer).items():
        if there.get(name, here) != here:
            raise another_run(path, f"{name} is {there[name]} there and {here} here")


def check_origin(path, there, here, kept):
    """Raise a ValueError unless a file's run began as the one here; a file without its origin may go on with any.

    Parameters
    ----------
    path : Path
    there, here : dict of str to str
        What `run_origin` returned, then and now.
    kept : str or None
        The digest of the weights in the file: a network that has these goes on as well. None if a network with any
        weights may go on.
    """
    there = here | there
    if there["network"] != here["network"]:
        lines = itertools.zip_longest(there["network"].splitlines(), here["network"].splitlines(), fillvalue="nothing")
        old, new = next((a.strip(), b.strip()) for a, b in lines if a != b)
        raise another_run(path, f"its network has {old} where this one has {new}")
    if there["training data"] != here["training data"]:
        raise another_run(path, "it was trained on other data")
    if kept is not None and here["starting weights"] not in (there["starting weights"], kept):
        raise another_run(
            path,
            "its network began with other weights. Where it is to be the same, call torch.manual_seed with the same "
            "seed right before the network is built; to take the file's weights whatever this one began with, give "
            f"checkpoint=Checkpoint({str(path)!r}, same_start=False)",
        )


def another_run(path, difference):
    """Return an exception for a file that another run wrote."""
    return ValueError(
        f"{path} belongs to another run: {difference}. Go on with what the run was begun with; to begin a new one, "
        "give another file, or delete this one."
    )


def seed_of(data_iter):
    """Return the seed that data draws its order from, or None."""
    seed = getattr(data_iter, "seed", None)
    return seed if isinstance(seed, int) else None


def digest_weights(trainer, state_dict):
    """Return the digest of what a state dict has for the parameters of a trainer's network."""
    names = [name for name, _ in trainer.net.named_parameters()]
    return digest({name: state_dict[name] for name in names if name in state_dict})


def digest(tensors):
    """Return a short text that differs where tensors, or their names, differ."""
    found = hashlib.sha256()
    for name, tensor in tensors.items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()[:16]


def sample_examples(data):
    """Return some of the examples that data holds as tensors, by name; {} for a loader that reads files."""
    data = getattr(data, "batches", data)
    data = getattr(data, "dataset", data)
    if isinstance(data, list | tuple):
        parts = [part for batch in data[:: -(-len(data) // SAMPLES)] for part in batch]
        return {n: part[:1] for n, part in enumerate(parts) if isinstance(part, torch.Tensor) and part.dim()}
    found = {name: getattr(data, name, None) for name in ("images", "labels", "data", "targets")}
    found |= dict(enumerate(data.tensors if isinstance(getattr(data, "tensors", None), tuple) else ()))
    found = {name: value for name, value in found.items() if isinstance(value, torch.Tensor) and value.dim()}
    return {name: value[:: -(-len(value) // SAMPLES) or 1] for name, value in found.items()}
