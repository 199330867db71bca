"""Answers that are networks or blocks: with the reference's weights and inputs they must do what the reference does."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cnnlib.exercises.engine import AnswerRun, Difference, Wrong, call, check, describe, expect, gap
from cnnlib.exercises.layers import built
from cnnlib.exercises.trials import Trial, close, compare_weights, kinds, random_weights, without_biases, wrong_gradient
from cnnlib.models import BatchNorm
from cnnlib.models.copying import copy_network
from cnnlib.models.explain_forward import explain_forward_error

LARGE = 5_000_000  # parameters; a module beyond that is known by the sizes of its weights


@dataclass
class Module(AnswerRun):
    """An answer that is a network or a block, or a function that builds one from the arguments of each case.

    It and the reference get the same random weights, matched by their sizes (weights of one size share one draw), and
    must then return the same for the same inputs, in both modes, with the same gradients. Where the reference drops
    numbers by chance, so must the answer, with the same random numbers or, if it draws others, with the same
    statistics. An answer is judged in a copy and stays as it was; one in half precision is judged in single precision.
    A mistake may be a dict of layers to exchange in the right module, see `exchanged`.
    """

    inputs: Sequence | Callable  # shapes of batches, or what makes them of a case's arguments; the first has several
    noun: str = "network"  # or "block"
    numbers: str = ""  # what it returns: by default "scores" of a network, "numbers" of a block
    seen: Sequence = ()  # sizes of batches that running statistics see before a last comparison
    free: Sequence = ()  # numbers of channels whose bias may be there or not, because a normalisation follows
    large: float = 10  # times the usual weights in a last comparison, where an activation with a ceiling shows
    remark, refuse = "With the solution's weights it returns what the solution returns: {agreement}.", (nn.Module,)

    def __post_init__(self):
        self.numbers = self.numbers or ("scores" if self.noun == "network" else "numbers")

    def subject(self, answer, solve):
        if not inspect.signature(solve).parameters:
            net = call(answer) if callable(answer) and not isinstance(answer, nn.Module) else answer
            return lambda: net
        return super().subject(answer, solve)

    def compare(self, subject, right, case, solve):
        on = case.on or (f"For `{solve.__name__}{case.args}`: " if case.args else "")
        net = call(subject, *case.args, on=on.strip())
        if isinstance(net, nn.ModuleList):
            raise Wrong("A ModuleList holds layers and does not run them. Which container runs them one after another?")
        if not isinstance(net, nn.Module):
            returned = "you return a" if case.args else "What you hand in is of type"
            raise Wrong(f"{on}{returned} `{type(net).__name__}`, expected an `nn.Module`. Which variable holds it?")
        shapes = self.inputs(*case.args) if callable(self.inputs) else self.inputs
        try:
            found = self.judge(net, lambda make: built(make, right, case.args), right, shapes)
        except Wrong as wrong:
            raise Wrong(f"{on}{wrong}") from wrong
        if isinstance(found, Difference):
            found.fact = f"{on}{found.fact}"
        return found

    def judge(self, net, build, right, shapes):
        """Return by how much a module differs from the right one, relative to its numbers, or a Difference."""
        net = ready(net, torch.randn(shapes[0]), self.noun)
        first = next(net.parameters(), torch.zeros(()))

        def draw(shape):
            return torch.randn(shape).to(first.dtype)

        def made(make):
            return without_biases(build(make).to(first.dtype), net, self.free)

        def differs(fact, ask="", failed=None, found=None):
            """Return a Difference; where the module did `found` in a trial, a mistake is put through that one alone."""

            def agrees(make):
                with torch.device("meta"):  # sizes without numbers
                    if kinds(made(make)) != kinds(net):
                        return False
                if sum(p.numel() for p in net.parameters()) > LARGE:
                    return True
                twin = made(make)
                for trial in [failed] if failed else self.trials(twin, shapes, draw):
                    mine, its = found if failed else trial.outcome(net), trial.outcome(twin)
                    if not trial.agree(mine, its) or wrong_gradient(mine, its):
                        return False
                    if isinstance(mine, Exception):
                        return True
                return True

            return Difference(fact, agrees, ask)

        reference, X = made(right), draw(shapes[0])
        expected, found = tuple(reference.eval()(X).shape), sent(net.eval(), X.to(first.device))
        if isinstance(found, Exception):
            what = "Images" if self.noun == "network" else "Feature maps"
            reason, ask = explained(net, X, found)
            return differs(f"{what} of shape {tuple(X.shape)} do not get through: {reason}", ask)
        if not isinstance(found, torch.Tensor):
            kind = type(found).__name__
            raise Wrong(f"Your {self.noun} returns a `{kind}`, expected a tensor. What does `forward` return?")
        fact, ask = compare_weights(net, reference, self.noun)
        if tuple(found.shape) != expected:
            verb = "returns" if self.numbers == "scores" else f"turns {tuple(X.shape)} into"
            return differs(f"Your {self.noun} {verb} {tuple(found.shape)}, expected {expected}. {fact}".strip())
        if fact:
            return differs(fact, ask)
        most = 0.0
        for trial in self.trials(reference, shapes, draw):
            found, expected = trial.outcome(net), trial.outcome(reference)
            if isinstance(found, Exception):
                return differs(f"In {trial.mode} mode your {self.noun} stops: {describe(found)}", "", trial, found)
            if not trial.agree(found, expected) and not (trial.drops and trial.agree_by_chance(net, reference)):
                return differs(*self.explain(trial, net, found[0], expected[0]), trial, found)
            if off := wrong_gradient(found, expected):
                fact = f"The {self.numbers} are right, but in training the gradient of `{off}` is off."
                through = "Does it flow through the batch's mean and variance, too?"
                return differs(fact, through if trial.normalises else "What cuts it off?", trial, found)
            if not trial.drops:
                most = max(most, gap(found[0], expected[0]) / expected[0].abs().max().item())
        return most

    def trials(self, like, shapes, draw):
        """Return what a module is put through whose weights have the sizes of `like`'s."""
        weights, normalises = random_weights(like, 1), any(True for _ in like.buffers())
        train = Trial("training", weights, 2 * draw(shapes[0]) + 1, normalises)
        train.drops = not normalises and not train.agree(train.outcome(like), train.outcome(like, seed=1))
        rest = [Trial("evaluation", weights, draw(shape), normalises) for shape in shapes]
        if self.seen:
            seen = [draw((size, *shapes[0][1:])) for size in self.seen]
            rest.append(Trial("evaluation", weights, draw(shapes[0]), normalises, seen))
        mode = "training" if normalises else "evaluation"
        last = Trial(mode, random_weights(like, self.large), draw(shapes[0]), normalises, large=True)
        return [train, *rest, last] if normalises else [*rest, last, train]

    def explain(self, trial, net, found, right):
        """Return the fact about a module that computes something else, and a question."""
        if found.shape != right.shape:
            fact = f"For a batch of {len(trial.X)} your {self.noun} returns {tuple(found.shape)}"
            return f"{fact}, expected {tuple(right.shape)}.", "Does it keep the images of a batch apart?"
        steady, numbers = torch.equal(found, trial.outcome(net, seed=1)[0]), self.numbers
        off, ask = f"(max difference {gap(found, right):.2g})", ""
        if trial.mode == "evaluation" and not steady:
            return (f"In evaluation mode the {numbers} change from run to run: two runs over the same images differ.",
                    "Does your dropout know about `self.training`?")  # fmt: skip
        if trial.drops and steady:
            return ("In training mode your dropout drops nothing: two runs agree, so nothing is dropped by chance.",
                    "Where are the dropouts, and which share do they set to zero?")  # fmt: skip
        if trial.drops:
            return (f"In evaluation mode the {numbers} are right, in training mode they are off: the dropout is not "
                    "right.", "Which share should it drop, after which layers, and what else differs between the "
                    "modes?")  # fmt: skip
        if trial.mode == "training" and not trial.normalises:
            fact = f"The shapes fit, but the {numbers} are off in training mode only {off}."
            return fact, "Is there dropout or batch normalisation?"
        when = f"in {trial.mode} mode " if trial.normalises else ""
        if trial.seen:
            when = f"in evaluation mode, after {len(trial.seen)} batches of training, "
            ask = "How much of each batch goes into the running mean and the running variance, the running statistics?"
        elif trial.mode == "evaluation" and trial.normalises:  # training was judged first
            ask = ("In training mode they are right. Does evaluation use the running statistics and leave them alone, "
                   "and do these begin at mean 0 and variance 1?")  # fmt: skip
        if right.dim() == 2 and any(close(found, f(dim=1)) for f in (right.softmax, right.log_softmax)):
            ask = "A softmax stands at the end. Does PyTorch's cross-entropy take scores or probabilities?"
        elif not steady:
            ask = "They change from call to call. Is there dropout?"
        return f"The shapes fit, but {when}the {numbers} are off {off}.", ask


