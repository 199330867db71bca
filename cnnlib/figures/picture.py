"""A finished picture: shows in a notebook as one static image with a text beside it for those who cannot see it."""

import io
import struct
import zlib

import numpy as np

from cnnlib.page.escape import printable
from cnnlib.page.storage import file_path, replace

QUICK, KEPT = 1, 6  # zlib's levels for a frame and for a picture that stays: 3 against 30 ms, 103 against 85 kB
PALETTES = (24, 32, 48, 64, 96, 128, 256)  # colours of a picture in a notebook: as few as suffice
STORED = 1.25  # times its size on the page: sharp on a screen that is not dense, and half of the bytes of twice
LOSS = 0.45  # of 255: the largest mean error of a palette, too small to be seen
OFTEN, OFF = 40, 24  # pixels of a colour that has to stay as it is, and how far it may be off: of 255, in a channel


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
        return encode_png(self._pixels(scale), KEPT)

    def bundle(self, palette=True):
        """Return the picture's MIME bundle and metadata, as a notebook stores them.

        Without a palette its PNG takes four times the room and a tenth of the time, 7 ms, for a cell somebody is at.
        """
        width, height = (int(round(side)) for side in self._size())
        encode = palette_png if palette else encode_png
        png = encode(self._pixels(STORED))
        return {"image/png": png, "text/plain": self.text}, {"image/png": {"width": width, "height": height}}

    def _size(self):
        """Return width and height on the page."""
        return self.figure.get_size_inches() * self.figure.dpi

    def _pixels(self, scale):
        return _figure_pixels(self.figure, scale)

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

    def _size(self):
        sizes = [picture.figure.get_size_inches() * picture.figure.dpi for picture in self.pictures]
        return max(w for w, _ in sizes), sum(h for _, h in sizes)

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


def palette_png(pixels):
    """Encode pixels, (H, W, 4), as a PNG of few colours: a third of the size, with no loss that can be seen."""
    from PIL import Image, ImageChops, ImageStat  # here: 40 ms that `import cnnlib` need not cost

    image = Image.fromarray(pixels).convert("RGB")
    often = [colour for count, colour in image.getcolors(image.width * image.height) if count >= OFTEN]
    strip = Image.fromarray(np.array([often or [(255, 255, 255)]], np.uint8))
    for colours in PALETTES:
        small = image.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
        off = ImageChops.difference(strip.quantize(palette=small, dither=Image.Dither.NONE).convert("RGB"), strip)
        lost = np.mean(ImageStat.Stat(ImageChops.difference(small.convert("RGB"), image)).mean)
        if lost < LOSS and max(most for _, most in off.getextrema()) <= OFF:
            break
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()


def encode_png(pixels, level=QUICK):
    """Encode pixels as PNG, fast enough for a chart that moves: a third of Pillow's time on the same picture.

    Every row is kept as its difference from the row above (the filter "Up" of the PNG specification, section 9.2),
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
