"""Write the saved estimators of this release, which later releases have to open.

Run it once for each release that changes the format of the state, as
``python tests/data/make_fixtures.py``; it writes a folder of that release's name beside itself, and
leaves the others as they are.
"""

import zipfile
from pathlib import Path

import joblib
import numpy as np
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

import sklqkd
from sklqkd.datasets import load_digits, take_per_class


def estimators(X, y):
    """Return small estimators by name, fitted."""
    quick = {"n_qubits": 2, "n_layers": 1, "max_iter": 3, "random_state": 0}
    teacher = RandomForestClassifier(5, random_state=0).fit(X, y)
    student = sklqkd.DistilledQNNClassifier(teacher, reducer="avg_pool", **quick).fit(X, y)
    reducer = sklqkd.PCAReducer(n_components=4, random_state=0)
    last = sklqkd.QNNClassifier(reducer=None, **quick)
    return {
        "student": student.set_params(teacher=None),
        "pipeline": Pipeline([("reduce", reducer), ("student", last)]).fit(X, y.astype(str)),
        "classical": sklqkd.DistilledMLPClassifier(
            n_components=4, hidden_units=2, max_iter=3, random_state=0
        ).fit(X, y),
    }


def more(X, y):
    """Return a teacher and a trained reducer, which skops does not hold."""
    options = {"module__n_blocks": 1, "module__width": 2, "lr": 0.01, "random_state": 0}
    return {
        "resnet": sklqkd.ResNetClassifier(max_epochs=2, **options).fit(X, y),
        "fc": sklqkd.FCReducer(3, random_state=0).fit(X, y),
    }


def main():
    """Write the files, and the probabilities that they have to give for the first digits."""
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 3], y[y < 3]
    folder = Path(__file__).parent / sklqkd.__version__
    folder.mkdir()
    expected = {}
    for name, estimator in estimators(X, y).items():
        joblib.dump(estimator, folder / f"{name}.joblib", compress=3)
        path = folder / f"{name}.skops"
        skops.io.dump(estimator, path, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
        expected[name] = estimator.predict_proba(X[:20])
    np.savez_compressed(folder / "probabilities.npz", **expected)
    X, y = take_per_class(*load_digits(return_X_y=True), 10, classes=[3, 5, 8])
    expected = {}
    for name, estimator in more(X, y).items():
        joblib.dump(estimator, folder / f"{name}.joblib", compress=3)
        give = estimator.transform if name == "fc" else estimator.predict_proba
        expected[name] = give(X)
    np.savez_compressed(folder / "outputs.npz", **expected)


if __name__ == "__main__":
    main()
