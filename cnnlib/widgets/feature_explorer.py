"""The feature explorer: what each channel of a layer makes of a picture, its filter, and which places in the test
pictures excite it most (after figure 2 of Zeiler & Fergus 2014, arXiv:1311.2901).
"""

from functools import partial

import ipywidgets
import torch
from torch import nn

from cnnlib.figures import draw_feature_explorer
from cnnlib.page.announce import alert
from cnnlib.page.escape import one_line
from cnnlib.validation import Bool, arguments
from cnnlib.widgets.columns import Columns
from cnnlib.widgets.controls import LABEL
from cnnlib.widgets.network_copy import NetworkCopy
from cnnlib.widgets.pad import MOST, DrawingPad
from cnnlib.widgets.pictures import Pictures, class_names, found_at, grey_picture
from cnnlib.widgets.playground import View
from cnnlib.widgets.runner import random_lock

SLOW = 0.01  # seconds a picture: a search then takes some, and the page says that it is going on
LIVE = 0.2  # seconds: a slider that is answered within them is followed while it moves
HINTS = {  # of the controls: the label, and what a pointer that rests on one is told
    "picture": ("picture", "A picture of the test set"),
    "draw": ("draw one", "Draw a picture and see what the network makes of it"),
    "layer": ("layer", "The layer whose maps are shown"),
    "channel": ("channel", "The map that is shown large"),
    "search": ("what excites it", "Look for the places in test pictures that excite the channel most"),
    "apart": ("one place a picture", "Take the strongest place of each picture alone"),
    "upload": ("your own picture", "A PNG or JPEG picture of at most 2 MB"),
    "invert": ("mine is dark on white", "Turn dark into light: the clothes are light on black"),
}
EMPTY = "Press Start: the feature maps appear here."
SEARCHING = "<div role='status'>Looking through the test pictures for what excites it …</div>"


def explore_features(net, batches, classes=None, picture=0):
    """Return a FeatureExplorer: pick a picture, a layer and a channel, and see what excites it and where.

    Show it as the last line of a cell, or give it to a playground: `Playground(…, views=[explore_features(None,
    test_iter)])`.

    Parameters
    ----------
    net : nn.Module or None
        (N, C, H, W) → scores (N, classes), or anything else that has maps inside. None for the network of a playground.
    batches : Batches, Copies or iterable of (X, y)
        A test set, as `load_data_fashion_mnist` gives it. Of an iterable, the first 500 pictures.
    classes : sequence of str, optional
        Names of the classes; those of Fashion-MNIST if left out and there are no more than ten.
    picture : int
        The picture to begin with, counted from 0.

    Raises
    ------
    TypeError, ValueError
        If `net` is no network or has no layer with maps, the batches hold no pictures, there is no such picture, or
        there are fewer names than classes.
    """
    return FeatureExplorer(net, batches, classes, picture)


