"""How the answers of chapter 6's exercises are checked, and what is said to the usual mistakes.

Each exercise in `cnnlib.exercises.gradients` has the checker of its name here. Those of the three exercises to build
come from `residual_gradients` and `gradient_probes`.
"""

import inspect

import torch
from torch.nn import functional as F

from cnnlib.exercises.answers import agreement, as_number, call, listing, number
from cnnlib.exercises.batch_norm_checks import names_of, value_only
from cnnlib.exercises.core import Wrong
from cnnlib.exercises.gradient_probes import gradient_probe
from cnnlib.exercises.residual_gradients import input_gradient, unrolled
from cnnlib.exercises.snapshots import same

__all__ = [
    "gradient_probe",
    "input_gradient",
    "jacobian_of_the_block",
    "masked",
    "paired_ratio",
    "slope_of_fifty",
    "unrolled",
    "when_it_vanishes",
    "y_of_the_block",
]

Y_MISTAKES = {
    (5, -3): "That is F(x). What does the shortcut add?",
    (1, 2): "The first bias is missing. What is h with it?",
    (3, -1): "The second bias is missing. What is added to W₂h?",
    (-2, 5): "There is no bias in it. Where do b₁ and b₂ come in?",
    (-3, 6): "That is W₂W₁x. Where do the two biases and the shortcut come in?",
    (3, 3): "You add b₁ after the product with W₂. Of which sum is it a part?",
    (10, -8): "You took the columns of W₁ for its rows. Which of its numbers make the first entry of h?",
    (1, -9): "You took the columns of W₂ for its rows. Which of its numbers make the first entry of W₂h?",
    (0, -8): "You took the columns of both matrices for their rows. Which numbers of W₁ make the first entry of h?",
    (6, -3): "W₁ and W₂ have changed places. Which one does x meet first?",
    (-4, -2): "The two layers have changed places. Which one does x meet first?",
    (-6, 6): "The two biases have changed places. Which one goes with W₁?",
    (7, -6): "You cut h off at 0. Does this block have a ReLU?",
    (6, 0): "You cut y off at 0. Does this block have a ReLU?",
    (6, -1): "You cut F(x) off at 0. Does this block have a ReLU?",
    (7, 0): "You cut h and y off at 0. Does this block have a ReLU?",
    (7, -5): "The shortcut is in it twice. How often is x added?",
    (4, -2): "You add h to F(x). Where does the shortcut begin?",
    (4, -4): "You add x to h already, and then again. Where does the shortcut end?",
    (0, 0): "That is x + h. What does the second layer make of h?",
    (-1, 1): "That is h. What does the second layer make of it?",
    (-4, 2): "You subtract F(x). What does the block do with it?",
    (5, 3): "You multiply x and F(x). How does the block join them?",
    (-4, 6): "The two numbers have changed places. Which row of W₂ makes the first?",
    (1, -1): "That is x. What does the branch add to it?",
}


def y_of_the_block(answer, solve):
    """Check a pair of numbers, in a list, a tuple or a tensor of any form."""
    if isinstance(answer, str | dict | set) or not (hasattr(answer, "__len__") and hasattr(answer, "__getitem__")):
        shown = f"`{answer!r}`" if isinstance(answer, str | int | float) else f"with a `{type(answer).__name__}` object"
        raise Wrong(f"You answer {shown}, expected two numbers. Which ones is y?")
    entries = answer = answer.detach() if isinstance(answer, torch.Tensor) else answer
    if getattr(answer, "ndim", 1) > 1:  # a row or a column
        entries = answer.reshape(-1)
    if getattr(answer, "ndim", 1) == 0 or len(entries) != 2:
        count = 1 if getattr(answer, "ndim", 1) == 0 else len(entries)
        raise Wrong(f"You answer with {count} number{'s' * (count != 1)}, expected two. How many entries has x?")
    alone = [entry[0] if isinstance(entry, tuple | list) and len(entry) == 1 else entry for entry in entries]
    if any(isinstance(entry, tuple | list) for entry in alone):
        raise Wrong("You answer with two lists, expected two numbers. How many entries has x?")
    pair, expected = tuple(map(as_number, alone)), solve()
    if all(abs(a - b) < 1e-4 for a, b in zip(pair, expected, strict=True)):
        return
    found = f"You answer ({pair[0]:,.6g}, {pair[1]:,.6g})."
    for wrong, message in Y_MISTAKES.items():
        if all(abs(a - b) < 1e-4 for a, b in zip(pair, wrong, strict=True)):
            raise Wrong(f"{found} {message}")
    right = [name for name, a, b in zip(("first", "second"), pair, expected, strict=True) if abs(a - b) < 1e-4]
    if right:
        raise Wrong(f"{found} The {right[0]} number is right. Which row of W₂ makes the other one?")
    raise Wrong(f"{found} Which numbers are W₁x, then h, then W₂h?")


