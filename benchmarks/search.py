"""What a search costs, beside one fit and beside scikit-learn's search, in one run.

``python benchmarks/search.py`` writes ``search.csv``, ``search.md`` and ``search.png``: the cost of
1 to 64 candidates of a stacked search, in fits of one of them; and 24 candidates x 5 folds in
:class:`sklqkd.search.StackedGridSearchCV` and in scikit-learn's GridSearchCV with two jobs, with
the scores of both; and successive halving over the epochs in both. What is compared takes turns,
and the median counts. ``--quick`` takes less than a minute.
"""

from __future__ import annotations

import os

# Before the libraries look: a core for each job.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import csv
import platform
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, PredefinedSplit
from speed_report import processor

from sklqkd import DistilledQNNClassifier
from sklqkd.datasets import fetch_mnist
from sklqkd.search import StackedGridSearchCV, StackedHalvingGridSearchCV
from sklqkd.threads import one_thread

SEED = 0
#: What the project promises: at most so many fits for 64 candidates; at least so many times faster.
COST, GAIN = {"pca": 8, "fc": 20}, {"pca": 10, "fc": 2.5}
GRID = {"temperature": [1, 2, 4, 8], "lam": [0.2, 0.4, 0.6, 0.8]}


class Bench:
    """Rows of measurements."""

    def __init__(self):
        self.rows = []

    def add(self, quantity, reducer, n_qubits, value, unit, promised=""):
        """Keep and print a row."""
        self.rows.append(
            {
                "quantity": quantity,
                "reducer": reducer,
                "n_qubits": n_qubits,
                "value": f"{value:.4g}",
                "unit": unit,
                "promised": promised,
            }
        )
        print(*self.rows[-1].values(), flush=True)

    def table(self):
        """Return all rows in markdown."""
        names = list(self.rows[0])
        lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
        lines += ["| " + " | ".join(map(str, row.values())) + " |" for row in self.rows]
        return "\n".join(lines)

    def summary(self):
        """Return the rows that README shows, a reducer in each column."""
        shown = {
            "64 candidates": "64 candidates on one core, in fits of one",
            "stacked n_jobs=1, times faster": "24 candidates x 5 folds, one core: times faster "
            "than `GridSearchCV(n_jobs=2)`",
            "stacked n_jobs=2, times faster": "the same on two cores",
            "halving, times faster": "halving over the epochs, one core: times faster than "
            "scikit-learn's with `n_jobs=2`",
        }
        rows = ["| 4 qubits, 1,500 MNIST images, 20 epochs | pca | fc |", "| --- | ---: | ---: |"]
        for quantity, title in shown.items():
            values = [
                row["value"]
                for row in self.rows
                if row["quantity"] == quantity and row["n_qubits"] == 4
            ]
            rows.append(f"| {title} | {' | '.join(values)} |")
        command = " ".join(["python", *sys.argv])
        return "\n".join([*rows, "", f"`{command}`", ""])


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def data(n_samples):
    """Return images, labels and a teacher that has seen others."""
    X, y = fetch_mnist(return_X_y=True)
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(len(y))
    own, other = chosen[:n_samples], chosen[n_samples : 3 * n_samples]
    teacher = RandomForestClassifier(100, random_state=SEED).fit(X[other], y[other])
    return X[own], y[own], teacher


def student(teacher, reducer, n_epochs, n_qubits=4):
    return DistilledQNNClassifier(
        teacher,
        reducer=reducer,
        n_qubits=n_qubits,
        max_iter=n_epochs,
        n_iter_no_change=1000,
        random_state=SEED,
    )


