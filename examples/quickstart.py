"""A teacher, a plain quantum student and distilled ones on real images, in about a minute.

A LeNet is trained on all images. Students of 4 qubits get the labels of a few of each class: one
learns from the labels alone, one from the teacher too, and one also from what the teacher says of
all the other images. For the last one temperature and lam are chosen in the fit. Saves a table, a
figure and that student:

    python examples/quickstart.py [--dataset digits|mnist|fashion_mnist|cifar10] [--output FOLDER]
"""

import argparse
import time
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.metrics import ConfusionMatrixDisplay

from sklqkd import (
    DistilledQNNClassifier,
    DistilledQNNClassifierCV,
    LeNetClassifier,
    QNNClassifier,
    __version__,
    datasets,
)

LOADERS = {"digits": datasets.load_digits, "mnist": datasets.fetch_mnist}
LOADERS |= {"fashion_mnist": datasets.fetch_fashion_mnist, "cifar10": datasets.fetch_cifar10}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="digits", choices=LOADERS)
    parser.add_argument("--output", type=Path, default=Path("quickstart_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / f"quickstart_{options.dataset}"
    # Few images are few steps in an epoch.
    per_class, epochs = (20, 200) if options.dataset == "digits" else (150, 50)
    train, test = (LOADERS[options.dataset](subset) for subset in ("train", "test"))
    X, y, on_test = train.data, train.target, (test.data, test.target)
    few = datasets.take_per_class(np.arange(len(y)), y, per_class)[0]
    some = np.full(len(y), -1)  # -1: only the teacher says what it is
    some[few] = y[few]

    common = {"image_shape": train.image_shape, "random_state": 0}
    teacher = LeNetClassifier(**common)
    common["max_iter"] = epochs
    distilled = DistilledQNNClassifier(teacher, augmentation="shift", **common)
    on_all = DistilledQNNClassifier(teacher, **common)
    models = {
        "teacher (LeNet, all labels)": (teacher, X, y),
        "plain student": (QNNClassifier(**common), X[few], y[few]),
        "distilled student": (distilled, X[few], y[few]),
        "distilled student, others unlabelled": (on_all, X, some),
        "the same, settings chosen": (DistilledQNNClassifierCV(student=on_all), X, some),
    }
    print(f"{len(y):,} images of {train.image_shape}; students get the labels of {len(few)}.")
    figure = plt.figure(figsize=(12, 8), layout="constrained")
    curves, matrix, circuit = figure.subplot_mosaic("ab;cc", height_ratios=[5, 1]).values()
    table = "| model | test accuracy, % | parameters: quantum | classical | fit, s |\n"
    table += "| --- | ---: | ---: | ---: | ---: |\n"
    for name, (model, images, labels) in models.items():
        print(f"Training: {name} ...", flush=True)
        start = time.perf_counter()
        model.fit(images, labels)
        seconds = time.perf_counter() - start
        counts = getattr(model, "student_", model).n_parameters_
        quantum, classical = (0, counts) if model is teacher else counts.values()
        accuracy = 100 * model.score(*on_test)
        table += f"| {name} | {accuracy:.1f} | {quantum} | {classical:,} | {seconds:.1f} |\n"
        if "student" in name:
            monitor = ScoringMonitor(scoring={"%": lambda m, *_: 100 * m.score(*on_test)})
            clone(model).set_callbacks(monitor).fit(images, labels)
            curve = [row["%"] for row in monitor.get_logs().data[1:]]
            curves.plot(range(1, len(curve) + 1), curve, label=name)
    table += f"\nsklqkd {__version__}, {per_class} labels of each class, seed 0; chosen: "
    table += f"temperature {model.temperature_:g}, lam {model.lam_:g}: "
    table += f"`python examples/quickstart.py --dataset {options.dataset}`\n"
    print(f"\n{table}")
    curves.set(xlabel="epoch", ylabel="test accuracy, %", title="Learning curves")
    curves.legend()
    labels = {"display_labels": train.class_names, "cmap": "cividis", "xticks_rotation": 45}
    ConfusionMatrixDisplay.from_estimator(model, *on_test, ax=matrix, **labels)
    matrix.set_title("Student with chosen settings")
    drawing = model.student_.draw(decimals=1, max_length=150)
    circuit.text(0.5, 0.4, drawing, family="monospace", size=9, ha="center", va="center")
    circuit.set(title="Its circuit, with trained angles in radians", xticks=[], yticks=[])
    figure.savefig(stem.with_suffix(".png"), dpi=110)
    stem.with_suffix(".md").write_text(table)
    joblib.dump(model, stem.with_suffix(".joblib"))
    print("Written:", *(str(stem.with_suffix(kind)) for kind in (".md", ".png", ".joblib")))


if __name__ == "__main__":
    main()