FIFTY_MISTAKES = [
    (3.5, "That is 1 + 50 · 0.05, which keeps only the terms of first order. What do fifty factors of 1.05 multiply "
          "to?"),
    (2.5, "That is 50 · 0.05. Where is the 1 of each shortcut, and does the chain rule add or multiply?"),
    (6.5625, "That keeps the terms of first and second order. What do fifty factors of 1.05 multiply to?"),
    (2.718281828459045**2.5, "That is e to the power 50 · 0.05, to which many more and smaller steps would lead. What "
                             "do fifty factors of 1.05 multiply to?"),
    (1.05**49, "That is one factor short. How many blocks are there?"),
    (1.05**51, "That is one factor too many. How many blocks are there?"),
    (1.05, "That is one block. What do fifty make of it?"),
    (0.05, "That is the slope of one branch. What is the slope of its block, and what do fifty make of it?"),
    (52.5, "You add fifty factors. Does the chain rule add or multiply?"),
    (51, "You add 1 for each shortcut. Does the chain rule add or multiply?"),
    (50, "You add 1 for each shortcut. Does the chain rule add or multiply?"),
    (1.05**-50, "That is the factor the other way round, and smaller than 1. At which end is the gradient larger?"),
    (1.05**50 - 1, "That is by how much it has grown. How many times as large is it?"),
    (0.95**50, "Each branch adds 0.05 x. Does a block make the gradient larger or smaller?"),
    (1, "The shortcuts alone would leave it as it is. What does each branch add?"),
    (0, "That is 0.05 to the power 50, a chain without shortcuts. What is dy/dx of a block?"),
]  # fmt: skip


def slope_of_fifty(answer, solve):
    """Check a number within 1 %."""
    value, expected = as_number(answer), solve()
    if abs(value / expected - 1) <= 0.01:
        return f"It is {expected:.4g}; the sum of the first-order terms alone would be 3.5."
    for wrong, message in FIFTY_MISTAKES:
        if abs(value - wrong) <= max(0.002 * wrong, 1e-6):
            raise Wrong(f"You answer {value:,.6g}. {message}")
    size = "small" if value < expected else "large"
    raise Wrong(f"{value:,.6g} is too {size}. What is dy/dx of one block, and how does the chain rule join fifty?")


NEVER = {"never", "none", "no", "nothing", "no slope", "it does not", "there is none"}
vanishing_slope = number(
    {
        0: "Then the branch passes nothing, and the shortcut everything: dy/dx = 1. What would make dy/dx zero?",
        1: "Then both ways pass the same, and dy/dx = 2. What would make dy/dx zero?",
        -2: "Then the gradient comes through with the other sign: dy/dx = −1. What would make dy/dx zero?",
        2: "Then dy/dx = 3. What would make dy/dx zero?",
        0.5: "Then dy/dx = 1.5. What would make dy/dx zero?",
        -0.5: "Then dy/dx = 0.5: half of the gradient comes through. What would make dy/dx zero?",
    },
    otherwise="What is dy/dx = 1 + F′(x) for that slope?",
)


def when_it_vanishes(answer, solve):
    """Check the slope of a branch that undoes its shortcut."""
    if isinstance(answer, str) and answer.strip(" .!").lower() in NEVER:
        raise Wrong(f"You answer `{answer}`. But a branch may work against its shortcut: which slope undoes it?")
    vanishing_slope(answer, solve)
    return "Such a branch undoes its shortcut; slopes near 0, as those of a new block, leave the gradient as it is."


BRANCH = torch.tensor([[-2.0, 1], [5, 4]])  # W2 @ W1
JACOBIAN_MISTAKES = [
    (BRANCH, "That is the branch alone. Which matrix does the shortcut add?"),
    (1 + BRANCH, "You add 1 to every entry. Of which yᵢ and xⱼ is the derivative 1 in y = x, and of which 0?"),
    (torch.eye(2), "That is the shortcut alone. What does the branch add?"),
    (torch.eye(2) - BRANCH, "You subtract the branch. What does the block do with it?"),
    (BRANCH - torch.eye(2), "You subtract the shortcut. What does the block do with it?"),
    (torch.eye(2) + BRANCH.T, "Its rows and columns have changed places. In which row stands the derivative of y₁?"),
    (BRANCH.T, "That is the branch alone, with rows and columns exchanged. What does the shortcut add?"),
    (1 + BRANCH.T, "You add 1 to every entry, and exchange rows and columns. What is the Jacobian of y = x?"),
    (2 * torch.eye(2) + BRANCH, "The shortcut is in it twice. How often is x added?"),
    (2 * BRANCH, "You add the branch twice. What is the Jacobian of y = x?"),
    (torch.eye(2) * BRANCH, "You multiply the two entry by entry. Do the Jacobians of a sum multiply or add?"),
]  # fmt: skip


