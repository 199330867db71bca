"""Checkers for two functions to build in chapter 6: the two parts of a block's gradient, the terms of a row of blocks.

Each compares what a function returns with autograd's own numbers, then looks whether everything else is as it was.
"""

import copy

import torch
from torch import nn

from cnnlib.exercises.answers import agreement, call, is_stub, listing, near
from cnnlib.exercises.batch_norm_checks import names_of
from cnnlib.exercises.core import Unanswered, Wrong
from cnnlib.exercises.snapshots import Snapshot, compare_tensor, with_gradients
from cnnlib.models import PreActivation


class Small(nn.Module):
    """A block of dense layers, in double precision."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers).double()

    def residual(self, x):
        return self.layers(x)

    def forward(self, x):
        return x + self.residual(x)


def block_cases():
    W, b = torch.tensor([[1.0, 2], [0, 3]]), torch.tensor([1.0, -1])
    x, gradient = torch.tensor([3.0, 1]), torch.tensor([1.0, 2])
    line = Small(nn.Linear(2, 2))
    with torch.no_grad():
        line.layers[0].weight.copy_(W)
        line.layers[0].bias.copy_(b)
    curve = Small(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 4))
    shown = f"For F(x) = W x + b, W = {listing(W)}, b = {listing(b)}, x = {listing(x)}, gradient = {listing(gradient)},"
    seen = [PreActivation(4, 4).double() for _ in range(2)]
    for block in seen:
        for norm in (block.norm1, block.norm2):  # as after training, when the two modes differ
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.2, 1.2)

    def pair(*shape):
        return torch.randn(shape).double(), torch.randn(shape).double()

    return [
        (shown, line, x.double(), gradient.double()),
        ("For a block of two dense layers and five examples,", curve, *pair(5, 4)),
        ("For a `PreActivation` block in evaluation mode,", seen[0].eval(), *pair(3, 4, 5, 6)),
        (
            "For a `PreActivation` block in training mode, whose weights have a `.grad` already,",
            with_gradients(seen[1]),
            *pair(3, 4, 5, 6),
        ),
    ]


def vjp(function, x, v):
    """Return v · J, with J the Jacobian of a function at x."""
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(function(x), x, v)[0]


def other_mode(block, x, gradient):
    return vjp(block.train(not block.training).residual, x, gradient)


IDENTITY_PART = [
    (lambda block, x, g: torch.ones_like(g), "It holds ones, the slope of y = x. What does that slope multiply?"),
    (lambda block, x, g: x, "That is x, on the way forward. What comes back on the shortcut?"),
    (lambda block, x, g: block(x), "That is y, on the way forward. What comes back on the shortcut?"),
    (lambda block, x, g: g + vjp(block.residual, x, g), "That is all of dL/dx. Which part of it comes through I?"),
    (lambda block, x, g: vjp(block.residual, x, g), "That is the part that comes through F. What does I pass on?"),
    (lambda block, x, g: torch.zeros_like(g), "It holds zeros. What does I pass on?"),
]
RESIDUAL_PART = [
    (lambda block, x, g: g + vjp(block.residual, x, g),
     "That is all of dL/dx, the identity's part with it. Through what should the product go, `block` or "
     "`block.residual`?"),
    (lambda block, x, g: vjp(block.residual, x, g) - g,
     "You subtract the identity's part. Is it in the product that you subtract it from?"),
    (lambda block, x, g: torch.autograd.functional.jvp(block.residual, x, g)[1],
     "That is J · gradient, a Jacobian-vector product. On which side of J does dL/dy stand?"),
    (lambda block, x, g: vjp(block.residual, x, torch.ones_like(g)),
     "That is the gradient of the sum of F(x), as if dL/dy were all ones. Where does `gradient` come in?"),
    (lambda block, x, g: g * vjp(block.residual, x, torch.ones_like(g)),
     "You multiply entry by entry. Through how many entries of y does one entry of x reach the loss?"),
    (lambda block, x, g: block.residual(x), "That is F(x), on the way forward. What comes back through F?"),
    (lambda block, x, g: block.residual(g),
     "You send the gradient forward through F. What does its Jacobian make of it?"),
    (other_mode, "These are the numbers of the other mode. What does batch normalisation do in this one?"),
    (lambda block, x, g: g, "That is dL/dy itself. What does F's Jacobian make of it?"),
    (lambda block, x, g: torch.zeros_like(g), "It holds zeros. What does F's Jacobian make of the gradient?"),
]  # fmt: skip


def exact(found, right):
    """Tell whether tensors agree as well as double precision can."""
    return torch.allclose(found.double(), right.double(), rtol=1e-9, atol=1e-11)


def input_gradient(answer, solve):
    """Check a function that returns the two parts of a block's gradient with respect to its input."""
    names_of(answer, solve)
    most, cases = 0, block_cases()
    for on, block, x, gradient in cases:
        twin, snapshot, given = copy.deepcopy(block), Snapshot(block, "block"), (x.clone(), gradient.clone())
        parts = two_parts(call_with_block(answer, block, *given, on=on), twin, x, gradient, on)
        right = gradient, vjp(copy.deepcopy(twin).residual, x, gradient)
        if not exact(parts[0], parts[1]) and exact(parts[0], right[1]) and exact(parts[1], right[0]):
            raise Wrong(f"{on} your function returns the two parts in the other order. Which one comes first?")
        for part, expected, mistakes, name in zip(
            parts, right, (IDENTITY_PART, RESIDUAL_PART), ("the identity", "F"), strict=True
        ):
            if not exact(part, expected):
                found = f"{on} what you return for {name} is off, max difference {(part - expected).abs().max():.3g}"
                if expected.numel() <= 9:
                    found += f": it is {listing(part)}, expected {listing(expected)}"
                raise Wrong(f"{found}. {usual_part(part, expected, mistakes, twin, x, gradient)}")
            most = max(most, (part - expected).abs().max().item())
        for now, before, name in zip(given, (x, gradient), ("x", "gradient"), strict=True):
            compare_tensor(now, before, name, on)
        snapshot.compare(on)
    return f"For {len(cases)} blocks, both parts: {agreement(most)}."


