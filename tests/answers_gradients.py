"""Answers to the exercises of chapter 6: RIGHT ones other than the solution, and WRONG ones with words that the
verdict must hold. A lambda stands for what it returns, except where the exercise asks for a function.
"""

import copy
import math
import statistics
from fractions import Fraction
from functools import partial

import numpy as np
import torch
from answers_batch_norm import no_return
from torch import nn
from torch.nn import functional as F

W1 = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
W2 = torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 1.0]])


def y_by_modules():
    first, second, x = nn.Linear(2, 2), nn.Linear(2, 2), torch.tensor([[1.0, -1.0]])
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[-1.0, 2], [1, 1]]))
        first.bias.copy_(torch.tensor([2.0, 1]))
        second.weight.copy_(torch.tensor([[1.0, 3], [-2, -2]]))
        second.bias.copy_(torch.tensor([3.0, -3]))
    return x + second(first(x))


def jacobian_by_autograd():
    return torch.autograd.functional.jacobian(lambda x: x + W2 @ (W1 @ x), torch.zeros(2))


def jacobian_by_columns():
    columns = [x + W2 @ (W1 @ x) for x in torch.eye(2)]
    return torch.stack(columns, dim=1)


def jacobian_parameter():
    return nn.Parameter(torch.eye(2, dtype=torch.float64) + (W2 @ W1).double())


def masked_where(g, y, vjp):
    g = torch.where(y > 0, g, torch.zeros_like(g))
    return vjp(g) + g


def masked_indexed(gradient, y, branch_vjp):
    behind = gradient.clone()
    behind[y == 0] = 0
    behind += branch_vjp(behind)
    return behind


def masked_autograd(gradient, y, branch_vjp):
    z = y.clone().requires_grad_()
    (behind,) = torch.autograd.grad(F.relu(z), z, gradient)
    return behind + branch_vjp(behind)


def masked_sign(gradient, y, branch_vjp):
    return gradient.mul(y.sign()) + branch_vjp(y.sign() * gradient)


def masked_wrapped():
    return masked_where


def masked_in_place(gradient, y, branch_vjp):
    gradient *= y > 0
    return gradient + branch_vjp(gradient)


def masked_zeroes_y(gradient, y, branch_vjp):
    y[y > 0] = 1
    return gradient * y + branch_vjp(gradient * y)


def masked_stops(gradient, y, branch_vjp):
    return gradient + branch_vjp(gradient, y > 0)


def ratio_statistics(plain, skip):
    return statistics.median(b / a for a, b in zip(plain, skip, strict=True))


