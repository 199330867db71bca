"""Exercises of chapter 6, residual gradients. In a notebook: `from cnnlib.exercises import gradients as exercises`."""

import copy
import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from numbers import Real
from statistics import fmean as mean
from statistics import geometric_mean, median

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.exercises.core import exercise
from cnnlib.exercises.engine import Case, Wrong, check, counted, expect, same
from cnnlib.exercises.functions import Function, listing, sketch, tensors_from
from cnnlib.exercises.investigations import PREDICTED, fewer_than, investigation
from cnnlib.exercises.reading import Value, matrix_from, number, number_from, number_returned, numbers_from
from cnnlib.models import PreActivation, cifar_resnet


def pair(answer):
    """Return two numbers, given in a row or a column."""
    return numbers_from(answer.reshape(-1) if hasattr(answer, "reshape") else answer, "two numbers", "Which ones is y?")


def other_pair(found, right):
    if len(found) != 2:
        return f"You answer with {counted(len(found), 'number')}, expected two. How many entries has x?"
    close = [name for name, a, b in zip(("first", "second"), found, right, strict=True) if same(a, b)]
    ask = f"The {close[0]} number is right: which row of W₂ makes the other one?" if close else ""
    return f"You answer ({found[0]:,.6g}, {found[1]:,.6g}). {ask}"


@exercise("recall", check(Value(pair, same, "({0[0]:,.6g}, {0[1]:,.6g})".format, other_pair), mistakes={
    "That is F(x). What does the shortcut add?": (5, -3),
    "The first bias is missing. What is h with it?": (1, 2),
    "The second bias is missing. What is added to W₂h?": (3, -1),
    "There is no bias in it. Where do b₁ and b₂ come in?": (-2, 5),
    "That is W₂W₁x. Where do the two biases and the shortcut come in?": (-3, 6),
    "You add b₁ after the product with W₂. Of which sum is it a part?": (3, 3),
    "You took the columns of W₁ for its rows. Which of its numbers make the first entry of h?": (10, -8),
    "You took the columns of W₂ for its rows. Which of its numbers make the first entry of W₂h?": (1, -9),
    "You took the columns of both matrices for their rows. Which numbers of W₁ make the first entry of h?": (0, -8),
    "W₁ and W₂ have changed places. Which one does x meet first?": (6, -3),
    "The two layers have changed places. Which one does x meet first?": (-4, -2),
    "The two biases have changed places. Which one goes with W₁?": (-6, 6),
    "You cut h off at 0. Does this block have a ReLU?": (7, -6),
    "You cut y off at 0. Does this block have a ReLU?": (6, 0),
    "You cut F(x) off at 0. Does this block have a ReLU?": (6, -1),
    "You cut h and y off at 0. Does this block have a ReLU?": (7, 0),
    "The shortcut is in it twice. How often is x added?": (7, -5),
    "You add h to F(x). Where does the shortcut begin?": (4, -2),
    "You add x to h already, and then again. Where does the shortcut end?": (4, -4),
    "That is x + h. What does the second layer make of h?": (0, 0),
    "That is h. What does the second layer make of it?": (-1, 1),
    "You subtract F(x). What does the block do with it?": (-4, 2),
    "You multiply x and F(x). How does the block join them?": (5, 3),
    "The two numbers have changed places. Which row of W₂ makes the first?": (-4, 6),
    "That is x. What does the branch add to it?": (1, -1),
}, otherwise="Which numbers are W₁x, then h, then W₂h?"))  # fmt: skip
def y_of_the_block():
    """A residual block computes h = W₁x + b₁, F(x) = W₂h + b₂ and y = x + F(x), with no activation anywhere. Which two
    numbers is y, for x = (1, -1), W₁ = [[-1, 2], [1, 1]], b₁ = (2, 1), W₂ = [[1, 3], [-2, -2]] and b₂ = (3, -3)? The
    matrices are written row by row.

    Hint: Each entry of W₁x is a row of W₁ times x: the first one is -1 · 1 + 2 · (-1). What is h?
    Hint: h = (-1, 1). Now W₂h and b₂ make F(x), and one more addition makes y.
    """
    x = torch.tensor([1, -1])
    W1, b1 = torch.tensor([[-1, 2], [1, 1]]), torch.tensor([2, 1])
    W2, b2 = torch.tensor([[1, 3], [-2, -2]]), torch.tensor([3, -3])
    h = W1 @ x + b1
    return (x + W2 @ h + b2).tolist()