def call_with_block(answer, block, x, gradient, on):
    """Call a reader's function, and say more where None comes back or `torch.func` cannot do it."""
    try:
        return call(answer, block, x, gradient, on=on)
    except Unanswered:
        try:
            result = answer(block, x, gradient)
        except NotImplementedError:
            raise Unanswered from None
        if is_stub(answer) or not isinstance(result, tuple | list) or ... in result:
            raise
        which = "first" if result[0] is None else "second"
        raise Wrong(
            f"{on} the {which} part is None. Whose `.grad` did you read, and did autograd store one there?"
        ) from None
    except Wrong as wrong:
        if "mutate a captured Tensor" in str(wrong):  # functorch, and the count of batches
            raise Wrong(
                f"{on} your code stops: `torch.func` allows no layer that counts its batches in place, as batch "
                "normalisation does in training. What does `torch.autograd.grad` return, with `gradient` as its third "
                "argument?"
            ) from wrong
        raise


def two_parts(result, block, x, gradient, on):
    """Return the two tensors in a result, or raise Wrong."""
    if isinstance(result, torch.Tensor) and result.shape == (2, *x.shape):
        result = list(result)
    if isinstance(result, torch.Tensor):
        total = gradient + vjp(copy.deepcopy(block).residual, x, gradient)
        is_sum = result.shape == total.shape and exact(result.detach(), total)
        found = "the sum of the two parts" if is_sum else f"one tensor of shape {tuple(result.shape)}"
        raise Wrong(f"{on} your function returns {found}, expected the two parts. What stands after `return`?")
    if not isinstance(result, tuple | list):
        kind = type(result).__name__
        raise Wrong(f"{on} your function returns a `{kind}`, expected two tensors. What stands after `return`?")
    if len(result) != 2:
        count = f"{len(result)} thing{'s' * (len(result) != 1)}"
        raise Wrong(f"{on} your function returns {count}, expected two tensors. Which ones add up to dL/dx?")
    for part, name in zip(result, ("first", "second"), strict=True):
        if isinstance(part, tuple) and len(part) == 1:
            raise Wrong(f"{on} the {name} part is a tuple of one tensor. How do you take the tensor out of it?")
        if not isinstance(part, torch.Tensor):
            raise Wrong(f"{on} the {name} part is of type `{type(part).__name__}`. Which tensor should it be?")
        if part.shape != x.shape:
            shapes = f"the shape {tuple(part.shape)}, expected {tuple(x.shape)}"
            ask = "Is it a whole Jacobian, or its product with the gradient?"
            raise Wrong(f"{on} the {name} part has {shapes}. {ask}")
    return [part.detach().clone() for part in result]


def usual_part(part, expected, mistakes, block, x, gradient):
    """Return what to say to a part that is wrong in a usual way, or the general question."""
    for mistake, message in mistakes:
        if exact(part, mistake(copy.deepcopy(block), x, gradient).detach()):
            return message
    if near(part, expected):
        return "It is right to single precision only. Where do you leave the dtype of x?"
    return "What does the chain rule give for each of the two terms of x + F(x)?"


def chain_cases():
    def dense(width):
        layer, scale = torch.randn(width, width), torch.randn(width)
        return lambda x: torch.tanh(x @ layer) * scale

    line, square = (lambda x: 2 * x), (lambda x: x * x)
    return [
        ("For F₀(x) = 2x, F₁(x) = x² and x = [1, 2],", [line, square], torch.tensor([1.0, 2])),
        ("For one random branch,", [dense(3)], torch.randn(4, 3)),
        ("For five random branches,", [dense(4) for _ in range(5)], torch.randn(2, 4)),
        ("For three branches, the second of which returns the very tensor that it gets,",
         [dense(3), nn.Identity(), dense(3)], torch.randn(5, 3)),
    ]  # fmt: skip