def ratio_sorted(plain, skip):
    ratios = sorted(b / a for a, b in zip(plain, skip, strict=True))
    return ratios[len(ratios) // 2]


def ratio_numpy(plain, skip):
    return np.median(np.array(skip) / np.array(plain))


def ratio_tensor(plain, skip):
    return (torch.tensor(skip) / torch.tensor(plain)).quantile(0.5)


def ratio_other_way(plain, skip):
    return 1 / statistics.median(a / b for a, b in zip(plain, skip, strict=True))


def ratio_logarithms(plain, skip):
    return (torch.tensor(skip).log() - torch.tensor(plain).log()).median().exp()


def ratio_of(summary, plain, skip):
    return summary(skip) / summary(plain)


def ratio_sorts_in_place(plain, skip):
    plain.sort()
    skip.sort()
    return ratio_statistics(plain, skip)


def ratio_of_sorted(plain, skip):
    return ratio_statistics(sorted(plain), sorted(skip))


def ratio_lists(plain, skip):
    return statistics.median(skip / plain)


def ratio_mean_log(plain, skip):
    return math.exp(statistics.mean(math.log(b / a) for a, b in zip(plain, skip, strict=True)))


def each_ratio(summary, plain, skip):
    return summary([b / a for a, b in zip(plain, skip, strict=True)])


def parts_functional(block, x, gradient):
    _, through = torch.autograd.functional.vjp(block.residual, x, gradient)
    return [gradient.clone(), through]


def parts_backward(block, x, gradient):
    block, leaf = copy.deepcopy(block), x.clone().requires_grad_()
    block.residual(leaf).backward(gradient)
    return gradient, leaf.grad


def parts_backward_inputs(block, x, gradient):
    leaf = x.detach().requires_grad_(True)
    block.residual(leaf).backward(gradient, inputs=[leaf])
    return gradient, leaf.grad


def parts_sum(block, x, gradient):
    leaf = nn.Parameter(x.clone())
    weighted = (block.residual(leaf) * gradient).sum()
    return torch.stack([gradient, torch.autograd.grad(weighted, leaf, create_graph=True)[0]])


def parts_difference(block, x, gradient):
    leaf = x.clone().requires_grad_()
    (total,) = torch.autograd.grad(block(leaf), leaf, gradient)
    return gradient, total - gradient


def parts_jacobian(block, x, gradient):
    J = torch.autograd.functional.jacobian(block.residual, x)
    return gradient, torch.tensordot(gradient, J, dims=x.dim())


def parts_frozen(block, x, gradient):
    held = [p.requires_grad for p in block.parameters()]
    block.requires_grad_(False)
    parts = parts_functional(block, x, gradient)
    for p, was in zip(block.parameters(), held, strict=True):
        p.requires_grad_(was)
    return tuple(parts)


def vjp(function, x, v):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(function(leaf), leaf, v)[0]


def parts_func(block, x, gradient):
    return gradient, torch.func.vjp(block.residual, x)[1](gradient)[0]


def parts_stored(block, x, gradient):
    leaf = x.clone().requires_grad_()
    block.residual(leaf).backward(gradient)
    return gradient, leaf.grad


def parts_zero_grad(block, x, gradient):
    parts = parts_stored(block, x, gradient)
    block.zero_grad()
    return parts


def parts_marks_x(block, x, gradient):
    x.requires_grad_()
    return gradient, torch.autograd.grad(block.residual(x), x, gradient)[0]


def parts_x_grad(block, x, gradient):
    x.requires_grad_()
    block.residual(x).backward(gradient)
    return gradient, x.grad


def parts_evaluation(block, x, gradient):
    return gradient, vjp(block.eval().residual, x, gradient)


def parts_training(block, x, gradient):
    return gradient, vjp(block.train().residual, x, gradient)


def parts_eval_twin(block, x, gradient):
    return gradient, vjp(copy.deepcopy(block).eval().residual, x, gradient)


def parts_train_after(block, x, gradient):
    parts = gradient, vjp(block.residual, x, gradient)
    block.train()
    return parts


def parts_freezes(block, x, gradient):
    block.requires_grad_(False)
    return gradient, vjp(block.residual, x, gradient)


def parts_none(block, x, gradient):
    leaf = x.clone()
    (block.residual(leaf.requires_grad_() * 1.0) * gradient).sum()
    return gradient, leaf.grad


def parts_no_grad_leaf(block, x, gradient):
    return gradient, torch.autograd.grad(block.residual(x), x, gradient)[0]


def parts_in_place(block, x, gradient):
    through = vjp(block.residual, x, gradient)
    gradient += through
    return gradient - through, through


def parts_single(block, x, gradient):
    through = parts_functional(block, x, gradient)[1]
    return gradient, through.float()


def parts_step(block, x, gradient):
    parts = parts_functional(block, x, gradient)
    with torch.no_grad():
        for p in block.parameters():
            p.sub_(0.1)
    return parts


def residual_part(compute):
    """Return an answer whose second part is another one."""
    return lambda block, x, gradient: (gradient, compute(block, x, gradient))


def identity_part(compute):
    """Return an answer whose first part is another one."""
    return lambda block, x, gradient: (compute(block, x, gradient), vjp(block.residual, x, gradient))


def jvp(block, x, gradient):
    return torch.autograd.functional.jvp(block.residual, x, gradient)[1]


def terms_tuple(branches, x):
    terms = ()
    for F_i in branches:
        terms += (F_i(x),)
        x = x + terms[-1]
    return terms


def terms_stacked(branches, x):
    state, terms = x.clone(), torch.zeros(len(branches), *x.shape)
    for i, branch in enumerate(branches):
        terms[i] = branch(state)
        state = state + terms[i]
    return terms


def terms_recursive(branches, x):
    if not branches:
        return []
    first = branches[0](x)
    return [first, *terms_recursive(branches[1:], x + first)]


def terms_differences(branches, x):
    states = [x.double()]
    for branch in branches:
        states.append(states[-1] + branch(states[-1].float()))
    return [after - before for before, after in zip(states, states[1:], strict=False)]


def terms_of_sums(branches, x):
    terms = []
    for branch in branches:
        terms.append(branch(x + sum(terms)))
    return terms


def terms_cloned(branches, x):
    x, terms = x.clone(), []
    for branch in branches:
        terms.append(branch(x).clone())
        x += terms[-1]
    return terms


def terms_in_place(branches, x):
    terms = []
    for branch in branches:
        terms.append(branch(x))
        x += terms[-1]
    return terms


def terms_in_place_copy(branches, x):
    return terms_in_place(branches, x.clone())


def terms_popped(branches, x):
    terms = []
    while branches:
        terms.append(branches.pop(0)(x))
        x = x + terms[-1]
    return terms


def terms_composed(branches, x):
    terms = []
    for branch in branches:
        x = branch(x)
        terms.append(x)
    return terms


def states(branches, x):
    found = [x]
    for term in terms_recursive(branches, x):
        found.append(found[-1] + term)
    return found


def terms_generated(branches, x):
    for branch in branches:
        term = branch(x)
        x = x + term
        yield term


def caught(net, X, y, children=None, detach=False, remove=True):
    """Return the outputs of the children and the loss."""
    outputs, handles = {}, []
    for name, child in children or net.named_children():

        def hook(module, args, output, name=name):
            outputs[name] = output.detach() if detach else output

        handles.append(child.register_forward_hook(hook))
    loss = F.cross_entropy(net(X), y)
    for handle in handles if remove else handles[1:]:
        handle.remove()
    return outputs, loss


def probe(net, X, y, norm=torch.norm, finish=float, **options):
    outputs, loss = caught(net, X, y, **options)
    gradients = torch.autograd.grad(loss, list(outputs.values()))
    return {name: finish(norm(g)) for name, g in zip(outputs, gradients, strict=True)}


def probe_retained(net, X, y):
    outputs, loss = caught(net, X, y)
    for output in outputs.values():
        output.retain_grad()
    loss.backward(inputs=list(outputs.values()))
    return {name: np.sqrt((output.grad**2).sum().item()) for name, output in outputs.items()}


def probe_backward_hooks(net, X, y):
    norms, handles = {}, []

    def make(name):
        def hook(module, grad_input, grad_output):
            norms[name] = grad_output[0].norm().item()

        return hook

    for name, child in net.named_children():
        handles.append(child.register_full_backward_hook(make(name)))
    X = X.clone().requires_grad_()  # else the first child's hook warns that there is nothing in front of it
    torch.autograd.grad(F.cross_entropy(net(X), y), X)
    for handle in handles:
        handle.remove()
    return norms


def probe_of_a_copy(net, X, y):
    net, norms = copy.deepcopy(net), {}
    for i, child in enumerate(net):
        name = list(net._modules)[i]
        child.register_full_backward_hook(
            lambda module, inputs, outputs, name=name: norms.update({name: outputs[0].norm().item()})
        )
    F.cross_entropy(net(X.clone().requires_grad_()), y).backward()
    return norms


def probe_restores(net, X, y):
    before = [p.grad for p in net.parameters()]
    for p in net.parameters():
        p.grad = None
    outputs, loss = caught(net, X, y)
    for output in outputs.values():
        output.retain_grad()
    loss.backward()
    for p, grad in zip(net.parameters(), before, strict=True):
        p.grad = grad
    return {name: np.float32(output.grad.norm().item()) for name, output in outputs.items()}


def probe_tensor_hooks(net, X, y):
    norms, handles = {}, []
    for name, child in net.named_children():

        def hook(module, args, output, name=name):
            output.register_hook(lambda g: norms.__setitem__(name, torch.linalg.vector_norm(g).item()))

        handles.append(child.register_forward_hook(hook))
    try:
        torch.autograd.grad(F.cross_entropy(net(X), y), next(net.parameters()))
    finally:
        [handle.remove() for handle in handles]
    return norms


def probe_walks(net, X, y):
    outputs = []
    for child in net:
        X = child(X)
        outputs.append(X)
    gradients = torch.autograd.grad(F.cross_entropy(X, y), outputs)
    return {name: g.norm().item() for (name, _), g in zip(net.named_children(), gradients, strict=True)}


def probe_stores(net, X, y):
    outputs, loss = caught(net, X, y)
    for output in outputs.values():
        output.retain_grad()
    loss.backward()
    return {name: output.grad.norm().item() for name, output in outputs.items()}


def probe_zero_grad(net, X, y):
    norms = probe_stores(net, X, y)
    net.zero_grad()
    return norms


def probe_clears(net, X, y):
    norms = probe(net, X, y)
    for module in net.modules():
        module._forward_hooks.clear()
    return norms


def probe_late(net, X, y):
    outputs, handles = {}, []
    for name, child in net.named_children():
        handles.append(child.register_forward_hook(lambda module, args, output: outputs.update({name: output})))  # noqa: B023
    loss = F.cross_entropy(net(X), y)
    for handle in handles:
        handle.remove()
    return {name: g.norm().item() for name, g in zip(outputs, torch.autograd.grad(loss, [*outputs.values()]))}  # noqa: B905


def probe_weights(net, X, y):
    net = copy.deepcopy(net)
    F.cross_entropy(net(X), y).backward()
    return {name: p.grad.norm().item() for name, p in net.named_parameters()}


def probe_child_weights(net, X, y):
    net, norms = copy.deepcopy(net), {}
    F.cross_entropy(net(X), y).backward()
    for name, child in net.named_children():
        grads = [p.grad.flatten() for p in child.parameters()]
        if grads:
            norms[name] = torch.cat(grads).norm().item()
    return norms


def probe_outputs(net, X, y):
    return {name: output.norm().item() for name, output in caught(net, X, y)[0].items()}


def probe_inputs(net, X, y):
    inputs, X = {}, X.clone().requires_grad_()
    for name, child in net.named_children():
        inputs[name], X = X, child(X)
    gradients = torch.autograd.grad(F.cross_entropy(X, y), list(inputs.values()))
    return {name: g.norm().item() for name, g in zip(inputs, gradients, strict=True)}


def probe_reversed(net, X, y):
    norms = probe(net, X, y)
    return dict(zip(norms, reversed(norms.values()), strict=True))


def probe_another_loss(compute):
    def answer(net, X, y):
        outputs, _ = caught(net, X, y)
        gradients = torch.autograd.grad(compute(list(outputs.values())[-1], y), list(outputs.values()))
        return {name: g.norm().item() for name, g in zip(outputs, gradients, strict=True)}

    return answer


def probe_evaluation(net, X, y):
    return probe(net.eval(), X, y)


def probe_evaluates_a_copy(net, X, y):
    return probe(copy.deepcopy(net).eval(), X, y)


def probe_ends_in_training(net, X, y):
    norms = probe(net, X, y)
    net.train()
    return norms


def probe_marks_X(net, X, y):
    return probe(net, X.requires_grad_(), y)


def probe_scales_X(net, X, y):
    norms = probe(net, X, y)
    X /= 255
    return norms


def probe_no_grad(net, X, y):
    with torch.no_grad():
        return probe(net, X, y)


def probe_empty(net, X, y):
    net = copy.deepcopy(net)
    norms = {}
    for name, child in net.named_children():
        child.register_full_backward_hook(lambda m, i, o, name=name: norms.update({name: o[0].norm().item()}))
    return dict(norms)


def keep_some(kinds):
    def answer(net, X, y):
        modules = dict(net.named_children())
        return {name: norm for name, norm in probe(net, X, y).items() if isinstance(modules[name], kinds)}

    return answer


RIGHT = {
    "y_of_the_block": [
        (6, -4), [6.0, -4.0], torch.tensor([6, -4]), np.array([6.0, -4.0]), lambda: y_by_modules(),
        torch.tensor([[6.0], [-4.0]]), (Fraction(6), torch.tensor(-4)), [[6], [-4]],
    ],
    "slope_of_fifty": [
        1.05**50, 11.5, 11.47, torch.tensor(1.05) ** 50, np.float64(11.4), torch.tensor([11.467]),
        lambda: math.prod([1.05] * 50),
    ],
    "when_it_vanishes": [-1, -1.0, torch.tensor(-1), np.int64(-1), Fraction(-1), torch.tensor([-1])],
    "jacobian_of_the_block": [
        lambda: jacobian_by_autograd(), lambda: jacobian_by_columns(), lambda: jacobian_parameter(),
        [[-1, 1], [5, 5]], ((-1.0, 1.0), (5.0, 5.0)), np.array([[-1, 1], [5, 5]]),
        lambda: W2 @ W1 + torch.diag(torch.ones(2)), torch.tensor([[-1, 1], [5, 5]]),
    ],
    "masked": [masked_where, masked_indexed, masked_autograd, masked_sign, masked_wrapped],
    "paired_ratio": [
        ratio_statistics, ratio_sorted, ratio_numpy, ratio_tensor, ratio_other_way, ratio_logarithms,
        lambda: (lambda a, b: (torch.tensor(b) / torch.tensor(a)).median()),
    ],
    "input_gradient": [
        parts_functional, parts_backward, parts_backward_inputs, parts_sum, parts_difference, parts_jacobian,
        parts_frozen,
    ],
    "unrolled": [terms_tuple, terms_stacked, terms_recursive, terms_differences, terms_of_sums, terms_cloned],
    "gradient_probe": [
        probe_retained, probe_backward_hooks, probe_of_a_copy, probe_restores, probe_tensor_hooks, probe_walks, probe,
    ],
}  # fmt: skip

WRONG = {
    "y_of_the_block": [
        ((5, -3), "What does the shortcut add"), ((1, 2), "first bias is missing"), ([3, -1], "second bias is missing"),
        ((-2, 5), "no bias"), ((-3, 6), "W₂W₁x"), ((3, 3), "b₁ after the product"), ((10, -8), "columns of W₁"),
        (torch.tensor([1, -9]), "columns of W₂"), ((0, -8), "both matrices"), ((6, -3), "changed places"),
        ((7, -6), "cut h off"), ((6, 0), "cut y off"), ((6, -1), "cut F(x) off"), ((7, 0), "h and y"),
        ((7, -5), "in it twice"), ((4, -2), "add h to F(x)"), ((0, 0), "That is x + h"), ((-1, 1), "That is h"),
        ((-4, 6), "changed places"), ((6, 4), "first number is right"), ((9, -4), "second number is right"),
        ((8, 8), "then h, then W₂h"), (6, "expected two numbers"), ([6], "with 1 number,"), ((6, -4, 0), "3 numbers"),
        (torch.tensor(6), "with 1 number,"), ("6, -4", "expected two numbers"), (("6", -4), "expected a number"),
        ((math.nan, -4), "finite"), (nn.ReLU(), "`ReLU`"), ({6: -4}, "`dict`"), ([[6, -4], [6, -4]], "two lists"),
    ],
    "slope_of_fifty": [
        (3.5, "first order"), (2.5, "50 · 0.05"), (6.5625, "first and second order"), (math.exp(2.5), "e to the power"),
        (12.18, "e to the power"), (1.05**49, "one factor short"), (1.05**51, "one factor too many"),
        (1.05, "one block"), (0.05, "slope of one branch"), (52.5, "add fifty factors"), (51, "add 1 for each"),
        (1 / 1.05**50, "other way round"), (10.467, "by how much"), (0.95**50, "larger or smaller"),
        (1, "shortcuts alone"), (0.05**50, "a chain without shortcuts"), (9, "too small"), (20, "too large"),
        ("11.5", "expected a number"), ((1, 11.5), "several numbers"),
    ],
    "when_it_vanishes": [
        (0, "the shortcut everything"), (1, "dy/dx = 2"), (-2, "other sign"), (2, "dy/dx = 3"), (-0.5, "half"),
        (0.5, "1.5"), ("never", "work against its shortcut"), ("None.", "work against"), (-10, "too small"),
        (7, "too large"), (-math.inf, "finite"), ("-1", "expected a number"), ((0, -1), "several numbers"),
    ],
    "jacobian_of_the_block": [
        (lambda: W2 @ W1, "the branch alone"), (lambda: W2 @ W1 + 1, "add 1 to every entry"),
        (lambda: torch.eye(2), "the shortcut alone"), (lambda: torch.eye(2) - W2 @ W1, "subtract the branch"),
        (lambda: W2 @ W1 - torch.eye(2), "subtract the shortcut"),
        (lambda: torch.eye(2) + (W2 @ W1).T, "changed places"),
        (lambda: (W2 @ W1).T, "exchanged"), (lambda: (W2 @ W1).T + 1, "exchange rows"), (lambda: W1 @ W2, "(3, 3)"),
        (lambda: W1 @ W2 + torch.eye(3), "(3, 3)"), (lambda: W2 @ W1 + 2 * torch.eye(2), "in it twice"),
        (lambda: 2 * W2 @ W1, "the branch twice"), (lambda: torch.eye(2) * (W2 @ W1), "entry by entry"),
        (lambda: W2, "(2, 3), expected (2, 2)"), (lambda: torch.full((2, 2), math.nan), "each of the two terms"),
        (7, "shape (), expected"), ("eye", "`str`"), (lambda: nn.Linear(2, 2), "`Linear`"), ([[1, 2], [3]], "`list`"),
    ],
    "masked": [
        (lambda: (lambda g, y, vjp: g + vjp(g)), "Everything comes through"),
        (lambda: (lambda g, y, vjp: g * (y >= 0) + vjp(g * (y >= 0))), "Everything comes through"),
        (lambda: (lambda g, y, vjp: g + vjp(g * (y > 0))), "The shortcut gets all"),
        (lambda: (lambda g, y, vjp: g * (y > 0) + vjp(g)), "The branch gets all"),
        (lambda: (lambda g, y, vjp: (g + vjp(g)) * (y > 0)), "You mask the sum"),
        (lambda: (lambda g, y, vjp: masked_where(g, y, vjp) * (y > 0)), "mask twice"),
        (lambda: (lambda g, y, vjp: g * y + vjp(g * y)), "y itself"),
        (lambda: (lambda g, y, vjp: masked_where(g, 1.0 * (y == 0), vjp)), "other way round"),
        (lambda: (lambda g, y, vjp: masked_where(g, g, vjp)), "sign of the gradient"),
        (lambda: (lambda g, y, vjp: F.relu(g) + vjp(F.relu(g))), "sign of the gradient"),
        (lambda: (lambda g, y, vjp: vjp(g * (y > 0))), "shortcut is gone"),
        (lambda: (lambda g, y, vjp: g * (y > 0)), "branch is gone"),
        (lambda: (lambda g, y, vjp: (y > 0) + vjp(g * (y > 0))), "passes on the mask"),
        (lambda: (lambda g, y, vjp: g * (y > 0) + vjp((y > 0).float())), "gets the mask alone"),
        (lambda: (lambda g, y, vjp: masked_where(g, y, vjp) + 1), "who gets it"),
        (lambda: (lambda g, y, vjp: masked_where(g, y, vjp).tolist()), "`list`"),
        (lambda: (lambda g, y, vjp: masked_where(g, y, vjp).sum()), "returns ()"),
        (lambda: (lambda g, y, vjp: (y > 0)), "numbers are off"),
        (masked_in_place, "its own input"), (masked_zeroes_y, "its own input"), (masked_stops, "your code stops"),
        (no_return, "returns None"), (lambda: (lambda gradient, y: gradient * (y > 0)), "TypeError"),
        (torch.zeros(2), "the function itself"), (nn.ReLU, "the function itself"),
    ],
    "paired_ratio": [
        (partial(ratio_of, statistics.median), "ratio of the medians"),
        (partial(ratio_of, statistics.mean), "the means"),
        (partial(ratio_of, sum), "the means"), (lambda: (lambda p, s: ratio_statistics(s, p)), "You divide plain's"),
        (lambda: (lambda p, s: 1 / ratio_of(statistics.median, p, s)), "the wrong way round"),
        (partial(each_ratio, statistics.mean), "mean of the ratios"), (partial(each_ratio, max), "largest"),
        (partial(each_ratio, min), "smallest"), (ratio_mean_log, "geometric mean"),
        (ratio_of_sorted, "sort both lists"),
        (lambda: (lambda p, s: each_ratio(statistics.mean, s, p)), "Which way round"),
        (lambda: (lambda p, s: statistics.median([b / a for a in p for b in s])), "every one of plain"),
        (lambda: (lambda p, s: statistics.median([b - a for a, b in zip(p, s, strict=True)])), "differences"),
        (lambda: (lambda p, s: sum(b > a for a, b in zip(p, s, strict=True)) / len(p)), "share of the seeds"),
        (partial(each_ratio, lambda ratios: ratios[len(ratios) // 2]), "unsorted"),
        (partial(each_ratio, lambda ratios: ratios[0]), "first seed"), (lambda: (lambda p, s: 5.0), "Which ratio has"),
        (partial(each_ratio, list), "several numbers"), (ratio_sorts_in_place, "its own input"),
        (ratio_lists, "`return statistics.median(skip / plain)`: `TypeError"), (no_return, "returns None"),
        (lambda: (lambda p, s: str(ratio_sorted(p, s))), "expected one number"), (lambda: 5.0, "the function itself"),
        (lambda: (lambda p, s: math.nan), "`nan`"), (lambda: (lambda p: p), "TypeError"),
    ],
    "input_gradient": [
        (lambda block, x, g: parts_functional(block, x, g)[::-1], "in the other order"),
        (lambda block, x, g: vjp(block, x, g), "the sum of the two parts"),
        (lambda block, x, g: parts_functional(block, x, g)[1], "one tensor of shape (2,)"),
        (lambda block, x, g: (vjp(block, x, g),), "returns 1 thing,"),
        (lambda block, x, g: {"identity": g}, "`dict`"), (lambda block, x, g: (g, g, g), "returns 3 things"),
        (identity_part(lambda block, x, g: torch.ones_like(x)), "It holds ones"),
        (identity_part(lambda block, x, g: x), "That is x, on"),
        (identity_part(lambda block, x, g: block(x)), "is y, on"),
        (identity_part(lambda block, x, g: vjp(block, x, g)), "Which part of it comes through I"),
        (identity_part(lambda block, x, g: vjp(block.residual, x, g)), "comes through F. What does I"),
        (identity_part(lambda block, x, g: torch.zeros_like(x)), "It holds zeros"),
        (identity_part(lambda block, x, g: 2 * g), "What does the chain rule give"),
        (identity_part(lambda block, x, g: torch.eye(x.shape[-1])), "a whole Jacobian"),
        (residual_part(lambda block, x, g: vjp(block, x, g)), "the identity's part with it"),
        (residual_part(lambda block, x, g: vjp(block.residual, x, g) - g), "You subtract the identity's part"),
        (residual_part(jvp), "On which side"),
        (residual_part(lambda b, x, g: vjp(b.residual, x, g * 0 + 1)), "all ones"),
        (residual_part(lambda b, x, g: g * vjp(b.residual, x, g * 0 + 1)), "entry by entry"),
        (residual_part(lambda block, x, g: block.residual(x)), "That is F(x)"),
        (residual_part(lambda block, x, g: block.residual(g)), "forward through F"),
        (residual_part(lambda block, x, g: g), "dL/dy itself"), (residual_part(lambda b, x, g: 0 * g), "holds zeros"),
        (residual_part(lambda block, x, g: torch.autograd.functional.jacobian(block.residual, x)), "a whole Jacobian"),
        (residual_part(lambda block, x, g: (vjp(block.residual, x, g),)), "a tuple of one tensor"),
        (residual_part(lambda block, x, g: vjp(block.residual, x, g).tolist()), "is of type `list`"),
        (parts_eval_twin, "numbers of the other mode"), (parts_evaluation, "mode has changed"),
        (parts_training, "numbers of the other mode"), (parts_train_after, "mode has changed"),
        (parts_func, "no layer that counts its batches"), (parts_stored, "was None and holds a tensor now"),
        (parts_zero_grad, "which was there before, is gone"), (parts_marks_x, "requires a gradient now"),
        (parts_x_grad, "requires a gradient now"), (parts_freezes, "requires_grad=False"), (parts_step, "a weight of"),
        (parts_none, "the second part is None"), (parts_no_grad_leaf, "RuntimeError"),
        (parts_single, "single precision"),
        (parts_in_place, "changes `gradient`"), (no_return, "returns None"), (lambda block, x: x, "TypeError"),
        (torch.zeros(2), "the function itself"), (nn.Identity(), "the function itself"),
    ],
    "unrolled": [
        (lambda branches, x: [branch(x) for branch in branches], "Every branch sees x itself"),
        (terms_composed, "what the branch before it returned"),
        (lambda b, x: states(b, x)[1:], "what leaves the blocks"),
        (lambda b, x: states(b, x)[:-1], "what the branches get"), (states, "inputs and outputs of blocks"),
        (lambda b, x: [x, *terms_tuple(b, x)], "x stands at the front"),
        (lambda b, x: [state - x for state in states(b, x)[1:]], "sums of the terms so far"),
        (lambda b, x: terms_tuple(b[::-1], x), "begin with the last branch"),
        (lambda b, x: terms_tuple(b, x)[::-1], "the other order"), (lambda b, x: terms_tuple(b, x)[:-1], "last term"),
        (lambda b, x: terms_tuple(b, x)[1:], "first term"),
        (lambda b, x: sum(terms_tuple(b, x)), "the sum of the terms"),
        (lambda b, x: states(b, x)[-1], "x_L"), (lambda b, x: torch.cat(terms_tuple(b, x)), "tensor of shape (4,)"),
        (terms_in_place, "changes `x`"), (terms_in_place_copy, "shares its memory"),
        (terms_popped, "changes `branches`"),
        (terms_generated, "`generator`"), (lambda b, x: [term.sum() for term in terms_tuple(b, x)], "the shape ()"),
        (lambda b, x: [term.tolist() for term in terms_tuple(b, x)], "`list`, expected a tensor"),
        (lambda b, x: [2 * term for term in terms_tuple(b, x)], "Which tensor does each branch see"),
        (lambda b, x: [branch(x + i) for i, branch in enumerate(b)], "term 1 is off: it is [4, 9], expected [9, 36]"),
        (lambda b, x: [], "0 tensors, expected 2"), (lambda b, x: b(x), "TypeError"), (no_return, "returns None"),
        (lambda branches: branches, "TypeError"), ([torch.zeros(2)], "the function itself"),
    ],
    "gradient_probe": [
        (partial(probe, remove=False), "a forward hook is left behind on module `0`"),
        (probe_clears, "that was there before is gone"), (probe_stores, "was None and holds a tensor now"),
        (probe_zero_grad, "which was there before, is gone"), (probe_late, "has `2` only"),
        (probe_weights, "the name of a weight"), (probe_child_weights, "with respect to weights"),
        (lambda net, X, y: {name: probe_child_weights(net, X, y).get(name, 0.0) for name in probe(net, X, y)},
         "which norm of it is taken"),
        (probe_outputs, "on the way forward"), (probe_inputs, "what enters each child"),
        (partial(probe, norm=lambda g: g.square().sum()), "squares of the norms"),
        (partial(probe, norm=lambda g: g.square().mean().sqrt()), "a mean or a sum"),
        (partial(probe, norm=lambda g: g.abs().sum()), "sum of the absolute"),
        (partial(probe, norm=lambda g: g.abs().mean()), "mean of the absolute"),
        (partial(probe, norm=lambda g: g.abs().max()), "largest absolute"), (partial(probe, norm=torch.sum), "entries"),
        (partial(probe, norm=torch.mean), "mean of the gradient's"), (partial(probe, norm=torch.std), "spread"),
        (partial(probe, norm=lambda g: g.flatten(1).norm(dim=1).mean()), "one norm for each example"),
        (partial(probe, norm=lambda g: g[0].norm()), "which norm of it"), (probe_reversed, "under the wrong names"),
        (probe_another_loss(partial(F.cross_entropy, reduction="sum")), "a sum or a mean over the batch"),
        (probe_another_loss(lambda scores, y: scores.sum()), "the sum of scores"),
        (probe_another_loss(lambda scores, y: scores.mean()), "the mean score"),
        (probe_another_loss(lambda scores, y: F.cross_entropy(scores.softmax(1), y)), "a softmax"),
        (probe_evaluates_a_copy, "the other mode"), (probe_evaluation, "mode has changed"),
        (probe_ends_in_training, "mode has changed"), (probe_marks_X, "requires a gradient now"),
        (probe_scales_X, "changes `X`"), (probe_no_grad, "RuntimeError"), (probe_empty, "your dict is empty"),
        (partial(probe, detach=True), "RuntimeError"),
        (partial(probe, finish=lambda norm: norm), "`Tensor`, expected a"),
        (lambda net, X, y: list(probe(net, X, y).values()), "`list`, expected a dict"),
        (lambda net, X, y: dict(enumerate(probe(net, X, y).values())), "are numbers, expected the names"),
        (lambda net, X, y: dict(zip(net, probe(net, X, y).values(), strict=True)), "are modules"),
        (lambda net, X, y: {f"layer {name}": norm for name, norm in probe(net, X, y).items()}, "`layer 0`"),
        (lambda net, X, y: probe(net, X, y, children=net.named_modules()), "an empty name"),
        (lambda net, X, y: probe(net, X, y, children=[*net.named_modules()][1:]), "inside a child"),
        (lambda net, X, y: dict(list(probe(net, X, y).items())[1:]), "lacks `0`. When does its hook run"),
        (keep_some(nn.Linear), "lacks `1`. Does a child without weights"), (no_return, "returns None"),
        (lambda net, X: 0, "TypeError"), ({"0": 1.0}, "the function itself"),
    ],
}  # fmt: skip
