"""Make a chapter readable without a network: formulas as MathML, panels with a hint.

Browsers draw MathML by themselves and screen readers speak it, so no script need be shipped to typeset a page
(MathJax for Python is a wheel of 2022, and its letters do not load from a file in Firefox).
"""

import re

from latex2mathml.converter import convert
from nbformat.v4 import new_output

WIDGET = "application/vnd.jupyter.widget-view+json"
CODE_OR_FORMULA = re.compile(
    r"(?P<code>^```.*?^```|`+[^`]+`+)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\s](?:[^$\n]*[^$\s])?)\$",
    re.MULTILINE | re.DOTALL,
)
HOW_TO_RUN = "*A picture of a live panel. To use it: `make lab`, then run this cell.*"


def _mathml(found):
    if found["code"]:
        return found[0]
    text = convert((found["block"] or found["inline"]).strip(), display="block" if found["block"] else "inline")
    return re.sub(r"(?<=>)[*_\[\]`\\~]+(?=<)", lambda part: "".join(f"&#{ord(c)};" for c in part[0]), text)


def offline_text(source):
    """Return a Markdown text with MathML for its formulas."""
    return CODE_OR_FORMULA.sub(_mathml, source)


def offline(notebook):
    """Change a notebook in place so that a page made of it needs no network and no kernel; return it."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = offline_text(cell.source)
            continue
        outputs = []
        for output in cell.outputs:
            data = output.get("data", {})
            live = data.pop(WIDGET, None)
            if "text/latex" in data:
                formula = data.pop("text/latex")
                data["text/markdown"] = formula if "$" in formula else f"$${formula}$$"
            if "text/markdown" in data:
                data["text/markdown"] = offline_text(data["text/markdown"])
            outputs.append(output)
            kind = next((kind for kind in data if kind.startswith("image/")), None)
            if kind is None:
                continue
            words = {"alt": data.get("text/plain", "")}  # for readers who do not see it
            output.metadata.setdefault(kind, {}).update(words)  # nbconvert looks here, myst-nb there
            cell.metadata["mystnb"] = {"image": words}
            if live:
                outputs.append(new_output("display_data", {"text/markdown": HOW_TO_RUN, "text/plain": HOW_TO_RUN}))
        cell.outputs = outputs
    return notebook
