"""The window of a convolution or pooling along each axis, and the patch of the picture that one place of a map sees
(Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285).
"""

from dataclasses import dataclass, replace

from torch import nn
from torch.nn.modules import conv, pooling
from torch.overrides import TorchFunctionMode

from cnnlib.models.cifar_resnet import ZeroPad
from cnnlib.models.hooks import tensors_in

POOLS = (pooling._MaxPoolNd, pooling._AvgPoolNd, pooling._LPPoolNd)
# functions that work on each place of a map by itself; batch normalisation does when it evaluates
POINTWISE = set(
    "relu relu6 leaky_relu elu selu celu gelu silu mish prelu sigmoid tanh hardtanh hardsigmoid hardswish softplus "
    "logsigmoid softsign dropout feature_dropout dropout2d batch_norm add iadd radd sub isub rsub mul imul rmul div "
    "truediv clone contiguous detach clamp cat concat".split()
)

ADDITIONS = ("add", "iadd")


@dataclass(frozen=True)
class Window:
    """A window along one axis: `size` numbers come in, `output` go out. `padding` is that before and that behind."""

    size: int
    kernel: int
    stride: int = 1
    padding: tuple = (0, 0)
    dilation: int = 1
    ceil: bool = False
    transposed: bool = False
    extra: int = 0  # output_padding of a transposed convolution

    @property
    def span(self):
        """How many numbers the window spans."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def output(self):
        """The number of places that the window takes; below 1 if it does not fit."""
        if self.transposed:
            return (self.size - 1) * self.stride - sum(self.padding) + self.span + self.extra
        room = self.size + sum(self.padding) - self.span
        places = -(-room // self.stride) if self.ceil else room // self.stride
        return places + 1 - self._starts_outside(places)

    def _starts_outside(self, places):
        """Return whether the last of the places, rounded up, would begin in the padding behind: it is left out."""
        return self.ceil and places * self.stride >= self.size + self.padding[0]

    @property
    def formula(self):
        """The same with all numbers written out: '⌊(28 + 2·1 − 3) / 2⌋ + 1 = 14'."""
        before, behind = self.padding
        padding = f"2·{before}" if before == behind else f"({before} + {behind})"
        span = f"{self.kernel}" if self.dilation == 1 else f"({self.dilation}·({self.kernel} − 1) + 1)"
        if self.transposed:
            extra = f" + {self.extra}" if self.extra else ""
            return f"({self.size} − 1)·{self.stride} − {padding} + {span}{extra} = {self.output}"
        room = self.size + sum(self.padding) - self.span
        text = f"({self.size} + {padding} − {span}) / {self.stride}"
        if room % self.stride:
            text = f"⌈{text}⌉" if self.ceil else f"⌊{text}⌋"
        return f"{text} + 1{' − 1' * self._starts_outside(-(-room // self.stride))} = {self.output}"


@dataclass(frozen=True)
class Patch:
    """What one place of a map sees of the picture; each field is (height, width).

    `sizes` are the patch's sides in pixels, `strides` the distance to the neighbour's patch, `starts` where the patch
    of place 0 begins (negative in the padding), `counts` how many places the map has. `joined` means that several
    paths met: the patch holds all of theirs.
    """

    sizes: tuple
    strides: tuple
    starts: tuple
    counts: tuple
    joined: bool = False

    @property
    def sides(self):
        """The sizes, strides and starts, whose two numbers are the same for a square patch."""
        return self.sizes, self.strides, self.starts

    @classmethod
    def of_pixels(cls, counts):
        """Return the patches of the pixels of a picture."""
        ones, zeros = (1,) * len(counts), (0,) * len(counts)
        return cls(ones, ones, zeros, tuple(counts))

    def through(self, windows):
        """Return the patch behind a layer with a window along each axis."""
        axes = list(zip(self.sizes, self.strides, self.starts, windows, strict=True))
        return Patch(
            tuple(size + (w.span - 1) * stride for size, stride, _, w in axes),
            tuple(stride * w.stride for _, stride, _, w in axes),
            tuple(start - w.padding[0] * stride for _, stride, start, w in axes),
            tuple(w.output for w in windows),
            self.joined,
        )

    def whole(self):
        """Return the patch of what sees all places at once."""
        each = zip(self.sizes, self.strides, self.counts, strict=True)
        sizes = tuple(size + (count - 1) * stride for size, stride, count in each)
        return replace(self, sizes=sizes, strides=(0,) * len(sizes), counts=(1,) * len(sizes))

    def padded(self, before, behind):
        """Return the patch after padding by these numbers before and behind, or cropping where they are negative."""
        sides = zip(self.counts, before, behind, strict=True)
        return self.through([Window(size, 1, padding=pair) for size, *pair in sides])

    def middle_start(self):
        """Return (top, left) of the patch that the middle place sees."""
        each = zip(self.starts, self.strides, self.counts, strict=True)
        return tuple(start + count // 2 * stride for start, stride, count in each)


def axes_of(module):
    """Return along how many axes a convolution or pooling moves its window; 0 for any other layer."""
    if not isinstance(module, (conv._ConvNd, *POOLS)):
        return 0
    return int(next(c.__name__ for c in type(module).__mro__ if c.__module__.startswith("torch.nn"))[-2])  # Conv2d: 2


def windows_of(module, incoming):
    """Return one Window per axis for a convolution or pooling of an example of this shape, else ()."""
    axes = axes_of(module)
    if not axes or len(incoming) != axes + 1:
        return ()
    given = {"dilation": 1, "output_padding": 0, "padding": 0} | vars(module)
    given["stride"] = given["kernel_size"] if given["stride"] is None else given["stride"]
    kernel, stride, dilation, extra = (
        tuple(value) if isinstance(value := given[key], tuple | list) else (value,) * axes
        for key in ("kernel_size", "stride", "dilation", "output_padding")
    )
    padding = given["padding"]
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = [(t // 2, t - t // 2) for t in total]
    else:
        padding = 0 if padding == "valid" else padding
        padding = [(p, p) for p in (padding if isinstance(padding, tuple | list) else (padding,) * axes)]
    ceil, transposed = given.get("ceil_mode", False), isinstance(module, conv._ConvTransposeNd)
    return tuple(
        Window(size, k, s, p, d, ceil, transposed, e)
        for size, k, s, p, d, e in zip(incoming[1:], kernel, stride, padding, dilation, extra, strict=True)
    )


def sides_of_pad(pad):
    """Return what F.pad puts before and behind each axis, the first axis first: (left, right, top, bottom) → …"""
    return tuple(pad[-2::-2]), tuple(pad[::-2])


class PatchTracker(TorchFunctionMode):
    """Record, for every tensor that a forward pass makes from X, the patch of the picture that one place of it sees.

    `weigh` is called with each parameter that an operation uses, and `join` with the sum of two tensors of one shape
    that were both made from X.
    """

    def __init__(self, X, weigh, join):
        super().__init__()
        sides = tuple(X.shape[2:])
        self._weigh, self._join = weigh, join
        # with the tensor itself, so that its id is not reused
        self._seen = {id(X): (X, Patch.of_pixels(sides) if len(sides) == 2 else None)}

    def patch(self, tensor):
        """Return the patch that one place of a tensor sees, or None."""
        return self._seen.get(id(tensor), (None, None))[1]

    def __torch_function__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        name, made = func.__name__.strip("_"), list(tensors_in(output))
        if not made and name != "setitem":  # X.shape
            return output
        given = list(tensors_in([args, kwargs or {}]))
        known = [self._seen[id(tensor)] for tensor in given if id(tensor) in self._seen]
        if made and name not in ("to", "type_as"):
            for tensor in given:
                if isinstance(tensor, nn.Parameter):
                    self._weigh(tensor)
        if known and (name == "setitem" or output is args[0]) and (name not in POINTWISE or len(known) > 1):
            for whole in (args[0], args[0]._base):  # a part of it now holds other numbers
                if whole is not None:
                    self._seen[id(whole)] = whole, None
        for tensor in made if known else ():
            patch = self._after(name, known, args, tensor) if tensor is output else None
            fits = patch and (tensor.dim() != 4 or patch.counts == tuple(tensor.shape[2:]))
            self._seen[id(tensor)] = tensor, patch if fits else None
        if name in ADDITIONS and len(known) == 2 and len({t.shape for t in given}) == 1 and output.dim() > 1:
            self._join(output)
        return output

    def leave(self, module, windows, patch, output):
        """Note what a layer made of a tensor that had this patch."""
        if windows:
            self._seen[id(output)] = output, None if windows[0].transposed or not patch else patch.through(windows)
        elif patch and isinstance(module, ZeroPad):  # every stride-th place
            self._seen[id(output)] = output, patch.through([Window(n, 1, module.stride) for n in patch.counts])

    def _after(self, name, known, args, output):
        patches = [patch for _, patch in known]
        one, X = patches[0], known[0][0]
        if None in patches:
            return None
        if name in POINTWISE or all(patch.counts == (1, 1) for patch in patches):
            return _join(patches)
        if name == "pad" and len(args) > 1 and len(args[1]) == 4:
            return one.padded(*sides_of_pad(args[1]))
        if name.startswith("adaptive_") and output.dim() == 4:
            sides = list(zip(one.counts, output.shape[2:], strict=True))
            even = all(size % places == 0 for size, places in sides)
            return one.through([Window(i, i // o, i // o) for i, o in sides]) if even else None
        if name in ("flatten", "reshape", "view") and output.dim() == 2:
            return one
        if (name == "linear" and X.dim() == 2) or (name in ("mean", "amax") and output.numel() == X.shape[:2].numel()):
            return one.whole()
        return None


def _join(patches):
    """Return the patch that holds the patches of several paths, or None if their places do not lie alike."""
    if len(patches) == 1:
        return patches[0]
    if len({(patch.strides, patch.counts) for patch in patches}) > 1:
        return None
    starts = tuple(map(min, zip(*(patch.starts for patch in patches), strict=True)))
    ends = [[start + size for start, size in zip(p.starts, p.sizes, strict=True)] for p in patches]
    sizes = tuple(max(axis) - start for axis, start in zip(zip(*ends, strict=True), starts, strict=True))
    return replace(patches[0], sizes=sizes, starts=starts, joined=True)
