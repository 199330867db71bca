"""Fashion-MNIST is whole, undamaged and fast to load, and comes in an order that seed and epoch alone decide."""

import gzip
import subprocess
import sys

import pytest
import torch
from torchvision.transforms import v2

from cnnlib import Trainer, load_data_fashion_mnist
from cnnlib.datasets import Batches, DataFileError, fashion_mnist, load_arrays


def images_of(batches):
    return torch.cat([X for X, _ in batches])


# What the loader gives


def test_all_images_as_float_in_0_1():
    train_iter, test_iter = load_data_fashion_mnist(256)
    assert (len(train_iter.images), len(test_iter.images)) == (60_000, 10_000)
    assert (len(train_iter), len(test_iter)) == (235, 40)
    for batches in (train_iter, test_iter):
        X, y = next(iter(batches))
        assert X.shape == (256, 1, 28, 28) and X.dtype == torch.float32 and y.dtype == torch.int64
        assert X.min() == 0 and X.max() == 1


def test_every_class_is_there_equally_often():
    for prefix, number in (("train", 6_000), ("t10k", 1_000)):
        assert load_arrays(prefix)[1].bincount().tolist() == [number] * 10


def test_first_image_is_the_published_one():
    images, labels = load_arrays("train")
    assert (labels[0], fashion_mnist.CLASSES[labels[0]]) == (9, "ankle boot")
    assert images[0].sum() == 76_247  # counted from the published file


@pytest.mark.thorough
def test_loads_within_a_second_without_workers(pace):
    code = """
import multiprocessing, threading, time
import torch, torchvision
from cnnlib import load_data_fashion_mnist
threads, start = threading.active_count(), time.perf_counter()
train_iter, test_iter = load_data_fashion_mnist(256)
next(iter(train_iter)), next(iter(test_iter))
seconds = time.perf_counter() - start
print(seconds, threading.active_count() - threads, len(multiprocessing.active_children()))
"""
    for _ in range(3):  # the machine may be busy
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, threads, workers = map(float, done.stdout.split())
        assert threads == workers == 0
        if seconds < pace.bar(1):
            return
    pytest.fail(f"loading took {seconds} s")


# Damaged files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the smallest data file, in a folder that the loader reads instead of its own."""
    name = "t10k-labels-idx1-ubyte.gz"
    (tmp_path / name).write_bytes((fashion_mnist.FOLDER / name).read_bytes())
    monkeypatch.setattr(fashion_mnist, "FOLDER", tmp_path)
    return tmp_path / name


def test_undamaged_copy_is_accepted(folder):
    assert fashion_mnist.read_idx(folder).shape == (10_000,)


def flip(contents):
    middle = len(contents) // 2
    return contents[:middle] + bytes([contents[middle] ^ 1]) + contents[middle + 1 :]


def flip_inside(contents):
    return gzip.compress(flip(gzip.decompress(contents)))


def swell(contents):
    return gzip.compress(gzip.decompress(contents) + bytes(10**8))


@pytest.mark.parametrize(
    "damage",
    [flip, flip_inside, lambda c: c[:-100], lambda c: b"", lambda c: b"<html>404</html>", lambda c: c + b"x", swell],
    ids=["flipped bit", "flipped bit, valid gzip", "truncated", "empty", "a web page", "a byte too many", "too much"],
)
def test_damaged_file_is_named_with_its_remedy(folder, damage):
    folder.write_bytes(damage(folder.read_bytes()))
    with pytest.raises(DataFileError, match="damaged") as caught:
        fashion_mnist.read_idx(folder)
    assert str(folder) in str(caught.value) and f"git checkout -- {folder.name}" in str(caught.value)


def test_missing_file_is_named_with_its_remedy(folder):
    with pytest.raises(DataFileError, match="missing") as caught:
        load_data_fashion_mnist(256)
    assert "train-images-idx3-ubyte.gz" in str(caught.value) and "git checkout" in str(caught.value)


def test_restored_file_is_read_again(folder):
    whole = folder.read_bytes()
    folder.write_bytes(whole[:-100])
    with pytest.raises(DataFileError):
        fashion_mnist.read_idx(folder)
    folder.write_bytes(whole)
    assert fashion_mnist.read_idx(folder).shape == (10_000,)


# The order


def test_order_depends_on_seed_and_epoch_alone(noise):
    batches, again, other = noise(seed=5), noise(seed=5), noise(seed=6)
    assert torch.equal(images_of(batches.epoch(3)), images_of(again.epoch(3)))
    assert not torch.equal(images_of(batches.epoch(3)), images_of(batches.epoch(4)))
    assert not torch.equal(images_of(batches.epoch(3)), images_of(other.epoch(3)))


def test_order_takes_nothing_from_pytorchs_random_numbers(noise):
    before = torch.get_rng_state()
    list(noise())
    assert torch.equal(torch.get_rng_state(), before)


