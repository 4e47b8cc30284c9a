"""A table of your own, from a CSV file to a saved student.
========================================================

Gaps are filled, numbers standardised, and texts become columns, by the training rows alone.
Students get 60 labels, their teacher all. The CSV is scikit-learn's cancer data, made untidy.

What to see: the table says whether the teacher helps (gain, interval, p), and whether the circuit
does: the equal linear student is in it.

    python examples/own_table.py [--seeds 10] [--output FOLDER]
"""

import argparse
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklqkd import DistilledLinearClassifier, DistilledQNNClassifier
from sklqkd.evaluation import compare

plt.style.use("sklqkd.plotting.style")


def write_csv(path):
    names = {"target": {0: "malignant", 1: "benign"}}
    table = load_breast_cancer(as_frame=True).frame.replace(names)
    table["texture"] = pd.qcut(table.pop("mean texture"), 3, ["smooth", "medium", "coarse"])
    table.loc[np.random.default_rng(0).random(len(table)) < 0.1, "mean area"] = np.nan
    table.to_csv(path, index=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    write_csv(options.output / "own_table.csv")
    table = pd.read_csv(options.output / "own_table.csv")
    labels = table.pop("target").to_numpy(str)
    rows, rows_test, y, y_test = train_test_split(table, labels, stratify=labels, random_state=0)
    numbers = make_column_selector(dtype_include="number")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        remainder=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    X, X_test = columns.fit_transform(rows), columns.transform(rows_test)
    few, _, y_few, _ = train_test_split(X, y, train_size=60, stratify=y, random_state=0)
    teacher = ExtraTreesClassifier(random_state=0).fit(X, y)
    students = {
        "plain circuit": DistilledQNNClassifier(lam=0),
        "distilled circuit": DistilledQNNClassifier(teacher),
        "distilled linear": DistilledLinearClassifier(teacher),
    }
    comparison = compare(students, few, y_few, X_test, y_test, seeds=options.seeds, verbose=1)
    print(comparison.to_markdown(others=["agreement", "n_parameters"]))
    print(f"teacher, with all labels: {(best := 100 * teacher.score(X_test, y_test)):.1f} %")
    student = students["distilled circuit"].set_params(random_state=0).fit(few, y_few)
    whole = make_pipeline(columns, student.set_params(teacher=None))  # takes rows as in the CSV
    joblib.dump(whole, options.output / "own_table.joblib")
    print(f"saved student, on the test rows: {100 * whole.score(rows_test, y_test):.1f} %")
    axis = plt.subplots(figsize=(7, 2.5), layout="constrained")[1]
    scores = {name: 100 * values for name, values in comparison.scores().items()}
    axis.boxplot([*scores.values()], tick_labels=[*scores], orientation="horizontal")
    axis.axvline(best, color="0.5", ls="--")
    axis.set(xlabel=f"test accuracy, %: {options.seeds} seeds, 60 labels; dashed: teacher")
    plt.savefig(options.output / "own_table.png", dpi=100)


if __name__ == "__main__":
    main()
