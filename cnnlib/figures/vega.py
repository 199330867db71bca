"""Charts that answer without a kernel, in Vega-Lite: the page filters runs that it has, by controls of its own.

JupyterLab draws version 5 of Vega-Lite by itself, without a network; the book brings the script.
"""

import json

from cnnlib.figures.style import COLOURS

MIME = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name: nothing is fetched
QUIET = {"color": "currentColor", "opacity": 0.16, "strokeWidth": 1, "clip": True}
LOUD = {"strokeWidth": 2.6, "clip": True}
TYPE = 15
LABELS = {"norm": "batch norm", "rate": "learning rate", "batch": "batch size", "weights": "initial weights"}


def panel_specification(title, controls, rows, provenance, wide=True):
    """Return a chart of recorded runs whose controls choose one of them.

    Parameters
    ----------
    title, provenance : str
    controls : dict of str to sequence
        The values of each control; the first is the one at the start.
    rows : list of dict
        One a run, as `RecordedPanel.rows`.
    wide : bool
        Whether its parts stand side by side.

    Returns
    -------
    dict
    """
    looks = next(row["looks"] for row in rows if row.get("looks"))
    names, params = list(controls), [_control(name, values) for name, values in controls.items()]
    chosen = " && ".join(f"datum[{name!r}] === {name}" for name in controls)
    size = {"width": 250 if wide else 270, "height": 210}
    parts = []
    if "loss" in rows[0]:
        parts.append(_curve("steps", "loss", "train loss", [0, 2.5], COLOURS[0], chosen, names, size))
        parts.append(_curve("tested", "test", "test accuracy", [0, 1], COLOURS[2], chosen, names, size))
    if len(looks) > 1:
        step = looks[1] - looks[0]
        bound = {"input": "range", "min": looks[0], "max": looks[-1], "step": step, "name": "gradients after step "}
        params.append({"name": "look", "value": looks[0], "bind": bound})
    else:
        size = {"width": 620 if wide else 270, "height": 260}
    parts.append(_gradients(chosen, names, len(looks) > 1, len(looks) == 1, size))
    axis = {f"{part}Color": "currentColor" for part in ("label", "title", "tick", "domain", "grid")}
    axis |= {"titleFontSize": TYPE, "titleFontWeight": "normal", "labelFontSize": TYPE}
    axis |= {"grid": True, "gridOpacity": 0.15}
    return {
        "$schema": SCHEMA, "background": "transparent", "params": params,
        "data": {"values": _short(rows), "format": {"type": "json"}},
        "title": {"text": title, "subtitle": _broken(provenance, 100 if wide else 40), "anchor": "start",
                  "fontSize": 17, "subtitleFontSize": TYPE, "color": "currentColor", "subtitleColor": "currentColor"},
        "concat": parts, "columns": 3 if wide else 1, "spacing": 24,
        "config": {"axis": axis, "view": {"stroke": None}, "font": "system-ui, sans-serif"},
    }  # fmt: skip


def _short(rows):
    """Return the runs as one short line; two digits of a gradient are as much as a logarithmic axis shows."""
    rows = [row | {"gradients": [[g and float(f"{g:.2g}") for g in look] for look in row["gradients"]]}
            if "gradients" in row else row for row in rows]  # fmt: skip
    return json.dumps(rows, separators=(",", ":"))


def _control(name, values):
    kind = "radio" if len(values) <= 4 else "select"
    ordered = sorted(values) if all(isinstance(value, int | float) for value in values) else list(values)
    bound = {"input": kind, "options": ordered, "name": f"{LABELS.get(name, name)} "}
    return {"name": name, "value": values[0], "bind": bound}


def _curve(x, y, label, domain, colour, chosen, controls, size):
    """Return one pair of axes: every run faintly, and the chosen one."""
    axes = {
        "x": {"field": x, "type": "quantitative", "title": "step", "scale": {"domainMin": 0, "nice": False}},
        "y": {"field": y, "type": "quantitative", "title": label, "scale": {"domain": domain}},
    }
    flat = [{"filter": f"isValid(datum.{y})"}, {"flatten": [x, y]}]
    tip = [{"field": name} for name in (*controls, x, y)]
    ended = [{"filter": f"{chosen} && isValid(datum.diverged)"}]
    ended += [{"calculate": "'diverged at step ' + datum.diverged", "as": "said"}]
    words = {"type": "text", "align": "left", "x": 8, "y": 16, "fontSize": TYPE, "color": "currentColor"}
    lines = _lines(flat, axes, chosen, controls, tip, color=colour, point=y == "test")
    return {**size, "layer": [*lines, {"transform": ended, "mark": words, "encoding": {"text": {"field": "said"}}}]}


def _gradients(chosen, controls, moving, blocks, size):
    """Return the gradient of each layer, or block, on a logarithmic axis."""
    place = "block" if blocks else "layer"
    flat = [{"filter": "isValid(datum.gradients)"}, {"flatten": ["looks", "gradients"]}]
    flat += [{"filter": "datum.looks === look"}] if moving else []
    flat += [
        {"flatten": ["gradients"]},
        {"window": [{"op": "row_number", "as": "number"}], "groupby": controls},
        {"filter": "datum.gradients > 0"},
    ]
    tip = [{"field": "number", "title": place}, {"field": "gradients", "format": ".2e"}]
    axes = {
        "x": {"field": "number", "type": "quantitative", "title": f"{place}, from the image to the scores",
              "scale": {"zero": False, "nice": False}, "axis": {"tickMinStep": 1, "format": "d", "tickCount": 6}},
        "y": {"field": "gradients", "type": "quantitative", "title": "gradient (RMS)", "scale": {"type": "log"},
              "axis": {"format": ".0e", "tickCount": 5}},
    }  # fmt: skip
    return {**size, "layer": _lines(flat, axes, chosen, controls, tip, color=COLOURS[1])}


def _lines(flat, axes, chosen, controls, tip, **look):
    """Return every run faintly, and over them the chosen one."""
    quiet, loud = {"type": "line", **QUIET}, {"type": "line", **look, **LOUD}
    apart, told = {"detail": [{"field": name} for name in controls]}, {"tooltip": tip}
    return [
        {"transform": flat, "mark": quiet, "encoding": axes | apart},
        {"transform": [{"filter": chosen}, *flat], "mark": loud, "encoding": axes | told},
    ]


def _broken(text, width):
    """Break a line between words."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]
