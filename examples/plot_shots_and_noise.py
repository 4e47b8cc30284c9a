"""Shots and noise: are distilled students more robust, as the paper says, or not.

Students are trained exactly, from several seeds: from labels alone, distilled, and distilled with
noise injected (300 shots per image, a depolarising channel of 0.6). Then each runs with fewer and
fewer shots, and on Qiskit Aer with more and more depolarising noise on every gate:

    python examples/plot_shots_and_noise.py [--dataset digits|mnist|fashion_mnist] [--seeds 5]
"""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from quickstart import load

from sklqkd import DistilledQNNClassifier, LeNetClassifier, QNNClassifier, datasets

SHOTS = (10, 30, 100, 300, 1000, 5000)
STRENGTHS = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05)
COLOURS = ("#E69F00", "#0072B2", "#009E73")  # Okabe and Ito's, for colour-blind readers


def accuracies(student, X, y):
    """Return a trained student's accuracy for each number of shots, and each strength of noise."""
    by_shots = [student.set_params(shots=shots).score(X, y) for shots in SHOTS]
    student.set_params(shots=None, backend="qiskit.aer")
    by_strength = []
    for strength in STRENGTHS:
        student.set_params(backend_options={"noise_model": {"depolarizing": strength}})
        by_strength.append(student.score(X, y))
    return by_shots, by_strength


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="digits", choices=["digits", "mnist", "fashion_mnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()

    X, y, X_test, y_test, bunch = load(options.dataset)
    X_few, y_few = datasets.take_per_class(X, y, 20 if options.dataset == "digits" else 150)
    X_test, y_test = X_test[:450], y_test[:450]
    teacher = LeNetClassifier(
        image_shape=bunch.image_shape, max_epochs=20, batch_size=32, random_state=0
    ).fit(X, y)
    noisy = {"shots": 300, "backend_options": {"depolarizing": 0.6}}
    students = {
        "from labels alone": QNNClassifier(),
        "distilled": DistilledQNNClassifier(teacher),
        "distilled, noise injected in training": DistilledQNNClassifier(teacher, **noisy),
    }
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained", sharey=True)
    lines = ["| student | " + " | ".join(f"{s:,} shots" for s in SHOTS), ""]
    lines[0] += " | " + " | ".join(f"noise {p:g}" for p in STRENGTHS) + " |"
    lines[1] = "| --- |" + " ---: |" * (len(SHOTS) + len(STRENGTHS))
    for (name, student), colour, marker in zip(students.items(), COLOURS, "o^s", strict=True):
        curves = []
        for seed in range(options.seeds):
            student.set_params(image_shape=bunch.image_shape, random_state=seed).fit(X_few, y_few)
            exact = {"shots": student.shots, "backend_options": student.backend_options}
            curves.append(accuracies(student.set_params(backend_options=None), X_test, y_test))
            student.set_params(backend="statevector", **exact)
        curves = 100 * np.array([np.concatenate(pair) for pair in curves])
        mean, spread = curves.mean(axis=0), curves.std(axis=0, ddof=1)
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        split = len(SHOTS)
        for axes, x, part in zip(
            panels, (SHOTS, STRENGTHS), (slice(split), slice(split, None)), strict=True
        ):
            axes.plot(x, mean[part], marker=marker, color=colour, label=name)
            low, high = mean[part] - spread[part], mean[part] + spread[part]
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    panels[0].set(xscale="log", xlabel="shots per image", ylabel="test accuracy, %")
    panels[1].set(xlabel="depolarising probability of every gate, on each of its qubits")
    panels[0].legend(loc="lower right")
    for axes in panels:
        axes.grid(alpha=0.3)
    figure.suptitle(
        f"{options.dataset}, 4 qubits: mean and standard deviation of {options.seeds} seeds"
    )
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / f"shots_and_noise_{options.dataset}"
    figure.savefig(stem.with_suffix(".png"), dpi=110)
    command = f"--dataset {options.dataset} --seeds {options.seeds}"
    command = f"python examples/plot_shots_and_noise.py {command}"
    stem.with_suffix(".md").write_text("\n".join(lines) + f"\n\n`{command}`\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
