"""A quantum student behind its teacher's own features, and one behind the pixels.
===============================================================================

The commonest hybrid in practice: a classical network sees the image, and a small circuit takes the
place of its last layer. `TeacherReducer` gives the student what the last layer of a fitted network
sees. The network saw 1,000 labels, the students learn from 20 of each class.

What to see: on the left, the first two of the teacher's features tell the digits apart better than
those of the pixels do. On the right, so do students behind more of them, and a linear classifier
as well: what is known here is known by the network.

    python examples/teacher_features.py [--seeds 5] [--output FOLDER]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklqkd import LeNetClassifier, PCAReducer, QNNClassifier, TeacherReducer
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.evaluation import compare

plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X_all, y_all = load_digits("train", return_X_y=True)
    X_test, y_test = load_digits("test", return_X_y=True)
    teacher = LeNetClassifier(random_state=0).fit(X_all[:1000], y_all[:1000])
    X, y = take_per_class(X_all, y_all, 20)

    models = {}
    for name, reducer in (("pixels", "pca"), ("teacher", TeacherReducer(teacher))):
        for n_qubits in (2, 4):
            models[f"{name}, {n_qubits} qubits"] = QNNClassifier(n_qubits=n_qubits, reducer=reducer)
        first = [] if name == "pixels" else [reducer]
        linear = make_pipeline(*first, StandardScaler(), LogisticRegression())
        models[f"{name}, linear"] = linear
    found = compare(models, X, y, X_test, y_test, seeds=options.seeds)
    scores = {name: 100 * values for name, values in found.scores().items()}
    for name, values in scores.items():
        print(f"{name}: {values.mean():.1f} %")
    print(f"teacher itself: {100 * teacher.score(X_test, y_test):.1f} %")

    figure, axes = plt.subplots(
        1, 3, figsize=(13, 4), layout="constrained", width_ratios=(1, 1, 1.2)
    )
    pairs = {"pixels": PCAReducer(2), "teacher": TeacherReducer(teacher, 2)}
    for axis, (name, reducer) in zip(axes, pairs.items(), strict=False):
        features = reducer.fit(X).transform(X_test[:200])
        axis.scatter(*features.T, c=y_test[:200].astype(int), cmap="tab10", s=8)
        axis.set(title=f"test images, features of the {name}", xlabel="first", ylabel="second")
    places = np.arange(len(scores))
    axes[-1].barh(places, [values.mean() for values in scores.values()])
    axes[-1].axvline(
        100 * teacher.score(X_test, y_test), color="k", ls="--", label="teacher itself"
    )
    axes[-1].set_yticks(places, list(scores))
    axes[-1].invert_yaxis()
    axes[-1].set(xlabel="test accuracy, %", xlim=(50, 100))
    axes[-1].set_title("dashed: the teacher itself")
    figure.savefig(options.output / "teacher_features.png", dpi=80)
    print(f"Written: {options.output / 'teacher_features.png'}")


if __name__ == "__main__":
    main()