@exercise("recall", number({
    "That is 1 + 50 · 0.05, which keeps only the terms of first order. What do fifty factors of 1.05 multiply to?": 3.5,
    "That is 50 · 0.05. Where is the 1 of each shortcut, and does the chain rule add or multiply?": 2.5,
    "That keeps the terms of first and second order. What do fifty factors of 1.05 multiply to?": 6.5625,
    "That is e to the power 50 · 0.05, to which many more and smaller steps would lead. What do fifty factors of 1.05 "
    "multiply to?": 2.718281828459045**2.5,
    "That is one factor short. How many blocks are there?": 1.05**49,
    "That is one factor too many. How many blocks are there?": 1.05**51,
    "That is one block. What do fifty make of it?": 1.05,
    "That is the slope of one branch. What is the slope of its block, and what do fifty make of it?": 0.05,
    "You add fifty factors. Does the chain rule add or multiply?": 52.5,
    "You add 1 for each shortcut. Does the chain rule add or multiply?": [51, 50],
    "That is the factor the other way round, and smaller than 1. At which end is the gradient larger?": 1.05**-50,
    "That is by how much it has grown. How many times as large is it?": 1.05**50 - 1,
    "Each branch adds 0.05 x. Does a block make the gradient larger or smaller?": 0.95**50,
    "The shortcuts alone would leave it as it is. What does each branch add?": 1,
    "That is 0.05 to the power 50, a chain without shortcuts. What is dy/dx of a block?": 0,
}, otherwise="What is dy/dx of one block, and how does the chain rule join fifty?", share=0.01,
   remark="It is 11.47; the sum of the first-order terms alone would be 3.5."))  # fmt: skip
def slope_of_fifty():
    """Fifty scalar blocks stand in a row, each y = x + 0.05 x. How many times as large is the gradient at the input of
    the first block as the gradient at the output of the last? An answer within 1 % is right.

    Hint: What is dy/dx of one block, and how does the chain rule join fifty of them?
    Hint: One block multiplies the gradient by 1.05. Fifty of them multiply it by 1.05 · 1.05 · … · 1.05.
    """
    return (1 + 0.05) ** 50


def slope_from(answer):
    """Return a slope; "never" is answered."""
    if isinstance(answer, str) and re.match(r"\W*(never|no|it does not|there is no)", answer, re.IGNORECASE):
        raise Wrong(f"You answer `{answer}`. But a branch may work against its shortcut: which slope undoes it?")
    return number_from(answer)


@exercise("recall", number({
    "Then the branch passes nothing, and the shortcut everything: dy/dx = 1. What would make dy/dx zero?": 0,
    "Then both ways pass the same, and dy/dx = 2. What would make dy/dx zero?": 1,
    "Then the gradient comes through with the other sign: dy/dx = -1. What would make dy/dx zero?": -2,
    "Then dy/dx = 3. What would make dy/dx zero?": 2,
    "Then dy/dx = 1.5. What would make dy/dx zero?": 0.5,
    "Then dy/dx = 0.5: half of the gradient comes through. What would make dy/dx zero?": -0.5,
}, otherwise="What is dy/dx = 1 + F′(x) for that slope?", read=slope_from,
   remark="Such a branch undoes its shortcut; slopes near 0, as those of a new block, leave the gradient as it "
          "is."))  # fmt: skip
def when_it_vanishes():
    """A shortcut does not save every gradient. A scalar block computes y = x + F(x): for which slope F′(x) of the
    branch is dL/dx zero, whatever dL/dy is?

    Hint: dL/dx is dL/dy times dy/dx. What is dy/dx of this block?
    Hint: dy/dx = 1 + F′(x). When is that zero?
    """
    return -1


W1, W2 = torch.tensor([[1.0, 2], [0, -1], [3, 1]]), torch.tensor([[1.0, 0, -1], [2, 1, 1]])
EYE, BRANCH = torch.eye(2), W2 @ W1


def other_shape(found, right):
    if found.shape != right.shape:
        return f"Your tensor has the shape {tuple(found.shape)}, expected (2, 2). How many numbers are y and x?"
    return f"You answer {listing(found)}."


@exercise("change one line", check(Value(matrix_from, same, listing, other_shape, (torch.zeros(2),)), mistakes={
    "That is the branch alone. Which matrix does the shortcut add?": BRANCH,
    "You add 1 to every entry. Of which yᵢ and xⱼ is the derivative 1 in y = x, and of which 0?": 1 + BRANCH,
    "That is the shortcut alone. What does the branch add?": EYE,
    "You subtract the branch. What does the block do with it?": EYE - BRANCH,
    "You subtract the shortcut. What does the block do with it?": BRANCH - EYE,
    "Its rows and columns have changed places. In which row stands the derivative of y₁?": EYE + BRANCH.T,
    "That is the branch alone, with rows and columns exchanged. What does the shortcut add?": BRANCH.T,
    "You add 1 to every entry, and exchange rows and columns. What is the Jacobian of y = x?": 1 + BRANCH.T,
    "The shortcut is in it twice. How often is x added?": 2 * EYE + BRANCH,
    "You add the branch twice. What is the Jacobian of y = x?": 2 * BRANCH,
    "You multiply the two entry by entry. Do the Jacobians of a sum multiply or add?": EYE * BRANCH,
    "It is a map from h to h. Which of the two matrices meets x first?": W1 @ W2,
}, otherwise="What is the Jacobian of each of the two terms of y?",
   remark="It is the Jacobian of the whole block: {agreement}."))  # fmt: skip
