"""The shape and cost walk: step through a network, layer by layer, and see or guess what each does with its input."""

import ipywidgets
import torch

from cnnlib.datasets import load_arrays
from cnnlib.figures import draw_step
from cnnlib.page.escape import html_text
from cnnlib.probes import walk_layers
from cnnlib.validation import Bool, Example, Network, arguments
from cnnlib.widgets.background import random_lock
from cnnlib.widgets.columns import Columns
from cnnlib.widgets.controls import LABEL, switch
from cnnlib.widgets.display import still
from cnnlib.widgets.shape_quiz import judge
from cnnlib.widgets.versions import hint


@arguments(net=Network(abstract=True), input_shape=Example(), quiz=Bool())
def explore_shapes(net, input_shape, picture=None, quiz=False):
    """Step through a network: shapes with their formulas, costs, and what one output sees of a picture.

    Parameters
    ----------
    net : nn.Module
        A network of the book, or one of your own; its innermost modules and its additions are the steps. It stays as it
        is.
    input_shape : tuple of int
        Shape of one example, without the batch: (1, 28, 28).
    picture : Tensor or array of shape (H, W) or (C, H, W), optional
        To show the patch on, resized to `input_shape`; a test picture of Fashion-MNIST unless given.
    quiz : bool
        Hide each output shape until you have typed it; a switch in the widget does the same.

    Returns
    -------
    ShapeWalk

    Raises
    ------
    TypeError, ValueError
        If the network cannot take an example of that shape, or `picture` is none.
    """
    return ShapeWalk(net, input_shape, picture, quiz)


class ShapeWalk(Columns):
    """The widget of `explore_shapes`; arguments as there.

    Attributes
    ----------
    walk : Walk
    number : int
        The step that is shown, counted from 1.
    quiz : bool
    solved : set of int
        The steps whose shape the reader has typed.
    """

    name = "walk"

    def __init__(self, net, input_shape, picture=None, quiz=False):
        with random_lock:  # a layer may draw random numbers, which are put back
            self.walk = walk_layers(net, input_shape, additions=True)
        self.grey = _grey(picture, tuple(input_shape[1:])) if len(input_shape) == 3 else None
        self.number, self.quiz, self.solved, self.shown = 1, quiz, set(), set()
        self.verdict = ""

    def draw(self, number=None):
        """Return the drawing of a step, the present one unless given; in a quiz, without what is to be guessed."""
        number = self.number if number is None else number
        return draw_step(self.walk, number, self.grey, self.quiz and number not in self.solved | self.shown)

    def answer(self, text):
        """Judge a shape that the reader typed for the present step; return (whether it is right, what to say)."""
        right, said = judge(self.walk[self.number - 1], text)
        if right and self.number not in self.shown:
            self.solved.add(self.number)
        return right, said

    def _build(self):
        last, Button = len(self.walk), ipywidgets.Button
        controls = {
            "slider": ipywidgets.IntSlider(self.number, 1, max(last, 2), description="layer", style=LABEL),
            "back": Button(description="Back", tooltip="the layer before", icon="arrow-left"),
            "next": Button(description="Next", tooltip="the next layer", icon="arrow-right"),
            "switch": switch("quiz", self.quiz, label="quiz: hide the output shape").make(),
            "typed": ipywidgets.Text(
                description="output shape", placeholder="16, 10, 10", continuous_update=False, style=LABEL
            ),
            "check": Button(description="Check", tooltip="check the shape that you typed"),
            "reveal": Button(description="Show", tooltip="show the output shape, uncounted"),
            "said": ipywidgets.HTML(),
        }  # fmt: skip
        hint(controls["typed"], "the output shape: channels, height, width")
        for name, control in controls.items():
            setattr(self, name, control)
        self.slider.observe(lambda change: self._go(change["new"]), "value")
        self.back.on_click(lambda _: self._go(self.number - 1))
        self.next.on_click(lambda _: self._go(self.number + 1))
        self.switch.observe(lambda change: self._set_quiz(change["new"]), "value")
        self.typed.observe(lambda change: change["new"].strip() and self._check(), "value")
        self.check.on_click(lambda _: self._check())
        self.reveal.on_click(lambda _: self._reveal())
        self._lay_out(controls)
        self._show()

    def _go(self, number):
        number = min(max(number, 1), len(self.walk))
        if number != self.number:
            self.number, self.verdict = number, ""
            self.typed.value, self.slider.value = "", number
            self._show()

    def _set_quiz(self, quiz):
        self.quiz, self.verdict = quiz, ""
        self._show()

    def _check(self):
        right, said = self.answer(self.typed.value)
        kind, mark = ("right", "✓") if right else ("wrong", "✗")
        self.verdict = f"<b class='cnnlib-{kind}'>{mark}</b> {html_text(said)}"
        self._show()

    def _reveal(self):
        if self.number not in self.solved:
            self.shown.add(self.number)
        self.verdict = ""
        self._show()

    def _show(self):
        super()._show()
        self.back.disabled, self.next.disabled = self.number == 1, self.number == len(self.walk)
        for control in (self.slider, self.back, self.next):
            control.layout.display = None if len(self.walk) > 1 else "none"
        for control in (self.typed, self.check, self.reveal):
            control.layout.display = None if self.quiz else "none"
        count = f"Right so far: {len(self.solved)} of {len(self.walk)}." if self.quiz else ""
        self.said.value = f"<div role='status'>{self.verdict} {count}</div>"

    def _static(self):
        shown = [step.number for step in self.walk if step.kind == "addition"]
        shown += [step.number for step in self.walk if step.parameters]
        first = (shown or [1])[0]
        return still(draw_step(self.walk, first, self.grey))

    def __repr__(self):
        return f"ShapeWalk of {len(self.walk)} steps"


def _grey(picture, sides):
    """Return the picture as a uint8 array of the sides (H, W), dark on white, faint enough for a frame upon it."""
    if picture is None:
        picture = load_arrays("t10k")[0][0]
    try:
        X = torch.as_tensor(picture).detach().cpu().float()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"picture must be a tensor or an array, got {type(picture).__name__}. Try X[0].") from error
    if X.dim() not in (2, 3) or not X.numel() or not X.isfinite().all():
        raise ValueError(
            f"picture must be (H, W) or (C, H, W) of finite numbers, got the shape {tuple(X.shape)}. Try X[0]."
        )
    X = X.reshape(1, -1, *X.shape[-2:]).mean(1, keepdim=True)
    X = torch.nn.functional.interpolate(X, sides, mode="bilinear", antialias=True)[0, 0]
    X = (X - X.min()) / (X.max() - X.min()).clamp_min(1e-12)
    return (255 - 140 * X).byte().numpy()
