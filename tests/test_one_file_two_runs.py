"""One file keeps one run: a second is refused while the first goes on, and later unless it is the same run.

And what a run has written itself is never called damaged, whatever its loader, optimizer and layers are.
"""

import gc
import multiprocessing
import signal
import subprocess
import sys
import threading
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import cnnlib
from cnnlib import Checkpoint, History, growth_table
from cnnlib.page import storage
from cnnlib.probes import layer_table

Trainer = partial(cnnlib.Trainer, device="cpu")
X, y = torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 10
BATCHES = [(X[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]

RUN = """
import sys, time
import torch
from torch import nn
import cnnlib
torch.manual_seed(0)
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
X, y = torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 10
data = [(X[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]
def tell(trainer):
    print(trainer.step, flush=True)
    time.sleep(0.05)
cnnlib.train(net, data, None, 1000, 0.1, "cpu", checkpoint=sys.argv[1], listeners=[tell])
"""


def build(seed=0, *layers, width=16):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), *(layers or [nn.ReLU()]), nn.Linear(width, 10))


def train(path, num_epochs=1, net=None, data=BATCHES, lr=0.1, **options):
    net = build() if net is None else net
    return cnnlib.train(net, data, None, num_epochs, lr, "cpu", checkpoint=path, **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pt"


# While the first goes on


def test_a_second_process_is_refused_until_the_first_has_ended_or_was_killed(path):
    first = subprocess.Popen([sys.executable, "-c", RUN, path], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(4):
            first.stdout.readline()
        before = path.read_bytes()
        with pytest.raises(ValueError, match="another run is being kept in .*run.pt.*file of its own"):
            train(path)
        with pytest.raises(OSError, match="another program, or another run in this one, is writing to .*run.pt"):
            Trainer(build(), BATCHES, lr=0.1).save(path)
        assert path.exists() and len(path.read_bytes()) >= len(before) // 2
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()

    def linear(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    with pytest.raises(ValueError, match="began with other weights"):
        train(path, 1000, linear(1))
    assert train(path, 2, linear(0)).steps >= 3, "the lock went with its process"


def test_workers_that_outlive_their_parent_hold_no_lock(path):
    keeper, trainer = Checkpoint(path), Trainer(build(), BATCHES, lr=0.1)
    keeper.begin(trainer, 1)
    worker = multiprocessing.get_context("fork").Process(target=signal.pause)
    worker.start()
    try:
        keeper.release()
        assert train(path).ended == "finished"
    finally:
        worker.kill()
        worker.join()


@pytest.mark.parametrize("where", ["thread", "listener", "begun"])
def test_a_second_run_in_the_same_process_is_refused(path, where):
    refused = []

    def second(trainer=None):
        try:
            train(path)
        except ValueError as error:
            refused.append(str(error))

    def listen(trainer):
        if trainer.step == 2 and trainer.running and not refused:
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

    if where == "begun":
        first = Trainer(build(), BATCHES, lr=0.1)
        keeper = Checkpoint(path)
        left = keeper.begin(first, 2)
        second()
        history = first.fit(left)
    else:
        history = train(path, 2, listeners=[listen if where == "thread" else partial(once, second)])
    assert len(refused) == 1 and "another run is being kept" in refused[0]
    assert history.steps == 6 and train(path, 2).steps == 6, "the first one's file is whole"


def once(second, trainer):
    if trainer.step == 2:
        second()


def test_one_checkpoint_keeps_one_run_at_a_time(path):
    keeper, refused = Checkpoint(path), []

    def second(trainer):
        if trainer.step == 1:
            with pytest.raises(ValueError, match="is keeping another run") as caught:
                train(keeper)
            refused.append(caught.value)

    assert train(keeper, listeners=[second]).ended == "finished" and refused
    assert train(keeper, 2).steps == 6


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, RuntimeError("a listener's"), ValueError("nan")])
def test_a_run_that_broke_off_leaves_its_file_to_the_next(path, trouble):
    def fail(trainer):
        if trainer.step == 2 or not trainer.running:
            raise trouble

    net = build()
    with pytest.raises(type(trouble) if isinstance(trouble, Exception) else trouble) as caught:
        train(path, 2, net, listeners=[fail])
    assert caught.value is not None  # it holds the frames, and they the run
    assert train(path, 2).steps == 6


def test_a_run_that_never_began_lets_go_of_its_file(path):
    Checkpoint(path).begin(Trainer(build(), BATCHES, lr=0.1), 1)
    gc.collect()
    assert train(path).ended == "finished"


def test_a_trainer_that_goes_on_after_its_run_saves_again_unless_another_has_written(path):
    first, keeper = Trainer(build(), BATCHES, lr=0.1), Checkpoint(path)
    keeper.fit(first, 1)
    first.fit(1)
    assert keeper.saved == 6 and not keeper.failing
    assert train(path, 3).steps == 9  # the same run, elsewhere
    content = path.read_bytes()
    with pytest.warns(RuntimeWarning, match="another run has been kept there meanwhile"):
        first.fit(1)
    assert path.read_bytes() == content
    assert Checkpoint(path).fit(first, 4).steps == 12, "told to, it goes on from what is there"


def test_the_listeners_hold_one_keeper_of_a_file(path, tmp_path):
    trainer = Trainer(build(), BATCHES, lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for num_epochs in (1, 2, 3):
            Checkpoint(path).fit(trainer, num_epochs)
        Checkpoint(tmp_path / "second.pt").fit(trainer, 4)
    assert sum(isinstance(one, Checkpoint) for one in trainer.listeners) == 2 and trainer.step == 12


# Afterwards: the same run goes on, others are told what differs


def test_the_same_network_goes_on_from_where_it_stands(path):
    net = build()
    train(path, 1, net)
    assert train(path, 2, net).steps == 6, "the cell that trains was run again, not the one that builds"
    net[1].weight.data.mul_(2)
    with pytest.raises(ValueError, match="began with other weights"):
        train(path, 3, net)


DIFFERENT = {
    "seed": ({"net": lambda: build(1)}, "other weights.*torch.manual_seed.*same_start=False"),
    "width": ({"net": lambda: build(width=17)}, r"\(1\): Linear\(in_features=784, out_features=16, .*=17"),
    "activation": ({"net": lambda: build(0, nn.Tanh())}, r"has \(2\): ReLU\(\) where this one has \(2\): Tanh\(\)"),
    "a layer more": ({"net": lambda: build(0, nn.ReLU(), nn.Dropout())}, r"has \(3\): Linear.* has \(3\): Dropout"),
    "learning rate": ({"lr": 0.2}, "begun with the learning rate 0.1, not 0.2"),
    "optimizer": ({"optimizer": torch.optim.Adam}, "optimizer is SGD there and Adam here"),
    "momentum": ({"optimizer": partial(torch.optim.SGD, momentum=0.9)}, "momentum is 0 there and 0.9 here"),
    "length": ({"data": BATCHES[:2]}, "batches in an epoch is 3 there and 2 here"),
    "pictures": ({"data": [(1 - X, y) for X, y in BATCHES]}, "trained on other data"),
    "labels": ({"data": [(X, 9 - y) for X, y in BATCHES]}, "trained on other data"),
}


@pytest.mark.parametrize("changes, words", DIFFERENT.values(), ids=DIFFERENT)
def test_another_run_is_told_what_differs_and_changes_nothing(path, changes, words):
    train(path)
    content = path.read_bytes()
    changes = {key: value() if key == "net" else value for key, value in changes.items()}
    for _ in range(2):
        with pytest.raises(ValueError, match=f"belongs to another run: .*{words}.*delete this one"):
            train(path, 2, **changes)
    assert path.read_bytes() == content and train(path, 2).steps == 6


def test_data_of_the_library_and_of_pytorch_is_told_apart(path, noise):
    def loader(images):
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, y), 4)

    train(path, data=noise())
    other = noise()
    other.images = 255 - other.images
    with pytest.raises(ValueError, match="trained on other data"):
        train(path, 2, data=other)
    assert train(path, 2, data=noise()).steps == 6
    second = path.with_name("second.pt")
    train(second, data=loader(X))
    with pytest.raises(ValueError, match="trained on other data"):
        train(second, 2, data=loader(1 - X))


