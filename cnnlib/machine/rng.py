"""The state of PyTorch's random numbers, of the CPU and of one device.

`torch.manual_seed` seeds every GPU of the machine, and `torch.random.fork_rng(devices=[])` restores none of them. What
is here touches the CPU and the given device alone.
"""

from contextlib import contextmanager

import torch

NO_GENERATOR = ("cpu", "meta")  # devices without one beside the CPU's; a network on "meta" has shapes alone


def random_state(device):
    """Return the states of the random numbers that a training on `device` draws: the CPU's, then the device's."""
    states = [torch.get_rng_state()]
    if device.type not in NO_GENERATOR:
        states.append(torch.get_device_module(device).get_rng_state(*_argument(device)))
    return states


def set_random_state(device, states):
    """Set the random numbers to what `random_state` returned."""
    torch.set_rng_state(states[0])
    if device.type not in NO_GENERATOR and len(states) > 1:  # a state from another device has none for this one
        torch.get_device_module(device).set_rng_state(states[1], *_argument(device))


@contextmanager
def forked_rng(device, seed=None):
    """Draw random numbers inside, from `seed` on if it is given; restore their state afterwards.

    Parameters
    ----------
    device : torch.device
        Its random numbers and the CPU's are restored; no other device's are touched.
    seed : int, optional
    """
    before = random_state(device)
    try:
        if seed is not None:
            seed_all(device, seed)
        yield
    finally:
        set_random_state(device, before)


def seed_all(device, seed):
    """Seed the random numbers of the CPU and of `device`, and of no other device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type not in NO_GENERATOR:
        torch.get_device_module(device).manual_seed(seed)


def _argument(device):
    """Return the argument that names one of several GPUs, in a tuple; Apple's needs none."""
    return (device,) if device.type == "cuda" else ()