def jacobian_of_the_block():
    """A block computes h = W₁x and y = x + W₂h. The last line makes the Jacobian of the branch alone; make it that of
    the whole block, with dyᵢ/dxⱼ in row i and column j, and hand in the tensor.

    ```python
    W1 = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
    W2 = torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 1.0]])
    jacobian = W2 @ W1
    ```

    Hint: What is the Jacobian of y = x alone, which a block without its branch would be?
    Hint: Jacobians of a sum add up. `torch.eye(2)` is the one of the identity.
    """
    W1 = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
    W2 = torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 1.0]])
    return torch.eye(2) + W2 @ W1


def vjp(function, x, v):
    """Return v · J, with J the Jacobian of a function at x."""
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(function(x), x, v)[0]


def masked_cases():
    W = torch.tensor([[1.0, 2, 0], [1, -3, 0], [0, 1, 1]])
    dense, kernel = torch.randn(4, 4), torch.randn(3, 3, 3, 3) / 3
    for branch, x, gradient, text in (
        (lambda x: x @ W.T, torch.tensor([1.0, 2, 1]), torch.tensor([-2.0, 5, 1]), f"v ↦ v · {listing(W)}"),
        (lambda x: torch.tanh(x @ dense), torch.randn(5, 4), torch.randn(5, 4), "that of a random branch"),
        (lambda x: F.conv2d(x.sigmoid(), kernel, padding=1), *torch.randn(2, 2, 3, 4, 4), "that of a random branch"),
    ):
        y = F.relu(x + branch(x))
        on = f"For gradient {sketch(gradient)}, y {sketch(y)} and branch_vjp = {text}"
        yield Case((gradient, y, partial(vjp, branch, x)), on)


def block_gradient(gradient, y, branch_vjp):
    """Return dL/dx of relu(x + F(x)), by autograd through the whole block."""
    branch, x = branch_vjp.args
    return vjp(lambda x: F.relu(x + branch(x)), x, gradient)


def both(mask):
    """Return dL/dx where the shortcut and the branch get what `mask` makes of the gradient and y."""
    return lambda g, y, vjp: mask(g, y) + vjp(mask(g, y))


@exercise("change one line", check(Function(), masked_cases, block_gradient, {
    "Everything comes through the ReLU. Where y is 0, does its input change the output?": both(lambda g, y: g),
    "The shortcut gets all of the gradient. Does it not end before the ReLU, too?":
        lambda g, y, vjp: g + vjp(g * (y > 0)),
    "The branch gets all of the gradient. Does it not end before the ReLU, too?":
        lambda g, y, vjp: g * (y > 0) + vjp(g),
    "You mask the sum, which belongs to x. Which comes first on the way back, the ReLU or the two ways?":
        lambda g, y, vjp: (g + vjp(g)) * (y > 0),
    "You mask twice. How many ReLUs stand after the addition?":
        lambda g, y, vjp: (g * (y > 0) + vjp(g * (y > 0))) * (y > 0),
    "You multiply by y itself. What is the slope of a ReLU where y is positive?": both(lambda g, y: g * y),
    "Your mask is the other way round. Where does a ReLU pass on its input?": both(lambda g, y: g * (y <= 0)),
    "Your mask looks at the sign of the gradient. Whose sign decides what a ReLU passes on?":
        both(lambda g, y: g * (g > 0)),
    "The mask is right, the shortcut is gone. What does it pass on?": lambda g, y, vjp: vjp(g * (y > 0)),
    "The mask is right, the branch is gone. What does F pass on?": lambda g, y, vjp: g * (y > 0),
    "The shortcut passes on the mask. What does it get to pass on?": lambda g, y, vjp: (y > 0) + vjp(g * (y > 0)),
    "The branch gets the mask alone. What should it get?": lambda g, y, vjp: g * (y > 0) + vjp(1.0 * (y > 0)),
}, otherwise="What is left of the gradient behind the ReLU, and who gets it?"))  # fmt: skip
def masked():
    """A block of the first paper computes y = relu(x + F(x)). The function below should make dL/dx out of `gradient`,
    which is dL/dy; `branch_vjp(v)` is the vector-Jacobian product v · dF/dx. But it is right only for a block without
    the ReLU. Mend it, and hand in the function.

    ```python
    def x_gradient(gradient, y, branch_vjp):
        return gradient + branch_vjp(gradient)
    ```

    Hint: Which step of the forward pass came last? The backward pass goes through it first, before the two ways part.
    Hint: A ReLU passes a gradient on where its output is positive: multiply by `y > 0`, and give what is left to both
    ways. A new line before the `return` is fine.
    """

    def x_gradient(gradient, y, branch_vjp):
        gradient = gradient * (y > 0)
        return gradient + branch_vjp(gradient)

    return x_gradient


def pairs(plain, skip):
    return [b / a for a, b in zip(plain, skip, strict=True)]


