"""The window of a convolution or pooling along each axis, and the patch of the picture that one place of a map sees
(Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285).
"""

from dataclasses import dataclass, replace

import torch
from torch.nn.modules import conv, pooling
from torch.overrides import TorchFunctionMode

from cnnlib.models.cifar_resnet import ZeroPad

POOLS = (pooling._MaxPoolNd, pooling._AvgPoolNd)
# functions that work on each place of a map by itself; batch normalisation does when it evaluates
POINTWISE = set(
    "relu relu6 leaky_relu elu selu celu gelu silu mish prelu sigmoid tanh hardtanh hardsigmoid hardswish softplus "
    "logsigmoid softsign dropout feature_dropout dropout2d batch_norm add iadd radd sub isub rsub mul imul rmul div "
    "truediv clone contiguous detach clamp cat concat".split()
)


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
        """How many numbers the window reaches over."""
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
        """Tell whether the last of the places, rounded up, would begin in the padding behind: it is left out."""
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
    of place 0 begins (negative in the padding), `counts` how many places the map has. `joined` tells that several
    paths met: it is the patch that holds all of theirs.
    """

    sizes: tuple
    strides: tuple
    starts: tuple
    counts: tuple
    joined: bool = False

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
        return Patch(sizes, (0, 0), self.starts, (1, 1), self.joined)

    def middle(self):
        """Return (top, left) of the patch that the middle place sees."""
        each = zip(self.starts, self.strides, self.counts, strict=True)
        return tuple(start + count // 2 * stride for start, stride, count in each)


class NoChannels(ValueError):
    """PyTorch takes the batch for the channels where they are missing, and goes on."""


def windows_of(module, incoming):
    """Return one Window an axis for a convolution or pooling that is given an example of this shape, else ()."""
    if not isinstance(module, (conv._ConvNd, *POOLS)):
        return ()
    axes = int(next(c.__name__ for c in type(module).__mro__ if c.__module__.startswith("torch.nn"))[-2])  # Conv2d: 2
    given = {"dilation": 1, "output_padding": 0} | vars(module)
    kernel, stride, dilation, extra = (
        value if isinstance(value := given[key], tuple) else (value,) * axes
        for key in ("kernel_size", "stride", "dilation", "output_padding")
    )
    padding = given["padding"]
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        padding = [(t // 2, t - t // 2) for t in total]
    else:
        padding = (0,) * axes if padding == "valid" else padding if isinstance(padding, tuple) else (padding,) * axes
        padding = [(p, p) for p in padding]
    if len(incoming) != axes + 1:
        raise NoChannels(f"{type(module).__name__} needs channels and {axes} more axes, got {incoming}.")
    ceil, transposed = given.get("ceil_mode", False), isinstance(module, conv._ConvTransposeNd)
    sides = incoming[-axes:]
    return tuple(
        Window(size, k, s, p, d, ceil, transposed, e)
        for size, k, s, p, d, e in zip(sides, kernel, stride, padding, dilation, extra, strict=True)
    )


class Follow(TorchFunctionMode):
    """Note, for every tensor that a forward pass makes from X, the patch of the picture that one place of it sees."""

    def __init__(self, X):
        super().__init__()
        sides = tuple(X.shape[2:])
        start = Patch((1, 1), (1, 1), (0, 0), sides) if len(sides) == 2 else None
        self._seen = {id(X): (X, start)}  # with the tensor itself: else its id would be given to another

    def __torch_function__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        given = [value for part in args for value in (part if isinstance(part, tuple | list) else [part])]
        known = [self._seen[id(value)] for value in given if id(value) in self._seen]
        if isinstance(output, torch.Tensor) and known:
            self._seen[id(output)] = output, self._after(func.__name__.strip("_"), known, output)
        return output

    def leave(self, module, rule, windows, X, output):
        """Note what a layer made, and return its patch."""
        known = self._seen.get(id(X), (X, None))[1]
        axes = windows if windows and not windows[0].transposed else ()
        if known and rule == "adaptive":
            axes = tuple(Window(i, i // o, i // o) for i, o in zip(X.shape[2:], output.shape[2:], strict=True)
                         if i % o == 0)  # fmt: skip
        if known and len(axes) == 2:
            self._seen[id(output)] = output, known.through(axes)
        elif known and isinstance(module, ZeroPad):  # every stride-th place
            self._seen[id(output)] = output, known.through([Window(n, 1, module.stride) for n in known.counts])
        return self._seen.get(id(output), (output, None))[1]

    def _after(self, name, known, output):
        patches = [patch for _, patch in known]
        one, X = patches[0], known[0][0]
        if None in patches:
            return None
        if name in POINTWISE or all(patch.counts == (1, 1) for patch in patches):
            return _join(patches)
        if name in ("flatten", "reshape", "view") and output.dim() == 2:
            return one
        if (name == "linear" and X.dim() == 2) or (name in ("mean", "amax") and output.shape == X.shape[:2]):
            return one.whole()
        return None


def _join(patches):
    """Return the patch that holds the patches of several paths, or None if their places do not lie alike."""
    if len({(patch.strides, patch.counts) for patch in patches}) > 1:
        return None
    starts = tuple(map(min, zip(*(patch.starts for patch in patches), strict=True)))
    ends = [[start + size for start, size in zip(p.starts, p.sizes, strict=True)] for p in patches]
    sizes = tuple(max(axis) - start for axis, start in zip(zip(*ends, strict=True), starts, strict=True))
    joined = len(patches) > 1 or patches[0].joined
    return replace(patches[0], sizes=sizes, starts=starts, joined=joined)
