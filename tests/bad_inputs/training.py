"""Wrong arguments for training, and what keeps a run."""

import cnnlib
from bad_inputs.things import small
from bad_inputs.values import CALLED, EITHER, HUGE, NAN, POSITIVE, RATES, SWITCHES, T, V, bad, rower, without_none
from cnnlib import Trainer, d2l, widgets


def rows(t):
    """Return the rows; `t` holds what they share, see `things`."""
    rows = []
    row = rower(rows, cnnlib)
    data = bad(T, None, 3, "abc", {}, (b for b in t.pairs), words="length") + bad(V, [], words="empty", told="is empty")
    run = {"net": t.net, "train_iter": t.pairs, "test_iter": t.pairs, "num_epochs": 1, "lr": 0.1}
    frozen = bad(V, t.empty, t.bare, small().requires_grad_(False), words="parameter")
    iterators = {"train_iter": data, "test_iter": without_none(data)}
    both = {"net": frozen, **iterators}
    row(
        "Trainer",
        {key: run[key] for key in ("net", "train_iter", "test_iter", "lr")},
        listeners=bad(T, [3]),
        precision=bad(V, "fp16", "", None, 16, words="precision must be one of 'float32', 'bf16'"),
        **both,
    )
    row("Trainer.lr", set_lr, {"self": t.trainer}, lr=RATES)
    row("Trainer.fit", {"self": t.trainer})
    wrong_states = (None, 3, "abc", {}, [], {"net": 3}, {**t.trainer.state(), "more": 1})
    row("Trainer.load_state", {"self": t.trainer}, state=bad(EITHER, *wrong_states, words="state"))
    functions = dict.fromkeys(("loss", "correct"), CALLED) | {"optimizer": bad(T, 3, "relu", [len], None)}
    kept = {**both, **functions, "listeners": bad(T, 3, "abc", [3], {}), "checkpoint": bad(T, 3, ["a"], True, {})}
    row("train", run, **kept)
    rower(rows, widgets)("fit", run, **kept)
    rower(rows, d2l)("train_ch6", {**run, "device": "cpu"}, **both)
    evaluated = {"net": t.net, "data_iter": t.pairs}
    row("evaluate_accuracy", evaluated, data_iter=t.broken_batches)
    rower(rows, d2l)("evaluate_accuracy_gpu", evaluated, data_iter=t.broken_batches)
    row("time_epoch", {"net": t.net, "train_iter": t.pairs}, net=frozen, train_iter=data)
    row(
        "train_over_seeds",
        {**{k: v for k, v in run.items() if k != "net"}, "build": small},
        seeds=bad(T, None, ["0"], [0.5], "012") + bad(V, [-1], [HUGE * HUGE]) + bad(V, [], told="got none"),
        **iterators,
    )
    paths = bad(T, None, 3, ["a"], NAN)
    row("Checkpoint", {"path": "run.pt"}, path=paths, every=RATES, same_start=SWITCHES)
    row("Checkpoint.of", {}, value=paths)
    row("Checkpoint.is_for", {"self": cnnlib.Checkpoint("/nowhere/run.pt")}, path=bad(T, None, [1], {}))
    row(
        "Checkpoint.fit",
        {"self": cnnlib.Checkpoint("/nowhere/run.pt"), "trainer": t.trainer, "num_epochs": 1},
        trainer=bad(T, None, 3, t.net, Trainer, words="Trainer"),
        num_epochs=POSITIVE,
    )
    for name in ("save", "load"):
        row(f"Trainer.{name}", {"self": t.trainer}, path=paths)
    return rows


def set_lr(self, lr):
    self.lr = lr
