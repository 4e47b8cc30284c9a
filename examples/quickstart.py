"""A teacher, a plain quantum student and a distilled one on real images, in about a minute.

A LeNet is trained on all images. Students of 4 qubits see a few of each class, without and with the
teacher, and a grid search looks for better settings. Saves a table, a figure and the fitted search:

    python examples/quickstart.py [--dataset digits|mnist|fashion_mnist|cifar10] [--output FOLDER]
"""

import argparse
import time
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV

from sklqkd import DistilledQNNClassifier, LeNetClassifier, QNNClassifier, __version__, datasets

LOADERS = {"digits": datasets.load_digits, "mnist": datasets.fetch_mnist}
LOADERS |= {"fashion_mnist": datasets.fetch_fashion_mnist, "cifar10": datasets.fetch_cifar10}
GRID = {"encoding": ["amplitude", "qubit"], "temperature": [1, 3, 6], "lam": [0, 0.3, 0.6, 0.9]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="digits", choices=LOADERS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    stem = options.output / f"quickstart_{options.dataset}"
    per_class, epochs = (20, 60) if options.dataset == "digits" else (150, 10)
    train, test = (LOADERS[options.dataset](subset) for subset in ("train", "test"))
    everything, on_test = (train.data, train.target), (test.data, test.target)
    few = datasets.take_per_class(*everything, per_class)
    common = {"image_shape": train.image_shape, "random_state": 0}
    teacher = LeNetClassifier(max_epochs=epochs, batch_size=32, **common)
    plain, distilled = QNNClassifier(**common), DistilledQNNClassifier(teacher, **common)
    search = GridSearchCV(distilled, GRID, cv=3, n_jobs=2)
    models = {"teacher (LeNet, all images)": teacher, "plain student": plain}
    models |= {"distilled student": distilled, "best of a search with 73 fits": search}

    figure = plt.figure(figsize=(12, 8), layout="constrained")
    curves, matrix, circuit = figure.subplot_mosaic("ab;cc", height_ratios=[5, 1]).values()
    table = "| model | test accuracy, % | parameters: quantum | classical | fit, s |\n"
    table += "| --- | ---: | ---: | ---: | ---: |\n"
    for name, model in models.items():
        if "student" in name:
            monitor = ScoringMonitor(scoring={"%": lambda m, *_: 100 * m.score(*on_test)})
            clone(model).set_callbacks(monitor).fit(*few)
            curve = [row["%"] for row in monitor.get_logs().data[1:]]
            curves.plot(range(1, len(curve) + 1), curve, label=name)
        start = time.perf_counter()
        model.fit(*(everything if model is teacher else few))
        seconds = time.perf_counter() - start
        counts = getattr(model, "best_estimator_", model).n_parameters_
        quantum, classical = (0, counts) if model is teacher else counts.values()
        accuracy = 100 * model.score(*on_test)
        table += f"| {name} | {accuracy:.1f} | {quantum} | {classical:,} | {seconds:.1f} |\n"
    table += f"\nsklqkd {__version__}, {per_class} labelled images per class, seed 0; chosen: "
    table += f"{search.best_params_}: `python examples/quickstart.py --dataset {options.dataset}`\n"
    print(table)
    curves.set(xlabel="epoch", ylabel="test accuracy, %", title="Learning curves")
    curves.legend()
    labels = {"display_labels": train.class_names, "cmap": "cividis", "xticks_rotation": 45}
    ConfusionMatrixDisplay.from_estimator(search, *on_test, ax=matrix, **labels)
    matrix.set_title("Best student of the search")
    drawing = search.best_estimator_.draw(decimals=1, max_length=150)
    circuit.text(0.5, 0.4, drawing, family="monospace", size=9, ha="center", va="center")
    circuit.set(title="Its circuit, with trained angles in radians", xticks=[], yticks=[])
    figure.savefig(stem.with_suffix(".png"), dpi=110)
    stem.with_suffix(".md").write_text(table)
    joblib.dump(search, stem.with_suffix(".joblib"))


if __name__ == "__main__":
    main()