@exercise("change one line", check(Function(number_returned, everywhere=True), [
    ([1.0, 2.0, 4.0], [5.0, 14.0, 6.0]), ([4.67, 0.75, 0.11, 1.77, 0.34], [1.72, 4.1, 1.19, 1.8, 0.55]),
    ([0.55, 1.2, 0.42, 3.01, 0.34, 1.13, 0.57], [0.17, 6.27, 11.32, 36.93, 3.29, 4.52, 0.38]),
], lambda p, s: median(pairs(p, s)), {
    "That is the ratio of the medians, which may belong to different seeds. Which numbers share a seed?":
        lambda p, s: median(s) / median(p),
    "That is the ratio of the medians, and the wrong way round. Which numbers share a seed?":
        lambda p, s: median(p) / median(s),
    "That is the ratio of the means. Which numbers share a seed?": lambda p, s: mean(s) / mean(p),
    "You divide plain's number by skip's. Which of the two is so many times as large as the other?":
        lambda p, s: median(pairs(s, p)),
    "That is the mean of the ratios, which one large ratio can pull up. Where is their middle?":
        lambda p, s: mean(pairs(p, s)),
    "That is the geometric mean of the ratios. Where is their middle?": lambda p, s: geometric_mean(pairs(p, s)),
    "That is the mean of plain's numbers divided by skip's. Which way round is the ratio, and where is the middle?":
        lambda p, s: mean(pairs(s, p)),
    "You sort both lists before you divide. What becomes of the pairs?":
        lambda p, s: median(pairs(sorted(p), sorted(s))),
    "You divide every number of skip by every one of plain. Which of them share a seed?":
        lambda p, s: median(b / a for a in p for b in s),
    "That is the median of the differences. How many times as large is skip's number?":
        lambda p, s: median(b - a for a, b in zip(p, s, strict=True)),
    "That is the share of the seeds for which skip's number is larger. How many times as large is it?":
        lambda p, s: sum(b > a for a, b in zip(p, s, strict=True)) / len(p),
    "That is the ratio in the middle of the list, unsorted. What has to be done before the middle is the median?":
        lambda p, s: pairs(p, s)[len(p) // 2],
    "That is the ratio of the first seed. Where is the middle of all of them?": lambda p, s: pairs(p, s)[0],
    "That is the largest ratio. Where is the middle?": lambda p, s: max(pairs(p, s)),
    "That is the smallest ratio. Where is the middle?": lambda p, s: min(pairs(p, s)),
}, otherwise="Which ratio has each seed, and which of them is in the middle?"))  # fmt: skip
def paired_ratio():
    """From each of several seeds, an odd number of them, a plain network and one with shortcuts are built, and one
    number is measured in each: `plain[i]` and `skip[i]` belong to the same seed. How many times as large is skip's
    number as plain's, in the median over the seeds? The function below leaves the pairs out of account. Mend it, and
    hand in the function.

    ```python
    def ratio(plain, skip):
        plain, skip = torch.tensor(plain), torch.tensor(skip)
        return (skip.median() / plain.median()).item()
    ```

    Hint: Each seed has a ratio of its own. Which comes first, the ratio or the median?
    Hint: `skip / plain` divides pair by pair. What is the median of that?
    """

    def ratio(plain, skip):
        plain, skip = torch.tensor(plain), torch.tensor(skip)
        return (skip / plain).median().item()

    return ratio


class Small(nn.Sequential):
    """A block of dense layers."""

    def residual(self, x):
        return super().forward(x)

    def forward(self, x):
        return x + self.residual(x)


def with_gradients(net):
    """Give each weight a `.grad`, as if someone were in the middle of a step."""
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    return net


def other_mode(net):
    return copy.deepcopy(net).train(not net.training)


def block_cases():
    W, b = torch.tensor([[1.0, 2], [0, 3]]), torch.tensor([1.0, -1])
    x, gradient = torch.tensor([3.0, 1]), torch.tensor([1.0, 2])
    line, curve = Small(nn.Linear(2, 2)).double(), Small(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 4)).double()
    seen = [PreActivation(4, 4).double() for _ in range(2)]
    with torch.no_grad():
        line[0].weight.copy_(W), line[0].bias.copy_(b)
        for norm in (norm for block in seen for norm in (block.norm1, block.norm2)):  # as after training
            norm.weight.uniform_(0.5, 1.5), norm.bias.normal_()
            norm.running_mean.normal_(), norm.running_var.uniform_(0.2, 1.2)
    shown = f"For F(x) = W x + b, W = {listing(W)}, b = {listing(b)}, x = {listing(x)}, gradient = {listing(gradient)},"

    def case(on, block, *shape):
        return Case((block, torch.randn(shape).double(), torch.randn(shape).double()), on)

    return [
        Case((line, x.double(), gradient.double()), shown),
        case("For a block of two dense layers and five examples,", curve, 5, 4),
        case("For a `PreActivation` block in evaluation mode,", seen[0].eval(), 3, 4, 5, 6),
        case("For a `PreActivation` block in training mode, whose weights have a `.grad` already,",
             with_gradients(seen[1]), 3, 4, 5, 6),
    ]  # fmt: skip


def wrong_part(identity=lambda block, x, g, r: ..., residual=lambda block, x, g, r: ...):
    """Return an answer with a wrong part; `...` stands for a right one, r is what a right answer returns for F."""

    def answer(block, x, g):
        r = vjp(block.residual, x, g)
        return identity(block, x, g, r), residual(block, x, g, r)

    return answer


