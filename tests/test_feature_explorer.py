"""The feature explorer: what excites a channel, against a search by brute force; the drawing; uploads; the widget."""

import re

import numpy as np
import pytest
import torch
from drawings import words_of
from panels import go, rest
from panels import panel as panel
from PIL import Image
from torch import nn
from uploads import explorer as explorer
from uploads import hand_in, picture_file, png
from uploads import patient as patient

from cnnlib.datasets import CLASSES, Batches, Copies
from cnnlib.figures import Found, draw_feature_explorer
from cnnlib.figures.drawing import Bitmap, Drawing, Line, Rect, Words
from cnnlib.figures.picture import Sheet
from cnnlib.models import ConvAutoencoder, lenet, resnet18, resnet_v1
from cnnlib.probes import feature_maps, layers_with_maps, maps_and_output, strongest_places
from cnnlib.widgets import FeatureExplorer, explore_features, feature_explorer, network_copy
from cnnlib.widgets.feature_explorer import EMPTY
from cnnlib.widgets.pictures import grey_picture
from cnnlib.widgets.view import View


def test_a_large_network_is_searched_as_far_as_the_time_goes(noise, monkeypatch):
    batches = noise(300, shuffle=False)
    assert strongest_places(lenet(), batches, "3", seconds=0).num == 32, "one batch in any case"
    monkeypatch.setattr(network_copy, "PATIENCE", 0)
    explorer = explore_features(lenet(), batches)
    assert int(re.search(r"in the first (\d+) test pictures", explorer.draw().svg())[1]) < 300


def whole(*layers):
    """Give layers small whole numbers as weights, so that there are many ties and no rounding."""
    net = nn.Sequential(*layers)
    with torch.no_grad():
        for p in net.parameters():
            p.normal_().round_() if p.dim() > 1 else p.zero_()
    return net


@torch.no_grad()
def brute(net, batches, layer, count, num, one_each, channels=None):
    """Search all places of all pictures, one after the other."""
    X = torch.cat([X for X, _ in batches])[:num]
    maps = feature_maps(net, X, [layer])[layer]
    result = []
    for channel in range(maps.shape[1]) if channels is None else channels:
        places = [
            (maps[n, channel, i, j].item(), n, i, j)
            for n in range(len(maps))
            for i in range(maps.shape[2])
            for j in range(maps.shape[3])
        ]
        places.sort(key=lambda place: -place[0])  # stable: of equal places the first
        if one_each:
            places = list({place[1]: place for place in reversed(places)}.values())
            places.sort(key=lambda place: (-place[0], place[1]))
        result.append(places[:count])
    return result


def listed(places):
    tensors = (places.values, places.pictures, places.rows, places.columns)
    return [list(zip(*(t[c].tolist() for t in tensors), strict=True)) for c in range(len(places.values))]


