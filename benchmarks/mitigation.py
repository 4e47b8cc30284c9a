"""What error mitigation gives and costs: readout correction, zero-noise extrapolation, and both.

``python benchmarks/mitigation.py`` trains a student of 4 qubits on scikit-learn's digits 0 to 3
exactly, has it predict test images on Qiskit Aer under noise with each kind of mitigation, and
writes ``mitigation.md``: how far the probabilities of the basis states are from the exact ones, how
many images are classified as before, and how many circuits were executed. About a minute.
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
from sklqkd.datasets import load_digits

QUBITS, LAYERS, IMAGES, SEEDS = 4, 2, 50, 3
NOISES = {
    "depolarizing 0.005, readout 0.02": {
        "noise_model": {"depolarizing": 0.005, "readout": 0.02},
    },
    "depolarizing 0.02, readout 0.02": {
        "noise_model": {"depolarizing": 0.02, "readout": 0.02},
    },
    "fake_manila": {"backend": "fake_manila"},
}
READOUT = {"readout_mitigation": True}
KINDS = {
    "none": {},
    "readout": READOUT,
    "ZNE, linear": {"zne": True},
    "ZNE, linear, and readout": {"zne": True, **READOUT},
    "ZNE, Richardson, and readout": {
        "zne": {"scale_factors": (1, 3, 5), "extrapolation": "richardson"},
        **READOUT,
    },
}
SHOTS = (None, 5000, 500)
PACKAGES = ("numpy", "scikit-learn", "pennylane", "qiskit", "qiskit-aer")


class Recorder:
    """Counts the circuits that Aer executes."""

    def __init__(self):
        self.n_circuits = 0
        original = QiskitBackend.probabilities

        def counting(backend, circuit, angles, rng):
            self.n_circuits += len(angles)
            return original(backend, circuit, angles, rng)

        QiskitBackend.probabilities = counting


def make_problem(seed):
    """Return a trained student, and images and labels of a test."""
    X, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(y < 4))
    X, y = X[rows] / 16, y[rows]
    student = QNNClassifier(
        n_qubits=QUBITS, n_layers=LAYERS, encoding="angle", reducer="pca", random_state=seed
    )
    return student.fit(X[:400], y[:400]), X[400 : 400 + IMAGES], y[400 : 400 + IMAGES]


def probabilities(student, X):
    """Return the probabilities that the head sees, from the logits of a head that keeps them."""
    reader = copy.deepcopy(student)
    n_weights, size = len(student.circuit_weights_.ravel()), 2**QUBITS
    head = np.concatenate([np.eye(size).ravel() / size, np.zeros(size)])
    reader.parameters_ = np.concatenate([student.parameters_[:n_weights], head])
    reader.classes_ = np.arange(size)
    return reader.decision_function(X)


def measure(student, X, y, exact, options, shots, recorder):
    """Return the error of the probabilities, the accuracy, and the circuits for an image."""
    student = copy.deepcopy(student)
    student.set_params(backend="qiskit.aer", shots=shots, backend_options=options)
    recorder.n_circuits = 0
    measured = probabilities(student, X)
    n_circuits = recorder.n_circuits / len(X)
    error = np.abs(measured - exact).sum(axis=1).mean() / 2
    logits = measured * 2**QUBITS @ student.head_coef_.T + student.head_intercept_
    return error, np.mean(student.classes_[logits.argmax(axis=1)] == y), n_circuits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    start, recorder = time.perf_counter(), Recorder()
    problems = [make_problem(seed) for seed in range(SEEDS)]
    exact = [probabilities(student, X) for student, X, _ in problems]
    best = np.mean([student.score(X, y) for student, X, y in problems])
    rows = []
    for noise, model in NOISES.items():
        for kind, options in KINDS.items():
            cells = []
            for shots in SHOTS:
                results = [
                    measure(*problem, known, {**model, **options}, shots, recorder)
                    for problem, known in zip(problems, exact, strict=True)
                ]
                error, accuracy, n_circuits = np.mean(results, axis=0)
                cells += [f"{error:.4f}", f"{100 * accuracy:.1f}"]
            rows.append(f"| {noise} | {kind} | {n_circuits:.2f} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    seconds = time.perf_counter() - start
    packages = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    heads = ["exact" if shots is None else f"{shots} shots" for shots in SHOTS]
    columns = " | ".join(f"distance, {head} | accuracy, {head}" for head in heads)
    lines = [
        "# Error mitigation",
        "",
        f"`{' '.join(['python', *sys.argv])}`, seeds 0 to {SEEDS - 1}, {seconds:.0f} s; "
        f"Python {platform.python_version()}, {', '.join(packages)}.",
        "",
        f"Students of {QUBITS} qubits (PCA, angle encoding, {LAYERS} strongly entangling layers), "
        f"trained exactly on digits 0 to 3, predict {IMAGES} other images on Qiskit Aer under "
        "noise. Distance: total variation between measured and exact probabilities, mean over "
        f"images and seeds. Accuracy in %; without noise it is {100 * best:.1f}. Circuits: "
        "executed for each image, those of the calibration among them. Zero-noise extrapolation "
        "runs the circuit with 1 and 3 times its gates, for Richardson's with 5 times too, each "
        "with all shots.",
        "",
        f"| noise | mitigation | circuits | {columns} |",
        f"| --- | --- | ---: |{' ---: |' * 2 * len(SHOTS)}",
        *rows,
        "",
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "mitigation.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