def jacobian_of_the_block(answer, solve):
    """Check a matrix, as a tensor, an array or nested lists."""
    expected = solve()
    try:
        found = torch.as_tensor(answer).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        kind = type(answer).__name__
        raise Wrong(f"What you hand in is of type `{kind}`, expected a tensor. Which variable holds it?") from None
    if found.shape == (3, 3):
        raise Wrong("Your tensor has the shape (3, 3), as a map from h to h. Which of the two matrices meets x first?")
    if found.shape != expected.shape:
        shapes = f"the shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
        raise Wrong(f"Your tensor has {shapes}. How many numbers are y and x?")
    most = (found - expected).abs().max().item()
    if most < 1e-5:
        return f"It is the Jacobian of the whole block: {agreement(most)}."
    for wrong, message in JACOBIAN_MISTAKES:
        if torch.allclose(found, wrong.double(), atol=1e-5):
            raise Wrong(f"You hand in {listing(found)}. {message}")
    raise Wrong(f"You hand in {listing(found)}. What is the Jacobian of each of the two terms of y?")


def function_from(answer):
    """Return the function that an answer is, or that it returns as the solution does."""
    try:
        wrapped = callable(answer) and not isinstance(answer, type) and not inspect.signature(answer).parameters
    except (TypeError, ValueError):
        wrapped = False
    return call(answer) if wrapped else answer


class Branch:
    """The vector-Jacobian product of a function at a point, which can be shown in a message."""

    def __init__(self, compute, x, text="that of a random branch"):
        self.compute, self.x, self.text = compute, x, text

    def __call__(self, v):
        return torch.func.vjp(self.compute, self.x)[1](v)[0]

    def __repr__(self):
        return self.text


def masked_cases():
    W = torch.tensor([[1.0, 2, 0], [1, -3, 0], [0, 1, 1]])
    dense, kernel = torch.randn(4, 4), torch.randn(3, 3, 3, 3) / 3
    branches = [
        Branch(lambda x: x @ W.T, torch.tensor([1.0, 2, 1]), f"v ↦ v · {listing(W)}"),
        Branch(lambda x: torch.tanh(x @ dense), torch.randn(5, 4)),
        Branch(lambda x: F.conv2d(x.sigmoid(), kernel, padding=1), torch.randn(2, 3, 4, 4)),
    ]
    gradients = [torch.tensor([-2.0, 5, 1]), *(torch.randn_like(branch.x) for branch in branches[1:])]
    return [(g, F.relu(b.x + b.compute(b.x)), b) for g, b in zip(gradients, branches, strict=True)]


def block_gradient(gradient, y, branch):
    """Return dL/dx of relu(x + F(x)), by autograd through the whole block."""
    x = branch.x.clone().requires_grad_()
    return torch.autograd.grad(F.relu(x + branch.compute(x)), x, gradient)[0]


MASKED_MISTAKES = [
    (lambda g, y, vjp: g + vjp(g),
     "Everything comes through the ReLU. Where y is 0, does its input change the output?"),
    (lambda g, y, vjp: g + vjp(g * (y > 0)),
     "The shortcut gets all of the gradient. Does it not end before the ReLU, too?"),
    (lambda g, y, vjp: g * (y > 0) + vjp(g),
     "The branch gets all of the gradient. Does it not end before the ReLU, too?"),
    (lambda g, y, vjp: (g + vjp(g)) * (y > 0),
     "You mask the sum, which belongs to x. Which comes first on the way back, the ReLU or the two ways?"),
    (lambda g, y, vjp: (g * (y > 0) + vjp(g * (y > 0))) * (y > 0),
     "You mask twice. How many ReLUs stand after the addition?"),
    (lambda g, y, vjp: g * y + vjp(g * y),
     "You multiply by y itself. What is the slope of a ReLU where y is positive?"),
    (lambda g, y, vjp: g * (y <= 0) + vjp(g * (y <= 0)),
     "Your mask is the other way round. Where does a ReLU pass on its input?"),
    (lambda g, y, vjp: g * (g > 0) + vjp(g * (g > 0)),
     "Your mask looks at the sign of the gradient. Whose sign decides what a ReLU passes on?"),
    (lambda g, y, vjp: vjp(g * (y > 0)), "The mask is right, the shortcut is gone. What does it pass on?"),
    (lambda g, y, vjp: g * (y > 0), "The mask is right, the branch is gone. What does F pass on?"),
    (lambda g, y, vjp: (y > 0) + vjp(g * (y > 0)), "The shortcut passes on the mask. What does it get to pass on?"),
    (lambda g, y, vjp: g * (y > 0) + vjp(1.0 * (y > 0)), "The branch gets the mask alone. What should it get?"),
]  # fmt: skip
compare_masked = value_only(
    masked_cases, block_gradient, MASKED_MISTAKES, "What is left of the gradient behind the ReLU, and who gets it?"
)


