"""Two epochs of LeNet (batch 256, learning rate 0.9, Xavier): the d2l package, cnnlib under its live chart, and
the bare loop that neither can beat.

Every run has a kernel of its own, with somebody looking at the page. The clock runs from the call that trains to its
return; imports (matplotlib's among them) and loading the data are over by then, on either side. The bare loops see
cnnlib's batches in cnnlib's order from the same initial weights, so their accuracies must agree with cnnlib's.
"""

import re
import statistics

from side import arguments, machine, report, run_undisturbed, workplace

EPOCHS, BATCH, LR = 2, 256, 0.9

D2L = (
    """
%matplotlib inline
import time
import torch
from torch import nn
from d2l import torch as d2l

train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size={batch})
torch.manual_seed({seed})
net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
    nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10))
""",
    """
started = time.perf_counter()
d2l.train_ch6(net, train_iter, test_iter, {epochs}, {lr}, torch.device("cpu"))
result = {{"seconds": time.perf_counter() - started}}
""",
)

CNNLIB = (
    """
import time
import torch
import matplotlib.backends.backend_agg, matplotlib.figure
from cnnlib import load_data_fashion_mnist
from cnnlib.models import lenet, xavier_
from cnnlib.widgets import fit

train_iter, test_iter = load_data_fashion_mnist({batch}, seed={seed})
torch.manual_seed({seed})
net = xavier_(lenet())
""",
    """
started = time.perf_counter()
history = fit(net, train_iter, test_iter, {epochs}, {lr}, "cpu")
result = {{"seconds": time.perf_counter() - started, "test_acc": history.test_acc[-1]}}
""",
)

BARE = (
    """
import time
import torch
from cnnlib import load_data_fashion_mnist
from cnnlib.models import lenet, xavier_

train_iter, test_iter = load_data_fashion_mnist({batch}, seed={seed})
orders = [train_iter.order(epoch) for epoch in range({epochs})]
images, labels = train_iter.images.float() / 255, train_iter.labels
test_images, test_labels = test_iter.images.float() / 255, test_iter.labels
torch.manual_seed({seed})
net = xavier_(lenet()).to(memory_format=torch.{format})
loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr={lr})

def evaluate():
    right = 0
    net.eval()
    with torch.no_grad():
        for X, y in zip(test_images.split({batch}), test_labels.split({batch})):
            right += (net(X).argmax(1) == y).sum()
    net.train()
    return right.item() / len(test_labels)
""",
    """
started = time.perf_counter()
for order in orders:
    for index in order.split({batch}):
        optimizer.zero_grad()
        loss(net(images[index]), labels[index]).backward()
        optimizer.step()
    if {evaluated}:
        test_acc = evaluate()
seconds = time.perf_counter() - started
result = {{"seconds": seconds, "test_acc": evaluate()}}
""",
)

KINDS = {  # name: (cells, what to fill in)
    "d2l train_ch6": (D2L, {}),
    "cnnlib fit, live chart": (CNNLIB, {}),
    "bare loop, with evaluation": (BARE, {"format": "channels_last", "evaluated": True}),
    "bare loop": (BARE, {"format": "channels_last", "evaluated": False}),
    "bare loop, plain format, with evaluation": (BARE, {"format": "contiguous_format", "evaluated": True}),
    "bare loop, plain format": (BARE, {"format": "contiguous_format", "evaluated": False}),
}


def main():
    args = arguments(__doc__, repeats=3)
    facts, runs = machine(), {name: [] for name in KINDS}
    with workplace() as folder:
        for seed in range(args.repeats):
            for name, (cells, options) in KINDS.items():
                filled = [cell.format(batch=BATCH, epochs=EPOCHS, lr=LR, seed=seed, **options) for cell in cells]
                run = run_undisturbed(filled, folder)
                if "test_acc" not in run:
                    run["test_acc"] = float(re.search(r"test acc ([\d.]+)", run["text"])[1])
                runs[name].append(run)
                print(f"run {seed + 1}: {name} {run['seconds']:.2f} s, test accuracy {run['test_acc']:.3f}", flush=True)
    median = {name: statistics.median(run["seconds"] for run in done) for name, done in runs.items()}
    ours, best = median["cnnlib fit, live chart"], median["bare loop, with evaluation"]
    rows = []
    for name, done in runs.items():
        seconds = [run["seconds"] for run in done]
        rows.append([
            name, f"{median[name]:.2f}", f"{min(seconds):.2f}–{max(seconds):.2f}", f"{median[name] / ours:.2f}",
            ", ".join(f"{run['test_acc']:.3f}" for run in done), str(done[0]["shown"]),
        ])  # fmt: skip
    print(f"\nLeNet, {EPOCHS} epochs of Fashion-MNIST, batch {BATCH}, learning rate {LR}, CPU\n")
    ratios = {"d2l / cnnlib": median["d2l train_ch6"] / ours, "cnnlib / bare loop, with evaluation": ours / best}
    report(
        ["", "median s", "range s", "of cnnlib's", "test accuracy, seed 0, 1, …", "pictures"],
        rows, facts, {"median seconds": median, "ratios": ratios, "runs": runs}, args.out,
    )  # fmt: skip
    print("; ".join(f"{name}: {value:.2f}" for name, value in ratios.items()))


if __name__ == "__main__":
    main()
