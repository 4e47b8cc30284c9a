"""An ensemble of teachers: the mean of their probabilities (equation 16 of arXiv:2311.13810).
===========================================================================================

scikit-learn's VotingClassifier does it, and FrozenEstimator keeps it from training the nets again.
The other way is a list of teachers, each with its own distillation loss.

What to see: the ensemble is about as accurate as the stronger of the two nets, and teaches as well.
It spares you to know which one that is. All lift the students by two or three points, and differ
from each other by less than the seeds do.

    python examples/ensemble_of_teachers.py [--output FOLDER] [--seeds 8]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier, LeNetClassifier, ResNetClassifier
from sklqkd.datasets import load_digits, take_per_class

plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X_few, y_few = take_per_class(X, y, 10)

    lenet = LeNetClassifier(random_state=0).fit(X, y)
    resnet = ResNetClassifier(max_epochs=3, module__n_blocks=1, random_state=0)
    resnet.fit(X, y)
    ensemble = VotingClassifier(
        [("lenet", FrozenEstimator(lenet)), ("resnet", FrozenEstimator(resnet))], voting="soft"
    ).fit(X, y)

    teachers = {
        "LeNet": lenet,
        "ResNet": resnet,
        "ensemble": ensemble,
        "list of both": [lenet, resnet],
        "none": None,
    }
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for i, (name, teacher) in enumerate(teachers.items()):
        scores = []
        for seed in range(options.seeds):
            student = DistilledQNNClassifier(teacher, lam=0.5 if teacher else 0, random_state=seed)
            student.fit(X_few, y_few)
            scores.append(100 * student.score(X_test, y_test))
        dots = axes.plot(np.full(len(scores), i), scores, "o", color="C0", alpha=0.4)
        means = axes.plot(i, np.mean(scores), "k_", markersize=24)
        line = f"{name:12} students {np.mean(scores):.1f} % ± {np.std(scores):.1f}"
        if hasattr(teacher, "score"):
            accuracy = 100 * teacher.score(X_test, y_test)
            squares = axes.plot(i, accuracy, "s", color="C1")
            line += f", the teacher itself {accuracy:.1f} %"
        print(line)
    axes.set_xticks(range(len(teachers)), teachers)
    axes.set(xlabel="teacher", ylabel="test accuracy, %", xlim=(-0.5, len(teachers) - 0.5))
    axes.legend(dots + means + squares, ["student, one seed", "students, mean", "the teacher"])
    axes.grid(visible=False, axis="x")
    axes.set_title("4 qubits, digits, 10 labelled images per class")
    figure.savefig(options.output / "ensemble_of_teachers.png", dpi=100)
    print(f"Written: {options.output / 'ensemble_of_teachers.png'}")


if __name__ == "__main__":
    main()
