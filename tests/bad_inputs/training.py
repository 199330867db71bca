"""Wrong arguments for training, and what keeps a run."""

import cnnlib
from bad_inputs.things import small
from bad_inputs.values import (
    CALLED,
    DEVICES,
    EITHER,
    HUGE,
    MAKERS,
    NAN,
    POSITIVE,
    RATES,
    SWITCHES,
    T,
    V,
    bad,
    rower,
    without_none,
)
from cnnlib import Trainer, d2l, widgets


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows)
    data = bad(T, None, 3, "abc", {}, (b for b in t.pairs), words="length") + bad(V, [], words="empty", told="is empty")
    functions = {"optimizer": MAKERS[:3], "loss": CALLED, "correct": CALLED, "device": DEVICES}
    functions["listeners"] = bad(T, 3, "abc", [3], None, {})
    run = {"net": t.net, "train_iter": t.pairs, "test_iter": t.pairs, "num_epochs": 1, "lr": 0.1}
    frozen = small().requires_grad_(False)
    no_training = t.wrong_net + bad(V, t.empty, t.bare, frozen, words="parameter")
    row(
        "cnnlib.Trainer",
        Trainer,
        {key: run[key] for key in ("net", "train_iter", "test_iter", "lr")},
        net=no_training,
        train_iter=data,
        test_iter=without_none(data),
        lr=RATES,
        precision=bad(V, "fp16", "", None, 16, words="precision must be one of 'float32', 'bf16'"),
        compile=SWITCHES,
        **functions,
    )
    row("cnnlib.Trainer.lr", set_lr, {"self": t.trainer}, lr=RATES)
    row("cnnlib.Trainer.fit", Trainer.fit, {"self": t.trainer}, num_epochs=POSITIVE)
    row(
        "cnnlib.Trainer.load_state",
        Trainer.load_state,
        {"self": t.trainer},
        state=bad(EITHER, None, 3, "abc", {}, [], {"net": 3}, {**t.trainer.state(), "more": 1}, words="state"),
    )
    train = {
        "net": no_training,
        "train_iter": data,
        "test_iter": without_none(data),
        "num_epochs": POSITIVE,
        "lr": RATES,
    }
    functions["checkpoint"] = bad(T, 3, ["a"], True, {})
    for name, function in (("cnnlib.train", cnnlib.train), ("cnnlib.widgets.fit", widgets.fit)):
        row(name, function, run, **train, **functions)
    rows[-1].wrong["band"] = bad(T, 3, "abc", (1, 2), (0, "1", "a"), (0, 1, 3)) + bad(V, (1, 0, "a"), (0, NAN, "a"))
    row("cnnlib.d2l.train_ch6", d2l.train_ch6, {**run, "device": "cpu"}, **train, device=without_none(DEVICES))
    for name, function in (
        ("cnnlib.evaluate_accuracy", cnnlib.evaluate_accuracy),
        ("cnnlib.d2l.evaluate_accuracy_gpu", d2l.evaluate_accuracy_gpu),
    ):
        row(
            name,
            function,
            {"net": t.net, "data_iter": t.pairs},
            net=t.wrong_net,
            data_iter=t.broken_batches,
            device=DEVICES,
        )
    rows[-2].wrong["correct"] = CALLED
    row(
        "cnnlib.time_epoch",
        cnnlib.time_epoch,
        {"net": t.net, "train_iter": t.pairs},
        net=no_training,
        train_iter=data,
        device=DEVICES,
        steps=POSITIVE,
    )
    row(
        "cnnlib.train_over_seeds",
        cnnlib.train_over_seeds,
        {**{k: v for k, v in run.items() if k != "net"}, "build": small},
        build=bad(T, None, 3, "lenet", t.net.state_dict(), words="callable"),
        num_epochs=POSITIVE,
        lr=RATES,
        train_iter=data,
        test_iter=without_none(data),
        seeds=bad(T, 3, None, ["0"], [0.5], "012") + bad(V, [-1], [HUGE * HUGE]) + bad(V, [], told="got none"),
        steps=without_none(POSITIVE),
    )

    paths = bad(T, None, 3, ["a"], NAN)
    row("cnnlib.Checkpoint", cnnlib.Checkpoint, {"path": "run.pt"}, path=paths, every=RATES)
    row("cnnlib.Checkpoint.of", cnnlib.Checkpoint.of, {}, value=paths)
    row(
        "cnnlib.Checkpoint.fit",
        cnnlib.Checkpoint.fit,
        {"self": cnnlib.Checkpoint("/nowhere/run.pt"), "trainer": t.trainer, "num_epochs": 1},
        trainer=bad(T, None, 3, t.net, Trainer, words="Trainer"),
        num_epochs=POSITIVE,
    )
    row("cnnlib.Trainer.save", Trainer.save, {"self": t.trainer}, path=paths)
    row("cnnlib.Trainer.load", Trainer.load, {"self": t.trainer}, path=paths)
    return rows


def set_lr(self, lr):
    self.lr = lr
