"""PyTorch's random numbers, of the CPU and of one device: where they stand, and to borrow them for a while.

`torch.manual_seed` seeds every GPU of the machine, and `fork_rng(devices=[])` puts none of them back. What is here
touches the CPU and the named device alone.
"""

from contextlib import contextmanager

import torch

DRAW_NONE = ("cpu", "meta")  # beside the CPU's generator: a network on "meta" has shapes alone


def random_state(device):
    """Return where the random numbers stand that a training on `device` draws from: the CPU's, then the device's."""
    states = [torch.get_rng_state()]
    if device.type not in DRAW_NONE:
        states.append(torch.get_device_module(device).get_rng_state(*_number(device)))
    return states


def set_random_state(device, states):
    """Set the random numbers to where `random_state` found them."""
    torch.set_rng_state(states[0])
    if device.type not in DRAW_NONE and len(states) > 1:  # a state from another device brings none for this one
        torch.get_device_module(device).set_rng_state(states[1], *_number(device))


@contextmanager
def borrowed_random(device, seed=None):
    """Draw random numbers for a while, from `seed` on if it is given; put everybody's back afterwards.

    Parameters
    ----------
    device : torch.device
        Its random numbers and the CPU's are borrowed; no other device's are touched.
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
    elif device.type not in DRAW_NONE:
        torch.get_device_module(device).manual_seed(seed)


def _number(device):
    """Return the arguments that name one of several GPUs; Apple's has no number."""
    return (device,) if device.type == "cuda" else ()
