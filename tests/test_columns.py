"""What all explorers have in common: two columns, errors on the page, a stored picture, parts that can be pressed."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnlib.figures.picture import STORED
from cnnlib.models import cifar_resnet, lenet
from cnnlib.widgets import (
    Convolution,
    GradientSum,
    Lesions,
    convolution,
    display,
    explore_features,
    explore_shapes,
    feature_explorer,
    gradient_sum,
    lesions,
    shape_walk,
)

EXPLORERS = {  # how one is made, a control and three values of it, and what computes or draws the picture
    "features": (lambda noise: explore_features(lenet(nn.ReLU), noise(30, shuffle=False)),
                 lambda e: e.inputs["channel"], (1, 2, 0), (feature_explorer, "draw_feature_explorer")),
    "shapes": (lambda noise: explore_shapes(lenet(), (1, 28, 28)),
               lambda e: e.slider, (3, 4, 1), (shape_walk, "draw_step")),
    "sum": (lambda noise: GradientSum(torch.rand(3, 1, 8, 8), torch.arange(3), num_blocks=3),
            lambda e: e.inputs["block"], (2, 3, 1), (gradient_sum, "gradient_parts")),
    "convolution": (lambda noise: Convolution(torch.arange(64.0).reshape(8, 8) % 7, {"edge": [[-1, 1]]}),
                    lambda e: e.inputs["row"], (2, 3, 1), (convolution, "draw_convolution")),
    "lesions": (lambda noise: Lesions({"net": cifar_resnet(14, 4, "identity")}, noise(32, size=14)),
                lambda e: e.part, (3, 4, 2), (lesions, "draw_lesions")),
}  # fmt: skip


@pytest.fixture(params=EXPLORERS)
def made(request, noise):
    """Return an explorer, its control, values of it, and the module and name of what makes its picture."""
    make, control, values, source = EXPLORERS[request.param]
    explorer = make(noise)
    assert explorer.widget is explorer.widget
    return explorer, control(explorer), values, source


def test_a_control_stands_on_the_left_and_changes_the_picture_on_the_right(made):
    explorer, control, values, _ = made
    left, right = explorer.widget.children[:2]
    assert control in left.children and right.children[0] is explorer.image
    rounds = []
    for _ in range(3):  # in the first one, lesions are still being measured
        rounds.append([])
        for value in values:
            control.value = value
            rounds[-1].append(explorer.image.value)
    assert rounds[1] == rounds[2] and len(set(rounds[1])) == 3 and all("<svg" in page for page in rounds[0])


def test_an_error_is_said_the_cell_can_be_shown_again_and_the_next_move_recovers(made, monkeypatch):
    explorer, control, values, source = made

    def fail(*args, **options):
        raise ZeroDivisionError("<b>evil</b>")

    with monkeypatch.context() as context:
        context.setattr(*source, fail)
        context.setattr(display, "kernel", lambda: object())
        control.value = values[0]
        page = explorer.image.value
        assert "role='alert'" in page and "&lt;b&gt;evil" in page and "<b>" not in page
        assert "<svg" in page, "what was to be seen stays"
        bundle, _ = explorer._repr_mimebundle_()
        assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    control.value = values[1]
    assert "<svg" in explorer.image.value and "alert" not in explorer.image.value


def test_without_a_kernel_it_is_a_picture(made, monkeypatch):
    static, metadata = made[0]._repr_mimebundle_()
    assert static["image/png"][:4] == b"\x89PNG" and metadata["image/png"]["width"] == 1000
    assert set(static) == {"image/png", "text/plain"} and "0." not in static["text/plain"], "no number that may vary"
    monkeypatch.setattr(display, "kernel", lambda: object())
    assert len(made[0]._repr_mimebundle_()[0]) == 3


def test_a_picture_is_small_where_it_is_stored():
    """And has the pixels of the lossless file, as far as anybody can see."""
    picture = explore_shapes(lenet(), (1, 28, 28)).draw().picture()
    stored, whole = picture.bundle()[0]["image/png"], picture.png(STORED)
    one, other = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in (stored, whole))
    assert len(stored) < 0.6 * len(whole) and np.abs(one - other).mean() < 0.3 and one.shape == other.shape
