"""The controls of the feature explorer, and what each of them sets: by hand, by a file, or by the pad."""

from functools import partial

import ipywidgets

from cnnlib.page.announce import alert
from cnnlib.page.escape import one_line
from cnnlib.widgets.background import random_lock
from cnnlib.widgets.columns import Columns
from cnnlib.widgets.controls import LABEL
from cnnlib.widgets.pad import MOST, DrawingPad
from cnnlib.widgets.pictures import grey_picture
from cnnlib.widgets.versions import hint, take_files

LIVE = 0.2  # seconds: a slider that is answered within them is followed while it moves
HINTS = {  # of the controls: label and tooltip
    "picture": ("picture", "A picture of the test set"),
    "draw": ("draw one", "Draw a picture and see what the network makes of it"),
    "layer": ("layer", "The layer whose maps are shown"),
    "channel": ("channel", "The map that is shown large"),
    "search": ("what excites it", "Look for the places in test pictures that excite the channel most"),
    "apart": ("one place a picture", "Take the strongest place of each picture alone"),
    "upload": ("your own picture", "A PNG or JPEG picture of at most 2 MB"),
    "invert": ("mine is dark on white", "Turn dark into light: the clothes are light on black"),
}


class FeatureControls(Columns):
    """The page of an explorer that has `settings`, `copy` (a NetworkCopy), `_pictures` and `upload`."""

    name = "features"

    def _build(self):
        s, live = self.settings, self.copy.net is None or self.copy.seconds < LIVE
        last = max(len(self._pictures) - 1, 1)
        Box = partial(ipywidgets.Checkbox, indent=False, style=LABEL)
        self.inputs = {
            "picture": ipywidgets.IntSlider(s["picture"], 0, last, continuous_update=live),
            "layer": ipywidgets.Dropdown(),
            "channel": ipywidgets.IntSlider(s["channel"], 0, max(s["channel"], 1)),
            "search": Box(s["search"]),
            "apart": Box(s["apart"]),
            "invert": Box(s["invert"]),
        }
        self.drawer, self.chooser = Box(False), ipywidgets.FileUpload(accept=".png,.jpg,.jpeg")
        self.pad = DrawingPad(min(max(self._pictures.at([0])[0].shape[-2:]), MOST))
        named = {**self.inputs, "draw": self.drawer, "upload": self.chooser}
        for name, (label, words) in HINTS.items():
            named[name].description = label
            hint(named[name], words)
        for name, control in self.inputs.items():
            control.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        self.chooser.observe(lambda change: self._receive(take_files(self.chooser) if change["new"] else ()), "value")
        self.drawer.observe(lambda change: self._fold(change["new"]), "value")
        self.pad.observe(lambda change: self._follow_pad(), "ink")
        order = ("picture", "draw", "pad", "layer", "channel", "search", "apart", "upload", "invert")
        self._lay_out({name: named.get(name, self.pad) for name in order})
        with random_lock:
            self._sync()
            self._show()

    def _sync(self):
        """Set the controls to what the settings are."""
        s, layers = self.settings, self.copy.layers.values()
        last = self.copy.layers[s["layer"]].shape[0] - 1 if layers else s["channel"]
        s["channel"], s["picture"] = min(s["channel"], last), min(s["picture"], len(self._pictures) - 1)
        if self._widget is None:
            return
        self._quiet = True
        try:
            layer, channel = self.inputs["layer"], self.inputs["channel"]
            options = tuple((f"{x.name}: {x.kind}, {' × '.join(map(str, x.shape))}", x.name) for x in layers)
            if layer.options != options:
                layer.options = options
            channel.max, channel.disabled = max(last, 1), not last  # a slider of one value cannot be drawn
            for name, control in self.inputs.items():
                control.value = s[name]
            self.inputs["invert"].disabled = self.upload is None or s["draw"]
            self.drawer.value, self.pad.layout.display = s["draw"], None if s["draw"] else "none"
        finally:
            self._quiet = False

    def _set(self, name, value):
        with random_lock:
            if self._quiet:
                return
            self.settings[name] = value
            if name == "picture":
                self.upload, self.settings["draw"] = None, False  # back to the test set
            self._sync()
            self._show()

    def _receive(self, files):
        with random_lock:
            if not files:
                return
            name, content = one_line(files[0]["name"], 80), files[0]["content"]
            self._look_at(name, partial(grey_picture, content, name), drawn=False)

    def _fold(self, on):
        """Unfold the pad and look at what is on it, or go back to the test picture."""
        with random_lock:
            if self._quiet:
                return
            self.upload, self.settings["draw"] = None, on
            self._sync()
            self._follow_pad() if on else self._show()

    def _follow_pad(self):
        with random_lock:
            if self.settings["draw"]:
                self._look_at("your drawing", self.pad.picture, drawn=True)

    def _look_at(self, name, read, drawn):
        """Look at a picture of the reader's, which `read(height, width)` returns; show an error if that fails."""
        try:
            self.upload = name, read(*self._pictures.at([0])[0].shape[-2:])
        except Exception as error:
            before = self._drawing.svg() if self._drawing is not None else ""
            self.image.value = alert(error) + before  # what was to be seen stays
            return
        self.settings["draw"] = drawn
        self.copy.forget()
        self._sync()
        self._show()
