"""How well, and how fast, a student chooses its own settings: beside a full grid search.

``python benchmarks/selection.py`` fits :class:`sklqkd.DistilledQNNClassifierCV` and a
``StackedGridSearchCV`` of the same candidates, 5 folds and all epochs, on 150 labelled images of
each class of MNIST and FashionMNIST, and scores both on the test images. Times are in fits of one
student, measured next to them. Writes ``results/selection.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import sklqkd
from sklqkd import DistilledQNNClassifier, DistilledQNNClassifierCV, LeNetClassifier, datasets
from sklqkd.search import StackedGridSearchCV

RESULTS = Path(__file__).parent / "results"
GRID = {"temperature": [1.0, 2.0, 4.0, 8.0], "lam": [0.5, 0.9, 1.0]}
REDUCERS = ("fc", "pca")


def seconds(model, X, y):
    """Return how long a fit takes, and the fitted model."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start, model


def compare(name, seeds):
    """Return a row for each reducer: medians of times in fits, means of accuracies, %."""
    fetch = getattr(datasets, f"fetch_{name}")
    X_all, y_all = fetch("train", return_X_y=True)
    test = fetch("test", return_X_y=True)
    X, y = datasets.take_per_class(X_all, y_all, 150)
    teacher = LeNetClassifier(random_state=0).fit(X_all, y_all)
    for reducer in REDUCERS:
        times, scores = [], []
        for seed in range(seeds):
            student = DistilledQNNClassifier(teacher, reducer=reducer, random_state=seed)
            student.fit(X, y)  # whatever is done once
            own, chosen = seconds(DistilledQNNClassifierCV(student=student), X, y)
            whole, full = seconds(StackedGridSearchCV(student, GRID, cv=5), X, y)
            one = np.median([seconds(student, X, y)[0] for _ in range(3)])
            times.append([own / one, whole / one])
            scores.append([100 * model.score(*test) for model in (student, chosen, full)])
        yield [name, reducer, *np.median(times, axis=0), *np.mean(scores, axis=0)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [row for name in ("mnist", "fashion_mnist") for row in compare(name, options.seeds)]
    lines = [
        "# Settings chosen in one fit",
        "",
        f"`{' '.join(['python', *sys.argv])}`, sklqkd {sklqkd.__version__}, seeds 0 to "
        f"{options.seeds - 1}. {np.prod([len(v) for v in GRID.values()])} candidates of "
        "temperature and lam, 150 labelled images per class, the default student of 4 qubits. "
        "Times are medians, in fits of one student; accuracies are means over the seeds.",
        "",
        "| data | reducer | `...CV`, fits | grid search, fits | default, % | `...CV`, % | "
        "grid search, % | difference |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, reducer, own, whole, *scores in rows:
        cells = [f"{own:.1f}", f"{whole:.1f}", *(f"{score:.2f}" for score in scores)]
        lines.append(f"| {' | '.join([name, reducer, *cells, f'{scores[1] - scores[2]:+.2f}'])} |")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "selection.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
