"""Exercises of chapter 5, ResNet. In a notebook: `from cnnlib.exercises import resnet as exercises`."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.datasets import load_data_fashion_mnist
from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import Case, Wrong, check
from cnnlib.exercises.functions import Function
from cnnlib.exercises.investigations import PREDICTED, fewer_than, investigation, mean
from cnnlib.exercises.layers import exchanged, renewed
from cnnlib.exercises.modules import Module, output_of
from cnnlib.exercises.reading import Value, number
from cnnlib.exercises.trials import close
from cnnlib.models import BasicBlock, PostActivation, PreActivation, Residual, cifar_resnet
from cnnlib.models.cifar_resnet import ZeroPad
from cnnlib.training.seeds import train_over_seeds


@exercise("recall", number({
    "These are the convolutions of the blocks. Which layers come before and after them?": 54,
    "One layer is missing. Which one stands before the blocks, and which one after them?": 55,
    "That is one too many. Which layers outside the blocks have weights?": 57,
    "That is two too many. Does the depth count the projections on the shortcuts?": 58,
    "These are the blocks. How many convolutions does each have?": 27,
    "Each block counts as one layer there. How many convolutions does it have?": 29,
    "These are the convolutions of one stage. How many stages are there, and what stands around them?": 18,
    "That is one stage with what stands around it. How many stages are there?": 20,
    "That is n. How many layers go with it?": 9,
    "That would be right for blocks of three convolutions. How many do these have?": 83,
    "That is right for n = 18. How many blocks are in a stage here?": 110,
}, otherwise="How many stages, blocks in a stage and convolutions in a block are there, and what else?"))  # fmt: skip
def depth_of_nine():
    """A network of this chapter's `cifar_resnet` has nine residual blocks in each of its three stages. Which depth
    stands in its name? The depth counts layers with weights, without those of the shortcuts.

    Hint: How many convolutions does one block have, and how many blocks are there?
    Hint: Three stages of nine blocks of two convolutions each. Which layer comes before them, and which after them?
    """
    blocks = 3 * 9
    return 1 + 2 * blocks + 1  # the first convolution, the blocks, the dense layer


@exercise("recall", number({
    "These are the weights of the convolution. What does the batch normalisation learn?": 8192,
    "That is 128 more than the weights. How many numbers does each of the 128 output channels learn?": 8320,
    "You count 128 biases. Does this convolution have any?": 8576,
    "You count the running mean and variance. Does a gradient change them?": 8704,
    "You count all that the normalisation keeps. Which of it does a gradient change?": 8705,
    "That is the batch normalisation. How many weights does the convolution have?": 256,
    "You count windows of 3 × 3. How many weights has one of 1 × 1?": [73984, 73728],
    "You add the channels. How many pairs of an input and an output channel are there?": [192, 448],
    "You count 128 input channels. How many arrive?": 16640,
    "You count 64 output channels. How many leave the convolution?": 4224,
}, otherwise="How many weights has the convolution, and what does each channel learn after it?"))  # fmt: skip
def projection_parameters():
    """A shortcut goes from 64 to 128 channels by a 1 × 1 convolution without bias, followed by batch normalisation. How
    many numbers does this shortcut learn?

    Hint: A 1 × 1 window has one weight for each pair of an input and an output channel. How many pairs are there?
    Hint: There are 64 · 128 pairs. Batch normalisation learns two numbers for each channel of its input.
    """
    weights = 64 * 128 * 1 * 1
    gamma, beta = 128, 128
    return weights + gamma + beta


def letter(answer):
    """Return a letter from a to e, which may come large, or in brackets."""
    found = answer.strip(" ().:`'\"").lower() if isinstance(answer, str) else ""
    if found not in set("abcde"):
        shown = repr(answer) if isinstance(answer, str) else f"with an object of type `{type(answer).__name__}`"
        raise Wrong(f"You answer {shown}, expected one letter from a to e. Which one is it?")
    return found


@exercise("recall", check(Value(letter, str.__eq__), mistakes={
    "That is true of every deeper network. What would you have to measure to learn how it is trained?": "a",
    "The shallow network does so, too. On which images should the two networks be compared with each other?": "b",
    "That is what overfitting looks like. Which measurement would contradict it?": "c",
    "Smaller gradients may still teach a network. Which number says how well it has learnt its images?": "e",
}, remark="A network that overfits would be the better one on the images it has learnt from."))  # fmt: skip
def not_overfitting():
    """Two plain networks, of 20 and of 56 layers, are trained in the same way. The deeper one makes more mistakes on
    the test images. Which further measurement shows that this is not overfitting? Answer with one letter.

    - `a`: The deeper network has more parameters.
    - `b`: The deeper network makes more mistakes on the test images than on the training images.
    - `c`: The deeper network's test loss rises towards the end, while its training loss still falls.
    - `d`: The deeper network's loss on the training images is the higher one, too.
    - `e`: The deeper network's gradients are smaller in its first layer than in its last.

    Hint: A network that overfits has learnt something well, only the wrong thing. On which images would that show?
    Hint: Overfitting means: good on the images it learns from, bad on new ones. Which measurement contradicts the first
    half?
    """
    return "d"


@exercise("recall", number({
    "Those are the last three convolutions. What does a window of the first one see of maps of 2 × 2?": 393_216,
    "That is one convolution. How many has the stage?": 131_072,
    "That is the first convolution alone. How many of the nine taps of the others see a pixel?": 40_960,
    "The maps that come to the first convolution have 2 × 2 pixels. How many taps of its only window see one?": 458_752,
    "The first convolution takes 64 channels of 2 × 2 pixels. How do its dead taps differ from the others'?": 524_288,
    "Those are the weights that do see a pixel. How many do not?": 81_920,
    "Those are all weights of the four convolutions. Which taps see a pixel?": 516_096,
    "One tap in nine is dead, you say. How many pixels has a map of the last three?": 57_344,
    "You count biases as well. How many of these are weights of a window?": [434_178, 434_304],
}, otherwise="How many taps of a 3 × 3 window see a pixel of a map of 2 × 2, with stride 2, and how many of one pixel?",
   remark="That is 62 % of all parameters of the network, at a quarter of its width."))  # fmt: skip
def dead_taps():
    """Pictures of 28 × 28 come to the last stage of `resnet18(16)` as 64 maps of 2 × 2, and leave its first 3 × 3
    convolution (stride 2, padding 1) as 128 maps of one pixel. Three more follow, from 128 to 128 channels with stride
    1. How many weights of these four see nothing but padding?

    Hint: Draw a map of one pixel with a border of zeros around it, and a window of nine taps on top. How many taps meet
    the pixel? Then a map of 2 × 2: its only window has its middle on the first pixel.
    Hint: With one pixel, the middle tap alone sees it. With 2 × 2, four of the nine see a pixel. Multiply the others by
    the pairs of channels.
    """
    first = 64 * 128 * (9 - 4)
    others = 3 * 128 * 128 * (9 - 1)
    return first + others


@exercise("change one line", check(Module([(4, 16, 28, 28), (1, 16, 28, 28)], noun="block", seen=(4,) * 5), mistakes={
    "The convolutions return 32 channels, the shortcut passes on 16. Which argument of `Residual` changes those?":
        lambda: Residual(16, 32),
    "The convolutions return (N, 32, 14, 14), the shortcut passes on (N, 16, 28, 28). Which layer is missing there?":
        lambda: Residual(16, 32, strides=2),
    "The channels are right. What should the stride be?": lambda: Residual(16, 32, use_1x1conv=True),
    "The channels are right. By how much should the stride shrink 28?": lambda: Residual(16, 32, True, 4),
    "Height and width are right. How many channels should leave the block?": lambda: Residual(16, 16, True, 2),
    "The block works, and changes nothing. How many channels should leave it, how large?": lambda: Residual(16, 16),
    "The block waits for 32 channels. How many arrive?": [lambda: Residual(32, 32), lambda: Residual(32, 32, True, 2)],
    "The two numbers of channels have changed places. Which comes first?": lambda: Residual(32, 16, True, 2),
    "That is a `BasicBlock`: no biases, and normalisation in its projection. Which class does the question ask for?":
        lambda: BasicBlock(16, 32, strides=2),
    "You pool. Which argument halves the maps?": [
        lambda: nn.Sequential(Residual(16, 32, True), nn.MaxPool2d(2)),
        lambda: nn.Sequential(Residual(16, 32, True), nn.AvgPool2d(2)),
        lambda: nn.Sequential(nn.MaxPool2d(2), Residual(16, 32, True))],
}, otherwise="What do use_1x1conv and strides have to be, and is all else a `Residual`?"))  # fmt: skip
def fitting_shortcut():
    """`Residual(16, 32)` should turn maps of shape (N, 16, 28, 28) into (N, 32, 14, 14), but its addition fails. Hand
    in a `Residual` that does it.

    Hint: Two things differ between the input and the output. Which layer can change the shortcut in both?
    Hint: A 1 × 1 convolution on the shortcut changes the channels, a stride of 2 the height and width: `Residual` has
    an argument for each.
    """
    return Residual(16, 32, use_1x1conv=True, strides=2)


def plain(depth=20, width=8, **options):
    return cifar_resnet(depth, width, shortcut="none", **options)


IMAGES = Module([(4, 1, 28, 28), (1, 1, 28, 28)], numbers="numbers", seen=(4,) * 5)


@exercise("change one line", check(IMAGES, mistakes={
    "That is `cifar_resnet(20, 8)` itself. Which argument takes its shortcuts away?": lambda: cifar_resnet(20, 8),
    "Its shortcuts have no parameters, but they are there. What should go around the convolutions?":
        lambda: cifar_resnet(20, 8, shortcut="identity"),
    "It has a projection everywhere. What should it have?": lambda: cifar_resnet(20, 8, shortcut="all projections"),
    "Only the shortcuts without parameters are gone. What goes around the first block of the second stage?":
        lambda: exchanged(cifar_resnet(20, 8), {nn.Identity: lambda old: None}),
    "The batch normalisation is gone, too. Which part should differ from its twin?": lambda: plain(norm=False),
    "One ReLU of each block is gone, too. What follows the second convolution of a block?":
        {tuple(f"{i}.activation2" for i in range(1, 10)): nn.Identity()},
    "Its width is the paper's 16. Which width has its twin?": lambda: plain(width=16),
    "It waits for colour images. How many channels has a grey one?": lambda: plain(in_channels=3),
    "It has sigmoids. Which activation has its twin?": {nn.ReLU: nn.Sigmoid()},
    **{f"It has {depth} layers. How many should it have?": partial(plain, depth) for depth in (8, 14, 26, 32)},
}, otherwise="In what else than its shortcuts does it differ from `cifar_resnet(20, 8)`?"))  # fmt: skip
def plain_twin():
    """Build the plain twin of `cifar_resnet(20, 8)`, for images of shape (1, 28, 28): the same network with nothing
    around its convolutions.

    Hint: All layers stay, with their batch normalisation and their ReLUs. Which argument of `cifar_resnet` is about
    what goes around them?
    Hint: `shortcut` is one of four kinds, which `SHORTCUTS` lists.
    """
    return cifar_resnet(20, 8, shortcut="none")


def free(depth=14, width=8, block=PreActivation, **options):
    return cifar_resnet(depth, width, shortcut="identity", block=block, **options)


@exercise("change one line", check(IMAGES, mistakes={
    "That is `cifar_resnet(14, 8)` itself. Which two arguments change?": lambda: cifar_resnet(14, 8),
    "The shortcuts are right, the blocks are those of the first paper. What does pre-activation put first?":
        lambda: free(block=PostActivation),
    "The blocks are right, but two shortcuts are projections. Which kind of shortcut has no parameters?":
        lambda: cifar_resnet(14, 8, block=PreActivation),
    "Every shortcut is a projection. Which kind has no parameters?":
        lambda: cifar_resnet(14, 8, shortcut="all projections", block=PreActivation),
    "It has no shortcuts at all. What should go around the convolutions?": lambda: plain(14),
    "The stem still ends in a norm and a ReLU, and the head begins with none. What does a first block begin with?":
        {0: lambda old: plain(14)[0], -1: lambda old: plain(14)[-1]},
    "Half of the zero channels stand before the input's own. Where does `ZeroPad` put them?":
        {ZeroPad: lambda old: nn.Sequential(nn.MaxPool2d(1, 2), nn.ZeroPad3d((0, 0, 0, 0, *[old.extra // 2] * 2)))},
    "The shortcut takes means of 2 × 2 pixels. Which does `ZeroPad` take?":
        {ZeroPad: lambda old: nn.Sequential(nn.AvgPool2d(2), nn.ZeroPad3d((0, 0, 0, 0, 0, old.extra)))},
    "A ReLU follows the addition. What comes after it in a pre-activation block?":
        {PreActivation: lambda old: nn.Sequential(old, nn.ReLU())},
    "The batch normalisation is gone, too. Which parts should change?": lambda: free(norm=False),
    "Its width is the paper's 16. Which width does the question ask for?": lambda: free(width=16),
    "It waits for colour images. How many channels has a grey one?": lambda: free(in_channels=3),
    **{f"It has {depth} layers. How many should it have?": partial(free, depth) for depth in (8, 20, 26)},
}, otherwise="What do `block` and `shortcut` have to be, and is all else as it was?"))  # fmt: skip
def free_shortcuts():
    """Build `cifar_resnet(14, 8)` for images of shape (1, 28, 28) with pre-activation blocks and with shortcuts that
    have no parameters at all.

    Hint: Two arguments, one for the kind of block and one for the kind of shortcut.
    Hint: The class of the block is `PreActivation`. Which of the four `SHORTCUTS` passes the input on, with channels of
    zeros where the output has more?
    """
    return cifar_resnet(14, 8, shortcut="identity", block=PreActivation)


class Variant(BasicBlock):
    """A block that joins its two ways differently, or has something else between its convolutions."""

    def __init__(self, a, b, stride, join, middle):
        super().__init__(a, b, strides=stride)
        self.join, self.middle = join, middle

    def forward(self, X):
        return self.join(self.bn2(self.conv2(self.middle(self.bn1(self.conv1(X))))), self.shortcut(X))


def joined(join=lambda Y, S: F.relu(Y + S), middle=F.relu):
    return partial(Variant, join=join, middle=middle)


@exercise("build", check(Module(lambda a, b, stride: [(4, a, 9, 7), (1, a, 9, 7)], noun="block", seen=(4,) * 5),
                         ((4, 8, 2), (6, 6, 1), (4, 8, 1), (6, 6, 2)), lambda a, b, s: BasicBlock(a, b, strides=s), {
    "The last ReLU stands before the addition, so the block can only add to its input. Where should it stand?":
        joined(lambda Y, S: F.relu(Y) + S),
    "A ReLU stands before the addition, and one after it. Which numbers can the first one no longer add?":
        joined(lambda Y, S: F.relu(F.relu(Y) + S)),
    "No ReLU follows the addition. How many ReLUs has the block?": joined(lambda Y, S: Y + S),
    "No ReLU stands between the two convolutions. What do two in a row amount to?": joined(middle=nn.Identity()),
    "There is no ReLU. Where do the two stand?": joined(lambda Y, S: Y + S, nn.Identity()),
    "Nothing is added to what the convolutions return. Where does the shortcut end?": joined(lambda Y, S: F.relu(Y)),
    "Only the shortcut counts. To what should it be added?": joined(lambda Y, S: F.relu(S)),
    "A ReLU stands on the shortcut. What should reach the addition unchanged?":
        joined(lambda Y, S: F.relu(Y + F.relu(S))),
    "The second normalisation comes after the addition. What happens to the shortcut there?": lambda a, b, s:
        nn.Sequential(exchanged(joined(torch.add)(a, b, s), {"bn2": nn.Identity()}), nn.BatchNorm2d(b), nn.ReLU()),
    "You put the two one behind the other, which doubles the channels. What does a residual block do with them?":
        joined(lambda Y, S: F.relu(torch.cat([Y, S], 1))),
    "You multiply by the shortcut. What should become of the two?": joined(lambda Y, S: F.relu(Y * S)),
    "Nothing goes around the convolutions. What does a shortcut add?": partial(PostActivation, shortcut="none"),
    "The shortcut is a projection although the shapes agree. What would cost nothing?":
        lambda a, b, s: BasicBlock(a, b, use_1x1conv=True, strides=s),
    "The stride stands at the second convolution. At which one should it?":
        lambda a, b, s: {"conv1": renewed(stride=1), "conv2": renewed(stride=s)},
    "Both convolutions have the stride. By how much do they shrink the maps, and by how much does the shortcut?":
        lambda a, b, s: {"conv2": renewed(stride=s)},
    "The stride plays no part. Which two convolutions need it?": lambda a, b, s: BasicBlock(a, b),
    "The stride stands on one side of the addition only. Which two convolutions need it?":
        [{"conv1": renewed(stride=1)}, {"shortcut.0": renewed(stride=1)}],
    "The shortcut passes on maps of another shape than the convolutions return. Which layer can change it?":
        {"shortcut": nn.Identity()},
    "The projection is not normalised. What follows it?": {"shortcut": lambda old: old[0]},
    "That is `Residual`: biases everywhere, and no normalisation in its projection. What does the question ask?":
        lambda a, b, s: Residual(a, b, (a, s) != (b, 1), s),
    "The projection has a bias and no normalisation. Which of the two does the question ask for?":
        {"shortcut": lambda old: renewed(bias=True)(old[0])},
    "There are biases. The normalisation behind them subtracts the mean: what is left of a bias then?":
        [{layers: renewed(bias=True)} for layers in (
            "conv1", ("conv1", "conv2"), "shortcut.0", ("conv1", "conv2", "shortcut.0"))],
    "The first convolution has no normalisation. What stands between it and its ReLU?": {"bn1": nn.Identity()},
    "The second convolution has no normalisation. What stands between it and the addition?": {"bn2": nn.Identity()},
    "Neither 3 × 3 convolution is normalised. What follows each of them?": {("bn1", "bn2"): nn.Identity()},
    "Nothing is normalised. What follows each convolution?": {nn.BatchNorm2d: nn.Identity()},
    "One normalisation serves both convolutions. How many gammas and running means do they need?":
        lambda a, b, s: (lambda block: setattr(block, "bn2", block.bn1) or block)(BasicBlock(a, b, strides=s)),
    "The projection has windows of 3 × 3. How large a window changes the channels only?":
        {"shortcut.0": renewed(kernel_size=3, padding=1)},
    "On the shortcut the normalisation comes first. Which of the two should?":
        {"shortcut": lambda old: nn.Sequential(nn.BatchNorm2d(old[0].in_channels), old[0])},
    "The shortcut has no parameters. Which one does the question ask for where the shapes differ?":
        partial(PostActivation, shortcut="identity"),
    "That is the pre-activation block. What comes first in the first paper?": PreActivation,
    "Nothing is padded, and the addition fails. Which padding keeps the size under a 3 × 3 window?":
        {("conv1", "conv2"): renewed(padding=0)},
    "The second convolution changes the channels. Which one should?":
        lambda a, b, s: {"conv1": renewed(out_channels=a), "bn1": renewed(num_features=a),
                         "conv2": renewed(in_channels=a)},
}, otherwise="Which parts has the block, in which order, and with how many channels each?",
   remark="Your blocks, {count} of them, return what the solution's return: {agreement}."))  # fmt: skip
def residual_block(in_channels, out_channels, stride):
    """Write `residual_block(in_channels, out_channels, stride)`, which returns the block of the first paper as an
    `nn.Module`: two 3 × 3 convolutions with batch normalisation and a shortcut around them. The first one has the
    stride; no convolution has a bias. Where the shapes of input and output differ, the shortcut is a 1 × 1 convolution
    with batch normalisation; where they agree, it is the input itself.

    Hint: A block is a class with a `forward`, since a Sequential cannot add. Which ReLU comes before the addition, and
    which after it?
    Hint: Keep `body = nn.Sequential(conv, norm, relu, conv, norm)` and `shortcut`, either an `nn.Identity()` or
    `nn.Sequential(conv, norm)` with the stride. Then `forward` returns `torch.relu(body(X) + shortcut(X))`.
    """

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            a, b = in_channels, out_channels
            conv1 = nn.Conv2d(a, b, kernel_size=3, stride=stride, padding=1, bias=False)
            conv2 = nn.Conv2d(b, b, kernel_size=3, padding=1, bias=False)
            self.body = nn.Sequential(conv1, nn.BatchNorm2d(b), nn.ReLU(), conv2, nn.BatchNorm2d(b))
            self.shortcut = nn.Identity()
            if stride != 1 or a != b:
                projection = nn.Conv2d(a, b, kernel_size=1, stride=stride, bias=False)
                self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(b))

        def forward(self, X):
            return torch.relu(self.body(X) + self.shortcut(X))

    return Block()


@torch.no_grad()
def lived_in(net):
    """Give a module's normalisations the numbers of one that has been trained, as if it had seen many batches."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean):
                values.normal_()
            layer.running_var.uniform_(0.2, 1.2)
    return net.eval()