def ask_for_parts(found, right, case):
    """Return no fact, and a question for parts that agree with no mistake, or ''."""
    if same(found, right):
        return "", "It is right to single precision only: where do you leave the dtype of x?"
    shapes = isinstance(found, list) and len(found) == 2 and any(part.shape != case.args[1].shape for part in found)
    return "", "Is it a whole Jacobian, or its product with the gradient?" if shapes else ""


@exercise("build", check(Function(
    tensors_from, part=("what you return for the identity", "what you return for F").__getitem__,
    refuse=(type, nn.Module), nouns={"block": "block"}, agree=partial(same, rtol=1e-9, atol=1e-11),
    tell=ask_for_parts, things="thing",
), block_cases, lambda block, x, g: (g, vjp(block.residual, x, g)), {
    "That is the sum of the two parts. What stands after `return`?": lambda block, x, g: g + vjp(block.residual, x, g),
    "Your function returns the two parts in the other order. Which one comes first?":
        lambda block, x, g: (vjp(block.residual, x, g), g),
    "It holds ones, the slope of y = x. What does that slope multiply?": wrong_part(lambda block, x, g, r: g**0),
    "That is x, on the way forward. What comes back on the shortcut?": wrong_part(lambda block, x, g, r: x),
    "That is y, on the way forward. What comes back on the shortcut?": wrong_part(lambda block, x, g, r: block(x)),
    "That is all of dL/dx. Which part of it comes through I?": wrong_part(lambda block, x, g, r: g + r),
    "That is the part that comes through F. What does I pass on?": wrong_part(lambda block, x, g, r: r),
    "It holds zeros. What does I pass on?": wrong_part(lambda block, x, g, r: 0 * g),
    "That is all of dL/dx, the identity's part with it. Through what should the product go, `block` or "
    "`block.residual`?": wrong_part(residual=lambda block, x, g, r: g + r),
    "You subtract the identity's part. Is it in the product that you subtract it from?":
        wrong_part(residual=lambda block, x, g, r: r - g),
    "That is J · gradient, a Jacobian-vector product. On which side of J does dL/dy stand?":
        wrong_part(residual=lambda block, x, g, r: torch.autograd.functional.jvp(block.residual, x, g)[1]),
    "That is the gradient of the sum of F(x), as if dL/dy were all ones. Where does `gradient` come in?":
        wrong_part(residual=lambda block, x, g, r: vjp(block.residual, x, torch.ones_like(g))),
    "You multiply entry by entry. Through how many entries of y does one entry of x reach the loss?":
        wrong_part(residual=lambda block, x, g, r: g * vjp(block.residual, x, torch.ones_like(g))),
    "That is F(x), on the way forward. What comes back through F?":
        wrong_part(residual=lambda block, x, g, r: block.residual(x)),
    "You send the gradient forward through F. What does its Jacobian make of it?":
        wrong_part(residual=lambda block, x, g, r: block.residual(g)),
    "These are the numbers of the other mode. What does batch normalisation do in this one?":
        wrong_part(residual=lambda block, x, g, r: vjp(other_mode(block).residual, x, g)),
    "That is dL/dy itself. What does F's Jacobian make of it?": wrong_part(residual=lambda block, x, g, r: g),
    "It holds zeros. What does F's Jacobian make of the gradient?": wrong_part(residual=lambda block, x, g, r: 0 * g),
    "`torch.func` allows no layer that counts its batches in place, as batch normalisation does in training. What does "
    "`torch.autograd.grad` return, with `gradient` as its third argument?":
        wrong_part(residual=lambda block, x, g, r: torch.func.vjp(block.residual, x)[1](g)[0]),
}, otherwise="What does the chain rule give for each of the two terms of x + F(x)?",
   remark="For {count} blocks, both parts: {agreement}."))  # fmt: skip
def input_gradient(block, x, gradient):
    """Write `input_gradient(block, x, gradient)` for a block that computes y = x + F(x), with `block.residual(x)` for
    F(x) and nothing after the addition; `gradient` is dL/dy. It returns the two tensors whose sum is dL/dx: first what
    comes through the identity, then what comes through F. The block may be in training mode or in evaluation mode. It
    keeps its weights, its mode and every `.grad`, and `x` stays as it is, too, without a `requires_grad`; only running
    statistics may move, as they do in every forward pass in training mode.

    Hint: What does dL/dy · I look like? For the other part no Jacobian is needed, only its product with the gradient.
    Hint: `x.detach().requires_grad_()` is a tensor that can be differentiated, and not `x` itself.
    `torch.autograd.grad(outputs, inputs, grad_outputs)` returns vector-Jacobian products, one for each input, and
    stores nothing.
    """
    x = x.detach().requires_grad_()
    (through_residual,) = torch.autograd.grad(block.residual(x), x, gradient)
    return gradient, through_residual


