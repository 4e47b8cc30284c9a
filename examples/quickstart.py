"""A teacher, a plain quantum student and distilled ones on real images, in about a minute.
========================================================================================

A LeNet is trained on all images. Students of 4 qubits get the labels of a few of each class: one
learns from these alone, one from the teacher too, and one also from what the teacher says of all
the other images; for the last one temperature and lam are chosen. Saves a table, a figure and it:

    python examples/quickstart.py [--dataset digits|mnist|fashion_mnist|cifar10] [--output FOLDER]
"""

import argparse
from pathlib import Path
from timeit import timeit

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.callback import ScoringMonitor

from sklqkd import DistilledQNNClassifier, DistilledQNNClassifierCV, LeNetClassifier, QNNClassifier
from sklqkd import datasets as data

LOADERS = {"digits": data.load_digits, "mnist": data.fetch_mnist, "cifar10": data.fetch_cifar10}
LOADERS["fashion_mnist"] = data.fetch_fashion_mnist
COLOURS = "C3", "C0", "C1"
plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dataset", default="digits", choices=LOADERS)
    parser.add_argument("--output", type=Path, default=Path("quickstart_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    per_class, epochs = (20, 200) if options.dataset == "digits" else (150, 50)
    train, test = (LOADERS[options.dataset](subset) for subset in ("train", "test"))
    X, y, on_test = train.data, train.target, (test.data, test.target)
    print(f"{options.dataset}: {len(y):,} training images, {len(test.target):,} test images")
    few, _ = data.take_per_class(np.arange(len(y)), y, per_class)
    some = np.where(np.isin(np.arange(len(y)), few), y.astype(int), -1)  # -1: without a label
    common = {"image_shape": train.image_shape, "random_state": 0}
    teacher = LeNetClassifier(**common)
    common["max_iter"] = epochs
    on_all = DistilledQNNClassifier(teacher, **common)
    own = DistilledQNNClassifier(teacher, augmentation="shift", **common)
    models = {"teacher (LeNet, all labels)": (teacher, X, y)}
    models["plain student"] = QNNClassifier(**common), X[few], y[few]
    models["distilled student"] = own, X[few], y[few]
    models["distilled student, others unlabelled"] = on_all, X, some
    models["the same, settings chosen"] = DistilledQNNClassifierCV(student=on_all), X, some
    page, (curves, circuit) = plt.subplots(2, layout="tight", height_ratios=[4, 1], figsize=(12, 7))
    table = "| model | test accuracy, % | parameters: quantum | classical | fit, s |"
    table += f"\n| ---{' | ---:' * 4} |\n"
    for name, (model, images, labels) in models.items():
        print(f"Training: {name} ...", flush=True)
        seconds = timeit(lambda: model.fit(images, labels), number=1)  # noqa: B023
        counts = getattr(model, "student_", model).n_parameters_
        counts = (0, counts) if model is teacher else counts.values()
        table += f"| {name} | {100 * model.score(*on_test):.1f} | "
        table += "".join(f"{count:,} | " for count in counts) + f"{seconds:.1f} |\n"
        if isinstance(model, QNNClassifier):
            monitor = ScoringMonitor(scoring={"%": lambda m, *_: 100 * m.score(*on_test)})
            clone(model).set_callbacks(monitor).fit(images, labels)
            curve = [row["%"] for row in monitor.get_logs().data[1:]]
            curves.plot(range(1, len(curve) + 1), curve, COLOURS[len(curves.lines)], label=name)
    command = f"python examples/quickstart.py --dataset {options.dataset}"
    chosen = f"temperature {model.temperature_:g}, lam {model.lam_:g} chosen"
    table += f"\n{per_class} labels per class, seed 0; {chosen}: `{command}`\n"
    curves.set(xlabel="epoch", ylabel="test accuracy, %", title="Students")
    curves.legend()
    drawing = model.student_.draw(decimals=1, max_length=150)
    circuit.text(0.5, 0.4, drawing, family="monospace", size=8, ha="center", va="center")
    circuit.set(title="The circuit of the last student, with its angles in radians")
    circuit.set_axis_off()
    stem = options.output / f"quickstart_{options.dataset}"
    stem.with_suffix(".md").write_text(table)
    page.savefig(stem.with_suffix(".png"), dpi=110)
    joblib.dump(model, stem.with_suffix(".joblib"))
    print(f"\n{table}\nWritten:")
    for suffix in (".md", ".png", ".joblib"):
        print(stem.with_suffix(suffix))


if __name__ == "__main__":
    main()