def plain_block(channels):
    return PostActivation(channels, channels, shortcut="none")


def plain_blocks():
    return [Case((lived_in(plain_block(channels)),), f"For a block of {channels} channels:",
                 10 * F.relu(torch.randn(2, channels, 5, 6))) for channels in (3, 1, 8)]  # fmt: skip


@torch.no_grad()
def passed_on(result, case):
    """Return what a block built anew, with the numbers of the one that a function returned, makes of an input."""
    if result is not case.args[0]:
        kind = "another module" if isinstance(result, nn.Module) else f"a `{type(result).__name__}`"
        raise Wrong(f"your function returns {kind}. Whose weights should it set, as its `_` promises?")
    block = plain_block(case.X.shape[1]).eval()
    try:
        block.load_state_dict(result.state_dict())
    except RuntimeError as error:
        raise Wrong("your function changes the layers, too. Which numbers in them would be enough?") from error
    return block(case.X)


def middle(eye):
    return F.pad(eye, (1, 1, 1, 1))


def exact(gamma, beta, root, mean):
    return root, mean


def passing(window=middle, numbers=exact, *second):
    """Return what sets the windows of a block's convolutions, and gamma and beta of its normalisations, unless None.

    `window` is given a matrix with ones from each channel to itself. What is not said of the second is as in the first.
    """

    @torch.no_grad()
    def set_(block):
        for i, (make, gives) in enumerate([(window, numbers), second or (window, numbers)]):
            conv, norm = (block.conv2, block.norm2) if i else (block.conv1, block.norm1)
            if make:
                conv.weight[:] = make(torch.eye(len(conv.weight))[:, :, None, None])
            if gives:
                root = torch.sqrt(norm.running_var + norm.eps)
                norm.weight[:], norm.bias[:] = gives(norm.weight, norm.bias, root, norm.running_mean)
        return block

    return set_


