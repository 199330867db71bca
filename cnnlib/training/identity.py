"""Whose a file is: what tells a run from others before its first step."""

import hashlib
import itertools
import re

import torch

SAMPLES = 64  # examples of the data that a run is known by


def describe(trainer):
    """Return what tells a run from others before its first step: a dict of str to str."""
    return {
        "network": re.sub("0x[0-9a-f]+", "0x…", str(trainer.net)),  # without addresses
        "starting weights": digest_weights(trainer, trainer.net.state_dict()),
        "training data": digest(examples(trainer.train_iter)),
    }


def check_same(path, run, here, kept):
    """Raise a ValueError unless a file's run began as the one here; what an older file does not say is not asked.

    Parameters
    ----------
    path : Path
    run, here : dict of str to str
        What `describe` returned, then and now.
    kept : str or None
        What `digest_weights` says of the weights in the file: a network that stands there goes on as well. None if a
        network with any weights is welcome.
    """
    there = here | run
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


def examples(data):
    """Return some of the examples that data holds as tensors, by name; of a loader that reads files, none."""
    data = getattr(data, "batches", data)
    data = getattr(data, "dataset", data)
    if isinstance(data, list | tuple):
        parts = [part for batch in data[:: -(-len(data) // SAMPLES)] for part in batch]
        return {n: part[:1] for n, part in enumerate(parts) if isinstance(part, torch.Tensor) and part.dim()}
    found = {name: getattr(data, name, None) for name in ("images", "labels", "data", "targets")}
    found |= dict(enumerate(data.tensors if isinstance(getattr(data, "tensors", None), tuple) else ()))
    found = {name: value for name, value in found.items() if isinstance(value, torch.Tensor) and value.dim()}
    return {name: value[:: -(-len(value) // SAMPLES) or 1] for name, value in found.items()}