def network(image, mistakes=None, otherwise="Which line of the network would you look at first?", **options):
    """Check a network for images of shape `image`, such as (1, 28, 28); the options are those of Module."""
    run = Module([(4, *image), (1, *image)], **options)
    remark = "With the solution's weights it returns the solution's scores: {agreement}."
    return check(run, mistakes=mistakes, otherwise=otherwise, remark=remark)


def ready(net, X, noun):
    """Return a copy of a module that can be judged: with its weights, on the CPU, in a precision that can be compared.

    The running statistics of the layers known here are as they are in a new layer.
    """
    if any(map(nn.parameter.is_lazy, net.parameters())):
        sent(net, X)  # a lazy layer cannot be copied before it has its weights
    if any(map(nn.parameter.is_lazy, net.parameters())):
        return net
    for module in net.modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor) and value.dim() == 1 and value.grad_fn is not None:
                kept = f"`{name}` of its `{type(module).__name__}` drags a graph along."
                raise Wrong(f"Your {noun} cannot be copied: {kept} Do its running statistics still hang on a gradient?")
    net = copy_network(net).cpu()
    if not any(p.dtype == torch.float64 for p in net.parameters()):
        net = net.float()
    for module in net.modules():
        if isinstance(module, _NormBase | BatchNorm) and module.running_mean is not None:
            module.running_mean.zero_()
            module.running_var.fill_(1)
    return net


