"""A finished picture: shows in a notebook as one static image with a text beside it for those who cannot see it."""

import struct
import zlib

import numpy as np

from cnnlib.page.escape import printable
from cnnlib.page.storage import file_path, replace

QUICK, STORED = 1, 6  # zlib's levels for a frame and for a picture that stays: 3 against 30 ms, 103 against 85 kB


class Picture:
    """A matplotlib figure, rendered once at twice the screen's resolution.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    text : str
        What the picture shows, in a sentence; it is what remains where pictures cannot be seen, so it must not
        hold a number that changes from run to run.
    """

    def __init__(self, figure, text):
        self.figure, self.text = figure, text

    def png(self, scale=2):
        """Return the picture as the bytes of a PNG file."""
        return figure_png(self.figure, scale)

    def bundle(self):
        """Return the picture's MIME bundle and metadata, as a notebook stores them."""
        width, height = (int(round(side * self.figure.dpi)) for side in self.figure.get_size_inches())
        return {"image/png": self.png(), "text/plain": self.text}, {"image/png": {"width": width, "height": height}}

    def save(self, path):
        """Write the picture to a PNG file."""
        replace(file_path(path), self.png())

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.bundle()

    def __repr__(self):
        return printable(self.text)


class Sheet(Picture):
    """Several pictures below each other, as one.

    Parameters
    ----------
    pictures : sequence of Picture
    text : str
    """

    def __init__(self, pictures, text):
        super().__init__(pictures[0].figure, text)
        self.pictures = pictures

    def png(self, scale=2):
        """Return the pictures as the bytes of one PNG file."""
        return encode_png(self._pixels(scale))

    def bundle(self):
        """Return the MIME bundle and metadata."""
        sizes = [picture.figure.get_size_inches() * picture.figure.dpi for picture in self.pictures]
        size = {"width": int(round(max(w for w, _ in sizes))), "height": int(round(sum(h for _, h in sizes)))}
        return {"image/png": self.png(), "text/plain": self.text}, {"image/png": size}

    def _pixels(self, scale):
        parts = [_figure_pixels(picture.figure, scale) for picture in self.pictures]
        width = max(part.shape[1] for part in parts)
        white = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in parts]
        return np.ascontiguousarray(np.concatenate(white))


def _figure_pixels(figure, scale):
    """Render a figure at `scale` times its own resolution, as an array of shape (H, W, 4)."""
    dpi = figure.dpi
    figure.set_dpi(dpi * scale)
    try:
        figure.canvas.draw()
        return np.array(figure.canvas.buffer_rgba())  # whose size matplotlib knows: some versions round it, some cut it
    finally:
        figure.set_dpi(dpi)


def figure_png(figure, scale):
    """Render a figure at `scale` times its own resolution, as PNG bytes."""
    return encode_png(_figure_pixels(figure, scale), STORED)


def encode_png(pixels, level=QUICK):
    """Encode pixels as PNG, fast enough for a chart that moves: a third of Pillow's time on the same picture.

    Every row is stored as its difference from the row above (the filter "Up" of the PNG specification, section 9.2),
    which suits charts; Pillow tries five filters on every row. Where nothing is transparent no transparency is stored.

    Parameters
    ----------
    pixels : contiguous uint8 array of shape (H, W, 3) or (H, W, 4)
        RGB or RGBA.
    level : int
        How hard zlib tries, 1 to 9.
    """
    height, width, channels = pixels.shape
    if channels == 4 and (pixels[:, :, 3] == 255).all():
        pixels, channels = _opaque(pixels), 3
    flat = pixels.reshape(height, channels * width)
    rows = np.empty((height, 1 + channels * width), np.uint8)
    rows[:, 0] = 2  # the filter's number
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    colour = {3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)  # 8 bits a channel, not interlaced
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, level=level)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _opaque(pixels):
    """Return the red, green and blue of RGBA pixels: plane by plane, which is eight times as fast as all at once."""
    rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
    for channel in range(3):
        rgb[:, :, channel] = pixels[:, :, channel]
    return rgb


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