@exercise("build", check(Function(passed_on, off="the input does not come back", refuse=(nn.Module,), in_place=True,
                                  agree=close), plain_blocks, mistakes={
    "The block has all the numbers it came with. Which of them does your function set?": passing(None, None),
    "The convolutions pass on what they get. What do the normalisations do to it?": passing(middle, None),
    "The normalisations pass on what they get. What do the convolutions do to it?": passing(None, exact),
    "The second convolution still mixes. How many are there?": passing(middle, exact, None, exact),
    "The first convolution still mixes. How many are there?": passing(None, exact, middle, exact),
    "The second normalisation still scales and shifts. How many are there?": passing(middle, exact, middle, None),
    "The first normalisation still scales and shifts. How many are there?": passing(middle, None, middle, exact),
    "Gamma is 1 and beta 0, which is enough for a new block. What do the running statistics of this one do?":
        passing(middle, lambda g, b, r, m: (1, 0)),
    "The running statistics are those of a new block. What do gamma and beta of this one still do?":
        passing(middle, lambda g, b, r, m: (g * r, g * m + b)),
    "Gamma makes up for the variance. What makes up for the mean that is subtracted?":
        passing(middle, lambda g, b, r, m: (r, 0)),
    "You subtract the mean once more. Which sign should beta have?": passing(middle, lambda g, b, r, m: (r, -m)),
    "You multiply by the variance. By what does a normalisation divide?":
        [passing(middle, lambda g, b, r, m: (r**2, m)), passing(middle, lambda g, b, r, m: (r**2 - 1e-5, m))],
    "Beta makes up for the mean. What makes up for the division by the spread?":
        passing(middle, lambda g, b, r, m: (1, m)),
    "You divide by the spread once more. What makes up for it?": passing(middle, lambda g, b, r, m: (1 / r, m)),
    "Each channel becomes the sum of all channels. From which channel alone should each take its middle pixel?":
        passing(lambda eye: middle(torch.ones_like(eye))),
    "The picture is shifted. Which of the nine places of a window is the middle?":
        passing(lambda eye: F.pad(eye, (0, 2, 0, 2))),
    "Each pixel becomes a sum of its neighbours. Which weight should be 1?": passing(lambda eye: eye),
    "Each pixel becomes a mean of its neighbours. Which of the nine weights should not be 0?":
        passing(lambda eye: eye / 9),
    "It returns zeros, and no shortcut carries the input around it. What must come through the convolutions?":
        passing(middle, exact, middle, lambda g, b, r, m: (0, 0)),
}, otherwise="What does each of the two convolutions and two normalisations make of its input?",
   remark="{count} blocks return their inputs: {agreement}."))  # fmt: skip
