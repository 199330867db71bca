"""A Trainer for long runs on GPUs: a step shared by several processes, or played back as a CUDA graph.

Each process computes its share of every batch (`distributed`); what all must agree on is asked of all between two
batches. A network so small that a GPU waits for the next command rather than computes gains from CUDA graphs instead:
`torch.compile` records a whole step's commands and plays them back. The recording takes up to a minute, and is for one
process on an NVIDIA GPU; elsewhere the network runs as it is.
"""

from pathlib import Path

import torch

from cnnlib.course.records import distributed
from cnnlib.models.explain_forward import run_network
from cnnlib.training.evaluation import count_right
from cnnlib.training.loop import Trainer
from cnnlib.validation import Bool


class TeamTrainer(Trainer):
    """Train as `Trainer` does, in all processes that `torchrun` started together; the first one reports and saves.

    Parameters
    ----------
    *args, **options
        As for `Trainer`.
    compile : bool
        Whether to play each step back as a CUDA graph, where that can be done.
    """

    def __init__(self, *args, compile=False, **options):
        super().__init__(*args, **options)
        processes = distributed.num_processes()
        self.compiled = Bool()(compile, "compile") and has_graphs(self.device) and processes == 1
        self._call = self._graphs = None
        self.history.settings |= {"compiled": self.compiled, "processes": processes}

    def _begin(self):
        self._call = distributed.parallel(self.net)
        if self.compiled:
            if self._graphs is None:  # recorded once, for all runs; each size of a batch is a graph
                self._graphs = torch.compile(self.net, mode="reduce-overhead", dynamic=False)
            self._call = self._graphs
            self._layout.watches = False
        super()._begin()

    def _finish(self):
        self._call = None  # hooks that add up gradients over processes go

    def _run_epoch(self):
        super()._run_epoch()
        distributed.same_buffers(self.net)

    def _compute(self, X, y):
        mine = distributed.share(X, y)
        loss, *found = super()._compute(mine.X, mine.y)
        return mine.for_gradient(loss), *mine.whole(*found)

    def _forward(self, X):
        if self._call is self._graphs:  # what the last step returned may now be written over
            torch.compiler.cudagraph_mark_step_begin()
        return run_network(self.net, X, self._call)

    def _count_right(self):
        distributed.same_buffers(self.net)
        mine = (share for share in map(_share, self.test_iter) if share is not None)
        return distributed.total(*count_right(self.net, mine, self.device, self.objective))

    def _report(self):
        if distributed.process_number() == 0:
            super()._report()

    def _asked_to_stop(self):
        return distributed.any_of(self._stop)

    def _is_due(self):
        return self._looks_always or distributed.any_of(super()._is_due())

    def _agreed(self, flag):
        return distributed.all_of(flag)

    def _restore(self):
        super()._restore()
        distributed.same_buffers(self.net)

    @property
    def writes_files(self):
        """Whether this is the process that writes."""
        return distributed.process_number() == 0

    def save(self, path):
        """Write the run to a file, as `Trainer.save` does; the first process writes, for all."""
        return super().save(path) if self.writes_files else Path(path)

    def fork(self):
        """Return a second trainer at the same point, with a network of its own."""
        twin = super().fork()
        twin._call = twin._graphs = None
        return twin


def has_graphs(device):
    """Return whether commands to a device can be recorded and played back."""
    return device.type == "cuda"


def _share(batch):
    """Return this process's part of a batch, or None where it gets nothing."""
    mine = distributed.share(*batch)
    return (mine.X, mine.y) if mine.part else None
