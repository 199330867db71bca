"""A checker for networks with batch normalisation, whose scores depend on the mode and on the batches seen before.

It judges by scores and gradients in training mode, and by scores in evaluation mode, as `networks.network` does.
"""

import copy
from collections import Counter
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cnnlib.exercises.answers import agreement
from cnnlib.exercises.core import Wrong, describe
from cnnlib.exercises.networks import as_network, forward, near
from cnnlib.models import BatchNorm


def normalised_network(input_shape, build, normalised, sizes, mistakes=(), otherwise=""):
    """Check a network with batch normalisation, or a function that builds one.

    The reader's network and the right one get the same random weights, matched by their sizes. They must then give
    the same scores and gradients in training mode, and the same scores in evaluation mode, before and after some
    batches. The gradients tell a gamma from a beta, which have the same size.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one image.
    build : callable
        `build(biases)` returns the right network. A layer before a batch normalisation has a bias if `biases` holds
        its number of channels; both are right, because beta does the work of the bias.
    normalised : tuple of int
        The numbers of channels that are normalised, all different.
    sizes : tuple of int
        The sizes of the batches seen before the last comparison.
    mistakes : sequence of (callable, str)
        Functions like `build` for networks with weights of the same sizes, and what to say to each.
    otherwise : str
        The question for a wrong network that matches no mistake.
    """

    def check(answer, solve):
        net = as_network(answer)
        dtype = next((p.dtype for p in net.parameters()), torch.float32)
        draw = partial(draw_images, input_shape, dtype)
        net = untouched(net, draw(4), otherwise)
        scores = send(copy.deepcopy(net), draw(4), otherwise)
        biases = check_weights(net, build, normalised, otherwise)
        reference = build(biases).to(dtype)
        expected = tuple(reference.eval()(draw(4)).shape)
        if tuple(scores.shape) != expected:
            raise Wrong(f"Your network returns {tuple(scores.shape)}, expected {expected}. {otherwise}")
        usual = [(partial(wrong, biases), message) for wrong, message in mistakes]
        most = 0
        for scale in (1, 10):  # 10, where an activation with a ceiling shows
            weights = random_weights(reference, scale)
            seen = [draw(size) for size in sizes]
            for trial in (
                Trial("training", weights, draw(4)),
                Trial("evaluation", weights, draw(4)),
                Trial("evaluation", weights, draw(1)),
                Trial("evaluation", weights, draw(4), seen),
            ):
                found, own_gradients = trial.run_reader(net, otherwise)
                right, gradients = trial.run(reference)
                if found.shape != right.shape or not near(found, right):
                    raise Wrong(diagnose(trial, found, right, net, usual, otherwise))
                if scale == 1:  # beyond that, sigmoids saturate and leave little but rounding errors
                    compare_gradients(own_gradients, gradients)
                most = max(most, ((found - right).abs().max() / right.abs().max()).item())
        return (
            "With the solution's weights it returns the solution's scores, in training mode and in evaluation mode, "
            f"before and after {len(sizes)} batches: {agreement(most)}."
        )

    return check


def untouched(net, X, otherwise):
    """Copy a network, with the running statistics of the layers known here as they are in a new layer."""
    if any(nn.parameter.is_lazy(p) for p in net.parameters()):
        send(net, X, otherwise)  # a lazy layer cannot be copied before it has its weights
    try:
        net = copy.deepcopy(net)
    except RuntimeError as error:
        raise Wrong(
            f"Your network cannot be copied: {describe(error)} Do its running statistics still hang on a gradient?"
        ) from error
    for module in net.cpu().modules():
        if isinstance(module, _NormBase):
            module.reset_running_stats()
        elif isinstance(module, BatchNorm):
            module.running_mean.zero_()
            module.running_var.fill_(1)
    return net


def draw_images(shape, dtype, size):
    return torch.randn(size, *shape).to(dtype)


def send(net, X, otherwise):
    """Send a batch through a reader's network, in evaluation mode; say more where the wrong kind of layer stands."""
    try:
        return forward(net, X, otherwise)
    except Wrong as wrong:
        if "BatchNorm" not in str(wrong):
            raise
        ask = "Which batch normalisation is for vectors, (N, C), and which for maps, (N, C, H, W)?"
        raise Wrong(str(wrong).removesuffix(otherwise) + ask) from wrong


def kind_of(parameter):
    """Return what weights are matched by: the length of a vector, in whatever shape, or (outputs, inputs)."""
    if parameter.numel() == max(parameter.shape, default=1):
        return parameter.numel()
    return parameter.shape[0], parameter[0].numel()


