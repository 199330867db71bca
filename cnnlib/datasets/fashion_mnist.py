"""Fashion-MNIST: 70,000 pictures of clothes, 28×28, ten classes (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747).

The four files lie beside this one, so nothing is ever downloaded. Each is checked against its SHA-256 when it is
read, once per session.
"""

import hashlib
import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

from cnnlib.datasets.batches import PLACE, Batches
from cnnlib.validation import Callable, Choice, Count, arguments

FOLDER = Path(__file__).parent / "data"

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

# file: (SHA-256 of the unpacked contents, length of the IDX header, shape)
FILES = {
    "train-images-idx3-ubyte.gz": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 16, (60_000, 1, 28, 28),
    ),
    "train-labels-idx1-ubyte.gz": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 8, (60_000,),
    ),
    "t10k-images-idx3-ubyte.gz": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 16, (10_000, 1, 28, 28),
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 8, (10_000,),
    ),
}  # fmt: skip

GZIP = zlib.MAX_WBITS | 16  # a gzip header and its checksum around what was packed
PIECE = 2**16  # bytes: what they unpack to is checked and copied while it is in the processor's cache


class DataFileError(OSError):
    """A data file is missing or damaged; the message says which one and how to get it back."""


@arguments(batch_size=Count(), num_train=Count(), num_test=Count(), transform=Callable(), seed=PLACE)
def load_data_fashion_mnist(batch_size, resize=None, *, num_train=None, num_test=None, transform=None, seed=0):
    """Load Fashion-MNIST as two iterables of mini-batches.

    Parameters
    ----------
    batch_size : int
    resize : int or (height, width), optional
        Resize each batch to this many pixels; 28×28 if left out.
    num_train, num_test : int, optional
        Use only this many images from the front (the file's order is already mixed); all 60,000 and 10,000 if left out.
    transform : callable, optional
        Changes the training pictures each time they are used (see Batches); the test pictures stay as they are.
    seed : int
        Which orders the training images are shuffled into.

    Returns
    -------
    train_iter, test_iter : Batches
        Each yields `(X, y)`: X float32 in [0, 1] of shape (N, 1, H, W), y int64 of shape (N,).

    Raises
    ------
    DataFileError
        If a file is missing or damaged.
    ValueError
        If a size is more than there are images, or `resize` neither a number nor a pair.
    """
    with ThreadPoolExecutor(len(FILES)) as pool:  # unpacking releases the GIL
        list(pool.map(read_idx, [FOLDER / name for name in FILES]))
    sets = []
    for prefix, number, shuffle in (("train", num_train, True), ("t10k", num_test, False)):
        images, labels = load_arrays(prefix)
        if number is not None and number > len(images):
            raise ValueError(f"there are only {len(images):,} images in the {prefix} set, got {number:,}.")
        options = {"transform": transform} if shuffle else {}
        images, labels = images[:number], labels[:number]
        sets.append(Batches(images, labels, batch_size, resize=resize, shuffle=shuffle, seed=seed, **options))
    return tuple(sets)


@arguments(prefix=Choice(("train", "t10k")))
def load_arrays(prefix):
    """Return the images, uint8 (N, 1, 28, 28), and labels, int64 (N,), of the `train` or the `t10k` set.

    Raises
    ------
    DataFileError
        If a file is missing or damaged.
    """
    images = read_idx(FOLDER / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(FOLDER / f"{prefix}-labels-idx1-ubyte.gz")
    return images, labels.long()


@cache
def read_idx(path):
    """Read one gzipped IDX file into a uint8 tensor, after checking that every byte is as it was published.

    Raises
    ------
    DataFileError
        If the file is missing or its contents are not those of Fashion-MNIST.
    """
    digest, header, shape = FILES[path.name]
    restore = f"Restore it with `git checkout -- {path.name}` in the folder {path.parent}, or clone again."
    contents = torch.empty(header + math.prod(shape), dtype=torch.uint8)
    try:
        found = unpack(path, memoryview(contents.numpy()))
    except FileNotFoundError:
        raise DataFileError(f"the data file {path} is missing. {restore}") from None
    except (EOFError, zlib.error) as error:
        raise DataFileError(f"the data file {path} is damaged ({error}). {restore}") from None
    except OSError as error:
        raise DataFileError(f"the data file {path} cannot be read ({error}). {restore}") from error
    if found != digest:
        raise DataFileError(f"the data file {path} is damaged (its checksum differs). {restore}")
    return contents[header:].reshape(shape)


def unpack(path, contents):
    """Unpack a gzipped file into `contents`; return the SHA-256 of what was in it, as far as there is room.

    Raises
    ------
    OSError
        If it cannot be read.
    zlib.error, EOFError
        If it is no such file, ends too early or goes on too long.
    """
    digest, at, stream = hashlib.sha256(), 0, zlib.decompressobj(GZIP)
    with open(path, "rb") as file:
        while not stream.eof and at <= len(contents):
            packed = file.read(PIECE)
            if not packed:
                raise EOFError("it ends too early")
            piece = stream.decompress(packed)
            digest.update(piece)
            contents[at : at + len(piece)] = piece[: len(contents) - at]
            at += len(piece)
        if stream.unused_data or file.read(1):
            raise EOFError("it goes on after its end")
    return digest.hexdigest()
