"""A Trainer for long runs on GPUs: steps shared by several processes, or played back as CUDA graphs.

Each process holds the whole network, draws the same batches and computes the gradient of its own share of each.
PyTorch's DistributedDataParallel adds the gradients up, so that all take the same step. `torchrun` starts them:

    torchrun --standalone --nproc-per-node=2 -m cnnlib.course.records --size full alexnet

(The authors of AlexNet had another reason for two GPUs, and cut the network instead of the batch.) An exception in one
process alone, such as a full memory, ends that process; `torchrun` then ends the others.

A network so small that a GPU waits for the next command rather than computes gains from CUDA graphs instead:
`torch.compile` records a whole step's commands and plays them back. The recording takes up to a minute, and is for one
process on an NVIDIA GPU; elsewhere the network runs as it is.
"""

import os
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cnnlib.machine.device import try_gpu
from cnnlib.models.explain_forward import run_network
from cnnlib.training.evaluation import count_right
from cnnlib.training.loop import Trainer
from cnnlib.validation import Bool

LOOK_EVERY = 10  # steps between two looks at the losses: all processes look, and stop, at the same one


@contextmanager
def team():
    """Join the processes that `torchrun` started, for a while; in a process of its own, do nothing.

    Yields
    ------
    torch.device
        Where this process computes: its own GPU, or the CPU.

    Raises
    ------
    ValueError
        If there are GPUs, but fewer than processes.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield try_gpu()
        return
    number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if 0 < there < int(os.environ["LOCAL_WORLD_SIZE"]):
        raise ValueError(
            f"each process needs a GPU of its own: there are {there}, and {os.environ['LOCAL_WORLD_SIZE']} processes. "
            f"Try make full GPUS={there}."
        )
    device = try_gpu(number) if there else torch.device("cpu")  # Apple's GPU cannot talk to other processes
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def num_processes():
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_number():
    """Return the number of this process among them, from 0."""
    return dist.get_rank() if num_processes() > 1 else 0


def share(X, y):
    """Return this process's neighbouring examples of a batch (X, y), and the part of the batch that they are.

    They are never none: a process that would get nothing computes one example, and its part is 0.
    """
    start, stop = (len(y) * number // num_processes() for number in (process_number(), process_number() + 1))
    mine = slice(start, max(stop, start + 1)) if start < len(y) else slice(0, 1)
    return X[mine], y[mine], (stop - start) / len(y)


class TeamTrainer(Trainer):
    """Train as `Trainer` does, in all processes that `torchrun` started together; the first one reports and saves.

    A batch normalisation measures the share of its process, and the running statistics of the first process are kept,
    unless it is a SyncBatchNorm.

    Parameters
    ----------
    *args, **options
        As for `Trainer`.
    compile : bool
        Whether to play each step back as a CUDA graph, where that can be done.
    """

    def __init__(self, *args, compile=False, **options):
        super().__init__(*args, **options)
        self.processes = num_processes()
        self.compiled = Bool()(compile, "compile") and has_graphs(self.device) and self.processes == 1
        if self.compiled:  # each size of a batch is a graph
            self._layout.watches = False
            self._graphs = torch.compile(self.net, mode="reduce-overhead", dynamic=False)
        self._call = None
        self.history.settings |= {"compiled": self.compiled, "processes": self.processes}

    def _begin(self):
        self._call = self._graphs if self.compiled else self.net
        if self.processes > 1:  # the weights of the first process become those of all
            self._call = DistributedDataParallel(self.net, [self.device] if self.device.type == "cuda" else None)
        super()._begin()

    def _finish(self):
        self._call = None  # hooks that add up gradients over processes go

    def _run_epoch(self):
        super()._run_epoch()
        self._share_buffers()

    def _compute(self, X, y):
        if self.processes == 1:
            return super()._compute(X, y)
        X, y, part = share(X, y)
        loss, mean, right = super()._compute(X, y)
        sums = torch.stack([mean.float() * part, right.float() * (part > 0)])
        dist.all_reduce(sums)
        # the gradients' mean over the processes is then that of the whole batch
        return loss * (part * self.processes), sums[0], sums[1].to(right.dtype)

    def _forward(self, X):
        if self.compiled:  # what the last step returned may now be written over
            torch.compiler.cudagraph_mark_step_begin()
        return run_network(self.net, X, self._call)

    def _count_right(self):
        if self.processes == 1:
            return super()._count_right()
        self._share_buffers()
        shares = (share(*batch) for batch in self.test_iter)
        mine = count_right(self.net, ((X, y) for X, y, part in shares if part), self.device, self.objective)
        sums = torch.tensor([float(value) for value in mine], dtype=torch.float64)
        dist.all_reduce(sums)
        return sums.tolist()

    def _report(self):
        if self.writes_files:
            super()._report()

    def _asked_to_stop(self):
        if self.processes == 1:
            return self._stop
        asked = torch.tensor(float(self._stop))  # on the CPU, so that no GPU is waited for
        dist.all_reduce(asked, dist.ReduceOp.MAX)
        return bool(asked)

    def _is_due(self):
        return super()._is_due() if self.processes == 1 else self.step % LOOK_EVERY == 0

    def _share_buffers(self):
        """Give all processes the first one's running statistics."""
        for buffer in self.net.buffers() if self.processes > 1 else ():
            dist.broadcast(buffer, 0)

    @property
    def writes_files(self):
        """Whether this is the process that writes."""
        return process_number() == 0

    def save(self, path):
        """Write the run to a file, as `Trainer.save` does; the first process writes, for all."""
        return super().save(path) if self.writes_files else Path(path)


def has_graphs(device):
    """Return whether commands to a device can be recorded and played back."""
    return device.type == "cuda"
