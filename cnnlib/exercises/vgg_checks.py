"""How the answers of chapter 3's exercises are checked, and what is said to the usual mistakes.

Each exercise in `cnnlib.exercises.vgg` has the checker of its name here. Blocks are judged by `feature_modules`,
functions that return a number by `counting`.
"""

from math import prod

import torch
from torch import nn

from cnnlib.exercises.answers import agreement, call, number
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.counting import counting
from cnnlib.exercises.feature_modules import is_lazy, judge_block, sizes
from cnnlib.exercises.networks import (
    as_network,
    check_parameters,
    compute,
    diagnose,
    forward,
    near,
    random_weights,
    size_of,
)
from cnnlib.models import VGG11, VGG13, VGG16, VGG19, narrower, vgg, vgg_block

three_small_windows = number(
    {
        3: "That is one convolution. What does each of the numbers that it sees see in turn?",
        5: "That is two convolutions. How many pixels does the third one add?",
        6: "Each convolution adds 2. How many pixels are there before the first?",
        8: "Each convolution adds 2. How many pixels are there before the first?",
        9: "The windows overlap. How many new pixels does each one add?",
        10: "The windows overlap. How many new pixels does each one add?",
        27: "These are the weights of three windows. How high is the patch?",
        49: "That is how many pixels the patch has. How high is it?",
    },
    otherwise="How many pixels does one convolution see, and how many does each further one add?",
)

weights_saved = number(
    {
        7: "That is the saving for one pair of channels. How many pairs of an input and an output channel are there?",
        448: "That is 64 times the saving of one window. Through how many input channels does each kernel reach?",
        28608: "That counts biases, and the two convolutions have more of them. What is left without biases?",
        -28672: "Which of the two has more weights?",
        65536: "That is the saving of one 3 × 3 convolution. How many of them see as much as one of 5 × 5?",
        102400: "These are the weights of the 5 × 5 convolution. How many do two of 3 × 3 have?",
        73728: "These are the weights of the two 3 × 3 convolutions. How many does one of 5 × 5 have?",
        36864: "These are the weights of one 3 × 3 convolution. How many do two of them save?",
        0.28: "That is a share of the weights. How many weights is it?",
        28: "That is a share in per cent. How many weights is it?",
    },
    otherwise="How many weights has a window of each size, and how many windows are there?",
)

layers_with_weights = number(
    {
        13: "These are the convolutions. Which other layers have weights?",
        5: "These are the blocks. How many convolutions stand in them?",
        8: "A block counts once there. How many convolutions stand in them?",
        14: "All convolutions and one dense layer: do the hidden ones have weights?",
        15: "All convolutions and two dense layers: does the output layer have weights?",
        18: "Convolutions and poolings: which of them have weights, and which layers are left out?",
        21: "The poolings are among them. How many weights has a pooling?",
        11: "That is VGG-11. How many convolutions does this architecture have?",
        19: "That is VGG-19. How many convolutions does this architecture have?",
    },
    otherwise="Which number of each pair counts layers, and what comes after the blocks?",
)

quarter_width_saving = number(
    {
        16: "That is right where input and output channels both shrink. How many input channels has the first one?",
        1: "The image keeps its channel. What becomes of the 64 output channels?",
        2: "Which of the factors input channels, output channels, window and places change, and by how much?",
        64: "Maps and windows keep their size. Which numbers of channels change?",
        0.25: "That is the share that is left. How many times less is it?",
        0.0625: "That is a share, and the input channels shrink in it too. How many has the first convolution?",
    },
    otherwise="Which of the factors input channels, output channels, window and places change?",
)


def block_of(num_convs, in_channels, out_channels, activations=None, pool=nn.MaxPool2d, each=False, window=3, pad=1):
    """Return a VGG block with something else in it, as usual mistakes have it.

    `activations` holds one module for each convolution, ReLUs if None; with `each`, a pooling follows each convolution.
    """
    layers = []
    for activation in activations or [nn.ReLU()] * num_convs:
        layers += [nn.Conv2d(in_channels, out_channels, window, padding=pad), activation]
        layers += [pool(kernel_size=2, stride=2)] if each else []
        in_channels = out_channels
    return nn.Sequential(*layers, *([] if each else [pool(kernel_size=2, stride=2)]))


