"""A teacher, a plain quantum student and a distilled one on real images, in about a minute.

A LeNet is trained on most of the images. Students of 4 qubits see few labelled images per class:
one learns from the labels alone, one from the teacher as well, and a grid search looks for the
best encoding, temperature and lambda. Prints one table, and saves it with a figure and the search:

    python examples/quickstart.py [--dataset digits|mnist|fashion_mnist|cifar10] [--output FOLDER]
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import joblib
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pennylane as qml
import sklearn
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, train_test_split

import sklqkd
from sklqkd import DistilledQNNClassifier, LeNetClassifier, QNNClassifier, datasets
from sklqkd.encodings import make_encoding

SEED = 0
GRID = {"encoding": ["amplitude", "qubit"], "temperature": [1, 3, 6], "lam": [0, 0.3, 0.6, 0.9]}


def load(name):
    """Return training images and labels, test images and labels, and their description."""
    if name == "digits":
        bunch = datasets.load_digits()
        split = train_test_split(
            bunch.data, bunch.target, test_size=0.25, stratify=bunch.target, random_state=SEED
        )
        return split[0], split[2], split[1], split[3], bunch
    fetch = getattr(datasets, f"fetch_{name}")
    train, test = fetch("train"), fetch("test")
    return train.data, train.target, test.data, test.target, train


class TestAccuracy:
    """A scikit-learn callback: the accuracy on the test images after each epoch, for the figure."""

    def __init__(self, X, y):
        self.X, self.y, self.curve = X, y, []

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def teardown(self, estimator, context):
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do at the start of an epoch."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Score the student as it stands after the epoch."""
        if context.task_name == "epoch":
            self.curve.append(fitted_estimator.score(self.X, self.y))


def row(name, model, seconds, X_test, y_test):
    """Return one row of the table."""
    counts = getattr(model, "n_parameters_", None)
    quantum = counts["quantum"] if isinstance(counts, dict) else 0
    classical = counts["classical"] if isinstance(counts, dict) else counts
    accuracy = f"{100 * model.score(X_test, y_test):.1f}"
    return [name, accuracy, f"{quantum:,}", f"{classical:,}", f"{seconds:.1f}"]


def draw(path, curves, student, X_test, y_test, class_names):
    """Save the learning curves, the circuit and a confusion matrix as one figure."""
    figure = plt.figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplot_mosaic(
        [["curves", "matrix"], ["circuit", "circuit"]], height_ratios=[3, 2]
    )
    for (name, curve), style in zip(curves.items(), ["--", "-"], strict=True):
        axes["curves"].plot(np.arange(1, len(curve) + 1), curve, style, label=name)
    axes["curves"].set(xlabel="epoch", ylabel="test accuracy", title="Learning curves")
    axes["curves"].legend(loc="lower right")
    ConfusionMatrixDisplay.from_estimator(
        student,
        X_test,
        y_test,
        display_labels=class_names,
        xticks_rotation="vertical" if max(map(len, class_names)) > 1 else "horizontal",
        cmap="cividis",
        colorbar=False,
        ax=axes["matrix"],
    )
    axes["matrix"].set_title("Best student of the search")

    @qml.qnode(qml.device("default.qubit", wires=student.n_qubits))
    def qnode(features):
        make_encoding(student.encoding, student.n_qubits).operations(features)
        qml.StronglyEntanglingLayers(student.circuit_weights_, wires=range(student.n_qubits))
        return qml.probs()

    features = student.reducer_.transform(X_test[:1])[0]
    circuit, _ = qml.draw_mpl(qnode, decimals=1, level="device")(features)
    circuit.canvas.draw()
    axes["circuit"].imshow(np.asarray(circuit.canvas.buffer_rgba()))
    axes["circuit"].set_axis_off()
    axes["circuit"].set_title(
        "Its circuit: one test image, trained angles in radians, all qubits measured"
    )
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    choices = ["digits", "mnist", "fashion_mnist", "cifar10"]
    parser.add_argument("--dataset", choices=choices, default="digits")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y, X_test, y_test, bunch = load(options.dataset)
    per_class = 20 if options.dataset == "digits" else 150
    X_few, y_few = datasets.take_per_class(X, y, per_class)
    shape = bunch.image_shape
    print(f"{options.dataset}: {len(X)} images for the teacher, {len(X_few)} for the students")

    rows, curves = [], {}
    start = time.perf_counter()
    epochs = 60 if options.dataset == "digits" else 10
    teacher = LeNetClassifier(
        image_shape=shape, max_epochs=epochs, batch_size=32, random_state=SEED
    )
    teacher.fit(X, y)
    seconds = time.perf_counter() - start
    rows.append(row("teacher (LeNet, all images)", teacher, seconds, X_test, y_test))

    common = {"n_qubits": 4, "image_shape": shape, "random_state": SEED}
    students = {
        "plain student": QNNClassifier(**common),
        "distilled student": DistilledQNNClassifier(teacher, **common),
    }
    for name, student in students.items():
        start = time.perf_counter()
        student.fit(X_few, y_few)
        seconds = time.perf_counter() - start
        rows.append(row(name, student, seconds, X_test, y_test))
        monitor = TestAccuracy(X_test, y_test)
        sklearn.clone(student).set_callbacks(monitor).fit(X_few, y_few)
        curves[name] = monitor.curve

    start = time.perf_counter()
    search = GridSearchCV(students["distilled student"], GRID, cv=3, n_jobs=2).fit(X_few, y_few)
    seconds = time.perf_counter() - start
    best = search.best_estimator_
    settings = ", ".join(f"{name}={value}" for name, value in search.best_params_.items())
    n_fits = len(search.cv_results_["params"]) * search.n_splits_ + 1
    rows.append(row(f"best of {n_fits} fits ({settings})", best, seconds, X_test, y_test))

    columns = ["model", "test accuracy, %", "parameters: quantum", "classical", "fit, s"]
    table = "\n".join(
        f"| {' | '.join(cells)} |" for cells in [columns, ["---"] + ["---:"] * 4, *rows]
    )
    versions = f"sklqkd {sklqkd.__version__}, scikit-learn {sklearn.__version__}, seed {SEED}"
    caption = f"{options.dataset}, {per_class} labelled images per class for the students, 4 qubits"
    command = f"python examples/quickstart.py --dataset {options.dataset}"
    print(f"\n{table}\n")

    stem = options.output / f"quickstart_{options.dataset}"
    stem.with_suffix(".md").write_text(f"{table}\n\n{caption}; {versions}: `{command}`\n")
    class_names = [str(name) for name in bunch.class_names]
    draw(stem.with_suffix(".png"), curves, best, X_test, y_test, class_names)
    joblib.dump(search, stem.with_suffix(".joblib"))
    print("Saved", *(str(stem.with_suffix(end)) for end in (".md", ".png", ".joblib")))


if __name__ == "__main__":
    if not sys.warnoptions:
        warnings.simplefilter("default")
    main()