def sent(net, X):
    """Return what a module returns for X, in the mode it is in, or the error that it raises."""
    try:
        with torch.no_grad():
            return net(X)
    except (Exception, SystemExit) as error:
        return error if isinstance(error, Exception) else RuntimeError(describe(error))


def explained(net, X, error):
    """Return what to say of an error in a forward pass, and a question."""
    known = explain_forward_error(net, X, error) if isinstance(error, RuntimeError | ValueError) else error
    reason = describe(error) if known is error else f"{str(known).split('. ')[0]}."
    norm = "BatchNorm" in f"{reason} {error}"
    return reason, "Which batch normalisation is for vectors, (N, C), and which for maps, (N, C, H, W)?" if norm else ""


def output_of(module, X, expected="an `nn.Module`", ask="What should stand after `return`?"):
    """Return what a module that a function returned makes of a batch, in evaluation mode, or raise Wrong."""
    expect(module, nn.Module, expected, ask)
    modes = [(part, part.training) for part in module.modules()]
    found = sent(module.eval(), X)
    for part, training in modes:  # it may share its parts with a module that the function was given
        part.training = training
    if isinstance(found, Exception):
        raise Wrong(f"inputs of shape {tuple(X.shape)} do not get through: {explained(module, X, found)[0]} {ask}")
    expect(found, torch.Tensor, "a tensor", ask)
    return found
