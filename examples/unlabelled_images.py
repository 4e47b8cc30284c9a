"""Images without a label: y = -1 marks them, and the student learns them from the teacher alone.
==============================================================================================

The setting: labels are few, images are many, and somebody has a good classifier. Three students are
compared, for several numbers of labelled images per class: one that learns from labels alone, one
distilled on the labelled images, one distilled on all images, most of them without a label.

What to see: with all images, 2 labels per class bring the student as far as its teacher, and more
labels hardly further. Without the other images distillation helps by a few points where labels are
few. All true labels (dotted) give hardly more than the teacher's word on all images.

    python examples/unlabelled_images.py [--output FOLDER] [--seeds 5]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier, LeNetClassifier, QNNClassifier
from sklqkd.datasets import load_digits, take_per_class

LABELLED = [2, 5, 10, 20, 40]
plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    teacher = LeNetClassifier(random_state=0).fit(X, y)

    scores = np.zeros((3, len(LABELLED), options.seeds))
    everything = np.zeros(options.seeds)
    for seed in range(options.seeds):
        plain = QNNClassifier(random_state=seed)
        distilled = DistilledQNNClassifier(teacher, random_state=seed)
        everything[seed] = plain.fit(X, y).score(X_test, y_test)
        for i, n in enumerate(LABELLED):
            rows, labels = take_per_class(np.arange(len(X)), y, n)
            y_known = np.full_like(y, -1)
            y_known[rows] = labels
            scores[0, i, seed] = plain.fit(X[rows], labels).score(X_test, y_test)
            scores[1, i, seed] = distilled.fit(X[rows], labels).score(X_test, y_test)
            scores[2, i, seed] = distilled.fit(X, y_known).score(X_test, y_test)

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    names = ["labels alone", "distilled, labelled images", "distilled, all images"]
    for name, part, colour, marker in zip(
        names, 100 * scores, ["C3", "C0", "C1"], "^so", strict=True
    ):
        mean, spread = part.mean(axis=1), part.std(axis=1)
        axes.errorbar(LABELLED, mean, spread, color=colour, marker=marker, label=name)
        cells = ", ".join(f"{n}: {m:.1f} %" for n, m in zip(LABELLED, mean, strict=True))
        print(f"{name:27} by labelled images per class {cells}")
    best, taught = 100 * everything.mean(), 100 * teacher.score(X_test, y_test)
    print(f"with all {len(y)} labels and no teacher {best:.1f} %; the teacher {taught:.1f} %")
    axes.axhline(best, color="k", linestyle=":", label="labels alone, all of them")
    axes.axhline(taught, color="C4", linestyle="--", label="the teacher")
    axes.set(xscale="log", xlabel="labelled images per class", ylabel="test accuracy, %")
    axes.set_xticks(LABELLED, LABELLED)
    axes.minorticks_off()
    axes.legend(loc="lower right")
    figure.savefig(options.output / "unlabelled_images.png", dpi=100)
    print(f"Written: {options.output / 'unlabelled_images.png'}")


if __name__ == "__main__":
    main()