def identity_(block):
    """Two plain layers could pass on what they get. Write `identity_(block)` for a
    `PostActivation(c, c, shortcut="none")` that has seen some batches. It sets weights and running statistics so that
    in evaluation mode the block returns every input without negative numbers as it is, and it returns the block.

    Hint: Both convolutions and both normalisations have to pass on what they get; the ReLUs do so already. Which 3 × 3
    window, for which pairs of channels, gives back its middle pixel?
    Hint: `nn.init.dirac_` sets such windows. A normalisation subtracts its running mean and divides by
    √(running_var + eps): which gamma and beta undo that? Work under `torch.no_grad()`.
    """
    with torch.no_grad():
        for conv in (block.conv1, block.conv2):
            nn.init.dirac_(conv.weight)  # 1 in the middle of the window from each channel to itself
        for norm in (block.norm1, block.norm2):
            norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
            norm.bias.copy_(norm.running_mean)
    return block


def around(net, *numbers):
    """Return a network with blocks exchanged for their shortcuts."""
    return exchanged(nn.Sequential(*net), {numbers: lambda block: block.shortcut})


def lesions():
    nets = [
        ("cifar_resnet(14, 4)", cifar_resnet(14, 4), 2),
        ("cifar_resnet(14, 4)", cifar_resnet(14, 4), 3),  # a projection
        ('cifar_resnet(8, 4, shortcut="identity")', cifar_resnet(8, 4, "identity"), 3),
        ("cifar_resnet(14, 4, block=PreActivation)", cifar_resnet(14, 4, block=PreActivation), 5),
        ('cifar_resnet(8, 4, shortcut="all projections")', cifar_resnet(8, 4, "all projections"), 1),
    ]
    return [Case((lived_in(net), k), f"For block {k} of `{of}`", torch.randn(4, 1, 12, 12)) for of, net, k in nets]


