"""Pictures as a page hands them over, and a feature explorer to hand them to."""

import io
import struct
import zlib
from datetime import UTC, datetime

import pytest
from PIL import Image
from torch import nn

from cnnlib.models import lenet
from cnnlib.widgets import explore_features, network_copy


def picture_file(array, kind="PNG", mode=None, **options):
    """Return an array as the bytes of a picture file."""
    buffer = io.BytesIO()
    picture = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, pixels, *chunks):
    """Return a grey PNG file whose head says that it is so large, with chunks of ours in front of its pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    found = [struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
             for name, data in parts]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(found)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let a search take as long as it takes: this machine may be busy."""
    monkeypatch.setattr(network_copy, "PATIENCE", float("inf"))


@pytest.fixture
def explorer(noise):
    """Return a feature explorer of LeNet that shows picture 3."""
    made = explore_features(lenet(nn.ReLU), noise(60, shuffle=False), picture=3)
    assert made.widget is made.widget
    return made


def hand_in(explorer, content, name="mine.png"):
    """Choose a file, as the page does."""
    file = {"name": name, "type": "image/png", "size": len(content), "content": memoryview(content)}
    explorer.chooser.value = ({**file, "last_modified": datetime.now(UTC)},)