def masked(answer, solve):
    """Check a function of a gradient, an output and a vector-Jacobian product."""
    return compare_masked(function_from(answer), solve())


def ratio_cases():
    drawn = [([1.0, 2.0, 4.0], [5.0, 14.0, 6.0])]
    for seeds in (5, 9):
        plain = torch.randn(seeds).exp()
        drawn.append((plain.tolist(), (plain * 3 * (1.5 * torch.randn(seeds)).exp()).tolist()))
    return drawn


def middle(values):
    return torch.as_tensor(values).double().median().item()


def mean(values):
    return torch.as_tensor(values).double().mean().item()


def pairs(plain, skip):
    return [b / a for a, b in zip(plain, skip, strict=True)]


RATIO_MISTAKES = [
    (lambda p, s: middle(s) / middle(p),
     "That is the ratio of the medians, which may belong to different seeds. Which numbers share a seed?"),
    (lambda p, s: middle(p) / middle(s),
     "That is the ratio of the medians, and the wrong way round. Which numbers share a seed?"),
    (lambda p, s: mean(s) / mean(p), "That is the ratio of the means. Which numbers share a seed?"),
    (lambda p, s: middle(pairs(s, p)),
     "You divide plain's number by skip's. Which of the two is so many times as large as the other?"),
    (lambda p, s: mean(pairs(p, s)),
     "That is the mean of the ratios, which one large ratio can pull up. Where is their middle?"),
    (lambda p, s: torch.tensor(pairs(p, s)).log().mean().exp().item(),
     "That is the geometric mean of the ratios. Where is their middle?"),
    (lambda p, s: mean(pairs(s, p)),
     "That is the mean of plain's numbers divided by skip's. Which way round is the ratio, and where is the middle?"),
    (lambda p, s: middle(pairs(sorted(p), sorted(s))),
     "You sort both lists before you divide. What becomes of the pairs?"),
    (lambda p, s: middle([b / a for a in p for b in s]),
     "You divide every number of skip by every one of plain. Which of them share a seed?"),
    (lambda p, s: middle([b - a for a, b in zip(p, s, strict=True)]),
     "That is the median of the differences. How many times as large is skip's number?"),
    (lambda p, s: sum(b > a for a, b in zip(p, s, strict=True)) / len(p),
     "That is the share of the seeds for which skip's number is larger. How many times as large is it?"),
    (lambda p, s: pairs(p, s)[len(p) // 2],
     "That is the ratio in the middle of the list, unsorted. What has to be done before the middle is the median?"),
    (lambda p, s: pairs(p, s)[0], "That is the ratio of the first seed. Where is the middle of all of them?"),
    (lambda p, s: max(pairs(p, s)), "That is the largest ratio. Where is the middle?"),
    (lambda p, s: min(pairs(p, s)), "That is the smallest ratio. Where is the middle?"),
]  # fmt: skip


def paired_ratio(answer, solve):
    """Check a function of two lists of numbers."""
    answer = function_from(answer)
    names_of(answer, solve())
    cases, found = ratio_cases(), []
    shown = "For plain = {} and skip = {}".format(*([f"{value:g}" for value in part] for part in cases[0]))
    shown = shown.replace("'", "") + ","
    names = [shown, *(f"For two lists of {len(plain)} numbers," for plain, _ in cases[1:])]
    for (plain, skip), on in zip(cases, names, strict=True):
        given = list(plain), list(skip)
        result = call(answer, *given, on=on)
        if given != (plain, skip):
            raise Wrong(f"{on} your function changes its own input. Which line writes into it, and are the pairs kept?")
        try:
            found.append(as_number(result))
        except Wrong as wrong:
            several = "several numbers" in str(wrong)
            ask = "Which of them is in the middle?" if several else "What does your `return` give back?"
            kind = f"`{result!r}`" if isinstance(result, str | bool | float) else f"a `{type(result).__name__}`"
            kind = "several numbers" if several else kind
            raise Wrong(f"{on} your function returns {kind}, expected one number. {ask}") from None
    expected = [middle(pairs(plain, skip)) for plain, skip in cases]
    off = next((i for i, value in enumerate(found) if not same(value, expected[i])), None)
    if off is None:
        most = max(abs(value - right) for value, right in zip(found, expected, strict=True))
        return f"For {len(cases)} pairs of lists: {agreement(most)}."
    ask = "Which ratio has each seed, and which of them is in the middle?"
    for mistake, message in RATIO_MISTAKES:
        if all(same(value, mistake(*case)) for value, case in zip(found, cases, strict=True)):
            ask = message
            break
    raise Wrong(f"{names[off]} your function returns {found[off]:.4g}, expected {expected[off]:.4g}. {ask}")