def test_other_places_and_files_are_told(path):
    with pytest.raises(cnnlib.DivergenceError, match="checkpoint=another file"):
        train(path, 9, lr=1e30)
    with pytest.raises(TypeError, match="train_over_seeds keeps no files.*for each seed"):
        cnnlib.train_over_seeds(build, BATCHES, None, 1, 0.1, device="cpu", checkpoint=path)
    with pytest.raises(IsADirectoryError, match="is a folder. Name a file in it"):
        train(path.parent)
    torch.save(build(), path)  # in place of the run that diverged
    with pytest.raises(ValueError, match="nothing in it was executed: Weights only load failed. Delete it") as caught:
        train(path)
    assert str(caught.value).isprintable()


def test_a_network_without_a_seed_goes_on_if_told_to(path):
    train(path)
    assert train(Checkpoint(path, same_start=False), 2, build(5)).steps == 6
    assert train(path, 3, build(0)).steps == 9, "whose the file is has not changed"
    with pytest.raises(ValueError, match="Tanh"):
        train(Checkpoint(path, same_start=False), 4, build(5, nn.Tanh()))


def test_a_file_that_was_saved_by_hand_is_gone_on_with(path):
    trainer = Trainer(build(), BATCHES, lr=0.1)
    trainer.fit(1)
    trainer.save(path)
    assert train(path, 2, build(3)).steps == 6
    other = Trainer(build(7), BATCHES, lr=0.1)
    other.load(path)  # asked for by name, it takes what is there
    assert other.step == 6