def scores(result, case):
    return output_of(result, case.X, "a network", "What shape do the parts after the block wait for?")


@exercise("build", check(Function(scores, off="the scores are off", refuse=(nn.Module,), nouns={"net": "network"},
                                  agree=close), lesions, mistakes={
    "It computes what it did before. Which place did the shortcut take?": lambda net, k: net,
    "A ReLU follows the shortcut, and a projection may return negative numbers. What is left of the block?":
        lambda net, k: exchanged(around(net, k), {k: lambda shortcut: nn.Sequential(shortcut, nn.ReLU())}),
    "You keep the residual part. Which of the two should stay?":
        lambda net, k: setattr(net[k], "forward", net[k].residual) or net,
    "You take the shortcut away and keep the convolutions. Which of the two should stay?":
        lambda net, k: exchanged(net, {f"{k}.shortcut": lambda old: None}),
    "You take out the block after it. Which is net[1]?": lambda net, k: around(net, k + 1),
    "You take out the block before it. Which is net[1]?": lambda net, k: around(net, k - 1),
    "You count from the end. Which is net[1]?": lambda net, k: around(net, -1 - k),
    "All blocks have given way. Which single one should?": lambda net, k: around(net, *range(1, len(net) - 1)),
    "All blocks from that one on have given way. Which single one should?":
        lambda net, k: around(net, *range(k, len(net) - 1)),
    "The last gamma of the block is 0. What does its beta still add, and which ReLU is left?":
        lambda net, k: setattr(net[k].norm2, "weight", nn.Parameter(0 * net[k].norm2.weight)) or net,
    "The second convolution returns zeros. What does the normalisation behind it make of them?":
        lambda net, k: setattr(net[k].conv2, "weight", nn.Parameter(0 * net[k].conv2.weight)) or net,
}, otherwise="Which part stands in the place of the block, and are all others as they were, with their weights?",
   remark="Without the block, {count} networks return what the solution's return: {agreement}."))  # fmt: skip
