"""What a run minimises and what it counts as right, with an explanation where network, loss and labels do not fit.

With the default loss, cross-entropy, a network must be a classifier: (N, …) → scores (N, classes), labels (N,). A loss
of the reader's own decides itself what it takes; what is counted then follows from the shapes, unless `correct` is
given: class indices or one-hot rows for scores (N, classes), 0 or 1 for one logit per example.
"""

import sys
import warnings

import torch
from torch import nn

from cnnlib.machine.faults import is_fault
from cnnlib.models.explain_forward import EXPLAINED
from cnnlib.models.explain_training import explain_loss_error, explain_outputs, scores_among
from cnnlib.training.metrics import count_correct
from cnnlib.validation import Callable, check_labels, in_words

CROSS_ENTROPY = (nn.CrossEntropyLoss, nn.functional.cross_entropy)
NLL = (nn.NLLLoss, nn.functional.nll_loss)
SKIPPED = -100  # the label that PyTorch's losses skip unless another is named


class Objective:
    """The loss of a run and its count of right predictions, each for a batch.

    Parameters
    ----------
    loss : callable, optional
        Called as `loss(outputs, labels)`, a mean over the batch; cross-entropy unless given.
    correct : callable
        Called as `correct(outputs, labels)`: how much of a batch is right, from 0 to N. Unless given, the number of
        right predictions.
    trains : bool
        Whether the loss is known; where a network is only evaluated, one logit per example is counted as well.
    """

    def __init__(self, loss=None, correct=count_correct, trains=True):
        if isinstance(loss, type) and issubclass(loss, nn.Module):
            raise TypeError(f"loss must be a loss, got the class {loss.__name__}. Build it: {loss.__name__}().")
        self.loss = nn.CrossEntropyLoss() if loss is None else Callable()(loss, "loss")
        self.correct = Callable()(correct, "correct")
        self._own, self._trains = loss is not None, trains
        self._checked_outputs, self.remark = False, ""

    def check(self, outputs, labels, look=True):
        """Raise unless labels and outputs fit each other so that they can be counted; `look` at the labels' values too.

        Cross-entropy would skip a label of -100 in silence and, on a GPU, end the process on one that is too large.
        """
        if self.correct is not count_correct:
            return
        scores = scores_among(outputs) if self._own else outputs
        if not isinstance(scores, torch.Tensor) or not scores.dim() or len(scores) != len(labels):
            raise explain_outputs(outputs, len(labels))
        if _is_one_each(scores) and (self._own or not self._trains):
            if _is_one_each(labels) and (not look or _is_binary(labels)):
                return
            if self._own:
                raise _uncountable(scores, labels)
        if scores.dim() > 2 and labels.shape == (len(scores), *scores.shape[2:]):  # a class for each pixel
            raise _uncountable(scores, labels)
        soft = self._own and scores.dim() == 2 and labels.shape == scores.shape
        if not soft and (not self._own or _is(self.loss, (*CROSS_ENTROPY, *NLL))):
            if scores.dim() != 2:
                raise explain_outputs(outputs, len(labels))
            if look:
                ignored = getattr(self.loss, "ignore_index", SKIPPED)
                check_labels(labels if ignored == SKIPPED else labels[labels != ignored], scores.shape[1])
        elif not soft and (scores.dim() != 2 or labels.dim() != 1 or labels.is_floating_point()):
            raise _uncountable(scores, labels)

    def measure(self, outputs, labels):
        """Return the loss of a batch, a 0-d tensor."""
        try:
            loss = self.loss(outputs, labels)
        except (*EXPLAINED, AttributeError) as error:
            if is_fault(error):
                raise
            explained = explain_loss_error(self.loss, outputs, labels, error)
            if explained is error:
                raise
            raise explained from error
        if not isinstance(loss, torch.Tensor):
            raise TypeError(f"the loss must be a tensor with its gradients, got {in_words(loss)}. Leave out .item().")
        if loss.dim():
            raise ValueError(f"the loss must be one number a batch, got shape {tuple(loss.shape)}. Take its mean.")
        if not self._checked_outputs:
            self._checked_outputs = True
            self._warn_about(outputs)
        return loss

    def count(self, outputs, labels):
        """Return how much of a batch is right, a 0-d tensor on its device, without synchronising."""
        with torch.no_grad():
            if self.correct is not count_correct:
                right = torch.as_tensor(self.correct(outputs, labels))
                if right.numel() != 1:
                    raise ValueError(
                        "`correct` must return one number, how much of the batch is right, got "
                        f"{in_words(right)}. Take its sum."
                    )
                return right.reshape(()).long() if right.dtype == torch.bool else right.reshape(())
            scores = scores_among(outputs)
            if _is_one_each(scores) and _is_one_each(labels):
                threshold = 0.5 if _is(self.loss, (nn.BCELoss, nn.functional.binary_cross_entropy)) else 0
                return ((scores.flatten() > threshold) == (labels.flatten() > 0.5)).sum()
            return count_correct(scores, labels if labels.dim() == 1 else labels.argmax(1))

    def _warn_about(self, outputs):
        """Warn about outputs that the loss misinterprets, once per run; `remark` keeps the text."""
        if not isinstance(outputs, torch.Tensor) or outputs.dim() != 2 or outputs.shape[1] == 1:
            return
        rows = outputs.detach().float()
        named = getattr(getattr(self.loss, "__code__", None), "co_names", ())  # of a function around cross-entropy
        share = bool(((rows >= 0) & (rows <= 1)).all()) and bool(((rows.sum(1) - 1).abs() < 1e-2).all())
        if share and (_is(self.loss, CROSS_ENTROPY) or "cross_entropy" in named and "log" not in named):
            said = "cross-entropy takes scores and computes the softmax itself. Leave out the softmax of the last layer"
        elif share and _is(self.loss, NLL):
            said = "NLLLoss takes logarithms of probabilities. Write nn.LogSoftmax(1), or take cross-entropy of scores"
        else:
            return
        self.remark = (
            f"the network's outputs are probabilities already (each row sums to 1), but {said}: so trained, the "
            "network learns slowly and its loss stays high."
        )
        warnings.warn(self.remark, RuntimeWarning, stacklevel=_level())


def _is_one_each(tensor):
    return tensor.dim() == 1 or tensor.dim() == 2 and tensor.shape[1] == 1


def _is_binary(labels):
    return bool(((labels == 0) | (labels == 1)).all())


def _is(loss, kinds):
    """Return whether a loss is one of some functions, or an instance of one of some classes."""
    return any(isinstance(loss, kind) if isinstance(kind, type) else loss is kind for kind in kinds)


def _uncountable(scores, labels):
    return ValueError(
        "right predictions are counted for scores of shape (N, classes) with labels of shape (N,) or one-hot rows, or "
        f"for one score per example with labels 0 and 1, got scores of shape {tuple(scores.shape)} and "
        f"{in_words(labels)} as labels. Say what counts as right: correct=lambda outputs, y: a number from 0 to N."
    )


def _level():
    """Return the `stacklevel` of the first line outside this library."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("cnnlib"):
        frame, level = frame.f_back, level + 1
    return level
