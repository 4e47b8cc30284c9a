"""Shots, noise and wrongly read bits: are distilled students more robust, as the paper says.

Students are trained exactly, from several seeds: from labels alone, distilled, and distilled with
noise injected (300 shots per image, a depolarising channel of 0.6). Then each runs with fewer and
fewer shots; on Qiskit Aer with more and more depolarising noise on every gate; and with readout
errors, with and without mitigation:

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
FLIPS = (0.0, 0.05, 0.1, 0.2, 0.3)
EXACT = {"backend": "statevector", "shots": None, "backend_options": None}


def accuracies(student, X, y):
    """Return a trained student's accuracy, %, along the four curves."""
    aer = {**EXACT, "backend": "qiskit.aer"}
    settings = [{**EXACT, "shots": shots} for shots in SHOTS]
    for name, values in {"depolarizing": STRENGTHS, "readout": FLIPS}.items():
        settings += [{**aer, "backend_options": {"noise_model": {name: v}}} for v in values]
    for flip in FLIPS:
        options = {"noise_model": {"readout": flip}, "readout_mitigation": True}
        settings.append({**aer, "shots": 5000, "backend_options": options})
    return [100 * student.set_params(**setting).score(X, y) for setting in settings]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="digits", choices=["digits", "mnist", "fashion_mnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()

    X, y, X_test, y_test, bunch = load(options.dataset)
    X_few, y_few = datasets.take_per_class(X, y, 20 if options.dataset == "digits" else 150)
    X_test, y_test = X_test[:500], y_test[:500]
    shape = {"image_shape": bunch.image_shape}
    teacher = LeNetClassifier(max_epochs=20, batch_size=32, random_state=0, **shape).fit(X, y)
    noisy = {"shots": 300, "backend_options": {"depolarizing": 0.6}}
    students = {
        "from labels alone": (QNNClassifier(), EXACT),
        "distilled": (DistilledQNNClassifier(teacher), EXACT),
        "distilled, trained with noise": (DistilledQNNClassifier(teacher), noisy),
    }
    x = [*SHOTS, *STRENGTHS, *FLIPS, *FLIPS]
    ends = np.cumsum([len(SHOTS), len(STRENGTHS), len(FLIPS)])
    kinds = ["{:,} shots", "gate noise {:g}", "bits flipped {:g}", "{:g}, mitigated"]
    names = [kinds[np.searchsorted(ends, i, "right")].format(v) for i, v in enumerate(x)]
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.5), layout="constrained", sharey=True)
    columns = []
    for (student, training), style in zip(students.values(), ("o-", "^-", "s-"), strict=True):
        curves = []
        for seed in range(options.seeds):
            student.set_params(random_state=seed, **shape, **{**EXACT, **training})
            curves.append(accuracies(student.fit(X_few, y_few), X_test, y_test))
        mean, spread = np.mean(curves, axis=0), np.std(curves, axis=0, ddof=1)
        columns.append([f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, spread, strict=True)])
        # Okabe and Ito's colours, for colour-blind readers.
        colour = ("#E69F00", "#0072B2", "#009E73")[len(columns) - 1]
        for panel, part in zip([0, 1, 2, 2], np.split(np.arange(len(x)), ends), strict=True):
            is_mitigated = part[0] == ends[-1]
            at = np.take(x, part)
            kind = {"color": colour, "linestyle": ":" if is_mitigated else "-"}
            axes = panels[panel]
            axes.plot(at, mean[part], style[0], **kind)
            low, high = (mean - spread)[part], (mean + spread)[part]
            axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    panels[0].set(xscale="log", xlabel="shots per image", ylabel="test accuracy, %")
    panels[1].set_xlabel("depolarising probability of every gate")
    panels[2].set_xlabel("probability that a bit is read wrongly (dotted: mitigated)")
    panels[0].legend(list(panels[0].lines), students, loc="lower right")
    for axes in panels:
        axes.grid(alpha=0.3)
    figure.suptitle(f"{options.dataset}, 4 qubits, mean and sd of {options.seeds} seeds")
    stem = options.output / f"shots_and_noise_{options.dataset}"
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(stem.with_suffix(".png"), dpi=110)
    lines = [f"| | {' | '.join(students)} |", "| --- |" + " ---: |" * len(students)]
    lines += [f"| {' | '.join(row)} |" for row in zip(names, *columns, strict=True)]
    command = f"--dataset {options.dataset} --seeds {options.seeds}"
    command = f"`python examples/plot_shots_and_noise.py {command}`"
    stem.with_suffix(".md").write_text("\n".join(lines) + f"\n\nTest accuracy, %: {command}\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