def without_block(net, number):
    """Write `without_block(net, number)` for a residual network `net` from `cifar_resnet`, whose blocks are `net[1]`,
    `net[2]` and so on. It returns a network in which the block `net[number]` has given way to its shortcut alone. `net`
    itself stays as it is; the two may share their weights.

    Hint: Every block has a `shortcut`, a module like any other. What stands before the block, and what after it?
    Hint: `net[:number]` and `net[number + 1:]` are the rest. A new `nn.Sequential` can run them with the shortcut in
    between.
    """
    return nn.Sequential(*net[:number], net[number].shortcut, *net[number + 1 :])


KINDS = ("plain", "residual")


def tried(table, kind):
    """Return the rates that one kind of network was trained with, and the mean loss with each, in order."""
    found = [(key[1], mean(table[key])) for key in table if isinstance(key, tuple) and len(key) == 2 and key[0] == kind]
    if not found:
        raise KeyError(kind)
    return sorted(found)


def best_at_an_end(table, kind):
    """Return whether the best rate of a kind is the lowest or the highest that was tried."""
    rates = tried(table, kind)
    return min(rates, key=lambda pair: pair[1]) in (rates[0], rates[-1])


def sweep(plain, residual, seeds=(0.0, 0.01, 0.02)):
    """Return a table with these mean losses at rates of 0.1, 0.3, 1.0 …, and a prediction."""
    pairs = [("plain", plain), ("residual", residual)]
    table = {(kind, 0.1 * 3**i): [loss + s for s in seeds] for kind, losses in pairs for i, loss in enumerate(losses)}
    return {PREDICTED: 0.05} | table


