"""Three SVG elements, which is all that the live drawings need."""

import html

from cnnlib.style import INK


def rect(x, y, width, height, fill, stroke=INK):
    """Return a rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" stroke="{stroke}" '
        'stroke-width="0.8"/>'
    )


def line(points, colour, width, dash=""):
    """Return a line through points (x, y)."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'


def text(x, y, words, size=14, fill=INK, weight="normal", anchor="middle"):
    """Return a line of text, escaped."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{html.escape(words)}</text>'
    )
