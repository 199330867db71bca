"""Exercises of chapter 6, the mathematics of residual gradients. In a notebook: `from cnnlib.exercises import
gradients as exercises`.

Every exercise is its solution under a decorator, see `cnnlib.exercises.core`. The checkers, and what they
say to the usual mistakes, are in `cnnlib.exercises.gradients_checks`.
"""

import torch
from torch.nn import functional as F

from cnnlib.exercises import gradients_checks as checks
from cnnlib.exercises.core import exercise


@exercise(
    "recall",
    question=(
        "A residual block computes h = W₁x + b₁, F(x) = W₂h + b₂ and y = x + F(x), with no activation anywhere. Which "
        "two numbers is y, for x = (1, −1), W₁ = [[−1, 2], [1, 1]], b₁ = (2, 1), W₂ = [[1, 3], [−2, −2]] and "
        "b₂ = (3, −3)? The matrices are written row by row."
    ),
    hints=(
        "Each entry of W₁x is a row of W₁ times x: the first one is −1 · 1 + 2 · (−1). What is h?",
        "h = (−1, 1). Now W₂h and b₂ make F(x), and one more addition makes y.",
    ),
    check=checks.y_of_the_block,
)
def y_of_the_block():
    x = torch.tensor([1, -1])
    W1, b1 = torch.tensor([[-1, 2], [1, 1]]), torch.tensor([2, 1])
    W2, b2 = torch.tensor([[1, 3], [-2, -2]]), torch.tensor([3, -3])
    h = W1 @ x + b1
    return (x + W2 @ h + b2).tolist()


@exercise(
    "recall",
    question=(
        "Fifty scalar blocks stand in a row, each y = x + 0.05 x. How many times as large is the gradient at the input "
        "of the first block as the gradient at the output of the last? An answer within 1 % is right."
    ),
    hints=(
        "What is dy/dx of one block, and how does the chain rule join fifty of them?",
        "One block multiplies the gradient by 1.05. Fifty of them multiply it by 1.05 · 1.05 · … · 1.05.",
    ),
    check=checks.slope_of_fifty,
)
def slope_of_fifty():
    return (1 + 0.05) ** 50


@exercise(
    "recall",
    question=(
        "A shortcut does not save every gradient. A scalar block computes y = x + F(x): for which slope F′(x) of the "
        "branch is dL/dx zero, whatever dL/dy is?"
    ),
    hints=(
        "dL/dx is dL/dy times dy/dx. What is dy/dx of this block?",
        "dy/dx = 1 + F′(x). When is that zero?",
    ),
    check=checks.when_it_vanishes,
)
def when_it_vanishes():
    return -1


@exercise(
    "change one line",
    question=(
        "A block computes h = W₁x and y = x + W₂h. The last line makes the Jacobian of the branch alone; make it that "
        "of the whole block, with dyᵢ/dxⱼ in row i and column j, and hand in the tensor.\n\n"
        "```python\n"
        "W1 = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])\n"
        "W2 = torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 1.0]])\n"
        "jacobian = W2 @ W1\n"
        "```"
    ),
    hints=(
        "What is the Jacobian of y = x alone, which a block without its branch would be?",
        "Jacobians of a sum add up. `torch.eye(2)` is the one of the identity.",
    ),
    check=checks.jacobian_of_the_block,
)
def jacobian_of_the_block():
    W1 = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
    W2 = torch.tensor([[1.0, 0.0, -1.0], [2.0, 1.0, 1.0]])
    return torch.eye(2) + W2 @ W1


@exercise(
    "change one line",
    question=(
        "A block of the first paper computes y = relu(x + F(x)). The function below should make dL/dx out of "
        "`gradient`, which is dL/dy; `branch_vjp(v)` is the vector-Jacobian product v · dF/dx. But it is right only "
        "for a block without the ReLU. Mend it, and hand in the function.\n\n"
        "```python\n"
        "def x_gradient(gradient, y, branch_vjp):\n"
        "    return gradient + branch_vjp(gradient)\n"
        "```"
    ),
    hints=(
        "Which step of the forward pass came last? The backward pass goes through it first, before the two ways part.",
        "A ReLU passes a gradient on where its output is positive: multiply by `y > 0`, and give what is left to both "
        "ways. A new line before the `return` is fine.",
    ),
    check=checks.masked,
)
def masked():
    def x_gradient(gradient, y, branch_vjp):
        gradient = gradient * (y > 0)
        return gradient + branch_vjp(gradient)

    return x_gradient


