"""A student behind other steps: a Pipeline with the teacher's logits, searched as a whole.
========================================================================================

The teacher looks at the images, but the last step of a pipeline sees what the steps before it made
of them. So the teacher is asked beforehand, and its logits are passed to `fit` as
`student__teacher_logits`. Searches slice them along with the images.

What to see: settings of both steps are searched together. 4 components are too few, and 8, all that
qubit encoding takes on 4 qubits, are no better than 6. The teacher's weight makes no difference
beyond the spread of the folds: a student without a trained reducer is too small to follow it.

    python examples/pipeline.py [--output FOLDER] [--folds 5]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from sklqkd import DistilledQNNClassifier, LeNetClassifier, PCAReducer
from sklqkd.datasets import load_digits, take_per_class

COMPONENTS = [4, 6, 8]
LAM = [0, 0.3, 0.6, 0.9]

plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X_few, y_few = take_per_class(X, y, 20)
    teacher = LeNetClassifier(random_state=0).fit(X, y)

    # Given to the student, the teacher would see PCA components instead of images, and says so.
    reduce = PCAReducer(n_components=16)
    wrong = Pipeline([("reduce", reduce), ("student", DistilledQNNClassifier(teacher))])
    try:
        wrong.fit(X_few, y_few)
    except ValueError as error:
        print(f"As it does not work: {error}\n")

    student = DistilledQNNClassifier(reducer=None, encoding="qubit", random_state=0)
    pipe = Pipeline([("reduce", reduce), ("student", student)])
    grid = {"reduce__n_components": COMPONENTS, "student__lam": LAM}
    search = GridSearchCV(pipe, grid, cv=options.folds)
    search.fit(X_few, y_few, student__teacher_logits=teacher.predict_log_proba(X_few))
    print(f"best: {search.best_params_}, cross-validated {100 * search.best_score_:.1f} %")
    print(f"on the test images {100 * search.score(X_test, y_test):.1f} %")

    shape = len(COMPONENTS), len(LAM)
    means = 100 * search.cv_results_["mean_test_score"].reshape(shape)
    spreads = 100 * search.cv_results_["std_test_score"].reshape(shape)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for i, (n_components, marker) in enumerate(zip(COMPONENTS, "^so", strict=True)):
        label = f"{n_components} components"
        axes.errorbar(LAM, means[i], spreads[i], marker=marker, label=label)
    axes.set(xlabel="lam, the weight of the teacher", ylabel="cross-validated accuracy, %")
    axes.set(xticks=LAM, title=f"mean and standard deviation of {options.folds} folds")
    axes.set_ylim(bottom=means.min() - 15)
    axes.legend(loc="lower center", ncols=3)
    figure.savefig(options.output / "pipeline.png", dpi=100)
    print(f"Written: {options.output / 'pipeline.png'}")


if __name__ == "__main__":
    main()
