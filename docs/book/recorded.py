"""Recorded panels in the book: their charts, and the one script that draws them, written once a book."""

import html
import json
from pathlib import Path

from cnnlib.figures.vega import MIME

SCRIPT = Path(__file__).with_suffix(".js")


def with_controls(notebook):
    """Change a notebook in place so that recorded panels are charts with controls; return whether it has any."""
    found = False
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            specification = data.pop(MIME, None)
            if specification is None:
                continue
            found = True
            title, options = specification["title"], output.metadata[MIME]["embed_options"]
            words = " ".join(title.pop("subtitle"))
            stored = json.dumps({"specification": specification, "options": options}).replace("</", "<\\/")
            picture = (
                f'<img alt="{html.escape(data["text/plain"])}" src="data:image/png;base64,{data.pop("image/png")}">'
            )
            data["text/html"] = (
                f'<div class="cnnlib-recorded">{picture}<script type="application/json">{stored}</script>'
                f"<p>{html.escape(words)}</p></div>"
            )
    return found


def vega_script():
    """Return the script of Vega-Lite, which a book needs once, with the lines that put it to work."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(SCRIPT.read_text(encoding="utf-8"), vl_version="5.20")
    return f"(() => {{\n{bundle}\n}})();\n"  # its short names stay its own