def levels(num=23, side=7, batch_size=5, seed=1):
    """Return pictures of three grey levels."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randint(3, (num, 1, side, side), generator=generator).float()
    return list(zip(X.split(batch_size), torch.zeros(num, dtype=torch.int64).split(batch_size), strict=True))


NETS = {
    "one": lambda: whole(nn.Conv2d(1, 3, 3)),
    "padded": lambda: whole(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU()),
    "strided": lambda: whole(nn.Conv2d(1, 3, 5, padding=2, stride=2), nn.MaxPool2d(2)),
    "deep": lambda: whole(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 5, 3, padding=1)),
    "sigmoid": lambda: whole(nn.Conv2d(1, 2, 3, padding=1), nn.Sigmoid(), nn.AvgPool2d(3)),
}


@pytest.mark.parametrize("one_each", [False, True])
@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
def test_the_nine_places_are_those_of_a_search_over_all(build, one_each):
    net = build()
    for layer, batches, count, num in (
        (net[-1], levels(), 9, 500),
        (net[0], levels(batch_size=23), 9, 23),
        (net[-1], levels(batch_size=1), 4, 17),
        (net[0], levels(3), 9, 500),
        (net[-1], levels(1), 500, 500),
    ):
        name = next(n for n, m in net.named_modules() if m is layer)
        found = strongest_places(net, batches, name, count, num, one_each)
        assert listed(found) == brute(net, batches, name, count, num, one_each)
        assert found.num == min(num, sum(len(X) for X, _ in batches))


def test_a_search_in_small_parts_finds_the_same(monkeypatch):
    from cnnlib.probes import excitation

    net, batches = NETS["deep"](), levels(batch_size=23)
    whole_run = strongest_places(net, batches, "3")
    sizes = []
    hook = net[0].register_forward_hook(lambda m, args, out: sizes.append(len(out)))
    monkeypatch.setattr(excitation, "ROOM", 64 * 49 * 2)
    parts = strongest_places(net, batches, "3")
    hook.remove()
    assert listed(parts) == listed(whole_run) and max(sizes) == 2


def test_numbers_that_are_none_count_as_the_smallest():
    class Broken(nn.Module):
        def forward(self, X):
            return torch.where(X == 2, torch.nan, X)

    places = strongest_places(nn.Sequential(Broken(), nn.Conv2d(1, 1, 1)), levels(), "0")
    assert (places.values == 1).all()
    places = strongest_places(nn.Sequential(nn.Conv2d(1, 2, 3)).apply(_break), levels(), "0")
    assert (places.values == -torch.inf).all() and places.pictures.tolist() == [[0] * 9] * 2


def _break(module):
    for p in module.parameters(recurse=False):
        nn.init.constant_(p, torch.nan)


# The layers, and how far they see


def test_behind_a_branch_no_field_is_known():
    layers = layers_with_maps(resnet18(2), torch.rand(1, 1, 64, 64))
    known = [name for name, layer in layers.items() if layer.field]
    assert known == ["0.0", "0.1", "0.2", "0.3", *(f"1.0.{part}" for part in ("conv1", "bn1", "conv2", "bn2"))]
    assert layers["1.0.conv2"].field.size == 11 + 2 * 4 * 2
    assert layers["2.0"].kind == "Residual" and layers["5"].shape == (16, 1, 1)
    layers = layers_with_maps(resnet_v1(side=8), torch.rand(1, 1, 8, 8))
    assert layers["2"].field is None and layers["2.add"].field is None and layers["0"].field.size == 3


# The drawing


def words_within(drawing):
    """Return the words of a drawing, after a look at their size and place."""
    assert drawing.width == 1000 and all(e.size >= 14 for e in drawing.elements if isinstance(e, Words))
    assert all(0 <= e.x <= 1000 and 0 <= e.y <= drawing.height for e in drawing.elements if not isinstance(e, Line))
    return words_of(drawing)


def bitmaps(drawing):
    return [e for e in drawing.elements if isinstance(e, Bitmap)]


def test_the_large_map_is_the_chosen_one():
    image, maps = torch.rand(9, 7), torch.randn(5, 6, 4)
    for channel in range(5):
        drawing = draw_feature_explorer(image, maps, channel, title="the title", name="a name")
        words = words_within(drawing)
        picture, large, grid = bitmaps(drawing)
        one = maps[channel]
        expected = (255 - 255 * (one - one.min()) / (one.max() - one.min())).round().numpy()
        assert np.abs(large.grey.astype(float) - expected).max() <= 1 and large.height == 298
        assert np.abs(picture.grey.astype(float) - (255 - 255 * image).numpy()).max() <= 0.5 + 1e-3
        assert {"the title", "a name", "all 5 maps, each on a scale of its own"} <= set(words)
        span = f"{one.min():.2f} to {one.max():.2f}".replace("-", "−")
        assert f"channel {channel}, dark is high: {span}" in words and "test pictures" not in drawing.text
        (frame,) = [e for e in drawing.elements if isinstance(e, Line)]
        (left, top), (right, bottom) = frame.points[0], frame.points[2]
        pixel = grid.width / grid.grey.shape[1]
        cut = [round((a - b) / pixel) for a, b in ((top, grid.y), (bottom, grid.y), (left, grid.x), (right, grid.x))]
        tile = grid.grey[cut[0] : cut[1], cut[2] : cut[3]]
        times = tile.shape[0] // 6
        assert np.array_equal(tile[::times, ::times], large.grey)


@pytest.mark.parametrize("shape", [(1, 1, 1), (512, 1, 1), (512, 7, 7), (64, 112, 112), (6, 28, 28), (3, 40, 100)])
def test_all_maps_have_room(shape):
    drawing = draw_feature_explorer(torch.rand(28, 28), torch.rand(shape), shape[0] - 1, filters=torch.rand(3, 7, 7))
    words_within(drawing)
    grid = bitmaps(drawing)[-1]
    assert grid.x + grid.width <= 993 and grid.y + grid.height <= 260 and grid.width > 100
    (frame,) = [e for e in drawing.elements if isinstance(e, Line)]
    assert all(grid.x <= x <= grid.x + grid.width + 0.1 and y <= grid.y + grid.height + 0.1 for x, y in frame.points)


@pytest.mark.parametrize("value", [0.0, 3.0, torch.nan, torch.inf, -torch.inf])
def test_maps_of_one_value(value):
    maps = torch.full((3, 4, 4), value)
    words = words_within(draw_feature_explorer(torch.rand(4, 4), maps, 1))
    assert any("no finite number" in w if not np.isfinite(value) else w.endswith(f": {value:.2f}") for w in words)
    maps[1, 0, 0] = 1.0
    words_within(draw_feature_explorer(torch.full((4, 4), value), maps, 1))


def test_the_filter_is_blue_white_and_red():
    filters = torch.tensor([[[-2.0, 0.0], [1.0, 2.0]], [[0.0, 0.0], [0.0, -2.0]]])
    drawing = draw_feature_explorer(torch.rand(4, 4), torch.rand(2, 4, 4), 0, filters=filters)
    assert "its filters: blue −2.00, white 0, red 2.00" in words_within(drawing)
    fills = [e.fill for e in drawing.elements if isinstance(e, Rect) and e.fill != "none"]
    assert fills == ["#2166ac", "#ffffff", "#d88c95", "#b2182b", "#ffffff", "#ffffff", "#ffffff", "#2166ac"]
    words_within(draw_feature_explorer(torch.rand(4, 4), torch.rand(2, 4, 4), 0, filters=torch.zeros(1, 3, 3)))


@pytest.mark.parametrize("corner", [(-2, -2), (-2, 3), (8, 8), (3, 3), (-4, 9)])
def test_a_patch_at_the_edge_shows_what_lies_in_the_picture(corner):
    image = torch.arange(100).reshape(10, 10) / 100
    found = [Found(image, "a class", 1.5, (0, 0), (*corner, 5))]
    drawing = draw_feature_explorer(image, torch.rand(1, 4, 4), 0, found=found, seen=7)
    words = words_within(drawing)
    assert {"a class", "1.50", "What excites channel 0 most in the first 7 test pictures"} <= set(words)
    patch, ground = bitmaps(drawing)[-1], [e for e in drawing.elements if isinstance(e, Rect) and e.width == 102][-2]
    padded = np.pad(image.numpy(), 5, constant_values=np.nan)[corner[0] + 5 :, corner[1] + 5 :][:5, :5]
    seen = ~np.isnan(padded)
    rows, columns = seen.any(1), seen.any(0)
    expected = (255 - 255 * padded[np.ix_(rows, columns)]).round()
    assert patch.grey.shape == expected.shape and np.abs(patch.grey - expected).max() <= 1
    pixel = 102 / 5
    assert (patch.x - ground.x, patch.y - ground.y) == pytest.approx((columns.argmax() * pixel, rows.argmax() * pixel))
    assert (patch.width, patch.height) == pytest.approx((columns.sum() * pixel, rows.sum() * pixel))


def test_without_a_patch_a_cross_marks_the_place():
    found = [Found(torch.rand(10, 20), "", -1.0, (2.5, 10.0))] * 9
    drawing = draw_feature_explorer(torch.rand(10, 20), torch.rand(1, 4, 4), 0, found=found, seen=500)
    words = words_within(drawing)
    assert "−1.00" in words
    assert any("none makes it positive" in word for word in words)
    across, down = [e for e in drawing.elements if isinstance(e, Line)][-2:]
    x, y = 8 + 8 * 110, bitmaps(drawing)[-1].y
    assert across.points == [(x + 51 - 8, y + 2.5 * 5.1), (x + 51 + 8, y + 2.5 * 5.1)]
    assert down.points == [(x + 51, y + 2.5 * 5.1 - 8), (x + 51, y + 2.5 * 5.1 + 8)]


# Pictures that are handed in


RAMP = np.linspace(0, 255, 64 * 48).reshape(64, 48).astype(np.uint8)


GOOD = {
    "png": picture_file(RAMP),
    "jpeg": picture_file(RAMP, "JPEG", quality=95),
    "rgb": picture_file(np.repeat(RAMP[:, :, None], 3, 2)),
    "cmyk": picture_file(RAMP, "JPEG", "CMYK", quality=95),
    "palette": picture_file(RAMP, "PNG", "P"),
    "16 bits": picture_file(RAMP.astype(np.uint16) * 257),
    "rgba": picture_file(np.dstack([RAMP, RAMP, RAMP, np.full_like(RAMP, 255)])),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_pictures_of_every_kind_become_grey(content):
    grey = grey_picture(memoryview(content), "mine.png", 16, 12)
    assert grey.shape == (16, 12) and grey.dtype == torch.float32
    expected = torch.from_numpy(RAMP.reshape(16, 4, 12, 4).mean((1, 3)) / 255).float()
    assert (grey - expected).abs().max() < 0.03


def test_what_is_transparent_is_white():
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4, :, 3] = 255
    grey = grey_picture(picture_file(clear), "mine.png", 8, 8)
    assert (grey[:3] == 0).all() and (grey[5:] == 1).all()
    assert (grey_picture(picture_file(np.zeros((4, 4), np.uint8), transparency=0), "a", 4, 4) == 1).all()


def test_a_picture_of_one_pixel_and_one_that_lies_on_its_side():
    assert torch.equal(grey_picture(picture_file(np.full((1, 1), 51, np.uint8)), "a", 3, 2), torch.full((3, 2), 0.2))
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned: shown turned to the right
    half = np.repeat(np.repeat(np.array([[0], [255]], np.uint8), 16, 0), 32, 1)
    grey = grey_picture(picture_file(half, "JPEG", exif=exif), "a.jpg", 8, 8)
    assert grey[:, -1].max() < 0.1 and grey[:, 0].min() > 0.9


BAD = {
    "text": (b"hello", "no PNG or JPEG"),
    "nothing": (b"", "no PNG or JPEG"),
    "script": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no PNG or JPEG"),
    "gif": (picture_file(RAMP, "GIF"), "no PNG or JPEG"),
    "tiff": (picture_file(RAMP, "TIFF"), "no PNG or JPEG"),
    "cut off": (GOOD["png"][:100], "damaged"),
    "jpeg cut off": (GOOD["jpeg"][:-400], "damaged"),
    "bits turned": (GOOD["png"][:60] + bytes(b ^ 255 for b in GOOD["png"][60:]), "damaged"),
    "heavy": (b"\x89PNG" + bytes(2 * 2**20), "at most 2 MB"),
    "wide": (png(4097, 3, b"\0" * 1000), r"4097 × 3 pixels, at most 4096 × 4096"),
    "a bomb": (png(12_000, 12_000, b"\0" * 1000), "at most 4096 × 4096"),
    "a great bomb": (png(60_000, 60_000, b"\0" * 1000), "at most 4096 × 4096"),
    "of no size": (png(0, 4, b"\0" * 1000), "damaged|no PNG"),
}


@pytest.mark.parametrize("content, words", BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("error")
def test_what_is_no_picture_is_told_so(content, words):
    with pytest.raises(ValueError, match=words) as error:
        grey_picture(content, "x" * 100 + ".png", 28, 28)
    assert "\n" not in str(error.value) and str(error.value).startswith("x" * 39 + "…") and len(str(error.value)) < 200


# The widget


def test_the_drawing_shows_maps_scores_and_places(explorer, noise):
    net, (X, y) = explorer.net, next(iter(noise(60, 60, shuffle=False)))
    for name, layer in explorer.copy.layers.items():
        for channel in (0, layer.shape[0] - 1):
            explorer.settings.update(layer=name, channel=channel)
            drawing = explorer.draw()
            words = words_within(drawing)
            maps = feature_maps(net, X[3:4], [name, ""])
            one = maps[name][0, channel]
            expected = 255 - 255 * (one - one.min()) / (one.max() - one.min()).clamp(min=1e-30)
            assert np.abs(bitmaps(drawing)[1].grey - expected.numpy()).max() <= 1
            shares, order = maps[""][0].softmax(0).topk(3)
            for share, i in zip(shares, order, strict=True):
                assert CLASSES[i] in words and f"{share:.0%}" in words
            assert f"picture 3: {CLASSES[y[3]]}" in words and f"Layer {name}, {layer.kind}: " in words[0]
            assert ("its filter" in " ".join(words)) == (name == "0")
            (places,) = brute(net, [(X, y)], name, 9, 500, False, [channel])
            assert [f"{p[0]:.2f}".replace("-", "−") for p in places] == [
                w for w in words if re.fullmatch("−?[0-9.]+", w)
            ]
            first, found = places[0], bitmaps(drawing)[3]
            assert np.array_equal(found.grey, (255 - 255 * X[first[1], 0]).round().numpy().astype(np.uint8))
            assert len(bitmaps(drawing)) == 3 + 2 * 9, "nine pictures and nine patches"


def test_each_control_changes_the_picture(explorer):
    pictures = [explorer.image.value]
    for name, value in (("picture", 5), ("layer", "3"), ("channel", 11), ("search", False), ("search", True)):
        explorer.inputs[name].value = value
        pictures.append(explorer.image.value)
    assert pictures.pop(3) == pictures.pop(4), "searching again finds the same"
    assert len(set(pictures)) == len(pictures) and all("<svg" in p and "alert" not in p for p in pictures)
    assert explorer.settings["channel"] == 11 and pictures[-1].count("<image") == 3
    explorer.inputs["apart"].value = True
    assert (
        explorer.image.value not in pictures
        and len(set(explorer.copy.search(explorer.settings["layer"], explorer.settings["apart"]).pictures[11].tolist()))
        == 9
    )
    explorer.inputs["layer"].value = "0"
    assert explorer.inputs["channel"].value == explorer.inputs["channel"].max == 5, "there are six maps"
    assert "channel 5" in explorer.image.value


def test_a_layer_is_searched_once_and_a_picture_looked_at_once(explorer, monkeypatch):
    explorer.inputs["layer"].value = "3"
    monkeypatch.setattr(network_copy, "strongest_places", lambda *_: pytest.fail("searched again"))
    explorer.inputs["picture"].value = 9
    explorer.inputs["layer"].value = "0"
    looks = []
    explorer.copy.net.register_forward_hook(lambda *_: looks.append(1))
    for channel in range(5):
        explorer.inputs["channel"].value = channel
    assert "alert" not in explorer.image.value and len(looks) == 0


def test_a_long_search_is_announced(explorer, monkeypatch):
    pages = []
    explorer.image.observe(lambda change: pages.append(change["new"]), "value")
    monkeypatch.setattr(feature_explorer, "SLOW", float("inf"))
    explorer.inputs["layer"].value = "3"
    monkeypatch.setattr(feature_explorer, "SLOW", 0)
    explorer.inputs["layer"].value = "4"
    explorer.inputs["channel"].value = 1
    assert (
        len(pages) == 4 and "role='status'" in pages[1] and "Layer 4" in pages[1] and "excites channel" not in pages[1]
    )
    assert all("role='status'" not in pages[i] and "excites channel" in pages[i] for i in (0, 2, 3))


def test_a_network_that_draws_in_evaluation_draws_the_same_and_for_itself(noise):
    class Shaky(nn.Module):
        def forward(self, X):
            return X + torch.rand_like(X)

    net = nn.Sequential(nn.Conv2d(1, 2, 3), Shaky(), nn.Flatten())
    state = torch.get_rng_state()
    explorer = explore_features(net, noise(20, shuffle=False))
    explorer.settings["layer"] = "1"
    first = explorer.draw().svg()
    explorer.refresh()
    assert explorer.draw().svg() == first and torch.equal(torch.get_rng_state(), state)


def test_a_picture_of_ones_own(explorer):
    before = explorer.image.value
    assert explorer.inputs["invert"].disabled
    hand_in(explorer, GOOD["png"], "<b>my</b> shirt.png")
    mine = explorer.image.value
    assert "&lt;b&gt;my&lt;/b&gt; shirt.png" in mine and "<b>" not in mine and mine != before
    expected = grey_picture(GOOD["png"], "a", 28, 28)
    shown = torch.from_numpy(bitmaps(explorer.static())[0].grey / 255).float()
    assert (shown - expected).abs().max() < 0.01, "dark stays dark on the page"
    maps, _ = maps_and_output(explorer.net, 1 - expected[None, None], "0")
    torch.testing.assert_close(explorer._look()[0], maps[0])
    assert not explorer.inputs["invert"].disabled
    explorer.inputs["invert"].value = False
    torch.testing.assert_close(explorer._look()[0], maps_and_output(explorer.net, expected[None, None], "0")[0][0])
    assert explorer.image.value != mine
    explorer.inputs["invert"].value = True
    assert explorer.image.value == mine
    hand_in(explorer, GOOD["jpeg"], "other.jpg")
    assert "other.jpg" in explorer.image.value
    explorer.inputs["picture"].value = 4
    explorer.inputs["picture"].value = 3
    assert explorer.image.value == before and explorer.inputs["invert"].disabled


def test_names_of_classes(noise):
    net, batches = lenet(), noise(30, shuffle=False)
    names = [f"kind {letter}" for letter in "abcdefghij"]
    words = words_within(explore_features(net, batches, names).draw())
    assert sum(word in names for word in words) == 12 and not set(words) & set(CLASSES)
    many = Batches(batches.images, batches.labels + 5, 32)
    assert any(re.fullmatch("class 1[0-9]", word) for word in words_within(explore_features(net, many).draw()))


def test_batches_of_other_kinds(noise):
    net, batches = lenet(), noise(600, 50, shuffle=False)
    drawing = explore_features(net, batches, picture=7).draw().svg()
    assert explore_features(net, list(batches), picture=7).draw().svg() == drawing
    assert explore_features(net, iter(batches), picture=7).draw().svg() == drawing
    assert explore_features(net, noise(600, shuffle=True), picture=7).draw().svg() == drawing, "in the file's order"
    assert (
        len(explore_features(net, batches)._pictures) == 600
        and len(explore_features(net, list(batches))._pictures) == 500
    )
    large = FeatureExplorer(lenet(), Batches(batches.images[:, :, :14, :14], batches.labels, 9, resize=28))
    assert bitmaps(large.draw())[0].grey.shape == (28, 28)


def test_colours_one_picture_and_one_channel():
    net = nn.Sequential(nn.Conv2d(3, 1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    explorer = explore_features(net.double(), [(torch.rand(1, 3, 9, 12), torch.tensor([0]))])
    words = words_within(explorer.draw())
    assert "its filters" in " ".join(words) and "the only map" in words and len(bitmaps(explorer.draw())) == 3 + 18
    assert explorer.widget
    assert explorer.inputs["channel"].disabled and "<svg" in explorer.image.value
    explorer.inputs["channel"].value = explorer.inputs["picture"].value = 1
    assert explorer.settings["channel"] == explorer.settings["picture"] == 0 and "<svg" in explorer.image.value
    hand_in(explorer, GOOD["rgb"])
    assert "mine.png" in explorer.image.value


def test_an_autoencoder_has_maps_but_no_scores(noise):
    low = -1.0
    explorer = explore_features(ConvAutoencoder(nn.Tanh), Copies(noise(30, shuffle=False), low))
    drawing = explorer.draw()
    words = words_within(drawing)
    assert "picture 0" in words and not set(words) & set(CLASSES) and not any("%" in word for word in words)
    image = noise(30, shuffle=False).images[0, 0]
    assert np.abs(bitmaps(drawing)[0].grey.astype(int) - (255 - image.int()).numpy()).max() <= 1
    assert explorer.widget
    hand_in(explorer, picture_file(np.full((5, 5), 255, np.uint8)))
    assert (explorer._picture()[0] == low).all(), "white is an empty pixel"


# Following a network in training


def test_it_is_a_view_of_a_playground(panel, noise, monkeypatch):
    monkeypatch.setattr(network_copy, "strongest_places", lambda *_: pytest.fail("searched while it trains"))
    view = explore_features(None, noise(40, shuffle=False), picture=2)
    assert isinstance(view, View) and view.static() is None and view.draw() is None
    assert view.widget and view.image.value == EMPTY and "to come" in repr(view)
    with pytest.raises(RuntimeError, match="Press Start"):
        view.refresh()
    assert view._repr_mimebundle_()[0] == {"text/plain": repr(view)}
    view.inputs["picture"].value = 1
    pg = panel(lambda s: lenet(nn.ReLU), views=[view])
    assert view.widget in pg.page.views.values() and view.image.value == EMPTY
    pg.page.reset.click()
    rest(pg)
    begun = view.image.value
    assert "<svg" in begun and begun == view.static().svg() and len(view.inputs["layer"].options) == 6
    go(pg, 3)
    net = pg.runner.trainer.net
    assert pg.runner.state == "paused" and view.image.value != begun and view.net is net
    X, _ = next(iter(noise(40, shuffle=False)))
    assert torch.equal(view._look()[0], feature_maps(net, X[1:2], ["0"])["0"][0])
    assert net.training and not any(m._forward_hooks for m in net.modules())
    for name, value in (("layer", "4"), ("channel", 15), ("picture", 20)):
        view.inputs[name].value = value
        assert "<svg" in view.image.value
    go(pg, 2)
    assert "Layer 4" in view.image.value and "channel 15" in view.image.value and "picture 20" in view.image.value
    assert view.inputs["search"].value is False and "excites" not in view.image.value
    assert isinstance(pg.picture(), Sheet) and isinstance(view.static(), Drawing)
    monkeypatch.undo()
    view.inputs["search"].value = True
    assert "What excites channel 15" in view.image.value
    go(pg, 1)
    assert "excites" not in view.image.value and "<svg" in view.image.value


def test_a_run_is_the_same_with_and_without_the_view(panel, noise):
    def build(s):
        return nn.Sequential(nn.Conv2d(1, 4, 5), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 10))

    losses = []
    for views in ([], [explore_features(lenet(), noise(40, shuffle=False))]):
        pg = panel(build, views=views, name=f"panel {len(views)}")
        for _ in range(3):
            go(pg, 2)
            for view in views:
                view.inputs["picture"].value += 1
        losses.append(pg.runner.trainer.history.loss)
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_a_network_without_maps_trains_all_the_same(panel, noise, dense):
    view = explore_features(None, noise(40, shuffle=False))
    pg = panel(lambda s: dense(), views=[view])
    go(pg, 2)
    assert pg.runner.state == "paused" and "no layer that gives maps" in view.image.value and view.static() is None
    view.inputs["picture"].value = 3
    other = panel(lambda s: lenet(), views=[view], name="other")
    go(other, 1)
    assert "<svg" in view.image.value and view.settings["picture"] == 3


def test_another_network_has_other_layers(noise):
    explorer = explore_features(lenet(), noise(30, shuffle=False))
    assert explorer.widget
    explorer.inputs["layer"].value = "3"
    explorer.inputs["channel"].value = 15
    explorer.net = resnet18(2)
    explorer.refresh()
    assert (
        explorer.settings["layer"] == "0.0" and explorer.inputs["channel"].value == explorer.inputs["channel"].max == 1
    )
    assert "<svg" in explorer.image.value and "excites" not in explorer.image.value
    explorer.refresh(search=True)
    assert "excites" in explorer.image.value


def test_refresh_sees_the_weights_as_they_are(explorer):
    before = explorer.image.value
    with torch.no_grad():
        explorer.net[0].weight.neg_()
    explorer.inputs["channel"].value = 1
    explorer.inputs["channel"].value = 0
    assert explorer.image.value == before, "it looks at a copy"
    explorer.refresh(search=True)
    assert explorer.image.value != before
    with torch.no_grad():
        explorer.net[0].weight.neg_()
    explorer.refresh(search=True)
    assert explorer.image.value == before