def chain_cases():
    def dense(width):
        layer, scale = torch.randn(width, width), torch.randn(width)
        return lambda x: torch.tanh(x @ layer) * scale

    return [
        Case(([lambda x: 2 * x, lambda x: x * x], torch.tensor([1.0, 2])),
             "For F₀(x) = 2x, F₁(x) = x² and x = [1, 2],"),
        Case(([dense(3)], torch.randn(4, 3)), "For one random branch,"),
        Case(([dense(4) for _ in range(5)], torch.randn(2, 4)), "For five random branches,"),
        Case(([dense(3), nn.Identity(), dense(3)], torch.randn(5, 3)),
             "For three branches, the second of which returns the very tensor that it gets,"),
    ]  # fmt: skip


def terms_of(branches, x):
    return unrolled.solve(branches, x)


def states_of(branches, x):
    """Return x, x₁, …, x_L."""
    return list(accumulate(terms_of(branches, x), initial=x))


def in_place(branches, x):
    x, terms = x.clone(), []
    for branch in branches:
        terms.append(branch(x))
        x += terms[-1]
    return terms


@exercise("build", check(Function(tensors_from, part="term {}".format), chain_cases, mistakes={
    "That is the sum of the terms. Where do you keep each of them?": lambda *args: sum(terms_of(*args)),
    "That is x_L, what leaves the last block. Where do you keep what each block adds?":
        lambda *args: states_of(*args)[-1],
    "Every branch sees x itself. What does the second branch see, when a block stands before it?":
        lambda branches, x: [branch(x) for branch in branches],
    "Each branch sees what the branch before it returned. What does the shortcut add to that?":
        lambda branches, x: list(accumulate(branches, lambda x, branch: branch(x), initial=x))[1:],
    "These are x₁, x₂, …, what leaves the blocks. What did each add?": lambda *args: states_of(*args)[1:],
    "These are x, x₁, …, what the branches get. What comes out?": lambda *args: states_of(*args)[:-1],
    "These are x, x₁, x₂, …, the inputs and outputs of blocks. What does each block add?": states_of,
    "x stands at the front. Is it one of the terms?": lambda branches, x: [x, *terms_of(branches, x)],
    "These are sums of the terms so far. What does each block add?":
        lambda branches, x: [state - x for state in states_of(branches, x)[1:]],
    "You begin with the last branch. Which one does x meet first?": lambda branches, x: terms_of(branches[::-1], x),
    "The terms come in the other order. Which is the first block's?": lambda *args: terms_of(*args)[::-1],
    "The last term is missing. How many blocks are there?": lambda *args: terms_of(*args)[:-1],
    "The first term is missing. What does the first branch see?": lambda *args: terms_of(*args)[1:],
    "A term that you have kept changes afterwards: it shares its memory with x, into which `+=` writes. How do you add "
    "without writing into a tensor?": in_place,
}, otherwise="Which tensor does each branch see, and what does it return?",
   remark="For {count} rows of blocks, all terms: {agreement}."))  # fmt: skip
def unrolled(branches, x):
    """Residual blocks in a row compute x₁ = x + F₀(x), x₂ = x₁ + F₁(x₁) and so on, so that in the end x_L = x + F₀(x) +
    F₁(x₁) + … Write `unrolled(branches, x)`, which returns the list of these terms, F₀(x), F₁(x₁), …, without x itself.
    `branches` is the list of the functions F₀, F₁, …; `x` stays as it is.

    Hint: Which input does the second branch see, x or what left the first block?
    Hint: Go through the branches: compute the term, keep it, add it to x by `x = x + term`. What would `x += term`
    write into?
    """
    terms = []
    for branch in branches:
        terms.append(branch(x))
        x = x + terms[-1]  # a new tensor: the old one is the caller's
    return terms


def probe_cases():
    named = OrderedDict(
        stem=nn.Conv2d(1, 4, 3), act=nn.ReLU(), pool=nn.MaxPool2d(2), flat=nn.Flatten(), head=nn.Linear(16, 3)
    )
    small = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    resting = with_gradients(cifar_resnet(8, 4)).eval()
    resting[2].register_forward_hook(lambda *args: None)  # somebody else's
    return [
        Case((small, torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])),
             "For a network of two dense layers and a Tanh,"),
        Case((nn.Sequential(named), torch.randn(5, 1, 6, 6), torch.tensor([0, 2, 1, 1, 0])),
             "For a network whose children are `stem`, `act`, `pool`, `flat` and `head`,"),
        Case((cifar_resnet(8, 4), torch.randn(4, 1, 8, 8), torch.arange(4)),
             "For a residual network in training mode,"),
        Case((resting, torch.randn(3, 1, 8, 8), torch.arange(3)),
             "For a residual network in evaluation mode, which has a hook and a `.grad` in each weight already,"),
    ]  # fmt: skip


def walk(net, X):
    """Return X and what leaves each child, by sending X from child to child."""
    return list(accumulate(net, lambda X, child: child(X), initial=X.clone().requires_grad_()))


def norms(net, X, y, norm=torch.linalg.vector_norm, loss=F.cross_entropy, first=1):
    """Return a number for the loss's gradient with respect to what leaves each child or, from 0 on, what enters it."""
    states = walk(net, X)
    gradients = torch.autograd.grad(loss(states[-1], y), states[first : first + len(net)])
    return {name: float(norm(g)) for (name, _), g in zip(net.named_children(), gradients, strict=True)}


