"""Several processes that train one network together, each on its share of every batch: data parallelism.

Every process holds the whole network and draws the same batches. It computes the gradient of its own share; PyTorch's
DistributedDataParallel adds the gradients up, so that all take the same step. `torchrun` starts the processes:

    torchrun --standalone --nproc-per-node=2 -m cnnlib.course.records alexnet

The authors of AlexNet had another reason for two GPUs, and cut the network instead of the batch.

Where there is one process, everything here returns what it was given. What all of them must agree on (whether to stop,
whether a loss is finite) is asked of all between two batches, so none waits for one that has gone. An exception in
one process alone, such as a full memory, ends that process; `torchrun` then ends the others.

A batch normalisation measures the share of its process, and the running statistics of the first process are kept. For
statistics of the whole batch convert the network by `nn.SyncBatchNorm.convert_sync_batchnorm`, which needs GPUs.
"""

import os
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cnnlib.machine.device import try_gpu


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


def parallel(net):
    """Return what to call for the scores of a share, so that gradients are added up over the processes.

    The weights of the first process become those of all.
    """
    if num_processes() == 1:
        return net
    place = next(net.parameters()).device
    return DistributedDataParallel(net, device_ids=[place] if place.type == "cuda" else None)


@dataclass(frozen=True)
class Share:
    """The part of a batch that one process computes.

    Attributes
    ----------
    X, y : Tensor
        Never empty: a process that would get nothing computes one example, and `part` is 0.
    part : float
        Its examples, of those in the batch: 1 where there is one process.
    """

    X: torch.Tensor
    y: torch.Tensor
    part: float = 1.0

    def for_gradient(self, loss):
        """Return the loss to go back from, so that the mean over the processes is the mean over the whole batch."""
        return loss if num_processes() == 1 else loss * (self.part * num_processes())

    def whole(self, loss, correct):
        """Return the mean loss and the right predictions of the whole batch; the device is not waited for."""
        if num_processes() == 1:
            return loss, correct
        parts = torch.stack([loss.float() * self.part, correct.float() * (self.part > 0)])
        dist.all_reduce(parts)
        return parts[0], parts[1].to(correct.dtype)


def share(X, y):
    """Return this process's Share of a batch: neighbouring examples, at most one more than another process has."""
    count = num_processes()
    if count == 1:
        return Share(X, y)
    start, stop = (len(y) * number // count for number in (process_number(), process_number() + 1))
    mine = slice(start, stop) if stop > start else slice(0, 1)
    return Share(X[mine], y[mine], (stop - start) / len(y))


def any_of(flag):
    """Return whether something holds in any of the processes; each must ask."""
    if num_processes() == 1:
        return flag
    found = torch.tensor(float(flag))  # on the CPU: no GPU is waited for
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return bool(found)


def all_of(flag):
    """Return whether something holds in all of the processes; each must ask."""
    return not any_of(not flag)


def total(*sums):
    """Return sums, 0-d tensors or numbers, added up over the processes, as a list of float; each must ask."""
    if num_processes() == 1:
        return [float(value) for value in sums]
    found = torch.tensor([float(value) for value in sums], dtype=torch.float64)
    dist.all_reduce(found)
    return found.tolist()


def same_buffers(net):
    """Give all processes the first one's buffers: the running statistics of its batch normalisations."""
    if num_processes() > 1:
        for buffer in net.buffers():
            dist.broadcast(buffer, 0)
