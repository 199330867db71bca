"""Two processes that train together, for test_distributed.py: each writes what it saw into a file of its own.

They are forked from one that has loaded PyTorch and computed nothing yet: loading it twice would take longer than all
that they do.
"""

import json
import os
import sys
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
from torch import distributed as dist
from torch import nn

from cnnlib import DivergenceError
from cnnlib.course.records.team import TeamTrainer
from cnnlib.datasets import Batches

PATIENCE = timedelta(seconds=120)  # a process that waits for another for so long waits for ever
SGD = partial(torch.optim.SGD, momentum=0.9)


def pictures(num, batch_size=16, shuffle=True):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (num, 1, 12, 12), dtype=torch.uint8, generator=generator)
    return Batches(images, torch.randint(10, (num,), generator=generator), batch_size, shuffle=shuffle)


def build(norm=False):
    torch.manual_seed(0)
    middle = nn.BatchNorm2d(4) if norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 4, 3), middle, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 10))


def weights(net):
    """Return all that a network holds, its running statistics as well, as one list."""
    return [value for part in net.state_dict().values() for value in part.flatten().tolist()]


def train(num, norm=False, mischief=None):
    """Train two epochs on `num` pictures; return what the process knows of it afterwards.

    `mischief(trainer)` is called at every step, while the loss is computed.
    """
    told, evaluated, message = [], [], ""  # steps that the listener was told of, sizes of shares

    def loss(scores, y):
        value = nn.functional.cross_entropy(scores, y)
        return value if mischief is None else mischief(trainer, value)

    options = {"optimizer": SGD, "loss": loss, "device": "cpu", "listeners": [lambda t: told.append(t.step)]}
    net = build(norm)
    net.register_forward_pre_hook(lambda net, args: None if net.training else evaluated.append(len(args[0])))
    trainer = TeamTrainer(net, pictures(num), pictures(21, 8, shuffle=False), 0.05, **options)
    try:
        trainer.fit(2)
    except DivergenceError as error:
        message = str(error)
    found = {"told": len(told), "message": message, "weights": weights(net), "evaluated": sum(evaluated)}
    return trainer, asdict(trainer.history) | found


def in_the_second(step, act):
    """Return a mischief that happens once, in the second process alone."""
    done = []

    def mischief(trainer, value):
        if dist.get_rank() == 1 and trainer.step == step and not done:
            done.append(step)
            return act(trainer, value)
        return value

    return mischief


def stop(trainer, value):
    trainer.stop()
    return value


def all_of_it():
    """Return what happened in each case, in this process."""
    found = {"uneven": train(45)[1], "a batch of one": train(33)[1]}
    found["stopped"] = train(45, norm=True, mischief=in_the_second(1, stop))[1]
    nan = in_the_second(2, lambda trainer, value: value * torch.nan)
    trainer, found["diverged"] = train(45, norm=True, mischief=nan)
    trainer.lr = 0.01
    trainer.fit(1)
    found["goes on"] = {**vars(trainer.history), "weights": weights(trainer.net)}
    return found


def work(number, folder):
    """Be one of the two."""
    torch.set_num_threads(1)
    options = {"rank": number, "world_size": 2, "timeout": PATIENCE}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", **options)
    Path(folder, f"{number}.json").write_text(json.dumps(all_of_it()), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    children = []
    for number in range(2):
        child = os.fork()
        if not child:
            try:
                work(number, sys.argv[1])
            finally:
                sys.stderr.flush()
                os._exit(sys.exc_info()[0] is not None)
        children.append(child)
    sys.exit(any(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
