"""Your own teachers: a torch network wrapped with skorch, and a random forest.
============================================================================

A teacher is any fitted classifier with `predict_proba`. The network here is written as torchvision
writes its models (`features`, then `classifier`); one of torchvision's own goes the same way.

What to see: the test image that the network is least sure of; what the teachers say about it, more
than a label; and the students, a dot for each seed. With 10 labelled images per class both teachers
help by a point or two. The forest classifies better than the network, but does not teach better.

    python examples/own_teachers.py [--output FOLDER] [--seeds 8]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from sklqkd import DistilledQNNClassifier
from sklqkd.datasets import load_digits, take_per_class

plt.style.use("sklqkd.plotting.style")


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Linear(16 * 3 * 3, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x):
        return self.classifier(self.features(x.reshape(-1, 1, 8, 8)).flatten(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X_few, y_few = take_per_class(X, y, 10)
    torch.manual_seed(0)
    network = NeuralNetClassifier(
        SmallCNN, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.01, verbose=0
    )
    forest = RandomForestClassifier(random_state=0)
    teachers = {"network": network.fit(X, y), "forest": forest.fit(X, y), "no teacher": None}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    odd = network.predict_proba(X_test).max(axis=1).argmin()
    left.imshow(X_test[odd].reshape(8, 8), cmap="gray_r")
    left.grid(visible=False)
    left.set(title=f"a test image: {y_test[odd]}", xticks=[], yticks=[])
    for i, (name, teacher) in enumerate(teachers.items()):
        seeds, lam = range(options.seeds), 0 if teacher is None else 0.5
        students = [DistilledQNNClassifier(teacher, lam=lam, random_state=s) for s in seeds]
        scores = [100 * s.fit(X_few, y_few).score(X_test, y_test) for s in students]
        print(f"{name:10} students {np.mean(scores):.1f} % ± {np.std(scores):.1f}")
        right.plot([i] * len(scores), scores, "o", color=f"C{i}", alpha=0.5)
        right.plot(i, np.mean(scores), "k_", markersize=24)
        if teacher is not None:
            print(f"{name:10} itself {100 * teacher.score(X_test, y_test):.1f} %")
            said = teacher.predict_proba(X_test[[odd]])[0]
            middle.bar(np.arange(10) + 0.4 * i - 0.2, said, 0.4, color=f"C{i}", label=name)
    middle.set(xticks=range(10), xlabel="class", ylabel="probability")
    middle.legend(title="teacher")
    right.set(xticks=range(3), xticklabels=teachers, ylabel="students' accuracy, %", xmargin=0.3)
    figure.savefig(options.output / "own_teachers.png", dpi=100)
    print(f"Written: {options.output / 'own_teachers.png'}")


if __name__ == "__main__":
    main()