@exercise("investigate", investigation(
    'a dict with "predicted", and from pairs as ("plain", 0.1) and ("residual", 0.1) to losses, one a seed', {
        "You predict nothing. By how much will the residual network's loss be lower? It stands under \"predicted\".": (
            lambda table: PREDICTED not in table, dict(list(sweep([1, 0.9, 1], [1, 0.8, 1]).items())[1:])),
        "Fewer than three seeds somewhere. Would another one agree?":
            (fewer_than(3), sweep([1, 0.9, 1], [1, 0.8, 1], (0.0, 0.1))),
        "Some conditions have more seeds than others. What would you compare seed by seed?": (
            lambda table: len({len(v) for key, v in table.items() if key != PREDICTED}) > 1,
            sweep([1, 0.9, 1], [1, 0.8, 1]) | {("plain", 0.1): [1.0] * 4}),
        "Fewer than three rates on one side. Is this the best that the network can do?": (
            lambda table: min(len(tried(table, kind)) for kind in KINDS) < 3, sweep([1, 0.9, 1], [0.8])),
        "One side was given more rates to choose from. Is that an equal race?": (
            lambda table: len({len(tried(table, kind)) for kind in KINDS}) > 1,
            sweep([1, 0.9, 1], [1, 0.9, 0.8, 0.9])),
        "All seeds of a condition agree to the last digit. What does the seed change?": (
            lambda table: any(len(set(table[key])) == 1 for key in table if key != PREDICTED),
            sweep([1, 0.9, 1], [1, 0.8, 1], (0.0, 0.0, 0.0))),
        "A loss of 0 or less cannot be. What did you hand in?": (
            lambda table: min(v for key in table if key != PREDICTED for v in table[key]) <= 0,
            sweep([1, 0.9, 1], [1, -0.8, 1])),
        "The plain network's best rate is the lowest or the highest you tried. What lies beyond?": (
            lambda table: best_at_an_end(table, "plain"), sweep([1, 0.9, 0.8], [1, 0.8, 1])),
        "The residual network's best rate is the lowest or the highest you tried. What lies beyond?": (
            lambda table: best_at_an_end(table, "residual"), sweep([1, 0.9, 1], [0.7, 0.8, 1])),
    }, "Both sides had their best rate, and the same seeds. Now subtract, seed by seed, at those two rates: is the "
       "sign the same in each, and the difference larger than its spread? That far your answer goes, and no further "
       "than this depth and these steps."))  # fmt: skip
