"""How much memory a fit and a prediction of many qubits take.

``python benchmarks/memory.py`` fits the default circuit on angle-encoded features, 64 images in
mini-batches of 32 for one epoch, and predicts 1,000 images, each in a process of its own, and
writes the peaks above what the imports take to ``results/memory.md``. A prediction works on a
bounded number of images at a time, so that more of them take no more memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

import sklqkd
from sklqkd import QNNClassifier

RESULTS = Path(__file__).parent / "results"
QUBITS = (12, 14, 16, 18, 20)
BATCH, N_FITTED, N_PREDICTED = 32, 64, {12: 1000, 14: 1000, 16: 1000, 18: 200, 20: 64}


def peak():
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(n_qubits):
    """Print what a fit, and then a prediction too, add to the peak."""
    rng = np.random.default_rng(0)
    options = {"encoding": "angle", "reducer": None, "batch_size": BATCH, "max_iter": 1}
    small = QNNClassifier(n_qubits=2, **options)
    X, y = rng.random((N_FITTED, n_qubits)), np.arange(N_FITTED) % 2
    small.fit(X[:, :2], y).predict(X[:, :2])  # imports, and compiled loops
    QNNClassifier(n_qubits=7, **options).fit(X[:, :7], y)
    before = peak()
    student = QNNClassifier(n_qubits=n_qubits, random_state=0, **options).fit(X, y)
    fitted = peak()
    student.predict(rng.random((N_PREDICTED[n_qubits], n_qubits)))
    print(f"{fitted - before:.0f} {peak() - before:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    lines = [
        "# Memory of many qubits",
        "",
        f"`{' '.join(['python', *sys.argv])}`, sklqkd {sklqkd.__version__}: three strongly "
        f"entangling layers, mini-batches of {BATCH}, peaks in MiB above the imports.",
        "",
        "| qubits | fit | fit, then predicting | images predicted |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for n_qubits in QUBITS:
        command = [sys.executable, __file__, "--measure", str(n_qubits)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        fitted, predicted = done.stdout.split()
        lines.append(f"| {n_qubits} | {fitted} | {predicted} | {N_PREDICTED[n_qubits]:,} |")
        print(lines[-1], flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "memory.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
