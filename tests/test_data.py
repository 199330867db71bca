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


def test_test_set_keeps_its_order(fashion):
    _, test_iter = fashion()
    assert torch.equal(torch.cat([y for _, y in test_iter]), load_arrays("t10k")[1][:200])


def test_each_loop_is_the_next_epoch(noise):
    batches = noise()
    for epoch in range(3):
        assert torch.equal(images_of(batches), images_of(batches.epoch(epoch)))
    assert torch.equal(images_of(batches.reseed(0)), images_of(batches.epoch(0)))


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


@pytest.mark.parametrize(
    "channels, before, after",
    [(1, (1, 1), (3, 2)), (1, (4, 1), (1, 5)), (1, (2, 3), (1, 1)), (3, (9, 11), (6, 20))],
)
@pytest.mark.parametrize("number", [3, 4, 9])
def test_tiny_pictures_and_colours_are_resized_too(channels, before, after, number):
    images = torch.randint(256, (number, channels, *before), dtype=torch.uint8)
    X, _ = next(Batches(images, torch.zeros(number, dtype=torch.long), number, resize=after).epoch(0))
    assert torch.allclose(X * 255, v2.Resize(after, antialias=True)(images).float(), atol=1e-3)


def test_resize_to_the_images_own_size_changes_nothing(fashion):
    X, same = next(fashion()[0].epoch(0))[0], next(fashion(resize=28)[0].epoch(0))[0]
    assert torch.equal(X, same)


def test_a_subset_is_the_first_images(fashion):
    train_iter, test_iter = fashion(num_train=100, num_test=30)
    assert torch.equal(train_iter.images, load_arrays("train")[0][:100])
    assert torch.equal(test_iter.labels, load_arrays("t10k")[1][:30])
    assert (len(train_iter), len(test_iter)) == (2, 1)


# Transformed pictures


def pictures(num=10, side=6):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(1, 256, (num, 1, side, side), dtype=torch.uint8, generator=generator)
    return images, torch.arange(num)


@pytest.mark.parametrize("num, batch_size, sizes", [(10, 6, [4, 2, 4]), (3, 3, [3]), (8, 4, [4, 4])])
def test_transform_gets_four_uint8_pictures_at_a_time(num, batch_size, sizes):
    calls = []

    def note(X):
        calls.append((X.dtype, tuple(X.shape)))
        return X

    X = torch.cat([X for X, _ in Batches(*pictures(num), batch_size, resize=9, transform=note)])
    assert calls == [(torch.uint8, (size, 1, 6, 6)) for size in sizes]  # before they are resized
    plain = torch.cat([X for X, _ in Batches(*pictures(num), batch_size, resize=9)])
    assert torch.equal(X, plain)


def test_transform_comes_before_the_resizing():
    flipped, plain = (Batches(*pictures(), 5, resize=(9, 4), transform=t) for t in (v2.RandomHorizontalFlip(1), None))
    for (X, y), (X_plain, y_plain) in zip(flipped, plain, strict=True):
        assert X.shape == (5, 1, 9, 4) and X.dtype == torch.float32 and torch.equal(y, y_plain)
        assert torch.allclose(X.flip(-1), X_plain, atol=1e-6)


def test_transform_that_changes_the_size():
    (X, _), *_ = Batches(*pictures(), 5, transform=v2.CenterCrop(4))
    assert X.shape == (5, 1, 4, 4)


def test_each_four_pictures_have_a_draw_of_their_own():
    images, labels = pictures(400)
    images[:] = images[:1]  # one picture, 400 times: what differs is the draw
    ((X, _),) = Batches(images, labels, 400, transform=v2.RandomHorizontalFlip())
    first = X[::4]
    assert all(torch.equal(X[i::4], first) for i in range(4))  # the four of a group are treated alike
    mirrored = sum(torch.equal(picture, X[0].flip(-1)) for picture in first)
    assert 25 <= mirrored <= 75 and mirrored + sum(torch.equal(picture, X[0]) for picture in first) == 100


def test_transform_draws_from_torchs_seed():
    batches = Batches(*pictures(40), 10, shuffle=True, transform=v2.RandomAffine(30, (0.2, 0.2)))
    seen = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        seen.append(torch.cat([X for X, _ in batches.epoch(0)]))
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    torch.manual_seed(3)
    assert not torch.equal(seen[0], torch.cat([X for X, _ in batches.epoch(1)]))


def test_transform_leaves_the_stored_pictures():
    images, labels = pictures()
    before = images.clone()
    batches = Batches(images, labels, 4, transform=lambda X: X.zero_())
    assert not any(X.any() for X, _ in batches)
    assert torch.equal(batches.images, before)


def test_transform_changes_the_training_pictures_alone(fashion):
    train_iter, test_iter = fashion(num_train=64, num_test=64, transform=v2.RandomHorizontalFlip(1))
    plain_train, plain_test = fashion(num_train=64, num_test=64)
    assert torch.equal(next(test_iter.epoch(0))[0], next(plain_test.epoch(0))[0]) and test_iter.transform is None
    (X, y), (X_plain, y_plain) = next(train_iter.epoch(0)), next(plain_train.epoch(0))
    assert torch.equal(X.flip(-1), X_plain) and torch.equal(y, y_plain) and not torch.equal(X, X_plain)
    assert "transformed" in repr(train_iter) and "transformed" not in repr(test_iter) + repr(plain_train)


def test_transform_is_kept_on_another_device():
    flip = v2.RandomHorizontalFlip(1)
    batches = Batches(*pictures(), 4, resize=7, transform=flip, shuffle=True, seed=5)
    assert batches.to("cpu") is batches
    next(iter(batches))
    moved = batches.to("meta")
    assert moved._next_epoch == 0, "its first loop is epoch 0"
    assert (moved.transform, moved.resize, moved.shuffle, moved.seed) == (flip, (7, 7), True, 5)
