"""Is it the circuit? A student against its encoding's ceiling, and against itself without parts.
==============================================================================================

`encoding_ceiling` solves for the best classifier that any circuit behind this encoding could be, a
convex problem. `ablate` trains the student without its circuit, or without a part of it: the same
reducer, loss and seeds.

What to see, behind fixed PCA features: no circuit gets below the ceiling in training loss, and from
two layers on more of them bring none closer: training stops them. On test images the ceiling is
worse than some students, as it overfits. In the ablation look for rows that do as well as the
student: for what they lack, these images have no need. Here only the linear head falls behind.

    python examples/ceiling_and_ablation.py [--output FOLDER] [--seeds 5]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits
from sklqkd.evaluation import ablate, encoding_ceiling
from sklqkd.plotting import EvaluationDisplay

LAYERS = (1, 2, 4, 8, 16)

plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    data = (X, y, X_test, y_test)
    student = QNNClassifier(n_qubits=4, encoding="angle", reducer="pca")

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
    found = []
    for n_layers in LAYERS:
        student.set_params(n_layers=n_layers, random_state=0).fit(X, y)
        found.append(encoding_ceiling(student, *data))
        print(f"{n_layers} layers\n{found[-1]}\n")
    for part, style in (("train", "-"), ("test", "--")):
        losses = [getattr(ceiling, f"student_{part}_loss") for ceiling in found]
        left.plot(LAYERS, losses, f"o{style}", color="C0", label=f"student, {part}")
        ceiling = getattr(found[0], f"{part}_loss")
        left.axhline(ceiling, color="C1", linestyle=style, label=f"ceiling, {part}")
    left.set_xscale("log", base=2)
    left.set(xlabel="layers of the ansatz", ylabel="cross-entropy", title="The ceiling")
    left.set_ylim(bottom=0)
    left.legend()

    comparison = ablate(student.set_params(n_layers=3), *data, seeds=options.seeds)
    for name, scores in comparison.scores().items():
        print(f"{name}: {100 * scores.mean():.1f} %")
    EvaluationDisplay.from_comparison(comparison, ax=right)
    right.set_title("The ablation, 3 layers")
    figure.savefig(options.output / "ceiling_and_ablation.png", dpi=100)
    print(f"Written: {options.output / 'ceiling_and_ablation.png'}")


if __name__ == "__main__":
    main()
