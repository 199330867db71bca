"""A finished picture: shows in a notebook as one static image with a text beside it for those who cannot see it."""

import io


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
        with open(path, "wb") as file:
            file.write(self.png())

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.bundle()

    def __repr__(self):
        return self.text


def figure_png(figure, scale):
    """Render a figure at `scale` times its own resolution, as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi * scale)
    return buffer.getvalue()
