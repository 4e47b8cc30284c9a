"""The exact classical twin of a trained student: the same predictions, without a circuit.
=======================================================================================

After training, a logit of the student is a quadratic form of its encoded features, whatever ansatz
and measurement are: 136 numbers a class for 4 qubits and amplitude encoding. `to_classical` returns
them as a scikit-learn pipeline, which pickles, serves and exports as any other.

What to see: on the left, all that the circuit's 36 angles came to for one digit. In the middle,
both classifiers give the same logits. On the right, how long they take.

    python examples/classical_twin.py [--output FOLDER]
"""

import argparse
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklqkd import QNNClassifier
from sklqkd.datasets import load_digits

plt.style.use("sklqkd.plotting.style")


def best_time(model, X, repeats=15):
    """Return the shortest of some times of a prediction, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        model.predict(X)
        times.append(perf_counter() - start)
    return 1000 * min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    student = QNNClassifier(n_qubits=4, reducer="pca", random_state=0).fit(X, y)
    twin = student.to_classical()
    print(twin)
    logits, same = student.decision_function(X_test), twin.decision_function(X_test)
    for name, model in (("student", student), ("twin", twin)):
        print(f"{name}: {100 * model.score(X_test, y_test):.2f} % of the test images")
    print(f"largest difference of the logits {np.abs(logits - same).max():.0e}")

    figure, (form, scatter, timing) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    upper = np.zeros((16, 16))
    upper[np.triu_indices(16)] = twin[-1].coef_[3]
    matrix = (upper + upper.T) / np.where(np.eye(16, dtype=bool), 2, np.sqrt(2))
    bound = np.abs(matrix).max()
    form.grid(visible=False)
    image = form.imshow(matrix, cmap="RdBu_r", vmin=-bound, vmax=bound)
    figure.colorbar(image, ax=form)
    form.set(title='The form M of digit "3"', xlabel="component", ylabel="component")

    scatter.plot(logits.ravel(), same.ravel(), ".", markersize=3)
    scatter.set(xlabel="logits of the student", ylabel="logits of its twin")
    scatter.set_title(f"largest difference {np.abs(logits - same).max():.0e}")

    sizes = (1, 10, 100, 1000)
    images = np.tile(X_test, (3, 1))
    for model, name, marker in ((student, "student", "o"), (twin, "twin", "s")):
        times = [best_time(model, images[:size]) for size in sizes]
        timing.loglog(sizes, times, marker=marker, label=name)
    timing.set(xlabel="images", ylabel="time of a prediction, ms", title="shortest of 15")
    timing.legend()
    figure.savefig(options.output / "classical_twin.png", dpi=100)
    print(f"Written: {options.output / 'classical_twin.png'}")


if __name__ == "__main__":
    main()