def terms_of(branches, x):
    terms = []
    for branch in branches:
        terms.append(branch(x).clone())
        x = x + terms[-1]
    return terms


def states_of(branches, x):
    """Return x, x₁, …, x_L."""
    states = [x]
    for term in terms_of(branches, x):
        states.append(states[-1] + term)
    return states


def composed(branches, x):
    terms = []
    for branch in branches:
        x = branch(x)
        terms.append(x)
    return terms


def in_place(branches, x):
    x, terms = x.clone(), []
    for branch in branches:
        terms.append(branch(x))
        x += terms[-1]
    return terms


TERM_MISTAKES = [
    (lambda branches, x: [branch(x) for branch in branches],
     "Every branch sees x itself. What does the second branch see, when a block stands before it?"),
    (composed, "Each branch sees what the branch before it returned. What does the shortcut add to that?"),
    (lambda branches, x: states_of(branches, x)[1:], "These are x₁, x₂, …, what leaves the blocks. What did each add?"),
    (lambda branches, x: states_of(branches, x)[:-1], "These are x, x₁, …, what the branches get. What comes out?"),
    (states_of, "These are x, x₁, x₂, …, the inputs and outputs of blocks. What does each block add?"),
    (lambda branches, x: [x, *terms_of(branches, x)], "x stands at the front. Is it one of the terms?"),
    (lambda branches, x: [state - x for state in states_of(branches, x)[1:]],
     "These are sums of the terms so far. What does each block add?"),
    (lambda branches, x: terms_of(branches[::-1], x), "You begin with the last branch. Which one does x meet first?"),
    (lambda branches, x: terms_of(branches, x)[::-1], "The terms come in the other order. Which is the first block's?"),
    (lambda branches, x: terms_of(branches, x)[:-1], "The last term is missing. How many blocks are there?"),
    (lambda branches, x: terms_of(branches, x)[1:], "The first term is missing. What does the first branch see?"),
    (in_place,
     "A term that you have kept changes afterwards: it shares its memory with x, into which `+=` writes. How do you "
     "add without writing into a tensor?"),
]  # fmt: skip


def unrolled(answer, solve):
    """Check a function that returns the terms of a row of residual blocks."""
    names_of(answer, solve)
    most, cases = 0, chain_cases()
    for on, branches, x in cases:
        given, kept = x.clone(), list(branches)
        result, expected = call(answer, kept, given, on=on), terms_of(branches, x)
        if not torch.equal(given, x):
            raise Wrong(f"{on} your function changes `x`, which is the caller's. Which line writes into it?")
        if kept != branches:
            raise Wrong(f"{on} your function changes `branches`, which is the caller's. Which line does that?")
        found = list_of_tensors(result, expected, x, on)
        if len(found) == len(expected) and all(map(agrees, found, expected)):
            most = max(most, *((a - b).abs().max().item() for a, b in zip(found, expected, strict=True)))
            continue
        ask = "Which tensor does each branch see, and what does it return?"
        for mistake, message in TERM_MISTAKES:
            usual = mistake(branches, x)
            if len(usual) == len(found) and all(map(agrees, found, usual)):
                ask = message
                break
        if len(found) != len(expected):
            counts = f"{len(found)} tensor{'s' * (len(found) != 1)}, expected {len(expected)}"
            raise Wrong(f"{on} your function returns {counts}. {ask}")
        i = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if not agrees(a, b))
        off = f"{on} term {i} is off"
        if found[i].shape != expected[i].shape:
            off += f", it has the shape {tuple(found[i].shape)}, expected {tuple(expected[i].shape)}"
        elif expected[i].numel() <= 9:
            off += f": it is {listing(found[i])}, expected {listing(expected[i])}"
        raise Wrong(f"{off}. {ask}")
    return f"For {len(cases)} rows of blocks, all terms: {agreement(most)}."


def agrees(a, b):
    return a.shape == b.shape and near(a, b)


def list_of_tensors(result, expected, x, on):
    """Return the tensors in a result, or raise Wrong."""
    if isinstance(result, torch.Tensor) and result.dim() == x.dim() + 1:
        result = list(result)
    if isinstance(result, torch.Tensor):
        result = result.detach()
        found, ask = f"one tensor of shape {tuple(result.shape)}", "Where do you keep each term?"
        if agrees(result, sum(expected)):
            found, ask = "the sum of the terms", "Where do you keep each of them?"
        elif agrees(result, x + sum(expected)):
            found, ask = "x_L, what leaves the last block", "Where do you keep what each block adds?"
        raise Wrong(f"{on} your function returns {found}, expected the list of terms. {ask}")
    if not isinstance(result, tuple | list):
        kind = type(result).__name__
        raise Wrong(f"{on} your function returns a `{kind}`, expected a list of tensors. What stands after `return`?")
    for i, term in enumerate(result):
        if not isinstance(term, torch.Tensor):
            raise Wrong(f"{on} term {i} is of type `{type(term).__name__}`, expected a tensor. What did you append?")
    return [term.detach() for term in result]