def check_weights(net, build, normalised, otherwise):
    """Return the channels whose layer has a bias; raise Wrong unless the weights have the right sizes."""
    kinds = Counter(map(kind_of, net.parameters()))
    if not kinds:
        raise Wrong("Your network registers no parameters at all. Do its layers sit in a plain Python list?")
    reference = list(build(normalised).parameters())
    missing = [p for p in reference if p.dim() > 1 and kind_of(p) not in kinds]
    wanted = Counter(map(kind_of, reference))
    for name, p in net.named_parameters():
        kind = kind_of(p)
        if isinstance(kind, tuple) and kinds[kind] > wanted[kind]:
            expected = f"expected {tuple(missing[0].shape)}" if missing else "which is one weight too many"
            raise Wrong(f"In your network `{name}` has the shape {tuple(p.shape)}, {expected}. {otherwise}")
    if missing:
        raise Wrong(f"In your network a weight of shape {tuple(missing[0].shape)} is missing. {otherwise}")
    for size in normalised:
        if kinds[size] < 2:
            raise Wrong(
                f"Your network learns no gamma and beta of {size} numbers. Is a batch normalisation left out, or "
                "affine=False set?"
            )
    for size, found in kinds.items():
        if isinstance(size, int) and found > wanted[size]:
            ask = "After which layers should one stand?" if size not in normalised else "Which one is too many?"
            raise Wrong(
                f"Your network learns {found} vectors of {size} numbers, expected at most {wanted[size]}: a batch "
                f"normalisation stands where the question has none. {ask}"
            )
    for size in wanted:
        if kinds[size] < 1:
            raise Wrong(f"The bias of {size} numbers is missing. Does a beta do its work there?")
    return [size for size in normalised if kinds[size] == 3]


def random_weights(reference, scale):
    """Draw a weight for each kind; at scale 1 a layer's outputs are about as large as its inputs."""
    weights = {}
    for p in reference.parameters():
        kind = kind_of(p)
        weights[kind] = torch.randn(p.numel(), dtype=p.dtype) * scale * (kind[1] ** -0.5 if p.dim() > 1 else 1)
    return weights


class Trial:
    """What a network is put through: weights, batches to see in training mode, then a batch X in some mode."""

    def __init__(self, mode, weights, X, seen=()):
        self.mode, self.weights, self.X, self.seen = mode, weights, X, seen

    def run(self, net):
        """Return the scores for X and, in training, pairs of names and gradients; the network stays as it was."""
        net = copy.deepcopy(net).train()
        with torch.no_grad():
            for p in net.parameters():
                p.copy_(self.weights[kind_of(p)].reshape(p.shape))
                p.requires_grad_()
            for batch in self.seen:
                net(batch)
        net.train(self.mode == "training")
        if self.mode == "evaluation":
            net(self.X)  # must change nothing
        scores = net(self.X)  # with gradients on, which a network must not take for training
        if self.mode == "evaluation":
            return scores.detach(), []
        weights = torch.linspace(-1, 1, scores.numel()).reshape(scores.shape)
        names, parameters = zip(*net.named_parameters(), strict=True)
        gradients = torch.autograd.grad((scores * weights).sum(), parameters, materialize_grads=True)
        return scores.detach(), list(zip(names, gradients, strict=True))

    def run_reader(self, net, otherwise):
        """Run a reader's network, and turn what goes wrong in there into Wrong."""
        try:
            return self.run(net)
        except Exception as error:
            raise Wrong(f"In {self.mode} mode your network stops: {describe(error)} {otherwise}") from error


def compare_gradients(own, right):
    """Raise Wrong unless the gradients are the right ones; those of one kind may come in any order."""
    right = [(kind_of(gradient), gradient.flatten()) for _, gradient in right]
    largest = {kind: max(g.abs().max() for k, g in right if k == kind) for kind, _ in right}
    for name, gradient in own:
        kind, gradient = kind_of(gradient), gradient.flatten()
        twins = [i for i, (k, g) in enumerate(right) if k == kind and (g - gradient).abs().max() <= 1e-2 * largest[k]]
        if not twins:
            raise Wrong(
                f"The scores are right, but in training the gradient of `{name}` is off. Does it flow through the "
                "batch's mean and variance, too?"
            )
        right.pop(twins[0])


def diagnose(trial, found, right, net, mistakes, otherwise):
    """Find the words for a network that computes something else."""
    if found.shape != right.shape:
        shapes = f"returns {tuple(found.shape)}, expected {tuple(right.shape)}"
        return f"For a batch of {len(trial.X)} your network {shapes}. Does it keep the images of a batch apart?"
    when = f"in {trial.mode} mode" + (f", after {len(trial.seen)} batches of training" if trial.seen else "")
    off = f"The shapes fit, but {when} the scores are off (max difference {(found - right).abs().max():.2g})."
    if near(found, right.softmax(dim=1)) or near(found, right.log_softmax(dim=1)):
        return f"{off} A softmax stands at the end. Does PyTorch's cross-entropy take scores or probabilities?"
    for build, message in mistakes:
        if near(found, trial.run(build().to(right.dtype))[0]):
            return f"{off} {message}"
    if trial.seen:
        return f"{off} How much of each batch goes into the running mean and the running variance?"
    if trial.mode == "evaluation":  # training was judged first
        return (
            f"{off} In training mode they are right. Does evaluation use the running statistics and leave them alone, "
            "and do these begin at mean 0 and variance 1?"
        )
    if not torch.equal(found, trial.run(net)[0]):
        return f"{off} They change from call to call. Is there dropout?"
    return f"{off} {otherwise}"
