"""Pictures to look at: by number from a test set, or a reader's own, as a file or drawn on a pad."""

import io
import reprlib
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnlib.datasets import CLASSES, Batches, Copies
from cnnlib.figures import Found
from cnnlib.validation import Count, Iterable, check_batch

FIRST = 500  # pictures that are kept of batches that give none by its number
BYTES, SIDE = 2 * 2**20, 4096  # of a picture that is handed in, at most


class Pictures:
    """The pictures of some batches, each by its number.

    `highest` is the largest label, or None where the labels are not classes; `low` is the value of an empty pixel.
    """

    def __init__(self, batches):
        self._batches, self.low = batches, getattr(batches, "low", 0.0)
        inner = batches.batches if isinstance(batches, Copies) else batches
        if isinstance(inner, Batches):
            self._images, labels = inner, inner.labels
            self._count = len(inner.images)
        else:
            self._images, pairs, self._count = None, [], 0
            for batch in Iterable()(batches, "batches"):
                X, y = check_batch(batch)
                pairs.append((X[: FIRST - self._count], y[: FIRST - self._count]))
                self._count += len(pairs[-1][0])
                if self._count >= FIRST:
                    break
            self._X, self._y = map(torch.cat, zip(*pairs, strict=True)) if pairs else (torch.empty(0), torch.empty(0))
            labels = self._y
        if not self._count:
            raise ValueError("there is no picture to look at: the batches are empty. Give a test set.")
        shape = tuple(self.at([0])[0].shape)
        if len(shape) != 4:
            raise ValueError(f"pictures must be of shape (N, C, H, W), got {shape}. Give the batches of a test set.")
        classes = labels.dim() == 1 and not labels.is_floating_point() and not isinstance(batches, Copies)
        self.highest = int(labels.max()) if classes else None

    def __len__(self):
        return self._count

    def check(self, number):
        """Return the number of a picture as an int; raise unless there is such a picture."""
        if Count(least=0)(number, "picture") >= len(self):
            raise ValueError(f"there are {len(self):,} pictures, number 0 to {len(self) - 1}, got {number}.")
        return int(number)

    def at(self, index):
        """Return X and y of the pictures with these numbers, as the batches would give them."""
        if self._images is None:
            return self._X[index], self._y[index]
        some = Batches(self._images.images[index], self._images.labels[index], len(index), resize=self._images.resize)
        return next(iter(Copies(some, self.low) if isinstance(self._batches, Copies) else some))

    def first(self, num):
        """Yield the first `num` pictures, a few at a time."""
        numbers = torch.arange(min(num, self._count))
        return (self.at(few) for few in numbers.split(64))

    def ink(self, X):
        """Return a picture (C, H, W) as ink, (H, W): 0 is empty, 1 is full."""
        return ((X.float() - self.low) / (1 - self.low)).mean(0)


def class_names(classes, highest):
    """Return the names of the classes as a list, or None where their numbers are shown instead.

    `highest` is the largest label, or None where the labels are not classes.

    Raises
    ------
    TypeError, ValueError
        If `classes` is not a sequence of names, or has fewer names than there are labels.
    """
    if classes is None:
        return list(CLASSES) if highest is not None and highest < len(CLASSES) else None
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"classes must be a sequence of names, got {classes!r}. Try ('cat', 'dog').")
    if highest is not None and len(classes) <= highest:
        raise ValueError(f"there are labels up to {highest}, so {highest + 1} names are needed, got {len(classes)}.")
    return list(classes)


def found_at(image, word, value, layer, row, column):
    """Return a place of a map as a place in the picture."""
    field, (height, width) = layer.field, image.shape
    if field is None:
        return Found(
            image, word, value, ((row + 0.5) * height / layer.shape[1], (column + 0.5) * width / layer.shape[2])
        )
    top, left = field.start + row * field.stride, field.start + column * field.stride
    centre = (min(max(top + field.size / 2, 0), height), min(max(left + field.size / 2, 0), width))
    return Found(image, word, value, centre, (top, left, field.size) if field.size < min(height, width) else None)


def grey_picture(content, name, height, width):
    """Read a PNG or JPEG picture and make it grey, (height, width), 0 for black and 1 for white.

    What is transparent becomes white. Nothing but these two formats is tried.

    Parameters
    ----------
    content : bytes-like
    name : str
        Of the file, for the message.

    Raises
    ------
    ValueError
        If it is not such a picture, or too large.
    """
    trouble = f"has {len(content) / 2**20:.1f} MB, at most 2 MB can be read. Make it smaller first."
    try:
        if len(content) <= BYTES:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
            if max(picture.size) <= SIDE:
                return _grey(picture, height, width)
            size = " × ".join(map(str, picture.size))
            trouble = f"has {size} pixels, at most {SIDE} × {SIDE} can be read. Make it smaller first."
    except UnidentifiedImageError:
        trouble = "is no PNG or JPEG picture, or a damaged one. Choose another file."
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        trouble = f"has too many pixels, at most {SIDE} × {SIDE} can be read."
    except Exception:
        trouble = "is damaged and cannot be read. Choose another file."
    raise ValueError(f"{name if len(name) <= 40 else f'{name[:39]}…'} {trouble}")


def _grey(picture, height, width):
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture, dtype=np.float64) / 257).round().astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("L").resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)


def ink_picture(values, side, height, width):
    """Turn what was drawn on a pad into ink, (height, width): 0 is empty, 1 is full.

    Parameters
    ----------
    values : list of int
        Row by row, 0 for an empty cell to 255 for a full one. They come from a page, so they may be anything.
    side : int
        Cells of a row and of a column.

    Raises
    ------
    ValueError
        If it is anything else, or of another length.
    """
    hint = "Press Clear, and draw again."
    if not isinstance(values, list) or len(values) != side * side:
        got = f"{len(values):,} values" if isinstance(values, list) else type(values).__name__
        raise ValueError(f"a drawing must be a list of {side} × {side} values, got {got}. {hint}")
    for value in values:
        if type(value) is not int or not 0 <= value <= 255:  # True is not a value of a cell
            raise ValueError(
                f"the values of a drawing must be whole numbers from 0 to 255, got {reprlib.repr(value)}. {hint}"
            )
    picture = Image.fromarray(np.array(values, dtype=np.uint8).reshape(side, side))
    return torch.from_numpy(np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32) / 255)
