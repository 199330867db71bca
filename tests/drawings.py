"""What every drawing must be, and the words and pixels of one."""

import io
import re
from xml.etree import ElementTree

import numpy as np
from PIL import Image

NUMBERS = ("x", "y", "x1", "x2", "y1", "y2", "width", "height", "cx", "cy", "r", "points")
KINDS = {"svg", "rect", "text", "polyline", "circle", "g", "image", "title", "desc"}


def parsed(drawing):
    """Return the root of a drawing's SVG: well formed, of known elements, all numbers finite, drawn as a PNG too."""
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("role") == "img" and root.get("aria-label") == drawing.text == repr(drawing)
    assert root.get("viewBox") == f"0 0 {drawing.width} {drawing.height}" and drawing.height > 50
    assert {element.tag.split("}")[1] for element in root.iter()} <= KINDS, "a text has become an element"
    for value in (element.get(name) for element in root.iter() for name in NUMBERS if element.get(name)):
        assert np.isfinite([float(part.rstrip("%")) for part in re.split("[ ,]", value)]).all(), value
    assert drawing.picture().png(1)[:4] == b"\x89PNG"
    return root


def words_of(drawing):
    """Return the texts of a drawing."""
    return ["".join(element.itertext()) for element in parsed(drawing).iter() if element.tag.endswith("}text")]


def pixels(png):
    """Return the pixels of a PNG, (height, width, 3): something is drawn."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    array = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    assert (array != 255).any(axis=2).mean() > 0.005
    return array