def unchained_block(num_convs, in_channels, out_channels):
    """Return a block in which every convolution takes the block's input channels."""
    convs = [nn.Conv2d(in_channels, out_channels, 3, padding=1) for _ in range(num_convs)]
    return nn.Sequential(*[layer for conv in convs for layer in (conv, nn.ReLU())], nn.MaxPool2d(2))


def shared_block(num_convs, in_channels, out_channels, apart=0):
    """Return a block that runs one and the same convolution again and again, after `apart` others."""
    layers = list(vgg_block(apart + 1, in_channels, out_channels)[:-1])
    return nn.Sequential(*layers, *layers[-2:] * (num_convs - apart - 1), nn.MaxPool2d(2))


def late_block(num_convs, in_channels, out_channels):
    """Return a block in which only the last convolution changes the number of channels."""
    block = vgg_block(num_convs, in_channels, in_channels)
    block[-3] = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    return block


def pool_with(*args, **options):
    """Return a maker of max poolings that takes no notice of what it is told."""
    return lambda **_: nn.MaxPool2d(*args, **options)


def block_mistakes(n, *channels, pool=nn.MaxPool2d):
    """Return the usual mistakes in a block of n convolutions that ends in `pool`, with what to say to each."""
    relu, none = nn.ReLU(), nn.Identity()
    return [
        (
            lambda: unchained_block(n, *channels),
            "Every convolution of yours takes in_channels. How many channels does the second one get?",
        ),
        (
            lambda: shared_block(n, *channels),
            "One convolution runs again and again. How many does the block need, each with weights of its own?",
        ),
        (
            lambda: shared_block(n, *channels, apart=min(1, n - 1)),
            "After the first, one convolution runs again and again. How many does the block need?",
        ),
        (
            lambda: late_block(n, *channels),
            "Only your last convolution changes the channels. Which one does it in a VGG block?",
        ),
        *(
            (
                lambda other=other: block_of(other, *channels, pool=pool),
                f"Your block has as many convolutions as one with num_convs = {other}. What does num_convs count?",
            )
            for other in (1, 2, 3)
        ),
        (
            lambda: block_of(n, *channels, activations=[relu] * (n - 1) + [none], pool=pool),
            "No ReLU follows your last convolution. How many ReLUs has the block?",
        ),
        (
            lambda: block_of(n, *channels, activations=[none] * (n - 1) + [relu], pool=pool),
            "A ReLU follows your last convolution only. What do two convolutions with nothing between amount to?",
        ),
        (
            lambda: block_of(n, *channels, activations=[none] * n, pool=pool),
            "Your block has no ReLU. What follows each convolution?",
        ),
        (
            lambda: block_of(n, *channels, activations=[nn.Sigmoid()] * n, pool=pool),
            "Your block has sigmoids. Which activation does VGG use?",
        ),
        (lambda: block_of(n, *channels, pad=0, pool=pool), "Nothing is padded. Which padding keeps the size?"),
        (
            lambda: block_of(n, *channels, each=True, pool=pool),
            "A pooling follows every convolution of yours. How many times does a block halve the size?",
        ),
        (
            lambda: nn.Sequential(pool(kernel_size=2, stride=2), *vgg_block(n, *channels)[:-1]),
            "Your pooling stands first. Where does it stand in a VGG block?",
        ),
        (lambda: vgg_block(n, *channels)[:-1], "Your block has no pooling. What halves the size?"),
        (
            lambda: block_of(n, *channels, pool=pool_with(2, stride=1)),
            "Your pooling has stride 1. How far apart do its windows begin if they do not overlap?",
        ),
        (
            lambda: block_of(n, *channels, pool=pool_with(3, stride=2)),
            "You pool over 3 × 3, as AlexNet does. How large are VGG's poolings?",
        ),
        (
            lambda: block_of(n, *channels, pool=pool_with(3, stride=2, padding=1)),
            "You pool over 3 × 3. How large are VGG's poolings?",
        ),
        (
            lambda: block_of(n, *channels, pool=pool_with(2, ceil_mode=True)),
            "A row that is left over gets a window of its own. What is 9 // 2?",
        ),
        (lambda: block_of(n, *channels, pool=nn.AvgPool2d), "Your block takes averages. Which pooling does VGG use?"),
        (
            lambda: block_of(n, *channels, window=5, pad=2, pool=pool),
            "Your windows are 5 × 5. How large are VGG's?",
        ),
    ]


