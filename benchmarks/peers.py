"""The peers, each with its usual loop and display, as makers: see `kinds`.

All see the same batches in the same order: where a loader shuffles by itself, its sampler is replaced by one with that
order, and it draws its own random numbers from a generator of its own, so that dropout is the same too. Nothing else
of a peer is changed.
"""

import contextlib
import importlib
import io
import re

import torch
from networks import Order
from torch.utils.data import DataLoader, TensorDataset
from watch import Watch, inline


def d2l_train_ch6(task):
    """d2l's loader with its four worker processes, its Animator, its own loop."""
    inline()
    d2l = importlib.import_module("d2l.torch")
    side = task.setting.side
    train_iter, test_iter = d2l.load_data_fashion_mnist(task.batch, None if side == 28 else side)
    train_iter.batch_sampler.sampler = Order(task)
    test_iter.batch_sampler.sampler = range(len(task.test_iter.images))
    train_iter.generator = test_iter.generator = torch.Generator()
    net, said = task.net(), io.StringIO()
    torch.manual_seed(task.seed)
    task.setting.build()  # train_ch6 draws the Xavier weights itself: now it will draw what everybody got

    def go():
        with Watch().over(d2l.Animator, "__init__", "add") as watch, contextlib.redirect_stdout(said):
            d2l.train_ch6(net, train_iter, test_iter, task.epochs, task.lr, torch.device(task.device))
        loss, test_acc = re.search(r"loss ([\d.]+|nan), .* test acc ([\d.]+)", said.getvalue()).groups()
        return {"loss": float(loss), "test_acc": float(test_acc), "display": watch.seconds}

    return go


def _loaders(task):
    """Return PyTorch's loaders over tensors in memory, without worker processes: the quickest for small pictures."""
    train_set, test_set = (TensorDataset(*pair) for pair in task.tensors())
    options = {"batch_size": task.batch, "generator": torch.Generator()}
    return DataLoader(train_set, sampler=Order(task), **options), DataLoader(test_set, **options)


def skorch(task):
    """skorch: arrays in memory, its own scoring, a line printed after each epoch."""
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    (X, y), test = task.tensors()
    model = NeuralNetClassifier(
        task.net(), criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=task.lr,
        max_epochs=task.epochs, batch_size=task.batch, device=task.device, train_split=predefined_split(Dataset(*test)),
        iterator_train__sampler=Order(task), iterator_train__generator=torch.Generator(),
        iterator_valid__generator=torch.Generator(),
    )  # fmt: skip

    def go():
        model.fit(X, y)
        last = model.history[-1]
        return {"loss": float(last["train_loss"]), "test_acc": float(last["valid_acc"])}

    return go


def lightning(task):
    """Lightning: its progress bar, no logger and no checkpoints."""
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def training_step(self, batch, index):
            X, y = batch
            loss = torch.nn.functional.cross_entropy(self.net(X), y)
            self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True)
            return loss

        def validation_step(self, batch, index):
            X, y = batch
            right = (self.net(X).argmax(1) == y).float().mean()
            self.log("test_acc", right, prog_bar=True, batch_size=len(y))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=task.lr)

    loaders = _loaders(task)
    trainer = lightning.Trainer(
        max_epochs=task.epochs, accelerator="cpu" if task.device == "cpu" else "gpu", devices=1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    model = Classifier(task.net())

    def go():
        trainer.fit(model, *loaders)
        found = trainer.callback_metrics
        return {"loss": found["train_loss"].item(), "test_acc": found["test_acc"].item()}

    return go


def fastai(task):
    """fastai: its SGD, its accuracy, its progress bars and table, drawn by fastprogress."""
    from fastai.basics import SGD, DataLoaders, Learner, accuracy
    from fastai.callback import progress  # which adds the display to every Learner

    assert progress
    epochs, cross_entropy = [], torch.nn.CrossEntropyLoss()

    def loss(scores, y):  # its own record is a running mean
        value = cross_entropy(scores, y)
        if scores.requires_grad:
            epochs.append((value.detach(), len(y)))
        return value

    dls = DataLoaders(*_loaders(task), device=torch.device(task.device))
    learner = Learner(dls, task.net(), loss_func=loss, opt_func=SGD, lr=task.lr, metrics=accuracy)

    def go():
        learner.fit(task.epochs)
        last = epochs[-len(task.train_iter) :]
        mean = sum(value.item() * n for value, n in last) / sum(n for _, n in last)
        return {"loss": mean, "test_acc": float(learner.recorder.values[-1][-1])}

    return go
