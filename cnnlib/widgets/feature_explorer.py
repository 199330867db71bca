"""The feature explorer: what each channel of a layer makes of a picture, its filter, and which places in the test
pictures excite it most (after figure 2 of Zeiler & Fergus 2014, arXiv:1311.2901).
"""

import torch
from torch import nn

from cnnlib.figures import draw_feature_explorer
from cnnlib.page.announce import alert
from cnnlib.validation import Bool, arguments
from cnnlib.widgets.background import random_lock
from cnnlib.widgets.display import still
from cnnlib.widgets.feature_controls import FeatureControls
from cnnlib.widgets.network_copy import NetworkCopy
from cnnlib.widgets.pictures import Pictures, class_names, found_at
from cnnlib.widgets.view import View

SLOW = 0.01  # seconds a picture: a search then takes some, and the page says that it is going on
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
        If `net` is not a network or has no layer with maps, the batches hold no pictures, there is no such picture, or
        there are fewer names than classes.
    """
    return FeatureExplorer(net, batches, classes, picture)


class FeatureExplorer(FeatureControls, View):
    """Feature maps, filters and what excites them. Parameters as for `explore_features`.

    It looks at a copy of the network, so a network in training is never disturbed; `refresh` takes another copy.
    """

    title = "Maps"

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
        """Return the three highest classes and their probabilities; none where the output is not a row of scores."""
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
        except Exception as error:  # no traceback on the page, and what was to be seen stays
            before, self._drawing = self._drawing, None
            self.image.value = alert(error) + (before.svg() if before is not None else "")

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
        return still(drawing) if drawing else ({"text/plain": repr(self)}, {})

    def __repr__(self):
        name = type(self.net).__name__ if self.net is not None else "a network to come"
        return f"FeatureExplorer of {name}"