def average_pooling(answer, solve):
    """Check a block of two convolutions that ends in average pooling."""
    channels = 8, 16
    mistakes = [
        (lambda: vgg_block(2, *channels), "It still takes the largest number of a window. Which layer does that?"),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels), nn.AvgPool2d(2)),
            "The max pooling is still there, before the average. How often is the size halved?",
        ),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels)[:-2], nn.AvgPool2d(2), nn.MaxPool2d(2)),
            "The average took the place of the last ReLU, and the max pooling is still there. Which place is the last?",
        ),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels)[:-2], nn.AvgPool2d(2), nn.ReLU()),
            "The average stands before the last ReLU, which is another thing here. Which place had the max pooling?",
        ),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels)[:-2], nn.AvgPool2d(2)),
            "The last ReLU has gone as well. Which layers were to stay?",
        ),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels)[:-1], nn.AvgPool2d(3, stride=2, padding=1)),
            "You average over 3 × 3. How large is the window of 2 × 2 average pooling?",
        ),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels)[:-1], nn.AvgPool2d(2, stride=1)),
            "Your pooling has stride 1. How far apart do its windows begin if they do not overlap?",
        ),
        (
            lambda: nn.Sequential(*vgg_block(2, *channels)[:-1], nn.LPPool2d(1, 2)),
            "Your pooling takes sums. What makes averages of them?",
        ),
        *block_mistakes(2, *channels, pool=nn.AvgPool2d),
    ]
    otherwise = "Which layer of the block takes the largest number, and is all else as it was?"
    shapes = (4, 8, 12, 12), (1, 8, 12, 12)
    most = judge_block(as_network(answer), solve(), shapes, mistakes, otherwise)
    return f"With the solution's weights it returns the solution's feature maps: {agreement(most)}."


def block(answer, solve):
    """Check a function that builds VGG blocks."""
    if not callable(answer) or isinstance(answer, nn.Module):
        kind = type(answer).__name__
        raise Wrong(f"What you hand in is of type `{kind}`, expected the function itself: `check({solve.__name__})`?")
    otherwise = "What stands in the block, in which order, and with how many channels each?"
    cases = (2, 4, 8), (1, 1, 4), (3, 8, 8)
    most = 0
    for args in cases:
        on = f"For `block{args}`:"
        net = call(answer, *args, on=on)
        if not isinstance(net, nn.Module):
            kind = type(net).__name__
            raise Wrong(f"{on} you return a `{kind}`, expected an `nn.Module`. Which one runs layers one by one?")
        shapes = (4, args[1], 8, 12), (1, args[1], 9, 7)
        most = max(most, judge_block(net, vgg_block(*args), shapes, block_mistakes(*args), otherwise, on))
    return f"Your blocks, {len(cases)} of them, return what the solution's return: {agreement(most)}."


SMALL = narrower(VGG11, 8)
other_networks = [
    (lambda: vgg(SMALL), "It waits for images of side 224 and has 4,096 hidden units. Which arguments set the two?"),
    (lambda: vgg(SMALL, units=256), "Its dense part waits for images of side 224. Which argument says how large?"),
    (lambda: vgg(SMALL, side=32), "It has the paper's 4,096 hidden units. Which argument sets them?"),
    (lambda: vgg(SMALL, 32, 512), "You divide the hidden units by 8 as well. How many does the question ask for?"),
    (lambda: vgg(SMALL, 64, 256), "It is built for images of side 64. How large are these?"),
    *((lambda side=side, units=units: vgg(VGG11, side, units),
       "Its channels are those of the full VGG-11. Which function divides them?")
      for side in (224, 32) for units in (4096, 256)),
    *((lambda ratio=ratio: vgg(narrower(VGG11, ratio), 32, 256),
       f"Its channels are divided by {ratio}. By how much for an eighth of the width?") for ratio in (2, 4, 16)),
    *((lambda arch=arch: vgg(narrower(arch, 8), 32, 256),
       f"It has {n} convolutions. Which architecture has 8, and with the three dense layers 11?")
      for n, arch in ((10, VGG13), (13, VGG16), (16, VGG19))),
]  # fmt: skip