class FeatureExplorer(Columns, View):
    """Feature maps, filters and what excites them. Parameters as for `explore_features`.

    It looks at a copy of the network, so a network in training is never disturbed; `refresh` takes another copy.
    """

    name, title = "features", "Maps"

    def __init__(self, net, batches, classes=None, picture=0):
        self._pictures = Pictures(batches)
        self.classes = class_names(classes, self._pictures.highest)
        self.settings = {"picture": self._pictures.check(picture), "layer": None, "channel": 0, "search": True,
                         "apart": False, "invert": True, "draw": False}  # fmt: skip
        self.upload = None  # (name, grey of shape (H, W)) of a picture that was handed in or drawn
        self.net, self.copy, self._drawing = net, NetworkCopy(self._pictures), None
        self._quiet = False  # while the controls are being set
        if net is not None:
            with random_lock:
                self._take(net)
                self._look()  # what cannot be looked at fails here, not on the page

    def _take(self, net):
        """Copy a network as it stands, and find its layers."""
        self.copy.take(net, self._picture()[0])
        if self.settings["layer"] not in self.copy.layers:
            self.settings["layer"] = next(iter(self.copy.layers))
        self._sync()

    def _picture(self):
        """Return the picture, (1, C, H, W), and what it is called."""
        s, number = self.settings, self.settings["picture"]
        X, y = self._pictures.at([number])
        if self.upload is None:
            word = self._word(y[0])
            return X, f"picture {number}{word and ': '}{word}"
        name, grey = self.upload
        ink, low = 1 - grey if s["invert"] and not s["draw"] else grey, self._pictures.low
        return (ink * (1 - low) + low).expand(X.shape), name

    def _look(self):
        """Return maps (C, H, W) and the output of the network for the picture."""
        s = self.settings
        key = s["layer"], s["picture"], id(self.upload), s["invert"]
        return self.copy.look(key, lambda: self._picture()[0])

    # The picture

    @arguments(search=Bool())
    def draw(self, search=None):
        """Return the drawing for the settings as they stand, or None without a network.

        `search` says whether to look for the nine places; as the control says if left out.
        """
        if self.copy.net is None:
            return None
        with random_lock:
            layer = self.copy.layers[self.settings["layer"]]
            channel, (maps, output) = self.settings["channel"], self._look()
            X, name = self._picture()
            image, (_, height, width) = self._pictures.ink(X[0]), layer.shape
            mark = found = filters = None
            one = maps[channel].nan_to_num(-torch.inf)
            if one.numel() > 1 and one.max() > one.min():
                row, column = divmod(one.argmax().item(), width)
                mark = found_at(image, "", one.max().item(), layer, row, column)
            wanted = self.settings["search"] if search is None else search
            places = self.copy.search(layer.name, self.settings["apart"]) if wanted else None
            if places is not None:
                spots = [t[channel].tolist() for t in (places.values, places.rows, places.columns)]
                Xs, ys = self._pictures.at(places.pictures[channel].tolist())
                found = [
                    found_at(self._pictures.ink(X), self._word(y), value, layer, row, column)
                    for X, y, value, row, column in zip(Xs, ys, *spots, strict=True)
                ]
            module = self.copy.net.get_submodule(layer.name)
            if isinstance(module, nn.Conv2d) and module.weight.shape[1] <= 3:
                filters = module.weight[channel]
        shape = f"{layer.shape[0]} {'map' if layer.shape[0] == 1 else 'maps'} of {height} × {width}"
        return draw_feature_explorer(
            image, maps, channel, title=f"Layer {layer.name}, {layer.kind}: {shape}", name=name,
            scores=self._scores(output), filters=filters, mark=mark, found=found,
            seen=places.num if places else 0, kind=layer.kind,
        )  # fmt: skip

    def _scores(self, output):
        """Return the three highest classes and their probabilities; none where the output is no row of scores."""
        if not isinstance(output, torch.Tensor) or output.dim() != 2 or not output.isfinite().all():
            return []
        row = output[0].double()
        if row.min() < 0 or abs(row.sum() - 1) > 1e-4:
            row = row.softmax(0)
        values, index = row.topk(min(3, len(row)))
        known = self.classes or ()
        return [
            (known[i] if i < len(known) else f"class {i}", v)
            for i, v in zip(index.tolist(), values.tolist(), strict=True)
        ]

    def _word(self, y):
        if y.dim() or y.is_floating_point():
            return ""  # no class: the target of an autoencoder
        return self.classes[y] if self.classes else f"class {y}"

    # The page

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
        for name, (label, hint) in HINTS.items():
            named[name].description, named[name].tooltip = label, hint
        for name, control in self.inputs.items():
            control.observe(lambda change, name=name: self._set(name, change["new"]), "value")
        self.chooser.observe(lambda change: self._receive(change["new"]), "value")
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
            self.chooser.value = ()  # the same file may be chosen again
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
        """Look at a picture of the reader's, which `read(height, width)` returns; say so if it is no picture."""
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

    def _show(self, search=None):
        s = self.settings
        try:
            search = s["search"] if search is None else search
            known = self.copy.has_searched(s["layer"], s["apart"])
            self._drawing = self.draw(search and known)
            if search and not known and self._drawing is not None:
                if self.copy.seconds > SLOW:
                    self.image.value = self._drawing.svg() + SEARCHING
                self._drawing = self.draw(True)
            self.image.value = self._drawing.svg() if self._drawing is not None else EMPTY
        except Exception as error:  # a page shows nobody's traceback
            self._drawing = None
            self.image.value = alert(error)

    # Following a network in training

    @arguments(search=Bool())
    def refresh(self, search=False):
        """Look at the network as it is now, without searching for the nine places unless given.

        Call it between two steps, from a listener of the trainer, say. After training, `refresh(search=True)`.

        Raises
        ------
        RuntimeError
            If there is no network yet.
        """
        if self.net is None:
            raise RuntimeError("there is no network to look at yet. Press Start in its playground first.")
        with random_lock:
            self._follow(self.net, search)

    def begin(self, trainer):
        """Look at the new network of a playground; from here on the nine places are searched only if asked for."""
        with random_lock:
            self.settings["search"] = False
            self._follow(trainer.net, False)

    def show(self, trainer):
        """Look at the network in training: the maps of the picture."""
        with random_lock:
            self._follow(trainer.net, False)

    def static(self):
        """Return the drawing."""
        return self._drawing

    def _follow(self, net, search):
        self.net = net
        try:
            self._take(net)
        except Exception as error:  # a network without maps can be trained all the same
            self.copy.net = self._drawing = None
            if self._widget is not None:
                self.image.value = alert(error)
            return
        if self._widget is None:
            self._drawing = self.draw(search)
        else:
            self._show(search)

    def _static(self):
        drawing = self.draw()
        return drawing.picture().bundle() if drawing else ({"text/plain": repr(self)}, {})

    def __repr__(self):
        name = type(self.net).__name__ if self.net is not None else "a network to come"
        return f"FeatureExplorer of {name}"
