"""Training on shots: SPSA against the parameter-shift rule, at an equal number of circuits.

``python benchmarks/shots_training.py`` trains a student of 3 qubits on 90 images of scikit-learn's
digits 0, 1 and 2 (PCA, angle encoding, one strongly entangling layer) with 100 shots on Qiskit
Aer, clean and noisy, and writes ``shots_training.md``. SPSA runs 2 circuits for each image of a
step, the parameter-shift rule 2 for each of the 9 angles and one for the value. Each has its
learning rate chosen on seeds that are not reported. Some minutes on one core; ``--quick`` takes
half a minute.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import platform
import sys
import time
from pathlib import Path

import numpy as np

from sklqkd import QNNClassifier
from sklqkd.backends import QiskitBackend
from sklqkd.datasets import load_digits, take_per_class

QUBITS, SHOTS, PER_CLASS, BATCH, TUNING_SEEDS = 3, 100, 30, 10, (1000, 1001)
CLASSES = [0, 1, 2]
NOISE = {"depolarizing": 0.01, "readout": 0.02}
KINDS = {"clean": {}, "noisy": {"noise_model": NOISE}}
RATES = {"spsa": (0.02, 0.05, 0.1), "adam": (0.02, 0.05, 0.1)}
NAMES = {"spsa": "SPSA", "adam": "Adam, parameter shift"}
PACKAGES = ("numpy", "scikit-learn", "pennylane", "qiskit", "qiskit-aer")


class Counter:
    """Counts the circuits that Aer executes."""

    def __init__(self):
        self.n_circuits = 0
        original = QiskitBackend.probabilities

        def counting(backend, circuit, angles, rng):
            self.n_circuits += len(angles)
            return original(backend, circuit, angles, rng)

        QiskitBackend.probabilities = counting


def make_data(seed):
    """Return training images and labels, and those of a test."""
    X, y = load_digits(return_X_y=True)
    known = np.isin(y, CLASSES)
    X, y = X[known] / 16, y[known]
    rows = np.random.default_rng(seed).permutation(len(X))
    X, y = X[rows], y[rows]
    return *take_per_class(X[:300], y[:300], PER_CLASS), X[300:], y[300:]


def make_student(seed, **params):
    given = {"reducer": "pca", "encoding": "angle", "n_layers": 1, "batch_size": BATCH, **params}
    return QNNClassifier(n_qubits=QUBITS, random_state=np.random.RandomState(seed), **given)


def train(optimizer, rate, kind, seed, budgets, counter):
    """Return the accuracies on test images at the last epoch within each budget of circuits."""
    X, y, X_test, y_test = make_data(seed)
    epochs = budgets[-1] // (2 * len(X)) if optimizer == "spsa" else 50
    on_aer = {"backend": "qiskit.aer", "shots": SHOTS, "backend_options": KINDS[kind]}
    student = make_student(
        seed, optimizer=optimizer, learning_rate_init=rate, max_iter=epochs, **on_aer
    )
    spent, reached = 0, dict.fromkeys(budgets, np.nan)
    due = iter(budgets)
    budget = next(due)
    before = None
    while True:
        counter.n_circuits = 0
        student.partial_fit(X, y, classes=CLASSES)
        spent += counter.n_circuits
        while budget is not None and spent > budget:
            reached[budget] = 1 / 3 if before is None else score(before, X_test, y_test)
            budget = next(due, None)
        if budget is None:
            return [reached[each] for each in budgets]
        before = copy.deepcopy(student).set_params(random_state=seed)


def score(student, X, y):
    """Return the accuracy on the device that a student was trained on, with 1000 shots."""
    return student.set_params(shots=1000).score(X, y)


def run(kind, optimizer, budgets, seeds, counter):
    """Return the chosen rate, and the accuracies of the seeds, (n_seeds, n_budgets)."""
    tried = {
        rate: np.mean(
            [train(optimizer, rate, kind, seed, budgets, counter)[-1] for seed in TUNING_SEEDS]
        )
        for rate in RATES[optimizer]
    }
    rate = max(tried, key=tried.__getitem__)
    results = [train(optimizer, rate, kind, seed, budgets, counter) for seed in range(seeds)]
    print(kind, optimizer, rate, np.mean(results, axis=0).round(3), flush=True)
    return rate, np.array(results)


def reference(seeds):
    """Return the accuracies after exact training, without shots or noise."""
    accuracies = []
    for seed in range(seeds):
        X, y, X_test, y_test = make_data(seed)
        student = make_student(seed, max_iter=100, learning_rate_init=0.05, measurement="probs")
        accuracies.append(student.fit(X, y).score(X_test, y_test))
    return np.array(accuracies)


def text(values):
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f}"


def report(results, budgets, seeds, exact, seconds):
    """Return the page."""
    packages = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    versions = ", ".join([f"Python {platform.python_version()}", *packages])
    head = " | ".join(f"{budget:,} circuits" for budget in budgets)
    lines = [
        "# Training on shots",
        "",
        f"`{' '.join(['python', *sys.argv])}`, seeds 0 to {seeds - 1}, {seconds:.0f} s; "
        f"{versions}.",
        "",
        f"{QUBITS} qubits on Qiskit Aer with {SHOTS} shots a circuit: digits 0, 1 and 2, "
        f"{len(CLASSES) * PER_CLASS} training images, PCA, angle encoding, one strongly entangling "
        f"layer (9 angles), mini-batches of {BATCH}. Noisy: {NOISE} after each gate, or of each "
        "measured bit. Accuracy in % on the other images, on the same device with 1000 shots; mean "
        "and standard deviation over the seeds. All circuits that were executed in training count; "
        "what counts is the last epoch that a number of circuits was enough for. "
        f"The learning rate of each row was the best of {RATES['spsa']} on the seeds "
        f"{', '.join(map(str, TUNING_SEEDS))}.",
        "",
        f"| device | optimizer | rate | {head} |",
        f"| --- | --- | ---: |{' ---: |' * len(budgets)}",
    ]
    for (kind, optimizer), (rate, values) in results.items():
        cells = " | ".join(map(text, values.T))
        lines.append(f"| {kind} | {NAMES[optimizer]} | {rate} | {cells} |")
    lines += ["", f"Exact training, without shots and noise, to convergence: {text(exact)}.", ""]
    for kind in KINDS:
        gap = results[kind, "spsa"][1] - results[kind, "adam"][1]
        differences = ", ".join(
            f"{100 * column.mean():+.1f} ± {100 * column.std(ddof=1) / np.sqrt(seeds):.1f}"
            for column in gap.T
        )
        lines.append(
            f"- {kind}: SPSA less parameter shift, paired by seed, in points with standard error: "
            f"{differences}."
        )
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds, a few circuits")
    parser.add_argument("--seeds", type=int, default=4, help="number of seeds (4)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    budgets = (2000, 3000) if arguments.quick else (2000, 4000, 8000)
    seeds = 2 if arguments.quick else arguments.seeds
    start, counter = time.perf_counter(), Counter()
    results = {
        (kind, optimizer): run(kind, optimizer, budgets, seeds, counter)
        for kind in KINDS
        for optimizer in NAMES
    }
    exact = reference(seeds)
    page = report(results, budgets, seeds, exact, time.perf_counter() - start)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "shots_training.md").write_text(page)


if __name__ == "__main__":
    main()