def other_network(net):
    """Return what to say to a network whose weights have the sizes of one of `other_networks`, or ''."""
    if is_lazy(net):
        return ""
    for build, message in other_networks:
        with torch.device("meta"):  # sizes without numbers: the full VGG-11 would fill 500 MB
            twin = build()
        if sizes(twin) == sizes(net):
            return message
    return ""


def small_vgg(pool=None, **layers):
    """Return the solution's network with another pooling, or other layers in its dense part."""
    net = vgg(SMALL, side=32, units=256)
    for block in net[: len(SMALL)]:
        block[-1] = pool or block[-1]
    for name, layer in layers.items():
        net[int(name[1:])] = layer
    return net


def linear_vgg():
    """Return the solution's network without the ReLUs of its blocks."""
    net = small_vgg()
    for block in net[: len(SMALL)]:
        for i, layer in enumerate(block):
            block[i] = nn.Identity() if isinstance(layer, nn.ReLU) else layer
    return net


scores_off = [
    (lambda: small_vgg(nn.AvgPool2d(2)), "It takes averages. Which pooling does VGG use?"),
    (linear_vgg, "Its convolutions have no ReLUs. What follows each convolution of a block?"),
    (
        lambda: small_vgg(_7=nn.Identity(), _10=nn.Identity()),
        "Its dense layers have no ReLUs. What do three dense layers in a row amount to?",
    ),
    (lambda: nn.Sequential(small_vgg(), nn.ReLU()), "A ReLU follows the last layer. May a score be negative?"),
]


def for_small_pictures(answer, solve):
    """Check the small VGG-11: its scores in evaluation mode, then its dropout in training mode."""
    net, reference = as_network(answer), solve()
    otherwise = "What should architecture, side and hidden units be?"
    message = other_network(net)
    if message:
        counts = [sum(p.numel() for p in module.parameters()) for module in (net, reference)]
        raise Wrong(f"Your network has {counts[0]:,} parameters, expected {counts[1]:,}. {message}")
    device, dtype = next(((p.device, p.dtype) for p in net.parameters()), ("cpu", torch.float32))
    scores = forward(net, torch.randn(4, 1, 32, 32).to(device, dtype), otherwise)
    if tuple(scores.shape) != (4, 10):
        raise Wrong(f"Your network returns {tuple(scores.shape)}, expected (4, 10). {otherwise}")
    check_parameters(net, reference, other_network(net) or otherwise)
    most = 0
    for scale in (1, 10):  # 10, where an activation with a ceiling shows
        weights = random_weights(reference, scale, dtype)
        for X in (torch.randn(4, 1, 32, 32).to(dtype), torch.randn(1, 1, 32, 32).to(dtype)):
            right, found = compute(reference, weights, X), compute(net, weights, X)
            if not near(found, compute(net, weights, X)):
                raise Wrong("In evaluation mode the scores change from run to run. What tells your dropout the mode?")
            if found.shape != right.shape or not near(found, right):
                raise Wrong(diagnose(found, right, X, weights, False, scores_off, otherwise))
            most = max(most, ((found - right).abs().max() / right.abs().max()).item())
    check_dropout(net, reference, dtype)
    return (
        f"With the solution's weights it returns the solution's scores: {agreement(most)}. "
        "In training mode each of its hidden dense layers loses half of its outputs."
    )


