"""Shots, noise and wrongly read bits: are distilled students more robust, as the paper says.
==========================================================================================

Students are trained from labels alone, distilled, and distilled with noise injected. Each runs with
few shots, and on Qiskit Aer with depolarised gates and with readout errors, also mitigated:

    python examples/plot_shots_and_noise.py [--dataset digits|mnist|fashion_mnist] [--seeds 5]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from quickstart import LOADERS
from sklearn.base import clone

from sklqkd import DistilledQNNClassifier, LeNetClassifier, QNNClassifier
from sklqkd.datasets import take_per_class

INJECTED = {"shots": 300, "backend_options": {"depolarizing": 0.6}}
GATES = (0, 0.003, 0.01, 0.02, 0.03, 0.05)
FLIPS = (0, 0.05, 0.1, 0.2, 0.3)


def aer(shots=None, mitigation=False, **noise):
    """Return the parameters of a student that runs on Qiskit Aer with noise."""
    options = {"noise_model": noise, "readout_mitigation": mitigation}
    return {"backend": "qiskit.aer", "shots": shots, "backend_options": options}


SHOTS = (10, 30, 100, 300, 1000, 5000)
SWEEPS = (  # what is varied, its values, the parameters that a value stands for
    ("shots per image", SHOTS, lambda n: {"shots": n, "backend_options": None}),
    ("depolarizing probability of a gate", GATES, lambda p: aer(depolarizing=p)),
    ("probability that a bit is misread", FLIPS, lambda p: aer(readout=p)),
    ("the same, mitigated (5,000 shots)", FLIPS, lambda p: aer(5000, mitigation=True, readout=p)),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="digits", choices=["digits", "mnist", "fashion_mnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / f"shots_and_noise_{options.dataset}"

    train, test = (LOADERS[options.dataset](subset) for subset in ("train", "test"))
    few = take_per_class(train.data, train.target, 20 if options.dataset == "digits" else 150)
    teacher = LeNetClassifier(random_state=0)
    distilled = DistilledQNNClassifier(teacher.fit(train.data, train.target))
    students = {"labels alone": QNNClassifier(), "distilled": distilled}
    students["distilled, noise injected"] = clone(distilled).set_params(**INJECTED)
    seeds, fits = range(options.seeds), []
    for student in students.values():
        fits.append([clone(student).set_params(random_state=seed).fit(*few) for seed in seeds])
    plt.style.use("sklqkd.plotting.style")
    figure, panels = plt.subplots(1, 4, figsize=(14, 4), layout="constrained", sharey=True)
    table = f"| | {' | '.join(students)} |\n| --- |{' ---: |' * len(students)}\n"
    for axes, (label, values, parameters) in zip(panels, SWEEPS, strict=True):
        scores = np.zeros((len(students), len(values), len(seeds)))
        for i, j, k in np.ndindex(scores.shape):
            student = fits[i][k].set_params(**parameters(values[j]))
            scores[i, j, k] = 100 * student.score(test.data[:500], test.target[:500])
        for name, part, look in zip(students, scores, ("C3o", "C0^", "C2s"), strict=True):
            axes.errorbar(values, part.mean(1), part.std(1, ddof=1), fmt=f"{look}-", label=name)
        for value, part in zip(values, scores.swapaxes(0, 1), strict=True):
            cells = [f"{row.mean():.1f} ± {row.std(ddof=1):.1f}" for row in part]
            table += f"| {label} {value} | {' | '.join(cells)} |\n"
        axes.set_xlabel(label)
    panels[0].set(xscale="log", ylabel=f"{options.dataset}: test accuracy, %")
    panels[0].legend(title=f"mean and sd of {len(seeds)} seeds")
    command = f"plot_shots_and_noise.py --dataset {options.dataset} --seeds {len(seeds)}"
    stem.with_suffix(".md").write_text(f"{table}\nTest accuracy, %: `python examples/{command}`\n")
    figure.savefig(stem.with_suffix(".png"), dpi=100)
    print(f"{table}\nWritten: {stem}.md and .png")


if __name__ == "__main__":
    main()