def weights_in(net, X, y, least=1):
    """Return, for each child with weights of `least` axes, the norm of the gradient of all of these."""
    loss, found = F.cross_entropy(net(X), y), {}
    for name, child in net.named_children():
        parameters = [p for p in child.parameters() if p.dim() >= least]
        if parameters:
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
            found[name] = torch.cat([g.flatten() for g in gradients]).norm().item()
    return found


def norms_in(result, case):
    """Return a dict of norms, or raise Wrong."""
    expect(result, Mapping, "a dict", "What should its keys be?")
    for name, value in result.items():
        if isinstance(value, bool | torch.Tensor) or not isinstance(value, Real):
            kind, ask = type(value).__name__, "Which method turns a tensor of one number into one?"
            raise Wrong(f"the value of `{name}` is of type `{kind}`, expected a float. {ask}")
    return dict(result)


def ask_for_names(found, right, case):
    """Return no fact, and a question for a dict whose keys are not the children's names, or ''."""
    strange, missing = [key for key in found if key not in right], [name for name in right if name not in found]
    first = strange[0] if strange else None
    name = first if isinstance(first, str) else ""
    with_weights = any(True for name in missing for _ in case.args[0].get_submodule(name).parameters())
    return "", next(ask for true, ask in (
        (not found, "When does a hook run, and when do you fill the dict?"),
        (isinstance(first, nn.Module), "Those are modules, expected names. Which method gives both?"),
        (isinstance(first, int), "Those are numbers, expected names. Which method gives them?"),
        (first == "", "That is the name of the whole network. Which method names its children alone?"),
        (name.endswith((".weight", ".bias")), "That is a weight. Of what should the gradient be?"),
        ("." in name, "That is inside a child. Which method names the children alone?"),
        (strange, "Which method of the network gives the names of its children?"),
        (len(found) == 1 < len(right), "Which name does each hook know when it runs, its own or the loop's last?"),
        (with_weights, "When does its hook run?"),
        (missing, "Does a child without weights have an output?"),
        (True, ""),
    ) if true)  # fmt: skip


@exercise("build", check(Function(
    norms_in, part="the number of `{}`".format, tell=ask_for_names, refuse=(type, nn.Module),
    nouns={"net": "network"}, agree=partial(same, atol=0.0)), probe_cases, norms, {
    "These are norms of the outputs, on the way forward. Of what should the norm be?":
        lambda net, X, y: dict(zip(norms(net, X, y), [out.norm().item() for out in walk(net, X)[1:]], strict=True)),
    "These are squares of the norms. What is missing at the end?": partial(norms, norm=lambda g: g.square().sum()),
    "You divide by the number of entries under the root. Does the L2 norm take a mean or a sum?":
        partial(norms, norm=lambda g: g.square().mean().sqrt()),
    "That is the sum of the absolute values. What does L2 stand for?": partial(norms, norm=lambda g: g.abs().sum()),
    "That is the mean of the absolute values. What is the L2 norm?": partial(norms, norm=lambda g: g.abs().mean()),
    "That is the largest absolute value. What is the L2 norm?": partial(norms, norm=lambda g: g.abs().max()),
    "That is the sum of the gradient's entries. What is its L2 norm?": partial(norms, norm=torch.sum),
    "That is the mean of the gradient's entries. What is its L2 norm?": partial(norms, norm=torch.mean),
    "That is the spread of the gradient's entries. What is its L2 norm?": partial(norms, norm=torch.std),
    "That is the mean of one norm for each example. What is the norm of the whole tensor?":
        partial(norms, norm=lambda g: g.flatten(1).norm(dim=1).mean()),
    "These belong to what enters each child. With respect to which of its tensors should the gradient be?":
        partial(norms, first=0),
    "They are as many times too large as there are examples. Is the loss a sum or a mean over the batch?":
        partial(norms, loss=partial(F.cross_entropy, reduction="sum")),
    "You differentiate the sum of scores. Where is the loss?": partial(norms, loss=lambda scores, y: scores.sum()),
    "You differentiate the mean score. Where is the loss?": partial(norms, loss=lambda scores, y: scores.mean()),
    "There is a softmax before the loss. Does `F.cross_entropy` take scores or probabilities?":
        partial(norms, loss=lambda scores, y: F.cross_entropy(scores.softmax(1), y)),
    "These are gradients with respect to weights. With respect to what should they be?":
        [weights_in, partial(weights_in, least=2)],
    "The numbers are right and stand under the wrong names. In which order do hooks fire on the way back?":
        lambda *args: dict(zip(norms(*args), list(norms(*args).values())[::-1], strict=True)),
    "These are the numbers of the other mode. Which line switches it?": lambda net, X, y: norms(other_mode(net), X, y),
}, otherwise="With respect to which tensor is the gradient, and which norm of it is taken?",
   remark="For {count} networks, all norms: {agreement}."))  # fmt: skip