def test_each_image_comes_once_an_epoch_with_its_own_label():
    images = torch.arange(100, dtype=torch.uint8).reshape(100, 1, 1, 1)
    batches = Batches(images, torch.arange(100), 32, shuffle=True)
    for epoch in range(3):
        X, y = (torch.cat(part) for part in zip(*batches.epoch(epoch), strict=True))
        assert sorted(y.tolist()) == list(range(100)) and y.tolist() != list(range(100))
        assert torch.equal((X * 255).round().long().flatten(), y)


def test_test_set_keeps_its_order(fashion):
    _, test_iter = fashion()
    assert torch.equal(torch.cat([y for _, y in test_iter]), load_arrays("t10k")[1][:200])


def test_each_loop_is_the_next_epoch(noise):
    batches = noise()
    for epoch in range(3):
        assert torch.equal(images_of(batches), images_of(batches.epoch(epoch)))
    assert torch.equal(images_of(batches.reseed(0)), images_of(batches.epoch(0)))


def test_last_batch_may_be_smaller(noise):
    batches = noise(num=80, batch_size=32)
    assert [len(y) for _, y in batches] == [32, 32, 16] and len(batches) == 3


@pytest.mark.parametrize("start", range(4))
def test_an_epoch_can_be_entered_half_way(noise, start):
    batches = noise()
    whole, tail = list(batches.epoch(2)), list(batches.epoch(2, start))
    assert len(tail) == 3 - start
    for (X, y), (X_tail, y_tail) in zip(whole[start:], tail, strict=True):
        assert torch.equal(X, X_tail) and torch.equal(y, y_tail)


def test_looking_at_a_batch_does_not_change_a_training(noise, dense):
    losses = []
    for look in (False, True):
        torch.manual_seed(0)
        net, batches = dense(), noise()
        if look:
            next(iter(batches))
        losses.append(Trainer(net, batches, lr=0.1).fit(2).loss)
    assert losses[0] == losses[1]


# Sizes


@pytest.mark.parametrize("resize", [14, 40, (20, 36)])
@pytest.mark.parametrize("number", [67, 64, 3])  # four at a time, and what is left over
def test_resize_is_torchvisions_of_each_image(fashion, resize, number):
    plain, small = (fashion(number, num_train=number, resize=size)[0] for size in (None, resize))
    size = (resize, resize) if isinstance(resize, int) else resize
    one_by_one = v2.Compose([v2.Resize(size, antialias=True), v2.ToDtype(torch.float32, scale=True)])
    (X, y), index = next(small.epoch(0)), plain.order(0)
    assert X.shape == (number, 1, *size) and torch.equal(y, plain.labels[index])
    expected = torch.stack([one_by_one(image) for image in plain.images[index]])
    assert torch.allclose(X, expected, atol=1e-6)


@pytest.mark.parametrize("before, after", [((1, 1), (1, 1)), ((1, 1), (3, 2)), ((4, 1), (1, 5)), ((2, 3), (1, 1))])
@pytest.mark.parametrize("number", [3, 4, 9])
def test_tiny_pictures_are_resized_too(before, after, number):
    images = torch.randint(256, (number, 1, *before), dtype=torch.uint8)
    X, _ = next(Batches(images, torch.zeros(number, dtype=torch.long), number, resize=after).epoch(0))
    assert torch.allclose(X * 255, v2.Resize(after, antialias=True)(images).float(), atol=1e-3)


def test_resize_keeps_colours_apart():
    images = torch.randint(256, (5, 3, 9, 11), dtype=torch.uint8)
    X, _ = next(Batches(images, torch.zeros(5, dtype=torch.long), 5, resize=(6, 20)).epoch(0))
    assert torch.allclose(X * 255, v2.Resize((6, 20), antialias=True)(images).float(), atol=1e-3)


def test_resize_to_the_images_own_size_changes_nothing(fashion):
    X, same = next(fashion()[0].epoch(0))[0], next(fashion(resize=28)[0].epoch(0))[0]
    assert torch.equal(X, same)


def test_a_subset_is_the_first_images(fashion):
    train_iter, test_iter = fashion(num_train=100, num_test=30)
    assert torch.equal(train_iter.images, load_arrays("train")[0][:100])
    assert torch.equal(test_iter.labels, load_arrays("t10k")[1][:30])
    assert (len(train_iter), len(test_iter)) == (2, 1)


@pytest.mark.parametrize("options, words", [
    ({"num_train": 60_001}, "only 60,000 images in the train set, got 60,001"),
    ({"resize": (28, 28, 1)}, r"resize must be one number or \(height, width\), got \(28, 28, 1\)"),
])  # fmt: skip
def test_a_size_that_there_is_not_is_told_by_what_there_is(options, words):
    with pytest.raises(ValueError, match=words):
        load_data_fashion_mnist(256, **options)


def test_bad_images():
    y = torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"uint8 tensor of shape .* got torch.float32 of shape \(4, 1, 2, 2\)"):
        Batches(torch.zeros(4, 1, 2, 2), y, 2)
    with pytest.raises(ValueError, match="as many labels as images are needed, got 3 and 4"):
        Batches(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), y, 2)
