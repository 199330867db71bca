"""Mini-batches cut from images that lie in memory: no worker processes, and the same order on every machine.

The images stay `uint8` on one device. A batch is selected, resized and converted to float32 only when it is needed;
on two cores that costs less than a thousandth of the time that a loader with worker processes takes.
"""

import copy

import torch
from torch.nn import functional as F

from cnnlib.page.escape import printable
from cnnlib.validation import Bool, Callable, Count, Device, Tensor, arguments

TOGETHER = 4  # pictures that share one draw of a random transform: 5 ms per batch of 128, against 22 one by one
LANES = 4  # maps that PyTorch resizes together on a CPU, as if they were colours, in half the time or less
SEEDS = 2**43  # a larger seed, times the epochs, is no 64-bit number
PLACE = Count(least=0, most=SEEDS)
SIDES = 4096  # pixels: the largest side to resize to


@arguments(
    images=Tensor((), "(N, channels, height, width)", empty=True, meta=True), labels=Tensor((), "(N,)", True, True),
    batch_size=Count(), transform=Callable("Try v2.RandomHorizontalFlip()."), shuffle=Bool(), seed=PLACE,
)  # fmt: skip
class Batches:
    """An iterable of `(X, y)`: X float32 in [0, 1] of shape (N, 1, H, W), y int64 of shape (N,). X has another type
    where `torch.set_default_dtype` has chosen one: it is that of the weights of new networks.

    Epoch number `e` of a shuffled set has an order that depends on `seed` and `e` alone. Each `for` loop over the
    object is the next epoch: the first loop is epoch 0. A trainer counts epochs for itself by `epoch(e)`, so
    having looked at a batch beforehand changes nothing.

    Parameters
    ----------
    images : uint8 Tensor of shape (N, 1, H, W)
    labels : int64 Tensor of shape (N,)
    batch_size : int
        The last batch of an epoch may be smaller.
    resize : int or pair of int, optional
        Height and width to resize each batch to (bilinear, antialiased).
    transform : callable, optional
        Changes the uint8 pictures before they are resized, (n, 1, H, W) → (n, 1, H, W): a `torchvision.transforms.v2`
        transform, say. It is called for four pictures at a time, so that neighbours in a batch differ.
    shuffle : bool
    seed : int
        Which orders to draw.

    Raises
    ------
    ValueError
        If images and labels do not fit each other.
    """

    def __init__(self, images, labels, batch_size, *, resize=None, transform=None, shuffle=False, seed=0):
        if images.dtype != torch.uint8 or images.dim() != 4:
            raise ValueError(
                f"images must be a uint8 tensor of shape (N, channels, height, width), got {images.dtype} of shape "
                f"{tuple(images.shape)}."
            )
        if not labels.dim() or len(images) != len(labels):
            raise ValueError(
                f"as many labels as images are needed, got {len(images)} and {len(labels) if labels.dim() else 1}."
            )
        self.images, self.labels = images, labels
        self.batch_size = batch_size
        self.resize = _sides(resize)
        self.transform = transform
        self.shuffle = shuffle
        self.reseed(seed)

    @arguments(seed=PLACE)
    def reseed(self, seed):
        """Draw other orders from now on, beginning with epoch 0; return the object itself."""
        self.seed = seed
        self._next_epoch = 0
        return self

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __iter__(self):
        number, self._next_epoch = self._next_epoch, self._next_epoch + 1
        return self.epoch(number)

    @arguments(number=PLACE)
    def order(self, number):
        """Return the order of the examples in epoch `number`, an int64 tensor on the device of the images."""
        if not self.shuffle:
            return torch.arange(len(self.images), device=self.images.device)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)  # on the CPU: same on any device
        return torch.randperm(len(self.images), generator=generator).to(self.images.device)

    @arguments(number=PLACE, start=Count(least=0))
    def epoch(self, number, start=0):
        """Return an iterator over the batches of epoch `number`, without the first `start` of them."""
        batches = self.order(number).split(self.batch_size)[start:]
        take = torch.index_select  # a fifth of the time of images[index]
        return ((self._batch(take(self.images, 0, index)), take(self.labels, 0, index)) for index in batches)

    def _batch(self, images):
        if self.transform is not None:
            images = torch.cat([self.transform(few) for few in images.split(TOGETHER)])
        if self.resize is not None and tuple(images.shape[-2:]) != self.resize:
            images = _resized(images, self.resize)
        return images.to(torch.get_default_dtype()).div_(255)

    @arguments(device=Device(meta=True))
    def to(self, device):
        """Return the same batches with the images on `device`: the object itself if they are there already."""
        if self.images.device == device:
            return self
        moved = copy.copy(self)
        moved.images, moved.labels = self.images.to(device), self.labels.to(device)
        return moved.reseed(self.seed)

    def __repr__(self):
        height, width = self.resize or self.images.shape[-2:]
        changed = ", transformed" if self.transform else ""
        order = f"shuffled with seed {self.seed}" if self.shuffle else "in order"
        text = f"Batches: {len(self.images):,} images of {height}×{width} in {len(self)} batches, {order}{changed}"
        return printable(text)


def _resized(images, size):
    """Resize uint8 pictures as torchvision's `resize` does, to the last bit, without needing torchvision."""
    if images.device.type != "cpu":
        return F.interpolate(images.float(), size, mode="bilinear", antialias=True).round_().clamp_(0, 255)
    maps = images.flatten(0, 1)
    whole = len(maps) // LANES * LANES
    fours, rest = maps[:whole].unflatten(0, (-1, LANES)), maps[whole:].unsqueeze(1)
    parts = [fours.contiguous(memory_format=torch.channels_last), rest]
    resized = [F.interpolate(part, size, mode="bilinear", antialias=True) for part in parts if part.numel()]
    return torch.cat([part.flatten(0, 1) for part in resized]).unflatten(0, images.shape[:2])


def _sides(resize):
    if resize is None:
        return None
    if isinstance(resize, list | tuple):
        if len(resize) != 2:
            raise ValueError(f"resize must be one number or (height, width), got {resize!r}.")
        return tuple(Count(most=SIDES)(side, "resize") for side in resize)
    return (Count(most=SIDES)(resize, "resize"),) * 2
