"""What the teachers' two recipes give in how long, and what training costs beside a bare loop.

``python benchmarks/teachers.py`` trains LeNet by the one-cycle recipe and by the paper's, and
ResNet by the one-cycle recipe, on the training images of MNIST and FashionMNIST, scores them on the
test images, and times an epoch of each beside the same epoch written in torch alone. One thread.
Writes ``results/teachers.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

import sklqkd
from sklqkd import LeNetClassifier, ResNetClassifier, datasets

RESULTS = Path(__file__).parent / "results"
#: Name, class, parameters, and whether all seeds are run: a ResNet takes minutes.
ROWS = [
    ("LeNet, one cycle", LeNetClassifier, {}, True),
    ("LeNet, paper's", LeNetClassifier, {"recipe": "paper"}, True),
    ("ResNet, one cycle", ResNetClassifier, {}, False),
]


def fit(net, X, y):
    """Return the seconds of a fit."""
    start = time.perf_counter()
    net.fit(X, y)
    return time.perf_counter() - start


def bare_epoch(net, X, y):
    """Return the seconds of an epoch with a fitted net's module and optimizer, in torch alone."""
    images = torch.from_numpy(X).reshape(len(X), 1, 28, 28)
    labels = torch.from_numpy(y.astype(np.int64))
    module, optimizer = net.module_.train(), net.optimizer_
    loss = torch.nn.CrossEntropyLoss()
    start = time.perf_counter()
    for rows in torch.randperm(len(X)).split(128):
        optimizer.zero_grad()
        loss(module(images[rows]), labels[rows]).backward()
        optimizer.step()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--nets", nargs="+", default=["LeNet", "ResNet"])
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for name in ("mnist", "fashion_mnist"):
        fetch = getattr(datasets, f"fetch_{name}")
        X, y = fetch("train", return_X_y=True)
        test = fetch("test", return_X_y=True)
        X = X.astype(np.float32)
        rows = [row for row in ROWS if row[0].split(",")[0] in options.nets]
        for label, make, parameters, is_quick in rows:
            scores, times = [], []
            for seed in range(options.seeds if is_quick else 1):
                net = make(random_state=seed, **parameters)
                times.append(fit(net, X, y))
                scores.append(100 * net.score(*test))
            ratios = []
            for _ in range(5 if is_quick else 1):  # in turns, for one machine's noise
                own = fit(make(max_epochs=1, random_state=0, **parameters), X, y)
                ratios.append(own / bare_epoch(net, X, y))
            accuracies = ", ".join(f"{score:.2f}" for score in scores)
            cells = [name, label, accuracies, f"{np.median(times):.0f}", f"{np.median(ratios):.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    header = [
        "# Teachers",
        "",
        f"`{' '.join(['python', *sys.argv])}`, sklqkd {sklqkd.__version__}, torch "
        f"{torch.__version__}, one thread; {len(X):,} training and {len(test[1]):,} test images. "
        "Defaults throughout; accuracies seed by seed. The last column is an epoch of ours in "
        "epochs of a loop in torch alone.",
        "",
        "| data | teacher | test accuracy, % | fit, s | epoch / bare torch |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "teachers.md").write_text("\n".join([*header, *lines]) + "\n")


if __name__ == "__main__":
    main()