def check_dropout(net, reference, dtype, num_images=1000):
    """Raise Wrong unless training drops half of each hidden layer, each number of each image on its own.

    The weights are such that every hidden unit holds the same number, and each score is what the second hidden layer
    passes on of one unit of the first (scores 0 to 4) or of two (5 to 9). In multiples of what evaluation gives, the
    scores are then 0 or 4 with probability 3/4 and 1/4, or 0, 2 or 4 with probability 5/8, 1/4 and 1/8.
    """
    weights = {}
    for p in reference.parameters():
        weights[size_of(p)] = torch.zeros_like(p) if p.dim() == 1 else torch.full_like(p, 1 / p[0].numel())
    weights[256, 256], weights[10, 256] = torch.eye(256), torch.eye(10, 256)
    for i in range(5, 10):
        weights[256, 256][i, i + 100] = 1
    weights = {size: weight.detach().to(dtype) for size, weight in weights.items()}
    X = torch.ones(num_images, 1, 32, 32, dtype=dtype)
    kept = (compute(net, weights, X, training=True) / compute(reference, weights, X[:1])).double()
    if near(kept, torch.ones_like(kept)):
        raise Wrong("The scores are right, but training drops nothing. Which share should the dropout set to zero?")
    levels = [((kept - level).abs() < 1e-3).double() for level in (0, 2, 4)]
    above = levels[1] + levels[2]
    share = torch.tensor([1 / 4] * 5 + [3 / 8] * 5).double()
    both = share.outer(share).fill_diagonal_(0) + share.diag()  # how often two scores are above zero together
    if (
        sum(levels).all()
        and (above.T @ above / num_images - both).abs().max() < 0.08
        and (above.mean(0) - share).mean().abs() < 0.03
        and (levels[2].mean(0) - torch.tensor([1 / 4] * 5 + [1 / 8] * 5)).abs().max() < 0.08
    ):
        return
    found = "In evaluation mode the scores are right, in training mode the dropout is not."
    largest = kept[:, :5].max().item()
    if sum(levels[:2])[:, :5].all() and abs(levels[1][:, :5].mean() - 1 / 2) < 0.08:
        raise Wrong(f"{found} One half is dropped instead of two. After which layers does the dropout stand?")
    if abs(largest - 4) > 0.01:
        found += f" What both hidden layers keep comes out up to {largest:.3g} times as large, expected 4 times."
    raise Wrong(f"{found} How large is the share that is dropped, and after which layers?")


def backwards(windows):
    """Return the receptive field, counted from the output to the image."""
    pixels = 1
    for window, stride in reversed(windows):
        pixels = (pixels - 1) * stride + window
    return pixels


def patch(windows, start=1, less=1, own=False, previous=False):
    """Return the receptive field with something wrong in it: where it starts, k, or which strides count."""
    pixels, step = start, 1
    for window, stride in windows:
        step *= stride if own else 1
        pixels += (window - less) * step
        step = step if own else stride if previous else step * stride
    return pixels


receptive_field = counting(
    cases=[
        ([(3, 1), (3, 2), (3, 1)],),
        ([(3, 1)],),
        ([(2, 2), (3, 3), (2, 1), (4, 2)],),
        ([(5, 1), (2, 2), (5, 1), (2, 2)],),  # LeNet
        ([(1, 2), (1, 3), (3, 1)],),
        ([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)],),  # AlexNet
        ([pair for n, _ in VGG16 for pair in [(3, 1)] * n + [(2, 2)]],),
        ([],),
    ],
    reference=backwards,
    mistakes=[
        (
            lambda windows: patch([(k, 1) for k, s in windows]),
            "Your strides play no part. How many pixels apart are two neighbouring places after a stride of 2?",
        ),
        (
            lambda windows: patch(windows, own=True),
            "You multiply by a layer's own stride before you add. Which strides lie before a layer's input?",
        ),
        (
            lambda windows: patch(windows, less=0),
            "You add k for each layer. How many steps lie between the first and the last place of a window?",
        ),
        (
            lambda windows: patch(windows, start=0, less=0),
            "You add k for each layer. How many steps lie between the first and the last place of a window?",
        ),
        (
            lambda windows: sum(k for k, s in windows),
            "You add up the windows. By how much do neighbouring windows overlap, and what do strides change?",
        ),
        (lambda windows: patch(windows, start=0), "That is one short. How much does an output see with no layer?"),
        (
            lambda windows: patch(windows, previous=True),
            "Only the stride of the layer just before counts. What about those before it?",
        ),
        (
            lambda windows: patch(windows[::-1]),
            "You walk from the last layer to the first. Whose strides lie between a layer and the image?",
        ),
        (
            lambda windows: prod(s for k, s in windows),
            "That is how far apart the patches of two neighbouring outputs are. How large is one of them?",
        ),
        (lambda windows: backwards(windows) ** 2, "These are the pixels of the whole patch. How wide is it?"),
    ],
    otherwise="What does one layer add, and how many pixels is one step of its input worth?",
)