# No file of one's own is called damaged


class Loader:
    """Say one length and give another number of batches."""

    def __init__(self, said, given):
        self.said, self.given = said, given

    def __len__(self):
        return self.said

    def __iter__(self):
        return (BATCHES[i % 3] for i in range(self.given))


class Extra(nn.Flatten):
    def get_extra_state(self):
        return {"calls": 3, "scale": np.float64(0.5)}

    def set_extra_state(self, state):
        assert state == {"calls": 3, "scale": 0.5}


def of_numpy(parameters, lr):
    return torch.optim.SGD(parameters, lr=lr, momentum=np.float64(0.9), weight_decay=np.float32(1e-4))


OWN = {
    "a loader that stops early": {"data": Loader(4, 3)},
    "a loader that goes on": {"data": Loader(4, 6)},
    "Adafactor": {"optimizer": torch.optim.Adafactor},
    "numbers of NumPy": {"optimizer": of_numpy},
    "a layer with more state": {"layers": [Extra()]},
}


@pytest.mark.filterwarnings("ignore:.*train_iter")
@pytest.mark.parametrize("options", OWN.values(), ids=OWN)
def test_what_a_run_has_written_it_reads(path, options):
    def stop(trainer):
        if trainer.epoch == 1 and trainer.batch == 1:
            trainer.stop()

    layers = options.get("layers", [])
    options = {key: value for key, value in options.items() if key != "layers"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("default", message=".*(train_iter|len).*")
        straight = train(path.with_name("straight.pt"), 3, build(0, *layers), **options)
        train(path, 3, build(0, *layers), listeners=[stop], **options)
        history = train(path, 3, build(0, *layers), **options)
    assert history.steps == straight.steps and history.loss == straight.loss
    assert len(history.epoch_ends) == 3


def test_what_could_not_be_read_again_is_not_written(path):
    class Odd(nn.Flatten):
        def get_extra_state(self):
            return {"when": threading}

        def set_extra_state(self, state):
            pass

    with pytest.warns(RuntimeWarning, match="could not be saved .*tensors and plain values, and net.*module"):
        assert train(path, net=build(0, Odd())).ended == "finished"
    assert not path.exists()


def test_momentum_that_a_scheduler_moves_is_no_other_run(path):
    def run(num_epochs, stop=False):
        trainer = Trainer(build(), BATCHES, lr=0.1, optimizer=partial(torch.optim.SGD, momentum=0.9))
        schedule = torch.optim.lr_scheduler.OneCycleLR(trainer.optimizer, 0.1, total_steps=20)
        trainer.listeners.append(lambda t: t.running and schedule.step())
        return Checkpoint(path).fit(trainer, num_epochs)

    run(1)
    assert run(2).steps == 6


# Paths and the one writer


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tilde_is_the_home_folder_wherever_a_path_is_taken(home):
    net, history = build(), History(loss=[1.0], lr=[0.1], correct=[1], size=[4])
    train("~/a/run.pt", net=net)
    assert Checkpoint("~/a/run.pt").path == home / "a" / "run.pt"
    trainer = Trainer(net, BATCHES, lr=0.1)
    trainer.load("~/a/run.pt")
    assert trainer.step == 3 and trainer.save("~/b/saved.pt") == home / "b" / "saved.pt"
    assert history.save("~/c/run.json") == home / "c" / "run.json" and History.load("~/c/run.json") == history
    growth_table(1, "LeNet", layer_table(net, (1, 28, 28)), history, folder="~/d")
    animator = cnnlib.Animator()
    animator.add(1, 0.5)
    animator.picture().save("~/e.png")
    assert {p.name for p in home.iterdir() if not p.name.startswith(".")} == {"a", "b", "c", "d", "e.png"}
    assert not (home / "~").exists()


@pytest.mark.parametrize("call", [Checkpoint, History.load, History().save])
def test_what_is_no_path_is_told(call):
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        call(3)


def test_a_link_stays_a_link_and_has_one_lock(path, tmp_path):
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "link.pt"
    link.symlink_to(path)
    train(link)
    assert link.is_symlink() and path.is_file()
    with storage.locked(path), pytest.raises(ValueError, match="another run"):
        train(link, 2)


def test_parts_of_killed_programs_are_cleared_away(path):
    (left := path.with_name(".run.pt.123-456.part")).write_bytes(b"half")
    train(path)
    assert not left.exists() and {p.name for p in path.parent.iterdir()} == {"run.pt", ".run.pt.lock"}
