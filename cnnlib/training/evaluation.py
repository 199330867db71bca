"""How often a network is right on a whole data set."""

import itertools
import warnings

import torch

from cnnlib.machine.faults import explain_fault, is_fault
from cnnlib.models.explain_forward import run_network
from cnnlib.models.explain_training import scores_among
from cnnlib.models.training_mode import evaluating
from cnnlib.training.metrics import Accumulator, count_correct
from cnnlib.training.objective import Objective
from cnnlib.training.source import batch_size, on_device
from cnnlib.validation import Callable, Device, Iterable, Network, arguments, check_batch


@arguments(net=Network(), data_iter=Iterable(), device=Device(), correct=Callable())
def evaluate_accuracy(net, data_iter, device=None, correct=count_correct):
    """Return the share of right predictions over a whole data set, with the network in evaluation mode.

    Parameters
    ----------
    net : nn.Module
        (N, …) → scores (N, classes). Its modules' training or evaluation modes are put back afterwards.
    data_iter : iterable of (X, y)
        If it has a length, no more batches than that are used.
    device : torch.device or str, optional
        Where to compute; the device of the network's parameters unless given.
    correct : callable
        As for `Trainer`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    OutOfMemoryError, DeviceError
        If the memory runs out, or a GPU fails.
    ValueError
        If the iterable is empty, a label is out of range, or the network cannot take the batch.

    Warns
    -----
    RuntimeWarning
        If scores are infinite or NaN: what is counted then means nothing.
    """
    objective = Objective(correct=correct, trains=False)
    sums = count_right(net, data_iter, device, objective)
    share, finite = accuracy_from(*sums)
    if not finite:
        warnings.warn(
            "the network's scores are infinite or NaN: this accuracy means nothing. Train it again, at a tenth of the "
            "learning rate.",
            RuntimeWarning,
            stacklevel=2,
        )
    return share


def count_right(net, data_iter, device, objective):
    """Return how many predictions are right, of how many, and in how many batches outputs are not finite.

    Parameters
    ----------
    net, data_iter, device
        As for `evaluate_accuracy`.
    objective : Objective
    """
    metric = Accumulator(3)
    if device is None:
        device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with evaluating(net), torch.no_grad():
        try:
            for batch in _batches(data_iter, device):
                X, y = (part.to(device, non_blocking=True) for part in check_batch(batch))
                outputs = run_network(net, X)
                objective.check(outputs, y, look=device.type == "cpu")  # on a GPU this would synchronise
                metric.add(objective.count(outputs, y), len(y), _is_not_finite(outputs))
        except Exception as error:
            if not is_fault(error):
                raise
            raise explain_fault(error, "while evaluating", batch_size(data_iter)) from None
    return [metric[number] for number in range(3)]


def accuracy_from(right, size, not_finite):
    """Return the accuracy from the sums of `count_right`, and whether all outputs were finite."""
    if not size:
        raise ValueError("the data to evaluate on gave no batch at all. Is the iterator used up?")
    return right / size, not not_finite


def _batches(data_iter, device):
    """Return the batches of a data set, at most its length if it has one."""
    try:
        length = len(data_iter)
    except TypeError:
        length = None
    return itertools.islice(on_device(data_iter, device), length)


def _is_not_finite(outputs):
    scores = scores_among(outputs)
    return ~scores.isfinite().all() if isinstance(scores, torch.Tensor) else 0