@exercise(
    "change one line",
    question=(
        "From each of several seeds, an odd number of them, a plain network and one with shortcuts are built, and one "
        "number is measured in each: `plain[i]` and `skip[i]` belong to the same seed. How many times as large is "
        "skip's number as plain's, in the median over the seeds? The function below leaves the pairs out of account. "
        "Mend it, and hand in the function.\n\n"
        "```python\n"
        "def ratio(plain, skip):\n"
        "    plain, skip = torch.tensor(plain), torch.tensor(skip)\n"
        "    return (skip.median() / plain.median()).item()\n"
        "```"
    ),
    hints=(
        "Each seed has a ratio of its own. Which comes first, the ratio or the median?",
        "`skip / plain` divides pair by pair. What is the median of that?",
    ),
    check=checks.paired_ratio,
)
def paired_ratio():
    def ratio(plain, skip):
        plain, skip = torch.tensor(plain), torch.tensor(skip)
        return (skip / plain).median().item()

    return ratio


@exercise(
    "build",
    question=(
        "Write `input_gradient(block, x, gradient)` for a block that computes y = x + F(x), with `block.residual(x)` "
        "for F(x) and nothing after the addition; `gradient` is dL/dy. It returns the two tensors whose sum is dL/dx: "
        "first what comes through the identity, then what comes through F. The block may be in training mode or in "
        "evaluation mode. It keeps its weights, its mode and every `.grad`, and `x` stays as it is, too, without a "
        "`requires_grad`; only running statistics may move, as they do in every forward pass in training mode."
    ),
    hints=(
        "What does dL/dy · I look like? For the other part no Jacobian is needed, only its product with the gradient.",
        "`x.detach().requires_grad_()` is a tensor that can be differentiated, and not `x` itself. "
        "`torch.autograd.grad(outputs, inputs, grad_outputs)` returns vector-Jacobian products, one for each input, "
        "and stores nothing.",
    ),
    check=checks.input_gradient,
)
def input_gradient(block, x, gradient):
    x = x.detach().requires_grad_()
    (through_residual,) = torch.autograd.grad(block.residual(x), x, gradient)
    return gradient, through_residual


@exercise(
    "build",
    question=(
        "Residual blocks in a row compute x₁ = x + F₀(x), x₂ = x₁ + F₁(x₁) and so on, so that in the end "
        "x_L = x + F₀(x) + F₁(x₁) + … Write `unrolled(branches, x)`, which returns the list of these terms, F₀(x), "
        "F₁(x₁), …, without x itself. `branches` is the list of the functions F₀, F₁, …; `x` stays as it is."
    ),
    hints=(
        "Which input does the second branch see, x or what left the first block?",
        "Go through the branches: compute the term, keep it, add it to x by `x = x + term`. What would `x += term` "
        "write into?",
    ),
    check=checks.unrolled,
)
def unrolled(branches, x):
    terms = []
    for branch in branches:
        terms.append(branch(x))
        x = x + terms[-1]  # a new tensor: the old one is the caller's
    return terms


@exercise(
    "build",
    question=(
        "Write `gradient_probe(net, X, y)` for an `nn.Sequential` and the loss `F.cross_entropy(net(X), y)`. It "
        "catches the outputs of the network's children by hooks and returns a dict: from the name of each child, such "
        'as `"0"`, to the L2 norm of the loss\'s gradient with respect to the output of that child, a float. The '
        "children's own children do not count. Afterwards the network has the hooks, the mode and every `.grad` that "
        "it had before."
    ),
    hints=(
        "`net.named_children()` gives names and modules. What does a module hand to a forward hook, and what does "
        "`register_forward_hook` return, by which the hook can be taken away?",
        "Let each hook keep its output under a name of its own; a function that is given the name and returns the hook "
        "does it. Then `torch.autograd.grad(loss, outputs)` returns all the gradients and stores none.",
    ),
    check=checks.gradient_probe,
)
def gradient_probe(net, X, y):
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
