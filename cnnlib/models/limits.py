"""What the arguments of the networks must be, and how large they may become before memory is asked for.

The functions that a chapter shows are as short as there; their checks are put around them by `arguments.checked`,
behind each definition.
"""

from functools import partial

from cnnlib.validation import check_count, check_list, check_number, told

channels = partial(check_count, most=4096)
count = partial(check_count, most=1000)  # of layers or blocks in a row
size = partial(check_count, least=-(10**9), most=1024)  # of a picture's side; the function itself knows the least
units = partial(check_count, most=2**14)
share = partial(check_number, least=0, most=1)
positive = partial(check_number, least=0)


def check_arch(arch, name):
    """Raise unless `arch` is a sequence of pairs (number of convolutions, channels), one a block."""
    for pair in check_list(arch, name):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{name} must be pairs (number of convolutions, channels), got {told(pair)}. Try VGG11.")
        count(pair[0], f"each number of convolutions in {name}")
        channels(pair[1], f"each number of channels in {name}")
