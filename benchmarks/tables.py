"""Encodings and reducers on tables: which suits how many columns.

``python benchmarks/tables.py`` cross-validates students on scikit-learn's embedded tables, with all
encodings and with what stands between columns and circuit, and writes ``tables.md``. Some minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import joblib
import sklearn.datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklqkd import QNNClassifier, __version__
from sklqkd.encodings import make_encoding

TABLES = {"breast cancer": "load_breast_cancer", "wine": "load_wine", "iris": "load_iris"}
ENCODINGS = ("amplitude", "angle", "qubit", "hadamard_ry")
#: What is between the columns and the circuit, and the numbers of qubits that are tried.
REDUCERS, QUBITS = (None, "pca", "fc"), (2, 4, 5)
FOLDS, REPEATS = 5, 3


def score(model, X, y):
    """Return mean and deviation of the cross-validated accuracy, %."""
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    scores = 100 * cross_val_score(model, X, y, cv=folds)
    return f"{scores.mean():.1f} ± {scores.std(ddof=1):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args()
    lines, jobs = [], []
    for title, loader in TABLES.items():
        X, y = getattr(sklearn.datasets, loader)(return_X_y=True)
        head = [title, X.shape[1]]
        controls = {
            "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
            "random forest": RandomForestClassifier(random_state=0),
        }
        for name, model in controls.items():
            lines.append([*head, name, "", "", ""])
            jobs.append((model, X, y))
        for reducer in REDUCERS:
            for encoding in ENCODINGS:
                for n_qubits in QUBITS:
                    n_features = make_encoding(encoding, n_qubits).n_features
                    if (reducer is None) == (n_features < X.shape[1]):
                        continue  # columns that do not fit, or nothing to reduce
                    student = QNNClassifier(
                        n_qubits=n_qubits, encoding=encoding, reducer=reducer, random_state=0
                    )
                    lines.append([*head, "student", reducer, encoding, n_qubits])
                    jobs.append((student, X, y))
    scores = joblib.Parallel(options.n_jobs)(joblib.delayed(score)(*job) for job in jobs)
    header = ["table", "columns", "model", "reducer", "encoding", "qubits", "accuracy, %"]
    rows = [header, ["---"] * len(header)]
    rows += [[*line, accuracy] for line, accuracy in zip(lines, scores, strict=True)]
    text = "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
    versions = f"sklqkd {__version__}, scikit-learn {sklearn.__version__}"
    command = " ".join(["python", *sys.argv])
    (options.output / "tables.md").write_text(f"""# Tables

`{command}`, {versions}. Mean and deviation over
{FOLDS} folds, {REPEATS} times, seed 0; students and forest at their defaults, without a teacher.
Columns reach the student as they are: it scales them. Reducers are left out where the encoding
takes all columns.

{text}
""")


if __name__ == "__main__":
    main()
