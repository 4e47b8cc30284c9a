"""Save a trained student and use it elsewhere: joblib, or skops where files come from strangers.
==============================================================================================

A student needs its teacher only to be trained. Without it (teacher=None) the file is small, and
predicts the same. Opening a joblib file runs what is in it, so open those of people you trust. A
skops file (pip install "sklqkd[skops]") runs nothing: it holds known types alone.

What to see: nearly all of the largest file is the teacher, and the probabilities that another
process computes from the skops file are the same numbers.

    python examples/save_and_load.py [--output FOLDER]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier
from sklqkd.datasets import load_digits, take_per_class
from sklqkd.persistence import replacing

ELSEWHERE = """
import sys, joblib, skops.io
from sklqkd.persistence import TRUSTED_TYPES
student, images, answer = sys.argv[1:]
student = skops.io.load(student, trusted=TRUSTED_TYPES)
joblib.dump(student.predict_proba(joblib.load(images)), answer)
"""
plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    teacher = RandomForestClassifier(random_state=0).fit(X, y)
    student = DistilledQNNClassifier(teacher, random_state=0).fit(*take_per_class(X, y, 20))
    print(f"student: {100 * student.score(X_test, y_test):.1f} % on the test images")

    names = ["student_and_teacher.joblib", "student.joblib", "student.skops"]
    with replacing(folder / names[0]) as file:  # a full disk would leave the old file
        joblib.dump(student, file)
    student.set_params(teacher=None)
    with replacing(folder / names[1]) as file:
        joblib.dump(student, file)
    skops.io.dump(student, folder / names[2])

    images, answer = folder / "images.joblib", folder / "answer.joblib"
    joblib.dump(X_test, images)
    subprocess.run([sys.executable, "-c", ELSEWHERE, folder / names[2], images, answer], check=True)
    here, there = student.predict_proba(X_test), joblib.load(answer)
    print(f"largest difference of a probability in another process: {np.abs(there - here).max()}")

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    sizes = [(folder / name).stat().st_size / 1024 for name in names]
    bars = left.barh(names, sizes, color="C0")
    left.bar_label(bars, [f"{size:,.0f} kB" for size in sizes], padding=3)
    left.set(xscale="log", xlim=(1, 20 * max(sizes)), xlabel="size of the file, kB")
    right.plot([0, 1], [0, 1], color="C3", linewidth=0.8)
    right.plot(here.ravel(), there.ravel(), ".", color="C0", markersize=3)
    right.set(xlabel="probability here", ylabel="in another process", aspect="equal")
    figure.savefig(folder / "save_and_load.png", dpi=100)
    print(f"Written: save_and_load.png and the files, to {folder}")


if __name__ == "__main__":
    main()