def candidates(n_candidates):
    """Return so many of 64 settings of temperature, lambda and seed."""
    settings = [*product(GRID["temperature"], GRID["lam"], range(4))]
    return [
        {"temperature": [t], "lam": [lam], "random_state": [seed]}
        for t, lam, seed in settings[:: len(settings) // n_candidates]
    ]


def cost_of_candidates(bench, X, y, estimator, counts, repeats):
    """Time a search over one training set, in fits of one candidate."""
    # All images but one train; the search is nothing but the fits and a score each.
    train = np.arange(len(y))
    split = PredefinedSplit(np.where(train == 0, 0, -1))
    searches = {
        n: StackedGridSearchCV(estimator, candidates(n), cv=split, refit=False) for n in counts
    }
    times = {n: [] for n in [0, *counts]}
    for repeat in range(repeats + 1):
        for n in times:
            with one_thread():
                taken = seconds(lambda n=n: (searches[n] if n else estimator).fit(X, y))
            if repeat:  # the first round compiles
                times[n].append(taken)
    one = np.median(times.pop(0))
    name, n_qubits = estimator.reducer, estimator.n_qubits
    bench.add("one fit", name, n_qubits, 1000 * one, "ms")
    for n, taken in times.items():
        promised = f"<= {COST[name]}" if n == 64 and n_qubits == 4 else ""
        bench.add(f"{n} candidates", name, n_qubits, np.median(taken) / one, "fits", promised)
    return {n: np.median(taken) / one for n, taken in times.items()}


def beside_scikit_learn(bench, X, y, estimator, n_folds, repeats, grid, jobs=(1, 2)):
    """Time both searches, and compare their scores."""
    searches = {
        f"stacked n_jobs={n}": StackedGridSearchCV(estimator, grid, cv=n_folds, n_jobs=n)
        for n in jobs
    }
    other = GridSearchCV(estimator, grid, cv=n_folds, n_jobs=2)
    for own in searches.values():
        own.fit(X, y)  # compiles, and starts the workers
    everyone = [*searches.values(), other]
    taken = [
        [seconds(lambda search=search: search.fit(X, y)) for search in everyone]
        for _ in range(repeats)
    ]
    *mine, theirs = np.median(taken, axis=0)
    name, n_qubits = estimator.reducer, estimator.n_qubits
    n_fits = len(other.cv_results_["params"]) * n_folds
    bench.add(f"GridSearchCV n_jobs=2, {n_fits} fits", name, n_qubits, theirs, "s")
    promised = f">= {GAIN[name]}" if n_qubits == 4 else ">= 1.5"
    for title, own in zip(searches, mine, strict=True):
        bench.add(f"{title}, {n_fits} fits", name, n_qubits, own, "s")
        bench.add(f"{title}, times faster", name, n_qubits, theirs / own, "", promised)
    means = [search.cv_results_["mean_test_score"] for search in everyone]
    difference = np.abs(np.subtract(means[:-1], means[-1])).max()
    bench.add("largest difference of mean scores", name, n_qubits, difference, "", "<= 0.005")


def halving(bench, X, y, estimator, n_folds, repeats, grid):
    """Time successive halving over the epochs, trained on here and from the start there."""
    options = {"cv": n_folds, "resource": "max_iter", "max_resources": estimator.max_iter}
    own = StackedHalvingGridSearchCV(estimator, grid, **options)
    other = HalvingGridSearchCV(estimator, grid, **options, n_jobs=2)
    own.fit(X, y)
    taken = [
        (seconds(lambda: own.fit(X, y)), seconds(lambda: other.fit(X, y))) for _ in range(repeats)
    ]
    mine, theirs = np.median(taken, axis=0)
    name, n_qubits = estimator.reducer, estimator.n_qubits
    bench.add("stacked halving n_jobs=1", name, n_qubits, mine, "s")
    bench.add("HalvingGridSearchCV n_jobs=2", name, n_qubits, theirs, "s")
    bench.add("halving, times faster", name, n_qubits, theirs / mine, "")
    scores = (search.cv_results_["mean_test_score"] for search in (own, other))
    difference = np.abs(np.subtract(*scores)).max()
    bench.add("largest difference of mean scores", name, n_qubits, difference, "", "<= 0.005")


def draw(curves, path):
    """Plot cost against the number of candidates."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use("sklqkd.plotting.style")
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for (name, curve), colour, marker in zip(curves.items(), ("C0", "C1"), "os", strict=False):
        axes.plot(curve.keys(), curve.values(), color=colour, marker=marker, label=name)
    longest = max(max(curve) for curve in curves.values())
    axes.plot([1, longest], [1, longest], color="#808080", linestyle=":", label="one by one")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="candidates",
        ylabel="cost, in fits of one",
        title="Cost of a stack of candidates, 4 qubits, one core",
    )
    axes.legend()
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few images, epochs and candidates")
    parser.add_argument("--repeats", type=int, help="repetitions of each case (3; quick: 1)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    quick = arguments.quick
    repeats = arguments.repeats or (1 if quick else 3)
    X, y, teacher = data(300 if quick else 1500)
    n_epochs = 2 if quick else 20
    bench, curves = Bench(), {}
    for reducer in ("pca", "fc"):
        estimator = student(teacher, reducer, n_epochs)
        counts = [1, 8] if quick else [1, 2, 4, 8, 16, 32, 64]
        curves[reducer] = cost_of_candidates(bench, X, y, estimator, counts, repeats)
        grid = GRID | {"lam": [0.5]} if quick else GRID | {"temperature": [1, 2, 3, 4, 6, 8]}
        beside_scikit_learn(bench, X, y, estimator, 2 if quick else 5, repeats, grid)
        halving(bench, X, y, estimator, 2 if quick else 5, repeats, grid)
    estimator = student(teacher, "pca", n_epochs, n_qubits=8)
    grid = {"temperature": [1, 2, 4, 8], "lam": [0.5]}
    beside_scikit_learn(bench, X, y, estimator, 2, repeats, grid, jobs=(2,))
    arguments.output.mkdir(parents=True, exist_ok=True)
    with open(arguments.output / "search.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(bench.rows[0]))
        writer.writeheader()
        writer.writerows(bench.rows)
    load = f"; load of the machine {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    text = [
        "# Searches",
        f"`{' '.join(['python', *sys.argv])}`, seed {SEED}; {processor()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}{load}.",
        f"{len(y)} images of MNIST, {n_epochs} epochs, the default student but for its reducer and "
        "the teacher, a random forest. Cost of candidates: on one core, in fits of one.",
        bench.table(),
        "![cost](search.png)",
    ]
    (arguments.output / "search.md").write_text("\n\n".join(text) + "\n")
    (arguments.output / "search_summary.md").write_text(bench.summary())
    draw(curves, arguments.output / "search.png")


if __name__ == "__main__":
    main()
