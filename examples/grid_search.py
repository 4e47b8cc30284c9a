"""Which reducer suits which encoding: a grid search over both, as a heat map.
===========================================================================

Every pair of a reducer (how an image becomes a few features) and an encoding (how the features
become a quantum state) is cross-validated on 20 labelled images per class. StackedGridSearchCV is
used as scikit-learn's GridSearchCV and shares what candidates have in common.

What to see: "fc", which is trained together with the circuit, and PCA are best, and about equal.
Pooling and cropping need the 16 features of amplitude encoding; the other encodings take 4 or 8,
into which PCA puts the most. "conv" is left out: it takes longer to
train, and needs more than so few images.

    python examples/grid_search.py [--output FOLDER] [--folds 3]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.search import StackedGridSearchCV

ENCODINGS = ["amplitude", "qubit", "angle", "hadamard_ry"]
REDUCERS = ["fc", "pca", "avg_pool", "max_pool", "crop"]

plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    teacher = RandomForestClassifier(random_state=0).fit(X, y)

    student = DistilledQNNClassifier(teacher, n_qubits=4, random_state=0)
    grid = {"encoding": ENCODINGS, "reducer": REDUCERS}
    search = StackedGridSearchCV(student, grid, cv=options.folds)
    search.fit(*take_per_class(X, y, 20))

    best = search.best_params_
    print(f"best of {len(ENCODINGS) * len(REDUCERS)}: {best['reducer']} with {best['encoding']}")
    print(f"cross-validated {100 * search.best_score_:.1f} %")
    print(f"on the test images {100 * search.score(X_test, y_test):.1f} %")

    # scikit-learn varies the last name of the grid, in alphabetical order, fastest.
    scores = 100 * search.cv_results_["mean_test_score"].reshape(len(ENCODINGS), len(REDUCERS))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.grid(False)
    image = axes.imshow(scores, cmap="viridis", vmin=0, vmax=100)
    axes.set_xticks(range(len(REDUCERS)), REDUCERS)
    axes.set_yticks(range(len(ENCODINGS)), ENCODINGS)
    axes.set(xlabel="reducer", ylabel="encoding")
    for row, column in [(i, j) for i in range(len(ENCODINGS)) for j in range(len(REDUCERS))]:
        score = scores[row, column]
        colour = "black" if score > 60 else "white"
        axes.text(column, row, f"{score:.0f}", color=colour, ha="center", va="center")
    figure.colorbar(image, label="cross-validated accuracy, %", shrink=0.8)
    axes.set_title("4 qubits, digits, 20 labelled images per class")
    figure.savefig(options.output / "grid_search.png", dpi=100)
    print(f"Written: {options.output / 'grid_search.png'}")


if __name__ == "__main__":
    main()