def channel_pairs(arch, in_channels=1, carried="each"):
    """Return (input, output) channels of each convolution; `carried`: after 'each' one, each 'block', or 'never'."""
    pairs = []
    for num_convs, out_channels in arch:
        for _ in range(num_convs):
            pairs.append((in_channels, out_channels))
            in_channels = out_channels if carried == "each" else in_channels
        in_channels = in_channels if carried == "never" else out_channels
    return pairs


def counted(arch, in_channels=1):
    """Return the parameters of a VGG's convolutions, as PyTorch counts them."""
    with torch.device("meta"):
        convs = [nn.Conv2d(a, b, kernel_size=3) for a, b in channel_pairs(arch, in_channels)]
    return sum(p.numel() for conv in convs for p in conv.parameters())


convolution_weights = counting(
    cases=[
        (((1, 4), (2, 6)),),
        (((3, 2),),),
        (((2, 3),), 2),
        (((3, 2), (1, 5)), 4),
        (VGG11,),
        (VGG13,),
        (VGG16,),
        (VGG19,),
        (VGG16, 3),
    ],
    reference=counted,
    mistakes=[
        (
            lambda *args: sum(9 * a * b for a, b in channel_pairs(*args)),
            "These are the weights. What else does each output channel learn?",
        ),
        (
            lambda *args: sum(9 * a * b + b for a, b in channel_pairs(*args, carried="never")),
            "Every convolution of yours takes the channels of the image. How many does the second one get?",
        ),
        (
            lambda *args: sum(9 * a * b + b for a, b in channel_pairs(*args, carried="block")),
            "Every convolution takes the channels that enter its block. How many does the second of a block get?",
        ),
        (
            lambda *args: counted([(1, channels) for _, channels in args[0]], *args[1:]),
            "Each block counts as one convolution. Which number of a pair says how many it has?",
        ),
        (lambda *args: counted(args[0]), "Your in_channels play no part. Which convolution sees the image?"),
        (
            lambda *args: sum(3 * a * b + b for a, b in channel_pairs(*args)),
            "Your windows have 3 weights. How many has one of 3 × 3?",
        ),
        (
            lambda *args: sum(a * b + b for a, b in channel_pairs(*args)),
            "Your windows have one weight. How many has one of 3 × 3?",
        ),
        (
            lambda *args: sum(9 * a * b + a for a, b in channel_pairs(*args)),
            "You count a bias for each input channel. Does a bias belong to an input or to an output channel?",
        ),
        (
            lambda *args: sum(10 * a * b for a, b in channel_pairs(*args)),
            "You count a bias for each pair of channels. How many sums does a bias join at one place?",
        ),
        (
            lambda *args: sum(9 * a * b + 1 for a, b in channel_pairs(*args)),
            "You count one bias for each convolution. How many output channels has it?",
        ),
        (
            lambda *args: sum(9 * a * b + b for a, b in channel_pairs(*args)[1:]),
            "The first convolution is missing. What sees the image?",
        ),
        (
            lambda *args: sum(9 * b * b + b for a, b in channel_pairs(*args)),
            "Every convolution of yours takes as many channels as it returns. How many does the first of a block get?",
        ),
    ],
    otherwise="How many input and output channels has each convolution, and what is added to each sum?",
)
