"""Pictures to look at, by number from a test set or handed in by the reader as a file."""

import io
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnlib.checks import check_batch
from cnnlib.datasets import Batches, Copies

FIRST = 500  # pictures that are taken of batches that cannot be had by number
BYTES, SIDE = 2 * 2**20, 4096  # of a picture that is handed in, at most


class Pictures:
    """The pictures of some batches, each to be had by its number.

    `highest` is the largest label, or None where the labels are no classes; `low` is the value of an empty pixel.
    """

    def __init__(self, batches):
        self._batches, self.low = batches, getattr(batches, "low", 0.0)
        inner = batches.batches if isinstance(batches, Copies) else batches
        if isinstance(inner, Batches):
            self._images, labels = inner, inner.labels
            self._count = len(inner.images)
        else:
            self._images, pairs, self._count = None, [], 0
            for batch in batches:
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
        If it is no such picture, or too large.
    """
    name = name if len(name) <= 40 else f"{name[:39]}…"
    if len(content) > BYTES:
        raise ValueError(f"{name} has {len(content) / 2**20:.1f} MB, at most 2 MB can be read. Make it smaller first.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    except UnidentifiedImageError:
        raise ValueError(f"{name} is no PNG or JPEG picture, or a damaged one. Choose another file.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{name} has too many pixels, at most {SIDE} × {SIDE} can be read.") from None
    except Exception:
        raise ValueError(f"{name} is damaged: its head cannot be read. Choose another file.") from None
    if max(picture.size) > SIDE:
        size = " × ".join(map(str, picture.size))
        raise ValueError(f"{name} has {size} pixels, at most {SIDE} × {SIDE} can be read. Make it smaller first.")
    try:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
            picture = Image.fromarray((np.asarray(picture, dtype=np.float64) / 257).round().astype(np.uint8))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = picture.convert("L").resize((width, height), Image.Resampling.BILINEAR)
    except Exception:
        raise ValueError(f"{name} is damaged: its pixels cannot be read. Choose another file.") from None
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
