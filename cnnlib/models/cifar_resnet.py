"""The plain and residual networks of depth 6n + 2 with which He and others measured degradation (arXiv:1512.03385,
section 4.2), and the pre-activation version of their second paper (arXiv:1603.05027). For grey pictures here; with
`in_channels=3` and width 16 they are the paper's, parameter for parameter.

A block keeps its two parts apart, `block.shortcut(X)` and `block.residual(X)`, so that they can be measured, and
removed, one by one.
"""

from torch import nn
from torch.nn import functional as F

from cnnlib.models.limits import CHANNELS, DEPTH
from cnnlib.validation import Bool, Choice, Count, Factory, arguments

# What goes around the two convolutions of a block: nothing; the input, with zero channels added where the output has
# more (the paper's option A); the input, or its projection where the shapes differ (B); a projection everywhere (C)
SHORTCUTS = ("none", "identity", "projection", "all projections")


class ZeroPad(nn.Module):
    """A shortcut without parameters: every `stride`-th pixel, and channels of zeros for those that are missing.

    (N, C, H, W) → (N, C + extra, H / stride, W / stride), rounded up.
    """

    def __init__(self, extra, stride):
        super().__init__()
        self.extra, self.stride = extra, stride

    def forward(self, X):
        X = X[:, :, :: self.stride, :: self.stride]
        return F.pad(X, (0, 0, 0, 0, 0, self.extra))  # (left, right, top, bottom, channels before, channels after)

    def extra_repr(self):
        return f"{self.extra} more channels, stride={self.stride}"


class PostActivation(nn.Module):
    """A block as in the first paper: convolution, norm, activation, convolution, norm, addition, activation.

    (N, in_channels, H, W) → (N, out_channels, H / stride, W / stride), rounded up.

    Parameters
    ----------
    in_channels, out_channels, stride : int
    shortcut : str
        One of `SHORTCUTS`. Without a shortcut the block is two layers of a plain network.
    norm : bool
        Whether to normalise; without it, the convolutions have biases.
    activation : callable
    """

    def __init__(self, in_channels, out_channels, stride=1, shortcut="projection", norm=True, activation=nn.ReLU):
        super().__init__()
        Norm = nn.BatchNorm2d if norm else nn.Identity
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=not norm)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=not norm)
        self.norm1, self.norm2 = Norm(out_channels), Norm(out_channels)
        self.activation1, self.activation2 = activation(), activation()
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride, norm)

    def residual(self, X):
        Y = self.activation1(self.norm1(self.conv1(X)))
        return self.norm2(self.conv2(Y))

    def forward(self, X):
        Y = self.residual(X)
        if self.shortcut is not None:
            Y = Y + self.shortcut(X)
        return self.activation2(Y)


_rules = arguments(
    in_channels=CHANNELS, out_channels=CHANNELS, stride=DEPTH, shortcut=Choice(SHORTCUTS), norm=Bool(),
    activation=Factory(),
)  # fmt: skip
_rules(PostActivation)


@_rules
class PreActivation(nn.Module):
    """A block as in the second paper: norm, activation, convolution, twice, then the addition and nothing after it.

    Shapes and parameters as for `PostActivation`. A projection is a bare convolution of the block's input.
    """

    def __init__(self, in_channels, out_channels, stride=1, shortcut="projection", norm=True, activation=nn.ReLU):
        super().__init__()
        Norm = nn.BatchNorm2d if norm else nn.Identity
        self.norm1, self.norm2 = Norm(in_channels), Norm(out_channels)
        self.activation1, self.activation2 = activation(), activation()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=not norm)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=not norm)
        self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride, norm=False)

    def residual(self, X):
        Y = self.conv1(self.activation1(self.norm1(X)))
        return self.conv2(self.activation2(self.norm2(Y)))

    def forward(self, X):
        Y = self.residual(X)
        return Y if self.shortcut is None else Y + self.shortcut(X)


@arguments(kind=Choice(SHORTCUTS), in_channels=CHANNELS, out_channels=CHANNELS, stride=DEPTH, norm=Bool())
def make_shortcut(kind, in_channels, out_channels, stride=1, norm=True):
    """Return the module that goes around a block's convolutions, or None for "none".

    Parameters
    ----------
    kind : str
        One of `SHORTCUTS`.
    norm : bool
        Whether a projection is normalised.

    Raises
    ------
    ValueError
        If an identity would have to drop channels.
    """
    if kind == "none":
        return None
    if out_channels < in_channels and kind == "identity":
        raise ValueError(f"an identity cannot drop channels, from {in_channels} to {out_channels}: use a projection.")
    same = stride == 1 and in_channels == out_channels
    if kind == "all projections" or (kind == "projection" and not same):
        conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(out_channels)) if norm else conv
    return nn.Identity() if same else ZeroPad(out_channels - in_channels, stride)


def is_block(module):
    """Return whether a module is built like a block of this book: two convolutions, and room for a shortcut.

    Decided by attributes, not by class, so that a block that a reader has rewritten counts as well.
    """
    convolutions = all(isinstance(getattr(module, name, None), nn.Conv2d) for name in ("conv1", "conv2"))
    return convolutions and (hasattr(module, "shortcut") or hasattr(module, "conv3"))


def cifar_resnet(
    depth, width=16, shortcut="projection", block=PostActivation, norm=True, activation=nn.ReLU, in_channels=1
):
    """Build a network of depth 6n + 2 for images of shape (N, in_channels, H, W); it returns scores of shape (N, 10).

    A convolution, three stages of n blocks with `width`, 2 `width` and 4 `width` channels, the second and third at
    half the height and width of the one before, the mean over each map, and a dense layer.

    Parameters
    ----------
    depth : int
        Layers with weights, without those of the shortcuts: 8, 14, 20, …
    width : int
        Channels of the first stage; 16 in the paper.
    shortcut, norm, activation
        As for `PostActivation`; `shortcut="none"` builds the plain network.
    block : callable
        `PostActivation` or `PreActivation`, or called like them.

    Returns
    -------
    nn.Sequential
        The stem, the blocks one by one, and the head.

    Raises
    ------
    ValueError
        If the depth is not 6n + 2.
    """
    if depth not in range(8, 10_000, 6):
        raise ValueError(f"depth must be 6n + 2 with n of at least 1 (8, 14, 20, 26, 32, …), got {depth!r}.")
    blocks, channels = [], width
    for out_channels in (width, 2 * width, 4 * width):
        for _ in range(int(depth) // 6):
            stride = 1 if out_channels == channels else 2
            blocks.append(block(channels, out_channels, stride, shortcut, norm, activation))
            channels = out_channels
    pre = isinstance(blocks[0], PreActivation)  # then what stands before the first block comes after the last instead
    first, last = [nn.Sequential(nn.BatchNorm2d(c) if norm else nn.Identity(), activation()) for c in (width, channels)]
    stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1, bias=not norm), *([] if pre else first))
    head = nn.Sequential(*(last if pre else []), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    return nn.Sequential(stem, *blocks, head)


cifar_resnet = arguments(
    width=Count(most=1024), shortcut=Choice(SHORTCUTS), block=Factory(), norm=Bool(), activation=Factory(),
    in_channels=CHANNELS,
)(cifar_resnet)  # fmt: skip
