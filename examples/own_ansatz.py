"""Your own circuit: a PennyLane template as the ansatz, drawn and compared with the default.
==========================================================================================

An ansatz is a function f(weights, wires) that applies PennyLane gates, with a `shape` that says how
many weights it takes. It is compiled for the exact simulator, so it trains as fast as a named one.

What to see, with one layer each: our 7 angles do as well as the default's 12, and so does no
trained gate at all. Here the trained reducer before the circuit and the linear head after it do the
work. A comparison of circuits needs such a control.

    python examples/own_ansatz.py [--output FOLDER] [--seeds 8]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pennylane as qml
from sklearn.model_selection import train_test_split

from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits, take_per_class


def ising_chain(weights, wires):
    """Couple neighbours by IsingZZ, then rotate each wire by RY, layer by layer."""
    n_pairs = len(wires) - 1
    for layer in weights:
        for i in range(n_pairs):
            qml.IsingZZ(layer[i], wires=[wires[i], wires[i + 1]])
        for i in range(len(wires)):
            qml.RY(layer[n_pairs + i], wires=wires[i])


ising_chain.shape = lambda n_layers, n_wires: (n_layers, 2 * n_wires - 1)
plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X_few, y_few = take_per_class(X, y, 20)

    figure, rows = plt.subplots(3, 1, figsize=(8, 5.4), layout="constrained")
    for axes, ansatz in zip(rows, ["strongly_entangling", ising_chain, "none"], strict=True):
        name = getattr(ansatz, "__name__", ansatz)
        scores = []
        for seed in range(options.seeds):
            student = QNNClassifier(ansatz=ansatz, n_layers=1, random_state=seed)
            scores.append(100 * student.fit(X_few, y_few).score(X_test, y_test))
        counts = student.circuit_resources()["ansatz"]
        line = (
            f"{name}: {counts['n_parameters']} angles, "
            f"{counts['n_two_qubit_gates']} two-qubit gates; test accuracy "
            f"{np.mean(scores):.1f} % (from {min(scores):.1f} to {max(scores):.1f} over the seeds)"
        )
        print(line)
        drawing = student.draw(decimals=1, max_length=90)
        axes.text(0.5, 0.5, drawing, family="monospace", ha="center", va="center")
        axes.set_axis_off()
        axes.set_title(line.replace("; ", "\n"), fontsize=11)
    figure.savefig(options.output / "own_ansatz.png", dpi=100)
    print(f"Written: {options.output / 'own_ansatz.png'}")


if __name__ == "__main__":
    main()