def fair_comparison():
    """Does the shortcut help at 8 layers, too? Design a fair comparison of `cifar_resnet(8, 8, "none")` and
    `cifar_resnet(8, 8, "projection")`: the same pictures, steps and seeds, and for each side the best of its own rates.
    First write down by how much you expect the residual loss to be lower. Then measure, and hand in a dict with your
    number under "predicted", and from each pair as ("plain", 0.1) or ("residual", 0.1) to the training losses at the
    end, one a seed.

    Hint: Forty steps are enough to see something, and take a second for three seeds. Which rates would a friend of the
    plain network choose, and which a friend of the residual one?
    Hint: `train_over_seeds` with `scheduled(SGD, 40, 10, 1.0)` trains as this chapter does; `h.window(20)[0]` is the
    mean loss from step 20 on. If the best rate is the highest or the lowest, go on in that direction.
    """
    from functools import partial

    from cnnlib.training.schedule import scheduled

    sgd = partial(torch.optim.SGD, momentum=0.9)
    data, _ = load_data_fashion_mnist(64, resize=8, num_train=2_560)
    measured = {"predicted": 0.02}
    for kind, shortcut in (("plain", "none"), ("residual", "projection")):
        for rate in (0.1, 0.3, 1.0):
            build, schedule = partial(cifar_resnet, 8, 8, shortcut), scheduled(sgd, 40, 10, 1.0)
            _, runs = train_over_seeds(build, data, None, 1, rate, (0, 1, 2), steps=40, optimizer=schedule)
            measured[kind, rate] = [h.window(20)[0] for h in runs]
    return measured