def gradient_probe(net, X, y):
    """Write `gradient_probe(net, X, y)` for an `nn.Sequential` and the loss `F.cross_entropy(net(X), y)`. It catches
    the outputs of the network's children by hooks and returns a dict: from the name of each child, such as `"0"`, to
    the L2 norm of the loss's gradient with respect to the output of that child, a float. The children's own children do
    not count. Afterwards the network has the hooks, the mode and every `.grad` that it had before.

    Hint: `net.named_children()` gives names and modules. What does a module hand to a forward hook, and what does
    `register_forward_hook` return, by which the hook can be taken away?
    Hint: Let each hook keep its output under a name of its own; a function that is given the name and returns the hook
    does it. Then `torch.autograd.grad(loss, outputs)` returns all the gradients and stores none.
    """
    outputs, handles = {}, []

    def keep(name):
        def hook(module, inputs, output):
            outputs[name] = output

        return hook

    for name, child in net.named_children():
        handles.append(child.register_forward_hook(keep(name)))
    try:
        loss = F.cross_entropy(net(X), y)
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(loss, list(outputs.values()))
    return {name: gradient.norm().item() for name, gradient in zip(outputs, gradients, strict=True)}


def factors_of(whole, half, quarter, guess=1.2):
    """Return a table of the investigation below, with three seeds on each side."""
    seeds = {1.0: whole, 0.5: half, 0.25: quarter}
    return {scale: [f, f + 0.01, f - 0.01] for scale, f in seeds.items()} | {PREDICTED: guess}


@exercise("investigate", investigation(
    "a dict from each scale, 1.0, 0.5 and 0.25, to factors a block, one a seed, with your guess for 0.5 under "
    "'predicted'", {
    "You have no guess under 'predicted'. What did you expect for 0.5, before you ran it?":
        (lambda t: PREDICTED not in t, {1.0: [1.35] * 3, 0.5: [1.1] * 3, 0.25: [1.02] * 3}),
    "There are fewer than three seeds under one of the scales. Would another draw agree?":
        (fewer_than(3), {1.0: [1.35] * 3, 0.5: [1.1, 1.12], 0.25: [1.02] * 3, PREDICTED: 1.2}),
    "All your seeds give the same number. Does every one of them draw weights of its own?":
        (lambda t: any(len(set(t[k])) == 1 for k in (1.0, 0.5)),
         {1.0: [1.35] * 3, 0.5: [1.1] * 3, 0.25: [1.02] * 3, PREDICTED: 1.2}),
    "Your factors are those of the whole tower. Which root of them is one block's?":
        (lambda t: mean(t[1.0]) > 2, factors_of(9000.0, 20.0, 2.0)),
    "Your gradients fade towards the image. Which of the two ends do you divide by which?":
        (lambda t: mean(t[1.0]) < 1, factors_of(0.74, 0.91, 0.98)),
    "With whole branches yours hardly grows. Are these He's weights, and is there no batch norm?":
        (lambda t: mean(t[1.0]) < 1.2, factors_of(1.1, 1.05, 1.02)),
    "Half the branches make it grow as fast as whole ones. Did the scale reach the weights of each branch?":
        (lambda t: mean(t[0.5]) > mean(t[1.0]) - 0.1, factors_of(1.35, 1.33, 1.34)),
    "A quarter makes it grow as fast as half. Did both begin from fresh weights?":
        (lambda t: mean(t[0.25]) > mean(t[0.5]) - 0.02, factors_of(1.35, 1.1, 1.1)),
}, remark="The squares of the shortcut's part and the branch's add up: √(1 + (a · .92)²) is 1.36, 1.10 and 1.03 for "
          "a = 1, ½ and ¼. Half the branch takes away three quarters of the growth, not half of it."))  # fmt: skip
def smaller_branches():
    """In a pre-activation tower with He's weights and no batch norm, the gradient grows by a third a block or more.
    What is left of that growth if every branch is multiplied by 0.5, and by 0.25? Guess for 0.5, then measure: 30
    blocks, three seeds or more, `scale_branches_(net, scale)` of `cnnlib.models` after the weights are drawn. Hand in a
    dict from each scale, `1.0`, `0.5` and `0.25`, to the factors a block, one a seed, and your guess under
    `"predicted"`. Why is it not half?

    Hint: Section 6.3 has all that you need: a seed, a tower, a probe, `factor`. What has to come between the weights
    and the probe?
    Hint: `scale_branches_(kaiming_(tower(30, width=16, block=PreActivation, norm=False)), scale)` is the network;
    the first gradient divided by the last, to the power 1 / 30, is the factor.
    """
    from cnnlib.models import PreActivation, kaiming_, scale_branches_, tower
    from cnnlib.probes import FlowProbe

    def growth(scale, seed):
        torch.manual_seed(seed)
        X, y = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
        net = scale_branches_(kaiming_(tower(30, width=16, block=PreActivation, norm=False)), scale)
        with FlowProbe(net) as probe:
            F.cross_entropy(net(X), y).backward()
        *sizes, _ = probe.gradients.values()  # the last one is the head's
        return (sizes[0] / sizes[-1]) ** (1 / (len(sizes) - 1))

    measured = {scale: [growth(scale, seed) for seed in range(5)] for scale in (1.0, 0.5, 0.25)}
    return measured | {"predicted": 1.18}
